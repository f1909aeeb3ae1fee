"""The stages of a training, as pages and notebooks show them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastcheck.report.page.figures import LONGEST_NAME
from fastcheck.report.page.marks import OF_VERDICTS, UNSEEN, Mark
from fastcheck.report.short_names import shortened
from fastcheck.report.stages import StagesReport
from fastcheck.report.summary_text import blocks_with
from fastcheck.verdict.judging import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """One row of the table."""

    step: int
    mark: Mark
    verdict: str
    difference: str
    checked: str
    wrong: str
    seconds: str
    wrong_in: list[tuple[str, str]]


def stage_rows(stages: StagesReport) -> list[StageRow]:
    """Return a row for each stage that was checked, and for each that was not reached."""
    rows = []
    for stage in stages.stages:
        blocks = stage.report.blocks
        difference = stage.report.difference
        rows.append(
            StageRow(
                step=stage.step,
                mark=OF_VERDICTS[stage.report.verdict],
                verdict=str(stage.report.verdict),
                difference="" if math.isnan(difference) else f"{difference:.2e}",
                checked=f"{stage.report.checked:,}",
                wrong=f"{sum(block.wrong for block in blocks.values()):,}",
                seconds=f"{stage.seconds:.2f}",
                wrong_in=list(shortened(blocks_with(stage.report, Verdict.FAIL), LONGEST_NAME).items()),
            )
        )
    rows += [_not_reached(step) for step in stages.not_reached]
    return rows


def _not_reached(step: int) -> StageRow:
    empty = dict.fromkeys(("difference", "checked", "wrong", "seconds"), "")
    return StageRow(step=step, mark=UNSEEN, verdict="not reached", wrong_in=[], **empty)
