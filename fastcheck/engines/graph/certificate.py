"""Slopes that were sent backwards are believed once differences forwards, and the cost itself, have found the same.

Source of the idea: R. Freivalds, Probabilistic machines can use less running time, IFIP 1977: a product of matrices is
checked with random vectors, without being formed again. Here the product is the gradient with a direction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastcheck.chi_square import chi_square_quantile
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.away import evaluated_away, rounding_around
from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.nodes.smooth import SMALLEST, TINY_STEP
from fastcheck.engines.graph.recording.advice import INSTEAD
from fastcheck.engines.graph.runs import Runs
from fastcheck.engines.plain.noise import declared_noise
from fastcheck.normal import normal_numbers
from fastcheck.norms import norm, pieces, root_mean_square
from fastcheck.plan.coordinates import ALPHA, DIRECTIONS
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem
from fastcheck.workers.library_threads import one_blas_thread

CERTAIN = 1e-11
"""Relative error of blocks that a certificate has to exclude, or a small multiple of what rounding does."""

ROUNDING_MARGIN = 2.0**10
"""Bound of a certificate over the relative rounding noise of slopes: 106 times the residual, and chance."""

LARGE_STEPS = (1e-1, 1e-3, 1e-5)
"""Steps, relative to θ, at which the cost itself is compared: the first along which it takes no other way."""

LARGEST_SHARE_HIDDEN = 1e-6
"""Share of the slopes of each block that the cost's rounding noise may hide at that step."""

NOISE_MARGIN_OF_LARGE_STEPS = 64.0
"""Differences of the cost may be off by this many times its rounding noise."""

SAME_SLOPE = 1e-10
"""Measured slopes and exact differences over a tiny step agree to this, relative, in every entry."""

VECTORS = 3
"""Vectors of the size of θ that one direction needs."""

SAME_DIFFERENCE = 1e-11
"""Two ways of computing one finite difference agree to this and the noise of J: 6e-14 to 4e-12 were measured."""


class NotCertifiedError(DisagreementError):
    """Differences forwards do not confirm the slopes, or meet kinks, where slopes are not what backwards tells."""


class UnconfirmedError(NotCertifiedError):
    """Differences along random directions are not those of the slopes, nor of their rounding as far as it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """With probability 1 − ``alpha`` the slopes of every block are right to ``relative`` of the block's norm.

    In blocks that lose digits it is up to ``largest_allowance`` times as much. ``scales`` are what errors of each block
    are measured by: its norm, times as much where digits are lost, or the largest of all norms where its slopes are
    zero but for rounding. ``agreement`` is how far the cost itself, evaluated plainly at a large step, confirms the
    same differences; None if its rounding noise hides too much of some block for a joint direction to tell. ``noise``
    is what that comparison shows of the rounding of J.
    """

    relative: float
    scales: tuple[float, ...]
    alpha: float
    directions: int
    seed: int
    largest_allowance: float
    agreement: float | None
    noise: float
    forward_passes: int

    @property
    def residual(self) -> float:
        """The RMS of what the directions left unexplained, relative to the slopes: mostly rounding."""
        return self.relative * math.sqrt(chi_square_quantile(self.alpha, self.directions) / self.directions)

    def error_in(self, number: int) -> float:
        """Return the bound on ‖ĝ_b − ∇J_b‖ of block ``number``."""
        return self.relative * self.scales[number]

    def __str__(self) -> str:
        by_cost = where_lost = ""
        if self.agreement is not None:
            by_cost = f"; the cost itself agrees to {max(self.agreement, 1e-16):.0e}"
        if self.largest_allowance > 1:
            where_lost = f", {self.largest_allowance * self.relative:.0e} where digits are lost"
        return (
            f"every slope within {self.relative:.0e} of its block's norm{where_lost}, probability 1 − {self.alpha:.0e} "
            f"({self.directions} directions, seed {self.seed}){by_cost}"
        )


def certify(
    runs: Runs,
    flow: Flow,
    slopes: Sequence[Array],
    noise: float,
    allowances: Sequence[float] = (),
    *,
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
    block, over the ``allowances`` by which errors of that block are measured: 1 usually, more where digits are lost,
    and infinite where slopes are zero but for rounding. These are measured by the largest block.
    Raises `NotCertifiedError` if kinks are met, if the bound is neither below `CERTAIN` nor explained by rounding, if a
    measured slope is wrong, or if the cost itself disagrees.
    """
    with np.errstate(all="ignore"), one_blas_thread():
        at_once = directions_in_memory(runs, flow, slopes)
        confirmed = expect_confirmed(flow, slopes, noise, seed, directions, alpha, allowances, at_once)
        agreement, noise_of_cost, passes = _confirmed_by_cost(runs, flow, confirmed)
    finite = [factor for factor in allowances if math.isfinite(factor)] or [1.0]
    shows_enough = agreement is not None and agreement < LARGEST_SHARE_HIDDEN
    return Certificate(
        relative=confirmed.relative * min(finite),
        scales=tuple(scale / min(finite) for scale in confirmed.scales),
        alpha=alpha,
        directions=directions,
        seed=seed,
        largest_allowance=max(finite) / min(finite),
        agreement=agreement if shows_enough else None,
        noise=noise_of_cost,
        forward_passes=passes,
    )


