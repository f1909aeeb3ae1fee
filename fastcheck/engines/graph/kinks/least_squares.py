"""Weights at kinks nearest to a claim from some weights on: least squares within the feasible set, without a matrix.

What a change of weights makes of the slopes is one sweep back, its transpose one sweep forwards. So a step solves the
linearised problem on a face of the set by conjugate gradients, and goes only as far as the squares become fewer.
"""

from __future__ import annotations

import numpy as np

from fastcheck.engines.graph.kinks.feasible import Flags
from fastcheck.engines.graph.kinks.points import Point, Points
from fastcheck.engines.graph.nodes.node import Array

MOST_ITERATIONS = 100
"""Steps from each start."""

MOST_INNER = 40
"""Sweeps to and fro that solve for one step, linearised."""

SOLVED = 1e-24
"""Part of the squared gradient that is left of a problem that is solved."""

PROBES = 4
"""Random directions that tell about how much the weights of each row make of the slopes."""

LEAST_UNIT = 1e-6
"""Rows that make less than this part of the most of it are taken to make this part."""

LENGTHS = (1.0, 0.5, 0.25, 0.1)
"""Parts of a step that are tried."""

SHORTER, MOST_SHORTER = 0.3, 6
"""Factor from one length of a step downhill to the next, and lengths that are tried."""

SLOW = 0.999
"""Steps that leave more than this part of the sum of squares count as slow."""

SLOW_IF_IMPOSSIBLE = 0.9
"""The same where the claim is known to be impossible: what is nearest to it need not be known well."""

MOST_SLOW = 6
"""Slow steps in a row after which a search ends."""


class LeastSquares:
    """The search for weights near a claim from some weights on, for so many sweeps of the ``points`` in all."""

    def __init__(self, points: Points, start: Point, rng: np.random.Generator, most_sweeps: int) -> None:
        self.points, self.start, self.most_sweeps = points, start, most_sweeps
        self.feasible = points.feasible
        self.unit = self._units(rng)

    def nearest(self) -> Point:
        """Return the first point that fits the claim, or else the last and nearest one."""
        points, point, slow = self.points, self.start, 0
        for _ in range(MOST_ITERATIONS):
            moves = points.moves(point)
            too_slow = slow >= (1 if points.impossible else MOST_SLOW)
            if too_slow or self._used_up or self.feasible.too_many_sorted:
                break
            better = self._step(point, moves)
            if better is None:
                break
            limit = SLOW_IF_IMPOSSIBLE if points.impossible else SLOW
            slow = slow + 1 if better.squares > limit * point.squares else 0
            point = better
            if points.claim.fits(point.slopes):
                break
        return point

    @property
    def _used_up(self) -> bool:
        return self.points.sweeps > self.most_sweeps

    def _units(self, rng: np.random.Generator) -> Array:
        """Return, for each option, about one over what its row makes of the slopes: by random signs."""
        points, feasible = self.points, self.feasible
        points.sweeps += PROBES
        signs = rng.choice((-1.0, 1.0), (PROBES, points.claim.values.size))
        moves = points.kinks.moves(signs / points.claim.scale, self.start.weights)
        everything, squares = np.ones(moves.shape[1], dtype=bool), np.zeros(feasible.rows)
        for move in moves:
            change = feasible.keeping_sums(move * self.start.of_ties[feasible.row], everything)
            squares += feasible.sums(change * change)
        size = np.sqrt(squares / PROBES)
        size = np.maximum(size, LEAST_UNIT * float(size.max())) if size.any() else np.ones(size.size)
        return np.asarray(np.where(feasible.is_sorted, 1.0, 1 / size[feasible.row]))

    def _step(self, point: Point, moves: Array) -> Point | None:
        """Return a better point: the least squares on the face that a step downhill stays on, or such a step itself."""
        downhill = point.of_ties[self.feasible.row] * moves
        free = self.feasible.free(point.weights, -downhill)
        change = self._solved(point, downhill, free)
        best = point
        for length in LENGTHS:
            candidate = self.points.at(self.feasible.project(point.weights + length * change))
            if candidate.squares < best.squares:
                best = candidate
                break
        if best.squares > point.squares / 2:
            best = self._downhill(best) or best
        return None if best is point else best

    def _solved(self, point: Point, downhill: Array, free: Flags) -> Array:
        """Return the change of free weights with the least squares, linearised: scaled conjugate gradients."""
        feasible, unit = self.feasible, self.unit
        change, residual = np.zeros_like(point.weights), point.residual
        steepest = feasible.keeping_sums(downhill, free) * unit
        search, size = steepest, float(steepest @ steepest)
        first_size = size
        for _ in range(min(MOST_INNER, int(free.sum()))):
            solved = size <= SOLVED * first_size or not size
            if solved or self._used_up:
                break
            response = self.points.response(search * unit, point)
            curvature = float(response @ response)
            if not curvature > 0:
                break
            length = size / curvature
            change = change + length * search * unit
            residual = residual - length * response
            downhill = point.of_ties[feasible.row] * self.points.moves_along(residual, point)
            steepest = feasible.keeping_sums(downhill, free) * unit
            size_before, size = size, float(steepest @ steepest)
            search = steepest + size / size_before * search
        return change

    def _downhill(self, point: Point) -> Point | None:
        """Return a better point in the direction of the gradient; None if there is none."""
        moves = self.points.moves_along(point.residual, point)
        downhill = point.of_ties[self.feasible.row] * moves * self.unit**2
        size = float(np.sqrt(downhill @ downhill))
        if not size:
            return None
        everything = np.ones(downhill.size, dtype=bool)
        response = self.points.response(self.feasible.keeping_sums(downhill, everything), point)
        curvature = float(response @ response)
        length = float(response @ point.residual) / curvature if curvature > 0 else 1 / size
        for _ in range(MOST_SHORTER):
            candidate = self.points.at(self.feasible.project(point.weights + length * downhill))
            if candidate.squares < point.squares:
                return candidate
            length *= SHORTER
        return None
