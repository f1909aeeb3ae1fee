"""A step that the caller gives, too large or too small: the verdict is about the gradient, as all numbers are."""

import numpy as np
import pytest

from fastcheck import Verdict, check, locate, screen

RNG = np.random.default_rng(0)
x = RNG.uniform(0.05, 1, 30)
X, W = RNG.standard_normal((20, 6)), RNG.standard_normal((6, 3))
Z = X @ W
COSTS = {
    "steep": (lambda p: np.sum(np.exp(20 * p["x"])), {"x": x}, {"x": 20 * np.exp(20 * x)}),
    "waves": (lambda p: np.sum(np.sin(100 * p["x"])), {"x": x}, {"x": 100 * np.cos(100 * x)}),
    "a pole near by": (lambda p: np.sum(1 / p["x"]), {"x": x}, {"x": -1 / x**2}),
    "a layer": (
        lambda p: np.sum(np.sin(X @ p["W"]) * np.exp(0.3 * (X @ p["W"]))),
        {"W": W},
        {"W": X.T @ (np.exp(0.3 * Z) * (np.cos(Z) + 0.3 * np.sin(Z)))},
    ),
}
METHODS = ["auto", "difference", "plain", "reference"]

pytestmark = pytest.mark.verdicts_alone


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("name", "epsilon"),
    [
        (name, epsilon)
        for name in COSTS
        for epsilon in (1e-9, 1e-4, 0.01, 0.1, 1.0)
        if name != "a pole near by" or epsilon < min(x)  # beyond, some θ ± ε lies on the pole's other side
    ],
)
def test_the_verdict_is_about_the_gradient_and_the_difference_goes_with_it(name, method, epsilon):
    cost, parameters, right = COSTS[name]
    ((block, g),) = right.items()
    report = check(cost, parameters, right, epsilon=epsilon, method=method)
    assert report.passed
    assert report.difference < 2e-7
    at_step = [note for note in report.notes if note.startswith(f"at ε = {epsilon:g} the difference is")]
    truncation = np.linalg.norm(central(cost, parameters, block, epsilon) - g) / np.linalg.norm(g)
    if truncation > 1e-5:
        assert len(at_step) == 1
    wrong = g.copy()
    wrong.flat[np.argmax(np.abs(g))] *= 1.01
    report = check(cost, parameters, {block: wrong}, epsilon=epsilon, method=method)
    assert report.verdict is Verdict.FAIL
    assert report.blocks[block].wrong == 1
    assert report.blocks[block].worst[0].relative_error == pytest.approx(0.01 / 1.01, rel=1e-3)


def central(cost, parameters, block, epsilon):
    slopes = np.empty(parameters[block].size)
    for i in range(slopes.size):
        costs = []
        for side in (1, -1):
            moved = parameters[block].copy()
            moved.flat[i] += side * epsilon
            costs.append(cost({block: moved}))
        slopes[i] = (costs[0] - costs[1]) / (2 * epsilon)
    return slopes.reshape(parameters[block].shape)


@pytest.mark.parametrize("method", METHODS)
def test_truncation_hides_no_mistake_and_fails_no_gradient_of_zero(method):
    cost, parameters, right = COSTS["steep"]
    for epsilon in (0.3, 1.0):
        for factor in (0.5, 2.0, 1.001):
            claim = {"x": factor * right["x"]}
            assert check(cost, parameters, claim, epsilon=epsilon, method=method).verdict is Verdict.FAIL

    def cubes(p):
        return np.sum(p["x"] ** 3)

    theta = {"x": np.zeros(4)}
    for epsilon in (1e-4, 0.1, 1.0):
        options = {"epsilon": epsilon, "method": method}
        assert check(cubes, theta, {"x": np.zeros(4)}, **options).verdict is not Verdict.FAIL
        assert check(cubes, theta, {"x": np.full(4, 1e-3)}, **options).verdict is Verdict.FAIL


@pytest.mark.parametrize("epsilon", [1e-4, 1e-2, 0.1, 1.0])
@pytest.mark.parametrize("look", [screen, locate, check])
def test_saturation_within_the_step_fails_no_right_gradient(look, epsilon):
    small = 1e-6 * x
    g = 1e6 * (1 - np.tanh(1e6 * small) ** 2)
    report = look(
        lambda p: np.sum(np.tanh(1e6 * p["x"])), {"x": small}, {"x": g}, epsilon=epsilon, method="plain"
    )
    assert report.verdict is not Verdict.FAIL


@pytest.mark.parametrize("method", METHODS)
def test_a_block_of_no_slope_at_all_ends_the_look(method):
    report = check(lambda p: np.sum(0 * p["x"]), {"x": x}, {"x": np.ones(30)}, epsilon=0.1, method=method)
    assert report.verdict is Verdict.FAIL