class Confirmed(NamedTuple):
    """Slopes of every block are right to ``relative`` of its scale σ_b; the first direction, in units of 1 / σ_b.

    Along it, some block has moved by its size at ``length``.
    """

    relative: float
    scales: list[float]
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
    allowances: Sequence[float] = (),
    at_once: int = DIRECTIONS,
) -> Confirmed:
    """Return how well differences along random directions confirm slopes.

    Raises `NotCertifiedError` if they do not, and if exact differences of single operations are other ones.
    """
    scales = _scales(slopes, allowances or [1.0] * len(slopes))
    unit = min(scales, default=1.0)
    residuals, disagreement = np.zeros(directions), 0.0
    direction: list[Vector] = []
    length = 1.0
    for start in range(0, directions, at_once):
        rows = range(start, min(start + at_once, directions))
        moves = [
            _random_moves(block, unit / scale, rows, seed, number)
            for number, (block, scale) in enumerate(zip(slopes, scales, strict=True))
        ]
        if start == 0:
            direction = [move[0] for move in moves]
            length = _length(flow, direction)
        tangents = flow.tangents(moves, len(rows), TINY_STEP * min(1.0, length))
        if not tangents.disagreement <= SAME_SLOPE:
            tangents = flow.tangents(moves, len(rows), TINY_STEP * _length_for_smallest(flow, moves))
        if tangents.kinked:
            raise NotCertifiedError(
                f"θ stands on a kink or a jump of the cost (an exact zero, or a tie). {INSTEAD}"
            )
        residuals[rows] = _along(moves, slopes) - tangents.change
        disagreement = max(disagreement, tangents.disagreement)
    if not np.isfinite(residuals).all():
        raise NotCertifiedError(
            "Along random directions the slopes are infinite or undefined: the cost overflows near θ, or θ lies at the "
            f"border of where it is defined (a root, logarithm or quotient at 0). {INSTEAD}"
        )
    relative = _bound(residuals, len(slopes), unit, alpha)
    if not relative <= _limit(noise, alpha, directions):
        raise UnconfirmedError(
            f"Differences along {directions} random directions did not confirm the slopes (to {relative:.1e} of a "
            f"block). {INSTEAD}"
        )
    if not disagreement <= SAME_SLOPE:
        raise NotCertifiedError(
            f"Exact differences of single operations are not what their slopes make of a step (by "
            f"{disagreement:.1e}). {INSTEAD}"
        )
    return Confirmed(relative, scales, direction, length, unit)


def _length_for_smallest(flow: Flow, moves: Sequence[Array]) -> float:
    """Return the length along the first of some directions at which no parameter has moved by more than its size.

    A step that is tiny beside a block of 1e-20 and 1 is not tiny beside the first; zeros have no size, and what is near
    the smallest number there is counts as zero.
    """
    length = 1.0
    for leaf, move in zip(flow.leaves, moves, strict=True):
        sizes, moved = np.abs(np.asarray(leaf.value, dtype=float).reshape(-1)), np.abs(move[0])
        counts = (sizes >= SMALLEST / TINY_STEP) & (moved > 0)
        length = min(length, float(np.min(sizes[counts] / moved[counts], initial=length)))
    return length


def _random_moves(block: Array, size: float, rows: range, seed: int, number: int) -> Array:
    """Return some of the random directions in a block, (k, block.size), of which the entries have this size."""
    moves = normal_numbers(len(rows) * block.size, seed, number, rows.start).reshape(len(rows), block.size)
    moves *= size
    return moves


def _along(moves: Sequence[Array], slopes: Sequence[Array]) -> Vector:
    """Return what slopes make of moves, (k,)."""
    products = np.zeros(len(moves[0]) if moves else 0)
    for move, block in zip(moves, slopes, strict=True):
        flat = block.reshape(-1)
        products += sum(move[:, piece] @ flat[piece] for piece in pieces(flat.size))
    return products


