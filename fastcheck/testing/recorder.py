"""What a session of pytest keeps of its gradient checks: numbers, what failed, and pages."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fastcheck.testing.check_counts import CheckCounts
from fastcheck.testing.kept_pages import KeptPages
from fastcheck.testing.observing import start_observing, stop_observing

if TYPE_CHECKING:
    from fastcheck.report.result import Report

SECTION = "gradient check"
"""Title of what is added to the report of a test that a gradient check made fail."""

ATTRIBUTE = "gradient_checks"
"""Attribute of pytest's report of a test that goes from a worker to the process that sums up."""

ASSERTING = "fastcheck.testing.asserting"
"""Module through which a test calls the functions that it checks."""


@dataclasses.dataclass(kw_only=True)
class Observed:
    """The checks of one phase of a test: how many ended how, and the largest difference of those that did not raise."""

    right: int = 0
    in_part: int = 0
    accepted: int = 0
    raised: int = 0
    difference: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.right or self.in_part or self.accepted or self.raised)


class Recorder:
    """Observes the checks of a session in each process that runs tests, and sums them up in the one that reports.

    ``pages`` keeps those of checks that make a test fail; None keeps none.
    """

    def __init__(self, config: pytest.Config, pages: KeptPages | None) -> None:
        self._config, self._pages = config, pages
        self._observed = Observed()
        self._tally = CheckCounts()
        self._paths: list[str] = []

    def start(self) -> None:
        """Observe all checks from now on."""
        start_observing(self._observe)

    def stop(self) -> None:
        """Observe no more."""
        stop_observing(self._observe)

    def _observe(self, report: Report | None, is_raised: bool) -> None:
        """Count a check; no report is kept here, for a test may check thousands of times."""
        seen = self._observed
        if report is None or is_raised:
            seen.raised += 1
            return
        from fastcheck.report.summary_text import is_known_as_a_whole

        if not report.passed:
            seen.accepted += 1
        elif is_known_as_a_whole(report):
            seen.right += 1
        else:
            seen.in_part += 1
        seen.difference = max(seen.difference, report.difference)

    def pytest_runtest_logstart(self) -> None:
        """Forget what was checked between tests, such as while a module was imported."""
        self._observed = Observed()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add what is known of the checks of this phase of a test to its report."""
        if call.excinfo is not None and not self._config.getoption("fulltrace"):
            _leave_out_our_lines(call.excinfo.value)
        test_report = yield
        observed, self._observed = self._observed, Observed()
        if observed:
            self._add(item, call, test_report, observed)
        return test_report

    def _add(
        self,
        item: pytest.Item,
        call: pytest.CallInfo[Any],
        test_report: pytest.TestReport,
        observed: Observed,
    ) -> None:
        """Add checks to the report of a test: sections, numbers, pages, properties, and the line of summaries."""
        from fastcheck.errors import FastcheckError
        from fastcheck.testing.message import headline

        raised = list(chain(call.excinfo.value)) if test_report.failed and call.excinfo else []
        failing = [report for error in raised if (report := _report_of(error)) is not None]
        told = _report_of(raised[0]) if raised else None
        pages = [
            self._kept(report, item.nodeid, test_report, raised[0] if report is told else None)
            for report in failing
        ]
        checks = {
            "tally": dataclasses.asdict(_tally(observed, raised, failing, test_report.failed)),
            "pages": [path for path in pages if path],
        }
        setattr(test_report, ATTRIBUTE, checks)
        if failing:
            _set_properties(item, str(failing[0].verdict), failing[0].difference)
        elif observed.right or observed.in_part or observed.accepted:
            _set_properties(item, "inconclusive" if observed.accepted else "pass", observed.difference)
        if told is not None:
            _tell_in_one_line(test_report, headline(told))
        elif raised and isinstance(raised[0], FastcheckError):
            _tell_in_one_line(test_report, f"{type(raised[0]).__name__}: {raised[0]}".partition("\n")[0])

    def _kept(
        self, report: Report, test: str, test_report: pytest.TestReport, told: BaseException | None
    ) -> str | None:
        """Add a report to that of its test, and keep its page, if pages are kept; return where.

        What the exception ``told`` says of it, its first lines or all of it, is not said again.
        """
        path = None
        where = "Its page, with pictures: run pytest with --gradcheck-html DIR"
        if self._pages is not None:
            try:
                path = self.shown(self._pages.keep(report, test))
                where = f"Page: {path}"
            except Exception as error:  # a page that cannot be written must not hide why the test failed
                where = f"Its page could not be kept: {type(error).__name__}: {error}"
        text = str(report)
        if told is not None:
            text = "" if text in str(told) else text.partition("\n\n")[2] or text
        test_report.sections.append((SECTION, f"{text}\n\n{where}".lstrip()))
        return path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Sum up."""
        checks = getattr(report, ATTRIBUTE, None)
        if checks:
            self._tally.add(checks["tally"])
            self._paths += checks["pages"]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how many checks there were, and where the pages are of those that failed."""
        quietness = -terminalreporter.verbosity
        if not self._tally or quietness > 1 or (quietness == 1 and not self._tally.failures):
            return
        sentence = f"gradient checks: {self._tally}"
        if self._paths and self._pages is not None:
            sentence += f"; pages in {self.shown(self._pages.folder)}"
        terminalreporter.ensure_newline()
        terminalreporter.write_line(sentence)
        for path in self._paths:
            terminalreporter.write_line(f"  {path}")

    def shown(self, path: Path) -> str:
        """Return a path as seen from where pytest was started, if it is below."""
        start = self._config.invocation_params.dir
        return str(path.relative_to(start)) if path.is_relative_to(start) else str(path)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that it is a group of, or was raised from, or while these were handled."""
    waiting, seen = [error], set[int]()
    while waiting:
        error = waiting.pop(0)
        if id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            waiting += error.exceptions
        context = None if error.__suppress_context__ else error.__context__
        waiting += [other for other in (error.__cause__, context) if other is not None]


