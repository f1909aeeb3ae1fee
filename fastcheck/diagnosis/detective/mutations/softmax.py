"""Mutations of softmax, log-softmax and log-sum-exp, however they are written: they are known by their values.

The smallest example: ``dz = dp * p * (1 - p)`` for ``p = softmax(z)``, where ``p * (dp - (p * dp).sum())`` is right.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.chains import Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.mutations.composites import Axes, arguments_of, axes_between
from fastcheck.diagnosis.detective.mutations.mutation import Mutation, instead_of_chain
from fastcheck.engines.graph.nodes.choices import Choice
from fastcheck.engines.graph.nodes.node import Array, Node, plain
from fastcheck.engines.graph.nodes.smooth import Combination, Elementwise, Multiply

SAME = 1e-9
"""Values that differ by less, relative to the largest, are the same."""

MOST_STEPS = 5
"""Operations by which one of these functions leads to another, at most."""

FEWEST = 2
"""Entries of a softmax at least."""


@dataclasses.dataclass(frozen=True, eq=False)
class Softmax:
    """``p`` = softmax(z) over ``axes``; ``name`` tells of which of the three functions of z it is the derivative's.

    ``result`` is the value of the function, with the axes kept.
    """

    name: str
    p: Array
    axes: Axes
    result: Array

    def sum(self, array: Array) -> Array:
        """Return a sum over the axes, which are kept."""
        return np.asarray(array.sum(axis=self.axes, keepdims=True))

    @property
    def size(self) -> float:
        """The number of entries in one softmax."""
        return self.p.size / self.sum(self.p).size


class InsteadOfJacobian(NamedTuple):
    """What stands in for the product of the slope and the Jacobian: ``share(softmax, slope)``.

    ``as_factor``: one operation that hands back so many times what is right may be the same.
    """

    kind: str
    says: str
    unlikely: float
    share: Callable[[Softmax, Array], Array]
    as_factor: Callable[[Softmax], float] | None = None


def right_of_softmax(s: Softmax, c: Array) -> Array:
    """Return what is right for a softmax."""
    return np.asarray(s.p * (c - s.sum(s.p * c)))


def right_of_log_softmax(s: Softmax, c: Array) -> Array:
    """Return what is right for a log-softmax."""
    return np.asarray(c - s.p * s.sum(c))


RIGHT = {"softmax": right_of_softmax, "log-softmax": right_of_log_softmax}

OF_SOFTMAX = (
    InsteadOfJacobian(
        "softmax: diagonal only",
        "has the diagonal alone, p(1 − p), of the Jacobian of the softmax at {}",
        1.0,
        lambda s, c: s.p * (1 - s.p) * c,
    ),
    InsteadOfJacobian(
        "softmax: sum left out",
        "leaves out the sum over the entries in the derivative of the softmax, p(dp − Σ p·dp), at {}",
        0.9,
        lambda s, c: s.p * c,
        lambda _: 0.0,
    ),
    InsteadOfJacobian(
        "softmax: only the sum",
        "has only the sum over the entries in the derivative of the softmax, p(dp − Σ p·dp), at {}",
        1.3,
        lambda s, c: -s.p * s.sum(s.p * c),
        lambda _: 0.0,
    ),
    InsteadOfJacobian(
        "softmax: off the diagonal only",
        "leaves out the diagonal of the Jacobian of the softmax at {}",
        1.3,
        lambda s, c: -s.p * (s.sum(s.p * c) - s.p * c),
    ),
    InsteadOfJacobian(
        "softmax: sign of the sum",
        "adds the sum over the entries in the derivative of the softmax, p(dp − Σ p·dp), at {}",
        1.4,
        lambda s, c: s.p * (c + s.sum(s.p * c)),
        lambda _: -1.0,
    ),
    InsteadOfJacobian(
        "softmax left out", "leaves out the derivative of the softmax at {}", 1.1, lambda s, c: c
    ),
    InsteadOfJacobian(
        "softmax: σ′ in addition",
        "multiplies the derivative of the softmax at {} by p(1 − p), that of a sigmoid, besides",
        1.5,
        lambda s, c: right_of_softmax(s, c) * s.p * (1 - s.p),
    ),
    InsteadOfJacobian(
        "softmax: p twice",
        "multiplies by p twice in the derivative of the softmax, p(dp − Σ p·dp), at {}",
        1.6,
        lambda s, c: right_of_softmax(s, c) * s.p,
    ),
    InsteadOfJacobian(
        "softmax: p left out",
        "leaves out the factor p in the derivative of the softmax, p(dp − Σ p·dp), at {}",
        1.5,
        lambda s, c: c - s.sum(s.p * c),
    ),
    InsteadOfJacobian(
        "softmax: sum without p",
        "sums dp, not p·dp, in the derivative of the softmax, p(dp − Σ p·dp), at {}",
        1.5,
        lambda s, c: s.p * (c - s.sum(c)),
    ),
    InsteadOfJacobian(
        "softmax: mean for the sum",
        "has the mean of p·dp, not the sum, in the derivative of the softmax, p(dp − Σ p·dp), at {}",
        1.5,
        lambda s, c: s.p * (c - s.sum(s.p * c) / s.size),
        lambda s: 1 / s.size,
    ),
)
"""What people compute for p = softmax(z), where p(dp − Σ p·dp) is right."""

OF_LOG_SOFTMAX = (
    InsteadOfJacobian(
        "log-softmax: diagonal only",
        "has the diagonal alone, 1 − p, of the Jacobian of the log-softmax at {}",
        1.0,
        lambda s, c: c * (1 - s.p),
    ),
    InsteadOfJacobian(
        "log-softmax: sum left out",
        "leaves out the sum over the entries in the derivative of the log-softmax, d − p·Σ d, at {}",
        0.9,
        lambda s, c: c,
        lambda _: 0.0,
    ),
    InsteadOfJacobian(
        "log-softmax: sign of the sum",
        "adds the sum over the entries in the derivative of the log-softmax, d − p·Σ d, at {}",
        1.4,
        lambda s, c: c + s.p * s.sum(c),
        lambda _: -1.0,
    ),
    InsteadOfJacobian(
        "log-softmax: logarithms for probabilities",
        "has log p for p in the derivative of the log-softmax, d − p·Σ d, at {}",
        1.5,
        lambda s, c: c - s.result * s.sum(c),
    ),
    InsteadOfJacobian(
        "log-softmax: p left out",
        "leaves out p in the derivative of the log-softmax, d − p·Σ d, at {}",
        1.5,
        lambda s, c: c - s.sum(c),
    ),
    InsteadOfJacobian(
        "log-softmax: mean for the sum",
        "has the mean of the slopes, not their sum, in the derivative of the log-softmax, d − p·Σ d, at {}",
        1.5,
        lambda s, c: c - s.p * s.sum(c) / s.size,
        lambda s: 1 / s.size,
    ),
    InsteadOfJacobian(
        "log-softmax: derivative of the softmax",
        "has the derivative of the softmax for that of the log-softmax at {}",
        1.6,
        right_of_softmax,
    ),
)
"""What people compute for log p, where d − p·Σ d is right."""

OF_LOG_SUM_EXP = (
    InsteadOfJacobian(
        "log-sum-exp: softmax left out",
        "leaves out the derivative of the log-sum-exp at {}",
        1.1,
        lambda s, c: np.broadcast_to(c, s.p.shape),
    ),
    InsteadOfJacobian(
        "log-sum-exp: mean",
        "shares slopes equally among the terms of the log-sum-exp at {}",
        1.4,
        lambda s, c: np.broadcast_to(c / s.size, s.p.shape),
    ),
    InsteadOfJacobian(
        "log-sum-exp: p(1 − p)",
        "has p(1 − p) for p, the derivative of the log-sum-exp, at {}",
        1.5,
        lambda s, c: c * s.p * (1 - s.p),
    ),
)
"""What people compute for log Σ exp(z), where p·d is right."""

TABLES = {"softmax": OF_SOFTMAX, "log-softmax": OF_LOG_SOFTMAX, "log-sum-exp": OF_LOG_SUM_EXP}

WRONG_AXIS, MASK_LEFT_OUT = 1.3, 1.3
"""How unlikely these are."""


def softmax(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield what may stand in for the derivative of a softmax, log-softmax or log-sum-exp that ends in an operation."""
    found = _found(operation, graph)
    if found is None or _is_step(operation, graph):
        return
    argument, known = found
    for row in TABLES[known.name]:
        yield _mutation(argument, known, row)
    yield from _over_other_axes(argument, known)
    yield from _without_mask(argument, known)


