"""Claims that are the gradient with its entries moved: transposed, reshaped, reversed, shifted, in another order.

Each is an order of entries. Two patterns that find the same order say the same, in other words: the transposed and the
reshaped gradient of a square block.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.detective.evidence import Entries
from fastcheck.diagnosis.detective.patterns.case import Case, Fit, Places, digest
from fastcheck.diagnosis.detective.patterns.multiples import RIGHT
from fastcheck.diagnosis.detective.patterns.wording import axis_noun
from fastcheck.norms import largest

MOST_AXES = 4
"""Axes of a block of which all orders are tried."""

MOST_EXCHANGED = 2**20
"""Lines of an axis whose order is searched."""

AnyArray = NDArray[Any]


class _Order(NamedTuple):
    """An order of entries: ``move`` returns a view of an array in that order."""

    words: str
    move: Callable[[AnyArray], AnyArray]


def moved(case: Case) -> Iterator[Fit]:
    """Yield the orders of entries that a table tries."""
    if case.size < 2:
        return
    tried: set[tuple[object, ...]] = set()
    for order in _orders(case.shape):
        view = np.asarray(order.move(case.slopes))
        what = view.shape, view.strides, view.__array_interface__["data"]
        if what in tried:
            continue
        tried.add(what)
        residual = case.matches(view)
        if residual is not None:
            yield _fit(case, order.words, np.asarray(order.move(_counted(case))), residual)


def _counted(case: Case) -> AnyArray:
    return np.arange(case.size, dtype=np.uint32).reshape(case.shape)


def _fit(case: Case, words: str, order: AnyArray, residual: float) -> Fit:
    statement = ("moved", digest(order.reshape(-1).astype(np.uint32)))
    return Fit(words=words, statement=statement, residual=residual, entries=case.entries)


def _orders(shape: tuple[int, ...]) -> Iterator[_Order]:
    """Yield the orders, the plainest words first."""
    yield from _transposed(shape)
    yield from _reversed(shape)


def _transposed(shape: tuple[int, ...]) -> Iterator[_Order]:
    axes = tuple(range(len(shape)))
    if len(shape) < 2:
        return
    if len(shape) >= 2 and shape[-1] == shape[-2]:
        advice = "return its .T, or swap the factors of the product that makes it"
        if len(shape) > 2:
            advice = "swap its last two axes, or the factors of the product that makes it"
        yield _Order(f"is transposed: {advice}", lambda a: np.swapaxes(a, -1, -2))
    if len(shape) <= MOST_AXES:
        for order in itertools.permutations(axes):
            if order != axes:
                yield _axes_swapped(shape, order)
    yield _Order(
        f"is {RIGHT} reshaped in the other order (order='F' for 'C', or the reverse)",
        lambda a: a.reshape(-1).reshape(shape[::-1]).T,
    )


def _axes_swapped(shape: tuple[int, ...], order: Sequence[int]) -> _Order:
    fits = tuple(shape[k] for k in order) == shape
    words = f"is {RIGHT} with its axes in the order {tuple(order)}"
    if not fits and len(shape) == 2:
        words = f"is {RIGHT} transposed, and then reshaped to {shape}"
    elif not fits:
        words += f", reshaped to {shape}"
    return _Order(words, lambda a: np.transpose(a, order))


def _reversed(shape: tuple[int, ...]) -> Iterator[_Order]:
    long = [axis for axis, length in enumerate(shape) if length > 1]
    for count in range(1, len(long) + 1):
        for axes in itertools.combinations(long[:MOST_AXES], count):
            if count == len(shape):
                words = f"is {RIGHT} backwards, from the last entry to the first"
            elif len(shape) == 2:
                words = f"is {RIGHT} with its {axis_noun(2, axes[0])}s in reverse order"
            else:
                words = f"is {RIGHT} reversed along axes {', '.join(map(str, axes))}"
            yield _Order(words, lambda a, axes=axes: np.flip(a, axes))  # type: ignore[misc]


def shifted(case: Case) -> Iterator[Fit]:
    """Yield gradients shifted by one place, along an axis or in memory; zeros, or the other end, come in."""
    if case.size < 2:
        return
    for axis, length in enumerate(case.shape):
        if length < 2:
            continue
        for by in (1, -1):
            yield from _rolled(case, axis, by)
            yield from _with_zeros(case, axis, by)
    if len(case.shape) > 1:
        for by in (1, -1):
            yield from _rolled(case, None, by)


def _rolled(case: Case, axis: int | None, by: int) -> Iterator[Fit]:
    slopes = case.slopes.reshape(-1)

    def at(places: Places) -> Entries:
        if axis is None:
            return np.asarray(slopes[(places - by) % case.size])
        index = list(np.unravel_index(places, case.shape))
        index[axis] = (index[axis] - by) % case.shape[axis]
        return np.asarray(case.slopes[tuple(index)])

    residual = case.matches_lazily(at, lambda: np.roll(case.slopes, by, axis))
    if residual is not None:
        where = "in the order of memory" if axis is None else _along(case, axis)
        words = f"is {RIGHT} shifted by {_places(by)} {where}, the end put at the beginning"
        yield _fit(case, words, np.roll(_counted(case), by, axis), residual)


def _with_zeros(case: Case, axis: int, by: int) -> Iterator[Fit]:
    edge = 0 if by > 0 else case.shape[axis] - 1

    def at(places: Places) -> Entries:
        index = list(np.unravel_index(places, case.shape))
        at_edge = index[axis] == edge
        index[axis] = (index[axis] - by) % case.shape[axis]
        return np.where(at_edge, 0.0, case.slopes[tuple(index)])

    def whole() -> Entries:
        shifted = np.roll(case.slopes, by, axis)
        shifted[(slice(None),) * axis + (edge,)] = 0
        return np.asarray(shifted)

    residual = case.matches_lazily(at, whole)
    if residual is not None and case.claimed.any():
        yield Fit(
            words=f"is {RIGHT} shifted by {_places(by)} {_along(case, axis)}, with zeros where nothing comes from",
            statement=("shifted with zeros", axis, by),
            residual=residual,
            entries=case.entries,
        )


def _places(by: int) -> str:
    return "one place" if by > 0 else "one place backwards"


def _along(case: Case, axis: int) -> str:
    if len(case.shape) == 1:
        return "in all"
    return f"along axis {axis}"


def entries_exchanged(case: Case) -> Iterator[Fit]:
    """Yield two entries that have each other's slope."""
    if case.entries != 2:
        return
    first, second = np.flatnonzero(case.wrong)
    order = np.arange(case.size)
    order[[first, second]] = second, first
    residual = case.matches(case.slopes.reshape(-1)[order])
    if residual is not None:
        names = (str([int(i) for i in np.unravel_index(place, case.shape)]) for place in (first, second))
        yield _fit(case, f"has the entries {' and '.join(names)} exchanged", order, residual)


