"""The global generators of NumPy and of Python's `random` are left as they were, unless others draw from them."""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Callable
from typing import Any

from fastcheck.progress.watching_checks import python_threads
from fastcheck.undoing import Undoable

DRAW_NOTHING = ("numpy", "scipy.special", "scipy.linalg", "scipy.sparse", "fastcheck", "builtins")
"""Packages that do not draw from the global generators, but for ``numpy.random``."""


class generators_kept(Undoable):  # noqa: N801 — to its callers it is a function
    """Leave the global generators as they were, if it was these functions of the user's that drew from them.

    The generators belong to the whole process, and putting back their state would rewind what other threads drew
    meanwhile, who would draw the same numbers again. So the state is put back where it has changed, and

    - no other Python thread was there, at the beginning and at the end; or
    - `look`, which is called when each of the functions has run, saw a change as well (or had no reason to look, as no
      other thread was there until then), and the code that the functions can reach names a generator, or another
      library, which may draw unseen.

    In the second case numbers that another thread drew meanwhile are drawn again: a generator that several
    threads share cannot be kept for one of them.
    """

    def __init__(self, *functions: Any) -> None:
        self.functions = functions
        self.before: list[Any] | None = None
        self.alone = self.drawn = True

    def do(self) -> None:
        """Take note of the states."""
        self.alone = python_threads() == 1
        self.before = _states()

    def look(self) -> None:
        """See whether the functions, each of which has just been called, drew, unless nobody else can have."""
        nobody_else = self.alone and python_threads() == 1
        self.drawn = nobody_else or self._changed()

    def undo(self) -> None:
        """Put the states back."""
        if self.before is not None and self._changed():
            alone = self.alone and python_threads() == 1
            if alone or (self.drawn and could_draw(*self.functions)):
                for (_, put), state in zip(_generators(), self.before, strict=False):
                    put(state)
        self.before = None

    def _changed(self) -> bool:
        return any(not _same_state(a, b) for a, b in zip(_states(), self.before or (), strict=False))


def _generators() -> list[tuple[Callable[[], Any], Callable[[Any], None]]]:
    """Return how the state of each generator is got and put; NumPy's if it is loaded."""
    generators: list[Any] = [(random.getstate, random.setstate)]
    numpy: Any = sys.modules.get("numpy.random")
    if hasattr(numpy, "set_state"):  # another thread may be importing it
        generators.append((numpy.get_state, numpy.set_state))
    return generators


def _states() -> list[Any]:
    return [get() for get, _ in _generators()]


def _same_state(a: Any, b: Any) -> bool:
    if len(a) == 3:  # Python's
        return bool(a == b)
    return bool(a[0] == b[0] and (a[1] == b[1]).all() and a[2:] == b[2:])


def could_draw(*functions: Any) -> bool:
    """Whether functions may draw from the global generators, as far as their code tells."""
    from fastcheck.engines.graph.recording.instrumenting import facts_of
    from fastcheck.engines.graph.recording.reaching import reached

    for root in filter(callable, functions):
        reach = reached(root)
        facts = [facts_of(function.__code__) for function in reach.functions]
        names = frozenset[str]().union(*(code.attributes | code.imports for code in facts))
        names_a_generator = any("random" in name.split(".") for name in names)
        if names_a_generator or any(map(_may_draw, reach.strangers)):
            return True
    return False


def _may_draw(thing: Any) -> bool:
    """Whether something that is not the user's draws from the global generators, or is a library that may."""
    if thing is random or thing is sys.modules.get("numpy.random"):
        return True
    kind = type(thing)
    if issubclass(kind, random.Random) or kind.__name__ == "RandomState":
        return True
    from fastcheck.engines.graph.recording.reaching import is_of, is_standard

    if issubclass(kind, types.ModuleType):
        name = thing.__name__
    else:
        name = thing.__module__ if issubclass(kind, (type, types.FunctionType)) else kind.__module__
    return not is_standard(name) and not is_of(name, DRAW_NOTHING)
