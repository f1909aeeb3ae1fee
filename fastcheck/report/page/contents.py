"""Everything that the page of a report shows, gathered: what the template reads."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

from fastcheck.report.explaining import explain_report
from fastcheck.report.over_steps import EVALUATIONS, is_affordable, telling_slope
from fastcheck.report.page.block_panels import CoordinateRow, Panel, coordinates, panels
from fastcheck.report.page.cause_cards import CauseCard, cause_cards
from fastcheck.report.page.code_listings import CodeListing, backward_listings, cost_listings
from fastcheck.report.page.facts import facts, headline, why_undecided
from fastcheck.report.page.figures import LONGEST_NAME
from fastcheck.report.page.marks import OF_VERDICTS, Mark, mark_of, word_of
from fastcheck.report.page.network_rows import NetworkPicture, draw_network
from fastcheck.report.page.step_plots import StepPlot, draw_steps
from fastcheck.report.page.theta_bar import ThetaBar, draw_theta
from fastcheck.report.result import BlockReport, Report
from fastcheck.report.short_names import shortened
from fastcheck.report.summary_text import is_from_costs, right_blocks

NO_STUDY = (
    "Not shown: this report was kept, or comes from another process, and the cost is not there any more. "
    "The page of a report that has just been made shows it."
)
NO_RECORD = "Not shown: the cost cannot be recorded."
NO_CURVE = "Not shown: no coordinate that was compared has a slope, in a block without kinks."
TOO_LARGE = (
    f"Not shown: it takes some {EVALUATIONS} evaluations of a cost that is large. "
    "`report.study.step_curve(block, index, slope)` computes it."
)
NO_SOURCE = "Not shown: there is no source of the cost."


class Paragraph(NamedTuple):
    """A part of the explanation; a call is set as code."""

    text: str
    call: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the template reads of a report; each picture is None where ``why_no_…`` says why."""

    report: Report
    prefix: str
    level: int
    mark: Mark
    word: str
    headline: str
    why_undecided: str
    cards: list[CauseCard]
    right: list[tuple[str, str]]
    facts: list[tuple[str, str]]
    counts: list[tuple[Mark, int]]
    network: NetworkPicture | None
    why_no_network: str
    theta: ThetaBar
    panels: list[Panel]
    steps: StepPlot | None
    why_no_steps: str
    listings: list[CodeListing]
    backward: list[CodeListing]
    why_no_listings: str
    rows: list[tuple[str, str, BlockReport, Mark]]
    coordinates: list[CoordinateRow]
    coordinates_left_out: int
    notes: list[str]
    explanation: list[Paragraph]


def contents_of(report: Report, *, prefix: str = "", level: int = 1) -> Contents:
    """Return what the page shows; the cost is evaluated some dozens of times, if it is still there.

    ``prefix`` begins all names of places in the page, ``level`` is that of the heading.
    """
    study = report.study
    network = study.network() if study else None
    functions = study.functions() if study else ()
    marks = [mark_of(block) for block in report.blocks.values()]
    short = shortened(report.blocks, LONGEST_NAME)
    shown, left_out = coordinates(report)
    return Contents(
        report=report,
        prefix=prefix,
        level=level,
        mark=OF_VERDICTS[report.verdict],
        word=word_of(report),
        headline=headline(report),
        why_undecided=why_undecided(report),
        cards=cause_cards(report),
        right=[(name, short[name]) for name in right_blocks(report)],
        facts=facts(report),
        counts=[(mark, marks.count(mark)) for mark in sorted(set(marks), key=lambda mark: mark.rank)],
        network=draw_network(network, report, short) if network else None,
        why_no_network=_why_not(report, "network", NO_RECORD),
        theta=draw_theta(report),
        panels=panels(report, short),
        steps=_steps(report) if is_affordable(network, report.size) else None,
        why_no_steps=_why_not(
            report, "step_curve", NO_CURVE if is_affordable(network, report.size) else TOO_LARGE
        ),
        listings=cost_listings(functions, network, report, short),
        backward=backward_listings(report),
        why_no_listings=_why_not(report, "functions", NO_SOURCE),
        rows=[(name, short[name], block, mark_of(block)) for name, block in report.blocks.items()],
        coordinates=shown,
        coordinates_left_out=left_out,
        notes=[*report.notes, *report.unseen],
        explanation=_explanation(report),
    )


def _why_not(report: Report, question: str, usual: str) -> str:
    """Return why a picture is not there, if it is not."""
    if report.study is None:
        return NO_STUDY
    said = report.study.said.get(question)
    return f"Not shown: {said}" if said else usual


def _steps(report: Report) -> StepPlot | None:
    """Return the picture of the error over ε, None where no coordinate has a slope."""
    known = telling_slope(report)
    if report.study is None or known is None or not known.slope:
        return None
    curve = report.study.step_curve(known.block, known.at, known.slope)
    return draw_steps(curve, is_plain=is_from_costs(report)) if curve else None


def _explanation(report: Report) -> list[Paragraph]:
    """Return the paragraphs of `explain_report`, whose lines are broken for a terminal; indented ones are calls."""
    parts: list[Paragraph] = []
    for paragraph in explain_report(report).split("\n\n"):
        for is_call, group in itertools.groupby(paragraph.split("\n"), key=lambda line: line.startswith(" ")):
            lines = [line.strip() for line in group]
            text = "\n".join(lines) if is_call else " ".join(lines)
            parts.append(Paragraph(text, call=is_call))
    return parts
