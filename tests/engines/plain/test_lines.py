"""Jumps of the cost along lines: told from kinks, curvature and noise."""

import numpy as np
import pytest

from fastcheck.engines.plain.lines import POINTS, Line, equidistant, largest_jump
from fastcheck.engines.plain.noise import LONG, noise_of_jumps
from fastcheck.problem.posing import pose

FINEST, NOISE = 2.0**-30, 1e-16
THETA = np.linspace(-0.5, 0.5, 12)


def line_of(cost, number=0):
    return Line(pose(cost, THETA), number)


def jump_of(cost, number=0, noise=NOISE):
    return largest_jump(line_of(cost, number), LONG, FINEST, noise)


def smooth(x):
    return np.sum(np.exp(x) * x[::-1])


def kinked(x):
    return smooth(x) + np.sum(np.abs(x[None] - np.linspace(-0.6, 0.6, 500)[:, None])) / 500


def stairs(x, width, height):
    return height * np.floor(np.sum(np.exp(x)) / width)


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("ground", [smooth, kinked])
@pytest.mark.parametrize("width", [1e-7, 1e-5, 1e-3])
def test_the_height_of_a_stair_is_found(ground, width, number):
    height = width / 3
    found = jump_of(lambda x: ground(x) + stairs(x, width, height), number)
    assert found == pytest.approx(height, rel=0.1)


@pytest.mark.parametrize("number", range(20))
@pytest.mark.parametrize("cost", [smooth, kinked])
def test_kinks_and_curvature_are_no_jumps(cost, number):
    assert jump_of(cost, number, noise=1e-14) < 1e-8


def test_noise_that_is_known_is_no_jump():
    sigma = 1e-9

    def noisy(x):
        bits = np.frombuffer(np.ascontiguousarray(x).tobytes(), np.uint32)
        return smooth(x) + sigma * np.random.default_rng(bits).standard_normal()

    assert max(jump_of(noisy, number, noise=sigma) for number in range(10)) == 0
    assert np.median([jump_of(noisy, number, noise=sigma / 100) for number in range(10)]) > sigma / 10


def test_what_it_costs():
    """Where J is as smooth as a polynomial, the points of two lines; and never more than halving them to the end."""
    most, passes = POINTS + 3 * 19, {}
    for name, cost in {
        "smooth": smooth,
        "kinked": kinked,
        "rounded": lambda x: smooth(x) + stairs(x, 1e-6, 1e-6),
    }.items():
        calls = []

        def counted(x, cost=cost, calls=calls):
            calls.append(1)
            return cost(x)

        problem = pose(counted, THETA)
        calls.clear()
        level, passes[name] = noise_of_jumps(problem, 1e-14, FINEST)
        assert passes[name] == len(calls)
        assert noise_of_jumps(problem, 1e-14, FINEST) == (level, 0)
    assert passes["smooth"] == 2 * POINTS
    assert 2 * POINTS < passes["kinked"] <= 2 * most
    assert passes["rounded"] == 5 * most


def test_where_a_cost_is_not_defined_nothing_is_found():
    def cost(x):
        return smooth(x) + stairs(x, 1e-6, 1e-6) if np.abs(x - THETA).max() < 1e-4 else np.nan

    level, passes = noise_of_jumps(pose(cost, THETA), NOISE, FINEST)
    assert level == 0
    assert passes > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("theta", [THETA, THETA.astype(np.float16), 1e3 * THETA, np.zeros(12)])
def test_points_that_a_narrow_dtype_can_hold(dtype, theta):
    seen = []
    problem = pose(lambda x: seen.append(x.copy()) or 0.0, np.asarray(theta, float))
    seen.clear()
    spacing = 8 * float(np.finfo(dtype).eps)
    Line(problem, 0, (np.dtype(dtype), spacing)).costs(equidistant(1.0))
    points = np.array(seen)
    assert np.array_equal(points, points.astype(dtype).astype(float))
    steps = np.diff(points, axis=0)
    assert np.array_equal(steps, np.broadcast_to(steps[0], steps.shape))
    moving = np.abs(steps[0]) / np.maximum(1, np.abs(theta))
    assert np.mean(moving > spacing / 8) > 0.5
    assert moving.max() < 4 * spacing


@pytest.mark.parametrize("number", range(20))
def test_an_inflection_is_no_jump(number):
    """Where a polynomial changes its curvature, second differences change their signs."""
    line = line_of(lambda x: np.sum(x**3) + 0.5 + 1e-3 * np.sum(x**4), number)
    assert largest_jump(line, LONG, FINEST, NOISE) == 0
