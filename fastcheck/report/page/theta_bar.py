"""The vectorisation of the parameters: which slice of θ is which block, and the errors along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.legible import number_of, printable, shape_in_words
from fastcheck.report.page.axes import Axis, logarithmic
from fastcheck.report.page.figures import shortened
from fastcheck.report.page.marks import Mark, mark_of
from fastcheck.report.picture_words import LARGEST_POWER, SMALLEST_POWER, starts_in_theta
from fastcheck.report.result import BlockReport, Report

WIDTH, BAR_HEIGHT, ERRORS_HEIGHT = 1000.0, 44.0, 130.0

NARROWEST = 26.0
"""Units of a slice at least, as long as there is room for all."""

MOST_SLICES = 150
"""Slices that are drawn; neighbours are drawn as one where there are more."""

UNITS_PER_LETTER = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BarSlice:
    """One slice of the bar: a block, or neighbours together, which are marked as the worst of them."""

    x: float
    width: float
    label: str
    title: str
    mark: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class ThetaBar:
    """What the template draws; ``errors`` is one line, and None where the errors are not known.

    ``first`` and ``last`` are the positions in θ of its ends, None where they are not known.
    """

    width: float
    bar_height: float
    errors_height: float
    slices: tuple[BarSlice, ...]
    errors: str | None
    upwards: Axis
    first: int | None
    last: int | None
    is_to_scale: bool
    sentence: str


def draw_theta(report: Report) -> ThetaBar:
    """Return the picture of all blocks that were looked at, side by side."""
    blocks = list(report.blocks.items())
    edges = _edges(np.array([max(block.size, 1) for _, block in blocks], float))
    upwards = logarithmic(SMALLEST_POWER, LARGEST_POWER, ERRORS_HEIGHT, 0.0)
    starts = starts_in_theta(report)
    groups = np.array_split(np.arange(len(blocks)), min(len(blocks), MOST_SLICES))
    slices = [_slice([blocks[k] for k in group], starts[group[0]], edges, group) for group in groups]
    marks = [mark_of(block) for _, block in blocks]
    told = ", ".join(f"{marks.count(mark)} {mark.word}" for mark in sorted(set(marks), key=lambda m: m.rank))
    scale = np.diff(edges) / np.array([max(block.size, 1) for _, block in blocks], float)
    return ThetaBar(
        width=WIDTH,
        bar_height=BAR_HEIGHT,
        errors_height=ERRORS_HEIGHT,
        slices=tuple(slices),
        errors=_errors([block for _, block in blocks], edges, upwards),
        upwards=upwards,
        first=starts[0],
        last=None if starts[-1] is None else starts[-1] + blocks[-1][1].size - 1,
        is_to_scale=bool(np.allclose(scale, scale[0])),
        sentence=f"{number_of(len(blocks), 'block')}, {number_of(report.size, 'coordinate')}: {told}.",
    )


def _edges(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where slices begin, and the end: as wide as their blocks are long, but none narrower than is seen."""
    least = min(NARROWEST, 0.6 * WIDTH / len(sizes))
    free = WIDTH - least * len(sizes)
    widths = least + sizes / sizes.sum() * free
    return np.concatenate([[0.0], np.cumsum(widths)])


def _slice(
    blocks: Sequence[tuple[str, BlockReport]],
    start: int | None,
    edges: NDArray[np.float64],
    group: NDArray[np.intp],
) -> BarSlice:
    x = float(edges[group[0]])
    width = float(edges[group[-1] + 1]) - x
    mark = min((mark_of(block) for _, block in blocks), key=lambda mark: mark.rank)
    name, block = blocks[0]
    if len(blocks) == 1:
        at = "" if start is None else f", θ[{start:,}:{start + block.size:,}]"
        title = f"{printable(name)}: {mark.word}, {shape_in_words(block.shape)}{at}"
    else:
        title = (
            f"{printable(name)} to {printable(blocks[-1][0])}: {len(blocks)} blocks, the worst {mark.word}"
        )
    room = int(width / UNITS_PER_LETTER) - 1
    label = shortened(name, room) if len(blocks) == 1 and room >= min(len(name), 2) else ""
    return BarSlice(x=round(x, 1), width=round(width, 1), label=label, title=title, mark=mark)


def _errors(blocks: Sequence[BlockReport], edges: NDArray[np.float64], upwards: Axis) -> str | None:
    """Return the largest error at each unit of the width, as a line with steps, interrupted where none is known."""
    largest = np.full(int(WIDTH), np.nan)
    for block, x, end in zip(blocks, edges[:-1], edges[1:], strict=True):
        if block.errors is None or not block.size:
            continue
        pieces = x + block.errors.along_edges / block.size * (end - x)
        first = np.minimum(pieces[:-1].astype(int), int(WIDTH) - 1)
        last = np.minimum(np.maximum(np.ceil(pieces[1:]).astype(int), first + 1), int(WIDTH))
        for begin, stop, error in zip(first.tolist(), last.tolist(), block.errors.along, strict=True):
            largest[begin:stop] = np.fmax(largest[begin:stop], error)
    if np.isnan(largest).all():
        return None
    return _steps(largest, upwards)


def _steps(largest: NDArray[np.float64], upwards: Axis) -> str:
    """Return a path that is level as long as the error is the same."""
    heights = np.where(np.isnan(largest), np.nan, upwards.places(largest)).round(1)
    changes = np.flatnonzero(heights[1:] != heights[:-1]) + 1
    path, is_drawn = "", False
    for begin, end in zip([0, *changes.tolist()], [*changes.tolist(), len(heights)], strict=True):
        height = float(heights[begin])
        if np.isnan(height):
            is_drawn = False
            continue
        path += f"V{height:g}H{end}" if is_drawn else f"M{begin} {height:g}H{end}"
        is_drawn = True
    return path
