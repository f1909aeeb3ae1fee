"""What the search of a block found, in words: its wrong rows, columns, slices and coordinates, and by which factor."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.parameters import Block, Vector
from fastcheck.patterns import (
    MOSTLY,
    Values,
    described,
    in_regions,
    kind_of,
    single_coordinates,
    what_is_wrong,
)
from fastcheck.report.result import Located
from fastcheck.sampling import prove
from fastcheck.searching import Traces

CONFIDENCE = 0.95
"""That of what a sample of the block proves."""


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    """A row or column of the block as it was searched, and which of the measured coordinates lie in it."""

    block: Block
    name: str
    kind: str
    inside: NDArray[np.bool_]
    size: int


class Picture:
    """What was measured in one block, and which of it is wrong: arrays (k,). ``rounding`` is that of claims."""

    def __init__(
        self, traces: Traces, claimed: Vector, slopes: Vector, wrong: NDArray[np.bool_], rounding: float
    ) -> None:
        self.traces, self.block, self.view = traces, traces.block, traces.view
        self.wrong = wrong
        order = traces.in_block_order()
        self.places = traces.places[order]
        uncertain = traces.bound[order] + rounding * np.abs(claimed)
        self.values = Values(claimed, slopes, uncertain, wrong)
        self.row, self.column = np.divmod(self.places, self.view.columns)
        self.drawn = np.isin(self.places, traces.drawn)
        self.rows, self.columns, self.dense = list(traces.rows), list(traces.columns), traces.dense
        self.slices: list[tuple[int, int]] = []
        if not (self.dense or traces.scattered):
            self._join_lines()

    def _find_slices(self, wrong: NDArray[np.bool_]) -> bool:
        """Find what these coordinates make up in an array of more axes than two: all of one index along some axis."""
        shape = self.block.shape
        if len(shape) > 2:
            for axis, numbers in enumerate(np.unravel_index(self.view.in_block(self.places[wrong]), shape)):
                self.slices += [(axis, i) for i in _full(numbers, self.block.size // shape[axis])]
        return bool(self.slices)

    def _join_lines(self) -> None:
        """Find the rows and columns that wrong coordinates, found one by one, make up: those that are short."""
        left = self.wrong & ~np.isin(self.row, self.rows) & ~np.isin(self.column, self.columns)
        if len(self.block.shape) > 2:
            if self._find_slices(self.wrong):
                known = np.any([region.inside for region in self._slice_regions()], axis=0)
                self.rows = [i for i in self.rows if not known[self.row == i].all()]
                self.columns = [i for i in self.columns if not known[self.column == i].all()]
            return
        rows = _full(self.row[left], self.view.columns)
        left &= ~np.isin(self.row, rows)
        self.rows += rows
        self.columns += _full(self.column[left], self.view.rows)

    def located(self) -> Located:
        """Return what is wrong, for the report."""
        if self.places.size == self.block.size:
            whole = described(self.block, self.values)
            sentence = "; ".join([whole.sentence, *self._beside()])
            return dataclasses.replace(whole, complete=self.traces.finished, sentence=sentence)
        regions = self._regions()
        single = self.wrong.copy()
        for region in regions:
            single &= ~region.inside
        share = float(self.wrong[self.drawn].mean())
        if not self.wrong.any():
            how, sentences = "nothing", [self._nothing()]
        elif self.dense:
            how, sentences = "dense", [self._dense()]
        elif self.traces.scattered:
            how = "scattered"
            singles = [f"of those measured, {sentence}" for sentence in self._singles(single)]
            sentences = [self._scattered(), *self._in_regions(regions), *singles]
        else:
            how = regions[0].kind if regions else "coordinates"
            sentences = [*self._in_regions(regions), *self._singles(single)]
            count = sum(region.size * float(self.wrong[region.inside].mean()) for region in regions)
            share = min(1.0, (count + float(single.sum())) / self.block.size)
        return Located(
            how=how,
            regions=tuple(region.name for region in regions),
            share=share,
            complete=self.traces.finished,
            sentence="; ".join([*sentences, *self._beside()]),
        )

    def _beside(self) -> Iterator[str]:
        """Yield what was not searched."""
        name = self.block.name
        if self.traces.skipped and not self.dense:
            yield f"{self.traces.skipped:,} coordinates of {name} that are zero, at kinks, were not searched"
        if self.traces.kinked and not self.dense:
            yield (
                f"directions in {name} meet kinks at θ, which may hide more: check(…, coordinates={{'{name}': 'all'}}) "
                "looks at each coordinate"
            )

    def _regions(self) -> list[_Region]:
        view, regions = self.view, []
        for row in self.rows:
            index = [":"] * (len(view.shape) - 1)
            index.insert(view.axis, str(row))
            regions.append(self._region(index, self.row == row, view.columns))
        for column in self.columns:
            index = [str(i) for i in np.unravel_index(column, view.others)]
            index.insert(view.axis, ":")
            regions.append(self._region(index, self.column == column, view.rows))
        regions += self._slice_regions()
        return [region for region in regions if not self._of_one(region)]

    def _slice_regions(self) -> list[_Region]:
        shape, found = self.block.shape, []
        for axis, number in self.slices:
            index = [":"] * len(shape)
            index[axis] = str(number)
            inside = np.unravel_index(self.view.in_block(self.places), shape)[axis] == number
            found.append(self._region(index, inside, self.block.size // shape[axis]))
        return found

    def _of_one(self, region: _Region) -> bool:
        """Whether a region is known to hold one wrong coordinate, which says more by itself."""
        return int(region.inside.sum()) == region.size and int(self.wrong[region.inside].sum()) == 1

    def _region(self, index: Sequence[str], inside: NDArray[np.bool_], size: int) -> _Region:
        name = f"{self.block.name}[{', '.join(index)}]"
        return _Region(self.block, name, kind_of(index), inside, size)

    def _in_regions(self, regions: Sequence[_Region]) -> list[str]:
        return in_regions(regions, lambda region: self._what(region.inside, region.size))

    def _singles(self, single: NDArray[np.bool_]) -> list[str]:
        """Return a sentence about single coordinates."""
        places = self.view.in_block(self.places[single])
        return single_coordinates(self.block, places, self.values.at(single))

    def _dense(self) -> str:
        name = f"{self.block.name} ({self.block.size:,} coordinates)"
        return f"{name} {self._what(self.drawn, self.block.size)}"

    def _scattered(self) -> str:
        traces, name = self.traces, self.block.name
        what, are = "rows" if self.view.axis == 0 else "columns", "hold wrong coordinates"
        if self.view.columns == 1:
            what, are = "coordinates", "are wrong"
        every = traces.scattered == self.view.rows
        count = "all" if every else f"at least {traces.scattered:,} of"
        wrong = int(self.wrong[self.drawn].sum())
        rest = prove(checked=int(self.drawn.sum()), size=self.block.size, wrong=wrong, confidence=CONFIDENCE)
        most = (rest.at_most + wrong) / self.block.size
        return (
            f"{count} {self.view.rows:,} {what} of {name} {are}, in all at most {most:.2g} of the block "
            f"({100 * rest.confidence:g} % confidence)"
        )

    def _nothing(self) -> str:
        largest = float(self.traces.bound.max())
        return (
            f"no coordinate of {self.block.name} was found that is wrong by itself; the {self.wrong.size:,} that were "
            f"measured are known to ± {largest:.1e}"
        )

    def _what(self, here: NDArray[np.bool_], size: int) -> str:
        """Return what is wrong with the coordinates from which these were drawn."""
        return what_is_wrong(self.values.at(here), size)


def _full(numbers: NDArray[np.intp], length: int) -> list[int]:
    """Return the lines of this length that come up often enough to be wrong in most places."""
    found, counts = np.unique(numbers, return_counts=True)
    return [] if length == 1 else found[counts >= MOSTLY * length].tolist()
