"""Kinds of statements for random programs that index: keys of all kinds, read and stored into."""

from __future__ import annotations

import math

import numpy as np


def basic_key(b, shape):
    """Return a key of numbers, slices, None and Ellipsis, as text."""
    parts, count = [], b.between(1, len(shape))
    from_the_end = b.chance(25)
    for n in shape[-count:] if from_the_end else shape[:count]:
        i = b.between(0, n - 1)
        parts.append(
            b.one_of(
                ":",
                "::2",
                "::-1",
                f"{i}",
                f"{i - n}",
                f"{i}:",
                f":{i + 1}",
                f"{i}:{i + 1}",
                f"{i}::-1",
                "::-2",
            )
        )
    if b.chance(15):
        parts.insert(b.between(0, len(parts)), "None")
    if from_the_end:
        parts.insert(0, "...")
    elif b.chance(15):
        parts.insert(len(parts) if count < len(shape) else b.between(0, len(parts)), "...")
    return ", ".join(parts)


def fancy_key(b, shape):
    """Return a key with lists of indices or masks, as text."""
    rank, count = len(shape), b.between(1, 4)
    way = b.between(0, 5)
    axis = b.between(0, rank - 1)
    lead = ":, " * axis
    if way == 0:
        return lead + str(b.places(count, shape[axis]))
    if way == 1:
        mask = [b.chance(60) for _ in range(shape[axis])]
        return lead + b.hold("I", np.array(mask, dtype=bool))
    if way == 2:
        mask = [b.chance(60) for _ in range(math.prod(shape))]
        return b.hold("I", np.array(mask, dtype=bool).reshape(shape))
    if way == 3:
        return ", ".join(str(b.places(count, n)) for n in shape[: b.between(1, rank)])
    if way == 4:
        index = np.array([b.places(count, shape[axis]) for _ in range(b.between(1, 2))])
        return lead + b.hold("I", index)
    parts = [
        b.one_of(":", "::-1", str(b.places(count, n)), f"{b.between(-n, n - 1)}", "None, :") for n in shape
    ]
    return ", ".join(parts)


def basic_index(b):
    a = b.pick()
    return f"{a}[{basic_key(b, b.shape(a))}]"


def fancy_index(b):
    a = b.pick()
    return f"{a}[{fancy_key(b, b.shape(a))}]"


def key_and_value(b, name):
    """Return a key into a variable, and something that can be stored there."""
    shape = b.shape(name)
    key = basic_key(b, shape) if b.chance(60) else fancy_key(b, shape)
    region = np.shape(eval(f"x[{key}]", {"x": np.zeros(shape), **b.program.constants}))
    if b.chance(20):
        return key, b.one_of("0.0", "1.5", b.constant(region) if region else "-0.25")
    value = b.pick(0, condition=lambda x: goes_into(np.shape(x), region))
    return key, value if b.shape(value) else f"1 * {value}"


def goes_into(shape, region):
    try:
        return np.broadcast_shapes(shape, region) == region
    except ValueError:
        return False


def store(b):
    """Return lines that make a new array and set some of its entries."""
    like, target = b.pick(), next(b.names)
    shape = b.shape(like)
    created = b.one_of(
        f"np.zeros({shape})",
        f"np.ones({shape})",
        f"np.full({shape}, 0.5)",
        f"np.zeros_like({like})",
        f"np.full_like({like}, 2.0)",
        f"{like}.copy()",
        f"{like} * 1",
    )
    lines = [f"{target} = {created}"]
    b.values[target] = np.zeros(shape)
    for _ in range(b.between(1, 3)):
        key, value = key_and_value(b, target)
        sign = b.one_of("=", "=", "+=", "-=", "*=")
        lines.append(f"{target}[{key}] {sign} {value}")
    return lines
