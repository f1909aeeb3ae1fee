"""GradientGuard, in training loops as different people write them."""

import gc
import pickle
import random
import sys
import warnings
import weakref

import numpy as np
import pytest
from training_loops import Network, X, Y, backward, forward, initialize, steps_of, update

from fastcheck import GradientGuard, GradientMismatchError, InvalidProblemError, Report, Verdict, check
from fastcheck.problem.parameters import read_parameters
from fastcheck.training.gradient_guard import (
    AFFORDABLE_PARAMETERS,
    MOST_CONSECUTIVE_STEPS,
    SAMPLED_COORDINATES,
    affordable_coordinates,
)
from fastcheck.training.stage_steps import DEFAULT_STEPS


def test_dropout_with_masks_held_fixed_and_a_guard():
    rng = np.random.default_rng(8)
    parameters = initialize()
    guard = GradientGuard(at=(0, 7, 12))
    for step in range(15):
        masks = (rng.random((5, 40)) < 0.8) / 0.8
        _, cache = forward(X, Y, parameters, masks)
        gradients = backward(X, Y, cache)
        guard(step, parameters, gradients, lambda p, masks=masks: forward(X, Y, p, masks)[0])
        parameters = update(parameters, gradients)
    assert steps_of(guard.report) == [0, 7, 12]
    assert guard.report.passed


def test_a_guard_and_an_object():
    network, other = Network(), Network()
    guard = GradientGuard(every=6)
    for step in range(14):
        network.loss()
        network.backprop()
        gradients = {"W": network.dW.copy(), "v": network.dv.copy()}
        guard(step, {"W": network.W, "v": network.v}, gradients, network.loss, network)
        network.train_step()
        other.train_step()
    assert steps_of(guard.report) == [0, 6, 12]
    assert guard.report.passed
    assert np.array_equal(network.W, other.W)


def test_an_interruption_of_a_check_that_reports_what_it_knows_ends_the_training(tmp_path):
    w, calls = np.array([1.0, -3.0]), []

    def cost(w):
        calls.append(1)
        if len(calls) == 15:
            raise KeyboardInterrupt
        return float(f"{np.sum(w**2):.17g}")

    guard = GradientGuard(at=[0, 1], method="plain", log=tmp_path / "run.jsonl")
    with pytest.raises(KeyboardInterrupt):
        guard(0, w, 2 * w, cost)
    assert guard.report.stages[0].report.stopped == "it was interrupted"
    assert len(calls) == 15


def run_guarded(guard, steps, factor=2.0):
    w = np.array([1.0, -3.0])
    for step in steps:
        guard(step, w, factor * w, lambda w: np.sum(w**2))
        w *= 0.99
    return guard.report


def test_a_guard_keeps_no_cost_batch_or_parameters_alive():
    class Batch:
        X = np.arange(3.0)

    guard, batches = GradientGuard(every=2), []
    w = np.ones(3)
    for step in range(0, 8, 2):
        batch = Batch()
        batches.append(weakref.ref(batch))
        guard(step, w, 2 * w * batch.X**2, lambda w, batch=batch: np.sum((w * batch.X) ** 2))
    del batch
    gc.collect()
    assert guard.report.passed
    assert [one() for one in batches] == [None] * 4


def test_the_guard_checks_at_the_chosen_steps_only():
    calls = 0

    def cost(w):
        nonlocal calls
        calls += 1
        return np.sum(w**2)

    w = np.array([1.0, -3.0])
    guard = GradientGuard(at=(2, 4))
    counts = []
    for step in range(6):
        guard(step, w, 2 * w, cost)
        counts.append(calls)
    assert counts[1] == 0
    assert counts[2] == counts[3] > 0
    assert counts[4] == counts[5] > counts[3]
    assert steps_of(guard.report) == [2, 4]
    assert guard.report.passed
    assert guard.report.not_reached == ()


def test_the_default_stages():
    assert steps_of(run_guarded(GradientGuard(), range(12))) == [0, 10]
    assert DEFAULT_STEPS == (0, 10, 100, 1000)


