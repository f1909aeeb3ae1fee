"""Rules of JAX functions, right ones and planted mistakes, beside `jax.test_util.check_grads`.

``python -m benchmarks.jax_functions`` measures and writes docs/results/jax.md. Needs JAX. The functions are those of
tests/jax/planted_rules.py, on larger arrays.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PAGE = Path(__file__).parent.parent / "docs" / "results" / "jax.md"
SHAPES: dict[str, tuple[tuple[int, ...], ...]] = {
    "logsumexp": ((64, 128),),
    "layer_norm": ((64, 128), (128,), (128,)),
    "rms_norm": ((64, 128), (128,)),
    "attention": ((2, 16, 64), (2, 16, 64), (2, 16, 64)),
    "clipped": ((4096,),),
    "rounded": ((4096,),),
    "recurrent": ((32, 32), (16, 32)),
    "root": ((1024,),),
    "branching": ((64,), (64, 32)),
}
"""Shapes of the arguments of each function."""

Rule = Callable[[Any, Any], tuple[Any, ...]]


@dataclass(frozen=True)
class Outcome:
    """Whether a checker called a rule right, and how long it took; ``raised`` if it ended in another error."""

    passed: bool
    seconds: float
    raised: bool = False


def arguments_of(name: str, dtype: Any) -> list[Any]:
    """Return arguments: standard normal numbers, positive ones for the root and the branch."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in SHAPES[name]]
    if name in ("root", "branching"):
        arrays[0] = np.abs(arrays[0]) + 0.5
    if name == "recurrent":
        arrays[0] /= 6
    return [array.astype(dtype) for array in arrays]


def spoilt(right: Rule, change: Callable[[Any], Any]) -> Rule:
    """Return a rule with a change of the gradient of the first argument."""

    def backward(residuals: Any, cotangent: Any) -> tuple[Any, ...]:
        first, *others = right(residuals, cotangent)
        return change(first), *others

    return backward


def one_entry(factor: float) -> Callable[[Any], Any]:
    """Return what multiplies the largest entry of an array."""

    def change(gradient: Any) -> Any:
        import jax.numpy as jnp

        flat = gradient.reshape(-1)
        return flat.at[jnp.argmax(jnp.abs(flat))].multiply(factor).reshape(gradient.shape)

    return change


SPOILT: dict[str, Callable[[Any], Any]] = {
    "zeros": lambda gradient: 0 * gradient,
    "1.01 times": lambda gradient: 1.01 * gradient,
    "1.0001 times": lambda gradient: 1.0001 * gradient,
    "one entry doubled": one_entry(2.0),
    "one entry 1.001 times": one_entry(1.001),
}
"""Mistakes that every rule is given, besides its own."""


def ours(function: Any, arguments: Sequence[Any]) -> bool:
    """Return whether `check_vjp` calls a rule right."""
    from fastcheck.jax import check_vjp

    return check_vjp(function, *arguments, progress=False).passed


def theirs(function: Any, arguments: Sequence[Any]) -> bool:
    """Return whether `check_grads` calls a rule right, with its defaults."""
    from jax.test_util import check_grads

    try:
        check_grads(function, tuple(arguments), order=1, modes=["rev"])
    except AssertionError:
        return False
    return True


def outcome(
    checker: Callable[[Any, Sequence[Any]], bool], function: Any, arguments: Sequence[Any]
) -> Outcome:
    """Return what a checker says; the function is new to JAX, so that compiling it counts."""
    start = time.process_time()
    try:
        passed = checker(function, arguments)
    except (ValueError, TypeError, NotImplementedError):
        return Outcome(False, time.process_time() - start, raised=True)
    return Outcome(passed, time.process_time() - start)


def measure(name: str, dtype: Any) -> tuple[str, ...]:
    """Return the cells of a row."""
    from tests.jax.planted_rules import FAMILIES, ruled

    function, forward, right, mistakes, _ = FAMILIES[name]
    wrong = {**mistakes, **{label: spoilt(right, change) for label, change in SPOILT.items()}}
    arguments = arguments_of(name, dtype)
    cells = [name.replace("_", " "), f"{sum(x.size for x in arguments):,}", str(len(wrong))]
    for checker in (ours, theirs):
        of_right = outcome(checker, ruled(function, forward, right), arguments)
        of_wrong = [outcome(checker, ruled(function, forward, rule), arguments) for rule in wrong.values()]
        found = sum(not each.passed for each in of_wrong)
        seconds = statistics.median([of_right.seconds, *(each.seconds for each in of_wrong)])
        verdict = "error" if of_right.raised else "pass" if of_right.passed else "**fail**"
        cells += [verdict, str(found), f"{seconds:.2f} s"]
    return tuple(cells)


def table(dtype: Any) -> str:
    """Return the table of all functions with arguments in a dtype."""
    head = (
        *("function", "numbers", "mistakes", "right one", "found", "time"),
        *("`check_grads`: right one", "found", "time"),
    )
    rows = []
    for name in SHAPES:
        rows.append(measure(name, dtype))
        print(" | ".join(rows[-1]), flush=True)
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    lines.insert(1, "| --- |" + " ---: |" * (len(head) - 1))
    return "\n".join(lines)


def main() -> None:
    """Measure, write the page, and print it."""
    import jax

    single = table(np.float32)
    jax.config.update("jax_enable_x64", True)
    double = table(np.float64)
    text = (
        "# Beside `jax.test_util.check_grads`\n\n"
        "Functions with a `jax.custom_vjp`, each with its right rule, with mistakes that people make in it, and with\n"
        f"{len(SPOILT)} that every rule is given: {', '.join(SPOILT)}.\n"
        "`check_vjp` compares every number, for two\n"
        "cotangents; `check_grads(…, order=1, modes=['rev'])` compares one random direction. Time is the median of\n"
        "all rules of a function, in seconds of the processor, with what JAX needs to compile it, in one process.\n"
        f"JAX {jax.__version__}. Made by `python -m benchmarks.jax_functions`.\n\n"
        f"## float32, as JAX is\n\n{single}\n\n## float64\n\n{double}\n"
    )
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
