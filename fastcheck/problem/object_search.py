"""The parameters of a network that is an object, and the gradients that it claims, found by running it once.

Names alone do not tell: with ``self.Z = X @ self.W`` and ``self.dZ = …`` both ``W`` and ``Z`` have a gradient. A
parameter is an array that a call of the cost leaves as it is; what the cost computes anew, such as ``Z``, is none.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.errors import EvaluationError, InvalidProblemError, UndefinedCostError
from fastcheck.legible import first_names
from fastcheck.problem.cost_value import cost_in, read_cost
from fastcheck.problem.functions import expect_arguments, map_copy, same_values
from fastcheck.problem.object_contents import arrays_held, unchanged
from fastcheck.problem.object_names import (
    ClaimedArray,
    float_arrays_in,
    float_leaves,
    items_of,
    owners_in,
    pairs_by_name,
    pairs_with,
)
from fastcheck.problem.parameters import Path, leaves_of, path_name
from fastcheck.problem.randomness import restart

BACKWARD_METHODS = (
    "backward", "backprop", "back_prop", "backpropagation", "backward_propagation", "backward_pass", "bprop",
    "gradient", "gradients", "grad", "grads", "compute_gradient", "compute_gradients", "compute_grads",
)  # fmt: skip
"""Methods that compute gradients, where the cost does not."""

ZEROING_METHODS = ("zero_grad", "zero_grads", "zero_gradients", "reset_grads", "clear_grads")
"""Methods that set gradients to zero which the backward pass adds to."""

FACTOR_OF_CHANGE = 1.0 + 2.0**-10
"""Factor by which arrays are changed to see which of them a call of the cost computes anew."""


@dataclass(frozen=True, slots=True, eq=False)
class NetworkClaims:
    """Parameters, the very arrays that the network holds, and the gradients it claims, copied, in one structure.

    ``pairs`` are the same one by one; ``without_gradient`` names arrays held with them for which it has none.
    """

    parameters: Any
    gradients: Any
    pairs: Sequence[tuple[Any, Any]]
    without_gradient: tuple[str, ...]


def claims_of(network: Any, cost: Callable[..., Any], gradients: Any, data: Sequence[Any]) -> NetworkClaims:
    """Return parameters and gradients of a network whose cost is ``cost(*data)``.

    Gradients may be given, or a function that returns them after a call of the cost: then the parameters that they are
    of are found. Costs two forward passes and a backward pass. The network stays as it is. Raises
    `InvalidProblemError` where the conventions do not tell, and `EvaluationError` where the data are changed.
    """
    expect_arguments("cost", cost, *(f"data{k}" for k in range(len(data))))
    data_before = map_copy(list(data))
    held_before = [array for array in arrays_held(network) if not _is_of(array, data)]
    values_before = [array.copy() for array in held_before]
    allowed = {id(array) for array in held_before}
    with unchanged(network):
        if gradients is None:
            pairs = _claimed_by_network(network, cost, data, allowed)
        else:
            pairs = pairs_with(network, _gradients_given(gradients, cost, data), allowed)
        if not all(map(same_values, data_before, data)):
            raise EvaluationError(
                "cost: it changes its data in place. Work on a copy: the next call would see other data. (Yours are "
                "unchanged: the check works on a copy.)"
            )
        claims = [pair._replace(gradient=_in_computed_precision(pair)) for pair in pairs]
        still_held = {
            id(array) for array in arrays_held(network)
        }  # no running means, which the call has replaced
        constant = {
            id(array)
            for array, before in zip(held_before, values_before, strict=True)
            if id(array) in still_held and same_values(array, before)
        }
    not_computed = _not_computed(network, cost, data, [claim.array for claim in claims])
    claims = [claim for claim in claims if id(claim.array) in not_computed]
    if not claims:
        if gradients is None and not pairs:
            _expect_computed(network, allowed)
        raise InvalidProblemError(
            f"network: no parameters with gradients were found in the {type(network).__name__}. Known are: a loss that "
            "returns (loss, grads); params and grads, parameters and gradients; W and dW or grad_W beside it; value "
            "and grad. Name them: check_object(network, cost, …, parameters={'W': network.W}, gradients=…)."
        )
    return NetworkClaims(
        parameters=_nested([(claim.path, claim.array) for claim in claims]),
        gradients=_nested([(claim.path, claim.gradient) for claim in claims]),
        pairs=[(claim.array, claim.gradient) for claim in claims],
        without_gradient=tuple(_without_gradient(network, constant, claims)),
    )


def backward_functions(network: Any, cost: Callable[..., Any]) -> tuple[Callable[..., Any], ...]:
    """Return the functions that may compute gradients: the cost, and the network's method for it."""
    found = [name for name in BACKWARD_METHODS if inspect.isfunction(getattr(type(network), name, None))]
    return (cost, *(getattr(network, name) for name in found[:1]))


