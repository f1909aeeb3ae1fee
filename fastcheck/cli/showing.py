"""What ``fastcheck check`` shows: a line for what is right, the report of what is not, and a last line with counts."""

from __future__ import annotations

import os
import shutil
import textwrap
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from fastcheck import statuses
from fastcheck.cli.found import NOT_CHECKED, FileResult, FoundProblem, NotUsed, ProblemOutcome
from fastcheck.cli.standard_error import fitted
from fastcheck.legible import encodable, first_names, legible, number_of, wrapped
from fastcheck.report.result import Report
from fastcheck.report.stages import AnyReport
from fastcheck.report.summary_text import is_known_as_a_whole, is_screened
from fastcheck.report.view import WIDTH, usable

WORDS = {
    statuses.RIGHT: ("PASS", "right", "\033[32m"),
    statuses.WRONG: ("FAIL", "wrong", "\033[1;31m"),
    statuses.INCONCLUSIVE: ("INCONCLUSIVE", "inconclusive", "\033[33m"),
    statuses.ILL_POSED: ("ERROR", "could not be checked", "\033[35m"),
}
"""For each status the word of a line, that of the counts, and a colour."""

PASSED = "passed as far as looked at"
"""In counts: a problem of which a sample passed, or some blocks."""

COUNTED = [WORDS[statuses.RIGHT][1], PASSED, *(word for status, (_, word, _) in WORDS.items() if status)]

PLAIN = "\033[0m"
INDENT = "      "


class Shown:
    """What is written to a stream, line by line, as soon as it is known."""

    def __init__(self, file: TextIO, only_wrong: bool = False, verbose: bool = False) -> None:
        self.file, self.only_wrong, self.verbose = file, only_wrong, verbose
        self.last_line = ""
        self.start = time.perf_counter()
        self.in_colours = _wants_colours(file)
        self.width = usable(shutil.get_terminal_size().columns) if file.isatty() else WIDTH

    def line(self, text: str = "") -> None:
        """Write a line."""
        print(encodable(text), file=self.file, flush=True)
        self.last_line = text

    def found(self, path: Path, problems: Sequence[FoundProblem], not_used: Sequence[NotUsed]) -> None:
        """Write what a file offers, and what it does not."""
        if self.only_wrong:
            return
        if self.last_line:
            self.line()
        count = number_of(len(problems), "problem") if problems else "nothing to check"
        self.line(f"{legible(str(path))}: {count}")
        for problem in problems:
            self._entry("found", problem.name, problem.how)
        for finding in not_used:
            self._entry("not used", finding.name, finding.why)
        if not problems and not not_used:
            self._entry("", "", NOTHING_FOUND)
        self.line()

    def outcome(self, outcome: ProblemOutcome, said: Sequence[str] = ()) -> None:
        """Write what came of a problem, and what was ``said`` before, such as that workers were not used."""
        status, report = outcome.status, outcome.report
        if status == statuses.RIGHT and self.only_wrong:
            return
        place = legible(f"{outcome.file}::{outcome.problem.name}")
        if report is None:
            self.line(f"{self._word(status)}  {place}")
            self._paragraph(legible(outcome.error or ""), INDENT, INDENT)
            self.line()
        elif status == statuses.RIGHT and not self.verbose:
            self.line(f"{self._word(status)}  {place}  {measured(report)}")
            for sentence in (*reservations(report), *said):
                self._paragraph(legible(sentence), INDENT, INDENT)
        else:
            self.line(f"─── {place} ".ljust(self.width, "─"))
            self.line(report.to_text(verbose=self.verbose, width=self.width, colour=self.in_colours))
            self.line()

    def error(self, result: FileResult) -> None:
        """Write why a file could not be looked at."""
        word = WORDS[statuses.ILL_POSED][0]
        text = fitted(f"{word}  {result.error or ''}", self.file)
        self.line(text.replace(word, self._word(statuses.ILL_POSED), 1))

    def note(self, text: str) -> None:
        """Write where something was kept."""
        if not self.only_wrong:
            self.line(legible(text))

    def sentence(self, text: str) -> None:
        """Write what could not be kept."""
        self.line(wrapped(text, self.width, INDENT))

    def interruption(self, results: Sequence[FileResult]) -> None:
        """Write what was not checked, as the run was interrupted."""
        files = [str(result.file) for result in results if result.error == NOT_CHECKED]
        outcomes = (outcome for result in results for outcome in result.outcomes)
        problems = [outcome.problem.name for outcome in outcomes if outcome.error == NOT_CHECKED]
        if files or problems:
            self._paragraph(f"interrupted; not checked: {first_names([*problems, *files])}", "", INDENT)

    def summary(self, results: Sequence[FileResult]) -> None:
        """Write the last line: how many problems are right, wrong, and so on."""
        counts = Counter(_count_as(outcome) for result in results for outcome in result.outcomes)
        failed = sum(result.error is not None for result in results)
        total = sum(len(result.outcomes) for result in results)
        said = [f"{counts[word]} {word}" for word in COUNTED if counts[word]]
        unused = sum(len(result.not_used) for result in results)
        said += [f"{unused} not used"] if unused else []
        said += [f"{number_of(failed, 'file')} could not be looked at"] if failed else []
        seconds = time.perf_counter() - self.start
        self.line(
            f"{number_of(total, 'problem')}: {', '.join(said) or 'nothing to check'}  ({seconds:.1f} s)"
        )

    def _entry(self, kind: str, name: str, text: str) -> None:
        body = " ".join(legible(text).split())
        if name:
            self._paragraph(f"{kind:<8}  {legible(name)}: {body}", "  ", " " * 12)
        else:
            self._paragraph(body, "  ", "  ")

    def _paragraph(self, text: str, first: str, others: str) -> None:
        self.line(
            textwrap.fill(
                text, self.width, initial_indent=first, subsequent_indent=others, break_on_hyphens=False
            )
        )

    def _word(self, status: int) -> str:
        word, _, colour = WORDS[status]
        return f"{colour}{word}{PLAIN}" if self.in_colours else word


