"""Slopes that were sent backwards are believed once differences forwards, and the cost itself, have found the same.

Source of the idea: R. Freivalds, Probabilistic machines can use less running time, IFIP 1977: a product of matrices is
checked with random vectors, without being formed again. Here the product is the gradient with a direction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastcheck.engines import DisagreementError
from fastcheck.engines.difference.forms import Form
from fastcheck.engines.difference.runs import Runner
from fastcheck.engines.difference.trace import Traced
from fastcheck.engines.graph.nodes import Array
from fastcheck.engines.noise import declared_noise
from fastcheck.engines.slopes import STEP, unusable
from fastcheck.engines.verification import evaluated_away
from fastcheck.normal import normal_numbers
from fastcheck.parameters import Vector

DIRECTIONS = 4
"""Random directions of a certificate."""

ALPHA = 1e-9
"""Probability with which a certificate may be wrong."""

CERTAIN = 1e-11
"""Relative error of blocks that a certificate has to exclude, or a small multiple of what rounding does."""

ROUNDING_MARGIN = 2.0**10
"""Bound of a certificate over the relative rounding noise of slopes: 106 times the residual, and chance."""

LARGE_STEPS = (1e-1, 1e-3, 1e-5)
"""Steps, relative to θ, at which the cost itself is compared: the first along which it takes no other way."""

SEEN = 1e-6
"""Share of the slopes of each block that the cost's rounding noise may hide at that step."""

NOISE_MARGIN = 64.0
"""Differences of the cost may be off by this many times its rounding noise."""

SAME_DIFFERENCE = 1e-9
"""Two ways of computing one finite difference agree to this: 6e-14 to 4e-12 were measured."""


