"""What a network that is an object calls its parameters, and where it keeps the gradients that it claims.

The conventions that are known::

    net.params, net.grads            dicts, lists or arrays; also parameters and gradients, attributes or methods
    layer.W, layer.dW                also grad_W, W_grad, gradW …, and lists of them: weights, dweights
    weight.value, weight.grad        objects that hold one parameter; also data
    loss, grads = net.loss(X, y)     dicts by the parameters' names, lists in their order, or one array

in the object itself and in whatever its attributes, lists and dicts hold.
"""

from __future__ import annotations

import collections
import inspect
import itertools
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from fastcheck.problem.functions import accepts
from fastcheck.problem.object_contents import attributes_of
from fastcheck.problem.parameters import FLOAT_DTYPES, Path, leaves_of

ALL_PARAMETERS = ("params", "parameters", "_params", "_parameters")
"""Names of all parameters of an object together."""

ALL_GRADIENTS = ("grads", "gradients", "_grads", "_gradients", "grad")
"""Names of the gradients of all of them."""

ONE_PARAMETER = ("value", "data", "val")
"""Names of the array in an object that holds one parameter."""

ONE_GRADIENT = ("grad", "gradient")
"""Names of its gradient there."""

GRADIENT_FORMS = (
    "d{}",
    "grad_{}",
    "{}_grad",
    "grad{}",
    "d_{}",
    "{}_gradient",
    "gradient_{}",
    "{}grad",
    "nabla_{}",
    "g{}",
)
"""How the gradient of an attribute is called that is held by the same object."""

MOST_ITEMS_SEARCHED = 1_000
"""Items of one list or dict that are looked at: layers are fewer, samples may be more."""


class ClaimedArray(NamedTuple):
    """Where a parameter is held, the array, and its gradient."""

    path: Path
    array: Any
    gradient: Any


def pairs_by_name(network: Any, allowed: Collection[int] | None = None) -> Iterator[ClaimedArray]:
    """Yield the parameters for which the network holds gradients, by their names; each once.

    ``allowed`` are the ids of the arrays that may be parameters, None for all.
    """
    seen: set[int] = set()
    for path, owner in owners_in(network):
        for place, parameter, gradient in _named_pairs(owner):
            for inner, array, its_gradient in _matched_arrays(parameter, gradient):
                if id(array) not in seen and (allowed is None or id(array) in allowed):
                    seen.add(id(array))
                    yield ClaimedArray((*path, *place, *inner), array, its_gradient)


def pairs_with(network: Any, gradients: Any, allowed: Collection[int]) -> list[ClaimedArray]:
    """Return the arrays of the network to which gradients belong that were returned; none if that is not clear.

    They belong to what the network calls its parameters, if the structures agree; to the attributes and keys of the
    same names, if they are a dict; or else to the arrays of their shapes, if these are as many and in the same order.
    """
    together = _together(network, gradients, allowed)
    if together:
        return together
    if isinstance(gradients, Mapping):
        return _by_their_keys(network, gradients, allowed)
    return _by_their_order(network, gradients, allowed)


def _together(network: Any, gradients: Any, allowed: Collection[int]) -> list[ClaimedArray]:
    """Return the pairs of all gradients with what an object calls all its parameters."""
    count = len(float_leaves(gradients))
    for path, owner in owners_in(network):
        for name in () if isinstance(owner, dict) else ALL_PARAMETERS:
            pairs = _matched_arrays(_attribute_or_result(owner, name), gradients)
            if pairs and len(pairs) == count and all(id(pair.array) in allowed for pair in pairs):
                return [pair._replace(path=(*path, *pair.path)) for pair in pairs]
    return []


def _by_their_keys(network: Any, gradients: Any, allowed: Collection[int]) -> list[ClaimedArray]:
    pairs: dict[int, ClaimedArray] = {}
    for path, owner in owners_in(network):
        for pair in _matched_arrays(items_of(owner), gradients):
            if id(pair.array) in allowed:
                pairs.setdefault(id(pair.array), pair._replace(path=(*path, *pair.path)))
    return list(pairs.values())


def _by_their_order(network: Any, gradients: Any, allowed: Collection[int]) -> list[ClaimedArray]:
    """Return the arrays whose shape a gradient has, in pairs with the gradients, if shapes agree in this order."""
    leaves = float_leaves(gradients)
    held: dict[int, tuple[Path, Any]] = {}
    for path, owner in owners_in(network):
        for name, value in items_of(owner).items():
            for inner, array in float_arrays_in(value):
                if id(array) in allowed and any(_fits(array, gradient) for gradient in leaves):
                    held.setdefault(id(array), ((*path, name, *inner), array))
    if len(held) != len(leaves):
        return []
    pairs = [ClaimedArray(*place, leaf) for place, leaf in zip(held.values(), leaves, strict=True)]
    return pairs if all(_fits(pair.array, pair.gradient) for pair in pairs) else []


