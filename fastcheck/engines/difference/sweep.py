"""All coordinates of a block: how they are grouped into batches, and what the batches give together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.difference.session import session_of
from fastcheck.engines.difference.state import LARGEST, BatchTooLargeError, Memory, TracingError
from fastcheck.engines.difference.trace import Build, Cost, Flags, Traced, Vector, trace, trace_mixed

TARGET = 262_144
"""Elements of the largest array of differences in a batch: 2 MiB; smaller batches cost more starts of operations."""

PILOT = 4
"""Coordinates in the trial run of a grouping."""

SMALL = 16
"""Blocks up to this many coordinates are not worth a trial."""

ALONE = 128
"""Nor are those of one axis, which have one grouping only, up to this many."""

MOST = 4096
"""Coordinates of a batch at most."""

MIXED = 1024
"""Coordinates of a batch at most that are in many blocks: each block holds the differences of all of them."""

COMPILE_FROM = 20_000_000
"""Work from which compiling the identities pays."""

Indices = NDArray[np.intp]


class Perturbed(Protocol):
    """What `batches` groups: n entries, the ``flat_indices`` of the leaves number ``which``; both (n,)."""

    @property
    def leaves(self) -> Sequence[Vector]:
        """Arrays whose entries are perturbed."""

    @property
    def which(self) -> Indices:
        """Numbers of the leaves."""

    @property
    def flat_indices(self) -> Indices:
        """Entries of these leaves."""

    def trace(self, batch: Indices, signs: tuple[int, ...]) -> Traced:
        """Trace some of them: all with the first sign, then all with the next."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coordinates:
    """What is perturbed, by ±``step``: n entries, the ``flat_indices`` of the leaves number ``which``; both (n,).

    ``memory`` holds products kept from one batch to the next, ``limit`` is how many elements the largest array of
    differences may have; ``begin`` is called before each run of the cost.
    """

    cost: Cost
    build: Build
    leaves: Sequence[Vector]
    which: Indices
    flat_indices: Indices
    step: float
    memory: Memory
    limit: int = LARGEST
    begin: Callable[[], None] | None = None

    def trace(self, batch: Indices, signs: tuple[int, ...], *, compiled: bool = False) -> Traced:
        """Trace some of them: all with the first sign, then all with the next."""
        if self.begin is not None:
            self.begin()
        steps = np.repeat([self.step * sign for sign in signs], len(batch))
        which, flat = np.tile(self.which[batch], len(signs)), np.tile(self.flat_indices[batch], len(signs))
        common = (self.cost, self.build, self.leaves)
        if (which == which[0]).all():
            leaf = int(which[0])
            return trace(*common, leaf, flat, steps, memory=self.memory, compiled=compiled, limit=self.limit)
        return trace_mixed(*common, which, flat, steps, memory=self.memory, limit=self.limit)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Experience:
    """What an earlier run of the cost took: starting its operations, and per member if members share nothing."""

    starts: float
    member_work: float
    largest: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batches:
    """How n coordinates are cut: each batch holds positions from 0 to n - 1; together they hold each once.

    ``signs`` are those that a batch starts with: only +1 where the trial found opposite differences to be opposite.
    """

    batches: tuple[Indices, ...]
    signs: tuple[int, ...]
    work: float
    compiled: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Swept:
    """Differences of n coordinates, all arrays of shape (n,): J(θ + ε·e) - J(θ), J(θ - ε·e) - J(θ), and flags.

    ``values`` holds what each batch took for J(θ); they must all be J(θ).
    """

    plus: Vector
    minus: Vector
    kinked: Flags
    unsupported: Flags
    values: Vector
    work: int
    member_work: int
    largest: int


def sweep(
    cost: Cost,
    build: Build,
    leaves: Sequence[Vector],
    leaf: int | Indices,
    flat_indices: Indices,
    step: float,
    *,
    memory: Memory | None = None,
    experience: Experience | None = None,
    limit: int = LARGEST,
    begin: Callable[[], None] | None = None,
    mapped: Callable[[Callable[[Indices], Swept], Iterable[Indices]], Iterable[Swept]] = map,
) -> Swept:
    """Return the differences of these coordinates, at ±step.

    They are of one leaf, or few: with one leaf for each, they share little, and are run in large batches. These do not
    depend on ``mapped``, which may be the ``map`` of a pool of threads: neither do the results. ``begin`` is called
    before each run of the cost: those of batches, those that tell how to cut them, and those made again with both signs
    or in halves.
    """
    flat = np.asarray(flat_indices, dtype=np.intp)
    coordinates = Coordinates(
        cost=cost,
        build=build,
        leaves=leaves,
        which=np.broadcast_to(np.asarray(leaf, dtype=np.intp), flat.shape),
        flat_indices=flat,
        step=step,
        memory=Memory() if memory is None else memory,
        limit=limit,
        begin=begin,
    )
    with session_of(cost, restoring=False):
        plan = batches(coordinates, experience)
        parts = mapped(lambda batch: both_ends(coordinates, batch, plan), plan.batches)
        return joined(parts, np.concatenate(plan.batches))


