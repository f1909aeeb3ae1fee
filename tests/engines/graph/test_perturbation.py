"""Operations whose roundings are perturbed: what that says of slopes, against 50-digit derivatives."""

import contextlib

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scenarios import relu_network, sigmoid

from fastcheck.engines.graph.perturbation import PERTURBATION, Perturbation
from fastcheck.engines.graph.recording.session import session_of
from fastcheck.engines.graph.runs import PERTURBATIONS, Runs
from fastcheck.engines.rounding import Perturbed
from fastcheck.execution import Execution
from fastcheck.problem.posing import pose
from fastcheck.verdict.hidden_rounding import perturbed_rounding

FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=64)


@given(arrays(np.float64, st.integers(0, 20), elements=FLOATS), st.integers(0, 9))
def test_values_move_by_a_few_units_and_whole_numbers_stay(values, number):
    before = values.copy()
    with np.errstate(all="ignore"):
        moved = Perturbation(number).result(values)
        share = np.abs(moved / values - 1)
    assert moved.dtype == values.dtype
    assert moved.shape == values.shape
    np.testing.assert_array_equal(values, before)
    whole = ~np.isfinite(values) | (values == np.rint(values)) & (np.abs(values) < 1e12)
    np.testing.assert_array_equal(moved[whole], values[whole])
    normal = (np.abs(values) > 1e-300) & (np.abs(values) < 1e308)
    assert (share[normal] <= 1.1 * PERTURBATION).all()


def test_all_other_values_move():
    values = np.random.default_rng(0).standard_normal(100_000) * 10.0 ** np.arange(-10, 30).repeat(2500)
    assert np.mean(Perturbation(0).result(values) == values) < 0.02


def test_what_is_no_float_stays():
    result = Perturbation(0).result
    assert result(np.array([True, False])).dtype == bool
    assert result(np.int64(3)) == 3
    assert type(result(np.float64(0.1))) is np.float64
    assert result(np.float64(0.1)) != 0.1


@contextlib.contextmanager
def runs_of(cost, parameters):
    """The runs of a cost that is recorded."""
    problem = pose(cost, parameters, None)
    with session_of(cost) as session:
        yield Runs(problem, Execution(), cost, session.snapshot)


def slopes_of(cost, parameters):
    """Yield the problem of a cost, and its slopes along a random direction of every block: at θ, and perturbed."""
    with runs_of(cost, parameters) as runs:
        here, others = runs.at_theta().slopes(), runs.perturbed
        assert runs.passes == 1 + PERTURBATIONS
        for number, block in enumerate(runs.problem.layout.blocks):
            v = np.random.default_rng(0).standard_normal(block.size)
            along = np.array([[slopes[number].reshape(-1) @ v] for _, slopes in others])
            perturbed = Perturbed(slopes=along, costs=np.array([cost for cost, _ in others]))
            yield runs.problem, np.array([here[number].reshape(-1) @ v]), perturbed


def stacked(A):
    return np.sum(np.stack([np.ones_like(A), -A]), axis=0)


LOSING = {
    "log(1 - s)": (lambda z: -np.log(1 - sigmoid(z)), lambda z: 1 / (1 + mpmath.exp(-z))),
    "log1p(-s)": (lambda z: -np.log1p(-sigmoid(z)), lambda z: 1 / (1 + mpmath.exp(-z))),
    "log of a sum": (lambda z: -np.log(stacked(sigmoid(z))), lambda z: 1 / (1 + mpmath.exp(-z))),
    "log of a product": (
        lambda z: -np.log(np.array([1.0, -1.0]) @ np.stack([np.ones(z.shape), sigmoid(z)])),
        lambda z: 1 / (1 + mpmath.exp(-z)),
    ),
    "artanh tanh": (lambda z: np.arctanh(np.tanh(z / 2)), lambda z: mpmath.mpf(1) / 2),
    "arccos": (
        lambda z: np.arccos(1 - np.exp(-z)),
        lambda z: -mpmath.exp(-z) / mpmath.sqrt(1 - (1 - mpmath.exp(-z)) ** 2),
    ),
    "sqrt of a difference": (
        lambda z: np.sqrt((1 + np.exp(-z)) ** 2 - 1),
        lambda z: -(1 + mpmath.exp(-z)) * mpmath.exp(-z) / mpmath.sqrt((1 + mpmath.exp(-z)) ** 2 - 1),
    ),
    "variance": (
        lambda z: np.log(np.mean((1 + np.exp(-z)) ** 2) - 1),
        lambda z: 2 * (1 + mpmath.exp(-z)) * -mpmath.exp(-z) / ((1 + mpmath.exp(-z)) ** 2 - 1),
    ),
}
"""Functions that lose digits, in several operations, and their derivatives."""


