import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

import fastcheck  # noqa: E402

RNG = np.random.default_rng(5)
X, Y = torch.from_numpy(RNG.standard_normal((5, 3))), torch.from_numpy(RNG.standard_normal((5, 2)))
P = {"W": RNG.standard_normal((3, 2)), "b": RNG.standard_normal(2)}


def loss(W, b):
    return ((torch.tanh(X @ W + b) - Y) ** 2).mean()


def shared_memory(p):
    return loss(torch.from_numpy(p["W"]), torch.from_numpy(p["b"])).item()


def copies(p):
    return float(loss(torch.tensor(p["W"]), torch.tensor(p["b"], dtype=torch.float64)))


def leaves_of_autograd(p):
    return loss(torch.tensor(p["W"], requires_grad=True), torch.as_tensor(p["b"])).detach()


def inside_of_modes(p):
    with torch.no_grad(), torch.device("cpu"):
        W = torch.asarray(p["W"])
    return loss(W, torch.tensor(list(p["b"])))


def there_and_back(p):
    h = np.tanh(X.numpy() @ torch.from_numpy(p["W"]).numpy() + p["b"])
    return float(np.mean((torch.from_numpy(h).numpy() - Y.numpy()) ** 2))


COSTS = (shared_memory, copies, leaves_of_autograd, inside_of_modes, there_and_back)


def modes_entered():
    return torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()


@pytest.mark.parametrize("cost", COSTS)
def test_costs_in_numpy_that_use_torch_inside_are_recorded(cost):
    tensors = {name: torch.tensor(x, requires_grad=True) for name, x in P.items()}
    gradients = torch.autograd.grad(loss(**tensors), list(tensors.values()))
    right = {name: g.numpy() for name, g in zip(tensors, gradients, strict=True)}
    before = modes_entered()
    report = fastcheck.check(cost, P, right)
    assert (report.passed, report.method) == (True, "difference")
    assert report.difference < 1e-14
    assert not fastcheck.check(cost, P, {**right, "b": 1.001 * right["b"]}).passed
    assert modes_entered() == before


def test_modes_are_left_after_an_error_too():
    def fails(p):
        torch.from_numpy(p["W"]).sum()
        raise ValueError("on purpose")

    from fastcheck.engines.graph.recording.record import record
    from fastcheck.engines.graph.recording.session import session_of

    before = modes_entered()
    with session_of(fails), pytest.raises(Exception, match="on purpose"):
        record(fails, lambda arrays: {"W": arrays[0]}, [P["W"]], 2**30)
    assert modes_entered() == before


def test_a_wrong_gradient_of_a_cost_in_single_precision_is_found():
    def single(p):
        return loss(torch.tensor(p["W"], dtype=torch.float32).double(), torch.from_numpy(p["b"])).item()

    tensors = {name: torch.tensor(x, requires_grad=True) for name, x in P.items()}
    gradients = torch.autograd.grad(loss(**tensors), list(tensors.values()))
    right = {name: g.numpy() for name, g in zip(tensors, gradients, strict=True)}
    assert fastcheck.check(single, P, right).passed
    assert not fastcheck.check(single, P, {**right, "W": 1.001 * right["W"]}).passed
