"""Functions that are called with what their arguments are named after, turned into the conventions of the courses.

The smallest example is a pair that takes its arguments in another order than `check_backprop` gives them::

    def forward_propagation(X, parameters): ...           # returns (A3, cache)
    def compute_cost(A3, Y): ...
    def backward_propagation(parameters, cache, X, Y): ...
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastcheck.errors import InvalidProblemError
from fastcheck.problem.cost_value import cost_in

ROLES = {
    "X": r"x|xs|x_?(train|batch|data|input|assess|small|check)|inputs?|data|features|images",
    "Y": r"y|ys|y_?(train|batch|true|data|assess|small|check)|labels?|targets?|t",
    "parameters": r"param(eter)?s?|weights|p",
    "cache": r"caches?|memory|stored|activations",
    "AL": r"al?|a[1-9]|a?out|y_?(hat|pred)|pred(iction)?s?|outputs?|probs|probabilities|scores",
    "lambd": r"lambd|lambda_?|lam|lmbda?|l2|reg|regularization|weight_decay|alpha",
    "keep_prob": r"keep_?prob(ability)?|keep",
}
"""What arguments stand for, and patterns of what they are called, in any case."""

Values = Mapping[str, Any]


class Left(NamedTuple):
    """What a forward pass leaves for the backward pass: what it returned, and its parameters."""

    output: Any
    cache: Any
    parameters: Any


def role_of(name: str) -> str:
    """Return what an argument stands for: its role, or its own name.

    >>> role_of("caches"), role_of("A3"), role_of("theta")
    ('cache', 'AL', 'theta')
    """
    for role, pattern in ROLES.items():
        if re.fullmatch(pattern, name, re.IGNORECASE):
            return role
    return name


def arguments_of(function: Callable[..., Any], *, required: bool = False) -> list[str]:
    """Return the names of the positional arguments of a function, or of those without a default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions written in C do not say
        return []
    return [
        parameter.name
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and not (required and parameter.default is not parameter.empty)
    ]


def missing_for(function: Callable[..., Any], values: Values) -> list[str]:
    """Return the arguments that a function needs and for which there is no value."""
    return [name for name in arguments_of(function, required=True) if _key(name, values) is None]


def call_by_names(function: Callable[..., Any], values: Values) -> Any:
    """Return what a function does with the values that its arguments are named after."""
    given = {}
    for name in arguments_of(function):
        key = _key(name, values)
        if key is not None:
            given[name] = values[key]
    return function(**given)


def forward_by_names(
    forward: Callable[..., Any],
    cost: Callable[..., Any] | None,
    settings: Values,
    X: Any,
    Y: Any,
    parameters: Any,
) -> tuple[Any, Left]:
    """Return J and what is left of a forward pass that returns (J, cache), or (AL, cache) if there is a cost."""
    values = {**settings, "X": X, "Y": Y, "parameters": parameters}
    result = call_by_names(forward, values)
    if not isinstance(result, tuple) or len(result) < 2:
        raise InvalidProblemError(
            f"{forward.__name__}: expected it to return a pair (…, cache), got {type(result).__name__}."
        )
    output, cache = result[0], result[1] if len(result) == 2 else result[1:]
    if cost is not None:
        output_and_cost = call_by_names(cost, {**values, "AL": output, "cache": cache})
        return cost_in(output_and_cost), Left(output, cache, parameters)
    return output, Left(output, cache, parameters)


def backward_by_names(backward: Callable[..., Any], settings: Values, X: Any, Y: Any, left: Left) -> Any:
    """Return what a backward pass returns after a forward pass that ``left`` this."""
    values = {
        **settings,
        "X": X,
        "Y": Y,
        "parameters": left.parameters,
        "AL": left.output,
        "cache": left.cache,
    }
    return call_by_names(backward, values)


def cost_by_names(cost: Callable[..., Any], settings: Values, name: str, parameters: Any) -> Any:
    """Return the cost of parameters that go to the argument of this name."""
    return cost_in(call_by_names(cost, {**settings, name: parameters}))


def claim_by_names(
    function: Callable[..., Any], place: int | None, settings: Values, name: str, parameters: Any
) -> Any:
    """Return the gradients that a function returns, or those at this place of what it returns."""
    result = call_by_names(function, {**settings, name: parameters})
    return result if place is None else result[place]


