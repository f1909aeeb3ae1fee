"""One run of the cost over a batch of perturbations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.difference.arrays import DifferenceArray
from fastcheck.engines.difference.forms import Array, Form, Position
from fastcheck.engines.difference.kinks import Settling
from fastcheck.engines.difference.session import session_of
from fastcheck.engines.difference.shaking import Shaking
from fastcheck.engines.difference.state import LARGEST, Memory, Trace, TracingError
from fastcheck.problem import cost_in

Cost = Callable[[Any], Any]
Build = Callable[[list[Any]], Any]
Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traced:
    """What a batch of B perturbations does to the cost.

    ``difference`` holds J(θ + perturbation) - J(θ), shape (B,). ``kinked`` members cross a kink: their difference is
    right. ``unsupported`` members take another way through the cost: their difference means nothing. ``odd`` says that
    the opposite perturbations have exactly the opposite differences. ``work`` counts elements processed, of which
    ``member_work`` grows with B; ``largest`` is the biggest array of differences.
    """

    value: float
    difference: Vector
    kinked: Flags
    unsupported: Flags
    odd: bool
    work: int
    member_work: int
    largest: int


def trace(
    cost: Cost,
    build: Build,
    leaves: Sequence[Vector],
    leaf: int,
    flat_indices: NDArray[np.intp],
    steps: Vector,
    *,
    memory: Memory | None = None,
    compiled: bool = False,
    limit: int = LARGEST,
) -> Traced:
    """Run the cost once, for B perturbations of one coordinate each.

    Parameters
    ----------
    cost, build
        The cost is called with ``build(arrays)``, arrays standing for the leaves.
    leaves
        The parameters' arrays, float64; they are not changed.
    leaf
        Number of the leaf that is perturbed.
    flat_indices, steps
        Shape (B,): which entry of that leaf each member changes, and by how much.
    memory
        Products kept from one batch to the next.
    compiled
        Whether large arrays go through compiled identities.
    limit
        Elements that the largest array of differences may have; `BatchTooLargeError` is raised beyond.

    Raises
    ------
    TracingError
        If the cost does something that difference propagation cannot follow.
    """
    forms: list[Form | None] = [None] * len(leaves)
    forms[leaf] = one_hot(leaves[leaf].shape, np.asarray(flat_indices), np.asarray(steps, dtype=float))
    return run(cost, build, leaves, forms, len(steps), memory=memory, compiled=compiled, limit=limit)


def trace_mixed(
    cost: Cost,
    build: Build,
    leaves: Sequence[Vector],
    which: NDArray[np.intp],
    flat_indices: NDArray[np.intp],
    steps: Vector,
    *,
    memory: Memory | None = None,
    limit: int = LARGEST,
) -> Traced:
    """Run the cost once, for B perturbations of one coordinate each, of any leaf: ``which``, shape (B,).

    Differences of several leaves have less structure in common: this is for a few coordinates of each.
    """
    forms = [
        one_hot(leaf.shape, np.where(which == k, flat_indices, 0), np.where(which == k, steps, 0.0))
        if (which == k).any()
        else None
        for k, leaf in enumerate(leaves)
    ]
    return run(cost, build, leaves, forms, len(steps), memory=memory, compiled=False, limit=limit)


def trace_directions(
    cost: Cost,
    build: Build,
    leaves: Sequence[Vector],
    directions: Sequence[Array | None],
    *,
    memory: Memory | None = None,
    compiled: bool = False,
) -> Traced:
    """Run the cost once, for B dense perturbations: one array (B, *shape) per leaf, or None."""
    forms = [
        None if d is None else Form(np.asarray(d, dtype=float), leaf.shape)
        for leaf, d in zip(leaves, directions, strict=True)
    ]
    members = next(len(d) for d in directions if d is not None)
    with session_of(cost, restoring=False):
        return run(cost, build, leaves, forms, members, memory=memory, compiled=compiled)


def one_hot(shape: tuple[int, ...], flat_indices: NDArray[np.intp], steps: Vector) -> Form:
    """Return the form of a batch that changes one entry per member."""
    at: dict[int, Position] = {}
    for axis, position in enumerate(np.unravel_index(flat_indices, shape) if shape else ()):
        if shape[axis] != 1:
            same = bool((position == position[0]).all())
            at[axis] = int(position[0]) if same else np.ascontiguousarray(position)
    return Form(steps.reshape([-1] + [1] * len(shape)), shape, at)


def run(
    cost: Cost,
    build: Build,
    leaves: Sequence[Vector],
    forms: Sequence[Form | None],
    members: int,
    *,
    memory: Memory | None,
    compiled: bool,
    limit: int = LARGEST,
    settling: Settling | None = None,
    shaking: Shaking | None = None,
) -> Traced:
    """Run the cost with these differences of the leaves, in a session of the cost."""
    state = Trace(members, compiled=compiled, memory=memory, limit=limit, settling=settling, shaking=shaking)
    with state, np.errstate(all="ignore"):
        arrays = [DifferenceArray(x, form, owned=False) for x, form in zip(leaves, forms, strict=True)]
        result = cost(build(list(arrays)))
        if state.stopped is not None:
            raise state.stopped
        value, form = outcome(cost_in(result), state)
        difference = np.zeros(members)
        if form is not None:
            difference[:] = form.dense().reshape(-1)
    return Traced(
        value=value,
        difference=difference,
        kinked=state.kinked,
        unsupported=state.unsupported,
        odd=state.odd,
        work=state.work,
        member_work=state.member_work,
        largest=state.largest,
    )


def outcome(result: Any, state: Trace) -> tuple[float, Form | None]:
    """Return value and difference of what the cost returned."""
    for number, array, error in state.escapes:
        if result is not number and array.form is not None:
            raise error
    for number, array, _ in state.escapes:
        if result is number:
            return float(number), array.form
    if type(result) is not DifferenceArray:
        return float(result), None
    if result.size != 1:
        raise TracingError("the cost", f"it returned an array of shape {result.shape}, expected one number.")
    return float(result.value.reshape(())), result.form
