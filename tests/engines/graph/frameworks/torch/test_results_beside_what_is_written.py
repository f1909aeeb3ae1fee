import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812
from torch_costs import cost_of  # noqa: E402

import fastcheck  # noqa: E402


def normalised(x):
    mean, variance = torch.zeros(4).double(), torch.ones(4).double()
    y, *_ = torch.ops.aten._native_batch_norm_legit(x, None, None, mean, variance, True, 0.1, 1e-5)
    return y + mean * x + variance


FUNCTIONS = {
    "noise of rrelu": lambda x: F.rrelu(x, training=True),
    "running statistics": normalised,
    "a drawn mean": lambda x: x * torch.normal(torch.zeros(4).double(), torch.ones(4).double()),
}


@pytest.mark.verdicts_alone
@pytest.mark.parametrize("name", FUNCTIONS)
def test_operations_that_write_one_thing_and_return_another_are_evaluated(name):
    torch.manual_seed(3)
    x = np.random.default_rng(1).normal(size=(5, 4))
    cost, parameters, gradients = cost_of({"f": (FUNCTIONS[name], x)})

    if name != "running statistics":  # autograd does not see what is written there
        assert fastcheck.check(cost, parameters, gradients).verdict == "pass"
    truth = central_differences(cost, parameters["f, 0"])
    assert fastcheck.check(cost, parameters, {"f, 0": truth}).verdict == "pass"
    truth[2, 1] += 1e-3 * np.max(np.abs(truth))
    assert fastcheck.check(cost, parameters, {"f, 0": truth}).verdict == "fail"


def central_differences(cost, x, step=1e-4):
    slopes = np.empty(x.shape)
    for place in np.ndindex(*x.shape):
        ends = []
        for sign in (2, 1, -1, -2):
            moved = x.copy()
            moved[place] += sign * step
            ends.append(cost({"f, 0": moved}))
        slopes[place] = (-ends[0] + 8 * ends[1] - 8 * ends[2] + ends[3]) / (12 * step)
    return slopes