@pytest.mark.parametrize("how", LOSING)
def test_the_error_of_slopes_is_within_what_perturbation_shows(how):
    lossy, slope = LOSING[how]
    ratios = []
    for z in np.random.default_rng(3).uniform(2, 30, size=60):
        (found,) = slopes_of(lambda z: np.sum(lossy(z)), np.array([z]))
        problem, along, perturbed = found
        with mpmath.workdps(50):
            exact = float(slope(mpmath.mpf(z)) * mpmath.mpf(np.random.default_rng(0).standard_normal()))
        error = abs(along[0] - exact)
        bound = perturbed_rounding(problem, perturbed, along, error, abs(exact))
        if error > 1e-15 * abs(exact):
            assert bound is not None
            ratios.append(error / bound)
    assert len(ratios) > 20
    assert max(ratios) <= 1
    assert np.median(ratios) >= 1e-3


@pytest.mark.parametrize("seed", range(10))
def test_where_the_cost_is_linear_differences_are_perturbed(seed):
    """Its slopes do not depend on θ or on how values are rounded; a product with an inverse loses their digits."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    matrix = rotation * np.logspace(0, -11, 8) @ rotation.T
    inverse = np.linalg.inv(matrix)
    ((_, along, perturbed),) = slopes_of(lambda w: np.sum(matrix @ (inverse @ w)), rng.standard_normal(8))
    with mpmath.workdps(50):
        columns = (mpmath.matrix(matrix) * mpmath.matrix(inverse)).T * mpmath.ones(8, 1)
        exact = sum(v * c for v, c in zip(np.random.default_rng(0).standard_normal(8), columns, strict=True))
        error = float(abs(exact - along[0]))
    assert error <= np.abs(perturbed.slopes - along).max() <= 0.1


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_little_is_perturbed_where_no_digits_are_lost(seed):
    cost, parameters, _ = relu_network((12, 20, 8, 1), 9, seed=seed, lambd=0.5)
    before = {name: value.copy() for name, value in parameters.items()}
    for problem, along, perturbed in slopes_of(cost, parameters):
        bound = perturbed_rounding(problem, perturbed, along, 1e-9 * abs(along[0]), abs(along[0]))
        assert bound is not None
        assert bound <= 1e-11 * max(1.0, abs(along[0]))
    assert all(np.array_equal(parameters[name], before[name]) for name in before)


def test_operations_that_are_not_known_tell_nothing():
    problem = pose(lambda w: w @ w, np.array([1.5]), None)
    assert perturbed_rounding(problem, None, np.array([3.0]), 1.0, 1.0) is None


def test_a_cost_that_is_rounded_more_than_its_slopes_tells_nothing():
    """A claim by other formulas may then be off: A − Y has lost the digits of 1 − A, the slope of −log A has not."""
    problem = pose(lambda w: w @ w, np.array([1.5]), None)
    costs = problem.value * (1 + np.array([1e-7, 0.0, -1e-7]))
    perturbed = Perturbed(slopes=np.full((PERTURBATIONS, 1), 3.0), costs=costs)
    assert perturbed_rounding(problem, perturbed, np.array([3.0]), 1e-6, 3.0) == 0.0
    assert perturbed_rounding(problem, perturbed, np.array([3.0]), 1e-8, 3.0) is None
    seen = Perturbed(slopes=np.array([[3.0], [3.0], [3.0 + 1e-7]]), costs=costs)
    assert perturbed_rounding(problem, seen, np.array([3.0]), 1e-8, 3.0) == pytest.approx(1e-7)


def test_a_cost_that_takes_another_way_when_it_is_perturbed_is_not_followed():
    def cost(w):
        total = np.sum(w * 0.1)
        if np.any(total != np.sum(w * 0.1)):
            raise ValueError("not what it was")
        return total * total

    with runs_of(cost, np.array([0.3, 0.7])) as runs:
        assert runs.perturbed is None


@pytest.mark.parametrize("fails", [False, True])
def test_what_perturbed_runs_store_is_put_back(fails):
    history = []

    def cost(w):
        total = np.sum(np.tanh(w) * 0.1)
        history.append(total)
        if fails and np.any(total != np.sum(np.tanh(w) * 0.1)):
            raise ValueError("not what it was")
        return total * total

    with runs_of(cost, np.array([0.3, 0.7])) as runs:
        before = list(history)
        assert (runs.perturbed is None) == fails
        assert history == before
