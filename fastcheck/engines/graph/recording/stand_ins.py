"""Which functions meet a stand-in while the cost is recorded: the table from the original to what takes its place."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.engines.graph.frameworks import entering_torch
from fastcheck.engines.graph.recording.created import (
    CONVERTING,
    FRESH,
    GATHERING,
    Joining,
    converting,
    fresh,
    gathering,
    holds_recorded,
)
from fastcheck.engines.graph.rules.elements import vectorized
from fastcheck.engines.graph.rules.libraries import LIBRARY
from fastcheck.engines.graph.tracing.tape import recording

assert entering_torch  # being imported, it fills the table of libraries


def of_rule(original: Callable[..., Any], rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in of a function that has a rule but does not ask its arguments what to do."""

    @functools.wraps(original)
    def stand_in(*arguments: Any, **keywords: Any) -> Any:
        if recording() is not None and any(map(holds_recorded, (*arguments, *keywords.values()))):
            return rule(*arguments, **keywords)
        return original(*arguments, **keywords)

    return stand_in


def by_entry(vectorized_function: Any) -> Callable[..., Any]:
    """Return the stand-in of an np.vectorize, whose function is called with single numbers."""
    return of_rule(vectorized_function, functools.partial(vectorized, vectorized_function))


def vectorize(*arguments: Any, **keywords: Any) -> Any:
    """Return an np.vectorize, or its stand-in."""
    made = np.vectorize(*arguments, **keywords)
    is_decorator = type(getattr(made, "pyfunc", None)) is str
    return made if recording() is None or is_decorator else by_entry(made)


def stand_ins() -> dict[int, tuple[Any, Any]]:
    """Return id of the original → original, stand-in; those of libraries once they have been imported."""
    return known_stand_ins(tuple(module for module in library_modules() if module in sys.modules))


@functools.cache
def library_modules() -> tuple[str, ...]:
    """Return the modules that functions of `LIBRARY` are in."""
    return tuple(sorted({name.rpartition(".")[0] for name in LIBRARY}))


@functools.cache
def known_stand_ins(modules: tuple[str, ...]) -> dict[int, tuple[Any, Any]]:
    """Return the table, made once."""
    table: dict[Any, Any] = {}
    for names, make in ((FRESH, fresh), (CONVERTING, converting), (GATHERING, gathering)):
        for name in names:
            table[getattr(np, name)] = make(getattr(np, name))
    table[np.linalg.norm] = gathering(np.linalg.norm)
    table[np.c_], table[np.r_] = Joining(np.c_, columns=True), Joining(np.r_, columns=False)
    table[getattr] = looked_up
    table[np.vectorize] = vectorize
    for full_name, rule in LIBRARY.items():
        module, _, name = full_name.rpartition(".")
        original = getattr(sys.modules[module], name, None) if module in modules else None
        if original is not None:
            table[original] = of_rule(original, rule)
    return {id(original): (original, replacement) for original, replacement in table.items()}


def has_stand_in(value: Any, table: dict[int, Any]) -> bool:
    """Whether a value has a stand-in, which may be in this table."""
    return id(value) in table or type(value) is np.vectorize


def stand_in_of(value: Any) -> Any:
    """Return what takes the place of a value in a thread that is recording: None if nothing does."""
    known = stand_ins().get(id(value))
    if known is None:
        return by_entry(value) if type(value) is np.vectorize else None
    return known[1]


def looked_up(*arguments: Any) -> Any:
    """Return ``getattr(np, "zeros")``, too, as the stand-in."""
    value = getattr(*arguments)
    return value if recording() is None else (stand_in_of(value) or value)


@functools.cache
def attribute_names() -> frozenset[str]:
    """Return the names that functions with a stand-in have in their modules."""
    libraries = (name.rpartition(".")[2] for name in LIBRARY)
    return frozenset((*FRESH, *CONVERTING, *GATHERING, *libraries, "vectorize", "c_", "r_", "dot"))
