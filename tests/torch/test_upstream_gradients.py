import pytest

torch = pytest.importorskip("torch")

from fastcheck.errors import EvaluationError  # noqa: E402
from fastcheck.torch import check_function  # noqa: E402


def layer(backward):
    """Return tanh(x w) as a Function with a backward pass made of ``backward(g, x, w, y)``."""

    class Layer(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            y = torch.tanh(x @ w)
            ctx.save_for_backward(x, w, y)
            return y

        @staticmethod
        def backward(ctx, grad_output):
            return backward(grad_output, *ctx.saved_tensors)

    return Layer


def right(g, x, w, y):
    g = g * (1 - y * y)
    return g @ w.T, x.T @ g


def of_ones(g, x, w, y):
    return right(torch.ones_like(g), x, w, y)


def clipped(g, x, w, y):
    return right(g.clamp(-1, 1), x, w, y)


def masked_by_upstream(g, x, w, y):
    return right(torch.where(g > 0, g, 0.0), x, w, y)


def drawn_again(g, x, w, y):
    dx, dw = right(g, x, w, y)
    return dx, dw * torch.rand(dw.shape, dtype=dw.dtype)


def squared(g, x, w, y):
    return right(g * g, x, w, y)


def second_is_none(g, x, w, y):
    return right(g, x, w, y)[0], None


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in ((5, 4), (4, 3))]


def test_a_right_backward_pass_passes(inputs):
    report = check_function(layer(right), *inputs)
    assert report.passed
    assert not report.notes
    assert report.certified is not None


MISTAKES = [
    (of_ones, "ignores its upstream gradient `grad_output`"),
    (clipped, "not linear in its upstream gradient"),
    (masked_by_upstream, "ignores the negative entries of its upstream gradient"),
    (drawn_again, "draws random numbers"),
    (squared, "uses its upstream gradient `grad_output` twice"),
    (second_is_none, "returns None for w"),
]


@pytest.fixture
def no_other_thread(monkeypatch):
    """Generators that other threads may draw from are left alone, and other tests may have left such."""
    monkeypatch.setattr("fastcheck.diagnosis.detective.experiments.backward_runs.python_threads", lambda: 1)


@pytest.mark.usefixtures("no_other_thread")
@pytest.mark.parametrize(("backward", "words"), MISTAKES)
def test_mistakes_in_the_use_of_the_upstream_gradient_are_named(backward, words, inputs):
    report = check_function(layer(backward), *inputs)
    assert not report.passed
    assert words in report.causes[0].sentence


def in_order_of_memory(g, x, w, y):
    flat = torch.as_strided(g, (g.numel(),), (1,)) if 0 not in g.stride() else g.reshape(-1)
    return right(flat.view(g.shape), x, w, y)


def first_entry_for_all(g, x, w, y):
    expanded = torch.as_strided(g, (), ()) if g.stride() == (0, 0) else g
    return right(-expanded if expanded.ndim == 0 else g, x, w, y)


def adds_up(total):
    def backward(g, x, w, y):
        dx, dw = right(g, x, w, y)
        total.add_(dw)
        return dx, total.clone()

    return backward


def test_backward_passes_that_read_memory_otherwise_fail(inputs):
    report = check_function(layer(in_order_of_memory), *inputs)
    assert "upstream gradient in another order in memory" in report.causes[0].sentence
    report = check_function(layer(first_entry_for_all), *inputs)
    assert "upstream gradient of one number, expanded" in report.causes[0].sentence


def test_a_stale_buffer_is_told(inputs):
    total = torch.zeros(4, 3, dtype=torch.float64)
    report = check_function(layer(adds_up(total)), *inputs)
    assert "a second backward pass after the same forward pass" in report.causes[0].sentence
    assert not total.any()


