"""Checks that end on time, after so many forward passes, or at an interruption, and say what is proved then."""

import math
import time

import numpy as np
import pytest

from fastcheck import InvalidProblemError, Verdict, check, screen
from fastcheck.budgets import Budget

rng = np.random.default_rng(0)
X = rng.standard_normal((6, 9))
THETA = {"W": rng.standard_normal((50, 6)), "b": rng.standard_normal((50, 1)), "v": rng.standard_normal(3)}


def cost(p):
    return np.sum(np.tanh(p["W"] @ X + p["b"])) + np.sum(np.exp(p["v"]))


def plain_cost(p):
    """The same, in a way that difference propagation cannot follow."""
    return float(np.sum(np.tanh(p["W"] @ X + p["b"]))) + sum(math.exp(v) for v in p["v"])


def right():
    slope = 1 - np.tanh(THETA["W"] @ X + THETA["b"]) ** 2
    return {"W": slope @ X.T, "b": slope.sum(axis=1, keepdims=True), "v": np.exp(THETA["v"])}


class Slow:
    """A cost that takes some milliseconds, and may be interrupted."""

    def __init__(self, seconds=0.0, interrupted_at=None):
        self.seconds, self.interrupted_at, self.calls = seconds, interrupted_at, 0

    def __call__(self, p):
        self.calls += 1
        if self.calls == self.interrupted_at:
            raise KeyboardInterrupt
        time.sleep(self.seconds)
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


def test_forward_passes_are_counted_and_kept():
    counted = Slow()
    report = check(counted, THETA, right(), max_forward_passes=700)
    assert report.stopped == "the budget of 700 forward passes was used up"
    assert 350 < report.forward_passes <= 770  # within a tenth
    assert counted.calls <= 1.1 * report.forward_passes
    assert 0 < report.checked < report.size
    assert report.verdict is Verdict.PASS
    text = str(report)
    assert text.startswith("PASS  no mistake in what was checked\n")
    assert "stopped, as the budget of 700 forward passes was used up" in text


def test_it_ends_on_time():
    report = check(Slow(0.002), THETA, right(), time_budget=1.0)
    assert report.stopped == "the time budget of 1 s was used up"
    assert 0 < report.checked < report.size


@pytest.mark.parametrize("budget", [{"time_budget": 1e-9}, {"max_forward_passes": 1}])
@pytest.mark.parametrize("function", [cost, plain_cost])
def test_the_smallest_budget_still_looks_at_every_block(budget, function):
    report = check(function, THETA, right(), **budget)
    assert report.verdict is Verdict.PASS
    assert report.stopped is not None
    assert all(block.checked for block in report.blocks.values())
    assert "no mistake in what was checked" in str(report)


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
    report = check(Slow(), THETA, right(), max_forward_passes=600)
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
    report = check(Slow(), THETA, one, max_forward_passes=900, seed=1)
    assert report.blocks["W"].verdict is Verdict.FAIL
    assert report.checked < report.size
    assert report.blocks["b"].verdict is Verdict.PASS


def test_an_interruption_gives_what_is_known():
    report = check(Slow(interrupted_at=700), THETA, right(), time_budget=math.inf)
    assert report.stopped == "it was interrupted"
    assert 0 < report.checked < report.size
    assert report.verdict is Verdict.PASS


def test_an_interruption_of_the_screening_gives_the_blocks_that_were_screened(monkeypatch):
    monkeypatch.setattr("fastcheck.screening.together", lambda blocks, count: [[block] for block in blocks])
    for at in range(30, 400, 30):
        try:
            report = check(Slow(interrupted_at=at), THETA, right(), time_budget=math.inf)
        except KeyboardInterrupt:
            continue
        if len(report.blocks) < 3:
            break
    assert report.stopped == "it was interrupted"
    assert 0 < len(report.blocks) < 3
    assert report.verdict is not Verdict.FAIL
    assert "stopped, as it was interrupted" in str(report)


def test_an_interruption_of_the_first_batch_gives_what_screening_found():
    for claim, verdict in [(right(), Verdict.PASS), (right() | {"v": np.zeros(3)}, Verdict.FAIL)]:
        screening = Slow()
        screen(screening, THETA, claim)
        interrupted = Slow(interrupted_at=screening.calls + 60)
        report = check(interrupted, THETA, claim, time_budget=math.inf)
        assert (report.verdict, report.stopped) == (verdict, "it was interrupted")
        assert all(block.proof is None for block in report.blocks.values())
        assert "stopped, as it was interrupted" in str(report)
        assert "screened by plain evaluation" in str(report)


def test_an_interruption_before_anything_is_known_is_one():
    with pytest.raises(KeyboardInterrupt):
        check(Slow(interrupted_at=2), THETA, right(), time_budget=math.inf)


def test_arrays_are_as_before():
    before = {name: block.copy() for name, block in THETA.items()}
    check(Slow(interrupted_at=700), THETA, right(), time_budget=math.inf)
    assert all(np.array_equal(block, before[name]) for name, block in THETA.items())


def test_the_same_forward_passes_and_seed_give_the_same_report():
    one, two = (check(Slow(), THETA, right(), max_forward_passes=700, seed=3) for _ in range(2))
    assert one.checked == two.checked
    assert one.difference == two.difference
    other = check(Slow(), THETA, right(), max_forward_passes=700, seed=4)
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


def test_what_is_left_of_a_budget():
    budget = Budget.read(None, 100)
    budget.spent = 40
    assert budget.fits(1.0, 20) == 3
    budget.spent = 200
    assert budget.fits(1.0, 20) == 0
    assert Budget.read(None, None) is None
    assert Budget.read(1e9, None).fits(1.0, 1e12) > 1e8
