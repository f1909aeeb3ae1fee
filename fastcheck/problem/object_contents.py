"""What an object holds in its attributes, lists, tuples and dicts: found, replaced, and put back as it was."""

from __future__ import annotations

import collections
import contextlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


@contextlib.contextmanager
def unchanged(network: Any) -> Iterator[list[Any]]:
    """Yield the containers reachable from an object; afterwards they and the arrays in them are as before."""
    containers = containers_of(network)
    contents = [(container, _contents(container)) for container in containers]
    arrays = {id(array): array for container in containers for array in arrays_in(container)}
    originals = [(array, array.copy()) for array in arrays.values()]
    try:
        yield containers
    finally:
        for container, before in contents:
            _restore(container, before)
        for array, original in originals:
            if array.flags.writeable and (array.dtype.hasobject or np.any(array != original)):
                array[...] = original


def containers_of(network: Any) -> list[Any]:
    """Return every dict, list and deque reachable from an object through attributes, and these and tuples."""
    containers: list[Any] = []
    seen: set[int] = set()
    queue = [network]
    while queue:
        value = queue.pop()
        if id(value) in seen or _is_never_a_container(value):
            continue
        seen.add(id(value))
        if isinstance(value, (dict, list, collections.deque)):
            containers.append(value)
            queue += _values(value)
        elif isinstance(value, (tuple, set, frozenset)):
            queue += list(value)
        elif _has_attributes(value):
            queue.append(vars(value))
    return containers


def arrays_held(network: Any) -> list[Any]:
    """Return every array that is reachable from an object, each once."""
    arrays = {id(array): array for container in containers_of(network) for array in arrays_in(container)}
    return list(arrays.values())


def arrays_in(container: Any) -> Iterator[Any]:
    """Yield the arrays in a dict or list, also those in tuples in it."""
    queue = _values(container)
    while queue:
        value = queue.pop()
        if isinstance(value, tuple):
            queue += value
        elif isinstance(value, np.ndarray):
            yield value


def attributes_of(value: Any) -> dict[str, Any]:
    """Return the attributes of an object of the user's; none of other things."""
    return vars(value) if not _is_never_a_container(value) and _has_attributes(value) else {}


def replace_items(container: Any, replacements: Mapping[int, Any]) -> None:
    """Put other values in the place of those of a dict or list whose ids are keys, also inside tuples in it."""
    items = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in list(items):
        new = _replaced(value, replacements)
        if new is not value:
            container[key] = new


def _replaced(value: Any, replacements: Mapping[int, Any]) -> Any:
    """Return what takes the place of a value: another array, or a tuple that holds one; else the value itself."""
    if id(value) in replacements:
        return replacements[id(value)]
    if isinstance(value, tuple):
        items = [_replaced(item, replacements) for item in value]
        if any(new is not old for new, old in zip(items, value, strict=True)):
            is_named = hasattr(value, "_fields")
            return type(value)(*items) if is_named else type(value)(items)
    return value


def _is_never_a_container(value: Any) -> bool:
    return isinstance(value, (str, bytes, np.ndarray, type)) or inspect.ismodule(value)


def _has_attributes(value: Any) -> bool:
    if inspect.isroutine(value):
        return False
    module = type(value).__module__.partition(".")[0]
    return hasattr(value, "__dict__") and module not in ("numpy", "builtins", "threading", "random")


def _values(container: Any) -> list[Any]:
    return list(container.values()) if isinstance(container, dict) else list(container)


def _contents(container: Any) -> Any:
    return dict(container) if isinstance(container, dict) else list(container)


def _restore(container: Any, contents: Any) -> None:
    container.clear()
    if isinstance(container, dict):
        container.update(contents)
    else:
        container.extend(contents)
