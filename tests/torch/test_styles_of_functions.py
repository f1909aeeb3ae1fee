"""Functions and modules as many people write them: right ones pass, certified, and a mistake in each fails."""

import math
import warnings

import pytest

torch = pytest.importorskip("torch")

from fastcheck.torch import check_function  # noqa: E402

F = torch.nn.functional
CLOSE = 1e-12


def drawn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed + sum(shape)))


class Linear(torch.autograd.Function):
    """As in a tutorial: asks which gradients are needed, and adds the bias in place."""

    mistake = False

    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        if bias is not None:
            output += bias.unsqueeze(0).expand_as(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = grad_output.mm(weight)
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output.t().mm(input)
        if bias is not None and ctx.needs_input_grad[2]:
            grad_bias = grad_output.mean(0) if Linear.mistake else grad_output.sum(0)
        return grad_input, grad_weight, grad_bias


class Swish(torch.autograd.Function):
    """Its forward and its context are two functions; keeps what it needs in attributes."""

    mistake = False

    @staticmethod
    def forward(x, beta):
        return x * torch.sigmoid(beta * x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.beta = inputs
        ctx.save_for_backward(x, output)

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        s = torch.sigmoid(ctx.beta * x)
        return dy * (s + (1.0 if Swish.mistake else ctx.beta) * y * (1 - s)), None


class ExpInPlace(torch.autograd.Function):
    """Overwrites its input, and says so."""

    mistake = False

    @staticmethod
    def forward(ctx, x):
        x.exp_()
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * (y + 1) if ExpInPlace.mistake else g * y


class MaxAndPlace(torch.autograd.Function):
    """Returns numbers, places that have no gradient, and nothing."""

    mistake = False

    @staticmethod
    def forward(ctx, scores):
        values, places = scores.max(dim=-1)
        ctx.mark_non_differentiable(places)
        ctx.places, ctx.shape = places, scores.shape
        return values, places, None

    @staticmethod
    def backward(ctx, g_values, _g_places, _g_none):
        grad = g_values.new_zeros(ctx.shape)
        places = torch.zeros_like(ctx.places) if MaxAndPlace.mistake else ctx.places
        grad.scatter_(-1, places.unsqueeze(-1), g_values.unsqueeze(-1))
        return grad


class MaskedMean(torch.autograd.Function):
    """A truth-valued mask, fancy indexing, a loop over rows, Python's numbers, and a number of its own class."""

    mistake = False
    eps = 1e-8

    @staticmethod
    def forward(ctx, x, mask):
        rows = []
        for row, seen in zip(x, mask, strict=True):
            chosen = row[seen]
            rows.append(chosen.sum() / (float(seen.sum()) + MaskedMean.eps))
        ctx.save_for_backward(mask)
        return torch.stack(rows)

    @staticmethod
    def backward(ctx, g):
        (mask,) = ctx.saved_tensors
        counts = mask.sum(1, keepdim=True).to(g.dtype) + MaskedMean.eps
        grad = torch.zeros(mask.shape, dtype=g.dtype)
        grad[:] = g[:, None] / counts
        if not MaskedMean.mistake:
            grad[~mask] = 0
        return grad, None


class Rotation(torch.autograd.Function):
    """Slices and writes into a new tensor; the cosines are computed in float32 and cached."""

    mistake = False
    cache = None

    @staticmethod
    def angles(n, d):
        if Rotation.cache is None:
            steps = torch.arange(0, d, 2).float() / d
            Rotation.cache = torch.outer(torch.arange(n).float(), 10.0**-steps)
        return Rotation.cache.cos(), Rotation.cache.sin()

    @staticmethod
    def turned(x, cos, sin):
        y = torch.empty_like(x)
        y[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
        y[..., 1::2] = x[..., 0::2] * sin + x[..., 1::2] * cos
        return y

    @staticmethod
    def forward(ctx, x):
        ctx.cos, ctx.sin = Rotation.angles(*x.shape[-2:])
        return Rotation.turned(x, ctx.cos, ctx.sin)

    @staticmethod
    def backward(ctx, g):
        return Rotation.turned(g, ctx.cos, ctx.sin if Rotation.mistake else -ctx.sin)


class CrossEntropy(torch.autograd.Function):
    """A loss that reads its value as a number, and scales it by it."""

    mistake = False

    @staticmethod
    def forward(ctx, logits, labels):
        p = torch.softmax(logits, dim=1)
        cost = -torch.log(p[torch.arange(len(labels)), labels]).mean()
        assert math.isfinite(float(cost))
        ctx.save_for_backward(p, labels)
        return cost

    @staticmethod
    def backward(ctx, g):
        p, labels = ctx.saved_tensors
        d = p.clone()
        d[torch.arange(len(labels)), labels] -= 1
        return g * d / (1 if CrossEntropy.mistake else len(labels)), None


LABELS = torch.tensor([0, 2, 1, 1, 0])
MASK = torch.tensor([[1, 0, 1, 1], [0, 1, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)

FUNCTIONS = [
    (Linear, Linear.apply, (drawn(5, 4), drawn(3, 4), drawn(3))),
    (Swish, Swish.apply, (drawn(4, 3), 1.5)),
    (ExpInPlace, lambda x: ExpInPlace.apply(x.clone()), (drawn(4, 3),)),
    (MaxAndPlace, MaxAndPlace, (drawn(4, 3),)),
    (MaskedMean, MaskedMean.apply, (drawn(3, 4), MASK)),
    (CrossEntropy, CrossEntropy.apply, (drawn(5, 3), LABELS)),
]


@pytest.mark.parametrize(("cls", "fn", "inputs"), FUNCTIONS, ids=lambda x: getattr(x, "__name__", ""))
def test_right_functions_pass_certified_and_wrong_ones_fail(cls, fn, inputs, monkeypatch):
    report = check_function(fn, *inputs)
    assert report.passed, report
    assert report.certified is not None, report
    assert report.difference < CLOSE
    monkeypatch.setattr(cls, "mistake", True)
    assert not check_function(fn, *inputs).passed


def test_constants_in_float32_are_read_in_double_precision(monkeypatch):
    x = drawn(3, 4)
    report = check_function(Rotation, x)
    assert report.passed, report
    assert report.certified is not None
    assert any("float32" in note for note in report.notes)
    assert Rotation.cache is None
    monkeypatch.setattr(Rotation, "mistake", True)
    assert not check_function(Rotation, x).passed


class Recurrent(torch.nn.Module):
    """An LSTM cell in a loop, its states written into a tensor, and a running mean."""

    def __init__(self):
        super().__init__()
        self.cell = torch.nn.LSTMCell(3, 4)
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, steps):
        h = steps.new_zeros(steps.shape[1], 4)
        c = torch.zeros_like(h)
        out = steps.new_zeros(*steps.shape[:2], 4)
        for t, x in enumerate(steps):
            h, c = self.cell(x, (h, c))
            out[t] = h
        self.mean.mul_(0.9).add_(0.1 * out.detach().mean((0, 1)))
        return {"out": out, "state": (h, c)}


class Tied(torch.nn.Module):
    """One matrix in two places."""

    def __init__(self):
        super().__init__()
        self.encode = torch.nn.Embedding(5, 3)
        self.decode = torch.nn.Linear(3, 5, bias=False)
        self.decode.weight = self.encode.weight

    def forward(self, tokens):
        return self.decode(torch.tanh(self.encode(tokens)))


def normalised():
    return torch.nn.Sequential(
        torch.nn.Linear(3, 4),
        torch.nn.BatchNorm1d(4),
        torch.nn.GELU(),
        torch.nn.Dropout(0.3),
        torch.nn.Linear(4, 2),
    )


MODULES = [
    (
        Recurrent,
        drawn(3, 2, 3),
        ["steps", "cell.weight_ih", "cell.weight_hh", "cell.bias_ih", "cell.bias_hh"],
    ),
    (Tied, torch.tensor([[0, 4], [1, 1]]), ["encode.weight"]),
    (normalised, drawn(6, 3), ["input", *(f"{k}.{p}" for k in (0, 1, 4) for p in ("weight", "bias"))]),
]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("make", "x", "names"), MODULES, ids=["recurrent", "tied", "normalised"])
def test_modules_pass_and_a_parameter_with_a_hook_that_changes_its_gradient_fails(make, x, names, dtype):
    torch.manual_seed(0)
    module = make().to(dtype)
    x = x.to(dtype) if x.is_floating_point() else x
    report = check_function(module, x)
    assert report.passed, report
    assert report.certified is not None, report
    assert list(report.blocks) == names
    parameter = torch.nn.Parameter(module.get_parameter(names[-1]).detach())

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, w):
            return w.clone()

        @staticmethod
        def backward(ctx, g):
            return g * 0.999

    def called(x, w):
        return torch.func.functional_call(module, {names[-1]: Wrong.apply(w)}, (x,))

    report = check_function(called, x, parameter)
    assert [block.verdict.value for block in report.blocks.values()][-1] == "fail"


def test_values_that_python_reads_are_followed():
    def fn(x):
        if x.sum() > 0:
            x = x * 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scale = float(x.abs().max())
        return x * scale + x.detach() * 0

    x = torch.tensor([0.5, -0.25, 1.0], dtype=torch.float64)
    report = check_function(fn, x)
    assert not report.passed  # autograd does not see float(): the maximum counts as a constant
    assert check_function(lambda x: x * x.abs().max() * 4 if x.sum() > 0 else x, x).passed


class Rounded(torch.autograd.Function):
    """A product with a hand-written backward pass, which autocast may compute in half precision."""

    factor = 1.0

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return torch.sin(x @ w)

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        g = g * torch.cos(x @ w).to(g.dtype) * Rounded.factor
        return g @ w.mT.to(g.dtype), x.mT.to(g.dtype) @ g


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_held_to_its_rounding_and_its_formulas_to_double_precision(dtype, monkeypatch):
    x, w = drawn(5, 4, dtype=torch.float64), drawn(4, 3, dtype=torch.float64)

    def under_autocast(x, w):
        with torch.autocast("cpu", dtype=dtype):
            return Rounded.apply(x, w).float()

    report = check_function(Rounded, x.to(dtype), w.to(dtype))
    assert report.passed, report
    assert "backward ran in double precision" in report.notes[-1]
    report = check_function(under_autocast, x.float(), w.float())
    assert report.passed, report
    assert "float16 at line" in report.notes[-1]
    monkeypatch.setattr(Rounded, "factor", 1.0001)
    assert not check_function(Rounded, x.to(dtype), w.to(dtype)).passed
    assert not check_function(under_autocast, x.float(), w.float()).passed


def test_a_claim_in_float32_is_held_to_its_rounding_and_to_more_where_it_is_computed_in_double(monkeypatch):
    x, w = drawn(5, 4, dtype=torch.float32), drawn(4, 3, dtype=torch.float32)
    monkeypatch.setattr(Rounded, "factor", 1 + 1e-6)
    assert check_function(Rounded, x, w).passed
    assert not check_function(Rounded, x, w, dtype=torch.float64).passed
    monkeypatch.setattr(Rounded, "factor", 1.0)
    assert check_function(Rounded, x, w, dtype=torch.float64).difference < CLOSE