def test_a_step_that_is_seen_twice_is_checked_once():
    epochs = [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert steps_of(run_guarded(GradientGuard(every=2), epochs)) == [0, 2]
    assert steps_of(run_guarded(GradientGuard(at=(0, 2)), np.array(epochs + epochs))) == [0, 2, 0, 2]


def test_other_steps_cost_nothing():
    for guard in (GradientGuard(), GradientGuard(every=1000)):
        called = []
        sys.setprofile(lambda frame, event, arg, called=called: called.append(event))
        guard(5, None, None, None)
        sys.setprofile(None)
        assert called.count("call") == 1  # the guard itself, and no function of Python's besides
        assert len(called) <= 6
        assert not guard.report.stages


def test_a_wrong_gradient_ends_the_training():
    guard = GradientGuard(at=(1, 3))
    with pytest.raises(GradientMismatchError) as caught:
        run_guarded(guard, range(5), factor=2.1)
    text = str(caught.value)
    assert text.startswith(
        "GradientGuard: the gradient check did not pass at step 1. (Is the guard called after"
    )
    assert str(guard.report.stages[0].report) in text
    assert guard.report.verdict is Verdict.FAIL
    assert steps_of(guard.report) == [1]


def test_or_is_a_warning():
    guard = GradientGuard(at=(1, 3), on_failure="warn")
    with pytest.warns(UserWarning, match="did not pass at step") as caught:
        run_guarded(guard, [0, 1, 1, 2, 3, 3, 4], factor=2.1)
    assert [str(w.message).split("step ")[1][0] for w in caught] == ["1", "3"]
    assert {w.filename for w in caught} == {__file__}
    assert steps_of(guard.report) == [1, 3]


def test_what_could_not_be_decided_is_a_warning():
    w = np.array([1.0, -3.0])
    guard = GradientGuard(method="plain")
    with pytest.warns(UserWarning, match="did not pass at step 0"):
        guard(0, w, 2 * w, lambda w: np.sum(w**2) + 1e12)
    assert guard.report.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("arguments", "warned"),
    [
        ({"every": 1}, True),
        ({"at": range(MOST_CONSECUTIVE_STEPS + 1)}, True),
        ({"at": range(5, MOST_CONSECUTIVE_STEPS + 6)}, True),
        ({"at": range(MOST_CONSECUTIVE_STEPS)}, False),
        ({"at": range(0, 100, 2)}, False),
        ({"every": 2}, False),
        ({}, False),
    ],
)
def test_a_guard_that_checks_at_every_step_warns_once(arguments, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        guard = GradientGuard(**arguments)
        run_guarded(guard, range(7))
    assert len(caught) == warned
    if warned:
        assert "GradientGuard checks at every step" in str(caught[0].message)
        assert caught[0].filename == __file__


def test_training_is_not_disturbed():
    """Bit for bit, with batches and noise drawn from the global generators."""

    def train(guard):
        np.random.seed(11)  # noqa: NPY002
        random.seed(11)
        parameters = initialize()
        for step in range(12):
            columns = np.random.permutation(40)[: random.randint(8, 16)]  # noqa: NPY002
            x, y = X[:, columns], Y[:, columns]
            _, cache = forward(x, y, parameters)
            gradients = backward(x, y, cache)
            kept = pickle.dumps((parameters, gradients))
            guard(step, parameters, gradients, lambda p, x=x, y=y: forward(x, y, p)[0])
            assert pickle.dumps((parameters, gradients)) == kept
            parameters = {
                name: value - 0.1 * gradients["d" + name] + 0.01 * np.random.standard_normal(value.shape)  # noqa: NPY002
                for name, value in parameters.items()
            }
        return pickle.dumps(parameters)

    guard = GradientGuard(at=(0, 3, 11), coordinates=1)
    assert train(guard) == train(lambda *arguments: None)
    assert steps_of(guard.report) == [0, 3, 11]


def test_options_are_those_of_check_and_each_step_draws_another_sample():
    rng = np.random.default_rng(4)
    w = rng.standard_normal(500)
    looked_at = []

    def cost(w):
        return np.sum(w**2)

    guard = GradientGuard(
        at=(0, 1),
        coordinates=20,
        seed=5,
        method="plain",
        progress=lambda done, total: looked_at.append(total),
    )
    for step in (0, 1):
        guard(step, w, 2 * w, cost)
    reports = [stage.report for stage in guard.report.stages]
    assert [report.seed for report in reports] == [5, 6]
    assert [report.checked for report in reports] == [20, 20]
    assert {report.method for report in reports} == {"plain"}
    assert looked_at
    by_hand = check(cost, w, 2 * w, coordinates=20, seed=6, method="plain")
    assert by_hand.blocks["theta"].worst == reports[1].blocks["theta"].worst
    assert reports[0].blocks["theta"].worst != reports[1].blocks["theta"].worst


def test_large_problems_are_sampled_unless_told_otherwise():
    small = {"W": np.zeros((99, 100)), "b": np.zeros(100)}
    assert sum(v.size for v in small.values()) == AFFORDABLE_PARAMETERS
    assert affordable_coordinates(read_parameters(small)[0]) == "all"
    large = {"W": np.zeros((100, 100)), "b": np.zeros(10), "v": np.zeros(300), "u": np.zeros(2)}
    share = SAMPLED_COORDINATES // 4
    assert affordable_coordinates(read_parameters(large)[0]) == {"W": share, "b": 10, "v": share, "u": 2}
    w = np.linspace(-1, 1, AFFORDABLE_PARAMETERS + 1)

    def by_hand(w):
        return float(np.frombuffer(w.tobytes()) @ w)

    for cost, options, count in (
        (by_hand, {}, SAMPLED_COORDINATES),
        (by_hand, {"coordinates": {"theta": 3}}, 3),
        (lambda w: np.sum(w**2), {"method": "difference"}, SAMPLED_COORDINATES),
        (lambda w: np.sum(w**2), {}, w.size),
    ):
        guard = GradientGuard(**options)
        guard(0, w, 2 * w, cost)
        assert isinstance(guard.report.stages[0].report, Report)
        assert guard.report.stages[0].report.checked == count


def test_all_coordinates_are_checked_where_that_costs_next_to_nothing():
    w = np.linspace(-1, 1, AFFORDABLE_PARAMETERS + 1)
    gradient = 2 * w
    gradient[4321] *= 1.001
    guard = GradientGuard(on_failure="warn")
    with pytest.warns(UserWarning, match="theta\\[4321\\]"):
        guard(0, w, gradient, lambda w: np.sum(w**2))
    report = guard.report.stages[0].report
    assert (report.method, report.blocks["theta"].wrong) == ("difference", 1)
    assert report.forward_passes < 60


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"at": (0, 5), "every": 5}, "GradientGuard: give either at or every, not both."),
        ({"every": 0}, "every: expected a whole number from 1, got 0."),
        ({"every": 10.0}, "every: expected a whole number from 1, got 10.0."),
        ({"every": True}, "every: expected a whole number from 1, got True."),
        ({"on_failure": "ignore"}, "on_failure: expected 'raise' or 'warn', got 'ignore'."),
        ({"seed": -1}, "seed: expected a non-negative whole number, got -1."),
        (
            {"tolerence": 1e-5},
            "GradientGuard: unknown option 'tolerence'. The options are epsilon, tolerance, ",
        ),
    ],
)
def test_bad_guards(arguments, message):
    with pytest.raises(InvalidProblemError) as caught:
        GradientGuard(**arguments)
    assert str(caught.value).startswith(message)


