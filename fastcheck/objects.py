"""Networks that are objects and hold their parameters in attributes, as a cost that is a function of the parameters.

The smallest example::

    class Layer:
        def __init__(self):
            self.W = np.ones((3, 2))
            self.rows = self.W.T          # a view, which has to follow

`ObjectCost` puts other arrays in the place of ``W``, and of ``rows`` what it would be then.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import InvalidProblemError
from fastcheck.parameters import map_structure, path_name
from fastcheck.problem import expect_arguments, map_copy
from fastcheck.randomness import restart


class ObjectCost:
    """A cost, called with ``data``, that reads its parameters from an object's attributes, lists, tuples and dicts.

    For each evaluation the arrays are put into every place where the object holds them, and in the place of each other
    array that shares their memory, such as a transposed one, what it would hold then. Afterwards everything reachable
    from the object is as it was: places, lists, attributes, and the contents of arrays. One object can only be
    evaluated by one thread at a time; ``threads`` says so.
    """

    threads = False

    def __init__(
        self, network: Any, cost: Callable[..., Any], parameters: Any, data: Sequence[Any] = ()
    ) -> None:
        if not callable(cost):
            raise InvalidProblemError(
                f"cost: expected a function without arguments, got {type(cost).__name__}."
            )
        expect_arguments("cost", cost, *(f"data{k}" for k in range(len(data))))
        self.network, self.cost, self.data = network, cost, tuple(data)
        self.arrays: list[tuple[str, Any]] = []
        map_structure(lambda path, leaf: self.arrays.append((path_name(path), leaf)), parameters)
        held = {id(array): array for holder in _holders(network) for array in _arrays(holder)}
        who = f"the {type(network).__name__}"
        for name, array in self.arrays:
            if id(array) not in held:
                got = "another one (a copy?)" if isinstance(array, np.ndarray) else f"the value {array!r}"
                raise InvalidProblemError(
                    f"parameters: {name} is not held by {who}: expected the very array that an attribute, "
                    f"list or dict of the object holds, got {got}. Pass it as {{'W': network.W, …}}."
                )
        parameters_held = {id(array) for _, array in self.arrays}
        relatives = [array for key, array in held.items() if key not in parameters_held]
        found = [(array, Relative.of(array, self.arrays, who)) for array in relatives]
        self.relatives = [(array, relative) for array, relative in found if relative is not None]

    def __call__(self, parameters: Any) -> Any:
        """Return the cost with other arrays in the places of the parameters."""
        with self._holding(parameters):
            return self.cost(*self.data)

    def with_data(self, convert: Callable[[Any], Any]) -> ObjectCost:
        """Return the same cost with its data converted."""
        other = copy.copy(self)
        other.data = tuple(map(convert, self.data))
        return other

    def gradients(self, gradients: Callable[[], Any], parameters: Any) -> Any:
        """Return what ``gradients()`` claims after a call of the cost."""
        expect_arguments("gradients", gradients)
        with self._holding(parameters):
            self.cost(*self.data)
            restart()
            return map_copy(gradients())

    @contextlib.contextmanager
    def _holding(self, parameters: Any) -> Iterator[None]:
        new: list[Any] = []
        map_structure(lambda _path, leaf: new.append(leaf), parameters)
        replacement = {id(old): array for (_, old), array in zip(self.arrays, new, strict=True)}
        replacement |= {id(old): relative.made_of(new) for old, relative in self.relatives}
        with unchanged(self.network) as holders:
            for holder in holders:
                _replace(holder, replacement)
            yield


class Relative:
    """An array that shares memory with parameters: which of its entries are which of theirs.

    ``entries`` has the shape of the array. An entry is a position in the parameters ``numbers``, flattened and one
    after the other, and behind them in the array itself, as it was.
    """

    def __init__(self, array: NDArray[Any], numbers: Sequence[int], entries: NDArray[np.intp]) -> None:
        self.array, self.numbers, self.entries = array, numbers, entries
        self.axes = np.argsort([-abs(step) for step in _steps(entries)], kind="stable").tolist()
        in_order = entries.transpose(self.axes)
        self.first, self.shape = int(in_order.flat[0]), in_order.shape
        self.only_moved = np.array_equal(in_order.reshape(-1), self.first + np.arange(entries.size))

    @classmethod
    def of(cls, array: NDArray[Any], parameters: Sequence[tuple[str, Any]], who: str) -> Relative | None:
        """Return what an array shares with parameters, None if it is nothing."""
        related = [n for n, (_, parameter) in enumerate(parameters) if np.shares_memory(array, parameter)]
        if not related:
            return None
        entries = np.full(array.shape, -1, dtype=np.intp)
        start = 0
        for name, parameter in (parameters[number] for number in related):
            if array.dtype != parameter.dtype:
                raise InvalidProblemError(
                    f"parameters: {who} also holds a view of {name} as {array.dtype}, which cannot be given other "
                    "values. Make it where it is used, from the array itself."
                )
            places = _places_in(parameter, array)
            entries = np.where(places >= 0, places + start, entries)
            start += parameter.size
        rest = start + np.arange(array.size).reshape(array.shape)
        return cls(array, related, np.where(entries >= 0, entries, rest))

    def made_of(self, parameters: Sequence[Any]) -> Any:
        """Return the array as it is where the parameters are these: a view where their entries are only moved."""
        flat = [parameters[number].reshape(-1) for number in self.numbers]
        if int(self.entries.max()) >= sum(part.size for part in flat):
            flat.append(self.array.reshape(-1))
        joined = np.concatenate(flat) if len(flat) > 1 else flat[0]
        if not self.only_moved:
            return joined[self.entries]
        back = np.argsort(self.axes).tolist()
        return joined[self.first : self.first + self.array.size].reshape(self.shape).transpose(back)


def _steps(entries: NDArray[np.intp]) -> list[int]:
    """Return how far neighbours along each axis lie apart, 0 where there is one entry."""
    first = (0,) * entries.ndim
    steps = []
    for axis, length in enumerate(entries.shape):
        second = tuple(int(axis == k) for k in range(entries.ndim))
        steps.append(int(entries[second]) - int(entries[first]) if length > 1 else 0)
    return steps


def _places_in(parameter: NDArray[Any], array: NDArray[Any]) -> NDArray[np.intp]:
    """Return the position in the flattened parameter of each entry of an array of the same dtype, -1 outside of it."""
    addresses = _addresses(parameter).reshape(-1)
    order = np.argsort(addresses, kind="stable")
    wanted = _addresses(array)
    nearest = order[np.searchsorted(addresses, wanted, sorter=order).clip(max=addresses.size - 1)]
    return np.asarray(np.where(addresses[nearest] == wanted, nearest, -1))


def _addresses(array: NDArray[Any]) -> NDArray[np.intp]:
    """Return the address of each entry."""
    start = array.__array_interface__["data"][0]
    offsets = np.zeros(array.shape, dtype=np.intp)
    for axis, (length, stride) in enumerate(zip(array.shape, array.strides, strict=True)):
        along = [1] * array.ndim
        along[axis] = length
        offsets += (np.arange(length) * stride).reshape(along)
    return np.asarray(start + offsets)


@contextlib.contextmanager
def unchanged(network: Any) -> Iterator[list[Any]]:
    """Yield the containers reachable from an object; afterwards they and the arrays in them are as before."""
    holders = _holders(network)
    before = [(holder, _contents(holder)) for holder in holders]
    arrays = {id(array): array for holder in holders for array in _arrays(holder)}
    originals = [(array, array.copy()) for array in arrays.values()]
    try:
        yield holders
    finally:
        for holder, contents in before:
            _restore(holder, contents)
        for array, original in originals:
            if array.flags.writeable and (array.dtype.hasobject or np.any(array != original)):
                array[...] = original


def _holders(network: Any) -> list[Any]:
    """Return every dict, list and deque reachable from an object through attributes, and these and tuples."""
    found: list[Any] = []
    seen: set[int] = set()
    queue = [network]
    while queue:
        value = queue.pop()
        if id(value) in seen or isinstance(value, (str, bytes, np.ndarray, type)) or inspect.ismodule(value):
            continue
        seen.add(id(value))
        if isinstance(value, (dict, list, collections.deque)):
            found.append(value)
            queue += _values(value)
        elif isinstance(value, (tuple, set, frozenset)):
            queue += list(value)
        elif _has_attributes(value):
            queue.append(vars(value))
    return found


def arrays_held(network: Any) -> list[Any]:
    """Return every array that an object, or what it holds, holds, each once."""
    return list({id(array): array for holder in _holders(network) for array in _arrays(holder)}.values())


def attributes_of(value: Any) -> dict[str, Any]:
    """Return the attributes of an object of the user's; none of other things."""
    if isinstance(value, (str, bytes, np.ndarray, type)) or inspect.ismodule(value):
        return {}
    return vars(value) if _has_attributes(value) else {}


