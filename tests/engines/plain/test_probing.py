"""Slopes of single coordinates, measured with smaller and smaller steps."""

import math

import numpy as np
import pytest

from fastcheck.engines import Slope
from fastcheck.engines.plain.probing import Probe, Sides, best_agreement, extrapolated, resolve
from fastcheck.problem.posing import pose

STEPS = [2.0**-k for k in range(10, 28, 3)]


def sides_of(function, noise=1e-16):
    """The slopes of a function of one number around 0, with bounds for this much noise."""

    def sides(step):
        left, right = (function(0.0) - function(-step)) / step, (function(step) - function(0.0)) / step
        bound = 4 * noise / step
        return Sides(Slope(left, 2 * bound), Slope((left + right) / 2, bound), Slope(right, 2 * bound))

    return sides


@pytest.mark.parametrize(
    ("function", "slopes"),
    [
        (lambda x: 3 * x + x**2, (3, 3)),
        (lambda x: math.sin(3 * x), (3, 3)),
        (lambda x: max(x + 1e-6, 0), (1, 1)),
        (lambda x: 3 * abs(x) + x, (-2, 4)),
        (lambda x: abs(x) + x**2, (-1, 1)),
        (lambda x: x if x > -1e-9 else math.nan, (1, 1)),
    ],
    ids=["parabola", "sine", "kink near by", "kink", "bent kink", "border"],
)
def test_steps_agree_on_one_slope_or_on_those_of_both_sides(function, slopes):
    found = resolve(sides_of(function), STEPS, [], 1e-9)
    assert (found.lower, found.upper) == pytest.approx(slopes, abs=max(found.bound, 1e-9))
    assert found.bound < 1e-6
    assert found.truncation == 0
    assert found.is_kink == (slopes[0] != slopes[1])


def test_where_no_steps_agree_the_last_ones_tell_the_bound_if_they_come_nearer_to_each_other():
    """Slopes across of x + x·√|x|, which is 1 at 0, are 1 + √h."""
    found = resolve(sides_of(lambda x: x + x * abs(x) ** 0.5), STEPS, [], 0.0)
    assert abs(found.lower - 1) <= found.truncation < found.bound < 0.01


def test_where_they_do_not_nothing_is_known():
    assert resolve(sides_of(lambda x: math.copysign(abs(x) ** 0.5, x)), STEPS, [], 0.0) is None


def test_finer_steps_are_taken_only_where_the_others_do_not_agree():
    taken = []

    def finer():
        for step in (2.0**-30, 2.0**-33):
            taken.append(step)
            yield step

    assert resolve(sides_of(math.sin), STEPS, finer(), 1e-9).lower == pytest.approx(1)
    assert taken == []
    near_kink = sides_of(lambda x: max(x + 2.0**-28, 0) + max(x, 2.0**-28), noise=0)
    resolve(near_kink, STEPS[:1], finer(), 0.0)
    assert taken


def test_nothing_is_known_where_the_cost_is_not_defined_around_the_point():
    assert resolve(sides_of(lambda x: 0.0 if x == 0 else math.nan), STEPS, [], 1.0) is None


def test_forward_passes_are_counted_and_the_parameters_stay():
    calls, theta = [], np.array([1.0, -2.0])

    def cost(p):
        calls.append(1)
        return float(np.sum(p**2))

    problem = pose(cost, theta, theta)
    made = len(calls)
    probe = Probe(problem, 1e-16, None)
    assert probe.resolved(1, 1e-9).lower == pytest.approx(-4)
    assert not probe.stands_still(0, 1.0)
    assert probe.changes_around(0, 2.0**-20, (2.0, 2.0), range(6)).max() < 1e-4
    assert probe.passes == len(calls) - made
    assert theta.tolist() == [1.0, -2.0]


def test_extrapolation_removes_what_is_proportional_to_the_step():
    slopes = [Slope(2.0 + 5.0 * h, 1e-3) for h in (1.0, 1 / 8, 1 / 64)]
    first, second = extrapolated(slopes)
    assert first.value == pytest.approx(2.0, abs=1e-12)
    assert second.value == pytest.approx(2.0, abs=1e-12)
    assert first.bound == pytest.approx(1e-3 * 9 / 7)


def test_agreement_takes_the_best_confirmed_value():
    values = [Slope(1.5, 1e-9), Slope(1.0, 1e-8), Slope(1.00000001, 1e-7), Slope(1.0, 1e-6)]
    assert best_agreement(values, 1e-9) == Slope(1.00000001, 1e-7)
    assert best_agreement([Slope(1.0, 1e-9), Slope(2.0, 1e-9)], 1e-9) is None


def test_agreement_never_takes_the_larger_step():
    """Noise may hide a truncation error of the larger step as large as the bound of the smaller."""
    assert best_agreement([Slope(1.0, 1e-8), Slope(1.00000005, 1e-7)], 0.0) == Slope(1.00000005, 1e-7)


def test_what_smaller_steps_contradict_is_not_agreed_on():
    """Beyond a pole two steps agree on the slope of the other side."""
    assert (
        best_agreement([Slope(0.0, 1e-9), Slope(0.0, 1e-8), Slope(1.0, 1e-7), Slope(2.0, 1e-7)], 0.0) is None
    )


@pytest.mark.parametrize("kink", [0.0, 1e-9, 1e-8])
@pytest.mark.parametrize("bend", [0.0, 1.0, -30.0])
def test_what_is_not_seen_of_a_kink_is_bounded(kink, bend):
    """Noise of 1e-16 hides kinks of 1e-9 and less from the steps here, whatever the curvature."""

    def function(x):
        return kink * abs(x) / 2 + bend * x * x / 2

    steps = [2.0**-k for k in range(14, 28, 3)]
    found = resolve(sides_of(function), steps, [], 1e-12)
    assert kink <= found.upper - found.lower + 2 * (found.hidden_kink + found.bound)
    assert found.hidden_kink < 1e-7


@pytest.mark.parametrize(("noise", "largest"), [(1e-16, 2.0**-14), (1e-12, 2.0**-5), (1e-6, 2.0**-5)])
def test_steps_begin_with_larger_ones_where_noise_hides_slopes(noise, largest):
    problem = pose(lambda p: float(np.sum(p)), np.array([0.5]), np.ones(1))
    steps = list(Probe(problem, noise, None).steps(0, 1e-9))
    assert steps[0] == largest
    assert steps[-1] == 2.0**-26


def test_finer_steps_go_below_a_parameter_that_is_smaller_than_them():
    problem = pose(lambda p: float(np.sum(np.log(p))), np.array([1e-30, 1.0]), np.ones(2))
    probe = Probe(problem, 1e-16, None)
    tiny, ordinary = list(probe.finer_steps(0, 1e-3)), list(probe.finer_steps(1, 1e-3))
    assert len(ordinary) == 4
    assert tiny[: len(ordinary)] == ordinary
    assert max(tiny[len(ordinary) :]) < 1e-30
    assert probe.resolved(0, 1e23, 1e-3).lower == pytest.approx(1e30, rel=1e-6)
    assert probe.slopes_of_its_size(0) == pytest.approx(np.full(3, 1e30), rel=0.01)
    assert probe.slopes_of_its_size(1).size == 0
