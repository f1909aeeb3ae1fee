import dataclasses

import pytest

torch = pytest.importorskip("torch")

from fastcheck.errors import EvaluationError, InvalidProblemError  # noqa: E402
from fastcheck.torch import check_function  # noqa: E402


def drawn(*shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed + sum(shape)))


class Affine(torch.autograd.Function):
    """Right but for what ``wrong`` names."""

    wrong = ""

    @staticmethod
    def forward(ctx, x, weight, bias, scale):
        ctx.save_for_backward(x, weight)
        ctx.scale = scale
        return (x @ weight + bias) * scale

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        g = grad_output * ctx.scale
        if Affine.wrong == "bias":
            return g @ weight.T, x.T @ g, g.sum(0) / 2, None
        return g @ weight.T, x.T @ g, g.sum(0), None


class InSetup(torch.autograd.Function):
    @staticmethod
    def forward(data, factor):
        return data * factor

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None


def affine_inputs():
    return drawn(5, 4), drawn(4, 3), drawn(3), 2.0


@pytest.mark.parametrize("fn", [Affine, Affine.apply])
def test_inputs_have_the_names_of_the_forwards_arguments(fn):
    assert list(check_function(fn, *affine_inputs()).blocks) == ["x", "weight", "bias"]
    assert list(check_function(InSetup, drawn(3), 2.0).blocks) == ["data"]
    assert list(check_function(lambda *xs: xs[0] * xs[1], drawn(3), drawn(3)).blocks) == [
        "input 0",
        "input 1",
    ]


def test_only_inputs_that_require_a_gradient_are_checked_if_some_do():
    x, weight, bias, scale = affine_inputs()
    report = check_function(Affine, x, weight.requires_grad_(), bias, scale)
    assert list(report.blocks) == ["weight"]


@pytest.mark.parametrize("wrt", ["bias", 2, ["bias"]])
def test_wrt_chooses_by_name_or_number(wrt, monkeypatch):
    inputs = affine_inputs()
    assert list(check_function(Affine, *inputs, wrt=wrt).blocks) == ["bias"]
    monkeypatch.setattr(Affine, "wrong", "bias")
    assert not check_function(Affine, *inputs, wrt=wrt).passed
    assert check_function(Affine, *inputs, wrt=(0, "weight")).passed


def test_keyword_and_nested_inputs_have_names_by_their_places():
    def fn(p, *, more):
        return {"a": p["w"][0] @ p["w"][1], "b": [p["b"] * more["n"], more["t"] ** 2]}

    p = {"w": (drawn(3, 4), drawn(4, 2)), "b": drawn(2)}
    report = check_function(fn, p, kwargs={"more": {"n": 3, "t": drawn(2, 2)}})
    assert report.passed
    assert list(report.blocks) == ["p.w[0]", "p.w[1]", "p.b", "more.t"]


def test_integers_settings_and_outputs_without_gradient_are_left_alone():
    @dataclasses.dataclass
    class Output:
        picked: torch.Tensor
        places: torch.Tensor
        nothing: None
        constant: torch.Tensor

    def fn(x, i, mode):
        return Output(x[i] if mode == "pick" else x, i, None, torch.ones(2))

    report = check_function(fn, drawn(4, 3), torch.tensor([2, 0, 2]), "pick")
    assert report.passed
    assert list(report.blocks) == ["x"]
    assert any("no gradient: not checked" in note for note in report.notes)


