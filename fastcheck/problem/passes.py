"""Forward and backward passes of the user's that can be run again, one after the other, in any convention.

What they are asked: `forward` returns what the backward pass needs, `backward` what it returns, as it is, and `claims`
the same in the structure of the parameters. A run happens inside of `held`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fastcheck.problem.adapters import ForwardCost, LayerCost, run_backward
from fastcheck.problem.functions import structure_copy
from fastcheck.problem.object_cost import ObjectCost
from fastcheck.problem.parameters import map_structure
from fastcheck.problem.randomness import restart

Convert = Callable[[Any], Any]
"""Makes another array of one that a run begins with, such as a read-only one."""


class Passes(Protocol):
    """A forward and a backward pass; ``cotangent`` is None where the cost is a number."""

    @property
    def functions(self) -> tuple[Any, ...]:
        """The user's functions."""
        ...

    @property
    def function(self) -> Any:
        """The backward pass."""
        ...

    @property
    def owner(self) -> Any:
        """The object that the backward pass belongs to, None if it is a function."""
        ...

    @property
    def cotangent(self) -> Any:
        """What the backward pass gets for ``dout``."""
        ...

    def held(self, convert: Convert) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a run."""
        ...

    def forward(self, convert: Convert) -> Any:
        """Run the forward pass on copies of its arguments."""
        ...

    def backward(self, left: Any, cotangent: Any) -> Any:
        """Run the backward pass after a forward pass that ``left`` this."""
        ...

    def claims(self, result: Any) -> Any:
        """Return the gradients in what the backward pass returned."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LayerPasses:
    """Those of a layer: ``forward(*inputs)``, ``backward(dout, cache)`` or ``backward(dout)``."""

    cost: LayerCost
    function: Callable[..., Any]
    names: Sequence[str]

    @property
    def functions(self) -> tuple[Any, ...]:
        """The user's functions."""
        return self.cost.forward, self.function

    @property
    def owner(self) -> Any:
        """The object that the backward pass belongs to, None if it is a function."""
        return getattr(self.function, "__self__", None)

    @property
    def cotangent(self) -> Any:
        """What the backward pass gets for ``dout``."""
        return self.cost.cotangent

    def held(self, convert: Convert) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a run."""
        return contextlib.nullcontext()

    def forward(self, convert: Convert) -> Any:
        """Return the cache of a run on copies of the inputs."""
        return self.cost.cache_of([_converted(value, convert) for value in self.cost.fresh_arguments()])

    def backward(self, left: Any, cotangent: Any) -> Any:
        """Return what the backward pass returns."""
        restart()
        return run_backward(self.function, cotangent, left)

    def claims(self, result: Any) -> Any:
        """Return the gradients by the names of the inputs that are checked."""
        return self.cost.gradients_of(result, self.names)


@dataclass(frozen=True, slots=True, eq=False)
class BackpropPasses:
    """Those of the courses: ``forward(X, Y, parameters) -> (cost, cache)``, ``backward(X, Y, cache)``."""

    cost: ForwardCost
    function: Callable[[Any, Any, Any], Any]
    parameters: Any

    cotangent = None

    @property
    def functions(self) -> tuple[Any, ...]:
        """The user's functions."""
        return self.cost.forward, self.function

    @property
    def owner(self) -> Any:
        """The object that the backward pass belongs to, None if it is a function."""
        return getattr(self.function, "__self__", None)

    def held(self, convert: Convert) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a run."""
        return contextlib.nullcontext()

    def forward(self, convert: Convert) -> Any:
        """Return X, Y and the cache of a run on copies of all arguments."""
        X, Y = (_fresh_data(value, convert) for value in (self.cost.X, self.cost.Y))
        cache = ForwardCost(self.cost.forward, X, Y).cache(_fresh_parameters(self.parameters, convert))
        return X, Y, cache

    def backward(self, left: Any, cotangent: Any) -> Any:
        """Return what the backward pass returns."""
        restart()
        return self.function(*left)

    def claims(self, result: Any) -> Any:
        """Return the gradients in the structure of the parameters."""
        return result


@dataclass(frozen=True, slots=True, eq=False)
class ObjectPasses:
    """Those of a network that is an object: ``cost(*data)`` and ``gradients()`` afterwards."""

    cost: ObjectCost
    function: Callable[[], Any]
    parameters: Any

    cotangent = None

    @property
    def functions(self) -> tuple[Any, ...]:
        """The user's functions."""
        return self.cost.network, self.cost.cost, self.function

    @property
    def owner(self) -> Any:
        """The network."""
        return self.cost.network

    def held(self, convert: Convert) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a run: the object holds copies of the parameters."""
        return self.cost.holding(_fresh_parameters(self.parameters, convert))

    def forward(self, convert: Convert) -> Any:
        """Run the cost on copies of its data."""
        return self.cost.cost(*(_fresh_data(value, convert) for value in self.cost.data))

    def backward(self, left: Any, cotangent: Any) -> Any:
        """Return what the backward pass returns."""
        restart()
        return self.function()

    def claims(self, result: Any) -> Any:
        """Return the gradients in the structure of the parameters."""
        return result


def _fresh_data(value: Any, convert: Convert) -> Any:
    """Return a copy of data in which float arrays are converted."""
    return _converted(structure_copy(value), convert)


def _fresh_parameters(parameters: Any, convert: Convert) -> Any:
    """Return a copy of the parameters, converted."""
    return map_structure(lambda _path, leaf: _converted(structure_copy(leaf), convert), parameters)


def _converted(value: Any, convert: Convert) -> Any:
    """Return a value with its float arrays converted, also those in lists, tuples and dicts."""
    if type(value) is np.ndarray and value.dtype.kind == "f":
        return convert(value)
    if type(value) in (list, tuple):
        return type(value)(_converted(item, convert) for item in value)
    if type(value) is dict:
        return {key: _converted(item, convert) for key, item in value.items()}
    return value
