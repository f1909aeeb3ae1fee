"""Sums of products over labelled axes: what every matrix product, einsum and sum does to differences.

An operand's axes carry labels, as in an einsum. A label of both operands that is not in the result is summed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.engines.difference.forms import (
    Array,
    Form,
    Position,
    Shape,
    combined,
    gather,
    same_position,
    spend,
)
from fastcheck.engines.difference.linear import within
from fastcheck.engines.difference.state import running

Labels = tuple[Any, ...]

PRODUCTS_PER_ELEMENT = 16
"""Multiplications of a matrix product that take as long as processing one element elsewhere."""

BATCH = "batch"
"""The label of the axis of the members."""


def contracted(
    x: Array, f: Form | None, lx: Labels, y: Array, g: Form | None, ly: Labels, out: Labels
) -> Form | None:
    """Return the difference of Σ x·y: Σ dx·y + Σ x·dy + Σ dx·dy, the last where it does not round away."""
    sizes = dict(zip(ly, y.shape, strict=True))
    for label, size in zip(lx, x.shape, strict=True):
        sizes[label] = max(size, sizes.get(label, 1))
    shape = tuple(sizes[label] for label in out)
    result = None
    if f is not None:
        result = one_sided(f, lx, y, ly, out, shape)
    if g is not None:
        result = combined(np.add, result, one_sided(g, ly, x, lx, out, shape), shape)
    if (
        f is not None
        and g is not None
        and not (within(f, np.abs(x), x.shape) or within(g, np.abs(y), y.shape))
    ):
        running().odd = False
        result = combined(np.add, result, two_sided(f, lx, g, ly, out, shape), shape)
    return result


def one_sided(f: Form, lf: Labels, y: Array, ly: Labels, out: Labels, shape: Shape) -> Form:
    """Return Σ dx·y, where ``f`` is the form of dx."""
    if f.coef is not None and f.coef.size == 1:
        # A number common to all differences is cheaper to multiply with what is left of them.
        factor = float(f.coef.item())
        return one_sided(f.shared(None), lf, y, ly, out, shape).scaled(factor, shape)
    at: dict[int, Position] = {}
    picks: dict[int, Position] = {}
    for axis, position in f.at.items():
        label = lf[axis]
        if label in ly:
            picks[ly.index(label)] = position
        if label in out:
            at[out.index(label)] = position
    picked = gather(y, picks)
    dims = f.data.shape[1:]
    if len(picked) > 1:
        values = repeated(f, repeats(f, lf, ly, out))
        data = product(values, (BATCH, *lf), picked, (BATCH, *ly), (BATCH, *out))
        return Form(data, shape, at)
    y = picked[0]
    if all(n == 1 or label in out for n, label in zip(dims, lf, strict=True)):
        # Nothing that differs between members is summed: only the common coefficient changes.
        factor = repeats(f, lf, ly, out)
        coef = np.full((1,) * f.data[0].ndim, factor) if f.coef is None else f.coef * factor
        data = arranged(f.data, (BATCH, *lf), (BATCH, *out))
        bound = None if f._bound is None else arranged(f._bound, (BATCH, *lf), (BATCH, *out))
        return Form(data, shape, at, product(coef, lf, y, ly, out), bound)
    values = repeated(f, repeats(f, lf, ly, out))
    return Form(product(values, (BATCH, *lf), y, ly, (BATCH, *out)), shape, at)


def two_sided(f: Form, lf: Labels, g: Form, lg: Labels, out: Labels, shape: Shape) -> Form:
    """Return Σ dx·dy."""
    at: dict[int, Position] = {}
    a, b = f.values(), g.values()
    for axis, position in f.at.items():
        label = lf[axis]
        if label in lg:
            other = lg.index(label)
            if other in g.at:
                if not same_position(position, g.at[other]):
                    match = np.broadcast_to(np.equal(position, g.at[other]), len(a))
                    a = a * match.reshape([-1] + [1] * (a.ndim - 1))
            else:
                b = member_slice(b, other, position)
        if label in out:
            at[out.index(label)] = position
    for axis, position in g.at.items():
        label = lg[axis]
        if label in lf and lf.index(label) not in f.at:
            a = member_slice(a, lf.index(label), position)
        if label in out:
            at.setdefault(out.index(label), position)
    number = 1
    for label in {*lf, *lg} - set(out):
        ends = [(h, labels.index(label)) for h, labels in ((f, lf), (g, lg)) if label in labels]
        if all(k not in h.at for h, k in ends) and all(
            values.shape[labels.index(label) + 1] == 1
            for values, labels in ((a, lf), (b, lg))
            if label in labels
        ):
            number *= ends[0][0].shape[ends[0][1]]
    data = product(a, (BATCH, *lf), b, (BATCH, *lg), (BATCH, *out))
    return Form(data if number == 1 else data * number, shape, at)


def repeats(f: Form, lf: Labels, ly: Labels, out: Labels) -> float:
    """Return how many equal terms are summed along axes where the difference is constant and y is absent."""
    dims = f.data.shape[1:]
    if f.coef is not None:
        dims = tuple(map(max, dims, f.coef.shape))
    return float(
        math.prod(
            f.shape[k]
            for k, label in enumerate(lf)
            if dims[k] == 1 and k not in f.at and label not in out and label not in ly
        )
    )


def repeated(f: Form, number: float) -> Array:
    """Return ``coef * data`` times a number, without a copy where it is 1."""
    values = f.values()
    return values if number == 1 else values * number


def member_slice(values: Array, axis: int, position: Position) -> Array:
    """Return member b's values at its position of one axis, whose length becomes 1."""
    if values.shape[axis + 1] == 1:
        return values
    if isinstance(position, int):
        return values.take([position], axis=axis + 1)
    index = position.reshape([-1] + [1] * (values.ndim - 1))
    return np.take_along_axis(values, index, axis=axis + 1)


