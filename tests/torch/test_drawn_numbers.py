"""Forwards that draw random numbers draw the same ones in every evaluation, whatever draws them."""

import pytest

torch = pytest.importorskip("torch")

from torch import distributions  # noqa: E402

from fastcheck.torch import check_function  # noqa: E402


def drawn_around(x):
    """Multiply x with draws around tensors and numbers."""
    zeros, ones = torch.zeros_like(x), torch.ones_like(x)
    return x * (torch.normal(zeros, ones) + torch.normal(zeros, 2.0) + torch.normal(1.0, ones))


def drawn_into(x):
    """Multiply x with draws into tensors that there are."""
    noise = torch.randn(x.shape, out=torch.empty_like(x))
    ones = torch.bernoulli(torch.full_like(x, 0.4), out=torch.empty_like(x))
    around = torch.normal(torch.zeros_like(x), 2.0, out=torch.empty_like(x))
    return x * (noise + ones + around)


FORWARDS = {
    "normal of tensors": drawn_around,
    "into tensors": drawn_into,
    "normal around x": lambda x: torch.normal(x.mean() + torch.zeros_like(x), 1.0) * x.mean(),
    "samples of actions": lambda x: (choice := distributions.Categorical(logits=x)).log_prob(choice.sample()),
    "sample of a normal": lambda x: distributions.Normal(x, 1 + x**2).log_prob(torch.ones_like(x)),
    "counts": lambda x: x * torch.poisson(torch.exp(x)),
}
"""Forward passes, right but for what they draw around x, of which autograd sees nothing."""

RIGHT = tuple(name for name in FORWARDS if name != "normal around x")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", RIGHT)
def test_what_is_drawn_is_drawn_again(name, dtype):
    x = torch.linspace(-1.0, 1.3, 12, dtype=dtype).reshape(3, 4)
    report = check_function(FORWARDS[name], x, cotangents=1)
    assert report.passed, str(report)
    assert not any("evaluated plainly" in note for note in report.notes), report.notes
    wrong = check_function(
        lambda x: FORWARDS[name](x) * (1 + 0.01 * x.detach().square().sum()), x, cotangents=1
    )
    assert not wrong.passed


def test_a_mean_that_autograd_forgets_is_seen():
    x = torch.linspace(-1.0, 1.3, 12, dtype=torch.float64).reshape(3, 4)
    assert not check_function(FORWARDS["normal around x"], x, cotangents=1).passed
