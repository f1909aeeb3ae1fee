"""What the page shows of single blocks: a row in the table, and a panel with pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fastcheck.legible import shape_in_words
from fastcheck.problem.parameters import place_of
from fastcheck.report.page.facts import facts_of_block
from fastcheck.report.page.figures import LONGEST_NAME, size_of_error
from fastcheck.report.page.heat_maps import HeatMap, draw_heat_map
from fastcheck.report.page.histograms import Histogram, draw_histogram
from fastcheck.report.page.marks import OF_STANDINGS, OF_VERDICTS, RIGHT, UNDECIDED, WRONG, Mark, mark_of
from fastcheck.report.page.scatter_plots import ScatterPlot, draw_scatter
from fastcheck.report.result import BlockReport, Coordinate, Report
from fastcheck.report.short_names import shortened_coordinates
from fastcheck.report.summary_text import wrong_coordinates
from fastcheck.verdict.judging import Verdict

MOST_PANELS = 60
"""Blocks of which pictures are shown, those that are wrong first."""

MOST_OPEN = 8
"""Of these, the panels that are open at first."""

MOST_COORDINATES = 300
"""Rows of the table of coordinates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The pictures of one block; ``missing`` says why there are none.

    ``short`` is what is shown of its name, ``brief`` is seen while it is folded.
    """

    name: str
    short: str
    is_open: bool
    block: BlockReport
    mark: Mark
    shape: str
    brief: str
    facts: tuple[str, ...]
    heat_map: HeatMap | None
    scatter: ScatterPlot | None
    histogram: Histogram | None
    missing: str


class CoordinateRow(NamedTuple):
    """A row of the table of coordinates, with what is shown of its name."""

    coordinate: Coordinate
    short: str
    mark: Mark


def panels(report: Report, short: Mapping[str, str]) -> list[Panel]:
    """Return the panels of the blocks, those that are wrong first, then the undecided ones; the first are open."""
    ordered = sorted(report.blocks.items(), key=lambda item: mark_of(item[1]).rank)
    return [
        panel_of(name, short[name], block, is_open=number < MOST_OPEN and mark_of(block).css != RIGHT.css)
        for number, (name, block) in enumerate(ordered[:MOST_PANELS])
    ]


def coordinates(report: Report) -> tuple[list[CoordinateRow], int]:
    """Return the coordinates with the largest errors, those of wrong blocks first, and how many were left out."""
    ranked = [
        (mark_of(block).rank, -coordinate.error, coordinate)
        for block in report.blocks.values()
        for coordinate in block.worst
        if coordinate.error
    ]
    ranked.sort(key=lambda entry: entry[:2])
    shown = [coordinate for _, _, coordinate in ranked[:MOST_COORDINATES]]
    standings: dict[str, dict[int, int]] = {}
    marks = []
    for coordinate in shown:
        block = report.blocks[coordinate.block]
        if coordinate.block not in standings:
            standings[coordinate.block] = _standings(block)
        known = standings[coordinate.block]
        place = place_of(coordinate.index, block.shape)
        if place in known:
            marks.append(OF_STANDINGS[known[place]])
        else:
            marks.append(_likely_mark(coordinate, block, report.tolerance))
    names = shortened_coordinates([(c.block, c.name.removeprefix(c.block)) for c in shown], LONGEST_NAME)
    return [CoordinateRow(*row) for row in zip(shown, names, marks, strict=True)], len(ranked) - len(shown)


def _standings(block: BlockReport) -> dict[int, int]:
    """Return what coordinates are, by their positions in the flattened block, as far as that was kept."""
    if block.errors is None:
        return {}
    pairs = block.errors.pairs
    return dict(zip(pairs.places.tolist(), pairs.standing.tolist(), strict=True))


def _likely_mark(coordinate: Coordinate, block: BlockReport, tolerance: float) -> Mark:
    """Return the mark of a coordinate whose standing was not kept; beside wrong ones no undecided ones are."""
    if block.verdict is not Verdict.FAIL:
        return OF_VERDICTS[block.verdict]
    if coordinate in wrong_coordinates(block, tolerance):
        return WRONG
    return RIGHT if block.wrong and coordinate.relative_error <= tolerance else UNDECIDED


def panel_of(name: str, short: str, block: BlockReport, *, is_open: bool) -> Panel:
    """Return the pictures of one block."""
    errors = block.errors
    return Panel(
        name=name,
        short=short,
        is_open=is_open,
        block=block,
        mark=mark_of(block),
        brief=_brief(block),
        shape=shape_in_words(block.shape),
        facts=tuple(facts_of_block(block)),
        heat_map=_heat_map_of(block),
        scatter=draw_scatter(errors.pairs, block.checked) if errors else None,
        histogram=_histogram_of(block),
        missing="" if errors else _why_nothing(block),
    )


def _heat_map_of(block: BlockReport) -> HeatMap | None:
    errors = block.errors
    if errors is None or not errors.cells.relative.size:
        return None
    return draw_heat_map(errors.cells, is_whole=block.checked == block.size)


def _histogram_of(block: BlockReport) -> Histogram | None:
    errors = block.errors
    return draw_histogram(errors.shares, block.undecided) if errors and errors.shares.any() else None


def _brief(block: BlockReport) -> str:
    """Return what is seen of a block while it is folded."""
    if block.wrong:
        return f"{block.wrong:,} of {block.checked:,} wrong"
    if block.undecided:
        return f"{block.undecided:,} of {block.checked:,} undecided"
    if block.worst:
        error = block.worst[0].error
        return f"largest error {size_of_error(error)}" if error else "no error"
    return ""


def _why_nothing(block: BlockReport) -> str:
    if not block.size:
        return "This block has no coordinates."
    if not block.checked:
        return "No pictures: this block was looked at along random directions, as a whole, and no coordinate by itself."
    return "No pictures: a report that was kept as JSON has the worst coordinates alone."
