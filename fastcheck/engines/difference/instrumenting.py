"""For the time of a trace, the functions of the cost run code in which some values go through helpers.

A helper is the identity for everything but in a thread that is tracing, and there for everything but a few functions
that have a stand-in (`creation`). Modules, their namespaces and NumPy are as ever for everyone: what other threads can
see is that the functions of the cost have another ``__code__``, which does the same, until the trace is over.
"""

from __future__ import annotations

import builtins
import functools
import os
import types
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastcheck.engines.difference.bytecode import UnknownCodeError, edited, loads
from fastcheck.engines.difference.creation import (
    asking_dot,
    attribute_names,
    has_stand_in,
    stand_in_of,
    stand_ins,
)
from fastcheck.engines.difference.state import is_running
from fastcheck.undoing import interruptible_lock


class Known:
    """``known[f]`` is the stand-in of f, or f."""

    __slots__ = ()

    def __getitem__(self, value: Any) -> Any:
        if not is_running():
            return value
        found = stand_in_of(value)
        return value if found is None else found

    def __reduce__(self) -> str:
        return "KNOWN"


KNOWN = Known()


class Receiver:
    """``receiver[np].zeros`` is the stand-in of np.zeros; of all but modules it is the attribute itself."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __getitem__(self, value: Any) -> Any:
        if not is_running() or not issubclass(type(value), types.ModuleType):
            return value
        found = stand_in_of(vars(value).get(self.name))
        return value if found is None else types.SimpleNamespace(**{self.name: found})

    def __reduce__(self) -> Any:
        return receiver, (self.name,)


class Dot(Receiver):
    """``dot_of[X].dot(W)`` asks W, too, what to do, where X is a plain array: the method asks X only."""

    __slots__ = ()

    def __getitem__(self, value: Any) -> Any:
        if type(value) in ARRAYS and is_running():
            return types.SimpleNamespace(dot=asking_dot(value))
        return super().__getitem__(value)


ARRAYS = (np.ndarray, np.memmap)


@functools.cache
def receiver(name: str) -> Receiver:
    """Return the helper for attributes of this name."""
    return Dot(name) if name == "dot" else Receiver(name)


# Code


@dataclass(frozen=True, slots=True)
class Facts:
    """What a code object, and the code inside it, does with names."""

    globals: frozenset[str]
    attributes: frozenset[str]
    imports: frozenset[str]
    sets_globals: frozenset[str]
    sets_attributes: frozenset[str]

    @property
    def asked(self) -> bool:
        """Whether the code asks for an attribute, or imports a name, that may have a stand-in."""
        return not (self.attributes | self.imports).isdisjoint(attribute_names())


@dataclass(slots=True)
class _Remembered:
    """A code object, what it does with names, and its edited versions, by the names that go through helpers."""

    code: weakref.ref[types.CodeType]
    facts: Facts
    asked: bool
    versions: dict[frozenset[str], types.CodeType | None] = field(default_factory=dict)


_remembered: dict[int, _Remembered] = {}


def facts_of(code: types.CodeType) -> Facts:
    """Return what a code object does with names, read once."""
    return _known(code).facts


def _known(code: types.CodeType) -> _Remembered:
    known = _remembered.get(id(code))
    if known is None or known.code() is not code:
        key = id(code)
        found: dict[str, set[str]] = {}
        for operation, name in loads(code):
            found.setdefault(operation, set()).add(name)

        def names(*operations: str) -> frozenset[str]:
            return frozenset().union(*(found.get(operation, ()) for operation in operations))

        facts = Facts(
            globals=names("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"),
            attributes=names("LOAD_ATTR", "LOAD_METHOD"),
            imports=names("IMPORT_NAME", "IMPORT_FROM"),
            sets_globals=names("STORE_GLOBAL", "DELETE_GLOBAL"),
            sets_attributes=names("STORE_ATTR", "DELETE_ATTR"),
        )
        gone = weakref.ref(code, functools.partial(_forget, key, _remembered))
        known = _remembered[key] = _Remembered(gone, facts, facts.asked)
    return known


def _forget(key: int, remembered: dict[int, _Remembered], _: Any) -> None:
    """Forget a code object that is gone; the dict is given, for at the end of Python globals are gone, too."""
    remembered.pop(key, None)


def instrumented_code(function: types.FunctionType) -> types.CodeType:
    """Return the code with helpers where this function may meet something that has a stand-in: often its own code."""
    code = function.__code__
    known, table = _known(code), stand_ins()
    names = {name for name in known.facts.globals if has_stand_in(_global(function, name), table)}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            if has_stand_in(cell.cell_contents, table):
                names.add(name)
        except ValueError:  # an empty cell
            continue
    if not names and not known.asked:
        return code
    key = frozenset(names)
    if key not in known.versions:

        def helper(kind: str, name: str) -> Any:
            if kind in ("attribute", "import"):
                wanted = name in attribute_names()
                return None if not wanted else receiver(name) if kind == "attribute" else KNOWN
            return KNOWN if name in key else None

        try:
            new = edited(code, helper)
        except UnknownCodeError:
            new = code
        known.versions[key] = None if new is code else new
    return known.versions[key] or code


def _global(function: types.FunctionType, name: str) -> Any:
    return function.__globals__.get(name, getattr(builtins, name, None))


# Functions


@dataclass(frozen=True, slots=True, eq=False)
class _Swapped:
    """A function that has another code now, and for whom."""

    function: types.FunctionType
    before: types.CodeType
    now: types.CodeType
    users: set[int]


_lock = interruptible_lock()
_swapped: dict[int, _Swapped] = {}


def swap(functions: Iterable[types.FunctionType], user: int) -> None:
    """Give functions their instrumented code, until all of their users, who are numbers, have given it back."""
    with _lock:
        for function in functions:
            known = _swapped.get(id(function))
            if known is not None:
                known.users.add(user)
                continue
            before, now = function.__code__, instrumented_code(function)
            if now is not before:  # first noted, then done: Ctrl-C may come between
                _swapped[id(function)] = _Swapped(function, before, now, {user})
                function.__code__ = now


def swap_back(user: int) -> None:
    """Give functions that nobody else uses their own code again; may be done any number of times."""
    with _lock:
        for key, known in list(_swapped.items()):
            known.users.discard(user)
            if not known.users:
                if known.function.__code__ is known.now:
                    known.function.__code__ = known.before
                del _swapped[key]


def _in_a_child() -> None:
    """In a process that was forked, nobody traces, and the lock may be held by a thread that is not there."""
    global _lock
    _lock = interruptible_lock()
    for known in list(_swapped.values()):
        known.users.clear()
    swap_back(0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_child)
