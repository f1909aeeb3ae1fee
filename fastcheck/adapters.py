"""Other conventions of writing networks, turned into a cost that is a function of the parameters.

`ForwardCost` for ``forward(X, Y, parameters) -> (cost, cache)``, `LayerCost` for a layer that returns arrays,
`ObjectCost` for networks that hold their parameters in attributes.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.errors import EvaluationError, InvalidProblemError
from fastcheck.parameters import map_structure, path_name
from fastcheck.problem import expect_arguments, map_copy, same_values, structure_copy
from fastcheck.randomness import restart


@dataclass(frozen=True, slots=True, eq=False)
class ForwardCost:
    """The cost of a forward pass ``forward(X, Y, parameters) -> (cost, cache)``, as a function of θ alone."""

    forward: Callable[[Any, Any, Any], Any]
    X: Any
    Y: Any

    def __call__(self, parameters: Any) -> Any:
        """Return the cost."""
        return self._run(parameters)[0]

    def with_data(self, convert: Callable[[Any], Any]) -> ForwardCost:
        """Return the same cost with X and Y converted."""
        return ForwardCost(self.forward, convert(self.X), convert(self.Y))

    def gradients(
        self, backward: Callable[[Any, Any, Any], Any], given: tuple[Any, Any], parameters: Any
    ) -> Any:
        """Return what ``backward(X, Y, cache)`` claims; `EvaluationError` if X or Y are no longer as given."""
        _, cache = self._run(parameters)
        restart()
        result = map_copy(backward(self.X, self.Y, cache))
        for name, original, used in zip("XY", given, (self.X, self.Y), strict=True):
            if not same_values(original, used):
                raise EvaluationError(
                    f"forward or backward: it changes {name} in place. Work on a copy of {name}: the next "
                    "call would see other data. (Yours is unchanged: the check works on a copy.)"
                )
        return result

    def _run(self, parameters: Any) -> tuple[Any, Any]:
        result = self.forward(self.X, self.Y, parameters)
        if not isinstance(result, tuple) or len(result) != 2:
            got = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
            raise EvaluationError(
                f"forward: expected the pair (cost, cache), got {got}. Return both, or use check(cost, …) "
                "with a function that returns the cost alone."
            )
        return result


class LayerCost:
    """A layer's outputs times fixed random cotangents, summed: J = Σ dout ∘ out.

    The parameters are the layer's inputs that are float arrays, by the names of the forward's arguments; all
    others (labels, token ids, settings) stay as they are. ``dout`` has standard normal entries.
    """

    def __init__(self, forward: Callable[..., Any], inputs: Sequence[Any], seed: int) -> None:
        self.forward = forward
        self.inputs = [structure_copy(value) for value in inputs]
        self.names = _argument_names(forward, len(inputs))
        self.places = [i for i, value in enumerate(inputs) if _is_float_array(value)]
        if not self.places:
            got = ", ".join(type(value).__name__ for value in inputs) or "none"
            raise InvalidProblemError(
                f"inputs: expected at least one float array, got {got}. Integer inputs have no gradient."
            )
        out, _ = _split_output(self._call(self.parameters()))
        rng = np.random.default_rng(seed)
        self.cotangent = map_structure(lambda path, leaf: _cotangent(path, leaf, rng), out)

    def with_data(self, convert: Callable[[Any], Any]) -> LayerCost:
        """Return the same cost with inputs and cotangents converted."""
        other = copy.copy(self)
        other.inputs = [convert(value) for value in self.inputs]
        other.cotangent = convert(self.cotangent)
        return other

    def parameters(self) -> dict[str, Any]:
        """Return the float inputs by name."""
        return {self.names[i]: self.inputs[i] for i in self.places}

    def __call__(self, parameters: Mapping[str, Any]) -> Any:
        """Return J."""
        out, _ = _split_output(self._call(parameters))
        terms: list[Any] = []
        _pair_leaves(self.cotangent, out, lambda dout, value: terms.append(np.sum(dout * value)))
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def gradients(self, backward: Callable[..., Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return what ``backward(dout, cache)`` claims, or ``backward(dout)`` for a layer without a cache."""
        _, cache = _split_output(self._call(parameters))
        dout = map_copy(self.cotangent)
        restart()
        result = map_copy(backward(dout) if cache is NO_CACHE else backward(dout, cache))
        if isinstance(result, Mapping):
            return dict(result)
        names = [self.names[i] for i in self.places]
        claimed = list(result) if isinstance(result, (tuple, list)) else [result]
        if len(claimed) == len(self.inputs):
            claimed = [claimed[i] for i in self.places]
        if len(claimed) != len(names):
            raise InvalidProblemError(
                f"backward: expected {len(names)} gradients, one for each float input ({', '.join(names)}), "
                f"got {len(claimed)}. Return them in the order of the inputs, or a dict by their names."
            )
        return dict(zip(names, claimed, strict=True))

    def _call(self, parameters: Mapping[str, Any]) -> Any:
        arguments = list(self.inputs)
        for i in self.places:
            arguments[i] = parameters[self.names[i]]
        return self.forward(*arguments)


