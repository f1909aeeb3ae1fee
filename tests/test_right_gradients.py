"""Right gradients are never called wrong: kinks, ties, dead units, noise, large and small costs."""

from itertools import pairwise

import numpy as np
import pytest
from scenarios import relu_backward, relu_forward, relu_network, scenarios

from fastcheck import Loss, Verdict, check, check_mlp, screen

STEPS = [None, 1e-2, 1e-4, 1e-7]


@pytest.fixture(params=["auto", "plain", "reference"])
def method(request):
    return request.param


@pytest.fixture(params=["plain", "reference"])
def noisy_method(request):
    """Those that subtract costs, and cannot tell where these are large."""
    return request.param


@pytest.mark.parametrize("epsilon", STEPS)
@pytest.mark.parametrize("scenario", scenarios(), ids=str)
def test_every_scenario(scenario, epsilon, method):
    report = check(scenario.cost, scenario.parameters, scenario.gradients, epsilon=epsilon, method=method)
    assert report.verdict is Verdict.PASS
    assert method in ("auto", report.method)
    assert report.passed
    assert report.checked == report.size
    assert report.difference < {None: 2e-6 if scenario.name == "float32" else 1e-8}.get(epsilon, 1)


@pytest.mark.parametrize("epsilon", STEPS)
@pytest.mark.parametrize("seed", range(100, 106))
def test_hundreds_of_samples_put_kinks_everywhere(seed, epsilon, method):
    cost, parameters, gradients = relu_network((5, 7, 6, 1), 300, seed)
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


@pytest.mark.parametrize("seed", range(30))
def test_small_networks_of_many_seeds(seed, method):
    cost, parameters, gradients = relu_network((3, 4, 3, 1), 5 + seed, seed, lambd=seed / 10)
    assert check(cost, parameters, gradients, method=method).verdict is Verdict.PASS


# --- kinks at θ itself --------------------------------------------------------------------------------------


def relu_cost(x):
    return np.sum(np.maximum(x, 0) * np.array([3.0, 1.0, 1.0]))


@pytest.mark.parametrize("epsilon", STEPS)
@pytest.mark.parametrize(
    ("share", "right"),
    [(0, True), (0.5, True), (0.3, True), (1, True), (-0.01, False), (1.01, False), (2, False)],
)
def test_relu_at_zero(share, right, epsilon, method):
    x = np.array([0.0, 1.3, -0.7])
    report = check(relu_cost, x, np.array([3.0 * share, 1, 0]), epsilon=epsilon, method=method)
    assert report.passed is right
    assert report.verdict is (Verdict.PASS if right else Verdict.FAIL)


@pytest.mark.parametrize("epsilon", STEPS)
@pytest.mark.parametrize(
    ("slope", "right"), [(-1, True), (0, True), (0.7, True), (1, True), (1.01, False), (-2, False)]
)
def test_absolute_value_at_zero(slope, right, epsilon, method):
    x = np.array([0.0, 1.3, -0.7])
    report = check(
        lambda x: np.sum(np.abs(x)), x, np.array([slope, 1.0, -1.0]), epsilon=epsilon, method=method
    )
    assert report.verdict is (Verdict.PASS if right else Verdict.FAIL)


