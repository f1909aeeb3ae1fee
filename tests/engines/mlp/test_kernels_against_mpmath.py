"""Every coordinate that the kernels compute, against the same finite difference with 50 and more digits."""

import itertools

import joined
import mpmath
import numpy as np
import pytest
from mlp_by_hand import EXACT, HIDDEN, LAYOUTS, OUTPUTS, apply, exact
from mlp_problems import EPSILONS, Problem
from mpmath import mp

from fastcheck import Loss
from fastcheck.engines.mlp.engine import MLPEngine
from fastcheck.engines.mlp.model_cost import ModelCost
from fastcheck.engines.mlp.network import Network
from fastcheck.engines.mlp.slopes import layer_differences
from fastcheck.engines.slopes import STEP
from fastcheck.execution import one_blas_thread
from fastcheck.plan import make_plan
from fastcheck.problem import pose

EXACTLY = 1e-12
"""Allowed error, relative to the root mean square of the block's slopes."""


def numerical(problem, epsilon):
    """The numerical gradient by the kernels, in the order of the parameters."""
    with one_blas_thread():
        posed = pose(ModelCost(problem.model, problem.X, problem.Y), problem.parameters)
        plan = make_plan(posed.layout, posed.theta, "all", epsilon, seed=0)
        return joined.estimated(MLPEngine(), posed, plan).numerical


def exact_slopes(problem, epsilon, digits):
    """Block → right and left slope (2, size) of each coordinate, (J(θ ± ε) - J(θ)) / ±ε, in mpmath's numbers."""
    found = {}
    with mpmath.workdps(digits):
        h = mp.mpf(epsilon or STEP)
        parameters = {name: exact(array) for name, array in problem.parameters.items()}
        X, Y = exact(problem.X), exact(problem.dense)
        J = problem.by_hand.cost(parameters, X, Y, EXACT)
        for name, array in parameters.items():
            ends = []
            for step, place in itertools.product((h, -h), np.ndindex(array.shape)):
                moved = array.copy()
                moved[place] += step
                ends.append((problem.by_hand.cost({**parameters, name: moved}, X, Y, EXACT) - J) / step)
            found[name] = np.array(ends, dtype=object).reshape(2, -1)
    return found


def assert_exact(problem, epsilon, digits=50):
    found, start = numerical(problem, epsilon), 0
    for name, slopes in exact_slopes(problem, epsilon, digits).items():
        rows = slice(start, start + slopes.shape[1])
        start = rows.stop
        assert_close(found[rows], (slopes[0] + slopes[1]) / 2, name)


def assert_close(found, truth, what):
    scale = np.sqrt(np.mean(np.square(truth.astype(float))))
    worst = max(abs(mp.mpf(float(a)) - b) for a, b in zip(found, truth, strict=True))
    assert worst <= EXACTLY * scale, (what, float(worst), scale)


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("activation", HIDDEN, ids=str)
def test_every_activation(activation, epsilon):
    last = list(OUTPUTS)[HIDDEN.index(activation) % 3]
    assert_exact(Problem((activation, last), (2, 2, 2), 3), epsilon)


@pytest.mark.parametrize("epsilon", [1e-2, 1e-7, None])
@pytest.mark.parametrize("number", range(len(HIDDEN)))
def test_activations_together_with_masks_layouts_and_penalties(number, epsilon):
    """Every activation in either layer, every output, and all the rest in turn."""
    activations = HIDDEN[number], HIDDEN[(5 * number + 3) % 12], list(OUTPUTS)[(number + 1) % 3]
    options = {"layout": LAYOUTS[number % 2], "drop": number % 4 < 3, "l2": 0.3 * (number % 3)}
    assert_exact(Problem(activations, (2, 2, 2, 2), 2, scale=2.0, **options), epsilon)


def loss(last, *arguments):
    return Loss(OUTPUTS[last], *arguments)


