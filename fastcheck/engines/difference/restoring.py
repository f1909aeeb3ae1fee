"""The cost may store what it computes: running means, caches, histories. After the traces they are as before.

A perturbed array that was stored would be met again by the next evaluation, and by the user.
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Iterator
from typing import Any

from fastcheck.engines.difference.creation import PLAIN


@contextlib.contextmanager
def holders_kept(cost: Any) -> Iterator[None]:
    """Restore the lists, dicts, attributes, closure cells and globals that the cost can reach."""
    holders, cells, names = reached(cost)
    contents = [(holder, holder.copy()) for holder in holders]
    cell_contents = [(cell, cell.cell_contents) for cell in cells]
    values = [(namespace, name, namespace[name]) for namespace, name in names]
    try:
        yield
    finally:
        for holder, before in contents:
            restore(holder, before)
        for cell, value in cell_contents:
            cell.cell_contents = value
        for namespace, name, value in values:
            namespace[name] = value


def restore(holder: Any, before: Any) -> None:
    """Give a list or dict its former contents, if they changed."""
    if isinstance(holder, dict):
        if list(map(id, holder.values())) != list(map(id, before.values())) or holder.keys() != before.keys():
            holder.clear()
            holder.update(before)
    elif list(map(id, holder)) != list(map(id, before)):
        holder[:] = before


def reached(cost: Any) -> tuple[list[Any], list[types.CellType], list[tuple[dict[str, Any], str]]]:
    """Return lists and dicts (those of attributes too), closure cells, and names of globals."""
    holders: list[Any] = []
    cells: list[types.CellType] = []
    names: list[tuple[dict[str, Any], str]] = []
    waiting, seen = [cost], set()
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, PLAIN):
            continue
        seen.add(id(thing))
        if isinstance(thing, types.FunctionType):
            filled = [cell for cell in thing.__closure__ or () if not is_empty(cell)]
            used = [name for name in thing.__code__.co_names if is_data(thing.__globals__.get(name))]
            cells += filled
            names += [(thing.__globals__, name) for name in used]
            waiting += [cell.cell_contents for cell in filled]
            waiting += [thing.__globals__[name] for name in used]
            waiting += [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
        elif isinstance(thing, types.MethodType):
            waiting += [thing.__func__, thing.__self__]
        elif isinstance(thing, functools.partial):
            waiting += [thing.func, *thing.args, *thing.keywords.values()]
        elif type(thing) in (list, dict):
            holders.append(thing)
            waiting += [
                x for x in (thing.values() if type(thing) is dict else thing) if not isinstance(x, PLAIN)
            ]
        elif isinstance(thing, tuple):
            waiting += thing
        else:
            waiting += [getattr(thing, name) for name in slots(thing)]
            if isinstance(getattr(thing, "__dict__", None), dict):
                waiting.append(vars(thing))
    return holders, cells, names


def is_empty(cell: types.CellType) -> bool:
    """Whether a closure cell has no value yet."""
    try:
        cell.cell_contents  # noqa: B018 — an empty cell raises
    except ValueError:
        return True
    return False


def is_data(value: Any) -> bool:
    """Whether a global is something that a cost might set or fill, and not a module, class or number."""
    return value is not None and not isinstance(value, (types.ModuleType, type, types.BuiltinFunctionType))


def slots(thing: Any) -> list[str]:
    """Return the names of filled slots of an object."""
    names = [name for cls in type(thing).__mro__ for name in getattr(cls, "__slots__", ())]
    return [name for name in names if isinstance(name, str) and hasattr(thing, name)]
