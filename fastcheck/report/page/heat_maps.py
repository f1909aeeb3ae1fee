"""The errors of a block as a heat map: an image of one pixel per cell, with what tells of rows and columns beside it.

Colours are those of viridis (Smith and van der Walt, 2015): lightness grows evenly, and whoever sees no red or no
green sees the same order.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.pictures.block_errors import NOT_LOOKED_AT, UNDECIDED, WRONG, ErrorMap
from fastcheck.report.page.axes import Tick
from fastcheck.report.page.figures import power_of_ten
from fastcheck.report.picture_words import LARGEST_POWER, SMALLEST_POWER, powers_of_ten

ANCHORS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
"""Colours at equal distances."""

LEVELS = 200
"""Colours of a map; one more stands for what was not looked at, and is transparent."""

WIDEST, LARGEST_CELL, NARROWEST = 300.0, 26.0, 26.0
"""Units of a map: its longer side at most, a cell at most, its shorter side at least."""

MOST_LABELS = 6

SMALLEST_SIGNED = 8.0
"""Units of a cell that has room for a sign."""

CROSS = "m-{half} -{half}l{whole} {whole}m0 -{whole}l-{whole} {whole}"
RING = "m-{half} 0a{half} {half} 0 1 0 {whole} 0a{half} {half} 0 1 0-{whole} 0"
"""Paths of signs from the middle of a cell."""

MOST_NAMED = 4
"""Rows or columns that a sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """What the template draws: an image, ticks at rows and columns, and the wrong share of each, if any cell is wrong.

    ``crosses`` and ``rings`` are paths over wrong and undecided cells, where these are large enough, so that they are
    told apart without colours.
    """

    image: str
    width: float
    height: float
    row_ticks: tuple[Tick, ...]
    column_ticks: tuple[Tick, ...]
    row_bars: tuple[tuple[float, float, float], ...]
    column_bars: tuple[tuple[float, float, float], ...]
    crosses: str
    rings: str
    has_gaps: bool
    cell: str
    bars: str
    sentence: str


def draw_heat_map(cells: ErrorMap, *, is_whole: bool = True) -> HeatMap:
    """Return the picture of a map; ``is_whole`` tells whether all coordinates of the block were looked at."""
    rows, columns = cells.relative.shape
    side = min(WIDEST / max(rows, columns), LARGEST_CELL)
    width, height = max(columns * side, NARROWEST), max(rows * side, NARROWEST)
    is_seen, is_wrong = cells.standing != NOT_LOOKED_AT, cells.standing == WRONG
    step = (height / rows, width / columns)
    is_matrix = min(rows, columns) > 1
    return HeatMap(
        image=data_uri(_indices(cells)),
        width=round(width, 1),
        height=round(height, 1),
        row_ticks=_ticks(cells.row_edges, step[0]),
        column_ticks=_ticks(cells.column_edges, step[1]),
        row_bars=_bars(is_wrong, is_seen, 1, step[0]) if is_matrix else (),
        column_bars=_bars(is_wrong, is_seen, 0, step[1]) if is_matrix else (),
        crosses=_signs(is_wrong, CROSS, *step),
        rings=_signs(cells.standing == UNDECIDED, RING, *step),
        has_gaps=not bool(is_seen.all()),
        cell=_cell(cells, is_whole=is_whole),
        bars=_what_bars_are(cells, is_seen) if is_matrix and is_wrong.any() else "",
        sentence=_sentence(cells, is_wrong, is_seen),
    )


def palette() -> list[tuple[int, int, int]]:
    """Return the colours of all levels."""
    anchors = np.array([[int(anchor[k : k + 2], 16) for k in (1, 3, 5)] for anchor in ANCHORS])
    at = np.linspace(0, len(ANCHORS) - 1, LEVELS)
    channels = [np.interp(at, np.arange(len(ANCHORS)), anchors[:, k]) for k in range(3)]
    return [(int(r), int(g), int(b)) for r, g, b in np.rint(np.stack(channels, axis=1))]


