"""What a function of tensors detaches, declared as constant on purpose: held_constant="detach"."""

import inspect

import pytest

torch = pytest.importorskip("torch")

from fastcheck import EvaluationError, InvalidProblemError, held_constant, straight_through  # noqa: E402
from fastcheck.torch import check_function, gradcheck  # noqa: E402

X = torch.linspace(-1, 1, 40, dtype=torch.float64).reshape(5, 8)
W = torch.linspace(0.3, 2.1, 15, dtype=torch.float64).reshape(3, 5)


class HalfSquare(torch.autograd.Function):
    """The square, with half of its gradient."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dout):
        return dout * ctx.saved_tensors[0]


def rounded(w):
    return w + (torch.round(4 * w) / 4 - w).detach()


def scaled_by_data(w):
    return w / w.data.abs().max()


def scaled_by_number(w):
    return w / w.abs().max().item()


def quantised_without_grad(w):
    with torch.no_grad():
        scale = w.abs().max() / 7
        steps = torch.round(w / scale)
        steps.mul_(scale)
    return w + steps - w.detach()


def less_a_baseline(w):
    with torch.no_grad():
        mean, largest = w.mean(0, keepdim=True), w.max(dim=1, keepdim=True)
    return torch.log1p(w) * (w.exp().detach() - mean) + largest.values * w


class Codebook(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.entries = torch.nn.Parameter(torch.linspace(-1, 3, 35, dtype=torch.float64).reshape(7, 5).sin())
        self.register_buffer("mean", torch.zeros(5, dtype=torch.float64))

    def forward(self, z):
        with torch.no_grad():
            self.mean.mul_(0.9).add_(0.1 * z.mean(0))
        z = z - self.mean
        nearest = self.entries[torch.cdist(z, self.entries).argmin(1)]
        loss = ((nearest - z.detach()) ** 2).mean() + 0.25 * ((nearest.detach() - z) ** 2).mean()
        return z + (nearest - z).detach(), loss


def rounded_in_place(w):
    steps = w * 4
    with torch.no_grad():
        steps.round_()
    return torch.sin(steps)


def chosen_at_random(w):
    return torch.nn.functional.gumbel_softmax(w.T, hard=True) @ w


FUNCTIONS = [
    *(rounded_in_place, chosen_at_random),
    *(rounded, scaled_by_data, scaled_by_number, quantised_without_grad, less_a_baseline),
    Codebook(),
]


@pytest.mark.parametrize(
    ("function", "dtype"),
    [
        *((function, torch.float64) for function in FUNCTIONS),
        (rounded, torch.float32),
        (Codebook(), torch.float32),
    ],
)
def test_what_is_detached_is_held_where_that_is_declared(function, dtype):
    if isinstance(function, torch.nn.Module):
        function = Codebook().to(dtype)
    w = W.clone().to(dtype).requires_grad_()
    undeclared = check_function(function, w)
    assert undeclared.verdict == "fail"
    assert "held_constant='detach'" in undeclared.causes[0].sentence
    report = check_function(function, w, held_constant="detach")
    assert report.passed
    assert report.method == "difference" or dtype is torch.float32
    assert any(note.startswith("held constant on purpose") for note in report.notes)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_wrong_gradient_beside_what_is_held_fails(function):
    report = check_function(
        lambda w: function(HalfSquare.apply(w)), W.clone().requires_grad_(), held_constant="detach"
    )
    assert report.verdict == "fail"


def test_what_is_wrong_with_held_values_as_well_is_not_said_to_be_right():
    wrong = check_function(lambda w: rounded(HalfSquare.apply(w)), W.clone().requires_grad_())
    assert not any("held_constant" in cause.sentence for cause in wrong.causes)


@pytest.mark.parametrize(("inner", "passes"), [(torch.square, True), (HalfSquare.apply, False)])
def test_plain_evaluation_holds_the_same(inner, passes):
    w = W.clone().requires_grad_()
    report = check_function(lambda w: rounded(inner(w)), w, held_constant="detach", method="plain")
    assert report.passed is passes


def test_the_lines_are_those_that_hold_something():
    report = check_function(rounded, W.clone().requires_grad_(), held_constant="detach")
    line = inspect.getsourcelines(rounded)[1] + 1
    assert any(f"test_detaching.py:{line}, `return w + (torch.round(4 * w)" in note for note in report.notes)


def test_blocks_that_are_wrong_beside_undeclared_ones_keep_their_causes():
    def both(w, v):
        return (rounded(w) @ X).sum() + HalfSquare.apply(v).sum()

    report = check_function(both, W.clone().requires_grad_(), X.clone().requires_grad_())
    (declared, *others) = report.causes
    assert declared.blocks == ("w",)
    assert declared.kind == "held constant"
    assert any("v" in cause.blocks for cause in others)


def test_in_the_forward_of_a_function_detach_means_nothing_and_markers_do():
    class Rounding(torch.autograd.Function):
        held = staticmethod(lambda x: straight_through(x, torch.round(x)))

        @classmethod
        def forward(cls, ctx, x):
            return cls.held(x)

        @staticmethod
        def backward(ctx, dout):
            return dout

    class Detaching(Rounding):
        held = staticmethod(lambda x: x + (torch.round(x) - x).detach())

    class Half(Rounding):
        @staticmethod
        def backward(ctx, dout):
            return dout / 2

    assert check_function(Rounding, W).passed
    assert not check_function(Half, W).passed
    assert not check_function(Detaching, W, held_constant="detach").passed


def test_markers_and_detach_on_one_line_keep_apart():
    def function(w):
        return w * held_constant(w.sum()) + w * w.exp().detach() + held_constant(w.mean()) * w

    w = W.clone().requires_grad_()
    assert check_function(function, w, held_constant="detach").passed
    assert not check_function(lambda w: function(HalfSquare.apply(w)), w, held_constant="detach").passed


def test_a_function_that_writes_into_what_it_detached_is_an_error():
    def function(w):
        steps = w * 4
        steps.data.round_()
        return torch.sin(steps)

    with pytest.raises(EvaluationError, match=r"held_constant='detach': .* write into what it detached"):
        check_function(function, W.clone().requires_grad_(), held_constant="detach")


def test_nothing_detached_is_said():
    report = check_function(torch.sin, W, held_constant="detach")
    assert report.passed
    assert "held_constant='detach': the forward detaches nothing that the inputs reach." in report.notes


def test_names_of_inputs_leave_them_out():
    def function(w, v):
        return rounded(w) * HalfSquare.apply(v)

    w, v = W.clone().requires_grad_(), W.clone().requires_grad_()
    report = check_function(function, w, v, held_constant=["detach", "v"])
    assert report.passed
    assert list(report.blocks) == ["w"]


@pytest.mark.parametrize("wish", ["detached", ["w", "y"], 3, [None]])
def test_other_wishes_are_errors(wish):
    with pytest.raises(InvalidProblemError, match="held_constant: expected 'detach'"):
        check_function(lambda w: rounded(w), W, held_constant=wish)


def test_a_function_that_detaches_more_elsewhere_is_an_error():
    def function(w):
        for _ in range(1 if bool(w[0, 0] == 0.3) else 2):
            w = w * w.sum().detach()
        return w

    w = W.clone().requires_grad_()
    with pytest.raises(EvaluationError, match="detaches other values at line"):
        check_function(lambda w: function(w), w, held_constant="detach", method="plain")


def test_all_is_as_before():
    module = Codebook()
    w = W.clone().requires_grad_()
    before = {name: x.clone() for name, x in module.state_dict().items()}
    assert check_function(module, w, held_constant="detach").passed
    assert w.grad is None
    assert torch.equal(w, W)
    assert all(torch.equal(x, before[name]) for name, x in module.state_dict().items())
    assert torch.is_grad_enabled()
    assert not torch.overrides._get_current_function_mode_stack()


def test_the_double_backward_pass_takes_the_declaration():
    def scaled(w):
        return w**2 * (w**3).detach()

    w = W.clone().requires_grad_()
    assert check_function(scaled, w, order=2, held_constant="detach").passed
    assert not check_function(scaled, w, order=2).passed
    assert not check_function(
        lambda w: scaled(HalfSquare.apply(w)), w, order=2, held_constant="detach"
    ).passed


def test_gradcheck_knows_markers():
    w = W.clone().requires_grad_()
    assert gradcheck(lambda w: w**2 * held_constant(w**3), (w,))
    assert not gradcheck(lambda w: HalfSquare.apply(w) * held_constant(w**3), (w,), raise_exception=False)
