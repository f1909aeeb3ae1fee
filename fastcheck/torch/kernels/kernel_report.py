"""What `check_against` found: one outcome for each way in which the kernel was tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table

from fastcheck.diagnosis.detective.ranking import UNRECOGNISED
from fastcheck.legible import number_of
from fastcheck.report.answers import Answer
from fastcheck.report.console import paragraph, render
from fastcheck.report.result import Report
from fastcheck.report.view import View
from fastcheck.verdict.judging import Verdict

ERROR = "error / rounding"
"""What is over the largest errors: they are multiples of the rounding that was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The kernel in one dtype, with inputs of some shapes, laid out in one way.

    ``failures`` are sentences about what is wrong, empty where nothing is. ``error`` is the largest error of a gradient
    or output as a multiple of the rounding that was expected, ``refused`` what the kernel raised. Where gradients are
    wrong, ``report_of_gradients`` makes their report; ``uncertain`` says why they could not be compared.
    """

    dtype: str
    shapes: dict[str, tuple[int, ...]]
    layout: str
    what: str
    failures: tuple[str, ...] = ()
    error: float = 0.0
    refused: str | None = None
    notes: tuple[str, ...] = ()
    uncertain: str = ""
    report_of_gradients: Callable[[], Report | None] | None = field(default=None, compare=False, repr=False)

    @property
    def size(self) -> int:
        """Entries of all inputs."""
        return sum(map(math.prod, self.shapes.values()))


def by_size(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return outcomes, those of the smallest inputs first."""
    return sorted(outcomes, key=lambda outcome: (outcome.size, outcome.layout))


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelReport(Answer):
    """A kernel beside its reference, in every way in which it was tried.

    ``str(report)`` says what is wrong and with which inputs, ``bool(report)`` is ``passed``.
    ``skipped`` are shapes that the reference itself does not take, ``seconds`` is what it took. ``report`` is that of
    the gradients with the smallest inputs for which they are wrong. ``notes`` are sentences about what is not compared,
    ``uncertain`` such about what could not be decided.
    """

    outcomes: tuple[Outcome, ...]
    skipped: int
    repeats: dict[str, str]
    seconds: float
    report: Report | None = field(default=None, compare=False, repr=False)
    notes: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """What is wrong, the smallest inputs first."""
        return tuple(by_size(o for o in self.outcomes if o.failures))

    @property
    def refusals(self) -> tuple[Outcome, ...]:
        """What the kernel does not take, though the reference does."""
        return tuple(o for o in self.outcomes if o.refused is not None)

    @property
    def verdict(self) -> Verdict:
        """Fail if anything is wrong, inconclusive if something could not be decided, else pass."""
        if self.failures:
            return Verdict.FAIL
        return Verdict.INCONCLUSIVE if self.uncertain else Verdict.PASS

    def __repr__(self) -> str:
        said = f"{number_of(len(self.outcomes), 'way')} tried, {len(self.failures):,} wrong"
        return f"<KernelReport {self.verdict}: {said}>"

    def line(self, outcome: Outcome) -> str:
        """Return the call that repeats one outcome alone."""
        options = {
            "dtypes": repr([outcome.dtype]),
            "layouts": repr([outcome.layout]),
            "shapes": repr(dict(outcome.shapes)),
            **self.repeats,
        }
        named = ", ".join(f"{name}={value}" for name, value in options.items())
        return f"check_against(reference, kernel, inputs, {named})"

    def to_text(self, *, verbose: bool = False, width: int | None = None) -> str:
        """Return what `print` shows, or every outcome."""
        return render(self._lay_out, verbose=verbose, width=width)

    def _lay_out(self, view: View) -> RenderableType:
        parts: list[RenderableType] = [paragraph(self._headline(), view)]
        if self.failures:
            least = self.failures[0]
            parts += [paragraph(sentence, view) for sentence in least.failures]
            if self.report is not None and least.report_of_gradients is not None:
                parts += [paragraph(sentence, view) for sentence in _causes(self.report)]
            parts += ["", paragraph(f"Repeat it with {self.line(least)}", view)]
        shown = self.outcomes if view.verbose else self.failures[:8]
        if shown:
            parts += ["", _table(shown), ""]
        parts.append(paragraph(self._summary(), view))
        parts += [
            paragraph(sentence, view)
            for sentence in (*self._refusal_sentences(), *self.notes, *self.uncertain)
        ]
        return Group(*parts)

    def _headline(self) -> str:
        if self.failures:
            least = self.failures[0]
            shapes = ", ".join(f"{name} {shape}" for name, shape in least.shapes.items())
            layout = "" if least.layout == "contiguous" else f", {least.layout}"
            return f"FAIL  the kernel is wrong in {least.dtype}; the smallest inputs: {shapes}{layout}"
        if self.uncertain:
            return "INCONCLUSIVE  nothing wrong was found, and not everything could be decided"
        return "PASS  the kernel does what the reference does"

    def _summary(self) -> str:
        dtypes = ", ".join(dict.fromkeys(o.dtype for o in self.outcomes))
        text = (
            f"{number_of(len(self.outcomes), 'way')} tried ({dtypes}), {len(self.failures)} wrong, "
            f"{self.seconds:.1f} s."
        )
        if self.skipped:
            text += f" {number_of(self.skipped, 'other shape')} left out, which the reference does not take."
        return text

    def _refusal_sentences(self) -> list[str]:
        if not self.refusals:
            return []
        first = self.refusals[0]
        return [
            f"The kernel raises for {len(self.refusals)} of these, which the reference takes; the first: {first.what}: "
            f"{first.refused}"
        ]


def _causes(report: Report) -> list[str]:
    """Return what explains wrong gradients; that they have no more digits than their dtype explains nothing."""
    causes = [cause for cause in report.causes if cause.kind not in (UNRECOGNISED, "precision")][:2]
    return [f"{'Cause' if cause.certain else 'Perhaps'}: {cause.sentence}." for cause in causes]


def _word(outcome: Outcome) -> str:
    if outcome.failures:
        return "wrong"
    if outcome.refused:
        return "raises"
    return "not known" if outcome.uncertain else "right"


def _table(outcomes: tuple[Outcome, ...]) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False)
    for title in ("dtype", "shapes", "layout", ERROR, ""):
        table.add_column(title, justify="right" if title == ERROR else "left")
    for outcome in outcomes:
        says = _word(outcome)
        error = "" if outcome.refused or not outcome.error else f"{outcome.error:.2g}"
        table.add_row(outcome.dtype, outcome.what, outcome.layout, error, says)
    return table