NO_CACHE = object()


class ObjectCost:
    """A cost without arguments that reads its parameters from an object's attributes, lists and dicts.

    For each evaluation the arrays are put into every place where the object holds them, and afterwards
    everything reachable from the object is as it was: places, lists, attributes, and the contents of arrays.
    One object can only be evaluated by one thread at a time; ``threads`` says so.
    """

    threads = False

    def __init__(self, network: Any, cost: Callable[[], Any], parameters: Any) -> None:
        if not callable(cost):
            raise InvalidProblemError(
                f"cost: expected a function without arguments, got {type(cost).__name__}."
            )
        expect_arguments("cost", cost)
        self.network, self.cost = network, cost
        self.arrays: list[tuple[str, Any]] = []
        map_structure(lambda path, leaf: self.arrays.append((path_name(path), leaf)), parameters)
        held = {id(value): value for holder in _holders(network) for value in _values(holder)}
        others = [v for v in held.values() if isinstance(v, np.ndarray) and not self._is_parameter(v)]
        who = f"the {type(network).__name__}"
        for name, array in self.arrays:
            if id(array) not in held:
                got = "another one (a copy?)" if isinstance(array, np.ndarray) else f"the value {array!r}"
                raise InvalidProblemError(
                    f"parameters: {name} is not held by {who}: expected the very array that an attribute, "
                    f"list or dict of the object holds, got {got}. Pass it as {{'W': network.W, …}}."
                )
            for view in others:
                if np.shares_memory(view, array):
                    raise InvalidProblemError(
                        f"parameters: {who} also holds a view of {name}, of shape {view.shape}, which cannot "
                        "be given other values. Hold the same array in both places, and transpose or slice it "
                        "where it is used."
                    )

    def _is_parameter(self, value: Any) -> bool:
        return any(value is array for _, array in self.arrays)

    def __call__(self, parameters: Any) -> Any:
        """Return the cost with other arrays in the places of the parameters."""
        with self._holding(parameters):
            return self.cost()

    def gradients(self, gradients: Callable[[], Any], parameters: Any) -> Any:
        """Return what ``gradients()`` claims after a call of the cost."""
        expect_arguments("gradients", gradients)
        with self._holding(parameters):
            self.cost()
            restart()
            return map_copy(gradients())

    @contextlib.contextmanager
    def _holding(self, parameters: Any) -> Iterator[None]:
        new: list[Any] = []
        map_structure(lambda _path, leaf: new.append(leaf), parameters)
        replacement = {id(old): array for (_, old), array in zip(self.arrays, new, strict=True)}
        with unchanged(self.network) as holders:
            for holder in holders:
                _replace(holder, replacement)
            yield


