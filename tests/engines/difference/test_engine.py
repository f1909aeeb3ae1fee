"""Difference propagation as an engine: accuracy, verification, fallback, kinks, workers."""

import math
import sys
import threading

import joined
import mpmath
import numpy as np
import pytest

from fastcheck import check, check_backprop, course, locate, numerical_gradient, screen
from fastcheck.bench import Network
from fastcheck.engines import DisagreementError
from fastcheck.engines.difference import engine as engine_module
from fastcheck.engines.difference.state import TracingError
from fastcheck.engines.reference import central_differences
from fastcheck.plan import make_plan
from fastcheck.problem import pose


def course_problem():
    parameters, gradients, X, Y = course.gradient_check_n_solved_case()
    return parameters, gradients, X, Y


@pytest.mark.parametrize("epsilon", [None, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12])
def test_course_network_to_machine_precision_at_any_step(epsilon):
    parameters, _, X, Y = course_problem()
    forward, backward = course.forward_propagation_n, course.backward_propagation_n
    report = check_backprop(forward, backward, parameters, X, Y, epsilon=epsilon, method="difference")
    assert report.passed
    assert report.method == "difference"
    assert report.difference <= 1e-13


ACTIVATIONS = {
    "relu": (lambda z: np.maximum(0, z), lambda z: z if z > 0 else mpmath.mpf(0)),
    "tanh": (np.tanh, mpmath.tanh),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: 1 / (1 + mpmath.exp(-z))),
}


def numpy_cost(X, Y, activation):
    def cost(p):
        A = X
        for layer in (1, 2):
            A = activation(p[f"W{layer}"] @ A + p[f"b{layer}"])
        A = 1 / (1 + np.exp(-(p["W3"] @ A + p["b3"])))
        return -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / X.shape[1]

    return cost


def exact_cost(X, Y, activation):
    """The same in mpmath, of a vector of mpmath numbers."""

    def cost(theta):
        p = course.vector_to_dictionary(theta)
        A = np.vectorize(mpmath.mpf, otypes=[object])(X)
        for layer in (1, 2):
            A = np.vectorize(activation, otypes=[object])(p[f"W{layer}"] @ A + p[f"b{layer}"])
        A = np.vectorize(lambda z: 1 / (1 + mpmath.exp(-z)), otypes=[object])(p["W3"] @ A + p["b3"])
        terms = [mpmath.log(a) if y else mpmath.log(1 - a) for a, y in zip(A.ravel(), Y, strict=True)]
        return -sum(terms) / X.shape[1]

    return cost


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("epsilon", [1e-2, 1e-4])
def test_finite_differences_and_not_derivatives(name, epsilon):
    parameters, _, X, Y = course_problem()
    compiled, exact = ACTIVATIONS[name]
    found = numerical_gradient(numpy_cost(X, Y, compiled), parameters, epsilon=epsilon, method="difference")
    vector = np.ravel(course.dictionary_to_vector(found))
    with mpmath.workdps(50):
        theta = np.ravel(course.dictionary_to_vector(parameters))
        theta = np.array([mpmath.mpf(float(t)) for t in theta], dtype=object)
        step = mpmath.mpf(epsilon)
        truth = central_differences(exact_cost(X, Y, exact), theta, range(theta.size), step)
        scale = max(abs(t) for t in truth)
        for got, expected in zip(vector, truth, strict=True):
            assert abs(got - expected) <= 1e-12 * max(abs(expected), mpmath.mpf("1e-2") * scale)


def test_what_stops_the_trace_is_named_and_the_check_goes_on_plainly():
    def cost(w):
        return np.sum(np.linalg.eigvals(np.diag(w)) ** 2)

    w = np.array([0.5, 0.25])
    report = check(cost, w, 2 * w)
    assert report.passed
    assert report.method == "plain"
    (note,) = report.notes
    assert "test_engine.py" in note
    assert "np.linalg.eigvals(np.diag(w))" in note
    with pytest.raises(TracingError, match=r"test_engine\.py"):
        check(cost, w, 2 * w, method="difference")