def _expect_computed(network: Any, allowed: Collection[int]) -> None:
    """Raise `InvalidProblemError` if arrays have gradients by their names, which nothing that was called computes."""
    names = list(dict.fromkeys(path_name(pair.path) for pair in pairs_by_name(network, allowed)))
    if names:
        raise InvalidProblemError(
            f"network: no parameters with gradients were found in the {type(network).__name__}: it holds those of "
            f"{first_names(names)}, but neither the cost nor a method such as backward() fills them with more than "
            "zeros. Compute them before the check, and pass them, or a function that computes and returns them: "
            "check_object(network, cost, …, gradients={'W': network.dW, …})."
        )


def _gradients_given(gradients: Any, cost: Callable[..., Any], data: Sequence[Any]) -> Any:
    if not callable(gradients):
        return gradients
    expect_arguments("gradients", gradients)
    cost(*data)
    restart()
    return gradients()


def _claimed_by_network(
    network: Any, cost: Callable[..., Any], data: Sequence[Any], allowed: Collection[int]
) -> list[ClaimedArray]:
    """Run the cost, and the backward pass if that is a method of its own; return parameters and their gradients."""
    for name in ZEROING_METHODS:
        if callable(getattr(network, name, None)):
            getattr(network, name)()
    old_gradients = {id(pair.gradient): pair.gradient for pair in pairs_by_name(network)}
    for gradient in old_gradients.values():
        if gradient.flags.writeable:
            gradient[...] = 0.0

    def claimed(returned: Sequence[Any]) -> list[ClaimedArray]:
        together = [list(returned)] if len(returned) > 1 else []
        for gradients in together + list(returned):
            pairs = pairs_with(network, gradients, allowed)
            if pairs:
                return pairs
        held = [pair.gradient for pair in pairs_by_name(network)]
        were_computed = any(id(gradient) not in old_gradients or gradient.any() for gradient in held)
        return list(pairs_by_name(network, allowed)) if were_computed else []

    result = cost(*data)
    _expect_cost(result)
    more = _returned_with_cost(result)
    pairs = claimed(more)
    for name in BACKWARD_METHODS:
        if pairs:
            break
        method = getattr(network, name, None)
        if not inspect.ismethod(method):
            continue
        arguments = _arguments_of(method, cost, data, more)
        if arguments is not None:
            restart()
            pairs = claimed(_returned_with_cost((0.0, method(*arguments))))
    return pairs


def _in_computed_precision(pair: ClaimedArray) -> Any:
    """Return a copy of a gradient in the precision that it was computed in: that of its parameter, if that is less."""
    with np.errstate(over="ignore"):
        dtype = min(pair.gradient.dtype, pair.array.dtype, key=lambda dtype: dtype.itemsize)
        lower = np.array(pair.gradient, dtype=dtype)
    return lower if np.isfinite(lower).all() else np.array(pair.gradient)


