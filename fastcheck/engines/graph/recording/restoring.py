"""The cost may store what it computes: running means, caches, histories. After the recordings they are as before.

A recorded array that was stored would be used by the next evaluation, and seen by the user. The smallest case that
breaks without it: a cost that ends with ``history.append(J)``.
"""

from __future__ import annotations

import collections
import contextlib
import operator
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.recording.reaching import (
    Reached,
    cached_results,
    is_empty,
    slot_values,
    slots_of,
    things_in,
)
from fastcheck.engines.graph.rules.complexes import RecordedComplex
from fastcheck.engines.graph.tracing.recorded import Recorded

MISSING = object()
"""Stands for what was not there."""

MOST_BYTES = 2**26
"""Bytes of arrays whose entries are put back: of more, only those of the first are."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What everything that the cost can reach held when this was made, and may be made to hold again."""

    arrays: list[NDArray[Any]]
    entries: list[tuple[NDArray[Any], NDArray[Any]]]
    contents: list[tuple[Any, Any]]
    slots: list[tuple[Any, dict[str, Any]]]
    classes: list[tuple[type, dict[str, Any]]]
    cells: list[tuple[types.CellType, Any]]
    names: list[tuple[dict[str, Any], str, Any]]
    caches: list[Any]

    @classmethod
    def of(cls, reached: Reached) -> Snapshot:
        """Take note of everything that was found."""
        return cls(
            arrays=reached.arrays,
            entries=list(entries_of(reached.arrays)),
            contents=[(holder, contents(holder)) for holder in reached.holders],
            slots=[(thing, dict(slot_values(thing))) for thing in reached.slotted],
            classes=[(each, class_attributes(each)) for each in reached.classes],
            cells=[(cell, cell.cell_contents) for cell in reached.cells if not is_empty(cell)],
            names=[(namespace, name, namespace.get(name, MISSING)) for namespace, name in reached.names],
            caches=reached.caches,
        )

    def changed(self) -> bool:
        """Whether anything holds something else now."""
        return (
            any(not same_things(holder, before) for holder, before in self.contents)
            or any(not same_things(slot_values(thing), before) for thing, before in self.slots)
            or any(not same_things(class_attributes(each), before) for each, before in self.classes)
            or any(is_empty(cell) or cell.cell_contents is not value for cell, value in self.cells)
            or any(namespace.get(name, MISSING) is not value for namespace, name, value in self.names)
            or any(map(remembers_recorded, self.caches))
        )

    def restore(self) -> None:
        """Put everything back; this may be done any number of times."""
        for holder, before in self.contents:
            if not same_things(holder, before):
                restore(holder, before)
        for thing, before in self.slots:
            if not same_things(slot_values(thing), before):
                for name in slots_of(type(thing)):
                    _set(thing, name, before.get(name, MISSING), object)
        for each, before in self.classes:
            if not same_things(class_attributes(each), before):
                for name in {**class_attributes(each), **before}:
                    if vars(each).get(name, MISSING) is not before.get(name, MISSING):
                        _set(each, name, before.get(name, MISSING), type)
        for cell, value in self.cells:
            if is_empty(cell) or cell.cell_contents is not value:
                cell.cell_contents = value
        for namespace, name, value in self.names:
            if value is MISSING:
                namespace.pop(name, None)
            elif namespace.get(name) is not value:
                namespace[name] = value
        for cache in self.caches:
            if remembers_recorded(cache):
                cache.cache_clear()  # what it held before can be computed again

    def restore_entries(self) -> None:
        """Put the entries of arrays back."""
        for array, before in self.entries:
            if not same_entries(array, before) and array.flags.writeable:
                array[...] = before


class Restored:
    """A cost after each run of which everything that it stored is put back."""

    def __init__(self, cost: Any, snapshot: Snapshot) -> None:
        self.cost, self.snapshot = cost, snapshot

    def __call__(self, parameters: Any) -> Any:
        """Return what the cost returns."""
        try:
            return self.cost(parameters)
        finally:
            self.snapshot.restore()


