"""How far the claim of one block is off, as pictures show it: cells, a line along θ, a histogram, pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_CELLS = 64
"""Cells of a map along each of its two sides, at most."""

MOST_ALONG = 512
"""Pieces of a block along θ, at most."""

MOST_PAIRS = 600
"""Claims of a block that are kept beside their numerical slopes, at most."""

SHARE_EDGES = tuple(range(-6, 7))
"""Edges, in powers of ten, of the histogram of |g − ĝ| over what is allowed; the first and last bins are open."""


NOT_LOOKED_AT, RIGHT, UNDECIDED, WRONG = range(4)
"""Standings of coordinates; of several, the largest is shown."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ErrorMap:
    """The block as a matrix, cut into cells: of each, the worst of its coordinates.

    A block of one axis is a row; one of more than two has its first axis downwards and all others side by side.
    ``row_edges`` (r + 1,) and ``column_edges`` (c + 1,) are the first row and column of each cell, and the end.
    ``relative`` (r, c), float32, is the largest |g − ĝ| / max(|g|, |ĝ|, RMS of ĝ over the block), NaN where no
    coordinate was looked at. ``standing`` (r, c), int8, is the worst standing: 0 not looked at, 1 right, 2 undecided,
    3 wrong.
    """

    row_edges: NDArray[np.intp]
    column_edges: NDArray[np.intp]
    relative: NDArray[np.float32]
    standing: NDArray[np.int8]


class Pairs(NamedTuple):
    """Coordinates with claim and numerical slope: those with the largest errors, and others evenly from the block.

    ``places`` (p,) are positions in the flattened block, ``standing`` (p,) as in `ErrorMap`.
    """

    places: NDArray[np.intp]
    claimed: NDArray[np.float64]
    numerical: NDArray[np.float64]
    standing: NDArray[np.int8]


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockErrors:
    """The errors of one block; attributes may be computed when they are asked for first.

    ``start`` is where the block begins in θ, ``cells`` its map, ``along_edges`` (k + 1,) and ``along`` (k,) the largest
    relative error in each of k pieces of the flattened block, as in `ErrorMap.relative`. ``shares`` (len(SHARE_EDGES)
    + 1,) counts the coordinates that were looked at by log10 of |g − ĝ| over what is allowed: from 0 on they are wrong.
    """

    start: int
    cells: ErrorMap
    along_edges: NDArray[np.intp]
    along: NDArray[np.float32]
    shares: NDArray[np.intp]
    pairs: Pairs
