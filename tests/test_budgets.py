"""Checks that end on time, after so many forward passes, or at an interruption, and say what is proved then."""

import itertools
import math
import time

import numpy as np
import pytest

from fastcheck import InvalidProblemError, Verdict, budgets, check, numerical_gradient, screen
from fastcheck.budgets import Budget
from fastcheck.engines import DisagreementError
from fastcheck.errors import BudgetUsedUp

rng = np.random.default_rng(0)
X = rng.standard_normal((6, 9))
THETA = {"W": rng.standard_normal((50, 6)), "b": rng.standard_normal((50, 1)), "v": rng.standard_normal(3)}


def cost(p):
    return np.sum(np.tanh(p["W"] @ X + p["b"])) + np.sum(np.exp(p["v"]))


def plain_cost(p):
    """The same, in a way that difference propagation cannot follow."""
    return math.ldexp(np.sum(np.tanh(p["W"] @ X + p["b"])), 0) + sum(math.exp(v) for v in p["v"])


def right():
    slope = 1 - np.tanh(THETA["W"] @ X + THETA["b"]) ** 2
    return {"W": slope @ X.T, "b": slope.sum(axis=1, keepdims=True), "v": np.exp(THETA["v"])}


class Interruptible:
    """A cost that cannot be followed, and may be interrupted."""

    def __init__(self, interrupted_at=None):
        self.interrupted_at, self.calls = interrupted_at, 0

    def __call__(self, p):
        self.calls += 1
        if self.calls == self.interrupted_at:
            raise KeyboardInterrupt
        return plain_cost(p)


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


class Counted:
    """A cost that counts all of its calls, also those on perturbed arrays, and lets a clock of its own tick.

    Attributes would be put back after runs on perturbed arrays; what `itertools.count` holds is not.
    """

    def __init__(self, function, seconds=0.0):
        self.function, self.seconds, self.counter = function, seconds, itertools.count()

    def __call__(self, p):
        next(self.counter)
        return self.function(p)

    @property
    def calls(self):
        return int(repr(self.counter)[len("count(") : -1])

    def clock(self):
        return self.calls * self.seconds


@pytest.mark.parametrize("allowed", [72, 96])
def test_runs_with_a_long_step_in_both_directions_count_twice(allowed):
    """Over such a step the cost is not linear, and a batch is run again with both signs."""
    W = np.random.default_rng(0).standard_normal((200, 200)) / 14
    x = np.random.default_rng(1).standard_normal((200, 5))
    counted = Counted(lambda p: np.sum(np.abs(np.sin(p @ x))) + np.sum(np.sort(p @ x, axis=0)[:3]))
    h = W @ x
    claim = (np.sign(np.sin(h)) * np.cos(h) + (np.argsort(np.argsort(h, axis=0), axis=0) < 3)) @ x.T
    report = check(counted, W, claim, epsilon=1e-4, max_forward_passes=allowed)
    assert report.passed
    assert report.checked
    assert counted.calls <= allowed


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
@pytest.mark.parametrize("seconds", [0.005, 0.05, 3.0])
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
@pytest.mark.parametrize("method", ["auto", "plain", "reference", "mlp"])
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
    assert "Worst coordinates" not in str(started)
    assert "Where? fastcheck.locate" in str(started)


def test_only_a_budget_that_ends_is_named():
    assert str(Budget.read(math.inf, 300)) == "the budget of 300 forward passes"
    assert str(Budget.read(2.5, 300)) == "the time budget of 2.5 s or the budget of 300 forward passes"


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


def test_an_interruption_gives_what_is_known():
    report = check(Interruptible(interrupted_at=700), THETA, right(), time_budget=math.inf)
    assert report.stopped == "it was interrupted"
    assert 0 < report.checked < report.size
    assert report.verdict is Verdict.PASS


def test_an_interruption_of_the_screening_gives_the_blocks_that_were_screened(monkeypatch):
    monkeypatch.setattr("fastcheck.screening.together", lambda blocks, count: [[block] for block in blocks])
    known = set()
    for at in range(30, 400, 30):
        report = check(Interruptible(interrupted_at=at), THETA, right(), time_budget=math.inf)
        assert report.stopped == "it was interrupted"
        assert report.verdict is not Verdict.FAIL
        assert "stopped, as it was interrupted" in str(report)
        known.add(sum(block.screened is not None for block in report.blocks.values()))
        if 0 in {block.screened is not None or block.checked for block in report.blocks.values()}:
            assert report.verdict is Verdict.INCONCLUSIVE
            assert "was not looked at, as it was interrupted" in " ".join(str(report).split())
    assert known >= {1, 3}


def test_an_interruption_at_any_time_gives_no_wrong_verdict():
    """Among them in a closer look at a block that looks wrong, in a second look, and while a batch is measured."""
    wrong = right() | {"W": 1.01 * right()["W"]}
    for at in [*range(3, 500, 17), 900]:
        report = check(Interruptible(interrupted_at=at), THETA, wrong, time_budget=math.inf)
        assert report.stopped == "it was interrupted"
        assert report.verdict is not Verdict.PASS
        assert all(report.blocks[name].verdict is not Verdict.FAIL for name in "bv")
    assert report.verdict is Verdict.FAIL


