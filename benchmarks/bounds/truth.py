"""The true gradient, with 50 digits: the cost's own lines, run on exact numbers instead of floats."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from benchmarks.exact_numpy import EXACT, NP, exact

Arrays = dict[str, Any]
Vector = NDArray[np.float64]

STEP = EXACT.mpf(10) ** -17
"""Truncation is about its square, rounding 1e-50 divided by it: both far below the last place of a float64."""

AGREE = 1e-25
"""Relative: a backward pass of 50 digits is right if a central difference along one direction confirms it."""


def true_gradient(network: Any, parameters: Arrays) -> tuple[Vector, Vector]:
    """Return ∇J at the parameters as two float64 vectors (n,) whose sum has 30 digits.

    By the network's backward pass, which a central difference along a random direction must confirm, or by central
    differences where there is none. All of it is computed with 50 digits.
    """
    point = {name: exact(np.asarray(block, dtype=float)) for name, block in parameters.items()}
    with _exactly(network):
        backward = getattr(network, "backward", None)
        if backward is None:
            gradient = np.concatenate([_differences(network.cost, point, name) for name in point])
        else:
            found = backward(point)
            gradient = np.concatenate([exact(found[name]).ravel() for name in point])
            _confirm(network.cost, point, gradient)
    first = gradient.astype(float)
    return first, (gradient - exact(first)).astype(float)


@contextlib.contextmanager
def _exactly(network: Any) -> Iterator[None]:
    """Let the module of the network's cost see NumPy with 50 digits."""
    with mock.patch.object(sys.modules[network.cost.__module__], "np", NP):
        yield


def _differences(cost: Any, point: Arrays, name: str) -> NDArray[Any]:
    slopes = []
    for i in range(point[name].size):
        ends = []
        for step in (STEP, -STEP):
            moved = point[name].copy()
            moved.flat[i] += step
            ends.append(cost(point | {name: moved}))
        slopes.append((ends[0] - ends[1]) / (2 * STEP))
    return np.array(slopes, dtype=object)


def _confirm(cost: Any, point: Arrays, gradient: NDArray[Any]) -> None:
    rng = np.random.default_rng(0)
    direction = {name: rng.standard_normal(block.shape) for name, block in point.items()}
    moved = [{name: x + h * direction[name] for name, x in point.items()} for h in (STEP, -STEP)]
    ends = [cost(parameters) for parameters in moved]
    slope = (ends[0] - ends[1]) / (2 * STEP)
    terms = gradient * np.concatenate([block.ravel() for block in direction.values()])
    if abs(slope - np.sum(terms)) > AGREE * np.sum(np.abs(terms)):
        raise AssertionError(f"The backward pass finds {np.sum(terms)} along a direction, the cost {slope}.")
