"""Rules for functions that choose, which have kinks or steps: comparisons, extrema, where, absolute values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.engines.difference.arrays import FUNCTIONS, UFUNCS, made, taken
from fastcheck.engines.difference.elementwise import Operand, aligned, smooth
from fastcheck.engines.difference.forms import (
    Array,
    Form,
    Places,
    Shape,
    combined,
    gather,
    lift,
    members_of,
    smallest,
)
from fastcheck.engines.difference.kinks import LARGE, Settling, kinks_noted
from fastcheck.engines.difference.state import TracingError, running

MEETING = 2.0**-50
"""Branches of a choice that differ by less of their size are equal where they meet, but for their rounding errors: over
a tiny step these would look like a steep slope."""

STEPS = [
    "floor",
    "ceil",
    "rint",
    "trunc",
    "isnan",
    "isinf",
    "isfinite",
    "signbit",
    "logical_and",
    "logical_or",
    "logical_not",
    "logical_xor",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "invert",
]


def step(f: Callable[..., Any], operands: Sequence[Operand], shape: Shape) -> Form | None:
    """Return the difference of a piecewise constant function, None if it is 0; members that change are kinks."""
    values, differences, at, _ = aligned(operands, shape)
    settling = running().settling
    if settling is not None:
        return settled_step(settling, f, values, differences, shape, at)
    with np.errstate(all="ignore"):
        new = f(*(moved(x, d) for x, d in zip(values, differences, strict=True)))
        old = f(*values)
        changed = np.not_equal(new, old) & ~((new != new) & (old != old))
    if not changed.any():
        return None
    running().kinked |= members_of(changed)
    return Form(np.where(changed, np.subtract(new, old, dtype=float), 0.0), shape, at)


def settled_step(
    settling: Settling,
    f: Callable[..., Any],
    values: Sequence[Array],
    differences: Sequence[Any],
    shape: Shape,
    at: Places,
) -> Form | None:
    """Return the difference of a piecewise constant function whose kinks take a share of the way between their ends.

    Masks of an earlier operation have their own share already.
    """
    pairs = list(zip(values, differences, strict=True))
    old = f(*values)
    low, high = (f(*(moved(x, side * np.abs(d)) for x, d in pairs)) for side in (-1.0, 1.0))
    before = np.asarray(old, dtype=float)
    if all(x.dtype == bool for x in values):
        share = functools.reduce(np.maximum, [np.abs(d) for d in differences])
        change = share * (high - before)
        settling.loose |= members_of(sum(np.not_equal(d, 0).astype(int) for d in differences) > 1)
    else:
        apart = np.subtract(high, low, dtype=float)
        change = low + (settling.share() * apart if apart.any() else 0.0) - before
        settling.loose |= members_of(2 * np.abs(change) != np.abs(apart))
    return Form(change, shape, at) if change.any() else None


def moved(x: Array, d: Any) -> Array:
    """Return the values at the end of the difference; booleans stay booleans."""
    if x.dtype == bool:
        return np.asarray(x ^ np.not_equal(d, 0))
    return np.asarray(x + d)


def switches(s: Array, f: Form | None) -> bool:
    """Whether some member may change the sign of ``s``; entries without difference never do."""
    if f is None:
        return False
    if f.peak() < 0.5 * smallest(np.abs(s)):
        return False
    size = f.magnitude() if f.common else np.abs(f.values())
    start = gather(lift(s, len(f.shape)), f.at)
    return not bool(((size < np.abs(start)) | (size == 0)).all())


def stepwise(ufunc: np.ufunc) -> Callable[..., Any]:
    """Return the rule of a function with few values: floor, isnan, logical_and, ..."""

    def rule(*operands: Any) -> Any:
        pairs = [taken(x) for x in operands]
        value = ufunc(*(x for x, _ in pairs))
        if all(f is None for _, f in pairs):
            return made(value, None)
        return made(value, step(ufunc, pairs, value.shape))

    return rule


def comparison(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return the rule of a comparison: the sign of x - y at both ends."""

    def rule(x: Any, y: Any) -> Any:
        (x, f), (y, g) = taken(x), taken(y)
        value = ufunc(x, y)
        if f is None and g is None:
            return made(value, None)
        shape = value.shape
        if np.asarray(x).dtype == bool and np.asarray(y).dtype == bool:
            return made(value, step(ufunc, [(x, f), (y, g)], shape))
        h = combined(np.subtract, f, g, shape)
        s = gap(x, y, value)
        if h is None or not switches(s, h):
            return made(value, None)
        return made(value, step(lambda s: ufunc(s, 0.0), [(s, h)], shape))

    return rule


