"""Plain evaluation that is interrupted tells what is known by then, and evaluates nothing any more."""

import gc
import itertools
import json
import signal
import weakref

import numpy as np
import pytest

from fastcheck import Verdict, check
from fastcheck.checks.budgets import Budget
from fastcheck.engines.plain import batches
from fastcheck.interrupting import keeping_interruptions

THETA = {"W": np.linspace(-1.0, 1.0, 40).reshape(8, 5), "b": np.linspace(0.5, 2.0, 30)}
"""The sizes are no multiples of those of tasks."""


def right():
    return {"W": 2 * THETA["W"] * np.cos(THETA["W"] ** 2), "b": np.exp(THETA["b"])}


def wrong(block, factor=1.01):
    return right() | {block: factor * right()[block]}


class Interrupted:
    """A cost that cannot be recorded, and is interrupted in one of its calls."""

    def __init__(self, at, how=signal.SIGTERM):
        self.at, self.how, self.calls = at, how, 0

    def __call__(self, p):
        self.calls += 1
        if self.calls == self.at:
            signal.raise_signal(self.how)
        return float(f"{np.sum(np.sin(p['W'] ** 2)) + np.sum(np.exp(p['b'])):.17g}")


@pytest.fixture(autouse=True)
def _small_tasks(monkeypatch):
    """Have a task be a few calls, however fast these are: what was not finished of it is not known."""
    monkeypatch.setattr(batches, "LEAST_SECONDS_OF_TASK", 0.0)


CALLS_BEFORE = 30
"""Calls that pose the problem and measure the noise, or more."""


def kept(cost, claim, **options):
    with keeping_interruptions():
        return check(cost, THETA, claim, **{"method": "plain", **options})


@pytest.mark.parametrize("method", ["plain", "reference"])
@pytest.mark.parametrize(("how", "by"), [(signal.SIGTERM, " by SIGTERM"), (signal.SIGINT, "")])
def test_what_was_evaluated_is_judged_and_the_rest_is_undecided(method, how, by):
    cost = Interrupted(120, how)
    report = kept(cost, right(), method=method, epsilon=1e-5 if method == "reference" else None)
    assert cost.calls == 120
    assert report.stopped == f"it was interrupted{by}"
    assert report.verdict is Verdict.INCONCLUSIVE
    assert 0 < report.checked < report.size
    done = report.checked
    assert f"interrupted after {done} of 70 coordinates; the same call with checkpoint=" in str(report.notes)
    assert "stopped, as it was interrupted" in str(report)
    assert all(block.wrong == 0 for block in report.blocks.values())


def test_a_block_that_is_complete_passes_and_the_others_say_what_is_missing():
    report = kept(Interrupted(120), right())
    assert report.blocks["W"].verdict is Verdict.PASS
    missing = 30 - report.blocks["b"].checked
    assert report.blocks["b"].cause == (
        f"interrupted: {missing} of 30 coordinates of b were not evaluated, as it was interrupted by SIGTERM; those "
        "that were pass. Check again."
    )


def test_what_looks_wrong_and_got_no_closer_look_is_named_and_no_failure():
    report = kept(Interrupted(120), wrong("W"))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "that may be wrong, such as W[" in report.blocks["W"].cause
    assert not report.causes


def test_an_interruption_at_any_call_gives_no_wrong_verdict_and_ends_all_evaluation():
    """Among them in the noise, in closer looks at one block and the other, and in the search for the cause."""
    seen = set()
    for claim, block in [(right(), None), (wrong("W"), "W"), (wrong("b"), "b")]:
        whole = Interrupted(None)
        kept(whole, claim)
        for at in [*range(3, whole.calls, 17), whole.calls - 1]:
            cost = Interrupted(at)
            report = kept(cost, claim)
            assert cost.calls == at
            assert report.stopped == "it was interrupted by SIGTERM" or report.verdict is Verdict.FAIL
            verdicts = {name: one.verdict for name, one in report.blocks.items()}
            assert all(verdict is not Verdict.FAIL for name, verdict in verdicts.items() if name != block)
            if report.checked < report.size:
                assert report.verdict is not Verdict.PASS
            if block is not None:
                assert verdicts[block] is not Verdict.PASS or report.blocks[block].checked == 0
            seen.add((block, report.verdict))
    assert {(None, Verdict.INCONCLUSIVE), ("W", Verdict.INCONCLUSIVE), ("W", Verdict.FAIL)} <= seen


