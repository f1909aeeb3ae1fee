"""Costs and gradients in float32 and float16: right ones never fail, wrong ones do where it can be told."""

import dataclasses

import numpy as np
import pytest

from benchmarks.bounds.measure import lowered
from fastcheck import Verdict, check
from fastcheck.engines import choose_engine
from fastcheck.execution import Execution
from fastcheck.plan import make_plan
from fastcheck.problem import pose
from fastcheck.verdict import judge

FAMILIES = ["course", "L2", "tanh", "softmax", "dropout", "recurrent", "attention", "deep sigmoid"]
INSIDE = ["computed in float32", "float32 and float64", "computed in float16"]


def right_gradient(network, dtype=np.float64):
    """By the network's backward pass in double precision, then rounded."""
    parameters = {name: block.astype(float) for name, block in network.parameters.items()}
    return {name: block.astype(dtype) for name, block in network.backward(parameters).items()}


def posed(family, seed, precision, factor=1.0, engine="plain", epsilon=None):
    cost, network = lowered(family, seed, precision)
    claimed = {name: factor * g for name, g in right_gradient(network, np.float32).items()}
    problem = pose(cost, network.parameters, claimed)
    plan = make_plan(problem.layout, problem.theta, "all", epsilon, 0)
    return problem, plan, choose_engine(engine).estimate(problem, plan, Execution())


def judged(problem, plan, estimates):
    """The verdict by the engine's whole bound, without a second look."""
    whole = dataclasses.replace(estimates, bound=estimates.bound + estimates.truncation)
    return judge(problem, plan, whole, 1e-7)


# --- costs that compute in single or half precision ----------------------------------------------------------


@pytest.mark.parametrize("epsilon", [None, 1e-2, 1e-4, 1e-7])
@pytest.mark.parametrize("method", ["auto", "reference"])
@pytest.mark.parametrize("precision", INSIDE)
@pytest.mark.parametrize("family", FAMILIES)
def test_right_gradients_never_fail(family, precision, method, epsilon):
    for seed in range(2):
        cost, network = lowered(family, seed, precision)
        report = check(
            cost, network.parameters, right_gradient(network, np.float32), method=method, epsilon=epsilon
        )
        assert report.verdict is not Verdict.FAIL
        assert report.method in ("plain", "reference")


@pytest.mark.parametrize("precision", ["computed in float32", "float32 and float64"])
@pytest.mark.parametrize("family", ["course", "L2", "tanh", "softmax", "recurrent"])
def test_gradients_off_by_a_percent_are_outside_of_the_bound(family, precision):
    for seed in range(3):
        right = judged(*posed(family, seed, precision))
        assert right.verdict is not Verdict.FAIL
        wrong = judged(*posed(family, seed, precision, factor=1.01))
        assert wrong.verdict is Verdict.FAIL


@pytest.mark.parametrize("family", ["course", "L2", "tanh", "softmax", "recurrent"])
def test_the_step_grows_with_the_noise(family):
    """At the step for double precision nothing below a percent could be told."""
    _, _, coarse = posed(family, 0, "computed in float32", epsilon=2.0**-17)
    _, _, chosen = posed(family, 0, "computed in float32")
    _, _, double = posed(family, 0, "float32 parameters")
    assert np.median(chosen.bound) < np.median(coarse.bound) / 100
    assert np.median(double.bound) < np.median(chosen.bound) / 1000


@pytest.mark.parametrize("engine", ["plain", "reference"])
@pytest.mark.parametrize("family", FAMILIES)
def test_single_precision_is_said_to_be_the_cause(family, engine):
    for precision, expected in {
        "computed in float32": True,
        "computed in float16": True,
        "float32 parameters": False,
        "float16 parameters": False,
        "float64": False,
    }.items():
        _, _, estimates = posed(family, 0, precision, engine=engine)
        assert estimates.single_precision is expected, precision


@pytest.mark.parametrize("x", [0.0, -1e-6, -1e-3, 1e-3])
def test_a_cost_without_slope_or_with_a_kink_is_no_single_precision(x):
    for cost in (lambda v: np.maximum(v[0], 0), lambda v: 1.7 + np.maximum(v[0], 0), lambda v: 0.3):
        problem = pose(cost, np.array([x]), np.array([0.0]))
        plan = make_plan(problem.layout, problem.theta, "all", None, 0)
        assert not choose_engine("plain").estimate(problem, plan, Execution()).single_precision


# --- parameters and gradients in single or half precision ----------------------------------------------------


@pytest.mark.parametrize("method", ["auto", "plain"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("family", ["course", "L2", "tanh", "softmax", "recurrent", "attention"])
def test_claims_are_held_to_their_own_precision(family, dtype, method):
    cost, network = lowered(family, 0, f"{np.dtype(dtype)} parameters")
    right = right_gradient(network, dtype)
    assert check(cost, network.parameters, right, method=method).verdict is Verdict.PASS
    off = 1 + 400 * float(np.finfo(dtype).eps)
    wrong = {name: (g * dtype(off)).astype(dtype) for name, g in right.items()}
    assert check(cost, network.parameters, wrong, method=method).verdict is Verdict.FAIL
