"""Of an output that is one number, claims for several upstream gradients are multiples of each other."""

import pytest

torch = pytest.importorskip("torch")

from fastcheck.torch import check_function  # noqa: E402
from fastcheck.torch.other_upstreams import follows  # noqa: E402
from fastcheck.torch.questions import Question  # noqa: E402


def loss_with(share):
    """Return the sum of squares, of which backward returns ``share(grad_output)`` times the gradient for 1."""

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return (x * x).sum()

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_tensors
            return share(grad_output) * 2 * x

    return Loss


def question(upstream, gradient):
    """Return an upstream gradient of one number, and what a backward pass returned for it."""
    return Question(upstream=[torch.tensor(upstream, dtype=torch.float64)], gradients={"x": gradient})


X = torch.linspace(-1.0, 2.0, 7, dtype=torch.float64)


def test_a_right_loss_is_measured_once_for_all_upstream_gradients():
    several, one = (check_function(loss_with(lambda u: u), X, cotangents=count) for count in (5, 1))
    assert several.passed
    assert several.forward_passes == one.forward_passes


@pytest.mark.parametrize(
    "share",
    [lambda u: 1.0, lambda u: u.abs(), lambda u: u**2, lambda u: u if u == 1 else u * (1 + 1e-6)],
    ids=["without it", "its size", "its square", "nearly"],
)
def test_a_loss_that_is_wrong_for_other_upstream_gradients_than_1_fails(share):
    report = check_function(loss_with(share), X, cotangents=[torch.tensor(1.0), torch.tensor(-1.75)])
    assert not report.passed
    assert any("upstream gradient number 2" in note for note in report.notes)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_multiple_is_one_to_a_share_of_the_tolerance(dtype):
    gradient = torch.linspace(-3.0, 5.0, 9, dtype=dtype)
    little = 1e-11 if dtype == torch.float64 else 1e-6
    first, nearly = question(2.0, gradient), (3 * gradient).clone()
    assert follows(first, question(6.0, nearly), 1e-7)
    nearly[3] += little
    assert follows(first, question(6.0, nearly), 1e-7)
    nearly[3] += 20 * little
    assert not follows(first, question(6.0, nearly), 1e-7)


def test_nothing_follows_where_the_output_has_entries_or_a_gradient_is_missing():
    gradient = torch.ones(3, dtype=torch.float64)
    of_entries = Question(upstream=[torch.ones(2)], gradients={"x": gradient})
    assert not follows(of_entries, of_entries, 1e-7)
    assert not follows(question(1.0, None), question(2.0, None), 1e-7)
    assert not follows(question(1.0, gradient), question(2.0, None), 1e-7)
    assert not follows(question(0.0, 0 * gradient), question(2.0, gradient), 1e-7)
    assert not follows(question(1.0, gradient), question(2.0, 2 * gradient * torch.nan), 1e-7)
