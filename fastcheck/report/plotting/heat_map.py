"""The errors of a block as a map: rows and columns that are wrong show at a glance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Patch
from numpy.typing import NDArray

from fastcheck.pictures.block_errors import NOT_LOOKED_AT, UNDECIDED, WRONG, BlockErrors, ErrorMap
from fastcheck.report.picture_words import (
    COLOUR_MAP,
    LARGEST_POWER,
    SMALLEST_POWER,
    STANDING_COLOURS,
    STANDINGS,
    powers_of_ten,
)
from fastcheck.report.plotting.legends import legend_below
from fastcheck.report.plotting.lettering import LITERAL, LONGEST_NAME, SMALL, lettered
from fastcheck.report.result import BlockReport

MARKS = {WRONG: "x", UNDECIDED: "d"}
"""Marks of cells: what is wrong shows without colours, too."""

LARGEST_MARK = 36.0
"""Area of a mark, in square points, where cells are large."""

MARKS_SIDE_BY_SIDE = 16
"""Cells along a side up to which marks keep their size."""

HALF_WAY = (SMALLEST_POWER + LARGEST_POWER) / 2

TICKS = (-16, -12, -8, -4, 0)


def draw_heat_map(ax: Axes, name: str, block: BlockReport, errors: BlockErrors) -> Axes:
    """Draw the largest relative error of each cell, and mark the cells that are wrong or undecided."""
    cells = errors.cells
    powers = powers_of_ten(cells.relative, cells.standing != NOT_LOOKED_AT)
    ax.set_facecolor(STANDING_COLOURS[NOT_LOOKED_AT])
    mesh = ax.pcolormesh(
        cells.column_edges,
        cells.row_edges,
        powers,
        cmap=COLOUR_MAP,
        norm=Normalize(SMALLEST_POWER, LARGEST_POWER),
        rasterized=True,
    )
    handles = _mark(ax, cells, powers)
    if np.any(cells.standing == NOT_LOOKED_AT):
        handles.append(Patch(facecolor=STANDING_COLOURS[NOT_LOOKED_AT], label=STANDINGS[NOT_LOOKED_AT]))
    ax.invert_yaxis()
    _name_axes(ax, block.shape, cells)
    ax.set_title(f"{lettered(name, LONGEST_NAME)}: relative error", fontsize="medium", **LITERAL)
    figure: Any = ax.get_figure()
    bar = figure.colorbar(mesh, ax=ax, ticks=TICKS, pad=0.02)
    bar.ax.set_yticklabels([_tick(power) for power in TICKS], fontsize=SMALL)
    legend_below(ax, handles)
    return ax


def _mark(ax: Axes, cells: ErrorMap, powers: NDArray[np.float64]) -> list[Any]:
    """Mark what is wrong or undecided, in black on bright cells and in white on dark ones; returns legend entries."""
    rows, columns = (_middles(edges) for edges in (cells.row_edges, cells.column_edges))
    side = max(rows.size, columns.size)
    area = LARGEST_MARK * min(1.0, MARKS_SIDE_BY_SIDE / side) ** 2
    handles = []
    for standing, mark in MARKS.items():
        places = cells.standing == standing
        if not places.any():
            continue
        for is_bright, colour in ((True, "black"), (False, "white")):
            row, column = np.nonzero(places & ((powers > HALF_WAY) == is_bright))
            if row.size:
                ax.scatter(
                    columns[column], rows[row], s=area, marker=mark, c=colour, linewidths=math.sqrt(area) / 5
                )
        handles.append(_legend_mark(ax, mark, STANDINGS[standing]))
    return handles


def _legend_mark(ax: Axes, mark: str, label: str) -> Any:
    """Return an entry of the legend, in the colour of its letters, that draws nothing on the axes."""
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="none", marker=mark, color=ax.xaxis.label.get_color(), label=label)


def _name_axes(ax: Axes, shape: tuple[int, ...], cells: ErrorMap) -> None:
    """Put the index of each first row and column at its cell, and say what the axes are."""
    rows, columns = ("", "index")
    if len(shape) >= 2:
        rows, columns = "row", "column"
    if len(shape) > 2:
        rows, columns = "first index", f"the other {len(shape) - 1} indices, side by side"
    if not shape:
        rows, columns = "", ""
    for axis, edges, title in ((ax.yaxis, cells.row_edges, rows), (ax.xaxis, cells.column_edges, columns)):
        chosen = _few(np.arange(edges.size - 1))
        axis.set_ticks(_middles(edges)[chosen] if title else [])
        if title:
            axis.set_ticklabels([f"{edges[k]:,}" for k in chosen], fontsize=SMALL)
        of_each = int(np.max(np.diff(edges)))
        more = f" (cells of {of_each:,})" if of_each > 1 else ""
        axis.set_label_text(title + more, fontsize=SMALL)


def _few(numbers: NDArray[np.intp], most: int = 8) -> NDArray[np.intp]:
    """Return at most some of the numbers, evenly spaced, from the first on."""
    steps = (k * scale for scale in (1, 10, 100) for k in (1, 2, 5))
    step = next((step for step in steps if -(-numbers.size // step) <= most), numbers.size)
    return numbers[::step]


def _middles(edges: NDArray[np.intp]) -> NDArray[np.float64]:
    return (edges[:-1] + edges[1:]) / 2


def _tick(power: int) -> str:
    return "1" if power == 0 else f"1e{power}"
