"""The entry points: personal styles, counted forward passes, results that do not depend on workers."""

import functools
import itertools
import pickle
import threading

import numpy as np
import pytest
from budgeted_costs import Counted
from scenarios import copied, leaves, relu_backward, relu_forward, relu_network, scenarios, sigmoid
from small_model import METHODS, RIGHT, THETA, Model, X, Y, plain

from fastcheck import Verdict, check, check_backprop, course, execution, numerical_gradient

# --- personal styles ----------------------------------------------------------------------------------------


def in_place_on_copies(parameters):
    parameters = {name: array.copy() for name, array in parameters.items()}
    Z = parameters["W1"] @ X
    Z += parameters["b1"]
    Z *= Z > 0
    parameters["W2"] *= 1.0
    Z = parameters["W2"] @ Z
    Z += parameters["b2"]
    return float(np.mean(np.logaddexp(0, Z) - Y * Z))


def samples_first(parameters):
    hidden = np.maximum(X.T @ parameters["W1"].T + parameters["b1"].T, 0)
    scores = hidden @ parameters["W2"].T + parameters["b2"].T
    p = sigmoid(scores[:, 0])
    return -np.mean(Y[0] * np.log(p) + (1 - Y[0]) * np.log(1 - p))


def one_sample_at_a_time(parameters):
    total = 0
    for x, y in zip(X.T, Y[0], strict=True):
        a = np.maximum(parameters["W1"] @ x + parameters["b1"][:, 0], 0)
        z = (parameters["W2"] @ a + parameters["b2"][:, 0])[0]
        total += np.logaddexp(0, z) - y * z
    return total / Y.size


def global_state(parameters):
    global STATE
    STATE = parameters
    return relu_forward(X, Y, STATE)[0]


def adding_entries(parameters):
    parameters["A0"] = X
    parameters.pop("A0")
    parameters["b1"] = parameters["b1"] + 0
    return relu_forward(X, Y, parameters)[0]