def legend() -> str:
    """Return the image of all colours in a row."""
    return data_uri(np.arange(1, LEVELS + 1, dtype=np.uint8)[None, :])


def legend_ticks(width: float) -> tuple[Tick, ...]:
    """Return the ticks below the colours."""
    exponents = (*range(-16, LARGEST_POWER, 4), LARGEST_POWER)
    return tuple(
        Tick(round((k - SMALLEST_POWER) / (LARGEST_POWER - SMALLEST_POWER) * width, 1), power_of_ten(k))
        for k in exponents
    )


def data_uri(indices: NDArray[np.uint8]) -> str:
    """Return a PNG of these colours: 0 is transparent, the others are those of `palette` from 1 on."""
    height, width = indices.shape
    lines = np.zeros((height, width + 1), np.uint8)
    lines[:, 1:] = indices
    colours = bytes((0, 0, 0)) + b"".join(bytes(colour) for colour in palette())
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", colours),
        (b"tRNS", b"\0"),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    png = b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, *zip(*chunks, strict=True)))
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _indices(cells: ErrorMap) -> NDArray[np.uint8]:
    """Return the colour of each cell, 0 where nothing was looked at."""
    powers = powers_of_ten(cells.relative, cells.standing != NOT_LOOKED_AT)
    share = (powers - SMALLEST_POWER) / (LARGEST_POWER - SMALLEST_POWER)
    levels = np.rint(1 + share * (LEVELS - 1))
    return np.nan_to_num(levels, nan=0.0).astype(np.uint8)


