"""The result of checking at several stages of a training: one immutable object."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastcheck.report.answers import Answer
from fastcheck.report.result import Report
from fastcheck.undoing import PythonRandomKept
from fastcheck.verdict.judging import Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One check in the course of a training: after ``step`` steps, in ``seconds`` of wall time."""

    step: int
    report: Report
    seconds: float

    def kept_after(self, earlier: Iterable[Stage]) -> Stage:
        """Return the stage as it is kept beside ``earlier`` ones: what pictures need stays for the first doubtful one.

        A study keeps the cost, its data and parameters alive, and errors may take some bytes for every parameter: too
        much for a training that is checked a thousand times.
        """
        worse = (self.report.verdict, Verdict.FAIL)
        shown_already = any(stage.report.verdict in worse for stage in earlier)
        if not (self.report.passed or shown_already):
            return self
        blocks = {name: dataclasses.replace(block, errors=None) for name, block in self.report.blocks.items()}
        return dataclasses.replace(self, report=dataclasses.replace(self.report, blocks=blocks, study=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class StagesReport(Answer):
    """The answer to "is this gradient right, and does it stay so?".

    ``str(report)`` is a table with a row per stage and the report of the first that did not pass; ``bool(report)`` is
    ``passed``. ``stages`` are those that were checked, in their order; ``not_reached`` the steps that were asked
    for and not checked; ``notes`` sentences about how it went.
    """

    stages: tuple[Stage, ...]
    not_reached: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        from fastcheck.report.one_line import line_of_stages

        return line_of_stages(self)

    def __rich__(self) -> RenderableType:
        with PythonRandomKept():
            from fastcheck.report.stages_text import rich_stages

        return rich_stages(self)

    def to_text(self, *, verbose: bool = False, width: int | None = None, colour: bool = False) -> str:
        """Return the report as text; the options are those of `Report.to_text`."""
        with PythonRandomKept():
            from fastcheck.report.console import render
            from fastcheck.report.stages_text import rich_stages

        return render(functools.partial(rich_stages, self), verbose=verbose, width=width, colour=colour)

    def show(self, *, verbose: bool = False) -> None:
        """Print the report, in colours on a terminal, as `Report.show` does."""
        with PythonRandomKept():
            from fastcheck.report.console import show
            from fastcheck.report.stages_text import rich_stages

        show(functools.partial(rich_stages, self), verbose=verbose)

    def explain(self) -> str:
        """Return in plain words what was checked at which stages, and how: see `Report.explain`."""
        from fastcheck.report.explaining import explain_stages

        return explain_stages(self)

    def _repr_html_(self) -> str:
        with PythonRandomKept():
            from fastcheck.report.page.notebook import stages_notebook_html

        return stages_notebook_html(self)

    @property
    def verdict(self) -> Verdict:
        """The worst of the stages; what was not reached, or nothing at all, is inconclusive."""
        verdicts = {stage.report.verdict for stage in self.stages}
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        if Verdict.INCONCLUSIVE in verdicts or self.not_reached or not self.stages:
            return Verdict.INCONCLUSIVE
        return Verdict.PASS

    @property
    def seconds(self) -> float:
        """Wall time of all checks, without the training between them."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def first_doubtful(self) -> Stage | None:
        """The first stage that failed; without one the first that is inconclusive; None if all passed."""
        for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
            for stage in self.stages:
                if stage.report.verdict is verdict:
                    return stage
        return None

    def save_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the report to one page of HTML: a table of the stages, and the pages of those that did not pass."""
        with PythonRandomKept():
            from fastcheck.report.page.saving import save_stages_page

        return save_stages_page(self, path)

    def plot(self) -> Figure:
        """Return difference and verdict over the steps of the training, as a figure of matplotlib.

        That is an extra: ``pip install matplotlib``. Raises `MissingLibraryError` without matplotlib.
        """
        from fastcheck.report.plotting.needing import need_matplotlib

        need_matplotlib()
        from fastcheck.report.plotting.overview import plot_stages

        return plot_stages(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the report in plain dicts, lists, strings and numbers, ready for strict JSON, as `Report.to_dict`."""
        return {
            "verdict": str(self.verdict),
            "stages": [
                {"step": stage.step, "seconds": stage.seconds, "report": stage.report.to_dict()}
                for stage in self.stages
            ],
            "not_reached": list(self.not_reached),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> StagesReport:
        """Return the report that `to_dict` was called on; raises `InvalidProblemError` as `Report.from_dict`."""
        from fastcheck.report.schema import read_stages

        return read_stages(plain)


AnyReport = Report | StagesReport
"""What a check of one gradient, or of several stages of a training, returns."""


def steps_named(steps: Iterable[int]) -> str:
    """Return "step 10", or "steps 10, 100 and 1,000"."""
    names = [f"{step:,}" for step in steps]
    if len(names) > 6:
        names = [*names[:5], f"{len(names) - 5} more"]
    return f"step {names[0]}" if len(names) == 1 else f"steps {', '.join(names[:-1])} and {names[-1]}"
