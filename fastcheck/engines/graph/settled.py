"""What a check hands to the judge where θ stands on kinks: the slopes of the choice that is nearest to the claim.

The claim of all blocks is judged together, whatever is asked of it: one backward pass makes one choice at each kink.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.certificate import NotCertifiedError, expect_confirmed
from fastcheck.engines.graph.choices import Extremum
from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.joint import Answer, Claim, by_convention, judge_jointly
from fastcheck.engines.graph.kinks import Interval, Kinks
from fastcheck.engines.graph.movement import Selected
from fastcheck.engines.graph.nodes import Array
from fastcheck.engines.graph.recording import Recording
from fastcheck.engines.graph.ties import Ties
from fastcheck.engines.kinks import KinkPlace
from fastcheck.engines.slopes import CANCELLED, block_bound
from fastcheck.norms import root_mean_square
from fastcheck.parameters import Vector
from fastcheck.plan import FEWEST_DIRECTIONS, Plan
from fastcheck.problem import Problem

SHARP = 1e-3
"""Part of the RMS of its block down to which a coordinate is held to its own size."""

ULPS = 100.0
"""A claim in single precision is held to this many of its rounding units."""

LEFT_OVER = 64.0
"""Rounding units of the largest claim up to which a claim is zero."""

MARGIN = 1.01
"""What may be off without being wrong, for a proof: a little more than for a witness."""

FAINT = 2.0**-40
"""Share of the slopes of a block, or of what J makes of ties, below which it is rounding, as behind a softmax."""

INDICES = 3
"""Entries at kinks that are named of an operation."""

NAMES = {"Absolute": "absolute", "Choice": "where", "Multiply": "multiply", "Norm": "sqrt"}
"""What users call operations."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settled:
    """Slopes of a choice at all kinks, one array for each block, and the least and largest of any choice.

    ``doubtful`` tells where the claim is not that of the nearest choice found, if it may be that of another.
    ``whole``: each coordinate of the claim may be given by some choice; those that may not be are wrong, whatever the
    ``answer`` for the others is. ``seen`` is the rounding noise of each block, ``flow`` sends changes forwards with
    this choice; ``places`` and ``entries`` tell where the kinks are, and how many.
    """

    slopes: list[Array]
    lower: list[Array]
    upper: list[Array]
    doubtful: list[NDArray[np.bool_]]
    whole: bool
    seen: list[float]
    flow: Flow
    places: tuple[KinkPlace, ...]
    answer: Answer
    entries: int

    def largest(self) -> list[Array]:
        """Return the largest size of the slopes that choices may give."""
        return [np.maximum(np.abs(x), np.abs(y)) for x, y in zip(self.lower, self.upper, strict=True)]

    def said(self, coordinates: int) -> str:
        """Return the sentence about the coordinates of a check that are at kinks."""
        at = "1 coordinate is at a kink" if coordinates == 1 else f"{coordinates:,} coordinates are at kinks"
        what = "all of the claim" if self.whole else "all else that is claimed"
        if self.answer is Answer.WITNESS:
            return f"{at}, and one choice there gives {what}."
        kinks = "the kink" if self.entries == 1 else f"the {self.entries:,} kinks"
        if self.answer is Answer.UNDECIDED:
            return f"whether one choice at {kinks} gives {what} is not known."
        return f"no choice at {kinks} gives {what}: it is compared with the nearest that one gives."


def settle(
    problem: Problem,
    plan: Plan,
    kinks: Kinks,
    beside: Recording,
    relative_noise: Callable[[], float],
    seed: int,
) -> Settled:
    """Judge the claim at kinks; ``beside`` is the cost recorded again with lines, at jittered θ if it can be.

    The ``relative_noise`` of J is asked for only if the claim is not that of a usual backward pass. Raises
    `NotCertifiedError` where slopes are not known, or their rounding is not.
    """
    other, rng = kinks.on(beside), np.random.default_rng(seed)
    if other is None:
        raise NotCertifiedError("Recorded again, the cost took another way.")
    kinks.lines = beside.tape.lines
    weights = kinks.feasible.random(rng)
    interval, here, there = kinks.interval(), kinks.slopes(weights).slopes, other.slopes(weights).slopes
    if not all(np.isfinite(x).all() for x in (interval.centre, interval.radius, here, there)):
        raise NotCertifiedError("Some slope at kinks is infinite or undefined.")
    blocks = _blocks(problem)
    seen = _rounding(blocks, interval, here, there)
    noise = max(off / (root_mean_square(here[rows]) or 1.0) for rows, off in zip(blocks, seen, strict=True))
    expect_confirmed(kinks.with_weights(weights), _shaped(problem, here), noise, seed, FEWEST_DIRECTIONS)
    claim, beyond = _claim(problem, plan, interval, seen, 0.0), np.zeros(problem.layout.size, dtype=bool)
    found = by_convention(kinks, claim, interval, seed)
    if found is None:
        claim = _claim(problem, plan, interval, seen, relative_noise())
        beyond = claim.beyond(interval)
        claim = claim.without(beyond)
        found = judge_jointly(kinks, claim, interval, seed)
    low, high = _around(blocks, interval, found.slopes)
    doubtful = (low < high) & (found.answer is Answer.UNDECIDED) & claim.off(found.slopes)
    worth = np.abs(interval.of_ties) + interval.radius_of_ties
    relevant = worth > FAINT * float(worth.max()) if (low < high).any() else np.zeros(worth.size, dtype=bool)
    return Settled(
        slopes=_shaped(problem, found.slopes),
        lower=_shaped(problem, low),
        upper=_shaped(problem, high),
        doubtful=_shaped(problem, doubtful),
        whole=not beyond.any(),
        seen=seen,
        flow=kinks.with_weights(found.weights),
        places=_places(kinks, relevant),
        answer=found.answer,
        entries=int(relevant.sum()),
    )