def product(x: Array, lx: Labels, y: Array, ly: Labels, out: Labels) -> Array:
    """Return Σ x·y by matrix products; its dims are 1 for labels along which both operands have length 1."""
    plan = planned(x.shape, lx, y.shape, ly, out)
    if BATCH in out:
        spend(1, plan.dims)
    return plan.of(y, x) if plan.swapped else plan.of(x, y)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """The steps of a product of two arrays of given shapes and labels.

    Both are reshaped to get rid of axes of length 1, summed along axes that nobody else has, and then multiplied: by
    one matrix product ``left`` (..., n, k) @ ``right`` (..., k, p), or entry by entry if no axis is left to sum.
    """

    swapped: bool
    summed: bool
    dims: Shape
    squeezed: tuple[Shape, Shape]
    lone: tuple[tuple[int, ...], tuple[int, ...]]
    orders: tuple[tuple[int, ...], tuple[int, ...]]
    shapes: tuple[Shape, Shape]
    per_member: Shape | None
    work: int
    result: Shape
    order: tuple[int, ...]

    def of(self, x: Array, y: Array) -> Array:
        """Return the product."""
        x, y = (
            array.reshape(squeezed) if not lone else array.reshape(squeezed).sum(axis=lone)
            for array, squeezed, lone in zip((x, y), self.squeezed, self.lone, strict=True)
        )
        x, y = (array.transpose(order) for array, order in zip((x, y), self.orders, strict=True))
        left, right = self.shapes
        if not self.summed:
            return np.asarray(x.reshape(left) * y.reshape(right))
        running().member_work += self.work // PRODUCTS_PER_ELEMENT
        y = y.reshape(right)
        if self.per_member is not None and not x.flags.c_contiguous:
            # Summed axis first in memory: one product per member costs less than a transposed copy of them all.
            left, y = self.per_member, y[..., None, :, :]
        products: Array = np.matmul(x.reshape(left), y).reshape(self.result)
        return products.transpose(self.order).reshape(self.dims)


@functools.lru_cache(maxsize=4096)
def planned(x: Shape, lx: Labels, y: Shape, ly: Labels, out: Labels) -> Product:
    """Return the steps of a product of arrays of shapes ``x`` and ``y``."""
    swapped = BATCH in ly and BATCH not in lx
    if swapped:
        x, lx, y, ly = y, ly, x, lx
    squeezed, lone, labels = [], [], []
    long_axes = [[(a, n) for a, n in zip(*pair, strict=True) if n != 1] for pair in ((lx, x), (ly, y))]
    for long, others in (long_axes, long_axes[::-1]):
        known = {*out, *(label for label, _ in others)}
        squeezed.append(tuple(n for _, n in long))
        lone.append(tuple(k for k, (label, _) in enumerate(long) if label not in known))
        labels.append([label for label, _ in long if label in known])
    first, second = labels
    size = dict(zip(ly, y, strict=True)) | {a: n for a, n in zip(lx, x, strict=True) if n != 1}
    size = {label: size[label] for label in (*first, *second)}
    summed = [label for label in first if label in second and label not in out]
    both = [label for label in out if label in first and label in second]
    only_x = [label for label in out if label in first and label not in second]
    only_y = [label for label in out if label in second and label not in first]
    dims = tuple(size.get(label, 1) for label in out)
    wide = tuple(size[label] for label in both)
    n, p, k = (math.prod(size[label] for label in group) for group in (only_x, only_y, summed))
    if summed:
        wanted = [*both, *only_x, *summed], [*both, *summed, *only_y]
        shapes = (*wide, n, k), (*wide, k, p)
        ordered = [*both, *only_x, *only_y]
    else:
        wanted = [label for label in out if label in first], [label for label in out if label in second]
        shapes = (
            tuple(size[label] if label in first else 1 for label in out),
            tuple(size[label] if label in second else 1 for label in out),
        )
        ordered = []
    members = size.get(BATCH, 1)
    per_member = None
    if BATCH in only_x and n > 8 * members:
        per_member = (*wide, members, n // members, k)
    return Product(
        swapped=swapped,
        summed=bool(summed),
        dims=dims,
        squeezed=(squeezed[0], squeezed[1]),
        lone=(lone[0], lone[1]),
        orders=(
            tuple(first.index(label) for label in wanted[0]),
            tuple(second.index(label) for label in wanted[1]),
        ),
        shapes=shapes,
        per_member=per_member,
        work=n * p * k * math.prod(wide) if BATCH in out else 0,
        result=tuple(size[label] for label in ordered),
        order=tuple(ordered.index(label) for label in out if label in ordered),
    )


def arranged(x: Array, labels: Labels, out: Labels) -> Array:
    """Return the axes in the order of ``out``, with length 1 where a label of ``out`` is missing.

    Axes of length 1 whose label is not in ``out`` disappear.
    """
    kept = [k for k, label in enumerate(labels) if label in out]
    if len(kept) < len(labels):
        x = x.reshape([x.shape[k] for k in kept])
        labels = tuple(labels[k] for k in kept)
    if labels == out:
        return x
    x = x.transpose([labels.index(label) for label in out if label in labels])
    return x.reshape([x.shape[i] if i is not None else 1 for i in slots(labels, out)])


def slots(labels: Labels, out: Labels) -> Sequence[int | None]:
    """Return, for each label of ``out``, the index among those present."""
    present = [label for label in out if label in labels]
    return [present.index(label) if label in labels else None for label in out]