@pytest.mark.parametrize("epsilon", STEPS)
@pytest.mark.parametrize(
    ("claim", "right"),
    [
        ([1, 0, 0], True),
        ([0, 1, 0], True),
        ([0.5, 0.5, 0], True),
        ([0, 0, 1], False),
        ([1.5, 0, 0], False),
        ([-0.5, 0, 0], False),
    ],
)
def test_ties_of_a_maximum(claim, right, epsilon, method):
    x = np.array([1.0, 1.0, 0.2])
    report = check(lambda x: np.max(x), x, np.array(claim, float), epsilon=epsilon, method=method)
    assert report.verdict is (Verdict.PASS if right else Verdict.FAIL)


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0, -0.5, 1.5])
@pytest.mark.parametrize("epsilon", STEPS)
def test_an_empty_sample_leaves_units_exactly_at_zero(at_zero, epsilon, method):
    """Biases of zero and an input of zeros, as a blank image: every ReLU of the sample stands at its kink."""
    rng = np.random.default_rng(8)
    X, Y = rng.standard_normal((4, 12)), (rng.random((1, 12)) < 0.5).astype(float)
    X[:, 3] = 0
    _, parameters, _ = relu_network((4, 5, 1), 12, seed=8)
    parameters["b1"] *= 0
    gradients = relu_backward(X, Y, relu_forward(X, Y, parameters)[1], at_zero=at_zero)
    report = check(lambda p: relu_forward(X, Y, p)[0], parameters, gradients, epsilon=epsilon, method=method)
    right = 0 <= at_zero <= 1
    assert report.blocks["b1"].verdict is (Verdict.PASS if right else Verdict.FAIL)
    assert all(report.blocks[name].verdict is Verdict.PASS for name in ("W1", "W2", "b2"))


@pytest.mark.parametrize("distance", [1e-3, 1e-5, 1e-6, 1e-7])
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("epsilon", STEPS)
def test_a_kink_close_by_does_not_excuse_a_wrong_slope(side, distance, epsilon, method):
    x = np.array([side * distance])
    right, wrong = np.array([1.0 if side > 0 else 0.0]), np.array([1.2 if side > 0 else -0.2])

    def cost(x):
        return np.maximum(x[0], 0)

    assert check(cost, x, right, epsilon=epsilon, method=method).verdict is Verdict.PASS
    assert check(cost, x, wrong, epsilon=epsilon, method=method).verdict is Verdict.FAIL


# --- no influence -------------------------------------------------------------------------------------------


def dead_network(shift):
    rng = np.random.default_rng(9)
    X, Y = rng.standard_normal((4, 20)), (rng.random((1, 20)) < 0.5).astype(float)
    _, parameters, _ = relu_network((4, 5, 3, 1), 20, seed=9)
    parameters["b1"] -= shift
    gradients = relu_backward(X, Y, relu_forward(X, Y, parameters)[1])
    return lambda p: relu_forward(X, Y, p)[0], parameters, gradients


@pytest.mark.parametrize("epsilon", STEPS)
@pytest.mark.parametrize("shift", [20.0, 1000.0])
def test_dead_units_have_a_gradient_of_zero(shift, epsilon, method):
    cost, parameters, gradients = dead_network(shift)
    assert not gradients["dW1"].any()
    report = check(cost, parameters, gradients, epsilon=epsilon, method=method)
    assert report.verdict is Verdict.PASS
    assert report.blocks["W1"].difference == 0


def test_a_claim_for_a_dead_unit_is_wrong(method):
    cost, parameters, gradients = dead_network(1000.0)
    gradients["dW1"][2, 1] = 1e-6
    report = check(cost, parameters, gradients, method=method)
    assert report.blocks["W1"].verdict is Verdict.FAIL
    assert [c.name for c in report.blocks["W1"].worst if c.error] == ["W1[2, 1]"]


@pytest.mark.parametrize("value", [0.0, 3.0, -1e9])
def test_a_constant_cost(value, method):
    theta = [np.ones(3), np.zeros((2, 2))]
    assert check(lambda p: value, theta, [np.zeros(3), np.zeros((2, 2))], method=method).passed
    assert not check(lambda p: value, theta, [np.zeros(3), np.eye(2)], method=method).passed


# --- the size of the cost -----------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", STEPS)
@pytest.mark.parametrize("factor", [1e-250, 1e-12, 1e12, 1e200])
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


@pytest.mark.parametrize("epsilon", [None, 1e-3, 1e-4, 1e-7])
@pytest.mark.parametrize("constant", [1e4, -1e6, 1e9, 1e14])
def test_a_large_constant_in_the_cost_makes_it_hard_to_tell_not_wrong(constant, epsilon, noisy_method):
    cost, parameters, gradients = relu_network((4, 5, 3, 1), 50, seed=3)
    report = check(lambda p: cost(p) + constant, parameters, gradients, epsilon=epsilon, method=noisy_method)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert not any(block.wrong for block in report.blocks.values())
    undecided = [b for b in report.blocks.values() if b.verdict is Verdict.INCONCLUSIVE]
    assert all("is known to ±" in b.cause for b in undecided)


