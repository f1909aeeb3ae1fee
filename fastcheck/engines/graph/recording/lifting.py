"""Methods of plain arrays, such as ``X.dot(W)``, do not ask W what to do: X must be able to meet recorded arrays.

A `LiftedCost` runs a cost whose own data (closure, defaults, globals, attributes of fastcheck's adapters) is
replaced, for one run and in a copy of the function, by arrays that can. Nothing of the user's is changed.
"""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.recording.created import lifted_array
from fastcheck.engines.graph.tracing.tape import recording
from fastcheck.problem.outputs import FillingOutputs, OutputsInOrder, WeightedOutputs, WithArguments
from fastcheck.problem.randomness import Repeating

OF_OUTPUTS = (FillingOutputs, OutputsInOrder, WeightedOutputs, WithArguments)
"""Functions that are made of one of the user's."""


class LiftedCost:
    """A cost that meets its own float arrays as recorded arrays."""

    def __init__(self, cost: Callable[[Any], Any]) -> None:
        self.cost = cost

    def __call__(self, parameters: Any) -> Any:
        """Return the cost; only while it is recorded."""
        return lifted(self.cost)(parameters)


def lifted(cost: Any) -> Any:
    """Return a copy of the cost that holds lifted data, or the cost itself where it cannot be copied."""
    if isinstance(cost, types.FunctionType):
        return lifted_function(cost)
    if isinstance(cost, functools.partial):
        keywords = {name: lifted_data(value) for name, value in cost.keywords.items()}
        return functools.partial(lifted(cost.func), *map(lifted_data, cost.args), **keywords)
    if isinstance(cost, Repeating):
        return Repeating(lifted(cost.function), cost.frozen)
    if isinstance(cost, OF_OUTPUTS):
        return cost.of(lifted(cost.function))
    return cost.with_data(lifted_data) if hasattr(cost, "with_data") else cost


def lifted_function(function: types.FunctionType) -> types.FunctionType:
    """Return the function with lifted arrays in its closure, defaults and globals."""
    if any(instruction.opname == "STORE_GLOBAL" for instruction in dis.get_instructions(function)):
        return function
    names = function.__code__.co_names
    used = {name: function.__globals__[name] for name in names if name in function.__globals__}
    namespace = {**function.__globals__, **{name: lifted_data(value) for name, value in used.items()}}
    closure = function.__closure__
    if closure is not None:
        closure = tuple(types.CellType(lifted_data(cell.cell_contents)) for cell in closure)
    defaults = function.__defaults__
    if defaults is not None:
        defaults = tuple(map(lifted_data, defaults))
    copy = types.FunctionType(function.__code__, namespace, function.__name__, defaults, closure)
    copy.__kwdefaults__ = lifted_data(function.__kwdefaults__)
    return copy


def lifted_data(value: Any) -> Any:
    """Return a float64 array as a recorded one, if a recording is running; also inside lists, tuples and dicts."""
    if type(value) is np.ndarray and value.dtype == np.float64:
        return value if recording() is None else lifted_array(value)
    if type(value) in (list, tuple):
        return type(value)(map(lifted_data, value))
    if type(value) is dict:
        return {key: lifted_data(item) for key, item in value.items()}
    return value
