"""Functions of several outputs: what they return as one vector, and a weighted sum of it, which is a cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastcheck.errors import EvaluationError
from fastcheck.problem.parameters import Vector, index_of, to_numpy


class Output(NamedTuple):
    """One named array that a function returns: entries ``start`` to ``start`` + size of the vector of all outputs."""

    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def rows(self) -> slice:
        """Where they are in the vector."""
        return slice(self.start, self.start + self.size)

    def entry(self, row: int) -> str:
        """Return the name of one entry, such as ``f[2, 0]``, by its row in the vector of all outputs."""
        index = index_of(row - self.start, self.shape)
        return f"{self.name}[{', '.join(map(str, index))}]" if index else self.name


class Listener(Protocol):
    """What is told of the outputs of every evaluation, as a vector."""

    def heard(self, outputs: Any) -> Any:
        """Return the outputs, or what stands for them."""
        ...


class WeightedOutputs:
    """The cost ⟨u, f(θ)⟩ of a function f with several outputs, u being fixed ``weights``.

    Its gradient is Jᵀu. The ``listener`` is told of f(θ).
    """

    def __init__(self, function: Callable[[Any], Any], weights: Vector, listener: Listener) -> None:
        self.function, self.weights, self.listener = function, weights, listener

    def __call__(self, parameters: Any) -> Any:
        """Return the weighted sum."""
        return np.sum(self.weights * self.listener.heard(flat_outputs(self.function(parameters))))

    def of(self, function: Callable[[Any], Any]) -> WeightedOutputs:
        """Return the same of another function."""
        return WeightedOutputs(function, self.weights, self.listener)


def threads_may_call(function: Any) -> bool:
    """Tell whether several threads may call a function, or what functions here are made of, at once."""
    while function is not None:
        if not getattr(function, "threads", True):
            return False
        function = getattr(function, "function", None)
    return True


class OutputsInOrder:
    """A function that returns a dict, as one that returns the vector of what its keys stand for, in this order.

    Of a gradient, the key of ``W1`` may be ``dW1``.
    """

    def __init__(self, function: Callable[[Any], Any], keys: tuple[Any, ...]) -> None:
        self.function, self.keys = function, keys

    def __call__(self, parameters: Any) -> Any:
        """Return the outputs, as one vector."""
        result = self.function(parameters)
        return flat_outputs([result[key] if key in result else result[f"d{key}"] for key in self.keys])

    def of(self, function: Callable[[Any], Any]) -> OutputsInOrder:
        """Return the same of another function."""
        return OutputsInOrder(function, self.keys)


class FillingOutputs:
    """A function that returns a dict of outputs, or that fills a dict it is given: ``f(inputs, outputs)``."""

    def __init__(self, function: Callable[..., Any], fills: bool) -> None:
        self.function, self.fills = function, fills

    def __call__(self, inputs: Any) -> Any:
        """Return the dict."""
        if not self.fills:
            return self.function(inputs)
        outputs: dict[Any, Any] = {}
        self.function(inputs, outputs)
        return outputs

    def of(self, function: Callable[..., Any]) -> FillingOutputs:
        """Return the same of another function."""
        return FillingOutputs(function, self.fills)


class WithArguments:
    """A function with arguments besides its first, as ``args=`` of SciPy gives them; ``part`` of a tuple it returns."""

    def __init__(
        self, function: Callable[..., Any], arguments: tuple[Any, ...] = (), part: int | None = None
    ) -> None:
        self.function, self.arguments, self.part = function, arguments, part

    def __call__(self, x: Any, *more: Any) -> Any:
        """Return what the function does."""
        result = self.function(x, *more, *self.arguments)
        return result if self.part is None else result[self.part]

    def of(self, function: Callable[..., Any]) -> WithArguments:
        """Return the same of another function."""
        return WithArguments(function, self.arguments, self.part)


def flat_outputs(result: Any) -> Any:
    """Return what a function returned as one vector: arrays, numbers, and lists, tuples and dicts of these."""
    if isinstance(result, Mapping):
        result = list(result.values())
    if isinstance(result, (list, tuple)):
        parts = [flat_outputs(part) for part in result]
        return np.concatenate(parts) if parts else np.zeros(0)
    return np.reshape(result, (-1,))


def read_outputs(result: Any, name: str) -> tuple[list[Output], Vector]:
    """Return the outputs of a function and their values, as one float64 vector.

    A dict has an output for each key, everything else is one. Raises `EvaluationError` for anything but finite real
    numbers; ``name`` is what the message calls the function.
    """
    if result is None:
        raise EvaluationError(
            f"{name}: expected an array, got None. Does the function end in a return statement?"
        )
    outputs: list[Output] = []
    vectors: list[Vector] = []
    start = 0
    parts = result if isinstance(result, Mapping) else {name: result}
    for key, value in parts.items():
        where = f"{name}: output {key}" if isinstance(result, Mapping) else name
        array = _real(value, where)
        outputs.append(Output(str(key), array.shape, start))
        vectors.append(array.reshape(-1))
        start += array.size
    if not start:
        raise EvaluationError(f"{name}: expected at least one number, got none. Return the outputs.")
    return outputs, np.concatenate(vectors)


def _real(value: Any, where: str) -> Vector:
    """Return what came as an array of finite float64 numbers."""
    if hasattr(value, "toarray"):
        value = value.toarray()
    try:
        array = value if isinstance(value, np.ndarray) else to_numpy(value, where)
    except ValueError:
        array = np.zeros(0, dtype=object)
    if array.dtype.kind == "c":
        raise EvaluationError(
            f"{where}: expected real numbers, got {array.dtype}. Return real and imaginary parts as two outputs: "
            "{'re': z.real, 'im': z.imag}."
        )
    if array.dtype.kind not in "fiub":
        raise EvaluationError(
            f"{where}: expected an array of numbers, got {type(value).__name__}. Return one array, or a list of "
            "numbers."
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise EvaluationError(
            f"{where}: expected finite numbers, got {array[index]} at {list(index)}. Look for log(0), a division by "
            "zero or an overflow."
        )
    return array
