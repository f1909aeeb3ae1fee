"""The multilayer perceptron against networks written out by hand, the check itself, and course code."""

import functools
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import mpmath
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from mlp_by_hand import HIDDEN, LAYOUTS, OUTPUTS
from mlp_problems import Problem, problems
from mpmath import mp

from fastcheck import MLP, InvalidProblemError, check, course, numerical_gradient
from fastcheck.mlp import model
from fastcheck.mlp.model_cost import ModelCost
from fastcheck.workers.library_threads import one_blas_thread


def assert_same_gradients(claimed, numerical, tolerance=1e-11):
    """Relative to the largest entry of each block."""
    assert list(claimed) == list(numerical)
    for name, array in claimed.items():
        assert array.shape == numerical[name].shape
        scale = np.abs(numerical[name]).max()
        assert np.abs(array - numerical[name]).max() <= tolerance * scale + 1e-13, name


@given(problems())
def test_cost_equals_the_network_by_hand(problem):
    assert problem.cost() == pytest.approx(problem.cost_by_hand(), rel=1e-12, abs=0)


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("last", OUTPUTS)
@pytest.mark.parametrize("activation", HIDDEN, ids=str)
def test_cost_is_exact_with_saturated_logits_too(activation, last, scale):
    problem = Problem((activation, last), (2, 3, 2), 3, drop=True, l2=0.1, scale=scale)
    if last != "identity":
        problem.parameters["b2"] = np.array([800.0, -800.0])[: problem.sizes[-1]] * (scale > 1)
    with mpmath.workdps(1000 if scale > 1 else 50):
        truth = problem.by_hand.exact_cost(problem.parameters, problem.X, problem.dense)
        assert abs(mp.mpf(problem.cost()) - truth) <= 1e-13 * truth


@settings(max_examples=20)
@given(problems())
def test_gradients_and_slopes_of_any_network_are_those_of_the_network_by_hand_with_60_digits(problem):
    """Small networks of all kinds, perturbed by 1e-25, in a few coordinates."""
    gradients = problem.gradients()
    numerical = numerical_gradient(
        ModelCost(problem.model, problem.X, problem.Y), problem.parameters, method="difference"
    )
    assert list(gradients) == list(problem.parameters)
    claimed, found = (
        np.concatenate([blocks[name].ravel() for name in problem.parameters])
        for blocks in (gradients, numerical)
    )
    theta = problem.theta.astype(np.float64)
    for i in np.random.default_rng(0).choice(theta.size, 3):
        with mpmath.workdps(60):
            slope = problem.exact_slope(theta, i)
            assert abs(mp.mpf(claimed[i]) - slope) <= 1e-12 * np.abs(claimed).max() + 1e-14
            assert abs(mp.mpf(found[i]) - slope) <= 1e-12 * np.abs(found).max()


def test_gradients_of_saturated_outputs_keep_their_relative_accuracy():
    problem = Problem(("sigmoid",), (2, 1), 1)
    problem.Y = np.array([1.0])
    problem.parameters = {"W1": np.zeros((1, 2)), "b1": np.array([50.0])}
    assert problem.gradients()["b1"][0] == pytest.approx(-np.exp(-50.0), rel=1e-14, abs=0)


def test_cost_and_gradients_are_those_of_the_course():
    parameters, gradients, X, Y = course.gradient_check_n_solved_case()
    network = MLP()
    assert network.cost(parameters, X, Y) == pytest.approx(
        course.forward_propagation_n(X, Y, parameters)[0], rel=1e-14
    )
    found = network.gradients(parameters, X, Y)
    assert_same_gradients(found, {name: gradients[f"d{name}"] for name in parameters})


def test_l2_and_dropout_are_those_of_the_course():
    X, Y, parameters = course.gradient_check_n_test_case()
    masks = course.dropout_masks(parameters, X.shape[1], 0.5, seed=3)
    network = MLP(dropout_masks=[*(mask / 0.5 for mask in masks), None])
    cost, cache = course.forward_propagation_with_masks(X, Y, parameters, masks, 0.5)
    assert network.cost(parameters, X, Y) == pytest.approx(cost, rel=1e-14, abs=0)
    gradients = course.backward_propagation_with_dropout(X, Y, cache, 0.5)
    found = network.gradients(parameters, X, Y)
    assert_same_gradients(found, {name: gradients[f"d{name}"] for name in parameters})

    _, cache = course.forward_propagation_n(X, Y, parameters)
    cost = course.compute_cost_with_regularization(cache[-3], Y, parameters, 0.7)
    assert MLP(l2=0.7).cost(parameters, X, Y) == pytest.approx(cost, rel=1e-14, abs=0)
    gradients = course.backward_propagation_with_regularization(X, Y, cache, 0.7)
    found = MLP(l2=0.7).gradients(parameters, X, Y)
    assert_same_gradients(found, {name: gradients[f"d{name}"] for name in parameters})


