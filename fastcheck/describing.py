"""What the search of a block found, in words: its wrong rows, columns, slices and coordinates, and by which factor."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.parameters import Vector, coordinate_name
from fastcheck.report.result import Located
from fastcheck.sampling import prove
from fastcheck.searching import Traces

NAMED = 3
"""Coordinates, rows or columns that a sentence names."""

SAME_FACTOR, LITTLE = 1e-6, 0.01
"""Claims are one multiple of the slopes if none is further from that than this part of the largest, or than rounding
explains, if that is little beside what is wrong."""

VANISHED = 1e-9
"""Slopes below this share of the claims are zero, or what a finite step makes of zero: no factor is named."""

FEWEST_DIGITS = 3
"""Of a factor."""

CONFIDENCE = 0.95
"""That of what a sample of the block proves."""

MOSTLY = 0.9
"""Part of a sample that must be wrong for all to be called wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    """A row or column of the block as it was searched, and which of the measured coordinates lie in it."""

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
        self.claimed, self.slopes, self.wrong = claimed, slopes, wrong
        order = traces.in_block_order()
        self.places, self.uncertain = traces.places[order], traces.bound[order] + rounding * np.abs(claimed)
        self.row, self.column = np.divmod(self.places, self.view.columns)
        self.drawn = np.isin(self.places, traces.drawn)
        self.rows, self.columns, self.dense = list(traces.rows), list(traces.columns), traces.dense
        self.slices: list[tuple[int, int]] = []
        if self.places.size == self.block.size > 1:
            self._look_at_all()
        elif not (self.dense or traces.scattered):
            self._join_lines()

    def _look_at_all(self) -> None:
        """Find the rows and columns that are wrong in a small block, every coordinate of which was measured."""
        self.dense = float(self.wrong.mean()) >= MOSTLY
        if not self.dense and self._find_slices(self.wrong):
            return
        table = self.wrong.reshape(self.view.rows, self.view.columns)
        if self.view.columns > 1:
            self.rows = np.flatnonzero(table.mean(axis=1) >= MOSTLY).tolist()
        if self.view.rows > 1 and self.view.columns > 1:
            self.columns = np.flatnonzero(table.mean(axis=0) >= MOSTLY).tolist()
        if self.dense:
            self.rows, self.columns = [], []

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
        kinds = ("columns", "rows") if len(index) == 2 else ("slices", "slices")
        return _Region(f"{self.block.name}[{', '.join(index)}]", kinds[index[0] != ":"], inside, size)

    def _in_regions(self, regions: Sequence[_Region]) -> list[str]:
        """Return a sentence for each of the first regions."""
        sentences = [
            f"{self._called(region)} ({region.size:,} coordinates) {self._what(region.inside, region.size)}"
            for region in regions[:NAMED]
        ]
        if (more := len(regions) - NAMED) > 0:
            kind = regions[NAMED].kind
            lines = f"1 more {kind.removesuffix('s')}" if more == 1 else f"{more:,} more {kind}"
            sentences.append(f"{lines} of {self.block.name} {'is' if more == 1 else 'are'} wrong, too")
        return sentences

    def _called(self, region: _Region) -> str:
        if region.kind == "slices":
            return region.name
        number = re.sub(r"\D", "", region.name.removeprefix(self.block.name))
        return f"{region.kind.removesuffix('s')} {number} of {self.block.name}"

    def _singles(self, single: NDArray[np.bool_]) -> list[str]:
        error = np.abs(self.claimed - self.slopes)
        which = np.flatnonzero(single)
        if not which.size:
            return []
        worst = which[np.argsort(-error[which], kind="stable")]
        names = ", ".join(self._name(int(i)) for i in worst[:NAMED])
        if which.size == 1:
            return [f"{names} {self._what(single, 1)}"]
        more = "" if which.size <= NAMED else ", …"
        return [f"{which.size:,} coordinates of {self.block.name} are wrong: {names}{more}"]

    def _name(self, i: int) -> str:
        place = self.view.in_block(self.places[i : i + 1])[0]
        index = np.unravel_index(place, self.block.shape) if self.block.shape else ()
        return coordinate_name(self.block.name, tuple(int(n) for n in index))

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
        wrong = here & self.wrong
        count, drawn = int(wrong.sum()), int(here.sum())
        if count < MOSTLY * drawn:
            if count == 0:
                return f"is wrong in few places (none of {drawn:,} drawn at random)"
            if drawn == size:
                return f"is wrong in {count:,} places"
            return f"is wrong in about {count / drawn:.0%} of its places ({count:,} of {drawn:,} drawn at random)"
        slopes, claimed = np.abs(self.slopes[here]).max(), np.abs(self.claimed[here]).max()
        if 0 < slopes <= VANISHED * claimed:
            return "is not zero and should be"
        factor = _factor(self.claimed[here], self.slopes[here], self.uncertain[here])
        if factor is None:
            return "is wrong" if size == 1 else "is wrong throughout"
        if factor == "0":
            return "is zero and should not be"
        return f"is wrong by a factor of {factor}".replace("-", "\N{MINUS SIGN}")


def _full(numbers: NDArray[np.intp], length: int) -> list[int]:
    """Return the lines of this length that come up often enough to be wrong in most places."""
    found, counts = np.unique(numbers, return_counts=True)
    return [] if length == 1 else found[counts >= MOSTLY * length].tolist()


def _factor(claimed: Vector, slopes: Vector, uncertain: Vector) -> str | None:
    """Return the one number by which the claims differ from the slopes, with the digits that are known, or None.

    ``uncertain`` is what rounding may be of each.
    """
    square = float(slopes @ slopes)
    if not claimed.any():
        return "0"
    if square == 0:
        return None
    factor = float(claimed @ slopes) / square
    largest, apart = float(np.max(np.abs(claimed))), float(np.max(np.abs(claimed - slopes)))
    off = np.abs(claimed - factor * slopes)
    rounding = np.minimum(uncertain, LITTLE * apart)
    if (off > np.maximum(SAME_FACTOR * min(largest, apart), rounding)).any():
        return None
    known = max(float(off.max()), float(uncertain.max())) / largest
    digits = math.floor(-math.log10(max(known, 1e-10)))
    to_differ = 1 + math.ceil(-math.log10(min(1.0, apart / largest)))
    return f"{factor:.{max(digits, to_differ, FEWEST_DIGITS)}g}"
