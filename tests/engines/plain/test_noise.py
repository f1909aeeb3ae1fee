import dataclasses

import numpy as np
import pytest
from scenarios import relu_network

from benchmarks.bounds.measure import lowered
from fastcheck.engines.plain.cost_noise import CostNoise, measured_noise, noise_to_come
from fastcheck.engines.plain.lines import POINTS
from fastcheck.engines.plain.noise import noise_level, noise_of_lines, rounding_bound
from fastcheck.norms import root_mean_square
from fastcheck.problem.posing import pose


def level(cost, parameters):
    return noise_level(pose(cost, parameters))


def noisy(sigma, seed=0):
    """A smooth cost with noise of standard deviation σ, the same at the same point."""

    def cost(x):
        bits = np.ascontiguousarray(x).tobytes()
        rng = np.random.default_rng([seed, *np.frombuffer(bits, np.uint32)])
        return np.sum(np.sin(x)) + sigma * rng.standard_normal()

    return cost


@pytest.mark.parametrize("sigma", [1e-12, 1e-9, 1e-4])
def test_planted_noise_is_measured(sigma):
    levels = [level(noisy(sigma, seed), np.array([0.3, -1.2, 2.0])) for seed in range(20)]
    assert 0.7 < np.median(levels) / sigma < 2.5
    assert all(0.2 < found / sigma < 5 for found in levels)


def test_a_smooth_cost_has_rounding_noise_only():
    x = np.linspace(-1, 1, 20)
    found = level(lambda x: 3 + np.sum(np.sin(x)), x)
    assert np.spacing(3.0) / 2 <= found < 20 * np.spacing(3.0)


def test_a_large_constant_is_noise():
    cost, parameters, _ = relu_network((4, 5, 3, 1), 10, seed=1)
    small, large = level(cost, parameters), level(lambda p: cost(p) + 1e6, parameters)
    assert small < 1e-15
    assert large >= np.spacing(1e6) / 2


@pytest.mark.parametrize("power", [-600, -40, 40, 600])
def test_scaling_by_powers_of_two_is_exact(power):
    cost, parameters, _ = relu_network((4, 5, 3, 1), 10, seed=1)
    assert level(lambda p: 2.0**power * cost(p), parameters) == 2.0**power * level(cost, parameters)


def test_lines_that_move_few_of_many_parameters_show_the_same_noise(monkeypatch):
    """Hidden values are rounded to multiples of 2⁻³⁹: far more than any BLAS rounds, and the same on any processor."""
    X = np.random.default_rng(3).standard_normal((300, 8))
    _, parameters, _ = relu_network((300, 100, 10, 1), 8, seed=2)

    def cost(p):
        hidden = np.maximum((p["W1"] @ X + p["b1"] + 2.0**13) - 2.0**13, 0)
        return np.mean((p["W2"] @ hidden + p["b2"]) ** 2)

    too_few, few, all_of_them = [], [], []
    for moved, found in [(2, too_few), (2**12, few), (2**30, all_of_them)]:
        monkeypatch.setattr("fastcheck.engines.plain.lines.MOVED", moved)
        problem = pose(cost, parameters)
        before = problem.theta.copy()
        found += [noise_level(problem, line) for line in range(20)]
        assert np.array_equal(problem.theta, before)
    assert 0.5 < np.median(few) / np.median(all_of_them) < 2
    assert 0.3 < max(few) / max(all_of_them) < 3
    assert np.median(too_few) / np.median(all_of_them) < 0.3


