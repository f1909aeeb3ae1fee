import joined
import numpy as np
import pytest
from scenarios import exact_gradient, relu_network, scenarios

from fastcheck import EvaluationError, check
from fastcheck.engines import choose_engine
from fastcheck.engines.plain.batches import PlainEngine
from fastcheck.engines.plain.reference import central_differences
from fastcheck.engines.plain.steps import USUAL_STEP, default_steps
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import pose

EXACT = [scenario for scenario in scenarios() if scenario.exact]


def estimated(cost, parameters, gradients=None, epsilon=None, coordinates="all", **options):
    problem = pose(cost, parameters, gradients)
    plan = make_plan(problem.layout, problem.theta, coordinates, epsilon, 0)
    return problem, plan, joined.estimated(PlainEngine(), problem, plan, **options)


@pytest.mark.parametrize("epsilon", [2.0**-7, 2.0**-23])
@pytest.mark.parametrize("scenario", scenarios(), ids=str)
def test_the_costs_are_those_of_the_loop(scenario, epsilon):
    """Only the divisor differs: the step really taken, for the loop the step asked for."""
    problem, plan, estimates = estimated(scenario.cost, scenario.parameters, epsilon=epsilon)
    loop = central_differences(problem.evaluator, problem.theta, plan.coordinates, epsilon)
    values = problem.theta
    taken = (values + epsilon) - (values - epsilon)
    assert np.allclose(estimates.numerical * taken, loop * 2 * epsilon, rtol=4e-16, atol=0)


@pytest.mark.parametrize("scenario", EXACT, ids=str)
def test_the_bound_holds_against_the_truth(scenario):
    _, _, estimates = estimated(scenario.cost, scenario.parameters)
    error = np.abs(estimates.numerical - exact_gradient(scenario))
    assert np.all(error <= estimates.bound + estimates.truncation)
    assert np.all(
        estimates.bound + estimates.truncation <= 1e3 * max(error.max(), 1e-14)
    )  # and it is not idle


@pytest.mark.parametrize("scenario", EXACT, ids=str)
def test_at_small_steps_noise_is_all_there_is(scenario):
    truth = exact_gradient(scenario)
    for epsilon in (1e-7, 1e-8, 1e-9):
        _, _, estimates = estimated(scenario.cost, scenario.parameters, epsilon=epsilon)
        error = np.abs(estimates.numerical - truth)
        assert np.mean(error <= estimates.bound) > 0.99
        assert estimates.bound.max() < 1e3 * error.max()


@pytest.mark.parametrize("engine", ["plain", "reference"])
def test_a_coordinate_without_kinks_does_not_pay_for_the_kinks_of_others(engine):
    rng = np.random.default_rng(0)
    x, epsilon = rng.uniform(0.5, 1.5, 200), 1e-2
    kinks = np.zeros(200)
    kinks[::7] = x[::7] + epsilon * rng.uniform(-0.95, 0.95, kinks[::7].size)

    def cost(p):
        return np.sum(np.maximum(p["x"] - kinks, 0) * 0.1 + np.exp(p["x"]))

    truth = 0.1 * (x > kinks) + np.exp(x)
    problem = pose(cost, {"x": x})
    plan = make_plan(problem.layout, problem.theta, "all", epsilon, 0)
    estimates = joined.estimated(choose_engine(engine), problem, plan)
    error, bound = np.abs(estimates.numerical - truth), estimates.bound + estimates.truncation
    assert np.all(error <= bound)
    straddled = np.arange(200) % 7 == 0
    assert np.median(error[straddled]) > 1e-2
    assert np.median(bound[~straddled] / error[~straddled]) < 100


@pytest.mark.parametrize("batched", [False, True])
def test_costs_that_round_their_parameters_get_some_that_need_no_rounding(batched):
    rng = np.random.default_rng(0)
    x, seen = rng.standard_normal(60).astype(np.float32).astype(float), []

    def one(p):
        seen.append(p["x"].copy())
        return np.sum(np.sin(p["x"].astype(np.float32).astype(float)))

    class Batched:
        def __call__(self, p):
            return one(p)

        def costs(self, thetas):
            return np.array([one({"x": theta}) for theta in thetas])

    _, _, estimates = estimated(Batched() if batched else one, {"x": x})
    error, bound = np.abs(estimates.numerical - np.cos(x)), estimates.bound + estimates.truncation
    assert np.all(error <= bound)
    assert error.max() < 1e-6
    changed = [(point[i], x[i]) for point in seen[-120:] for i in np.flatnonzero(point != x)]
    assert changed
    assert all(value == np.float32(value) for value, _ in changed)


