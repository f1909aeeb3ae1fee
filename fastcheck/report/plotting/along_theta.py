"""θ as one vector: which slice is which block, and the errors along it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from fastcheck.legible import number_of
from fastcheck.report.picture_words import (
    LARGEST_POWER,
    SMALLEST_POWER,
    VERDICT_COLOURS,
    powers_of_ten,
    starts_in_theta,
    word_in_legend,
)
from fastcheck.report.plotting.legends import legend_below
from fastcheck.report.plotting.lettering import LITERAL, SMALL, lettered
from fastcheck.report.result import BlockReport, Report
from fastcheck.report.short_names import shortened
from fastcheck.verdict.judging import Verdict

MOST_NAMED = 12
"""Blocks that are named at most: those that are wrong first, then the largest."""

MOST_BORDERS = 24
"""Blocks up to which their borders are drawn: more would hide what is between them."""

LETTERS_ACROSS = 64
"""Letters of names that fit side by side."""

ROWS_OF_NAMES = 3

LONGEST_NAME = 14


class ThetaSlice(NamedTuple):
    """A block in θ: from ``start`` up to ``stop``."""

    name: str
    block: BlockReport
    start: int
    stop: int


def draw_along_theta(ax: Axes, report: Report) -> Axes:
    """Draw the largest relative error in each piece of θ, in the colour of the verdict of its block."""
    slices = slices_of(report)
    for part in slices:
        _draw_block(ax, part)
    for part in slices[1:] if len(slices) <= MOST_BORDERS else ():
        ax.axvline(part.start, color="0.5", linewidth=0.5, zorder=0.5)
    stop = max((part.stop for part in slices), default=1)
    ax.set_xlim(0, stop)
    ax.set_ylim(SMALLEST_POWER - 0.5, LARGEST_POWER + 0.5)
    powers = (-16, -12, -8, -4, 0)
    ax.set_yticks(powers, ["1" if power == 0 else f"1e{power}" for power in powers])
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.tick_params(labelsize=SMALL)
    ax.set_xlabel("index in θ", fontsize=SMALL)
    ax.set_ylabel("relative error", fontsize=SMALL)
    _name_slices(ax, slices, stop)
    shown = {part.block.verdict for part in slices}
    blocks = [part.block for part in slices]
    handles = [
        Patch(facecolor=VERDICT_COLOURS[v], label=_legend_word(v, blocks)) for v in Verdict if v in shown
    ]
    if any(part.block.errors is None for part in slices):
        handles.append(Patch(facecolor="none", edgecolor="0.5", hatch="xx", label="no errors of coordinates"))
    if not_drawn := len(report.blocks) - len(slices):
        said = f"{number_of(not_drawn, 'block')} not drawn: not known where in θ"
        handles.append(Patch(facecolor="none", edgecolor="none", label=said))
    legend_below(ax, handles, columns=4)
    return ax


def _legend_word(verdict: Verdict, blocks: Sequence[BlockReport]) -> str:
    bold = "" if verdict is Verdict.PASS else " (bold name)"
    return f"block {word_in_legend(verdict, blocks)}{bold}"


def slices_of(report: Report) -> list[ThetaSlice]:
    """Return where the blocks are in θ, as far as that is known."""
    starts = starts_in_theta(report)
    return [
        ThetaSlice(name, block, start, start + block.size)
        for (name, block), start in zip(report.blocks.items(), starts, strict=True)
        if start is not None
    ]


def _draw_block(ax: Axes, part: ThetaSlice) -> None:
    colour = VERDICT_COLOURS[part.block.verdict]
    errors = part.block.errors
    if errors is None:
        ax.axvspan(
            part.start, part.stop, facecolor=colour, edgecolor="0.5", alpha=0.3, hatch="xx", linewidth=0
        )
        return
    looked_at = ~np.isnan(errors.along)
    powers = powers_of_ten(errors.along, looked_at)
    heights = np.where(looked_at, powers, SMALLEST_POWER - 0.5)
    ax.stairs(
        heights,
        part.start + errors.along_edges,
        baseline=SMALLEST_POWER - 0.5,
        fill=True,
        facecolor=colour,
        edgecolor=colour,
        linewidth=1.0,
    )


def _name_slices(ax: Axes, slices: list[ThetaSlice], stop: int) -> None:
    """Write the names above the slices, in several rows where they would overlap; wrong ones come first."""
    ranked = sorted(slices, key=lambda part: (part.block.verdict is Verdict.PASS, part.start - part.stop))
    taken: list[list[tuple[float, float]]] = [[] for _ in range(ROWS_OF_NAMES)]
    rows_used, left = 0, 0
    placed: list[tuple[ThetaSlice, int]] = []
    short = shortened((part.name for part in slices), LONGEST_NAME)
    for part in ranked:
        middle = (part.start + part.stop) / 2 / stop
        half = (len(lettered(short[part.name])) + 1) / 2 / LETTERS_ACROSS
        row = next(
            (k for k in range(ROWS_OF_NAMES) if _is_free(taken[k], middle - half, middle + half)), None
        )
        if row is None or len(placed) == MOST_NAMED:
            left += 1
            continue
        taken[row].append((middle - half, middle + half))
        rows_used = max(rows_used, row + 1)
        placed.append((part, row))
    for part, row in placed:
        _name_slice(ax, part, row, lettered(short[part.name]))
    more = f"; {left:,} more not named" if left else ""
    ax.set_title(f"Errors along θ{more}", fontsize="medium", pad=6 + 11 * rows_used)


def _is_free(taken: list[tuple[float, float]], left: float, right: float) -> bool:
    return all(right <= start or left >= stop for start, stop in taken)


def _name_slice(ax: Axes, part: ThetaSlice, row: int, name: str) -> None:
    is_right = part.block.verdict is Verdict.PASS
    style: dict[str, Any] = (
        {} if is_right else {"fontweight": "bold", "color": VERDICT_COLOURS[part.block.verdict]}
    )
    ax.annotate(
        name,
        xy=((part.start + part.stop) / 2, 1),
        xycoords=ax.get_xaxis_transform(),
        xytext=(0, 4 + 11 * row),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=SMALL,
        arrowprops={"arrowstyle": "-", "color": "0.5", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0},
        **style,
        **LITERAL,
    )
