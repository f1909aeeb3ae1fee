"""Multilayer perceptrons are recognised in people's own functions, and nothing else is."""

import copy
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import perceptron_styles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlp_by_hand import HIDDEN, OUTPUTS
from perceptron_near_misses import NEAR_MISSES, NET, logits
from perceptron_styles import STYLES, Network, bce, columns, normal, relu, sigmoid

from fastcheck import MLP, course
from fastcheck.adapters import ForwardCost
from fastcheck.engines.difference.arrays import DifferenceArray
from fastcheck.engines.mlp.fitting import simple
from fastcheck.engines.mlp.losses import KINDS
from fastcheck.engines.mlp.recognition import recognise
from fastcheck.objects import ObjectCost
from fastcheck.problem import pose

OUTPUT = {kind: output for output, kind in KINDS.items()}


def model_of(recognition):
    """The MLP that a recognition describes."""
    names = [(f.name, *f.constants) if f.constants else f.name for f in recognition.hidden]
    return MLP(
        [*names, OUTPUT[recognition.loss.kind]],
        loss=recognition.loss,
        l2=recognition.l2,
        dropout_masks=recognition.arranged.masks,
    )


def blocks_of(problem, theta):
    return [theta[block.start : block.stop] for block in problem.layout.blocks]


def parameters_of(recognition, problem, theta):
    """W1, b1, … of that MLP, from the user's parameters."""
    blocks, parameters = blocks_of(problem, theta), {}
    n_in = len(recognition.arranged.X)
    for number, layer in enumerate(recognition.layers, start=1):
        W = blocks[layer.weight]
        n = W.size // n_in
        W = W.reshape(n_in, n).T if layer.turned else W.reshape(n, n_in)
        b = np.zeros(n) if layer.bias is None else blocks[layer.bias]
        parameters[f"W{number}"], parameters[f"b{number}"] = W, b
        n_in = n
    return parameters


def cost_of(recognition, problem, theta):
    data = recognition.arranged
    return model_of(recognition).cost(parameters_of(recognition, problem, theta), data.X, data.Y)


def elsewhere(problem, seed):
    """A random point, a bit nearer to zero: log(1 − a), computed naively, loses its digits where a saturates."""
    steps = np.random.default_rng(seed).standard_normal(problem.theta.size)
    return 0.8 * problem.theta + 0.2 * (0.2 + np.abs(problem.theta)) * steps


@pytest.fixture(scope="module")
def found():
    problems = [pose(style.cost, style.parameters) for style in STYLES]
    return {
        style.name: (problem, recognise(problem)) for style, problem in zip(STYLES, problems, strict=True)
    }


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_every_style_is_recognised(found, style):
    problem, recognition = found[style.name]
    assert recognition is not None
    assert tuple(activation.name for activation in recognition.hidden) == style.hidden
    assert recognition.loss.kind == style.loss
    assert recognition.l2 == pytest.approx(style.l2, rel=1e-9)
    used = [k for layer in recognition.layers for k in (layer.weight, layer.bias) if k is not None]
    assert sorted(used) == list(range(len(problem.layout.blocks)))
    masks = recognition.arranged.masks
    if style.masks == "inside":
        assert [mask is None for mask in masks] == [False, True]
    for mask, expected in zip(masks, (*style.masks, *[None] * len(masks)), strict=False):
        if style.masks != "inside":
            assert (mask is None) == (expected is None)
            assert mask is None or np.allclose(mask, expected, rtol=1e-15)


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_the_model_has_the_users_cost_everywhere(found, style):
    problem, recognition = found[style.name]
    assert cost_of(recognition, problem, problem.theta) == pytest.approx(problem.value, rel=1e-13)
    for seed in range(3):
        theta = elsewhere(problem, seed)
        assert cost_of(recognition, problem, theta) == pytest.approx(problem.evaluator(theta), rel=1e-11)


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_a_step_in_any_coordinate_changes_both_costs_alike(found, style):
    problem, recognition = found[style.name]
    data = recognition.arranged
    parameters = parameters_of(recognition, problem, problem.theta)
    arrays = [*data.weights, *data.biases]
    expected = [parameters[f"{kind}{k}"] for kind in "Wb" for k in range(1, len(recognition.layers) + 1)]
    assert all(np.array_equal(a, b) for a, b in zip(arrays, expected, strict=True))
    for i in np.random.default_rng(0).permutation(problem.theta.size)[:12]:
        theta = problem.theta.copy()
        theta[i] += 0.3
        change = problem.evaluator(theta) - problem.value
        own = cost_of(recognition, problem, theta) - problem.value
        assert own == pytest.approx(change, rel=1e-9, abs=1e-12 * abs(problem.value))


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_arrays_are_features_first_float64(found, style):
    _, recognition = found[style.name]
    data = recognition.arranged
    m, sizes = data.samples, data.sizes
    assert data.Y.shape == (sizes[-1], m)
    for k, (W, b, mask) in enumerate(zip(data.weights, data.biases, data.masks, strict=True)):
        assert W.shape == (sizes[k + 1], sizes[k])
        assert b.shape == (sizes[k + 1],)
        assert mask is None or mask.shape == (sizes[k + 1], m)
    arrays = [*data.weights, *data.biases, data.X, data.Y, *(mask for mask in data.masks if mask is not None)]
    assert all(type(array) is np.ndarray and array.dtype == np.float64 for array in arrays)


