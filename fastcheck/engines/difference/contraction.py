"""Sums of products over labelled axes: what every matrix product, einsum and sum does to differences.

An operand's axes carry labels, as in an einsum. A label of both operands that is not in the result is summed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from fastcheck.engines.difference.state import running

Labels = tuple[Any, ...]

PRODUCTS_PER_ELEMENT = 16
"""Multiplications of a matrix product that take as long as processing one element elsewhere."""

BATCH = "batch"
"""The label of the axis of the members."""


def contracted(
    x: Array, f: Form | None, lx: Labels, y: Array, g: Form | None, ly: Labels, out: Labels
) -> Form | None:
    """Return the difference of Σ x·y: Σ dx·y + Σ x·dy + Σ dx·dy."""
    sizes = dict(zip(ly, y.shape, strict=True))
    for label, size in zip(lx, x.shape, strict=True):
        sizes[label] = max(size, sizes.get(label, 1))
    shape = tuple(sizes[label] for label in out)
    result = None
    if f is not None:
        result = one_sided(f, lx, y, ly, out, shape)
    if g is not None:
        result = combined(np.add, result, one_sided(g, ly, x, lx, out, shape), shape)
    if f is not None and g is not None:
        result = combined(np.add, result, two_sided(f, lx, g, ly, out, shape), shape)
    return result


def one_sided(f: Form, lf: Labels, y: Array, ly: Labels, out: Labels, shape: Shape) -> Form:
    """Return Σ dx·y, where ``f`` is the form of dx."""
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
        values = f.values() * repeats(f, lf, ly, out)
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
    values = f.values() * repeats(f, lf, ly, out)
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
    x, lx = without_single(x, lx)
    y, ly = without_single(y, ly)
    x, lx = without_lone(x, lx, (*ly, *out))
    y, ly = without_lone(y, ly, (*lx, *out))
    summed = [label for label in lx if label in ly and label not in out]
    if BATCH in out:
        sizes = {**dict(zip(lx, x.shape, strict=True)), **dict(zip(ly, y.shape, strict=True))}
        spend(sizes.get(BATCH, 1), [sizes.get(label, 1) for label in out if label != BATCH])
    if not summed:
        return np.asarray(arranged(x, lx, out) * arranged(y, ly, out))
    if BATCH in ly and BATCH not in lx:
        x, lx, y, ly = y, ly, x, lx
    both = [label for label in out if label in lx and label in ly]
    only_x = [label for label in out if label in lx and label not in ly]
    only_y = [label for label in out if label in ly and label not in lx]
    size = dict(zip(ly, y.shape, strict=True)) | dict(zip(lx, x.shape, strict=True))
    n, p, k = (math.prod(size[label] for label in labels) for labels in (only_x, only_y, summed))
    if BATCH in out:
        running().member_work += n * p * k * math.prod(size[label] for label in both) // PRODUCTS_PER_ELEMENT
    right = y.transpose([ly.index(label) for label in (*both, *summed, *only_y)])
    right = right.reshape([*(size[label] for label in both), k, p])
    order = [*both, *only_x, *summed]
    left = x.transpose([lx.index(label) for label in order])
    if BATCH in only_x and not left.flags.c_contiguous and n > 8 * len(x):
        # Summed axis first in memory: one product per member costs less than a transposed copy of them all.
        left = left.reshape([*(size[label] for label in both), len(x), n // len(x), k])
        right = right[..., None, :, :]
    else:
        left = left.reshape([*(size[label] for label in both), n, k])
    result = np.matmul(left, right)
    ordered = (*both, *only_x, *only_y)
    return arranged(result.reshape([size[label] for label in ordered]), ordered, out)


def without_single(x: Array, labels: Labels) -> tuple[Array, Labels]:
    """Drop the axes of length 1."""
    if 1 not in x.shape:
        return x, labels
    kept = tuple(label for n, label in zip(x.shape, labels, strict=True) if n != 1)
    return x.reshape([n for n in x.shape if n != 1]), kept


def without_lone(x: Array, labels: Labels, known: Labels) -> tuple[Array, Labels]:
    """Sum the axes that nobody else has."""
    lone = tuple(k for k, label in enumerate(labels) if label not in known)
    if not lone:
        return x, labels
    return x.sum(axis=lone), tuple(label for label in labels if label in known)


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
