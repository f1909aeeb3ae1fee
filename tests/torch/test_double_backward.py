import pytest

torch = pytest.importorskip("torch")

from fastcheck.errors import EvaluationError  # noqa: E402
from fastcheck.torch import check_function  # noqa: E402


def cube(mistake=""):
    """Return x³ w with a backward pass that may be differentiated, and a mistake in that."""

    class Backward(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w, g):
            ctx.save_for_backward(x, w, g)
            return 3 * x**2 * w * g, x**3 * g

        @staticmethod
        def backward(ctx, u, v):
            x, w, g = ctx.saved_tensors
            dx = 6 * x * w * g * u + 3 * x**2 * g * v
            dw = 3 * x**2 * g * u
            dg = 3 * x**2 * w * u + x**3 * v
            if mistake == "x":
                dx = 6 * x * w * g * u
            if mistake == "grad_output":
                dg = 3 * x**2 * w * u
            return dx, dw, dg

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x**3 * w

        @staticmethod
        def backward(ctx, grad_output):
            return Backward.apply(*ctx.saved_tensors, grad_output)

    return Cube


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(4, dtype=torch.float64, generator=generator) for _ in "xw"]


def test_a_right_double_backward_pass_passes_certified(inputs):
    report = check_function(cube(), *inputs, order=2)
    assert report.passed, report
    assert report.certified is not None
    assert list(report.blocks) == ["x", "w", "grad_output"]


@pytest.mark.parametrize("wrong", ["x", "grad_output"])
def test_a_wrong_double_backward_pass_fails_where_it_is_wrong(wrong, inputs):
    assert check_function(cube(wrong), *inputs).passed
    report = check_function(cube(wrong), *inputs, order=2)
    failing = [name for name, block in report.blocks.items() if block.verdict == "fail"]
    assert failing == [wrong]


def test_a_factor_that_backward_takes_as_constant_is_found(inputs):
    class Square(torch.autograd.Function):
        detached = True

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * (x.detach() if Square.detached else x) * g

    assert check_function(Square, inputs[0]).passed
    report = check_function(Square, inputs[0], order=2)
    assert "the double backward pass has no gradient of x" in report.causes[0].sentence
    assert "detached" in report.causes[0].evidence
    Square.detached = False
    assert check_function(Square, inputs[0], order=2).passed


def test_ordinary_functions_and_several_outputs_pass(inputs):
    report = check_function(lambda x, w: (torch.sin(x) * w, (x * w).sum()), *inputs, order=2)
    assert report.passed, report
    assert list(report.blocks) == ["x", "w", "grad_output[0]", "grad_output[1]"]


def test_functions_that_are_differentiated_once_are_told(inputs):
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    assert check_function(Once, inputs[0]).passed
    with pytest.raises(EvaluationError, match="once_differentiable"):
        check_function(Once, inputs[0], order=2)


def test_an_operation_that_pytorch_differentiates_once_is_named(inputs):
    def distances(x):
        return torch.cdist(x.reshape(-1, 1), 2 + x.reshape(-1, 1))

    assert check_function(distances, inputs[0]).passed
    with pytest.raises(EvaluationError, match=r"'_cdist_backward' is not implemented\. .*order=1"):
        check_function(distances, inputs[0], order=2)
