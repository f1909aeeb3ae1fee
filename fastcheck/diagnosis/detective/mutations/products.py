"""Mutations of products and quotients, entry by entry, and of powers: what stands in for the other factor.

The smallest example: ``dgamma = dy`` for ``y = gamma * x``, where ``dy * x`` is right.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.chains import Chains, is_square
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, EdgeRule, Operation
from fastcheck.diagnosis.detective.mutations.mutation import Mutation
from fastcheck.diagnosis.detective.mutations.operands import operand_text
from fastcheck.diagnosis.detective.mutations.other_values import other_values
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.nodes.smooth import Elementwise, Multiply

CONSTANT_FACTOR = 0.2
"""Leaving out a constant factor, such as a dropout mask, is so much likelier than one that has slopes, too."""


@dataclasses.dataclass(frozen=True, eq=False)
class Factors:
    """What an operation of two operands hands one of them: ``own`` is its value, ``other`` that of the other one."""

    operation: Operation
    k: int

    @property
    def own(self) -> Array:
        """The operand that gets the share."""
        return self.operation.operand_value(self.k)

    @property
    def other(self) -> Array:
        """The other one."""
        return self.operation.operand_value(1 - self.k)


class InsteadOfFactor(NamedTuple):
    """What an operand gets instead of its share: ``share(factors, slope)``, None where that does not exist.

    ``says`` has places for the operands.
    """

    kind: str
    says: str
    unlikely: float
    share: Callable[[Factors, Array], Array]
    fits: Callable[[Factors], bool] = lambda _: True
    takes_factor: bool = False
    as_factor: Callable[[Factors], float | None] = lambda _: None


def _scale_of_mask(factors: Factors) -> float | None:
    """Return the factor that is wrong if a mask has ones in place of its one number; None if it has several."""
    numbers = np.unique(factors.other[factors.other != 0])
    return float(1 / numbers[0]) if numbers.size == 1 else None


def _has_no_zero(factors: Factors) -> bool:
    return bool(factors.other.all())


def _is_array(factors: Factors) -> bool:
    return factors.other.size > 1


def _is_mask(factors: Factors) -> bool:
    return factors.other.size > 1 and not _has_no_zero(factors)


def _of_one_shape(factors: Factors) -> bool:
    return factors.own.shape == factors.other.shape and factors.own.size > 1


BACK = " in what it passes back to {own} at {place}"

FACTORS = (
    InsteadOfFactor(
        "factor left out", "leaves out the factor {other}" + BACK, 1.15, lambda f, c: c, takes_factor=True
    ),
    InsteadOfFactor(
        "factor squared", "has the factor {other} twice" + BACK, 2.0, lambda f, c: c * f.other**2
    ),
    InsteadOfFactor(
        "factor divided by",
        "divides by {other}, which should be a factor," + BACK,
        2.4,
        lambda f, c: c / f.other,
        _has_no_zero,
    ),
    InsteadOfFactor(
        "mask only",
        "applies {other} as a mask alone: its values other than zero are left out" + BACK,
        1.0,
        lambda f, c: c * (f.other != 0),
        _is_mask,
        as_factor=_scale_of_mask,
    ),
    InsteadOfFactor(
        "own factor",
        "multiplies by {own}, not by {other}," + BACK,
        2.0,
        lambda f, c: c * f.own,
        _of_one_shape,
    ),
    InsteadOfFactor(
        "sign of the factor",
        "has the sign of {other} alone as the factor" + BACK,
        2.4,
        lambda f, c: c * np.sign(f.other),
        _is_array,
    ),
    InsteadOfFactor(
        "absolute value of the factor",
        "has the absolute value of {other} as the factor" + BACK,
        2.6,
        lambda f, c: c * np.abs(f.other),
        _is_array,
    ),
)
"""What people put in place of the other factor of a product."""

NUMERATOR = (
    InsteadOfFactor(
        "divisor left out",
        "leaves out the division by {other}" + BACK,
        1.15,
        lambda f, c: c,
        takes_factor=True,
    ),
    InsteadOfFactor(
        "multiplied for divided",
        "multiplies by {other}, where it should divide," + BACK,
        2.0,
        lambda f, c: c * f.other,
    ),
    InsteadOfFactor("divided twice", "divides by {other} twice" + BACK, 2.0, lambda f, c: c / f.other**2),
    InsteadOfFactor(
        "divided by the root",
        "divides by the square root of {other}" + BACK,
        2.3,
        lambda f, c: c / np.sqrt(f.other),
    ),
)
"""The same for a numerator: the other is the denominator."""

DENOMINATOR = (
    InsteadOfFactor(
        "1/y for 1/y²",
        "divides by {own} once, where it should divide by its square," + BACK,
        2.0,
        lambda f, c: -c * f.other / f.own,
        takes_factor=True,
    ),
    InsteadOfFactor(
        "numerator left out",
        "leaves out the factor {other}" + BACK,
        2.0,
        lambda f, c: -c / f.own**2,
        takes_factor=True,
    ),
    InsteadOfFactor(
        "1 for 1/y²",
        "leaves out the division by the square of {own}" + BACK,
        2.2,
        lambda f, c: -c * f.other,
    ),
    InsteadOfFactor(
        "1/y³ for 1/y²",
        "divides by the third power of {own}" + BACK,
        2.6,
        lambda f, c: -c * f.other / f.own**3,
    ),
    InsteadOfFactor(
        "numerator squared",
        "has the factor {other} twice" + BACK,
        2.4,
        lambda f, c: -c * (f.other / f.own) ** 2,
    ),
)
"""The same for a denominator: the other is the numerator."""

POWERS = (
    InsteadOfFactor(
        "exponent not lowered",
        "has the exponent {other} where one less is right" + BACK,
        2.0,
        lambda f, c: c * f.other * f.own**f.other,
    ),
    InsteadOfFactor(
        "exponent left out",
        "leaves out the factor {other}, the exponent," + BACK,
        1.5,
        lambda f, c: c * f.own ** (f.other - 1),
    ),
    InsteadOfFactor(
        "base for its power",
        "has the base instead of its power" + BACK,
        2.4,
        lambda f, c: c * f.other * f.own,
    ),
)
"""The same for a base: the other is the exponent."""


def products(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield what may stand in for the other operand of a product, a quotient or a power.

    Of a value times itself, which is a function of one argument, `derivatives` tells what may be wrong.
    """
    if is_square(operation):
        return
    for k, _ in operation.live_operands:
        factors = Factors(operation, k)
        for row in _rows_of(operation, k):
            if row.fits(factors):
                yield _mutation(graph, factors, row)
        if isinstance(operation.node, Multiply):
            yield from _with_other_values(graph, chains, factors, lambda slope, value: slope * value)
        elif _is(operation, "divide") and k == 0:
            yield from _with_other_values(graph, chains, factors, lambda slope, value: slope / value)