def test_errors_of_the_check_pass_through_and_the_step_can_be_tried_again():
    w = np.array([1.0, -3.0])
    guard = GradientGuard()
    with pytest.raises(InvalidProblemError, match="shape"):
        guard(0, w, np.ones(3), lambda w: np.sum(w**2))
    assert guard.report.stages == ()
    guard(0, w, 2 * w, lambda w: np.sum(w**2))
    assert guard.report.passed


@pytest.mark.parametrize("budget", [{"max_forward_passes": 500}, {"time_budget": 5.0}])
def test_a_guard_may_have_a_budget(budget):
    report = run_guarded(GradientGuard(at=(0, 3), **budget), range(5))
    assert report.passed
    assert [stage.report.stopped for stage in report.stages] == [None, None]


def test_empty_blocks_are_no_obstacle():
    parameters = {"W": np.ones((200, 60)), "none": np.zeros((0, 3))}
    for method, count in (("auto", 12_000), ("difference", SAMPLED_COORDINATES // 2)):
        guard = GradientGuard(at=(0,), method=method)
        guard(
            0, parameters, {"W": 2 * parameters["W"], "none": np.zeros((0, 3))}, lambda p: np.sum(p["W"] ** 2)
        )
        assert guard.report.passed
        assert guard.report.stages[0].report.blocks["W"].checked == count
