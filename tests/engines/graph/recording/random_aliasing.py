"""Kinds of statements for random programs about memory: views of views, writes through them, overlaps."""

from __future__ import annotations

import math

import numpy as np
from random_indexing import basic_key, fancy_key, goes_into

SOURCES = [
    "np.zeros({s})", "np.ones({s})", "np.full({s}, 0.5)", "np.zeros_like({a})", "np.full_like({a}, 2.0)",
    "{a}.copy()", "{a} * 1", "np.array({a})", "{a}.T * 1", "np.ones_like({a})", "np.copy({a})", "{a} + 1", "-{a}",
    "np.array([row * 2 for row in {a}])", "np.concatenate([{a}, {a}])", "np.eye({n})", "np.repeat({a}, 2, axis=0)",
    "np.tile({a}, 2)", "{a}.flatten()", "np.stack([{a}, {a}])", "np.array({a}, copy=True)", "{a}.astype(float)",
    "np.where({a} > 0, {a}, 0.0)", "np.tanh({a})", "np.full({s}, {a}.sum())", "np.pad({a}, 1)", "np.roll({a}, 1)",
    "{a}[{fancy}]",
]  # fmt: skip

VIEWS = [
    "{a}[{key}]", "{a}[{key}]", "{a}[{key}]", "{a}.T", "{a}.reshape({new})", "np.reshape({a}, -1)", "{a}.ravel()",
    "np.ravel({a})", "{a}[::-1]", "np.flip({a}, axis={k})", "np.split({a}, 2, axis={k})[{h}]", "{a}[...]", "{a}",
    "np.array_split({a}, 3, axis={k})[{h}]", "np.squeeze({a})", "np.expand_dims({a}, {k})",
    "np.swapaxes({a}, 0, {k})", "np.moveaxis({a}, 0, {k})", "np.atleast_2d({a})", "np.asarray({a})",
    "np.ascontiguousarray({a})", "np.rot90({a})", "np.transpose({a})", "{a}.T.reshape(-1)", "{a}[:, None]",
    "{a}.squeeze()", "{a}.swapaxes(0, {k})", "list({a})[{h}]", "np.array({a}, copy=False)",
    "{a}.reshape({new})[::-1]", "{a}[::2]", "{a}[1:]", "{a}[:-1]", "{a}.astype(float, copy=False)", "np.fliplr({a})",
    "{a}.reshape({new}, order='F')", "{a}.real",
]  # fmt: skip

WRITES = [
    "{v}[{key}] = {x}", "{v}[{key}] += {x}", "{v}[{key}] *= {x}", "{v}[{key}] -= 0.5 * {x}",
    "{v}[{key}] /= 2 + {x} ** 2", "{v}[{fancy}] = {y}", "{v}[{fancy}] += {y}", "{v}[{fancy}] *= {y}",
    "{v}[{key}] = {c}",
]  # fmt: skip

WHOLE = [
    "{v} += {x}", "{v} *= {x}", "{v} -= {x}", "{v} /= 2 + {x} ** 2", "{v}[...] = {x}", "{v}[:] = {x}",
    "np.copyto({v}, {x})", "np.copyto({v}, {x}, where={w} > 0)", "np.add({v}, {x}, out={v})", "np.tanh({v}, out={v})",
    "np.multiply({v}, {x}, {v})", "np.add({x}, 1, out={v}, where={w} > 0)", "{v}[{w} > 0] = 0.5", "{v}[{v} < 0] = 0",
    "{v}[{v} > 0.4] *= 0.5", "{v}.fill({c})", "np.clip({v}, -1, 1, out={v})", "np.maximum({v}, {x}, out={v})",
    "{v} **= 2", "{v}[{w} > 0] += 1.5", "{v}.flat = {c}", "np.negative({v}, out={v})",
    "np.cumsum({v}, axis=0, out={v})", "np.subtract(1, {v}, out={v})", "{v}.ravel()[0] = {c}",
    "{v}.reshape(-1)[::2] *= 3", "{v}.T[...] += {c}", "{v} %= 7.0", "{v}.flat[0] = {c}", "{v}.flat[-1] *= 3",
]  # fmt: skip

