"""A check tells those who listen how it begins and how it ends, whatever ends it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from fastcheck.errors import InvalidProblemError
from fastcheck.execution import Execution
from fastcheck.interrupting import reason_of
from fastcheck.problem.posing import Problem
from fastcheck.progress.events import is_anybody_listening, tell
from fastcheck.progress.run_log import RunLog
from fastcheck.report.result import Report

DONE = "it was done"
"""Why a check ended that came to its end."""


def read_log(path: Any) -> RunLog | None:
    """Return the log asked for, None if none was; `InvalidProblemError` for what is no path."""
    if path is None:
        return None
    if isinstance(path, (str, os.PathLike)):
        return RunLog(path)
    raise InvalidProblemError(
        f"log: expected the path of a file, such as 'run.jsonl', got {type(path).__name__}."
    )


class Ending:
    """How a check ends: with this report, if with any."""

    report: Report


@contextlib.contextmanager
def told(execution: Execution, method: str) -> Iterator[Ending]:
    """Tell of the beginning of a check, and of its end, which is the report that the ``with`` block leaves."""
    start, ending = time.perf_counter(), Ending()
    tell(
        "start",
        fastcheck=sys.modules["fastcheck"].__version__,
        method=method,
        n_jobs=execution.n_jobs,
        backend=execution.backend,
    )
    try:
        yield ending
    except BaseException as error:
        is_interruption = isinstance(error, KeyboardInterrupt)
        reason = reason_of(error) if is_interruption else f"{type(error).__name__}: {error}"
        tell("end", verdict=None, reason=reason, seconds=round(time.perf_counter() - start, 3))
        raise
    if is_anybody_listening():
        _tell_report(ending.report)


def _tell_report(report: Report) -> None:
    blocks = report.blocks.values()
    tell(
        "end",
        verdict=str(report.verdict),
        reason=report.stopped or DONE,
        seconds=round(report.seconds, 3),
        blocks={name: str(block.verdict) for name, block in report.blocks.items()},
        checked=report.checked,
        wrong=sum(block.wrong for block in blocks),
        undecided=sum(block.undecided for block in blocks),
        forward_passes=report.forward_passes,
    )


def tell_problem(problem: Problem) -> None:
    """Tell what is checked."""
    if not is_anybody_listening():
        return
    tell(
        "problem",
        coordinates=problem.layout.size,
        blocks={block.name: block.shape for block in problem.layout.blocks},
        seconds_per_evaluation=problem.seconds,
    )


def with_failure_of(log: RunLog | None, report: Report) -> Report:
    """Return a report with a note that says why its log is not complete, if there is one that is not."""
    if log is None or log.failure is None:
        return report
    return dataclasses.replace(report, notes=(*report.notes, log.failure))