def _found(operation: Operation, graph: CostGraph) -> tuple[Operation, Softmax] | None:
    """Return of what an operation is a softmax, or one of the others: the farthest, before anything is subtracted."""
    found = None
    if _may_end(operation):
        for argument, between in arguments_of(operation, graph):
            known = _recognised(operation.value, argument.value, between)
            is_log_of_softmax = _is_log(operation) and known is not None and known.name == "log-softmax"
            if known is not None and not is_log_of_softmax:
                found = argument, known
    return found


def _is_step(operation: Operation, graph: CostGraph) -> bool:
    """Whether an operation is there for another function of these alone, as a log-softmax for a softmax."""
    for _ in range(MOST_STEPS):
        uses = graph.uses[operation.number]
        if len(uses) != 1:
            return False
        operation = graph.operations[uses[0][0]]
        if _found(operation, graph) is not None:
            return True
    return False


def _is_log(operation: Operation) -> bool:
    return isinstance(operation.node, Elementwise) and operation.node.name == "log"


def _may_end(operation: Operation) -> bool:
    node, several = operation.node, len(operation.live_operands) > 1
    if isinstance(node, Elementwise):
        return node.name in ("exp", "log") or (node.name == "divide" and several)
    return isinstance(node, (Multiply, Combination)) and (several or isinstance(node, Combination))


