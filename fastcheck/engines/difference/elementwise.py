"""Rules for ufuncs: elementwise functions of one or two operands."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.differences import fused, interpreted
from fastcheck.engines.difference.arrays import UFUNCS, made, taken
from fastcheck.engines.difference.forms import (
    Array,
    Form,
    Places,
    Shape,
    combined,
    gather,
    lift,
    longer,
    shared_places,
    smallest,
    spend,
)
from fastcheck.engines.difference.kinks import LARGE, Settling, kinks_noted
from fastcheck.engines.difference.linear import to_the_last_bit
from fastcheck.engines.difference.state import running

Operand = tuple[Any, Form | None]

MEETING = 2.0**-50
"""Branches of a choice that differ by less of their size are equal where they meet, but for their rounding errors: over
a tiny step these would look like a steep slope."""

FUSED_FROM = 2000
"""Elements from which a compiled identity is worth its call."""


def rule_for(name: str, size: int) -> Callable[..., Any]:
    """Return the identity, compiled where the trace is long enough to pay for the compilation."""
    if size >= FUSED_FROM and running().compiled:
        return fused(name)  # type: ignore[no-any-return]
    return interpreted(name)


def aligned(operands: Sequence[Operand], shape: Shape) -> tuple[list[Array], list[Any], Places, int]:
    """Return values and differences of operands, ready to be broadcast: both (B or 1, *dims) or scalars.

    Also where the result is sparse, and the size of an array of all the differences. Who needs them like this does not
    map differences linearly.
    """
    running().odd = False
    ndim = len(shape)
    lifted = [None if form is None else form.lifted(shape) for _, form in operands]
    at = shared_places([form for form in lifted if form is not None])
    values = [gather(lift(value, ndim), at) for value, _ in operands]
    differences = [0.0 if form is None else form.keep(at).values() for form in lifted]
    dims = values[0].shape[1:]
    members = 1
    for array in (*values[1:], *(d for d in differences if not isinstance(d, float))):
        dims = longer(dims, array.shape[1:])
        members = max(members, len(array))
    spend(members, dims)
    return values, differences, at, members * int(np.prod(dims))


def smooth(name: str, operands: Sequence[Operand], shape: Shape) -> Form:
    """Apply an identity of `fastcheck.differences` to the part that changes."""
    form = to_the_last_bit(name, operands, shape)
    if form is not None:
        return form
    values, differences, at, size = aligned(operands, shape)
    rule = rule_for(name, size)
    pairs = [part for pair in zip(values, differences, strict=True) for part in pair]
    return Form(rule(*pairs), shape, at)


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
        change = low + settling.share * np.subtract(high, low, dtype=float) - before
        settling.loose |= members_of(2 * np.abs(change) != np.abs(np.subtract(high, low, dtype=float)))
    return Form(change, shape, at) if change.any() else None


def moved(x: Array, d: Any) -> Array:
    """Return the values at the end of the difference; booleans stay booleans."""
    if x.dtype == bool:
        return np.asarray(x ^ np.not_equal(d, 0))
    return np.asarray(x + d)


def members_of(flags: Array) -> Array:
    """Return which members have a flag set anywhere, shape (B,), or (1,) if none are told apart."""
    result: Array = np.any(flags.reshape(len(flags), -1), axis=1)
    return result


def switches(s: Array, f: Form | None) -> bool:
    """Whether some member may change the sign of ``s``; entries without difference never do."""
    if f is None:
        return False
    if f.peak() < 0.5 * smallest(np.abs(s)):
        return False
    size = f.magnitude() if f.common else np.abs(f.values())
    start = gather(lift(s, len(f.shape)), f.at)
    return not bool(((size < np.abs(start)) | (size == 0)).all())


def unary(ufunc: np.ufunc) -> Callable[[Any], Any]:
    """Return the rule of a smooth function of one variable."""
    name = ufunc.__name__

    def rule(x: Any) -> Any:
        x, f = taken(x)
        value = ufunc(x)
        return made(value, None if f is None else smooth(name, [(x, f)], value.shape))

    return rule


def binary(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return the rule of a smooth function of two variables."""
    name = ufunc.__name__

    def rule(x: Any, y: Any) -> Any:
        (x, f), (y, g) = taken(x), taken(y)
        value = ufunc(x, y)
        if f is None and g is None:
            return made(value, None)
        return made(value, smooth(name, [(x, f), (y, g)], value.shape))

    return rule


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


