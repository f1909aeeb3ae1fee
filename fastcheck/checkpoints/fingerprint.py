"""What a cost depends on, as digests: its code, that of the user's functions it calls, and the values that they read.

An example, with what it gives beside it::

    def scaled(z): return FACTOR * z                     # "scaled", "FACTOR"
    class Network:
        def forward(self, X): …                          # "Network.forward", and what it reads: "Network.b"
        def backward(self, dA): …                        # nothing, as the cost does not name it
    def cost(w): return np.sum(scaled(net.forward(X)))   # "cost", "net", "X", and the version of NumPy

The walk begins at the cost, and goes on to everything that the code which it has met names: globals, closures,
defaults, attributes, methods. Names are attributes of whatever has one of that name, and all of them are read where
they are computed, so it may meet too much. Nothing of the user's runs. Globals that the code writes are its state, and
left out, as what calls of the cost have changed is by `Fingerprint.with_state`; so is what cannot be told from one
process to the next, such as open files.
"""

from __future__ import annotations

import collections
import enum
import functools
import gc
import os
import sys
import types
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.checkpoints import kinds
from fastcheck.checkpoints.code_digests import NamesOfAll, cells_of, code_parts, names_in
from fastcheck.checkpoints.kinds import COMPILED, NOT_CALLED, OF_PYTHON, WITH_NAMES, WRAPPERS
from fastcheck.checkpoints.libraries import PYTHON, is_library, python_version, root_of, version_of
from fastcheck.checkpoints.values import (
    MACHINERY,
    Digest,
    add_plain,
    as_array,
    in_one_order,
    is_plain,
    items_of,
    reduced,
    vars_of,
)

MOST_THINGS = 20_000
"""Things that are looked at; what lies behind is left out."""

MOST_DEPTH = 50
"""Levels of containers and objects in each other that are looked into."""

MOST_ROUNDS = 20
"""Walks until no more names are met."""

STATE = "state"
"""Stands for the digest of what the cost changes."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Digests of what a cost depends on, by what it is called, and the versions of libraries."""

    code: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, cost: Any) -> Fingerprint:
        """Return that of a cost. Costs the time of reading the arrays that it depends on."""
        names, before = NamesOfAll(set(kinds.CALLED_BY_LIBRARIES)), -1
        for _ in range(MOST_ROUNDS):
            if len(names) == before:
                break
            before = len(names)
            _Walk(names, with_values=False).run(cost)
        walk = _Walk(names, with_values=True)
        walk.run(cost)
        return cls(walk.code, walk.libraries)

    def with_state(self, later: Fingerprint) -> Fingerprint:
        """Return the same with `STATE` for what is another one later, after calls of the cost."""
        names = self.code.keys() | later.code.keys()
        code = {
            name: self.code[name] if self.code.get(name) == later.code.get(name) else STATE for name in names
        }
        return Fingerprint(code, {**self.libraries, **later.libraries})


