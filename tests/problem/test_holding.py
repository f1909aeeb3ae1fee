"""Values that a cost holds constant on purpose: the rest is checked, however the cost is evaluated."""

import numpy as np
import pytest

import fastcheck
from fastcheck import EvaluationError, InvalidProblemError, held_constant, straight_through
from fastcheck.problem.holding import keeping

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 8))
W = RNG.standard_normal((3, 5))
METHODS = ("auto", "plain", "reference")


def normalised(p):
    return np.sum(((p["W"] / held_constant(np.abs(p["W"]).max())) @ X) ** 2)


def gradient_of_normalised(p):
    scale = np.abs(p["W"]).max()
    return {"W": 2 * (p["W"] @ X) @ X.T / scale**2}


def quantised(p):
    return np.sum((straight_through(p["W"], np.round(4 * p["W"]) / 4) @ X) ** 2)


def gradient_of_quantised(p):
    return {"W": 2 * (np.round(4 * p["W"]) / 4 @ X) @ X.T}


COSTS = {"held": (normalised, gradient_of_normalised), "straight": (quantised, gradient_of_quantised)}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("cost", "gradient"), COSTS.values(), ids=COSTS)
def test_a_claim_that_takes_a_value_as_given_is_right_if_the_cost_says_so(cost, gradient, method):
    report = fastcheck.check(cost, {"W": W}, gradient, method=method)
    assert report.passed
    (note,) = (
        note for note in report.notes if note.startswith("held constant on purpose, at their values at θ")
    )
    assert "test_holding.py" in note
    wrong = gradient({"W": W})["W"]
    wrong[1] *= 1.01
    assert fastcheck.check(cost, {"W": W}, {"W": wrong}, method=method).blocks["W"].wrong == 5


def test_without_the_declaration_the_same_claim_is_wrong():
    def cost(p):
        return np.sum(((p["W"] / np.abs(p["W"]).max()) @ X) ** 2)

    report = fastcheck.check(cost, {"W": W}, gradient_of_normalised)
    assert not report.passed
    assert not any("held constant" in note for note in report.notes)


def test_a_claim_that_follows_the_held_value_is_wrong():
    def cost(p):
        return np.sum(((p["W"] / np.abs(p["W"]).max()) @ X) ** 2)

    whole = fastcheck.numerical_gradient(cost, {"W": W})
    assert fastcheck.check(cost, {"W": W}, whole).passed
    assert not fastcheck.check(normalised, {"W": W}, whole).passed


def test_every_call_of_a_loop_holds_its_own_value():
    def cost(p):
        w = p["w"]
        for _ in range(3):
            w = w * held_constant(np.sum(w))
        return np.sum(w**2)

    def gradient(p):
        w, factor = p["w"], 1.0
        for _ in range(3):
            scale = np.sum(w)
            w, factor = w * scale, factor * scale
        return {"w": 2 * w * factor}

    w = {"w": np.array([0.5, 1.5, -0.7])}
    for method in METHODS:
        assert fastcheck.check(cost, w, gradient, method=method).passed
        assert not fastcheck.check(cost, w, {"w": 1.001 * gradient(w)["w"]}, method=method).passed


def test_several_processes_hold_the_same_values():
    claim = gradient_of_quantised({"W": W})
    reports = [fastcheck.check(quantised, {"W": W}, claim, method="plain", n_jobs=n) for n in (1, 2)]
    assert reports[0].passed
    assert reports[0].difference == reports[1].difference


@pytest.mark.parametrize("ask", [fastcheck.screen, fastcheck.locate])
def test_screening_and_locating_hold_values_too(ask):
    assert ask(normalised, {"W": W}, gradient_of_normalised).passed
    assert not ask(normalised, {"W": W}, {"W": 1.01 * gradient_of_normalised({"W": W})["W"]}).passed


def test_backward_passes_are_checked_with_held_values():
    def forward(X, Y, p):
        return normalised(p), p

    def right(X, Y, cache):
        return gradient_of_normalised(cache)

    def wrong(X, Y, cache):
        return {"W": 2 * gradient_of_normalised(cache)["W"]}

    assert fastcheck.check_backprop(forward, right, {"W": W}, X, X).passed
    report = fastcheck.check_backprop(forward, wrong, {"W": W}, X, X)
    assert "2 times" in report.causes[0].sentence


def test_outside_of_checks_values_pass_through():
    value = np.round(W)
    assert held_constant(value) is value
    assert straight_through(W, value) is value
    assert held_constant(None) is None
    assert quantised({"W": W}) == np.sum((np.round(4 * W) / 4 @ X) ** 2)


def test_the_cost_may_write_into_what_is_held():
    def cost(p):
        mask = held_constant(np.abs(p["w"]) > 1)
        mask[0] = True
        scale = held_constant({"scale": np.sum(p["w"])})
        scale["scale"] *= 2
        return np.sum(np.where(mask, p["w"], 0.0) ** 2) * scale["scale"]

    w = np.array([0.5, 2.0, -0.3])
    claim = {"w": np.array([1.0, 4.0, 0.0]) * 2 * 2.2}
    for method in ("auto", "plain"):
        assert fastcheck.check(cost, {"w": w}, claim, method=method).passed


def test_a_cost_that_holds_more_values_away_from_the_parameters_says_so():
    def cost(p):
        w = p["w"]
        count = 1 if w[0] == 1.0 else 2
        return sum(np.sum(w * held_constant(np.sum(w))) for _ in range(count))

    with pytest.raises(EvaluationError, match="held_constant: near θ the cost calls it 2 times at line"):
        fastcheck.check(cost, {"w": np.ones(2)}, {"w": 2 * np.ones(2)}, method="plain")


def test_shapes_that_differ_are_named():
    with pytest.raises(
        InvalidProblemError, match=r"straight_through: .* of the shape of x, \(3, 5\), got \(5,\)"
    ):
        straight_through(W, W[0])


def test_nothing_is_held_after_an_error():
    def cost(p):
        held_constant(p["w"])
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fastcheck.check(cost, {"w": np.ones(2)}, {"w": np.ones(2)})
    value = np.ones(2)
    assert held_constant(value) is value


def test_what_jax_traces_cannot_be_held_by_a_check_that_runs_it():
    class DynamicJaxprTracer:
        shape = ()

    DynamicJaxprTracer.__module__ = "jax._src.interpreters"
    for hold in (held_constant, lambda x: straight_through(x, np.float64(1))):
        with (
            keeping(),
            pytest.raises(
                InvalidProblemError, match=r"got a value that JAX traces\. Use check_vjp of fastcheck\.jax"
            ),
        ):
            hold(DynamicJaxprTracer())
