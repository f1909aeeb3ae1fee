"""What a cost can reach: the functions that it may call, and everything in which it may store something.

The walk follows closures, defaults, attributes, containers, classes, and the names that the code of functions asks for
in their globals and in the user's modules. It is bounded: of a container with many things that may hold others only
the first are looked into, and where all hold numbers or arrays, none.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import gc
import itertools
import sys
import types
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.recording.instrumenting import Facts, facts_of
from fastcheck.engines.graph.tracing.users_line import installed_folders

MOST_THINGS = 10_000
"""Things that are looked at: one takes a few microseconds."""

MOST_ITEMS = 1_000
"""Things of one container that are looked at, of those that may hold others."""

LIBRARIES = (
    "numpy",
    "scipy",
    "numba",
    "llvmlite",
    "torch",
    "jax",
    "jaxlib",
    "fastcheck.engines",
    "fastcheck.identities",
    "fastcheck.problem.posing",
)
"""Packages whose functions and classes are never the user's, though the cost may hold them."""

ADAPTERS = (
    "fastcheck.engines.graph.frameworks.jax.cost",
    "fastcheck.engines.graph.frameworks.torch.cost",
    "fastcheck.problem.adapters",
    "fastcheck.problem.holding",
    "fastcheck.problem.object_cost",
    "fastcheck.problem.outputs",
    "fastcheck.problem.randomness",
    "fastcheck.problem.special.leaves",
    "fastcheck.problem.special.problem",
    "fastcheck.torch.batches",
    "fastcheck.torch.detaching",
    "fastcheck.torch.inputs",
    "fastcheck.torch.second_order",
    "fastcheck.torch.truth",
)
"""Modules of costs that put arrays into their places, and must meet the very arrays: what they hold is the user's."""

MACHINERY = (
    "threading",
    "logging",
    "multiprocessing",
    "concurrent",
    "asyncio",
    "io",
    "_io",
    "importlib",
    "joblib",
)
"""Packages with state of their own, which changes whatever the cost does."""

STRANGE = (*LIBRARIES, *MACHINERY)

_ENDS = frozenset(
    (
        types.NoneType, bool, int, float, complex, str, bytes, bytearray, range, slice, types.CodeType,
        types.WrapperDescriptorType, types.MethodDescriptorType, types.GetSetDescriptorType,
        types.MemberDescriptorType, types.EllipsisType, np.ufunc, np.float64, np.bool_,
    )
)  # fmt: skip
"""Types of what holds nothing else."""

CONTAINERS: tuple[Any, ...] = (list, dict, set, collections.deque)


@dataclass(frozen=True, slots=True)
class Reached:
    """What was found.

    ``holders`` are containers, the ``__dict__`` of objects, arrays of objects; ``slotted`` are objects with slots;
    ``names`` are pairs of a namespace and a name that the cost may set in it, ``strangers`` are modules and things of
    libraries, which are not looked into.
    """

    functions: list[types.FunctionType] = field(default_factory=list)
    holders: list[Any] = field(default_factory=list)
    slotted: list[Any] = field(default_factory=list)
    classes: list[type] = field(default_factory=list)
    cells: list[types.CellType] = field(default_factory=list)
    caches: list[Any] = field(default_factory=list)
    names: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    arrays: list[NDArray[Any]] = field(default_factory=list)
    strangers: list[Any] = field(default_factory=list)


def reached(cost: Any) -> Reached:
    """Return what a cost can reach."""
    return _Walk(cost).reached


