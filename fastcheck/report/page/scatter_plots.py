"""Claims of a block against numerical slopes: what is right lies on the diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastcheck.legible import number_of
from fastcheck.pictures.block_errors import Pairs
from fastcheck.report.page.axes import Axis, for_values, place
from fastcheck.report.page.marks import OF_STANDINGS, Mark

SIDE = 220.0
"""Units of the picture in each direction."""

CROSS = 3.4
"""Half of the width of the signs of wrong claims."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointGroup:
    """The points of one standing, as one path."""

    mark: Mark
    count: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScatterPlot:
    """What the template draws; both axes are the same."""

    side: float
    across: Axis
    upwards: Axis
    zero: tuple[float, float]
    points: tuple[PointGroup, ...]
    left_out: int
    sentence: str


def draw_scatter(pairs: Pairs, compared: int = 0) -> ScatterPlot | None:
    """Return the picture of pairs, which may be some of those that were ``compared``; None where none is finite."""
    is_finite = np.isfinite(pairs.claimed) & np.isfinite(pairs.numerical)
    if not is_finite.any():
        return None
    claimed, numerical = pairs.claimed[is_finite], pairs.numerical[is_finite]
    standing = pairs.standing[is_finite]
    both = np.concatenate([claimed, numerical])
    across, upwards = for_values(both, 0.0, SIDE), for_values(both, SIDE, 0.0)
    x, y = across.places(numerical).round(1), upwards.places(claimed).round(1)
    points = []
    for code in range(len(OF_STANDINGS)):
        at = np.flatnonzero(standing == code)
        if at.size:
            path = _path(x[at].tolist(), y[at].tolist(), OF_STANDINGS[code].css)
            points.append(PointGroup(mark=OF_STANDINGS[code], count=int(at.size), path=path))
    is_chosen = pairs.places.size < compared
    chosen = f", of {compared:,} those with the largest errors and others evenly" if is_chosen else ""
    counts = ", ".join(f"{group.count} {group.mark.word}" for group in points)
    return ScatterPlot(
        side=SIDE,
        across=across,
        upwards=upwards,
        zero=(place(across, 0.0), place(upwards, 0.0)),
        points=tuple(points),
        left_out=int(np.count_nonzero(~is_finite)),
        sentence=f"{number_of(claimed.size, 'claim')} against numerical slopes{chosen}: {counts}. "
        "Claims that are right lie on the diagonal.",
    )


def _path(x: list[float], y: list[float], css: str) -> str:
    """Return crosses for what is wrong, rings for what is undecided, and points for the rest."""
    if css == "wrong":
        shape = f"m-{CROSS} -{CROSS}l{2 * CROSS} {2 * CROSS}m0 -{2 * CROSS}l-{2 * CROSS} {2 * CROSS}"
    elif css == "undecided":
        shape = "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0"
    else:
        shape = "h0"
    return "".join(f"M{a:g} {b:g}{shape}" for a, b in sorted(set(zip(x, y, strict=True))))