def cost_of_several(cost: Callable[..., Any], settings: Values, parameters: Values) -> Any:
    """Return the cost of parameters that go to the arguments of their names."""
    return cost_in(call_by_names(cost, {**settings, **parameters}))


def claim_of_several(function: Callable[..., Any], settings: Values, parameters: Values) -> Any:
    """Return the gradients that a function returns one by one, under the names of the parameters."""
    return dict(zip(parameters, call_by_names(function, {**settings, **parameters}), strict=True))


def is_number(value: Any) -> bool:
    """Tell whether a value is one number: of Python, or an array of one entry."""
    return isinstance(value, (int, float, np.number)) or (isinstance(value, np.ndarray) and value.size == 1)


def _key(name: str, values: Values) -> str | None:
    """Return the key of the value for an argument: its own name, else its role."""
    for key in (name, role_of(name)):
        if key in values:
            return key
    return None


def layer_of_several_outputs(forward: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Return a forward pass that returns ``((out1, out2), cache)`` where the user's returns ``out1, out2, cache``."""

    @functools.wraps(forward)
    def forward_in_pairs(*inputs: Any) -> Any:
        *outputs, cache = forward(*inputs)
        if len(outputs) != count:
            raise InvalidProblemError(
                f"{forward.__name__}: expected {count} outputs and a cache, as the backward pass takes gradients of "
                f"{count}, got {len(outputs)} outputs."
            )
        return tuple(outputs), cache

    return forward_in_pairs


def layer_with_inputs(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a forward pass that returns its inputs as the cache, where the user's returns none."""

    @functools.wraps(forward)
    def forward_with_inputs(*inputs: Any) -> Any:
        return forward(*inputs), inputs

    return forward_with_inputs


def backward_of_inputs(backward: Callable[..., Any], places: Sequence[int]) -> Callable[..., Any]:
    """Return ``backward(dout, inputs)`` of one that takes some of the inputs one by one."""

    @functools.wraps(backward)
    def backward_from_inputs(dout: Any, inputs: Any) -> Any:
        return backward(dout, *(inputs[place] for place in places))

    return backward_from_inputs


def backward_of_layer(backward: Callable[..., Any], count: int, more: Sequence[Any]) -> Callable[..., Any]:
    """Return ``backward(dout, cache)`` of one that takes the gradients of several outputs, and ``more`` in the end."""

    @functools.wraps(backward)
    def backward_with_more(dout: Any, cache: Any) -> Any:
        gradients = (dout,) if count == 1 else tuple(dout)
        return backward(*gradients, cache, *more)

    return backward_with_more


def backward_of_sums(
    backward: Callable[..., Any], places: Sequence[int], factor: float
) -> Callable[..., Any]:
    """Return a backward pass in which the gradients at some places, averages over samples, are sums."""

    @functools.wraps(backward)
    def backward_with_sums(dout: Any, cache: Any) -> Any:
        result = backward(dout, cache)
        return tuple(value * factor if k in places else value for k, value in enumerate(result))

    return backward_with_sums


def loss_of_inputs(loss: Callable[..., Any], inputs: Values, parameters: Values) -> Any:
    """Return J of a function that returns ``(J, gradients)``, with these inputs in place of its others."""
    return loss(*{**inputs, **parameters}.values())[0]


def claim_of_loss(loss: Callable[..., Any], inputs: Values, names: Sequence[str], parameters: Values) -> Any:
    """Return the gradients of such a function by the names of its inputs."""
    _, *gradients = loss(*{**inputs, **parameters}.values())
    if len(gradients) == 1 and isinstance(gradients[0], (Mapping, tuple, list)):
        only = gradients[0]
        return only if isinstance(only, Mapping) else dict(zip(names, only, strict=True))
    return dict(zip(names, gradients, strict=True))


def output_of(layer: Any, x: Any) -> Any:
    """Return what a layer that is an object makes of its input."""
    return layer.forward(x)


def input_gradient_of(layer: Any, dout: Any) -> Any:
    """Return the gradient of its input, after a call of its forward pass."""
    return layer.backward(dout)


def cost_of_layer(layer: Any, dout: Any, x: Any) -> tuple[Any, Any]:
    """Return J = Σ dout ∘ out of a layer that is an object, and ``dout``, which its backward pass asks for."""
    return np.sum(dout * layer.forward(x)), dout
