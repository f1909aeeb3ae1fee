"""The cost line by line, as it ran: forwards downwards, gradients upwards, every block in the colour of its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Patch

from fastcheck.legible import shape_in_words
from fastcheck.pictures.block_errors import NOT_LOOKED_AT
from fastcheck.pictures.network import Network, Step
from fastcheck.report.first_wrong import first_wrong_place
from fastcheck.report.picture_words import (
    STANDINGS,
    VERDICT_COLOURS,
    VERDICT_WORDS,
    word_in_legend,
)
from fastcheck.report.plotting.legends import VERDICT_MARKERS, legend_below
from fastcheck.report.plotting.lettering import LITERAL, SMALL, lettered
from fastcheck.report.result import Report
from fastcheck.report.short_names import shortened
from fastcheck.verdict.judging import Verdict

MOST_ROWS = 24
"""Rows that a figure has room for; lines that read no parameters are left out first."""

BLOCKS_OF_A_ROW = 2
"""Names of blocks that a row has room for."""

LONGEST_LINE, LONGEST_BLOCK = 46, 10
"""Letters of a line of code and of the name of a block."""

BLOCKS_END, FORWARDS, BACKWARDS, TEXT, RIGHTMOST = 0.20, 0.225, 0.24, 0.265, 0.95
"""Where the names of blocks end, and where the arrows and the lines of code are, in shares of the width."""

LETTER_WIDTH = 5.2
"""Points that a small letter of a fixed width takes, and a little more."""

UNKNOWN = "0.5"
"""Colour of blocks that were not looked at."""


class NetworkRow(NamedTuple):
    """One step, or several that are left out."""

    steps: tuple[int, ...]
    is_shown: bool


def rows_of(network: Network, report: Report) -> list[NetworkRow]:
    """Return the rows of the picture: lines that are not shown are one row together."""
    keep = _kept(network.steps, report)
    rows: list[NetworkRow] = []
    for number in range(len(network.steps)):
        if number in keep:
            rows.append(NetworkRow((number,), is_shown=True))
        elif rows and not rows[-1].is_shown:
            rows[-1] = NetworkRow((*rows[-1].steps, number), is_shown=False)
        else:
            rows.append(NetworkRow((number,), is_shown=False))
    return rows


def draw_network(ax: Axes, report: Report, network: Network) -> Axes:
    """Draw one row for each line of code, with the parameters that it reads, and mark where gradients go wrong."""
    rows = rows_of(network, report)
    heights = {step: -float(k) for k, row in enumerate(rows) for step in row.steps}
    first_wrong = first_wrong_step(network, report)
    short = shortened((name for step in network.steps for name in step.blocks), LONGEST_BLOCK)
    for row in rows:
        height = heights[row.steps[0]]
        _draw_row(ax, network, report, row, height, short, is_first_wrong=first_wrong in row.steps)
    _draw_flow(ax, network, heights, _right_of_text(ax, network, rows))
    ax.set_xlim(0, 1)
    ax.set_ylim(-len(rows) + 0.2, 0.9)
    ax.set_axis_off()
    ax.set_title("The cost line by line: values go down, gradients up", fontsize="medium")
    legend_below(ax, _legend(report, network, has_wrong=first_wrong is not None), below=4)
    return ax


def first_wrong_step(network: Network, report: Report) -> int | None:
    """Return the first step on the way back from J at which something is known to be wrong, None where nothing is."""
    place = first_wrong_place(network.steps, report)
    return place.position if place else None


def _reads_wrong(step: Step, report: Report) -> bool:
    return any(_verdict(report, name) is Verdict.FAIL for name in step.blocks)


def _kept(steps: Sequence[Step], report: Report) -> set[int]:
    """Return the steps that are shown, by how much they matter, up to the number that there is room for."""
    if len(steps) <= MOST_ROWS:
        return set(range(len(steps)))
    blamed = {line for cause in report.causes for line in cause.lines}
    most = MOST_ROWS // 2  # between two of them, others may take a row

    def importance(number: int) -> tuple[bool, bool, bool, bool, int]:
        step = steps[number]
        is_end = number in (0, len(steps) - 1)
        return is_end, _reads_wrong(step, report), step.line in blamed, bool(step.blocks), number

    return set(sorted(range(len(steps)), key=importance, reverse=True)[:most])


def _verdict(report: Report, block: str) -> Verdict | None:
    found = report.blocks.get(block)
    return None if found is None else found.verdict


def _draw_row(
    ax: Axes,
    network: Network,
    report: Report,
    row: NetworkRow,
    height: float,
    short: Mapping[str, str],
    *,
    is_first_wrong: bool,
) -> None:
    style: dict[str, Any]
    blocks = list(dict.fromkeys(name for number in row.steps for name in network.steps[number].blocks))
    _draw_blocks(ax, report, blocks, height, short)
    if not row.is_shown:
        text, style = f"… {len(row.steps):,} more lines", {"fontstyle": "italic"}
        if len(row.steps) == 1:
            text = "… 1 more line"
    else:
        step = network.steps[row.steps[0]]
        text, style = _words(step), {"family": "monospace"}
    if is_first_wrong:
        box: dict[str, Any] = {
            "boxstyle": "round,pad=0.25",
            "facecolor": "none",
            "edgecolor": VERDICT_COLOURS[Verdict.FAIL],
            "linewidth": 1.5,
        }
        style |= {"bbox": box}
    ax.text(TEXT, height, text, fontsize=SMALL, va="center", **style, **LITERAL)


def _words(step: Step) -> str:
    """Return the line, or its operations where there is no source, with the shape of its result and its runs."""
    text = step.line.text if step.line is not None and step.line.text else ", ".join(step.operations)
    words = lettered(text, LONGEST_LINE)
    shape = shape_in_words(step.shape)
    runs = f", {step.runs:,} times" if step.runs > 1 else ""
    return f"{words}  ({shape}{runs})"


def _draw_blocks(
    ax: Axes, report: Report, blocks: list[str], height: float, short: Mapping[str, str]
) -> None:
    """Write the names of the blocks that a row reads, the wrong ones first, each with the marker of its verdict."""
    order = list(VERDICT_WORDS)
    blocks = sorted(blocks, key=lambda name: -order.index(_verdict(report, name) or order[0]))
    blocks = sorted(blocks, key=lambda name: _verdict(report, name) is not Verdict.FAIL)
    is_long = any(len(short[name]) > LONGEST_BLOCK for name in blocks[:BLOCKS_OF_A_ROW])
    shown, right = blocks[: 1 if is_long else BLOCKS_OF_A_ROW], BLOCKS_END
    more = f" +{len(blocks) - len(shown)}" if len(blocks) > len(shown) else ""
    for number, name in enumerate(reversed(shown)):
        verdict = _verdict(report, name)
        colour = UNKNOWN if verdict is None else VERDICT_COLOURS[verdict]
        place = right - number * BLOCKS_END / BLOCKS_OF_A_ROW
        marker = "." if verdict is None else VERDICT_MARKERS[verdict]
        ax.plot([place], [height], marker=marker, color=colour, markersize=6, linestyle="none")
        ax.text(
            place - 0.015,
            height,
            lettered(short[name]) + (more if number == 0 else ""),
            ha="right",
            va="center",
            fontsize=SMALL,
            fontweight="bold" if verdict is Verdict.FAIL else "normal",
            **LITERAL,
        )


def _right_of_text(ax: Axes, network: Network, rows: Sequence[NetworkRow]) -> float:
    """Return where the longest line ends, in shares of the width of the axes."""
    longest = max((len(_words(network.steps[row.steps[0]])) for row in rows if row.is_shown), default=0)
    figure: Any = ax.get_figure()
    points: float = ax.get_window_extent().width / figure.dpi * 72
    return float(min(RIGHTMOST, TEXT + (longest + 2) * LETTER_WIDTH / points))


def _draw_flow(ax: Axes, network: Network, heights: dict[int, float], right: float) -> None:
    """Draw which row's result goes into which: neighbours with arrows both ways, others as arcs at the right."""
    rows = len(set(heights.values()))
    drawn: set[tuple[float, float]] = set()
    for number, step in enumerate(network.steps):
        for source in step.inputs:
            start, end = heights[source], heights[number]
            if start == end or (start, end) in drawn:
                continue
            drawn.add((start, end))
            if start - end == 1:
                _arrow(ax, FORWARDS, start - 0.2, end + 0.2, style="-|>")
                _arrow(ax, BACKWARDS, end + 0.2, start - 0.2, style="->")
            else:
                _arc(ax, right, start, end, rows)


