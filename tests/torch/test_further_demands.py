"""What gradcheck asks of a backward pass besides right gradients: each demand met, and not met."""

import pytest

torch = pytest.importorskip("torch")

from torch.autograd.gradcheck import GradcheckError  # noqa: E402

from fastcheck.torch import gradcheck  # noqa: E402
from fastcheck.torch.further_demands import demand_dtypes  # noqa: E402


def numbers(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()


def with_backward(backward, materialize=True):
    """Return x ↦ (2 x, 3 x) with a backward pass."""

    class TwoOutputs(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(materialize)
            ctx.save_for_backward(x)
            return 2 * x, 3 * x

    TwoOutputs.backward = staticmethod(backward)
    return TwoOutputs.apply


def right(ctx, a, b):
    return 2 * a + 3 * b


def test_outputs_without_gradient_count_as_zeros():
    def careful(ctx, a, b):
        parts = [factor * g for factor, g in ((2, a), (3, b)) if g is not None]
        return sum(parts) if parts else None

    def careless(ctx, a, b):
        return 2 * a if b is None else 3 * b if a is None else 2 * a + 3 * b

    def mistaken(ctx, a, b):
        if b is None:
            return None if a is None else 3 * a
        return 3 * b if a is None else 2 * a + 3 * b

    x = numbers(3)
    assert gradcheck(with_backward(right), x)
    assert gradcheck(with_backward(careful, materialize=False), x)
    with pytest.raises(GradcheckError, match="raises TypeError when all outputs have no gradient"):
        gradcheck(with_backward(careless, materialize=False), x)
    with pytest.raises(GradcheckError, match="input 0 is wrong when output 1 has no gradient"):
        gradcheck(with_backward(mistaken, materialize=False), x)
    assert gradcheck(with_backward(mistaken, materialize=False), x, check_undefined_grad=False)


def test_backward_passes_that_run_again_give_the_same():
    buffer = torch.zeros(3, dtype=torch.float64)

    def accumulating(ctx, a, b):
        buffer.add_(2 * a + 3 * b)
        return buffer.clone()

    x = numbers(3)
    with pytest.raises(GradcheckError):
        gradcheck(with_backward(accumulating), x)


def test_a_small_difference_between_runs_may_be_allowed():
    calls = []

    def drifting(ctx, a, b):
        calls.append(a)
        return (2 * a + 3 * b) * (1 + 1e-12 * len(calls))

    x = numbers(3)
    with pytest.raises(GradcheckError, match=r"runs a second time.*nondet_tol is 0"):
        gradcheck(with_backward(drifting), x)
    assert gradcheck(with_backward(drifting), x, nondet_tol=1e-6)


def test_several_gradients_of_outputs_at_once():
    def with_a_branch(ctx, a, b):
        return 2 * a + 3 * b if a.sum().item() > -1e9 else a

    x = numbers(3)
    assert gradcheck(with_backward(right), x, check_batched_grad=True)
    assert gradcheck(with_backward(with_a_branch), x)
    with pytest.raises(GradcheckError, match="vmap"):
        gradcheck(with_backward(with_a_branch), x, check_batched_grad=True)


def test_gradients_have_the_dtypes_of_inputs():
    assert gradcheck(with_backward(right), numbers(3), check_grad_dtypes=True)

    x = numbers(3)
    generator = torch.Generator().manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.autograd, "grad", lambda *_, **__: (torch.zeros(3, dtype=torch.float32),))
        with pytest.raises(GradcheckError, match=r"torch\.float32, and the input torch\.float64"):
            demand_dtypes(lambda: ([x], [2 * x]), generator)
