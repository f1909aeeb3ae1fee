import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812
from many_operations import KINDS  # noqa: E402
from sample_arrays import normal, positive  # noqa: E402
from torch_costs import cost_of  # noqa: E402

import fastcheck  # noqa: E402
from fastcheck.engines.graph.frameworks.torch.cost import differentiable  # noqa: E402

TOGETHER = 20

WITH_BACKWARD_PASSES = ("activations", "normalisations", "losses", "choices", "reductions", "matrices")
"""Kinds of operations for which PyTorch has backward passes that are operations of their own."""

SLOW = ("choices", "reductions", "matrices")

LEFT_OUT = {
    "weight norm": "PyTorch's second derivative is wrong",
    "weight norm along the last axis": "the same",
    "cumprod with a zero": "PyTorch's backward pass decides by which entries are zero",
    "logcumsumexp": "PyTorch's backward pass puts the least number there is in place of logarithms of 0",
    "multi margin": "autograd has no second derivative",
    "multilabel margin": "its backward pass is not recorded",
    "multilabel margin of one sample": "its backward pass is not recorded",
}


def gradients_of(function):
    """Return what asks autograd for the gradients of a function, as physics-informed networks do."""

    def backward(*inputs):
        again = inputs[0].requires_grad  # autograd itself is asked for the truth
        with torch.enable_grad():
            leaves = [x if again else x.detach().requires_grad_() for x in inputs]
            outputs = [y for y in differentiable(function(*leaves)) if y.requires_grad]
            rng = np.random.default_rng(7)
            j = sum((torch.from_numpy(rng.normal(size=tuple(y.shape))) * (y + y * y)).sum() for y in outputs)
            found = torch.autograd.grad(j, leaves, create_graph=again, allow_unused=True)
        return [g for g in found if g is not None]

    return backward


GROUPS = []
for kind in WITH_BACKWARD_PASSES:
    kept = [(name, f) for name, f in KINDS[kind].items() if name not in LEFT_OUT]
    marks = [pytest.mark.slow] if kind in SLOW else []
    for start in range(0, len(kept), TOGETHER):
        group = dict(kept[start : start + TOGETHER])
        GROUPS.append(pytest.param(group, id=f"{kind} {start}", marks=marks))


@pytest.mark.verdicts_alone
@pytest.mark.parametrize("functions", GROUPS)
def test_slopes_of_backward_passes_are_second_derivatives_and_one_wrong_digit_in_each_is_found(functions):
    cost, parameters, gradients = cost_of(
        {name: (gradients_of(function), *arrays) for name, (function, *arrays) in functions.items()}
    )

    for gradient in gradients.values():
        place = np.unravel_index(np.argmax(np.abs(gradient)), gradient.shape)
        gradient[place] += 1e-6 * (np.max(np.abs(gradient)) or 1.0)
    wrong = fastcheck.check(cost, parameters, gradients, method="difference", tolerance=1e-9)
    assert {name: part.wrong for name, part in wrong.blocks.items()} == dict.fromkeys(gradients, 1)


WRITTEN_OUT = {
    "celu": (F.celu, lambda x: torch.where(x > 0, x, torch.expm1(x)), [normal(3, 4)]),
    "celu with alpha": (
        lambda x: F.celu(x, 0.7),
        lambda x: torch.where(x > 0, x, 0.7 * torch.expm1(x / 0.7)),
        [normal(3, 4)],
    ),
    "hardsigmoid": (F.hardsigmoid, lambda x: (x + 3).clamp(0, 6) / 6, [normal(3, 4)]),
    "weight norm": (
        gradients_of(lambda v, g: torch._weight_norm(v, g, 0)),
        gradients_of(lambda v, g: v * (g / v.norm(dim=1, keepdim=True))),
        [normal(3, 4), positive(3, 1)],
    ),
    "gradient of cumulative products with a zero": (
        gradients_of(lambda x: torch.cumprod(x, 1)),
        gradients_of(lambda x: torch.stack([x[:, : k + 1].prod(1) for k in range(4)], 1)),
        [normal(3, 4) * (np.arange(4) != 1)],
    ),
}
"""Operations whose own gradient is not exact in PyTorch, or was not, and what they compute, written otherwise."""


@pytest.mark.verdicts_alone
@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_the_truth_of_operations_with_inexact_gradients_is_what_they_compute(name):
    function, same, arrays = WRITTEN_OUT[name]
    cost, parameters, _ = cost_of({"f": (function, *arrays)})
    _, _, gradients = cost_of({"f": (same, *arrays)})

    right = fastcheck.check(cost, parameters, gradients)
    assert right.verdict == "pass"
    assert right.difference < (1e-12 if right.method == "difference" else 1e-9)

    gradients["f, 0"][0, 0] += 1e-6 * np.max(np.abs(gradients["f, 0"]))
    assert fastcheck.check(cost, parameters, gradients).verdict == "fail"


def test_digamma_is_right_where_pytorchs_trigamma_is_right_to_nine_digits_only():
    special = pytest.importorskip("scipy.special")
    cost, parameters, claimed = cost_of({"f": (torch.digamma, positive(3, 4))})
    (u,), x = cost.cotangents, parameters["f, 0"]

    exact = fastcheck.check(cost, parameters, {"f, 0": u * special.polygamma(1, x)}, method="difference")
    autograds = fastcheck.check(cost, parameters, claimed, method="difference")

    assert exact.difference < 1e-14
    assert autograds.verdict == "pass"
