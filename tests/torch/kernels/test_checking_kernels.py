"""`check_against`: right kernels pass in every dtype, planted mistakes are found, bad input is named."""

from __future__ import annotations

import dataclasses

import pytest

torch = pytest.importorskip("torch")

import kernels_to_check as kernels  # noqa: E402

from fastcheck.errors import GradientMismatchError, InvalidProblemError  # noqa: E402
from fastcheck.torch import check_against  # noqa: E402
from fastcheck.verdict.judging import Verdict  # noqa: E402

DTYPES = ["float32", "float16", "bfloat16"]
QKV = {"q": (2, 5, 4), "k": (2, 9, 4), "v": (2, 9, 4)}


@pytest.fixture
def plant():
    yield kernels.PLANTED.append
    kernels.PLANTED.clear()
    kernels.RMSNorm.buffer.clear()


def of_attention(**options):
    return check_against(kernels.attention, kernels.Attention.apply, QKV, **options)


def of_norm(**options):
    inputs = {"x": (3, 2, 6), "weight": 1 + 0.1 * torch.arange(6.0)}
    return check_against(kernels.rms_norm, kernels.RMSNorm, inputs, **options)


def of_loss(**options):
    inputs = {"logits": (4, 7), "target": torch.tensor([0, 6, 3, 3])}
    return check_against(kernels.cross_entropy, kernels.CrossEntropy.apply, inputs, **options)


@pytest.mark.parametrize(
    ("question", "dtype"),
    [(of_attention, "float32"), (of_norm, "float16"), (of_loss, "bfloat16")]
    + [
        pytest.param(question, dtype, marks=pytest.mark.slow)
        for question in (of_attention, of_norm, of_loss)
        for dtype in DTYPES
    ],
)
def test_a_right_kernel_passes_in_every_dtype(question, dtype):
    report = question(dtypes=[dtype])
    assert report, report
    assert len(report.outcomes) > 8


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 12))
def test_right_kernels_pass_whatever_the_numbers(seed):
    for question in (of_attention, of_norm, of_loss):
        report = question(dtypes=DTYPES, seed=seed, shapes="given")
        assert report.passed, report


@pytest.mark.parametrize(
    ("mistake", "question", "said"),
    [
        ("last block lost", of_attention, "output is wrong"),
        ("no delta", of_attention, "gradient of q is wrong"),
        ("scale forgotten", of_attention, "gradient of k is wrong"),
        ("dv 1 %", of_attention, "gradient of v"),
        ("stale", of_norm, "keeps something from call to call"),
        ("assumes contiguous", of_norm, "transposed cotangent"),
        ("input changed", of_norm, "changes its input x"),
        ("cotangent changed", of_norm, "changes its cotangent"),
        ("odd width", of_norm, "gradient of weight is wrong"),
        ("not averaged", of_loss, "gradient of logits is wrong"),
    ],
)
def test_a_planted_mistake_is_found_and_told(mistake, question, said, plant):
    shapes = "all" if mistake == "odd width" else "given"
    plant(mistake)
    report = question(shapes=shapes, layouts=["contiguous"])
    assert not report
    assert any(said in sentence for outcome in report.failures for sentence in outcome.failures), report
    with pytest.raises(GradientMismatchError, match="FAIL"):
        report.raise_if_failed()


def test_one_percent_is_found_in_half_precision(plant):
    plant("dv 1 %")
    report = of_attention(dtypes="float16", shapes="given")
    assert any("gradient of v" in sentence for sentence in report.failures[0].failures), report


def test_a_mistake_at_odd_widths_is_reported_with_the_smallest_inputs_and_repeats(plant):
    plant("odd width")
    report = of_norm()
    assert all(outcome.shapes["x"][-1] % 2 for outcome in report.failures)
    least = report.failures[0]
    assert least.size == min(outcome.size for outcome in report.failures)
    again = of_norm(dtypes=[least.dtype], layouts=[least.layout], shapes=least.shapes)
    assert again.failures[0].failures == least.failures
    line = report.line(least)
    assert str(least.shapes) in line
    assert "seed=0" in line


def test_the_report_of_the_gradients_names_the_cause(plant):
    plant("not averaged")
    report = of_loss(shapes="given")
    assert report.report is not None
    assert not report.report.passed
    assert "4" in report.report.causes[0].sentence


