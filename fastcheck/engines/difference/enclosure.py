"""All slopes that a backward pass may find for coordinates that meet kinks.

A backward pass takes at each kink any value between its two slopes, whatever it takes at the others. So the interval
is that of the central difference with all kinks settled halfway, ± the share of each: half the distance of the two
differences that it may pass on, times the most that the cost makes of a change there. That is the central difference
of the cost for an impulse there, and the shares of the kinks which that meets further on.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.difference.forms import Form
from fastcheck.engines.difference.kinks import LARGE, STEP, Impulse, Met, Operation, Settling
from fastcheck.engines.difference.state import BatchTooLargeError, Memory
from fastcheck.engines.difference.sweep import batches
from fastcheck.engines.difference.trace import Cost, Traced, Vector, one_hot, run
from fastcheck.engines.kinks import Convention, KinkPlace, Line, in_the_middle

MOST_WORK = 2_000_000_000
"""Elements processed for the impulses of a check: a few seconds."""

AT_ONCE = 2_000_000
"""Kinks noted before their shares are added up: 50 MB."""

CONVENTIONS = 6
"""Conventions tried for coordinates that meet too many kinks, or such as no interval is known for."""

FEW = 5
"""Entries of an operation at kinks that are named."""

Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Enclosed:
    """What claims n coordinates may have, arrays (n,): ``lower`` to ``upper``; the others are those of `Kinks`."""

    lower: Vector
    upper: Vector
    counts: Indices
    complete: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Along:
    """Slopes (k,) along directions with settled kinks, the kinks met and their lines, the work that grows with k."""

    slopes: Vector
    met: Sequence[Met]
    lines: tuple[Line, ...]
    work: int

    @classmethod
    def joined(cls, first: Along, second: Along) -> Along:
        """Return what two lots of directions do."""
        start = first.slopes.size
        met = [Met(part.operation, part.members + start, part.entries, part.halves) for part in second.met]
        return cls(
            np.concatenate([first.slopes, second.slopes]),
            [*first.met, *met],
            tuple(dict.fromkeys(first.lines + second.lines)),
            first.work + second.work,
        )

    @property
    def kinks(self) -> int:
        """The number of kinks that some direction meets."""
        unclear = np.zeros(self.slopes.size, dtype=bool)
        found = by_operation([_Found(np.arange(self.slopes.size), self.slopes, self.met, unclear, self.work)])
        return sum(entries.size for entries in found.values())


@dataclass(slots=True, kw_only=True, eq=False)
class Enclosure:
    """Runs of a cost with settled kinks: called with ``build(arrays)``, arrays standing for the ``leaves``.

    ``weights`` holds for each operation that met kinks the most that the cost makes of a change of its entries, per
    unit: -1 where it met none, NaN where that is not known. ``runs`` counts those of the cost, ``work`` the elements
    processed for impulses.
    """

    cost: Cost
    build: Callable[[list[Any]], Any]
    leaves: Sequence[Vector]
    memory: Memory
    weights: dict[Operation, Vector] = field(default_factory=dict)
    runs: int = 0
    work: float = 0.0

    def of(self, leaf: int, flat_indices: Indices) -> Enclosed:
        """Enclose the slopes of these entries of a leaf."""
        n = len(flat_indices)
        central, wide, counts = np.empty(n), np.empty(n), np.zeros(n, dtype=np.intp)
        coordinates = _Coordinates(self, leaf, flat_indices)
        for group in grouped(self._settled(coordinates)):
            for found, width in zip(group, self._widths(group), strict=True):
                central[found.rows], wide[found.rows] = found.slopes, width
                for met in found.met:
                    counts[found.rows] += np.bincount(met.members, minlength=found.rows.size)
        complete = np.isfinite(wide)
        lower, upper = central - np.where(complete, wide, 0.0), central + np.where(complete, wide, 0.0)
        rest = np.flatnonzero(~complete)
        for number in range(CONVENTIONS) if rest.size else ():
            convention = functools.partial(one_side, number)
            for found in self._settled(_Coordinates(self, leaf, flat_indices[rest], convention)):
                here = rest[found.rows]
                lower[here], upper[here] = (
                    np.fmin(lower[here], found.slopes),
                    np.fmax(upper[here], found.slopes),
                )
        return Enclosed(lower=lower, upper=upper, counts=np.maximum(counts, 1), complete=complete)

    def along(
        self, leaf: int, directions: Vector, limit: int, convention: Convention = in_the_middle
    ) -> Along | None:
        """Return what directions (k, *shape) in a leaf do with settled kinks; None where that is not linear.

        Differences larger than ``limit`` raise `BatchTooLargeError`. Only runs halfway tell whether the shares of kinks
        are all that mixtures may add.
        """
        settling = Settling(len(directions), convention)
        forms: list[Form | None] = [None] * len(self.leaves)
        forms[leaf] = Form(directions * STEP, directions.shape[1:])
        traced = self.run(forms, len(directions), settling, limit=limit)
        unclear = traced.kinked | traced.unsupported | ~(np.abs(traced.difference) < LARGE)
        if convention is in_the_middle:
            unclear |= settling.loose
        if unclear.any() or not settling.signed:
            return None
        return Along(traced.difference / STEP, settling.met, tuple(settling.lines), traced.member_work)

    def most(self, met: Sequence[Met], members: int) -> dict[Operation, Vector]:
        """Return the weights of the operations in which these kinks were met."""
        clear = np.zeros(members, dtype=bool)
        self._widths([_Found(np.arange(members), np.zeros(members), met, clear, 0)])
        return {part.operation: self.weights[part.operation] for part in met}

    def places(self) -> tuple[KinkPlace, ...]:
        """Return where kinks were met, but for those of which J makes nothing."""
        places = (place(operation, weights) for operation, weights in self.weights.items())
        return tuple(one for one in places if one.count)

    def run(self, forms: Sequence[Form | None], members: int, settling: Settling, **options: Any) -> Traced:
        """Run the cost once."""
        self.runs += 1
        return run(
            self.cost,
            self.build,
            self.leaves,
            forms,
            members,
            memory=self.memory,
            compiled=False,
            settling=settling,
            **options,
        )

    def _settled(self, perturbed: _Coordinates | _Entries) -> Iterator[_Found]:
        """Yield what runs of all entries give, a batch at a time."""
        waiting = list(batches(perturbed, None).batches)[::-1]
        while waiting:
            rows = waiting.pop()
            try:
                settling, traced = perturbed.settled(rows)
            except BatchTooLargeError:
                if rows.size == 1:
                    yield _Found(rows, np.full(1, np.nan), (), np.ones(1, dtype=bool), 0)
                else:
                    waiting += np.array_split(rows, 2)[::-1]
                continue
            unclear = settling.loose | traced.unsupported | ~(np.abs(traced.difference) < LARGE)
            unclear |= not settling.delivered
            yield _Found(rows, traced.difference / STEP, settling.met, unclear, traced.work)

    def _widths(self, group: Sequence[_Found]) -> list[Vector]:
        """Return the sum of the shares of the kinks that each member met, NaN where they are not all known."""
        met_in = by_operation(group)
        for operation in met_in:
            self.weights.setdefault(operation, np.full(math.prod(operation.shape), -1.0))
        for operation, entries in reversed(met_in.items()):  # earlier ones need the weights of later ones
            self._weigh(operation, entries)
        widths = []
        for found in group:
            wide = np.where(found.unclear, np.nan, 0.0)
            for met in found.met:
                shares = np.abs(met.halves) / STEP * self.weights[met.operation][met.entries]
                wide += np.bincount(met.members, shares, minlength=wide.size)
            widths.append(wide)
        return widths

    def _weigh(self, operation: Operation, entries: Indices) -> None:
        """Find what the cost makes of changes of these entries of an operation, by an impulse in each."""
        weights = self.weights[operation]
        entries = entries[weights[entries] == -1.0]
        weights[entries] = np.nan
        impulses = _Entries(self, operation, entries)
        for group in grouped(self._settled(impulses)) if self._affordable(impulses) else ():
            self.work += sum(found.work for found in group)
            for found, width in zip(group, self._widths(group), strict=True):
                weights[entries[found.rows]] = np.abs(found.slopes) + width

    def _affordable(self, impulses: _Entries) -> bool:
        return bool(impulses.flat_indices.size) and self.work + batches(impulses, None).work <= MOST_WORK


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What a run gave for its members, the ``rows``: slopes, kinks met, and where these do not tell everything."""

    rows: Indices
    slopes: Vector
    met: Sequence[Met]
    unclear: Flags
    work: int