LOSSES = {
    "binary cross-entropy, one output": (("sigmoid",), 1, {}),
    "binary cross-entropy, one output, certain": (("sigmoid",), 1, {"targets": "certain"}),
    "binary cross-entropy, three outputs": (("sigmoid",), 3, {}),
    "binary cross-entropy, entries": (("sigmoid",), 3, {"loss": loss("sigmoid", "entries", 3.0)}),
    "cross-entropy, labels": (("softmax",), 3, {}),
    "cross-entropy, one-hot": (("softmax",), 3, {"targets": "one-hot"}),
    "cross-entropy, probabilities": (("softmax",), 3, {"targets": "probabilities"}),
    "cross-entropy, sum": (("softmax",), 2, {"loss": loss("softmax", "sum", 0.25)}),
    "squared error, entries": (("identity",), 2, {}),
    "squared error, samples": (("identity",), 2, {"loss": loss("identity", "samples", 0.5)}),
    "squared error, sum": (("identity",), 1, {"loss": loss("identity", "sum")}),
}


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name, epsilon):
    activations, units, options = LOSSES[name]
    assert_exact(Problem(activations, (2, units), 3, **options), epsilon)


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_every_depth(depth, epsilon):
    hidden = ("relu", "tanh", "leaky_relu", "softplus")[: depth - 1]
    sizes = (3, 2, 1, 2, 2)[:depth]
    assert_exact(Problem((*hidden, "softmax"), (*sizes, 2), 3, drop=True, l2=0.1, seed=depth), epsilon)


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("scale", [0.5, 5.0])
@pytest.mark.parametrize("last", OUTPUTS)
@pytest.mark.parametrize("activation", HIDDEN, ids=str)
def test_wider_networks(activation, last, scale, epsilon):
    layout = LAYOUTS[scale > 1]
    problem = Problem(
        (activation, "tanh", activation, last),
        (4, 5, 3, 4, 3),
        5,
        scale=scale,
        layout=layout,
        drop=True,
        l2=0.2,
    )
    assert_exact(problem, epsilon, digits=100)


# --- kinks --------------------------------------------------------------------------------------------------


def differences(problem, epsilon):
    """What `layer_differences` finds, layer by layer."""
    model = problem.model
    network = Network.of(
        model.arrange(problem.parameters, problem.X, problem.Y), model.hidden, model.loss, model.l2
    )
    return list(layer_differences(network, epsilon or STEP))


def by_block(layers, name):
    """Block → vector, of what the layers hold under this name; nothing means zeros."""
    found = {}
    for number, layer in enumerate(layers, start=1):
        weights, biases = getattr(layer, name) or (0 * part for part in layer.central)
        found |= {f"W{number}": weights.ravel(), f"b{number}": biases}
    return found


def assert_one_sided(problem, digits=60):
    """At the default step, where a kink is crossed, both one-sided slopes lie within ``bend`` of their middle."""
    layers = differences(problem, None)
    central, bend = by_block(layers, "central"), by_block(layers, "bend")
    kinked = {name: flags > 0 for name, flags in by_block(layers, "kinked").items()}
    for name, (right, left) in exact_slopes(problem, None, digits).items():
        flags = kinked[name]
        assert_close(np.where(flags, central[name], 0), np.where(flags, (right + left) / 2, mp.zero), name)
        apart = np.abs((right - left).astype(float)) / 2
        slack = EXACTLY * np.sqrt(np.mean(np.square(right.astype(float))))
        assert (bend[name][flags] >= apart[flags] - slack).all()
        assert not bend[name][~flags].any()


