"""What is wrong in a block of which all slopes are known, in words: lines, slices, single coordinates, and the factor.

Coordinates that have neither a slope nor a claim, as those of dead units, tell nothing: a line counts as wrong if
nearly all the others in it are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.common_factor import factor_of
from fastcheck.legible import number_of
from fastcheck.problem.parameters import Block, Vector, coordinate_name
from fastcheck.report.result import Located

MOST_NAMED = 3
"""Coordinates, rows or columns that a sentence names."""

VANISHED = 1e-9
"""Slopes below this share of the claims are zero, or what a finite step makes of zero: no factor is named."""

MOSTLY = 0.9
"""Part of a line, or of a sample of a block, that must be wrong for all to be called wrong."""

LEAST_OF_LINE = 1 / 16
"""Part of a line that must be wrong, those counted that have no slope, for it to be called a line that is wrong."""

MOST_FOR_FACTOR = 2**16
"""Coordinates of a region that its factor is told from, if there are more."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A line or slice of an array: the numbers of the axes that are fixed, None where an axis is not."""

    block: Block
    numbers: tuple[int | None, ...]

    @property
    def index(self) -> tuple[Any, ...]:
        """What it is in an array of the block's shape."""
        return tuple(slice(None) if number is None else number for number in self.numbers)

    @property
    def size(self) -> int:
        """The number of its coordinates."""
        lengths = zip(self.block.shape, self.numbers, strict=True)
        return math.prod(length for length, number in lengths if number is None)

    @property
    def name(self) -> str:
        """Its name, such as ``W1[17, :]``."""
        return f"{self.block.name}[{', '.join(':' if n is None else str(n) for n in self.numbers)}]"

    @property
    def kind(self) -> str:
        """``"rows"``, ``"columns"`` or, in arrays of more axes, ``"slices"``."""
        if len(self.numbers) != 2:
            return "slices"
        return "columns" if self.numbers[0] is None else "rows"

    @property
    def called(self) -> str:
        """What a sentence calls it: "row 17 of W1", or its name."""
        if self.kind == "slices":
            return self.name
        (number,) = (number for number in self.numbers if number is not None)
        return f"{self.kind.removesuffix('s')} {number} of {self.block.name}"

    def holds(self, places: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which places of the flattened block lie in it."""
        inside = np.ones(places.size, dtype=bool)
        for index, number in zip(np.unravel_index(places, self.block.shape), self.numbers, strict=True):
            if number is not None:
                inside &= index == number
        return inside


class Values(NamedTuple):
    """Some coordinates of a block, arrays (k,): which are wrong, and what rounding may be of each."""

    claimed: Vector
    slopes: Vector
    uncertain: Vector
    wrong: NDArray[np.bool_]

    def at(self, places: NDArray[Any]) -> Values:
        """Return those of some of them."""
        return Values(*(array[places] for array in self))

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Which have a slope, or a claim."""
        alive: NDArray[np.bool_] = (self.claimed != 0) | (self.slopes != 0)
        return alive


def described(block: Block, values: Values) -> Located:
    """Return where the mistake of a block is, given all of its coordinates in their order."""
    count, wrong = int(np.count_nonzero(values.wrong)), values.wrong.reshape(block.shape)
    if not count:
        sentence = none_wrong(block, values.uncertain)
        return Located(how="nothing", regions=(), share=0.0, complete=True, sentence=sentence)
    alive = values.alive.reshape(block.shape)

    def what(region: Region) -> str:
        here = np.arange(block.size).reshape(block.shape)[region.index][alive[region.index]]
        return what_is_wrong(values.at(here[:: 1 + here.size // MOST_FOR_FACTOR]), here.size)

    regions: list[Region] = []
    if count > 1 and count >= MOSTLY * np.count_nonzero(alive):
        whole = Region(block, (None,) * len(block.shape))
        sentences, how = [f"{block.name} ({number_of(block.size, 'coordinate')}) {what(whole)}"], "dense"
    else:
        left = wrong.copy()
        regions += _regions(block, wrong, alive, left)
        singles = np.flatnonzero(left)
        sentences = [*in_regions(regions, what), *single_coordinates(block, singles, values.at(singles))]
        how = regions[0].kind if regions else "coordinates"
    return Located(
        how=how,
        regions=tuple(region.name for region in regions),
        share=count / block.size,
        complete=True,
        sentence="; ".join(sentences),
    )


def none_wrong(block: Block, uncertain: Vector) -> str:
    """Return the sentence about a block of which no coordinate that was measured is wrong."""
    return (
        f"no coordinate of {block.name} was found that is wrong by itself; the {uncertain.size:,} that were measured "
        f"are known to ± {float(np.max(uncertain)):.1e}"
    )


def _regions(
    block: Block, wrong: NDArray[np.bool_], alive: NDArray[np.bool_], left: NDArray[np.bool_]
) -> Iterator[Region]:
    """Yield slices and lines nearly all of which are wrong, the largest first, and take them out of ``left``."""
    axes = range(wrong.ndim)
    for fixed in itertools.chain.from_iterable(itertools.combinations(axes, k) for k in axes if k):
        free = tuple(axis for axis in axes if axis not in fixed)
        count, most = wrong.sum(axis=free), MOSTLY * alive.sum(axis=free)
        size = math.prod(block.shape[axis] for axis in free)
        for place in np.argwhere((count > 1) & (count >= most) & (count >= LEAST_OF_LINE * size)).tolist():
            numbers = dict(zip(fixed, place, strict=True))
            region = Region(block, tuple(numbers.get(axis) for axis in axes))
            if np.count_nonzero(left[region.index]) > 1:
                left[region.index] = False
                yield region


def in_regions(regions: Sequence[Region], what: Callable[[Region], str]) -> list[str]:
    """Return a sentence for each of the first regions; ``what(region)`` is wrong with it."""
    sentences = [
        f"{region.called} ({number_of(region.size, 'coordinate')}) {what(region)}"
        for region in regions[:MOST_NAMED]
    ]
    more = len(regions) - MOST_NAMED
    if more > 0:
        kind, block = regions[MOST_NAMED].kind, regions[MOST_NAMED].block.name
        lines = f"1 more {kind.removesuffix('s')}" if more == 1 else f"{more:,} more {kind}"
        sentences.append(f"{lines} of {block} {'is' if more == 1 else 'are'} wrong, too")
    return sentences


def single_coordinates(block: Block, places: NDArray[np.intp], values: Values) -> list[str]:
    """Return a sentence about wrong coordinates at these places of a block, if there are any."""
    if not places.size:
        return []
    worst = places[np.argsort(-np.abs(values.claimed - values.slopes), kind="stable")[:MOST_NAMED]]
    names = ", ".join(coordinate_name(block.name, block.index_of(int(place))) for place in worst)
    if places.size == 1:
        return [f"{names} {what_is_wrong(values, 1)}"]
    more = "" if places.size <= MOST_NAMED else ", …"
    return [f"{places.size:,} coordinates of {block.name} are wrong: {names}{more}"]


def what_is_wrong(values: Values, size: int) -> str:
    """Return what is wrong with coordinates, or with as many as ``size``, from which these were drawn."""
    count, drawn = int(np.count_nonzero(values.wrong)), values.wrong.size
    if count < MOSTLY * drawn:
        if count == 0:
            return f"is wrong in few places (none of {drawn:,} drawn at random)"
        if drawn == size:
            return f"is wrong in {count:,} places"
        return f"is wrong in about {count / drawn:.0%} of its places ({count:,} of {drawn:,} drawn at random)"
    if values.claimed.any() and np.abs(values.slopes).max() <= VANISHED * np.abs(values.claimed).max():
        return "is not zero and should be"
    factor = factor_of(values.claimed, values.slopes, values.uncertain)
    if factor is None:
        return "is wrong" if size == 1 else "is wrong throughout"
    if factor == "0":
        return "is zero and should not be"
    return f"is wrong by a factor of {factor}".replace("-", "\N{MINUS SIGN}")
