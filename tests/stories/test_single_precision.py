"""Costs and gradients in float32 and float16: right ones never fail, wrong ones do where it can be told."""

import dataclasses
import re

import joined
import numpy as np
import pytest
from slow import first_of

from benchmarks.bounds.measure import lowered
from fastcheck import Verdict, check, check_object, from_object, locate, screen
from fastcheck.engines import Bound, choose_engine
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import pose
from fastcheck.verdict.judging import judge_coordinates, worst_verdict

pytestmark = pytest.mark.verdicts_alone

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
    found, _ = joined.run_engine(choose_engine(engine), problem, plan)
    return problem, [estimate.closer()[0] for estimate in found]


def judged(problem, estimates):
    """The verdict by the engine's whole bound, without a second look."""
    verdicts = []
    for estimate in estimates:
        bound = Bound(0.0, estimate.slopes.bound + estimate.slopes.truncation)
        with_truncation = dataclasses.replace(estimate, slopes=estimate.slopes.with_bound(bound))
        verdicts.append(judge_coordinates(problem, with_truncation, 1e-7).verdict)
    return worst_verdict(verdicts)


def median_bound(estimates):
    return np.median(joined.joined(estimates).bound)


# --- costs that compute in single or half precision ----------------------------------------------------------


@pytest.mark.parametrize("seed", first_of(range(2)))
@pytest.mark.parametrize("epsilon", first_of([None, 1e-4, 1e-2, 1e-7]))
@pytest.mark.parametrize("method", first_of(["auto", "reference"]))
@pytest.mark.parametrize("precision", first_of(INSIDE))
@pytest.mark.parametrize("family", FAMILIES)
def test_right_gradients_never_fail_and_gross_mistakes_do(family, precision, method, epsilon, seed):
    cost, network = lowered(family, seed, precision)
    claimed = right_gradient(network, np.float32)
    report = check(cost, network.parameters, claimed, method=method, epsilon=epsilon)
    assert report.verdict is not Verdict.FAIL
    assert report.method in ("plain", "reference")
    last = list(claimed)[-1]
    report = check(
        cost,
        network.parameters,
        claimed | {last: claimed[last] + np.float32(1e4)},
        method=method,
        epsilon=epsilon,
    )
    assert [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL] == [last]


@pytest.mark.parametrize("seed", first_of(range(3)))
@pytest.mark.parametrize("precision", ["computed in float32", "float32 and float64"])
@pytest.mark.parametrize("family", ["course", "L2", "tanh", "softmax", "recurrent"])
def test_gradients_off_by_a_percent_are_outside_of_the_bound_and_found_wrong(family, precision, seed):
    right = judged(*posed(family, seed, precision))
    assert right is not Verdict.FAIL
    wrong = judged(*posed(family, seed, precision, factor=1.01))
    assert wrong is Verdict.FAIL
    cost, network = lowered(family, seed, precision)
    wrong = {name: 1.01 * g for name, g in right_gradient(network).items()}
    assert check(cost, network.parameters, wrong).verdict is Verdict.FAIL


def test_an_inconclusive_check_names_single_precision_and_says_what_to_do():
    cost, network = lowered("softmax", 0, "computed in float16")
    report = check(cost, network.parameters, right_gradient(network, np.float64))
    assert report.verdict is Verdict.INCONCLUSIVE
    cause = next(block.cause for block in report.blocks.values() if block.cause)
    assert cause.startswith("float32: ")
    assert "let it compute in float64" in cause


@pytest.mark.parametrize("family", ["course", "L2", "tanh", "softmax", "recurrent"])
def test_the_step_grows_with_the_noise(family):
    """At the step for double precision nothing below a percent could be told."""
    _, coarse = posed(family, 0, "computed in float32", epsilon=2.0**-17)
    _, chosen = posed(family, 0, "computed in float32")
    _, double = posed(family, 0, "float32 parameters")
    assert median_bound(chosen) < median_bound(coarse) / 100
    assert median_bound(double) < median_bound(chosen) / 1000


@pytest.mark.parametrize("engine", ["plain", "reference"])
@pytest.mark.parametrize("family", ["course", "softmax", "recurrent", "attention"])
def test_single_precision_is_said_to_be_the_cause(family, engine):
    for precision, expected in {
        "computed in float32": True,
        "computed in float16": True,
        "float32 parameters": False,
        "float16 parameters": False,
        "float64": False,
    }.items():
        _, estimates = posed(family, 0, precision, engine=engine)
        assert {estimate.single_precision for estimate in estimates} == {expected}, precision


@pytest.mark.parametrize("x", [0.0, -1e-6, -1e-3, 1e-3])
def test_a_cost_without_slope_or_with_a_kink_is_no_single_precision(x):
    for cost in (lambda v: np.maximum(v[0], 0), lambda v: 1.7 + np.maximum(v[0], 0), lambda v: 0.3):
        problem = pose(cost, np.array([x]), np.array([0.0]))
        plan = make_plan(problem.layout, problem.theta, "all", None, 0)
        (estimate,), _ = joined.run_engine(choose_engine("plain"), problem, plan)
        assert not estimate.single_precision


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


# --- along directions --------------------------------------------------------------------------------------