def test_a_mistake_that_is_confirmed_before_the_interruption_is_a_failure():
    claim = {name: 1.01 * one for name, one in right().items()}
    whole = Interrupted(None)
    kept(whole, claim)
    found = []
    for at in range(whole.calls - 1, CALLS_BEFORE, -31):
        report = kept(Interrupted(at), claim)
        found.append(tuple(report.blocks[name].verdict for name in "Wb"))
    assert (Verdict.FAIL, Verdict.INCONCLUSIVE) in found


@pytest.mark.parametrize("backend", ["threads", "processes"])
def test_what_workers_have_found_is_kept(backend, monkeypatch):
    monkeypatch.setattr("fastcheck.execution.WORKERS_PAY_AFTER", dict.fromkeys(["threads", "processes"], 0.0))
    told = []

    def progress(done, total):
        told.append(done)
        if len(told) == 5:
            signal.raise_signal(signal.SIGTERM)

    report = kept(Interrupted(None), wrong("W", 3.0), n_jobs=2, backend=backend, progress=progress)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.stopped == "it was interrupted by SIGTERM"
    assert (
        told[-1] - len(told) <= report.checked <= told[-1] < report.size
    )  # of some coordinates one end came
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_log_is_reason_enough_to_keep_what_is_known(tmp_path):
    path = tmp_path / "run.jsonl"
    report = check(Interrupted(120), THETA, right(), method="plain", log=path)
    assert report.stopped == "it was interrupted by SIGTERM"
    last = json.loads(path.read_text().splitlines()[-1])
    assert (last["event"], last["verdict"]) == ("end", "inconclusive")
    assert last["reason"] == "it was interrupted by SIGTERM"
    with pytest.raises(KeyboardInterrupt):
        check(Interrupted(1), THETA, right(), log=path)  # before anything was posed
    last = json.loads(path.read_text().splitlines()[-1])
    assert (last["verdict"], last["reason"]) == (None, "it was interrupted by SIGTERM")


def test_samples_that_are_interrupted_prove_nothing_of_the_rest():
    report = kept(Interrupted(60), right(), coordinates=20)
    assert report.stopped
    assert 0 < report.checked < 40
    assert all(block.proof is None for block in report.blocks.values() if 0 < block.checked < 20)


@pytest.mark.parametrize("options", [{"coordinates": "screen"}, {"method": "auto"}])
def test_other_strategies_say_that_nothing_is_known(options):
    report = kept(Interrupted(5), right(), **options)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.stopped == "it was interrupted by SIGTERM"
    assert "was not looked at, as it was interrupted by SIGTERM" in " ".join(str(report).split())


def test_blocks_that_were_screened_before_an_interruption_are_known():
    both = {name: 1.01 * claim for name, claim in right().items()}
    for claim, known in [(wrong("W"), ("inconclusive", "pass")), (both, ("fail", "inconclusive"))]:
        whole = Interrupted(None)
        kept(whole, claim, coordinates="screen")
        verdicts = set()
        for at in range(5, whole.calls, whole.calls // 20):
            cost = Interrupted(at)
            report = kept(cost, claim, coordinates="screen")
            assert cost.calls == at
            verdicts.add(tuple(str(report.blocks[name].verdict) for name in "Wb"))
        assert known in verdicts
        assert all(of_w != "pass" for of_w, _ in verdicts)
        assert all(of_b != ("fail" if claim is not both else "pass") for _, of_b in verdicts)


def test_the_second_interruption_passes_through():
    budget = Budget(None, None)
    budget.end(KeyboardInterrupt())
    assert budget.ended == "it was interrupted"
    with pytest.raises(KeyboardInterrupt):
        budget.end(KeyboardInterrupt("SIGTERM"))
    with pytest.raises(KeyboardInterrupt), budget.watched():
        raise KeyboardInterrupt


@pytest.mark.parametrize("at", [20, 120, 190])
def test_nothing_of_an_interrupted_check_stays(at):
    cost = Interrupted(at)
    there = weakref.ref(cost)
    report = kept(cost, wrong("W"))
    assert report.stopped
    del cost, report
    gc.collect()
    assert there() is None


def test_arrays_are_as_before():
    before = {name: block.copy() for name, block in THETA.items()}
    claim = right()
    for at in itertools.chain(range(3, 60, 9), [120, 170]):
        kept(Interrupted(at), claim)
    assert all(np.array_equal(block, before[name]) for name, block in THETA.items())
    assert all(np.array_equal(block, right()[name]) for name, block in claim.items())
