"""Kinks that θ stands on: runs in which each takes a fixed share of the way between its two slopes.

At a kink the difference of a result may be either of two: dx or 0 behind a ReLU, dx or dy behind a maximum. With all
kinks halfway between them the cost is linear over a tiny step; `Settling` notes what each kink may add to or take from
that. A kink is known by its operation and its entry there, so that a later run can change this entry alone (an
`Impulse`) and learn what the cost makes of it.
"""

from __future__ import annotations

import dataclasses
import functools
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.difference.arrays import DifferenceArray, made
from fastcheck.engines.difference.forms import Array, Form, Places, Shape, combined
from fastcheck.engines.difference.state import blame, running
from fastcheck.engines.kinks import Convention, Line, in_the_middle

STEP = 2.0**-160
"""ε of the runs with settled kinks. Only what is exactly at its kink is met, and a switched mask (a difference of the
size of 1) cannot be taken for a difference in proportion to ε."""

LARGE = 2.0**-80
"""Differences from here on are those of masks and other functions with steps."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the cost: its rule, the user's line, shape and checksum of its result, and which of those."""

    rule: str
    filename: str
    lineno: int
    source: str
    shape: Shape
    checksum: int
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class Met:
    """Kinks met in one operation, arrays (k,): members, entries by flat number, half the differences' distance.

    Except where kinks of a maximum along axes are met, the distance is signed: it is linear in the perturbation.
    """

    operation: Operation
    members: NDArray[np.intp]
    entries: NDArray[np.intp]
    halves: Array


@dataclass(frozen=True, slots=True, eq=False)
class Impulse:
    """A change of one entry of an operation's result for each member; ``form`` holds the differences."""

    operation: Operation
    form: Form


class Settling:
    """What a run with settled kinks does at them, and what it notes.

    All kinks are settled halfway between their two slopes, or where the ``convention`` says: at the lower end (0), the
    upper end (1) or between. ``met`` lists the kinks, and ``lines`` the operations for which the convention was asked.
    ``loose`` flags members of which some mixtures may lie beyond their central difference ± the shares of those, and
    ``delivered`` tells whether the operation of the impulse was run, ``signed`` whether the distances of all kinks are.
    """

    def __init__(
        self, members: int, convention: Convention = in_the_middle, impulse: Impulse | None = None
    ) -> None:
        self.convention = convention
        self.impulse = impulse
        self.met: list[Met] = []
        self.lines: dict[Line, None] = {}
        self.delivered = impulse is None
        self.signed = True
        self.loose = np.zeros(members, dtype=bool)
        self._members = members
        self._rule = ""
        self._waiting: list[tuple[Array, Shape, Places]] = []
        self._numbers: dict[Operation, int] = {}

    def share(self) -> float:
        """Return the part of the way from the slope below a kink to that above, in the operation that is running."""
        line = (self._rule, *blame()[:2])
        self.lines[line] = None
        return self.convention(line)

    def between(self, low: Any, high: Any, at_kink: Array, elsewhere: Any, shape: Shape, at: Places) -> Form:
        """Return the difference that is ``elsewhere``, and at kinks the share of the way from ``low`` to ``high``."""
        apart = np.where(at_kink, np.subtract(high, low), 0.0)
        if not apart.any():
            return Form(np.where(at_kink, low, elsewhere), shape, at)
        self.add(apart / 2, shape, at)
        return Form(np.where(at_kink, low + self.share() * apart, elsewhere), shape, at)

    def add(self, halves: Array, shape: Shape, at: Places) -> None:
        """Note kinks of the running operation, where ``halves`` (B, *dims) is not 0."""
        if halves.any():
            self._waiting.append((halves, shape, at))

    def run(self, rule: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Run a rule, note which kinks it met, and add the impulse if it is meant for this operation."""
        outer = self._waiting, self._rule
        self._waiting, self._rule = [], rule.__name__.rstrip("_")
        result = rule(*arguments, **keywords)
        waiting = self._waiting
        self._waiting, self._rule = outer
        if type(result) is not DifferenceArray or result.dtype != np.float64:
            return result
        operation = self._operation(rule.__name__, np.asarray(result.value))
        for halves, shape, at in waiting:
            self.met.append(Met(operation, *entries(halves, shape, at, self._members)))
        if self.impulse is None or self.impulse.operation != operation:
            return result
        self.delivered = True
        form = combined(np.add, result.form, self.impulse.form, result.shape)
        return made(result.value, form)

    def _operation(self, rule: str, value: Array) -> Operation:
        first = Operation(rule.rstrip("_"), *blame(), value.shape, zlib.crc32(value.tobytes()), 0)
        number = self._numbers.get(first, 0)
        self._numbers[first] = number + 1
        return dataclasses.replace(first, number=number)


def kinks_noted(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule of an operation that may have kinks."""

    @functools.wraps(rule)
    def watched(*arguments: Any, **keywords: Any) -> Any:
        settling = running().settling
        return rule(*arguments, **keywords) if settling is None else settling.run(rule, arguments, keywords)

    return watched


def entries(
    halves: Array, shape: Shape, at: Places, members: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Return members, flat numbers and values of what is not 0, shapes (k,)."""
    dims = [1 if axis in at else length for axis, length in enumerate(shape)]
    full = np.broadcast_to(halves, (members, *dims))
    found = np.nonzero(full)
    flat = np.zeros(len(found[0]), dtype=np.intp)
    for axis, length in enumerate(shape):
        position = at.get(axis, found[axis + 1])
        if axis in at and isinstance(position, np.ndarray):
            position = position[found[0]]
        flat = flat * length + position
    return found[0], flat, full[found]
