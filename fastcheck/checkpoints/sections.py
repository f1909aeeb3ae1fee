"""Sections of a checkpoint: several checks of one call keep their evaluations in one file, each under a name.

The checks of `check_stages`, say, are of one cost at other parameters each time::

    check_stages(train_step, lambda: check(cost, w, gradient(w), checkpoint="run.fastcheck"))
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_names: ContextVar[tuple[str, ...]] = ContextVar("fastcheck_sections", default=())


@contextlib.contextmanager
def section(name: str) -> Iterator[None]:
    """Keep the evaluations of checks in this ``with`` block under a name, within that of a block around it."""
    token = _names.set((*_names.get(), name))
    try:
        yield
    finally:
        _names.reset(token)


def present_section() -> str:
    """Return the name under which evaluations are kept now, an empty one outside of all."""
    return ", ".join(_names.get())
