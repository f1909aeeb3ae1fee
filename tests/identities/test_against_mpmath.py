"""Every identity against mpmath, over the whole range of arguments."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from identity_bounds import assert_exact
from identity_truth import VALUES, exact_sum
from mpmath import mp, mpf

from fastcheck.identities import IDENTITIES, interpreted

BINARY = {name for name, f in IDENTITIES.items() if f.__code__.co_argcount == 4}
POSITIVE = {"log", "log2", "log10", "sqrt", "entr"}
BOUNDED = {"arcsin", "arccos", "arctanh", "logit"}
TRIGONOMETRIC = {"sin", "cos", "tan"}

signs = st.sampled_from([1.0, -1.0])
decades = st.builds(lambda s, p: s * 10.0**p, signs, st.floats(-300, 300))
moderate = st.builds(
    lambda s, v: s * v, signs, st.one_of(st.floats(0, 4), st.floats(0, 50), st.floats(0, 800))
)
starts = st.one_of(moderate, moderate, decades, st.just(0.0))
fractions = st.builds(lambda s, p: s * 10.0**p, signs, st.floats(-18, 1))
tiny = st.builds(lambda s, p: s * 10.0**p, signs, st.floats(-320, 1))


@st.composite
def pairs(draw: Any, name: str, *, positive: bool = False, nonzero: bool = False) -> tuple[float, float]:
    x = draw(starts)
    if name in TRIGONOMETRIC and abs(x) > 1e9:
        x = 1e9 / x
    if name == "logaddexp" and abs(x) > 1e7:
        x = 1e7 / x
    if name in BOUNDED and abs(x) >= 1:
        x = 1 / x if abs(x) > 1 else 0.5
    if positive or name in POSITIVE or name == "logit":
        x = abs(x)
    if x == 0 and (positive or nonzero or name in {"logit", *POSITIVE} - {"sqrt", "entr"}):
        x = 1.0
    # Steps: independent of x, a fraction of x, to 0, close to 0, close to -x, none.
    step = draw(st.one_of(tiny, tiny, fractions.map(lambda f: f * x), st.just(-x), st.just(0.0)))
    if draw(st.integers(0, 5)) == 0:
        step = -x * (draw(st.sampled_from([1, 2])) + draw(fractions))
    if not inside(name, x, step, positive=positive, nonzero=nonzero):
        step = -0.5 * x
    return x, step


def inside(name: str, x: float, dx: float, *, positive: bool, nonzero: bool) -> bool:
    end = exact_sum(mpf(x), mpf(dx))
    if positive or name == "log1p" or name in POSITIVE:
        low = -1 if name == "log1p" else 0
        return end > low or (end == low and name in {"sqrt", "entr"})
    if name in BOUNDED:
        return (0 if name == "logit" else -1) < end < 1
    limit = {"logaddexp": 1e8, "power": 1e300}.get(name, np.inf)
    return (end != 0 or not nonzero) and abs(end) < limit


@st.composite
def points(draw: Any, name: str) -> tuple[float, ...]:
    if name == "power":
        return draw(powers())
    if name == "log1p":
        x, dx = draw(pairs("log", positive=True).filter(lambda pair: abs(pair[0] - 1) > 0))
        return x - 1, dx if exact_sum(mpf(x - 1), mpf(dx)) > -1 else 1.0
    first = draw(pairs(name, nonzero=name == "reciprocal"))
    if name in BINARY:
        return (*first, *draw(pairs(name, positive=name == "xlogy", nonzero=name == "divide")))
    return first


@st.composite
def powers(draw: Any) -> tuple[float, ...]:
    if draw(st.booleans()):  # an integer exponent, any base
        n = draw(st.integers(-3, 6))
        return (*draw(pairs("power", nonzero=n <= 0)), float(n), 0.0)
    x, dx = draw(pairs("power", positive=True))
    y = draw(st.floats(-30, 30))
    return x, dx, y, draw(st.one_of(st.just(0.0), tiny, st.just(-y)))


def test_every_identity_has_a_truth() -> None:
    assert set(IDENTITIES) == set(VALUES)


@pytest.mark.parametrize("name", IDENTITIES)
def test_difference_is_exact(name: str) -> None:
    by_numpy = interpreted(name)

    @settings(
        max_examples=35,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(points(name))
    def check(point: tuple[float, ...]) -> None:
        result = by_numpy(*point)
        assert_exact(name, lambda *_: result, *point)
        if not any(point[1::2]) and np.isfinite(result):
            assert result == 0

    check()


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("tanh", (20.0, -40.0)),
        ("tanh", (-50.0, 1e-3)),
        ("expit", (800.0, -799.5)),
        ("expit", (-700.0, 1e-12)),
        ("exp", (-800.0, 1500.0)),
        ("exp", (700.0, 1e-9)),
        ("erf", (10.0, 1e-7)),
        ("erf", (2.3, 0.4)),
        ("erf", (-0.2, 0.4)),
        ("erfc", (20.0, 3.0)),
        ("ndtr", (-37.0, 1e-6)),
        ("sin", (np.pi / 2, 1e-9)),
        ("cos", (1e6, 1e-8)),
        ("log", (1e-300, 1e300)),
        ("sqrt", (0.0, 1e-320)),
        ("cbrt", (-1.0, 2.0)),
        ("arctan", (1e200, -1e199)),
        ("arctan2", (1e-9, -2e-9, -1.0, 0.0)),
        ("arctan2", (0.0, 0.0, -1.0, 2.0)),
        ("power", (-2.0, 1e-9, 3.0, 0.0)),
        ("power", (2.0, 1e-9, 0.5, -1e-9)),
        ("power", (1.4444474582904269e-34, 6.678277520338275e-34, 5.0, 0.1)),  # terms of 8.6 and −7.6
        ("power", (14.230502362870952, 37.24720099646191, -5.031040374842309, 1.6416680042271448)),
        ("logaddexp", (700.0, -1e-9, -700.0, 1e-3)),
        ("softplus", (-745.0, 1e-2)),
        ("relu", (-1e-9, 1e-9)),
    ],
)
def test_named_corner(name: str, point: tuple[float, ...]) -> None:
    assert_exact(name, interpreted(name), *point)


@pytest.mark.parametrize(
    ("name", "wrong", "point"),
    [
        ("sin", lambda x, dx: dx * np.cos(x), (0.5, 1e-2)),  # a derivative
        ("sin", lambda x, dx: np.sin(x + dx) - np.sin(x), (0.5, 1e-9)),  # plain subtraction
        (
            "tanh",
            lambda x, dx: (t := np.tanh(dx)) * (1 - np.tanh(x) ** 2) / (1 + np.tanh(x) * t),
            (30.0, 1e-3),
        ),
        ("square", lambda x, dx: 2.0 * x * dx, (1.0, 1e-3)),  # second order dropped
        ("relu", lambda x, dx: dx * (x > 0), (1e-9, -1e-3)),  # kink ignored
        ("exp", lambda x, dx: np.nan, (0.0, 1.0)),
    ],
)
def test_wrong_identity_is_caught(name: str, wrong: Any, point: tuple[float, ...]) -> None:
    with pytest.raises(AssertionError, match="ulp off"):
        assert_exact(name, wrong, *point)


def ordinary(name: str) -> list[np.ndarray]:
    generator = np.random.default_rng(7)
    count = IDENTITIES[name].__code__.co_argcount
    return [
        generator.uniform(0.2, 0.6, 50) if i % 2 == 0 else generator.uniform(-0.1, 0.1, 50)
        for i in range(count)
    ]


@pytest.mark.parametrize("name", sorted(IDENTITIES))
def test_zero_step_gives_zero_and_nan_gives_nan(name: str) -> None:
    point = ordinary(name)
    for i in range(1, len(point), 2):
        point[i] = np.zeros(50)
    assert not interpreted(name)(*point).any()
    point[1] = np.full(50, np.nan)
    assert np.isnan(interpreted(name)(*point)).all()


@pytest.mark.parametrize("name", sorted(IDENTITIES))
def test_arrays_are_as_exact_as_single_numbers(name: str) -> None:
    """Which last bits an array gets depends on the processor: what its vector units compute, and the rest of a row."""
    points = ordinary(name)
    for point, value in zip(zip(*points, strict=True), interpreted(name)(*points), strict=True):
        assert_exact(name, lambda *_, value=value: value, *point)


def test_broadcasting() -> None:
    x, dx = np.linspace(-2, 2, 5), np.array([[1e-3], [-1e-3]])
    assert interpreted("relu")(x, dx).shape == (2, 5)


def test_import_does_not_load_numba() -> None:
    code = (
        "import sys, fastcheck.identities as d; d.interpreted('erf')(0, 1); sys.exit('numba' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_quadrature_remainder_is_below_half_an_ulp() -> None:
    """The bound (64/15)·M·ρ⁻¹⁸/(1 - ρ⁻²) of docs/identities.md at ρ = 20, for the longest step."""
    rho, p, q = mpf(20), mpf(1), mpf("0.04")
    largest = mp.exp(p * (rho + 1 / rho) / 2 + q * (rho - 1 / rho) ** 2 / 4)
    smallest_integral = 2 * mp.exp(-q / 3)
    remainder = mpf(64) / 15 * largest * rho**-18 / (1 - rho**-2)
    assert remainder / smallest_integral < mpf(2) ** -54
