"""Slopes that a backward pass gives a cost which has none: steps that hand them on, and what each does to them.

The smallest example: ``J = Σ (round(w) − x)²`` does not change with w, but by jumps. A straight-through estimate takes
2·(round(w) − x) for its gradient, as if round(w) were w.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, EdgeRule, Operation
from fastcheck.diagnosis.detective.graph.origins import Place
from fastcheck.engines.graph.nodes.choices import Choice
from fastcheck.engines.graph.nodes.decisions import COMPARISONS, Guard, Step
from fastcheck.engines.graph.nodes.movement import Open, Read, Write
from fastcheck.engines.graph.nodes.node import Array, Leaf, Moves, Node, plain
from fastcheck.engines.graph.recording.record import Recording

FALLING = (np.less, np.less_equal, np.logical_not, np.invert)
"""Functions that jump down where their first operand grows."""

BOTH_OPERANDS = (np.greater, np.greater_equal, np.less, np.less_equal)
"""Comparisons that jump the other way where their second operand grows."""


class HandingStep(Node):
    """A step in a graph in which it may hand slopes on; by itself it hands on none."""

    rounds = False

    __slots__ = ("function",)

    def __init__(self, step: Step, value: Any) -> None:
        super().__init__(value, step.operands)
        self.function, self.number = step.function, step.number

    def backward(self, slope: Array) -> list[Array | None]:
        """Return nothing: there is no slope."""
        return [None] * len(self.operands)

    def tangent(self, moves: Moves, many: int) -> Array:
        """Return no change."""
        return np.zeros((many, *np.shape(self.value)))


class Surrogate(NamedTuple):
    """A slope that stands in for that of a step: what the step does then, and the slope at x."""

    says: str
    slope: Callable[[Array], Array]
    unlikely: float


def _of_sigmoid(x: Array) -> Array:
    y = 1 / (1 + np.exp(-x))
    return np.asarray(y * (1 - y))


SURROGATES = (
    Surrogate("passed slopes through unchanged (a straight-through estimate)", np.ones_like, 1.0),
    Surrogate(
        "passed slopes through where its argument lies in [−1, 1] (a clipped straight-through estimate)",
        lambda x: (np.abs(x) <= 1) * 1.0,
        1.1,
    ),
    Surrogate(
        "passed slopes through where its argument lies in [0, 1] (a clipped straight-through estimate)",
        lambda x: ((x >= 0) & (x <= 1)) * 1.0,
        1.2,
    ),
    Surrogate("had the derivative of the sigmoid function", _of_sigmoid, 1.2),
    Surrogate("had the derivative of tanh", lambda x: 1 - np.tanh(x) ** 2, 1.2),
    Surrogate("had the derivative of relu", lambda x: (x > 0) * 1.0, 1.3),
    Surrogate("had the slope 1/(1 + |x|)²", lambda x: 1 / (1 + np.abs(x)) ** 2, 1.4),
    Surrogate("had the slope max(0, 1 − |x|)", lambda x: np.maximum(0.0, 1 - np.abs(x)), 1.4),
    Surrogate("had the slope max(0, 2 − 2·|x|)", lambda x: 2 * np.maximum(0.0, 1 - np.abs(x)), 1.4),
)
"""What people take for the derivative of a step, one row each: to add one, its row and its name in a test."""


def with_handing_steps(recording: Recording, names: Sequence[str]) -> CostGraph:
    """Return the graph of a recorded cost in which steps are operations; the recording is used up.

    The smallest case that breaks without the new marks of what is live: ``A = (X @ W > 0) * 1.0; J = Σ A @ V``, where
    A is made of no parameter that has slopes.
    """
    instead: dict[int, Node] = {}
    live_buffers: set[int] = set()
    nodes: list[Node] = []
    one_hot: list[HandingStep] = []
    for node in recording.tape.nodes:
        node.operands = tuple(instead.get(id(x), x) if isinstance(x, Node) else x for x in node.operands)
        if isinstance(node, (Leaf, Guard)):
            nodes.append(node)
            continue
        if isinstance(node, Step):
            instead[id(node)] = handing = HandingStep(node, node.value)
            nodes.append(handing)
            one_hot += _one_hot(node)
            continue
        for choice in one_hot:
            if any(_equals(x, choice) for x in node.operands):
                nodes += [choice] if choice not in nodes else []
                node.operands = tuple(choice if _equals(x, choice) else x for x in node.operands)
        nodes.append(node)
        has_live_operand = any(isinstance(x, Node) and x.live for x in node.operands)
        if isinstance(node, (Open, Write)) and has_live_operand:
            live_buffers.add(node.buffer)
        reads_live = isinstance(node, Read) and node.buffer in live_buffers
        node.live = node.live or has_live_operand or reads_live
    recording.tape.nodes[:] = nodes
    result = recording.result
    result = instead.get(id(result), result) if result is not None else None
    return CostGraph(dataclasses.replace(recording, result=result), names)


def _one_hot(step: Step) -> Iterator[HandingStep]:
    """Yield the array of zeros with ones where a step found the largest entries of an axis: ``np.eye(k)[z.argmax(1)]``.

    Of that the cost knows the indices alone, and computes with constants.
    """
    if len(step.operands) != 1 or np.asarray(step.value).dtype.kind != "i":
        return
    x, indices = np.asarray(plain(step.operands[0])), np.asarray(step.value)
    for axis in range(x.ndim):
        if x.ndim != indices.ndim + 1 or not np.array_equal(np.argmax(x, axis), indices):
            continue
        ones = np.zeros(x.shape)
        np.put_along_axis(ones, np.expand_dims(indices, axis), 1.0, axis)
        yield HandingStep(step, ones)


def _equals(operand: Any, choice: HandingStep) -> bool:
    """Tell whether an operand is a constant that equals an array of zeros and ones."""
    return isinstance(operand, np.ndarray) and np.array_equal(operand, choice.value)


def _spreads_to(shape: tuple[int, ...], result: tuple[int, ...]) -> bool:
    """Tell whether an array of a shape is broadcast to that of the result."""
    padded = (1,) * (len(result) - len(shape)) + shape
    return len(padded) == len(result) and all(n in (1, m) for n, m in zip(padded, result, strict=True))


def step_groups(graph: CostGraph) -> list[list[Operation]]:
    """Return the steps that may hand slopes on together: those of each line, with the steps of these."""
    steps = [operation for operation in graph.operations if is_step(operation)]
    firsts: dict[Place | None, list[Operation]] = {}
    for operation in steps:
        if _is_first(operation, graph):
            line = None if operation.origin is None else operation.origin.execution.line
            firsts.setdefault(line, []).append(operation)
    return [_with_steps_of(group, steps) for group in firsts.values()]


def is_step(operation: Operation) -> bool:
    """Tell whether an operation jumps, entry by entry, or chooses between constants by what does.

    The index of the largest entry, of shape (4,) for an array of shape (4, 2), has no entry to hand a slope on to.
    """
    node = operation.node
    if isinstance(node, HandingStep):
        shapes = [np.shape(plain(x)) for _, x in operation.live_operands]
        return bool(shapes) and all(_spreads_to(shape, operation.shape) for shape in shapes)
    return isinstance(node, Choice) and [k for k, _ in operation.live_operands] == [0]


def _is_first(operation: Operation, graph: CostGraph) -> bool:
    """Tell whether a step is one of values that have slopes, and not of another step."""
    return not any(is_step(graph.operations[x.number]) for _, x in operation.live_operands)


def _with_steps_of(firsts: Sequence[Operation], steps: Sequence[Operation]) -> list[Operation]:
    """Return some steps and the steps that are made of these directly."""
    group = {operation.number: operation for operation in firsts}
    for operation in steps:
        if any(x.number in group for _, x in operation.live_operands):
            group[operation.number] = operation
    return [group[number] for number in sorted(group)]


def rules_of(
    graph: CostGraph, group: Sequence[Operation], surrogate: Surrogate, factor: float = 1.0
) -> Mapping[int, EdgeRule]:
    """Return the rules by which some steps hand slopes on: the first ones by a surrogate, steps of these unchanged."""
    rules = {}
    for operation in group:
        slope = surrogate.slope(_argument(operation)) if _is_first(operation, graph) else 1.0
        times = factor if _is_first(operation, graph) else 1.0
        gain = times * _direction(operation) * slope
        k = _place(operation)
        rules[operation.number] = EdgeRule(graph, operation, k, functools.partial(np.multiply, gain))
    return rules


def _place(operation: Operation) -> int:
    """Return the place of the operand that a step hands slopes to: of ``Z == Z.max(1, keepdims=True)`` that of Z."""
    places = [k for k, x in operation.live_operands if np.shape(x.value) == operation.shape]
    return places[0] if places else operation.live_operands[0][0]


def _argument(operation: Operation) -> Array:
    """Return what a step is a function of: of a comparison the difference of its operands."""
    if _compares(operation.node):
        return np.asarray(operation.operand_value(0) - operation.operand_value(1))
    return operation.operand_value(_place(operation))


def _compares(node: Node) -> bool:
    return isinstance(node, HandingStep) and node.function in COMPARISONS and len(node.operands) == 2


def _direction(operation: Operation) -> Array | float:
    """Return 1 where a step jumps up as its operand grows, −1 where it jumps down."""
    node = operation.node
    if isinstance(node, Choice):
        return np.asarray(np.sign(np.subtract(plain(node.operands[1]), plain(node.operands[2]))))
    assert isinstance(node, HandingStep)
    falls = node.function in FALLING
    is_second = _place(operation) == 1 and node.function in BOTH_OPERANDS
    return -1.0 if falls is not is_second else 1.0