def test_a_number_that_left_the_trace_is_never_taken_for_unperturbed():
    def cost(w):
        size = float(np.sum(w**2))
        return math.ldexp(size, 1) + np.sum(w)

    w = np.array([0.5, -0.25])
    assert check(cost, w, 4 * w + 1).passed
    assert check(cost, w, np.ones(2)).verdict == "fail"
    with pytest.raises(TracingError, match="float"):
        check(cost, w, 4 * w + 1, method="difference")


def test_float_at_the_end_of_the_cost_is_followed():
    w = np.array([0.5, -0.25])
    report = check(lambda w: float(np.squeeze(np.sum(w**2))), w, 2 * w, method="difference")
    assert report.passed


def test_a_wrong_rule_is_discovered_and_the_result_is_not_used(monkeypatch):
    from fastcheck.engines.difference.arrays import UFUNCS, DifferenceArray

    right = UFUNCS[np.tanh]

    def wrong(x):
        y = right(x)
        return y if y.form is None else DifferenceArray(y.value, y.form.scaled(1.001, y.shape))

    monkeypatch.setitem(UFUNCS, np.tanh, wrong)
    w = np.array([0.5, -0.25, 2.0])

    def cost(w):
        return np.sum(np.tanh(w))

    gradients = 1 - np.tanh(w) ** 2
    assert check(cost, w, gradients).method == "graph"
    report = check(cost, w, gradients, epsilon=1e-5)
    assert report.passed
    assert report.method == "plain"
    assert "The cost does not confirm the fast engine" in report.notes[0]
    with pytest.raises(DisagreementError, match="random direction in theta"):
        check(cost, w, gradients, method="difference")


def test_methods_of_plain_arrays_are_followed():
    X = np.random.default_rng(0).standard_normal((5, 3))

    def cost(W):
        return np.sum(X.dot(W) ** 2)

    W = np.random.default_rng(1).standard_normal((3, 2))
    assert check(cost, W, 2 * X.T @ (X @ W), method="difference").passed


@pytest.mark.parametrize("claim", [0.0, 0.5, 1.0])
def test_any_subgradient_of_a_relu_at_zero_is_right(claim):
    w = np.array([0.0, 1.0])
    report = check(lambda w: np.sum(np.maximum(w, 0)), w, np.array([claim, 1.0]), method="difference")
    assert report.passed


@pytest.mark.parametrize("claim", [-0.01, 1.01])
def test_a_claim_beyond_the_subgradients_is_wrong(claim):
    w = np.array([0.0, 1.0])
    report = check(lambda w: np.sum(np.maximum(w, 0)), w, np.array([claim, 1.0]), method="difference")
    assert report.verdict == "fail"
    assert report.blocks["theta"].wrong == 1


@pytest.mark.parametrize(("claim", "passes"), [(0.0, True), (-1.0, True), (1.0, True), (1.5, False)])
def test_the_symmetric_trap(claim, passes):
    report = check(lambda w: np.sum(np.abs(w)), np.zeros(1), np.array([claim]), method="difference")
    assert report.passed is passes


def test_kinks_between_theta_and_the_users_step_do_not_fail_a_right_gradient():
    w = np.linspace(-0.02, 0.02, 42)
    report = check(
        lambda w: np.sum(np.maximum(w, 0) ** 1), w, (w > 0) * 1.0, epsilon=0.01, method="difference"
    )
    assert report.passed


def normalised(p):
    h = p["x"] @ p["w"] + p["b"]
    h = (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-5)
    return np.sum(np.tanh(h * p["scale"]))


