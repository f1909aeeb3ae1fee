"""Nodes of functions of two numbers that are smooth but where both are zero."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph import ufuncs
from fastcheck.engines.graph.arithmetic import Elementwise
from fastcheck.engines.graph.nodes import Moves, aligned, plain
from fastcheck.engines.graph.norms import Norm, length
from fastcheck.engines.graph.recorded import UFUNCS, Recorded, recorded, values_of


class Polar(Elementwise):
    """The angle of a point."""

    __slots__ = ()

    @property
    def at_origin(self) -> Any:
        """Where both numbers are zero."""
        return np.equal(plain(self.operands[0]), 0) & np.equal(plain(self.operands[1]), 0)

    def kinked(self, moves: Moves) -> bool:
        """Whether a point moves away from the origin."""
        at_origin = self.at_origin
        if not np.any(at_origin):
            return False
        ndim = np.ndim(self.value)
        return any(
            move is not None and bool(np.any(at_origin & (aligned(move, ndim) != 0))) for move in moves
        )


def hypot(x: Any, y: Any) -> Any:
    """Record np.hypot: where both numbers are zero, as a norm."""
    value = np.hypot(values_of(x), values_of(y))
    lives = any(type(part) is Recorded and part.live for part in (x, y))
    if lives and np.any(value == 0):
        return length(x, y, value)
    return recorded(value, functools.partial(Elementwise, "hypot"), x, y)


def arctan2(x: Any, y: Any) -> Any:
    """Record np.arctan2."""
    return recorded(np.arctan2(values_of(x), values_of(y)), functools.partial(Polar, "arctan2"), x, y)


def squaring(rule: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what records the square: that of a length is smooth, and a sum of squares, at the origin, too."""

    def square(x: Any) -> Any:
        node = x.operand() if type(x) is Recorded else None
        if not isinstance(node, Norm) or np.all(node.value):
            return rule(x)
        vectors = node.operands[0]
        return np.sum(np.square(Recorded(np.array(plain(vectors)), vectors)), axis=-1)

    return square


def register() -> None:
    """Fill the table."""
    UFUNCS[np.square] = squaring(UFUNCS[np.square])
    UFUNCS.update({np.hypot: hypot, np.arctan2: arctan2})


register()

__all__ = ["Polar", "arctan2", "hypot", "ufuncs"]