def _is(operation: Operation, name: str) -> bool:
    return isinstance(operation.node, Elementwise) and operation.node.name == name


def _rows_of(operation: Operation, k: int) -> tuple[InsteadOfFactor, ...]:
    if isinstance(operation.node, Multiply):
        return FACTORS
    if _is(operation, "divide"):
        return DENOMINATOR if k else NUMERATOR
    if _is(operation, "power") and k == 0:
        return POWERS
    return ()


def _mutation(graph: CostGraph, factors: Factors, row: InsteadOfFactor) -> Mutation:
    operation, k = factors.operation, factors.k
    only_one = len(operation.live_operands) == 1
    return Mutation(
        kind=row.kind,
        says=row.says.format(
            own=operand_text(operation, k, graph), other=operand_text(operation, 1 - k, graph), place="{}"
        ),
        rule=EdgeRule(graph, operation, k, lambda slope: row.share(factors, slope)),
        unlikely=row.unlikely - (CONSTANT_FACTOR if only_one and row.takes_factor else 0.0),
        detail=k,
        takes_factor=row.takes_factor,
        as_factor=row.as_factor(factors),
    )


def _with_other_values(
    graph: CostGraph, chains: Chains, factors: Factors, share: Callable[[Array, Array], Array]
) -> Iterator[Mutation]:
    operation, k = factors.operation, factors.k
    own, other = (operand_text(operation, j, graph) for j in (k, 1 - k))
    for found in other_values(operation, 1 - k, graph, chains):
        yield Mutation(
            kind=found.kind,
            says=f"has {found.instead} instead of {other} in what it passes back to {own} at {{}}",
            rule=EdgeRule(graph, operation, k, lambda slope, found=found: share(slope, found.value())),  # type: ignore[misc]
            unlikely=found.unlikely,
            detail=(k, found.detail),
            substitutes=True,
        )