def test_a_gradient_that_is_zero_but_for_rounding():
    rng = np.random.default_rng(0)
    p = {"x": rng.standard_normal((8, 3)), "w": rng.standard_normal((3, 4)), "b": rng.standard_normal(4)}
    p["scale"] = np.linspace(0.5, 2, 4)
    gradients = numerical_gradient(normalised, p, method="difference")
    assert np.abs(gradients["b"]).max() < 1e-14
    for b in (np.zeros(4), 1e-17 * rng.standard_normal(4)):
        report = check(normalised, p, {**gradients, "b": b}, method="difference")
        assert report.blocks["b"].verdict == "pass"
    report = check(normalised, p, {**gradients, "b": np.full(4, 1e-8)}, method="difference")
    assert report.blocks["b"].verdict == "fail"


def test_vanishing_gradients_are_checked_as_sharply_as_others():
    rng = np.random.default_rng(0)
    p = {f"W{i}": rng.standard_normal((6, 6)) for i in range(12)}
    x = rng.standard_normal((6, 4))

    def cost(p):
        h = x
        for W in p.values():
            h = 1 / (1 + np.exp(-(W @ h)))
        return np.mean(h)

    gradients = numerical_gradient(cost, p, method="difference")
    assert np.abs(gradients["W0"]).max() < 1e-3 * np.abs(gradients["W11"]).max()
    assert check(cost, p, gradients, method="difference").passed
    for wrong in (np.zeros((6, 6)), gradients["W0"] * (1 + 1e-6)):
        report = check(cost, p, {**gradients, "W0": wrong}, method="difference")
        assert [name for name, block in report.blocks.items() if block.verdict == "fail"] == ["W0"]


@pytest.mark.parametrize("factor", [1 + 1e-6, 1 - 1e-6, -1.0, 0.0, 2.0])
def test_one_coordinate_off_is_found(factor):
    parameters, gradients, X, Y = course_problem()
    gradients["dW1"][2, 1] *= factor
    cost, options = lambda p: course.forward_propagation_n(X, Y, p)[0], {"method": "difference"}
    report = check(cost, parameters, gradients, **options)
    assert {n: b.wrong for n, b in report.blocks.items() if b.verdict == "fail"} == {"W1": 1}


@pytest.fixture
def eager_workers(monkeypatch):
    monkeypatch.setattr("fastcheck.execution.WORKERS_PAY_AFTER", {"threads": 0.0, "processes": 0.0})


@pytest.mark.usefixtures("eager_workers")
def test_workers_give_the_same_bits():
    parameters, X, Y = (Network(sizes=(30, 20, 10, 1), samples=17).build()[i] for i in (0, 2, 3))

    def cost(p):
        return course.forward_propagation_n(X, Y, p)[0]

    one = numerical_gradient(cost, parameters, method="difference", n_jobs=1)
    for options in (
        {"n_jobs": 2},
        {"n_jobs": 3, "backend": "threads"},
        {"n_jobs": 2, "backend": "processes"},
    ):
        other = numerical_gradient(cost, parameters, method="difference", **options)
        assert all(one[name].tobytes() == other[name].tobytes() for name in one)


@pytest.mark.parametrize("target", [64, 4096, 10**7])
def test_batches_of_another_size_change_nothing_that_matters(monkeypatch, target):
    parameters, gradients, X, Y = Network(sizes=(30, 20, 10, 1), samples=17).build()
    monkeypatch.setattr(sys.modules["fastcheck.engines.difference.sweep"], "TARGET", target)
    report = check(
        lambda p: course.forward_propagation_n(X, Y, p)[0], parameters, gradients, method="difference"
    )
    assert report.difference <= 1e-15


def test_names_of_the_users_modules_are_as_before():
    before = dict(globals())
    w = np.array([1.0, 2.0])

    def cost(w):
        out = np.zeros(2)
        out[0] = w[0] * w[1]
        return out.sum()

    assert check(cost, w, w[::-1].copy(), method="difference").passed
    assert globals() == before
    assert type(np) is type(math)
    assert type(np.zeros(1)) is np.ndarray

    def failing(w):
        np.zeros(2)
        raise KeyboardInterrupt if type(w) is not np.ndarray else ValueError

    with pytest.raises(ValueError):  # noqa: PT011 — whatever the cost raises
        check(failing, w, w)
    assert globals() == before