def joined(parts: Iterable[Swept], order: Indices) -> Swept:
    """Return what the parts hold together; ``order`` holds the place of each of their coordinates."""
    parts = list(parts)

    def column(name: str) -> Any:
        values = np.concatenate([getattr(part, name) for part in parts])
        result = np.empty_like(values)
        result[order] = values
        return result

    return Swept(
        plus=column("plus"),
        minus=column("minus"),
        kinked=column("kinked"),
        unsupported=column("unsupported"),
        values=np.concatenate([part.values for part in parts]),
        work=sum(part.work for part in parts),
        member_work=sum(part.member_work for part in parts),
        largest=max(part.largest for part in parts),
    )


def batches(coordinates: Perturbed, experience: Experience | None) -> Batches:
    """Group coordinates so that the fewest elements are processed: by equal first index, last index, or not at all.

    Members that change the same row (or column) of a matrix share everything but a factor in all later layers. Which
    of the two it is depends on how the cost is written, so a few coordinates of each grouping are tried, as long as
    starting its batches alone costs less than the best so far. Where ``experience`` tells the answer, none is.
    """
    n = len(coordinates.which)
    shape = coordinates.leaves[coordinates.which[0]].shape
    alone = n <= ALONE and sum(length > 1 for length in shape) < 2
    if (coordinates.which != coordinates.which[0]).any():
        return Batches(batches=tuple(cut(np.arange(n), MIXED)), signs=(1,), work=0.0, compiled=False)
    if n <= SMALL or alone:
        return Batches(batches=(np.arange(n),), signs=(1,), work=0.0, compiled=False)
    candidates = groupings(shape, coordinates.flat_indices)
    if experience is not None and all(
        len(groups) * experience.starts >= n * experience.member_work for groups in candidates[1:]
    ):
        parts = tuple(cut(candidates[0][0], int(min(MOST, max(1, TARGET // max(1, experience.largest))))))
        work = len(parts) * experience.starts + n * experience.member_work
        return Batches(batches=parts, signs=(1,), work=work, compiled=work >= COMPILE_FROM)
    best: tuple[float, list[Indices], int, tuple[int, ...]] | None = None
    starts = 0
    for groups in candidates:
        if best is not None and len(groups) * starts >= best[0]:
            continue
        pilot = spread_out(max(groups, key=len))
        try:
            tried = coordinates.trace(pilot, (1,))
        except BatchTooLargeError:
            continue
        signs: tuple[int, ...] = (1,) if tried.odd else (1, -1)
        size = int(min(MOST, max(1, TARGET * len(pilot) // max(1, tried.largest * len(signs)))))
        count = sum(-(-len(group) // size) for group in groups)
        starts = tried.work - tried.member_work
        work = count * starts + n * tried.member_work * len(signs) / len(pilot)
        if best is None or work < best[0]:
            best = work, groups, size, signs
    if best is None:
        alone = tuple(np.arange(n).reshape(-1, 1))
        return Batches(batches=alone, signs=(1, -1), work=0.0, compiled=False)
    work, groups, size, signs = best
    parts = tuple(part for group in groups for part in cut(group, size))
    return Batches(batches=parts, signs=signs, work=work, compiled=work >= COMPILE_FROM)


def groupings(shape: tuple[int, ...], flat_indices: Indices) -> list[list[Indices]]:
    """Return the candidates, fewest groups first: lists of groups of positions in ``flat_indices``."""
    everything = np.arange(len(flat_indices))
    wide = [axis for axis, length in enumerate(shape) if length > 1]
    candidates = [[everything]]
    if len(wide) > 1:
        index = np.unravel_index(flat_indices, shape)
        for axis in (wide[0], wide[-1]):
            order = np.argsort(index[axis], kind="stable")
            ends = np.flatnonzero(np.diff(index[axis][order])) + 1
            candidates.append(np.split(order, ends))
    return sorted(candidates, key=len)


def spread_out(group: Indices) -> Indices:
    """Return a few positions of a group that differ in every index."""
    count = min(PILOT, len(group))
    return group[np.linspace(0, len(group) - 1, count).astype(np.intp)]


def cut(group: Indices, size: int) -> list[Indices]:
    """Return the group in equal parts of at most ``size``."""
    count = -(-len(group) // size)
    return [group] if count == 1 else np.array_split(group, count)


def both_ends(coordinates: Coordinates, batch: Indices, plan: Batches) -> Swept:
    """Trace a batch at +step, and at -step unless that is known to be the opposite; in halves if memory demands it."""
    n = len(batch)
    try:
        t = coordinates.trace(batch, plan.signs, compiled=plan.compiled)
        if plan.signs == (1,) and not t.odd:
            t = coordinates.trace(batch, (1, -1), compiled=plan.compiled)
    except BatchTooLargeError:
        if n == 1:
            raise TracingError(
                "memory", "one coordinate alone needs more memory than allowed: raise max_memory."
            ) from None
        return joined((both_ends(coordinates, half, plan) for half in np.array_split(batch, 2)), np.arange(n))
    two = len(t.difference) == 2 * n
    return Swept(
        plus=t.difference[:n],
        minus=t.difference[n:] if two else -t.difference,
        kinked=t.kinked[:n] | t.kinked[n:] if two else t.kinked,
        unsupported=t.unsupported[:n] | t.unsupported[n:] if two else t.unsupported,
        values=np.array([t.value]),
        work=t.work,
        member_work=t.member_work,
        largest=t.largest,
    )
