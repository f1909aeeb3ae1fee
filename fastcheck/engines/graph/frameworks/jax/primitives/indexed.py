"""Gathering and scattering: entries at indices that were computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jax import lax

from fastcheck.engines.graph.frameworks.jax.doubling import DoublePrecision
from fastcheck.engines.graph.frameworks.jax.primitives.movement import FILLED, Positions, numbers, picked
from fastcheck.engines.graph.tracing.operands import constant, fixed
from fastcheck.engines.graph.tracing.recorded import Recorded


def gather(x: Any, indices: Any, *, mode: Any, fill_value: Any = None, **params: Any) -> Any:
    """Return the entries of x at indices: JAX itself tells which these are, by gathering their numbers."""
    with DoublePrecision():
        positions = lax.gather_p.bind(
            numbers(np.shape(x)),
            np.asarray(fixed(indices)),
            mode=mode,
            fill_value=FILLED,
            **params,
        )
    fills = mode == lax.GatherScatterMode.FILL_OR_DROP
    fill = (np.nan if fill_value is None else fill_value) if fills else 0.0
    return picked(x, np.asarray(positions), fill)


def places_of_updates(
    shape: tuple[int, ...], indices: Any, updates_shape: tuple[int, ...], numbers_: Any, mode: Any
) -> Positions:
    """Return the flat position in an operand of this shape of each entry of the updates, `FILLED` if outside."""
    windows = tuple(numbers_.update_window_dims)
    batches = tuple(numbers_.operand_batching_dims)
    inserted = tuple(numbers_.inserted_window_dims)
    of_indices = [k for k in range(len(updates_shape)) if k not in windows]
    kept = [k for k in range(len(shape)) if k not in inserted and k not in batches]
    grid = np.indices(updates_shape, sparse=True)
    looked_up = tuple(grid[k] for k in of_indices)
    starts = indices[
        looked_up
    ]  # the last axis: one index of the operand for each axis in scatter_dims_to_operand_dims
    length = [1] * len(shape)
    for axis, window in zip(kept, windows, strict=True):
        length[axis] = updates_shape[window]
    where: list[Any] = [np.zeros((), np.intp)] * len(shape)
    inside: Any = np.ones(updates_shape, bool)
    for number, axis in enumerate(numbers_.scatter_dims_to_operand_dims):
        start = starts[..., number].astype(np.intp)
        if mode == lax.GatherScatterMode.CLIP:
            start = np.clip(start, 0, shape[axis] - length[axis])
        inside = inside & (start >= 0) & (start <= shape[axis] - length[axis])
        where[axis] = start
    for axis, batch in zip(batches, numbers_.scatter_indices_batching_dims, strict=True):
        where[axis] = looked_up[batch]
    for axis, window in zip(kept, windows, strict=True):
        where[axis] = where[axis] + grid[window]
    full = [np.where(inside, np.broadcast_to(part, updates_shape), 0) for part in where]
    flat = np.ravel_multi_index(full, shape) if shape else np.zeros(updates_shape, np.intp)
    return np.where(inside, flat, FILLED)


def scattering(write: Callable[[Any, Positions, Any], None]) -> Callable[..., Any]:
    """Return the rule of a primitive that writes updates into a copy of its operand."""

    def rule(x: Any, indices: Any, updates: Any, *, dimension_numbers: Any, mode: Any, **_: Any) -> Any:
        positions = places_of_updates(
            np.shape(x), np.asarray(fixed(indices)), np.shape(updates), dimension_numbers, mode
        ).reshape(-1)
        known = positions != FILLED
        result = np.copy(np.ravel(x)) if type(x) is Recorded else constant(np.array(x).reshape(-1))
        entries = np.ravel(updates)
        if known.any():
            write(result, positions[known], entries if known.all() else entries[known])
        return np.reshape(result, np.shape(x))

    return rule


def _add(result: Any, positions: Positions, entries: Any) -> None:
    np.add.at(result, positions, entries)


def _set(result: Any, positions: Positions, entries: Any) -> None:
    last = len(positions) - 1 - np.unique(positions[::-1], return_index=True)[1]
    result[positions[last]] = entries[last]


def _one_after_the_other(function: Callable[[Any, Any], Any]) -> Callable[[Any, Positions, Any], None]:
    """Return what puts together entries and updates, one update of each entry at a time."""

    def write(result: Any, positions: Positions, entries: Any) -> None:
        order = np.argsort(positions, kind="stable")
        ranked = positions[order]
        turn = np.arange(len(ranked)) - np.searchsorted(ranked, ranked)
        for number in range(int(turn.max()) + 1):
            now = order[turn == number]
            result[positions[now]] = function(result[positions[now]], entries[now])

    return write


RULES: dict[str, Callable[..., Any]] = {
    "gather": gather,
    "scatter": scattering(_set),
    "scatter-add": scattering(_add),
    "scatter_add": scattering(_add),
    "scatter-sub": scattering(lambda result, positions, entries: np.subtract.at(result, positions, entries)),
    "scatter_mul": scattering(_one_after_the_other(np.multiply)),
    "scatter-mul": scattering(_one_after_the_other(np.multiply)),
    "scatter_min": scattering(_one_after_the_other(np.minimum)),
    "scatter-min": scattering(_one_after_the_other(np.minimum)),
    "scatter_max": scattering(_one_after_the_other(np.maximum)),
    "scatter-max": scattering(_one_after_the_other(np.maximum)),
}
