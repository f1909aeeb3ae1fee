"""From a dictionary to a vector: each block with its numbers, and the slice of θ that they become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from fastcheck.course.drawing.boxes import FORWARDS, NEUTRAL, draw_arrow, draw_words, empty_axes
from fastcheck.course.drawing.verdicts import Look, legend_of, look_of, shape_of
from fastcheck.course.vectors import Array, parameter_names
from fastcheck.report.plotting.legends import legend_below
from fastcheck.report.result import Report

CELL_WIDTH, CELL_HEIGHT, GAP = 0.5, 0.2, 0.3
"""Inches of a number, and between blocks."""

MOST_ROWS, MOST_COLUMNS, MOST_IN_SLICE = 6, 5, 5
"""Numbers of a block that are shown, and of a slice."""

NAMES, NUMBERS, ARROW, SLICES = 0.1, 1.05, 4.2, 5.0
"""Where names, numbers, arrows and slices begin."""

MOST_BLOCKS = 12
"""Blocks that are drawn; of more the last are left out."""

WIDTH = SLICES + (MOST_IN_SLICE + 1.8) * CELL_WIDTH


def draw_vector(ax: Axes | None, parameters: Mapping[str, Array], report: Report | None) -> Axes:
    """Draw the blocks below each other, the slices of θ at their right."""
    names = parameter_names(parameters)
    shown = names[:MOST_BLOCKS]
    heights = [_height(parameters[name]) for name in shown]
    size = sum(int(np.size(parameters[name])) for name in names)
    total = sum(heights) + GAP * (len(shown) + 1.5)
    ax = empty_axes(ax, WIDTH, total)
    draw_words(ax, (NUMBERS, total - GAP / 2), "dictionary", ha="left", style="italic")
    draw_words(ax, (SLICES, total - GAP / 2), "vector", ha="left", style="italic")
    top, start = total - 1.5 * GAP, 0
    for name, height in zip(shown, heights, strict=True):
        array = np.asarray(parameters[name])
        _draw_block(ax, name, array, top, height, start, look_of(name, report))
        top -= height + GAP
        start += array.size
    if len(names) > len(shown):
        draw_words(ax, (WIDTH / 2, GAP / 2), f"… and {len(names) - len(shown)} more blocks", style="italic")
    ax.set_title(f"{len(names)} blocks become one vector θ of {size:,} numbers", fontsize="medium")
    legend_below(ax, legend_of(names, report), below=2)
    return ax


def _height(array: Array) -> float:
    return CELL_HEIGHT * min(int(_as_rows(array).shape[0]), MOST_ROWS)


def _as_rows(array: Array) -> Any:
    return np.reshape(array, (np.shape(array)[0], -1)) if np.ndim(array) else np.reshape(array, (1, 1))


def _draw_block(ax: Axes, name: str, array: Array, top: float, height: float, start: int, look: Look) -> None:
    middle = top - height / 2
    said = f", {look.word}" if look.word else ""
    colour = look.colour if look.word else None
    draw_words(
        ax,
        (NAMES, middle),
        f"{name}\n{shape_of(array)}{said}",
        ha="left",
        colour=colour,
        is_bold=look.is_bold,
    )
    _draw_numbers(ax, _as_rows(array), top, look.colour)
    draw_arrow(ax, (ARROW, middle), (SLICES - 0.1, middle), FORWARDS)
    _draw_slice(ax, np.ravel(array), middle, start, look.colour)


def _draw_numbers(ax: Axes, rows: Any, top: float, colour: str) -> None:
    """Draw the first rows and columns in a frame; dots stand for what is left out."""
    columns = min(rows.shape[1], MOST_COLUMNS)
    shown = min(rows.shape[0], MOST_ROWS)
    for r in range(shown):
        for c in range(columns):
            is_left_out = (r == MOST_ROWS - 1 and rows.shape[0] > MOST_ROWS) or (
                c == MOST_COLUMNS - 1 and rows.shape[1] > MOST_COLUMNS
            )
            words = "…" if is_left_out else f"{rows[r, c]:.2f}"
            draw_words(ax, (NUMBERS + CELL_WIDTH * (c + 0.5), top - CELL_HEIGHT * (r + 0.5)), words)
    _draw_frame(ax, NUMBERS, top, columns * CELL_WIDTH, shown * CELL_HEIGHT, colour)


def _draw_slice(ax: Axes, numbers: Any, middle: float, start: int, colour: str) -> None:
    """Draw the first numbers of a slice, and its indices above them."""
    shown = min(numbers.size, MOST_IN_SLICE)
    top = middle + CELL_HEIGHT / 2
    for k in range(shown):
        is_left_out = k == MOST_IN_SLICE - 1 and numbers.size > MOST_IN_SLICE
        words = "…" if is_left_out else f"{numbers[k]:.2f}"
        draw_words(ax, (SLICES + CELL_WIDTH * (k + 0.5), middle), words)
    _draw_frame(ax, SLICES, top, shown * CELL_WIDTH, CELL_HEIGHT, colour)
    stop = start + numbers.size
    index = f"θ[{start:,}]" if numbers.size == 1 else f"θ[{start:,}:{stop:,}]"
    draw_words(ax, (SLICES + (shown + 0.1) * CELL_WIDTH, middle), index, ha="left")


def _draw_frame(ax: Axes, left: float, top: float, width: float, height: float, colour: str) -> None:
    thick = 1.0 if colour == NEUTRAL else 1.8
    ax.add_patch(
        Rectangle((left, top - height), width, height, facecolor="none", edgecolor=colour, linewidth=thick)
    )
