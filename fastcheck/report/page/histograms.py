"""The errors of a block, sorted by how much of what is allowed they take."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.legible import number_of
from fastcheck.pictures.block_errors import SHARE_EDGES
from fastcheck.report.page.figures import compact, power_of_ten

BIN, HEIGHT = 20.0, 110.0
"""Units of a bar's width, and of the tallest one."""

SHORTEST = 4.0
"""Units of a bar that counts one coordinate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: from the bottom of the picture upwards."""

    x: float
    height: float
    count: int
    label: str
    range: str
    is_beyond: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """What the template draws; ``limit`` is where the error is just what is allowed."""

    bars: tuple[Bar, ...]
    width: float
    height: float
    bin: float
    limit: float
    ticks: tuple[tuple[float, str], ...]
    sentence: str


def draw_histogram(shares: NDArray[np.intp], undecided: int = 0) -> Histogram:
    """Return the picture of the counts; heights grow with their logarithms, so that one among millions is seen.

    ``undecided`` of the coordinates are known too badly to be called right: they are within what is allowed.
    """
    tallest = math.log10(1 + float(shares.max(initial=1)))
    first_beyond = SHARE_EDGES.index(0) + 1
    bars = [
        Bar(
            x=k * BIN,
            height=round(max(HEIGHT * math.log10(1 + count) / tallest, SHORTEST), 1),
            count=count,
            label=compact(count),
            range=_range(k),
            is_beyond=k >= first_beyond,
        )
        for k, count in enumerate(shares.tolist())
        if count
    ]
    beyond = int(shares[first_beyond:].sum())
    unknown = (
        f"; {undecided:,} of the others {_is(undecided)} undecided, and may be, too" if undecided else ""
    )
    return Histogram(
        bars=tuple(bars),
        width=len(shares) * BIN,
        height=HEIGHT,
        bin=BIN,
        limit=first_beyond * BIN,
        ticks=tuple(
            (k * BIN + BIN, power_of_ten(edge)) for k, edge in enumerate(SHARE_EDGES) if edge % 3 == 0
        ),
        sentence=f"Of {number_of(int(shares.sum()), 'coordinate')} {beyond:,} {_is(beyond)} off by more than is allowed"
        f"{unknown}.",
    )


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _range(k: int) -> str:
    if k == 0:
        return f"below {power_of_ten(SHARE_EDGES[0])}"
    if k == len(SHARE_EDGES):
        return f"from {power_of_ten(SHARE_EDGES[-1])}"
    return f"{power_of_ten(SHARE_EDGES[k - 1])} to {power_of_ten(SHARE_EDGES[k])}"