def _arrow(ax: Axes, place: float, start: float, end: float, style: str) -> None:
    ax.add_patch(
        FancyArrowPatch(
            (place, start),
            (place, end),
            arrowstyle=style,
            mutation_scale=7,
            color="0.5",
            linewidth=1,
            shrinkA=0,
            shrinkB=0,
        )
    )


def _arc(ax: Axes, right: float, start: float, end: float, rows: int) -> None:
    """Draw an arc at the right side, wider the further it goes; those of loops, which go upwards, are dashed."""
    bend = min(0.6, 0.15 + 0.5 * abs(start - end) / rows)
    goes_up = end > start
    ax.add_patch(
        FancyArrowPatch(
            (right, start),
            (right, end),
            connectionstyle=f"arc3,rad={bend if goes_up else -bend}",
            arrowstyle="-|>",
            mutation_scale=7,
            color="0.5",
            linewidth=0.8,
            linestyle="--" if goes_up else "-",
            alpha=0.8,
        )
    )


def _legend(report: Report, network: Network, *, has_wrong: bool) -> list[Any]:
    shown = {block.verdict for block in report.blocks.values()}
    handles: list[Any] = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=VERDICT_MARKERS[v],
            color=VERDICT_COLOURS[v],
            label=f"block {word_in_legend(v, report.blocks.values())}",
        )
        for v in Verdict
        if v in shown
    ]
    if any(name not in report.blocks for step in network.steps for name in step.blocks):
        handles.append(
            Line2D(
                [], [], linestyle="none", marker=".", color=UNKNOWN, label=f"block {STANDINGS[NOT_LOOKED_AT]}"
            )
        )
    if has_wrong:
        colour = VERDICT_COLOURS[Verdict.FAIL]
        handles.append(
            Patch(facecolor="none", edgecolor=colour, label="first wrong place on the way back from J")
        )
    return handles
