"""One pass over 100,000 elements by each form of an identity: nanoseconds an element = mean time × 1e-5.

Measured with one thread (AVX2, ns an element, fused / interpreted): relu 0.4 / 9, multiply 0.6 / 8,
divide 1.3 / 2, exp 12 / 44, log 16 / 49, expit 20 / 66, tanh 21 / 78, softplus 35 / 99, erf 110 / 810.
"""

from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

from fastcheck.differences import IDENTITIES, fused, interpreted

SIZE = 100_000
TRUTH = {
    "relu": lambda x: max(x, mpf(0)),
    "tanh": mp.tanh,
    "expit": lambda x: 1 / (1 + mp.exp(-x)),
    "log": mp.log,
    "multiply": lambda x, y: x * y,
}


@pytest.mark.parametrize("form", [fused, interpreted], ids=["fused", "interpreted"])
@pytest.mark.parametrize("name", TRUTH)
def test_identity(benchmark: Any, name: str, form: Any) -> None:
    generator = np.random.default_rng(0)
    count = IDENTITIES[name].__code__.co_argcount
    steps = [1e-7 * np.abs(generator.normal(size=SIZE)) for _ in range(count // 2)]
    starts = [np.abs(generator.normal(size=SIZE)) for _ in steps]
    arguments = [array for pair in zip(starts, steps, strict=True) for array in pair]
    function = form(name)
    function(*arguments)  # compiled here, not in the measurement

    benchmark.group = f"identity {name}"
    result = benchmark(function, *arguments)
    benchmark.extra_info["elements"] = SIZE
    worst = max(error_in_ulps(name, result[i], [array[i] for array in arguments]) for i in range(50))
    benchmark.extra_info["max_error_in_ulps"] = worst
    assert worst <= 4


def error_in_ulps(name: str, computed: float, point: list[float]) -> float:
    with mp.workprec(300):
        x, dx = [mpf(float(v)) for v in point[::2]], [mpf(float(v)) for v in point[1::2]]
        exact = TRUTH[name](*[a + b for a, b in zip(x, dx, strict=True)]) - TRUTH[name](*x)
        return float(abs(mpf(float(computed)) - exact)) / float(np.spacing(abs(float(exact))))
