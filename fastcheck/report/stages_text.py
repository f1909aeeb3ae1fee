"""A report of several stages for the terminal: a table of them, and the first that did not pass."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fastcheck.legible import number_of
from fastcheck.report.console import paragraph, view_of_stdout
from fastcheck.report.stages import StagesReport, steps_named
from fastcheck.report.summary_text import SAMPLE_PASSED, is_known_as_a_whole
from fastcheck.report.tables_text import COLOURS, words
from fastcheck.report.text import rich_report
from fastcheck.report.view import View
from fastcheck.verdict.judging import Verdict


def rich_stages(report: StagesReport, view: View | None = None) -> RenderableType:
    """Return the report for a rich console."""
    view = view or view_of_stdout()
    parts: list[RenderableType] = [
        Text.assemble(
            (f"{report.verdict.upper()}  ", COLOURS[report.verdict]),
            words(sentence_on_stages(report), style="bold"),
        ),
        Text(f"{number_of(len(report.stages), 'stage')} checked in {report.seconds:.2f} s"),
    ]
    if report.stages or report.not_reached:
        parts += [Text(), _table(report)]
    parts += [paragraph(f"Note: {note}", view) for note in report.notes]
    if report.first_doubtful is not None:
        parts += [
            Text(),
            Text(f"Step {report.first_doubtful.step:,}", style="bold"),
            rich_report(report.first_doubtful.report, view),
        ]
    return Group(*parts)


def sentence_on_stages(report: StagesReport) -> str:
    """Return what the verdict means."""
    steps = {v: [s.step for s in report.stages if s.report.verdict is v] for v in Verdict}
    all_are_known = all(is_known_as_a_whole(s.report) for s in report.stages if s.report.passed)
    if report.verdict is Verdict.PASS:
        said = "the gradient is right" if all_are_known else SAMPLE_PASSED
        return f"{said} at {steps_named(steps[Verdict.PASS])}"
    if report.verdict is Verdict.FAIL:
        before = [step for step in steps[Verdict.PASS] if step < steps[Verdict.FAIL][0]]
        passed = "right" if all_are_known else SAMPLE_PASSED
        right = f", {passed} at {steps_named(before)}" if before else ""
        return f"the gradient is wrong at {steps_named(steps[Verdict.FAIL])}{right}"
    if steps[Verdict.INCONCLUSIVE]:
        return f"could not tell at {steps_named(steps[Verdict.INCONCLUSIVE])}"
    if report.not_reached:
        return f"{steps_named(report.not_reached)} not reached"
    return "nothing was checked"


def _table(report: StagesReport) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("step", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for title in ("difference", "checked", "wrong", "seconds"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("wrong in", max_width=20, no_wrap=True, overflow="ellipsis")
    for stage in report.stages:
        blocks = stage.report.blocks
        table.add_row(
            f"{stage.step:,}",
            Text(stage.report.verdict, style=COLOURS[stage.report.verdict]),
            f"{stage.report.difference:.2e}",
            f"{stage.report.checked:,}",
            f"{sum(block.wrong for block in blocks.values()):,}",
            f"{stage.seconds:.2f}",
            words(", ".join(name for name, block in blocks.items() if block.verdict is Verdict.FAIL)),
        )
    for step in report.not_reached:
        table.add_row(f"{step:,}", "not reached")
    return table