@pytest.mark.parametrize("style", NEAR_MISSES, ids=str)
def test_near_misses_are_not_recognised(style):
    assert recognise(pose(style.cost, style.parameters)) is None


def test_what_near_misses_are_near_to_is_recognised():
    problem = pose(lambda p: bce(sigmoid(logits(p))), NET)
    assert recognise(problem) is not None


def test_constants_are_found_as_they_were_written(found):
    assert [found[f"leaky_relu_{k}"][1].hidden[0].constants for k in range(3)] == [(0.01,), (0.1,), (0.3,)]
    assert found["any_order"][1].hidden[0].constants == (0.5,)
    assert [found[f"mean_squared_error_{k}"][1].loss.factor for k in (0, 1, 2, 3, 5)] == [1, 0.5, 1, 0.5, 3.7]
    assert [found[f"mean_squared_error_{k}"][1].loss.reduction for k in (0, 2)] == ["entries", "sum"]
    assert found["fully_connected"][1].loss.reduction == "samples"
    assert found["course_regularisation"][1].l2 == 0.7
    assert found["two_layer_net"][1].l2 == 1.4


@pytest.mark.parametrize(
    ("value", "plain"),
    [(0.1 + 1e-14, 0.1), (-3.0, -3.0), (1 / 0.7 - 1e-13, 1 / 0.7), (np.pi, None), (0.0, None)],
)
def test_simple_numbers(value, plain):
    assert simple(value, 1e-12) == plain


@given(data=st.data())
@settings(max_examples=25)
def test_random_networks(data):
    depth = data.draw(st.integers(1, 6))
    hidden = data.draw(st.lists(st.sampled_from(HIDDEN), min_size=depth - 1, max_size=depth - 1))
    sizes = data.draw(st.lists(st.integers(3, 12), min_size=depth + 1, max_size=depth + 1))
    output = data.draw(st.sampled_from(sorted(OUTPUTS)))
    layout = data.draw(st.sampled_from(["features_first", "samples_first"]))
    l2 = data.draw(st.sampled_from([0.0, 0.01, 0.7]))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    X, Y = rng.standard_normal((sizes[0], 30)), rng.dirichlet(np.ones(sizes[-1]), 30).T
    if layout == "samples_first":
        X, Y = X.T, Y.T
    model = MLP([*hidden, output], l2=l2, layout=layout)
    problem = pose(lambda p: model.cost(p, X, Y), model.initialize(sizes, seed=int(rng.integers(100))))
    recognition = recognise(problem)
    assert recognition is not None
    assert recognition.l2 == pytest.approx(l2, rel=1e-9)
    names = [
        f.name if f.name not in ("leaky_relu", "elu") else (f.name, *f.constants) for f in recognition.hidden
    ]
    assert names == [{"leaky_relu": ("leaky_relu", 0.01), "elu": ("elu", 1.0)}.get(f, f) for f in hidden]
    theta = elsewhere(problem, 1)
    assert cost_of(recognition, problem, theta) == pytest.approx(problem.evaluator(theta), rel=1e-11)


def test_a_network_that_fits_its_data_perfectly():
    rng = np.random.default_rng(0)
    model = MLP(("tanh", "identity"))
    parameters = model.initialize((4, 6, 2), seed=0)
    X = rng.standard_normal((4, 20))
    T = parameters["W2"] @ np.tanh(parameters["W1"] @ X + parameters["b1"]) + parameters["b2"]

    def cost(p):
        return np.mean((p["W2"] @ np.tanh(p["W1"] @ X + p["b1"]) + p["b2"] - T) ** 2)

    problem = pose(cost, parameters)
    assert problem.value < 1e-30
    assert recognise(problem) is not None


def test_a_network_that_is_sure_of_its_answers():
    parameters = {"w": 8.0 * np.ones((1, 3)), "b": np.zeros((1, 1))}
    X = np.array([[1.0, -1.0, 0.8], [0.7, -0.9, 1.0], [0.5, -0.2, 0.4]])
    problem = pose(lambda p: bce(sigmoid(p["w"] @ X + p["b"]), np.array([[1.0, 0.0, 1.0]])), parameters)
    assert 0 < problem.value < 1e-7
    assert recognise(problem) is not None


