"""`gradcheck` and `gradgradcheck`: the signatures of PyTorch, what their arguments mean, and what they raise."""

import inspect
import warnings

import pytest

torch = pytest.importorskip("torch")

from torch.autograd.gradcheck import GradcheckError  # noqa: E402

from fastcheck.errors import InvalidProblemError  # noqa: E402
from fastcheck.report.result import Report  # noqa: E402
from fastcheck.torch import drop_in, gradcheck, gradgradcheck  # noqa: E402


def numbers(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).to(dtype).requires_grad_()


def scaled(factor, by_weight=1.0):
    """Return x² w, whose gradients are off by factors."""

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x * x * w

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return factor * 2 * x * w * g, by_weight * x * x * g

    return Scaled.apply


@pytest.mark.parametrize("name", ["gradcheck", "gradgradcheck"])
def test_the_signatures_are_those_of_torch(name):
    theirs = inspect.signature(getattr(torch.autograd, name)).parameters
    ours = inspect.signature(getattr(drop_in, name)).parameters
    assert [(p.name, p.kind, p.default) for p in ours.values()] == [
        (p.name, p.kind, p.default) for p in theirs.values()
    ]


def test_a_right_backward_pass_is_true():
    assert gradcheck(scaled(1.0), (numbers(3, 4), numbers(3, 4, seed=1))) is True
    assert gradcheck(torch.sin, numbers(5)) is True


@pytest.mark.parametrize("factor", [-1.0, 0.0, 1.01, 1 + 1e-5, 1 + 1e-6])
def test_a_wrong_one_raises_what_torch_raises_with_the_report(factor):
    x, w = numbers(3, 4), numbers(3, 4, seed=1)
    with pytest.raises(GradcheckError, match="FAIL") as caught:
        gradcheck(scaled(factor), (x, w))
    report = caught.value.report
    assert isinstance(report, Report)
    assert str(report) in str(caught.value)
    assert {name: str(block.verdict) for name, block in report.blocks.items()} == {"x": "fail", "w": "pass"}
    assert gradcheck(scaled(factor), (x, w), raise_exception=False) is False


def test_only_inputs_that_require_gradients_are_checked():
    x, w = numbers(3), numbers(3, seed=1)
    wrong_by_weight = scaled(1.0, 3.0)
    assert gradcheck(wrong_by_weight, (x, w.detach()))
    assert not gradcheck(wrong_by_weight, (x, w), raise_exception=False)
    assert not gradcheck(wrong_by_weight, (x.detach(), w), raise_exception=False)


def test_float32_is_held_to_its_rounding():
    x, w = numbers(3, 4, dtype=torch.float32), numbers(3, 4, seed=1, dtype=torch.float32)
    assert gradcheck(scaled(1.0), (x, w))
    assert not gradcheck(scaled(1.001), (x, w), raise_exception=False)


def test_a_kink_is_no_mistake():
    x = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert gradcheck(torch.relu, x)


@pytest.mark.parametrize("conjugate", [True, False])
def test_complex_inputs_and_outputs_are_pairs(conjugate):
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g * (b.conj() if conjugate else b), g * a.conj()

    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(3, dtype=torch.complex128, generator=generator).requires_grad_() for _ in range(2))
    assert gradcheck(Product.apply, (a, b), raise_exception=False) is conjugate


def test_numbers_that_are_not_finite_are_wrong():
    with pytest.raises(GradcheckError, match="finite numbers, got nan"):
        gradcheck(scaled(float("nan")), (numbers(3), numbers(3, seed=1)))
    with pytest.raises(GradcheckError, match=r"inf|nan"):
        gradcheck(torch.log, torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True))


def test_tensors_in_lists_are_found():
    x, w = numbers(3), numbers(3, seed=1)
    function = lambda pair, power: scaled(1.0, 2.0)(*pair) ** power  # noqa: E731
    with pytest.raises(GradcheckError) as caught:
        gradcheck(function, ([x, w], 2))
    assert {name: str(block.verdict) for name, block in caught.value.report.blocks.items()} == {
        "pair[0]": "pass",
        "pair[1]": "fail",
    }


