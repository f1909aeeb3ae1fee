"""Closer looks at what the first estimate of a block leaves in doubt."""

import dataclasses
import math

import joined
import numpy as np
import pytest

from benchmarks.zoo.families import build
from fastcheck import Verdict, check
from fastcheck.checks.budgets import Budget
from fastcheck.engines import Bound, Estimate, Slopes
from fastcheck.engines.plain.batches import PlainEngine
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import pose
from fastcheck.verdict.judging import judge_coordinates
from fastcheck.verdict.ladder import MOST_AT_KINKS, climb


def looked_at(cost, theta, claimed, epsilon=None, tolerance=1e-7):
    """The estimates before and after the second look, and the number of calls it made."""
    calls = []

    def counted(p):
        calls.append(1)
        return cost(p)

    problem = pose(counted, np.array(theta, float), np.array(claimed, float))
    plan = make_plan(problem.layout, problem.theta, "all", epsilon, 0)
    (first,), _ = joined.run_engine(PlainEngine(), problem, plan)
    before, _ = first.closer()
    made = len(calls)
    looked = climb(problem, epsilon, before, tolerance)
    assert looked.forward_passes == len(calls) - made
    return joined.joined([before]), joined.joined([looked.estimate], notes=looked.notes), len(calls) - made


def test_what_is_right_at_first_sight_is_not_looked_at():
    x = np.array([0.3, -1.2, 2.0])
    before, after, calls = looked_at(lambda v: np.sum(np.sin(v)), x, np.cos(x))
    assert calls == 0
    assert np.array_equal(before.numerical, after.numerical)
    assert after.notes == ()


def test_a_straddled_kink_is_resolved():
    before, after, calls = looked_at(lambda v: max(v[0], 0.0), [1e-5], [1.0], epsilon=1e-3)
    assert before.numerical[0] == pytest.approx(0.505)
    assert after.numerical[0] == pytest.approx(1.0, abs=after.bound[0])
    assert after.bound[0] < 1e-7
    assert 0 < calls <= 16


def test_a_kink_at_the_point_gives_both_slopes():
    _, after, _ = looked_at(lambda v: 3 * abs(v[0]) + v[0], [0.0], [-2.0])
    assert (after.lower[0], after.upper[0]) == (pytest.approx(-2), pytest.approx(4))
    _, after, _ = looked_at(lambda v: -abs(v[0]), [0.0], [1.0])
    assert (after.lower[0], after.upper[0]) == (pytest.approx(-1), pytest.approx(1))


def test_truncation_is_removed():
    x = 0.7
    before, after, _ = looked_at(lambda v: np.sin(3 * v[0]), [x], [3 * np.cos(3 * x)], epsilon=1e-2)
    assert abs(before.numerical[0] - 3 * np.cos(3 * x)) > 1e-4
    assert abs(after.numerical[0] - 3 * np.cos(3 * x)) <= after.bound[0] + 1e-8
    assert after.lower[0] == after.upper[0] == after.numerical[0]


def test_a_wrong_claim_is_not_excused_by_curvature():
    x = 0.7
    _, after, _ = looked_at(lambda v: np.sin(3 * v[0]), [x], [3 * np.cos(3 * x) + 1e-3], epsilon=1e-2)
    assert after.lower[0] == after.upper[0]
    assert abs(after.numerical[0] - 3 * np.cos(3 * x)) < 1e-6


def test_noise_of_a_small_step_is_replaced_by_a_better_step_and_noted():
    x = np.array([0.3, -1.2, 2.0])
    before, after, calls = looked_at(lambda v: 10 + np.sum(np.sin(v)), x, np.cos(x), epsilon=1e-9)
    assert calls > 0
    assert after.bound.max() < before.bound.max() / 100
    assert np.array_equal(after.numerical, before.numerical)  # the report shows the step that was asked for
    assert np.all(np.abs(after.lower - np.cos(x)) <= after.bound + 1e-10)
    (note,) = after.notes
    assert "at ε = 1e-09 rounding noise hides more than the tolerance in 3 coordinates" in note


def test_the_note_where_no_step_was_asked_for():
    """A loop with the same step everywhere is too noisy for large parameters."""
    x = np.array([3e3, 1e3, 5e3])
    report = check(lambda v: np.sum((v - 1) ** 2), x, 2 * (x - 1), method="reference")
    assert report.passed
    assert "rounding noise hides more than the tolerance in 3 coordinates" in report.notes[0]
    assert "Leave epsilon out" not in report.notes[0]


