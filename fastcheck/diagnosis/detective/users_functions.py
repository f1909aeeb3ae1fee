"""Functions of the user's as syntax trees: those that a backward pass consists of, where they have source.

The smallest example is a backward pass that calls another function::

    def backward(X, Y, cache):
        dZ2 = cache["A2"] - Y
        return {"dW2": dZ2 @ cache["A1"].T, **hidden_layer(dZ2, cache)}

``hidden_layer`` is found by its name, in the same file or another one of the user's, but not in installed packages.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import sys
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

from fastcheck.engines.graph.tracing.users_line import PACKAGE as OWN_FOLDER
from fastcheck.engines.graph.tracing.users_line import is_installed
from fastcheck.problem.adapters import LastClaim
from fastcheck.problem.outputs import OutputsInOrder, WithArguments
from fastcheck.problem.randomness import Repeating
from fastcheck.problem.special.problem import SpecialClaim

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

    Those that a function calls are found by their names: functions of the user's that its module, its class or the
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
    if isinstance(value, (Repeating, LastClaim, OutputsInOrder, SpecialClaim, WithArguments)):
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
    tree = definition_of(code, lines)
    return None if tree is None else SourceFunction(function, owner, tree, lines)


def definition_of(code: types.CodeType, lines: list[str]) -> Definition | None:
    """Return the `def` or `lambda` that code is from, given the lines of its file; None where it is not there."""
    nodes = ast.walk(_tree("".join(lines)))
    return next((node for node in nodes if isinstance(node, Definition) and _is_of(node, code)), None)


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
    """Yield the functions that a function calls by their names, of its own file and of others of the user's."""
    known = _names_known_to(source.function)
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            candidates = list(_functions_behind(known.get(node.func.id)))
        elif isinstance(node.func, ast.Attribute):
            candidates = list(_methods_named(node.func, source, known))
        else:
            candidates = []
        for candidate in candidates:
            file = candidate.function.__code__.co_filename
            if file == source.file or _is_users(file):
                yield candidate


def _is_users(file: str) -> bool:
    """Tell whether a file is of no installed package, nor of this one."""
    return not (is_installed(file) or file.startswith(OWN_FOLDER))


def _names_known_to(function: types.FunctionType) -> dict[str, Any]:
    """Return what the names in a function stand for: those of its module, and of the functions around it."""
    known = dict(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            known[name] = cell.cell_contents
        except ValueError:  # nothing was assigned to it yet
            continue
    return known


def _methods_named(
    called: ast.Attribute, source: SourceFunction, known: dict[str, Any]
) -> Iterator[Function]:
    """Yield the methods that a call may mean: ``self.name(…)`` that of the class, ``layer.name(…)`` those of any class.

    Any class is one that the function knows, and of its own module or another one of the user's.
    """
    own = None if source.owner is None else inspect.getattr_static(source.owner, called.attr, None)
    is_of_itself = isinstance(called.value, ast.Name) and called.value.id in ("self", "cls")
    if own is not None and is_of_itself:
        classes = [source.owner]
    else:
        module = source.function.__module__
        classes = [
            value for value in known.values() if isinstance(value, type) and _is_known_well(value, module)
        ]
    for owner in classes:
        method = inspect.getattr_static(owner, called.attr, None)
        if isinstance(method, (staticmethod, classmethod)):
            method = method.__func__
        yield from _functions_behind(method, owner)


def _is_known_well(kind: type, module: str) -> bool:
    """Tell whether a class is of this module, or of another one of the user's."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return kind.__module__ == module or (file is not None and _is_users(file))