class _Walk:
    """One walk: everything that is met gets a digest under a name of its own."""

    def __init__(self, names: NamesOfAll, with_values: bool) -> None:
        self.names, self.with_values = names, with_values
        self.code: dict[str, str] = {}
        self.libraries: dict[str, str] = {PYTHON: python_version()}
        self.met: dict[int, Any] = {}
        self.constructed: set[type] = set()
        self.counts: Counter[str] = Counter()
        self.waiting: deque[tuple[str, Callable[[Digest], None]]] = deque()

    def run(self, cost: Any) -> None:
        """Walk from the cost."""
        self._await("cost", functools.partial(self._add, value=cost, depth=0))
        while self.waiting:
            name, add = self.waiting.popleft()
            digest = Digest()
            try:
                add(digest)
                self.code[name] = digest.hex()
            except Exception:  # there is no end to what objects may do
                self.code[name] = STATE

    def _await(self, name: str, add: Callable[[Digest], None]) -> None:
        """Have something digested later, under its name, with a number if there is one of that name."""
        self.counts[name] += 1
        number = self.counts[name]
        self.waiting.append((name if number == 1 else f"{name} ({number})", add))

    def _first_time(self, digest: Digest, thing: Any) -> bool:
        """Whether something is met for the first time; else that is added."""
        if id(thing) in self.met:
            digest.text("met before")
            return False
        self.met[id(thing)] = thing
        return len(self.met) <= MOST_THINGS

    def _add(self, digest: Digest, value: Any, depth: int) -> None:
        """Add a value to a digest; functions, classes and objects of the user's get digests of their own."""
        is_array = issubclass(type(value), np.ndarray)
        if depth > MOST_DEPTH or (not is_array and add_plain(digest, value)):
            return
        for fitting, add in _ADDING:
            if issubclass(type(value), fitting):
                add(self, digest, value, depth + 1)
                return
        self._add_object(digest, value, depth + 1)

    def _add_sequence(self, digest: Digest, value: Any, depth: int) -> None:
        # Equal tuples in code may be one thing, or not, from one process to the next.
        if not isinstance(value, tuple) and not self._first_time(digest, value):
            return
        items = items_of(value)
        digest.text(f"{self._kind(type(value))} {len(items)}")
        if is_plain(items):
            digest.text(repr(items) if self.with_values else "")
        else:
            for item in items:
                self._add(digest, item, depth)
        self._add_attributes_of_container(value)

    def _add_mapping(self, digest: Digest, value: Any, depth: int) -> None:
        if not self._first_time(digest, value):
            return
        pairs = items_of(value)
        digest.text(f"{self._kind(type(value))} {len(pairs)}")
        for key, item in pairs:
            self._add(digest, key, depth)
            self._add(digest, item, depth)
        self._add_attributes_of_container(value)

    def _add_array(self, digest: Digest, array: NDArray[Any], depth: int) -> None:
        if array.dtype.hasobject:
            if self._first_time(digest, array):
                digest.text(f"array {array.shape}")
                self._add(digest, np.asarray(array).tolist(), depth)
        elif self.with_values:
            add_plain(digest, array)
        if vars_of(array) and self._first_time(Digest(), array):
            self._add_attributes_of_container(array)

    def _add_attributes_of_container(self, value: Any) -> None:
        """Have what a container, if of a class of the user's, has beside its items digested."""
        if issubclass(type(value), collections.defaultdict):
            self._named("default_factory", value.default_factory)
        if not is_library(root_of(type(value).__module__)):
            self._add_attributes(type(value).__name__, vars_of(value))

    def _add_ufunc(self, digest: Digest, value: np.ufunc, _depth: int) -> None:
        digest.text(f"ufunc {value!r}")
        for function in gc.get_referents(value):  # the one that it was made of
            if isinstance(function, types.FunctionType):
                self._named("", function)

    def _add_set(self, digest: Digest, value: Any, depth: int) -> None:
        digest.text("set")
        for text in in_one_order(items_of(value), functools.partial(self._digest_of, depth=depth)):
            digest.text(text)

    def _digest_of(self, value: Any, depth: int) -> str:
        digest = Digest()
        self._add(digest, value, depth)
        return digest.hex()

    def _add_slice(self, digest: Digest, value: slice, depth: int) -> None:
        self._add_sequence(digest, (value.start, value.stop, value.step), depth)

    def _add_enum(self, digest: Digest, value: enum.Enum, depth: int) -> None:
        digest.text(f"{self._kind(type(value))} {value.name}")
        self._add(digest, value._value_, depth)

    def _add_module(self, digest: Digest, module: types.ModuleType, _depth: int) -> None:
        root = root_of(module.__name__)
        digest.text(f"module {module.__name__}")
        if is_library(root):
            self._note_library(root)
        elif self._first_time(Digest(), module):
            short = module.__name__.rpartition(".")[2]
            contents = vars(module)
            for name in sorted(
                self.names.read & contents.keys() - OF_PYTHON - self.names.written_to(contents)
            ):
                self._named(f"{short}.{name}", contents[name])

    def _add_function(self, digest: Digest, function: types.FunctionType, _depth: int) -> None:
        root = root_of(function.__module__)
        if not is_library(root):
            digest.text(f"function {function.__qualname__}")
            if self._first_time(Digest(), function):
                self._await_function(function, function.__qualname__.rpartition("<locals>.")[2])
            return
        self._note_library(root)
        digest.text(f"function {function.__module__}.{function.__qualname__}")
        if self._first_time(Digest(), function):
            for _, value in cells_of(function):  # of the user's that it was made for
                table = items_of(value) if issubclass(type(value), (dict, types.MappingProxyType)) else ()
                for each in (value, *(item for _, item in table)):
                    if issubclass(type(each), (types.FunctionType, types.MethodType)):
                        self._named("", each)

    def _await_function(self, function: types.FunctionType, name: str) -> None:
        """Have a function of the user's digested, and what its code reads."""
        found = names_in(function.__code__)
        self.names.add(found, function.__globals__)
        self._await(name, functools.partial(self._add_code, code=function.__code__))
        defaults = (function.__defaults__ or (), tuple(sorted((function.__kwdefaults__ or {}).items())))
        if any(defaults):
            self._named(f"defaults of {name}", defaults)
        self._add_attributes(name, vars(function))
        for variable, value in cells_of(function):
            self._named(variable, value)
        for variable in sorted(found.globals - OF_PYTHON - self.names.written_to(function.__globals__)):
            if variable in function.__globals__:
                self._named(variable, function.__globals__[variable])
        for module in sorted(found.imports & sys.modules.keys()):
            self._named(module, sys.modules[module])

    def _named(self, name: str, value: Any) -> None:
        """Have what a name stands for digested: functions, classes and modules under names of their own."""
        if issubclass(type(value), WITH_NAMES):
            self._add(Digest(), value, 0)
        elif issubclass(type(value), dict) and 0 < dict.__len__(value) <= kinds.MOST_ITEMS:
            self._await(name, functools.partial(self._add_items, name=name, mapping=value))
        else:
            self._await(name, functools.partial(self._add, value=value, depth=0))

    def _add_items(self, digest: Digest, name: str, mapping: dict[Any, Any]) -> None:
        """Add a dict whose items get digests of their own: the cost may write some of them, and only read others."""
        pairs = items_of(mapping)
        if not all(type(key) is str for key, _ in pairs):
            self._add(digest, mapping, 0)
        elif self._first_time(digest, mapping):
            digest.text(f"{self._kind(type(mapping))} {[key for key, _ in pairs]}")
            for key, item in pairs:
                self._named(f"{name}[{key!r}]", item)
            self._add_attributes_of_container(mapping)

    def _add_code(self, digest: Digest, code: types.CodeType) -> None:
        for part in code_parts(code, functools.partial(self._digest_of, depth=0)):
            digest.text(part)

    def _add_inner_code(self, digest: Digest, code: types.CodeType, _depth: int) -> None:
        self._add_code(digest, code)

    def _add_method(self, digest: Digest, method: types.MethodType, depth: int) -> None:
        digest.text("method")
        self._add(digest, method.__func__, depth)
        self._add(digest, method.__self__, depth)

    def _add_wrapped(self, digest: Digest, value: Any, depth: int) -> None:
        """Add a class method, a static method or a property."""
        digest.text(type(value).__name__)
        self._add(digest, value.fget if isinstance(value, property) else value.__func__, depth)

    def _add_partial(self, digest: Digest, value: functools.partial[Any], depth: int) -> None:
        digest.text("partial")
        for part in (value.func, value.args, dict(value.keywords)):
            self._add(digest, part, depth)
        self._add_attributes("partial", vars_of(value))

    def _add_builtin(self, digest: Digest, value: Any, depth: int) -> None:
        """Add a function that is compiled: a name, and what it is a method of."""
        owner = getattr(value, "__self__", None)
        module = getattr(value, "__module__", None)
        self._note_library(root_of(module))
        digest.text(f"compiled {module}.{getattr(value, '__qualname__', type(value).__name__)}")
        if owner is not None and not isinstance(owner, types.ModuleType):
            self._add(digest, owner, depth)

    def _add_class(self, digest: Digest, kind: type, _depth: int) -> None:
        """Add a class that the code may call."""
        self._add_type(digest, kind)
        if kind not in self.constructed and not is_library(root_of(kind.__module__)):
            self.constructed.add(kind)
            for name in NOT_CALLED:
                if isinstance(method := vars(kind).get(name), (types.FunctionType, staticmethod)):
                    self._named("", method)

    def _add_type(self, digest: Digest, kind: type) -> None:
        """Add a class with the methods that are named somewhere, or that Python calls."""
        digest.text(f"class {kind.__qualname__}")
        root = root_of(kind.__module__)
        if is_library(root):
            digest.text(kind.__module__)
            self._note_library(root)
            return
        if not self._first_time(Digest(), kind):
            return
        wanted = self.names.read - OF_PYTHON
        for name, value in sorted(vars(kind).items()):
            is_called_by_python = (
                name.startswith("__") and name not in NOT_CALLED and isinstance(value, types.FunctionType)
            )
            if is_called_by_python or name in wanted:
                self._named(f"{kind.__name__}.{name}", value)
        for base in (*kind.__bases__, *({type(kind)} - {type})):
            self._add_type(digest, base)

    def _add_object(self, digest: Digest, value: Any, depth: int) -> None:
        """Add what is none of all that: an object, by its attributes."""
        kind = type(value)
        digest.text(f"object {self._kind(kind)}")
        if not is_library(root_of(kind.__module__)):
            self._add_users_object(value)
        elif (array := as_array(value)) is not None:
            self._add(digest, array, depth)
        elif self._first_time(digest, value):
            digest.text(str(getattr(value, "__qualname__", "")))
            self._add_librarys_object(digest, value, depth)

    def _add_users_object(self, value: Any) -> None:
        if not self._first_time(Digest(), value):
            return
        self._add_attributes(type(value).__name__, vars_of(value))

    def _add_attributes(self, owner: str, attributes: Mapping[str, Any]) -> None:
        """Have the attributes digested that the code reads."""
        wanted = {*self.names.read, *kinds.HOLDING_OTHERS, *(attributes if self.names.all_read else ())}
        for name in sorted(attributes.keys() & wanted):
            self._named(f"{owner}.{name}", attributes[name])

    def _add_librarys_object(self, digest: Digest, value: Any, depth: int) -> None:
        attributes, root = vars_of(value), root_of(type(value).__module__)
        wrapped = attributes.get("py_func", attributes.get("__wrapped__"))
        if isinstance(wrapped, types.FunctionType):  # of the user's, compiled or with a cache
            self._add(digest, wrapped, depth)
        elif root == "fastcheck":  # a cost that holds the user's
            for name, held in sorted(attributes.items()):
                if not name.startswith("_") and name not in kinds.STATES:
                    self._named(name, held)
        elif root == "ctypes":  # by the name of its file: addresses are those of a process
            digest.text(os.path.basename(str(attributes.get("_name") or attributes.get("__name__"))))
        elif root not in MACHINERY and not isinstance(value, kinds.RUNNING):
            self._add_mapping(digest, dict(sorted(attributes.items())), depth)
            if not attributes:
                self._add(digest, reduced(value), depth)

    def _kind(self, kind: type) -> str:
        """Return the name of a type, and have that of the user's digested, or the version of its library noted."""
        self._add_type(Digest(), kind)
        is_the_users = not is_library(root_of(kind.__module__))
        return kind.__qualname__ if is_the_users else f"{kind.__module__}.{kind.__qualname__}"

    def _note_library(self, root: str) -> None:
        version = version_of(root) if root and is_library(root) else None
        if version is not None:
            self.libraries[root] = version


_ADDING: tuple[tuple[Any, Callable[[_Walk, Digest, Any, int], None]], ...] = (
    (enum.Enum, _Walk._add_enum),
    (np.ndarray, _Walk._add_array),
    (np.ufunc, _Walk._add_ufunc),
    ((list, tuple, collections.deque), _Walk._add_sequence),
    ((dict, types.MappingProxyType), _Walk._add_mapping),
    ((set, frozenset), _Walk._add_set),
    (slice, _Walk._add_slice),
    (types.ModuleType, _Walk._add_module),
    (types.FunctionType, _Walk._add_function),
    (types.CodeType, _Walk._add_inner_code),
    (types.MethodType, _Walk._add_method),
    (WRAPPERS, _Walk._add_wrapped),
    (functools.partial, _Walk._add_partial),
    (COMPILED, _Walk._add_builtin),
    (type, _Walk._add_class),
)
"""What is added how, by its type: the first line that fits."""
