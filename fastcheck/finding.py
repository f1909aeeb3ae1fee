"""What a network that is an object calls its parameters, and where it keeps the gradients that it claims.

The conventions that are known::

    net.params, net.grads            dicts, lists or arrays; also parameters and gradients, attributes or methods
    layer.W, layer.dW                also grad_W, W_grad, gradW …, and lists of them: weights, dweights
    weight.value, weight.grad        objects that hold one parameter; also data
    loss, grads = net.loss(X, y)     dicts by the parameters' names, lists in their order, or one array

in the object itself and in whatever its attributes, lists and dicts hold. A parameter is an array that a call of the
cost leaves as it is: what is computed anew, such as Z beside dZ, is none.
"""

from __future__ import annotations

import collections
import contextlib
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.errors import EvaluationError, InvalidProblemError, UndefinedCostError
from fastcheck.objects import arrays_held, attributes_of, unchanged
from fastcheck.parameters import FLOAT_DTYPES, map_structure, path_name
from fastcheck.problem import cost_in, expect_arguments, map_copy, read_cost, same_values
from fastcheck.randomness import restart

CONTAINERS = (
    ("params", "parameters", "_params", "_parameters"),
    ("grads", "gradients", "_grads", "_gradients", "grad"),
)
"""Names of all parameters together, and of all gradients."""

SINGLE = (("value", "data", "val"), ("grad", "gradient"))
"""The same in an object that holds one parameter."""

