"""Derivatives in forward mode are checked along directions, for each input by itself."""

import pytest

torch = pytest.importorskip("torch")

from torch.autograd.gradcheck import GradcheckError  # noqa: E402

from fastcheck.torch import gradcheck  # noqa: E402


def numbers(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()


def cubed(by_x=3.0, by_w=1.0, last=1.0):
    """Return x³ w, whose derivative in forward mode is off by factors, that of the last entry of x by ``last``."""

    class Cubed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_forward(x, w)
            ctx.save_for_backward(x, w)
            return x * x * x * w

        @staticmethod
        def jvp(ctx, tangent_x, tangent_w):
            x, w = ctx.saved_tensors
            along_x = by_x * x * x * w * tangent_x
            along_x[-1] *= last
            return along_x + by_w * x * x * x * tangent_w

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return 3 * x * x * w * g, x * x * x * g

    return Cubed.apply


FORWARD = {"check_forward_ad": True, "check_backward_ad": False}


def test_right_derivatives_are_true():
    point = (numbers(4), numbers(4, seed=1))
    assert gradcheck(cubed(), point, **FORWARD)
    assert gradcheck(cubed(), point, check_forward_ad=True)
    assert gradcheck(lambda x, w: torch.tanh(x * w), point, check_forward_ad=True)


@pytest.mark.parametrize(
    ("wrong", "block"), [({"by_x": 2.0}, "x"), ({"by_w": -1.0}, "w"), ({"last": 1 + 1e-5}, "x")]
)
def test_wrong_ones_are_found_and_the_input_is_named(wrong, block):
    point = (numbers(4), numbers(4, seed=1))
    with pytest.raises(GradcheckError, match="forward mode") as caught:
        gradcheck(cubed(**wrong), point, **FORWARD)
    verdicts = {name: str(one.verdict) for name, one in caught.value.report.blocks.items()}
    assert [name for name, verdict in verdicts.items() if verdict == "fail"] == [block]
    assert gradcheck(cubed(**wrong), point)  # the backward pass is right


def test_a_function_without_forward_mode_is_told_so():
    class Backward(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    with pytest.raises(GradcheckError, match="jvp"):
        gradcheck(Backward.apply, numbers(3), check_forward_ad=True)


def test_several_directions_at_once():
    point = (numbers(4), numbers(4, seed=1))
    assert gradcheck(
        lambda x, w: torch.tanh(x * w), point, check_forward_ad=True, check_batched_forward_grad=True
    )
    with pytest.raises(GradcheckError, match="vmap"):
        gradcheck(cubed(), point, check_forward_ad=True, check_batched_forward_grad=True)
