"""The cost, run once on recorded arrays: slopes of all parameters, and changes of them sent forwards, from that."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.nodes.node import Array, Leaf, Node
from fastcheck.engines.graph.perturbation import Perturbation
from fastcheck.engines.graph.recording.methods import equip
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import Tape
from fastcheck.engines.graph.tracing.tracing_error import TracingError, naming_the_line
from fastcheck.problem.cost_value import cost_in

equip()  # operators and methods of arrays need the rules, which need the arrays


@dataclass(frozen=True, slots=True)
class Recording:
    """One run of the cost: J, the tape, and the nodes of J and of the leaves on it."""

    value: float
    tape: Tape
    result: Node | None
    leaves: list[Leaf]

    def slopes(self) -> list[Array]:
        """Return what J makes of every entry of the leaves."""
        with np.errstate(all="ignore"):
            return self.tape.slopes(self.result, self.leaves)

    def flow(self) -> Flow:
        """Return what sends changes of the leaves forwards."""
        return Flow(self.tape, self.result, self.leaves)


def record(
    cost: Callable[[Any], Any],
    build: Callable[[list[Any]], Any],
    leaves: Sequence[Array | float],
    limit: int,
    thorough: bool = False,
    copies: bool = False,
    named: Container[int] = (),
    perturbation: Perturbation | None = None,
) -> Recording:
    """Run the cost once, on recorded arrays.

    ``cost`` is called with ``build(arrays)``, arrays and numbers standing for the leaves. Raises `TracingError` where
    it cannot be recorded, or where what it computes takes more than ``limit`` bytes. ``thorough`` recording follows the
    cost's plain arrays, too; one that ``copies`` keeps all constants as they were when they were used, though the cost
    writes into large ones later: `Tape.written_over` tells whether that is needed. The tape will tell the user's lines
    of nodes that are ``named`` by their raw numbers. A ``perturbation`` perturbs the rounding of all operations and
    slopes.
    """
    tape = Tape(limit, thorough, copies, named, perturbation)
    with tape, naming_the_line(), np.errstate(all="ignore"):
        nodes, arrays = [], []
        for values in leaves:
            node = tape.add(Leaf(np.array(values)))
            nodes.append(node)
            is_number = not isinstance(values, np.ndarray)
            arrays.append(Recorded(np.float64(node.value) if is_number else node.value, node))
        result = cost(build(list(arrays)))
        if tape.stopped is not None:
            raise tape.stopped
        value, node = _outcome(cost_in(result), tape)
        tape.keep_needed(node, more=cost_in(result) is not result)
    return Recording(value, tape, node, nodes)


def _outcome(result: Any, tape: Tape) -> tuple[float, Any]:
    """Return value and node of what the cost returned."""
    source = result
    for number, array in tape.escapes:
        if result is number:
            source = array
    source = tape.translated(source)
    if type(source) is not Recorded:
        return float(source), None
    if source.size != 1:
        raise TracingError("the cost", f"it returned an array of shape {source.shape}, expected one number.")
    operand = source.operand()
    return float(np.reshape(source.array, ())), operand if isinstance(operand, Node) else None