def _expect_cost(result: Any) -> None:
    """Raise `EvaluationError` if the cost returned no number, as one that returns scores where it gets no labels."""
    try:
        read_cost(result)
    except UndefinedCostError:
        pass  # parameters are found all the same, and the check tells of it
    except EvaluationError as error:
        raise EvaluationError(
            f"{error} Or does it lack data, such as labels? check_object(network, network.loss, X, y)."
        ) from None


def _returned_with_cost(result: Any) -> list[Any]:
    """Return what of (loss, …) are float arrays, or structures of them."""
    if cost_in(result) is result:
        return []
    values = result.values() if isinstance(result, Mapping) else result[1:]
    return [value for value in values if float_leaves(value)]


def _arguments_of(
    method: Callable[..., Any], cost: Callable[..., Any], data: Sequence[Any], more: Sequence[Any]
) -> Sequence[Any] | None:
    """Return what a backward pass is called with: nothing, or arguments of the cost by their names, or all of them.

    Something else that it asks for, such as ``dout``, is what the cost returned with J (``more``), if that is one
    thing. None if it asks for what is not known.
    """
    asked = [
        parameter.name.casefold()
        for parameter in inspect.signature(method).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    with contextlib.suppress(TypeError, ValueError):  # some functions written in C do not say
        named = inspect.signature(cost).bind(*data).arguments
        known = {name.casefold(): value for name, value in named.items()}
        if all(name in known for name in asked):
            return [known[name] for name in asked]
    if len(asked) == 1 and len(more) == 1:
        return more
    return data if len(asked) == len(data) > 1 else None


def _not_computed(
    network: Any, cost: Callable[..., Any], data: Sequence[Any], arrays: Sequence[Any]
) -> set[int]:
    """Return the ids of the arrays that keep other values, too, while the cost is called: it does not compute them."""
    with unchanged(network):
        changed = []
        for array in arrays:
            if array.flags.writeable:
                array *= FACTOR_OF_CHANGE
            changed.append(array.copy())
        try:
            cost(*data)
        except Exception:  # it need not be defined there
            return {id(array) for array in arrays}
        return {id(array) for array, copy in zip(arrays, changed, strict=True) if same_values(array, copy)}


def _without_gradient(
    network: Any, constant: Collection[int], claims: Sequence[ClaimedArray]
) -> Iterator[str]:
    """Yield the names of float arrays that stay as they are, held together with parameters, without a gradient."""
    claimed = {id(claim.array) for claim in claims}
    known = claimed | {id(pair.gradient) for pair in pairs_by_name(network)}
    for path, owner in owners_in(network):
        held = [
            [((*path, name, *inner), array) for inner, array in float_arrays_in(value)]
            for name, value in items_of(owner).items()
        ]
        if not any(id(array) in claimed for places in held for _, array in places):
            continue
        for places in held:
            is_of_parameters = any(id(array) in claimed for _, array in places)
            if len(places) == 1 or is_of_parameters:
                for place, array in places:
                    if id(array) in constant and id(array) not in known and array.size:
                        yield path_name(place)


def _nested(values: Sequence[tuple[Path, Any]]) -> dict[Any, Any]:
    """Return values by where they are held, as dicts inside dicts, without names in the beginning that all share."""
    first = values[0][0]
    while all(len(path) > 1 and path[0] == first[0] and isinstance(path[1], str) for path, _ in values):
        first = first[1:]
        values = [(path[1:], value) for path, value in values]
    whole: dict[Any, Any] = {}
    for path, value in values:
        inner = whole
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = value
    return whole


def _is_of(array: Any, data: Sequence[Any]) -> bool:
    """Whether an array is one of the data, or shares their memory."""
    for value in data:
        leaves = leaves_of(value) if isinstance(value, (np.ndarray, list, tuple, dict)) else []
        if any(isinstance(leaf, np.ndarray) and np.may_share_memory(leaf, array) for leaf in leaves):
            return True
    return False
