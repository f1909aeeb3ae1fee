"""Other conventions of writing networks, turned into a cost that is a function of the parameters.

`ForwardCost` for ``forward(X, Y, parameters) -> (cost, cache)``, `LayerCost` for a layer that returns arrays; networks
that hold their parameters in attributes have a module of their own, `object_cost`.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastcheck.errors import EvaluationError, InvalidProblemError
from fastcheck.problem.functions import accepts, map_copy, same_values, structure_copy
from fastcheck.problem.parameters import FLOAT_DTYPES, map_structure, path_name
from fastcheck.problem.randomness import repeating, restart

COTANGENT_STREAM = 0x646F7574
"""Goes with the seed, so that ``dout`` is not what users draw with the same seed: inputs equal to it hide mistakes."""


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

    def cache(self, parameters: Any) -> Any:
        """Return the cache of the forward pass."""
        return self._run(parameters)[1]

    def _run(self, parameters: Any) -> tuple[Any, Any]:
        result = self.forward(self.X, self.Y, parameters)
        if not isinstance(result, tuple) or len(result) != 2:
            got = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
            raise EvaluationError(
                f"forward: expected the pair (cost, cache), got {got}. Return both, or use check(cost, …) "
                "with a function that returns the cost alone."
            )
        return result


class LastClaim:
    """A claim that is a function of the parameters, and what it returned last."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.gradients: Any = None

    def __call__(self, parameters: Any) -> Any:
        """Return the claimed gradients."""
        self.gradients = self.function(parameters)
        return self.gradients


class LayerClaim(NamedTuple):
    """What a layer's backward pass claims: gradients by name, the inputs for which it has None, sentences to report."""

    gradients: dict[str, Any]
    without: tuple[str, ...]
    notes: tuple[str, ...]


