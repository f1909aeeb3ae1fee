"""Is there one choice at every kink that gives all of a claim? A witness, a proof that there is none, or neither.

The smallest example is relu(2w + b) at w = b = 0, with the slopes (2t, t) for a weight t of 0 to 1. The claim (2, 1)
has the witness t = 1. For (2, 0) there is a proof: along v = (1, -2) all choices have the slope 0, the claim has 2.

Weights w are sought for which the residual r = g − s(w) vanishes: simple ones first, then least squares from the best.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from fastcheck.engines.graph.kinks.claim import Claim
from fastcheck.engines.graph.kinks.least_squares import LeastSquares
from fastcheck.engines.graph.kinks.points import Point, Points
from fastcheck.engines.graph.kinks.simple_choices import conventions_of, simple_choices
from fastcheck.engines.graph.kinks.slopes_at_kinks import Interval, Kinks
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.problem.parameters import Vector

STARTS = 4
"""Weights that least squares start from: the best of the simple ones, and random ones."""

SWEEPS = (200, 1500)
"""Sweeps of least squares after which the search ends undecided, in large and in small problems."""

WORK = 2e7
"""Entries that these sweeps process, about, between large and small."""

OVERHEAD = 5e3
"""Entries that a sweep takes as long for as for the operations themselves."""


class Answer(enum.Enum):
    """What is known of a claim at kinks."""

    WITNESS = "some weights give the claim"
    PROOF = "no weights give the claim"
    UNDECIDED = "neither is known"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchedChoice:
    """The answer, with the weights that come nearest to the claim of all that were tried, and their slopes."""

    answer: Answer
    weights: Array
    slopes: Vector
    sweeps: int


def usual_choice(kinks: Kinks, claim: Claim, interval: Interval) -> SearchedChoice | None:
    """Return the weights of a usual backward pass that give all of a claim, None if none of these do."""
    points = Points(kinks, claim, interval)
    for weights in conventions_of(kinks):
        point = points.at(weights)
        if claim.fits(point.slopes):
            return _result(Answer.WITNESS, point, points)
    return None


def search_choice(kinks: Kinks, claim: Claim, interval: Interval, seed: int) -> SearchedChoice:
    """Return whether some choice at every kink gives all of a claim."""
    points = Points(kinks, claim, interval)
    nearest: Point | None = None
    for point in simple_choices(points):
        if claim.fits(point.slopes):
            return _result(Answer.WITNESS, point, points)
        nearest = _nearer(nearest, point)
    assert nearest is not None
    rng, start = np.random.default_rng(seed), nearest
    half = _most_sweeps(kinks, claim) // 2
    for number in range(STARTS):
        most_sweeps = points.sweeps + (half if number == 0 else half // (STARTS - 1))
        if number > 0:
            start = points.at(kinks.feasible.random(rng))
        point = LeastSquares(points, start, rng, most_sweeps).nearest()
        if claim.fits(point.slopes):
            return _result(Answer.WITNESS, point, points)
        nearest = _nearer(nearest, point)
        if points.impossible:
            return _result(Answer.PROOF, nearest, points)
    return _result(Answer.UNDECIDED, nearest, points)


def _nearer(nearest: Point | None, point: Point) -> Point:
    """Return the point with fewer squares."""
    return point if nearest is None or point.squares < nearest.squares else nearest


def _most_sweeps(kinks: Kinks, claim: Claim) -> int:
    """Return the number of sweeps after which the search ends."""
    entries = OVERHEAD + claim.values.size + kinks.size
    return int(np.clip(WORK / entries, *SWEEPS))


def _result(answer: Answer, point: Point, points: Points) -> SearchedChoice:
    return SearchedChoice(answer=answer, weights=point.weights, slopes=point.slopes, sweeps=points.sweeps)