def gap(x: Any, y: Any, result: Any) -> Array:
    """Return x - y, for its sign: 0 for equal infinities."""
    if np.ndim(y) == 0 and y == 0:
        return np.broadcast_to(np.asarray(x, dtype=float), np.shape(result))
    with np.errstate(all="ignore"):
        s = np.subtract(x, y, dtype=float)
        return np.where(np.equal(x, y), 0.0, s) if not np.isfinite(s).all() else np.asarray(s)


def extremum(ufunc: np.ufunc, larger: bool) -> Callable[[Any, Any], Any]:
    """Return the rule of maximum (larger) or minimum."""
    name = ufunc.__name__

    def rule(x: Any, y: Any) -> Any:
        (x, f), (y, g) = taken(x), taken(y)
        value = ufunc(x, y)
        if f is None and g is None:
            return made(value, None)
        shape = value.shape
        s = gap(x, y, value)
        h = combined(np.subtract, f, g, shape)
        first = s > 0 if larger else s < 0
        if not switches(s, h):
            return made(value, chosen(first, f, g, shape))
        settling = running().settling
        if settling is not None:
            (start, _, _), (d, dx, dy), at, _ = aligned([(s, h), (x, f), (y, g)], shape)
            low, high = (dy, dx) if larger else (dx, dy)
            elsewhere = np.where(start > 0, high, low)
            return made(value, settling.between(low, high, reached(start, d), elsewhere, shape, at))
        if h is not None:
            (start,), (d,), _, _ = aligned([(s, h)], shape)
            running().kinked |= members_of(np.sign(start + d) != np.sign(start))
        return made(value, smooth(name, [(x, f), (y, g)], shape))

    rule.__name__ = name
    return kinks_noted(rule)


@kinks_noted
def absolute(x: Any) -> Any:
    """Rule of |x|: ±dx, if no member changes the sign of x."""
    x, f = taken(x)
    value = np.absolute(x)
    if f is None:
        return made(value, None)
    if not switches(x, f):
        return made(value, f.scaled(np.sign(x), value.shape))
    (start,), (d,), at, _ = aligned([(x, f)], value.shape)
    settling = running().settling
    if settling is not None:
        at_kink = reached(start, d)
        return made(value, settling.between(-d, d, at_kink, np.sign(start) * d, value.shape, at))
    running().kinked |= members_of(np.sign(start + d) != np.sign(start))
    return made(value, smooth("absolute", [(x, f)], value.shape))


def sign(x: Any) -> Any:
    """Rule of the sign: no difference, unless some member changes it."""
    x, f = taken(x)
    value = np.sign(x)
    if f is None or not switches(x, f):
        return made(value, None)
    return made(value, step(np.sign, [(x, f)], value.shape))


def heaviside(x: Any, y: Any) -> Any:
    """Rule of the step from 0 to 1 at x = 0, whose value there is y."""
    (x, f), (y, g) = taken(x), taken(y)
    value = np.heaviside(x, y)
    if g is not None:
        return made(value, smooth("heaviside", [(x, f), (y, g)], value.shape))
    if f is None or not switches(x, f):
        return made(value, None)
    return made(value, step(np.heaviside, [(x, f), (y, None)], value.shape))


def reached(start: Array, d: Any) -> Array:
    """Return where ``start`` ± d is on both sides of 0, or on one side of it and on it."""
    return np.asarray((d != 0) & (np.abs(d) >= np.abs(start)))


