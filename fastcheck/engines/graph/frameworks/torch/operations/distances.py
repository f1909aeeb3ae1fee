"""Distances between all pairs of points."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcheck.engines.graph.frameworks.torch.operations.table import aten


def lengths(x: Any, p: float) -> Any:
    """Return the p-norms along the last axis."""
    if p == 0:
        return np.sum(np.not_equal(x, 0) * 1.0, axis=-1)
    if p == 1:
        return np.sum(np.abs(x), axis=-1)
    if p == 2:
        return np.linalg.norm(x, axis=-1)
    if np.isinf(p):
        return np.max(np.abs(x), axis=-1)
    return np.power(np.sum(np.power(np.abs(x), p), axis=-1), 1.0 / p)


@aten("_cdist_forward", "cdist")
def cdist(x: Any, y: Any, p: float = 2.0, compute_mode: Any = None) -> Any:
    """Return the distances between points of two sets."""
    return lengths(np.expand_dims(x, -2) - np.expand_dims(y, -3), p)


@aten("_euclidean_dist")
def euclidean(x: Any, y: Any) -> Any:
    """Return the Euclidean distances between points of two sets."""
    return cdist(x, y)


@aten("_pdist_forward", "pdist")
def pdist(x: Any, p: float = 2.0) -> Any:
    """Return the distances between points of one set, each pair once."""
    first, second = np.triu_indices(np.shape(x)[0], 1)
    return lengths(x[first] - x[second], p)
