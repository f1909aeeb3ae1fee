"""Four situations in which common ways of checking a gradient give the wrong answer, and fastcheck must not.

Each test first shows that the common way goes wrong there, and then what fastcheck says.
"""

import numpy as np
import pytest

from benchmarks.zoo.networks.perceptron import Perceptron, Shape
from fastcheck import Verdict, check
from fastcheck.verdict.judging import relative_difference


def flat(network, blocks):
    return np.concatenate([blocks[name].ravel() for name in network.parameters])


def along(network, direction, step):
    """The central difference along a direction of all parameters."""
    names, arrays = list(network.parameters), list(network.parameters.values())
    parts = np.split(direction, np.cumsum([a.size for a in arrays])[:-1])

    def cost(sign):
        moved = [a + sign * step * part.reshape(a.shape) for a, part in zip(arrays, parts, strict=True)]
        return network.cost(dict(zip(names, moved, strict=True)))

    return (cost(1) - cost(-1)) / (2 * step)


def loop(network, step):
    """The numerical gradient of the textbook loop."""
    n = sum(a.size for a in network.parameters.values())
    return np.array([along(network, np.eye(1, n, i)[0], step) for i in range(n)])


def failing(report):
    return [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL]


# --- 1: one random projection, and a tolerance that grows like √n ------------------------------------------


@pytest.fixture(scope="module")
def large_network():
    network = Perceptron(Shape(sizes=(784, 300, 10), samples=10, loss="softmax", lambd=0.1), seed=0)
    return network, network.backward(network.parameters)


def without_l2(network, g):
    share = network.shape.lambd / network.shape.samples
    return {name: g[name] - share * network.parameters[name] for name in ("W1", "W2")}


def rows_swapped(W):
    return W[[1, 0, *range(2, len(W))]]


def negated_row(W):
    return np.where(np.arange(len(W))[:, None] == 7, -W, W)


def one_zeroed(W):
    changed = W.copy()
    changed[np.unravel_index(np.argmax(np.abs(W)), W.shape)] = 0
    return changed


SIX = {
    "L2 missing": without_l2,
    "× 1.01": lambda network, g: {name: 1.01 * block for name, block in g.items()},
    "last bias zero": lambda network, g: {"b2": 0 * g["b2"]},
    "a row of W1 negated": lambda network, g: {"W1": negated_row(g["W1"])},
    "two rows of W1 swapped": lambda network, g: {"W1": rows_swapped(g["W1"])},
    "one coordinate of W1 zero": lambda network, g: {"W1": one_zeroed(g["W1"])},
}


def projection_passes(network, gradients):
    """Compare along a random unit vector, allowing 1e-5 for every coordinate that it mixes, and 1e-3 of the size."""
    g = flat(network, gradients)
    u = np.random.default_rng(0).standard_normal(g.size)
    u /= np.linalg.norm(u)
    numerical = along(network, u, 1e-6)
    return abs(g @ u - numerical) <= 1e-5 * np.sum(np.abs(u)) + 1e-3 * abs(numerical)


@pytest.mark.parametrize("coordinates", [0.02, pytest.param("all", marks=pytest.mark.slow)])
@pytest.mark.parametrize("mistake", SIX)
def test_a_projection_passes_six_mistakes_that_are_found(large_network, mistake, coordinates):
    network, right = large_network
    changed = SIX[mistake](network, right)
    wrong = right | changed
    assert projection_passes(network, wrong)
    if mistake.startswith("one coordinate"):  # in a sample only by chance
        coordinates = "all"
    report = check(network.cost, network.parameters, wrong, coordinates=coordinates)
    assert failing(report) == sorted(changed, key=list(right).index)


def test_the_right_gradient_of_that_network_passes(large_network):
    network, right = large_network
    assert projection_passes(network, right)
    assert check(network.cost, network.parameters, right).verdict is Verdict.PASS


# --- 2: one direction that is not normalised, and a fixed step ------------------------------------------------


def test_a_long_direction_fails_right_relu_networks_that_pass():
    called_wrong = 0
    for seed in range(40):
        network = Perceptron(Shape(sizes=(64, 64, 10), samples=64, loss="softmax"), seed)
        right = network.backward(network.parameters)
        g = flat(network, right)
        assert g.size == 4_810
        v = np.random.default_rng(seed).standard_normal(g.size)
        numerical = along(network, v, 1e-3)
        called_wrong += abs(g @ v - numerical) > 1e-3 * (abs(g @ v) + abs(numerical))
        assert check(network.cost, network.parameters, right).verdict is Verdict.PASS
    assert called_wrong >= 30


# --- 3: absolute tolerances, and absolute or relative ones ----------------------------------------------------


def absolute(g, numerical):
    return bool(np.all(np.abs(g - numerical) < 1e-6))


def either_or(g, numerical):
    error = np.abs(g - numerical)
    return bool(np.all((error < 1e-6) | (error / np.abs(g + numerical + 1e-300) < 1e-6)))


def both_added(g, numerical):
    return bool(np.all(np.abs(g - numerical) <= 1e-5 + 1e-3 * np.abs(numerical)))


@pytest.mark.parametrize("rule", [absolute, either_or, both_added])
@pytest.mark.parametrize("factor", [2, 0, -1])
def test_absolute_tolerances_pass_what_is_found_in_a_small_cost(rule, factor):
    shape = {"sizes": (6, 6, 4, 1), "samples": 20}
    small, usual = (Perceptron(Shape(**shape, scale=scale), seed=1) for scale in (1e-6, 1.0))
    for network, passes in ((small, True), (usual, False)):
        right = network.backward(network.parameters)
        wrong = {name: factor * block for name, block in right.items()}
        assert rule(flat(network, wrong), loop(network, 1e-5)) is passes
        assert check(network.cost, network.parameters, right).verdict is Verdict.PASS
        assert failing(check(network.cost, network.parameters, wrong)) == list(wrong)


# --- 4: the norm of everything, and the relative error of every coordinate ------------------------------------


def test_a_norm_passes_a_missing_layer_and_relative_errors_fail_a_right_one():
    shape = Shape(sizes=(*[5] * 12, 1), samples=16, hidden="sigmoid", gain=1.0)
    network = Perceptron(shape, seed=0)
    right = network.backward(network.parameters)
    missing = right | {"W1": 0 * right["W1"]}
    numerical = loop(network, 1e-7)

    assert (
        5e-8 < relative_difference(flat(network, missing), numerical) < 1e-7
    )  # the courses call below 2e-7 right
    g = flat(network, right)
    assert np.max(np.abs(g - numerical) / np.maximum(np.abs(g), np.abs(numerical))) > 0.5

    assert check(network.cost, network.parameters, right).verdict is Verdict.PASS
    assert failing(check(network.cost, network.parameters, missing)) == ["W1"]
    # Plain evaluation cannot see gradients below the noise of the cost, and says so instead of passing them.
    plain = {"method": "plain"}
    assert check(network.cost, network.parameters, right, **plain).verdict is not Verdict.FAIL
    assert check(network.cost, network.parameters, missing, **plain).verdict is not Verdict.PASS