def test_layouts_and_bias_shapes_are_the_same_network():
    first = Problem(("relu", "softmax"), (4, 5, 3), 6, drop=True, l2=0.2, biases="column")
    W1, b1, W2, b2 = first.parameters.values()
    masks = [first.model.masks[0].T, None]
    second = MLP(("relu", "softmax"), l2=0.2, dropout_masks=masks, layout="samples_first")
    turned = {"W1": W1.T, "b1": b1.T, "W2": W2.T, "b2": b2.ravel()}
    assert second.cost(turned, first.X.T, first.Y) == pytest.approx(first.cost(), rel=1e-13, abs=0)
    expected = {k: g.T.reshape(turned[k].shape) for k, g in first.gradients().items()}
    assert_same_gradients(second.gradients(turned, first.X.T, first.Y), expected, 1e-14)


def test_parameters_in_another_order_and_precision():
    problem = Problem(("tanh", "sigmoid"), (3, 4, 1), 5, dtype=np.float32)
    doubled = {name: array.astype(np.float64) for name, array in problem.parameters.items()}
    shuffled = {name: problem.parameters[name] for name in ("b2", "W2", "W1", "b1")}
    assert problem.cost() == problem.cost(doubled) == problem.cost(shuffled)
    gradients = problem.model.gradients(shuffled, problem.X, problem.Y)
    assert list(gradients) == list(shuffled)
    assert all(gradient.dtype == np.float64 for gradient in gradients.values())


def moved_rows(problem, count, seed=0):
    rng = np.random.default_rng(seed)
    theta = problem.theta.astype(np.float64)
    return np.concatenate([theta[None], theta + 0.3 * rng.normal(size=(count - 1, theta.size))])