def test_a_coordinate_without_influence_is_proved_silent():
    before, after, calls = looked_at(lambda v: 1.7 + max(v[0], 0.0), [-3.0], [0.0])
    assert before.bound[0] > 0
    assert after.bound[0] == 0
    assert calls == 2


def test_silence_is_proved_where_the_cost_is_not_defined_far_away():
    def cost(v):
        return 1 + v[1] ** 2 if abs(v[0]) < 0.5 else np.nan

    _, after, _ = looked_at(cost, [0.0, 0.0], [0.0, 0.0])
    assert after.bound[0] == 0


@pytest.mark.parametrize("error", [ValueError, ZeroDivisionError, RuntimeWarning])
def test_and_where_it_raises_there(error):
    def cost(v):
        if abs(v[0]) >= 0.5:
            raise error("too far")
        return 1 + v[1] ** 2

    assert check(cost, np.zeros(2), np.zeros(2), method="plain").blocks["theta"].wrong == 0
    _, after, _ = looked_at(cost, [0.0, 0.0], [0.0, 0.0])
    assert after.bound[0] == 0


def test_a_large_parameter_is_moved_in_proportion():
    """A step of 1 would leave 1e17 as it is, and every cost of it."""
    before, after, _ = looked_at(lambda v: 1.7 + max(v[0] / 1e17 - 1.0005, 0), [1e17], [0.0], epsilon=1e12)
    assert before.numerical[0] == 0
    assert after.bound[0] > 0


def test_influence_that_only_a_larger_step_shows_is_not_called_silent():
    def cost(v):
        return 1.7 + 1e-18 * v[0] + 1e-10 * max(v[0] - 1e-4, 0)

    before, after, _ = looked_at(cost, [0.0], [0.0], epsilon=2.0**-17)
    assert before.numerical[0] == 0
    assert after.bound[0] == before.bound[0] > 0


def test_one_confirmed_suspect_is_enough():
    x = np.linspace(0.1, 2, 500)
    _, _, calls = looked_at(lambda v: np.sum(np.sin(v)), x, 2 * np.cos(x))
    assert calls <= 16 * 16


STRADDLED = np.linspace(1.0, 2.0, 200)


def straddled(p):
    """Kinks near θ = 1e-5 in every coordinate."""
    return float(STRADDLED @ np.maximum(p, 0.0))


@pytest.mark.parametrize("method", ["plain", "reference"])
def test_suspects_that_were_not_looked_at_are_not_counted_as_wrong(method):
    claimed = STRADDLED.copy()
    claimed[3] *= 1.5
    report = check(straddled, np.full(200, 1e-5), claimed, method=method, epsilon=1e-3)
    block = report.blocks["theta"]
    assert block.verdict is Verdict.FAIL
    assert (block.wrong, block.checked, block.undecided) == (1, 200, 184)
    assert [c.index for c in block.worst if c.error > 1e-7] == [(3,)]
    assert any(note.startswith("184 more coordinates look wrong in theta") for note in report.notes)
    text = report.to_text(verbose=True)
    assert text.count("Worst coordinates") == 1
    assert "theta[199]" not in text


def test_and_say_nothing_good_of_the_rest_of_a_sample():
    claimed = 1.5 * STRADDLED
    report = check(
        straddled, np.full(200, 1e-5), claimed, method="plain", epsilon=1e-3, coordinates=100, seed=1
    )
    block = report.blocks["theta"]
    assert block.wrong + block.undecided == block.checked == 100
    assert block.wrong < 100
    assert block.proof.at_most == 100


@pytest.mark.parametrize("epsilon", [None, 1e-3, 1e-6])
def test_what_truncation_does_not_explain_is_wrong_without_a_look(epsilon):
    x = np.linspace(0.1, 1.4, 300)
    report = check(lambda v: np.sum(np.sin(v)), x, 1.1 * np.cos(x), method="plain", epsilon=epsilon)
    assert (report.blocks["theta"].wrong, report.blocks["theta"].undecided) == (300, 0)
    assert report.notes == ()
    assert report.causes[0].sentence == "dtheta is 1.1 times the right gradient"