def test_the_line_of_the_smallest_inputs_repeats_it(plant):
    plant("odd width")
    inputs = {"x": (3, 2, 6), "weight": 1 + 0.1 * torch.arange(6.0)}
    least = of_norm().failures[0]
    names = {"reference": kernels.rms_norm, "kernel": kernels.RMSNorm, "inputs": inputs}
    again = eval(of_norm().line(least), {"check_against": check_against, **names})
    assert again.failures[0].failures == least.failures
    assert again.failures[0].shapes == least.shapes


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_what_is_subtracted_from_its_equal_is_no_mistake(shift):
    one_key = {name: shift + torch.randn(2, n, 4) for name, n in (("q", 5), ("k", 1), ("v", 1))}
    options = {"shapes": "given", "layouts": ["contiguous"], "dtypes": ["float32", "float16"]}
    assert check_against(kernels.attention, kernels.Attention.apply, one_key, **options).passed


def test_a_gradient_of_zero_that_is_claimed_to_be_more_is_wrong(plant):
    plant("no delta")
    one_key = {"q": (2, 5, 4), "k": (2, 1, 4), "v": (2, 1, 4)}
    report = check_against(kernels.attention, kernels.Attention.apply, one_key, shapes="given")
    assert "gradient of q is wrong" in report.failures[0].failures[0]


def test_digits_that_the_inputs_themselves_lose_are_no_mistake():
    def norm(x):
        return torch.nn.functional.layer_norm(x, x.shape[-1:])

    def in_blocks(x):
        mean = torch.zeros(len(x), 1, dtype=x.dtype)
        for k in range(x.shape[1]):
            mean = mean + (x[:, k : k + 1] - mean) / (k + 1)
        return (x - mean) * torch.rsqrt((x - mean).square().mean(-1, keepdim=True) + 1e-5)

    x = 3 + 0.003 * torch.randn(2, 500, dtype=torch.float64)
    assert check_against(norm, in_blocks, {"x": x}, shapes="given", layouts=["contiguous"]).passed


@pytest.mark.parametrize(("factor", "is_right"), [(1.0, True), (1.001, False)])
def test_a_number_that_is_too_large_for_the_dtype_may_be_infinite(factor, is_right):
    x = torch.tensor([300.0, 2.0, 3.0])
    options = {"shapes": "given", "dtypes": ["float16", "float32"]}
    report = check_against(torch.square, lambda x: x * x * factor, [x], **options)
    assert report.passed is is_right


def test_an_output_that_has_no_gradient_is_told():
    def kernel(x):
        return torch.exp(x), torch.logsumexp(x.detach(), -1)

    report = check_against(lambda x: (torch.exp(x), torch.logsumexp(x, -1)), kernel, [(3, 4)], shapes="given")
    assert report.passed
    assert "no gradient of output 1" in report.to_text()


class Squared(torch.autograd.Function):
    """x², with a backward pass that may be chosen."""

    backward_of = None

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return Squared.backward_of(x, dout)


def _into_grad(x, dout):
    x.grad = 2 * x.detach() * dout
    return 2 * x * dout


@pytest.mark.parametrize(
    ("backward", "said"),
    [
        (lambda x, u: 2 * x * u, None),
        (lambda x, u: (2 * x * u).float(), None),
        (lambda x, u: 2 * x * u * (1 + 2e-7 * torch.randn_like(x)), None),  # as atomics add
        (lambda _x, _u: None, "gradient of input 0 is wrong"),
        (lambda x, u: (2 * x * u).sum(0), "in the backward pass"),
        (_into_grad, r"writes into input 0.grad"),
        (lambda x, u: 2 * x * u * (1 + 1e-5), "gradient of input 0 is"),
    ],
)
def test_what_backward_passes_return_is_judged(backward, said, monkeypatch):
    monkeypatch.setattr(Squared, "backward_of", staticmethod(backward))
    report = check_against(torch.square, Squared, [(5, 7)], shapes="given", layouts=["contiguous"])
    assert report.passed is (said is None), report
    assert said is None or said in report.failures[0].failures[0]


def test_what_a_kernel_keeps_is_put_back(plant):
    plant("stale")
    of_norm(shapes="given")
    assert kernels.RMSNorm.buffer == []


def test_shapes_that_the_reference_does_not_take_are_left_out():
    report = of_norm()
    assert report.skipped > 0
    assert report.passed