def test_other_threads_see_numpy_while_a_trace_runs():
    inside, done, seen = threading.Event(), threading.Event(), []

    def other():
        inside.wait(10)
        seen.append(type(np.zeros(1)))
        done.set()

    def cost(w):
        inside.set()
        done.wait(10)
        return np.sum(w**2)

    thread = threading.Thread(target=other)
    thread.start()
    assert check(cost, np.ones(1), 2 * np.ones(1), method="difference").passed
    thread.join()
    assert seen == [np.ndarray]


def test_compiled_code_gets_plain_memory_from_numpy():
    def cost(w):
        noise = np.random.RandomState(1).randn(3)
        return np.sum(w * noise)

    w = np.ones(3)
    assert check(cost, w, np.random.RandomState(1).randn(3), method="difference").passed


def test_unsupported_members_are_evaluated_plainly():
    w = np.array([0.0, 0.7, -0.3])

    def cost(w):
        total = np.sum(w**2)
        if w[0] > 0:
            total = total + 0.0 * w[0]
        return total

    report = check(cost, w, 2 * w, method="difference")
    assert report.passed


def test_bounds_hold_and_are_not_vacuous():
    parameters, gradients, X, Y = course_problem()
    problem = pose(lambda p: course.forward_propagation_n(X, Y, p)[0], parameters, gradients)
    plan = make_plan(problem.layout, problem.theta, "all", None, 0)
    estimates = joined.estimated(engine_module.DifferenceEngine(), problem, plan)
    with mpmath.workdps(50):
        relu = ACTIVATIONS["relu"][1]
        theta = np.array([mpmath.mpf(float(t)) for t in problem.theta], dtype=object)
        truth = central_differences(exact_cost(X, Y, relu), theta, range(47), mpmath.mpf(2) ** -60)
    error = np.array(
        [float(abs(mpmath.mpf(float(n)) - t)) for n, t in zip(estimates.numerical, truth, strict=True)]
    )
    assert (error <= estimates.bound).all()
    assert np.median(estimates.bound) <= 1e5 * max(np.median(error), 1e-16)
    assert estimates.bound.max() < 1e-9


@pytest.mark.parametrize("scale", [1e-290, 1e-300])
def test_a_cost_too_small_for_a_tiny_step_is_evaluated_plainly(scale):
    w = np.array([1.0, 2.0])
    report = check(lambda w: scale * np.sum(np.tanh(w)), w, scale * (1 - np.tanh(w) ** 2))
    assert report.method == "plain"
    assert report.verdict != "fail"
    assert "underflow" in report.notes[0]


# --- gradients of zero -----------------------------------------------------------------------------------------

ANGLES = np.linspace(-1, 2, 4)

FLAT = {
    "b³": lambda b: np.sum(b**3),
    "b·b·b": lambda b: np.sum(b * b * b),
    "tanh³ b": lambda b: np.sum(np.tanh(b) ** 3),
    "b|b|": lambda b: np.sum(b * np.abs(b)),
    "(Σb)³": lambda b: np.sum(b) ** 3,
}


@pytest.mark.parametrize("shape", [(3,), (70, 80)])
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("flat", FLAT)
def test_a_slope_of_zero_is_told_from_what_a_finite_step_makes_of_it(flat, alone, shape):
    theta = {"b": np.zeros(shape)} if alone else {"w": ANGLES, "b": np.zeros(shape)}
    right = {"b": np.zeros(shape)} if alone else {"w": np.cos(ANGLES), "b": np.zeros(shape)}

    def cost(p):
        return FLAT[flat](p["b"]) + (0.0 if alone else np.sum(np.sin(p["w"])))

    for function in (check, screen, locate):
        assert function(cost, theta, right).passed
        for size in (1.0, 1e-12):
            wrong = right | {"b": np.zeros(shape)}
            wrong["b"].flat[1] = size
            assert function(cost, theta, wrong).blocks["b"].verdict == "fail"
    assert check(cost, theta, right, epsilon=1e-8).passed