def test_each_sample_at_a_kink_may_take_any_slope_of_its_own():
    problem = Problem(("relu", "sigmoid"), (3, 4, 1), 5, seed=2)
    problem.parameters["W1"][:], problem.parameters["b1"][:] = 0, 0
    arranged = problem.model.arrange(problem.parameters, problem.X, problem.Y)
    Z = problem.model.forward(arranged)[0][-1]
    through = arranged.weights[1].T @ problem.model.loss.gradient(Z, arranged.Y)
    shares = through[:, None, :] * np.concatenate([arranged.X, np.ones((1, 5))])[None]
    (layer, _) = differences(problem, None)
    central, bend, kinked = (part.joined() for part in (layer.central, layer.bend, layer.kinked))
    assert kinked.all()
    assert np.allclose(central - bend, np.minimum(shares, 0).sum(axis=2), rtol=1e-12, atol=1e-15)
    assert np.allclose(central + bend, np.maximum(shares, 0).sum(axis=2), rtol=1e-12, atol=1e-15)


def assert_same_kinks(problem, epsilon, expected):
    found = by_block(differences(problem, epsilon), "kinked")
    assert {name: (flags > 0).tolist() for name, flags in found.items()} == expected


def near_kinks(activation, last, distance):
    """Sample 0 has two units of the first layer and one of the second at a distance of their kinks, exactly."""
    problem = Problem((activation, activation, last), (2, 3, 2, 2), 3, seed=4)
    problem.X[:] = [1, -0.3, 0.2], [0, 0.7, 1.3]
    W1, b1, W2, b2 = (problem.parameters[name] for name in ("W1", "b1", "W2", "b2"))
    W1[:] = [distance, 1], [-1.5 * distance, -1], [1, 0.25]
    W2[0], b1[:], b2[0] = (1, 0.5, 0), 0, 0
    return problem


def crossed(problem, epsilon, digits=60):
    """Block → which coordinates change the sign of a hidden unit's z, in exact arithmetic."""
    with mpmath.workdps(digits):
        h = mp.mpf(epsilon or STEP)
        parameters = {name: exact(array) for name, array in problem.parameters.items()}
        home, found = signs(problem, parameters), {}
        for name, array in parameters.items():
            found[name] = [False] * array.size
            for step, (k, place) in itertools.product((h, -h), enumerate(np.ndindex(array.shape))):
                moved = array.copy()
                moved[place] += step
                found[name][k] |= signs(problem, {**parameters, name: moved}) != home
    return found


def signs(problem, parameters):
    A, found = exact(problem.X), []
    for layer, activation in enumerate(problem.model.activations[:-1], start=1):
        Z = parameters[f"W{layer}"] @ A + parameters[f"b{layer}"][:, None]
        found += [mp.sign(z) for z in Z.ravel()]
        A = apply(EXACT, activation, Z)
    return found


KINKED = ["relu", ("leaky_relu", 0.2), ("elu", 0.5), "elu"]


def no_kinks(problem):
    return {name: [False] * array.size for name, array in problem.parameters.items()}


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("activation", KINKED, ids=str)
def test_kinks_within_the_step(activation, epsilon):
    last = list(OUTPUTS)[EPSILONS.index(epsilon) % 3]
    problem = near_kinks(activation, last, 0.4 * (epsilon or STEP))
    assert_exact(problem, epsilon, digits=60)
    expected = crossed(problem, epsilon)
    assert sum(map(sum, expected.values())) >= 5
    assert_same_kinks(problem, epsilon, no_kinks(problem) if activation == "elu" else expected)
    if epsilon is None:
        assert_one_sided(problem)


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_kinks_of_a_later_layer_alone(epsilon):
    """Two units that no step switches off nearly cancel in the next layer."""
    problem, step = near_kinks("relu", "softmax", 1.0), epsilon or STEP
    problem.parameters["W1"][:2, 0] = 3 * step, 2.7 * step
    problem.parameters["W2"][0] = 1, -1, 0
    assert_exact(problem, epsilon, digits=60)
    expected = crossed(problem, epsilon)
    assert any(expected["W1"])
    assert_same_kinks(problem, epsilon, expected)
    if epsilon is None:
        assert_one_sided(problem)


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("distance", [1 - 1e-9, 1.0, 1 + 1e-9])
def test_kinks_at_the_end_of_the_step(distance, epsilon):
    problem = near_kinks("relu", "softmax", distance * (epsilon or STEP))
    assert_exact(problem, epsilon, digits=60)
    expected = crossed(problem, epsilon)
    assert any(map(any, expected.values())) == (distance <= 1)
    assert_same_kinks(problem, epsilon, expected)