STYLES = {
    "class with __call__": Model(X, Y),
    "bound method": Model(X, Y).loss,
    "closure": (lambda X, Y: lambda p: relu_forward(X, Y, p)[0])(X, Y),
    "partial": functools.partial(lambda X, Y, p: relu_forward(X, Y, p)[0], X, Y),
    "in place on copies": in_place_on_copies,
    "samples first": samples_first,
    "loop over samples": one_sample_at_a_time,
    "float": lambda p: float(relu_forward(X, Y, p)[0]),
    "np.squeeze": lambda p: np.squeeze(np.array([[relu_forward(X, Y, p)[0]]])),
    "0-d array": lambda p: np.array(relu_forward(X, Y, p)[0]),
    "global state": global_state,
    "keyword arguments": lambda p: (
        lambda W1, b1, W2, b2: samples_first({"W1": W1, "b1": b1, "W2": W2, "b2": b2})
    )(**p),
    "entries added": adding_entries,
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cost", STYLES.values(), ids=STYLES.keys())
def test_code_in_personal_styles(cost, method):
    theta = copied(THETA)
    assert check(cost, theta, RIGHT, method=method).passed
    wrong = RIGHT | {"dW1": RIGHT["dW1"] * (RIGHT["dW1"] > 0)}
    report = check(cost, theta, wrong, method=method)
    assert [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL] == ["W1"]
    assert all(np.array_equal(theta[name], THETA[name]) for name in THETA)


def test_gradients_as_a_function():
    model = Model(X, Y)
    assert check(model, THETA, model.gradients).passed
    assert not check(model, THETA, lambda p: {k: 2 * g for k, g in model.gradients(p).items()}).passed


def test_a_backward_pass_that_returns_views_of_its_buffers():
    buffer = {name: np.zeros_like(array) for name, array in THETA.items()}

    def forward(X, Y, parameters):
        for array in buffer.values():
            array[...] = np.nan  # any later forward pass destroys what the backward pass returned
        return relu_forward(X, Y, parameters)

    def backward(X, Y, cache):
        for name, gradient in relu_backward(X, Y, cache).items():
            buffer[name[1:]][...] = gradient
        return buffer

    assert check_backprop(forward, backward, THETA, X, Y).passed


def test_check_backprop_takes_any_data():
    data = {"images": X, "shape": (4, 9)}
    labels = [int(y) for y in Y[0]]

    def forward(data, labels, parameters):
        return relu_forward(data["images"], np.array([labels]), parameters)

    def backward(data, labels, cache):
        return relu_backward(data["images"], np.array([labels]), cache)

    assert check_backprop(forward, backward, THETA, data, labels).passed


def test_options_reach_the_check():
    X, Y, parameters = course.gradient_check_n_test_case()
    options = {"epsilon": 1e-4, "tolerance": 1e-3, "coordinates": 1, "method": "reference", "seed": 5}
    forward, backward = course.forward_propagation_n, course.backward_propagation_n
    report = check_backprop(forward, backward, parameters, X, Y, **options)
    assert (report.epsilon, report.tolerance, report.method, report.seed) == (1e-4, 1e-3, "reference", 5)
    assert [block.checked for block in report.blocks.values()] == [1] * 6
    assert report.size == 47
    assert report.checked == 6
    assert report.seconds > 0


def test_positions_check_only_their_blocks():
    report = check(Model(X, Y), THETA, RIGHT, coordinates=["W1[0, 2]", ("b2", (0, 0))])
    assert list(report.blocks) == ["W1", "b2"]
    assert [block.checked for block in report.blocks.values()] == [1, 1]


# --- counted ------------------------------------------------------------------------------------------------

POSED, NOISE = 2, 9
"""Forward passes besides two for each coordinate: those that pose the problem, and along a line for its noise.

Plain evaluation needs the line where claims do not tell the noise by agreeing, or where they are off by rounding."""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("epsilon", [None, 1e-2, 1e-7])
@pytest.mark.parametrize("scenario", scenarios(), ids=str)
def test_forward_passes_are_counted_exactly(scenario, epsilon, method):
    cost = Counted(scenario.cost)
    report = check(cost, scenario.parameters, scenario.gradients, epsilon=epsilon, method=method)
    assert report.forward_passes == cost.calls
    if epsilon is None and method in ("plain", "reference") and not scenario.kinks:
        beyond = cost.calls - 2 * report.checked
        assert beyond == POSED + NOISE or (method == "plain" and beyond == POSED)


def test_those_of_a_second_look_too():
    cost = Counted(Model(X, Y).loss)
    report = check(cost, THETA, {name: 2 * g for name, g in RIGHT.items()}, method="plain")
    assert report.forward_passes == cost.calls > 2 * report.checked + 11


def curved(p):
    """A cost that no network computes."""
    h = p["W"] @ np.linspace(-1, 1, 40)
    return np.sum(np.exp(np.sin(h))) + np.sum(np.abs(np.cos(h)))


HIDDEN = {
    "difference": curved,
    "plain": lambda p: curved(p) + 0.0 * np.linalg.eigvals(p["W"][:3, :3])[0].real,
}


@pytest.mark.parametrize("epsilon", [None, 1e-3])
@pytest.mark.parametrize("used", HIDDEN)
def test_and_those_on_perturbed_arrays_and_those_that_came_to_nothing(used, epsilon):
    """`itertools.count` holds what is not put back after runs on perturbed arrays."""
    counter, cost = itertools.count(), HIDDEN[used]

    def counted(p):
        next(counter)
        return cost(p)

    W = np.random.default_rng(0).standard_normal((60, 40))
    report = check(counted, {"W": W}, {"W": W}, epsilon=epsilon)
    assert report.method == (used if epsilon is None or used == "plain" else "difference")
    assert report.forward_passes == next(counter)


def test_and_those_of_check_backprop():
    forward = Counted(relu_forward)
    report = check_backprop(forward, relu_backward, THETA, X, Y, method="plain")
    assert report.forward_passes == forward.calls
    assert forward.calls == 2 * report.checked + POSED + 1


def test_and_those_in_batches():
    rows = []

    class Batched:
        def __call__(self, w):
            rows.append(1)
            return np.sum(w**3)

        def costs(self, thetas):
            rows.extend([1] * len(thetas))
            return np.sum(thetas**3, axis=1)

    w = np.linspace(-1, 1, 200)
    report = check(Batched(), w, 3 * w**2, method="plain")
    assert report.passed
    assert report.forward_passes == len(rows)


# --- workers ------------------------------------------------------------------------------------------------


@pytest.fixture
def eager(monkeypatch):
    """Workers start for the smallest of checks."""
    monkeypatch.setattr(execution, "WORKERS_PAY_AFTER", {"processes": 0.0, "threads": 0.0})


BIG = np.random.default_rng(5)
BIG_X, BIG_Y = BIG.standard_normal((64, 300)), (BIG.random((1, 300)) < 0.5).astype(float)
_, BIG_THETA, _ = relu_network((64, 48, 1), 300, seed=5)


def blas_heavy(parameters):
    return relu_forward(BIG_X, BIG_Y, parameters)[0]


@pytest.mark.parametrize("backend", ["processes", "threads"])
@pytest.mark.parametrize("claim", ["right", "wrong"])
@pytest.mark.usefixtures("eager")
def test_the_result_does_not_depend_on_workers(backend, claim):
    gradients = relu_backward(BIG_X, BIG_Y, relu_forward(BIG_X, BIG_Y, BIG_THETA)[1])
    if claim == "wrong":
        gradients["dW1"] = gradients["dW1"] * 1.001
    options = {"method": "plain", "coordinates": {"W1": 150, "b1": "all", "W2": "all", "b2": "all"}}
    alone = check(blas_heavy, BIG_THETA, gradients, **options)
    together = check(blas_heavy, BIG_THETA, gradients, n_jobs=2, backend=backend, **options)
    assert plain(alone) == plain(together)
    assert alone.passed is (claim == "right")


@pytest.mark.parametrize("backend", ["processes", "threads"])
@pytest.mark.usefixtures("eager")
def test_the_numerical_gradient_does_not_either(backend):
    for scenario in scenarios()[:5]:
        alone = numerical_gradient(scenario.cost, scenario.parameters, method="plain")
        options = {"method": "plain", "n_jobs": 2, "backend": backend}
        together = numerical_gradient(scenario.cost, scenario.parameters, **options)
        assert pickle.dumps(leaves(alone)) == pickle.dumps(leaves(together))


@pytest.mark.parametrize("backend", ["processes", "threads"])
@pytest.mark.usefixtures("eager")
def test_exceptions_in_workers_are_told_with_their_coordinate(backend):
    at = THETA["W2"][0, 3]

    def cost(p):
        if p["W2"][0, 3] != at:
            raise ZeroDivisionError("no data")
        return relu_forward(X, Y, p)[0]

    report = check(cost, THETA, RIGHT, method="plain", n_jobs=2, backend=backend)
    assert report.blocks["W2"].verdict == "inconclusive"
    assert "at W2[0, 3] " in report.blocks["W2"].cause
    assert "ZeroDivisionError: no data" in report.blocks["W2"].cause
    assert all(block.verdict == "pass" for name, block in report.blocks.items() if name != "W2")


@pytest.mark.usefixtures("eager")
def test_a_cost_that_cannot_be_sent_runs_here_and_the_report_says_so():
    lock = threading.Lock()

    def cost(p):
        with lock:
            return relu_forward(X, Y, p)[0]

    report = check(cost, THETA, RIGHT, method="plain", n_jobs=2, backend="processes")
    assert report.passed
    assert any("n_jobs=2 was not used" in note and "backend='threads'" in note for note in report.notes)
    assert check(cost, THETA, RIGHT, method="plain", n_jobs=2, backend="threads").notes == ()


def test_progress_is_told():
    told = []
    check(Model(X, Y), THETA, RIGHT, method="plain", progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (31, 31)


# --- numerical_gradient -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scenario", scenarios(), ids=str)
def test_the_numerical_gradient_has_the_structure_of_the_parameters(scenario, method):
    before = pickle.dumps(copied(scenario.parameters))
    numerical = numerical_gradient(scenario.cost, scenario.parameters, method=method)
    assert pickle.dumps(copied(scenario.parameters)) == before
    expected = [array for _, array in leaves(scenario.gradients)]
    got = [array for _, array in leaves(numerical)]
    assert type(numerical) is type(scenario.parameters)
    assert [name for name, _ in leaves(numerical)] == [name for name, _ in leaves(scenario.parameters)]
    tolerance = 1e-5 if scenario.name == "float32" else 1e-7
    for a, b in zip(got, expected, strict=True):
        assert np.allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())
