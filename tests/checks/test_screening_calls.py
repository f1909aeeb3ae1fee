"""What screening reports, takes and leaves alone."""

import contextlib
import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
from scenarios import relu_network
from slow import first_of
from softmax_network import network

from fastcheck import EvaluationError, FastcheckError, InvalidProblemError, Report, Verdict, check, screen

LARGE = (784, 300, 10)


def test_check_screens_when_it_is_asked_to():
    cost, parameters, gradients = network()
    report = check(cost, parameters, gradients, coordinates="screen", seed=3)
    same = screen(cost, parameters, gradients, seed=3)
    assert dataclasses.replace(report, seconds=0.0) == dataclasses.replace(same, seconds=0.0)
    wrong = check(cost, parameters, lambda p: {k: 2 * v for k, v in gradients.items()}, coordinates="screen")
    assert wrong.verdict is Verdict.FAIL


def test_the_text_where_all_coordinates_are_compared():
    cost, parameters, gradients = network()
    report = screen(cost, parameters, gradients)
    begins = "PASS  the gradient is right\nall 1,606 parameters checked by difference propagation"
    assert str(report).startswith(f"{begins}, certified to ")
    text = report.to_text(verbose=True)
    assert text.startswith(f"{begins}\ncertified: every slope")
    assert "in each block" not in text
    assert "holds with 99.9 % confidence" in text
    zeroed = gradients | {"W1": gradients["W1"].copy()}
    zeroed["W1"][0, 0] = 0
    text = str(screen(cost, parameters, zeroed))
    assert "coordinate " in text
    assert "W1[0, 0] " in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_report_survives_json():
    cost, parameters, gradients = network()
    report = screen(cost, parameters, gradients)
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_results_repeat_with_the_seed():
    cost, parameters, gradients = network()
    one, same, other = (screen(cost, parameters, gradients, seed=seed).blocks for seed in (1, 1, 2))
    assert dict(one) == dict(same)
    assert one["W1"].screened != other["W1"].screened


def test_structures():
    report = screen(lambda w: np.sum(w**3), np.arange(1.0, 4.0), 3 * np.arange(1.0, 4.0) ** 2)
    assert report.passed
    p = {"gamma": 0.5, "none": np.empty((0, 3)), "row": np.ones((1, 40)), "cube": np.ones((2, 3, 4))}
    gradients = {
        "gamma": 1.0,
        "none": np.empty((0, 3)),
        "row": 2 * np.ones((1, 40)),
        "cube": np.ones((2, 3, 4)),
    }

    def cost(p):
        return p["gamma"] ** 2 + np.sum(p["row"] ** 2) + np.sum(p["cube"])

    assert list(screen(cost, p, gradients).blocks) == ["gamma", "row", "cube"]
    assert screen(cost, p, gradients).passed
    for name in ("gamma", "row", "cube"):
        wrong = gradients | {name: 1.1 * gradients[name]}
        assert screen(cost, p, wrong).blocks[name].verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"directions": 0}, "directions: expected a whole number of at least 1, got 0"),
        ({"directions": 2.0}, "directions: expected a whole number of at least 1, got 2.0"),
        ({"directions": True}, "directions: expected a whole number"),
        ({"confidence": 1.5}, "confidence: expected a probability between 0 and 1, such as 0.999, got 1.5"),
        ({"confidence": 0}, "confidence: expected a probability"),
        ({"tolerance": 0}, "tolerance: expected"),
        ({"epsilon": -1.0}, "epsilon: expected a positive finite step"),
        ({"seed": -1}, "seed: expected a non-negative whole number"),
        ({"alpha": 0}, "alpha: expected the probability of a wrong certificate, above 0 and at most 0.01"),
        ({"alpha": 0.5}, "alpha: expected the probability of a wrong certificate"),
        (
            {"method": "exact"},
            "method: expected one of 'auto', 'difference', 'plain', 'reference', 'complex-step', got 'exact'",
        ),
        ({"max_memory": 0}, "max_memory: expected a whole number of at least 1, got 0"),
        ({"n_jobs": 0}, "n_jobs: expected"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InvalidProblemError, match=message):
        screen(*network(), **options)


def test_bad_problems():
    cost, parameters, gradients = network()
    with pytest.raises(InvalidProblemError, match="gradients: expected the claimed gradient"):
        screen(cost, parameters, None)
    with pytest.raises(InvalidProblemError, match="missing gradient block"):
        screen(cost, parameters, {"W1": gradients["W1"]})
    with pytest.raises(EvaluationError, match="expected a finite number"):
        screen(lambda p: math.nan, parameters, gradients)


@pytest.mark.parametrize("calls", first_of([2, 4, 3, 5, 6], 2))
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("method", ["difference", "plain"])
def test_interruptions_leave_everything_as_it_was(method, error, calls):
    cost, parameters, gradients = network()
    before = {name: value.copy() for name, value in parameters.items()}
    history, done = [], itertools.count(1)

    def interrupted(p):
        history.append(p["b3"] * 1.0)
        if next(done) >= calls:
            raise error
        return cost(p)

    # Beside θ an exception of the cost is taken for a border of its domain.
    ended = pytest.raises(error) if error is KeyboardInterrupt else contextlib.suppress(error, FastcheckError)
    with ended:
        screen(interrupted, parameters, gradients, method=method)
    assert all(np.array_equal(parameters[name], before[name]) for name in before)
    assert all(type(value) is np.ndarray for value in history)


def test_progress_reaches_the_end():
    cost, parameters, gradients = network()
    seen = []
    screen(cost, parameters, gradients, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (1606, 1606)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_memory_stays_within_the_limit():
    import tracemalloc

    cost, parameters, gradients = network(LARGE)
    screen(cost, parameters, gradients)
    limit = 24 * 2**20
    tracemalloc.start()
    report = screen(cost, parameters, gradients, max_memory=limit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.passed
    assert peak < limit + 8 * 8 * report.size  # and the copies of θ and the claim


@pytest.mark.slow
def test_eight_million_parameters_are_compared_by_default():
    """Beyond the caller's arrays: the copies of θ and of the claim are counted."""
    import tracemalloc

    cost, parameters, gradients = network((3072, 2048, 1024, 10), 64)
    tracemalloc.start()
    report = screen(cost, parameters, gradients)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (report.verdict, report.method, report.checked) == (Verdict.PASS, "difference", report.size)
    assert peak <= 20 * 8 * report.size


def test_networks_of_several_shapes():
    for sizes in ((3, 1), (5, 4, 1), (30, 2, 40, 1)):
        cost, parameters, gradients = relu_network(sizes, 7, seed=2, lambd=0.1)
        assert screen(cost, parameters, gradients).passed