def test_a_backward_pass_that_refuses_other_memory_is_right_with_a_note(inputs):
    def viewed(g, x, w, y):
        return right(g.view(-1).view(g.shape), x, w, y)

    def in_place(g, x, w, y):
        g.mul_(1 - y * y)
        return g @ w.T, x.T @ g

    report = check_function(layer(viewed), *inputs)
    assert report.passed
    assert any("Use reshape instead of view" in note for note in report.notes)
    report = check_function(layer(in_place), *inputs)
    assert report.passed
    assert any("changes its upstream gradient in place" in note for note in report.notes)


def test_a_backward_pass_that_can_run_once_is_right_with_a_note(inputs):
    def used_up(g, x, w, y):
        y.mul_(-y).add_(1)
        g = g * y
        return g @ w.T, x.T @ g

    report = check_function(layer(used_up), *inputs)
    assert report.passed
    assert any("retain_graph=True" in note for note in report.notes)


class Both(torch.autograd.Function):
    """Returns two outputs, and gets None for one that is not used."""

    none = staticmethod(lambda g, x: torch.zeros_like(x) if g is None else g)

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x)
        return x.sin(), x.cos()

    @staticmethod
    def backward(ctx, du, dv):
        (x,) = ctx.saved_tensors
        return Both.none(du, x) * x.cos() - Both.none(dv, x) * x.sin()


def test_each_of_several_outputs_is_asked_for_alone(inputs, monkeypatch):
    x = inputs[0]
    report = check_function(Both, x)
    assert report.passed
    assert not report.notes
    monkeypatch.setattr(Both, "none", staticmethod(lambda g, x: torch.ones_like(x) if g is None else g))
    report = check_function(Both, x)
    assert "an upstream gradient of output 0 alone" in report.causes[0].sentence
    monkeypatch.setattr(Both, "none", staticmethod(lambda g, x: g))
    report = check_function(Both, x)
    assert report.passed
    assert any("grad_output may be None" in note for note in report.notes)


REFUSED = [
    (lambda g, x, w, y: right(g, x, w, y)[0], "an incorrect number of gradients"),
    (lambda g, x, w, y: (g, right(g, x, w, y)[1]), "Sum it over the axes"),
    (lambda g, x, w, y: (1.0, right(g, x, w, y)[1]), "Return tensors, or None"),
]


@pytest.mark.parametrize(("backward", "words"), REFUSED)
def test_what_autograd_refuses_is_told(backward, words, inputs):
    with pytest.raises(EvaluationError, match=words):
        check_function(layer(backward), *inputs)


def test_an_error_of_the_users_passes_through(inputs):
    def broken(g, x, w, y):
        raise KeyError("no such thing")

    with pytest.raises(KeyError, match="no such thing"):
        check_function(layer(broken), *inputs)


def test_mistakes_that_one_upstream_gradient_hides_are_found_with_the_next(inputs):
    ones = torch.ones(5, 3, dtype=torch.float64)
    other = torch.arange(15, dtype=torch.float64).view(5, 3)
    assert check_function(layer(of_ones), *inputs, cotangents=ones).passed
    report = check_function(layer(of_ones), *inputs, cotangents=[ones, other])
    assert not report.passed
    assert check_function(layer(right), *inputs, cotangents=[ones, other]).passed


def test_a_loss_gets_one_and_another_number():
    class Loss(torch.autograd.Function):
        uses_upstream = True

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return (x * x).sum()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * (g if Loss.uses_upstream else 1)

    x = torch.linspace(-1, 1, 5, dtype=torch.float64)
    assert check_function(Loss, x).passed
    Loss.uses_upstream = False
    assert check_function(Loss, x, cotangents=1).passed
    report = check_function(Loss, x)
    assert "ignores its upstream gradient" in report.causes[0].sentence


def test_the_same_seed_repeats_a_check(inputs):
    first, again, other = (check_function(layer(clipped), *inputs, seed=seed) for seed in (1, 1, 2))
    assert first.worst == again.worst
    assert first.worst != other.worst