class NotCertifiedError(DisagreementError):
    """Differences forwards do not confirm the slopes, or meet kinks, where slopes are not what backwards tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """With probability 1 − ``alpha`` the slopes of every block are right to ``relative`` of the block's norm.

    ``agreement`` is how far the cost itself, evaluated plainly at a large step, confirms the same differences; None if
    its rounding noise hides too much of some block for a joint direction to tell.
    """

    relative: float
    alpha: float
    directions: int
    seed: int
    agreement: float | None
    forward_passes: int

    def __str__(self) -> str:
        itself = (
            "" if self.agreement is None else f"; the cost itself agrees to {max(self.agreement, 1e-16):.0e}"
        )
        return (
            f"every slope within {self.relative:.0e} of its block, probability 1 − {self.alpha:.0e} "
            f"({self.directions} directions, seed {self.seed}){itself}"
        )


def certified(
    runner: Runner,
    slopes: Sequence[Array],
    noise: float,
    *,
    seed: int,
    directions: int = DIRECTIONS,
    alpha: float = ALPHA,
) -> Certificate:
    """Return what differences along random directions over all blocks say about slopes, one array for each block.

    Along v with v_b = z_b / σ_b, z standard normal and σ_b = ‖ĝ_b‖, the residual ĝ·v − ∇J·v is normal with variance
    Σ_b ‖ĝ_b − ∇J_b‖² / σ_b². So with probability 1 − α every block has ‖ĝ_b − ∇J_b‖ ≤ σ_b √(Σ_k r_k² / q), q being
    the α-quantile of χ² with one degree for each direction. Cost: one run with ``directions`` + 2 members, two forward
    passes, and as many again where the cost takes another way at the largest step.

    ``noise`` is the relative rounding noise of slopes, the largest of any block. Raises `NotCertifiedError` if kinks
    are met, if that bound is neither below `CERTAIN` nor explained by rounding, or if the cost itself disagrees.
    """
    scales = _scales(slopes)
    unit = min(scales, default=1.0)
    moves, expected = [], np.zeros(directions)
    for number, (block, scale) in enumerate(zip(slopes, scales, strict=True)):
        v = np.empty((directions + 2, block.size))
        normal_numbers(directions * block.size, seed, number, out=v[:directions].reshape(-1))
        v[:directions] *= unit / scale
        expected += v[:directions] @ block.reshape(-1)
        moves.append(v)
    large = _Large(runner, [v[0] for v in moves], unit)
    for v, ends in zip(moves, large.differences(LARGE_STEPS[0]), strict=True):
        v[:directions] *= STEP
        v[directions:] = ends
    moved = runner.moved(
        [
            Form(v.reshape(-1, *block.shape), block.shape) if block.size else None
            for v, block in zip(moves, slopes, strict=True)
        ],
        directions + 2,
    )
    relative = _bound(expected, len(slopes), moved, unit, alpha)
    if not relative <= max(CERTAIN, ROUNDING_MARGIN * noise):
        raise NotCertifiedError(
            f"Differences along {directions} random directions did not confirm the slopes (to {relative:.1e} of a "
            "block): they were computed one by one."
        )
    agreement = large.compared(moved, LARGE_STEPS[0])
    for step in LARGE_STEPS[1:]:
        if agreement is None:
            agreement = large.compared(large.moved(step), step)
    return Certificate(
        relative=relative,
        alpha=alpha,
        directions=directions,
        seed=seed,
        agreement=agreement if agreement is not None and agreement < SEEN else None,
        forward_passes=large.passes,
    )


def _scales(slopes: Sequence[Array]) -> list[float]:
    """Return the norms of blocks; where one is zero, the largest."""
    sizes = [float(np.linalg.norm(block)) for block in slopes]
    largest = max(sizes, default=0.0) or 1.0
    return [size or largest for size in sizes]


def _bound(expected: Vector, blocks: int, moved: Traced, unit: float, alpha: float) -> float:
    """Return the relative error of blocks that the residuals along the directions leave possible."""
    directions = expected.size
    found, tiny = moved.difference[:directions], slice(directions)
    if moved.kinked[tiny].any() or (moved.unsupported[tiny] | unusable(found)).any():
        raise NotCertifiedError("θ stands on a kink: slopes were computed one by one.")
    rounding = 2 * float(np.finfo(float).eps) * math.sqrt(blocks)
    residuals: Vector = np.abs(expected - found / STEP) / unit + rounding
    return float(np.sqrt(np.sum(residuals**2) / chi_square_quantile(alpha, directions)))


class _Large:
    """One direction over all blocks, and the cost at its two ends, far from θ."""

    def __init__(self, runner: Runner, direction: Sequence[Array], unit: float) -> None:
        self.runner, self.problem, self.unit, self.passes = runner, runner.problem, unit, 0
        self.theta = self.problem.theta
        self.direction: Vector = (
            np.concatenate([v.reshape(-1) for v in direction]) if direction else self.theta
        )
        everywhere = float(np.sqrt(np.mean(np.square(self.theta)))) if self.theta.size else 0.0
        moves = []
        for block, v in zip(self.problem.layout.blocks, direction, strict=True):
            values = self.theta[block.start : block.stop]
            size = float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0
            move = float(np.sqrt(np.mean(np.square(v)))) if v.size else 0.0
            moves.append(move / (size or everywhere or 1.0))
        self.per_step = 1.0 / max(max(moves, default=0.0), np.finfo(float).tiny)

    def differences(self, step: float) -> list[Array]:
        """Return what moves each block to both ends, as these are rounded: shapes (2, size)."""
        ends = self._ends(step)
        return [
            np.array([end[block.start : block.stop] - self.theta[block.start : block.stop] for end in ends])
            for block in self.problem.layout.blocks
        ]

    def moved(self, step: float) -> Traced:
        """Return what difference propagation finds at both ends."""
        blocks = self.problem.layout.blocks
        differences = self.differences(step)
        return self.runner.moved(
            [
                Form(d.reshape(2, *block.shape), block.shape) if block.size else None
                for d, block in zip(differences, blocks, strict=True)
            ],
            2,
        )

    def compared(self, moved: Traced, step: float) -> float | None:
        """Return how far both ways of computing the difference agree: None where the cost takes another way."""
        if moved.unsupported[-2:].any() or not np.isfinite(moved.difference[-2:]).all():
            return None
        values = [evaluated_away(self.problem, end) for end in self._ends(step)]
        self.passes += 2
        if not np.isfinite(values).all():
            return None
        found = float(moved.difference[-2] - moved.difference[-1])
        itself = values[0] - values[1]
        highest = max(abs(self.problem.value), *map(abs, values))
        noise = max(self.runner.noise, declared_noise(self.problem)) * (
            highest / abs(self.problem.value) if self.problem.value else 1.0
        )
        noise += 2 * float(np.finfo(float).eps) * highest
        apart, size = abs(found - itself), max(map(abs, moved.difference[-2:].tolist()))
        if apart > NOISE_MARGIN * noise + SAME_DIFFERENCE * size:
            raise NotCertifiedError(
                f"The cost itself finds another difference along a random direction (by {apart / (size or 1.0):.1e} "
                "of it) than what was recorded of it."
            )
        hidden = noise / (step * self.per_step * self.unit)
        return max(apart / (size or 1.0), hidden)

    def _ends(self, step: float) -> tuple[Vector, Vector]:
        move = step * self.per_step * self.direction
        return self.theta + move, self.theta - move


def chi_square_quantile(alpha: float, degrees: int) -> float:
    """Return the α-quantile of the χ² distribution, for small α: the regularised gamma function's series, inverted.

    >>> round(chi_square_quantile(0.05, 4), 6)
    0.710723
    """
    a = degrees / 2
    x: float = (alpha * math.gamma(a + 1)) ** (1 / a)
    for _ in range(100):
        term = total = 1.0
        for k in range(1, 200):
            term *= x / (a + k)
            total += term
        x, before = (alpha * math.gamma(a + 1) * math.exp(x) / total) ** (1 / a), x
        if abs(x - before) <= 1e-15 * x:
            break
    return 2 * x
