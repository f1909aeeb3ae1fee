"""The lines of a backward pass that assign the gradient of a block, where it is a function with source.

The gradient of ``W2`` is assigned by ``dW2 = …``, ``grads["dW2"] += …``, ``grads["dW" + str(l)] = …``,
``self.dW2[...] = …``, ``dW2, db2 = …``, ``np.add.at(dW2, …)``, ``return {"dW2": …}``; where a dict is made of other
names, ``{"dW2": slope}``, by the lines that assign these.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fastcheck.diagnosis.detective.users_functions import SourceFunction, functions_with_source
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.problem.object_names import GRADIENT_FORMS, ONE_GRADIENT

CHANGES_FIRST_ARGUMENT = ("at", "copyto", "put", "place", "putmask", "fill_diagonal")
"""Functions and methods of NumPy's that write into their first argument."""

CHANGES_ITSELF = ("fill", "put", "itemset", "sort")
"""Methods that write into the array that they are of."""

MAKES_DICT = ("dict", "update", "setdefault")
"""Functions and methods of which keywords, or the first argument, are keys of a dict."""

HOLDS_GRADIENTS = re.compile(r".*grad.*|g|gs", re.IGNORECASE)
"""Names of what holds gradients: a key that is computed may be that of any of them."""

HOLDS_PARAMETERS = re.compile(r"p|theta|.*param.*|.*cache.*|.*weights.*", re.IGNORECASE)
"""Names of what does not: its key ``W2`` is the parameter."""

ANY = ".+"
"""Pattern of a part of a key that is computed."""


class _Wanted(NamedTuple):
    """What the gradient of a block may be called in code.

    ``names`` are those of variables, attributes and keys, ``own`` the name of the parameter, which is a key of
    gradients, too, and has them as attributes: ``W2.grad``. ``place`` is its number in a tuple of all gradients; -1
    tells that a single array is returned. None if keys tell.
    """

    names: frozenset[str]
    own: str | None
    place: int | None

    @classmethod
    def of_block(cls, block: str) -> _Wanted:
        keys = re.findall(r"[A-Za-z_]\w*", re.sub(r"\[\d+\]", "", block))
        number = re.fullmatch(r"\[(\d+)\]", block)
        place = int(number[1]) if number else -1 if block == "theta" else None
        own = keys[-1] if keys else None
        return cls(frozenset(form.format(own) for form in GRADIENT_FORMS) if own else frozenset(), own, place)

    @classmethod
    def of_variable(cls, name: str) -> _Wanted:
        return cls(frozenset([name]), None, None)


class _Assigned(NamedTuple):
    """A line that assigns a gradient; ``value`` is the name of a variable that it is taken from, if it is no more."""

    line: int
    value: str | None


def lines_that_assign(claimed_by: Any, block: str) -> tuple[CodeLine, ...]:
    """Return the lines of a backward pass that assign the gradient of a block; none where that is not known.

    ``claimed_by`` is the function that returned the claim, or None.
    """
    wanted = _Wanted.of_block(block)
    lines: dict[CodeLine, SourceFunction] = {}
    for source in functions_with_source(claimed_by):
        for number in _lines_in(source.tree, wanted):
            text = source.lines[number - 1].strip()
            lines[CodeLine(file=source.file, number=number, text=text)] = source
    classes = {source.owner for source in lines.values() if source.owner is not None}
    several_may_be_meant = len(classes) > 1
    return tuple(line for line, source in lines.items() if source.owner is None or not several_may_be_meant)


def _lines_in(tree: ast.AST, wanted: _Wanted) -> list[int]:
    """Return the numbers of lines that assign what is wanted, or the variable that it is taken from."""
    found: set[int] = set()
    for line, value in _assigned(tree, wanted):
        taken_from = (
            []
            if value is None or value in wanted.names
            else list(_assigned(tree, _Wanted.of_variable(value)))
        )
        is_found_by_its_name = value is not None and value in wanted.names
        if taken_from:
            found |= {inner for inner, _ in taken_from}
        elif not is_found_by_its_name:
            found.add(line)
    if not found:
        found = {line for line, _ in _assigned(tree, wanted)}
    return sorted(found)


