"""Functions of several outputs with right Jacobians, and mistakes to plant in these."""

import numpy as np
from scipy import sparse

RNG = np.random.default_rng(5)
WEIGHTS = RNG.standard_normal((6, 5))
POINT = RNG.standard_normal(5)


def layer(x):
    return np.tanh(WEIGHTS @ x)


def layer_jacobian(x):
    return (1 - np.tanh(WEIGHTS @ x) ** 2)[:, None] * WEIGHTS


def chain(x):
    y = x**2 + np.sin(x)
    y[1:] += x[:-1] * x[1:]
    return y


def chain_jacobian(x):
    below = x[1:]
    diagonal = 2 * x + np.cos(x) + np.concatenate([[0.0], x[:-1]])
    return sparse.diags([diagonal, below], [0, -1]).tocsr()


def unfollowed(function):
    """The same function, which hides its arrays from whoever records it."""

    def hidden(x):
        return function(np.frombuffer(x.tobytes()))

    return hidden


def with_entry(jacobian, row, column, change):
    changed = jacobian.copy()
    changed[row, column] = change(changed[row, column])
    return changed


PLANTED = {
    "half": (lambda J: J / 2, "J is ½ times the right one"),
    "sign": (lambda J: -J, "J has the wrong sign"),
    "zero": (lambda J: 0 * J, "J is zero"),
    "row": (lambda J: J * np.array([1, 1, 3, 1, 1, 1])[:, None], "row f[2] is 3 times the right one"),
    "row of zeros": (lambda J: J * np.array([1, 0, 1, 1, 1, 1])[:, None], "row f[1] is zero"),
    "column": (lambda J: J * np.array([1, 1, -1, 1, 1]), "column x[2] has the wrong sign"),
    "columns": (lambda J: J[:, [1, 0, 2, 3, 4]], "columns are exchanged: x[0] and x[1]"),
    "rows": (
        lambda J: J[[0, 2, 3, 1, 4, 5]],
        "rows are permuted: f[1] is that of f[2], f[2] is that of f[3], ",
    ),
    "shifted": (
        lambda J: np.concatenate([J[:, 1:], 0 * J[:, :1]], axis=1),
        "columns are shifted by 1: column x[0] is that of x[1], and so on (4 of them)",
    ),
    "one entry": (
        lambda J: with_entry(J, 2, 3, lambda e: 2 * e),
        "1 entry is 2 times the right value: (f[2], x[3])",
    ),
    "one zero": (
        lambda J: with_entry(J, 2, 3, lambda e: 0.0),
        "1 entry is 0 (the right value is not): (f[2], x[3])",
    ),
}
"""Mistakes, and what must be said of them first."""
