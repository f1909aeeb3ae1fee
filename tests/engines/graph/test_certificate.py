"""What certifies the slopes: each link alone, broken, must show."""

from __future__ import annotations

import numpy as np
import pytest
from joined import run_engine

from fastcheck import check, numerical_gradient
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph import certificate
from fastcheck.engines.graph.certificate import NotCertifiedError, certify
from fastcheck.engines.graph.engine import GraphEngine
from fastcheck.engines.graph.forwards import Flow
from fastcheck.engines.graph.nodes import smooth
from fastcheck.engines.graph.nodes.products import Matmul
from fastcheck.engines.graph.recording.session import session_of
from fastcheck.engines.graph.runs import Runs
from fastcheck.execution import Execution
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import pose

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((5, 12)), RNG.standard_normal((2, 12))
THETA = {
    "W1": RNG.standard_normal((4, 5)),
    "b1": RNG.standard_normal((4, 1)),
    "W2": RNG.standard_normal((2, 4)),
    "b2": RNG.standard_normal((2, 1)),
}


def cost(p):
    hidden = np.tanh(p["W1"] @ X + p["b1"])
    return np.mean((p["W2"] @ hidden + p["b2"] - Y) ** 2)


def gradients(p):
    hidden = np.tanh(p["W1"] @ X + p["b1"])
    output = 2 * (p["W2"] @ hidden + p["b2"] - Y) / Y.size
    inner = p["W2"].T @ output * (1 - hidden**2)
    return {
        "W1": inner @ X.T,
        "b1": inner.sum(1, keepdims=True),
        "W2": output @ hidden.T,
        "b2": output.sum(1, keepdims=True),
    }


def estimated(cost, parameters):
    problem = pose(cost, parameters)
    plan = make_plan(problem.layout, problem.theta, "all", None, 0)
    return run_engine(GraphEngine(), problem, plan)


def test_right_slopes_are_certified_and_the_report_says_how():
    report = check(cost, THETA, gradients(THETA), method="difference")
    assert report.passed
    assert report.method == "difference"
    assert report.difference < 1e-14
    assert report.notes == ()
    assert "probability 1 − 1e-09 (4 directions, seed 0); the cost itself agrees to" in report.certified
    assert "certified: every slope within" in report.to_text(verbose=True)


def test_slopes_are_the_gradient():
    right = gradients(THETA)
    for estimate in estimated(cost, THETA)[0]:
        name = estimate.part.block.name
        np.testing.assert_allclose(estimate.slopes.central, right[name].ravel(), rtol=0, atol=1e-15)


def altered(monkeypatch, kind, rule, error, entry=False):
    """Make a rule wrong by a relative error, in all entries or in one."""

    def alter(result):
        if result is None:
            return None
        result = np.array(result)
        if entry:
            result.flat[0] *= 1 + error
            return result
        return result * (1 + error)

    def wrong(self, *arguments):
        result = right(self, *arguments)
        return [alter(share) for share in result] if rule == "backward" else alter(result)

    right = getattr(kind, rule)
    monkeypatch.setattr(kind, rule, wrong)


