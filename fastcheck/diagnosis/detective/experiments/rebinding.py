"""Operators in place, run as if they made new arrays, to see whether a wrong gradient is right then.

The smallest backward pass for which that is known::

    def backward(dout, cache):
        y, w = cache
        d = dout
        d *= 1 - y**2                       # dout is changed as well
        return d @ w.T, dout.sum(axis=0)    # and used again

With a ``dout`` that is a `Rebinding` array, ``d *= …`` is ``d = d * …``.
"""

from __future__ import annotations

import contextlib
import linecache
import operator
import sys
import types
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastcheck.engines.graph.tracing.users_line import PACKAGE, is_installed
from fastcheck.pictures.code_lines import CodeLine

Operator = Callable[[Any, Any], Any]

Place = tuple[str, int]
"""A file, as Python knows it, and the number of a line."""


@dataclass(slots=True)
class Rebound:
    """Which operators in place make new arrays, those of all lines or of ``only`` one, and the lines that ``ran``.

    Of these it is known whether ``backward`` ran them.
    """

    backward: types.CodeType | None
    only: Place | None = None
    ran: dict[Place, bool] = field(default_factory=dict)


@contextlib.contextmanager
def rebinding(backward: Any, only: Place | None = None) -> Iterator[Rebound]:
    """Let `Rebinding` arrays make new arrays where a line, or ``only`` this one, would change them."""
    function = getattr(backward, "__func__", backward)
    rebound = Rebound(getattr(function, "__code__", None), only)
    token = _rebound.set(rebound)
    try:
        yield rebound
    finally:
        _rebound.reset(token)


class Rebinding(np.ndarray[Any, Any]):
    """An array of which operators in place may make new ones; what is computed from it is of this class, too."""


OPERATORS = {
    "__iadd__": operator.add,
    "__isub__": operator.sub,
    "__imul__": operator.mul,
    "__itruediv__": operator.truediv,
    "__ifloordiv__": operator.floordiv,
    "__imod__": operator.mod,
    "__ipow__": operator.pow,
    "__imatmul__": operator.matmul,
}
"""Operators in place, and what computes the same in a new array."""


def _in_place_or_new(name: str, new: Operator) -> Operator:
    in_place = getattr(np.ndarray, name)

    def run(array: Any, other: Any) -> Any:
        return new(array, other) if _makes_a_new_one() else in_place(array, other)

    return run


for _name, _new in OPERATORS.items():
    setattr(Rebinding, _name, _in_place_or_new(_name, _new))


class Unwritten(np.ndarray[Any, Any]):
    """An array into which nothing is written by index, nor into its views; what is computed from it is as usual."""

    def __array_finalize__(self, source: Any) -> None:
        """Remember the array of which this is a view."""
        original = getattr(source, "original", None)
        is_view = isinstance(original, np.ndarray) and np.may_share_memory(self, original)
        self.original = original if is_view else None

    def __setitem__(self, place: Any, value: Any) -> None:
        if self.original is None:
            super().__setitem__(place, value)


def as_unwritten(array: Any) -> Any:
    """Return a view of an array that is `Unwritten`."""
    view = array.view(Unwritten)
    view.original = array
    return view


def as_rebinding(array: Any) -> Any:
    """Return a view of an array that is a `Rebinding`."""
    return array.view(Rebinding)


def code_line(place: Place) -> CodeLine:
    """Return a line of code with its text."""
    file, number = place
    return CodeLine(file=file, number=number, text=linecache.getline(file, number).strip())


def users_line(traceback: types.TracebackType | None) -> CodeLine | None:
    """Return the innermost line of the user's code in a traceback, None if there is none."""
    line = None
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if not (is_installed(file) or file.startswith(PACKAGE)):
            line = code_line((file, traceback.tb_lineno))
        traceback = traceback.tb_next
    return line


def _makes_a_new_one() -> bool:
    """Whether the operator that runs in the frame of its caller makes a new array."""
    rebound = _rebound.get()
    if rebound is None:
        return False
    frame = sys._getframe(2)
    place = frame.f_code.co_filename, frame.f_lineno
    rebound.ran[place] = rebound.ran.get(place, False) or _runs(frame, rebound.backward)
    return rebound.only in (None, place)


def _runs(frame: types.FrameType | None, code: types.CodeType | None) -> bool:
    """Whether a frame is one of a function, or was called by it."""
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


_rebound: ContextVar[Rebound | None] = ContextVar("rebound", default=None)
