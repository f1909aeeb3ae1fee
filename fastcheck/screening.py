"""Screening: whole blocks of the gradient in a few dozen forward passes, against all slopes or random directions.

The derivation, its assumptions and what the verdicts mean: docs/screening.md.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from fastcheck.blind_spots import LookedAt, blind_spots
from fastcheck.block_screening import BlockScreening, Options, ScreenedBlock, measured, with_evenness
from fastcheck.engines.directions import MAX_MEMORY, Directions, opened, together
from fastcheck.errors import InvalidProblemError
from fastcheck.evenness import evenness_notes
from fastcheck.execution import Backend, Execution, one_blas_thread
from fastcheck.generators import generators_kept
from fastcheck.known_slopes import Describe, compare_all
from fastcheck.norms import Comparison
from fastcheck.plan import ALPHA, make_plan, validate_alpha
from fastcheck.problem import Problem, pose
from fastcheck.randomness import repeating
from fastcheck.report.result import BlockReport, Report
from fastcheck.undoing import Guard
from fastcheck.verdict import Verdict, validate_tolerance, worst_verdict


def screen(
    cost: Callable[[Any], Any],
    parameters: Any,
    gradients: Any,
    *,
    directions: int = 4,
    confidence: float = 0.999,
    alpha: float = ALPHA,
    epsilon: float | None = None,
    tolerance: float = 1e-7,
    nondeterminism: float | None = None,
    method: str = "auto",
    n_jobs: int = 1,
    backend: Backend | None = None,
    seed: int = 0,
    progress: bool | Callable[[int, int], None] | None = None,
    max_memory: int = MAX_MEMORY,
) -> Report:
    r"""Check a claimed gradient in a few dozen forward passes, blocks of any size: by all slopes, or random directions.

    Where the cost can be recorded, all coordinates are compared with slopes that are sent backwards, and certified
    along random directions. Otherwise, and at kinks, slopes along random directions in each block bound what is wrong.
    For a direction v with independent standard normal entries, :math:`g·v - ∇J·v` has the distribution
    :math:`N(0, ‖g - ∇J‖²)`, so K directions bound ‖g - ∇J‖ from above by :math:`\sqrt{\sum r² / q}`, with q the
    (1 - confidence)-quantile of χ² with K degrees of freedom.

    Parameters
    ----------
    cost, parameters, gradients
        As for `check`.
    directions
        K, the random directions drawn in each block, at least 1, or in all of them together: those of a certificate,
        at least 2. The bound is 6.6 times the typical |r| for 4, 2.6 times for 10.
    confidence
        Probability, in (0, 1), with which each block's bound holds.
    alpha
        As for `check`.
    epsilon
        The largest step of plain evaluation; difference propagation has a tiny one of its own.
    tolerance
        As for `check`, and relative to the same scales: it does not grow with the number of parameters.
    nondeterminism
        As for `check`.
    method
        ``"auto"``; ``"graph"``, all coordinates; ``"difference"`` or ``"plain"``, random directions by difference
        propagation or plain evaluation, which ``"reference"`` is, too.
    n_jobs, backend, progress
        As for `check`. One worker is used: an evaluation of a large network leaves little to share.
    seed
        Seed of the directions.
    max_memory
        Bytes of memory to stay under, besides the parameters, the claim and what the cost itself needs. One direction
        of the largest block has to fit, eight times; for all slopes, 24 vectors of all parameters.

    Returns
    -------
    Report
        ``report.blocks[name].screened`` holds the bounds; if all coordinates were compared, ``checked`` and ``wrong``
        count them. That costs some 20 forward passes, and two for each two directions; along random directions about
        2 + K a block by difference propagation, five to ten for each by plain evaluation, and more where something
        looks wrong.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check`.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> theta = {"w": np.linspace(-1, 1, 100_000), "b": np.array([0.5])}
    >>> def cost(p):
    ...     return np.sum(p["w"] ** 2) + 3 * p["b"][0]
    >>> gradients = {"dw": 2 * theta["w"], "db": np.array([3.0])}
    >>> report = fastcheck.screen(cost, theta, gradients)
    >>> report.passed, report.blocks["w"].screened.relative_bound < 1e-12
    (True, True)
    >>> gradients["dw"][77_777] += 1e-6
    >>> fastcheck.screen(cost, theta, gradients).blocks["w"].verdict
    <Verdict.FAIL: 'fail'>
    """
    options = read_options(gradients, directions, confidence, alpha, epsilon, tolerance, seed, max_memory)
    execution = Execution(n_jobs=n_jobs, backend=backend, progress=progress)
    return screened_report(cost, parameters, gradients, options, execution, method, nondeterminism)


def read_options(
    gradients: Any,
    directions: Any,
    confidence: Any,
    alpha: Any,
    epsilon: float | None,
    tolerance: Any,
    seed: int,
    max_memory: Any,
) -> Options:
    """Return the options of screening, or raise `InvalidProblemError`; also if there is no claim."""
    if gradients is None:
        raise InvalidProblemError(
            "gradients: expected the claimed gradient, or a function that returns it, got None. Does the backward "
            "pass end in a return statement?"
        )
    return Options(
        directions=_positive("directions", directions),
        confidence=_probability("confidence", confidence),
        alpha=validate_alpha(alpha),
        epsilon=epsilon,
        tolerance=validate_tolerance(tolerance),
        seed=seed,
        max_memory=_positive("max_memory", max_memory),
    )


METHODS = ("auto", "graph", "difference", "plain", "reference")
"""Values of ``method=``; the reference loop along a direction is plain evaluation."""


def screened_report(
    cost: Callable[[Any], Any],
    parameters: Any,
    gradients: Any,
    options: Options,
    execution: Execution,
    method: str,
    nondeterminism: float | None,
    search: Search | None = None,
) -> Report:
    """Screen, and say where the mistakes of failing blocks are, if there is a ``search``."""
    start = time.perf_counter()
    with Guard(), generators_kept(cost, gradients) as generators, one_blas_thread():
        problem = pose(repeating(cost), parameters, repeating(gradients), nondeterminism)
        generators.look()
        return screened_problem(problem, options, execution, method, start, search)


def screened_problem(
    problem: Problem,
    options: Options,
    execution: Execution,
    method: str,
    start: float,
    search: Search | None = None,
) -> Report:
    """Do the same for a problem that is posed, since ``start``, within `generators_kept` and `one_blas_thread`."""
    if method not in METHODS:
        known = ", ".join(map(repr, METHODS))
        raise InvalidProblemError(f"method: expected one of {known}, got {method!r}.")
    plan = make_plan(problem.layout, problem.theta, _one_of_each(problem), options.epsilon, options.seed)
    options, spent = dataclasses.replace(options, epsilon=plan.epsilon, seed=plan.seed), 0
    if method in ("auto", "graph"):
        describe = None if search is None else search.describe
        strict = method == "graph"
        found, spent = compare_all(problem, options, execution, strict=strict, describe=describe)
        if found is not None:
            return found.report(problem, options, execution, start)
    return _along_directions(problem, options, execution, method, start, search, spent)


def _along_directions(
    problem: Problem,
    options: Options,
    execution: Execution,
    method: str,
    start: float,
    search: Search | None,
    spent: int,
) -> Report:
    """Screen along random directions in each block, after so many forward passes were ``spent``."""
    with opened(
        problem, execution, method, epsilon=options.epsilon, seed=options.seed, max_memory=options.max_memory
    ) as way:
        screened = screen_blocks(problem, way, options, execution)
        blocks, more = {one.residuals.block.name: one.report for one in screened}, 0
        if search is not None:
            closer, more = search.along(problem, way, screened, options)
            blocks |= closer
        notes, passes, method = way.notes, spent + way.forward_passes + more, way.method
    looked_at = (
        LookedAt(one.residuals.block.name, blocks[one.residuals.block.name], one.comparison)
        for one in screened
    )
    unseen, probes = blind_spots(problem, looked_at)
    return Report(
        verdict=worst_verdict(block.verdict for block in blocks.values()),
        difference=Comparison.joined(one.comparison for one in screened).difference,
        blocks=blocks,
        forward_passes=problem.forward_passes + passes + sum(one.extra_passes for one in screened) + probes,
        method=method,
        epsilon=options.epsilon,
        tolerance=options.tolerance,
        seconds=time.perf_counter() - start,
        seed=options.seed,
        notes=(*execution.notes, *notes, *_notes(screened, blocks)),
        unseen=unseen,
    )


class Search(NamedTuple):
    """What may be done with the blocks that screening fails.

    ``along`` searches them while the way of measuring slopes along directions is open, and returns reports of them,
    and the forward passes that this way does not count. ``describe`` tells where a mistake is if all slopes are known.
    """

    along: Callable[[Problem, Directions, list[ScreenedBlock], Options], tuple[dict[str, BlockReport], int]]
    describe: Describe


def _notes(screened: list[ScreenedBlock], blocks: dict[str, BlockReport]) -> Iterator[str]:
    """Yield the notes on blocks, but for those in which the mistake was located since."""
    yield from evenness_notes(
        [(one.name, one.even) for one in screened if one.report.verdict is Verdict.FAIL]
    )
    for one in screened:
        if blocks[one.residuals.block.name].located is None:
            yield from one.notes


def screen_blocks(
    problem: Problem, way: Directions, options: Options, execution: Execution
) -> list[ScreenedBlock]:
    """Screen every block that is not empty."""
    found: dict[int, ScreenedBlock] = {}
    with execution.tracking(problem.layout.size) as advance:
        for group in grouped(problem, way, options):
            for one, residuals in zip(group, measured(group), strict=True):
                found[one.number] = with_evenness(problem, way, options, one.number, one.screened(residuals))
                advance(one.block.size)
    return [found[number] for number in sorted(found)]


def grouped(problem: Problem, way: Directions, options: Options) -> list[list[BlockScreening]]:
    """Return the screening of every block that is not empty, in groups that are run together."""
    numbers = {block.name: number for number, block in enumerate(problem.layout.blocks)}
    groups = together([block for block in problem.layout.blocks if block.size], options.directions)
    groups.sort(
        key=lambda group: sum(block.size for block in group)
    )  # rounding is measured beside small blocks
    return [
        [BlockScreening(problem, way, options, numbers[block.name]) for block in group] for group in groups
    ]


def _one_of_each(problem: Problem) -> dict[str, list[int] | int]:
    """Return coordinates on which the step is validated: one of each block."""
    return {block.name: 1 for block in problem.layout.blocks if block.size}


def _positive(name: str, value: Any) -> int:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 1:
        return int(value)
    raise InvalidProblemError(f"{name}: expected a whole number of at least 1, got {value!r}.")


def _probability(name: str, value: Any) -> float:
    if isinstance(value, (float, np.floating)) and 0 < value < 1:
        return float(value)
    raise InvalidProblemError(
        f"{name}: expected a probability between 0 and 1, such as 0.999, got {value!r}."
    )
