"""Screening of all blocks together: each random direction moves all of them, and bounds the error of each.

The smallest example that needs it is a network of 200 blocks: four directions in each of them are 5,000 forward passes.
A direction that moves block b by s_b z_b, the entries of z_b normal, has the residual

    r = Σ_b s_b (g_b − ∇_b J)·z_b  ~  N(0, Σ_b s_b² ‖e_b‖²),

so that K of them bound that sum by B² = Σ r² / q, as those in one block bound its ‖e‖², and ‖e_b‖ ≤ B / s_b for all
blocks at once, with the probability of one bound. The less the error of a block may be, the farther it is moved: then
no block asks for a smaller B than others do. The derivation: docs/screening.md.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.block_screening import BlockScreening
from fastcheck.diagnosis.residuals import Residuals, claim_of, dot
from fastcheck.diagnosis.screened_block import ScreenedBlock
from fastcheck.diagnosis.screening_options import ScreeningOptions
from fastcheck.engines.plain.cost_noise import COARSE, DOUBLE_EPSILON
from fastcheck.engines.plain.directions import Directions, OneSidedSlopes
from fastcheck.engines.plain.noise import rounding_bound
from fastcheck.engines.plain.steps import units
from fastcheck.engines.plain.zero_claims import DISTANCES, flat_along
from fastcheck.normal import normal_numbers
from fastcheck.norms import largest
from fastcheck.plan.tolerances import VANISHING
from fastcheck.problem.parameters import Block, Vector
from fastcheck.problem.posing import Problem
from fastcheck.verdict.rule import vanishing

MOST_PASSES = 60
"""Forward passes that looking at all blocks together takes at most, with up to `USUAL_DIRECTIONS`, posing included."""

USUAL_DIRECTIONS, NO_LIMIT = 4, 2**62
"""Directions unless more are asked for, which may take any number of passes."""

LEAST_OF_A_DIRECTION = 4
"""Forward passes that one direction takes at least."""

PASSES_OF_FLAT = 2 * len(DISTANCES)
"""Forward passes of the first direction through blocks whose claim is zero."""

LOOKS = 2
"""Looks at a group of blocks: as many directions again, where the first leave too much open."""

OF_ALL = 0.75
"""Share of the probability that bounds do not hold for all blocks of a group together; the rest is for parts of it."""

MOST_IN_VAIN = 8
"""Groups that are halved, or given up, until the other blocks are looked at one by one: then many are wrong."""

FAR_OFF = 4.0
"""Residuals of so many times what rounding explains are no accident: then no more directions are needed."""


class JointScreening:
    """Looks at all blocks of a problem together: `screened` says which of them are right by that.

    ``blocks`` are the screenings of its blocks. ``directions`` counts the forward passes, but for those ``of_zeros``.
    Of the noise of J one line is measured: where it shows too little, residuals are larger than it explains, and
    nothing is said.
    """

    def __init__(self, problem: Problem, options: ScreeningOptions, blocks: Sequence[BlockScreening]) -> None:
        self.problem, self.options = problem, options
        self.blocks = {block.number: block for block in blocks}
        self.directions = Directions(problem, options.epsilon, lines=1)
        self.of_zeros = self.in_vain = 0

    @property
    def passes(self) -> int:
        """The forward passes made so far."""
        return self.directions.forward_passes + self.of_zeros

    def screened(self) -> dict[int, ScreenedBlock]:
        """Return the blocks that are right by what directions through all of them say, by number."""
        problem, known = self.problem, dict[int, Residuals]()
        is_coarse = self.directions.noise > COARSE * abs(problem.value)
        if is_coarse or not problem.repeats_exactly:
            return {}
        zero = [k for k, block in self.blocks.items() if self._is_zero(block)]
        others = [k for k in self.blocks if k not in zero]
        known |= self._of_zeros(zero)
        for in_double in (True, False):
            numbers = [k for k in others if self.blocks[k].in_double_precision == in_double]
            known |= self._of_group(sorted(numbers, key=lambda k: self.blocks[k].limit()))
        return {k: self.blocks[k].right_by(residuals) for k, residuals in known.items()}

    def _is_zero(self, block: BlockScreening) -> bool:
        """Tell whether the claim for a block is zero but for rounding."""
        return largest(block.claimed) <= VANISHING * DOUBLE_EPSILON * self.problem.largest_claim

    def _room(self) -> int:
        """Return how many passes more there may be: with more directions than usual as many as they take."""
        if self.options.directions > USUAL_DIRECTIONS:
            return NO_LIMIT
        return MOST_PASSES - self.problem.forward_passes - self.passes

    # --- blocks with a gradient

    def _of_group(self, numbers: Sequence[int], depth: int = 0) -> dict[int, Residuals]:
        """Return what is known of those blocks of a group that are right by it, or by one of its halves, and so on."""
        if not numbers:
            return {}
        known = self._moved_together(numbers, depth)
        if known:
            return known
        self.in_vain += 1
        if len(numbers) == 1 or self.in_vain > MOST_IN_VAIN:
            return {}
        half = len(numbers) // 2
        return self._of_group(numbers[:half], depth + 1) | self._of_group(numbers[half:], depth + 1)

    def _moved_together(self, numbers: Sequence[int], depth: int) -> dict[int, Residuals]:
        """Return what two looks at most say of blocks that are moved together; nothing if not all are right by them.

        A group that was halved is looked at with what is left of the probability that bounds do not hold.
        """
        blocks = [self.blocks[k] for k in numbers]
        limits = [block.limit() for block in blocks]
        if not min(limits) > 0:
            return {}
        shares = np.array([min(limits) / limit for limit in limits])
        looks = LOOKS / (OF_ALL if depth == 0 else (1 - OF_ALL) / 2**depth)
        room = self._room if depth == 0 else _no_limit
        products, slopes = list[Vector](), list[OneSidedSlopes]()
        first = self.options.directions
        for count in (first, first):
            if room() < LEAST_OF_A_DIRECTION * count:
                return {}
            self._expect(numbers, shares, range(len(slopes), len(slopes) + count))
            for to_come in reversed(range(count)):
                most = room() - LEAST_OF_A_DIRECTION * to_come
                products.append(self._products(numbers, len(slopes)))
                slopes.append(self._along(numbers, shares, len(slopes), most))
                if not self._is_promising(blocks[0], float(shares @ products[-1]), slopes[-1]):
                    return {}
            known = {
                block.number: residuals_of(block.block, place, shares, np.array(products), slopes, looks)
                for place, block in enumerate(blocks)
            }
            if all(self.blocks[k].is_right(residuals) for k, residuals in known.items()):
                return known
        return {}

    def _products(self, numbers: Sequence[int], k: int) -> Vector:
        """Return g_b·z_b of the blocks, for direction k."""
        layout, seed = self.problem.layout, self.options.seed
        return np.array(
            [
                dot(
                    claim_of(self.problem, number),
                    normal_numbers(layout.blocks[number].size, seed, number, k),
                )
                for number in numbers
            ]
        )

    def _along(self, numbers: Sequence[int], shares: Vector, k: int, most: int) -> OneSidedSlopes:
        """Return the slope along direction k through the blocks, in at most so many passes."""
        return self.directions.along(self._whole(), self._direction(numbers, shares, k), most=most)

    def _expect(self, numbers: Sequence[int], shares: Vector, these: range) -> None:
        """Say that slopes along these directions are asked for next."""
        self.directions.expect(
            len(these),
            lambda: ((self._direction(numbers, shares, k), None) for k in these),
            self._whole(),
            most=LEAST_OF_A_DIRECTION,
        )

    def _whole(self) -> Block:
        size = self.problem.theta.size
        return Block(name="θ", shape=(size,), start=0, stop=size)

    def _direction(self, numbers: Sequence[int], shares: Vector, k: int) -> Vector:
        """Return direction k through the blocks, (n,)."""
        layout, direction = self.problem.layout, np.zeros(self.problem.theta.size)
        for number, share in zip(numbers, shares.tolist(), strict=True):
            block = layout.blocks[number]
            part = normal_numbers(block.size, self.options.seed, number, k)
            np.multiply(part, share, out=direction[block.start : block.stop])
        return direction

    def _is_promising(self, block: BlockScreening, claimed: float, slope: OneSidedSlopes) -> bool:
        """Tell whether a direction lets the blocks be right: not at kinks, beyond the domain of J, or far off."""
        if slope.kinked or not math.isfinite(slope.bound):
            return False
        return not block.in_double_precision or abs(claimed - slope.central) <= FAR_OFF * slope.bound

    # --- blocks of which the claim is zero

    def _of_zeros(self, numbers: Sequence[int]) -> dict[int, Residuals]:
        """Return what directions say of blocks whose claims are zero: nothing if J is not flat there.

        It is if nothing moves it at all, or if its slopes are zero but for rounding as `check` would have it.
        """
        problem, count, noise = self.problem, self.options.directions, self.directions.noise
        if not numbers or self._room() < PASSES_OF_FLAT + 2 * count:
            return {}
        spans = [problem.layout.blocks[k] for k in numbers]
        coordinates = np.concatenate([np.arange(block.start, block.stop) for block in spans])
        flat = flat_along(problem, coordinates, noise)
        self.of_zeros += flat.passes
        if not flat.distance:
            return {}
        slopes = np.array([self._flat_slope(numbers, coordinates, k, flat.distance) for k in range(count)])
        bound = np.full(count, float(rounding_bound(noise, flat.distance)))
        nothing_claimed = not any(self.blocks[k].claimed.any() for k in numbers)
        stands_still = flat.stands_still and nothing_claimed and not slopes.any()
        of_all = Residuals(
            block=spans[0], residual=slopes, bound=bound, slope=slopes, kinked=np.zeros(count, dtype=bool)
        )
        vanishes = of_all.error_bound(self.options.confidence) <= vanishing(problem, noise)
        if not (stands_still or vanishes):
            return {}
        return {k: dataclasses.replace(of_all, block=block) for k, block in zip(numbers, spans, strict=True)}

    def _flat_slope(
        self, numbers: Sequence[int], coordinates: NDArray[np.intp], k: int, distance: float
    ) -> float:
        """Return the slope along direction k, each coordinate being moved by this distance in its unit; two passes."""
        problem, moved = self.problem, self.problem.theta.copy()
        center, layout = problem.theta[coordinates], problem.layout
        parts = [
            normal_numbers(layout.blocks[number].size, self.options.seed, number, k) for number in numbers
        ]
        direction, costs = np.concatenate(parts) * units(center), []
        for side in (distance, -distance):
            moved[coordinates] = center + side * direction
            costs.append(problem.evaluator.cost_or_nan(moved))
        self.of_zeros += 2
        return (costs[0] - costs[1]) / (2 * distance)


def residuals_of(
    block: Block,
    place: int,
    shares: Vector,
    products: NDArray[np.float64],
    slopes: Sequence[OneSidedSlopes],
    looks: float = LOOKS,
) -> Residuals:
    """Return what directions through several blocks, (K, blocks), say of the one at this place."""
    share, central = shares[place], np.array([slope.central for slope in slopes])
    residual = (products @ shares - central) / share
    return Residuals(
        block=block,
        residual=residual,
        bound=np.array([slope.bound for slope in slopes]) / share,
        slope=products[:, place] - residual,
        kinked=np.zeros(len(slopes), dtype=bool),
        looks=looks,
    )


def _no_limit() -> int:
    return NO_LIMIT
