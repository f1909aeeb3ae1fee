"""Large libraries that a new process imports for a cost, before its first evaluation."""

from __future__ import annotations

import sys
from types import ModuleType

SECONDS_OF_IMPORTS: dict[str, float] = {
    "torch": 1.4,
    "tensorflow": 3.0,
    "sklearn": 1.0,
    "scipy": 0.4,
    "jax": 0.5,
    "numba": 0.2,
}
"""Libraries → seconds that importing them takes, about."""


def imported_for(pickled: bytes) -> frozenset[str]:
    """Return which of these libraries are imported where this is opened, as far as it and its modules name them.

    >>> import pickle, fractions
    >>> sorted(imported_for(pickle.dumps(fractions.Fraction(1, 2))))
    []
    """
    found = set()
    for name, module in list(sys.modules.items()):
        if name.encode() not in pickled:
            continue
        own = _library(name)
        found |= {own} if own in SECONDS_OF_IMPORTS else _named_in(module)
    return frozenset(found)


def seconds_of_imports(pickled: bytes) -> float:
    """Return the seconds that importing them takes, about."""
    return sum(SECONDS_OF_IMPORTS[library] for library in imported_for(pickled))


def _named_in(module: ModuleType | None) -> set[str]:
    """Return the libraries of which a module holds something."""
    held = list(vars(module).values()) if isinstance(module, ModuleType) else []
    homes = {value.__name__ for value in held if isinstance(value, ModuleType)}
    homes |= {type(value).__module__ for value in held}
    homes |= {home for value in held if isinstance(home := getattr(value, "__module__", None), str)}
    return {_library(home) for home in homes} & SECONDS_OF_IMPORTS.keys()


def _library(name: str) -> str:
    return name.partition(".")[0]
