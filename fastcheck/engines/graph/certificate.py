"""Slopes that were sent backwards are believed once differences forwards, and the cost itself, have found the same.

Source of the idea: R. Freivalds, Probabilistic machines can use less running time, IFIP 1977: a product of matrices is
checked with random vectors, without being formed again. Here the product is the gradient with a direction.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastcheck.engines import DisagreementError
from fastcheck.engines.difference.runs import Runner
from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.nodes import Array
from fastcheck.engines.noise import declared_noise
from fastcheck.engines.slopes import STEP
from fastcheck.engines.verification import evaluated_away
from fastcheck.execution import one_blas_thread
from fastcheck.normal import normal_numbers
from fastcheck.norms import norm, pieces, root_mean_square
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

SAME_SLOPE = 1e-10
"""Measured slopes and exact differences over a tiny step agree to this, relative, in every entry."""

VECTORS = 3
"""Vectors of the size of θ that one direction needs."""

SAME_DIFFERENCE = 1e-11
"""Two ways of computing one finite difference agree to this and the noise of J: 6e-14 to 4e-12 were measured."""


INSTEAD = "method='auto' computes slopes in other ways then."
"""What to do where slopes are not certified."""


class NotCertifiedError(DisagreementError):
    """Differences forwards do not confirm the slopes, or meet kinks, where slopes are not what backwards tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """With probability 1 − ``alpha`` the slopes of every block are right to ``relative`` of the block's norm.

    ``agreement`` is how far the cost itself, evaluated plainly at a large step, confirms the same differences; None if
    its rounding noise hides too much of some block for a joint direction to tell. ``noise`` is what that comparison
    shows of the rounding of J.
    """

    relative: float
    alpha: float
    directions: int
    seed: int
    agreement: float | None
    noise: float
    forward_passes: int

    @property
    def residual(self) -> float:
        """The RMS of what the directions left unexplained, relative to the slopes: mostly rounding."""
        return self.relative * math.sqrt(chi_square_quantile(self.alpha, self.directions) / self.directions)

    def __str__(self) -> str:
        itself = (
            "" if self.agreement is None else f"; the cost itself agrees to {max(self.agreement, 1e-16):.0e}"
        )
        return (
            f"every slope within {self.relative:.0e} of its block's norm, probability 1 − {self.alpha:.0e} "
            f"({self.directions} directions, seed {self.seed}){itself}"
        )


def certified(
    runner: Runner,
    flow: Flow,
    slopes: Sequence[Array],
    noise: float,
    *,
    empty: Sequence[bool] = (),
    seed: int,
    directions: int = DIRECTIONS,
    alpha: float = ALPHA,
) -> Certificate:
    """Return what differences along random directions over all blocks say about slopes, one array for each block.

    1. Were the slopes sent back rightly? Along v with v_b = z_b / σ_b, z standard normal and σ_b = ‖ĝ_b‖, the residual
       ĝ·v − ∇J·v is normal with variance Σ_b ‖ĝ_b − ∇J_b‖² / σ_b². So with probability 1 − α every block has
       ‖ĝ_b − ∇J_b‖ ≤ σ_b √(Σ_k r_k² / q), q being the α-quantile of χ² with one degree for each direction.
    2. Are the measured slopes, and the rules to first order, those of the operations? At every one of them the exact
       difference over a tiny step along one of these directions is compared with them, entry by entry.
    3. Is what was recorded the cost? So does a large step, and the cost itself, evaluated there, changes as much.

    Cost: one sweep forwards with ``directions`` members, one with 1, and one forward pass; the last two again where the
    cost takes another way at the largest step. ``noise`` is the relative rounding noise of slopes, the largest of any
    block.
    Raises `NotCertifiedError` if kinks are met, if the bound is neither below `CERTAIN` nor explained by rounding, if a
    measured slope is wrong, or if the cost itself disagrees.
    """
    with np.errstate(all="ignore"), one_blas_thread():
        room = _room(runner, flow, slopes)
        seen = expect_confirmed(flow, slopes, noise, seed, directions, alpha, empty, at_once=room)
        agreement, cost_noise, passes = _confirmed(runner, flow, seen)
    return Certificate(
        relative=seen.relative,
        alpha=alpha,
        directions=directions,
        seed=seed,
        agreement=agreement if agreement is not None and agreement < SEEN else None,
        noise=cost_noise,
        forward_passes=passes,
    )


class Confirmed(NamedTuple):
    """Slopes of every block are right to ``relative`` of its norm; the first direction, in units of 1 / σ_b.

    Along it, some block has moved by its size at ``length``.
    """

    relative: float
    direction: list[Vector]
    length: float
    unit: float