def additive(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return the rule of x + y or x - y."""

    def rule(x: Any, y: Any) -> Any:
        (x, f), (y, g) = taken(x), taken(y)
        value = ufunc(x, y)
        return made(value, combined(ufunc, f, g, value.shape))

    return rule


def linear(ufunc: np.ufunc, factor: float) -> Callable[[Any], Any]:
    """Return the rule of a fixed multiple of x."""

    def rule(x: Any) -> Any:
        x, f = taken(x)
        value = ufunc(x)
        return made(value, None if f is None else f.scaled(factor, value.shape))

    return rule


@kinks_noted
def multiply(x: Any, y: Any) -> Any:
    """Rule of x·y: a change of the coefficient, if one factor is unperturbed."""
    (x, f), (y, g) = taken(x), taken(y)
    value = np.multiply(x, y)
    shape = value.shape
    if f is None and g is None:
        return made(value, None)
    if g is None and f is not None:
        return made(value, f.scaled(np.asarray(y, dtype=float), shape))
    if f is None and g is not None:
        return made(value, g.scaled(np.asarray(x, dtype=float), shape))
    settling = running().settling
    if settling is not None and f is not None and g is not None and max(f.peak(), g.peak()) >= LARGE:
        return made(value, settled_product(settling, [(x, f), (y, g)], shape))
    return made(value, smooth("multiply", [(x, f), (y, g)], shape))


def settled_product(settling: Settling, operands: Sequence[Operand], shape: Shape) -> Form:
    """Return the difference of x·y where a factor may be a switched mask: what that takes of the other is a kink."""
    (x, y), (dx, dy), at, _ = aligned(operands, shape)
    change = x * dy + dx * (y + dy)
    mask_x, mask_y = np.abs(dx) >= LARGE, np.abs(dy) >= LARGE
    settling.loose |= members_of(mask_x & mask_y)
    settling.add(np.where((mask_x ^ mask_y) & (np.abs(change) < LARGE), dx * dy, 0.0), shape, at)
    return Form(change, shape, at)


def divide(x: Any, y: Any) -> Any:
    """Rule of x/y."""
    (x, f), (y, g) = taken(x), taken(y)
    value = np.divide(x, y)
    if f is None and g is None:
        return made(value, None)
    if f is None and g is not None:
        return made(
            value, smooth("reciprocal", [(y, g)], np.shape(y)).scaled(np.asarray(x, dtype=float), value.shape)
        )
    if g is not None or f is None:
        return made(value, smooth("divide", [(x, f), (y, g)], value.shape))
    form = f.lifted(value.shape)
    picked = gather(lift(y, value.ndim), form.at)
    if len(picked) == 1:
        one = np.ones((1,) * value.ndim)
        return made(value, form.shared((one if form.coef is None else form.coef) / picked[0]))
    values = form.values()
    spend(len(values), longer(values.shape[1:], picked.shape[1:]))
    return made(value, Form(values / picked, form.shape, form.at))


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


def floor_divide(x: Any, y: Any) -> Any:
    """Rule of x // y."""
    return UFUNCS[np.floor](divide(x, y))


def remainder(x: Any, y: Any) -> Any:
    """Rule of the remainder that has the sign of y."""
    return UFUNCS[np.subtract](x, multiply(floor_divide(x, y), y))


def power(x: Any, y: Any) -> Any:
    """Rule of xʸ; small whole powers are products."""
    (x_value, f), (exponent, g) = taken(x), taken(y)
    if g is None and f is not None and np.ndim(exponent) == 0:
        special = {2: np.square, 1: np.positive, 0.5: np.sqrt, -1: np.reciprocal}.get(float(exponent))
        if special is not None:
            return UFUNCS[special](x)
    value = np.power(x_value, exponent)
    if f is None and g is None:
        return made(value, None)
    return made(value, smooth("power", [(x_value, f), (exponent, g)], value.shape))


def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Rule of np.clip: the smaller of the upper end and the larger of x and the lower end."""
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    if low is not None:
        x = UFUNCS[np.maximum](x, low)
    if high is not None:
        x = UFUNCS[np.minimum](x, high)
    return x


SMOOTH_UNARY = [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "cbrt",
    "square",
    "reciprocal",
    "tanh",
    "sinh",
    "cosh",
    "sin",
    "cos",
    "tan",
    "arctan",
    "arcsin",
    "arccos",
    "arcsinh",
    "arctanh",
]
SMOOTH_BINARY = ["hypot", "arctan2", "logaddexp"]
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
SCIPY_UNARY = ["expit", "log_expit", "logit", "erf", "erfc", "entr"]
SCIPY_BINARY = ["xlogy"]


def register() -> None:
    """Fill the table."""
    for name in SMOOTH_UNARY:
        UFUNCS[getattr(np, name)] = unary(getattr(np, name))
    for name in SMOOTH_BINARY:
        UFUNCS[getattr(np, name)] = binary(getattr(np, name))
    for name in STEPS:
        UFUNCS[getattr(np, name)] = stepwise(getattr(np, name))
    ufunc: np.ufunc
    for ufunc in (np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal):
        UFUNCS[ufunc] = comparison(ufunc)
    for ufunc, larger in ((np.maximum, True), (np.fmax, True), (np.minimum, False), (np.fmin, False)):
        UFUNCS[ufunc] = extremum(ufunc, larger)
    for ufunc, factor in (
        (np.positive, 1.0),
        (np.conjugate, 1.0),
        (np.negative, -1.0),
        (np.deg2rad, np.pi / 180),
        (np.radians, np.pi / 180),
        (np.rad2deg, 180 / np.pi),
        (np.degrees, 180 / np.pi),
    ):
        UFUNCS[ufunc] = linear(ufunc, factor)
    UFUNCS.update(
        {
            np.add: additive(np.add),
            np.subtract: additive(np.subtract),
            np.multiply: multiply,
            np.divide: divide,
            np.floor_divide: floor_divide,
            np.remainder: remainder,
            np.absolute: absolute,
            np.fabs: absolute,
            np.sign: sign,
            np.heaviside: heaviside,
            np.power: power,
            np.float_power: power,
        }
    )


@functools.cache
def register_scipy() -> None:
    """Add SciPy's ufuncs, once SciPy is there: fastcheck does not need it."""
    import scipy.special

    for name in SCIPY_UNARY:
        UFUNCS[getattr(scipy.special, name)] = unary(getattr(scipy.special, name))
    for name in SCIPY_BINARY:
        UFUNCS[getattr(scipy.special, name)] = binary(getattr(scipy.special, name))


register()
