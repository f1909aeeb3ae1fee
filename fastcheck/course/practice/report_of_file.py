"""A file with a function ``problem`` is run, and what that returns is the report."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from fastcheck.course.missing_names import advice_on
from fastcheck.errors import EvaluationError, FastcheckError, InvalidProblemError
from fastcheck.files.users_file import UsersFile, running, said, where
from fastcheck.report.result import Report
from fastcheck.report.stages import AnyReport


def report_of(path: Path) -> AnyReport:
    """Return the report of the problem in a file.

    Raises `FastcheckError`, which names the line, if the file cannot be read or run, or the check cannot be made.
    """
    text_of(path)
    with running(path, advice=advice_on) as file:
        try:
            return _report_in(file)
        except FastcheckError:
            raise
        except (Exception, SystemExit) as error:
            place = where(error, file.path.parent) or f"{path.name}: "
            raise EvaluationError(f"{place}{said(error)}") from None


def text_of(path: Path) -> str:
    """Return the text of a file; raise `InvalidProblemError` if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidProblemError(
            f"{path}: {error.strerror or error}. An exercise is written by: fastcheck course start 1"
        ) from None
    except UnicodeDecodeError:
        raise InvalidProblemError(f"{path}: expected a file of Python in UTF-8, got other bytes.") from None


def without_causes(report: AnyReport) -> AnyReport:
    """Return the report as it is before anybody explains it: numbers, and no word of what the mistake is."""
    if isinstance(report, Report):
        return dataclasses.replace(report, causes=(), notes=())
    stages = [
        dataclasses.replace(stage, report=dataclasses.replace(stage.report, causes=(), notes=()))
        for stage in report.stages
    ]
    return dataclasses.replace(report, stages=tuple(stages))


def _report_in(file: UsersFile) -> AnyReport:
    name, problem = file.path.name, file.namespace.get("problem")
    if not callable(problem):
        raise InvalidProblemError(
            f"{name}: expected a function problem() that returns a report, as exercises have, got none. Other "
            f"files are checked by: fastcheck check {name}"
        )
    report = problem()
    if not isinstance(report, AnyReport):
        raise InvalidProblemError(
            f"{name}: expected problem() to return the report of a check, got {type(report).__name__}. "
            "It ends with: return check_backprop(…)"
        )
    return report
