"""The cost, run once on recorded arrays, and the slopes of all parameters from that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.difference.runs import naming_the_line
from fastcheck.engines.difference.state import TracingError
from fastcheck.engines.graph import creation, methods, ufuncs
from fastcheck.engines.graph.nodes import Array, Leaf
from fastcheck.engines.graph.recorded import Recorded
from fastcheck.engines.graph.tape import Tape

__all__ = ["creation", "methods", "slopes_of"]


def slopes_of(
    cost: Callable[[Any], Any], build: Callable[[list[Any]], Any], leaves: Sequence[Array], limit: int
) -> tuple[float, list[Array]]:
    """Return J and what it makes of every entry of the leaves, by one run of the cost.

    ``cost`` is called with ``build(arrays)``, arrays standing for the leaves. Raises `TracingError` where it cannot be
    recorded, or where what it computes takes more than ``limit`` bytes.
    """
    tape = Tape(limit)
    with tape, naming_the_line(), np.errstate(all="ignore"):
        nodes, arrays = [], []
        for values in leaves:
            node = tape.add(Leaf(np.array(values)))
            nodes.append(node)
            arrays.append(Recorded(node.value, node))
        result = cost(build(list(arrays)))
        if tape.stopped is not None:
            raise tape.stopped
        value, node = _outcome(result, tape)
    with np.errstate(all="ignore"):
        return value, tape.slopes(node, nodes)


def _outcome(result: Any, tape: Tape) -> tuple[float, Any]:
    """Return value and node of what the cost returned."""
    source = result
    for number, array in tape.escapes:
        if result is number:
            source = array
        else:
            why = "it turns a recorded number into a Python float that the cost then computes with."
            raise tape.refusal("float", why)
    if type(source) is not Recorded:
        return float(source), None
    if source.size != 1:
        raise TracingError("the cost", f"it returned an array of shape {source.shape}, expected one number.")
    operand = source.operand()
    return float(np.reshape(source.array, ())), operand if hasattr(operand, "live") else None


def register_libraries(scipy_is_there: bool) -> None:
    """Learn the functions of libraries that have been imported."""
    if scipy_is_there:
        ufuncs.register_scipy()
