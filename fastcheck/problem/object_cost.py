"""A network that is an object and holds its parameters in attributes, as a cost that is a function of them.

The smallest example::

    class Layer:
        def __init__(self):
            self.W = np.ones((3, 2))
            self.rows = self.W.T          # a view, which has to follow

`ObjectCost` puts other arrays in the place of ``W``, and of ``rows`` what it would be then.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import InvalidProblemError
from fastcheck.problem.functions import expect_arguments, map_copy
from fastcheck.problem.object_contents import arrays_held, replace_items, unchanged
from fastcheck.problem.parameters import leaves_of, named_leaves
from fastcheck.problem.randomness import restart


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
        self.arrays = named_leaves(parameters)
        held = {id(array): array for array in arrays_held(network)}
        who = f"the {type(network).__name__}"
        for name, array in self.arrays:
            if id(array) not in held:
                got = "another one (a copy?)" if isinstance(array, np.ndarray) else f"the value {array!r}"
                raise InvalidProblemError(
                    f"parameters: {name} is not held by {who}: expected the very array that an attribute, "
                    f"list or dict of the object holds, got {got}. Pass it as {{'W': network.W, …}}."
                )
        parameter_ids = {id(array) for _, array in self.arrays}
        self.views: list[tuple[Any, SharedView]] = []
        for key, array in held.items():
            view = None if key in parameter_ids else SharedView.of(array, self.arrays, who)
            if view is not None:
                self.views.append((array, view))

    def __call__(self, parameters: Any) -> Any:
        """Return the cost with other arrays in the places of the parameters."""
        with self.holding(parameters):
            return self.cost(*self.data)

    def with_data(self, convert: Callable[[Any], Any]) -> ObjectCost:
        """Return the same cost with its data converted."""
        other = copy.copy(self)
        other.data = tuple(map(convert, self.data))
        return other

    def gradients(self, gradients: Callable[[], Any], parameters: Any) -> Any:
        """Return what ``gradients()`` claims after a call of the cost."""
        expect_arguments("gradients", gradients)
        with self.holding(parameters):
            self.cost(*self.data)
            restart()
            return map_copy(gradients())

    @contextlib.contextmanager
    def holding(self, parameters: Any) -> Iterator[None]:
        """Let the object hold other arrays in the places of the parameters for the time of a ``with`` block."""
        new = leaves_of(parameters)
        replacements = {id(old): array for (_, old), array in zip(self.arrays, new, strict=True)}
        replacements |= {id(old): view.rebuilt(new) for old, view in self.views}
        with unchanged(self.network) as containers:
            for container in containers:
                replace_items(container, replacements)
            yield


class SharedView:
    """An array that shares memory with parameters: which of its entries are which of theirs.

    Without it, in the example above, a layer that computes with ``rows`` would not see other values of ``W``.

    ``entries`` has the shape of the array. An entry is a position in the parameters ``numbers``, flattened and joined,
    or, beyond their end, in the array itself, as it was: a view may reach over the edge of a parameter.
    """

    def __init__(self, array: NDArray[Any], numbers: Sequence[int], entries: NDArray[np.intp]) -> None:
        self.array, self.numbers, self.entries = array, numbers, entries
        self.axes = np.argsort([-abs(step) for step in _steps(entries)], kind="stable").tolist()
        in_order = entries.transpose(self.axes)
        self.first, self.shape = int(in_order.flat[0]), in_order.shape
        self.is_contiguous = np.array_equal(in_order.reshape(-1), self.first + np.arange(entries.size))

    @classmethod
    def of(cls, array: NDArray[Any], parameters: Sequence[tuple[str, Any]], who: str) -> SharedView | None:
        """Return what an array shares with parameters (their names and arrays), None if it is nothing."""
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
            positions = _positions_in(parameter, array)
            entries = np.where(positions >= 0, positions + start, entries)
            start += parameter.size
        own = start + np.arange(array.size).reshape(array.shape)
        return cls(array, related, np.where(entries >= 0, entries, own))

    def rebuilt(self, parameters: Sequence[Any]) -> Any:
        """Return the array as it is with these parameters: a view of them where it is a block of their entries."""
        flat = [parameters[number].reshape(-1) for number in self.numbers]
        if int(self.entries.max()) >= sum(part.size for part in flat):
            flat.append(self.array.reshape(-1))
        joined = np.concatenate(flat) if len(flat) > 1 else flat[0]
        if not self.is_contiguous:
            return joined[self.entries]
        back = np.argsort(self.axes).tolist()
        return joined[self.first : self.first + self.array.size].reshape(self.shape).transpose(back)


def _steps(entries: NDArray[np.intp]) -> list[int]:
    """Return the distance of neighbours along each axis, 0 where there is one entry."""
    first = (0,) * entries.ndim
    steps = []
    for axis, length in enumerate(entries.shape):
        second = tuple(int(axis == k) for k in range(entries.ndim))
        steps.append(int(entries[second]) - int(entries[first]) if length > 1 else 0)
    return steps


def _positions_in(parameter: NDArray[Any], array: NDArray[Any]) -> NDArray[np.intp]:
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