def single(seed, dtype, size=30):
    """A network that computes in single or half precision: cost, parameters, and its gradient, all but exact."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((size, 20)).astype(dtype), rng.standard_normal((4, 20)).astype(dtype)
    p = {"W": rng.standard_normal((40, size)) / np.sqrt(size), "V": rng.standard_normal((4, 40)) / 6}
    if seed % 3 == 2:
        p["W"] /= 100

    def cost(p):
        return np.mean((p["V"].astype(dtype) @ np.tanh(p["W"].astype(dtype) @ X) - Y) ** 2)

    W, V = (block.astype(dtype).astype(float) for block in p.values())
    H = np.tanh(W @ X)
    d = 2 * (V @ H - Y) / Y.size
    return cost, p, {"W": ((V.T @ d) * (1 - H**2)) @ X.T.astype(float), "V": d @ H.T}


@pytest.mark.parametrize("dtype", first_of([np.float32, np.float16]))
def test_a_longer_step_shows_mistakes_and_no_others(dtype):
    found = []
    for seed in range(6):
        cost, p, right = single(seed, dtype)
        assert screen(cost, p, right, seed=seed).verdict is Verdict.INCONCLUSIVE
        found.append(screen(cost, p, right | {"V": 2 * right["V"]}, seed=seed).verdict)
    assert Verdict.PASS not in found
    assert dtype == np.float16 or found.count(Verdict.FAIL) == 6


def test_factors_are_stated_with_the_digits_that_are_known():
    W = np.random.default_rng(0).standard_normal((40, 30))

    def cost(p):
        return np.sum(np.sin(p["W"]))

    for factor, said in [(1.05, "1.05"), (-1.0, "−1"), (1.0078125, "1.0078125")]:
        for claimed in (factor * np.cos(W), (factor * np.cos(W)).astype(np.float32)):
            for method in ("difference", "plain"):
                report = locate(cost, {"W": W}, {"W": claimed}, method=method)
                stated = report.blocks["W"].located.sentence.removeprefix(
                    "W (1,200 coordinates) is wrong by a factor of "
                )
                assert said.startswith(stated[:5])
                assert float(stated.replace("−", "-")) == pytest.approx(factor, rel=1e-5)


X32, W32 = (np.random.default_rng(0).standard_normal(shape) for shape in ((20, 6), (6, 3)))


def fills_a_buffer(w):
    out = np.empty((20, 3), "f")
    out[...] = X32 @ w  # the line
    return np.sum(np.tanh(out) ** 2)


def fills_a_buffer_row_by_row(w):
    out = np.zeros((20, 3), dtype=np.float32)
    for i in range(20):
        out[i] = X32[i] @ w  # the line
    return float(np.sum(np.tanh(out) ** 2))


def converts(w):
    z = (X32 @ w).astype(np.float32)  # the line
    return np.sum(np.tanh(z) ** 2)


def makes_an_array(w):
    z = np.array(X32 @ w, dtype="float32")  # the line
    return np.sum(np.tanh(z) ** 2)


def sums(w):
    return np.sum(np.tanh(X32 @ w) ** 2, dtype=np.float32)  # the line


@pytest.mark.parametrize("look", [check, screen])
@pytest.mark.parametrize("cost", [fills_a_buffer, fills_a_buffer_row_by_row, converts, makes_an_array, sums])
def test_float32_inside_names_the_line_and_a_tolerance_that_serves(cost, look):
    T = np.tanh(X32 @ W32)
    right = X32.T @ (2 * T * (1 - T * T))
    report = look(cost, W32, right)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "# the line" in report.notes[0].replace("\n", " ")
    assert "float32" in report.notes[0]
    cause = report.blocks["theta"].cause
    assert cause.startswith("float32")
    tolerance = float(re.search(r"For theta, tolerance=(\S+) is enough", cause).group(1))
    assert tolerance <= 0.1
    assert look(cost, W32, right, tolerance=tolerance).passed
    assert look(cost, W32, right * (1 + 30 * tolerance), tolerance=tolerance).verdict is Verdict.FAIL


# --- batch normalisation ------------------------------------------------------------------------------------------


class Normalised:
    """A bias before a batch normalisation, in the dtype of its parameters but for a mask, which is float64 as drawn."""

    def __init__(self, dtype, masked):
        rng = np.random.default_rng(3)
        self.X, self.T = rng.standard_normal((20, 6)), rng.standard_normal((20, 5))
        self.mask = rng.integers(0, 2, (20, 5)) / 0.5 if masked else dtype(1)
        self.params = {"W": rng.standard_normal((6, 5)).astype(dtype), "b": np.zeros(5, dtype)}

    def loss(self, X, T):
        W, b = self.params["W"], self.params["b"]
        X, T = X.astype(W.dtype), T.astype(W.dtype)
        z = X @ W + b
        s = np.sqrt(z.var(axis=0) + W.dtype.type(1e-5))
        h = (z - z.mean(axis=0)) / s
        e = (h * self.mask).astype(W.dtype) - T
        d = e * self.mask / len(X)
        dz = (d - d.mean(axis=0) - h * (d * h).mean(axis=0)) / s
        return np.sum(e**2) / 2 / len(X), {"W": X.T @ dz, "b": dz.sum(axis=0)}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_rounding_leaves_of_a_bias_before_a_batch_normalisation_is_no_mistake(dtype, masked):
    network = Normalised(dtype, masked)
    posed = from_object(network, network.loss, network.X, network.T)
    for method in ("auto", "difference"):
        for look in (check, screen):
            report = look(*posed, method=method)
            assert report.verdict is Verdict.PASS, report
    right = network.loss

    def wrong(X, T):
        J, gradients = right(X, T)
        return J, {"W": gradients["W"] * dtype(1.001), "b": gradients["b"] + dtype(1e-3)}

    report = check_object(network, wrong, network.X, network.T)
    assert {block.verdict for block in report.blocks.values()} == {Verdict.FAIL}
