"""What is remembered of one run in the next."""

import numpy as np

from fastcheck.engines.difference.state import Memory


def test_products_are_remembered_for_the_numbers_and_not_for_the_memory():
    memory, rng = Memory(), np.random.default_rng(0)
    theta, X = rng.standard_normal((3, 4)), rng.standard_normal((4, 5))
    theta.flags.writeable = False
    view = X.view()
    view.flags.writeable = False  # X itself can still be written to
    calls = []

    def multiply(x, y):
        calls.append(1)
        return x @ y

    for number, factor in enumerate([1.0, 1.0, 2.0, 2.0, 1.0]):
        X *= factor
        found = memory.product(multiply, theta[:], view, "key")
        assert np.array_equal(found, theta @ X)
        found += 1  # belongs to the caller
        assert len(calls) == [1, 1, 2, 3, 4][number]
    (known,) = memory._products.values()
    assert np.shares_memory(known[0], theta)
    assert not np.shares_memory(known[1], X)
