"""What a report on a kernel says of the mistake: claims have the digits of the kernel's dtype."""

import pytest

torch = pytest.importorskip("torch")

from fastcheck.errors import InvalidProblemError  # noqa: E402
from fastcheck.torch import check_against  # noqa: E402


def reference(x):
    return torch.softmax(x / 2, -1)


class Softmax(torch.autograd.Function):
    scale = 0.5

    @staticmethod
    def forward(ctx, x):
        e = torch.exp((x - x.amax(-1, keepdim=True)) / 2)
        y = e / e.sum(-1, keepdim=True)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return Softmax.scale * y * (dy - (dy * y).sum(-1, keepdim=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_factor_that_is_forgotten_is_named_in_every_dtype(dtype, monkeypatch):
    def checked():
        return check_against(reference, Softmax, {"x": (4, 8)}, [dtype], shapes="given", layouts="contiguous")

    assert checked().passed
    monkeypatch.setattr(Softmax, "scale", 1.0)
    report = checked()
    assert not report.passed
    assert "dx is 2 times the right gradient" in str(report)
    assert "1 way tried" in str(report)


def test_a_number_among_the_inputs_is_told_where_to_go():
    with pytest.raises(
        InvalidProblemError, match=r"got 0\.5\. Other arguments go into both functions: lambda x"
    ):
        check_against(reference, Softmax, {"x": (4, 8), "scale": 0.5})
