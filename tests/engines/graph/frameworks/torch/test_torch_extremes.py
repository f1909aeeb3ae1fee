import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812
from followed_slopes import recording_of  # noqa: E402

import fastcheck  # noqa: E402
from fastcheck.engines.graph.frameworks.torch.cost import TorchCost  # noqa: E402

FAR = [
    -700.0,
    -100.0,
    -40.0,
    -20.0,
    -1.0,
    -1e-8,
    -1e-160,
    -5e-324,
    5e-324,
    1e-300,
    0.5,
    19.9,
    20.1,
    100.0,
    700.0,
]
"""Arguments of which formulas make infinities, or lose all digits."""

SMOOTH = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "softplus with a threshold": lambda x: F.softplus(x, beta=3.0, threshold=10.0),
    "logsigmoid": F.logsigmoid,
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu by tanh": lambda x: F.gelu(x, approximate="tanh"),
    "mish": F.mish,
    "elu": F.elu,
    "erf": torch.erf,
    "erfc": torch.erfc,
    "ndtr": torch.special.ndtr,
    "atan": torch.atan,
    "asinh": torch.asinh,
    "softmax": lambda x: F.softmax(x, 0),
    "log_softmax": lambda x: F.log_softmax(x, 0),
    "logsumexp": lambda x: torch.logsumexp(x, 0),
    "logcumsumexp": lambda x: torch.logcumsumexp(x, 0),
    "bce with logits": lambda x: F.binary_cross_entropy_with_logits(
        x, torch.full_like(x, 0.3), reduction="none"
    ),
    "soft margin": lambda x: F.soft_margin_loss(x, torch.ones_like(x), reduction="none"),
    "smooth l1": lambda x: F.smooth_l1_loss(x, torch.zeros_like(x), reduction="none"),
    "huber": lambda x: F.huber_loss(x, torch.zeros_like(x), reduction="none"),
    "softsign": F.softsign,
    "norm": torch.linalg.vector_norm,
}


@pytest.mark.parametrize("name", SMOOTH)
def test_values_and_slopes_far_out_are_pytorchs(name):
    values, slopes, expected, gradient = beside_autograd(SMOOTH[name], np.array(FAR))

    np.testing.assert_allclose(values, expected, rtol=4e-15, atol=1e-200)
    np.testing.assert_allclose(slopes, gradient, rtol=1e-12, atol=1e-14)


MASK = torch.tensor([[False, False, True], [False, True, True], [True, True, True]])

MASKED = {
    "softmax": lambda x: F.softmax(x.masked_fill(MASK[:2], -math.inf), -1),
    "softmax of what was added": lambda x: F.softmax(
        x + torch.zeros(2, 3).double().masked_fill(MASK[:2], -math.inf), -1
    ),
    "safe softmax, one row masked": lambda x: torch.ops.aten._safe_softmax(
        x.new_zeros(3, 3).copy_(x[0]).masked_fill(MASK, -math.inf), -1
    ),
    "log of a sum": lambda x: torch.logsumexp(x.masked_fill(MASK[:2], -math.inf), 1),
    "cumulative log of a sum": lambda x: torch.logcumsumexp(
        x.masked_fill(MASK[:2].flip(1), -math.inf), 1
    ).exp(),
    "logaddexp": lambda x: torch.logaddexp(
        x.masked_fill(MASK[:2], -math.inf), x.masked_fill(MASK[1:], -math.inf)
    ).exp(),
    "the least number there is": lambda x: F.softmax(
        x.masked_fill(MASK[:2], torch.finfo(torch.float64).min), -1
    ),
    "maximum": lambda x: x.masked_fill(MASK[:2], -math.inf).amax(1),
}


@pytest.mark.parametrize("name", MASKED)
def test_masks_of_minus_infinity_leave_no_nan(name):
    values, slopes, expected, gradient = beside_autograd(
        MASKED[name], np.array([[0.3, -0.7, 2.0], [1.0, 0.4, 9.0]])
    )

    assert np.isfinite(slopes).all()
    np.testing.assert_allclose(values, expected, rtol=4e-15)
    np.testing.assert_allclose(slopes, np.nan_to_num(gradient), rtol=1e-12, atol=1e-15)