@pytest.mark.parametrize("scale", [1e-15, 1e-40])
def test_faint_gradients_are_judged_as_sharply(scale):
    theta = {"w": ANGLES, "b": np.random.default_rng(0).standard_normal((70, 80))}
    right = {"w": np.cos(ANGLES), "b": scale * np.exp(theta["b"])}

    def cost(p):
        return np.sum(np.sin(p["w"])) + scale * np.sum(np.exp(p["b"]))

    for function in (check, screen):
        assert function(cost, theta, right).passed
        assert not function(cost, theta, right | {"b": 1.000001 * right["b"]}).passed
        assert not function(cost, theta, right | {"b": 0 * right["b"]}).passed


class Layer:
    def __init__(self, name):
        self.name = name

    def forward(self, x, p):
        self.x = x
        return x.reshape(len(x), -1).dot(p["W" + self.name]) + p["b" + self.name]


class NetworkOfLayers:
    """X.dot(W) in methods of others, X in a dict, in an attribute, made inside."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.data = {"X": rng.standard_normal((6, 2, 3)), "Y": rng.standard_normal((6, 2))}
        self.layers = [Layer("1"), Layer("2")]
        self.p = {"W1": rng.standard_normal((6, 4)), "W2": rng.standard_normal((4, 2))}
        self.p |= {"b1": np.zeros(4), "b2": np.ones(2)}

    def loss(self, p):
        first, second = self.layers
        h = np.tanh(first.forward(self.data["X"], p))
        made = np.arange(12.0).reshape(6, 2) / 12
        return np.sum((second.forward(h, p) - self.data["Y"]) ** 2) + np.sum(made.dot(p["W2"].T) ** 2)

    def gradients(self):
        p, X, made = self.p, self.data["X"].reshape(6, -1), np.arange(12.0).reshape(6, 2) / 12
        h = np.tanh(X @ p["W1"] + p["b1"])
        dz = 2 * (h @ p["W2"] + p["b2"] - self.data["Y"])
        dh = dz @ p["W2"].T * (1 - h**2)
        return {
            "W1": X.T @ dh, "b1": dh.sum(0), "b2": dz.sum(0), "W2": h.T @ dz + 2 * (made.T @ made @ p["W2"].T).T,
        }  # fmt: skip


def test_methods_of_plain_arrays_are_followed_in_methods_of_the_users_classes():
    network = NetworkOfLayers()
    right = network.gradients()
    report = check(network.loss, network.p, right)
    assert (report.method, report.passed, report.notes) == ("graph", True, ())
    for name, claim in right.items():
        wrong = claim.copy()
        wrong.flat[0] += 1e-4
        assert check(network.loss, network.p, right | {name: wrong}).blocks[name].verdict == "fail"


def test_methods_of_plain_arrays_called_dot_do_what_they_do():
    X, W = np.random.default_rng(0).standard_normal((2, 3, 3))
    out, dot = np.empty((3, 3)), X.dot

    def cost(w):
        plain = X.dot(X, out=out) if out is not None else None
        assert plain is out
        assert np.array_equal(X.dot(W), dot(W))
        assert X.dot(2.0).shape == (3, 3)
        return np.sum(X.dot(w.reshape(3, 3)).dot(X) ** 2) + X.dot(b=w[:3])[0] * X.dot([w[0], w[1], 2.0])[1]

    expected = numerical_gradient(cost, W.ravel(), method="plain", epsilon=1e-3)
    found = numerical_gradient(cost, W.ravel(), method="difference", epsilon=1e-3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max())