@pytest.mark.parametrize("epsilon", [1e-3, 1e-7, 1e-10])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_and_the_bound_holds_at_steps_too_small_for_that(epsilon, dtype):
    x = np.random.default_rng(0).standard_normal(60).astype(dtype).astype(float)
    _, _, estimates = estimated(
        lambda x: np.sum(np.sin(x.astype(np.float32).astype(float))), x, epsilon=epsilon
    )
    error = np.abs(estimates.numerical - np.cos(x))
    assert np.all(error <= estimates.bound + estimates.truncation)


def test_the_default_step_is_a_power_of_two_in_proportion():
    values = np.array([0.0, 1e-30, 1.0, 1.5, -3.0, 1e6])
    steps = default_steps(values, None)
    assert steps[:3].tolist() == [USUAL_STEP] * 3
    assert np.all(np.log2(steps) % 1 == 0)
    assert np.all(np.abs(values[3:]) * USUAL_STEP <= steps[3:])
    assert np.all(steps[3:] < 2 * np.abs(values[3:]) * USUAL_STEP)
    assert default_steps(values, 1e-3).tolist() == [1e-3] * 6


def test_a_sample_gets_the_estimates_of_the_whole():
    cost, parameters, _ = relu_network((6, 9, 5, 1), 12, seed=3)
    _, _, whole = estimated(cost, parameters)
    _, plan, sample = estimated(cost, parameters, coordinates=1)
    assert np.array_equal(sample.numerical, whole.numerical[plan.coordinates])


def test_a_change_in_place_that_shows_beside_the_point_only():
    at = 1.0

    def sneaky(v):
        value = np.sum(v**2)
        if v[0] != at:
            v[2] += 1
        return value

    theta = np.ones(3)
    with pytest.raises(EvaluationError, match=r"in place: theta\[2\]"):
        check(sneaky, theta, 2 * theta, method="plain")
    assert theta.tolist() == [1, 1, 1]


# --- costs of batches ---------------------------------------------------------------------------------------


class Cubes:
    """A cost that offers batches; ``spoil`` makes them wrong."""

    def __init__(self, spoil=lambda costs, thetas: costs):
        self.spoil = spoil
        self.batches = []

    def __call__(self, w):
        return np.sum(w**3)

    def costs(self, thetas):
        self.batches.append(thetas.shape)
        return self.spoil(np.array([np.sum(theta**3) for theta in thetas]), thetas)


W = np.linspace(-1, 1, 300)


def test_batches_give_the_same_bits_as_one_by_one():
    cost = Cubes()
    _, _, together = estimated(cost, W)
    _, _, alone = estimated(cost.__call__, W)
    assert np.array_equal(together.numerical, alone.numerical)
    assert 2 * 300 + 2 < sum(rows for rows, _ in cost.batches) <= 2 * 300 + 2 + 50
    assert {columns for _, columns in cost.batches} == {300}
    assert check(Cubes(), W, 3 * W**2, method="plain").passed
    assert not check(Cubes(), W, 3.001 * W**2, method="plain").passed


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_and_so_do_threads(n_jobs, monkeypatch):
    from fastcheck import execution

    monkeypatch.setattr(execution, "WORKERS_PAY_AFTER", {"processes": 0.0, "threads": 0.0})
    _, _, alone = estimated(Cubes(), W)
    _, _, together = estimated(Cubes(), W, n_jobs=n_jobs)
    assert np.array_equal(together.numerical, alone.numerical)


def nan_beside_7(costs, thetas):
    return np.where((thetas[:, 7] != W[7]) & (thetas[:, 8] == W[8]), np.nan, costs)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda costs, thetas: costs * (1 + 1e-9), "the batch gives J = "),
        (lambda costs, thetas: costs[::-1], "the batch gives J = "),
        (lambda costs, thetas: costs[:, None], r"expected shape \(2,\), one cost per row, got \(2, 1\)"),
        (lambda costs, thetas: costs.sum(), r"expected shape \(2,\)"),
        (nan_beside_7, r"at theta\[7\] ± .*costs: expected finite numbers, got nan"),
    ],
)
def test_batches_that_disagree_with_the_cost(spoil, message):
    with pytest.raises(EvaluationError, match=message):
        check(Cubes(spoil), W, 3 * W**2, method="plain")