def expect_confirmed(
    flow: Flow,
    slopes: Sequence[Array],
    noise: float,
    seed: int,
    directions: int = DIRECTIONS,
    alpha: float = ALPHA,
    empty: Sequence[bool] = (),
    at_once: int = DIRECTIONS,
) -> Confirmed:
    """Return how well differences along random directions confirm slopes.

    Blocks that are ``empty`` have slopes that are zero but for rounding: they are measured by the largest block.

    Raises `NotCertifiedError` if they do not, and if exact differences of single operations are other ones.
    """
    scales = _scales(slopes, empty)
    unit = min(scales, default=1.0)
    residuals, disagreement = np.zeros(directions), 0.0
    direction: list[Vector] = []
    length = 1.0
    for start in range(0, directions, at_once):
        some = slice(start, min(start + at_once, directions))
        many = some.stop - start
        moves = []
        for number, (block, scale) in enumerate(zip(slopes, scales, strict=True)):
            v = normal_numbers(many * block.size, seed, number, start).reshape(many, block.size)
            v *= unit / scale
            flat = block.reshape(-1)
            residuals[some] += sum(v[:, piece] @ flat[piece] for piece in pieces(flat.size))
            moves.append(v)
        if not direction:
            direction = [v[0] for v in moves]
            length = _length(flow, direction)
        found = flow.tangents(moves, many, STEP * min(1.0, length))
        if found.kinked:
            raise NotCertifiedError(f"θ stands on a kink. {INSTEAD}")
        residuals[some] -= found.change
        disagreement = max(disagreement, found.disagreement)
    relative = _bound(residuals, len(slopes), unit, alpha)
    if not relative <= _limit(noise, alpha, directions):
        raise NotCertifiedError(
            f"Differences along {directions} random directions did not confirm the slopes (to {relative:.1e} of a "
            f"block). {INSTEAD}"
        )
    if not disagreement <= SAME_SLOPE:
        raise NotCertifiedError(
            f"Exact differences of single operations are not what their slopes make of a step (by "
            f"{disagreement:.1e}). {INSTEAD}"
        )
    return Confirmed(relative, direction, length, unit)


def _room(runner: Runner, flow: Flow, slopes: Sequence[Array]) -> int:
    """Return how many directions may be sent forwards at once: a few vectors of the size of θ and of what moves."""
    each = 8 * VECTORS * sum(block.size for block in slopes) + flow.tape.held
    return max(1, runner.execution.max_memory // (2 * each)) if each else DIRECTIONS


def _limit(noise: float, alpha: float, directions: int) -> float:
    """Return the largest bound that certifies: a smaller α, or fewer directions, leave more open of equal residuals."""
    usual, asked = chi_square_quantile(ALPHA, DIRECTIONS), chi_square_quantile(alpha, directions)
    return max(CERTAIN, ROUNDING_MARGIN * noise) * max(1.0, math.sqrt(usual / asked))


def _scales(slopes: Sequence[Array], empty: Sequence[bool]) -> list[float]:
    """Return the norms of blocks; of those that are zero, or so but for rounding, the largest."""
    sizes = [norm(block) for block in slopes]
    largest = max(sizes, default=0.0) or 1.0
    return [
        largest if none or not size else size
        for size, none in zip(sizes, empty or [False] * len(sizes), strict=True)
    ]


def _bound(residuals: Vector, blocks: int, unit: float, alpha: float) -> float:
    """Return the relative error of blocks that the residuals along the directions leave possible."""
    rounding = 2 * float(np.finfo(float).eps) * math.sqrt(blocks)
    size: Vector = np.abs(residuals) / unit + rounding
    return float(np.sqrt(np.sum(size**2) / chi_square_quantile(alpha, residuals.size)))


def _confirmed(runner: Runner, flow: Flow, seen: Confirmed) -> tuple[float | None, float, int]:
    """Return how far the cost itself confirms a large difference, its rounding noise, and the forward passes spent.

    None where it takes another way at any step. Raises `NotCertifiedError` if it does not: at two of the steps, as what
    shrinks by many orders of magnitude on the way, exp(40) to exp(-40), has no digits left at the end of the first.
    """
    problem, passes, doubt = runner.problem, 0, None
    move = np.concatenate(seen.direction) if seen.direction else np.zeros(0)
    for step in LARGE_STEPS:
        end = problem.theta + step * seen.length * move
        rounded = end - problem.theta
        moves = [rounded[block.start : block.stop][None] for block in problem.layout.blocks]
        found = flow.differences(moves, 1)
        change = float(found.change[0])
        if found.elsewhere[0] or not math.isfinite(change):
            continue
        itself, passes = evaluated_away(problem, end) - problem.value, passes + 1
        if not math.isfinite(itself):
            continue
        try:
            return *_agreement(runner, change, itself, step * seen.length * seen.unit), passes
        except NotCertifiedError as error:
            if doubt is not None:
                raise
            doubt = error
    if doubt is not None:
        raise doubt
    return None, runner.noise, passes


def _agreement(runner: Runner, found: float, itself: float, gain: float) -> tuple[float, float]:
    """Return how far two ways of computing a difference agree, and the rounding noise of J that they show.

    ``gain`` is what the slopes make of the step. The noise is measured only where they differ by more than rounding in
    smooth functions.
    """
    value, apart, size = runner.problem.value, abs(found - itself), max(abs(found), gain)
    highest = max(abs(value), abs(value + itself))
    noise = apart + 2 * float(np.finfo(float).eps) * highest
    if apart > SAME_DIFFERENCE * size:
        noise = max(runner.noise, declared_noise(runner.problem)) * (highest / abs(value) if value else 1.0)
        noise += 2 * float(np.finfo(float).eps) * highest
    if apart > NOISE_MARGIN * noise + SAME_DIFFERENCE * size:
        raise NotCertifiedError(
            f"The cost itself finds another difference along a random direction (by {apart / size:.1e} of it) than "
            f"what was recorded of it: some part of it was not recorded. {INSTEAD}"
        )
    return max(apart / size, noise / gain), noise


def _length(flow: Flow, direction: Sequence[Vector]) -> float:
    """Return the length along a direction at which some block has moved by its size."""
    sizes = [root_mean_square(np.asarray(leaf.value).reshape(-1)) for leaf in flow.leaves]
    everywhere = max(sizes, default=0.0) or 1.0
    moves = [root_mean_square(v) / (size or everywhere) for v, size in zip(direction, sizes, strict=True)]
    return 1.0 / max(max(moves, default=0.0), float(np.finfo(float).tiny))


@functools.cache
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