class LayerCost:
    """A layer's outputs times fixed random cotangents, summed: J = Σ dout ∘ out.

    The smallest layer that cannot be checked by Σ out, with ``dout`` of ones, is a softmax: its outputs add up to one,
    so that a backward pass that returns zeros would be right.

    The parameters are the layer's inputs that are float arrays, by the names of the forward's arguments, or those of
    ``wrt``; all others (labels, token ids, settings) stay as they are. ``dout`` has standard normal entries. Each call
    of the forward gets copies, so that a layer may work in place. It has no ``penalties`` on the inputs.
    """

    penalties = False

    def __init__(
        self, forward: Callable[..., Any], inputs: Sequence[Any], seed: int, wrt: Any = None
    ) -> None:
        self.forward = forward
        self.inputs = [structure_copy(value) for value in inputs]
        self.names = _argument_names(forward, len(inputs))
        self.floats = [i for i, value in enumerate(inputs) if _is_float_array(value)]
        if not self.floats:
            got = ", ".join(map(_kind_of, inputs)) or "none"
            raise InvalidProblemError(
                f"inputs: expected at least one float array, got {got}. Integers have no gradient; of complex inputs "
                "fastcheck.check takes the real part of a cost: np.sum((dout.conj() * forward(z)).real)."
            )
        self.places = self.floats if wrt is None else self._places_of(wrt)
        for i in self.places:  # the backward is held to what the cost computes, in float64
            if self.inputs[i].dtype in FLOAT_DTYPES:
                self.inputs[i] = self.inputs[i].astype(np.float64)
        out, _ = _split_output(repeating(self._call)(self._arguments({})))
        rng = np.random.default_rng([seed, COTANGENT_STREAM])
        self.cotangent = map_structure(lambda path, leaf: _cotangent(path, leaf, rng), out)

    def with_data(self, convert: Callable[[Any], Any]) -> LayerCost:
        """Return the same cost with inputs and cotangents converted."""
        other = copy.copy(self)
        other.inputs = [convert(value) for value in self.inputs]
        other.cotangent = convert(self.cotangent)
        return other

    def parameters(self, names: Collection[str]) -> dict[str, Any]:
        """Return the inputs of these names."""
        return {name: value for name, value in zip(self.names, self.inputs, strict=True) if name in names}

    def with_cotangent(self, cotangent: Any) -> LayerCost:
        """Return the same cost with another ``dout``."""
        other = copy.copy(self)
        other.cotangent = cotangent
        return other

    def __call__(self, parameters: Mapping[str, Any]) -> Any:
        """Return J."""
        out, _ = _split_output(self._call(self._arguments(parameters)))
        terms: list[Any] = []
        _pair_leaves(self.cotangent, out, lambda dout, value: terms.append(np.sum(dout * value)))
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def claim(self, backward: Callable[..., Any]) -> LayerClaim:
        """Return what ``backward(dout, cache)`` claims, or ``backward(dout)`` for a layer without a cache."""
        arguments = self._arguments({})
        cache = self.cache_of(arguments)
        by_forward = self._changed(arguments)
        dout = map_copy(self.cotangent)
        if cache is NO_CACHE and not accepts(backward, [dout]) and accepts(backward, [dout, cache]):
            raise InvalidProblemError(
                "forward: expected (out, cache), as backward takes two arguments, got the output alone. Return a pair; "
                "a layer that keeps what it needs elsewhere has backward(dout)."
            )
        restart()
        result = map_copy(run_backward(backward, dout, cache))
        by_backward = [name for name in self._changed(arguments) if name not in by_forward]
        notes = [
            f"{who} changes {', '.join(names)} in place (here in copies): what else holds that array, such as the "
            "cache of the layer before, finds it changed."
            for who, names in (("forward", by_forward), ("backward", by_backward))
            if names
        ]
        claimed = self._by_name(result)
        wanted = [self.names[i] for i in self.places]
        without = tuple(name for name in wanted if claimed.get(_key(name, claimed), "missing") is None)
        if len(without) == len(wanted):
            raise InvalidProblemError(
                f"backward: expected a gradient of at least one of {', '.join(wanted)}, got None. Does it end in a "
                "return statement?"
            )
        others = {_key(n, claimed) for n in self.names if n not in wanted or n in without}
        gradients = {key: value for key, value in claimed.items() if key not in others}
        return LayerClaim(gradients, without, tuple(notes))

    def fresh_arguments(self) -> list[Any]:
        """Return new arguments for a call of the forward, copies of the inputs."""
        return self._arguments({})

    def cache_of(self, arguments: list[Any]) -> Any:
        """Run the forward and return its cache, `NO_CACHE` if it returns none."""
        return _split_output(self._call(arguments))[1]

    def gradients_of(self, result: Any, names: Iterable[str]) -> dict[str, Any]:
        """Return the gradients of these inputs in what a backward pass returned."""
        claimed = self._by_name(result)
        return {name: claimed[_key(name, claimed)] for name in names}

    def _by_name(self, result: Any) -> dict[str, Any]:
        """Return the claim as a dict: of all inputs, of those that are float arrays, or of those that are wanted."""
        if isinstance(result, Mapping):
            return dict(result)
        claimed = list(result) if isinstance(result, (tuple, list)) else [result]
        for places in (range(len(self.inputs)), self.floats, self.places):
            if len(claimed) == len(places):
                return {self.names[i]: gradient for i, gradient in zip(places, claimed, strict=True)}
        names = [self.names[i] for i in self.places]
        got = "None" if result is None else str(len(claimed))
        raise InvalidProblemError(
            f"backward: expected {len(names)} gradients, one for each float input ({', '.join(names)}), "
            f"got {got}. Return them in the order of the inputs, or a dict by their names."
        )

    def _places_of(self, wrt: Any) -> list[int]:
        """Return the places of the inputs that are named, by name or by number."""
        chosen = list(wrt) if isinstance(wrt, Iterable) and not isinstance(wrt, str) else [wrt]
        places = [self.names.index(wish) if wish in self.names else wish for wish in chosen]
        known = ", ".join(self.names[i] for i in self.floats)
        for wish, place in zip(chosen, places, strict=True):
            if place not in self.floats:
                raise InvalidProblemError(
                    f"wrt: expected names or numbers of inputs that are float arrays ({known}), got {wish!r}."
                )
        if not places:
            raise InvalidProblemError(f"wrt: expected at least one of the inputs {known}, got none.")
        return sorted(set(places))

    def _arguments(self, parameters: Mapping[str, Any]) -> list[Any]:
        """Return new arguments for a call of the forward."""
        return [
            _fresh(parameters.get(name, value)) for name, value in zip(self.names, self.inputs, strict=True)
        ]

    def _changed(self, arguments: list[Any]) -> list[str]:
        """Return the names of the float inputs that a call has changed."""
        return [self.names[i] for i in self.floats if not same_values(self.inputs[i], arguments[i])]

    def _call(self, arguments: list[Any]) -> Any:
        return self.forward(*arguments)


NO_CACHE = object()


def run_backward(backward: Callable[..., Any], dout: Any, cache: Any) -> Any:
    """Return what ``backward(dout, cache)`` does, or ``backward(dout)`` for a layer without a cache."""
    return backward(dout) if cache is NO_CACHE else backward(dout, cache)


def _key(name: str, claimed: Mapping[str, Any]) -> str:
    """Return the key of the gradient of an input."""
    return name if name in claimed else f"d{name}"


def _fresh(value: Any) -> Any:
    """Return an input for one call: arrays are copied, also in lists, tuples and dicts.

    Arrays that record what is done with them are no NumPy arrays, and new in each call: a copy would be a line of ours
    between the layer's parameters and the lines that use them.
    """
    if issubclass(type(value), np.ndarray):  # isinstance would believe what a recorded array says that it is
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(map(_fresh, value))
    if type(value) is dict:
        return {key: _fresh(item) for key, item in value.items()}
    return value


def _argument_names(forward: Callable[..., Any], count: int) -> list[str]:
    """Return the names of the positional arguments, or input0, input1, … where there are none."""
    try:
        given = inspect.signature(forward).parameters.values()
    except (TypeError, ValueError):
        given = {}.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in given if parameter.kind in kinds][:count]
    return names + [f"input{i}" for i in range(len(names), count)]


def _kind_of(value: Any) -> str:
    """Return what a value is: the dtype of an array, the type of anything else."""
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__


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
    is_float = isinstance(leaf, (np.ndarray, np.floating)) and leaf.dtype.kind == "f"
    if not is_float:
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
