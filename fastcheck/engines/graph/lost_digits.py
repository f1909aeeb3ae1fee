"""Digits that slopes lose: the rounding that is seen in them, and what a certificate has to allow for it.

The smallest example is the slope of log(1 + exp(z)) - z at z = 20. The shares σ(z) and -1 of z leave -2e-9 of 1, and
with it seven digits; jittered parameters leave them as they are, and other roundings of all operations show it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fastcheck.engines import Bound
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.runs import PerturbedRun
from fastcheck.engines.rounding import MARGIN, block_bound
from fastcheck.norms import root_mean_square
from fastcheck.plan.tolerances import VANISHING
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

EMPTY = 2.0**-10
"""Rounding noise above this share of slopes that are tiny beside those of other blocks leaves nothing of them."""

MOST_NOISE_WITHOUT_LOSS = 2.0**-30
"""Rounding noise above this share of the slopes of a block tells that digits are lost."""

Rounding = float | Vector
"""The rounding seen in the slopes of a block: the largest, or that of each."""


def bound_of_block(problem: Problem, typical: float, rounding: Rounding, noise: float | None) -> Bound:
    """Return what rounding leaves between the slopes of a block and the true ones; ``noise`` is that of J if known."""
    relative = noise / abs(problem.value) if noise and problem.value else 0.0
    return block_bound(typical, rounding, relative, problem.nondeterminism)


def noise_of_slopes(
    problem: Problem,
    typical: Sequence[float],
    slopes: Sequence[Array],
    rounding: Sequence[Rounding],
    noise: float | None,
) -> tuple[float, list[float]]:
    """Return the relative rounding noise of slopes, and by what factor more is allowed in each block.

    Blocks that lose digits would hide errors in all others. Those that hold nothing but rounding, as before a batch
    normalisation, are measured by the others.
    """
    zero = VANISHING * float(np.finfo(float).eps) * max([problem.largest_claim, *typical])
    largest, allowances = 0.0, []
    for block, change in zip(slopes, rounding, strict=True):
        size = root_mean_square(block.reshape(-1))
        bound = bound_of_block(problem, size, float(np.max(change, initial=0.0)), noise)
        holds_rounding_only = size <= zero and bound.relative > EMPTY
        allowances.append(
            math.inf if holds_rounding_only else max(1.0, bound.relative / MOST_NOISE_WITHOUT_LOSS)
        )
        largest = max(largest, bound.relative / allowances[-1])
    return largest, allowances


def with_other_roundings(
    slopes: Sequence[Array], rounding: Sequence[Rounding], perturbed: Sequence[PerturbedRun]
) -> list[Rounding]:
    """Return the rounding of slopes, with what shows when all operations are rounded otherwise.

    That contains a margin already.
    """
    changes: list[Rounding] = list(rounding)
    for _, others in perturbed:
        if all(np.isfinite(block).all() for block in others):
            for number, (here, there) in enumerate(zip(slopes, others, strict=True)):
                changes[number] = np.maximum(changes[number], np.abs(here - there).reshape(-1) / MARGIN)
    return changes
