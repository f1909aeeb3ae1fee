"""What a cost asserts of its values sends it no other way, and is no kink."""

import math

import numpy as np
import pytest
from recorded_costs import recorded

from fastcheck import Verdict, check

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((20, 7)), np.eye(4)[RNG.integers(0, 4, 20)]
PARAMETERS = {"W": RNG.standard_normal((7, 4)), "b": np.zeros(4)}


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def gradients(p):
    d = (softmax(X @ p["W"] + p["b"]) - Y) / len(X)
    return {"W": X.T @ d, "b": d.sum(axis=0)}


ASSERTED = [
    "np.allclose(y.sum(1), 1)", "np.isclose(y.sum(1), 1, rtol=1e-6).all()", "np.allclose(y, y.copy(), equal_nan=True)",
    "np.all(np.isfinite(y)) and not np.isnan(y).any()", "np.testing.assert_allclose(y.sum(1), 1, rtol=1e-6) is None",
    "np.testing.assert_array_almost_equal(y.sum(1), np.ones(20)) is None",
    "np.testing.assert_array_less(y, 1.0) is None", "not abs(y.sum() - 20) > 1e-6", "np.abs(y.sum(1) - 1).max() < 1e-6",
    "math.isclose(y.sum(), 20)", "not np.array_equal(y, np.zeros_like(y))",
    "not np.array_equiv(y, 0) and not np.array_equiv(y, np.zeros(3))",
]  # fmt: skip


@pytest.mark.parametrize("asserted", ASSERTED)
def test_assertions_cost_no_coordinate_its_precision(asserted):
    holds = eval(f"lambda y: {asserted}", {"np": np, "math": math})

    def cost(p):
        y = softmax(X @ p["W"] + p["b"])
        assert holds(y)
        return -np.sum(Y * np.log(y)) / len(X)

    right, wrong = gradients(PARAMETERS), gradients(PARAMETERS)
    wrong["W"][3, 1] *= 1 + 1e-6
    report = check(cost, PARAMETERS, right, method="difference")
    assert report.passed
    assert report.notes == ()
    assert all(block.kinks == 0 for block in report.blocks.values())
    blocks = check(cost, PARAMETERS, wrong, method="difference").blocks
    assert (blocks["W"].verdict, blocks["b"].verdict) == (Verdict.FAIL, Verdict.PASS)


@pytest.mark.parametrize(
    "near",
    [
        lambda w: np.allclose(w[0], 2.0, rtol=0, atol=0),
        lambda w: np.isclose(w[0], 2.0, rtol=0, atol=0),
        lambda w: np.array_equal(w[:1], [2.0]),
        lambda w: np.array_equiv(w[:1], 2.0),
        lambda w: np.isclose(w[0], 1.0, rtol=0, atol=1.0),  # at the edge of the tolerance
        lambda w: math.isclose(w[0], 1.0, rel_tol=0.5),
    ],
)
def test_a_step_that_changes_the_answer_is_known(near):
    def cost(w):
        return w[0] * w[1] if near(w) else 5 * w[0] * w[1]

    flow = recorded(cost, np.array([2.0, 3.0])).flow()
    assert flow.tangents([np.array([[1.0, 0.0]])], 1).kinked
    assert not flow.tangents([np.array([[0.0, 1.0]])], 1).kinked
    assert check(cost, np.array([2.0, 3.0]), np.array([3.0, 2.0])).method == "plain"


@pytest.mark.parametrize("y", [1.0, 1.5, np.inf, np.nan, 0.0])
@pytest.mark.parametrize("x", [1.0, 1.0 + 1e-9, np.inf, np.nan, 1e-9])
def test_isclose_of_recorded_arrays_is_that_of_numpy(x, y):
    answers = []

    def cost(w):
        a, b = w[0] + (x - 1) if np.isfinite(x) else w[0] * x, w[1] + (y - 1) if np.isfinite(y) else w[1] * y
        for equal_nan in (False, True):
            answers.append(bool(np.isclose(a, b, equal_nan=equal_nan)))
            answers.append(np.allclose(a, b, equal_nan=equal_nan))
        return w[0] * w[1]

    assert check(cost, np.ones(2), np.ones(2)).passed
    first, *others = zip(*[iter(answers)] * 4, strict=True)
    assert set(others) <= {first}