def test_an_interruption_of_the_first_batch_gives_what_screening_found():
    for claim, verdict in [(right(), Verdict.PASS), (right() | {"v": np.zeros(3)}, Verdict.FAIL)]:
        screening = Interruptible()
        screen(screening, THETA, claim)
        interrupted = Interruptible(interrupted_at=screening.calls + 60)
        report = check(interrupted, THETA, claim, time_budget=math.inf)
        assert (report.verdict, report.stopped) == (verdict, "it was interrupted")
        assert all(block.proof is None for block in report.blocks.values())
        assert "stopped, as it was interrupted" in str(report)
        assert "screened by plain evaluation" in str(report)


def test_an_interruption_before_anything_is_known_is_one():
    with pytest.raises(KeyboardInterrupt):
        check(Interruptible(interrupted_at=2), THETA, right(), time_budget=math.inf)


def test_arrays_are_as_before():
    before = {name: block.copy() for name, block in THETA.items()}
    check(Interruptible(interrupted_at=700), THETA, right(), time_budget=math.inf)
    assert all(np.array_equal(block, before[name]) for name, block in THETA.items())


def test_the_same_forward_passes_and_seed_give_the_same_report():
    one, two = (check(Interruptible(), THETA, right(), max_forward_passes=700, seed=3) for _ in range(2))
    assert one.checked == two.checked
    assert one.difference == two.difference
    other = check(Interruptible(), THETA, right(), max_forward_passes=700, seed=4)
    assert other.difference != one.difference


@pytest.mark.parametrize(
    ("options", "phrase"),
    [
        ({"time_budget": 0}, "time_budget: expected a positive number of seconds"),
        ({"time_budget": float("nan")}, "time_budget"),
        ({"time_budget": "2 s"}, "got '2 s'"),
        ({"max_forward_passes": 0}, "max_forward_passes: expected a positive whole number"),
        ({"max_forward_passes": 10.5}, "got 10.5"),
        ({"time_budget": 1.0, "coordinates": 5}, "with a budget the check chooses them itself"),
        ({"max_memory": 0}, "max_memory: expected a number of bytes"),
        ({"max_memory": 1e9}, "max_memory: expected a number of bytes"),
    ],
)
def test_impossible_budgets(options, phrase):
    with pytest.raises(InvalidProblemError, match=phrase):
        check(cost, THETA, right(), **options)


def test_passes_are_refused_before_they_are_made():
    budget = Budget.read(None, 100)
    budget.spend(99)
    with pytest.raises(BudgetUsedUp, match="the budget of 100 forward passes was used up"):
        budget.spend(2)
    budget.spend(1)
    assert budget.spent == 100
    budget.settle(90, 5)
    assert budget.spent == 95
    budget.settle(90, 15)
    assert budget.spent == 105
    early = Budget.read(None, 100)
    assert early.stopped == "the rest of the budget of 100 forward passes is too little for the next step"
    late = Budget.read(1.0, None)
    late.start -= 1.04
    late.spend(1)
    late.start -= 0.02
    with pytest.raises(BudgetUsedUp, match="the time budget of 1 s was used up"):
        late.spend(1)


def test_after_an_interruption_nothing_may_be_spent():
    budget, tries = Budget.read(math.inf, None), []

    def work():
        tries.append(budget.ended)
        if len(tries) == 1:
            raise KeyboardInterrupt
        return "what is known"

    assert budget.finished(work) == "what is known"
    assert tries == [None, "it was interrupted"]
    assert budget.fits(1.0, 1.0) == 0
    with pytest.raises(BudgetUsedUp, match="it was interrupted"):
        budget.spend(1)


def test_what_is_left_of_a_budget():
    budget = Budget.read(None, 100)
    budget.spent = 40
    assert budget.fits(1.0, 20) == 3
    budget.spent = 200
    assert budget.fits(1.0, 20) == 0
    assert Budget.read(None, None) is None
    assert Budget.read(1e9, None).fits(1.0, 1e12) > 1e8


def test_an_engine_that_gives_up_in_a_later_batch_is_replaced(monkeypatch):
    known = budgets.choose_engine

    class GivesUp:
        def estimate(self, *arguments):
            raise DisagreementError("Evaluation does not confirm the fast engine.")

    monkeypatch.setattr(
        budgets, "choose_engine", lambda name: GivesUp() if name in ("difference", "graph") else known(name)
    )
    monkeypatch.setattr("fastcheck.known_slopes.choose_engine", lambda name: GivesUp())
    report = check(cost, THETA, right(), max_forward_passes=3000)
    assert (report.verdict, report.method, report.checked) == (Verdict.PASS, "plain", 353)
    assert any("does not confirm the fast engine" in note for note in report.notes)
    with pytest.raises(DisagreementError):
        check(cost, THETA, right(), max_forward_passes=3000, method="difference")


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
        assert (report.method, report.checked, report.stopped) == ("graph", 353, None)
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
    """θ stands on kinks of a product of matrices: what was spent on finding slopes at once counts."""
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
    assert (report.verdict, report.method, report.stopped) == (Verdict.PASS, "difference", None)
