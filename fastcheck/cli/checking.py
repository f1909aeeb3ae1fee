"""``fastcheck check``: files are run, what they offer is found and checked, shown and kept."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fastcheck import statuses
from fastcheck.checkpoints.sections import section
from fastcheck.checks.told import DONE
from fastcheck.cli import standard_error
from fastcheck.cli.beforehand import expect_consistent
from fastcheck.cli.check_options import Target, options_of_check, read_targets
from fastcheck.cli.finding.everything import chosen, find_problems
from fastcheck.cli.found import NOT_CHECKED, FileResult, FoundProblem, ProblemOutcome
from fastcheck.cli.given_data import give, read_data
from fastcheck.cli.keeping import keep_results
from fastcheck.cli.pages import Pages
from fastcheck.cli.showing import Shown
from fastcheck.cli.warnings_written import warnings_written
from fastcheck.errors import FastcheckError
from fastcheck.files.users_file import UsersFile, running, said, where
from fastcheck.interrupting import (
    interruptible,
    interruptions_raised,
    interruptions_wait,
    keeping_interruptions,
)
from fastcheck.legible import first_names
from fastcheck.near_names import did_you_mean
from fastcheck.progress.events import tell
from fastcheck.progress.run_log import RunLog
from fastcheck.progress.saying import hearing
from fastcheck.workers.keeping import workers_shared


def run_check(arguments: argparse.Namespace) -> int:
    """Run the command, and return the exit status."""
    expect_consistent(arguments)
    is_watched = arguments.files_read is not None  # by a process that ends this one where a file changes
    if is_watched:
        with contextlib.suppress(KeyboardInterrupt):
            return _checked(arguments)
        return statuses.INTERRUPTED
    with interruptible(signal.SIGINT, signal.SIGTERM) as signals, keeping_interruptions(signals):
        if arguments.watch:
            from fastcheck.cli.watching import watch

            return watch(arguments)
        with interruptions_wait() as waiting:
            waiting.begin()
            return _checked(arguments, signals)


def _checked(arguments: argparse.Namespace, signals: interruptible | None = None) -> int:
    json_is_shown = arguments.json == "-"
    shown = Shown(
        file=sys.stderr if json_is_shown else sys.stdout,
        only_wrong=arguments.only_wrong,
        verbose=arguments.verbose,
    )
    run = _Run(arguments, shown, signals)
    with (
        warnings_written(),
        run.log or contextlib.nullcontext(),
        hearing(run.hear),
        _prints_of_the_user(arguments.quiet, json_is_shown),
    ):
        results = [run.check_file(target) for target in run.targets]
    if run.interruption is not None:
        if all(result.error == NOT_CHECKED for result in results):
            raise run.interruption  # there is nothing to tell
        shown.interruption(results)
    shown.summary(results)
    if run.log and run.log.failure:
        shown.sentence(run.log.failure)
    for page in run.pages_written:
        shown.note(f"page: {page}")
    for sentence in run.pages_missing:
        shown.sentence(sentence)
    keep_results(results, arguments)
    page_is_missing = [statuses.ILL_POSED] if run.pages_missing else []
    interrupted = [] if run.interruption is None else [statuses.of_interruption(run.interruption)]
    return statuses.worst([*(result.status for result in results), *page_is_missing, *interrupted])


class _Run:
    """One run of the command: what was asked for, where it is shown, and what was read and written."""

    def __init__(
        self, arguments: argparse.Namespace, shown: Shown, signals: interruptible | None = None
    ) -> None:
        self.arguments, self.shown, self.signals = arguments, shown, signals
        self.log = RunLog(arguments.log) if arguments.log else None
        self._raised: KeyboardInterrupt | None = None
        self.targets = read_targets(arguments.files)
        self.options = options_of_check(arguments)
        self.data = read_data(arguments.data)
        self.pages = Pages(arguments.html, arguments.only_wrong) if arguments.html else None
        self.pages_written: list[Path] = []
        self.pages_missing: list[str] = []
        self.files_read: list[str] = []
        self.said: list[str] = []

    def hear(self, sentence: str) -> None:
        """Write what a check says before it ends, unless it is shown above the line of progress."""
        self.said.append(sentence)
        if not standard_error.is_terminal():
            standard_error.write(sentence)

    @property
    def interruption(self) -> KeyboardInterrupt | None:
        """What ended the run early, whoever saw it; None if nothing did."""
        came = self.signals.came if self.signals else []
        return KeyboardInterrupt(came[0]) if came else self._raised

    @property
    def _uses_workers(self) -> bool:
        named = {"backend", "timeout"} & self.options.keys()
        return bool(named) or self.options.get("n_jobs") not in (None, 1)

    def check_file(self, target: Target) -> FileResult:
        """Check what a file offers, and show it as soon as it is known; nothing after an interruption."""
        if self.interruption is not None:
            return self._not_looked_at(target)
        self._say_what_is_checked(str(target.path))
        self.files_read += map(os.path.abspath, (target.path, *self.arguments.data))
        try:
            _expect_file(target.path)
            with (
                running(target.path, in_workers=self._uses_workers, advice=_advice) as file,
                workers_shared(),
            ):
                self._tell_watcher(file)
                return self._check_problems(file, target)
        except KeyboardInterrupt as error:
            self._note_interruption(error)
            return self._not_looked_at(target)
        except FastcheckError as error:
            if self.arguments.debug:
                traceback.print_exc()
            result = FileResult(file=target.path, error=str(error))
            self.shown.error(result)
            return result

    def _check_problems(self, file: UsersFile, target: Target) -> FileResult:
        strange = give(self.data, file)
        try:
            with interruptions_raised():
                problems, not_used = find_problems(file)
        except SystemExit as end:
            place = where(end, file.path.parent)
            raise FastcheckError(f"{place}it calls sys.exit({end.code!r}) while it is tried.") from end
        if target.names:
            wanted = [problem for name in target.names for problem in chosen(name, problems, not_used, file)]
            problems, not_used = list({problem.name: problem for problem in wanted}.values()), []
        not_used = [*not_used, *strange]
        self.shown.found(target.path, problems, not_used)
        is_alone = len(self.targets) == len(problems) == 1
        outcomes = [self._check_problem(file, target.path, problem, is_alone) for problem in problems]
        return FileResult(file=target.path, outcomes=tuple(outcomes), not_used=tuple(not_used))

    def _check_problem(
        self, file: UsersFile, path: Path, problem: FoundProblem, is_alone: bool
    ) -> ProblemOutcome:
        self._say_what_is_checked(f"{path}::{problem.name}")
        if self.interruption is not None:
            return self._told(ProblemOutcome(file=path, problem=problem, error=NOT_CHECKED))
        self.said.clear()
        try:
            outcome = _outcome(file, path, problem, self.options, self.arguments.debug)
        except KeyboardInterrupt as error:
            self._note_interruption(error)
            return self._told(ProblemOutcome(file=path, problem=problem, error=NOT_CHECKED))
        self.shown.outcome(outcome, self.said)
        if self.interruption is None:  # pages run the cost again
            self._keep_page(outcome, is_alone)
        return self._told(outcome)

    def _note_interruption(self, error: KeyboardInterrupt) -> None:
        """Remember the first interruption; the second one ends the run at once."""
        is_first = self._raised is None and self.signals is not None and len(self.signals.came) <= 1
        if not is_first:
            raise error
        self._raised = error

    def _say_what_is_checked(self, name: str) -> None:
        """Have the lines of the log name what they are about."""
        if self.log:
            self.log.problem, self.log.last = name, None

    def _told(self, outcome: ProblemOutcome) -> ProblemOutcome:
        """Tell the log of an outcome that no check told of."""
        if self.log and self.log.last != "end":
            tell("end", verdict=outcome.report and str(outcome.report.verdict), reason=outcome.error or DONE)
        return outcome

    def _not_looked_at(self, target: Target) -> FileResult:
        """Return the result of a file that an interruption came before."""
        if self.log:
            self.log.problem = str(target.path)
            tell("end", verdict=None, reason=NOT_CHECKED)
        return FileResult(file=target.path, error=NOT_CHECKED)

    def _keep_page(self, outcome: ProblemOutcome, is_alone: bool) -> None:
        """Write the page of a problem, if pages are wanted; one that cannot be written changes no verdict."""
        try:
            with interruptions_raised():
                page = self.pages.save(outcome, is_alone=is_alone) if self.pages else None
        except KeyboardInterrupt as error:
            self._note_interruption(error)
            return
        except FastcheckError as error:
            self.pages_missing.append(str(error))
            return
        self.pages_written += [page] if page else []

    def _tell_watcher(self, file: UsersFile) -> None:
        """Write down which files were read, if a process watches them."""
        self.files_read += file.files_read()
        if self.arguments.files_read:
            from fastcheck.cli.watching import write_stamps

            write_stamps(self.files_read, Path(self.arguments.files_read))


def _outcome(
    file: UsersFile, path: Path, problem: FoundProblem, options: Mapping[str, Any], debug: bool
) -> ProblemOutcome:
    """Return what comes of checking a problem; whatever the user's code raises is a sentence."""
    try:
        with section(f"{path}::{problem.name}"), interruptions_raised():
            return ProblemOutcome(file=path, problem=problem, report=problem.run(options))
    except FastcheckError as error:
        sentence = str(error)
    except SystemExit as end:
        sentence = f"{where(end, file.path.parent)}it calls sys.exit({end.code!r})"
    except Exception as error:
        sentence = f"{where(error, file.path.parent)}{said(error)}"
        if debug:
            traceback.print_exc()
    return ProblemOutcome(file=path, problem=problem, error=sentence)


def _advice(error: Exception) -> str:
    from fastcheck.course.missing_names import advice_on

    return advice_on(error)


def _expect_file(path: Path) -> None:
    """Raise `FastcheckError` if there is no such file, with the name of one that is spelt alike."""
    if path.exists():
        return
    folder = path.parent
    if not folder.is_dir():
        raise FastcheckError(f"{path}: there is no folder {folder}.")
    names = sorted(name for name in os.listdir(folder) if name.endswith((".py", ".ipynb")))
    hint = did_you_mean(path.name, names)
    if not hint and names:
        hint = f" There are {first_names(names)}."
    raise FastcheckError(f"{path}: there is no such file.{hint}")


@contextlib.contextmanager
def _prints_of_the_user(quiet: bool, to_stderr: bool) -> Iterator[None]:
    """Send what the user's code prints to stdout, to stderr if JSON goes there, or nowhere."""
    if quiet:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    elif to_stderr:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    else:
        yield