def _assigned(tree: ast.AST, wanted: _Wanted) -> Iterator[_Assigned]:
    """Yield what assigns the gradient anywhere in a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _in_target(target, node.value, wanted)
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.NamedExpr)):
            if node.value is not None:
                yield from _in_target(node.target, node.value, wanted)
        elif isinstance(node, ast.Call):
            yield from _in_call(node, wanted)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None and _is_key(key, wanted, of_gradients=True):
                    yield _Assigned(key.lineno, _variable(value))
    yield from _in_returned(tree, wanted)


def _in_target(target: ast.expr, value: ast.expr, wanted: _Wanted) -> Iterator[_Assigned]:
    """Yield the lines of targets that are the gradient: one, or some of several."""
    if isinstance(target, ast.Starred):
        yield from _in_target(target.value, value, wanted)
    elif isinstance(target, (ast.Tuple, ast.List)):
        values: Sequence[ast.expr] = [value] * len(target.elts)
        if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
            values = value.elts
        for one, its_value in zip(target.elts, values, strict=True):
            yield from _in_target(one, its_value, wanted)
    elif _is_gradient(target, wanted):
        is_taken_from = isinstance(target, ast.Subscript)
        yield _Assigned(target.lineno, _variable(value) if is_taken_from else None)


def _is_gradient(target: ast.expr, wanted: _Wanted) -> bool:
    """Tell whether an expression is the gradient, or a part of it."""
    if isinstance(target, ast.Name):
        return target.id in wanted.names
    if isinstance(target, ast.Attribute):
        holder = _name_of(target.value) or getattr(target.value, "attr", None)
        is_of_parameter = target.attr in ONE_GRADIENT and holder is not None and holder == wanted.own
        return target.attr in wanted.names or is_of_parameter
    if isinstance(target, ast.Subscript):
        holder = _name_of(target.value) or getattr(target.value, "attr", "") or ""
        of_gradients = HOLDS_GRADIENTS.fullmatch(holder) is not None
        of_parameters = HOLDS_PARAMETERS.fullmatch(holder) is not None and not of_gradients
        is_entry = not of_parameters and _is_key(target.slice, wanted, of_gradients=of_gradients)
        return is_entry or _is_gradient(target.value, wanted)
    return False


def _is_key(key: ast.expr, wanted: _Wanted, *, of_gradients: bool) -> bool:
    """Tell whether a key may be that of the gradient; one that is computed as a whole may, in what holds gradients."""
    if isinstance(key, ast.Constant) and isinstance(key.value, int):
        return of_gradients and wanted.place == key.value
    pattern = _pattern(key)
    is_computed = pattern is not None and not pattern.replace(ANY, "")
    if pattern is None or (is_computed and not of_gradients):
        return False
    names = wanted.names | ({wanted.own} if wanted.own is not None else set())
    return any(re.fullmatch(pattern, name) for name in names if name is not None)


def _pattern(key: ast.expr) -> str | None:
    """Return a regular expression of the strings that a key may be, None if it is no string."""
    if isinstance(key, ast.Constant):
        return re.escape(key.value) if isinstance(key.value, str) else None
    if isinstance(key, ast.JoinedStr):
        return "".join(_pattern(part) or ANY for part in key.values)
    if isinstance(key, ast.BinOp) and isinstance(key.op, ast.Add):
        parts = _pattern(key.left), _pattern(key.right)
        are_strings = any(part not in (None, ANY) for part in parts)
        return "".join(part or ANY for part in parts) if are_strings else None
    if isinstance(key, ast.BinOp) and isinstance(key.op, ast.Mod):
        return _filled(_pattern(key.left), r"%\w")
    if isinstance(key, ast.Call) and isinstance(key.func, ast.Attribute) and key.func.attr == "format":
        return _filled(_pattern(key.func.value), r"\\\{\w*\\\}")
    if isinstance(key, (ast.FormattedValue, ast.Name, ast.Call, ast.Attribute)):
        return ANY
    return None


def _filled(pattern: str | None, gap: str) -> str | None:
    return None if pattern is None else re.sub(gap, ".+", pattern)


def _in_call(call: ast.Call, wanted: _Wanted) -> Iterator[_Assigned]:
    """Yield the line of a call that writes into the gradient, or puts it into a dict."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else _name_of(function)
    changed = [keyword.value for keyword in call.keywords if keyword.arg == "out"]
    if name in CHANGES_FIRST_ARGUMENT:
        changed += call.args[:1]
    if name in CHANGES_ITSELF and isinstance(function, ast.Attribute):
        changed.append(function.value)
    if any(_is_gradient(array, wanted) for array in changed):
        yield _Assigned(call.lineno, None)
    if name in MAKES_DICT:
        for keyword in call.keywords:
            if keyword.arg is not None and keyword.arg in (*wanted.names, wanted.own):
                yield _Assigned(keyword.value.lineno, _variable(keyword.value))
        if name == "setdefault" and len(call.args) == 2 and _is_key(call.args[0], wanted, of_gradients=False):
            yield _Assigned(call.lineno, _variable(call.args[1]))


def _in_returned(tree: ast.AST, wanted: _Wanted) -> Iterator[_Assigned]:
    """Yield where the gradient is one of several that are returned, or the only one; or all are made by one line."""
    for value in _returned(tree):
        if wanted.place == -1:
            yield _Assigned(value.lineno, _variable(value))
        elif wanted.place is not None and isinstance(value, (ast.Tuple, ast.List)):
            elements = value.elts
            if wanted.place < len(elements) and not any(isinstance(one, ast.Starred) for one in elements):
                one = elements[wanted.place]
                yield _Assigned(one.lineno, _variable(one))
        elif isinstance(value, ast.DictComp) and _is_key(value.key, wanted, of_gradients=True):
            yield _Assigned(value.lineno, None)


def _returned(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield what a function returns, but not what functions in it do."""
    if isinstance(tree, ast.Lambda):
        yield tree.body
        return
    inside: list[ast.AST] = list(ast.iter_child_nodes(tree))
    while inside:
        node = inside.pop()
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            inside += ast.iter_child_nodes(node)


def _variable(node: ast.expr) -> str | None:
    """Return the name of a variable, or of an attribute of ``self``, None for anything that is computed."""
    is_of_self = isinstance(node, ast.Attribute) and _name_of(node.value) == "self"
    return getattr(node, "attr", None) if is_of_self else _name_of(node)


def _name_of(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None