def _leave_out_our_lines(error: BaseException) -> None:
    """Leave the lines of fastcheck out of the way from a test to its own function that raised during a check."""
    entries = []
    entry = error.__traceback__
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    modules = [str(entry.tb_frame.f_globals.get("__name__")) for entry in entries]
    is_ours = [module.startswith("fastcheck.") for module in modules]
    theirs = [entry for entry, ours in zip(entries, is_ours, strict=True) if not ours]
    if ASSERTING in modules and not is_ours[-1]:
        for entry, following in itertools.pairwise(theirs):
            entry.tb_next = following


def _report_of(error: BaseException) -> Report | None:
    """Return the report of the check that raised this, None for another exception."""
    from fastcheck.report.result import Report

    is_failure = isinstance(error, (AssertionError, RuntimeError))  # the latter is PyTorch's GradcheckError
    report = getattr(error, "report", None) if is_failure else None
    return report if isinstance(report, Report) else None


def _tally(
    observed: Observed, raised: list[BaseException], failing: list[Report], has_failed: bool
) -> CheckCounts:
    """Return how the checks of one phase of a test ended, given what made it fail."""
    from fastcheck.errors import EvaluationError, InvalidProblemError

    return CheckCounts(
        right=observed.right,
        in_part=observed.in_part,
        accepted=observed.accepted,
        wrong=sum(report.verdict == "fail" for report in failing),
        inconclusive=sum(report.verdict == "inconclusive" for report in failing),
        ill_posed=sum(isinstance(error, (InvalidProblemError, EvaluationError)) for error in raised),
        expected=0 if has_failed else observed.raised,
    )


def _set_properties(item: pytest.Item, verdict: str, difference: float) -> None:
    """Record verdict and difference as properties of the test, as ``record_property`` does; earlier ones go."""
    new = {"gradcheck_verdict": verdict, "gradcheck_difference": f"{difference:.3g}"}
    item.user_properties[:] = [*(p for p in item.user_properties if p[0] not in new), *new.items()]


def _tell_in_one_line(test_report: pytest.TestReport, line: str) -> None:
    """Let summaries and JUnit show this line, without the full name of the exception, for which there is no room."""
    place = getattr(test_report.longrepr, "reprcrash", None)
    if place is not None:
        place.message = line