NOTHING_FOUND = (
    "Give it a function problem() that returns (cost, parameters, gradients), or keep the report of a check of its "
    "own: report = check(…). fastcheck check --help tells what else is found."
)


def measured(report: AnyReport) -> str:
    """Return what was checked of something that is right, and to which precision."""
    if not isinstance(report, Report):
        return f"{number_of(len(report.stages), 'stage')}, {_seconds(report)}"
    difference = "" if report.difference != report.difference else f", difference {report.difference:.1e}"
    share = "" if report.checked == report.size else f"{report.checked:,} of "
    by = ""
    if not report.checked and is_screened(report):
        share, by = "", " along random directions"
    return f"{share}{number_of(report.size, 'parameter')}{by}{difference}, {_seconds(report)}"


def reservations(report: AnyReport) -> list[str]:
    """Return what is not known of something that is right: what was not looked at, and what could not be seen."""
    if not isinstance(report, Report):
        return []
    left_out = [f"not looked at: {first_names(report.left_out)}"] if report.left_out else []
    stopped = [f"stopped, as {report.stopped}"] if report.stopped else []
    return [*left_out, *stopped, *report.unseen]


def _count_as(outcome: ProblemOutcome) -> str:
    """Return the word under which a problem is counted: right is what was looked at as a whole."""
    report = outcome.report
    reports = (
        [report]
        if isinstance(report, Report)
        else [stage.report for stage in report.stages]
        if report
        else []
    )
    is_part = outcome.status == statuses.RIGHT and not all(map(is_known_as_a_whole, reports))
    return PASSED if is_part else WORDS[outcome.status][1]


def _seconds(report: AnyReport) -> str:
    return f"{report.seconds:.2f} s"


def _wants_colours(file: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or file.isatty()