def test_outputs_without_a_gradient_are_left_alone():
    class TwoOutputs(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            scale = x.abs().max()
            ctx.mark_non_differentiable(scale)
            ctx.save_for_backward(scale)
            return 3 * x, scale

        @staticmethod
        def backward(ctx, g, _):
            return 3 * g

    assert gradcheck(TwoOutputs.apply, numbers(4))


def test_a_function_without_gradient_must_be_constant():
    assert gradcheck(lambda x: torch.sign(x).detach(), numbers(4))
    with pytest.raises(GradcheckError, match="dx is zero"):
        gradcheck(lambda x: x.detach() * 2, numbers(4))


def test_modules_are_checked_with_respect_to_their_inputs():
    layer = torch.nn.Linear(3, 2).double()
    assert gradcheck(layer, numbers(4, 3))
    assert layer.weight.grad is None


def test_tensors_and_generators_are_as_before():
    x, w = numbers(3), numbers(3, seed=1)
    held = x.detach().clone()
    state = torch.get_rng_state()
    gradcheck(scaled(2.0), (x, w), raise_exception=False)
    gradgradcheck(scaled(1.0), (x, w), raise_exception=False)
    assert torch.equal(x, held)
    assert x.requires_grad
    assert x.grad is None
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"check_backward_ad": False}, "check_forward_ad=True or check_backward_ad=True"),
        ({"check_batched_forward_grad": True}, "check_batched_forward_grad of gradcheck"),
        (
            {"check_batched_grad": True, "check_forward_ad": True, "check_backward_ad": False},
            "check_batched_grad of gradcheck",
        ),
    ],
)
def test_arguments_that_do_not_fit_together_are_named(options, expected):
    with pytest.raises(InvalidProblemError, match=expected):
        gradcheck(torch.sin, numbers(2), **options)


@pytest.mark.parametrize("fn", [None, "sin", 3, torch.ones(2)])
def test_a_function_is_expected(fn):
    with pytest.raises(InvalidProblemError, match="fn of gradcheck: expected a function of tensors, got"):
        gradcheck(fn, numbers(2))
    with pytest.raises(InvalidProblemError, match="fn of gradgradcheck: expected a function of tensors, got"):
        gradgradcheck(fn, numbers(2))


def test_an_input_that_requires_a_gradient_is_expected():
    with pytest.raises(InvalidProblemError, match="requires_grad=True"):
        gradcheck(torch.sin, torch.ones(2))


def test_sparse_tensors_are_refused():
    sparse = torch.eye(3, dtype=torch.float64).to_sparse().requires_grad_()
    with pytest.raises(InvalidProblemError, match="dense"):
        gradcheck(torch.sparse.sum, sparse)
    with pytest.raises(InvalidProblemError, match="output 0"):
        gradcheck(lambda x: x.to_sparse(), numbers(3))


def test_what_is_ignored_is_said_once(monkeypatch):
    monkeypatch.setattr(drop_in, "_said", set())
    x = numbers(2)
    with pytest.warns(UserWarning, match=r"ignores atol=0\.001, fast_mode=True") as caught:
        gradcheck(torch.sin, x, atol=1e-3, fast_mode=True)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradcheck(torch.sin, x, atol=1e-3, fast_mode=True)
        gradcheck(torch.sin, x, eps=1e-6, masked=False)
    with pytest.warns(UserWarning, match="ignores eps"):
        gradgradcheck(torch.sin, x, eps=1e-3)


def test_rtol_decides_what_rounding_leaves_open():
    def rough(x):
        return torch.from_numpy((x.detach().numpy() * 3 + 1e9) - 1e9).requires_grad_(x.requires_grad)

    class Rough(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return rough(x)

        @staticmethod
        def backward(ctx, g):
            return 3 * g * Rough.factor

    Rough.factor = 1.0
    assert gradcheck(Rough.apply, numbers(3))
    Rough.factor = 1.1
    assert not gradcheck(Rough.apply, numbers(3), raise_exception=False)
