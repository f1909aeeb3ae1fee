"""Mistakes made to gradients that were right: entries, rows, columns, blocks, layout, precision.

Each is a function of the gradients and a random generator that returns the gradients with one block changed, drawn
at random among those in which the mistake can be made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.zoo.lines import NotHereError

Gradients = dict[str, Any]
Edit = Callable[[Any, np.random.Generator], Any]
Corruption = Callable[[Gradients, np.random.Generator], Gradients]

FACTORS = {"2": 2.0, "1.1": 1.1, "1.01": 1.01} | {f"(1 + 1e-{k})": 1 + 10.0**-k for k in (3, 4, 5, 6)}
SOME_FACTORS = {name: FACTORS[name] for name in ("2", "1.01", "(1 + 1e-4)", "(1 + 1e-6)")}


def in_one_block(edit: Edit) -> Corruption:
    """Return the edit of one block as a corruption of all gradients."""

    def corruption(gradients: Gradients, rng: np.random.Generator) -> Gradients:
        for name in rng.permutation(list(gradients)):
            block = gradients[name]
            try:
                edited = edit(block.copy(), rng)
            except NotHereError:
                continue
            return gradients | {str(name): edited.astype(block.dtype)}
        raise NotHereError

    return corruption


def entry(change: Callable[[Any], Any]) -> Corruption:
    """Return the change of one entry, not a zero if there is another."""

    def edit(g: Any, rng: np.random.Generator) -> Any:
        candidates = np.flatnonzero(g) if g.any() else np.arange(g.size)
        i = rng.choice(candidates)
        g.flat[i] = change(g.flat[i])
        return g

    return in_one_block(edit)


def row(change: Callable[[Any], Any], axis: int = 0) -> Corruption:
    """Return the change of one row (axis 0) or column (axis 1) of a matrix."""

    def edit(g: Any, rng: np.random.Generator) -> Any:
        expect(g.ndim >= 2 and g.shape[axis] > 1)
        rows = np.moveaxis(g, axis, 0)
        i = rng.integers(len(rows))
        rows[i] = change(rows[i])
        return g

    return in_one_block(edit)


def column(change: Callable[[Any], Any]) -> Corruption:
    """Return the change of one column of a matrix."""
    return row(change, axis=1)


def block(change: Callable[[Any], Any]) -> Corruption:
    """Return the change of a whole block."""
    return in_one_block(lambda g, rng: change(g))


def two_exchanged(axis: int | None) -> Corruption:
    """Return the exchange of two rows (axis 0), columns (axis 1) or entries (None)."""

    def edit(g: Any, rng: np.random.Generator) -> Any:
        expect(g.ndim >= 2 or axis is None)
        rows = g.reshape(-1) if axis is None else np.moveaxis(g, axis, 0)
        expect(len(rows) > 1)
        i, j = rng.choice(len(rows), 2, replace=False)
        rows[[i, j]] = rows[[j, i]]
        return g

    return in_one_block(edit)


def two_blocks_exchanged(gradients: Gradients, rng: np.random.Generator) -> Gradients:
    """Exchange two blocks of the same shape."""
    names = rng.permutation(list(gradients))
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            if gradients[one].shape == gradients[other].shape:
                return gradients | {str(one): gradients[other], str(other): gradients[one]}
    raise NotHereError


def transposed(g: Any, rng: np.random.Generator) -> Any:
    """Transpose a square matrix."""
    expect(g.ndim == 2 and g.shape[0] == g.shape[1] > 1)
    return g.T


def reshaped(g: Any, rng: np.random.Generator) -> Any:
    """Write the columns where rows belong."""
    expect(g.ndim >= 2 and min(g.shape) > 1)
    return g.T.reshape(g.shape)


def permuted(g: Any, rng: np.random.Generator) -> Any:
    """Put the units in another order."""
    expect(len(g) > 1)
    return rng.permutation(g)


def shifted(g: Any, rng: np.random.Generator) -> Any:
    """Move every entry by one place."""
    expect(g.size > 1)
    return np.roll(g, 1)


def reversed_order(g: Any, rng: np.random.Generator) -> Any:
    """Put the entries in reverse order."""
    expect(g.size > 1)
    return g.reshape(-1)[::-1].reshape(g.shape)


def four_digits(g: Any) -> Any:
    """Round to four digits, as printed numbers are."""
    return np.array([float(f"{x:.3e}") for x in g.ravel()]).reshape(g.shape)


def expect(condition: bool) -> None:
    """Raise `NotHereError` unless the mistake can be made in this block."""
    if not condition:
        raise NotHereError


CORRUPTIONS: dict[str, dict[str, Corruption]] = {
    "one entry": {
        **{f"one entry × {name}": entry(lambda x, f=f: x * f) for name, f in FACTORS.items()},
        "one entry zero": entry(lambda x: 0 * x),
        "one entry negated": entry(lambda x: -x),
        "two entries exchanged": two_exchanged(None),
    },
    "one row or column": {
        **{f"one row × {name}": row(lambda x, f=f: x * f) for name, f in SOME_FACTORS.items()},
        **{f"one column × {name}": column(lambda x, f=f: x * f) for name, f in SOME_FACTORS.items()},
        "one row zero": row(lambda x: 0 * x),
        "one row negated": row(lambda x: -x),
        "one column zero": column(lambda x: 0 * x),
        "two rows exchanged": two_exchanged(0),
        "two columns exchanged": two_exchanged(1),
    },
    "a block": {
        **{f"a block × {name}": block(lambda g, f=f: g * f) for name, f in FACTORS.items()},
        "a block zero": block(lambda g: 0 * g),
        "a block negated": block(lambda g: -g),
        "a constant added to a block": block(lambda g: g + 1e-3 * np.sqrt(np.mean(g**2))),
        "two blocks of the same shape exchanged": two_blocks_exchanged,
    },
    "layout": {
        "a square block transposed": in_one_block(transposed),
        "a block reshaped in the wrong order": in_one_block(reshaped),
        "units of a block permuted": in_one_block(permuted),
        "a block shifted by one place": in_one_block(shifted),
        "a block in reverse order": in_one_block(reversed_order),
    },
    "precision": {
        "a block stored in float32": block(lambda g: g.astype(np.float32)),
        "a block rounded to four digits": block(four_digits),
    },
}
"""All of them, by group and name."""
