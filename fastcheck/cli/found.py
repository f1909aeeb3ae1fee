"""What a file offers, what it does not, and what came of it: the data that go from finding to showing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastcheck import statuses
from fastcheck.report.stages import AnyReport


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundProblem:
    """Something that can be checked.

    ``how`` says as what it was found, and with which data. ``parts`` are the names in the file that belong to it, by
    which it may be asked for, too. ``run`` checks it, with keyword arguments of `fastcheck.check`.
    """

    name: str
    how: str
    parts: tuple[str, ...]
    run: Callable[[Mapping[str, Any]], AnyReport]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUsed:
    """Something that looks like a problem and cannot be checked as it is; ``why`` ends with what to do."""

    name: str
    why: str
    parts: tuple[str, ...] = ()


Finding = FoundProblem | NotUsed

NOT_CHECKED = "not checked, as the run was interrupted"
"""The error of files and problems that an interruption came before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemOutcome:
    """What came of one problem: a report, or a sentence that says why there is none."""

    file: Path
    problem: FoundProblem
    report: AnyReport | None = None
    error: str | None = None

    @property
    def status(self) -> int:
        """The exit status of this problem alone."""
        return statuses.ILL_POSED if self.report is None else statuses.OF_VERDICT[self.report.verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """All that came of a file: ``error`` is set where nothing in it could be looked at."""

    file: Path
    outcomes: tuple[ProblemOutcome, ...] = ()
    not_used: tuple[NotUsed, ...] = ()
    error: str | None = None

    @property
    def status(self) -> int:
        """The exit status of this file alone."""
        if self.error is not None:
            return statuses.ILL_POSED
        return statuses.worst(outcome.status for outcome in self.outcomes)