def test_lines_move_one_parameter_in_each_range(monkeypatch):
    monkeypatch.setattr("fastcheck.engines.plain.lines.MOVED", 4)
    seen = []

    def cost(p):
        seen.append(p.copy())
        return np.sum(p)

    theta = np.arange(1.0, 11.0)
    noise_level(pose(cost, theta))
    last = np.flatnonzero(seen[-1] != theta)
    assert last.size == 4
    assert [i * 4 // 10 for i in (last + 0.5)] == [0, 1, 2, 3]
    assert all(set(np.flatnonzero(p != theta)) <= set(last) for p in seen)


@pytest.mark.parametrize("value", [1.5, 0.1, 1e30])
def test_single_precision_is_recognised(value):
    """Small steps do not change such a cost at all: that looks like no noise."""
    x = np.array([0.3, -1.2, 2.0])
    double, single = level(lambda x: value + np.sum(x), x), level(lambda x: np.float32(value + np.sum(x)), x)
    assert double < 1e-14 * max(value, 1)
    assert single >= np.spacing(np.float32(value + np.sum(x))) / 2


def test_a_cost_of_zero_has_no_noise():
    assert level(lambda x: 0.0, np.ones(3)) == 0


def test_what_is_known_of_the_noise_is_not_measured_again():
    calls = []

    def cost(x):
        calls.append(1)
        return np.sum(np.sin(x))

    problem = pose(cost, np.linspace(0.1, 1, 50))
    del calls[:]
    assert noise_to_come(problem) == 3 * POINTS + 30
    assert noise_level(problem) == noise_level(problem)
    assert len(calls) == POINTS == 9
    assert noise_of_lines(problem)[1] == 2 * POINTS == len(calls) - POINTS
    assert noise_of_lines(problem)[1] == 0
    assert noise_to_come(problem) == 30
    first = measured_noise(problem)
    assert first.passes == 30 == len(calls) - 3 * POINTS
    assert measured_noise(problem) == dataclasses.replace(first, passes=0)
    assert noise_to_come(problem) == 0
    assert len(calls) == 3 * POINTS + 30


def test_it_repeats():
    cost = noisy(1e-9)
    assert level(cost, np.ones(4)) == level(cost, np.ones(4))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("family", ["course", "wide", "tanh", "dropout"])
def test_rounded_parameters_are_told_from_arithmetic_in_single_precision(family, seed):
    def measured(precision):
        cost, network = lowered(family, seed, precision)
        return measured_noise(pose(cost, network.parameters))

    double = measured("float64")
    assert not double.single_precision
    assert double.arithmetic == double.level
    rounding = measured("float32 and float64")
    assert rounding.precision == np.finfo(np.float32).eps
    if family == "wide":
        assert rounding.level > 1e6 * double.level
        assert rounding.arithmetic < 10 * double.level
    inside = measured("computed in float32")
    assert inside.precision == np.finfo(np.float32).eps
    assert inside.arithmetic > inside.level / 8
    assert measured("computed in float16").precision == np.finfo(np.float16).eps


def test_the_bound_counts_what_rounding_does_to_the_step():
    noise = CostNoise(level=1e-6, arithmetic=1e-12, precision=float(np.finfo(np.float32).eps), passes=0)
    single = float(np.float32(0.1))
    above, below = (
        np.array([single + 2.0**-10, 0.1 + 1e-5, 0.1 + 1e-9]),
        np.array([single - 2.0**-10, 0.1 - 1e-5, 0.1 - 1e-9]),
    )
    bound = noise.bound(above, below, np.ones(3))
    assert bound[0] == pytest.approx(rounding_bound(1e-12, 2.0**-10))
    taken = np.float32(above[1]).astype(float) - np.float32(below[1]).astype(float)
    assert abs(taken / 2e-5 - 1) < bound[1] < 1e-2
    assert bound[2] > rounding_bound(1e-6, 1e-9)


def test_the_bound_of_a_central_difference():
    assert rounding_bound(1e-16, 1e-6) == pytest.approx(4e-10)
    assert rounding_bound(1e-16, np.array([1e-6, 1e-3])).tolist() == pytest.approx([4e-10, 4e-13])
    rng = np.random.default_rng(0)
    errors = (rng.standard_normal(10**5) - rng.standard_normal(10**5)) * 1e-9 / (2 * 1e-3)
    assert np.all(np.abs(errors) <= rounding_bound(1e-9, 1e-3))
    assert np.abs(errors).max() > rounding_bound(1e-9, 1e-3) / 3


def test_root_mean_square():
    assert root_mean_square(np.array([3.0, 4.0])) == pytest.approx(np.sqrt(12.5))
    assert root_mean_square(np.array([3e200, 4e200])) == pytest.approx(np.sqrt(12.5) * 1e200)
    assert root_mean_square(np.array([3e-200, -4e-200])) == pytest.approx(np.sqrt(12.5) * 1e-200)
    assert root_mean_square(np.zeros(3)) == 0
    assert root_mean_square(np.empty(0)) == 0
