"""Random networks in many styles: right gradients pass, and a planted mistake fails its block and no other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from network_styles import STYLES, Shapes
from scenarios import copied, leaves

from fastcheck import check

SEEDS = st.integers(0, 2**32 - 1)
EPSILONS = st.sampled_from([None, None, 1e-7, 1e-4])
STEP = 2.0**-9
SIXTH_ORDER = (3 / 4, -3 / 20, 1 / 60, 0.0)
EIGHTH_ORDER = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
KNOWN = 1e-9
"""Where two orders agree to this, relative to the largest entry, the truth is known: no kink is near θ."""


def true_gradient(cost, parameters):
    """Return the gradient by differences of order eight, and whether it can be trusted."""
    work, gradient = copied(parameters), copied(parameters)
    apart, largest = 0.0, 0.0
    for (_, x), (_, g) in zip(leaves(work), leaves(gradient), strict=True):
        for i in np.ndindex(*x.shape):
            start, changes = x[i], []
            for k in (1, 2, 3, 4):
                x[i] = start + k * STEP
                plus = float(cost(work))
                x[i] = start - k * STEP
                changes.append(plus - float(cost(work)))
            x[i] = start
            sixth, g[i] = (
                math.fsum(w * change for w, change in zip(weights, changes, strict=True)) / STEP
                for weights in (SIXTH_ORDER, EIGHTH_ORDER)
            )
            apart, largest = max(apart, abs(sixth - g[i])), max(largest, abs(g[i]))
    for _, g in leaves(gradient):
        g[np.abs(g) < 1e-10 * largest] = 0.0
    scales = [np.sqrt(np.mean(g**2)) for _, g in leaves(gradient)]
    return gradient, apart <= KNOWN * largest and all(s == 0 or s > 1e-3 * largest for s in scales)


def of_style(style, seed):
    """Return cost, parameters and true gradient of a random network."""
    cost, parameters = style(Shapes(seed))
    note(f"{style.__name__}(Shapes({seed}))")
    gradient, known = true_gradient(cost, parameters)
    assume(known)
    return cost, parameters, gradient


# Planted mistakes: each returns what somebody might claim for a block


def one_coordinate_off(rng, g, theta):
    wrong = g.copy()
    wrong.flat[np.argmax(np.abs(g))] *= 1 + 10 ** rng.uniform(-5.5, 0)
    return wrong


def one_coordinate_forgotten(rng, g, theta):
    wrong = g.copy()
    wrong.flat[np.argmax(np.abs(g))] = 0
    return wrong


def one_coordinate_of_the_wrong_sign(rng, g, theta):
    wrong = g.copy()
    wrong.flat[np.argmax(np.abs(g))] *= -1
    return wrong


def one_row_forgotten(rng, g, theta):
    wrong = np.atleast_1d(g.copy())
    wrong[rng.integers(len(wrong))] = 0
    return wrong.reshape(g.shape)


def two_exchanged(rng, g, theta):
    wrong = g.copy()
    low, high = np.argmin(g), np.argmax(g)
    wrong.flat[[low, high]] = g.flat[[high, low]]
    return wrong


def backwards(rng, g, theta):
    return g.ravel()[::-1].reshape(g.shape).copy()


def transposed(rng, g, theta):
    return g.T.copy() if g.T.shape == g.shape else g.ravel(order="F").reshape(g.shape)


def times_a_number(rng, g, theta):
    return g * rng.choice([-1.0, 0.0, 0.5, 2.0, 5.0, 1 + 1e-5, 1 - 1e-4])


def decay_added(rng, g, theta):
    return g + rng.choice([0.01, 0.3]) * theta


def averaged(rng, g, theta):
    return np.full(g.shape, g.mean())


def everywhere_a_little(rng, g, theta):
    return g + 1e-5 * np.sqrt(np.mean(g**2)) * rng.standard_normal(g.shape)


def something_for_nothing(rng, g, theta):
    wrong = g.copy()
    wrong.flat[rng.integers(g.size)] += 0.01
    return wrong


MISTAKES = [
    one_coordinate_off, one_coordinate_forgotten, one_coordinate_of_the_wrong_sign, one_row_forgotten, two_exchanged,
    backwards, transposed, times_a_number, decay_added, averaged, everywhere_a_little, something_for_nothing,
]  # fmt: skip


def planted(mistake, seed, parameters, gradient):
    """Return the gradient with a mistake in one random block, that block's name, and how many entries it changes."""
    rng = np.random.default_rng(seed)
    wrong = copied(gradient)
    number = int(rng.integers(len(leaves(wrong))))
    name, block = leaves(wrong)[number]
    right, (_, theta) = block.copy(), leaves(parameters)[number]
    block[...] = mistake(rng, right, theta)
    error, size = np.abs(block - right), max(np.abs(right).max(), np.abs(block).max())
    assume(error.max() > 1e-6 * size)
    return wrong, name, int((error > 1e-6 * size).sum())