def _has_attributes(value: Any) -> bool:
    if inspect.isroutine(value):
        return False
    module = type(value).__module__.partition(".")[0]
    return hasattr(value, "__dict__") and module not in ("numpy", "builtins", "threading", "random")


def _values(holder: Any) -> list[Any]:
    return list(holder.values()) if isinstance(holder, dict) else list(holder)


def _contents(holder: Any) -> Any:
    return dict(holder) if isinstance(holder, dict) else list(holder)


def _restore(holder: Any, contents: Any) -> None:
    if isinstance(holder, dict):
        holder.clear()
        holder.update(contents)
    else:
        holder.clear()
        holder.extend(contents)


def _replace(holder: Any, replacement: Mapping[int, Any]) -> None:
    items = holder.items() if isinstance(holder, dict) else enumerate(holder)
    for key, value in list(items):
        new = _replaced(value, replacement)
        if new is not value:
            holder[key] = new


def _replaced(value: Any, replacement: Mapping[int, Any]) -> Any:
    """Return what takes the place of a value: another array, or a tuple in which there is one; else the value."""
    if id(value) in replacement:
        return replacement[id(value)]
    if isinstance(value, tuple):
        new = [_replaced(item, replacement) for item in value]
        if any(one is not other for one, other in zip(new, value, strict=True)):
            return type(value)(*new) if hasattr(value, "_fields") else type(value)(new)
    return value


def _arrays(holder: Any) -> Iterator[Any]:
    """Yield the arrays in a dict or list, also those in tuples in it."""
    queue = _values(holder)
    while queue:
        value = queue.pop()
        if isinstance(value, tuple):
            queue += value
        elif isinstance(value, np.ndarray):
            yield value
