"""Is there one choice at every kink that gives all of a claim? A witness, a proof that there is none, or neither.

Weights w are sought for which the residual r = g − s(w) vanishes, by least squares within the feasible set, without a
matrix: what a change of weights makes of the slopes is one sweep back, its transpose one sweep forwards. A *proof* is a
direction v along which no weights give what is claimed: with s along v known at w⁰, and what J makes of each tie known
to lie in an interval, whatever the weights,

    v·s(w) ≤ v·s(w⁰) + Σ max over weights and intervals of c_e (w_e − w⁰_e)·(what the options of e move along v).

That is exact but for the intervals: telescoping over the ties, from the last operation to the first.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.feasible import Feasible
from fastcheck.engines.graph.kinks import Interval, Kinks
from fastcheck.engines.graph.nodes import Array
from fastcheck.parameters import Vector

MOST_OPERATIONS = 24
"""Operations at kinks, or lines of the user's code, up to which a mixture of conventions is sought for each."""

MATCHED = 3
"""Rounds in which each entry at a kink gets the option that seems best."""

MIXED = 6
"""Mixtures that are tried."""

BETTER = 0.9
"""Part of the sum of squares that each of them has to leave at most."""

STARTS = 4
"""Weights that least squares start from: the best of the simple ones, and random ones."""

MOST_STEPS = 100
"""Steps of least squares from each start."""

SWEEPS = (200, 1500)
"""Sweeps of least squares after which the search ends undecided, in large and in small problems."""

WORK = 2e7
"""Entries that these sweeps process, about, between large and small."""

OVERHEAD = 5e3
"""Entries that a sweep takes as long for as for the operations themselves."""

INNER = 40
"""Sweeps to and fro that solve for one step, linearised."""

PROBES = 4
"""Random directions that tell about how much the weights of each row make of the slopes."""

LEAST_UNIT = 1e-6
"""Rows that make less than this part of the most of it are taken to make this part."""

LENGTHS = (1.0, 0.5, 0.25, 0.1)
"""Parts of a step that are tried."""

SLOW = 0.999
"""Steps that leave more than this part of the sum of squares count as slow."""

MOST_SLOW = 6
"""Slow steps in a row after which a search ends."""


