"""The compiled three-layer network against NumPy, the reference loop, and itself in other batches."""

import numpy as np
import pytest

from fastcheck import MLP, InvalidProblemError, check, course, numerical_gradient
from fastcheck.bench import Network
from fastcheck.mlp import kernels
from fastcheck.mlp.three_layer import ThreeLayerCost

SIZES = [(4, 5, 3, 1), (1, 1, 1, 1), (7, 6, 9, 2), (20, 25, 15, 1)]


def ulps(a, b):
    return abs(a - b) / np.spacing(abs(b))


def build(sizes, samples=9):
    parameters, gradients, X, Y = Network(sizes=sizes, samples=samples).build()
    return parameters, gradients, X, Y, ThreeLayerCost(X, Y, sizes)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("samples", [1, 64])
def test_cost_equals_the_numpy_forward_pass_to_a_few_ulp(sizes, samples):
    parameters, _, X, Y, cost = build(sizes, samples)
    assert ulps(cost(parameters), course.forward_propagation_n(X, Y, parameters)[0]) <= 16


def perturbed(theta, epsilon):
    thetas = np.repeat(theta[None], 2 * theta.size, axis=0)
    rows = np.arange(theta.size)
    thetas[2 * rows, rows] += epsilon
    thetas[2 * rows + 1, rows] -= epsilon
    return thetas


def test_batches_of_any_size_give_the_same_bits():
    parameters, _, _, _, cost = build((20, 25, 15, 1))
    theta, _ = course.dictionary_to_vector(parameters)
    thetas = perturbed(theta.ravel(), 1e-4)
    rng = np.random.default_rng(1)
    thetas = np.concatenate([thetas, rng.permutation(thetas), rng.standard_normal((5, theta.size))])
    whole = cost.costs(thetas)
    for batch in (1, 7, 64):
        parts = [cost.costs(thetas[i : i + batch]) for i in range(0, len(thetas), batch)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_parameters_in_another_order_than_the_columns_are_refused():
    parameters, gradients, _, _, cost = build((7, 6, 9, 2))
    shuffled = {name: parameters[name] for name in ("b1", "W1", "W2", "b2", "W3", "b3")}
    with pytest.raises(Exception, match="columns of thetas follow the order of the parameters"):
        check(cost, shuffled, gradients)


@pytest.mark.parametrize(
    ("X", "Y", "sizes", "phrase"),
    [
        (np.ones((3, 5)), np.ones((1, 5)), (4, 5, 3, 1), r"X: expected shape \(n0, m\)"),
        (np.ones((4, 5)), np.ones((1, 6)), (4, 5, 3, 1), r"Y: expected shape \(1, 5\)"),
        (np.ones((4, 5)), np.ones((1, 5)), (4, 5, 1), r"X: expected shape \(n0, m\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(X, Y, sizes, phrase):
    with pytest.raises(InvalidProblemError, match=phrase):
        ThreeLayerCost(X, Y, sizes)


def test_costs_names_the_shape_it_expects():
    _, _, _, _, cost = build((4, 5, 3, 1))
    with pytest.raises(InvalidProblemError, match=r"expected shape \(batch, 47\)"):
        cost.costs(np.ones((2, 46)))
    with pytest.raises(InvalidProblemError, match="b3 is missing"):
        cost({"W1": 1, "b1": 1, "W2": 1, "b2": 1, "W3": 1})


def plain_three_layer_cost(theta, X, Y, n1, n2, n3):
    """Slow, obvious twin of the kernels."""
    n0 = X.shape[0]
    cuts = np.cumsum([n1 * n0, n1, n2 * n1, n2, n3 * n2])
    W1, b1, W2, b2, W3, b3 = np.split(theta, cuts)
    A1 = np.maximum(0, W1.reshape(n1, n0) @ X + b1[:, None])
    A2 = np.maximum(0, W2.reshape(n2, n1) @ A1 + b2[:, None])
    A3 = 1 / (1 + np.exp(-(W3.reshape(n3, n2) @ A2 + b3[:, None])))
    return np.sum(-Y * np.log(A3) - (1 - Y) * np.log(1 - A3)) / X.shape[1]


def uncompiled(kernel):
    """The kernel itself if numba's compiler is off."""
    return getattr(kernel, "py_func", kernel)


def test_kernels_compute_the_same_without_the_compiler(monkeypatch):
    parameters, _, X, Y, cost = build((4, 5, 3, 1), samples=3)
    theta = np.ravel(course.dictionary_to_vector(parameters))
    thetas = perturbed(theta, 0.1)
    compiled = cost.costs(thetas)
    for name in ("dense_row", "changed_rows", "relu_layer", "sigmoid_cross_entropy"):
        monkeypatch.setattr(kernels, name, uncompiled(getattr(kernels, name)))
    interpreted = np.empty(len(thetas))
    work = [np.empty((n, 3)) for n in (5, 3, 1)] + [np.empty(5, bool), np.empty(3, bool)]
    uncompiled(kernels.three_layer_costs)(thetas, X, Y, *work, interpreted)
    twin = [plain_three_layer_cost(row, X, Y, 5, 3, 1) for row in thetas]
    np.testing.assert_allclose(interpreted, twin, rtol=1e-14)
    np.testing.assert_allclose(compiled, twin, rtol=1e-14)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_batches_in_parallel_and_the_reference_loop_are_identical_to_the_last_bit(seed, n_jobs):
    """Parameters and step are such that θ ± ε is exact: then all that could differ are the costs."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((6, 11)), rng.random((2, 11)) < 0.5
    cost = ThreeLayerCost(X, Y, (6, 5, 4, 2))
    parameters = MLP(("relu", "relu", "sigmoid")).initialize((6, 5, 4, 2), seed=seed)
    parameters = {name: np.round(array * 2**20) / 2**20 for name, array in parameters.items()}
    batches = numerical_gradient(cost, parameters, epsilon=2.0**-14, method="plain", n_jobs=n_jobs)
    loop = numerical_gradient(cost, parameters, epsilon=2.0**-14, method="reference")
    for name, slopes in loop.items():
        np.testing.assert_array_equal(batches[name], slopes)