def test_nothing_of_the_callers_is_changed():
    x = torch.randn(3, 4, requires_grad=True)
    before, state = x.detach().clone(), torch.get_rng_state()
    check_against(torch.tanh, torch.tanh, [x], shapes="given")
    assert torch.equal(x, before)
    assert x.grad is None
    assert x.requires_grad
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inputs": 3}, "inputs: expected a dict or list"),
        ({"inputs": {}}, "inputs: expected at least one"),
        ({"inputs": {"x": "abc"}}, "inputs: x: expected a tensor, or a shape"),
        ({"inputs": {"x": torch.tensor([1])}}, "inputs: none is floating-point"),
        ({"inputs": {"x": torch.tensor([float("nan")])}}, "x has entries that are not finite"),
        ({"inputs": {"x": torch.zeros(2, dtype=torch.complex64)}}, "inputs: x is torch.complex64"),
        ({"dtypes": ["int8"]}, "dtypes: expected some of"),
        ({"dtypes": []}, "dtypes: expected some of"),
        ({"dtypes": None}, "dtypes: expected some of"),
        ({"layouts": 3}, "layouts: expected some of"),
        ({"shapes": {"x": (-2, 3)}}, "shapes: expected shapes such as"),
        ({"cotangents": True}, "cotangents: expected a whole number"),
        ({"wrt": 0}, "wrt: expected names"),
        ({"shapes": "some"}, "shapes: expected 'all'"),
        ({"shapes": {"y": (1,)}}, "shapes: expected names of inputs"),
        ({"layouts": ["odd"]}, "layouts: expected some of"),
        ({"wrt": ["y"]}, "wrt: expected names"),
        ({"cotangents": 0}, "cotangents: expected a whole number"),
        ({"reference": 3}, "reference: expected a function"),
        ({"kernel": 3}, "kernel: expected a function"),
        ({"reference": lambda x: x @ x @ x}, "reference: it does not take these inputs"),
    ],
)
def test_bad_input_is_named(change, said):
    arguments = {"reference": torch.tanh, "kernel": torch.tanh, "inputs": {"x": (2, 3)}, **change}
    with pytest.raises(InvalidProblemError, match=said.replace("[", r"\[")):
        check_against(**arguments)


@dataclasses.dataclass
class Scaled:
    """An output that is no tensor."""

    y: torch.Tensor


@pytest.mark.parametrize(("factor", "passes"), [(2, True), (3, False)])
def test_outputs_are_found_in_dataclasses_and_complex_ones_are_compared(factor, passes):
    def scaled(x):
        return Scaled(2 * x)

    def turned(x):
        return torch.complex(x, 2 * x)

    in_a_dataclass = check_against(scaled, lambda x: Scaled(factor * x), {"x": (2, 3)}, shapes="given")
    complex_ones = check_against(
        turned, lambda x: torch.complex(x, factor * x), {"x": (2, 3)}, shapes="given"
    )
    assert in_a_dataclass.passed is passes
    assert complex_ones.passed is passes


class Hidden(torch.autograd.Function):
    """Its forward pass goes through bytes, and cannot be followed; its backward pass is off by a factor."""

    factor = 1.0

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.view(torch.int64).view(torch.float64).sin() if x.dtype is torch.float64 else x.sin()

    @staticmethod
    def backward(ctx, u):
        (x,) = ctx.saved_tensors
        return u * x.cos() * Hidden.factor


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, Verdict.PASS), (1.01, Verdict.FAIL)])
def test_gradients_of_a_reference_that_cannot_be_followed_are_compared_once_differences_confirm_them(
    factor, verdict
):
    def kernel(x):
        return torch.sin(x) + (factor - 1) * (torch.sin(x) - torch.sin(x).detach())

    assert check_against(Hidden, kernel, {"x": (2, 3)}, shapes="given").verdict is verdict


def test_nothing_is_said_of_gradients_where_those_of_the_reference_are_wrong(monkeypatch):
    monkeypatch.setattr(Hidden, "factor", 1.1)
    report = check_against(Hidden, torch.sin, {"x": (2, 3)}, shapes="given")
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "not confirmed by differences" in str(report)


def test_a_reference_that_returns_nothing_is_named_and_one_dtype_may_come_by_itself():
    with pytest.raises(InvalidProblemError, match="reference: expected a tensor of floats"):
        check_against(lambda x: None, lambda x: None, {"x": (2, 3)})
    assert check_against(torch.sin, torch.sin, {"x": (2, 3)}, torch.float32, shapes="given")


def test_numbers_too_large_for_the_dtype_are_right_and_what_overflows_on_the_way_is_not():
    def steep(x):
        return torch.exp(8 * x)

    def naive_sigmoid(x):
        return steep(x) / (1 + steep(x))

    inputs = {"x": torch.tensor([[0.5, 2.0], [0.1, -1.0]])}
    assert check_against(steep, steep, inputs, ["float16"], shapes="given").passed
    assert check_against(naive_sigmoid, naive_sigmoid, inputs, ["float32"], shapes="given").passed
    report = check_against(naive_sigmoid, naive_sigmoid, inputs, ["float16"], shapes="given")
    assert not report.passed
    assert "at [0, 1] it is" in str(report.failures[0].failures)
