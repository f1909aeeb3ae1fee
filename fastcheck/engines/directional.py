"""Slopes along directions by plain evaluation, for any callable."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.kinks import Convention, Line
from fastcheck.engines.noise import COARSE, DOUBLE, SAFETY, measured_noise, noise_of_lines
from fastcheck.engines.plain import STEP
from fastcheck.engines.rounding import Shaken
from fastcheck.engines.steps import LARGEST
from fastcheck.norms import root_mean_square
from fastcheck.parameters import Block, Vector
from fastcheck.problem import Problem

SHRINK = 8.0
"""From step to step along a direction: two that agree show that the truncation error is small."""

RUNGS = 6
"""Steps along one direction at most: the last is 4e-6 of the first."""

NOISY = 2.0**-30
"""Noise above this share of a slope is reduced by larger steps."""

KINK = 16.0
"""One-sided slopes that differ by this many times their uncertainty do so because of a kink."""

COARSE_SAFETY = 2 * SAFETY
"""Margin over the noise of a cost in single or half precision: its values are few, and its errors alike."""

Where = slice | NDArray[np.intp]
"""Coordinates of θ."""


@dataclass(frozen=True, slots=True, eq=False)
class Directional:
    """One-sided slopes of J along k directions, all arrays of shape (k,).

    ``right`` is (J(θ + h·v) - J(θ)) / h and ``left`` is (J(θ) - J(θ - h·v)) / h; each is known to ± ``bound``.
    ``kinked`` are directions whose two sides differ for another reason than rounding: any slope between them is
    right. ``forward_passes`` is what they cost: the differences of one dense direction count as one pass. ``noise``
    is what rounding amounts to in all likelihood, where ``bound`` has a margin besides.
    """

    right: Vector
    left: Vector
    bound: Vector
    kinked: NDArray[np.bool_]
    forward_passes: int
    noise: Vector


@dataclass(frozen=True, slots=True, eq=False)
class Halfway:
    """Slopes along k directions with the m kinks that they meet settled halfway between both sides.

    A backward pass takes any mixture of both sides at each kink, so along these directions it finds
    ``slope`` + ``shares`` @ c with some |c| <= ``most``: ``shares`` (k, m) is half of what each kink passes on to
    either side, ``most`` (m,) the most that the cost makes of that. ``bound`` and ``noise`` (k,) are of the slopes.
    """

    slope: Vector
    shares: NDArray[np.float64]
    most: Vector
    bound: Vector
    noise: Vector


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """Slopes along k directions with the kinks that they meet settled by a convention, arrays (k,).

    ``bound`` and ``noise`` are of the ``slope``. ``lines`` are the operations that meet kinks, and ``kinks`` the number
    of entries of their results that do.
    """

    slope: Vector
    bound: Vector
    noise: Vector
    lines: tuple[Line, ...]
    kinks: int

    @classmethod
    def joined(cls, parts: Sequence[Settled]) -> Settled:
        """Return the slopes along several lots of directions, which meet the same kinks."""
        return cls(
            slope=np.concatenate([part.slope for part in parts]),
            bound=np.concatenate([part.bound for part in parts]),
            noise=np.concatenate([part.noise for part in parts]),
            lines=tuple(dict.fromkeys(line for part in parts for line in part.lines)),
            kinks=max(part.kinks for part in parts),
        )


class PlainDirections:
    """Any callable: costs are subtracted, with steps that shrink until rounding outweighs truncation."""

    method = "plain"

    def __init__(self, problem: Problem, epsilon: float | None = None) -> None:
        self.problem, self.epsilon = problem, epsilon
        self.forward_passes = 0
        self.notes: tuple[str, ...] = ()
        self._noise: float | None = None

    @property
    def noise(self) -> float:
        """Standard deviation of the rounding noise of J, measured when first asked for."""
        if self._noise is None:
            self._noise, passes = noise_of_lines(self.problem)
            self.forward_passes += passes
        return self._noise

    def seconds(self, passes: int) -> float:
        """Return what so many forward passes take, about."""
        return passes * self.problem.seconds

    def along(self, block: Block, entries: NDArray[np.float64], shrink: float = 1.0) -> Directional:
        """Return the slopes along ``entries`` (k, block.size); four to fourteen forward passes each."""
        whole = slice(block.start, block.stop)
        return self._along(block, [whole] * len(entries), entries.reshape(len(entries), -1), shrink)

    def along_blocks(
        self, pairs: Sequence[tuple[Block, NDArray[np.float64]]], shrink: float = 1.0
    ) -> list[Directional]:
        """Return the same for several blocks, one after the other."""
        return [self.along(block, entries, shrink) for block, entries in pairs]

    def along_rows(
        self,
        block: Block,
        rows: NDArray[np.intp],
        entries: NDArray[np.float64],
        shrink: float = 1.0,
        axis: int = 0,
    ) -> Directional:
        """Return the slopes along directions at one index of an axis each; four to fourteen forward passes each."""
        entries = entries.reshape(len(entries), -1)
        if axis == 0:
            starts = block.start + np.asarray(rows) * entries.shape[1]
            chosen: list[Where] = [slice(int(start), int(start) + entries.shape[1]) for start in starts]
        else:
            places = np.moveaxis(np.arange(block.start, block.stop).reshape(block.shape), axis, 0)
            chosen = [places[row].ravel() for row in rows]
        return self._along(block, chosen, entries, shrink)

    def halfway(self, block: Block, entries: NDArray[np.float64], most_kinks: int) -> Halfway | None:
        """Return None: costs do not tell which kinks are met."""
        return None

    def settled(self, block: Block, entries: NDArray[np.float64], convention: Convention) -> Settled | None:
        """Return None: kinks cannot be settled where costs are all that is known."""
        return None

    def shaken(self, block: Block, entries: NDArray[np.float64]) -> Shaken | None:
        """Return None: what happens inside of the cost is not known."""
        return None

    def _along(
        self, block: Block, chosen: Sequence[Where], entries: NDArray[np.float64], shrink: float
    ) -> Directional:
        spent = self.forward_passes
        longest, safety = self._start(block)
        step = self.epsilon or longest
        if shrink > 1:  # what looks wrong with a step of the user's may be its truncation
            step = min(step, longest)
        noise = safety * max(self.noise, float(np.spacing(abs(self.problem.value))))
        size = float(np.abs(self.problem.theta[block.start : block.stop]).max(initial=0.0))
        most = step if self.epsilon else max(step, LARGEST * max(1.0, size))
        work = self.problem.theta.copy()  # after the noise, which takes a copy, too
        found = []
        for where, direction in zip(chosen, entries, strict=True):
            along = functools.cache(functools.partial(self._sides, block, work, where, direction))
            found.append(self._slopes(along, self._grown(along, step, most, noise) / shrink, noise))
        right, left, bound, kinked = (np.array(column) for column in zip(*found, strict=True))
        passes = self.forward_passes - spent
        return Directional(right, left, bound, kinked.astype(bool), passes, bound)

    def _grown(
        self, sides_with: Callable[[float], tuple[float, float]], step: float, most: float, noise: float
    ) -> float:
        """Return the step to begin with: larger than ``step`` where noise is much beside the slope."""
        while step < most and noise / step > NOISY * abs(sum(sides_with(step)) / 2):
            if not np.isfinite(sides_with(SHRINK * step)).all():
                break
            step *= SHRINK
        return step

    def _slopes(
        self, sides_with: Callable[[float], tuple[float, float]], step: float, noise: float
    ) -> tuple[float, float, float, bool]:
        """Return the slopes to the right and left with their bound, and whether they differ.

        Steps shrink until rounding is larger than what the next step changes: curvature, and kinks on the way. A share
        of the one-sided slopes that is proportional to the step is curvature; what is left then is a kink at θ.
        """
        rung, sides = sides_with(step), None
        best = (math.inf, 0.0)
        for _ in range(RUNGS):
            finer = sides_with(step / SHRINK)
            central, apart = sum(rung) / 2, abs(sum(rung) - sum(finer)) / 2
            # The costs at the ends may be much larger than J at θ, and so are their rounding errors.
            rounding = noise / step + SAFETY * DOUBLE * max(map(abs, rung))
            uncertain = 2 * (rounding + apart)
            before, sides = sides, [(SHRINK * b - a) / (SHRINK - 1) for a, b in zip(rung, finer, strict=True)]
            gap = abs(sides[0] - sides[1])
            if apart <= rounding:
                if gap <= KINK * rounding:
                    uncertain, central = min(best, (uncertain, central))
                    return central, central, uncertain, False
                if before and max(abs(np.subtract(sides, before))) <= KINK * rounding:
                    return sides[0], sides[1], KINK * rounding, True
            uncertain += gap
            best = min(best, (uncertain, central))
            step, rung = step / SHRINK, finer
        uncertain, central = best
        return central, central, uncertain, False

    def _start(self, block: Block) -> tuple[float, float]:
        """Return the step to begin with and the margin over the noise: both larger where J has few digits.

        It has few in single precision, or where it does not repeat itself.
        Such a step must not be long beside what the block holds.
        """
        noise, size = self.noise, abs(self.problem.value)
        coarse = noise > COARSE * size > 0
        if not (coarse and (self.problem.nondeterminism or self._single_precision())):
            return STEP, SAFETY
        typical = root_mean_square(self.problem.theta[block.start : block.stop]) or 1.0
        return max(STEP, min(math.cbrt(noise / size), typical / SHRINK)), COARSE_SAFETY

    def _single_precision(self) -> bool:
        """Whether it is the precision of J, and not a sum near zero, that makes its noise large."""
        found = measured_noise(self.problem)
        self.forward_passes += found.passes
        return found.single_precision

    def _sides(
        self, block: Block, work: Vector, where: Where, direction: Vector, step: float
    ) -> tuple[float, float]:
        """Return the one-sided slopes with one step; NaN where J is not defined."""
        center = self.problem.theta[where]
        costs = []
        for sign in (1.0, -1.0):
            if isinstance(where, slice):  # may be as long as θ
                np.multiply(direction, sign * step, out=work[where])
                work[where] += center
            else:
                work[where] = center + sign * step * direction
            try:
                costs.append(self.problem.evaluator.beside(work))
            finally:
                work[where] = center
        self.forward_passes += 2
        return (costs[0] - self.problem.value) / step, (self.problem.value - costs[1]) / step