def _rounding(blocks: Sequence[slice], interval: Interval, here: Vector, there: Vector) -> list[float]:
    """Return the rounding noise of the slopes of each block: as seen in two places, or that of terms that cancel."""
    unit = float(np.finfo(float).eps)
    terms = np.abs(interval.centre) + interval.radius
    return [
        max(
            float(np.max(np.abs(here[rows] - there[rows]), initial=0.0)), unit * root_mean_square(terms[rows])
        )
        for rows in blocks
    ]


def _around(blocks: Sequence[slice], interval: Interval, slopes: Vector) -> tuple[Vector, Vector]:
    """Return the least and largest slopes; away from kinks, those that there are."""
    at_kinks = np.zeros(slopes.size, dtype=bool)
    for rows in blocks:
        most = np.abs(interval.centre[rows]) + interval.radius[rows]
        at_kinks[rows] = interval.radius[rows] > FAINT * root_mean_square(most)
    low = np.where(at_kinks, np.minimum(interval.centre - interval.radius, slopes), slopes)
    high = np.where(at_kinks, np.maximum(interval.centre + interval.radius, slopes), slopes)
    return low, high


def _blocks(problem: Problem) -> list[slice]:
    return [slice(block.start, block.stop) for block in problem.layout.blocks]


def _shaped(problem: Problem, values: NDArray[Any]) -> list[Any]:
    return [
        values[rows].reshape(block.shape)
        for rows, block in zip(_blocks(problem), problem.layout.blocks, strict=True)
    ]


def _claim(
    problem: Problem, plan: Plan, interval: Interval, seen: Sequence[float], relative_noise: float
) -> Claim:
    """Return the claim, and how far it may be off by the rule that its coordinates are held to."""
    size = problem.layout.size
    values, scale, relative, least, rounding = (np.zeros(size) for _ in range(5))
    noise = min(max(relative_noise, float(np.finfo(float).eps)), CANCELLED)
    for rows, claimed, off in zip(_blocks(problem), problem.claims, seen, strict=True):
        values[rows] = np.asarray(claimed, dtype=float).reshape(-1)
        most = np.abs(interval.centre[rows]) + interval.radius[rows]
        typical = root_mean_square(np.maximum(most, np.abs(values[rows])))
        exact = claimed.dtype == np.float64
        scale[rows] = max(root_mean_square(values[rows]), root_mean_square(interval.centre[rows]))
        relative[rows] = max(plan.tolerance, ULPS * float(np.finfo(claimed.dtype).eps))
        least[rows] = typical * (SHARP if exact else 1.0)
        bound = block_bound(typical, off, relative_noise, problem.nondeterminism)
        tiny = 0.0 if exact else float(np.finfo(claimed.dtype).smallest_subnormal)
        rounding[rows] = bound.absolute + bound.relative * most + LEFT_OVER * noise * problem.flow + tiny
    scale = np.maximum(scale, 1e-9 * max(float(scale.max(initial=0.0)), np.finfo(float).tiny))

    def allowed(slopes: Vector) -> Vector:
        largest = np.maximum(np.maximum(np.abs(values), np.abs(slopes)), least)
        return np.asarray(relative * largest + rounding)

    most_allowed = MARGIN * (relative * np.maximum(np.abs(values), least) / (1 - relative) + rounding)
    return Claim(values=values, scale=scale, allowed=allowed, most_allowed=most_allowed)


def _places(kinks: Kinks, relevant: NDArray[np.bool_]) -> tuple[KinkPlace, ...]:
    """Return where in the user's code the kinks are that J makes something of."""
    found: dict[Any, KinkPlace] = {}
    for (number, ties), rows in zip(kinks.ties.items(), kinks.rows, strict=True):
        entries = ties.entries[relevant[rows]]
        line = kinks.lines.get(number)
        if not entries.size or line is None:
            continue
        place = _place(ties, entries, *line)
        key = (place.function, place.filename, place.lineno, place.shape)
        known = found.get(key)
        found[key] = (
            place if known is None else dataclasses.replace(known, count=max(known.count, place.count))
        )
    return tuple(found.values())


def _place(ties: Ties, entries: NDArray[np.intp], filename: str, lineno: int, source: str) -> KinkPlace:
    shape = np.shape(ties.node.value)
    index = np.stack(np.unravel_index(entries[:INDICES], shape), -1).tolist() if shape else [()]
    return KinkPlace(
        function=_name(ties),
        filename=filename,
        lineno=lineno,
        source=source,
        shape=shape,
        count=entries.size,
        indices=tuple(map(tuple, index)),
    )


def _name(ties: Ties) -> str:
    node = ties.node
    if isinstance(node, Extremum):
        return node.ufunc.__name__
    return node.name if isinstance(node, Selected) else NAMES[type(node).__name__]
