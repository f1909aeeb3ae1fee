"""What a recorded cost tells of numbers that claims may be off by: the lengths of its arrays, its constants."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph
from fastcheck.diagnosis.detective.graph.origins import Origin
from fastcheck.diagnosis.detective.patterns.hints import Hints
from fastcheck.diagnosis.detective.wording import LONGEST_EXPRESSION

SMALL_NUMBERS = (0, 1, 2, 3, 4)
"""They come up everywhere: lengths of axes and constants that are one of these are no reason for a factor."""

MOST_MASKS = 4
"""Of each shape."""

MOST_NAMES = 200
"""Different numbers of which it is known where they are from."""


def hints_of(graph: CostGraph) -> Hints:
    """Return where the cost has lengths of axes, and constants: each number once, where it comes up first."""
    sizes: dict[int, str] = {}
    constants: dict[float, str] = {}
    for operation in graph.operations:
        if operation.origin is None:
            continue
        lengths = {*operation.shape, math.prod(operation.shape)}
        if any(_tells(size) and size not in sizes for size in lengths) and len(sizes) < MOST_NAMES:
            sizes = dict(_sizes(operation.shape, operation.origin)) | sizes
        for number in operation.constants():
            if _tells(number) and abs(number) not in constants and len(constants) < MOST_NAMES:
                constants[abs(number)] = f"a number in line {operation.origin.execution.code_line.number}"
    return Hints(
        sizes={what: size for size, what in sizes.items()},
        constants=constants,
        masks=dict(_masks(graph)),
        cost=None if graph.result is None else float(graph.operations[graph.result].value.reshape(())),
    )


def _masks(graph: CostGraph) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield arrays of zeros and ones that have the shape of a parameter, and where the cost uses them."""
    for shape in dict.fromkeys(graph.operations[leaf].shape for leaf in graph.leaves):
        for number, k in graph.constants_of_shape.get(shape, [])[:MOST_MASKS]:
            operation = graph.operations[number]
            values = operation.operand_value(k)
            is_mask = bool(((values == 0) | (values == 1)).all())
            if is_mask and operation.origin is not None:
                yield f"the mask of line {operation.origin.execution.code_line.number}", values != 0


def _tells(number: float) -> bool:
    return math.isfinite(number) and abs(number) not in SMALL_NUMBERS


def _sizes(shape: tuple[int, ...], origin: Origin) -> Iterator[tuple[int, str]]:
    """Yield the lengths of the axes of a result, and what they are; of equal ones the last counts."""
    expression = origin.expression
    if len(expression) > LONGEST_EXPRESSION:
        expression = f"{expression[: LONGEST_EXPRESSION - 1]}…"
    if len(shape) > 1 and _tells(math.prod(shape)):
        yield math.prod(shape), f"the number of entries of `{expression}`"
    for axis, size in reversed(list(enumerate(shape))):
        of = f"axis {axis} of " if len(shape) > 1 else ""
        if _tells(size):
            yield size, f"the length of {of}`{expression}`"
