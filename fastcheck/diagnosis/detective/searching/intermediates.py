"""The first wrong intermediate: arrays such as dZ2 that came with the gradients, and what J makes of Z2.

The smallest example: gradients {dW1, db1, dW2, db2, dA1, dZ1}, of which dA1 is what J makes of A1 and dZ1 is not what
it makes of Z1: the mistake lies between them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.backward_lines import lines_that_assign
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.graph.known_numbers import KnownNumbers
from fastcheck.diagnosis.detective.naming import enumerated
from fastcheck.engines.graph.nodes.node import Array, Leaf
from fastcheck.problem.posing import Problem
from fastcheck.report.causes import INTERMEDIATE, Cause

SAME = 1e-9
"""Relative difference up to which arrays are the same."""

PREFIXES = ("dL_d", "dJ_d", "dl_d", "dL_", "dJ_", "delta_", "delta", "grad_", "grad", "d_", "g_", "d")
"""What names of slopes begin with."""

NUMBERED = re.compile(r"(.*\D)(\d+)")
"""The name of an array in a loop over layers, and the number of the layer: ``Z12``."""


class Intermediate(NamedTuple):
    """An array that came with the gradients: the operation whose slopes it should be, and what it is times these.

    ``factor`` is 1 where it is right, None where it is no multiple of them. ``is_value`` tells that it should be the
    value of the operation: its name is that of the variable, and it is not J's slopes there. It is None if it is not.
    """

    key: str
    operation: Operation
    factor: float | None
    is_value: bool = False


def cause_of_intermediates(problem: Problem, graph: CostGraph, wrong: Sequence[str]) -> Cause | None:
    """Return where the first wrong array is, if the backward pass returned arrays that are known to the graph."""
    known = intermediates(problem.others, graph)
    stale = [each for each in known if each.is_value and each.factor is None]
    found = sorted((each for each in known if not each.is_value), key=lambda each: -each.operation.number)
    sentences, near = [], list(stale)
    if stale:
        sentences.append(_of_values(stale))
    if found:
        sentence, places = _of_slopes(found, graph, wrong)
        sentences.append(sentence)
        near += places
    if not sentences:
        return None
    return Cause(
        kind=INTERMEDIATE,
        blocks=tuple(wrong),
        sentence="; ".join(sentences),
        evidence="",
        certain=False,
        lines=tuple(
            dict.fromkeys(each.operation.origin.execution.code_line for each in near if each.operation.origin)
        ),
        backward_lines=tuple(
            line for each in near for line in lines_that_assign(problem.claimed_by, _without_prefix(each.key))
        ),
    )


def intermediates(others: Mapping[str, Array], graph: CostGraph) -> list[Intermediate]:
    """Return the arrays whose operation is known: by the name of the variable, or by what J makes of it."""
    numbers = KnownNumbers.of(graph)
    found: dict[str, Intermediate] = {}
    for key, array in others.items():
        match = _by_name(key, array, graph) or _by_value(key, array, graph, numbers)
        if match is not None:
            found[key] = match
    for key, array in others.items():
        match = _by_number(key, array, graph, found) if key not in found else None
        if match is not None:
            found[key] = match
    return list(found.values())


def _by_value(key: str, array: Array, graph: CostGraph, numbers: KnownNumbers) -> Intermediate | None:
    """Return the last operation of which J makes an array, or a known multiple of it if its name is that of slopes.

    One of a line that assigns a variable of that name, but for a number, comes first.
    """
    name, _ = _numbered(key)
    found = None
    for operation in reversed(graph.operations):
        is_one = array.size == 1 or operation.shape not in (array.shape, array.shape[::-1])
        if not array.any() or is_one or isinstance(operation.node, Leaf):
            continue
        factor = _factor(array, graph.slopes.get(operation.number))
        is_named = factor is not None and factor > 0 and numbers.name(factor) is not None
        is_right = factor is not None and abs(factor - 1) <= SAME
        if is_right or (is_named and _is_of_slopes(key)):
            match = Intermediate(key, operation, factor)
            if _assigns(operation, name):
                return match
            found = found or match
    return found


def _by_name(key: str, array: Array, graph: CostGraph) -> Intermediate | None:
    """Return the last operation of a line that assigns the variable, if it ran once."""
    operations = _assigned(_without_prefix(key), array.shape, graph)
    lines = {operation.origin.execution.line for operation in operations if operation.origin}
    if len(lines) != 1 or graph.times_of(next(iter(lines))) != 1:
        return None
    return _compared(key, array, operations[-1], graph)


def _by_number(
    key: str, array: Array, graph: CostGraph, found: Mapping[str, Intermediate]
) -> Intermediate | None:
    """Return the operation of a line in a loop over layers, if another array of that name tells how these are counted.

    ``dZ2`` is the slope of Z in the second iteration if ``dZ3`` is that in the third.
    """
    name, number = _numbered(key)
    if number is None or not _is_of_slopes(key):
        return None
    for other_key, other in found.items():
        other_name, other_number = _numbered(other_key)
        origin = other.operation.origin
        if other_name != name or other_number is None or origin is None or not _is_of_slopes(other_key):
            continue
        time = origin.execution.time + number - other_number
        operations = [
            graph.operations[place]
            for place in graph.same_spot.get(origin.spot, [])
            if graph.operations[place].shape in (array.shape, array.shape[::-1])
        ]
        for operation in operations:
            if operation.origin is not None and operation.origin.execution.time == time:
                return _compared(key, array, operation, graph)
    return None


def _compared(key: str, array: Array, operation: Operation, graph: CostGraph) -> Intermediate | None:
    """Return an array as the slopes of an operation, or as its value; None where it is zero as it should be."""
    slope = graph.slopes.get(operation.number)
    if not _is_of_slopes(key):
        if _equals(array, operation.value):
            return Intermediate(key, operation, 1.0, is_value=True)
        if slope is None or not _equals(array, slope):
            return Intermediate(key, operation, None, is_value=True)
    if slope is None or not (np.any(slope) or array.any()):
        return None
    return Intermediate(key, operation, _factor(array, slope))


def _assigned(name: str, shape: tuple[int, ...], graph: CostGraph) -> list[Operation]:
    """Return the operations of the lines that assign a variable, of this shape or transposed."""
    return [
        operation
        for operation in graph.operations
        if operation.shape in (shape, shape[::-1])
        and operation.number in graph.slopes
        and _assigns(operation, name)
    ]


def _numbered(key: str) -> tuple[str, int | None]:
    """Return the name of an array without the number of its layer, and that number."""
    match = NUMBERED.fullmatch(_without_prefix(key))
    return (_without_prefix(key), None) if match is None else (match[1], int(match[2]))


def _is_of_slopes(key: str) -> bool:
    """Tell whether a name says that it is a slope."""
    return _without_prefix(key) != key


def _factor(array: Array, values: Array | None) -> float | None:
    """Return by what an array, or its transpose, is a multiple of others; None if it is none."""
    if values is None or not np.any(values):
        return None
    for turned in (array, array.T):
        if turned.shape == np.shape(values):
            flat, others = np.ravel(turned), np.ravel(values)
            factor = float(flat @ others) / float(others @ others)
            if np.max(np.abs(flat - factor * others)) <= SAME * float(np.max(np.abs(flat))):
                return factor
    return None


def _equals(array: Array, values: Array) -> bool:
    """Tell whether an array, or its transpose, is another."""
    most = SAME * float(np.max(np.abs(values), initial=0.0))
    return any(
        turned.shape == np.shape(values) and bool((np.abs(turned - values) <= most).all())
        for turned in (array, array.T)
    )


def _assigns(operation: Operation, name: str) -> bool:
    """Whether the line of an operation assigns a variable of this name alone: ``Z1 = …``, ``self.Z1 = …``."""
    if operation.origin is None:
        return False
    text = operation.origin.execution.code_line.text
    return re.match(rf"(?:\w+\.)*{re.escape(name)}\s*(?::[^=]*)?=(?!=)", text) is not None


def _without_prefix(key: str) -> str:
    return next((key[len(p) :] for p in PREFIXES if key.startswith(p) and len(key) > len(p)), key)


def _usual_factor(found: Sequence[Intermediate], numbers: KnownNumbers, some_are_right: bool) -> float:
    """Return the factor of the one nearest to the output, where it is a convention: many leave 1/m to dW and db."""
    first = found[0].factor
    is_convention = some_are_right and first is not None and first > 0 and numbers.name(first) is not None
    return first if is_convention and first is not None else 1.0


def _is(factor: float | None, usual: float) -> bool:
    """Whether a factor is the usual one."""
    return factor is not None and abs(factor - usual) <= SAME * abs(usual)


def _of_values(stale: Sequence[Intermediate]) -> str:
    """Return what is said of values of the forward pass that came with the gradients, and are others."""
    names = enumerated([each.key for each in stale])
    if len(stale) == 1:
        return f"{names}, which came with the gradients, is not what the cost computes: it may be stale"
    return f"{names}, which came with the gradients, are not what the cost computes: they may be stale"


def _of_slopes(
    found: Sequence[Intermediate], graph: CostGraph, wrong: Sequence[str]
) -> tuple[str, Sequence[Intermediate]]:
    """Return where slopes, from the last to the first, become wrong, and those that tell the place."""
    numbers = KnownNumbers.of(graph)
    usual = _usual_factor(found, numbers, len(wrong) < len(graph.names))
    right = [each for each in found if _is(each.factor, usual)]
    first_wrong = next((each for each in found if not _is(each.factor, usual)), None)
    if first_wrong is None:
        names = enumerated([each.key for each in right])
        verb, them = ("is", "it") if len(right) == 1 else ("are", "them")
        sentence = f"{names} {verb} right, so the mistake is in what is computed from {them}"
        return sentence, _nearest(right, graph, wrong)
    what = f"{first_wrong.key} is wrong{_in_numbers(first_wrong, usual)}"
    later = _made_of(first_wrong.operation, graph)
    before = [each for each in right if each.operation.number in later]
    if not before:
        factor = first_wrong.factor or 0.0
        if factor > 0 and numbers.name(factor) is not None:
            what += ", unless the gradients make up for that"
        sentence = f"{what}, and it is the first of those that were returned: look at what leads to it"
        return sentence, [first_wrong]
    return f"{before[-1].key} is right, and {what}: look between them", [first_wrong]


def _in_numbers(each: Intermediate, usual: float) -> str:
    """Return what a wrong array is of what it should be."""
    if each.factor is None:
        return ""
    if each.factor == 0:
        return " (zero)"
    times = f"{each.factor / usual:.6g}".replace("-", "\N{MINUS SIGN}")
    return f" ({times} times what it should be)"


def _nearest(right: Sequence[Intermediate], graph: CostGraph, wrong: Sequence[str]) -> list[Intermediate]:
    """Return for each wrong block the array from which its gradient is computed: the nearest one made of it."""
    nearest: dict[str, Intermediate] = {}
    for name in wrong:
        made = [each for each in right if graph.reach[each.operation.number] & graph.bits([name])]
        if made:
            nearest[made[-1].key] = made[-1]
    return list(nearest.values())


def _made_of(operation: Operation, graph: CostGraph) -> set[int]:
    """Return the numbers of the operations that an operation leads to."""
    made, pending = set(), [operation.number]
    while pending:
        for number, _ in graph.uses[pending.pop()]:
            if number not in made:
                made.add(number)
                pending.append(number)
    return made
