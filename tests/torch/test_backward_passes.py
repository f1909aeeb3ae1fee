"""The second derivative: the backward pass as a function of inputs and of gradients of outputs."""

import pytest

torch = pytest.importorskip("torch")

from torch.autograd.gradcheck import GradcheckError  # noqa: E402

from fastcheck.errors import InvalidProblemError  # noqa: E402
from fastcheck.torch import gradcheck, gradgradcheck  # noqa: E402
from fastcheck.torch.backward_passes import BackwardPass  # noqa: E402


def numbers(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()


class Cube(torch.autograd.Function):
    """x³, whose backward pass has a backward pass of its own."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return CubeBackward.apply(x, g, ctx.factor), None


class CubeBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, g, factor):
        ctx.save_for_backward(x, g)
        ctx.factor = factor
        return 3 * x * x * g

    @staticmethod
    def backward(ctx, h):
        x, g = ctx.saved_tensors
        return ctx.factor * x * g * h, 3 * x * x * h, None


def test_a_right_double_backward_pass_is_true():
    assert gradgradcheck(Cube.apply, (numbers(3), 6))
    assert gradgradcheck(lambda x, w: torch.tanh(x @ w), (numbers(3, 2), numbers(2, 2, seed=1)))


def test_a_wrong_one_is_found_though_the_gradient_is_right():
    assert gradcheck(Cube.apply, (numbers(3), 5))
    with pytest.raises(GradcheckError, match=r"0\.83") as caught:
        gradgradcheck(Cube.apply, (numbers(3), 5))
    verdicts = {name: str(block.verdict) for name, block in caught.value.report.blocks.items()}
    assert list(verdicts.values()) == ["fail", "pass"]


def test_gradients_of_outputs_may_be_given():
    x, u = numbers(3), numbers(3, seed=1)
    assert gradgradcheck(Cube.apply, (x, 6), u)
    assert gradgradcheck(Cube.apply, (x, 6), (u.detach(),))
    assert not gradgradcheck(Cube.apply, (x, 5), (u.detach(),), raise_exception=False)
    with pytest.raises(InvalidProblemError, match=r"grad_outputs .* \(3,\), got \(2,\)"):
        gradgradcheck(Cube.apply, (x, 6), numbers(2))


@pytest.mark.parametrize("contiguous", [True, False])
def test_those_that_are_drawn_are_in_order_or_not(contiguous):
    (drawn,) = BackwardPass(torch.sin, numbers(3, 2), None, contiguous=contiguous).grad_outputs
    assert drawn.is_contiguous() is contiguous
    assert drawn.shape == (3, 2)
    assert drawn.requires_grad


def test_forward_mode_of_the_backward_pass():
    x = numbers(3)
    assert gradgradcheck(
        lambda x: torch.sin(x) ** 2, x, check_fwd_over_rev=True, gen_non_contig_grad_outputs=True
    )
