"""Mutations of functions of one argument, entry by entry: what stands in for the derivative.

The smallest example: ``dZ = dA`` for ``A = np.tanh(Z)``, where ``dA * (1 - A**2)`` is right.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.chains import Chain, Chains, is_square
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.graph.short_numbers import with_few_decimals
from fastcheck.diagnosis.detective.mutations.mutation import Mutation, instead_of_chain
from fastcheck.diagnosis.detective.mutations.operands import place_of
from fastcheck.diagnosis.detective.mutations.other_values import relation
from fastcheck.engines.graph.nodes.choices import Extremum
from fastcheck.engines.graph.nodes.node import Array, Node
from fastcheck.engines.graph.nodes.smooth import Elementwise, Multiply

SEVERAL_OPERATIONS = 0.2
"""A function written as several operations is less likely to be the one that is wrong than each of them."""


MOST_OTHER_PLACES = 16
"""Operations whose derivative, or value, may have been taken for that of another one: the nearest of its shape."""


OF_ANOTHER_TIME, OF_ANOTHER_LINE = 2.3, 2.6
"""How unlikely the derivative of another place is, of a function that both call, and of another line."""


class InsteadOfSlope(NamedTuple):
    """What stands in for the derivative of a function; ``value(chain)`` is None where that does not exist."""

    kind: str
    says: str
    unlikely: float
    value: Callable[[Chain], Array | float | None]
    takes_factor: bool = False


def _result(chain: Chain) -> Array:
    return chain.end.value


def _argument(chain: Chain) -> Array:
    return chain.start.value


def _sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -500, 500))))


def _of_the_other_branch(chain: Chain) -> Array | None:
    """Return the slope of the other branch, of a function that has two slopes other than 0, as a leaky ReLU."""
    numbers = np.unique(np.zeros(0) if chain.slope is None else chain.slope)
    if numbers.size != 2 or not numbers.all():
        return None
    return np.asarray(np.where(chain.slope == numbers[0], numbers[1], numbers[0]))


def _power(chain: Chain, exponent: int) -> Array | None:
    slope = chain.slope
    if slope is None or (exponent < 0 and not slope.all()):
        return None
    return np.asarray(slope**exponent, dtype=float)


LEFT_OUT = InsteadOfSlope("derivative left out", "leaves out the derivative of {}", 1.0, lambda _: 1.0, True)

INSTEAD_OF_SLOPES = (
    LEFT_OUT,
    InsteadOfSlope(
        "derivative squared",
        "multiplies twice by the derivative of {}",
        2.0,
        functools.partial(_power, exponent=2),
    ),
    InsteadOfSlope(
        "divided by the derivative",
        "divides by the derivative of {}, which should be a factor",
        2.4,
        functools.partial(_power, exponent=-1),
    ),
    InsteadOfSlope(
        "derivative at the output",
        "takes the derivative of {} at its result, not at its argument",
        1.5,
        lambda chain: chain.slope_at(_result(chain)),
        True,
    ),
    InsteadOfSlope(
        "1 − a² for the derivative",
        "has 1 − a² for the derivative of {}, a being its result",
        2.2,
        lambda chain: 1 - _result(chain) ** 2,
        True,
    ),
    InsteadOfSlope(
        "a(1 − a) for the derivative",
        "has a(1 − a) for the derivative of {}, a being its result",
        2.2,
        lambda chain: _result(chain) * (1 - _result(chain)),
        True,
    ),
    InsteadOfSlope(
        "1 − a for the derivative",
        "has 1 − a for the derivative of {}, a being its result",
        2.2,
        lambda chain: 1 - _result(chain),
    ),
    InsteadOfSlope(
        "1 + a for the derivative",
        "has 1 + a for the derivative of {}, a being its result",
        2.6,
        lambda chain: 1 + _result(chain),
    ),
    InsteadOfSlope(
        "1 + a² for the derivative",
        "has 1 + a² for the derivative of {}, a being its result",
        2.4,
        lambda chain: 1 + _result(chain) ** 2,
    ),
    InsteadOfSlope(
        "a(1 + a) for the derivative",
        "has a(1 + a) for the derivative of {}, a being its result",
        2.4,
        lambda chain: _result(chain) * (1 + _result(chain)),
    ),
    InsteadOfSlope(
        "slopes of both branches exchanged",
        "exchanges the slopes of the two branches of {}",
        1.8,
        _of_the_other_branch,
    ),
    InsteadOfSlope(
        "a for the derivative",
        "has its result for the derivative of {}",
        2.2,
        _result,
    ),
    InsteadOfSlope(
        "a² for the derivative",
        "has the square of its result for the derivative of {}",
        2.6,
        lambda chain: _result(chain) ** 2,
    ),
    InsteadOfSlope(
        "sigmoid′ for the derivative",
        "has the derivative of a sigmoid for that of {}",
        2.2,
        lambda chain: _sigmoid(_argument(chain)) * (1 - _sigmoid(_argument(chain))),
    ),
    InsteadOfSlope(
        "tanh′ for the derivative",
        "has the derivative of tanh for that of {}",
        2.2,
        lambda chain: 1 - np.tanh(_argument(chain)) ** 2,
    ),
    InsteadOfSlope(
        "ReLU′ for the derivative",
        "has the derivative of ReLU for that of {}",
        2.2,
        lambda chain: (_argument(chain) > 0) * 1.0,
    ),
    InsteadOfSlope(
        "the other side's slope of ReLU",
        "lets slopes pass where the argument of {} is negative, and not where it is positive",
        2.3,
        lambda chain: (_argument(chain) <= 0) * 1.0,
    ),
    InsteadOfSlope(
        "leaky ReLU′ (0.01) for the derivative",
        "has the derivative of a leaky ReLU (0.01) for that of {}",
        2.2,
        lambda chain: np.where(_argument(chain) > 0, 1.0, 0.01),
    ),
    InsteadOfSlope(
        "leaky ReLU′ (0.1) for the derivative",
        "has the derivative of a leaky ReLU (0.1) for that of {}",
        2.2,
        lambda chain: np.where(_argument(chain) > 0, 1.0, 0.1),
    ),
    InsteadOfSlope(
        "leaky ReLU′ (0.2) for the derivative",
        "has the derivative of a leaky ReLU (0.2) for that of {}",
        2.4,
        lambda chain: np.where(_argument(chain) > 0, 1.0, 0.2),
    ),
    InsteadOfSlope("z for the derivative", "has its argument for the derivative of {}", 2.2, _argument),
    InsteadOfSlope(
        "1 − z² for the derivative",
        "has 1 − z² for the derivative of {}, z being its argument",
        2.2,
        lambda chain: 1 - _argument(chain) ** 2,
    ),
    InsteadOfSlope(
        "z(1 − z) for the derivative",
        "has z(1 − z) for the derivative of {}, z being its argument",
        2.2,
        lambda chain: _argument(chain) * (1 - _argument(chain)),
    ),
    InsteadOfSlope(
        "sign for the derivative",
        "has the sign of its argument for the derivative of {}",
        1.6,
        lambda chain: np.sign(_argument(chain)),
        True,
    ),
    InsteadOfSlope(
        "2 sign(x) for the derivative of a square",
        "has 2 sign(x), as of an absolute value, for the derivative of {}, x being its argument",
        2.0,
        lambda chain: None if not _is_square(chain) else 2 * np.sign(_argument(chain)),
    ),
    InsteadOfSlope(
        "2 left out of the derivative of a square",
        "leaves out the 2 of the derivative of {}",
        2.6,
        lambda chain: None if not _is_square(chain) else _argument(chain),
    ),
)
"""What people put in place of a derivative."""


def _is_square(chain: Chain) -> bool:
    node = chain.end.node
    if is_square(chain.end):
        return chain.is_one_operation
    return isinstance(node, Elementwise) and node.name == "square"


def derivatives(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield what may stand in for the derivative of a function that ends in an operation."""
    for chain in chains.ending_at(operation):
        is_product = isinstance(operation.node, Multiply) and not is_square(operation)
        if chain.is_linear or (chain.is_one_operation and is_product):
            continue
        several = 0.0 if chain.is_one_operation else SEVERAL_OPERATIONS
        if chain.only_scales or chain.is_part:
            yield from _one(chain, LEFT_OUT, several)
            continue
        for row in INSTEAD_OF_SLOPES:
            yield from _one(chain, row, several)
        yield from _of_another_entry(chain, several)
        yield from _with_short_constants(chain)


