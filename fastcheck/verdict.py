"""The verdict: the claimed gradient g against ĝ ± u, per coordinate, per block, overall.

A coordinate is *right* if g lies within u plus the tolerance of the slopes that count as right, *wrong* if
not, and *undecided* if u itself is above the tolerance. The tolerance is relative to
``max(|g|, |ĝ|, RMS of ĝ over the block)``: a block with tiny gradients is checked as sharply as one with
large ones. Where no costs were subtracted, u is so small that a coordinate far below the RMS is held to its own
size, down to a thousandth of the RMS. One wrong coordinate fails its block. Undecided ones make it inconclusive,
unless all that they could hide together is below the tolerance of the block's norm, and none could hide ten times
its own.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Estimates
from fastcheck.engines.noise import root_mean_square
from fastcheck.errors import InvalidProblemError
from fastcheck.parameters import Block, Vector
from fastcheck.plan import Coordinates, Plan, rows_by_block
from fastcheck.problem import Problem

FEW = 10.0
"""An undecided coordinate may have a bound of this many times its tolerance, if there are few of them."""

DTYPE_ULPS = 100.0
"""A claim computed in float32 is held to this many of its rounding units: about 1e-5."""


SHARP = 1e-3
"""Part of the RMS of its block down to which a coordinate is held to its own size: a backward pass leaves rounding
errors of the size of the others in it."""

VANISHING = 64 * float(np.finfo(float).eps)
"""A claim this small beside the network's largest is zero, where ĝ is zero."""


SAFE = 1e-100
"""Norms from here to its reciprocal can be squared without overflow, and parts of 1e-50 of them without loss."""


