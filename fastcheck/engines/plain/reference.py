"""The reference loop: the textbook, one coordinate at a time. Slow, obviously right, judge of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def central_differences(
    cost: Callable[[NDArray[Any]], Any], theta: NDArray[Any], coordinates: Iterable[int], epsilon: Any
) -> NDArray[Any]:
    r"""Return the numerical gradient :math:`ĝ_i = (J(θ + ε e_i) − J(θ − ε e_i)) / 2ε`.

    Parameters
    ----------
    cost
        J, a function of a vector (n,). It gets a copy, so it may do what it likes to it.
    theta
        θ, shape (n,), of any dtype that can be added and divided; object arrays of mpmath numbers too.
    coordinates
        The k positions i in the vector.
    epsilon
        The step ε > 0, in the units of θ.

    Returns
    -------
    ndarray, shape (k,)
        ĝ for each coordinate, in their order, with the dtype of θ. Rounding makes each uncertain by about
        1e-16 · |J| / ε. Cost: 2 k forward passes.
    """
    gradient = []
    for i in coordinates:
        theta_plus = theta.copy()
        theta_plus[i] = theta_plus[i] + epsilon
        J_plus = cost(theta_plus)

        theta_minus = theta.copy()
        theta_minus[i] = theta_minus[i] - epsilon
        J_minus = cost(theta_minus)

        gradient.append((J_plus - J_minus) / (2 * epsilon))
    return np.array(gradient, dtype=theta.dtype)