def _with_short_constants(chain: Chain) -> Iterator[Mutation]:
    """Yield derivatives with a constant of the function written with few decimals, as √(2/π) of GELU."""
    for number in chain.numbers:
        for k, x in enumerate(chain.graph.operations[number].node.operands):
            constant = float(x) if isinstance(x, (float, np.floating)) else 0.0
            for short in with_few_decimals(constant):
                slope = chain.slope_with({(number, k): short})
                if slope is not None:
                    kind = "constant of the derivative written short"
                    instead = f"{short:g} in place of {constant:.10g}"
                    says = f"has {instead}, whose digits are lost, in the derivative of {{}}"
                    detail = number - chain.end.number, k, short
                    yield _with_slope(chain, kind, says, 1.7, slope, detail=detail, besides=(number,))


def _one(chain: Chain, row: InsteadOfSlope, several: float) -> Iterator[Mutation]:
    with np.errstate(all="ignore"):
        value = row.value(chain)
    if value is None or not np.isfinite(value).all():
        return
    yield _with_slope(chain, row.kind, row.says, row.unlikely + several, value, row.takes_factor)


def _with_slope(
    chain: Chain,
    kind: str,
    says: str,
    unlikely: float,
    value: Array | float,
    takes_factor: bool = False,
    *,
    substitutes: bool = False,
    detail: object = None,
    besides: tuple[int, ...] = (),
) -> Mutation:
    start = chain.start
    return Mutation(
        kind=kind,
        says=says,
        rule=instead_of_chain(start.number, start.shape, lambda slope: slope * value),
        unlikely=unlikely,
        detail=(len(chain.numbers), detail),
        substitutes=substitutes,
        takes_factor=takes_factor,
        besides=besides,
    )


