"""Errors over the step ε: in which coordinate they are shown, and whether that takes too long to be done unasked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from fastcheck.pictures.network import Network
from fastcheck.problem.parameters import index_of
from fastcheck.report.result import BlockReport, Report
from fastcheck.verdict.judging import Verdict

EVALUATIONS = 130
"""Forward passes of one curve, some of them with the work of two."""

SECONDS_PER_ENTRY, SECONDS_PER_OPERATION = 3e-9, 5e-6
"""What NumPy takes for one entry of an array, and for one operation besides: rough, and the same on every machine."""

LONGEST = 1.0
"""Seconds that a curve may take by this estimate."""


class KnownSlope(NamedTuple):
    """A coordinate whose numerical slope the report holds, and the error of its claim."""

    block: str
    at: tuple[int, ...]
    slope: float
    error: float


def is_affordable(network: Network | None, parameters: int) -> bool:
    """Tell whether the cost is small enough to be evaluated for a curve that nobody asked for by itself."""
    entries, operations = float(parameters), 0.0
    for step in network.steps if network else ():
        count = step.runs * len(step.operations)
        entries += count * math.prod(step.shape)
        operations += count
    once = SECONDS_PER_ENTRY * entries + SECONDS_PER_OPERATION * operations
    return EVALUATIONS * once <= LONGEST


def known_slopes(report: Report) -> Iterator[KnownSlope]:
    """Yield the coordinates whose numerical slopes the report holds, block by block; some of them twice."""
    for name, block in report.blocks.items():
        yield from _slopes_of(name, block)


def telling_slope(report: Report) -> KnownSlope | None:
    """Return the coordinate to show: the one with the largest error, or the steepest one where all are right.

    Blocks with kinks are left out, where there are several slopes and no error of any of them. A slope of zero is
    chosen only if there is no other; None where there is none at all.
    """
    usable = [
        known
        for known in known_slopes(report)
        if not report.blocks[known.block].kinks and math.isfinite(known.slope)
    ]

    def rank(known: KnownSlope) -> tuple[bool, bool, float]:
        is_wrong = report.blocks[known.block].verdict is Verdict.FAIL
        size = abs(known.slope) if report.passed else known.error
        return known.slope != 0, is_wrong, math.inf if math.isnan(size) else size

    return max(usable, key=rank, default=None)


def _slopes_of(name: str, block: BlockReport) -> Iterator[KnownSlope]:
    for c in block.worst:
        yield KnownSlope(name, c.index, c.numerical, c.error)
    if block.errors is None:
        return
    pairs = block.errors.pairs
    for place, claim, slope in zip(pairs.places, pairs.claimed, pairs.numerical, strict=True):
        yield KnownSlope(name, index_of(int(place), block.shape), float(slope), abs(float(claim - slope)))