class Verdict(enum.StrEnum):
    """The three answers."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Standing(enum.IntEnum):
    """The same for one coordinate."""

    RIGHT = 0
    WRONG = 1
    UNDECIDED = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockJudgement:
    """One block: its ``rows`` of the plan, the verdict, and the sentence that says why it is inconclusive."""

    block: Block
    rows: slice
    verdict: Verdict
    difference: float
    wrong: int
    undecided: int
    cause: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judgement:
    """The verdicts, with the comparison behind them; arrays of shape (k,) follow the plan.

    A claim that is off by more than its ``thresholds`` is wrong.
    """

    verdict: Verdict
    difference: float
    blocks: tuple[BlockJudgement, ...]
    coordinates: Coordinates
    claimed: Vector
    compared: Vector
    error: Vector
    thresholds: Vector
    standings: NDArray[np.int8]


def judge(problem: Problem, plan: Plan, estimates: Estimates, tolerance: float) -> Judgement:
    """Judge every coordinate, block and the whole."""
    claimed = claims(problem, plan)
    allowed, sharp = _tolerances(problem, plan, estimates, tolerance)
    thresholds = estimates.bound + sharp
    standings = _standings(problem, estimates, claimed, allowed, thresholds)
    compared = estimates.numerical
    if estimates.lower is not estimates.upper:
        clipped = np.clip(claimed, estimates.lower, estimates.upper)
        compared = np.where(estimates.lower < estimates.upper, clipped, compared)
    error = np.abs(claimed - compared)
    blocks = tuple(
        _judge_block(
            block, rows, standings[rows], claimed[rows], compared[rows], estimates.bound[rows], allowed[rows]
        )
        for block, rows in rows_by_block(problem.layout, plan)
    )
    return Judgement(
        verdict=_worst(block.verdict for block in blocks),
        difference=relative_difference(claimed, compared),
        blocks=blocks,
        coordinates=plan.coordinates,
        claimed=claimed,
        compared=compared,
        error=error,
        thresholds=thresholds,
        standings=standings,
    )


def standings_of(problem: Problem, plan: Plan, estimates: Estimates, tolerance: float) -> NDArray[np.int8]:
    """Return the `Standing` of each coordinate, shape (k,)."""
    allowed, sharp = _tolerances(problem, plan, estimates, tolerance)
    thresholds = estimates.bound + sharp
    return _standings(problem, estimates, claims(problem, plan), allowed, thresholds)


def judge_again(
    problem: Problem,
    estimates: Estimates,
    judgement: Judgement,
    rows: Coordinates,
    claimed: Vector,
    relative: float,
) -> NDArray[np.int8]:
    """Return the `Standing` that other claims would have at a few rows of a block; no cost is evaluated.

    ``relative`` is the tolerance of the block. Claims larger than the ones judged have larger tolerances.
    """
    some = dataclasses.replace(
        estimates,
        **{name: getattr(estimates, name)[rows] for name in ("numerical", "lower", "upper", "bound")},
        plain=np.flatnonzero(np.isin(rows, estimates.plain)),
    )
    wider = some.bound + relative * np.abs(claimed)
    thresholds = np.maximum(judgement.thresholds[rows], wider)
    return _standings(problem, some, claimed, np.full(rows.shape, np.inf), thresholds)


def relative_tolerances(problem: Problem, plan: Plan, tolerance: float) -> list[float]:
    """Return the relative tolerance of each block that the plan touches: larger for claims in float32."""
    return [max(tolerance, DTYPE_ULPS * float(np.finfo(dtype).eps)) for dtype in _dtypes(problem, plan)]


def _standings(
    problem: Problem, estimates: Estimates, claimed: Vector, allowed: Vector, thresholds: Vector
) -> NDArray[np.int8]:
    if estimates.lower is estimates.upper:
        outside = np.abs(claimed - estimates.lower)
    else:
        outside = np.maximum(estimates.lower - claimed, claimed - estimates.upper)
    standings = np.full(claimed.shape, Standing.RIGHT, np.int8)
    standings[estimates.bound > allowed] = Standing.UNDECIDED
    standings[outside > thresholds] = Standing.WRONG
    if standings.any():
        standings[_vanishing(problem, claimed, estimates)] = Standing.RIGHT
    return standings


def _vanishing(problem: Problem, claimed: Vector, estimates: Estimates) -> NDArray[np.bool_]:
    """Return where claim and ĝ are both zero but for rounding, although no costs were subtracted.

    Such is the gradient of a bias before a batch normalisation: its terms cancel, and what a backward pass
    leaves of them is some rounding units of the gradients that flow by, with no scale of its own.
    """
    exact = np.ones(claimed.shape, dtype=bool)
    exact[estimates.plain] = False
    flow = float(np.max(np.abs(problem.claimed))) if problem.claimed is not None else 0.0
    leftover = np.maximum(estimates.bound, VANISHING * flow)
    zero = (np.abs(estimates.numerical) <= estimates.bound) & (np.abs(claimed) <= leftover)
    return np.asarray(exact & zero)


def allowances(problem: Problem, plan: Plan, estimates: Estimates, tolerance: float) -> Vector:
    """Return the tolerance of each coordinate in the units of the gradient, shape (k,)."""
    return _tolerances(problem, plan, estimates, tolerance)[0]


def _tolerances(
    problem: Problem, plan: Plan, estimates: Estimates, tolerance: float
) -> tuple[Vector, Vector]:
    """Return the tolerance of each coordinate, by which it is undecided, and how far a claim may be off.

    Both are relative to its size, and at least those of a coordinate as large as the RMS of its block. The second is
    sharper where no costs were subtracted and the claim is in double precision: in single precision its rounding
    errors are of the size of the RMS in all coordinates.
    """
    allowed = np.maximum(np.abs(claims(problem, plan)), np.abs(estimates.numerical))
    plain = estimates.plain.size == allowed.size
    sharp = allowed if plain else np.empty_like(allowed)
    blocks, dtypes = rows_by_block(problem.layout, plan), _dtypes(problem, plan)
    relative = relative_tolerances(problem, plan, tolerance)
    for (_, rows), dtype, share in zip(blocks, dtypes, relative, strict=True):
        typical = root_mean_square(estimates.numerical[rows])
        if not plain:
            least = (SHARP if dtype == np.float64 else 1.0) * typical
            np.multiply(np.maximum(allowed[rows], least), share, out=sharp[rows])
        np.maximum(allowed[rows], typical, out=allowed[rows])
        allowed[rows] *= share
    if not plain:
        sharp[estimates.plain] = allowed[estimates.plain]
    return allowed, sharp


def claims(problem: Problem, plan: Plan) -> Vector:
    """Return the claimed gradient of the coordinates of the plan, shape (k,)."""
    if problem.claimed is None:
        raise InvalidProblemError("gradients: expected a claimed gradient to judge, got None.")
    whole = plan.coordinates.size == problem.claimed.size
    return problem.claimed if whole else problem.claimed[plan.coordinates]


def relative_difference(claimed: Vector, numerical: Vector) -> float:
    """Return the difference of the courses, ‖g − ĝ‖ / (‖g‖ + ‖ĝ‖); 0 if both are zero.

    Below 1e-7 is usually right and above 1e-3 usually wrong.
    """
    g, n = claimed, numerical
    with np.errstate(over="ignore", under="ignore"):
        total = float(np.linalg.norm(g) + np.linalg.norm(n))
    if not SAFE < total < 1 / SAFE:
        scale = max(float(np.max(np.abs(g), initial=0)), float(np.max(np.abs(n), initial=0)))
        if scale == 0:
            return 0.0
        exponent = -math.frexp(scale)[1]  # a power of two: the ratio stays the same to the last bit
        g, n = np.ldexp(g, exponent), np.ldexp(n, exponent)
        total = float(np.linalg.norm(g) + np.linalg.norm(n))
    return float(np.linalg.norm(g - n)) / total


def validate_tolerance(tolerance: Any) -> float:
    """Return the tolerance as a float; `InvalidProblemError` unless it lies in (0, 1)."""
    if isinstance(tolerance, (int, float, np.number)) and 0 < float(tolerance) < 1:
        return float(tolerance)
    raise InvalidProblemError(
        f"tolerance: expected a relative error between 0 and 1, such as 1e-7, got {tolerance!r}."
    )


def _dtypes(problem: Problem, plan: Plan) -> list[np.dtype[Any]]:
    touched = {block.name for block, _ in rows_by_block(problem.layout, plan)}
    pairs = zip(problem.layout.blocks, problem.dtypes, strict=True)
    return [dtype for block, dtype in pairs if block.name in touched]


def _judge_block(
    block: Block,
    rows: slice,
    standings: NDArray[np.int8],
    claimed: Vector,
    compared: Vector,
    bound: Vector,
    allowed: Vector,
) -> BlockJudgement:
    wrong = int((standings == Standing.WRONG).sum())
    unclear = standings == Standing.UNDECIDED
    verdict, cause = Verdict.PASS, None
    if wrong:
        verdict = Verdict.FAIL
    elif _matters(bound[unclear], allowed[unclear], math.sqrt(compared.size) * float(allowed.min())):
        verdict = Verdict.INCONCLUSIVE
        largest = float(bound[unclear].max())
        cause = (
            f"the numerical gradient of {block.name} is known to ± {largest:.1e} only, against a typical "
            f"entry of {root_mean_square(compared):.1e}"
        )
    return BlockJudgement(
        block=block,
        rows=rows,
        verdict=verdict,
        difference=relative_difference(claimed, compared),
        wrong=wrong,
        undecided=int(unclear.sum()),
        cause=cause,
    )


def _matters(bound: Vector, allowed: Vector, together: float) -> bool:
    """Tell whether undecided coordinates could hide a mistake that the block should not pass with."""
    return bool((bound > FEW * allowed).any() or np.linalg.norm(bound) > together)


def _worst(verdicts: Iterator[Verdict]) -> Verdict:
    found = set(verdicts)
    order = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
    return next(verdict for verdict in order if verdict in found)
