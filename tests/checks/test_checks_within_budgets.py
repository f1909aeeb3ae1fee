"""Checks that end on time or after so many forward passes, and say what is proved then."""

import math
import time

import numpy as np
import pytest
from budgeted_costs import THETA, Counted, Interruptible, X, cost, plain_cost, right
from slow import first_of

from fastcheck import InvalidProblemError, Verdict, check, numerical_gradient, screen
from fastcheck.engines import DisagreementError


def test_a_budget_that_is_enough_checks_everything():
    for method in ("auto", "plain", "reference"):
        report = check(cost, THETA, right(), method=method, time_budget=60.0)
        assert (report.verdict, report.checked, report.stopped) == (Verdict.PASS, 353, None)
        assert all(block.checked == block.size for block in report.blocks.values())
        assert all(block.proof.at_most == 0 for block in report.blocks.values())


def test_everything_is_the_same_as_without_a_budget():
    wrong = right()
    wrong["W"][7, 3] *= 1.001
    whole = check(cost, THETA, wrong, method="difference")
    gradual = check(cost, THETA, wrong, method="difference", time_budget=math.inf)
    assert gradual.verdict is whole.verdict is Verdict.FAIL
    assert gradual.blocks["W"].wrong == whole.blocks["W"].wrong == 1
    assert gradual.worst[0].name == "W[7, 3]"
    assert gradual.worst[0].numerical == pytest.approx(whole.worst[0].numerical, rel=1e-14)


def relu_cost(p):
    return float(np.sum(np.maximum(p["W"] @ X + p["b"], 0.0) ** 2 / 2 + np.maximum(p["W"] @ X + p["b"], 0.0)))


AT_KINKS = {"W": np.zeros((7, 6)), "b": np.zeros((7, 1))}

"""Where every unit stands on a kink, so that coordinates need second looks."""
QUESTIONS = {
    "right": (cost, THETA, right(), {Verdict.PASS, Verdict.INCONCLUSIVE}),
    "plain": (plain_cost, THETA, right(), {Verdict.PASS, Verdict.INCONCLUSIVE}),
    "factor": (cost, THETA, right() | {"W": 1.01 * right()["W"]}, {Verdict.FAIL, Verdict.INCONCLUSIVE}),
    "plain, factor": (
        plain_cost,
        THETA,
        right() | {"W": 1.01 * right()["W"]},
        {Verdict.FAIL, Verdict.INCONCLUSIVE},
    ),
    "kinks": (
        relu_cost,
        AT_KINKS,
        {"W": np.tile(0.5 * X.sum(axis=1), (7, 1)), "b": np.full((7, 1), 4.5)},
        {Verdict.PASS, Verdict.INCONCLUSIVE},
    ),
}

