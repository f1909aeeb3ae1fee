"""The check of real parameters: a problem is posed, a strategy looks at it, a report is assembled.

`run_check` chooses among four strategies. Each returns `Findings`, of which `assemble` makes the one report::

    pose ─ CheckRequest ─┬─ check_coordinates   slopes of chosen coordinates       ─┬─ Findings ─ assemble ─ Report
                         ├─ compare_all         certified slopes of all of them    ─┤
                         ├─ screen_directions   slopes along random directions     ─┤
                         └─ check_gradually     any of these, as a budget allows   ─┘
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastcheck.checkpoints.checkpoint import Checkpoint
from fastcheck.checks.assembling import Findings, assemble
from fastcheck.checks.budgets import Budget
from fastcheck.checks.generators import generators_kept
from fastcheck.checks.interrupted import nothing_found
from fastcheck.checks.requests import (
    SCREENING_CONFIDENCE,
    CheckRequest,
    Progress,
    expect_claim,
    expect_no_complex_steps,
)
from fastcheck.checks.told import read_log, tell_problem, told, with_failure_of
from fastcheck.engines import Engine, choose_engine
from fastcheck.errors import InvalidProblemError
from fastcheck.execution import MAX_MEMORY, Backend, Execution
from fastcheck.interrupting import (
    expect_no_interruption,
    interruptible,
    interruptions_are_kept,
    interruptions_wait,
    reason_of,
)
from fastcheck.plan.coordinates import ALPHA, DIRECTIONS, validate_alpha, validate_directions
from fastcheck.plan.sampling import validate_confidence
from fastcheck.problem.ahead import with_workers
from fastcheck.problem.elsewhere import tried_first
from fastcheck.problem.parameters import read_like
from fastcheck.problem.posing import Problem, pose
from fastcheck.problem.randomness import repeating
from fastcheck.report.result import Report
from fastcheck.undoing import UndoGuard
from fastcheck.verdict.judging import validate_tolerance
from fastcheck.workers.library_threads import one_blas_thread

MOST_UNASKED = 1_000_000
"""Coordinates of which all are checked without being asked for; more are screened."""

SAMPLE_CONFIDENCE = 0.95
"""That with which what a sample proves holds, unless another one is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckOptions:
    """The options of `check`, as they were given, but for those about special parameters."""

    epsilon: float | None = None
    tolerance: float = 1e-7
    nondeterminism: float | None = None
    coordinates: Any = None
    method: str = "auto"
    n_jobs: int | Literal["auto"] | None = None
    backend: Backend | None = None
    timeout: float | None = None
    seed: int = 0
    confidence: float | None = None
    alpha: float = ALPHA
    directions: int = DIRECTIONS
    time_budget: float | None = None
    max_forward_passes: int | None = None
    max_memory: int = MAX_MEMORY
    progress: Progress = None
    previous: Any = None
    checkpoint: Any = None
    log: str | os.PathLike[str] | None = None

    @property
    def keep_what_is_known(self) -> bool:
        """Whether an interruption ends the check with a report, where there is no budget."""
        return self.checkpoint is not None or self.log is not None or interruptions_are_kept()