def _ticks(edges: NDArray[np.intp], step: float) -> tuple[Tick, ...]:
    """Return the numbers of some rows or columns at the middle of their cells."""
    count = len(edges) - 1
    every = max(1, -(-count // MOST_LABELS))
    return tuple(Tick(round((k + 0.5) * step, 1), f"{edges[k]:,}") for k in range(0, count, every))


def _bars(
    is_wrong: NDArray[np.bool_], is_seen: NDArray[np.bool_], axis: int, step: float
) -> tuple[tuple[float, float, float], ...]:
    """Return place, thickness and length (0 to 1) of a bar for each line of cells in which some are wrong."""
    wrong, seen = is_wrong.sum(axis), is_seen.sum(axis)
    lines = np.flatnonzero(wrong)
    return tuple(
        (round(float(k * step), 2), round(step, 2), round(float(wrong[k] / seen[k]), 3)) for k in lines
    )


def _signs(are_marked: NDArray[np.bool_], sign: str, height: float, width: float) -> str:
    """Return a sign over each marked cell, if there is room for it."""
    if min(height, width) < SMALLEST_SIGNED:
        return ""
    half = round(min(height, width) * 0.2, 1)
    shape = sign.format(half=f"{half:g}", whole=f"{2 * half:g}")
    rows, columns = np.nonzero(are_marked)
    x, y = (columns + 0.5) * width, (rows + 0.5) * height
    return "".join(f"M{a:.1f} {b:.1f}{shape}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _cell(cells: ErrorMap, *, is_whole: bool) -> str:
    """Return what one cell stands for."""
    if _is_single(cells):
        return "one coordinate"
    tallest, widest = int(np.diff(cells.row_edges).max()), int(np.diff(cells.column_edges).max())
    of_some = "" if is_whole else ", as far as they were looked at"
    return f"the worst of up to {tallest:,} × {widest:,} coordinates{of_some}"


def _what_bars_are(cells: ErrorMap, is_seen: NDArray[np.bool_]) -> str:
    """Return what the bars beside rows and columns count: where cells are of many coordinates, the cells."""
    share = (
        "the wrong share of" if _is_single(cells) else "the share of cells that hold a wrong coordinate in"
    )
    of = "" if is_seen.all() else ", as far as they were looked at"
    return f"Bars: {share} each row and column{of}."


def _is_single(cells: ErrorMap) -> bool:
    rows, columns = cells.relative.shape
    return bool(cells.row_edges[-1] == rows and cells.column_edges[-1] == columns)


def _sentence(cells: ErrorMap, is_wrong: NDArray[np.bool_], is_seen: NDArray[np.bool_]) -> str:
    """Return in words what the map shows; a cell of many coordinates is wrong where one of them is."""
    undecided = int(np.count_nonzero(cells.standing == UNDECIDED))
    gaps = f" {_undecided(undecided)}" if undecided else ""
    gaps += "" if is_seen.all() else " Hatched cells were not looked at."
    if not is_seen.any():
        return "Nothing was looked at."
    is_single = _is_single(cells)
    wrong = "is wrong" if is_single else "holds a wrong coordinate"
    seen = "" if is_seen.all() else " that was looked at"
    if not is_wrong.any():
        known = "is known to be wrong" if undecided else wrong
        return f"No cell{seen} {known}.{gaps}"
    if is_wrong[is_seen].all():
        return f"Every cell{seen} {wrong}.{gaps}"
    lines = _whole_lines(cells, is_wrong, is_seen)
    if lines:
        return f"Every cell of {lines}{seen} {wrong}, and no other.{gaps}"
    rows, columns = int(is_wrong.any(1).sum()), int(is_wrong.any(0).sum())
    count = int(is_wrong.sum())
    return (
        f"{count:,} of {int(is_seen.sum()):,} cells {_plural(wrong, count)}, in {rows} of {is_wrong.shape[0]} rows "
        f"and {columns} of {is_wrong.shape[1]} columns.{gaps}"
    )


def _undecided(count: int) -> str:
    return f"{count:,} {'is' if count == 1 else 'are'} undecided."


def _plural(verb: str, count: int) -> str:
    if count == 1:
        return verb
    return verb.replace("is ", "are ").replace("holds ", "hold ")


def _whole_lines(cells: ErrorMap, is_wrong: NDArray[np.bool_], is_seen: NDArray[np.bool_]) -> str:
    """Return the rows and columns that are wrong as a whole, if no other cell is wrong; empty otherwise."""
    if min(is_wrong.shape) == 1:
        places, edges = np.flatnonzero(is_wrong), cells.row_edges
        title = "row"
        if is_wrong.shape[0] == 1:
            edges, title = cells.column_edges, "column"
        return _lines(title, places.tolist(), edges) if len(places) <= MOST_NAMED else ""
    rows, columns = _full_lines(is_wrong, is_seen, 1), _full_lines(is_wrong, is_seen, 0)
    for some_rows, some_columns in ((rows, []), ([], columns), (rows, columns)):
        others = is_wrong.copy()
        others[some_rows, :] = False
        others[:, some_columns] = False
        if not others.any():
            told = [
                _lines(title, lines, edges)
                for title, lines, edges in (
                    ("row", some_rows, cells.row_edges),
                    ("column", some_columns, cells.column_edges),
                )
                if lines
            ]
            return " and ".join(told)
    return ""


def _full_lines(is_wrong: NDArray[np.bool_], is_seen: NDArray[np.bool_], axis: int) -> list[int]:
    """Return the rows or columns of which everything that was looked at is wrong."""
    wrong, seen = is_wrong.sum(axis), is_seen.sum(axis)
    return [int(k) for k in np.flatnonzero((wrong == seen) & (seen > 0))]


def _lines(title: str, lines: Sequence[int], edges: NDArray[np.intp]) -> str:
    """Return the numbers of these rows or columns, those that follow each other as one range."""
    ranges: list[list[int]] = []
    for k in lines:
        first, end = int(edges[k]), int(edges[k + 1])
        if ranges and ranges[-1][1] == first:
            ranges[-1][1] = end
        else:
            ranges.append([first, end])
    names = [f"{first:,}" if end - first == 1 else f"{first:,} to {end - 1:,}" for first, end in ranges]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    is_plural = len(names) > 1 or " to " in names[0]
    return f"{title}{'s' if is_plural else ''} {', '.join(names[:MOST_NAMED])}{more}"
