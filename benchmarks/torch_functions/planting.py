"""A function whose backward pass is written by hand, and mistakes that are planted into its text."""

from __future__ import annotations

import functools
import inspect
import linecache
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

Call = Callable[..., Any]

TABLES_BEGIN = "\nFUNCTIONS = "
"""Where, in a module of `functions`, the code ends and the tables begin."""


class NotThereError(Exception):
    """The text that a mistake changes must be in its class, exactly once."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A wrong line in place of a right one.

    ``changes``: how much it changes some gradient at least, in typical entries (RMS) of that gradient. ``after`` is how
    many backward passes are right before: a buffer that is not emptied spoils the second one. ``reported`` is a public
    thread about a mistake of this kind.
    """

    name: str
    right: str
    wrong: str
    changes: float
    after: int
    reported: str


def mistake(
    name: str, right: str, wrong: str, *, changes: float = 1e-2, after: int = 0, reported: str = ""
) -> Mistake:
    """Return a mistake: the text ``right``, which the class has once, is ``wrong`` instead."""
    return Mistake(name=name, right=right, wrong=wrong, changes=changes, after=after, reported=reported)


@dataclass(frozen=True, kw_only=True)
class CustomFunction:
    """A call, its inputs, and the class with the backward pass.

    ``inputs`` makes the arguments anew; those that require a gradient are checked. ``twin`` is the same function in
    operations that PyTorch can differentiate, where it could not go through the class's own ``forward``.
    ``known_from`` names the projects that have such a function.
    """

    name: str
    known_from: str
    call: Call
    of: type
    inputs: Callable[[], tuple[Any, ...]]
    mistakes: tuple[Mistake, ...]
    twin: Call | None = None

    def with_mistake(self, planted: Mistake | None) -> Call:
        """Return the call, with a mistake in the backward pass."""
        return self.call if planted is None else _planted(self, planted)


@functools.cache
def _planted(function: CustomFunction, planted: Mistake) -> Call:
    module = sys.modules[function.call.__module__]
    code = inspect.getsource(module).partition(TABLES_BEGIN)[0]
    of = inspect.getsource(function.of)
    if of.count(planted.right) != 1 or code.count(of) != 1:
        raise NotThereError(f"{function.name}, {planted.name}: {planted.right!r}")
    text = code.replace(of, of.replace(planted.right, planted.wrong))
    filename = f"<{module.__name__.rpartition('.')[2]}.py: {planted.name}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    changed = ModuleType(module.__name__)
    changed.__file__ = filename
    exec(compile(text, filename, "exec"), changed.__dict__)
    call: Call = getattr(changed, function.call.__name__)
    return call
