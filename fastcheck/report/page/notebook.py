"""What notebooks show of a report: a fragment that keeps its style to itself, and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping

from fastcheck.report.page.block_panels import Panel, panel_of
from fastcheck.report.page.cause_cards import cause_cards
from fastcheck.report.page.facts import facts, headline, largest_error, why_undecided
from fastcheck.report.page.figures import LONGEST_NAME
from fastcheck.report.page.marks import OF_VERDICTS, mark_of
from fastcheck.report.page.rendering import rendered
from fastcheck.report.page.stage_rows import stage_rows
from fastcheck.report.result import BlockReport, Report
from fastcheck.report.short_names import shortened
from fastcheck.report.stages import StagesReport
from fastcheck.report.stages_text import sentence_on_stages
from fastcheck.report.summary_text import right_blocks
from fastcheck.verdict.judging import Verdict

BLOCKS_SHOWN, BLOCKS_FOLDED = 10, 60
"""Rows that are seen at once, and those that are folded; of more the number is told."""

MOST_CAUSES = 4

MOST_STAGES = 30


def notebook_html(report: Report) -> str:
    """Return a fragment of HTML: verdict, causes, a table of blocks, a heat map of the worst that fails."""
    return rendered("notebook.html", inner=_values(report))


def stages_notebook_html(stages: StagesReport) -> str:
    """Return a fragment of HTML: a table of the stages, and what is known of the first that did not pass."""
    rows = stage_rows(stages)
    doubtful = stages.first_doubtful
    return rendered(
        "notebook_stages.html",
        stages=stages,
        mark=OF_VERDICTS[stages.verdict],
        sentence=sentence_on_stages(stages),
        rows=rows[:MOST_STAGES],
        left_out=max(len(rows) - MOST_STAGES, 0),
        doubtful=doubtful,
        inner=_values(doubtful.report) if doubtful else None,
    )


def _values(report: Report) -> dict[str, object]:
    ordered = sorted(report.blocks.items(), key=lambda item: mark_of(item[1]).rank)
    short = shortened(report.blocks, LONGEST_NAME)
    rows = [(name, short[name], block, mark_of(block), largest_error(block)) for name, block in ordered]
    causes = cause_cards(report)
    return {
        "report": report,
        "mark": OF_VERDICTS[report.verdict],
        "headline": headline(report),
        "why_undecided": why_undecided(report),
        "causes": causes[:MOST_CAUSES],
        "causes_left_out": max(len(causes) - MOST_CAUSES, 0),
        "right": [short[name] for name in right_blocks(report)],
        "rows": rows[:BLOCKS_SHOWN],
        "folded": rows[BLOCKS_SHOWN : BLOCKS_SHOWN + BLOCKS_FOLDED],
        "left_out": max(len(rows) - BLOCKS_SHOWN - BLOCKS_FOLDED, 0),
        "worst": _worst_panel(ordered, short),
        "facts": facts(report),
        "notes": [*report.notes, *report.unseen],
    }


def _worst_panel(ordered: list[tuple[str, BlockReport]], short: Mapping[str, str]) -> Panel | None:
    """Return the pictures of the failing block with the largest difference of which there is a map."""
    failing = [
        (name, block)
        for name, block in ordered
        if block.verdict is Verdict.FAIL and block.errors is not None and block.errors.cells.relative.size
    ]
    if not failing:
        return None
    name, block = max(failing, key=lambda item: item[1].difference)
    return panel_of(name, short[name], block, is_open=True)
