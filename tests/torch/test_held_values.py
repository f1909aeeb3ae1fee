"""Values that a function of torch tensors holds constant on purpose: autograd and differences agree on it."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fastcheck import held_constant, straight_through  # noqa: E402
from fastcheck.torch import check_function  # noqa: E402

X = torch.linspace(-1, 1, 40, dtype=torch.float64).reshape(5, 8)
W = torch.linspace(0.3, 2.1, 15, dtype=torch.float64).reshape(3, 5)


class WrongSquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * x


def normalised(w):
    return ((w / held_constant((w * w).sum()) @ X) ** 2).sum()


def quantised(w):
    return ((straight_through(w, torch.round(4 * w) / 4) @ X) ** 2).sum()


@pytest.mark.parametrize("function", [normalised, quantised])
def test_what_is_held_is_held_in_differences_as_in_autograd(function):
    w = W.clone().requires_grad_()
    assert check_function(function, w).passed
    assert not check_function(lambda w: function(WrongSquare.apply(w)), w).passed


def test_without_the_declaration_detach_is_a_mistake():
    w = W.clone().requires_grad_()
    assert not check_function(lambda w: ((w / (w * w).sum().detach() @ X) ** 2).sum(), w).passed


def test_outside_of_checks_tensors_are_detached_and_keep_their_values():
    w = W.clone().requires_grad_()
    assert not held_constant(w).requires_grad
    rounded = straight_through(w, torch.round(w))
    np.testing.assert_allclose(rounded.detach(), torch.round(W), atol=1e-15)
    (slope,) = torch.autograd.grad(rounded.sum(), w)
    assert (slope == 1).all()
