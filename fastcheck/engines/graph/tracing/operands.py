"""From the arguments of an operation to its operands, and from its value to a result on the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.nodes.decisions import Step
from fastcheck.engines.graph.nodes.node import Node, plain
from fastcheck.engines.graph.tracing.recorded import FLOAT, Recorded
from fastcheck.engines.graph.tracing.tape import ONLY_DOUBLE, current_tape


def values_of(x: Any) -> Any:
    """Return the plain values of an argument; those of arrays inside lists and tuples, too."""
    if type(x) is Recorded:
        return x.array
    if type(x) in (list, tuple):
        return type(x)(map(values_of, x))
    return x


def fixed(x: Any) -> Any:
    """Return the plain values of an argument that decides what is done, as indices do: elsewhere it may be another."""
    if type(x) is Recorded:
        x.decides(np.asarray)
        return x.array
    if type(x) in (list, tuple):
        return type(x)(map(fixed, x))
    return x


def as_is_now(x: Any) -> Any:
    """Return an index or option as it is now: the cost may write into it before it is looked at again."""
    if isinstance(x, np.ndarray):
        return np.array(x)
    return type(x)(map(as_is_now, x)) if type(x) in (list, tuple) else x


def is_recorded(x: Any) -> bool:
    """Whether x, or something in it, is recorded."""
    return type(x) is Recorded or (type(x) in (list, tuple) and any(map(is_recorded, x)))


def operand_of(x: Any) -> Any:
    """Return a node, or a constant as it is now."""
    if type(x) is Recorded:
        operand = x.operand()
        return operand.value if isinstance(operand, Node) and not operand.moves else operand
    if type(x) is np.ndarray and (x.flags.writeable or x.base is not None):
        return current_tape().constant(x)
    return x


def recorded(value: Any, make: Callable[..., Node], *operands: Any) -> Any:
    """Return a result: with a node ``make(value, operands)`` if an operand moves, else a constant."""
    taken = [operand_of(x) for x in operands]
    nodes = [x for x in taken if isinstance(x, Node)]
    if not nodes:
        return constant(value)
    if value.dtype != FLOAT and any(node.live for node in nodes):
        raise current_tape().refusal(f"dtype {value.dtype}", ONLY_DOUBLE)
    node = make(value, taken)
    return Recorded(current_tape().computed(node), node)


def stepped(function: Callable[..., Any], *operands: Any) -> Any:
    """Return the result of a function without slope, an array or number, of operands that may move."""
    taken = [as_is_now(fixed(x)) if type(x) in (list, tuple) else operand_of(x) for x in operands]
    value = function(*map(plain, taken))
    if not any(isinstance(x, Node) for x in taken):
        return constant(value)
    return Recorded(value, current_tape().add(Step(function, value, taken)))


def constant(value: Any) -> Any:
    """Return a result that no parameter reaches: floats, and masks of which people make floats, may be written into."""
    if isinstance(value, np.ndarray) and value.dtype in (FLOAT, np.bool_):
        return Recorded(value)
    return value