@pytest.mark.parametrize("constant", [1e6, 1e-9, -1e6])
def test_a_large_constant_with_a_large_step(constant, noisy_method):
    """Truncation shows at first sight, and noise hides it where the step shrinks."""
    cost, parameters, gradients = relu_network((4, 5, 3, 1), 50, seed=3)
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


def rounded_cost(cost):
    return lambda p: float(np.float32(cost(p)))


def float32_inside(cost):
    return lambda p: float(cost({name: array.astype(np.float32) for name, array in p.items()}))


@pytest.mark.parametrize("coarse", [rounded_cost, float32_inside])
@pytest.mark.parametrize("seed", range(5))
def test_a_cost_in_single_precision_makes_it_hard_to_tell_not_wrong(coarse, seed, noisy_method):
    """Its rounding errors are a million times larger, and invisible to small steps."""
    cost, parameters, gradients = relu_network((4, 5, 3, 1), 50, seed)
    report = check(coarse(cost), parameters, gradients, method=noisy_method)
    assert report.verdict is Verdict.INCONCLUSIVE
    gross = gradients | {"dW3": gradients["dW3"] + 1e4}
    report = check(coarse(cost), parameters, gross, method=noisy_method)
    assert [n for n, b in report.blocks.items() if b.verdict is Verdict.FAIL] == ["W3"]


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


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bias", [1.0, 1e2, 1e3, 1e5])
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


def blank_network(layers, at_zero, seed):
    """Layers of ReLU with biases of zero and one blank sample, and a backward pass that takes ``at_zero`` at 0."""
    rng = np.random.default_rng(seed)
    sizes = [4, *[5] * layers, 3]
    X, Y = rng.standard_normal((4, 6)), rng.standard_normal((3, 6))
    X[:, 0] = 0
    parameters = {}
    for k, (n_in, n_out) in enumerate(pairwise(sizes), start=1):
        parameters[f"W{k}"], parameters[f"b{k}"] = rng.standard_normal((n_out, n_in)), np.zeros((n_out, 1))

    def forward(p):
        A, cache = X, []
        for k in range(1, layers + 2):
            Z = p[f"W{k}"] @ A + p[f"b{k}"]
            cache.append((A, Z))
            A = np.maximum(Z, 0)
        return Z, cache

    def cost(p):
        return np.sum((forward(p)[0] - Y) ** 2) / 12

    Z, cache = forward(parameters)
    dZ, gradients = (Z - Y) / 6, {}
    for k in range(layers + 1, 0, -1):
        A, _ = cache[k - 1]
        gradients[f"W{k}"], gradients[f"b{k}"] = dZ @ A.T, dZ.sum(axis=1, keepdims=True)
        if k > 1:
            Z = cache[k - 2][1]
            dZ = parameters[f"W{k}"].T @ dZ * np.where(Z == 0, at_zero, Z > 0)
    return cost, parameters, gradients, (X, Y)


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_a_blank_sample_in_front_of_several_layers(layers, at_zero, seed):
    """``dZ[Z < 0] = 0`` takes 1 at zero, in all layers: what one-sided slopes do not show."""
    cost, parameters, gradients, (X, Y) = blank_network(layers, at_zero, seed)
    told = {"activations": ("relu",) * layers + ("identity",), "loss": Loss("mean_squared_error", factor=0.5)}
    for method in ("auto", "mlp", "difference"):
        assert check(cost, parameters, gradients, method=method).verdict == "pass"
        assert check_mlp(parameters, gradients, X, Y, method=method, **told).verdict == "pass"
    for name in ("W1", "b1"):
        wrong = gradients | {name: gradients[name] + 100 * np.eye(*gradients[name].shape)}
        for method in ("auto", "mlp"):
            assert check(cost, parameters, wrong, method=method).blocks[name].verdict == "fail"
