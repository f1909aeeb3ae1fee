"""Which line of the user's code is running, and which library function it called."""

from __future__ import annotations

import functools
import importlib.util
import linecache
import os
import sys
import sysconfig
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastcheck.undoing import Undoable

_SCIPY = importlib.util.find_spec("scipy")  # found, not imported


OUTPUTS = str(Path(__file__).parents[3] / "problem" / "outputs.py")
"""The file of what makes a cost of a function of several outputs: no line of the user's."""


INTERNAL = (
    *(
        str(Path(path).parents[k])
        for path, k in ((__file__, 2), (np.__file__, 0), (_SCIPY.origin if _SCIPY else None, 0))
        if path
    ),
    OUTPUTS,
)
"""Folders and files whose frames are never the user's code: this one, NumPy's and SciPy's."""


RECORDING = str(Path(__file__).parents[1] / "recording" / "record.py")
"""The file of the function that calls the cost."""


PACKAGE = f"{Path(__file__).parents[3]}{os.sep}"
"""The folder of this package, which costs of `fastcheck.course` and `fastcheck.MLP` are part of."""


FRAMEWORKS = (
    str(Path(__file__).parents[1] / "frameworks"),
    *(f"{PACKAGE}{room}{os.sep}" for room in ("torch", "jax")),
)
"""Folders of what stands between the user's code and a framework's: it is called by both."""


BETWEEN = (
    *FRAMEWORKS,
    *(f"{Path(__file__).parents[1] / room}{os.sep}" for room in ("recording", "rules", "tracing")),
)
"""Folders of what runs while the cost does, but for `RECORDING`: a framework may have been called from there."""


COMPILED = "a C extension"
"""Name of all library functions that leave no frame."""


MOST_FRAMES = 16
"""Callers of the user's function that ran an operation that are known of it."""


class Frame(NamedTuple):
    """A function of the user's that was running: its code, the instruction in it, and the line.

    ``call`` numbers the calls of library functions that recorded something: several operations may be of one.
    """

    code: types.CodeType
    instruction: int
    lineno: int
    namespace: dict[str, Any]
    call: int = 0

    @property
    def line(self) -> tuple[str, int, str]:
        """File, line number and text."""
        filename = self.code.co_filename
        return filename, self.lineno, linecache.getline(filename, self.lineno, self.namespace).strip()


class _Told(threading.local):
    def __init__(self) -> None:
        self.by: list[Callable[[], tuple[Frame, ...]]] = []


_told = _Told()


class LinesToldBy(Undoable):
    """Let ``frames`` tell which functions of the user's are running, the innermost first, inside the ``with`` block.

    For what runs operations that the user's code asked for before: no frame of that is on the stack then.
    """

    def __init__(self, frames: Callable[[], tuple[Frame, ...]]) -> None:
        self.frames = frames

    def do(self) -> None:
        """Ask it first."""
        _told.by.append(self.frames)

    def undo(self) -> None:
        """Ask it no more."""
        while self.frames in _told.by:
            _told.by.pop()


def told_frames() -> tuple[Frame, ...]:
    """Return the functions of the user's that are told to be running; none if nothing tells."""
    return _told.by[-1]() if _told.by else ()


class UsersFrames:
    """Tells which functions of the user's are running, and numbers the calls that they make."""

    __slots__ = ("calls", "last")

    def __init__(self) -> None:
        self.calls = 0
        self.last: types.FrameType | None = None

    def now(self) -> tuple[Frame, ...]:
        """Return the functions that are running, the innermost first, and at most `MOST_FRAMES` callers."""
        told = told_frames()
        if told:
            return told
        innermost, called = users_frame()
        if called is not self.last:
            self.calls, self.last = self.calls + 1, called
        is_ours = innermost.f_code.co_filename.startswith(PACKAGE)
        frames: list[Frame] = []
        frame: types.FrameType | None = innermost
        while frame is not None and len(frames) <= MOST_FRAMES:
            filename = frame.f_code.co_filename
            if filename.startswith(INTERNAL[0]) and not filename.startswith(FRAMEWORKS):
                break
            if is_ours or not filename.startswith(PACKAGE):
                frames.append(Frame(frame.f_code, frame.f_lasti, frame.f_lineno, frame.f_globals, self.calls))
            frame = frame.f_back
        return tuple(frames)

    def forget(self) -> None:
        """Let go of the last call, which holds all that was in its scope."""
        self.last = None


def users_frame() -> tuple[types.FrameType, types.FrameType]:
    """Return the innermost frame of the user's code, and the frame that it called.

    That is outside NumPy, SciPy and this package, and outside of other installed packages, if the cost is.
    """
    frame = inner = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INTERNAL):
        if frame.f_code.co_filename == RECORDING:  # all of the cost is NumPy's or SciPy's
            return _outermost_of_library()
        inner, frame = frame, frame.f_back
    outer, called = frame, inner
    while outer.f_back is not None and _is_between(outer.f_code.co_filename):
        called, outer = outer, outer.f_back
        if _calls_costs(outer.f_code.co_filename):  # all of the cost is installed
            return frame, inner
    return outer, called


def _outermost_of_library() -> tuple[types.FrameType, types.FrameType]:
    """Return the function of NumPy or SciPy that is the cost, as ``scipy.optimize.rosen``, and the frame it called."""
    frame = inner = sys._getframe(2)
    called = found = frame
    while frame.f_back is not None and frame.f_code.co_filename != RECORDING:
        if not frame.f_code.co_filename.startswith((INTERNAL[0], OUTPUTS)):
            found, called = frame, inner
        inner, frame = frame, frame.f_back
    return found, called


def _is_between(filename: str) -> bool:
    """Whether a file is none of the user's: an installed one, or one that stands between that and the user's."""
    return is_installed(filename) or (filename.startswith(BETWEEN) and not _calls_costs(filename))


def _calls_costs(filename: str) -> bool:
    """Whether a file is one of the engines' that call the user's cost."""
    return filename == RECORDING or (filename.startswith(INTERNAL[0]) and not filename.startswith(BETWEEN))


def is_installed(filename: str) -> bool:
    """Whether a file is one of the standard library, or of an installed package."""
    return filename.startswith(installed_folders())


@functools.cache
def installed_folders() -> tuple[str, ...]:
    """Return the folders of the standard library and of installed packages."""
    paths = sysconfig.get_paths()
    return (*(paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")), sys.base_prefix + "/lib")


def blame() -> tuple[str, int, str]:
    """Return file, line number and text of the user's line that is running."""
    told = told_frames()
    if told:
        return told[0].line
    frame, _ = users_frame()
    return Frame(frame.f_code, frame.f_lasti, frame.f_lineno, frame.f_globals).line


def called_function() -> str:
    """Return the name of the library function that the user's line called, or `COMPILED`."""
    _, inner = users_frame()
    if inner.f_code.co_filename.startswith(INTERNAL[0]):
        return COMPILED
    return f"{inner.f_globals.get('__name__', '')}.{inner.f_code.co_name}"
