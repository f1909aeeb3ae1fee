"""The table in which an operation is looked up; the other modules of this folder fill it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OPERATIONS: dict[str, Callable[..., Any]] = {}
"""Name of an operation, as ``add``, or of one of its overloads, as ``max.dim`` → what records it.

A rule gets the operation's arguments in its order: recorded arrays for tensors that parameters reach, plain arrays for
the others, and returns what the operation does, in NumPy's functions. It is also the rule of ``add_`` and of
``add(out=…)``. What shares memory with an operand where the operation's result does must be a view here, too.
"""


def aten(*names: str) -> Callable[..., Any]:
    """Return a decorator that puts a rule into the table."""

    def put(rule: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            OPERATIONS[name] = rule
        return rule

    return put