def _named_pairs(owner: Any) -> Iterator[ClaimedArray]:
    """Yield what of one object or dict is named like parameters and gradients: arrays, or structures of them."""
    items = items_of(owner)
    if not isinstance(owner, dict):
        for names, gradient_names in ((ALL_PARAMETERS, ALL_GRADIENTS), (ONE_PARAMETER, ONE_GRADIENT)):
            parameters = [_attribute_or_result(owner, name) for name in names]
            gradients = [_attribute_or_result(owner, name) for name in gradient_names]
            for parameter, gradient in itertools.product(parameters, gradients):
                if parameter is not None and gradient is not None:
                    yield ClaimedArray((), parameter, gradient)
    for name, value in list(items.items()):
        if isinstance(value, (np.ndarray, list, tuple, dict)):
            for gradient_name in _names_of_gradient(name):
                gradient = items.get(gradient_name)
                if gradient is not None:
                    yield ClaimedArray((name,), value, gradient)


def _matched_arrays(parameter: Any, gradient: Any, path: Path = ()) -> list[ClaimedArray]:
    """Return the arrays of two structures that are alike, in pairs; none where they are not."""
    if _may_have_gradient(parameter):
        return [ClaimedArray(path, parameter, gradient)] if _fits(parameter, gradient) else []
    pairs: list[ClaimedArray] = []
    if isinstance(parameter, Mapping) and isinstance(gradient, Mapping):
        for name, value in parameter.items():
            keys = [key for key in (name, *_names_of_gradient(name)) if key in gradient]
            if keys:
                pairs += _matched_arrays(value, gradient[keys[0]], (*path, name))
    elif _are_alike(parameter, gradient):
        for number, items in enumerate(zip(parameter, gradient, strict=True)):
            pairs += _matched_arrays(*items, (*path, number))
    return pairs


def owners_in(network: Any) -> Iterator[tuple[Path, Any]]:
    """Yield objects with attributes, and dicts, from the network on, each once, with the names that lead to them."""
    queue: collections.deque[tuple[Path, Any]] = collections.deque([((), network)])
    seen: set[int] = set()
    while queue:
        path, value = queue.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, (list, tuple)):
            queue += [((*path, number), item) for number, item in enumerate(value[:MOST_ITEMS_SEARCHED])]
            continue
        items = items_of(value)
        if items:
            yield path, value
            first_items = itertools.islice(list(items.items()), MOST_ITEMS_SEARCHED)
            queue += [((*path, name), item) for name, item in first_items]


def items_of(owner: Any) -> dict[Any, Any]:
    """Return a dict itself, or the attributes of an object."""
    return owner if isinstance(owner, dict) else attributes_of(owner)


def float_arrays_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield a float array, or those in lists and tuples, with the numbers that lead to them."""
    if _may_have_gradient(value):
        yield path, value
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value[:MOST_ITEMS_SEARCHED]):
            yield from float_arrays_in(item, (*path, number))


def float_leaves(structure: Any) -> list[Any]:
    """Return the leaves of a structure if all are float arrays, and else nothing."""
    may_hold_some = isinstance(structure, (Mapping, list, tuple)) or _may_have_gradient(structure)
    leaves = leaves_of(structure) if may_hold_some else []
    return leaves if all(map(_may_have_gradient, leaves)) else []


def _attribute_or_result(owner: Any, name: str) -> Any:
    """Return an attribute, or what a method without arguments returns, if it holds float arrays."""
    try:
        value = getattr(owner, name, None)
        if inspect.ismethod(value) and accepts(value, ()):
            value = value()
        if inspect.isgenerator(value):
            value = list(value)
    except Exception:  # the user's code may raise anything
        return None
    return value if float_leaves(value) else None


def _names_of_gradient(name: Any) -> list[str]:
    return [form.format(name) for form in GRADIENT_FORMS] if isinstance(name, str) else []


def _are_alike(parameters: Any, gradients: Any) -> bool:
    are_lists = isinstance(parameters, (list, tuple)) and isinstance(gradients, (list, tuple))
    return are_lists and len(parameters) == len(gradients)


def _may_have_gradient(x: Any) -> bool:
    return isinstance(x, np.ndarray) and (x.dtype in FLOAT_DTYPES or x.dtype.kind == "c")


def _fits(parameter: Any, gradient: Any) -> bool:
    return _may_have_gradient(gradient) and gradient.shape == parameter.shape and gradient is not parameter
