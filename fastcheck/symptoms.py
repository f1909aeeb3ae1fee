"""Failures that a word explains: a transposed claim, one triangle of a matrix that is read, a scale that is not.

The smallest examples: ``J(L) = Σ tril(L)²`` has no slope above the diagonal, where the gradient of a symmetric matrix
has entries; ``J(w) = a·w/‖w‖`` has none along w, where a backward pass that forgets the division has one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Estimate
from fastcheck.norms import largest, norm
from fastcheck.problem import Problem
from fastcheck.rule import Rows, claims
from fastcheck.verdict import Judgement

SAME = 1e-5
"""Relative difference up to which a pattern counts as met: plain evaluation knows slopes to about 1e-8."""

SEEN = 1e-3
"""Part of a claim along θ, relative to ‖g‖‖θ‖, from which it is named."""

MOST = 2**22
"""Entries of a block that is looked at: beyond, a failure is described by where it is."""

Entries = NDArray[np.float64]


def symptoms(problem: Problem, estimate: Estimate, judgement: Judgement) -> tuple[str, ...]:
    """Return sentences about a block that fails, all coordinates of which were looked at; most have none."""
    part = estimate.part
    block = part.block
    if not judgement.wrong or part.size != block.size or not 2 <= part.size <= MOST:
        return ()
    every = slice(0, part.size)
    claimed = claims(problem, part, every)
    slopes = Rows.of(estimate, every).compared(claimed)
    theta = problem.theta[block.start : block.stop]
    size, length = max(largest(claimed), largest(slopes)), norm(theta) or 1.0
    theta, claimed, slopes = (
        values.reshape(block.shape) / scale
        for values, scale in ((theta, length), (claimed, size), (slopes, size))
    )
    found = [
        *_of_square_matrices(block.name, claimed, slopes),
        *_of_scale(block.name, theta, length, claimed, slopes),
    ]
    return tuple(found[:1])


def _of_square_matrices(name: str, claimed: Entries, slopes: Entries) -> Iterator[str]:
    """Yield what is known of square matrices: a claim that is transposed, or only one triangle that counts."""
    shape = claimed.shape
    if len(shape) < 2 or shape[-1] != shape[-2] or shape[-1] < 2:
        return
    if _alike(np.swapaxes(claimed, -1, -2), slopes):
        yield f"The claim for {name} is transposed: return its .T, or swap the factors of the product that makes it."
        return
    for read, cut, unread in (("lower", np.tril, np.triu), ("upper", np.triu, np.tril)):
        strict = -1 if read == "lower" else 1
        beyond = unread(slopes, -strict)
        if not cut(slopes, strict).any() or beyond.any():
            continue
        if not unread(claimed, -strict).any():
            return
        sentence = f"The cost reads the {read} triangle of {name} alone: slopes are zero in the other, claims are not."
        folded = cut(claimed + np.swapaxes(claimed, -1, -2), strict) + _diagonal(claimed)
        if _alike(cut(claimed), slopes):
            sentence += f" In the {read} one it is right: return np.{cut.__name__}(g)."
        elif _alike(folded, slopes):
            sentence += (
                f" It is right for a symmetric {name}: as a claim for the triangle, add both entries of a pair, "
                f"np.{cut.__name__}(g + g.T, {strict}) + np.diag(np.diag(g))."
            )
        yield sentence
        return
    for one, cut, other in (("lower", np.tril, np.triu), ("upper", np.triu, np.tril)):
        strict = -1 if one == "lower" else 1
        folded = cut(slopes + np.swapaxes(slopes, -1, -2), strict) + _diagonal(slopes)
        if claimed.any() and not other(claimed, -strict).any() and _alike(claimed, folded):
            yield (
                f"The cost reads both triangles of {name}: the claim is that of a symmetric one, of which the {one} "
                "triangle alone is a parameter. Its slopes are shared by both entries of a pair."
            )
            return


def _of_scale(name: str, theta: Entries, length: float, claimed: Entries, slopes: Entries) -> Iterator[str]:
    """Yield what is known if the cost does not change when θ, or each row or column of it, is scaled.

    ``theta`` has norm 1, its own is ``length``.
    """
    last = theta.ndim - 1
    choices: list[tuple[str, tuple[int, ...]]] = [(name, tuple(range(theta.ndim)))]
    if theta.ndim > 1:
        rows = "each row of" if theta.ndim == 2 else "each part of the first axis of"
        columns = "each column of" if theta.ndim == 2 else "each part of the last axis of"
        choices = [
            (f"{columns} {name}", tuple(range(last))),
            (f"{rows} {name}", tuple(range(1, theta.ndim))),
            *choices,
        ]
    for what, axes in choices:
        if math.prod(theta.shape[axis] for axis in axes) < 2:
            continue
        square = np.sum(theta * theta, axis=axes, keepdims=True)
        if not square.all() or not slopes.any():
            continue
        if not _at_right_angles(theta, slopes, axes, SAME) or _at_right_angles(theta, claimed, axes, SEEN):
            continue
        across = claimed - theta * np.sum(theta * claimed, axis=axes, keepdims=True) / square
        rest = ""
        if _alike(across, slopes):
            rest = " Without its part along it the claim is right."
        elif _alike(across / (length * np.sqrt(square)), slopes):
            rest = " Without its part along it, and divided by the norm, the claim is right."
        yield (
            f"J does not change when {what} is scaled, as if the cost normalised it, but the claim has a part along "
            f"it: the backward pass of a normalisation is missing, or not complete.{rest}"
        )
        return


def _at_right_angles(theta: Entries, gradient: Entries, axes: tuple[int, ...], share: float) -> bool:
    """Tell whether a gradient has no part along θ, in each group of entries over some axes."""
    along = np.abs(np.sum(theta * gradient, axis=axes))
    sizes = np.sqrt(np.sum(theta**2, axis=axes) * np.sum(gradient**2, axis=axes))
    return bool((along <= share * sizes).all())


def _alike(one: Entries, other: Entries) -> bool:
    size = float(np.abs(other).max())
    return bool((np.abs(one - other) <= SAME * size).all())


def _diagonal(matrices: Entries) -> Entries:
    return np.tril(np.triu(matrices))