def entries_of(arrays: Iterable[NDArray[Any]]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Yield the arrays that the cost could write into, each with a copy."""
    left = MOST_BYTES
    for array in arrays:
        if array.flags.writeable and not array.dtype.hasobject and array.nbytes <= left:
            left -= array.nbytes
            yield array, np.array(array)


def same_entries(array: NDArray[Any], before: NDArray[Any]) -> bool:
    """Whether an array holds the bits that it held."""
    if array.shape != before.shape:
        return True
    return np.array_equal(array, before) or array.tobytes() == before.tobytes()


def class_attributes(cls: type) -> dict[str, Any]:
    """Return the attributes of a class, but for those that Python keeps for itself and may make at any time."""
    return {name: x for name, x in vars(cls).items() if not (name.startswith("__") and name.endswith("__"))}


def contents(holder: Any) -> Any:
    """Return a copy of a container, in which each thing is the very same."""
    if isinstance(holder, collections.OrderedDict):
        return dict(collections.OrderedDict.items(holder))  # its order is not that of the dict inside
    if isinstance(holder, dict):
        return dict.copy(holder)
    return set.copy(holder) if isinstance(holder, set) else things_in(holder)


def same_things(now: Any, before: Any) -> bool:
    """Whether a container holds the very things that a copy of it holds, in the same order."""
    if isinstance(now, collections.OrderedDict):
        now = contents(now)
    if isinstance(before, dict):
        if dict.__len__(now) != len(before):
            return False
        same_keys = all(map(operator.is_, dict.keys(now), before.keys()))
        return same_keys and all(map(operator.is_, dict.values(now), before.values()))
    if isinstance(before, set):
        return set(map(id, things_in(now))) == set(map(id, before))
    things = now if type(now) is list else things_in(now)
    return len(things) == len(before) and all(map(operator.is_, things, before))


def restore(holder: Any, before: Any) -> None:
    """Give a container its former contents; other threads that read it meanwhile miss nothing that stays."""
    if isinstance(holder, dict):
        kind: Any = collections.OrderedDict if isinstance(holder, collections.OrderedDict) else dict
        for key in [key for key in kind.keys(holder) if key not in before]:
            kind.pop(holder, key, None)
        if not all(map(operator.is_, kind.keys(holder), before)):  # in another order
            kind.clear(holder)
        for key, value in before.items():
            if kind.get(holder, key, MISSING) is not value:
                kind.__setitem__(holder, key, value)
    elif isinstance(holder, set):
        set.intersection_update(holder, before)
        set.update(holder, before)
    elif isinstance(holder, collections.deque):
        collections.deque.clear(holder)
        collections.deque.extend(holder, before)
    elif isinstance(holder, np.ndarray):
        for place, value in zip(np.ndindex(holder.shape), before, strict=True):
            holder[place] = value
    else:
        list.__setitem__(holder, slice(None), before)


def _set(thing: Any, name: str, value: Any, by: Any) -> None:
    """Set or delete an attribute, whatever the class of the thing does about that."""
    with contextlib.suppress(AttributeError):  # a slot that is empty already
        if value is MISSING:
            by.__delattr__(thing, name)
        else:
            by.__setattr__(thing, name, value)


def remembers_recorded(cached: Any) -> bool:
    """Whether functools.lru_cache remembers a recorded array, or one is in a result that it remembers."""
    waiting, seen = cached_results(cached), set()
    while waiting:
        thing = waiting.pop()
        if type(thing) in (Recorded, RecordedComplex):
            return True
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, (list, tuple, set, collections.deque)):
            waiting += thing
        elif isinstance(thing, dict):
            waiting += thing.values()
        elif type(getattr(thing, "__dict__", None)) is dict and not isinstance(thing, type):
            waiting.append(vars(thing))
    return False
