"""Data in single or half precision, beside parameters in double: slopes are as precise as with data in double."""

from __future__ import annotations

import numpy as np
import pytest

from fastcheck import check, numerical_gradient

RNG = np.random.default_rng(0)
X = RNG.standard_normal(6)
SINGLE, HALF = np.float32(np.abs(X) + 0.3), np.float16(np.abs(X) + 0.3)
COMPLEX = np.complex64(SINGLE + 0.1j * SINGLE)
KNOTS, HEIGHTS = np.float32([-2.2, -1.1, 0.3, 1.3]), np.float32([0.1, 0.7, 0.3, 0.2])

COSTS = {
    "x / single": lambda x: np.sum(np.sin(x / SINGLE)),
    "x / half": lambda x: np.sum(np.sin(x / HALF)),
    "x / a number": lambda x: np.sum(np.sin(x / np.float32(0.3))),
    "single / x": lambda x: np.sum(SINGLE / (2 + x**2)),
    "x ** single": lambda x: np.sum((1 + x**2) ** SINGLE),
    "single ** x": lambda x: np.sum(SINGLE**x),
    "logaddexp": lambda x: np.sum(np.logaddexp(x, SINGLE)),
    "unsigned": lambda x: np.sum((1 + x**2) ** np.uint8([1, 2, 3, 4, 5, 6])),
    "einsum of three": lambda x: np.einsum("i,i,j->", SINGLE, np.sin(x), HALF),
    "interp": lambda x: np.sum(np.interp(x, KNOTS, HEIGHTS)),
    "x / complex": lambda x: np.sum(np.abs(x / COMPLEX) ** 3),
    "complex / x": lambda x: np.sum(np.abs(COMPLEX / (x + 1j)) ** 2),
}


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
def test_slopes_are_as_precise_as_with_data_in_double(cost):
    right = numerical_gradient(cost, X, method="plain")
    assert check(cost, X, right, method="difference").passed
    found = numerical_gradient(cost, X, method="difference")
    assert not check(cost, X, found * (1 + 1e-3 * (np.arange(6) == 2)), method="difference").passed
    np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-9 * np.abs(right).max())


def test_whole_numbers_that_fill_an_array_stay_whole():
    def cost(x):
        first, mask = np.full(3, np.argmax(x)), np.full(6, x[0] > 0)
        last = np.full((2,), np.argmin(x), dtype=int)
        return np.sum(x[first] ** 2) + np.sum(x[last] ** 3) + np.sum(x[mask] ** 2) + first[1] * np.sum(x)

    right = numerical_gradient(cost, X, method="plain")
    assert check(cost, X, right, method="difference").passed
    assert not check(cost, X, right * (1 + 1e-4 * (np.arange(6) == 1)), method="difference").passed