class _Walk:
    def __init__(self, cost: Any) -> None:
        self.reached = Reached()
        self.waiting = collections.deque([cost])
        self.seen: dict[int, Any] = {}  # kept alive: ids of what is freed are used again
        self.facts: dict[int, Facts] = {}
        self.modules: dict[int, dict[str, Any]] = {}
        while self.waiting:
            while self.waiting and len(self.seen) < MOST_THINGS:
                self.visit(self.waiting.popleft())
            if len(self.seen) >= MOST_THINGS:
                break
            self.look_into_modules()
        self.note_names()

    def visit(self, thing: Any) -> None:
        kind = type(thing)
        if kind in _ENDS or id(thing) in self.seen:
            return
        self.seen[id(thing)] = thing
        if issubclass(kind, np.ndarray):
            self.array(thing)
        elif kind is types.FunctionType:
            self.function(thing)
        elif kind is types.MethodType:
            self.add([thing.__func__, thing.__self__])
        elif kind is types.BuiltinFunctionType:
            self.add([thing.__self__])  # as of history.append
        elif issubclass(kind, (staticmethod, classmethod)):
            self.add([thing.__func__])
        elif issubclass(kind, property):
            self.add([thing.fget, thing.fset])
        elif issubclass(kind, functools.partial):
            self.add([thing.func, *thing.args, *thing.keywords.values()])
        elif issubclass(kind, types.ModuleType):
            if belongs_to_user(vars(thing)):
                self.modules[id(thing)] = vars(thing)
            else:
                self.reached.strangers.append(thing)
        elif kind is functools._lru_cache_wrapper:
            self.reached.caches.append(thing)
            self.items(cached_results(thing))
            self.add(vars(thing).values())
        elif issubclass(kind, type):
            self.class_(thing)
        elif kind is types.GeneratorType:
            self.items(() if thing.gi_frame is None else thing.gi_frame.f_locals.values())
        else:
            self.object(thing)

    def add(self, things: Iterable[Any]) -> None:
        self.waiting.extend(things)

    def items(self, things: Iterable[Any]) -> None:
        """Look at the things in a container, if any of them may hold others."""
        kinds = set(map(type, things)) - _ENDS
        if not kinds:
            return
        if kinds == {np.ndarray}:
            self.add(itertools.islice((x for x in things if type(x) is np.ndarray), MOST_ITEMS // 4))
        else:
            self.add(itertools.islice((x for x in things if type(x) in kinds), MOST_ITEMS))

    def array(self, array: NDArray[Any]) -> None:
        self.reached.arrays.append(array)
        if array.dtype == object:
            self.reached.holders.append(array)
            self.items(things_in(array))

    def function(self, function: types.FunctionType) -> None:
        namespace = function.__globals__
        users = belongs_to_user(namespace)
        if not users:
            self.reached.strangers.append(function)
        if is_of(namespace.get("__name__"), LIBRARIES):
            return
        self.reached.functions.append(function)
        for cell in function.__closure__ or ():
            if not is_empty(cell):
                self.reached.cells.append(cell)
                self.add([cell.cell_contents])
        self.add((*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()))
        self.add([vars(function)])
        facts = self.facts[id(function.__code__)] = facts_of(function.__code__)
        values = [namespace[name] for name in facts.globals if name in namespace]
        if not users and is_standard(namespace.get("__name__")):  # nothing there is the user's
            values = []
        elif not users:  # of installed packages, only what is defined in the module of the function
            mine = function.__module__
            values = [f for f in values if isinstance(f, (types.FunctionType, type)) and f.__module__ == mine]
        self.add(values)
        package = namespace.get("__package__") or ""
        for name in facts.imports if users else ():
            self.add([sys.modules.get(name), sys.modules.get(f"{package}.{name}")])
        self.reached.names.extend((namespace, name) for name in facts.sets_globals)

    def class_(self, cls: type) -> None:
        if is_of(cls.__module__, STRANGE) or is_standard(cls.__module__):
            self.reached.strangers.append(cls)
        else:
            self.reached.classes.append(cls)
            self.add(vars(cls).values())
            self.add(cls.__bases__)

    def object(self, thing: Any) -> None:
        kind = type(thing)
        if issubclass(kind, CONTAINERS):
            self.reached.holders.append(thing)
            self.items(things_in(thing))
            if kind in CONTAINERS:
                return
        elif issubclass(kind, (tuple, frozenset)):
            self.items(
                tuple.__getitem__(thing, slice(None)) if issubclass(kind, tuple) else frozenset.copy(thing)
            )
        if is_of(kind.__module__, STRANGE) and kind.__module__ not in ADAPTERS:
            self.reached.strangers.append(thing)
            if not is_torch_module(
                thing
            ):  # which holds the user's modules and hooks, and what forwards store
                return
        elif kind.__module__ not in ADAPTERS:
            self.add([kind])
        attributes = getattr(thing, "__dict__", None)
        if type(attributes) is dict:
            self.add([attributes])
        if slots_of(kind):
            self.reached.slotted.append(thing)
            self.add(slot_values(thing).values())

    def look_into_modules(self) -> None:
        """Look at what the names in the code of all functions mean in the user's modules."""
        wanted = frozenset().union(*(facts.attributes | facts.imports for facts in self.facts.values()))
        for namespace in list(self.modules.values()):
            named = [namespace[name] for name in wanted & namespace.keys()]
            self.add([thing for thing in named if type(thing) not in _ENDS and id(thing) not in self.seen])

    def note_names(self) -> None:
        """Note what functions may set in the user's modules."""
        sets = frozenset().union(*(facts.sets_attributes for facts in self.facts.values()))
        for namespace in self.modules.values():
            self.reached.names.extend((namespace, name) for name in sets)


def things_in(container: Any) -> list[Any]:
    """Return what a container holds, in its order, whatever its class makes of iteration."""
    if isinstance(container, collections.OrderedDict):
        return list(collections.OrderedDict.values(container))
    if isinstance(container, np.ndarray):
        things: list[Any] = container.ravel().tolist()
        return things
    for kind in CONTAINERS:
        if isinstance(container, kind):
            return list(dict.values(container) if kind is dict else kind.__iter__(container))
    raise TypeError(type(container).__name__)


def cached_results(cached: Any) -> list[Any]:
    """Return what functools.lru_cache has remembered, among other things."""
    results = []
    for thing in gc.get_referents(cached):
        if type(thing) is not dict:
            results.append(thing)
        elif thing is not vars(cached):
            results += list(thing.values())
    return results


_slots: weakref.WeakKeyDictionary[type, tuple[str, ...]] = weakref.WeakKeyDictionary()


def slots_of(kind: type) -> tuple[str, ...]:
    """Return the names of the slots of a class, which it keeps for ever."""
    known = _slots.get(kind)
    if known is None:
        known = _slots[kind] = _slots_of(kind)
    return known


def _slots_of(kind: type) -> tuple[str, ...]:
    classes = [vars(cls) for cls in kind.__mro__ if "__slots__" in vars(cls)]
    return tuple(name for cls in classes for name, x in cls.items() if type(x) is types.MemberDescriptorType)


def slot_values(thing: Any) -> Mapping[str, Any]:
    """Return the filled slots of an object."""
    values = {}
    for name in slots_of(type(thing)):
        with contextlib.suppress(AttributeError):
            values[name] = object.__getattribute__(thing, name)
    return values


def is_empty(cell: types.CellType) -> bool:
    """Whether a closure cell has no value yet."""
    try:
        cell.cell_contents  # noqa: B018 — an empty cell raises
    except ValueError:
        return True
    return False


def is_of(module: Any, packages: tuple[str, ...]) -> bool:
    """Whether a module, by its name, is one of these packages or inside one."""
    return type(module) is str and _is_of(module, packages)


@functools.lru_cache(maxsize=4096)
def _is_of(module: str, packages: tuple[str, ...]) -> bool:
    return module.startswith(packages) and (
        module in packages or any(module.startswith(f"{package}.") for package in packages)
    )


def is_torch_module(thing: Any) -> bool:
    """Whether something is a module of PyTorch's."""
    torch_nn = sys.modules.get("torch.nn")
    return torch_nn is not None and isinstance(thing, torch_nn.Module)


def is_standard(module: Any) -> bool:
    """Whether a module, by its name, is one of the standard library's."""
    if not isinstance(module, str) or module.partition(".")[0] not in sys.stdlib_module_names:
        return False
    file = vars(sys.modules[module]).get("__file__") if module in sys.modules else None
    return not isinstance(file, str) or file.startswith(_installed_folders())


def belongs_to_user(namespace: dict[str, Any]) -> bool:
    """Whether a module is the user's own, not an installed package."""
    return _is_users(namespace.get("__name__"), namespace.get("__file__"))


@functools.lru_cache(maxsize=4096)
def _is_users(name: Any, file: Any) -> bool:
    if name == "__main__":
        return True
    if not isinstance(file, str):
        return not is_standard(name) and not is_of(name, LIBRARIES)
    return not file.startswith(_installed_folders())


@functools.cache
def _installed_folders() -> tuple[str, ...]:
    """Return the folders of the standard library, of installed packages and of fastcheck."""
    return (*installed_folders(), str(Path(__file__).parents[3]))