@given(problems(), st.integers(1, 9))
def test_costs_are_the_cost_of_each_row(problem, batch):
    thetas = moved_rows(problem, batch)
    found = problem.costs(thetas)
    # Biases are (n,) in a row; the cost is asked with those of the problem.
    expected = [problem.cost(problem.rebuilt(theta)) for theta in thetas]
    np.testing.assert_allclose(found, expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("last", OUTPUTS)
def test_costs_do_not_depend_on_the_grouping_or_the_memory(last, layout, monkeypatch):
    problem = Problem(("relu", "gelu", last), (9, 17, 6, 3), 13, layout=layout, drop=True, l2=0.2)
    thetas = moved_rows(problem, 40)
    whole = problem.costs(thetas)
    assert problem.costs(thetas[:0]).shape == (0,)
    for size in (1, 3, 16):
        parts = [problem.costs(thetas[i : i + size]) for i in range(0, len(thetas), size)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert problem.costs(np.asfortranarray(thetas)).tobytes() == whole.tobytes()
    assert problem.costs(thetas[::-1])[::-1].tobytes() == whole.tobytes()
    for memory in (1, 60_000):
        monkeypatch.setattr(model, "ACTIVATION_BYTES", memory)
        assert problem.costs(thetas).tobytes() == whole.tobytes()


def test_costs_keep_within_their_memory():
    problem = Problem(("tanh", "sigmoid"), (4, 50, 1), 100)
    thetas = np.repeat(problem.theta[None], 2000, axis=0)  # activations of 80 MB
    tracemalloc.start()
    problem.costs(thetas)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * model.ACTIVATION_BYTES


def read_only(tree):
    if isinstance(tree, np.ndarray):
        tree = tree.copy()
        tree.flags.writeable = False
        return tree
    return {key: read_only(value) for key, value in tree.items()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arguments_are_never_written_to(layout):
    masks = [np.full((3, 4) if layout == "features_first" else (4, 3), 2.0), None]
    network = MLP(("relu", "sigmoid"), dropout_masks=masks, l2=0.5, layout=layout)
    problem = Problem(("relu", "sigmoid"), (2, 3, 1), 4, layout=layout)
    parameters, X, Y = read_only(problem.parameters), read_only(problem.X), read_only(problem.Y)
    before = network.cost(parameters, X, Y)
    network.gradients(parameters, X, Y)
    network.costs(read_only(problem.theta[None]), X, Y, problem.sizes)
    masks[0][:] = 0  # the model has a copy
    assert network.cost(parameters, X, Y) == before


def test_results_share_no_memory_with_the_arguments():
    problem = Problem(("identity", "identity"), (2, 3, 1), 4)
    for gradient in problem.gradients().values():
        for array in (*problem.parameters.values(), problem.X, problem.Y):
            assert not np.shares_memory(gradient, array)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arranged_arrays_are_features_first_views(layout):
    problem = Problem(("relu", "tanh", "sigmoid"), (4, 5, 3, 2), 6, layout=layout, drop=True, biases="row")
    arranged = problem.model.arrange(problem.parameters, problem.X, problem.Y)
    assert [W.shape for W in arranged.weights] == [(5, 4), (3, 5), (2, 3)]
    assert [b.shape for b in arranged.biases] == [(5,), (3,), (2,)]
    assert arranged.X.shape == (4, 6)
    assert arranged.Y.shape == (2, 6)
    assert [None if mask is None else mask.shape for mask in arranged.masks] == [(5, 6), (3, 6), None]
    assert arranged.sizes == problem.sizes
    assert arranged.samples == 6
    names = ["W1", "W2", "W3", "b1", "b2", "b3"]
    for array, name in zip((*arranged.weights, *arranged.biases), names, strict=True):
        assert np.shares_memory(array, problem.parameters[name])
    assert np.shares_memory(arranged.X, problem.X)


def test_forward_returns_every_layer():
    problem = Problem(("relu", "softmax"), (4, 5, 3), 6, drop=True)
    arranged = problem.model.arrange(problem.parameters, problem.X, problem.Y)
    (Z1, Z2), (A1, A2) = problem.model.forward(arranged)
    W1, b1, W2, b2 = problem.parameters.values()
    np.testing.assert_allclose(Z1, W1 @ problem.X + b1[:, None], rtol=1e-14)
    np.testing.assert_allclose(A1, np.maximum(Z1, 0) * problem.model.masks[0], rtol=1e-14)
    np.testing.assert_allclose(Z2, W2 @ A1 + b2[:, None], rtol=1e-14)
    np.testing.assert_allclose(A2, scipy.special.softmax(Z2, axis=0), rtol=1e-14)


def test_several_threads_may_share_a_model():
    problem = Problem(("relu", "gelu_tanh", "softmax"), (6, 8, 5, 3), 9, drop=True, l2=0.1)
    thetas = moved_rows(problem, 64)
    with one_blas_thread():
        alone = problem.costs(thetas)
        with ThreadPoolExecutor(4) as pool:
            costs = list(pool.map(lambda theta: problem.cost(problem.rebuilt(theta)), thetas))
            batches = np.concatenate(list(pool.map(problem.costs, np.split(thetas, 8))))
    assert costs == alone.tolist() == batches.tolist()


def test_a_model_can_be_sent_to_another_process():
    problem = Problem((("leaky_relu", 0.3), "softmax"), (4, 5, 3), 6, drop=True)
    sent = pickle.loads(pickle.dumps(problem.model))
    assert sent.cost(problem.parameters, problem.X, problem.Y) == problem.cost()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_initial_weights_have_the_usual_scales_and_biases_are_not_zero(layout):
    model = MLP(("relu", "tanh", "sigmoid"), layout=layout)
    parameters = model.initialize((300, 200, 100, 50), seed=3)
    turned = layout == "samples_first"
    assert parameters["W1"].shape == ((300, 200) if turned else (200, 300))
    assert parameters["b1"].shape == ((200,) if turned else (200, 1))
    he, xavier, last = np.sqrt(2 / 300), np.sqrt(2 / 300), np.sqrt(2 / 150)
    for name, scale in {"W1": he, "W2": xavier, "W3": last}.items():
        assert parameters[name].std() == pytest.approx(scale, rel=0.03)
        assert abs(parameters[name].mean()) < 0.05 * scale
    assert all(0 < abs(parameters[f"b{k}"]).min() < abs(parameters[f"b{k}"]).max() < 0.1 for k in (1, 2, 3))


def test_initial_parameters_repeat_with_the_seed_and_leave_the_global_generator_alone():
    model, state = MLP(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    one, again, other = (model.initialize((3, 4, 2, 1), seed) for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert not any(np.array_equal(one[name], other[name]) for name in one)
    assert np.random.get_state()[1].tobytes() == state  # noqa: NPY002


def test_initial_parameters_of_every_activation_pass_the_check():
    for number, activation in enumerate(HIDDEN):
        model = MLP((activation, "sigmoid"))
        parameters = model.initialize((3, 4, 1), seed=number)
        X, Y = np.random.default_rng(number).normal(size=(3, 8)), np.arange(8) % 2
        cost = functools.partial(model.cost, X=X, Y=Y)
        assert check(cost, parameters, model.gradients(parameters, X, Y)).passed


def test_costs_of_lists_and_stacks_of_dicts():
    model = MLP(("tanh", "softmax"))
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((3, 5)), rng.integers(0, 2, 5)
    thetas = [model.initialize((3, 4, 2), seed) for seed in range(3)]
    expected = [model.cost(theta, X, Y) for theta in thetas]
    stacked = {name: np.stack([theta[name] for theta in thetas]) for name in thetas[0]}
    rows = np.array([np.concatenate([array.ravel() for array in theta.values()]) for theta in thetas])
    assert model.costs(thetas, X, Y).tolist() == expected
    assert model.costs(stacked, X, Y).tolist() == expected
    assert model.costs(rows, X, Y, (3, 4, 2)).tolist() == expected
    with pytest.raises(InvalidProblemError, match="sizes: expected the units"):
        model.costs(rows, X, Y)
    with pytest.raises(InvalidProblemError, match="thetas: expected arrays W1, b1, W2, b2"):
        model.costs({**stacked, "b1": stacked["b1"][:2]}, X, Y)
