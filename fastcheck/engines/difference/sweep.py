"""All coordinates of a block: how they are grouped into batches, and what the batches give together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.difference.creation import substituted
from fastcheck.engines.difference.state import BatchTooLargeError, Memory, TracingError
from fastcheck.engines.difference.trace import Build, Cost, Flags, Traced, Vector, trace

TARGET = 524_288
"""Elements of the largest array of differences in a batch: 4 MiB; smaller batches cost more starts of operations."""

PILOT = 4
"""Coordinates in the trial run of a grouping."""

SMALL = 16
"""Blocks up to this many coordinates are not worth a trial."""

MOST = 4096
"""Coordinates of a batch at most."""

COMPILE_FROM = 20_000_000
"""Work from which compiling the identities pays."""

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batches:
    """How n coordinates are cut: each batch holds positions from 0 to n - 1; together they hold each once."""

    batches: tuple[Indices, ...]
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


def sweep(
    cost: Cost,
    build: Build,
    leaves: Sequence[Vector],
    leaf: int,
    flat_indices: Indices,
    step: float,
    *,
    memory: Memory | None = None,
    mapped: Callable[[Callable[[Indices], Swept], Iterable[Indices]], Iterable[Swept]] = map,
) -> Swept:
    """Return the differences of these coordinates of one leaf, at ±step.

    The batches do not depend on ``mapped``, which may be the ``map`` of a pool of threads: neither do the results.
    """
    with substituted(cost):
        return swept(cost, build, leaves, leaf, np.asarray(flat_indices, dtype=np.intp), step, memory, mapped)


def swept(
    cost: Cost,
    build: Build,
    leaves: Sequence[Vector],
    leaf: int,
    flat_indices: Indices,
    step: float,
    memory: Memory | None,
    mapped: Any,
) -> Swept:
    """Run `sweep` with the stand-ins in place."""
    memory = Memory() if memory is None else memory
    plan = batches(cost, build, leaves, leaf, flat_indices, step, memory=memory)

    def evaluate(batch: Indices) -> Swept:
        return evaluated(cost, build, leaves, leaf, flat_indices[batch], step, memory, plan.compiled)

    n = len(flat_indices)
    plus, minus = np.zeros(n), np.zeros(n)
    kinked, unsupported = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    values, work = [], 0
    for batch, part in zip(plan.batches, mapped(evaluate, plan.batches), strict=True):
        plus[batch], minus[batch] = part.plus, part.minus
        kinked[batch], unsupported[batch] = part.kinked, part.unsupported
        values.append(part.values)
        work += part.work
    return Swept(
        plus=plus,
        minus=minus,
        kinked=kinked,
        unsupported=unsupported,
        values=np.concatenate(values),
        work=work,
    )


def batches(
    cost: Cost,
    build: Build,
    leaves: Sequence[Vector],
    leaf: int,
    flat_indices: Indices,
    step: float,
    *,
    memory: Memory | None = None,
) -> Batches:
    """Group coordinates so that the fewest elements are processed: by equal first index, last index, or not at all.

    Members that change the same row (or column) of a matrix share everything but a factor in all later layers. Which
    of the two it is depends on how the cost is written, so a few coordinates of each grouping are tried.
    """
    n = len(flat_indices)
    if n <= SMALL:
        return Batches(batches=(np.arange(n),), work=0.0, compiled=False)
    memory = Memory() if memory is None else memory
    best: tuple[float, list[Indices], int] | None = None
    for groups in groupings(leaves[leaf].shape, flat_indices):
        pilot = spread_out(max(groups, key=len))
        tried = attempt(cost, build, leaves, leaf, flat_indices[pilot], step, memory)
        if tried is None:
            continue
        members = 2 * len(pilot)
        size = int(min(MOST, max(1, TARGET * members // max(1, 2 * tried.largest))))
        count = sum(-(-len(group) // size) for group in groups)
        work = count * (tried.work - tried.member_work) + n * tried.member_work * 2 / members
        if best is None or work < best[0]:
            best = work, groups, size
    if best is None:
        return Batches(batches=tuple(np.arange(n).reshape(-1, 1)), work=0.0, compiled=False)
    work, groups, size = best
    parts = tuple(part for group in groups for part in cut(group, size))
    return Batches(batches=parts, work=work, compiled=work >= COMPILE_FROM)


def groupings(shape: tuple[int, ...], flat_indices: Indices) -> list[list[Indices]]:
    """Return the candidates: lists of groups of positions in ``flat_indices``."""
    everything = np.arange(len(flat_indices))
    wide = [axis for axis, length in enumerate(shape) if length > 1]
    candidates = [[everything]]
    if len(wide) > 1:
        index = np.unravel_index(flat_indices, shape)
        for axis in (wide[0], wide[-1]):
            order = np.argsort(index[axis], kind="stable")
            ends = np.flatnonzero(np.diff(index[axis][order])) + 1
            candidates.append(np.split(order, ends))
    return candidates


def spread_out(group: Indices) -> Indices:
    """Return a few positions of a group that differ in every index."""
    count = min(PILOT, len(group))
    return group[np.linspace(0, len(group) - 1, count).astype(np.intp)]


def cut(group: Indices, size: int) -> list[Indices]:
    """Return the group in equal parts of at most ``size``."""
    count = -(-len(group) // size)
    return [group] if count == 1 else np.array_split(group, count)


def attempt(
    cost: Cost,
    build: Build,
    leaves: Sequence[Vector],
    leaf: int,
    flat: Indices,
    step: float,
    memory: Memory,
) -> Traced | None:
    """Trace a few coordinates; None if even they need too much memory."""
    try:
        return both_signs(cost, build, leaves, leaf, flat, step, memory, compiled=False)
    except BatchTooLargeError:
        return None


def both_signs(
    cost: Cost,
    build: Build,
    leaves: Sequence[Vector],
    leaf: int,
    flat: Indices,
    step: float,
    memory: Memory,
    *,
    compiled: bool,
) -> Traced:
    """Trace a batch: members are all coordinates at +step, then all at -step."""
    steps = np.repeat([step, -step], len(flat))
    return trace(cost, build, leaves, leaf, np.tile(flat, 2), steps, memory=memory, compiled=compiled)


def evaluated(
    cost: Cost,
    build: Build,
    leaves: Sequence[Vector],
    leaf: int,
    flat: Indices,
    step: float,
    memory: Memory,
    compiled: bool,
) -> Swept:
    """Trace a batch, in halves if it needs too much memory."""
    n = len(flat)
    try:
        t = both_signs(cost, build, leaves, leaf, flat, step, memory, compiled=compiled)
    except BatchTooLargeError:
        if n == 1:
            raise TracingError("the cost", "one coordinate alone needs more memory than allowed.") from None
        halves = [
            evaluated(cost, build, leaves, leaf, half, step, memory, compiled)
            for half in np.array_split(flat, 2)
        ]
        joined = {
            name: np.concatenate([getattr(half, name) for half in halves])
            for name in ("plus", "minus", "kinked", "unsupported")
        }
        return Swept(
            **joined,
            values=np.concatenate([half.values for half in halves]),
            work=sum(half.work for half in halves),
        )
    return Swept(
        plus=t.difference[:n],
        minus=t.difference[n:],
        kinked=t.kinked[:n] | t.kinked[n:],
        unsupported=t.unsupported[:n] | t.unsupported[n:],
        values=np.array([t.value]),
        work=t.work,
    )
