import pytest

torch = pytest.importorskip("torch")

from fastcheck.torch import check_function  # noqa: E402


def tensors(*shapes, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, dtype=dtype, generator=generator) for shape in shapes]


class Layer(torch.autograd.Function):
    factor = 1.0

    @staticmethod
    def forward(ctx, x, w):
        h = torch.tanh(x @ w)
        ctx.save_for_backward(x, w, h)
        return h

    @staticmethod
    def backward(ctx, u):
        x, w, h = ctx.saved_tensors
        g = u * (1 - h * h)
        return g @ w.T, Layer.factor * (x.T @ g)


@pytest.mark.parametrize("fn", [Layer, Layer.apply, lambda x, w: Layer.apply(x, w)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_function_passes_and_a_factor_in_it_is_named(fn, dtype, monkeypatch):
    x, w = tensors((5, 4), (4, 3), dtype=dtype)
    report = check_function(fn, x, w)
    assert report.passed, report
    assert list(report.blocks) == ["x", "w"]
    monkeypatch.setattr(Layer, "factor", 1.01)
    report = check_function(fn, x, w)
    assert [block.verdict.value for block in report.blocks.values()] == ["pass", "fail"]
    assert "dw is 1.01 times the right gradient" in report.causes[0].sentence