def beside_autograd(function, x):
    """Return values and slopes as recorded, and PyTorch's."""
    leaf = torch.tensor(x, requires_grad=True)
    expected = function(leaf)
    upstream = np.ones(tuple(expected.shape))
    (gradient,) = torch.autograd.grad(expected, leaf, torch.from_numpy(upstream))
    results = []

    def kept(tensor):
        results.append(function(tensor))
        return results[-1]

    recording = recording_of(kept, leaf.detach(), cotangent=upstream)
    (slopes,) = recording.slopes()
    return results[-1].detach().numpy(), slopes, expected.detach().numpy(), gradient.numpy()


SMOOTH_AT_ZERO = {
    "elu": F.elu,
    "celu": lambda x: F.celu(x, 2.0),
    "silu": F.silu,
    "gelu": F.gelu,
    "mish": F.mish,
    "softplus": F.softplus,
    "logsigmoid": F.logsigmoid,
    "hardswish": F.hardswish,
    "tanh": torch.tanh,
    "smooth l1": lambda x: F.smooth_l1_loss(x, torch.zeros(3).double(), reduction="none") + x,
    "smooth l1 where its parts meet": lambda x: F.smooth_l1_loss(x, torch.ones(3).double(), reduction="none"),
    "huber where its parts meet": lambda x: F.huber_loss(x, -torch.ones(3).double(), reduction="none"),
    "bce with logits": lambda x: F.binary_cross_entropy_with_logits(x, torch.full((3,), 0.3).double()),
    "softmax": lambda x: F.softmax(x, 0) * torch.arange(3),
    "logsumexp": lambda x: torch.logsumexp(x, 0),
    "norm beside an epsilon": lambda x: F.layer_norm(x, (3,)),
}


def cost_of_sum(function):
    size = len(function(torch.zeros(3).double()).reshape(-1))
    return TorchCost(lambda named: function(named["x"]).reshape(-1), [np.arange(1.0, size + 1)])


def claimed(function, shift=0.0):
    leaf = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    y = function(leaf).reshape(-1)
    (gradient,) = torch.autograd.grad(y, leaf, torch.arange(1.0, len(y) + 1, dtype=torch.float64))
    wrong = gradient.numpy().copy()
    wrong[1] += shift
    return {"x": wrong}


@pytest.mark.verdicts_alone
@pytest.mark.parametrize("name", SMOOTH_AT_ZERO)
def test_functions_that_are_smooth_at_zero_have_one_slope_there(name):
    function = SMOOTH_AT_ZERO[name]
    cost, x = cost_of_sum(function), {"x": np.zeros(3)}

    right = fastcheck.check(cost, x, claimed(function), method="difference")
    assert right.verdict == "pass"
    assert right.blocks["x"].kinks == 0
    assert fastcheck.check(cost, x, claimed(function, 1e-6), method="difference").verdict == "fail"


KINKED_AT_ZERO = {
    "relu": (F.relu, 0.0, 1.0),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), 0.2, 1.0),
    "prelu": (lambda x: F.prelu(x, torch.tensor([0.5]).double()), 0.5, 1.0),
    "abs": (torch.abs, -1.0, 1.0),
    "clamp": (lambda x: x.clamp(min=0.0), 0.0, 1.0),
    "hardtanh": (lambda x: F.hardtanh(x, 0.0, 3.0), 0.0, 1.0),
    "relu6": (lambda x: F.relu6(x + 6.0), 0.0, 1.0),
    "maximum": (lambda x: torch.maximum(x, 2.0 * x), 1.0, 2.0),
    "softshrink": (lambda x: F.softshrink(x + 0.5), 0.0, 1.0),
    "elu with alpha": (lambda x: F.elu(x, 0.5), 0.5, 1.0),
    "l1": (lambda x: F.l1_loss(x, torch.zeros(3).double(), reduction="none"), -1.0, 1.0),
}


@pytest.mark.verdicts_alone
@pytest.mark.parametrize("name", KINKED_AT_ZERO)
def test_claims_at_kinks_are_right_between_the_slopes_on_both_sides(name):
    function, left, right = KINKED_AT_ZERO[name]
    cost, x = TorchCost(lambda named: function(named["x"]), [np.ones(3)]), {"x": np.zeros(3)}

    for share in (0.0, 0.5, 1.0):
        claim = {"x": np.full(3, left + share * (right - left))}
        assert fastcheck.check(cost, x, claim, method="difference").verdict == "pass"
    for beyond in (left - 1e-4, right + 1e-4):
        assert fastcheck.check(cost, x, {"x": np.array([left, beyond, right])}).verdict == "fail"