@contextlib.contextmanager
def unchanged(network: Any) -> Iterator[list[Any]]:
    """Yield the containers reachable from an object; afterwards they and the arrays in them are as before."""
    holders = _holders(network)
    before = [(holder, _contents(holder)) for holder in holders]
    arrays = {id(a): a for holder in holders for a in _values(holder) if isinstance(a, np.ndarray)}
    originals = [(array, array.copy()) for array in arrays.values()]
    try:
        yield holders
    finally:
        for holder, contents in before:
            _restore(holder, contents)
        for array, original in originals:
            if array.flags.writeable and not same_values(array, original):
                array[...] = original


def _holders(network: Any) -> list[Any]:
    """Return every dict and list reachable from an object through attributes, lists, dicts and tuples."""
    found: list[Any] = []
    seen: set[int] = set()
    queue = [network]
    while queue:
        value = queue.pop()
        if id(value) in seen or isinstance(value, (str, bytes, np.ndarray, type)) or inspect.ismodule(value):
            continue
        seen.add(id(value))
        if isinstance(value, (dict, list)):
            found.append(value)
            queue += _values(value)
        elif isinstance(value, (tuple, set, frozenset)):
            queue += list(value)
        elif _has_attributes(value):
            queue.append(vars(value))
    return found


def _has_attributes(value: Any) -> bool:
    if inspect.isroutine(value):
        return False
    module = type(value).__module__.partition(".")[0]
    return hasattr(value, "__dict__") and module not in ("numpy", "builtins", "threading", "random")


def _values(holder: Any) -> list[Any]:
    return list(holder.values()) if isinstance(holder, dict) else list(holder)


def _contents(holder: Any) -> Any:
    return dict(holder) if isinstance(holder, dict) else list(holder)


def _restore(holder: Any, contents: Any) -> None:
    if isinstance(holder, dict):
        holder.clear()
        holder.update(contents)
    else:
        holder[:] = contents


def _replace(holder: Any, replacement: Mapping[int, Any]) -> None:
    items = holder.items() if isinstance(holder, dict) else enumerate(holder)
    for key, value in list(items):
        if id(value) in replacement:
            holder[key] = replacement[id(value)]


def _argument_names(forward: Callable[..., Any], count: int) -> list[str]:
    """Return the names of the positional arguments, or input0, input1, … where there are none."""
    try:
        given = inspect.signature(forward).parameters.values()
    except (TypeError, ValueError):
        given = {}.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in given if parameter.kind in kinds][:count]
    return names + [f"input{i}" for i in range(len(names), count)]


def _is_float_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _split_output(result: Any) -> tuple[Any, Any]:
    """Return outputs and cache of ``out`` or ``(out, cache)``."""
    if isinstance(result, tuple):
        if len(result) != 2:
            raise EvaluationError(
                f"forward: expected an array or the pair (out, cache), got a tuple of {len(result)}. Put "
                "several outputs into one tuple: ((out1, out2), cache)."
            )
        return result
    return result, NO_CACHE


def _cotangent(path: Any, leaf: Any, rng: np.random.Generator) -> Any:
    if not (isinstance(leaf, (np.ndarray, np.floating)) and leaf.dtype.kind == "f"):
        kind = f"dtype {leaf.dtype}" if isinstance(leaf, np.ndarray) else type(leaf).__name__
        name = f"output {path_name(path)}" if path else "output"
        raise EvaluationError(
            f"forward: expected float arrays, got {kind} for the {name}. Outputs without a gradient belong "
            "into the cache."
        )
    return rng.standard_normal(leaf.shape)


def _pair_leaves(cotangent: Any, out: Any, function: Callable[[Any, Any], None]) -> None:
    if isinstance(cotangent, Mapping):
        for key, part in cotangent.items():
            _pair_leaves(part, out[key], function)
    elif isinstance(cotangent, (list, tuple)):
        for part, value in zip(cotangent, out, strict=True):
            _pair_leaves(part, value, function)
    else:
        function(cotangent, out)
