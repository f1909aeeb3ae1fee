"""Rules for ufuncs: arithmetic and smooth functions of one or two operands."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastcheck.differences import fused, interpreted
from fastcheck.engines.difference.arrays import UFUNCS, computed, made, taken
from fastcheck.engines.difference.forms import (
    Array,
    Form,
    Places,
    Shape,
    combined,
    gather,
    lift,
    longer,
    members_of,
    shared_places,
    spend,
)
from fastcheck.engines.difference.kinks import LARGE, Settling, kinks_noted
from fastcheck.engines.difference.linear import to_the_last_bit
from fastcheck.engines.difference.state import running
from fastcheck.engines.rounding import LEFT_OF_ONE

Operand = tuple[Any, Form | None]


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


def unary(ufunc: np.ufunc) -> Callable[[Any], Any]:
    """Return the rule of a smooth function of one variable."""
    name = ufunc.__name__
    left = LEFT_OF_ONE.get(name)

    def rule(x: Any) -> Any:
        x, f = taken(x)
        value = ufunc(x)
        return computed(value, None if f is None else smooth(name, [(x, f)], value.shape), left)

    return rule


def binary(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return the rule of a smooth function of two variables."""
    name = ufunc.__name__

    def rule(x: Any, y: Any) -> Any:
        (x, f), (y, g) = taken(x), taken(y)
        value = ufunc(x, y)
        if f is None and g is None:
            return computed(value, None)
        return computed(value, smooth(name, [(x, f), (y, g)], value.shape))

    return rule


def additive(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Return the rule of x + y or x - y."""

    def rule(x: Any, y: Any) -> Any:
        (x, f), (y, g) = taken(x), taken(y)
        value = ufunc(x, y)
        form = combined(ufunc, f, g, value.shape)
        if f is None:
            return computed(value, form, functools.partial(left_beside_one, x, y))
        return computed(value, form, functools.partial(left_beside_one, y, x) if g is None else None)

    return rule


def left_beside_one(one: Any, other: Any, value: Any) -> Array:
    """Return the share of ``other`` in 1 + other, where that is the sum: 1 − σ(z), of e⁻ᶻ in σ(z) = 1 / (1 + e⁻ᶻ)."""
    return np.where((one == 1) & (other != 0), other / value, 1.0)


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
        return computed(value, None)
    if g is None and f is not None:
        return computed(value, f.scaled(np.asarray(y, dtype=float), shape))
    if f is None and g is not None:
        return computed(value, g.scaled(np.asarray(x, dtype=float), shape))
    settling = running().settling
    if settling is not None and f is not None and g is not None and max(f.peak(), g.peak()) >= LARGE:
        return computed(value, settled_product(settling, [(x, f), (y, g)], shape))
    return computed(value, smooth("multiply", [(x, f), (y, g)], shape))


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
        return computed(value, None)
    if f is None and g is not None:
        return computed(
            value, smooth("reciprocal", [(y, g)], np.shape(y)).scaled(np.asarray(x, dtype=float), value.shape)
        )
    if g is not None or f is None:
        return computed(value, smooth("divide", [(x, f), (y, g)], value.shape), lambda A: 1 - A)
    form = f.lifted(value.shape)
    picked = gather(lift(y, value.ndim), form.at)
    if len(picked) == 1:
        one = np.ones((1,) * value.ndim)
        return computed(value, form.shared((one if form.coef is None else form.coef) / picked[0]))
    values = form.values()
    spend(len(values), longer(values.shape[1:], picked.shape[1:]))
    return computed(value, Form(values / picked, form.shape, form.at))


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
        return computed(value, None)
    return computed(value, smooth("power", [(x_value, f), (exponent, g)], value.shape))


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
SCIPY_UNARY = ["expit", "log_expit", "logit", "erf", "erfc", "entr"]
SCIPY_BINARY = ["xlogy"]


def register() -> None:
    """Fill the table."""
    for name in SMOOTH_UNARY:
        UFUNCS[getattr(np, name)] = unary(getattr(np, name))
    for name in SMOOTH_BINARY:
        UFUNCS[getattr(np, name)] = binary(getattr(np, name))
    ufunc: np.ufunc
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
