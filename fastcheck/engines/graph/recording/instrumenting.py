"""While the cost is recorded, the functions of the cost run code in which some values go through helpers.

A helper is the identity for everything but in a thread that is recording, and there for everything but a few functions
that have a stand-in (`stand_ins`). Modules, their namespaces and NumPy are as ever for everyone: what other threads can
see is that the functions of the cost have another ``__code__``, which does the same, until the recording is over.
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

from fastcheck.engines.graph.recording.bytecode import UnknownCodeError, edited, loads
from fastcheck.engines.graph.recording.calls import (
    called,
    called_names,
    called_stand_ins,
    numpy_functions,
    numpy_names,
    of_lists,
)
from fastcheck.engines.graph.recording.created import asking_dot, lifted_array
from fastcheck.engines.graph.recording.stand_ins import (
    attribute_names,
    has_stand_in,
    stand_in_of,
    stand_ins,
)
from fastcheck.engines.graph.tracing.tape import recording
from fastcheck.undoing import interruptible_lock


class Known:
    """``known[f]`` is the stand-in of f, or f."""

    __slots__ = ()

    def __getitem__(self, value: Any) -> Any:
        if recording() is None:
            return value
        stand_in = stand_in_of(value)
        return value if stand_in is None else stand_in

    def __reduce__(self) -> str:
        return "KNOWN"


KNOWN = Known()


class Called:
    """``called[float]`` is the stand-in of what is called, or that itself."""

    __slots__ = ()

    def __getitem__(self, value: Any) -> Any:
        return called(value) if recording() is not None else value

    def __reduce__(self) -> str:
        return "CALLED"


CALLED = Called()


class Receiver:
    """``receiver[np].zeros`` is the stand-in of np.zeros; of all but modules it is the attribute itself."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __getitem__(self, value: Any) -> Any:
        if recording() is None or not issubclass(type(value), types.ModuleType):
            return value
        stand_in = stand_in_of(vars(value).get(self.name))
        return value if stand_in is None else types.SimpleNamespace(**{self.name: stand_in})

    def __reduce__(self) -> Any:
        return receiver, (self.name,)


class Dot(Receiver):
    """``dot_of[X].dot(W)`` asks W, too, what to do, where X is a plain array: the method asks X only."""

    __slots__ = ()

    def __getitem__(self, value: Any) -> Any:
        if type(value) in ARRAYS and recording() is not None:
            return types.SimpleNamespace(dot=asking_dot(value))
        return super().__getitem__(value)


class CalledOf(Receiver):
    """``called_of[np].float64(x)`` is the stand-in, as it is called."""

    __slots__ = ()

    def __getitem__(self, value: Any) -> Any:
        if recording() is None or not issubclass(type(value), types.ModuleType):
            return value
        asked = vars(value).get(self.name)
        stand_in = called(asked)
        return value if stand_in is asked else types.SimpleNamespace(**{self.name: stand_in})


class Lifting:
    """``lifting[x]`` is a plain array of the cost as a recorded one, on a thorough tape."""

    __slots__ = ()

    def __getitem__(self, value: Any) -> Any:
        kind = type(value)
        if kind is not np.ndarray and kind is not tuple:
            return value
        tape = recording()
        if tape is None or not tape.thorough:
            return value
        if kind is tuple:
            return tuple(map(self.__getitem__, value)) if np.ndarray in map(type, value) else value
        return lifted_array(value, tape) if value.dtype == np.float64 else value

    def __reduce__(self) -> str:
        return "LIFTING"


LIFTING = Lifting()


class Unpacking(Lifting):
    """``unpacking[x]`` is a list, too, with its plain arrays as recorded arrays."""

    __slots__ = ()

    def __getitem__(self, value: Any) -> Any:
        return super().__getitem__(tuple(value) if type(value) is list and recording() is not None else value)

    def __reduce__(self) -> str:
        return "UNPACKING"


UNPACKING = Unpacking()


class ListsOf(Receiver):
    """``lists_of[np].mean([a, b])`` makes an array of the list on a thorough tape: NumPy does not ask its entries."""

    __slots__ = ()

    def __getitem__(self, value: Any) -> Any:
        tape = recording()
        if tape is None or not issubclass(type(value), types.ModuleType):
            return value
        function = vars(value).get(self.name)
        stand_in = called(function)
        if tape.thorough and stand_in is function and function in numpy_functions():
            stand_in = of_lists(function)
        return value if stand_in is function else types.SimpleNamespace(**{self.name: stand_in})

    def __reduce__(self) -> Any:
        return lists_of, (self.name,)


@functools.cache
def lists_of(name: str) -> ListsOf:
    """Return the helper for functions of this name."""
    return ListsOf(name)


ARRAYS = (np.ndarray, np.memmap)


