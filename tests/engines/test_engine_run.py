"""The protocol of engines: estimates come one at a time, and the summary in the end."""

import dataclasses
import sys
import weakref

import numpy as np
import pytest

from fastcheck import check
from fastcheck.engines import (
    ENGINES,
    Bound,
    DisagreementError,
    EngineRun,
    Estimate,
    Slopes,
    Summary,
    choose_engine,
)
from fastcheck.errors import BudgetUsedUp
from fastcheck.execution import Execution
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import pose

THETA = {"a": np.array([1.0, 2.0]), "b": np.array([[3.0]]), "c": np.array([0.5, -0.5])}
METHODS = ["auto", "difference", "plain", "reference"]


def cost(p):
    return np.sum(p["a"] ** 2) * p["b"][0, 0] + np.sum(np.tanh(p["c"]))


def run_of(method, function=cost, claim=None):
    problem = pose(function, THETA, claim)
    plan = make_plan(problem.layout, problem.theta, "all", None, 0)
    return EngineRun(choose_engine(method), problem, plan, Execution(progress=False))


@pytest.mark.parametrize("method", METHODS)
def test_the_estimates_of_all_parts_come_in_their_order_and_then_the_summary(method):
    with run_of(method) as run:
        names = [estimate.part.block.name for estimate in run]
    assert names == ["a", "b", "c"]
    assert run.summary.method == ("difference" if method == "auto" else method)
    assert run.summary.forward_passes > 0


@pytest.mark.parametrize("method", METHODS)
def test_there_is_no_summary_before_the_last_estimate_was_judged(method):
    with run_of(method) as run:
        for estimate in run:
            assert estimate.slopes.central.size
            with pytest.raises(RuntimeError, match="once all estimates are"):
                _ = run.summary
    assert run.summary


@pytest.mark.parametrize("method", ["difference", "plain", "reference"])
@pytest.mark.parametrize("claimed", [True, False])
def test_no_estimate_is_kept_while_the_next_one_is_made(method, claimed):
    claim = {"a": 6 * THETA["a"], "b": np.array([[5.0]]), "c": 1 - np.tanh(THETA["c"]) ** 2}
    alive = []

    def judge(estimate):
        assert not any(kept() is not None for kept in alive)
        alive.append(weakref.ref(estimate.slopes.central))

    with run_of(method, claim=claim if claimed else None) as run:
        assert len(list(map(judge, run))) == 3


def test_what_an_engine_does_to_the_cost_is_undone_when_the_loop_is_left_by_an_exception():
    def in_places(p):
        squares = np.zeros(2)
        squares[:] = p["a"] ** 2
        return np.sum(squares)

    def fail(_estimate):
        assert in_places.__code__ is not before
        raise ZeroDivisionError

    def judge_all():
        with run_of("difference", in_places) as run:
            estimates = iter(run)
            fail(next(estimates))

    before = in_places.__code__
    with pytest.raises(ZeroDivisionError) as error:
        judge_all()
    assert error.traceback  # which keeps the frame, and so the engine
    assert in_places.__code__ is before


def test_where_slopes_are_not_certified_an_error_says_what_to_do_and_a_note_that_it_was_done():
    def jumping(w):
        return np.sum(np.where(w >= 0, w + 1, w))

    theta = np.array([0.0, 1.0])
    with pytest.raises(
        DisagreementError, match=r"J jumps at θ\. method='auto' evaluates the cost plainly then"
    ):
        check(jumping, theta, np.ones(2), method="difference")
    assert "evaluated plainly. J jumps at θ." in check(jumping, theta, np.ones(2)).notes


def test_an_engine_is_a_line_in_the_table(monkeypatch):
    class Borrowed:
        name = "borrowed"

        def estimates(self, problem, plan, execution):
            summary = yield from choose_engine("plain").estimates(problem, plan, execution)
            return dataclasses.replace(summary, method=self.name)

    monkeypatch.setitem(ENGINES, "borrowed", f"{__name__}:Borrowed")
    monkeypatch.setattr(sys.modules[__name__], "Borrowed", Borrowed, raising=False)
    claim = {"a": 6 * THETA["a"], "b": np.array([[5.0]]), "c": 1 - np.tanh(THETA["c"]) ** 2}
    report = check(cost, THETA, claim, method="borrowed")
    assert report.passed
    assert "checked by borrowed" in str(report)


class Scripted:
    """An engine of which the run is open as long as it is at work; its estimates can wait, or not; it may be ended."""

    name = "scripted"

    def __init__(self, waits, error=None):
        self.waits, self.error, self.is_open = waits, error, False

    def estimates(self, problem, plan, execution):
        self.is_open = True
        try:
            for part, can_wait in zip(plan.parts, self.waits, strict=True):
                slopes = Slopes(central=np.ones(part.size), known_to=Bound(0.0, 0.0))
                yield Estimate(part=part, slopes=slopes, noise=0.0, can_wait=can_wait)
            if self.error is not None:
                raise self.error
        finally:
            self.is_open = False
        return Summary(method=self.name, forward_passes=0)


def scripted(waits, error=None):
    problem = pose(cost, THETA, THETA)
    plan = make_plan(problem.layout, problem.theta, "all", None, 0)
    engine = Scripted(waits, error)
    return engine, EngineRun(engine, problem, plan, Execution(progress=False))


@pytest.mark.parametrize(
    ("waits", "lists"),
    [
        ((True, True, True), [3]),
        ((False, False, False), [1, 1, 1]),
        ((True, False, True), [2, 1]),
        ((False, True, True), [1, 2]),
    ],
)
def test_only_estimates_that_can_wait_are_judged_once_the_engine_has_gone_on(waits, lists):
    engine, run = scripted(waits)
    came = []
    with run:
        for estimates in run.together():
            last = estimates[-1]
            assert last.can_wait or engine.is_open
            came.append([estimate.part.block.name for estimate in estimates])
    assert list(map(len, came)) == lists
    assert [name for names in came for name in names] == ["a", "b", "c"]
    assert run.summary.method == "scripted"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BudgetUsedUp("the budget was used up")])
def test_estimates_that_wait_are_not_lost_by_an_interruption(error):
    came, (_, run) = [], scripted((True, True, True), error)
    with pytest.raises(type(error)), run:
        came.extend(map(len, run.together()))
    assert came == [3]


@pytest.mark.parametrize("method", METHODS)
def test_slopes_by_recording_do_not_wait_and_those_by_plain_evaluation_do(method):
    claim = {"a": 6 * THETA["a"], "b": np.array([[5.0]]), "c": 1 - np.tanh(THETA["c"]) ** 2}
    with run_of(method, claim=claim) as run:
        assert {estimate.can_wait for estimate in run} == {method in ("plain", "reference")}
