"""What JAX itself says of a rule that fails: derivatives of the function without the rule.

Differences see what a function does, JAX's derivatives what it says of itself: a value that ``stop_gradient`` holds
constant moves all the same. So where the two disagree, and the rule agrees with JAX, it is known why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.frameworks.jax import doubling
from fastcheck.engines.graph.frameworks.jax.compiling import CompiledOnce
from fastcheck.engines.graph.frameworks.jax.stops import stops_in, without_stops
from fastcheck.jax.floats import line_in_words
from fastcheck.jax.forwards import Forward
from fastcheck.jax.rules_of_users import Claims
from fastcheck.norms import root_mean_square
from fastcheck.report.result import Report
from fastcheck.verdict.judging import Verdict

SAME = 1e-6
"""Derivatives that differ by less than this share of a typical one are the same."""

MOST_LINES = 8
"""Lines with ``stop_gradient`` each of which is tried."""


def opinion(report: Report, forward: Forward, cotangents: Sequence[Any], claims: Claims) -> list[str]:
    """Return sentences about what JAX's own derivatives of the function say of claims that are wrong."""
    if forward.jaxpr is None:
        return []
    failing = [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL]
    own = derivatives(forward, forward.jaxpr, cotangents)
    if own is None or not failing:
        return []
    if all(same(own[name], claims[name]) for name in failing):
        return _why_held_constant(forward, cotangents, own, failing)
    known = [coordinate for name in failing for coordinate in report.blocks[name].worst]
    confirmed = all(abs(own[x.block][x.index] - x.numerical) <= SAME * _size(own[x.block]) for x in known)
    if confirmed:
        return [
            "a second opinion, JAX's derivative of the forward without the rule: it agrees with the differences."
        ]
    return []


def derivatives(forward: Forward, jaxpr: Any, cotangents: Sequence[Any]) -> Claims | None:
    """Return JAX's gradients of the function without custom rules; None where JAX has none, or no finite ones."""
    leaves = [doubling.in_double(x) for x in forward.asked.leaves]

    def function(*arguments: Any) -> list[Any]:
        return doubling.run(jaxpr.jaxpr, jaxpr.consts, arguments)

    def gradients(leaves: list[Any], cotangents: list[Any]) -> Any:
        return jax.vjp(function, *leaves)[1](cotangents)

    with doubling.DoublePrecision():
        try:
            found = CompiledOnce(gradients)(leaves, [doubling.in_double(x) for x in cotangents])
        except (ValueError, TypeError, NotImplementedError):  # no reverse mode through while, callbacks
            return None
    named = {name: np.asarray(x) for name, x in zip(forward.asked.names, found, strict=True)}
    return named if all(np.isfinite(x).all() for x in named.values()) else None


def _why_held_constant(
    forward: Forward, cotangents: Sequence[Any], own: Claims, failing: Sequence[str]
) -> list[str]:
    """Return the sentences that name the lines whose ``stop_gradient`` makes the difference."""
    lines = list(dict.fromkeys(map(line_in_words, stops_in(forward.jaxpr))))
    effective = [
        line
        for line in lines[:MOST_LINES]
        if _differs(derivatives(forward, without_stops(forward.jaxpr, _at(line)), cotangents), own, failing)
    ]
    if not effective:
        return [
            "JAX's derivative of the forward without the rule agrees with the rule, and differences do not: some "
            "operation of the forward has another derivative than JAX says."
        ]
    return [
        f"the forward holds a value constant {line} (stop_gradient): JAX's derivative obeys, and so does the rule; "
        "differences see that it moves."
        for line in effective
    ]


def _at(line: str) -> Callable[[Any], bool]:
    return lambda equation: line_in_words(equation) == line


def _differs(other: Claims | None, own: Mapping[str, NDArray[Any]], names: Sequence[str]) -> bool:
    return other is not None and not all(same(other[name], own[name]) for name in names)


def same(x: NDArray[Any], y: NDArray[Any]) -> bool:
    """Whether two arrays of derivatives are the same but for rounding."""
    return bool(np.max(np.abs(x - y), initial=0.0) <= SAME * max(_size(x), _size(y)))


def _size(x: NDArray[Any]) -> float:
    return root_mean_square(x.reshape(-1))
