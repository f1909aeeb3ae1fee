"""Right gradients are never called wrong: every scenario, kinks, ties, dead units, noise, large and small costs."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from network_styles import STYLES, Shapes
from planted_mistakes import MISTAKES, planted
from scenarios import (
    EVERY_SCENARIO,
    Scenario,
    leaves,
    relu_backward,
    relu_forward,
    relu_network,
    scenario,
    scenarios,
    true_gradient,
)
from slow import first_of

from fastcheck import Verdict, check, check_mlp, locate, screen

pytestmark = pytest.mark.verdicts_alone

STEPS = [None, 1e-2, 1e-4, 1e-7]
LOOKS = [check, screen, locate]
OPEN_TO_PLAIN_EVALUATION = {"zoo: deep sigmoid", "zoo: deep ReLU", "zoo: batch normalisation"}
"""Some of their gradients are below the noise of the cost, or zero but for rounding."""


@pytest.fixture(params=["auto", "plain", "reference"])
def method(request):
    return request.param


@pytest.fixture(params=["plain", "reference"])
def noisy_method(request):
    """Those that subtract costs, and cannot tell where these are large."""
    return request.param


@pytest.mark.parametrize("name", EVERY_SCENARIO)
def test_every_scenario_passes_at_every_entry_point(name):
    found = scenario(name)
    problem = found.cost, found.parameters, found.gradients
    for look in LOOKS:
        report = look(*problem)
        assert (report.verdict, report.method) == (Verdict.PASS, "difference"), report
        assert report.passed
        assert report.checked == report.size == sum(block.size for _, block in leaves(found.parameters))
        assert report.difference < (2e-6 if "float32" in name else 1e-8)
        assert found.kinks or not report.notes
    for report in (*(look(*problem, method="plain") for look in LOOKS), check(*problem, method="reference")):
        assert report.verdict is not Verdict.FAIL
        assert report.passed or name.startswith("at kinks") or name in OPEN_TO_PLAIN_EVALUATION
        assert report.method in ("plain", "reference")


@pytest.mark.parametrize("found", scenarios(), ids=str)
def test_and_with_every_step(found, method):
    for epsilon in STEPS[1:]:
        report = check(found.cost, found.parameters, found.gradients, epsilon=epsilon, method=method)
        assert report.verdict is Verdict.PASS
        assert method in ("auto", report.method)
        assert report.checked == report.size


# --- random networks in many styles ---------------------------------------------------------------------------


def of_style(style, seed):
    """A random network of which the truth is known."""
    note(f"{style.__name__}(Shapes({seed}))")
    cost, parameters = style(Shapes(seed))
    gradients, known = true_gradient(cost, parameters)
    assume(known)
    return Scenario(name=style.__name__, cost=cost, parameters=parameters, gradients=gradients)


def passes_unless_a_mistake_is_planted(style, seed, epsilon, mistake):
    found = of_style(style, seed)
    report = check(found.cost, found.parameters, found.gradients, epsilon=epsilon)
    assert report.passed, str(report)
    if epsilon is None:
        assert (report.method, report.notes) == ("difference", ())
    rng = np.random.default_rng(seed)
    made = planted(mistake, rng, found, int(rng.integers(len(leaves(found.parameters)))))
    assume(made is not None)
    wrong, name, count = made
    report = check(found.cost, found.parameters, wrong, epsilon=epsilon)
    assert report.verdict == "fail", str(report)
    assert [k for k, block in report.blocks.items() if block.verdict == "fail"] == [name]
    assert report.worst[0].block == name
    assert report.blocks[name].wrong >= count


SEEDS, EPSILONS = st.integers(0, 2**32 - 1), st.sampled_from([None, None, 1e-7, 1e-4])


@pytest.mark.slow
@pytest.mark.parametrize("style", first_of(STYLES, 8))
@given(SEEDS, EPSILONS, st.sampled_from(list(MISTAKES)))
@settings(max_examples=5)
def test_random_networks(style, seed, epsilon, mistake):
    passes_unless_a_mistake_is_planted(style, seed, epsilon, mistake)


@pytest.mark.slow
@pytest.mark.parametrize("style", first_of(STYLES, 8))
@given(SEEDS, EPSILONS, st.sampled_from(list(MISTAKES)))
@settings(max_examples=60)
def test_many_random_networks(style, seed, epsilon, mistake):
    passes_unless_a_mistake_is_planted(style, seed, epsilon, mistake)


def test_the_truth_is_the_gradient_of_a_polynomial_and_is_not_known_beside_a_kink():
    x = {"a": np.array([0.5, -2.0]), "b": np.array(1.5)}
    found, known = true_gradient(lambda p: np.sum(p["a"] ** 3) * p["b"] ** 2, x)
    assert known
    np.testing.assert_allclose(found["a"], 3 * x["a"] ** 2 * 2.25, rtol=1e-12)
    np.testing.assert_allclose(found["b"], np.sum(x["a"] ** 3) * 3, rtol=1e-12)
    assert not true_gradient(lambda x: np.sum(np.maximum(x, 0)), np.array([1.0, 0.001]))[1]


def test_styles_have_axes_of_length_one_and_all_are_different():
    ones = 0
    for style in STYLES:
        shapes = [[x.shape for _, x in leaves(style(Shapes(seed))[1])] for seed in range(6)]
        assert len({str(s) for s in shapes}) > 1
        ones += sum(1 in shape for blocks in shapes for shape in blocks)
    assert ones > 50


# --- kinks within the step ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(100, 102))
def test_hundreds_of_samples_put_kinks_everywhere(seed, method):
    cost, parameters, gradients = relu_network((5, 7, 6, 1), 300, seed)
    for epsilon in STEPS:
        assert check(cost, parameters, gradients, epsilon=epsilon, method=method).verdict is Verdict.PASS


def test_a_step_of_a_hundredth_really_straddles_kinks_there():
    cost, parameters, gradients = relu_network((5, 7, 6, 1), 300, seed=100)
    W = parameters["W1"]
    jumps = []
    for index in np.ndindex(*W.shape):
        plus, minus = W.copy(), W.copy()
        plus[index] += 1e-2
        minus[index] -= 1e-2
        central = (cost(parameters | {"W1": plus}) - cost(parameters | {"W1": minus})) / 2e-2
        jumps.append(abs(central - gradients["dW1"][index]))
    assert max(jumps) > 1e-5


@pytest.mark.parametrize("distance", [1e-3, 1e-5, 1e-6, 1e-7])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_kink_close_by_does_not_excuse_a_wrong_slope(side, distance, method):
    x = np.array([side * distance])
    right, wrong = np.array([1.0 if side > 0 else 0.0]), np.array([1.2 if side > 0 else -0.2])

    def cost(x):
        return np.maximum(x[0], 0)

    for epsilon in STEPS:
        assert check(cost, x, right, epsilon=epsilon, method=method).verdict is Verdict.PASS
        assert check(cost, x, wrong, epsilon=epsilon, method=method).verdict is Verdict.FAIL


# --- kinks at θ itself --------------------------------------------------------------------------------------

AT_KINKS = {
    "relu": (lambda x: np.sum(np.maximum(x, 0) * [3.0, 1.0, 1.0]), np.array([0.0, 1.3, -0.7])),
    "absolute value": (lambda x: np.sum(np.abs(x)), np.array([0.0, 1.3, -0.7])),
    "maximum": (lambda x: np.max(x), np.array([1.0, 1.0, 0.2])),
}
CLAIMS = {
    "relu": {
        True: [[0, 1, 0], [0.9, 1, 0], [1.5, 1, 0], [3, 1, 0]],
        False: [[-0.03, 1, 0], [3.03, 1, 0], [6, 1, 0]],
    },
    "absolute value": {True: [[-1, 1, -1], [0, 1, -1], [0.7, 1, -1], [1, 1, -1]], False: [[1.01, 1, -1], [-2, 1, -1]]},
    "maximum": {True: [[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0]], False: [[0, 0, 1], [1.5, 0, 0], [-0.5, 0, 0]]},
}  # fmt: skip


@pytest.mark.parametrize("name", AT_KINKS)
def test_all_between_the_slopes_of_the_sides_is_right(name, method):
    cost, x = AT_KINKS[name]
    for right, epsilon in itertools.product((True, False), STEPS):
        for claim in CLAIMS[name][right]:
            report = check(cost, x, np.array(claim, float), epsilon=epsilon, method=method)
            assert report.verdict is (Verdict.PASS if right else Verdict.FAIL)
            assert report.passed is right


def blank(sizes, at_zero):
    """Biases of zero and an input of zeros, as a blank image: every ReLU of the sample stands at its kink."""
    rng = np.random.default_rng(8)
    X, Y = rng.standard_normal((4, 12)), (rng.random((1, 12)) < 0.5).astype(float)
    X[:, 3] = 0
    _, parameters, _ = relu_network(sizes, 12, seed=8)
    for k in range(1, len(sizes) - 1):
        parameters[f"b{k}"] *= 0
    gradients = relu_backward(X, Y, relu_forward(X, Y, parameters)[1], at_zero=at_zero)
    return lambda p: relu_forward(X, Y, p)[0], parameters, gradients, (X, Y)


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0, -0.5, 1.5])
def test_an_empty_sample_leaves_units_exactly_at_zero(at_zero, method):
    cost, parameters, gradients, _ = blank((4, 5, 1), at_zero)
    for epsilon in STEPS:
        report = check(cost, parameters, gradients, epsilon=epsilon, method=method)
        right = 0 <= at_zero <= 1
        assert report.blocks["b1"].verdict is (Verdict.PASS if right else Verdict.FAIL)
        assert all(report.blocks[name].verdict is Verdict.PASS for name in ("W1", "W2", "b2"))


@pytest.mark.slow
@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_and_in_front_of_several_layers(layers, at_zero):
    """``dZ[Z < 0] = 0`` takes 1 at zero, in all layers: what one-sided slopes do not show."""
    cost, parameters, gradients, data = blank((4, *[5] * layers, 1), at_zero)
    activations = ("relu",) * layers + ("sigmoid",)
    for method in ("auto", "difference"):
        assert check(cost, parameters, gradients, method=method).verdict == "pass"
        assert check_mlp(parameters, gradients, *data, method=method, activations=activations).passed
        for name in ("dW1", "db1"):
            wrong = gradients | {name: gradients[name] + 100 * np.eye(*gradients[name].shape)}
            assert check(cost, parameters, wrong, method=method).blocks[name[1:]].verdict == "fail"


# --- no influence -------------------------------------------------------------------------------------------


def dead_network(shift):
    rng = np.random.default_rng(9)
    X, Y = rng.standard_normal((4, 20)), (rng.random((1, 20)) < 0.5).astype(float)
    _, parameters, _ = relu_network((4, 5, 3, 1), 20, seed=9)
    parameters["b1"] -= shift
    gradients = relu_backward(X, Y, relu_forward(X, Y, parameters)[1])
    return lambda p: relu_forward(X, Y, p)[0], parameters, gradients


@pytest.mark.parametrize("shift", [20.0, 1000.0])
def test_dead_units_have_a_gradient_of_zero(shift, method):
    cost, parameters, gradients = dead_network(shift)
    assert not gradients["dW1"].any()
    for epsilon in STEPS:
        report = check(cost, parameters, gradients, epsilon=epsilon, method=method)
        assert report.verdict is Verdict.PASS
        assert report.blocks["W1"].difference == 0
    gradients["dW1"][2, 1] = 1e-6
    report = check(cost, parameters, gradients, method=method)
    assert report.blocks["W1"].verdict is Verdict.FAIL
    assert [c.name for c in report.blocks["W1"].worst if c.error] == ["W1[2, 1]"]


def test_a_constant_cost(method):
    value = 3.0
    theta = [np.ones(3), np.zeros((2, 2))]
    assert check(lambda p: value, theta, [np.zeros(3), np.zeros((2, 2))], method=method).passed
    assert not check(lambda p: value, theta, [np.zeros(3), np.eye(2)], method=method).passed


# --- the size of the cost -----------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [None, 1e-4])
@pytest.mark.parametrize("factor", [1e-250, 1e200])
def test_large_and_small_costs(factor, epsilon, method):
    cost, parameters, gradients = relu_network((4, 5, 3, 1), 10, seed=1)
    scaled = {name: factor * g for name, g in gradients.items()}
    assert (
        check(lambda p: factor * cost(p), parameters, scaled, epsilon=epsilon, method=method).verdict
        is Verdict.PASS
    )
    wrong = scaled | {"dW2": scaled["dW2"] * (1 + 1e-5)}
    report = check(lambda p: factor * cost(p), parameters, wrong, epsilon=epsilon, method=method)
    assert [n for n, b in report.blocks.items() if b.verdict is Verdict.FAIL] == ["W2"]


@pytest.mark.parametrize("epsilon", [None, 1e-3, 1e-7])
@pytest.mark.parametrize("constant", [1e4, -1e6, 1e14])
def test_a_large_constant_in_the_cost_makes_it_hard_to_tell_not_wrong(constant, epsilon, noisy_method):
    cost, parameters, gradients = relu_network((4, 5, 3, 1), 50, seed=3)
    report = check(lambda p: cost(p) + constant, parameters, gradients, epsilon=epsilon, method=noisy_method)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert not any(block.wrong for block in report.blocks.values())
    undecided = [b for b in report.blocks.values() if b.verdict is Verdict.INCONCLUSIVE]
    assert all("is known to ±" in b.cause for b in undecided)
    # Truncation shows at first sight, and noise hides it where the step shrinks.
    report = check(lambda p: cost(p) + constant, parameters, gradients, epsilon=1e-2, method=noisy_method)
    assert report.verdict is not Verdict.FAIL


@pytest.mark.parametrize("constant", [1e3, 1e6])
def test_a_gross_mistake_is_found_beside_a_large_constant(constant, method):
    cost, parameters, gradients = relu_network((4, 5, 3, 1), 50, seed=3)
    wrong = gradients | {"dW2": 2 * gradients["dW2"]}
    report = check(lambda p: cost(p) + constant, parameters, wrong, method=method)
    assert [n for n, b in report.blocks.items() if b.verdict is Verdict.FAIL] == ["W2"]


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e3, 1e6])
def test_parameters_of_any_size(size, method):
    x = size * np.array([0.3, -1.0, 2.0])
    gradient = 2 * (x - 1)
    report = check(lambda v: np.sum((v - 1) ** 2), x, gradient, method=method)
    assert report.verdict is not Verdict.FAIL
    wrong = gradient * np.array([1, 1, 1 + 1e-3])
    assert check(lambda v: np.sum((v - 1) ** 2), x, wrong, method=method).verdict is Verdict.FAIL


def normalised_network(bias, seed):
    """A layer with batch normalisation whose bias, of this size, changes nothing but the digits that are left."""
    rng = np.random.default_rng(seed)
    X, T = rng.standard_normal((5, 40)), rng.standard_normal((3, 40))
    parameters = {name: rng.standard_normal((3, 1)) for name in ("b", "gamma", "beta")}
    parameters |= {"W": rng.standard_normal((3, 5)), "b": bias * parameters["b"]}

    def forward(p):
        Z = p["W"] @ X + p["b"]
        Z = Z - Z.mean(axis=1, keepdims=True)
        scale = 1 / np.sqrt((Z**2).mean(axis=1, keepdims=True) + 1e-8)
        return scale, Z * scale, np.tanh(p["gamma"] * (Z * scale) + p["beta"])

    def cost(p):
        return np.sum((forward(p)[2] - T) ** 2) / 40

    def backward(p):
        scale, normal, A = forward(p)
        dY = 2 * (A - T) * (1 - A**2) / 40
        dN = dY * p["gamma"]
        along = normal * (dN * normal).mean(axis=1, keepdims=True)
        dZ = scale * (dN - dN.mean(axis=1, keepdims=True) - along)
        sums = {"b": dZ, "gamma": dY * normal, "beta": dY}
        return {name: d.sum(axis=1, keepdims=True) for name, d in sums.items()} | {"W": dZ @ X.T}

    return cost, parameters, backward


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("bias", [1.0, 1e3, 1e5])
def test_a_bias_before_batch_normalisation_has_the_gradient_zero_however_large_it_is(bias, seed):
    """What a backward pass leaves of it are rounding units of Z, of which the mean takes most digits."""
    cost, parameters, backward = normalised_network(bias, seed)
    assert check(cost, parameters, backward).passed
    assert screen(cost, parameters, backward).passed
    for name in ("plain", "reference"):
        assert check(cost, parameters, backward, method=name).blocks["b"].verdict != "fail"
    wrong = backward(parameters)
    wrong["b"] = wrong["b"] + 1e-6 * np.abs(wrong["W"]).max()
    assert check(cost, parameters, wrong).blocks["b"].verdict == "fail"
    assert screen(cost, parameters, wrong).blocks["b"].verdict == "fail"
