"""`forward_propagation` and `backward_propagation`: two exercises each, told apart by their arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

from fastcheck.course.networks import (
    Gradients,
    LayerCache,
    Parameters,
    backward_from_caches,
    forward_with_caches,
)
from fastcheck.course.vectors import Array


@overload
def forward_propagation(x: float, theta: float) -> float: ...


@overload
def forward_propagation(
    X: Array, parameters: Parameters, keep_prob: float = 1.0
) -> tuple[Array, list[LayerCache]]: ...


def forward_propagation(*args: Any, **kwargs: Any) -> Any:
    """Return the cost of the 1-D exercise, or outputs and caches of a network.

    ``forward_propagation(x, theta)`` is J(θ) = θ x. ``forward_propagation(X, parameters, keep_prob=1.0)`` returns
    ``AL, caches``; below 1 it drops out hidden units by new masks in every call, drawn from NumPy's global generator.
    """
    return (forward_with_caches if is_of_a_network(args, kwargs) else _forward_1d)(*args, **kwargs)


@overload
def backward_propagation(x: float, theta: float) -> float: ...


@overload
def backward_propagation(
    AL: Array, Y: Array, caches: list[LayerCache], keep_prob: float = 1.0
) -> Gradients: ...


def backward_propagation(*args: Any, **kwargs: Any) -> Any:
    """Return the derivative of the 1-D cost, or all gradients of a network.

    ``backward_propagation(x, theta)`` is dJ/dθ = x. ``backward_propagation(AL, Y, caches, keep_prob=1.0)`` takes what
    `forward_propagation` of a network returned, and returns dW1, db1, ….
    """
    return (backward_from_caches if len(args) + len(kwargs) > 2 else _backward_1d)(*args, **kwargs)


def is_of_a_network(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Tell the exercise with a network, which takes a dict of parameters, from that in one dimension."""
    return any(isinstance(argument, Mapping) for argument in (*args, *kwargs.values()))


def _forward_1d(x: float, theta: float) -> float:
    return theta * x


def _backward_1d(x: float, theta: float) -> float:
    return x
