"""How sentences name the blocks that a pattern explains, and parts of these."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.detective.naming import gradient_names

PLURALS = {
    "is": "are",
    "has": "have",
    "lacks": "lack",
    "equals": "equal",
    "contains": "contain",
    "looks": "look",
    "counts": "count",
}
"""The verbs with which a pattern's words begin."""

MOST_LISTED = 4
"""Rows that a sentence lists."""

ORDINALS = {2: "second", 3: "third"}


def clause(names: Sequence[str], words: str) -> str:
    """Return what is said of the gradients of some blocks, with the verb that fits.

    >>> clause(["W1", "b1"], "is zero"), clause(["layers[0].W"], "lacks 2 times {theta}")
    ('dW1 and db1 are zero', 'the gradient of layers[0].W lacks 2 times layers[0].W')
    """
    subject = gradient_names(names)
    if len(names) == 1:
        return f"{subject} {words.replace('{theta}', names[0])}"
    verb, _, rest = words.partition(" ")
    return f"{subject} {PLURALS[verb]} {rest.replace('{theta}', 'their parameters')}"


def axis_noun(ndim: int, axis: int) -> str:
    """Return what an index of an axis selects: a row, a column, an entry, a slice."""
    if ndim == 1:
        return "entry"
    if ndim == 2:
        return ("row", "column")[axis]
    return f"slice of axis {axis}"


def lines(ndim: int, axis: int, length: int, numbers: NDArray[np.intp]) -> str:
    """Return what some indices of an axis select, in words.

    >>> lines(2, 0, 9, np.array([7, 8])), lines(2, 1, 9, np.array([1])), lines(1, 0, 9, np.arange(0, 9, 2))
    ('the last 2 rows', 'column 1', 'every second entry from 0')
    """
    noun = axis_noun(ndim, axis)
    first, last, count = int(numbers[0]), int(numbers[-1]), numbers.size
    if count == 1:
        return f"the last {noun}" if last == length - 1 and length > 2 else _numbered(noun, str(first))
    steps = np.diff(numbers)
    if (steps == 1).all():
        if first == 0:
            return f"the first {count} {_plural(noun)}"
        if last == length - 1:
            return f"the last {count} {_plural(noun)}"
        return _numbered(_plural(noun), f"{first} to {last}")
    step = int(steps[0])
    to_the_end = last + step >= length and first < step
    if count > 2 and (steps == step).all() and to_the_end:
        return f"every {ORDINALS.get(step, f'{step}th')} {noun} from {first}"
    return _numbered(_plural(noun), number_list([str(int(i)) for i in numbers[:MOST_LISTED]], count))


def number_list(shown: Iterable[str], count: int) -> str:
    """Return a list of some numbers, and how many there are in all if more."""
    listed = list(itertools.islice(shown, MOST_LISTED))
    more = count - len(listed)
    return ", ".join(listed) + (f" and {more} more" if more else "")


def _plural(noun: str) -> str:
    if noun == "entry":
        return "entries"
    first, _, rest = noun.partition(" ")
    return f"{first}s {rest}".rstrip()


def _numbered(noun: str, numbers: str) -> str:
    """Return "row 3", but "slice 3 of axis 2"."""
    first, _, rest = noun.partition(" ")
    return f"{first} {numbers} {rest}".rstrip()
