"""Slopes of J along directions by plain evaluation, for any callable: what screening and locating measure."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Generator, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.plain.cost_noise import COARSE, DOUBLE_EPSILON, measured_noise
from fastcheck.engines.plain.noise import LINES, SAFETY, noise_of_lines
from fastcheck.engines.plain.steps import LARGEST_CHOSEN, USUAL_STEP
from fastcheck.norms import root_mean_square
from fastcheck.problem.parameters import Block, Vector
from fastcheck.problem.posing import Problem

SHRINK = 8.0
"""From step to step along a direction: two that agree show that the truncation error is small."""

RUNGS = 6
"""Steps along one direction at most: the last is 4e-6 of the first."""

NOISY = 2.0**-30
"""Noise above this share of a slope is reduced by larger steps."""

KINK = 16.0
"""One-sided slopes that differ by this many times their uncertainty do so because of a kink."""

REMAINING = 1 / 16
"""Share of the change of slopes from one step to the next that may be left of truncation then, at most."""

COARSE_SAFETY = 2 * SAFETY
"""Margin over the noise of a cost in single or half precision: its values are few, and its errors alike."""

Where = slice | NDArray[np.intp]
"""Coordinates of θ."""

Along = tuple[Vector, NDArray[np.intp] | None]
"""A direction in a block, with the places that it has entries for, None for all of the block."""

SidesWith = Callable[[float], tuple[float, float]]
"""A step → the one-sided slopes with it."""


class OneSidedSlopes(NamedTuple):
    """Slopes of J along a direction v.

    ``right`` is (J(θ + h·v) - J(θ)) / h and ``left`` is (J(θ) - J(θ - h·v)) / h; each is known to ± ``bound``.
    ``kinked``: the two differ for another reason than rounding, and any slope between them is right. Otherwise they are
    the same number.
    """

    right: float
    left: float
    bound: float
    kinked: bool

    @property
    def central(self) -> float:
        """The middle of both."""
        return (self.right + self.left) / 2

    def nearest(self, slope: float) -> float:
        """Return the right slope that is nearest to this one."""
        if not self.kinked:
            return self.central
        low, high = sorted((self.right, self.left))
        return min(max(slope, low), high)


class Directions:
    """Costs are subtracted, with steps that shrink until rounding outweighs truncation.

    ``epsilon`` is the largest step, None for a default one. The noise of J is measured along so many ``lines``.
    ``forward_passes`` counts those spent so far.
    """

    def __init__(self, problem: Problem, epsilon: float | None = None, *, lines: int = LINES) -> None:
        self.problem, self.epsilon, self.lines = problem, epsilon, lines
        self.forward_passes = 0
        self._noise: float | None = None
        self._moved: Vector | None = None

    @property
    def noise(self) -> float:
        """Standard deviation of the rounding noise of J, measured when first asked for."""
        if self._noise is None:
            self._noise, passes = noise_of_lines(self.problem, self.lines)
            self.forward_passes += passes
        return self._noise

    def along(
        self,
        block: Block,
        direction: Vector,
        places: NDArray[np.intp] | None = None,
        *,
        shrink: float = 1.0,
        most: int | None = None,
    ) -> OneSidedSlopes:
        """Return the slopes along a direction in one block, in four to fourteen forward passes.

        ``direction`` (k,) has one entry for each of the ``places`` in the block, zero elsewhere; None for all of it.
        ``shrink`` makes the step smaller: 1 is the default step. Where there may be ``most`` passes, at least four, it
        is larger, and a change of slopes from step to step that is small beside rounding is enough.
        """
        first = self._first_steps(block, shrink, most)
        self._expect(1, lambda: [(direction, places)], block, first)
        sides_with = functools.cache(
            functools.partial(self._sides, _where(block, places), direction.reshape(-1))
        )
        step, longest_step, noise = first.step, first.longest, first.noise
        spent = self.forward_passes
        step = _grown(sides_with, step, longest_step, noise) / shrink
        left = 2 * RUNGS if most is None else most - (self.forward_passes - spent)
        return _slopes(sides_with, step, noise, max(1, min(RUNGS, left // 2)), quick=most is not None)

    def expect(
        self,
        count: int,
        directions: Callable[[], Iterable[Along]],
        block: Block,
        *,
        shrink: float = 1.0,
        most: int | None = None,
    ) -> None:
        """Say along which directions in a block, so many, slopes are asked for next: workers may share them."""
        if count and self.problem.evaluator.ahead is not None:
            self._expect(count, directions, block, self._first_steps(block, shrink, most))

    def _expect(
        self, count: int, directions: Callable[[], Iterable[Along]], block: Block, first: _FirstSteps
    ) -> None:
        steps = first.certain()
        self.problem.evaluator.expect(
            2 * len(steps) * count,
            lambda: (
                end.copy()
                for direction, places in directions()
                for step in steps
                for end in self._ends(_where(block, places), direction.reshape(-1), step)
            ),
            certain=first.step >= first.longest,
        )

    def _first_steps(self, block: Block, shrink: float, most: int | None) -> _FirstSteps:
        """Return the step to begin with in a block, and what bounds its growth."""
        longest, safety = self._start(block)
        step = self.epsilon or longest
        if shrink > 1:  # what looks wrong with a step of the user's may be its truncation
            step = min(step, longest)
        noise = safety * max(self.noise, float(np.spacing(abs(self.problem.value))))
        size = float(np.abs(self.problem.theta[block.start : block.stop]).max(initial=0.0))
        longest_step = step if self.epsilon else max(step, LARGEST_CHOSEN * max(1.0, size))
        if most is not None:
            step = min(SHRINK * step, longest_step)
        return _FirstSteps(step, longest_step, noise, shrink)

    def _start(self, block: Block) -> tuple[float, float]:
        """Return the step to begin with and the margin over the noise: both larger where J has few digits.

        It has few in single precision, or where it does not repeat itself.
        Such a step must not be long beside what the block holds.
        """
        noise, size = self.noise, abs(self.problem.value)
        coarse = noise > COARSE * size > 0
        has_few_digits = coarse and (self.problem.nondeterminism or self._single_precision())
        if not has_few_digits:
            return USUAL_STEP, SAFETY
        typical = root_mean_square(self.problem.theta[block.start : block.stop]) or 1.0
        return max(USUAL_STEP, min(math.cbrt(noise / size), typical / SHRINK)), COARSE_SAFETY

    def _single_precision(self) -> bool:
        """Whether it is the precision of J, and not a sum near zero, that makes its noise large."""
        measured = measured_noise(self.problem)
        self.forward_passes += measured.passes
        return measured.single_precision

    def _sides(self, where: Where, direction: Vector, step: float) -> tuple[float, float]:
        """Return the one-sided slopes with one step; NaN where J is not defined."""
        with contextlib.closing(self._ends(where, direction, step)) as ends:
            costs = [self.problem.evaluator.cost_or_nan(end) for end in ends]
        self.forward_passes += 2
        return (costs[0] - self.problem.value) / step, (self.problem.value - costs[1]) / step

    def _ends(self, where: Where, direction: Vector, step: float) -> Generator[Vector, None, None]:
        """Yield θ moved along the direction, and against it, in memory that what comes next takes."""
        if self._moved is None:
            self._moved = self.problem.theta.copy()
        work, center = self._moved, self.problem.theta[where]
        for sign in (1.0, -1.0):
            if isinstance(where, slice):  # may be as long as θ
                np.multiply(direction, sign * step, out=work[where])
                work[where] += center
            else:
                work[where] = center + sign * step * direction
            try:
                yield work
            finally:
                work[where] = center


class _FirstSteps(NamedTuple):
    """The step to begin with along a direction, before it shrinks, the longest that it may grow to, and the noise."""

    step: float
    longest: float
    noise: float
    shrink: float

    def certain(self) -> list[float]:
        """Return the steps that slopes are asked for with whatever they are, unless the first one grows."""
        step = self.step / self.shrink
        may_grow = self.step < self.longest and self.shrink > 1
        return [self.step, step, step / SHRINK] if may_grow else [step, step / SHRINK]


def _where(block: Block, places: NDArray[np.intp] | None) -> Where:
    return slice(block.start, block.stop) if places is None else block.start + places


def _grown(sides_with: SidesWith, step: float, most: float, noise: float) -> float:
    """Return the step to begin with: larger than ``step`` where noise is much beside the slope.

    Where the slope changes by more than noise explains, a larger step knows it no better, and may miss it altogether:
    that of a bump around θ is zero there.
    """
    if step >= most:
        return step
    slope = sum(sides_with(step)) / 2
    while step < most and noise / step > NOISY * abs(slope):
        larger = sum(sides_with(SHRINK * step)) / 2
        explained = abs(larger - slope) <= 2 * noise / step  # NaN is not
        if not explained:
            break
        step, slope = SHRINK * step, larger
    return step


def _slopes(
    sides_with: SidesWith, step: float, noise: float, rungs: int, *, quick: bool = False
) -> OneSidedSlopes:
    """Return the slopes that steps from this one downwards tell, as many as there are ``rungs``.

    Steps shrink until rounding is larger than what the next step changes: curvature, and kinks on the way. A share of
    the one-sided slopes that is proportional to the step is curvature; what is left then is a kink at θ.
    """
    rung, sides = sides_with(step), None
    best = (math.inf, 0.0)
    for _ in range(rungs):
        finer = sides_with(step / SHRINK)
        central, apart = sum(rung) / 2, abs(sum(rung) - sum(finer)) / 2
        # The costs at the ends may be much larger than J at θ, and so are their rounding errors.
        rounding = noise / step + SAFETY * DOUBLE_EPSILON * max(map(abs, rung))
        uncertain = 2 * (rounding + apart)
        before, sides = sides, [(SHRINK * b - a) / (SHRINK - 1) for a, b in zip(rung, finer, strict=True)]
        gap = abs(sides[0] - sides[1])
        if apart <= rounding:
            if gap <= KINK * rounding:
                uncertain, central = min(best, (uncertain, central))
                return OneSidedSlopes(central, central, uncertain, kinked=False)
            steady = before is not None and max(abs(np.subtract(sides, before))) <= KINK * rounding
            if steady:
                return OneSidedSlopes(sides[0], sides[1], KINK * rounding, kinked=True)
        finer_rounding = SHRINK * rounding
        if quick and REMAINING * apart <= finer_rounding and gap <= KINK * finer_rounding:
            central = sum(finer) / 2
            return OneSidedSlopes(central, central, 2 * (finer_rounding + REMAINING * apart), kinked=False)
        uncertain += gap
        best = min(best, (uncertain, central))
        step, rung = step / SHRINK, finer
    uncertain, central = best
    return OneSidedSlopes(central, central, uncertain, kinked=False)