def test_unless_the_bounds_on_it_were_wrong_elsewhere():
    """A sine so quick that steps of 0.05 and 0.025 see nothing of its slope."""
    x = np.linspace(0.7, 0.8, 100)
    claimed = 4e2 * np.cos(4e2 * x)
    claimed[np.argmax(np.abs(claimed))] *= 1.5
    report = check(lambda v: np.sum(np.sin(4e2 * v)), x, claimed, method="plain", epsilon=0.05)
    block = report.blocks["theta"]
    assert (block.verdict, block.wrong) == (Verdict.FAIL, 1)


def test_a_cost_undefined_for_larger_steps_is_judged_with_smaller_ones():
    def cost(v):
        return np.nan if v[0] < 0.99997 else v[0] ** 2

    _, after, _ = looked_at(cost, [1.0], [2.1])
    assert abs(after.numerical[0] - 2) <= after.bound[0] < 1e-7
    assert check(cost, np.ones(1), np.array([2.1]), method="plain").verdict == "fail"
    assert check(cost, np.ones(1), np.array([2.0]), method="plain").verdict == "pass"


# --- several kinks at once ------------------------------------------------------------------------------------


def zero_layer(rng, convention):
    """A layer of units with zero weights, which meets the kinks of all samples, and a right gradient of it."""
    X, Y = rng.normal(size=(3, 6)), rng.normal(size=(1, 6))
    V = rng.normal(size=(1, 4))

    def cost(w):
        return np.sum((V @ np.maximum(w.reshape(4, 3) @ X, 0) - Y) ** 2)

    slope = np.full((4, 6), convention)
    return cost, (V.T @ (-2 * Y) * slope @ X.T).ravel()