class Answer(enum.Enum):
    """What is known of a claim at kinks."""

    WITNESS = "some weights give the claim"
    PROOF = "no weights give the claim"
    UNDECIDED = "neither is known"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """The answer, with the weights that come nearest to the claim of all that were tried, and their slopes."""

    answer: Answer
    weights: Array
    slopes: Vector
    sweeps: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Claim:
    """A claimed gradient (n,), the sizes (n,) that residuals are weighed with, and what may be off without being wrong.

    ``allowed`` returns, for slopes (n,), how far the claim may be from them; ``most_allowed`` (n,) is the most that
    this is for slopes that the claim may be taken for.
    """

    values: Vector
    scale: Vector
    allowed: Callable[[Vector], Vector]
    most_allowed: Vector

    def fits(self, slopes: Vector) -> bool:
        """Whether the claim is right, given these slopes."""
        return not self.off(slopes).any()

    def off(self, slopes: Vector) -> NDArray[np.bool_]:
        """Return where it is not."""
        return np.asarray(np.abs(self.values - slopes) > self.allowed(slopes))

    def beyond(self, interval: Interval) -> NDArray[np.bool_]:
        """Return where the claim lies outside of all slopes."""
        nearest = np.clip(self.values, interval.centre - interval.radius, interval.centre + interval.radius)
        return np.asarray(np.abs(self.values - nearest) > self.allowed(nearest))

    def without(self, some: NDArray[np.bool_]) -> Claim:
        """Return the claim of all but some coordinates."""
        if not some.any():
            return self
        return dataclasses.replace(
            self,
            scale=np.where(some, np.inf, self.scale),
            allowed=lambda slopes: np.where(some, np.inf, self.allowed(slopes)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """Weights, their slopes, what J makes of the ties, the weighed residual, and half the sum of its squares."""

    weights: Array
    slopes: Vector
    ties: Array
    residual: Vector
    squares: float


class Search:
    """The search for weights that give a claim."""

    def __init__(self, kinks: Kinks, claim: Claim, interval: Interval, seed: int) -> None:
        self.kinks, self.claim, self.interval = kinks, claim, interval
        self.feasible = kinks.feasible
        self.usual = (self.feasible.first(), self.feasible.last(), self.feasible.split())
        first, last, split = self.usual
        others = [some for some in (last, split, first) if not np.array_equal(some, kinks.usual)]
        self.conventions = [kinks.usual, *others]
        self.rng = np.random.default_rng(seed)
        self.sweeps, self.limit, self.proved = 0, 0, False
        self.unit = np.ones(kinks.size)

    def by_convention(self) -> Judged | None:
        """Return the weights of a usual backward pass, if some give the claim."""
        for weights in self.conventions:
            point = self.at(weights)
            if self.claim.fits(point.slopes):
                return self._judged(Answer.WITNESS, point)
        return None

    def run(self) -> Judged:
        """Try conventions, mixtures of them in each operation, and then least squares from the best."""
        best: Point | None = None
        for point in self._simple():
            if self.claim.fits(point.slopes):
                return self._judged(Answer.WITNESS, point)
            best = point if best is None or point.squares < best.squares else best
        assert best is not None
        start = best
        for number in range(STARTS):
            half = self._most_sweeps() // 2
            self.limit = self.sweeps + (half // (STARTS - 1) if number else half)
            if number:
                start = self.at(self.feasible.random(self.rng))
            answer, point = self._descend(start)
            if answer is Answer.WITNESS:
                return self._judged(answer, point)
            best = min(best, point, key=lambda one: one.squares)
            if answer is Answer.PROOF:
                return self._judged(answer, best)
        return self._judged(Answer.UNDECIDED, best)

    def _most_sweeps(self) -> int:
        entries = OVERHEAD + self.claim.values.size + self.kinks.size
        return int(np.clip(WORK / entries, *SWEEPS))

    def at(self, weights: Array) -> Point:
        """Return what some weights give. One sweep."""
        self.sweeps += 1
        slopes, ties = self.kinks.slopes(weights)
        residual = (self.claim.values - slopes) / self.claim.scale
        return Point(weights, slopes, ties, residual, float(residual @ residual) / 2)

    def _judged(self, answer: Answer, point: Point) -> Judged:
        return Judged(answer=answer, weights=point.weights, slopes=point.slopes, sweeps=self.sweeps)

    def _simple(self) -> Iterator[Point]:
        """Yield what weights give that are whole, or do not differ from entry to entry of an operation."""
        for weights in self.conventions:
            yield self.at(weights)
        kinds, operations = self.kinks.kinds(), self.kinks.operations(MOST_OPERATIONS)
        if 1 < len(kinds) < len(operations):
            yield from self._mixtures(kinds)
        yield from self._by_entry()
        if len(operations) <= MOST_OPERATIONS:
            yield from self._mixtures(operations)

    def _by_entry(self) -> Iterator[Point]:
        """Yield what comes of the options that bring the slopes nearest to the claim, each entry having its own."""
        point = self.at(self.feasible.split())
        for _ in range(MATCHED):
            moves = self._moves(point)
            self.proved = self.proved or self._proves(point, moves)
            better = self.at(self.feasible.best(point.ties, moves))
            yield better
            if not better.squares < point.squares:
                break
            point = better

    def _mixtures(self, groups: Sequence[NDArray[np.bool_]]) -> Iterator[Point]:
        """Yield what comes nearer and nearer with one mixture of conventions for each group (Gauss, Newton).

        And what the conventions give that are nearest to these mixtures.
        """
        taken = [[np.where(group, some, 0.0) for some in self._usual_of(group)] for group in groups]
        counts = np.array([len(some) for some in taken])
        simplices = Feasible(np.repeat(np.arange(counts.size), counts), np.zeros(counts.size, dtype=bool))
        flat = [one for some in taken for one in some]
        changes = [one - some[0] for some in taken for one in some[1:]]
        mixture, moving, before = simplices.split(), simplices.rank > 0, np.inf
        for _ in range(MIXED):
            point = self.at(_mixed(mixture, flat))
            yield point
            if not changes or not point.squares < BETTER * before:
                break
            before = point.squares
            self.sweeps += len(changes)
            responses = [
                self.kinks.response(one, point.ties, point.weights) / self.claim.scale for one in changes
            ]
            step = np.zeros(mixture.size)
            step[moving] = np.linalg.lstsq(np.stack(responses, 1), point.residual, rcond=1e-9)[0]
            step[~moving] = -np.add.reduceat(step, simplices.starts)
            mixture = simplices.project(mixture + step)
            yield self.at(_mixed(simplices.project(np.round(2 * mixture) / 2), flat))

    def _usual_of(self, group: NDArray[np.bool_]) -> tuple[Array, ...]:
        """Return the conventions that span what the options of an operation may be given alike."""
        most = int(self.feasible.lengths[self.feasible.row[group]].max())
        return self.usual[:2] if most == 2 else self.usual

    # Least squares

    def _descend(self, point: Point) -> tuple[Answer, Point]:
        """Return what is found from some weights on, and the nearest to the claim; if that has none, near it."""
        slow, self.unit = 0, self._units(point)
        for _ in range(MOST_STEPS):
            moves = self._moves(point)
            self.proved = self.proved or self._proves(point, moves)
            ends = (
                slow >= (1 if self.proved else MOST_SLOW) or self.sweeps > self.limit or self.feasible.heavy
            )
            better = None if ends else self._step(point, moves)
            if better is None:
                break
            slow = slow + 1 if better.squares > (BETTER if self.proved else SLOW) * point.squares else 0
            point = better
            if self.claim.fits(point.slopes):
                return Answer.WITNESS, point
        return Answer.PROOF if self.proved else Answer.UNDECIDED, point

    def _units(self, point: Point) -> Array:
        """Return, for each option, about one over what its row makes of the slopes: by random signs."""
        self.sweeps += PROBES
        signs = self.rng.choice((-1.0, 1.0), (PROBES, self.claim.values.size))
        moves = self.kinks.moves(signs / self.claim.scale, point.weights)
        every, squares = np.ones(moves.shape[1], dtype=bool), np.zeros(self.feasible.rows)
        for move in moves:
            along = self.feasible.along(move * point.ties[self.feasible.row], every)
            squares += self.feasible.sums(along * along)
        size = np.sqrt(squares / PROBES)
        size = np.maximum(size, LEAST_UNIT * float(size.max())) if size.any() else np.ones(size.size)
        return np.asarray(np.where(self.feasible.column >= 0, 1.0, 1 / size[self.feasible.row]))

    def _moves(self, point: Point) -> Array:
        """Return how the options move along the residual. One sweep."""
        return self._transposed(point, point.residual)

    def _transposed(self, point: Point, residual: Vector) -> Array:
        self.sweeps += 1
        moves: Array = self.kinks.moves((residual / self.claim.scale)[None], point.weights)[0]
        return moves

    def _proves(self, point: Point, moves: Array) -> bool:
        """Whether no weights give what is claimed along the residual, if the claim may be off as much as is allowed."""
        direction = point.residual / self.claim.scale
        off = np.abs(direction) @ self.claim.most_allowed
        return bool(2 * point.squares - self._most(point, moves) > off)

    def _most(self, point: Point, moves: Array) -> float:
        """Return a bound on how much more than here the slope along the residual is with any weights."""
        feasible, here = self.feasible, self.feasible.sums(point.weights * moves)
        forth, back = feasible.most(moves) - here, feasible.most(-moves) + here
        most = np.zeros(feasible.rows)
        for c in (
            self.interval.of_ties - self.interval.radius_of_ties,
            self.interval.of_ties + self.interval.radius_of_ties,
        ):
            most = np.maximum(most, np.where(c >= 0, c * forth, -c * back))
        return float(most.sum())

    def _step(self, point: Point, moves: Array) -> Point | None:
        """Return a better point: the least squares on the face that a step downhill stays on, or such a step itself."""
        gradient = -point.ties[self.feasible.row] * moves
        free = self.feasible.free(point.weights, gradient)
        change = self._solved(point, -gradient, free)
        best = point
        for length in LENGTHS:
            candidate = self.at(self.feasible.project(point.weights + length * change))
            if candidate.squares < best.squares:
                best = candidate
                break
        if best.squares > point.squares / 2:
            best = self._downhill(best) or best
        return None if best is point else best

    def _solved(self, point: Point, downhill: Array, free: NDArray[np.bool_]) -> Array:
        """Return the change of free weights with the least squares, linearised: scaled conjugate gradients."""
        feasible, row, unit = self.feasible, self.feasible.row, self.unit
        change, residual = np.zeros_like(point.weights), point.residual
        steepest = feasible.along(downhill, free) * unit
        search, size = steepest, float(steepest @ steepest)
        first = size
        for _ in range(min(INNER, int(free.sum()))):
            if size <= 1e-24 * first or not size or self.sweeps > self.limit:
                break
            self.sweeps += 1
            response = self.kinks.response(search * unit, point.ties, point.weights) / self.claim.scale
            curvature = float(response @ response)
            if not curvature > 0:
                break
            length = size / curvature
            change = change + length * search * unit
            residual = residual - length * response
            ahead = point.ties[row] * self._transposed(point, residual)
            steepest = feasible.along(ahead, free) * unit
            size, before = float(steepest @ steepest), size
            search = steepest + size / before * search
        return change

    def _downhill(self, point: Point) -> Point | None:
        """Return a better point in the direction of the gradient."""
        gradient = point.ties[self.feasible.row] * self._moves(point) * self.unit**2
        size = float(np.sqrt(gradient @ gradient))
        if not size:
            return None
        everywhere = np.ones(gradient.size, dtype=bool)
        along = self.feasible.along(gradient, everywhere)
        self.sweeps += 1
        response = self.kinks.response(along, point.ties, point.weights) / self.claim.scale
        curvature = float(response @ response)
        length = float(response @ point.residual) / curvature if curvature > 0 else 1 / size
        for _ in range(6):
            candidate = self.at(self.feasible.project(point.weights + length * gradient))
            if candidate.squares < point.squares:
                return candidate
            length *= 0.3
        return None


def _mixed(mixture: Array, conventions: Sequence[Array]) -> Array:
    """Return the weights of a mixture of conventions."""
    return np.asarray(sum(share * some for share, some in zip(mixture, conventions, strict=True)))


def by_convention(kinks: Kinks, claim: Claim, interval: Interval, seed: int) -> Judged | None:
    """Return the weights of a usual backward pass that give all of a claim, None if none of these do."""
    return Search(kinks, claim, interval, seed).by_convention()


def judge_jointly(kinks: Kinks, claim: Claim, interval: Interval, seed: int) -> Judged:
    """Return whether some choice at every kink gives all of a claim."""
    return Search(kinks, claim, interval, seed).run()