def right_gradients_pass(style, seed, epsilon, method="difference"):
    cost, parameters, gradient = of_style(style, seed)
    report = check(cost, parameters, gradient, epsilon=epsilon, method=method)
    assert report.passed, str(report)
    assert report.checked == sum(x.size for _, x in leaves(parameters))
    return report


def mistakes_are_found(style, seed, epsilon, mistake, method="difference"):
    cost, parameters, gradient = of_style(style, seed)
    wrong, name, count = planted(mistake, seed, parameters, gradient)
    report = check(cost, parameters, wrong, epsilon=epsilon, method=method)
    assert report.verdict == "fail", str(report)
    assert [k for k, block in report.blocks.items() if block.verdict == "fail"] == [name]
    assert report.worst[0].block == name
    assert report.blocks[name].wrong >= count
    return report


@pytest.mark.parametrize("style", STYLES)
@given(SEEDS, EPSILONS)
@settings(max_examples=5)
def test_right_gradients_pass(style, seed, epsilon):
    report = right_gradients_pass(style, seed, epsilon)
    assert report.method == "difference"
    assert not report.notes or (epsilon is not None and report.notes[0].startswith(f"at ε = {epsilon:g}"))


@pytest.mark.parametrize("style", STYLES)
@given(SEEDS, EPSILONS, st.sampled_from(MISTAKES))
@settings(max_examples=6)
def test_a_mistake_fails_its_block_and_no_other(style, seed, epsilon, mistake):
    mistakes_are_found(style, seed, epsilon, mistake)


@pytest.mark.parametrize("mistake", MISTAKES)
@given(SEEDS, st.sampled_from(STYLES))
@settings(max_examples=3)
def test_every_mistake(mistake, seed, style):
    mistakes_are_found(style, seed, None, mistake)


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
@given(SEEDS, EPSILONS, st.sampled_from(MISTAKES))
@settings(max_examples=60)
def test_many_networks(style, seed, epsilon, mistake):
    right_gradients_pass(style, seed, epsilon)
    mistakes_are_found(style, seed, epsilon, mistake)


# Networks that difference propagation may not be able to follow: the answer is the same


class WithMethodsOfItsData:
    """Methods of plain arrays do not ask their arguments what to do."""

    def __init__(self, s):
        self.X, self.y = s(s.size(6), 3), s.labels(6, 2)

    def cost(self, p):
        h = 1 / (1 + np.exp(-self.X.dot(p["W"])))
        return np.sum((h.sum(axis=1) - self.y[: len(h)]) ** 2)


class WithRunningMeans:
    """What one evaluation stores enters the next; the cost does not depend on it."""

    def __init__(self, s):
        self.X, self.mean = s(s.size(5) + 1, 3), np.zeros(2)

    def cost(self, p):
        z = self.X @ p["W"]
        self.mean = 0.9 * self.mean + 0.1 * z.mean(axis=0)
        return np.sum(np.tanh(z - z.mean(axis=0)) ** 2)


def methods_of_data(s):
    return WithMethodsOfItsData(s).cost, {"W": s(3, 2)}


def running_means(s):
    return WithRunningMeans(s).cost, {"W": s(3, 2)}


def python_floats(s):
    X = s(4, 3)

    def cost(p):
        hidden = [math.tanh(float(z)) for z in (X @ p["W"]).ravel()]
        return math.fsum(h * h for h in hidden) / 4

    return cost, {"W": s(3, 2)}


def sorted_scores(s):
    X = s(5, 3)

    def cost(p):
        scores = np.sort(X @ p["w"])
        return float(np.arange(5) @ np.exp(scores)) / 9

    return cost, {"w": s(3)}


@pytest.mark.parametrize("style", [methods_of_data, running_means, python_floats, sorted_scores])
@given(SEEDS, st.sampled_from(MISTAKES))
@settings(max_examples=5)
def test_networks_that_may_be_evaluated_plainly(style, seed, mistake):
    report = right_gradients_pass(style, seed, None, method="auto")
    assert report.method in ("graph", "difference") or "evaluated plainly" in report.notes[0]
    mistakes_are_found(style, seed, None, mistake, method="auto")


# The tests themselves


def test_the_truth_is_the_gradient_of_a_polynomial():
    x = {"a": np.array([0.5, -2.0]), "b": np.array(1.5)}
    found, known = true_gradient(lambda p: np.sum(p["a"] ** 3) * p["b"] ** 2, x)
    assert known
    np.testing.assert_allclose(found["a"], 3 * x["a"] ** 2 * 2.25, rtol=1e-12)
    np.testing.assert_allclose(found["b"], np.sum(x["a"] ** 3) * 3, rtol=1e-12)


def test_the_truth_is_not_known_beside_a_kink():
    assert not true_gradient(lambda x: np.sum(np.maximum(x, 0)), np.array([1.0, 0.001]))[1]


def test_styles_have_axes_of_length_one_and_all_are_different():
    ones = 0
    for style in STYLES:
        shapes = [[x.shape for _, x in leaves(style(Shapes(seed))[1])] for seed in range(6)]
        assert len({str(s) for s in shapes}) > 1
        ones += sum(1 in shape for blocks in shapes for shape in blocks)
    assert ones > 50
