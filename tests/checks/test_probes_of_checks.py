"""Probes at other scales and on other sides of comparisons find what no check at θ can see."""

import json
import math

import numpy as np
import pytest

import fastcheck
from fastcheck import GradientMismatchError, InvalidProblemError, Verdict, check_probes

RNG = np.random.default_rng(0)
X = RNG.random((4, 30))
LABELS = RNG.integers(0, 3, 30)
THETA = {"W1": RNG.random((5, 4)), "b1": RNG.random((5, 1)), "W2": RNG.standard_normal((3, 5))}


def loss(p):
    hidden = p["W1"] @ X + p["b1"]
    Z = p["W2"] @ np.maximum(0, hidden)
    Z = Z - Z.max(axis=0)
    return np.mean(np.log(np.exp(Z).sum(axis=0)) - Z[LABELS, np.arange(30)])


def gradient(p, *, overflows=False, without_mask=False):
    hidden = p["W1"] @ X + p["b1"]
    active = np.maximum(0, hidden)
    Z = p["W2"] @ active
    probabilities = np.exp(Z if overflows else Z - Z.max(axis=0))
    probabilities /= probabilities.sum(axis=0)
    probabilities[LABELS, np.arange(30)] -= 1
    dZ = probabilities / 30
    dhidden = p["W2"].T @ dZ * (1 if without_mask else hidden > 0)
    return {"W1": dhidden @ X.T, "b1": dhidden.sum(axis=1, keepdims=True), "W2": dZ @ active.T}


def test_a_right_gradient_passes_at_all_probes_and_the_sides_are_counted():
    report = check_probes(loss, THETA, gradient)
    assert report.passed
    assert report.failing is None
    assert [probe.name for probe in report.probes[:3]] == ["the given θ", "θ × 10", "θ × 0.01"]
    assert report.probes[3].name.startswith("the other side of maximum at test_probes_of_checks.py:")
    (branch,) = report.branches
    assert branch.function == "maximum"
    assert branch.at_theta == {False}
    assert branch.seen == {True, False}
    text = " ".join(str(report).split())
    assert text.startswith("PASS the gradient is right at 4 probes")
    assert "Of 1 comparison in the cost 0 took both sides at θ, and 1 at the probes together." in text
    assert repr(report) == "<ProbesReport pass: 4 probes>"


def test_a_derivative_that_no_unit_needs_at_the_parameters_is_missed_on_the_other_side():
    def wrong(p):
        return gradient(p, without_mask=True)

    assert fastcheck.check(loss, THETA, wrong).passed
    report = check_probes(loss, THETA, wrong)
    assert report.verdict is Verdict.FAIL
    assert report.failing is report.probes[3]
    assert report.failing.report.blocks["W1"].verdict is Verdict.FAIL
    assert "maximum" in str(report)
    with pytest.raises(GradientMismatchError, match="the other side of maximum"):
        report.raise_if_failed()


def test_a_backward_pass_that_overflows_fails_at_its_scale():
    def wrong(p):
        return gradient(p, overflows=True)

    assert check_probes(loss, THETA, gradient, scales=[100]).passed
    report = check_probes(loss, THETA, wrong, scales=(100,))
    assert report.failing.name == "θ × 100"
    assert report.failing.report is None
    assert "gradient of W1: expected finite numbers, got nan" in report.failing.error
    assert report.probes[0].verdict is Verdict.PASS


def test_the_other_side_of_where_and_of_if_is_found():
    def huber(p):
        r = p["w"] @ X - 1
        if p["a"] > 5:
            return np.sum(r)
        return np.sum(np.where(np.abs(r) < 5, 0.5 * r**2, 5 * (np.abs(r) - 2.5))) + p["a"] ** 2

    def slope(p, *, linear_part):
        r = p["w"] @ X - 1
        if p["a"] > 5:
            return {"w": X.sum(axis=1), "a": 0.0}
        inner = r if not linear_part else np.clip(r, -5, 5)
        return {"w": X @ inner, "a": 2 * p["a"]}

    theta = {"w": RNG.random(4), "a": 1.0}
    right = check_probes(huber, theta, lambda p: slope(p, linear_part=True), scales=[])
    assert right.passed
    sides = {branch.function: branch.seen for branch in right.branches}
    assert sides["greater"] == sides["less"] == {True, False}
    wrong = check_probes(huber, theta, lambda p: slope(p, linear_part=False), scales=[])
    failing = [probe.name for probe in wrong.probes if probe.verdict is Verdict.FAIL]
    assert len(failing) == 1
    assert "the other side of less" in failing[0]