@functools.cache
def receiver(name: str) -> Receiver:
    """Return the helper for attributes of this name."""
    return Dot(name) if name == "dot" else CalledOf(name) if name in called_names() else Receiver(name)


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
        names = self.attributes | self.imports
        return not (names.isdisjoint(attribute_names()) and names.isdisjoint(called_names()))


@dataclass(slots=True)
class _Remembered:
    """A code object, what it does with names, and its edited versions, by the names that go through helpers."""

    code: weakref.ref[types.CodeType]
    facts: Facts
    asked: bool
    versions: dict[tuple[frozenset[str], bool], types.CodeType | None] = field(default_factory=dict)


_remembered: dict[int, _Remembered] = {}


def facts_of(code: types.CodeType) -> Facts:
    """Return what a code object does with names, read once."""
    return _known(code).facts


def _known(code: types.CodeType) -> _Remembered:
    known = _remembered.get(id(code))
    if known is None or known.code() is not code:
        key = id(code)
        by_operation: dict[str, set[str]] = {}
        for operation, name in loads(code):
            by_operation.setdefault(operation, set()).add(name)

        def names(*operations: str) -> frozenset[str]:
            return frozenset().union(*(by_operation.get(operation, ()) for operation in operations))

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


def instrumented_code(
    function: types.FunctionType, code: types.CodeType, thorough: bool = False
) -> types.CodeType:
    """Return a function's own code with helpers where it may meet something that has a stand-in: often nowhere.

    In ``thorough`` code all that it loads, and what its calls return, goes through `LIFTING`.
    """
    known, table = _known(code), stand_ins()
    names = {name for name in known.facts.globals if _is_known(_global(function, name), table)}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            if _is_known(cell.cell_contents, table):
                names.add(name)
        except ValueError:  # an empty cell
            continue
    if not (names or known.asked or thorough):
        return code
    key = frozenset(names)
    if (key, thorough) not in known.versions:
        helper = functools.partial(_helper, key, thorough)
        try:
            new = edited(code, helper)
        except UnknownCodeError:
            new = code
        known.versions[key, thorough] = None if new is code else new
    return known.versions[key, thorough] or code


def _helper(names: frozenset[str], thorough: bool, kind: str, name: str, is_called: bool) -> Any:
    """Return what a value goes through; ``names`` are those of globals and cells that may hold something known."""
    if kind in ("result", "parts"):
        return None if not thorough else LIFTING if kind == "result" else UNPACKING
    if kind == "attribute":
        if thorough and is_called and name in numpy_names() and name != "dot":
            return lists_of(name)
        return receiver(name) if name in attribute_names() or (is_called and name in called_names()) else None
    if kind == "import":
        return KNOWN if name in attribute_names() else None
    if name not in names:
        return None
    return CALLED if is_called else KNOWN


def _is_known(value: Any, table: dict[int, Any]) -> bool:
    return has_stand_in(value, table) or id(value) in called_stand_ins()


def _global(function: types.FunctionType, name: str) -> Any:
    return function.__globals__.get(name, getattr(builtins, name, None))


# Functions


@dataclass(frozen=True, slots=True, eq=False)
class _Swapped:
    """A function that has another code now, and for whom."""

    function: types.FunctionType
    before: types.CodeType
    ours: list[types.CodeType]
    users: set[int]

    def version(self, thorough: bool) -> types.CodeType:
        """Return the instrumented code."""
        return instrumented_code(self.function, self.before, thorough)


_lock = interruptible_lock()
_swapped: dict[int, _Swapped] = {}


def swap(functions: Iterable[types.FunctionType], user: int, thorough: bool = False) -> None:
    """Give functions their instrumented code, until all of their users, who are numbers, have given it back.

    Thorough code does for others what theirs does.
    """
    with _lock:
        for function in functions:
            known = _swapped.get(id(function))
            if known is None:
                known = _Swapped(function, function.__code__, [], set())
            elif not thorough:
                known.users.add(user)
                continue
            now = known.version(thorough)
            if now is not known.before:  # first noted, then done: Ctrl-C may come between
                known.users.add(user)
                known.ours.append(now)
                _swapped[id(function)] = known
                function.__code__ = now


def swap_back(user: int) -> None:
    """Give functions that nobody else uses their own code again; may be done any number of times."""
    with _lock:
        for key, known in list(_swapped.items()):
            known.users.discard(user)
            if not known.users:
                if any(known.function.__code__ is code for code in known.ours):
                    known.function.__code__ = known.before
                del _swapped[key]


def _in_a_child() -> None:
    """In a process that was forked, nobody records, and the lock may be held by a thread that is not there."""
    global _lock
    _lock = interruptible_lock()
    for known in list(_swapped.values()):
        known.users.clear()
    swap_back(0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_child)