def run_check(
    cost: Callable[[Any], Any], parameters: Any, gradients: Any, options: CheckOptions, *, causes: bool = True
) -> Report:
    """Check a claimed gradient of real parameters, and look for the ``causes`` of what fails, or do not."""
    start = time.perf_counter()
    expect_claim(gradients)
    budget = Budget.read(options.time_budget, options.max_forward_passes)
    if budget is not None and options.coordinates is not None:
        raise InvalidProblemError(
            f"coordinates: with a budget the check chooses them itself, got {options.coordinates!r}. Leave them out."
        )
    tolerance, confidence = validate_tolerance(options.tolerance), options.confidence
    alpha, directions = validate_alpha(options.alpha), validate_directions(options.directions)
    sample_confidence = validate_confidence(SAMPLE_CONFIDENCE if confidence is None else confidence)
    fixed_confidence = confidence is None or budget is not None
    norm_confidence = SCREENING_CONFIDENCE if fixed_confidence else sample_confidence
    checkpoint = Checkpoint(options.checkpoint, cost)
    expect_no_interruption()
    limits = Budget(None, None) if budget is None and options.keep_what_is_known else budget
    execution = Execution(
        n_jobs=options.n_jobs,
        backend=options.backend,
        timeout=options.timeout,
        progress=options.progress,
        max_memory=options.max_memory,
        on_interrupt=None if budget is not None or limits is None else limits.end,
    )
    engine = choose_engine(options.method)
    if budget is not None:
        expect_no_complex_steps(engine.name, "a check with a budget")
    if _asks_to_screen(options.coordinates):
        expect_no_complex_steps(engine.name, "screening")
    log, signals = read_log(options.log), () if limits is None else (signal.SIGINT, signal.SIGTERM)
    with (
        UndoGuard(),
        interruptible(*signals),
        interruptions_wait() as waiting,
        log or contextlib.nullcontext(),
        told(execution, engine.name) as ending,
        execution.workers_kept(),
        execution.watched(),
        generators_kept(cost, gradients) as generators,
        checkpoint,
        one_blas_thread(),
    ):
        problem = pose(
            repeating(cost),
            parameters,
            repeating(gradients),
            options.nondeterminism,
            tried_first(execution),
        )
        problem = with_workers(checkpoint.keeping(problem, options.epsilon), execution)
        generators.look()
        tell_problem(problem)
        if limits is not None:
            waiting.begin()
        request = CheckRequest(
            problem=problem if limits is None else limits.metered(problem),
            execution=execution,
            start=start,
            method=engine.name,
            epsilon=options.epsilon,
            tolerance=tolerance,
            seed=options.seed,
            alpha=alpha,
            directions=directions,
            sample_confidence=sample_confidence,
            norm_confidence=norm_confidence,
            budget=limits,
            previous=_previous(problem, options.previous),
            look_for_causes=causes,
            checkpoint=checkpoint,
        )
        findings = _findings(request, engine, options.coordinates, budget)
        ending.report = request.finished(functools.partial(assemble, request, findings))
    return _with_what_came(waiting, with_failure_of(log, ending.report))


def _with_what_came(waiting: interruptions_wait, report: Report) -> Report:
    """Return a report that tells of an interruption that came when all was known."""
    if waiting.came is None or report.stopped:
        return report
    return dataclasses.replace(report, stopped=reason_of(KeyboardInterrupt(waiting.came)))


def _previous(problem: Problem, previous: Any) -> dict[str, NDArray[np.float64]]:
    """Return earlier parameters by block, if there are any."""
    return {} if previous is None else read_like(problem.layout, previous, "previous")


def _findings(request: CheckRequest, engine: Engine, coordinates: Any, budget: Budget | None) -> Findings:
    """Choose the strategy, and return what it finds; its modules are loaded now, which takes up to 0.1 s."""
    if budget is not None:
        from fastcheck.checks.budgeted import check_gradually

        return check_gradually(request, budget)
    asked_to_screen = _asks_to_screen(coordinates)
    very_many = (
        coordinates is None and request.method == "auto" and request.problem.layout.size > MOST_UNASKED
    )
    if not (asked_to_screen or very_many):
        from fastcheck.checks.chosen_coordinates import check_coordinates

        return check_coordinates(request, engine, "all" if coordinates is None else coordinates)
    from fastcheck.checks.screening import screening_findings

    findings = None
    with request.watched():
        findings = screening_findings(request, locate=True)
    if findings is None:
        return nothing_found(request)
    every_coordinate_compared = findings.certified is not None
    if asked_to_screen or every_coordinate_compared:
        return findings
    why = (
        f"{request.problem.layout.size:,} parameters were screened, and what fails is searched for mistakes; "
        "coordinates='all' checks each of them."
    )
    return dataclasses.replace(findings, notes=(*findings.notes, why))


def _asks_to_screen(coordinates: Any) -> bool:
    return isinstance(coordinates, str) and coordinates == "screen"
