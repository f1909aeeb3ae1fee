"""The result of checks at other parameters: other scales, and other sides of what the cost compares."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from fastcheck.legible import legible, number_of, printable
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.report.answers import AnswerInLines
from fastcheck.report.result import Report
from fastcheck.verdict.judging import Verdict, worst_verdict

MOST_NAMED = 3
"""Comparisons of one side that a report names."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe:
    """A check at other parameters.

    ``name`` says which: ``"θ × 10"``. ``report`` is the report there. Where it is None, ``error`` says why the claim
    failed without one, or ``skipped`` why nothing could be checked: the cost is not defined there.
    """

    name: str
    report: Report | None = None
    error: str | None = None
    skipped: str | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict there, None where nothing could be checked."""
        if self.error is not None:
            return Verdict.FAIL
        return None if self.report is None else self.report.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedBranch:
    """A comparison in the cost, such as that of ``np.maximum(Z, 0)``: ``at_theta`` are the sides that it took at θ.

    ``seen`` are those that it took at any of the probes: both, one of them, or none where the cost did not come there.
    """

    line: CodeLine | None
    function: str
    at_theta: frozenset[bool]
    seen: frozenset[bool]

    def __str__(self) -> str:
        side = "" if len(self.seen) != 1 else f", always {'true' if True in self.seen else 'false'}"
        return f"{self.function}{side}" if self.line is None else f"{self.function} at {self.line}{side}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProbesReport(AnswerInLines):
    """Checks of one gradient at several parameters, those of the user first.

    ``bool(report)`` is ``passed``; ``str(report)`` lists the probes and shows the report of the first that fails.
    ``branches`` are the comparisons in the cost, None where it cannot be recorded, or was not asked for them.
    """

    probes: tuple[Probe, ...]
    branches: tuple[ProbedBranch, ...] | None

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the probes that could be checked."""
        return worst_verdict(probe.verdict for probe in self.probes if probe.verdict is not None)

    @property
    def failing(self) -> Probe | None:
        """The first probe that fails, None if none does."""
        return next((probe for probe in self.probes if probe.verdict is Verdict.FAIL), None)

    def __repr__(self) -> str:
        return f"<ProbesReport {self.verdict.value}: {number_of(len(self.probes), 'probe')}>"

    def lines(self, width: int) -> Iterator[str]:
        """Yield the report line by line."""
        checked = sum(probe.verdict is not None for probe in self.probes)
        failing = self.failing
        if failing is not None:
            yield from _wrapped(width, f"FAIL  the gradient is wrong at {failing.name}", 6)
        else:
            what = "is right" if self.passed else "is not decided"
            yield f"{self.verdict.value.upper()}  the gradient {what} at {number_of(checked, 'probe')}"
        yield ""
        for probe in self.probes:
            yield from _wrapped(width, f"{_word(probe):<12}  {printable(probe.name)}{_in_brief(probe)}", 14)
        yield ""
        yield from _wrapped(width, _of_branches(self.branches), 0)
        if failing is not None and failing.report is not None:
            yield ""
            yield from _wrapped(width, f"The report of {printable(failing.name)}:", 0)
            yield ""
            yield failing.report.to_text(width=width)


def _word(probe: Probe) -> str:
    return "not checked" if probe.verdict is None else probe.verdict.value


def _in_brief(probe: Probe) -> str:
    if probe.report is None:
        return f": {printable(probe.error or probe.skipped or '')}"
    return f": difference {probe.report.difference:.2g}"


def _of_branches(branches: tuple[ProbedBranch, ...] | None) -> str:
    """Return how many comparisons took both sides."""
    if branches is None:
        return "What the cost compares is not known: it cannot be recorded, or was not asked for (branches=False)."
    if not branches:
        return "The cost compares nothing that parameters change."
    both = sum(len(branch.seen) == 2 for branch in branches)
    at_theta = sum(len(branch.at_theta) == 2 for branch in branches)
    missing = [branch for branch in branches if len(branch.seen) < 2]
    named = "; ".join(map(str, missing[:MOST_NAMED]))
    more = f"; and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
    one_side = f" On one side only: {named}{more}." if missing else ""
    return (
        f"Of {number_of(len(branches), 'comparison')} in the cost {at_theta} took both sides at θ, and {both} at the "
        f"probes together.{one_side}"
    )


def _wrapped(width: int, text: str, indent: int) -> list[str]:
    return textwrap.wrap(legible(text), width, subsequent_indent=" " * indent)