def test_entries_that_a_mask_leaves_out_are_not_compared():
    class Part(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            g = g * 2
            g[0] = float("nan")
            return g

    x = drawn(3, 2)
    seen = torch.ones(3, 2, dtype=torch.bool)
    seen[0] = False
    report = check_function(Part, x, mask={"x": seen})
    assert report.passed
    assert report.checked == 4
    seen[0, 1] = True
    with pytest.raises((InvalidProblemError, EvaluationError), match="finite"):
        check_function(Part, x, mask={"x": seen})


def test_an_input_that_is_masked_out_is_not_checked(monkeypatch):
    monkeypatch.setattr(Affine, "wrong", "bias")
    report = check_function(Affine, *affine_inputs(), mask={"bias": False})
    assert report.passed
    assert list(report.blocks) == ["x", "weight"]


def test_complex_tensors_are_checked_as_two_blocks(monkeypatch):
    class Square(torch.autograd.Function):
        conj = True

        @staticmethod
        def forward(ctx, z):
            ctx.save_for_backward(z)
            return z * z

        @staticmethod
        def backward(ctx, g):
            (z,) = ctx.saved_tensors
            return 2 * g * (z.conj() if Square.conj else z)

    z = torch.complex(drawn(3), drawn(3, seed=1))
    report = check_function(Square, z)
    assert report.passed
    assert list(report.blocks) == ["z.real", "z.imag"]
    seen = torch.tensor([True, False, True])
    assert check_function(Square, z, mask={"z": seen}).checked == 4
    Square.conj = False
    assert not check_function(Square, z).passed


NO_GRADIENT = [
    (lambda x: x.detach(), "none requires a gradient"),
    (lambda x: x.argmax(), r"got no floating-point tensor \(Tensor\)"),
    (lambda x: None, r"got no floating-point tensor \(NoneType\)"),
    (lambda x: torch.log(-(x**2)), "expected finite outputs, got nan"),
]


@pytest.mark.parametrize(("fn", "words"), NO_GRADIENT)
def test_functions_without_a_gradient_to_check_are_errors(fn, words):
    with pytest.raises(EvaluationError, match=words):
        check_function(fn, drawn(3))


BAD = [
    (lambda: check_function(3, drawn(3)), "fn: expected a function of tensors"),
    (lambda: check_function(Affine.forward, drawn(3)), "the Function itself, Affine, got its forward"),
    (lambda: check_function(Affine.backward, drawn(3)), "the Function itself, Affine, got its backward"),
    (lambda: check_function(torch.nn.Linear, drawn(3)), r"expected a module, Linear\(…\), got the class"),
    (lambda: check_function(Affine, affine_inputs()), "inputs: expected them one by one"),
    (lambda: check_function(torch.sin, drawn(3).numpy()), r"pass torch.from_numpy\(x\)"),
    (lambda: check_function(Affine, 1, 2), "inputs: expected at least one floating-point tensor"),
    (
        lambda: check_function(torch.sin, torch.eye(3).to_sparse()),
        "inputs: expected dense tensors, got input 0",
    ),
    (
        lambda: check_function(torch.sin, torch.ones(3, device="meta")),
        "inputs: expected tensors with numbers",
    ),
    (lambda: check_function(torch.sin, drawn(3), wrt=drawn(3)), "wrt: expected names or numbers"),
    (lambda: check_function(torch.sin, drawn(3), wrt=0.5), "wrt: expected names or numbers"),
    (lambda: check_function(torch.sin, drawn(3), cotangents=[drawn(3) / 0]), "cotangents: expected finite"),
    (lambda: check_function(torch.sin, torch.zeros(0, 3)), "inputs: expected at least one number to check"),
    (lambda: check_function(torch.sin, drawn(3), wrt="y"), "wrt: there is no input 'y'"),
    (lambda: check_function(lambda x, i: x[i], drawn(3), torch.tensor([0]), wrt="i"), "has no gradient"),
    (lambda: check_function(lambda x: x * 2, drawn(3), mask={"y": False}), "mask: there is no input 'y'"),
    (
        lambda: check_function(lambda x: x * 2, drawn(3), mask={"x": torch.ones(3)}),
        "mask: expected truth values",
    ),
    (lambda: check_function(lambda x: x * 2, drawn(3), mask=[1]), "mask: expected a dict"),
    (lambda: check_function(lambda x: x * 2, drawn(3), mask={"x": False}), "mask: all inputs are left out"),
    (lambda: check_function(lambda x: x * 2, drawn(3), kwargs=[1]), "kwargs: expected a dict"),
    (lambda: check_function(lambda x: x * 2, drawn(3), cotangents=0), "cotangents: expected how many"),
    (lambda: check_function(lambda x: x * 2, drawn(3), cotangents=[drawn(2)]), "cotangents: expected shape"),
    (lambda: check_function(lambda x: x * 2, drawn(3), order=3), "order: expected 1"),
    (lambda: check_function(lambda x: x * 2, drawn(3), dtype="float64"), "dtype: expected torch.float64"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_bad_arguments_are_named(call, words):
    with pytest.raises(InvalidProblemError, match=words):
        call()


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_an_instance_of_a_function_is_not_the_function():
    with pytest.raises(InvalidProblemError, match="the Function itself, Affine, got an instance"):
        check_function(Affine(), *affine_inputs())


def test_a_module_may_have_a_method_with_a_context_and_functions_may_take_a_tuple():
    assert check_function(lambda ctx: ctx.sin(), drawn(3)).passed
    assert check_function(lambda pair: pair[0] * pair[1], (drawn(3), drawn(3, seed=1))).passed


@pytest.mark.parametrize(
    ("option", "words"),
    [("eps", "'eps': steps are chosen"), ("sed", r"'sed'\. Did you mean seed"), ("qqq", r"'qqq'\.$")],
)
def test_unknown_options_are_errors_in_the_name_of_the_call(option, words):
    with pytest.raises(TypeError, match=rf"check_function\(\) got an unexpected keyword argument {words}"):
        check_function(torch.sin, drawn(3), **{option: 1e-3})


def test_zeros_are_no_blind_spot_for_penalties_where_an_output_is_no_number():
    def of_one_number(x):
        return (x - 1).square().sum()

    zeros = torch.zeros(3, dtype=torch.float64)
    assert not any("penalty" in note for note in check_function(lambda x: (x - 1).square(), zeros).unseen)
    assert any("penalty" in note for note in check_function(of_one_number, zeros).unseen)
