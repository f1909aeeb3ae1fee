"""The result of a search in words: wrong rows, columns, slices and coordinates, and by which factor."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.patterns import (
    MOSTLY,
    Region,
    Values,
    described,
    in_regions,
    none_wrong,
    single_coordinates,
    what_is_wrong,
)
from fastcheck.diagnosis.searching import SearchResult
from fastcheck.legible import number_of
from fastcheck.plan.sampling import prove
from fastcheck.report.result import Located

CONFIDENCE = 0.95
"""That of what a sample of the block proves."""


class Picture:
    """What a search measured in one block, and which of it is wrong: arrays (k,).

    The smallest example that needs more than a list of coordinates is a matrix of 200 × 300 of which row 17 is wrong:
    rows and columns that hold as many wrong coordinates as they can are named instead of these.
    """

    def __init__(self, result: SearchResult, values: Values) -> None:
        self.result, self.block, self.places = result, result.block, result.places
        self.values, self.wrong = values, values.wrong
        self.row, self.column = np.divmod(self.places, result.width)
        self.drawn = np.isin(self.places, result.drawn)
        self.rows, self.columns, self.dense = list(result.rows), list(result.columns), result.dense
        self.slices: list[tuple[int, int]] = []
        followed_to_the_end = not (self.dense or result.scattered)
        if followed_to_the_end and len(self.block.shape) > 2:
            self._join_slices()
        elif followed_to_the_end:
            self._join_lines()

    def _join_slices(self) -> None:
        """Find what wrong coordinates make up in an array of more axes than two: all of one index along an axis."""
        shape = self.block.shape
        for axis, numbers in enumerate(np.unravel_index(self.places[self.wrong], shape)):
            self.slices += [(axis, i) for i in _full(numbers, self.block.size // shape[axis])]
        if self.slices:
            known = np.any([region.holds(self.places) for region in self._slices()], axis=0)
            self.rows = [i for i in self.rows if not known[self.row == i].all()]
            self.columns = [i for i in self.columns if not known[self.column == i].all()]

    def _join_lines(self) -> None:
        """Find the rows and columns that single wrong coordinates make up: those that are short."""
        left = self.wrong & ~np.isin(self.row, self.rows) & ~np.isin(self.column, self.columns)
        rows = _full(self.row[left], self.result.width)
        left &= ~np.isin(self.row, rows)
        self.rows += rows
        self.columns += _full(self.column[left], self.result.height)

    def located(self) -> Located:
        """Return what is wrong, for the report."""
        if self.places.size == self.block.size:
            whole = described(self.block, self.values)
            sentence = "; ".join([whole.sentence, *self._not_searched()])
            return dataclasses.replace(whole, complete=self.result.finished, sentence=sentence)
        regions = self._regions()
        single = self.wrong.copy()
        for region in regions:
            single &= ~region.holds(self.places)
        share = float(self.wrong[self.drawn].mean())
        if not self.wrong.any():
            how, sentences = "nothing", [none_wrong(self.block, self.result.slopes.bound)]
        elif self.dense:
            how, sentences = "dense", [self._dense()]
        elif self.result.scattered:
            how = "scattered"
            singles = [f"of those measured, {sentence}" for sentence in self._singles(single)]
            sentences = [self._scattered(), *self._in_regions(regions), *singles]
        else:
            how = regions[0].kind if regions else "coordinates"
            sentences = [*self._in_regions(regions), *self._singles(single)]
            count = sum(
                region.size * float(self.wrong[region.holds(self.places)].mean()) for region in regions
            )
            share = min(1.0, (count + float(single.sum())) / self.block.size)
        return Located(
            how=how,
            regions=tuple(region.name for region in regions),
            share=share,
            complete=self.result.finished,
            sentence="; ".join([*sentences, *self._not_searched()]),
        )

    def _not_searched(self) -> Iterator[str]:
        """Yield what was not searched."""
        name = self.block.name
        if self.result.skipped and not self.dense:
            skipped = self.result.skipped
            are, were = ("is", "was") if skipped == 1 else ("are", "were")
            zeros = f"{number_of(skipped, 'coordinate')} of {name} that {are} zero"
            yield f"{zeros}, at kinks, {were} not searched"
        if self.result.kinked and not self.dense:
            yield (
                f"directions in {name} meet kinks at θ, which may hide more: check(…, coordinates={{'{name}': 'all'}}) "
                "looks at each coordinate"
            )

    def _regions(self) -> list[Region]:
        """Return the rows, columns and slices that are wrong, but for those known to hold one wrong coordinate."""
        block, shape = self.block, self.block.shape
        regions = [Region(block, (row, *(None for _ in shape[1:]))) for row in self.rows]
        for column in self.columns:
            numbers = (int(i) for i in np.unravel_index(column, shape[1:]))
            regions.append(Region(block, (None, *numbers)))
        regions += self._slices()
        return [region for region in regions if not self._holds_one(region)]

    def _slices(self) -> list[Region]:
        axes = range(len(self.block.shape))
        return [
            Region(self.block, tuple(number if axis == along else None for axis in axes))
            for along, number in self.slices
        ]

    def _holds_one(self, region: Region) -> bool:
        """Whether a region is known to hold one wrong coordinate, which says more by itself."""
        inside = region.holds(self.places)
        all_measured = int(inside.sum()) == region.size
        return all_measured and int(self.wrong[inside].sum()) == 1

    def _in_regions(self, regions: Sequence[Region]) -> list[str]:
        return in_regions(regions, lambda region: self._what(region.holds(self.places), region.size))

    def _singles(self, single: NDArray[np.bool_]) -> list[str]:
        """Return a sentence about single coordinates."""
        return single_coordinates(self.block, self.places[single], self.values.at(single))

    def _dense(self) -> str:
        name = f"{self.block.name} ({number_of(self.block.size, 'coordinate')})"
        return f"{name} {self._what(self.drawn, self.block.size)}"

    def _scattered(self) -> str:
        result, name = self.result, self.block.name
        what, are = "rows", "hold wrong coordinates"
        if result.width == 1:
            what, are = "coordinates", "are wrong"
        count = "all" if result.scattered == result.height else f"at least {result.scattered:,} of"
        wrong = int(self.wrong[self.drawn].sum())
        rest = prove(checked=int(self.drawn.sum()), size=self.block.size, wrong=wrong, confidence=CONFIDENCE)
        most = (rest.at_most + wrong) / self.block.size
        return (
            f"{count} {result.height:,} {what} of {name} {are}, in all at most {most:.2g} of the block "
            f"({100 * rest.confidence:g} % confidence)"
        )

    def _what(self, here: NDArray[np.bool_], size: int) -> str:
        """Return what is wrong with the coordinates from which these were drawn."""
        return what_is_wrong(self.values.at(here), size)


def _full(numbers: NDArray[np.intp], length: int) -> list[int]:
    """Return the lines of this length that come up often enough to be wrong in most places."""
    lines, counts = np.unique(numbers, return_counts=True)
    return [] if length == 1 else lines[counts >= MOSTLY * length].tolist()
