"""The three-layer network of the courses as a cost that evaluates many parameter vectors at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcheck.errors import InvalidProblemError
from fastcheck.mlp.kernels import three_layer_costs

Vector = NDArray[np.float64]


class ThreeLayerCost:
    """Cross-entropy of a network ReLU, ReLU, sigmoid, compiled by numba: the course's `forward_propagation_n`.

    Parameters
    ----------
    X
        Inputs, shape (n0, m): features × samples.
    Y
        Labels 0 or 1, shape (n3, m) or (m,).
    sizes
        The units (n0, n1, n2, n3); n = n1 (n0 + 1) + n2 (n1 + 1) + n3 (n2 + 1) parameters.

    Raises
    ------
    InvalidProblemError
        Shapes of X, Y and sizes that do not fit together.

    Notes
    -----
    The cost equals that of ``MLP(("relu", "relu", "sigmoid"))``, and of the NumPy code, to a few units in
    the last place; where outputs are 0 or 1 to the last bit it stays finite, which the NumPy code does not.
    Several threads may call one object at once. Pass it to `fastcheck.check` as the cost: batches are then
    evaluated by `costs`. `check_mlp` with ``method="plain"`` does that by itself.

    Examples
    --------
    >>> from fastcheck import check, course
    >>> parameters, gradients, X, Y = course.gradient_check_n_solved_case()
    >>> check(ThreeLayerCost(X, Y, sizes=(4, 5, 3, 1)), parameters, gradients).passed
    True
    """

    def __init__(self, X: ArrayLike, Y: ArrayLike, sizes: tuple[int, ...]) -> None:
        self.X = np.array(X, dtype=float, order="C")
        if len(sizes) != 4 or self.X.ndim != 2 or self.X.shape[0] != sizes[0]:
            raise InvalidProblemError(
                f"X: expected shape (n0, m) for the sizes {tuple(sizes)}, got {self.X.shape}. "
                "Samples are columns."
            )
        m = self.X.shape[1]
        labels = np.array(Y, dtype=float, order="C")
        if labels.size != sizes[3] * m:
            raise InvalidProblemError(
                f"Y: expected shape {(sizes[3], m)}, one row per output and one column per sample, got "
                f"{labels.shape}."
            )
        self.Y = labels.reshape(sizes[3], m)
        self.sizes = tuple(sizes)

    @property
    def size(self) -> int:
        """Number of parameters n."""
        pairs = zip(self.sizes[:-1], self.sizes[1:], strict=True)
        return sum(n_out * (n_in + 1) for n_in, n_out in pairs)

    def __call__(self, parameters: Mapping[str, Any]) -> float:
        """Return J for a dict W1, b1, W2, b2, W3, b3. Cost: one forward pass."""
        names = [f"{kind}{layer}" for layer in (1, 2, 3) for kind in "Wb"]
        missing = [name for name in names if name not in parameters]
        if missing:
            raise InvalidProblemError(
                f"parameters: expected {', '.join(names)}, but {', '.join(missing)} is missing."
            )
        theta = np.concatenate([np.ravel(parameters[name]) for name in names])
        return float(self.costs(theta[None])[0])

    def costs(self, thetas: ArrayLike) -> Vector:
        """Return J of each row.

        ``thetas`` is (batch, n), its columns W1, b1, W2, b2, W3, b3, each raveled; the result is (batch,) and
        does not depend on how rows are grouped into batches. Cost: at most one forward pass per row, less
        where a row has units in common with the row before it.
        """
        rows = np.ascontiguousarray(thetas, dtype=float)
        if rows.ndim != 2 or rows.shape[1] != self.size:
            raise InvalidProblemError(
                f"thetas: expected shape (batch, {self.size}) for the sizes {self.sizes}, got {rows.shape}."
            )
        m = self.X.shape[1]
        A1, A2, Z3 = (np.empty((n, m)) for n in self.sizes[1:])
        changed1, changed2 = (np.empty(n, dtype=bool) for n in self.sizes[1:3])
        out = np.empty(rows.shape[0])
        three_layer_costs(rows, self.X, self.Y, A1, A2, Z3, changed1, changed2, out)
        return out
