"""Keys of gradients: ``W1`` or ``dW1`` for the parameter ``W1``, whatever else a backward pass returns."""

from __future__ import annotations

import re
from typing import Any

from fastcheck.errors import InvalidProblemError


def match_keys(keys: list[Any], offered: list[Any], where: str) -> dict[Any, Any]:
    """Return the gradient's key for each parameter's key: the same one, or the one with d before it."""
    known = set(offered)
    prefixed = {key: f"d{key}" for key in keys}
    all_are_there = known.issuperset(keys)
    all_are_there_prefixed = known.issuperset(prefixed.values())
    if all_are_there and all_are_there_prefixed:
        raise InvalidProblemError(
            f"{where}: both {first_keys(keys)} and {first_keys(list(prefixed.values()))} are there: which are the "
            "gradients? Pass a dict with one of the two."
        )
    mixed = {key: key if key in known else prefixed[key] for key in keys}
    chosen = prefixed if all_are_there_prefixed else mixed
    missing = [key for key, name in chosen.items() if name not in known]
    if missing:
        raise InvalidProblemError(
            f"{where}: missing gradient block {first_keys([prefixed[key] for key in missing])}: expected the keys "
            f"{first_keys(list(prefixed.values()))} (with or without the d), got {first_keys(offered)}."
        )
    stems = {_stem(str(key)) for key in keys}
    used = set(chosen.values())
    for name in offered:
        if name in used or not isinstance(name, str):
            continue
        bare = name if _stem(name) in stems else name.removeprefix("d")
        if bare not in keys and re.search(r"\d$", bare) and _stem(bare) in stems:
            raise InvalidProblemError(
                f"{where}: surplus gradient block {name}: there is no parameter {bare} (there are "
                f"{first_keys(keys)}). Remove it, or add the parameter that it belongs to."
            )
    return chosen


def _stem(name: str) -> str:
    return name.rstrip("0123456789")


def first_keys(keys: Any) -> str:
    """Return the first few keys as text."""
    names = [str(key) for key in keys]
    more = f", … ({len(names)} in all)" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more if names else "none"