@dataclass(frozen=True, slots=True, eq=False)
class _Coordinates:
    """Entries of a leaf that are perturbed."""

    enclosure: Enclosure
    leaf: int
    flat_indices: Indices
    convention: Convention = in_the_middle

    @property
    def leaves(self) -> Sequence[Vector]:
        return self.enclosure.leaves

    @property
    def which(self) -> Indices:
        return np.broadcast_to(np.intp(self.leaf), self.flat_indices.shape)

    def settled(self, batch: Indices) -> tuple[Settling, Traced]:
        """Run a batch of them."""
        settling = Settling(batch.size, self.convention)
        forms: list[Form | None] = [None] * len(self.leaves)
        steps = np.full(batch.size, STEP)
        forms[self.leaf] = one_hot(self.leaves[self.leaf].shape, self.flat_indices[batch], steps)
        return settling, self.enclosure.run(forms, batch.size, settling)

    def trace(self, batch: Indices, signs: tuple[int, ...]) -> Traced:
        """Run a batch of them, for `batches`."""
        return self.settled(batch)[1]


@dataclass(frozen=True, slots=True, eq=False)
class _Entries:
    """Entries of an operation's result that are perturbed."""

    enclosure: Enclosure
    operation: Operation
    flat_indices: Indices

    @property
    def leaves(self) -> Sequence[Vector]:
        return [np.broadcast_to(0.0, self.operation.shape)]

    @property
    def which(self) -> Indices:
        return np.zeros(self.flat_indices.size, dtype=np.intp)

    def settled(self, batch: Indices) -> tuple[Settling, Traced]:
        """Run a batch of them."""
        form = one_hot(self.operation.shape, self.flat_indices[batch], np.full(batch.size, STEP))
        settling = Settling(batch.size, impulse=Impulse(self.operation, form))
        return settling, self.enclosure.run([None] * len(self.enclosure.leaves), batch.size, settling)

    def trace(self, batch: Indices, signs: tuple[int, ...]) -> Traced:
        """Run a batch of them, for `batches`."""
        return self.settled(batch)[1]


