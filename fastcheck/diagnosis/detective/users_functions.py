"""Functions of the user's as syntax trees: those that a backward pass consists of, where they have source.

The smallest example is a backward pass that calls another function::

    def backward(X, Y, cache):
        dZ2 = cache["A2"] - Y
        return {"dW2": dZ2 @ cache["A1"].T, **hidden_layer(dZ2, cache)}

``hidden_layer`` is found by its name, in the same file.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

from fastcheck.problem.adapters import LastClaim
from fastcheck.problem.randomness import Repeating

LEVELS = 3
"""Levels of functions that are looked at: those given, those that they call, and those that these call."""

PACKAGE = "fastcheck"

WRAPPED = ("__wrapped__", "py_func", "pyfunc")
"""Attributes in which decorated and compiled functions hold the function itself."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Function(NamedTuple):
    """A function that is called, and the class whose method it is, if it was reached by an object or a class."""

    function: types.FunctionType
    owner: type | None = None


class SourceFunction(NamedTuple):
    """A function (of Python, written as `def` or `lambda`) with its syntax tree, and the lines of its file."""

    function: Any
    owner: type | None
    tree: Definition
    lines: list[str]

    @property
    def file(self) -> str:
        """The file, as Python knows it."""
        return str(self.function.__code__.co_filename)


def functions_with_source(claimed_by: Any) -> list[SourceFunction]:
    """Return the functions of which a backward pass consists, outer ones first, as far as they have source.

    Those that a function calls are found by their names: functions of the same file that its module, its class or the
    function around it knows.
    """
    level = list(_functions_behind(claimed_by))
    found: dict[types.CodeType, SourceFunction] = {}
    for _ in range(LEVELS):
        sources = [source for function in level if (source := _source_of(function)) is not None]
        new = {source.function.__code__: source for source in sources}
        new = {code: source for code, source in new.items() if code not in found}
        found |= new
        level = [called for source in new.values() for called in _called(source)]
    return list(found.values())


def _functions_behind(value: Any, owner: type | None = None) -> Iterator[Function]:
    """Yield the functions that run when a value is called: behind methods, partials, decorators, callable objects."""
    if isinstance(value, (Repeating, LastClaim)):
        yield from _functions_behind(value.function)
    elif isinstance(value, functools.partial):
        yield from _functions_behind_partial(value)
    elif isinstance(value, types.MethodType):
        holder = value.__self__
        yield from _functions_behind(value.__func__, holder if isinstance(holder, type) else type(holder))
    elif isinstance(value, types.FunctionType):
        yield Function(value, owner)
        yield from _functions_behind(value.__dict__.get("__wrapped__"), owner)
    elif callable(value) and not isinstance(value, type):
        held = [inspect.getattr_static(value, name, None) for name in WRAPPED]
        called = [function for function in held if function is not None]
        if not called and isinstance(
            call := inspect.getattr_static(type(value), "__call__", None), types.FunctionType
        ):
            called = [call]
        for function in called:
            yield from _functions_behind(function, type(value))


def _functions_behind_partial(partial: functools.partial[Any]) -> Iterator[Function]:
    """Yield the function of a partial; of one that was made here, which adapts a convention, the user's in it."""
    module = getattr(partial.func, "__module__", None) or ""
    adapts = module.startswith(f"{PACKAGE}.problem")
    for function in [given for given in partial.args if callable(given)] if adapts else [partial.func]:
        yield from _functions_behind(function)


def _source_of(called: Function) -> SourceFunction | None:
    """Return a function with its syntax tree, None where there is no source."""
    function, owner = called
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    for node in ast.walk(_tree("".join(lines))):
        if isinstance(node, Definition) and _is_of(node, code):
            return SourceFunction(function, owner, node, lines)
    return None


@functools.lru_cache(maxsize=16)
def _tree(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):  # cells of notebooks with commands of their own
        return ast.Module(body=[], type_ignores=[])


def _is_of(node: Definition, code: types.CodeType) -> bool:
    """Tell whether code is that of a definition."""
    if isinstance(node, ast.Lambda):
        return code.co_name == "<lambda>" and node.lineno == code.co_firstlineno and _lies_within(code, node)
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return code.co_name == node.name and code.co_firstlineno == first


def _lies_within(code: types.CodeType, node: ast.Lambda) -> bool:
    """Tell whether code lies within a lambda: of several in one line it does in one."""
    start, end = (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
    for line, last, column, last_column in code.co_positions():
        has_place = line and last and column is not None and last_column is not None and column != last_column
        if has_place and not (start <= (line, column) and (last, last_column) <= end):
            return False
    return True


def _called(source: SourceFunction) -> Iterator[Function]:
    """Yield the functions of the same file that a function calls by their names."""
    known = _names_known_to(source.function)
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            candidates = list(_functions_behind(known.get(node.func.id)))
        elif isinstance(node.func, ast.Attribute):
            candidates = list(_methods_named(node.func.attr, source, known))
        else:
            candidates = []
        for candidate in candidates:
            if candidate.function.__code__.co_filename == source.file:
                yield candidate


def _names_known_to(function: types.FunctionType) -> dict[str, Any]:
    """Return what the names in a function stand for: those of its module, and of the functions around it."""
    known = dict(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            known[name] = cell.cell_contents
        except ValueError:  # nothing was assigned to it yet
            continue
    return known


def _methods_named(name: str, source: SourceFunction, known: dict[str, Any]) -> Iterator[Function]:
    """Yield the methods of a name: of the class itself if it has one, otherwise of classes of the same module."""
    own = None if source.owner is None else inspect.getattr_static(source.owner, name, None)
    if own is not None:
        classes = [source.owner]
    else:
        module = source.function.__module__
        classes = [
            value for value in known.values() if isinstance(value, type) and value.__module__ == module
        ]
    for owner in classes:
        method = inspect.getattr_static(owner, name, None)
        if isinstance(method, (staticmethod, classmethod)):
            method = method.__func__
        yield from _functions_behind(method, owner)