def directions_in_memory(runs: Runs, flow: Flow, slopes: Sequence[Array]) -> int:
    """Return how many directions may be sent forwards at once: a few vectors of the size of θ and of what moves."""
    each = 8 * VECTORS * sum(block.size for block in slopes) + flow.tape.held
    return max(1, runs.execution.max_memory // (2 * each)) if each else DIRECTIONS


def _limit(noise: float, alpha: float, directions: int) -> float:
    """Return the largest bound that certifies: a smaller α, or fewer directions, leave more open of equal residuals."""
    usual, asked = chi_square_quantile(ALPHA, DIRECTIONS), chi_square_quantile(alpha, directions)
    return max(CERTAIN, ROUNDING_MARGIN * noise) * max(1.0, math.sqrt(usual / asked))


def _scales(slopes: Sequence[Array], allowances: Sequence[float]) -> list[float]:
    """Return what errors of blocks are measured by: their norms, or the largest if they are zero."""
    sizes = [norm(block) for block in slopes]
    largest = max(sizes, default=0.0) or 1.0
    return [
        factor * size if size and math.isfinite(factor) else largest
        for size, factor in zip(sizes, allowances, strict=True)
    ]


def _bound(residuals: Vector, blocks: int, unit: float, alpha: float) -> float:
    """Return the relative error of blocks that the residuals along the directions leave possible."""
    rounding = 2 * float(np.finfo(float).eps) * math.sqrt(blocks)
    size: Vector = np.abs(residuals) / unit + rounding
    return float(np.sqrt(np.sum(size**2) / chi_square_quantile(alpha, residuals.size)))


def _confirmed_by_cost(runs: Runs, flow: Flow, confirmed: Confirmed) -> tuple[float | None, float, int]:
    """Return how far the cost itself confirms a large difference, its rounding noise, and the forward passes spent.

    None where it takes another way at any step. Raises `NotCertifiedError` if it does not: at two of the steps, as what
    shrinks by many orders of magnitude on the way, exp(40) to exp(-40), has no digits left at the end of the first.
    """
    problem, passes, doubt = runs.problem, 0, None
    move = np.concatenate(confirmed.direction) if confirmed.direction else np.zeros(0)
    for step in LARGE_STEPS:
        end = step * confirmed.length * move
        end += problem.theta
        change = _change_by_graph(problem, flow, end)
        if not math.isfinite(change):
            continue
        change_of_cost, passes = evaluated_away(problem, end) - problem.value, passes + 1
        if not math.isfinite(change_of_cost):
            continue
        try:
            gain = step * confirmed.length * confirmed.unit
            return *_agreement(runs, end, change, change_of_cost, gain), passes
        except NotCertifiedError as error:
            if doubt is not None:
                raise
            doubt = error
    if doubt is not None:
        raise doubt
    return None, runs.noise, passes


def _change_by_graph(problem: Problem, flow: Flow, end: Vector) -> float:
    """Return what the graph makes J change by on the way from θ to ``end``; NaN where the cost takes another way."""
    rounded = end - problem.theta
    moves = [rounded[block.start : block.stop][None] for block in problem.layout.blocks]
    differences = flow.differences(moves, 1)
    return math.nan if differences.elsewhere[0] else float(differences.change[0])


def _agreement(
    runs: Runs, end: Vector, change: float, change_of_cost: float, gain: float
) -> tuple[float, float]:
    """Return how far two ways of computing a difference agree, and the rounding noise of J that they show.

    ``gain`` is what the slopes make of the step to ``end``. The noise is measured only where they differ by more than
    rounding in smooth functions, and the rounding of J that hides only where noise does not explain a difference.
    """
    value, unit = runs.problem.value, float(np.finfo(float).eps)
    cost = value + change_of_cost
    apart, size = abs(change - change_of_cost), max(abs(change), gain)
    highest = max(abs(value), abs(cost))
    noise = apart + 2 * unit * highest
    if apart > SAME_DIFFERENCE * size:
        noise = max(runs.noise, declared_noise(runs.problem)) * (highest / abs(value) if value else 1.0)
        noise += 2 * unit * highest
    if apart > NOISE_MARGIN_OF_LARGE_STEPS * noise + SAME_DIFFERENCE * size:
        noise = max(noise, rounding_around(runs, end, cost))
    if apart > NOISE_MARGIN_OF_LARGE_STEPS * noise + SAME_DIFFERENCE * size:
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
