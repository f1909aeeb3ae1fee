"""Weights at kinks and how near their slopes come to a claim, a sweep through the recorded cost for each answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastcheck.engines.graph.kinks.claim import Claim
from fastcheck.engines.graph.kinks.slopes_at_kinks import Interval, Kinks
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.problem.parameters import Vector


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """Weights, their slopes, what J makes of the ties, the weighed residual, and half the sum of its squares."""

    weights: Array
    slopes: Vector
    of_ties: Array
    residual: Vector
    squares: float


class Points:
    """Evaluates weights for one claim, and counts the ``sweeps`` through the recorded cost that this takes.

    ``impossible`` becomes true when some point proves that no weights give the claim. A *proof* is a direction v along
    which no weights give what is claimed: with s along v known at w⁰, and what J makes of each tie known to lie in an
    interval, whatever the weights,

        v·s(w) ≤ v·s(w⁰) + Σ max over weights and intervals of c_e (w_e − w⁰_e)·(what the options of e move along v).

    That is exact but for the intervals: telescoping over the ties, from the last operation to the first.
    """

    def __init__(self, kinks: Kinks, claim: Claim, interval: Interval) -> None:
        self.kinks, self.claim, self.interval = kinks, claim, interval
        self.feasible = kinks.feasible
        self.sweeps, self.impossible = 0, False

    def at(self, weights: Array) -> Point:
        """Return what some weights give. One sweep."""
        self.sweeps += 1
        slopes, of_ties = self.kinks.slopes(weights)
        residual = (self.claim.values - slopes) / self.claim.scale
        return Point(weights, slopes, of_ties, residual, float(residual @ residual) / 2)

    def response(self, change: Array, point: Point) -> Vector:
        """Return how a change of the weights changes the slopes, weighed as residuals are. One sweep."""
        self.sweeps += 1
        return np.asarray(self.kinks.response(change, point.of_ties, point.weights) / self.claim.scale)

    def moves_along(self, residual: Vector, point: Point) -> Array:
        """Return how the options move along a residual: the transpose of `response`, but for ``of_ties``. One sweep."""
        self.sweeps += 1
        moves: Array = self.kinks.moves((residual / self.claim.scale)[None], point.weights)[0]
        return moves

    def moves(self, point: Point) -> Array:
        """Return how the options move along the point's own residual, and note what that proves. One sweep."""
        moves = self.moves_along(point.residual, point)
        self.impossible = self.impossible or self._proves(point, moves)
        return moves

    def _proves(self, point: Point, moves: Array) -> bool:
        """Whether no weights give what is claimed along the residual, if the claim may be off as much as is allowed."""
        direction = point.residual / self.claim.scale
        off = np.abs(direction) @ self.claim.most_allowed
        return bool(2 * point.squares - self._most_gained(point, moves) > off)

    def _most_gained(self, point: Point, moves: Array) -> float:
        """Return a bound on how much more than here the slope along the residual is with any weights."""
        here = self.feasible.sums(point.weights * moves)
        forth = self.feasible.largest_sums(moves) - here
        back = self.feasible.largest_sums(-moves) + here
        gained = np.zeros(self.feasible.rows)
        for sign in (-1.0, 1.0):
            of_ties = self.interval.of_ties + sign * self.interval.radius_of_ties
            gained = np.maximum(gained, np.where(of_ties >= 0, of_ties * forth, -of_ties * back))
        return float(gained.sum())
