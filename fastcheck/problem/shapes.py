"""Shapes that do not fit together, in words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

MOST_AXES = 8
"""Axes of the largest array for which a message says over which of them to sum."""


def wrong_shape(where: str, expected: tuple[int, ...], got: tuple[int, ...]) -> str:
    """Return what is wrong with the shape of a gradient, and what to do about it."""
    message = f"{where}: expected shape {expected}, the parameter's, got {got}. "
    if len(got) > 1 and got == expected[::-1]:
        return message + "It is transposed: return its .T, or swap the factors of the product that makes it."
    if without_unit_axes(got) == without_unit_axes(expected):
        if len(got) > len(expected):
            return (
                message
                + "It has a surplus axis: leave out keepdims=True in the sum that makes it, or reshape it."
            )
        if len(got) < len(expected):
            return message + "It lacks an axis: use keepdims=True in the sum that makes it, or reshape it."
    if math.prod(got) == math.prod(expected):
        return message + "The sizes agree: reshape it, after a look at the order of the axes."
    if len(got) <= MOST_AXES:
        how = _how_to_sum(expected, got)
        if how is not None:
            return message + f"Sum it over the axes along which the parameter was broadcast: {how}."
        if _fitting_axes(expected, got):
            return message + "Sum it over all axes but those of the parameter."
    return message + "Look at the product or sum that makes it."


def _how_to_sum(expected: tuple[int, ...], got: tuple[int, ...]) -> str | None:
    """Return the call that sums an array over the axes that a parameter was broadcast along, None if there is not one.

    >>> _how_to_sum((3,), (5, 3)), _how_to_sum((1, 3), (5, 3)), _how_to_sum((4,), (2, 4, 7, 6))
    ('.sum(axis=0)', '.sum(axis=0, keepdims=True)', '.sum(axis=(0, 2, 3))')
    """
    if len(got) == len(expected):
        axes = [k for k, (length, wanted) in enumerate(zip(got, expected, strict=True)) if length != wanted]
        return f".sum(axis={_axes(axes)}, keepdims=True)" if all(expected[k] == 1 for k in axes) else None
    if not expected:
        return ".sum()"
    fitting = _fitting_axes(expected, got)
    trailing = tuple(range(len(got) - len(expected), len(got)))
    kept = trailing if trailing in fitting else fitting[0] if len(fitting) == 1 else None
    return None if kept is None else f".sum(axis={_axes([k for k in range(len(got)) if k not in kept])})"


def _fitting_axes(expected: tuple[int, ...], got: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the choices of axes of an array that have the shape which is expected."""
    choices = itertools.combinations(range(len(got)), len(expected)) if len(got) > len(expected) else ()
    return [kept for kept in choices if tuple(got[k] for k in kept) == expected]


def _axes(axes: Sequence[int]) -> str:
    return str(axes[0] if len(axes) == 1 else tuple(axes))


def without_unit_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without its axes of length 1."""
    return tuple(length for length in shape if length != 1)