def lines_in_another_order(case: Case) -> Iterator[Fit]:
    """Yield rows, columns or slices in another order: which one is told by one random number for each of them."""
    for axis, length in enumerate(case.shape):
        if 1 < length <= MOST_EXCHANGED and case.entries > 2:
            yield from _another_order(case, axis)


def _another_order(case: Case, axis: int) -> Iterator[Fit]:
    claimed, slopes = (
        np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1) for array in (case.claimed, case.slopes)
    )
    weights = np.random.default_rng(0).uniform(0.5, 1.5, claimed.shape[1])
    marks, right_marks = claimed @ weights, slopes @ weights
    from_claimed, from_slopes = np.argsort(marks), np.argsort(right_marks)
    near = case.allowed() * float(weights.sum())
    if largest(marks[from_claimed] - right_marks[from_slopes]) > near:
        return
    order = np.empty(len(marks), dtype=np.intp)
    order[from_claimed] = from_slopes
    predicted = np.take(case.slopes, order, axis)
    residual = case.residual(predicted)
    if residual is None:
        return
    moved = np.flatnonzero(order != np.arange(order.size))
    noun = axis_noun(len(case.shape), axis)
    plural = "entries" if noun == "entry" else f"{noun.partition(' ')[0]}s"
    of = noun.partition(" ")[2]
    if moved.size == 2:
        words = f"has {plural} {moved[0]} and {moved[1]}{f' {of}' if of else ''} exchanged"
    else:
        which = f"number {moved[0]} is number {order[moved[0]]} of {RIGHT}"
        words = f"has its {plural}{f' {of}' if of else ''} in another order: {which}"
    yield _fit(case, words, np.take(_counted(case), order, axis), residual)