BESIDE = (
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
"""Names of the gradient of a parameter that lies beside it."""

BACKWARD = (
    "backward", "backprop", "back_prop", "backpropagation", "backward_propagation", "backward_pass", "bprop",
    "gradient", "gradients", "grad", "grads", "compute_gradient", "compute_gradients", "compute_grads",
)  # fmt: skip
"""Methods that compute gradients, where the cost does not."""

ZEROING = ("zero_grad", "zero_grads", "zero_gradients", "reset_grads", "clear_grads")

NUDGE = 1.0 + 2.0**-10
"""Factor by which arrays are changed to see which of them a call of the cost computes anew."""

MOST_ITEMS = 1_000
"""Things in one list or dict that are looked at: layers are fewer, samples may be more."""

Path = tuple[Any, ...]

Pair = tuple[Path, Any, Any]
"""Where a parameter is held, the parameter, its gradient."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Parameters, the very arrays that the network holds, and the gradients it claims, copied, in one structure.

    ``pairs`` are the same one by one; ``without`` names arrays beside them for which it has none.
    """

    parameters: Any
    gradients: Any
    pairs: Sequence[tuple[Any, Any]]
    without: tuple[str, ...]


def found_in(network: Any, cost: Callable[..., Any], gradients: Any, data: Sequence[Any]) -> Found:
    """Return parameters and gradients of a network whose cost is ``cost(*data)``.

    Gradients may be given, or a function that returns them after a call of the cost: then the parameters that they are
    of are found. Costs two forward passes and a backward pass. The network stays as it is. Raises
    `InvalidProblemError` where the conventions do not tell, and `EvaluationError` where the data are changed.
    """
    expect_arguments("cost", cost, *(f"data{k}" for k in range(len(data))))
    given = map_copy(list(data))
    before = [array for array in arrays_held(network) if not _is_of(array, data)]
    values = [array.copy() for array in before]
    with unchanged(network):
        if gradients is None:
            pairs = _claimed(network, cost, data, before)
        else:
            pairs = _matched(network, _given(gradients, cost, data), before)
        if not all(map(same_values, given, data)):
            raise EvaluationError(
                "cost: it changes its data in place. Work on a copy: the next call would see other data. (Yours are "
                "unchanged: the check works on a copy.)"
            )
        claims = [(path, array, _as_computed(gradient, array.dtype)) for path, array, gradient in pairs]
        held = {id(array) for array in arrays_held(network)}  # no running means, which the call has replaced
        steady = {
            id(a) for a, old in zip(before, values, strict=True) if id(a) in held and same_values(a, old)
        }
    fixed = _not_computed(network, cost, data, [array for _, array, _ in claims])
    claims = [claim for claim in claims if id(claim[1]) in fixed]
    if not claims:
        raise InvalidProblemError(
            f"network: no parameters with gradients were found in the {type(network).__name__}. Known are: a loss that "
            "returns (loss, grads); params and grads, parameters and gradients; W and dW or grad_W beside it; value "
            "and grad. Name them: check_object(network, cost, …, parameters={'W': network.W}, gradients=…)."
        )
    return Found(
        parameters=_nested([(path, array) for path, array, _ in claims]),
        gradients=_nested([(path, gradient) for path, _, gradient in claims]),
        pairs=[(array, gradient) for _, array, gradient in claims],
        without=tuple(_without(network, steady, claims)),
    )


def _given(gradients: Any, cost: Callable[..., Any], data: Sequence[Any]) -> Any:
    if not callable(gradients):
        return gradients
    expect_arguments("gradients", gradients)
    cost(*data)
    restart()
    return gradients()


def _claimed(
    network: Any, cost: Callable[..., Any], data: Sequence[Any], before: Sequence[Any]
) -> list[Pair]:
    """Run the cost, and the backward pass if that is a method of its own; return parameters and their gradients."""
    for name in ZEROING:
        if callable(getattr(network, name, None)):
            getattr(network, name)()
    old = {id(gradient): gradient for _, _, gradient in _pairs(network, None)}
    for gradient in old.values():
        if gradient.flags.writeable:
            gradient[...] = 0.0

    def found(returned: Sequence[Any]) -> list[Pair]:
        for one in ([list(returned)] if len(returned) > 1 else []) + list(returned):
            pairs = _matched(network, one, before)
            if pairs:
                return pairs
        computed = any(id(gradient) not in old or gradient.any() for _, _, gradient in _pairs(network, None))
        return list(_pairs(network, before)) if computed else []

    result = cost(*data)
    _expect_cost(result)
    besides = _besides_cost(result)
    pairs = found(besides)
    for name in BACKWARD:
        method = getattr(network, name, None)
        if not pairs and inspect.ismethod(method):
            for arguments in _arguments_of(method, cost, data, besides):
                restart()
                pairs = pairs or found(_besides_cost((0.0, method(*arguments))))
    return pairs


def _as_computed(gradient: Any, dtype: np.dtype[Any]) -> Any:
    """Return a copy of a gradient in the precision that it was computed in: that of its parameter, if that is less."""
    with np.errstate(over="ignore"):
        less = np.array(gradient, dtype=min(gradient.dtype, dtype, key=lambda one: one.itemsize))
    return less if np.isfinite(less).all() else np.array(gradient)


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


def _besides_cost(result: Any) -> list[Any]:
    """Return what of (loss, …) are float arrays, or structures of them."""
    if cost_in(result) is result:
        return []
    things = result.values() if isinstance(result, Mapping) else result[1:]
    return [one for one in things if _leaves(one)]


def _arguments_of(
    method: Callable[..., Any], cost: Callable[..., Any], data: Sequence[Any], besides: Sequence[Any]
) -> Iterator[Sequence[Any]]:
    """Yield what a backward pass is called with: nothing, or arguments of the cost by their names, or all of them.

    Something else that it asks for, such as ``dout``, is what the cost returned besides, if that is one thing.
    """
    parameters = inspect.signature(method).parameters.values()
    asked = [
        x.name.casefold() for x in parameters if x.default is x.empty and x.kind is x.POSITIONAL_OR_KEYWORD
    ]
    with contextlib.suppress(TypeError, ValueError):  # some functions written in C do not say
        named = inspect.signature(cost).bind(*data).arguments
        known = {name.casefold(): value for name, value in named.items()}
        if all(name in known for name in asked):
            yield [known[name] for name in asked]
            return
    if len(asked) == 1 and len(besides) == 1:
        yield besides
    elif len(asked) == len(data) > 1:
        yield data


def takes(function: Callable[..., Any], arguments: Sequence[Any]) -> bool:
    """Whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError):
        return False
    return True


def _pairs(network: Any, before: Sequence[Any] | None) -> Iterator[Pair]:
    """Yield the parameters beside which, or beside all of which, there are gradients; each once.

    ``before`` are the arrays that may be parameters, None for all.
    """
    allowed = None if before is None else {id(array) for array in before}
    seen: set[int] = set()
    for path, owner in _owners(network):
        for place, parameter, gradient in _pairs_in(owner):
            for inner, array, its in _side_by_side(parameter, gradient):
                if id(array) not in seen and (allowed is None or id(array) in allowed):
                    seen.add(id(array))
                    yield (*path, *place, *inner), array, its


def _pairs_in(owner: Any) -> Iterator[Pair]:
    """Yield what of one object or dict is named like parameters and gradients."""
    things = owner if isinstance(owner, dict) else attributes_of(owner)
    if not isinstance(owner, dict):
        for names, others in (CONTAINERS, SINGLE):
            parameters, gradients = ([_asked(owner, name) for name in some] for some in (names, others))
            for parameter in parameters:
                for gradient in gradients:
                    if parameter is not None and gradient is not None:
                        yield (), parameter, gradient
    for name, value in list(things.items()):
        if isinstance(name, str) and isinstance(value, (np.ndarray, list, tuple, dict)):
            for form in BESIDE:
                gradient = things.get(form.format(name))
                if gradient is not None:
                    yield (name,), value, gradient


def _asked(owner: Any, name: str) -> Any:
    """Return an attribute, or what a method without arguments returns, if it holds float arrays."""
    try:
        value = getattr(owner, name, None)
        if inspect.ismethod(value) and takes(value, ()):
            value = value()
        if inspect.isgenerator(value):
            value = list(value)
    except Exception:  # the user's code may raise anything
        return None
    return value if _leaves(value) else None


def _side_by_side(parameter: Any, gradient: Any, path: Path = ()) -> list[Pair]:
    """Return the arrays of two structures that are alike, in pairs; none where they are not."""
    if _is_float(parameter):
        return [(path, parameter, gradient)] if _fits(parameter, gradient) else []
    found = []
    if isinstance(parameter, Mapping) and isinstance(gradient, Mapping):
        for name, value in parameter.items():
            keys = [key for key in (name, *_names_of_gradient(name)) if key in gradient]
            if keys:
                found += _side_by_side(value, gradient[keys[0]], (*path, name))
    elif _are_alike(parameter, gradient):
        for number, (one, other) in enumerate(zip(parameter, gradient, strict=True)):
            found += _side_by_side(one, other, (*path, number))
    return found


def _are_alike(parameters: Any, gradients: Any) -> bool:
    lists = isinstance(parameters, (list, tuple)) and isinstance(gradients, (list, tuple))
    return lists and len(parameters) == len(gradients)


def _matched(network: Any, returned: Any, before: Sequence[Any]) -> list[Pair]:
    """Return the arrays of the network to which gradients belong that were returned."""
    allowed = {id(array) for array in before}
    for path, owner in _owners(network):
        for name in CONTAINERS[0] if not isinstance(owner, dict) else ():
            pairs = _side_by_side(_asked(owner, name), returned)
            if pairs and len(pairs) == len(_leaves(returned)) and all(id(a) in allowed for _, a, _ in pairs):
                return [((*path, *place), array, gradient) for place, array, gradient in pairs]
    if isinstance(returned, Mapping):
        found = []
        for path, owner in _owners(network):
            pairs = _side_by_side(owner if isinstance(owner, dict) else attributes_of(owner), returned)
            found += [((*path, *place), a, g) for place, a, g in pairs if id(a) in allowed]
        return list(
            {id(array): (path, array, gradient) for path, array, gradient in reversed(found)}.values()
        )[::-1]
    gradients, held = _leaves(returned), _held_in_order(network, allowed)
    alike = [one for one in held if any(_fits(one[1], gradient) for gradient in gradients)]
    if len(alike) == len(gradients) and all(
        _fits(one[1], g) for one, g in zip(alike, gradients, strict=True)
    ):
        return [(path, array, gradient) for (path, array), gradient in zip(alike, gradients, strict=True)]
    return []


def _held_in_order(network: Any, allowed: set[int]) -> list[tuple[Path, Any]]:
    """Return the float arrays that objects, dicts and lists hold, each once."""
    found: dict[int, tuple[Path, Any]] = {}
    for path, owner in _owners(network):
        things = owner if isinstance(owner, dict) else attributes_of(owner)
        for name, value in things.items():
            for inner, array in _arrays_in(value):
                if id(array) in allowed:
                    found.setdefault(id(array), ((*path, name, *inner), array))
    return list(found.values())


def _not_computed(
    network: Any, cost: Callable[..., Any], data: Sequence[Any], arrays: Sequence[Any]
) -> set[int]:
    """Return the ids of the arrays that keep other values, too, while the cost is called: it does not compute them."""
    with unchanged(network):
        changed = []
        for array in arrays:
            if array.flags.writeable:
                array *= NUDGE
            changed.append(array.copy())
        try:
            cost(*data)
        except Exception:  # it need not be defined there
            return {id(array) for array in arrays}
        return {id(array) for array, copy in zip(arrays, changed, strict=True) if same_values(array, copy)}


def _without(network: Any, steady: set[int], claims: Sequence[Pair]) -> Iterator[str]:
    """Yield the names of float arrays that stay as they are, and lie beside parameters without a gradient."""
    claimed = {id(array) for _, array, _ in claims}
    known = claimed | {id(gradient) for _, _, gradient in _pairs(network, None)}
    for path, owner in _owners(network):
        things = owner if isinstance(owner, dict) else attributes_of(owner)
        held = [
            [((*path, name, *inner), array) for inner, array in _arrays_in(x)] for name, x in things.items()
        ]
        if any(id(array) in claimed for some in held for _, array in some):
            for some in held:  # of lists, those of parameters
                if len(some) == 1 or any(id(array) in claimed for _, array in some):
                    yield from (
                        path_name(at) for at, array in some if id(array) in steady - known and array.size
                    )


def _owners(network: Any) -> Iterator[tuple[Path, Any]]:
    """Yield objects with attributes, and dicts, from the network on, each once, with the names that lead to them."""
    waiting: collections.deque[tuple[Path, Any]] = collections.deque([((), network)])
    seen: set[int] = set()
    while waiting:
        path, thing = waiting.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, (list, tuple)):
            waiting += [((*path, number), one) for number, one in enumerate(thing[:MOST_ITEMS])]
            continue
        attributes = attributes_of(thing) if not isinstance(thing, dict) else thing
        if not attributes:
            continue
        yield path, thing
        some = itertools.islice(list(attributes.items()), MOST_ITEMS)
        waiting += [((*path, name), value) for name, value in some]


def _nested(things: Sequence[tuple[Path, Any]]) -> dict[Any, Any]:
    """Return arrays by where they are held, as dicts inside dicts, without names in the beginning that all share."""
    first = things[0][0]
    while all(len(path) > 1 and path[0] == first[0] and isinstance(path[1], str) for path, _ in things):
        first = first[1:]
        things = [(path[1:], value) for path, value in things]
    whole: dict[Any, Any] = {}
    for path, value in things:
        room = whole
        for name in path[:-1]:
            room = room.setdefault(name, {})
        room[path[-1]] = value
    return whole


def _names_of_gradient(name: Any) -> list[str]:
    return [form.format(name) for form in BESIDE] if isinstance(name, str) else []


def _arrays_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the float arrays in lists and tuples."""
    if _is_float(value):
        yield path, value
    elif isinstance(value, (list, tuple)):
        for number, one in enumerate(value[:MOST_ITEMS]):
            yield from _arrays_in(one, (*path, number))


def _leaves(structure: Any) -> list[Any]:
    """Return the leaves of a structure if all are float arrays or numbers, and else nothing."""
    leaves: list[Any] = []
    if isinstance(structure, (Mapping, list, tuple)) or _is_float(structure):
        map_structure(lambda _path, leaf: leaves.append(leaf), structure)
    return leaves if all(map(_is_float, leaves)) else []


def _is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype in FLOAT_DTYPES


def _fits(parameter: Any, gradient: Any) -> bool:
    return _is_float(gradient) and gradient.shape == parameter.shape and gradient is not parameter


def _is_of(array: Any, data: Sequence[Any]) -> bool:
    """Whether an array is one of the data, or shares their memory."""
    found: list[Any] = []
    for one in data:
        if isinstance(one, (np.ndarray, list, tuple, dict)):
            map_structure(lambda _path, leaf: found.append(leaf), one)
    return any(isinstance(x, np.ndarray) and np.may_share_memory(x, array) for x in found)
