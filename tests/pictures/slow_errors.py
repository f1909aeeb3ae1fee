"""The slow, obvious twin of the errors of a block: one coordinate after the other."""

import math
from typing import NamedTuple

import numpy as np

from fastcheck.pictures.block_errors import SHARE_EDGES
from fastcheck.verdict.rule import Standing

PICTURED = {Standing.RIGHT: 1, Standing.UNDECIDED: 2, Standing.WRONG: 3}


class OneByOne(NamedTuple):
    """Relative errors, standings, errors, and what is off and allowed of coordinates, by place in the block."""

    relative: dict[int, float]
    standing: dict[int, int]
    error: dict[int, float]
    outside: dict[int, float]
    allowed: dict[int, float]


def one_by_one(part, claimed, slopes, rule):
    """Compare every coordinate by itself."""
    relative, standing, error, off, allowed = {}, {}, {}, {}, {}
    for row in range(part.size):
        place = int(part.at(np.array([row]))[0])
        g = float(claimed[row])
        one = slopes.at(np.array([row]))
        lower, upper = float(one.lower[0]), float(one.upper[0])
        nearest = min(max(g, lower), upper) if lower < upper or slopes.interval is not None else lower
        error[place] = abs(g - nearest)
        size = max(abs(g), abs(nearest), rule.typical)
        relative[place] = error[place] / size if size else 0.0
        standing[place] = PICTURED[Standing(int(rule.standings(np.array([g]), one)[0]))]
        outside = max(lower - g, g - upper) if slopes.interval is not None else abs(g - lower)
        off[place] = max(outside, 0.0)
        allowed[place] = float(rule.thresholds(np.array([g]), one)[0])
    return OneByOne(relative, standing, error, off, allowed)


def cell_of(shape, place, row_edges, column_edges):
    """Return the cell of a map in which a place of the flattened block lies."""
    if len(shape) >= 2:
        index = np.unravel_index(place, shape)
        row = int(index[0])
        column = place - row * math.prod(shape[1:])
    else:
        row, column = 0, place
    down = max(i for i in range(len(row_edges) - 1) if row_edges[i] <= row)
    right = max(i for i in range(len(column_edges) - 1) if column_edges[i] <= column)
    assert row < row_edges[down + 1]
    assert column < column_edges[right + 1]
    return down, right


def bin_of(loop, place):
    """Return the bin of the histogram in which a coordinate is counted."""
    off, allowed, from_wrong = loop.outside[place], loop.allowed[place], SHARE_EDGES.index(0)
    reached = [off > 0 and off >= 10.0**power * allowed for power in SHARE_EDGES]
    if loop.standing[place] == 3:
        return max(sum(reached), from_wrong + 1)
    return sum(reached[:from_wrong])