@pytest.mark.parametrize("rule", ["backward", "tangent"])
@pytest.mark.parametrize("error", [1.0, 1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("entry", [False, True])
@pytest.mark.parametrize("kind", [Matmul, smooth.Elementwise, smooth.Total])
def test_a_wrong_rule_in_one_direction_is_not_certified(monkeypatch, kind, error, entry, rule):
    altered(monkeypatch, kind, rule, error, entry)
    with pytest.raises(NotCertifiedError, match="did not confirm the slopes"):
        estimated(cost, THETA)


@pytest.mark.parametrize("error", [1.0, 1e-3, 1e-6, 1e-9])
def test_a_wrong_measured_slope_is_not_certified(monkeypatch, error):
    """Backwards and forwards share it: only exact differences tell."""

    def wrong(*arguments):
        found = np.array(measured(*arguments))
        found.flat[0] *= 1 + error
        return found

    monkeypatch.setattr(smooth, "measured", wrong)
    with pytest.raises(NotCertifiedError, match="Exact differences of single operations"):
        estimated(cost, THETA)


measured = smooth.measured


@pytest.mark.parametrize("error", [1.0, 1e-3, 1e-6])
def test_a_wrong_exact_difference_is_not_certified(monkeypatch, error):
    altered(monkeypatch, smooth.Elementwise, "difference", error)
    with pytest.raises(NotCertifiedError):
        estimated(cost, THETA)


@pytest.mark.parametrize("error", [1.0, 1e-3, 1e-6, 1e-8])
@pytest.mark.parametrize("kind", [Matmul, smooth.Total])
def test_a_rule_that_is_wrong_everywhere_is_not_certified(monkeypatch, kind, error):
    """Backwards, to first order and exactly: only the cost itself tells."""
    for rule in ("backward", "tangent", "difference"):
        if rule in vars(kind):
            altered(monkeypatch, kind, rule, error)
    with pytest.raises(NotCertifiedError, match=r"The cost itself finds another difference.*method='auto'"):
        estimated(cost, THETA)


def test_a_cost_that_is_another_on_arrays_of_ours_is_not_certified():
    def two_faced(p):
        w = p["W1"]
        return (
            cost(p)
            + (0.0 if type(w) is np.ndarray else 1e-13)
            + np.sum(w if type(w) is np.ndarray else 3 * w)
        )

    with pytest.raises(DisagreementError):
        estimated(two_faced, THETA)


def test_the_cost_itself_disagrees_where_only_the_way_forwards_was_the_same():
    """Both engines see the same constant, which the cost itself does not have: the value of J is that of the cost."""
    start = THETA["W1"].sum()

    def two_faced(p):
        w = p["W1"]
        hidden = np.sum(w) - start
        return cost(p) + (hidden if type(w) is np.ndarray else 2.0 * hidden)

    with pytest.raises(DisagreementError, match="The cost itself finds another difference"):
        estimated(two_faced, THETA)


def test_a_kink_is_left_to_other_engines_if_no_claim_chooses_there():
    def at_zero(p):
        return np.sum(np.maximum(p["w"], 0) * np.arange(1.0, 4.0))

    theta = {"w": np.array([0.0, 1.0, -1.0])}
    with pytest.raises(NotCertifiedError, match="kink"):
        estimated(at_zero, theta)
    report = check(at_zero, theta, {"w": np.array([0.5, 2.0, 0.0])})
    assert report.passed
    assert report.method == "difference"
    assert (
        "1 coordinate is at a kink, and one choice there gives all of the claim. maximum in line"
        in report.notes[0]
    )


def test_ties_that_no_parameter_tells_apart_are_no_kinks():
    def pooled(p):
        dead = np.maximum(p["w"] - 10, 0)
        return np.max(dead.reshape(2, 2), axis=1).sum() + np.sum(p["w"] ** 2)

    theta = {"w": np.array([0.3, 1.0, -1.0, 2.0])}
    report = check(pooled, theta, {"w": 2 * theta["w"]}, method="difference")
    assert report.passed


def corrupted(rng, slopes, size):
    """Return slopes, one block of which is off by this share of its norm (an entry, a row, everything); and which."""
    wrong = [block.copy() for block in slopes]
    number = int(rng.integers(len(wrong)))
    block = wrong[number]
    error = np.zeros(block.shape)
    place = rng.integers(block.shape[0])
    error[[(place, 0), (place,), ()][rng.integers(3)]] = 1.0
    error *= rng.standard_normal(block.shape)
    block += error * (size * np.linalg.norm(block) / np.linalg.norm(error))
    return wrong, number


def recorded_slopes():
    problem = pose(cost, THETA)
    with session_of(cost) as session:
        runs = Runs(problem, Execution(), cost, session.snapshot)
        recording = runs.at_theta()
    return runs, recording, recording.slopes()


def bounds_are_never_exceeded(monkeypatch, trials):
    monkeypatch.setattr(certificate, "CERTAIN", np.inf)
    runs, recording, slopes = recorded_slopes()
    rng = np.random.default_rng(trials)
    for seed in range(trials):
        size = 10.0 ** rng.uniform(-14, 1)
        wrong, number = corrupted(rng, slopes, size)
        error = np.linalg.norm(wrong[number] - slopes[number]) / np.linalg.norm(wrong[number])
        assert certify(runs, recording.flow(), wrong, 0.0, seed=seed).relative >= error


def test_bounds_are_not_exceeded(monkeypatch):
    bounds_are_never_exceeded(monkeypatch, 100)


@pytest.mark.slow
def test_bounds_are_not_exceeded_in_ten_thousand_certificates(monkeypatch):
    bounds_are_never_exceeded(monkeypatch, 10_000)


def test_errors_of_one_part_in_a_hundred_billion_of_a_block_are_caught():
    """1e-11 is missed with a probability of 1e-9, 1e-12 with 1e-5, 1e-13 with 0.07: see the page on trust."""
    runs, recording, slopes = recorded_slopes()
    rng = np.random.default_rng(1)
    for seed in range(100):
        wrong, _ = corrupted(rng, slopes, 1e-11)
        with pytest.raises(NotCertifiedError, match="did not confirm"):
            certify(runs, recording.flow(), wrong, 0.0, seed=seed)


def test_workers_change_nothing():
    one, two = (check(cost, THETA, gradients(THETA), method="difference", n_jobs=n) for n in (1, 2))
    assert one.certified == two.certified
    for name in THETA:
        assert one.blocks[name].difference == two.blocks[name].difference


def test_the_same_seed_repeats_the_certificate():
    one, other = (check(cost, THETA, gradients(THETA), method="difference", seed=7) for _ in range(2))
    assert one.certified == other.certified
    assert "seed 7" in one.certified


def test_with_a_step_the_verdict_is_that_of_slopes_and_the_gradient_that_of_the_step():
    report = check(cost, THETA, gradients(THETA), method="difference", epsilon=0.1)
    assert (report.verdict, report.method) == ("pass", "difference")
    assert "at ε = 0.1 the difference is" in report.notes[0]
    found = numerical_gradient(cost, THETA, method="difference", epsilon=0.1)
    for name, block in THETA.items():
        for index in np.ndindex(block.shape):
            costs = []
            for step in (0.1, -0.1):
                moved = block.copy()
                moved[index] += step
                costs.append(cost({**THETA, name: moved}))
            assert found[name][index] == pytest.approx((costs[0] - costs[1]) / 0.2, rel=1e-9, abs=1e-12)


def test_mistakes_fail_their_block_and_no_other():
    for name in THETA:
        claim = gradients(THETA)
        claim[name].flat[1] *= 1 + 1e-5
        report = check(cost, THETA, claim, method="difference")
        assert {block for block, found in report.blocks.items() if found.verdict == "fail"} == {name}


def test_defaults_are_documented():
    assert certificate.DIRECTIONS == 4
    assert certificate.ALPHA == 1e-9


@pytest.mark.parametrize(
    ("flat", "name"),
    [(lambda b: b**3, "power"), (np.square, "square"), (lambda b: np.abs(b) ** 1.5, "power")],
)
def test_measured_slopes_at_zero_are_zero_or_infinite(flat, name):
    assert check(lambda b: np.sum(flat(b * 1.0)), np.zeros(3), np.zeros(3)).passed
    values = [np.zeros(3)] if name == "square" else [np.zeros(3), 1.5]
    assert not measured(name, values, 0).any()
    assert np.isinf(measured("sqrt", [np.zeros(2)], 0)).all()


def normalised(p):
    z = X @ p["W"] + p["b"]  # no slope but rounding, as the mean is subtracted
    h = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5)
    return np.mean((np.tanh(h) * p["V"] - 0.3) ** 2)


@pytest.mark.parametrize("error", [1e-3, 1e-6, 1e-9])
def test_a_block_without_slope_but_rounding_does_not_weaken_the_certificate(monkeypatch, error):
    rng = np.random.default_rng(2)
    theta = {
        "W": rng.standard_normal((X.shape[1], 4)),
        "b": rng.standard_normal(4),
        "V": rng.standard_normal(4),
    }
    _, summary = estimated(normalised, theta)
    assert summary.certified.relative < 1e-11
    altered(monkeypatch, smooth.Elementwise, "backward", error)
    with pytest.raises(NotCertifiedError, match="Differences along 4 random directions"):
        estimated(normalised, theta)


def test_a_wrong_measured_slope_is_not_hidden_by_one_that_is_undefined(monkeypatch):
    def cost(x):
        with np.errstate(invalid="ignore"):
            return np.sum(np.where(x > 0, np.log(x), x))

    def wrong(*arguments):
        found = np.array(measured(*arguments))
        found.flat[2] *= 1 + 1e-6
        return found

    x = np.array([-1.0, 0.5, 0.7])
    assert check(cost, x, np.array([1.0, 2.0, 1 / 0.7]), method="difference").passed
    monkeypatch.setattr(smooth, "measured", wrong)
    with pytest.raises(NotCertifiedError, match="Exact differences of single operations"):
        estimated(cost, x)


def unit_vectors(p):
    rows = p["W"] / np.linalg.norm(p["W"], axis=1, keepdims=True)
    unit = p["b"][:, 0] / np.linalg.norm(p["b"])
    lengths = np.trace(rows @ rows.T) + np.einsum("ij,ij->", rows, rows) + np.dot(unit, unit)
    inverse = np.prod(np.stack([p["b"], 1 / p["b"]]), axis=0) * p["b"] * (1 / p["b"])
    return lengths + np.sum(rows * np.arange(5)) + np.sum(unit * np.arange(4)) + np.sum(inverse)


def test_changes_that_cancel_in_a_product_are_no_mistake_of_its_slopes(monkeypatch):
    """The length of a unit vector does not change: what is left is rounding."""
    theta = {"W": THETA["W1"], "b": THETA["b1"]}
    for estimate in estimated(unit_vectors, theta)[0]:
        name = estimate.part.block.name
        norms = np.linalg.norm(theta[name], axis=1 if name == "W" else 0, keepdims=True)
        unit, weights = theta[name] / norms, np.arange(5) if name == "W" else np.arange(4)[:, None]
        along = (unit * weights).sum(axis=1 if name == "W" else 0, keepdims=True)
        right = (weights - along * unit) / norms
        np.testing.assert_allclose(estimate.slopes.central, right.ravel(), rtol=0, atol=1e-13)
    altered(monkeypatch, Matmul, "difference", 1e-6)
    with pytest.raises(NotCertifiedError, match="Exact differences of single operations"):
        estimated(cost, THETA)


def test_directions_go_forwards_one_by_one_where_memory_is_short(monkeypatch):
    seen = []

    def tangents(self, moves, many, *arguments):
        seen.append(many)
        return right(self, moves, many, *arguments)

    right = Flow.tangents
    monkeypatch.setattr(Flow, "tangents", tangents)
    assert check(cost, THETA, gradients(THETA), method="difference").passed
    monkeypatch.setattr(certificate, "directions_in_memory", lambda *_: 1)
    report = check(cost, THETA, gradients(THETA), method="difference")
    assert report.passed
    assert "4 directions" in report.certified
    assert seen == [4, 1, 1, 1, 1]
    altered(monkeypatch, Matmul, "backward", 1e-9)
    with pytest.raises(NotCertifiedError, match="did not confirm the slopes"):
        estimated(cost, THETA)


@pytest.mark.parametrize("unit", [1.0, 1e-8, 1e-20])
def test_blocks_in_units_of_their_own_are_certified_each(unit):
    def in_units(p):
        return np.sum(np.tanh(p["one"]) ** 2) + np.sum(np.sin(p["other"] / unit))

    x = RNG.standard_normal(6)
    theta = {"one": x, "other": x * unit}
    right = [2 * np.tanh(x) / np.cosh(x) ** 2, np.cos(x) / unit]
    problem = pose(in_units, theta, dict(zip(theta, right, strict=True)))
    with session_of(in_units) as session:
        runs = Runs(problem, Execution(), in_units, session.snapshot)
        flow = runs.at_theta().flow()
    assert certify(runs, flow, right, 0.0, seed=0).relative < 1e-11
    for number in range(2):
        wrong = [slopes * (1 + 1e-9) if k == number else slopes for k, slopes in enumerate(right)]
        with pytest.raises(NotCertifiedError, match="did not confirm the slopes"):
            certify(runs, flow, wrong, 0.0, seed=0)
    claim = {"one": right[0], "other": right[1]}
    assert check(in_units, theta, claim, method="difference").passed
    claim["one"] = claim["one"] * (1 + 1e-4)
    assert not check(in_units, theta, claim, method="difference").passed