@pytest.mark.parametrize("convention", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_right_gradient_where_several_kinks_meet_is_undecided_at_worst(seed, convention):
    cost, right = zero_layer(np.random.default_rng(seed), convention)
    report = check(cost, np.zeros(12), right, method="plain")
    assert report.verdict == ("pass" if convention == 0.5 else "inconclusive")
    if convention != 0.5:
        note = report.notes[0]
        assert "θ stands on several kinks at once in theta[" in note
        assert "method='difference' can" in note
    assert check(cost, np.zeros(12), right, method="difference").passed


@pytest.mark.parametrize("convention", [0.0, 1.0])
def test_and_a_mistake_out_of_the_reach_of_kinks_is_still_found(convention):
    cost, right = zero_layer(np.random.default_rng(0), convention)
    wrong = right.copy()
    wrong[5] += 100 * np.abs(zero_layer(np.random.default_rng(0), 1.0)[1]).max()
    assert check(cost, np.zeros(12), wrong, method="plain").verdict == "fail"


def test_beside_a_mistake_several_kinks_are_not_counted_as_wrong():
    cost, right = zero_layer(np.random.default_rng(0), 1.0)
    wrong = np.append(right, 100 * np.abs(right).max())
    report = check(lambda p: cost(p[:12]) + np.sin(p[12]), np.zeros(13), wrong, method="plain")
    assert (report.verdict, report.blocks["theta"].wrong) == (Verdict.FAIL, 1)
    assert report.blocks["theta"].undecided == 4


@pytest.mark.parametrize("claim", [-3.0, -2.001, 4.001, 5.0])
def test_at_one_kink_a_claim_beyond_its_slopes_is_wrong(claim):
    x = np.array([0.0, 0.5])
    report = check(lambda v: 3 * abs(v[0]) + v[0] + v[1] ** 2, x, np.array([claim, 1.0]), method="plain")
    assert report.verdict == "fail"


def test_curvature_and_kinks_near_by_are_no_excuse():
    """A slope that is small beside the curvature, and kinks on both sides, none of them at θ."""
    x = np.array([1e-3, 1e-5, 1e-4])

    def cost(v):
        return v[0] ** 2 + max(v[1], 0) + max(v[1] - 2e-5, 0) + max(v[2], 0) + v @ v

    right = np.array([4e-3, 1 + 2e-5, 1 + 2e-4])
    assert check(cost, x, right, method="plain").passed
    for i in range(3):
        wrong = right.copy()
        wrong[i] *= 1.01
        assert check(cost, x, wrong, method="plain").verdict == "fail"


def test_where_all_suspects_stand_on_several_kinks_not_all_are_looked_at():
    rng = np.random.default_rng(0)
    X, V, calls = rng.normal(size=(3, 20)), rng.normal(size=(200, 20)), []

    def cost(w):
        calls.append(1)
        return np.sum(V * np.maximum(w.reshape(200, 3) @ X, 0))

    report = check(cost, np.zeros(600), (V @ X.T).ravel(), method="plain")
    assert report.verdict == "inconclusive"
    assert len(calls) < 2 * 600 + 200 * MOST_AT_KINKS


def metered(cost, theta, claimed, epsilon):
    """A problem of which everything but the second look is known, its estimate, and a budget without a limit yet."""
    problem, budget = pose(cost, theta, claimed), Budget.read(math.inf, None)
    problem = dataclasses.replace(problem, evaluator=dataclasses.replace(problem.evaluator, meter=budget))
    plan = make_plan(problem.layout, problem.theta, "all", epsilon, 0)
    (first,), _ = joined.run_engine(PlainEngine(), problem, plan)
    return problem, first.closer()[0], budget


def test_a_budget_leaves_suspects_undecided_until_it_is_enough():
    slopes = np.linspace(1.0, 2.0, 10)
    asked = lambda p: float(slopes @ np.maximum(p, 0.0)), np.full(10, 1e-5), slopes, 1e-3
    whole = None
    for limit in range(0, 160, 5):
        problem, estimate, budget = metered(*asked)
        budget.forward_passes = budget.passes_so_far + limit
        looked = climb(problem, 1e-3, estimate, 1e-7)
        assert looked.forward_passes <= limit
        judgement = judge_coordinates(problem, looked.estimate, 1e-7)
        assert judgement.wrong == 0
        if looked.cut:
            assert judgement.verdict is Verdict.INCONCLUSIVE
            assert judgement.undecided == 10 - limit // 12
            many = "that may be wrong, such as theta[" in looked.cut
            assert many or (limit >= 108 and ", which may be wrong, is not complete" in looked.cut)
        else:
            assert judgement.verdict is Verdict.PASS
            whole = whole or limit
    assert whole == 120


def test_a_budget_does_not_excuse_a_mistake_that_is_confirmed():
    x = np.linspace(0.1, 1.0, 30)
    for limit in (75, 76, 150, 1000):
        problem, estimate, budget = metered(lambda p: float(np.sum(np.sin(p))), x, 1.1 * np.cos(x), None)
        budget.forward_passes = budget.passes_so_far + limit
        looked = climb(problem, None, estimate, 1e-7)
        verdict = judge_coordinates(problem, looked.estimate, 1e-7).verdict
        assert verdict is (Verdict.FAIL if limit >= 76 else Verdict.INCONCLUSIVE)


def test_a_check_with_a_budget_evaluates_nothing_twice():
    x = np.linspace(0.1, 1.0, 30)
    problem, estimate, budget = metered(lambda p: float(np.sum(np.sin(p))), x, 1.1 * np.cos(x), None)
    first = climb(problem, None, estimate, 1e-7)
    assert first.forward_passes == 16 * 10 + 48 + 18
    budget.forward_passes = budget.passes_so_far
    again = climb(problem, None, estimate, 1e-7)
    assert (again.forward_passes, again.cut) == (0, None)
    assert np.array_equal(again.estimate.slopes.central, first.estimate.slopes.central)
    assert judge_coordinates(problem, again.estimate, 1e-7).verdict is Verdict.FAIL


def test_estimates_of_engines_that_need_no_second_look_are_kept():
    problem = pose(lambda v: v[0] ** 2, np.array([1.0]), np.array([3.0]))
    plan = make_plan(problem.layout, problem.theta, "all", None, 0)
    two = np.array([2.0])
    exact = Estimate(
        part=plan.parts[0],
        slopes=Slopes(central=two, known_to=Bound(0.0, 0.0)),
        noise=0.0,
    )
    assert climb(problem, None, exact, 1e-7) == (exact, 0, (), None)


def test_a_larger_first_step_that_straddles_a_kink_is_not_believed():
    """The step chosen by the noise straddles a kink that changes one slope by a percent; smaller ones do not."""
    network = build("wide", 99)
    claimed = network.backward(network.parameters)
    report = check(network.cost, network.parameters, claimed, method="plain")
    assert report.verdict is Verdict.PASS