def _recognised(result: Array, z: Array, between: list[Operation]) -> Softmax | None:
    if z.ndim == 0 or not np.isfinite(result).all() or np.isnan(z).any():
        return None
    for axes in axes_between(between, z.ndim):
        known = _over(result, z, axes)
        if known is not None:
            return known
    return None


def _over(result: Array, z: Array, axes: Axes) -> Softmax | None:
    top = z.max(axis=axes, keepdims=True)
    e = np.exp(z - top)
    sums = e.sum(axis=axes, keepdims=True)
    p = e / sums
    if p.size < FEWEST * sums.size:
        return None
    if result.shape == z.shape:
        for name, value in (("softmax", p), ("log-softmax", z - top - np.log(sums))):
            if _same(result, value):
                return Softmax(name, p, axes, value)
    log_sum = top + np.log(sums)
    if result.size == log_sum.size and _same(result.reshape(log_sum.shape), log_sum):
        return Softmax("log-sum-exp", p, axes, log_sum)
    return None


def _same(value: Array, other: Array) -> bool:
    return bool(np.max(np.abs(value - other), initial=0.0) <= SAME * np.max(np.abs(other), initial=0.0))


def _mutation(argument: Operation, known: Softmax, row: InsteadOfJacobian) -> Mutation:
    return Mutation(
        kind=row.kind,
        says=row.says,
        rule=instead_of_chain(
            argument.number, argument.shape, lambda slope: row.share(known, _kept(slope, known))
        ),
        unlikely=row.unlikely,
        as_factor=None if row.as_factor is None else row.as_factor(known),
    )


def _kept(slope: Array, known: Softmax) -> Array:
    """Return the slope with the axes kept that a log-sum-exp is summed over."""
    return slope.reshape(known.result.shape)


def _over_other_axes(argument: Operation, known: Softmax) -> Iterator[Mutation]:
    """Yield derivatives that are summed over another axis, or over all of them."""
    if known.name == "log-sum-exp":
        return
    every = tuple(range(known.p.ndim))
    choices = [(axis,) for axis in every] + ([every] if known.p.ndim > 1 else [])
    for axes in choices:
        if axes == known.axes or all(known.p.shape[axis] == 1 for axis in axes):
            continue
        other = dataclasses.replace(known, axes=axes)
        over = "all axes" if axes == every else f"axis {axes[0]}"
        yield Mutation(
            kind=f"{known.name}: wrong axis",
            says=f"sums over {over} in the derivative of the {known.name} at {{}}",
            rule=instead_of_chain(
                argument.number,
                argument.shape,
                lambda slope, other=other: RIGHT[known.name](other, slope),  # type: ignore[misc]
            ),
            unlikely=WRONG_AXIS,
            detail=axes,
        )


def _without_mask(argument: Operation, known: Softmax) -> Iterator[Mutation]:
    """Yield the derivative at scores that are not masked, where they are: by np.where, or by adding a constant."""
    scores = _masked(argument)
    if scores is None or known.name == "log-sum-exp":
        return
    z = np.broadcast_to(np.asarray(scores.value, dtype=float), argument.shape)
    e = np.exp(z - z.max(axis=known.axes, keepdims=True))
    unmasked = dataclasses.replace(known, p=e / known.sum(e))
    if np.shape(scores.value) == argument.shape:
        yield Mutation(
            kind=f"{known.name}: mask left out",
            says=f"has the derivative of the {known.name} at {{}} of scores that are not masked",
            rule=instead_of_chain(
                scores.number, argument.shape, lambda slope: RIGHT[known.name](unmasked, slope)
            ),
            unlikely=MASK_LEFT_OUT,
        )


def _masked(operation: Operation) -> Node | None:
    """Return the scores that an operation masks, if it does."""
    node = operation.node
    if len(operation.live_operands) != 1:
        return None
    _, x = operation.live_operands[0]
    if isinstance(node, Choice):
        return x
    others = [y for y in node.operands if y is not x]
    adds_array = isinstance(node, Combination) and any(np.ndim(plain(y)) > 0 for y in others)
    return x if adds_array else None