def test_layers_of_a_loop_have_branches_of_their_own():
    def deep(p):
        a = X
        for W in p:
            a = np.maximum(0, W @ a)
        return np.sum(a**2)

    layers = [RNG.random((4, 4)), -RNG.random((4, 4)) + np.diag(np.full(4, 1.9)), RNG.random((2, 4))]
    report = check_probes(deep, layers, lambda p: fastcheck.numerical_gradient(deep, p))
    assert len(report.branches) == 3
    assert all(len(branch.seen) == 2 for branch in report.branches)


def test_where_the_cost_is_not_defined_nothing_is_checked():
    def root(w):
        if w[0] > 5:
            raise ValueError("beyond the table")
        return np.log(w[1]) + np.sqrt(w[0])

    def slope(w):
        return np.array([0.5 / np.sqrt(w[0]), 1 / w[1]])

    report = check_probes(root, np.array([1.0, 2.0]), slope, scales=(10, -1, 0.5), branches=False)
    assert [probe.verdict for probe in report.probes] == [Verdict.PASS, None, None, Verdict.PASS]
    assert report.passed
    assert report.probes[1].skipped == "ValueError: beyond the table"
    assert "expected a finite number" in report.probes[2].skipped
    text = str(report)
    assert "not checked   θ × 10: ValueError: beyond the table" in text
    assert "right at 2 probes" in text
    assert "branches=False" in text


def test_a_cost_that_cannot_be_recorded_has_scales_only():
    def cost(w):
        return float(str(float(np.sum(np.asarray(w.tolist()) ** 2))))

    report = check_probes(cost, np.ones(2), lambda w: 2 * w)
    assert report.passed
    assert report.branches is None
    assert len(report.probes) == 3
    assert "What the cost compares is not known" in str(report)


def test_a_cost_without_comparisons_says_so():
    report = check_probes(lambda w: np.sum(w**3), np.ones(2), lambda w: 3 * w**2)
    assert report.branches == ()
    assert "compares nothing that parameters change" in str(report)


def test_complex_points_on_manifolds_and_held_parameters_are_probed_where_they_may_move():
    def cost(p):
        return np.sum(np.abs(p["z"] - 3) ** 2) + np.sum(np.maximum(p["x"] * p["c"], 0.0))

    x = np.array([0.6, 0.8])

    def claim(p):
        slope = (p["x"] * p["c"] > 0) * p["c"]
        return {"z": 2 * (p["z"] - 3), "x": slope - p["x"] * (p["x"] @ slope)}

    theta = {"z": np.array([1 + 2j]), "x": x, "c": np.array([1.0, 2.0])}
    options = {
        "retract": {"x": lambda x, v: (x + v) / np.sqrt(np.sum((x + v) ** 2))},
        "held_constant": "c",
    }
    seen = []

    def watched(p):
        seen.append({name: value.copy() for name, value in p.items()})
        return claim(p)

    report = check_probes(cost, theta, watched, **options)
    assert report.passed
    assert all(abs(p["x"] @ p["x"] - 1) < 1e-12 for p in seen)
    assert all((p["c"] == theta["c"]).all() for p in seen)
    assert {complex(p["z"][0]) for p in seen} >= {1 + 2j, 10 + 20j}
    wrong = check_probes(
        cost, theta, lambda p: claim(p) | {"x": p["c"] - p["x"] * (p["x"] @ p["c"])}, **options
    )
    assert wrong.failing.name.startswith("the other side of maximum")


def test_parameters_and_generators_stay_as_they_were():
    before = json.dumps({name: value.tolist() for name, value in THETA.items()})
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    check_probes(loss, THETA, gradient)
    assert json.dumps({name: value.tolist() for name, value in THETA.items()}) == before
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_text_has_80_columns():
    for report in (
        check_probes(loss, THETA, gradient),
        check_probes(loss, THETA, lambda p: gradient(p, without_mask=True)),
    ):
        assert max(map(len, str(report).splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gradients": THETA}, "gradients: expected a function of the parameters, got dict. Probes ask it"),
        ({"scales": 10}, "scales: expected a list of finite factors, none of them zero"),
        ({"scales": [0.0]}, "scales: expected a list of finite factors"),
        ({"scales": [math.inf]}, "scales: expected a list of finite factors"),
        ({"scales": ["10"]}, "scales: expected a list of finite factors"),
        ({"branches": "all"}, "branches: expected True or False, got 'all'"),
        ({"tolerance": 2}, "tolerance"),
        ({"cost": 1.0}, "cost: expected a function"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    arguments = {"cost": loss, "parameters": THETA, "gradients": gradient} | arguments
    with pytest.raises(InvalidProblemError, match=message):
        check_probes(**arguments)


def test_unknown_options_are_those_of_no_check():
    with pytest.raises(TypeError, match="nonsense"):
        check_probes(loss, THETA, gradient, nonsense=1)
