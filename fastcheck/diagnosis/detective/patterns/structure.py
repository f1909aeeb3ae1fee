"""Claims that do not fit the structure of a block: the other triangle, a symmetric matrix, a scale that is no matter.

The smallest examples: ``J(L) = Σ tril(L)²`` has no slope above the diagonal, where the gradient of a symmetric matrix
has entries; ``J(w) = a·w/‖w‖`` has none along w, where a backward pass that forgets the division has one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.evidence import Entries
from fastcheck.diagnosis.detective.patterns.case import Case, Fit
from fastcheck.norms import largest

RIGHT_ANGLE = 1e-5
"""Slopes are at right angles to θ if their part along it is below this: plain evaluation knows them to about 1e-8."""

ALONG_THETA = 1e-3
"""Part of a claim along θ, relative to ‖g‖‖θ‖, from which it is named."""


FEW_LINES = 4
"""Rows or columns that are looked at first."""


class _Triangle(NamedTuple):
    """One triangle of matrices; ``cut`` keeps it and ``cut_other`` the other, without the diagonal where ``strict``."""

    name: str
    cut: Callable[..., Entries]
    cut_other: Callable[..., Entries]
    strict: int

    def beyond(self, matrices: Entries) -> Entries:
        """Return the entries of the other triangle, zeros elsewhere."""
        return self.cut_other(matrices, -self.strict)

    def folded(self, matrices: Entries) -> Entries:
        """Return the sum of both entries of each pair in this triangle, and the diagonal."""
        both = matrices + np.swapaxes(matrices, -1, -2)
        return np.asarray(self.cut(both, self.strict) + np.tril(np.triu(matrices)))


TRIANGLES = _Triangle("lower", np.tril, np.triu, -1), _Triangle("upper", np.triu, np.tril, 1)


def _is_square(case: Case) -> bool:
    return len(case.shape) >= 2 and case.shape[-1] == case.shape[-2] >= 2


def of_both_triangles(case: Case) -> Iterator[Fit]:
    """Yield claims for both triangles, of which the cost reads one."""
    if not _is_square(case):
        return
    for triangle in TRIANGLES:
        if triangle.beyond(case.slopes[..., :2, :2]).any():
            continue  # a quick look at a corner
        reads_one = (
            triangle.cut(case.slopes, triangle.strict).any() and not triangle.beyond(case.slopes).any()
        )
        if reads_one and triangle.beyond(case.claimed).any():
            yield _for_one_triangle(case, triangle)


def _for_one_triangle(case: Case, triangle: _Triangle) -> Fit:
    read, cut = triangle.name, f"np.{triangle.cut.__name__}"
    reads = f"of {{theta}} the cost reads the {read} triangle alone"
    residual = _explained(case, triangle.cut(case.claimed), gain=1.0)
    if residual is not None:
        words = f"is right in the {read} triangle and not zero in the other, but {reads}: return {cut}(g)"
        return Fit(words=words, statement=("triangles",), residual=residual, entries=case.entries)
    residual = _explained(case, triangle.folded(case.claimed), gain=2.0)
    if residual is not None:
        advice = f"{cut}(g + g.T, {triangle.strict}) + np.diag(np.diag(g))"
        words = f"is that of a symmetric matrix, but {reads}: add both entries of a pair, {advice}"
        return Fit(words=words, statement=("triangles",), residual=residual, entries=case.entries)
    return Fit(
        words=f"is not zero in both triangles, but {reads}, and its slopes in the other are zero",
        statement=("triangles",),
        residual=0.0,
        entries=case.entries,
        free=case.entries,
        only_where=True,
    )


def _explained(case: Case, made_of_claim: Entries, gain: float) -> float | None:
    """Return what a claim that was put right leaves of the error."""
    return case.residual(case.claimed - (made_of_claim - case.slopes), gain)


def of_a_symmetric_matrix(case: Case) -> Iterator[Fit]:
    """Yield claims for one triangle of a symmetric matrix, where the cost reads both."""
    if not _is_square(case):
        return
    for triangle in TRIANGLES:
        if triangle.beyond(case.claimed[..., :2, :2]).any():
            continue  # a quick look at a corner
        reads_both = triangle.beyond(case.slopes).any()
        claims_one = case.claimed.any() and not triangle.beyond(case.claimed).any()
        if not (reads_both and claims_one):
            continue
        residual = case.residual(triangle.folded(case.slopes), gain=2.0)
        if residual is not None:
            yield Fit(
                words=f"is that of a symmetric matrix of which the {triangle.name} triangle alone is a parameter, "
                "but the cost reads both: each entry of a pair has a slope of its own",
                statement=("symmetric", triangle.name),
                residual=residual,
                entries=case.entries,
            )


def misses_a_normalisation(case: Case) -> Iterator[Fit]:
    """Yield a claim along θ, or along each row or column of it, where J does not change by scaling it."""
    theta = case.theta
    for what, axes in _groups(case.shape):
        few = _few_lines(case.shape, axes)
        if not _at_right_angles(theta[few], case.slopes[few], axes, RIGHT_ANGLE):
            continue
        square = np.sum(theta * theta, axis=axes, keepdims=True)
        if not (square.all() and case.slopes.any()):
            continue
        invariant = _at_right_angles(theta, case.slopes, axes, RIGHT_ANGLE)
        if not invariant or _at_right_angles(theta, case.claimed, axes, ALONG_THETA):
            continue
        across = case.claimed - theta * np.sum(theta * case.claimed, axis=axes, keepdims=True) / square
        sizes = np.ldexp(np.sqrt(square), case.theta_exponent)
        yield _along_theta(case, what, across, sizes)
        return


def _along_theta(case: Case, what: str, across: Entries, sizes: Entries) -> Fit:
    """Return what is said of a claim that has a part along θ."""
    said = f"has a part along {what}, which J does not depend on: the backward pass of a normalisation is missing"
    residual = _explained(case, across, gain=1.0)
    if residual is not None:
        words = f"{said}, and without that part it is right"
        return Fit(words=words, statement=("normalisation",), residual=residual, entries=case.entries)
    residual = _explained(case, across / sizes, gain=largest(1 / sizes))
    if residual is not None:
        words = f"{said}, and without that part, and divided by the norm, it is right"
        return Fit(words=words, statement=("normalisation",), residual=residual, entries=case.entries)
    return Fit(
        words=f"{said} or not complete",
        statement=("normalisation",),
        residual=0.0,
        entries=case.entries,
        free=case.entries,
        only_where=True,
    )


def _groups(shape: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    """Return what may be scaled: columns, rows and the whole of θ, and the axes along which each of them lies."""
    axes = tuple(range(len(shape)))
    groups = [("{theta}", axes)]
    if len(axes) > 1:
        rows = "each row of" if len(axes) == 2 else "each part of the first axis of"
        columns = "each column of" if len(axes) == 2 else "each part of the last axis of"
        groups = [(f"{columns} {{theta}}", axes[:-1]), (f"{rows} {{theta}}", axes[1:]), *groups]
    return [(what, along) for what, along in groups if math.prod(shape[axis] for axis in along) > 1]


def _few_lines(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[slice, ...]:
    """Return a few of the groups of entries over some axes."""
    return tuple(
        slice(None) if axis in axes else slice(0, None, max(1, length // FEW_LINES))
        for axis, length in enumerate(shape)
    )


def _at_right_angles(theta: Entries, gradient: Entries, axes: tuple[int, ...], share: float) -> bool:
    """Tell whether a gradient has no part along θ, in each group of entries over some axes."""
    if len(axes) == theta.ndim:
        t, g = theta.reshape(-1), gradient.reshape(-1)
        return bool(abs(t @ g) <= share * math.sqrt(float(t @ t) * float(g @ g)))
    along = np.abs(np.sum(theta * gradient, axis=axes))
    sizes = np.sqrt(np.sum(theta**2, axis=axes) * np.sum(gradient**2, axis=axes))
    return bool((along <= share * sizes).all())
