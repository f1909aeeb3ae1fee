"""Screening: all slopes of a cost that can be recorded, and random directions of one that is evaluated plainly.

The derivation, its assumptions and what the verdicts mean: docs/screening.md.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from fastcheck.checks.all_slopes import compare_all
from fastcheck.checks.assembling import Findings, assemble
from fastcheck.checks.generators import generators_kept
from fastcheck.checks.random_directions import screen_directions
from fastcheck.checks.requests import (
    SCREENING_CONFIDENCE,
    CheckRequest,
    Progress,
    expect_claim,
    expect_no_complex_steps,
)
from fastcheck.engines import DisagreementError, choose_engine
from fastcheck.engines.graph.recording.advice import reason_for
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.errors import InvalidProblemError
from fastcheck.execution import MAX_MEMORY, Backend, Execution
from fastcheck.interrupting import interruptible
from fastcheck.plan.coordinates import ALPHA, validate_alpha
from fastcheck.problem.ahead import with_workers
from fastcheck.problem.elsewhere import tried_first
from fastcheck.problem.posing import pose
from fastcheck.problem.randomness import repeating
from fastcheck.report.result import Report
from fastcheck.undoing import UndoGuard
from fastcheck.verdict.judging import validate_tolerance
from fastcheck.workers.library_threads import one_blas_thread


def screen(
    cost: Callable[[Any], Any],
    parameters: Any,
    gradients: Any,
    *,
    directions: int = 4,
    confidence: float = SCREENING_CONFIDENCE,
    alpha: float = ALPHA,
    epsilon: float | None = None,
    tolerance: float = 1e-7,
    nondeterminism: float | None = None,
    method: str = "auto",
    n_jobs: int | Literal["auto"] | None = None,
    backend: Backend | None = None,
    timeout: float | None = None,
    seed: int = 0,
    progress: Progress = None,
    max_memory: int = MAX_MEMORY,
) -> Report:
    r"""Check a claimed gradient in a few dozen forward passes, blocks of any size: by all slopes, or random directions.

    Where the cost can be recorded, all coordinates are compared with slopes that are sent backwards, and certified
    along random directions. Otherwise plain evaluation along random directions in each block bounds what is wrong. For
    a direction v with independent standard normal entries, :math:`g·v - ∇J·v` has the distribution
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
        The largest step of plain evaluation; slopes that are sent backwards have none.
    tolerance
        As for `check`, and relative to the same scales: it does not grow with the number of parameters.
    nondeterminism
        As for `check`.
    method
        ``"difference"``, all coordinates, or an error that says why not; ``"plain"``, random directions by plain
        evaluation, which ``"reference"`` is, too; ``"auto"``, the first of them that can be done.
    n_jobs, backend, timeout, progress
        As for `check`. One worker is used: an evaluation of a large network leaves little to share.
    seed
        Seed of the directions.
    max_memory
        As for `check`. A direction takes one array of the size of its block, and one of the size of all parameters.

    Returns
    -------
    Report
        ``report.blocks[name].screened`` holds the bounds; if all coordinates were compared, ``checked`` and ``wrong``
        count them. That costs some 20 forward passes, and two for each two directions; random directions, plainly
        evaluated, five to ten each, and more where something looks wrong.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check`.
    TracingError, DisagreementError
        With ``method="difference"``, if the cost cannot be recorded, or its slopes are not certified.

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
    return screen_or_locate(
        cost,
        parameters,
        gradients,
        locate=False,
        directions=directions,
        confidence=confidence,
        alpha=alpha,
        epsilon=epsilon,
        tolerance=tolerance,
        nondeterminism=nondeterminism,
        method=method,
        n_jobs=n_jobs,
        backend=backend,
        timeout=timeout,
        seed=seed,
        progress=progress,
        max_memory=max_memory,
    )


def screen_or_locate(
    cost: Callable[[Any], Any],
    parameters: Any,
    gradients: Any,
    *,
    locate: bool,
    directions: Any,
    confidence: Any,
    alpha: Any,
    epsilon: float | None,
    tolerance: Any,
    nondeterminism: float | None,
    method: str,
    n_jobs: int | Literal["auto"] | None,
    backend: Backend | None,
    timeout: float | None,
    seed: int,
    progress: Progress,
    max_memory: Any,
) -> Report:
    """Screen, and say where the mistakes of failing blocks are, if asked to ``locate`` them."""
    start = time.perf_counter()
    expect_claim(gradients)
    confidence, directions = _probability("confidence", confidence), _positive("directions", directions)
    alpha, tolerance = validate_alpha(alpha), validate_tolerance(tolerance)
    memory = _positive("max_memory", max_memory)
    execution = Execution(
        n_jobs=n_jobs, backend=backend, timeout=timeout, progress=progress, max_memory=memory
    )
    engine = choose_engine(method)
    expect_no_complex_steps(engine.name, "screening")
    with (
        UndoGuard(),
        interruptible(),
        execution.workers_kept(),
        execution.watched(),
        generators_kept(cost, gradients) as generators,
        one_blas_thread(),
    ):
        problem = pose(
            repeating(cost), parameters, repeating(gradients), nondeterminism, tried_first(execution)
        )
        problem = with_workers(problem, execution)
        generators.look()
        request = CheckRequest(
            problem=problem,
            execution=execution,
            start=start,
            method=engine.name,
            epsilon=epsilon,
            tolerance=tolerance,
            seed=seed,
            alpha=alpha,
            directions=directions,
            sample_confidence=confidence,
            norm_confidence=confidence,
        )
        return assemble(request, screening_findings(request, locate=locate))


def screening_findings(request: CheckRequest, *, locate: bool) -> Findings:
    """Compare all coordinates if their slopes can be certified; otherwise screen along directions."""
    request.plan_of_examples()  # the step and the seed are validated whatever uses them
    if request.method not in ("auto", "difference"):
        return screen_directions(request, locate=locate)
    attempt, tally = request.problem.counted()
    try:
        return compare_all(dataclasses.replace(request, problem=attempt), fail_few_wrong=True, locate=locate)
    except (TracingError, DisagreementError) as error:
        if request.method == "difference":
            raise
        reason, passes_of_attempt = reason_for(error), tally.passes
    findings = screen_directions(request, locate=locate)
    return dataclasses.replace(
        findings,
        notes=(reason, *findings.notes),
        forward_passes=findings.forward_passes + passes_of_attempt,
    )


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
