import pytest

torch = pytest.importorskip("torch")

from fastcheck.engines.graph.frameworks.torch.cost import TorchCost  # noqa: E402
from fastcheck.engines.graph.frameworks.torch.doubling import Doubling  # noqa: E402
from fastcheck.engines.graph.frameworks.torch.evaluation import Draws, OneEvaluation  # noqa: E402
from fastcheck.engines.graph.frameworks.torch.protecting import Protecting  # noqa: E402

THIRD = torch.tensor(1.0, dtype=torch.float32) / 3


def test_conversions_and_constants_in_less_are_read_as_double():
    x = torch.linspace(0.1, 1, 4, dtype=torch.float64)
    with Doubling() as doubling:
        y = x.float() * THIRD + torch.ones(4, dtype=torch.float16).bfloat16()
        z = torch.arange(4, dtype=torch.float32) / 3
    assert y.dtype == z.dtype == torch.float64
    assert torch.equal(y, x * THIRD.double() + 1)
    assert torch.equal(z, torch.arange(4, dtype=torch.float64) / 3)
    assert doubling.lowered is not None
    assert doubling.lowered.line[0] == __file__


def test_double_precision_throughout_is_noted_as_such():
    with Doubling() as doubling:
        torch.ones(3, dtype=torch.float64).sin().sum()
    assert doubling.lowered is None


def test_what_is_written_into_buffers_in_less_keeps_its_digits_and_leaves_them_alone():
    buffer, whole = torch.zeros(2, 3), torch.zeros(3, dtype=torch.float64)
    x = torch.full((3,), 1 / 3, dtype=torch.float64)
    with Doubling() as doubling:
        buffer[1].add_(x)
        whole += x
        read = buffer.t()[:, 1] * 1
        number = buffer[1, 0].item()
    assert torch.equal(read, x)
    assert number == 1 / 3
    assert not buffer.any()
    assert torch.equal(whole, x)
    doubling.put_back()
    assert not whole.any()


def test_running_statistics_are_put_back():
    norm = torch.nn.BatchNorm1d(3)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    for mode in (Doubling(), Protecting()):
        with mode:
            norm(torch.linspace(0, 1, 12).view(4, 3))
        mode.put_back()
        assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())


def test_random_numbers_are_those_of_the_users_own_run():
    own = torch.Generator().manual_seed(3)
    draws = Draws.now([own])

    def drawn(x):
        noise = torch.randn(20, generator=own, dtype=x.dtype) + torch.rand(20)
        return noise + torch.rand_like(x) + torch.empty_like(x).normal_() + torch.bernoulli(x)

    with OneEvaluation(draws, None), Protecting() as protecting:
        plain = drawn(torch.full((20,), 0.5))
    doubling = Doubling(torch.float32, torch.float32, protecting.drawn)
    with OneEvaluation(draws), doubling:
        double = drawn(torch.full((20,), 0.5, dtype=torch.float64))
    assert double.dtype == torch.float64
    assert torch.equal(double.float(), plain) or torch.allclose(double.float(), plain, atol=1e-6)


def test_the_process_is_as_before_after_an_evaluation():
    state = torch.get_rng_state()
    cost = TorchCost(lambda p: p["x"] * torch.rand(3), [torch.ones(3, dtype=torch.float64).numpy()])
    first, second = cost({"x": torch.ones(3).double().numpy()}), cost({"x": torch.ones(3).double().numpy()})
    assert first == second
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
