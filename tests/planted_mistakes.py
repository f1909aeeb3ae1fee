"""Mistakes that somebody might make in the gradient of a block, and where they are planted."""

from __future__ import annotations

import numpy as np
from structures import leaves, mapped


def largest(g):
    """Return the place of the largest entry."""
    return np.unravel_index(np.argmax(np.abs(g)), g.shape)


def times(factor):
    return lambda rng, g, theta: factor * g


def largest_times(factor):
    def edit(rng, g, theta):
        wrong = g.copy()
        wrong[largest(g)] *= factor
        return wrong

    return edit


def slightly_off(rng, g, theta):
    return largest_times(1 + 10 ** rng.uniform(-4.5, 0))(rng, g, theta)


def a_row_missing(rng, g, theta):
    wrong = np.atleast_1d(g.copy())
    wrong[largest(wrong)[0]] = 0
    return wrong.reshape(g.shape)


def rows_swapped(rng, g, theta):
    wrong = g.copy()
    if g.ndim and len(g) > 1:
        wrong[[0, 1]] = g[[1, 0]]
    return wrong


def two_exchanged(rng, g, theta):
    wrong = g.copy()
    low, high = np.argmin(g), np.argmax(g)
    wrong.flat[[low, high]] = g.flat[[high, low]]
    return wrong


def transposed(rng, g, theta):
    return g.T.copy() if g.T.shape == g.shape else g.ravel(order="F").reshape(g.shape)


def something_for_nothing(rng, g, theta):
    wrong = g.copy()
    wrong.flat[rng.integers(g.size)] += 0.01
    return wrong


MISTAKES = {
    "doubled": times(2),
    "halved": times(0.5),
    "of the wrong sign": times(-1),
    "zero": times(0),
    "not averaged": times(20),
    "averaged over one more": times(20 / 21),
    "by a factor near 1": times(1 + 1e-4),
    "one entry off by 1e-4": largest_times(1 + 1e-4),
    "one entry off by more": slightly_off,
    "one entry missing": largest_times(0),
    "one entry of the wrong sign": largest_times(-1),
    "a row missing": a_row_missing,
    "rows swapped": rows_swapped,
    "two entries exchanged": two_exchanged,
    "backwards": lambda rng, g, theta: g.ravel()[::-1].reshape(g.shape),
    "shifted": lambda rng, g, theta: np.roll(g, 1),
    "transposed": transposed,
    "weight decay": lambda rng, g, theta: g + rng.choice([0.01, 0.3]) * theta,
    "the mean everywhere": lambda rng, g, theta: np.full(g.shape, g.mean()),
    "the sum everywhere": lambda rng, g, theta: np.full(g.shape, g.sum()),
    "a little everywhere": lambda rng, g, theta: (
        g + 1e-4 * np.sqrt(np.mean(g**2)) * rng.standard_normal(g.shape)
    ),
    "something for nothing": something_for_nothing,
}
"""From name to a function of a generator, the block's gradient and the block."""


def planted(mistake, rng, scenario, number):
    """Return the gradients with a mistake in a block, its name, and how many entries differ; None if none does."""
    _, block = leaves(scenario.gradients)[number]
    name, theta = leaves(scenario.parameters)[number]
    claim = np.array(MISTAKES[mistake](rng, np.array(block, float), np.array(theta, float)))
    error, size = np.abs(claim - block), max(np.abs(block).max(), np.abs(claim).max())
    noticeable = 5e-5 * size if np.asarray(block).dtype == np.float32 else 1e-6 * size
    whole = max(np.abs(g).max() for _, g in leaves(scenario.gradients))
    if not error.max() > max(noticeable, 1e-12 * whole):  # a gradient of zero is known to its rounding
        return None
    return replaced(scenario.gradients, number, claim), name, int((error > noticeable).sum())


def replaced(structure, number, claim):
    """Return a structure with another block of this number: an array or a number as it was."""
    count = iter(range(10**6))

    def visit(leaf):
        if next(count) != number:
            return leaf
        return float(claim) if isinstance(leaf, float) else claim.astype(np.asarray(leaf).dtype)

    return mapped(visit, structure)
