"""What chooses entries by their values: selections, sorting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.tracing.operands import fixed, stepped, values_of
from fastcheck.engines.graph.tracing.recorded import Recorded


def select(which: Any, *cases: Any, **_: Any) -> Any:
    """Return the entries of one of several arrays, which a mask or whole numbers tell."""
    if np.asarray(values_of(which)).dtype == np.bool_:
        return np.where(which, cases[1], cases[0])
    chosen = cases[0]
    for number, case in enumerate(cases[1:], 1):
        chosen = np.where(np.equal(which, number), case, chosen)
    return chosen


def sort(*operands: Any, dimension: int, num_keys: int, **_: Any) -> list[Any]:
    """Return arrays sorted alike by the first of them."""
    first = operands[0]
    if num_keys == 1 and type(first) is Recorded and first.live:
        order = np.argsort(first, axis=dimension, kind="stable")
        return [np.sort(first, axis=dimension), *(taken(x, order, dimension) for x in operands[1:])]
    order = stepped(lambda *keys: _order(keys, dimension), *operands[:num_keys])
    return [taken(x, order, dimension) for x in operands]


def _order(keys: Any, axis: int) -> Any:
    """Return the order of arrays that are sorted by the first key, then by the second, and so on."""
    return np.lexsort(keys[::-1], axis=axis)


def taken(x: Any, order: Any, axis: int) -> Any:
    """Return an array in an order: whole numbers that move stay such."""
    if type(x) is Recorded and x.live:
        return np.take_along_axis(x, fixed(order), axis)
    return stepped(lambda values, places: np.take_along_axis(values, places, axis), x, order)


def top(x: Any, k: int, axis: int = -1, **_: Any) -> list[Any]:
    """Return the k largest entries along an axis, the largest first, and their places."""
    last = np.moveaxis(x, axis, -1)
    largest = -np.sort(-last, axis=-1)[..., :k]
    places = np.argsort(-last, axis=-1, kind="stable")
    places = stepped(lambda order: np.asarray(order[..., :k], np.int32), places)
    return [np.moveaxis(largest, -1, axis), stepped(lambda order: np.moveaxis(order, -1, axis), places)]


def running(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Return the rule of what a function makes of all entries up to each, along an axis."""

    def rule(x: Any, axis: int, reverse: bool = False, **_: Any) -> Any:
        x = np.moveaxis(np.flip(x, axis) if reverse else x, axis, 0)
        rows = [x[0]]
        for row in x[1:]:
            rows.append(function(rows[-1], row))
        result = np.moveaxis(np.stack(rows), 0, axis)
        return np.flip(result, axis) if reverse else result

    return rule


RULES: dict[str, Callable[..., Any]] = {
    "select_n": select,
    "sort": sort,
    "top_k": top,
    "cummax": running(np.maximum),
    "cummin": running(np.minimum),
    "cumlogsumexp": running(np.logaddexp),
    "cumprod": running(np.multiply),
}