def chosen(mask: Array, f: Form | None, g: Form | None, shape: Shape) -> Form | None:
    """Return the difference of ``where(mask, x, y)`` for an unperturbed mask."""
    one = None if f is None else f.selected(mask, shape)
    other = None if g is None else g.selected(~np.asarray(mask, dtype=bool), shape)
    return combined(np.add, one, other, shape)


@kinks_noted
def where(condition: Any, *branches: Any) -> Any:
    """Rule of np.where: the branch may differ between the two ends."""
    mask, m = taken(condition)
    if not branches:
        return np.nonzero(condition)
    if m is not None and mask.dtype != bool:
        return where(condition != 0, *branches)
    (x, f), (y, g) = map(taken, branches)
    mask = np.asarray(mask, dtype=bool)
    value = np.where(mask, x, y)
    shape = value.shape
    if m is None:
        return made(value, chosen(mask, f, g, shape))
    (c, x, y), (dc, dx, dy), at, _ = aligned([(mask, m), (x, f), (y, g)], shape)
    settling = running().settling
    if settling is not None:
        return made(value, settled_choice(settling, (c, x, y), (dc, dx, dy), shape, at))
    change = dc != 0
    end = c ^ change
    return made(value, Form(np.where(end, dx, dy) + np.where(change, jump(c, x, y), 0.0), shape, at))


def jump(mask: Array, x: Array, y: Array) -> Array:
    """Return what ``where(mask, x, y)`` gains when the mask switches: 0 if branches meet there, but for rounding."""
    with np.errstate(all="ignore"):
        apart = np.where(mask, y - x, x - y)
        return np.where(np.abs(apart) <= MEETING * np.maximum(np.abs(x), np.abs(y)), 0.0, apart)


def settled_choice(
    settling: Settling, values: Sequence[Array], differences: Sequence[Any], shape: Shape, at: Places
) -> Form:
    """Return the difference of ``where(mask, x, y)``, a switched mask taking its share of both branches."""
    (c, x, y), (dc, dx, dy) = values, differences
    apart = np.where(dc != 0, jump(c, x, y) + np.where(c, dy - dx, dx - dy), 0.0)
    change = np.where(c, dx, dy) + np.abs(dc) * apart
    settling.add(np.where(np.abs(apart) < LARGE, dc * apart, 0.0), shape, at)
    return Form(change, shape, at)


def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Rule of np.clip: the smaller of the upper end and the larger of x and the lower end."""
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    if low is not None:
        x = UFUNCS[np.maximum](x, low)
    if high is not None:
        x = UFUNCS[np.minimum](x, high)
    return x


def rounded(x: Any, decimals: int = 0, out: Any = None) -> Any:
    """Rule of np.round: the nearest integer of multiples, as NumPy computes it; a function with steps."""
    if out is not None:
        raise TracingError("round", "it rounds into an array given as out=.")
    if decimals == 0:
        return UFUNCS[np.rint](x)
    factor = 10.0 ** abs(decimals)
    if decimals > 0:
        return UFUNCS[np.divide](UFUNCS[np.rint](UFUNCS[np.multiply](x, factor)), factor)
    return UFUNCS[np.multiply](UFUNCS[np.rint](UFUNCS[np.divide](x, factor)), factor)


def register() -> None:
    """Fill the table."""
    FUNCTIONS.update({np.round: rounded, np.around: rounded, np.fix: lambda x: UFUNCS[np.trunc](x)})
    for name in STEPS:
        UFUNCS[getattr(np, name)] = stepwise(getattr(np, name))
    ufunc: np.ufunc
    for ufunc in (np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal):
        UFUNCS[ufunc] = comparison(ufunc)
    for ufunc, larger in ((np.maximum, True), (np.fmax, True), (np.minimum, False), (np.fmin, False)):
        UFUNCS[ufunc] = extremum(ufunc, larger)
    UFUNCS.update({np.absolute: absolute, np.fabs: absolute, np.sign: sign, np.heaviside: heaviside})


register()
