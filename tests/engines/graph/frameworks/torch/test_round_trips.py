import math

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402

import fastcheck  # noqa: E402
from fastcheck.engines.graph.frameworks.torch.cost import TorchCost  # noqa: E402

PLAIN = "evaluat"


def through_numpy(x):
    a = x.detach().cpu().numpy()
    return torch.from_numpy(np.exp(a) * 2)


def through_asarray(x):
    return torch.as_tensor(np.asarray(x) ** 2)


def through_array(x):
    return torch.tensor(np.array(x.numpy()) ** 2, dtype=torch.float32)


def through_lists(x):
    return torch.tensor([2 * a for a in x.tolist()])


def through_item(x):
    return x * x[0].item() + x.max().item()


def through_float(x):
    return x * float(x[1]) + torch.clamp(x, max=x[2].item())


def through_data(x):
    y = x.data * 3
    with torch.no_grad():
        return y.exp() * x.detach()


def through_a_tensor(x):
    return torch.as_tensor(x) * x.clone().detach()


def through_memory_of_numpy(x):
    a = np.zeros(3)
    a[:] = x.numpy() ** 2
    y = torch.from_numpy(a)
    y *= x
    return torch.from_numpy(a) + y


def through_math(x):
    return torch.stack([x[0] * math.exp(x[1].item()), x[2] * np.float64(x[0])])


def through_full(x):
    number = x[0].item()
    return torch.full((3,), number) * x + torch.full_like(x, fill_value=number) + x.new_full((3,), number)


def written_by_numpy(x):
    y = x.clone()
    y.numpy()[1:] *= 2
    return y * y


TRIPS = {
    through_numpy: lambda x: x.exp() * 2,
    through_asarray: lambda x: x**2,
    through_array: lambda x: x**2,
    through_lists: lambda x: 2 * x,
    through_item: lambda x: x * x[0] + x.max(),
    through_float: lambda x: x * x[1] + torch.minimum(x, x[2]),
    through_data: lambda x: (x * 3).exp() * x,
    through_a_tensor: lambda x: x * x,
    through_memory_of_numpy: lambda x: 2 * x**3,
    through_math: lambda x: torch.stack([x[0] * x[1].exp(), x[2] * x[0]]),
    through_full: lambda x: x[0] * x + 2 * x[0],
    written_by_numpy: lambda x: (x * torch.tensor([1.0, 2.0, 2.0])) ** 2,
}


def checked(function, truth, x, factor=1.0):
    """Return the report on the gradient of ``truth``, multiplied by a factor, as that of a function."""
    leaf = x.clone().requires_grad_()
    y = truth(leaf)
    u = np.arange(1.0, 1.0 + y.numel()).reshape(y.shape)
    (gradient,) = torch.autograd.grad((y * torch.from_numpy(u)).sum(), leaf)
    cost = TorchCost(lambda named: function(named["x"]), [u])
    return fastcheck.check(cost, {"x": x.numpy()}, {"x": gradient.numpy() * factor}, method="difference")


@pytest.mark.parametrize("function", TRIPS)
def test_round_trips_change_nothing_in_what_is_measured(function):
    x = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64)
    assert checked(function, TRIPS[function], x).difference < 1e-12
    assert checked(function, TRIPS[function], x, factor=1.01).verdict == "fail"
