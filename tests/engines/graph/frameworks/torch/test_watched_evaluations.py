"""Evaluations of functions that change nothing are not followed, and change nothing all the same."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fastcheck.engines.graph.frameworks.torch.cost import TorchCost  # noqa: E402
from fastcheck.engines.graph.frameworks.torch.protecting import Protecting, Watched  # noqa: E402

X = {"x": np.linspace(0.5, 2.0, 6)}
FARTHER = {"x": 1.5 * X["x"]}


def cost_of(function):
    """Return the sum of what a function of x returns as a cost."""
    return TorchCost(lambda tensors: function(tensors["x"]).sum(), [np.ones(())])


def test_a_function_that_changes_nothing_is_followed_once():
    weights = torch.linspace(-1.0, 1.0, 6, dtype=torch.float64)
    cost = cost_of(lambda x: torch.exp(weights * x))
    first = cost(X)
    assert cost.watched is not None
    assert cost(X) == first
    assert cost(FARTHER) == float(torch.exp(weights * torch.from_numpy(FARTHER["x"])).sum())
    assert cost.watched is not None


def test_a_buffer_that_is_written_into_elsewhere_only_holds_what_it_held():
    best = torch.full((6,), 3.0, dtype=torch.float64)
    wrote = []

    def function(x):
        if (x > best).any():
            best.copy_(x)
            wrote.append(True)
        return x * x

    cost = cost_of(function)
    cost(X), cost(X)
    assert not wrote
    cost({"x": 4 * X["x"]})
    assert wrote
    assert (best == 3.0).all()


def in_single(x):
    """Return a square in single precision."""
    return (x.float() ** 2).double()


def in_place(calls=torch.zeros((), dtype=torch.float64)):  # noqa: B008
    """Return a function that counts its calls."""
    return lambda x: x * calls.add_(1.0)


@pytest.mark.parametrize(
    "function", [in_single, in_place(), lambda x: x * torch.rand_like(x)], ids=["float32", "writes", "draws"]
)
def test_a_function_that_does_more_is_followed_each_time(function):
    cost = cost_of(function)
    first = cost(X)
    assert cost.watched is None
    assert cost(X) == first


def test_single_precision_beyond_a_branch_is_read_as_double_where_the_output_tells():
    cost = cost_of(lambda x: x.float() ** 2 if x.max() > 2.5 else x**2)
    cost(X), cost(X)
    assert cost(FARTHER) == pytest.approx(float(np.sum(FARTHER["x"] ** 2)), rel=1e-14)


def test_an_evaluation_that_differs_when_it_is_not_followed_is_followed_again():
    followed = []

    def function(x):
        modes = torch.utils._python_dispatch._len_torch_dispatch_stack()
        followed.append(modes > 0)
        return x * x * (1.0 if modes else 1.0 + 1e-15)

    cost = cost_of(function)
    assert cost(X) == cost(X)
    assert followed == [True, False, True]
    cost(X)
    assert followed[-1]


def test_large_tensors_are_not_watched():
    run = Protecting()
    small, large = torch.ones(3), torch.ones(2**20)
    with run:
        small + 1
    assert len(Watched.after(run).pairs) == 1
    assert Watched.after(run, [small]).pairs == []
    with run:
        large + 1
    assert Watched.after(run) is None


def test_zeros_of_forward_mode_have_no_memory():
    cost = cost_of(lambda x: x**2 + torch._efficientzerotensor((6,), dtype=x.dtype))
    np.testing.assert_allclose(cost(X), np.sum(X["x"] ** 2), rtol=1e-14)
