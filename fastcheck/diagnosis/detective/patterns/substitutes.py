"""Claims that are something else: the gradient of another block, a sum or mean of the gradient, a function of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.evidence import BlockEvidence, Entries
from fastcheck.diagnosis.detective.naming import gradient_name
from fastcheck.diagnosis.detective.patterns.case import Case, Fit, Places
from fastcheck.diagnosis.detective.patterns.multiples import RIGHT
from fastcheck.diagnosis.detective.patterns.wording import axis_noun
from fastcheck.norms import largest, norm

MOST_AXES = 4
"""Axes of a block over which all sums are tried."""

MOST_BLOCKS = 64
"""Blocks of the same size that a claim is compared with."""


def of_another_block(case: Case) -> Iterator[Fit]:
    """Yield another block whose gradient or parameter this is."""
    for other in itertools.islice(_of_this_size(case), MOST_BLOCKS):
        what = gradient_name(other.name)
        for words, values in (
            (f"is {what}", other.slopes),
            (f"is {other.name}", other.theta),
        ):
            residual = _equals(case, values)
            if residual is not None:
                yield Fit(
                    words=words if values.shape == case.shape else f"{words}, reshaped",
                    statement=("of another block", words),
                    residual=residual,
                    entries=case.entries,
                )


def _of_this_size(case: Case) -> Iterator[BlockEvidence]:
    for other in case.evidence.blocks:
        if other is not case.block and other.theta.size == case.size:
            yield other


def _equals(case: Case, values: Entries) -> float | None:
    """Return the residual if the claim is these values, that are not scaled, and not zero."""
    if not values.any():
        return None
    return case.matches_lazily(
        lambda places: np.ldexp(values.reshape(-1)[places], -case.exponent),
        lambda: np.ldexp(values, -case.exponent),
    )


def reduced_and_spread(case: Case) -> Iterator[Fit]:
    """Yield a sum or a mean of the gradient over some axes in the place of each of its entries."""
    long = [axis for axis, length in enumerate(case.shape) if length > 1][:MOST_AXES]
    for count in range(1, len(long) + 1):
        for axes in itertools.combinations(long, count):
            length = math.prod(case.shape[axis] for axis in axes)
            total = np.sum(case.slopes, axis=axes, keepdims=True)
            for name, values in (("sum", total), ("mean", total / length)):
                residual = case.matches(np.broadcast_to(values, case.shape), gain=length)
                if residual is not None:
                    yield Fit(
                        words=f"has the {name} of {RIGHT} over {_over(case.shape, axes)} in every entry",
                        statement=("reduced", name, axes),
                        residual=residual,
                        entries=case.entries,
                    )


def _over(shape: tuple[int, ...], axes: tuple[int, ...]) -> str:
    if len(axes) == len(shape):
        return "all entries"
    if len(shape) == 2:
        return f"its {axis_noun(2, axes[0])}s"
    return f"axes {', '.join(map(str, axes))}"


class _Whole(NamedTuple):
    """What functions need of all slopes of a block."""

    length: float
    largest: float
    mean: float


Function = Callable[[Entries, Entries, _Whole], Entries]


def _between(least: float, theta: Entries, most: float) -> Entries:
    """Return parameters, NaN where they lie outside of where a function of them is defined."""
    return np.where((theta > least) & (theta < most), theta, np.nan)


OTHER_PARAMETERS: tuple[tuple[str, Function], ...] = (
    ("the square", lambda g, theta, whole: g / (2 * theta)),
    ("the square root", lambda g, theta, whole: g * 2 * np.sqrt(theta)),
    ("the reciprocal", lambda g, theta, whole: -g * theta * theta),
    ("exp", lambda g, theta, whole: g * np.exp(-theta)),
    ("the sigmoid", lambda g, theta, whole: g * (2 + np.exp(theta) + np.exp(-theta))),
    ("the logit, log p/(1 − p),", lambda g, theta, whole: g * _between(0, theta, 1) * (1 - theta)),
    ("softplus", lambda g, theta, whole: g * (1 + np.exp(-theta))),
    (
        "the inverse softplus, log(exp p − 1),",
        lambda g, theta, whole: -g * np.expm1(-_between(0, theta, np.inf)),
    ),
    ("tanh", lambda g, theta, whole: g * np.cosh(theta) ** 2),
    ("artanh", lambda g, theta, whole: g * (1 - _between(-1, theta, 1) ** 2)),
)
"""Functions of a parameter, and the gradient with respect to each of them; log is "times θ" already."""

FUNCTIONS: tuple[tuple[str, Function], ...] = (
    ("is the absolute value of {right}", lambda g, theta, whole: np.abs(g)),
    ("is the sign of {right}", lambda g, theta, whole: np.sign(g)),
    ("is {right} squared, entry by entry", lambda g, theta, whole: g * g),
    ("is {right} divided by its norm", lambda g, theta, whole: g / whole.length),
    ("is {right} divided by its largest entry", lambda g, theta, whole: g / whole.largest),
    ("is {right} with its mean subtracted", lambda g, theta, whole: g - whole.mean),
    (
        "is {right} times {theta}, entry by entry: that with respect to log |{theta}|",
        lambda g, theta, whole: g * theta,
    ),
    ("is {right} divided by {theta}, entry by entry", lambda g, theta, whole: g / theta),
    ("is {right} times {theta} squared, entry by entry", lambda g, theta, whole: g * theta * theta),
    *(
        (f"is {{right}} with respect to {what} of {{theta}}, in place of {{theta}}", function)
        for what, function in OTHER_PARAMETERS
    ),
)
"""What a claim may be, of slopes and parameters, entry by entry."""

SAME_AS: dict[str, tuple[object, ...]] = {
    "is {right} divided by its norm": ("factor",),
    "is {right} divided by its largest entry": ("factor",),
    "is {right} with its mean subtracted": ("constant added",),
}
"""Those that another pattern tells with a number that is fitted, and what it states."""


def a_function_of_it(case: Case) -> Iterator[Fit]:
    """Yield functions of the gradient and the parameter, entry by entry."""
    if case.size < 2:
        return
    slopes = case.block.slopes
    whole = _Whole(norm(slopes), largest(slopes), float(slopes.mean()))
    for words, function in FUNCTIONS:
        residual = _of_function(case, function, whole)
        if residual is not None:
            yield Fit(
                words=words.replace("{right}", RIGHT),
                statement=SAME_AS.get(words, ("function", words)),
                residual=residual,
                entries=case.entries,
            )


def _of_function(case: Case, function: Function, whole: _Whole) -> float | None:
    slopes, theta = case.block.slopes, case.block.theta

    def at(places: Places) -> Entries:
        return np.ldexp(function(slopes.flat[places], theta.flat[places], whole), -case.exponent)

    return case.matches_lazily(at, lambda: np.ldexp(function(slopes, theta, whole), -case.exponent))
