"""Claims that are right along constraints and not off them: on a sphere, a simplex, along orthogonal matrices.

The smallest example: J(w) = a·w, compared with a − w·(w·a)/‖w‖², its slope on the sphere that w lies on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from fastcheck.diagnosis.detective.evidence import Entries
from fastcheck.diagnosis.detective.patterns.case import Case, Fit
from fastcheck.diagnosis.detective.patterns.multiples import RIGHT
from fastcheck.norms import largest

FEWEST_ENTRIES = 3
"""Groups of fewer entries have little left of them along a constraint."""

MULTIPLE = 1e-12
"""Part of a square that is left of an array where it is a multiple of another, at most."""

ORTHOGONAL = 1e-6
"""Columns are orthonormal if their products are off by less."""


def without_part_along_theta(case: Case) -> Iterator[Fit]:
    """Yield a claim that lacks the part of the gradient along θ, or along each row or column of it."""
    for what, axes in _groups(case.shape, "{theta}"):
        square = np.sum(case.theta**2, axis=axes, keepdims=True)
        along = np.sum(case.theta * case.slopes, axis=axes, keepdims=True)
        if not (square.all() and along.any()):
            continue
        residual = case.residual(case.slopes - case.theta * along / square, gain=2.0)
        if residual is not None:
            yield Fit(
                words=f"is {RIGHT} without its part along {what}: right on the sphere of this length, "
                "and not off it",
                statement=("on a sphere", axes),
                residual=residual,
                entries=case.entries,
            )


def without_mean_of_lines(case: Case) -> Iterator[Fit]:
    """Yield a claim that lacks the mean of the gradient over each row or column; that of all is a constant added."""
    for what, axes in _groups(case.shape, ""):
        if len(axes) == len(case.shape):
            continue
        mean = case.slopes.mean(axis=axes, keepdims=True)
        residual = case.residual(case.slopes - mean, gain=2.0) if mean.any() else None
        if residual is not None:
            yield Fit(
                words=f"is {RIGHT} with the mean of {what.removesuffix(' of ')} subtracted: right where the sums of "
                "these are kept, as on a simplex, and not elsewhere",
                statement=("on a simplex", axes),
                residual=residual,
                entries=case.entries,
            )


def with_mean_of_lines(case: Case) -> Iterator[Fit]:
    """Yield a claim with a mean over each row or column, where J does not change by adding a number to all of it."""
    for what, axes in _groups(case.shape, ""):
        mean = case.claimed.mean(axis=axes, keepdims=True)
        is_invariant = largest(case.slopes.mean(axis=axes)) <= case.slack(1.0)
        if len(axes) == len(case.shape) or not is_invariant or not case.slopes.any():
            continue
        residual = case.residual(case.slopes + mean, gain=1.0)
        if residual is not None:
            lines = what.removesuffix(" of ")
            yield Fit(
                words=f"has a mean in {lines}, and J does not change if a number is added to all of {lines}: the "
                "backward pass of a subtraction of the mean is missing, and without the mean the claim is right",
                statement=("centring", axes),
                residual=residual,
                entries=case.entries,
            )


def _groups(shape: tuple[int, ...], theta: str) -> list[tuple[str, tuple[int, ...]]]:
    """Return the whole of θ, its columns and rows, and the axes along which each of them lies."""
    axes = tuple(range(len(shape)))
    groups = [(theta, axes)]
    if len(axes) > 1:
        row = "row" if len(axes) == 2 else "part of the first axis"
        column = "column" if len(axes) == 2 else "part of the last axis"
        groups += [(f"each {column} of {theta}", axes[:-1]), (f"each {row} of {theta}", axes[1:])]
    whole = math.prod(shape)
    sizes = {along: math.prod(shape[k] for k in along) for _, along in groups}
    return [
        (what, along)
        for what, along in groups
        if sizes[along] >= FEWEST_ENTRIES and (along == axes or sizes[along] < whole)
    ]


def _transposed(matrices: Entries) -> Entries:
    return np.asarray(np.swapaxes(matrices, -1, -2))


def _diagonal(matrices: Entries) -> Entries:
    return np.asarray(np.tril(np.triu(matrices)))


Tangent = tuple[str, str, Callable[[Entries], Entries]]

OF_SQUARE_MATRICES: tuple[Tangent, ...] = (
    ("g + gᵀ", "symmetric", lambda g: g + _transposed(g)),
    ("(g + gᵀ)/2", "symmetric", lambda g: (g + _transposed(g)) / 2),
    ("g + gᵀ less the diagonal", "symmetric", lambda g: g + _transposed(g) - _diagonal(g)),
    ("g − gᵀ", "antisymmetric", lambda g: g - _transposed(g)),
    ("(g − gᵀ)/2", "antisymmetric", lambda g: (g - _transposed(g)) / 2),
)
"""Slopes along symmetric and antisymmetric matrices, made of a gradient g: one row each."""


def of_square_matrices(case: Case) -> Iterator[Fit]:
    """Yield claims that are right among symmetric or antisymmetric matrices."""
    if len(case.shape) < 2 or case.shape[-1] != case.shape[-2] or case.shape[-1] < 2:
        return
    for made, which, function in OF_SQUARE_MATRICES:
        yield from _tangent(case, made, which, function(case.slopes))


OF_ORTHOGONAL_MATRICES: tuple[tuple[str, Callable[[Entries, Entries], Entries]], ...] = (
    ("g − W gᵀ W", lambda g, w: g - w @ g.T @ w),
    ("(g − W gᵀ W)/2", lambda g, w: (g - w @ g.T @ w) / 2),
    ("g − W (Wᵀg + gᵀW)/2", lambda g, w: g - w @ (w.T @ g + g.T @ w) / 2),
    ("g − W Wᵀg", lambda g, w: g - w @ (w.T @ g)),
)
"""The same along matrices W with orthonormal columns."""


def of_orthogonal_matrices(case: Case) -> Iterator[Fit]:
    """Yield claims that are right along matrices whose columns, or rows, are orthonormal."""
    if len(case.shape) != 2:
        return
    theta, slopes = np.ldexp(case.theta, case.theta_exponent), case.slopes
    for turned in (False, True):
        w, g = (theta.T, slopes.T) if turned else (theta, slopes)
        is_orthonormal = w.shape[0] >= w.shape[1] > 1 and largest(w.T @ w - np.eye(w.shape[1])) <= ORTHOGONAL
        for made, function in OF_ORTHOGONAL_MATRICES if is_orthonormal else ():
            tangent = function(g, w)
            yield from _tangent(
                case,
                f"{made}, of its transpose" if turned else made,
                "orthogonal",
                tangent.T if turned else tangent,
            )
        if is_orthonormal and w.shape[0] == w.shape[1]:
            return  # the transpose is so, too


def _tangent(case: Case, made: str, which: str, values: Entries) -> Iterator[Fit]:
    if not values.any() or _is_multiple(values, case.slopes):
        return
    residual = case.residual(values, gain=4.0)
    if residual is not None:
        yield Fit(
            words=f"is {made}, g being {RIGHT}: that along {which} matrices, where the cost takes any matrix",
            statement=("along matrices", made),
            residual=residual,
            entries=case.entries,
        )


def _is_multiple(x: Entries, y: Entries) -> bool:
    """Tell whether one array is a number times the other: "twice the gradient" says the same of it then."""
    return float(np.vdot(x, y)) ** 2 >= (1 - MULTIPLE) * float(np.vdot(x, x)) * float(np.vdot(y, y))