def one_side(number: int, line: Line) -> float:
    """Return what convention ``number`` takes: the lower end (0), the upper end (1), or one of them for each line."""
    if number < 2:
        return float(number)
    _, filename, lineno = line
    return float(random.Random(f"{number} {filename}:{lineno}").getrandbits(1))


def grouped(found: Iterable[_Found]) -> Iterator[list[_Found]]:
    """Yield results in groups that met so many kinks that more should not wait."""
    group: list[_Found] = []
    kinks = 0
    for part in found:
        group.append(part)
        kinks += sum(met.members.size for met in part.met)
        if kinks > AT_ONCE:
            yield group
            group, kinks = [], 0
    if group:
        yield group


def by_operation(group: Sequence[_Found]) -> dict[Operation, Indices]:
    """Return the entries at kinks of each operation, in the order in which they were met."""
    met: dict[Operation, Flags] = {}
    for found in group:
        for part in found.met:
            flags = met.setdefault(part.operation, np.zeros(math.prod(part.operation.shape), dtype=bool))
            flags[part.entries] = True
    return {operation: np.flatnonzero(flags) for operation, flags in met.items()}


def place(operation: Operation, weights: Vector) -> KinkPlace:
    """Return where the kinks of an operation are."""
    flat = np.flatnonzero((weights != -1.0) & (weights != 0.0))
    index = (
        np.stack(np.unravel_index(flat[:FEW], operation.shape), axis=-1).tolist() if operation.shape else [()]
    )
    return KinkPlace(
        function=operation.rule,
        filename=operation.filename,
        lineno=operation.lineno,
        source=operation.source,
        shape=operation.shape,
        count=flat.size,
        indices=tuple(map(tuple, index)),
    )