def zeros(problem, *names):
    for name in names:
        problem.parameters[name][:] = 0
    return problem


@pytest.mark.parametrize("epsilon", [1e-2, 1e-10, None])
@pytest.mark.parametrize(
    "blocks", [("W1", "b1"), ("W2", "b2"), ("W1", "b1", "W2", "b2", "W3", "b3")], ids=" ".join
)
@pytest.mark.parametrize("activation", ["relu", ("leaky_relu", 0.2), "gelu"], ids=str)
def test_units_on_their_kink(activation, blocks, epsilon):
    """Weights and biases of zero: all differences are one-sided there, whatever the step."""
    problem = zeros(Problem((activation, activation, "softmax"), (2, 2, 2, 2), 3, seed=5), *blocks)
    assert_exact(problem, epsilon, digits=60)
    assert_same_kinks(
        problem, epsilon, crossed(problem, epsilon) if activation in KINKED else no_kinks(problem)
    )
    if epsilon is None:
        assert_one_sided(problem)


# --- the ends of the range ----------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [1e-2, 1e-7, None])
@pytest.mark.parametrize("activation", HIDDEN, ids=str)
def test_dead_units_zero_inputs_and_saturated_units(activation, epsilon):
    last = list(OUTPUTS)[EPSILONS.index(epsilon) % 3]
    problem = Problem((activation, last), (2, 3, 2), 3, seed=6)
    problem.X[:, 1] = 0
    problem.X[0, 2] = 0
    problem.parameters["b1"][:] = -30, 30, 0.1
    assert_exact(problem, epsilon, digits=70)


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("last", ["sigmoid", "softmax"])
def test_saturated_outputs(last, epsilon):
    """Slopes as small as exp(-60) in one block, and all relative to these."""
    problem = Problem(("tanh", last), (2, 2, 2), 3, seed=7, targets="certain" if last == "sigmoid" else None)
    problem.dense = problem.Y = np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    problem.parameters["b2"][:] = 30, -30
    assert_exact(problem, epsilon, digits=120)


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_logits_of_800_with_the_wrong_label(epsilon):
    problem = Problem(("relu", "sigmoid"), (2, 2, 2), 3, seed=8)
    problem.dense = problem.Y = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    problem.parameters["b2"][:] = 800, -800
    assert_exact(problem, epsilon, digits=450)


@pytest.mark.parametrize("x", [1500.0, 5000.0])
def test_a_step_that_lifts_an_unlikely_label_by_much(x):
    """log Σ p·exp(d) with nearly all of the p·exp(d) gone: 1 + Σ p·expm1(d) has no digits left."""
    problem = Problem(("softmax",), (1, 2), 1)
    problem.X[:], problem.parameters = x, {"W1": np.zeros((2, 1)), "b1": np.array([0.0, -40.0])}
    problem.Y, problem.dense = np.array([1]), np.array([[0.0], [1.0]])
    assert_exact(problem, 1e-2, digits=120)


@pytest.mark.parametrize(("small", "epsilon"), [(1e-14, 1e-4), (1e-17, 1e-2), (1e-25, None)])
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_small_weights_before_a_layer(activation, small, epsilon):
    """Columns of the first layer are linear over steps over which units of the second are not."""
    problem = Problem(("identity", activation, "sigmoid"), (2, 2, 2, 2), 3, seed=9)
    problem.parameters["W2"] *= small
    problem.parameters["b2"] *= small if activation == "relu" else 1
    assert_exact(problem, epsilon, digits=120)
