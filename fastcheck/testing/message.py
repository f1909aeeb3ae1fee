"""What a failing test says: verdict and cause, where to look, and the few worst coordinates."""

from __future__ import annotations

from fastcheck.legible import legible
from fastcheck.report.causes_text import hanging, lines_on_causes, sentence_of_headline
from fastcheck.report.result import Coordinate, Report
from fastcheck.report.summary_text import obstacle_in_words, verdict_in_words, wrong_coordinates
from fastcheck.report.view import View
from fastcheck.verdict.judging import Verdict

COORDINATES_SHOWN = 3
"""Worst coordinates in a message; the whole report has more of them."""

VIEW = View(width=72)
"""pytest puts eight columns before a message."""


def failure_message(report: Report) -> str:
    """Return the message of a check that did not pass; its first line says what is wrong, or why that is not known."""
    lines = [headline(report)]
    if report.verdict is Verdict.FAIL:
        lines += lines_on_causes(report, VIEW)
        lines += _table_of_worst(report)
    else:
        _, why = obstacle_in_words(report)
        lines += hanging(why, VIEW)
        lines += hanging("To accept that: allow_inconclusive=True", VIEW)
    return "\n".join(lines)


def headline(report: Report) -> str:
    """Return verdict and cause in one line, however long: it stands in summaries of test runs."""
    sentence = sentence_of_headline(report) or verdict_in_words(report)
    return f"{report.verdict.upper()}  {legible(sentence)}"


def _table_of_worst(report: Report) -> list[str]:
    """Return the worst coordinates of blocks that fail as a table, whose last column holds names of any length."""
    wrong = [
        coordinate
        for coordinate in report.worst
        if report.blocks[coordinate.block].verdict is Verdict.FAIL
        and coordinate in wrong_coordinates(report.blocks[coordinate.block], report.tolerance)
    ]
    if not wrong:
        return []
    title = f"{'claimed':>15}{'numerical':>15}{'relative':>10}  coordinate"
    return [title, *map(_row, wrong[:COORDINATES_SHOWN])]


def _row(coordinate: Coordinate) -> str:
    numbers = f"{coordinate.claimed:>15.8g}{coordinate.numerical:>15.8g}{coordinate.relative_error:>10.1e}"
    return f"{numbers}  {legible(coordinate.name)}"