def test_more_samples_than_activations_are_guessed_from():
    rng = np.random.default_rng(0)
    X, labels = rng.standard_normal((300, 6)), rng.integers(0, 4, 300)
    mask = (rng.random((300, 8)) < 0.7) / 0.7
    parameters = {"W1": normal(6, 8), "b1": normal(8), "W2": normal(8, 4), "b2": normal(4)}

    def cost(p):
        z = X @ p["W1"] + p["b1"]
        return perceptron_styles.cross_entropy(np.where(z > 0, z, 0.2 * z) * mask @ p["W2"] + p["b2"], labels)

    recognition = recognise(pose(cost, parameters))
    assert recognition.hidden[0].constants == (0.2,)
    assert np.allclose(recognition.arranged.masks[0], mask.T, rtol=1e-15)


# --- costs and side effects ------------------------------------------------------------------------------


def counted(function):
    def cost(*arguments):
        cost.kinds.put(any(type(p) is DifferenceArray for p in arguments[-1].values()))
        return function(*arguments)

    cost.kinds = queue.SimpleQueue()  # containers would be put back as they were
    return cost


def drained(kinds):
    return [kinds.get() for _ in range(kinds.qsize())]


def test_the_cost_is_recorded_once_and_evaluated_twice():
    X, Y, parameters = course.gradient_check_n_test_case()
    forward = counted(course.forward_propagation_n)
    problem = pose(ForwardCost(forward, X, Y), parameters)
    drained(forward.kinds)
    assert recognise(problem) is not None
    assert drained(forward.kinds) == [True, False, False]


def test_what_cannot_be_a_network_is_recorded_once_at_most():
    recurrent = next(style for style in NEAR_MISSES if style.name == "recurrent")
    cost = counted(recurrent.cost)
    problem = pose(cost, recurrent.parameters)
    drained(cost.kinds)
    assert recognise(problem) is None
    assert drained(cost.kinds) == [True]
    filters = {"F": normal(3, 3, 2)}
    cost = counted(lambda p: np.sum(p["F"] ** 2))
    problem = pose(cost, filters)
    drained(cost.kinds)
    assert recognise(problem) is None
    assert drained(cost.kinds) == []


SEEN = []
LAST = None


def keeps_everything(p):
    global LAST
    keeps_everything.cache["A"] = relu(p["W1"] @ perceptron_styles.X + p["b1"])
    LAST = p["W2"] @ keeps_everything.cache["A"] + p["b2"]
    SEEN.append(LAST)
    np.random.rand(3)  # noqa: NPY002
    return bce(sigmoid(LAST))


keeps_everything.cache = {"A": None}


def test_nothing_of_the_users_is_changed():
    parameters = columns(4, 5, 1)
    before = copy.deepcopy(parameters)
    X = perceptron_styles.X.copy()
    problem = pose(keeps_everything, parameters)
    seen, last, cached = list(SEEN), LAST, keeps_everything.cache["A"]
    numpy_zeros, state = np.zeros, np.random.get_state()[1].copy()  # noqa: NPY002
    assert recognise(problem) is not None
    assert all(np.array_equal(parameters[name], before[name]) for name in before)
    assert np.array_equal(perceptron_styles.X, X)
    assert len(SEEN) == len(seen)
    assert all(a is b for a, b in zip(SEEN, seen, strict=True))
    assert LAST is last
    assert keeps_everything.cache["A"] is cached
    assert np.zeros is numpy_zeros
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_objects_are_as_before():
    network = Network((4, 3, 1), perceptron_styles.X, perceptron_styles.Y)
    parameters = {"W": network.W, "b": network.b}
    arrays = [*network.W, *network.b]
    before = copy.deepcopy(arrays)
    problem = pose(ObjectCost(network, network.loss, parameters), parameters)
    assert recognise(problem) is not None
    assert all(a is b for a, b in zip([*network.W, *network.b], arrays, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))
    assert network.history == []
    assert not hasattr(network, "zs")


def test_objects_are_as_before_when_their_code_raises():
    network = Network((4, 3, 1), perceptron_styles.X, perceptron_styles.Y)
    parameters = {"W": network.W, "b": network.b}
    problem = pose(ObjectCost(network, network.loss, parameters), parameters)
    network.targets = None
    arrays = [*network.W, *network.b]
    assert recognise(problem) is None
    assert all(a is b for a, b in zip([*network.W, *network.b], arrays, strict=True))
    assert network.history == []


def test_several_threads_recognise_the_same():
    names = ["course_regularisation", "two_layer_net", "nested_dicts", "six_layers"]
    styles = [style for style in STYLES if style.name in names]
    barrier = threading.Barrier(len(styles))

    def work(style):
        problem = pose(style.cost, style.parameters)
        barrier.wait()
        recognitions = [recognise(problem) for _ in range(3)]
        return [cost_of(r, problem, problem.theta) for r in recognitions], problem.value

    with ThreadPoolExecutor(len(styles)) as pool:
        for costs, value in pool.map(work, styles):
            assert costs == pytest.approx([value] * 3, rel=1e-13)
