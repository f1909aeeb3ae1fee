"""Where in the user's code the kinks are, as reports name them."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.kinks.feasible import Flags
from fastcheck.engines.graph.kinks.slopes_at_kinks import Kinks, UsersLine
from fastcheck.engines.graph.kinks.ties import Ties
from fastcheck.engines.graph.nodes.choices import Extremum
from fastcheck.engines.graph.nodes.movement import Selected
from fastcheck.engines.kink_place import KinkPlace

MOST_INDICES = 3
"""Entries at kinks that are named of an operation."""

NAMES = {"Absolute": "absolute", "Choice": "where", "Multiply": "multiply", "Norm": "sqrt"}
"""What users call operations."""


def places_of(kinks: Kinks, matters: Flags) -> tuple[KinkPlace, ...]:
    """Return where the ties are that matter, (rows,): one place for each operation that the user's code has."""
    places: dict[tuple[object, ...], KinkPlace] = {}
    for number, ties in kinks.ties.items():
        entries = ties.entries[matters[kinks.rows[number]]]
        line = kinks.lines.get(number)
        if not entries.size or line is None:
            continue
        place = _place(ties, entries, line)
        key = (place.function, place.filename, place.lineno, place.shape)
        known = places.get(key, place)  # in a loop one operation is recorded many times
        places[key] = dataclasses.replace(known, count=max(known.count, place.count))
    return tuple(places.values())


def _place(ties: Ties, entries: NDArray[np.intp], line: UsersLine) -> KinkPlace:
    shape = np.shape(ties.node.value)
    indices = np.stack(np.unravel_index(entries[:MOST_INDICES], shape), -1).tolist() if shape else [()]
    filename, lineno, source = line
    return KinkPlace(
        function=_name(ties),
        filename=filename,
        lineno=lineno,
        source=source,
        shape=shape,
        count=entries.size,
        indices=tuple(map(tuple, indices)),
    )


def _name(ties: Ties) -> str:
    """Return the name of an operation."""
    node = ties.node
    if isinstance(node, Extremum):
        return node.ufunc.__name__
    if isinstance(node, Selected):
        return node.name
    return NAMES[type(node).__name__]
