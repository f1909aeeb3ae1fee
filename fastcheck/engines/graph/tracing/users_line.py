"""Which line of the user's code is running, and which library function it called."""

from __future__ import annotations

import functools
import importlib.util
import linecache
import os
import sys
import sysconfig
import types
from pathlib import Path

import numpy as np

_SCIPY = importlib.util.find_spec("scipy")  # found, not imported


INTERNAL = tuple(
    str(Path(path).parents[k])
    for path, k in ((__file__, 2), (np.__file__, 0), (_SCIPY.origin if _SCIPY else None, 0))
    if path
)
"""Folders whose frames are never the user's code: this one, NumPy's and SciPy's."""


PACKAGE = f"{Path(__file__).parents[3]}{os.sep}"
"""The folder of this package, which costs of `fastcheck.course` and `fastcheck.MLP` are part of."""


COMPILED = "a C extension"
"""Name of all library functions that leave no frame."""


def users_frame() -> tuple[types.FrameType, types.FrameType]:
    """Return the innermost frame of the user's code, and the frame that it called.

    That is outside NumPy, SciPy and this package, and outside of other installed packages, if the cost is.
    """
    frame = inner = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INTERNAL):
        inner, frame = frame, frame.f_back
    outer, called = frame, inner
    while outer.f_back is not None and is_installed(outer.f_code.co_filename):
        called, outer = outer, outer.f_back
        if outer.f_code.co_filename.startswith(INTERNAL[0]):  # all of the cost is installed
            return frame, inner
    return outer, called


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
    frame, _ = users_frame()
    filename, lineno = frame.f_code.co_filename, frame.f_lineno
    return filename, lineno, linecache.getline(filename, lineno, frame.f_globals).strip()


def called_function() -> str:
    """Return the name of the library function that the user's line called, or `COMPILED`."""
    _, inner = users_frame()
    if inner.f_code.co_filename.startswith(INTERNAL[0]):
        return COMPILED
    return f"{inner.f_globals.get('__name__', '')}.{inner.f_code.co_name}"
