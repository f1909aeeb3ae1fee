"""Mistakes that a sentence explains: a transposed claim, one triangle of a matrix that is read, a scale that is not.

The smallest examples: ``J(L) = Σ tril(L)²`` has no slope above the diagonal, where the gradient of a symmetric matrix
has entries; ``J(w) = a·w/‖w‖`` has none along w, where a backward pass that forgets the division has one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.failing_block import Entries, FailingBlock
from fastcheck.norms import largest, norm

SAME_PATTERN = 1e-5
"""Relative difference up to which entries count as alike: plain evaluation knows slopes to about 1e-8."""

ALONG_THETA = 1e-3
"""Part of a claim along θ, relative to ‖g‖‖θ‖, from which it is named."""


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


def transposed(block: FailingBlock) -> str | None:
    """Return the sentence about square matrices of which the claim is transposed."""
    claimed, slopes = _scaled(block)
    if not _is_square(block) or not _alike(np.swapaxes(claimed, -1, -2), slopes):
        return None
    return f"The claim for {block.name} is transposed: return its .T, or swap the factors of the product that makes it."


def of_both_triangles(block: FailingBlock) -> str | None:
    """Return the sentence about claims for both triangles, of which the cost reads one."""
    if not _is_square(block):
        return None
    name, (claimed, slopes) = block.name, _scaled(block)
    for triangle in TRIANGLES:
        reads_one = triangle.cut(slopes, triangle.strict).any() and not triangle.beyond(slopes).any()
        if not (reads_one and triangle.beyond(claimed).any()):
            continue
        read, cut = triangle.name, f"np.{triangle.cut.__name__}"
        slopes_and_claims = "slopes are zero in the other, claims are not."
        sentence = f"The cost reads the {read} triangle of {name} alone: {slopes_and_claims}"
        if _alike(triangle.cut(claimed), slopes):
            return f"{sentence} In the {read} one it is right: return {cut}(g)."
        if _alike(triangle.folded(claimed), slopes):
            return (
                f"{sentence} It is right for a symmetric {name}: as a claim for the triangle, add both entries of a "
                f"pair, {cut}(g + g.T, {triangle.strict}) + np.diag(np.diag(g))."
            )
        return sentence
    return None


def of_a_symmetric_matrix(block: FailingBlock) -> str | None:
    """Return the sentence about claims for one triangle of a symmetric matrix, where the cost reads both."""
    if not _is_square(block):
        return None
    claimed, slopes = _scaled(block)
    for triangle in TRIANGLES:
        reads_both = triangle.beyond(slopes).any()
        claims_one = claimed.any() and not triangle.beyond(claimed).any()
        if reads_both and claims_one and _alike(claimed, triangle.folded(slopes)):
            return (
                f"The cost reads both triangles of {block.name}: the claim is that of a symmetric one, of which the "
                f"{triangle.name} triangle alone is a parameter. Its slopes are shared by both entries of a pair."
            )
    return None


def misses_a_normalisation(block: FailingBlock) -> str | None:
    """Return the sentence about a claim along θ, or each row or column of it, where J does not change by scaling it."""
    claimed, slopes = _scaled(block)
    length = norm(block.theta) or 1.0
    theta = block.theta / length
    for what, axes in _groups(block):
        square = np.sum(theta * theta, axis=axes, keepdims=True)
        if not (square.all() and slopes.any()):
            continue
        invariant = _at_right_angles(theta, slopes, axes, SAME_PATTERN)
        if not invariant or _at_right_angles(theta, claimed, axes, ALONG_THETA):
            continue
        across = claimed - theta * np.sum(theta * claimed, axis=axes, keepdims=True) / square
        rest = ""
        if _alike(across, slopes):
            rest = " Without its part along it the claim is right."
        elif _alike(across / (length * np.sqrt(square)), slopes):
            rest = " Without its part along it, and divided by the norm, the claim is right."
        return (
            f"J does not change when {what} is scaled, as if the cost normalised it, but the claim has a part along "
            f"it: the backward pass of a normalisation is missing, or not complete.{rest}"
        )
    return None


def _groups(block: FailingBlock) -> list[tuple[str, tuple[int, ...]]]:
    """Return what may be scaled: columns, rows and the whole of θ, and the axes along which each of them lies."""
    axes = tuple(range(block.theta.ndim))
    groups = [(block.name, axes)]
    if len(axes) > 1:
        rows = "each row of" if len(axes) == 2 else "each part of the first axis of"
        columns = "each column of" if len(axes) == 2 else "each part of the last axis of"
        groups = [(f"{columns} {block.name}", axes[:-1]), (f"{rows} {block.name}", axes[1:]), *groups]
    shape = block.theta.shape
    return [(what, along) for what, along in groups if math.prod(shape[axis] for axis in along) > 1]


def _scaled(block: FailingBlock) -> tuple[Entries, Entries]:
    """Return claims and slopes over the largest of them, so that no product overflows."""
    size = max(largest(block.claimed), largest(block.slopes))
    return block.claimed / size, block.slopes / size


def _is_square(block: FailingBlock) -> bool:
    shape = block.theta.shape
    return len(shape) >= 2 and shape[-1] == shape[-2] >= 2


def _at_right_angles(theta: Entries, gradient: Entries, axes: tuple[int, ...], share: float) -> bool:
    """Tell whether a gradient has no part along θ, in each group of entries over some axes."""
    along = np.abs(np.sum(theta * gradient, axis=axes))
    sizes = np.sqrt(np.sum(theta**2, axis=axes) * np.sum(gradient**2, axis=axes))
    return bool((along <= share * sizes).all())


def _alike(entries: Entries, others: Entries) -> bool:
    size = float(np.abs(others).max())
    return bool((np.abs(entries - others) <= SAME_PATTERN * size).all())
