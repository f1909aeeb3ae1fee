"""Reports in one line, as an interpreter shows them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from fastcheck.legible import legible, number_of, shape_in_words
from fastcheck.report.result import BlockReport, Report
from fastcheck.report.stages import StagesReport, steps_named
from fastcheck.report.summary_text import blocks_with, names_in_words
from fastcheck.verdict.judging import Verdict


def line_of_report(report: Report) -> str:
    """Return such as ``<Report fail: W2, b1 wrong; 47 of 47 parameters checked; difference 0.31>``."""
    parts = []
    if failing := blocks_with(report, Verdict.FAIL):
        parts.append(f"{names_in_words(failing)} wrong")
    if undecided := blocks_with(report, Verdict.INCONCLUSIVE):
        parts.append(f"{names_in_words(undecided)} undecided")
    is_screened = report.checked < report.size and any(block.screened for block in report.blocks.values())
    if report.checked or not is_screened:
        parts.append(f"{report.checked:,} of {number_of(report.size, 'parameter')} checked")
    if is_screened:
        parts.append(f"{number_of(report.size, 'parameter')} screened")
    if report.left_out:
        parts.append(f"{names_in_words(report.left_out)} not looked at")
    return _line("Report", report.verdict, [*parts, *_difference(report.difference)])


def line_of_block(block: BlockReport) -> str:
    """Return such as ``<BlockReport fail: shape 3×5; 4 of 15 coordinates wrong; difference 0.33>``."""
    parts = [f"shape {shape_in_words(block.shape)}" if block.shape else "a number"]
    is_screened = block.checked < block.size and block.screened is not None
    if block.checked < block.size and not (is_screened and not block.checked):
        parts.append(f"{block.checked:,} of {number_of(block.size, 'coordinate')} checked")
    if block.wrong:
        parts.append(f"{block.wrong:,} of {number_of(block.checked, 'coordinate')} wrong")
    if block.undecided:
        parts.append(f"{block.undecided:,} undecided")
    if is_screened:
        parts.append("screened")
    return _line("BlockReport", block.verdict, [*parts, *_difference(block.difference)])


def line_of_stages(report: StagesReport, kind: str = "StagesReport") -> str:
    """Return such as ``<StagesReport fail: wrong at step 10; 2 stages checked>``."""
    parts = []
    wrong = [stage.step for stage in report.stages if stage.report.verdict is Verdict.FAIL]
    undecided = [stage.step for stage in report.stages if stage.report.verdict is Verdict.INCONCLUSIVE]
    if wrong:
        parts.append(f"wrong at {steps_named(wrong)}")
    if undecided:
        parts.append(f"undecided at {steps_named(undecided)}")
    if report.not_reached:
        parts.append(f"{steps_named(report.not_reached)} not reached")
    return _line(kind, report.verdict, [*parts, f"{number_of(len(report.stages), 'stage')} checked"])


def _line(kind: str, verdict: Verdict, parts: Iterable[str]) -> str:
    return legible(f"<{kind} {verdict}: {'; '.join(parts)}>")


def _difference(difference: float) -> list[str]:
    return [] if math.isnan(difference) else [f"difference {difference:.2g}"]