OVERLAPS = [
    "{v}[1:] = {v}[:-1]", "{v}[1:] += {v}[:-1]", "{v}[:-1] = {v}[1:]", "{v}[::-1] += {v}", "{v}[...] = {v}[::-1]",
    "{v} += {v}", "{v} *= {v}", "{v}[0], {v}[-1] = {v}[-1] * 1, {v}[0] * 1", "{v}[[0, -1]] = {v}[[-1, 0]]",
    "{v}[0] = {v}[-1]", "{v}[:] = {v}[0]", "{v} += {v}[0]", "{v} -= {v}.mean(axis=0)",
    "np.add({v}[:-1], {v}[1:], out={v}[1:])", "{v}[1:] -= {v}[:-1] ** 2", "{v}[{fancy}] = {v}[{fancy}]",
    "{v}[...] = {v} @ {v}", "{v} += {v}.T", "{v}[...] = {v}.T", "{v}[:, 0] = {v}[0]",
    "{v}[0], {v}[-1] = {v}[-1], {v}[0]", "{v} @= {v}", "np.sin({v}, out={v}[::-1])", "first, *_ = {v}; first *= 2",
]  # fmt: skip


CONTIGUOUS = ("ravel", "flat", "copy()", "contiguous", "copy=True")
"""Forms whose copies lie in another order in memory than the array itself, if that is not contiguous."""


def form_for(b, forms, name):
    """Return one of the forms."""
    lies_in_order = np.asarray(b.values[name]).flags.c_contiguous
    return b.one_of(*(f for f in forms if lies_in_order or not any(word in f for word in CONTIGUOUS)))


def source(b):
    a = b.pick()
    return form_for(b, SOURCES, a).format(
        a=a, s=b.shape(a), n=b.shape(a)[0], fancy=fancy_key(b, b.shape(a)) if np.size(b.values[a]) else "..."
    )


def view(b):
    a = own(b) if b.chance(80) else b.pick()
    shape = b.shape(a)
    size = math.prod(shape)
    factors = [(n, size // n) for n in range(1, size + 1) if size % n == 0]
    return form_for(b, VIEWS, a).format(
        a=a,
        key=basic_key(b, shape),
        k=b.axis(len(shape)),
        h=b.between(0, 1),
        new=b.one_of((-1,), *factors, *((p, 1, q) for p, q in factors)),
    )


def fitting(b, region):
    """Return a variable that can be stored in a region of this shape."""
    return b.pick(0, condition=lambda x: goes_into(np.shape(x), region))


def own(b, low=1):
    """Return a variable that shares no memory with a parameter."""
    given = [b.values[name] for name in b.program.parameters]
    return b.pick(low, 3, lambda x: np.size(x) and not any(np.may_share_memory(x, y) for y in given))


def write(b):
    v = own(b)
    shape = b.shape(v)
    key, fancy = basic_key(b, shape), fancy_key(b, shape)
    known = {"x": np.zeros(shape), **b.program.constants}
    try:
        regions = [np.shape(eval(f"x[{k}]", known)) for k in (key, fancy)]
    except IndexError:  # the key asks for an entry of an empty axis
        return []
    return [
        b.one_of(*WRITES).format(
            v=v,
            key=key,
            fancy=fancy,
            x=fitting(b, regions[0]),
            y=fitting(b, regions[1]),
            c=b.one_of(0, 1.5, -0.25),
        )
    ]


def whole(b):
    v = own(b)
    shape = b.shape(v)
    return [
        form_for(b, WHOLE, v).format(
            v=v,
            x=fitting(b, shape),
            w=b.constant(shape),
            c=b.one_of("0.5", "-2", fitting(b, ()) if b.chance(50) else "0"),
        )
    ]


def overlap(b):
    v = own(b)
    return [b.one_of(*OVERLAPS).format(v=v, fancy=fancy_key(b, b.shape(v)))]


def add_at(b):
    v = own(b)
    shape = b.shape(v)
    places = b.places(b.between(1, 4), shape[0])
    x = b.pick(0, condition=lambda x: goes_into(np.shape(x), (len(places), *shape[1:])))
    return [f"np.add.at({v}, {places}, {x})"]


def swap(b):
    v, w = own(b), own(b)
    return [f"{v}, {w} = {w}, {v}"] if v != w else []


def rows(b):
    v = own(b, 2)
    x = b.pick(0, condition=lambda x: goes_into(np.shape(x), b.shape(v)[1:]))
    return b.one_of(
        [f"for row in {v}:", f"    row *= {x}"],
        [f"for i in range(1, {b.shape(v)[0]}):", f"    {v}[i] += 0.5 * {v}[i - 1]"],
        [f"for i, row in enumerate({v}):", f"    row[...] = row * i + {x}"],
        [f"for i in range({b.shape(v)[0]}):", f"    {v}[i, ::-1] = np.tanh({v}[-i] + {x})"],
        [f"rows = list({v})", f"rows[0] += {x}", "rows[-1][...] = rows[0] * 2"],
        [f"for row, other in zip({v}, {v}[::-1]):", "    row += other"],
    )


ALIASING = [source, *[view] * 3, *[write] * 4, *[whole] * 3, *[overlap] * 3, add_at, swap, rows]