"""Cost, parameters, claim, and the verdicts that no budget may change."""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["auto", "plain", "reference"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_no_budget_of_forward_passes_is_exceeded_and_no_verdict_is_wrong(question, method):
    function, theta, claim, possible = QUESTIONS[question]
    furthest = 0
    for most in (1, 2, 3, 5, 8, 13, 21, 34, 45, 55, 70, 89, 110, 144, 180, 233, 300, 377, 500, 610, 800, 987):
        counted = Counted(function)
        report = check(counted, theta, claim, method=method, max_forward_passes=most)
        assert counted.calls <= report.forward_passes <= max(2, most)
        assert report.verdict in possible
        assert set(report.blocks) == set(theta)
        furthest = max(furthest, report.forward_passes / most if most > 300 and report.stopped else 0.9)
    assert furthest > 0.85  # what was given is also used


@pytest.mark.parametrize("method", ["auto", "plain", "reference"])
@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("seconds", first_of([0.05, 0.005, 3.0]))
def test_no_time_budget_is_exceeded_and_no_verdict_is_wrong(monkeypatch, question, method, seconds):
    """By a clock on which only evaluations take time, so that the answer does not depend on the machine."""
    function, theta, claim, possible = QUESTIONS[question]
    for budget in (0.001, 0.1, 0.5, 1.0, 2.0, 5.0, 20.0):
        counted = Counted(function, seconds)
        with monkeypatch.context() as patch:
            patch.setattr(time, "perf_counter", counted.clock)
            report = check(counted, theta, claim, method=method, time_budget=budget, progress=False)
        assert report.seconds <= 1.1 * budget + seconds or counted.calls == 2
        assert report.verdict in possible


def test_a_budget_is_used(monkeypatch):
    for function, seconds, budget in [(cost, 0.02, 2.0), (plain_cost, 0.005, 2.0), (plain_cost, 0.01, 5.0)]:
        counted = Counted(function, seconds)
        with monkeypatch.context() as patch:
            patch.setattr(time, "perf_counter", counted.clock)
            report = check(counted, THETA, right(), time_budget=budget, progress=False)
        assert report.verdict is Verdict.PASS
        assert report.checked == 353 or report.seconds > 0.9 * budget
        assert report.checked >= 20


def test_a_batched_cost_is_kept_to_its_budget():
    class Batched(Counted):
        def costs(self, thetas):
            return np.array([self(THETA | {"W": theta[:300].reshape(50, 6)}) for theta in thetas])

    for most in (100, 150, 200, 500, 1600):
        counted = Batched(lambda p: float(np.sum(np.sin(p["W"]))))
        claim = {name: np.zeros_like(block) for name, block in THETA.items()} | {"W": np.cos(THETA["W"])}
        report = check(counted, THETA, claim, max_forward_passes=most)
        assert counted.calls <= report.forward_passes <= most
        assert report.verdict is not Verdict.FAIL
    assert report.checked == 353


@pytest.mark.parametrize("backend", ["processes", "threads"])
def test_workers_are_kept_to_the_budget(monkeypatch, backend):
    monkeypatch.setattr("fastcheck.execution.WORKERS_PAY_AFTER", {"processes": 0.0, "threads": 0.0})
    report = check(
        plain_cost, THETA, right(), method="plain", max_forward_passes=500, n_jobs=2, backend=backend
    )
    alone = check(plain_cost, THETA, right(), method="plain", max_forward_passes=500)
    assert alone.forward_passes <= report.forward_passes <= 500
    assert (report.verdict, report.checked, report.difference) == (
        Verdict.PASS,
        alone.checked,
        alone.difference,
    )


def test_forward_passes_are_counted_and_kept():
    report = check(Counted(plain_cost), THETA, right(), max_forward_passes=700)
    assert report.stopped == "the budget of 700 forward passes was used up"
    assert 630 < report.forward_passes <= 700
    assert 0 < report.checked < report.size
    assert report.verdict is Verdict.PASS
    text = str(report)
    assert text.startswith("PASS  no mistake in what was checked\n")
    assert "stopped, as the budget of 700 forward passes was used up" in text


def test_it_ends_on_time(monkeypatch):
    counted = Counted(plain_cost, 0.002)
    monkeypatch.setattr(time, "perf_counter", counted.clock)
    report = check(counted, THETA, right(), time_budget=1.0, progress=False)
    assert report.stopped == "the time budget of 1 s was used up"
    assert 0 < report.checked < report.size


@pytest.mark.parametrize("budget", [{"time_budget": 1e-9}, {"max_forward_passes": 1}])
@pytest.mark.parametrize("function", [cost, plain_cost])
@pytest.mark.parametrize("method", ["auto", "difference", "plain", "reference"])
def test_the_smallest_budget_poses_the_problem_and_says_that_nothing_is_known(budget, function, method):
    counted = Counted(function)
    report = check(counted, THETA, right(), method=method, **budget)
    assert counted.calls == report.forward_passes == 2
    assert report.verdict is Verdict.INCONCLUSIVE
    assert math.isnan(report.difference)
    assert report.checked == 0
    assert list(report.blocks) == list(THETA)
    text = str(report)
    assert "could not tell for W, b, v" in text
    assert "nan" not in text
    assert "W was not looked at, as the " in text
    assert "A first look at every block takes about " in " ".join(text.split())


def test_a_larger_budget_proves_more():
    """All coordinates have a kink within the step, and need a second look."""
    theta, slopes = np.full(40, 1e-5), np.linspace(1.0, 2.0, 40)
    checked = []
    for most in range(80, 1000, 40):
        report = check(
            lambda p: float(slopes @ np.maximum(p, 0.0)),
            theta,
            slopes,
            method="plain",
            epsilon=1e-3,
            max_forward_passes=most,
        )
        assert report.verdict is Verdict.PASS
        checked.append(report.checked)
    assert checked == sorted(checked)
    assert checked[-1] == 40
    assert report.stopped is None


def test_a_mistake_is_confirmed_or_the_verdict_is_open():
    theta, verdicts = np.linspace(-1, 1, 40), []
    for most in range(40, 300, 10):
        report = check(
            lambda p: float(np.sum(np.sin(p))),
            theta,
            1.1 * np.cos(theta),
            method="plain",
            max_forward_passes=most,
        )
        assert report.verdict is Verdict.FAIL or report.blocks["theta"].cause
        verdicts.append(report.verdict)
    change = verdicts.index(Verdict.FAIL)
    assert 0 < change < 18
    assert set(verdicts[:change]) == {Verdict.INCONCLUSIVE}
    assert set(verdicts[change:]) == {Verdict.FAIL}


@pytest.mark.parametrize("size", [3, 200])
def test_a_cost_in_single_precision_is_known_as_such_in_batches(size):
    theta = np.linspace(-1, 2, size)
    asked = (lambda p: float(np.sum(np.sin(p.astype(np.float32)))), theta, np.cos(theta))
    whole = check(*asked, method="plain")
    gradual = check(*asked, method="plain", max_forward_passes=10**6)
    assert gradual.checked == size
    for report in (whole, gradual):
        assert report.verdict is Verdict.INCONCLUSIVE
        assert report.blocks["theta"].cause.startswith("float32: ")


def test_the_bound_on_truncation_survives_batches():
    theta = np.random.default_rng(0).standard_normal(100)
    claim = 1e5 * np.cos(1e5 * theta)
    report = check(
        lambda p: float(np.sum(np.sin(1e5 * p))) + 1e3,
        theta,
        claim,
        method="plain",
        epsilon=0.01,
        max_forward_passes=10**6,
    )
    assert report.checked == 100
    assert report.blocks["theta"].cause.startswith("truncation: ")


def test_a_block_that_is_done_has_no_note_of_its_directions():
    wrong = right()
    wrong["W"][7, 3] *= 1.001
    done = check(cost, THETA, wrong, time_budget=60.0)
    assert done.blocks["W"].wrong == 1
    assert not any("in few places" in note for note in done.notes)
    started = check(plain_cost, THETA, wrong, max_forward_passes=600)
    assert started.checked < started.size
    assert any("in few places" in note for note in started.notes)
    assert started.blocks["W"].wrong == 0
    assert started.blocks["W"].worst  # right ones, which are none of those to show
    assert "Worst coordinates" not in started.to_text(verbose=True)
    assert "Where? fastcheck.locate" in str(started)


def test_screening_takes_its_own_options_and_no_budget():
    with pytest.raises(
        InvalidProblemError, match="with a budget the check chooses them itself, got 'screen'"
    ):
        check(cost, THETA, right(), coordinates="screen", time_budget=1.0)
    with pytest.raises(InvalidProblemError, match="max_memory: expected"):
        check(cost, THETA, right(), coordinates="screen", max_memory="1 GB")
    for asked, used in [(None, 0.999), (0.9, 0.9)]:
        report = check(cost, THETA, right(), coordinates="screen", confidence=asked)
        assert {block.screened.confidence for block in report.blocks.values()} == {used}


def test_every_block_is_looked_at_before_any_is_done():
    report = check(Interruptible(), THETA, right(), max_forward_passes=600)
    assert report.blocks["v"].checked == 3
    assert report.blocks["b"].checked >= 10
    assert report.blocks["W"].checked >= 10
    for block in report.blocks.values():
        assert block.proof.at_most == 0 or block.checked < block.size


def test_what_screening_finds_fails_however_few_coordinates_were_checked():
    wrong = right()
    wrong["W"] = wrong["W"] * 1.01
    report = check(cost, THETA, wrong, time_budget=60.0)
    assert report.verdict is Verdict.FAIL
    one = right()
    one["W"][49, 5] *= 1.5
    report = check(Interruptible(), THETA, one, max_forward_passes=900, seed=1)
    assert report.blocks["W"].verdict is Verdict.FAIL
    assert report.checked < report.size
    assert report.blocks["b"].verdict is Verdict.PASS


def test_the_same_forward_passes_and_seed_give_the_same_report():
    one, two = (check(Interruptible(), THETA, right(), max_forward_passes=700, seed=3) for _ in range(2))
    assert one.checked == two.checked
    assert one.difference == two.difference
    other = check(Interruptible(), THETA, right(), max_forward_passes=700, seed=4)
    assert other.difference != one.difference


def test_slopes_that_are_not_certified_are_not_used(monkeypatch):
    class GivesUp:
        def estimates(self, *arguments):
            raise DisagreementError("Evaluation does not confirm the slopes.")

    monkeypatch.setattr("fastcheck.checks.all_slopes.GraphEngine", GivesUp)
    report = check(cost, THETA, right(), max_forward_passes=3000)
    assert (report.verdict, report.method, report.checked) == (Verdict.PASS, "plain", 353)
    assert any("does not confirm the slopes" in note for note in report.notes)
    with pytest.raises(DisagreementError):
        check(cost, THETA, right(), max_forward_passes=3000, method="difference")


def test_by_name_slopes_are_found_at_once_or_not_at_all():
    report = check(cost, THETA, right(), max_forward_passes=15, method="difference")
    assert (report.verdict, report.checked, report.forward_passes) == (Verdict.INCONCLUSIVE, 0, 2)
    assert report.notes == ()
    assert check(cost, THETA, right(), max_forward_passes=40, method="difference").passed
    report = check(cost, THETA, right(), max_forward_passes=15)
    assert "finding all slopes at once takes about 22 forward passes" in report.notes[0]


def test_kinks_are_named_once_for_all_batches():
    theta, rng = np.zeros((40, 50)), np.random.default_rng(0)
    claim = rng.uniform(-1, 1, theta.shape)
    report = check(lambda p: np.sum(np.abs(p)), theta, claim, max_forward_passes=300)
    assert report.passed
    (note,) = report.notes
    assert note.count("absolute in line") == 1


def test_all_coordinates_are_compared_at_once_where_that_fits():
    wrong = right()
    wrong["W"][49, 5] *= 1 + 1e-6
    for budget in ({"max_forward_passes": 100}, {"time_budget": 60.0}):
        assert check(cost, THETA, right(), **budget).passed
        report = check(cost, THETA, wrong, **budget)
        assert (report.method, report.checked, report.stopped) == ("difference", 353, None)
        assert report.blocks["W"].wrong == 1
        assert report.blocks["W"].worst[0].index == (49, 5)
        assert report.blocks["b"].screened.relative_bound < 1e-11
        assert report.certified is not None
        assert report.forward_passes <= 100


def test_within_the_tolerance_a_budget_changes_no_verdict():
    """Screening by itself fails errors in few places; of coordinates that are known each is held to the tolerance."""
    claim = right()
    claim["W"][49, 5] *= 1 + 1e-8
    assert screen(cost, THETA, claim).verdict is Verdict.FAIL
    assert check(cost, THETA, claim, max_forward_passes=100).passed


def test_budgets_that_are_too_small_for_all_coordinates_at_once_are_kept():
    for most in (12, 16, 20, 24, 28, 32):
        report = check(cost, THETA, right(), max_forward_passes=most)
        assert report.forward_passes <= most
        assert report.verdict is not Verdict.FAIL


def test_where_slopes_are_not_found_at_once_a_budget_is_spent_as_before():
    """θ stands on kinks of a product of matrices: what was spent on finding slopes at once counts, and is named."""
    theta = {name: value.copy() for name, value in THETA.items()}
    theta["W"][3] = 0

    def kinked(p):
        return cost(p) + sum(row @ np.sign(row) for row in p["W"])

    claim = numerical_gradient(cost, theta)
    claim["W"] += np.sign(theta["W"])
    for most in (60, 120, 3000):
        report = check(kinked, theta, claim, max_forward_passes=most)
        assert report.forward_passes <= most
        assert report.verdict is not Verdict.FAIL
    assert (report.verdict, report.method, report.stopped) == (Verdict.PASS, "plain", None)
    assert report.notes[0].startswith("evaluated plainly")
