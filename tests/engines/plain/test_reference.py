from fractions import Fraction

import joined
import mpmath
import numpy as np
import pytest
from scenarios import DIGITS, exact_gradient, leaves, scenarios

from fastcheck.engines.plain.lines import POINTS
from fastcheck.engines.plain.loop import EPSILON, ReferenceEngine
from fastcheck.engines.plain.reference import central_differences
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import pose

EXACT = [scenario for scenario in scenarios() if scenario.exact]


def test_the_formula():
    theta = np.array([1.0, -2.0, 0.5])
    costs = {}

    def cost(t):
        costs[tuple(t)] = value = t[0] ** 2 * t[1] + np.exp(t[2])
        return value

    got = central_differences(cost, theta, [2, 0], 0.25)
    up, down = np.exp(0.75), np.exp(0.25)
    J = -2.0, np.exp(0.5)
    assert got[0] == ((J[0] + up) - (J[0] + down)) / 0.5
    assert got[1] == ((1.25**2 * -2 + J[1]) - (0.75**2 * -2 + J[1])) / 0.5
    assert list(costs) == [(1, -2, 0.75), (1, -2, 0.25), (1.25, -2, 0.5), (0.75, -2, 0.5)]


def test_the_cost_gets_a_copy_it_may_do_anything_to():
    theta = np.array([1.0, 2.0])

    def destroying(t):
        value = np.sum(t**2)
        t[:] = np.nan
        return value

    assert central_differences(destroying, theta, [0, 1], 0.5).tolist() == [2.0, 4.0]
    assert theta.tolist() == [1.0, 2.0]


def test_exact_in_rational_arithmetic():
    """The central difference of a cubic is exactly 3θ² + ε²: the formula, and nothing besides."""
    theta, step = np.array([Fraction(1, 3), Fraction(-2, 7)], dtype=object), Fraction(1, 1000)
    got = central_differences(lambda t: t[0] ** 3 + t[1] ** 3, theta, [0, 1], step)
    assert got.tolist() == [3 * value**2 + step**2 for value in theta]


@pytest.mark.parametrize("epsilon", [1e-2, 1e-4, 1e-7])
@pytest.mark.parametrize("scenario", EXACT, ids=str)
def test_float64_gives_the_exact_central_difference_within_rounding(scenario, epsilon):
    theta = np.concatenate([a.ravel() for _, a in leaves(scenario.parameters)])
    with mpmath.workdps(DIGITS):
        high = np.array([mpmath.mpf(float(v)) for v in theta], dtype=object)
        exact = central_differences(scenario.exact, high, range(theta.size), mpmath.mpf(epsilon))
        assert exact.dtype == object
        assert all(isinstance(value, mpmath.mpf) for value in exact)
    problem = pose(scenario.cost, scenario.parameters, scenario.gradients)
    plan = make_plan(problem.layout, problem.theta, "all", epsilon, 0)
    estimates = joined.estimated(ReferenceEngine(), problem, plan)
    assert np.all(np.abs(estimates.numerical - exact.astype(float)) <= estimates.bound)


@pytest.mark.parametrize("scenario", EXACT, ids=str)
def test_the_error_falls_with_the_square_of_the_step(scenario):
    truth = exact_gradient(scenario)
    with mpmath.workdps(DIGITS):
        theta = np.array(
            [mpmath.mpf(float(v)) for _, a in leaves(scenario.parameters) for v in a.ravel()], dtype=object
        )
        errors = []
        for epsilon in ("1e-3", "1e-4"):
            got = central_differences(scenario.exact, theta, range(theta.size), mpmath.mpf(epsilon))
            errors.append(np.abs(got.astype(float) - truth).max())
        J, first = scenario.exact(theta), np.arange(theta.size) == 0
        steps = [mpmath.mpf("1e-3"), mpmath.mpf("1e-4")]
        one_sided = [(scenario.exact(theta + h * first) - J) / h for h in steps]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.1)
    wrong = [abs(float(value) - truth[0]) for value in one_sided]
    assert wrong[0] / wrong[1] == pytest.approx(10, rel=0.1)  # the formula with one side has another slope


@pytest.mark.parametrize("coordinates", ["all", 1])
def test_the_engine_is_the_loop(coordinates):
    for scenario in scenarios():
        problem = pose(scenario.cost, scenario.parameters, scenario.gradients)
        plan = make_plan(problem.layout, problem.theta, coordinates, None, 3)
        estimates = joined.estimated(ReferenceEngine(), problem, plan, n_jobs=2)
        loop = central_differences(problem.evaluator, problem.theta, plan.coordinates, EPSILON)
        assert np.array_equal(estimates.numerical, loop)
        assert np.array_equal(estimates.lower, loop)
        assert np.array_equal(estimates.upper, loop)
        assert estimates.forward_passes == 2 * loop.size + POINTS


def test_the_bound_covers_the_rounding_of_large_parameters():
    """θ ± ε is rounded to the grid of θ: at 1e6 and ε = 1e-7 the step is off by a tenth of a per mille."""
    problem = pose(lambda v: 1e-6 * v[0], np.array([1e6 + 0.3]), np.array([1e-6]))
    plan = make_plan(problem.layout, problem.theta, "all", 1e-7, 0)
    estimates = joined.estimated(ReferenceEngine(), problem, plan)
    error = abs(estimates.numerical[0] - 1e-6)
    assert 1e-11 < error <= estimates.bound[0]