def _of_another_entry(chain: Chain, several: float) -> Iterator[Mutation]:
    """Yield derivatives taken from the next sample, or unit."""
    slope = chain.slope
    if slope is None:
        return
    for axis, length in enumerate(chain.start.shape):
        if length > 1:
            yield _with_slope(
                chain,
                "derivative of the next entry",
                f"takes the derivative of {{}}, from the next entry along axis {axis}",
                2.5 + several,
                np.roll(slope, 1, axis=axis),
                detail=axis,
                substitutes=True,
            )


def derivatives_of_other_places(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield derivatives of the same function at another layer, or of another value of the same line."""
    if not isinstance(operation.node, (Elementwise, Extremum)) or len(operation.live_operands) != 1:
        return
    for chain in chains.ending_at(operation):
        if not chain.is_part:
            yield from _of_other_places(chain, graph, chains)


def _of_other_places(chain: Chain, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    operation, several = chain.end, 0.0 if chain.is_one_operation else SEVERAL_OPERATIONS
    for other in _nearest_of_shape(operation, graph):
        if _same_function(other.node, operation.node) and len(other.live_operands) == 1:
            twins = (c for c in chains.ending_at(other) if len(c.numbers) == len(chain.numbers))
            twin = next(twins, None)
            if twin is not None and twin.slope is not None:
                yield _with_slope(
                    chain,
                    "derivative of another place",
                    f"has the derivative of {place_of(other, graph)} instead of that of {{}}",
                    several + (OF_ANOTHER_TIME if _is_same_code(operation, other) else OF_ANOTHER_LINE),
                    twin.slope,
                    detail=relation(operation, other, graph),
                    substitutes=True,
                )
        if (
            isinstance(operation.node, Extremum)
            and chain.is_one_operation
            and other.number != chain.start.number
        ):
            mask = chain.slope_at(other.value)
            if mask is not None:
                yield _with_slope(
                    chain,
                    "mask of another value",
                    f"takes at another value, that of {place_of(other, graph)}, the derivative of {{}}",
                    2.5,
                    mask,
                    detail=relation(operation, other, graph),
                    substitutes=True,
                )
        if _is_tanh(operation.node) and chain.is_one_operation and other.number != chain.start.number:
            yield _with_slope(
                chain,
                "1 − v² of another value",
                f"has 1 − v², v being the value of {place_of(other, graph)}, for the derivative of {{}}",
                2.8,
                1 - other.value**2,
                detail=relation(operation, other, graph),
                substitutes=True,
            )


def _nearest_of_shape(operation: Operation, graph: CostGraph) -> list[Operation]:
    """Return the operations nearest to one whose results have its shape, and slopes."""
    numbers = [n for n in graph.of_shape[operation.shape] if n != operation.number]
    nearest = sorted(numbers, key=lambda n: abs(n - operation.number))[:MOST_OTHER_PLACES]
    return [graph.operations[n] for n in nearest if graph.operations[n].live]


def _same_function(node: Node, other: Node) -> bool:
    names = [(type(x), getattr(x, "name", None), getattr(x, "ufunc", None)) for x in (node, other)]
    return names[0] == names[1]


def _is_same_code(operation: Operation, other: Operation) -> bool:
    origins = operation.origin, other.origin
    return None not in origins and origins[0].spot == origins[1].spot  # type: ignore[union-attr]


def _is_tanh(node: Node) -> bool:
    return isinstance(node, Elementwise) and node.name == "tanh"
