"""Mutations of normalisations, however they are written: batch, layer and instance normalisation, RMS and L2 norms.

They are known by their values: y = (x − mean) / s, or x / s, with s² a sum of squares, times a constant, plus ε; there
may be a weight besides, as in γ·(x − mean) / s. The smallest example: ``dx = dy / s``, where the mean and s are
differentiated, too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.chains import Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation, Shares
from fastcheck.diagnosis.detective.mutations.composites import Axes, Region, ancestors_of, axes_between
from fastcheck.diagnosis.detective.mutations.mutation import Mutation
from fastcheck.diagnosis.detective.mutations.normalisation_terms import INSTEAD_OF_TERMS, SAME, Normalisation
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.engines.graph.nodes.smooth import Elementwise, Multiply, Total

WRONG_AXES = 1.3
"""How unlikely it is that sums are over the wrong axes."""


def normalisations(operation: Operation, graph: CostGraph, chains: Chains) -> Iterator[Mutation]:
    """Yield what may stand in for the derivative of a normalisation that ends in an operation."""
    found = _found(operation, graph)
    if found is None:
        return
    for row in INSTEAD_OF_TERMS:
        if row.fits(found.known):
            factor = None if row.as_factor is None else row.as_factor(found.known)
            yield _mutation(found, row.kind, row.says, row.unlikely, row.share, factor)
    for axes in _other_axes(found.known):
        yield _mutation(
            found,
            "normalisation over the wrong axes",
            f"sums over {_written(axes)} in the normalisation at {{}}",
            WRONG_AXES,
            functools.partial(_over_axes, axes=axes),
            detail=axes,
        )


class Found(NamedTuple):
    """A normalisation in the graph: the end of the region is ``weight`` times what it makes of the start."""

    region: Region
    known: Normalisation
    weight: Array

    def explains_shares(self, slope: Array) -> bool:
        """Whether the start gets what the three terms say."""
        parts, _ = self.region.shares(slope)
        actual, expected = sum(parts), self.known.right(slope * self.weight)
        size = max(float(np.max(np.abs(part))) for part in parts)
        return bool(np.max(np.abs(actual - expected)) <= SAME * size)


def _found(operation: Operation, graph: CostGraph) -> Found | None:
    """Return the normalisation that ends in an operation: the nearest that has a mean, or the nearest of all."""
    if not _may_end(operation):
        return None
    ancestors = ancestors_of(operation, graph)
    if not any(isinstance(other.node, Total) for other in ancestors):
        return None
    nearest = None
    for start in ancestors[1:]:
        if start.shape == operation.shape:
            found = _recognised(Region(graph, start, ancestors))
            if found is not None and found.known.has_mean:
                return found
            nearest = nearest or found
    return nearest


def _may_end(operation: Operation) -> bool:
    node = operation.node
    is_quotient = isinstance(node, Elementwise) and node.name == "divide"
    return (is_quotient or isinstance(node, Multiply)) and len(operation.live_operands) == 2


def _recognised(region: Region) -> Found | None:
    x, y = region.start.value, region.end.value
    if not (np.isfinite(y).all() and np.isfinite(x).all() and x.any()):
        return None
    for axes in axes_between(region.between, x.ndim):
        for has_mean in (True, False):
            for known in _candidates(region, x, axes, has_mean):
                if known.centred.all():
                    found = Found(region, known, y * known.s / known.centred)
                    if found.explains_shares(np.cos(np.arange(y.size)).reshape(y.shape)):
                        return found
    return None


def _candidates(region: Region, x: Array, axes: Axes, has_mean: bool) -> Iterator[Normalisation]:
    """Yield the normalisations of x of which some operation computes the deviation, or its inverse."""
    mean = x.mean(axis=axes, keepdims=True)
    if has_mean and np.max(np.abs(mean)) <= SAME * np.max(np.abs(x)):
        return
    centred = x - mean if has_mean else x
    squares = np.asarray((centred**2).sum(axis=axes, keepdims=True))
    if squares.size == x.size or not squares.all():
        return
    for operation in region.between:
        value = operation.value
        if value.size == squares.size and np.isfinite(value).all() and (value > 0).all():
            value = value.reshape(squares.shape)
            for s in (value, 1 / value):
                known = _of_deviation(centred, squares, s, axes, has_mean)
                if known is not None:
                    yield known


def _of_deviation(
    centred: Array, squares: Array, s: Array, axes: Axes, has_mean: bool
) -> Normalisation | None:
    """Return the normalisation with a deviation, if that is the root of a share of the squares and ε."""
    n = centred.size / squares.size
    shares = [1 / n, 1 / (n - 1)] if has_mean and n > 1 else [1 / n, 1.0]
    for share in shares:
        inside, outside = s**2 - share * squares, s - np.sqrt(share * squares)
        if _is_one_small_number(inside, s**2):
            return Normalisation(centred, s, axes, has_mean, share, _number(inside, s**2), 0.0)
        if _is_one_small_number(outside, s):
            return Normalisation(centred, s, axes, has_mean, share, 0.0, _number(outside, s))
    return None


def _is_one_small_number(rest: Array, of: Array) -> bool:
    """Whether all entries are one number, small beside others and not negative."""
    rounding = SAME * float(np.max(of))
    return bool(np.ptp(rest) <= rounding and np.min(rest) >= -rounding and np.mean(rest) < 0.5 * np.mean(of))


def _number(rest: Array, of: Array) -> float:
    mean = float(np.mean(rest))
    return mean if mean > SAME * float(np.max(of)) else 0.0


def _mutation(
    found: Found,
    kind: str,
    says: str,
    unlikely: float,
    share: Callable[[Normalisation, Array], Array],
    as_factor: float | None = None,
    detail: Axes | None = None,
) -> Mutation:
    def rule(slope: Array) -> Shares:
        _, of_others = found.region.shares(slope)
        wrong = share(found.known, slope * found.weight)
        start = found.region.start
        return [*of_others, (start.number, np.broadcast_to(wrong, start.shape))]

    return Mutation(
        kind=kind,
        says=says,
        rule=rule,
        unlikely=unlikely,
        detail=detail,
        as_factor=as_factor,
        changes=found.region.start.number,
        besides=tuple(operation.number for operation in found.region.between),
    )


def _other_axes(known: Normalisation) -> Iterator[Axes]:
    """Yield the other axes, each of them, and all."""
    every = tuple(range(known.centred.ndim))
    rest = tuple(axis for axis in every if axis not in known.axes)
    choices = [rest, every, *((axis,) for axis in every)]
    for axes in dict.fromkeys(choices):
        if axes and axes != known.axes:
            yield axes


def _over_axes(known: Normalisation, slope: Array, axes: Axes) -> Array:
    """Return the three terms with sums over other axes, averages being over as many entries as are summed."""
    y = known.centred / known.s
    size = float(np.prod([slope.shape[axis] for axis in axes]))
    of_mean = slope.sum(axis=axes, keepdims=True) / size if known.has_mean else 0.0
    share = 1.0 if known.share == 1.0 else 1 / size
    of_s = y * (slope * y).sum(axis=axes, keepdims=True) * share
    return np.asarray((slope - of_mean - of_s) / known.s)


def _written(axes: Axes) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"the axes {', '.join(map(str, axes))}"
