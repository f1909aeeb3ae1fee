"""What an interpreter shows of a report is one line."""

import dataclasses

import numpy as np
import pytest

from fastcheck import GradientGuard, Stage, StagesReport, check, course, screen
from fastcheck.checks.conventions import check_backprop


@pytest.fixture(scope="module")
def buggy():
    X, Y, parameters = course.gradient_check_n_test_case()
    return check_backprop(course.forward_propagation_n, course.backward_propagation_n_buggy, parameters, X, Y)


def square(w):
    return np.sum(w**2)


def test_a_report_names_what_is_wrong(buggy):
    assert repr(buggy) == "<Report fail: b1, W2 wrong; 47 of 47 parameters checked; difference 0.29>"
    assert (
        repr(buggy.blocks["W2"])
        == "<BlockReport fail: shape 3×5; 4 of 15 coordinates wrong; difference 0.33>"
    )
    assert repr(buggy.blocks["W1"]).startswith("<BlockReport pass: shape 5×4; difference ")


def test_of_a_sample_it_says_how_many_were_checked_and_of_directions_that_there_were_some():
    theta = np.linspace(1, 2, 50)
    sample = check(square, theta, 2 * theta, coordinates=5)
    assert repr(sample).startswith("<Report pass: 5 of 50 parameters checked; difference ")
    assert repr(sample.blocks["theta"]).startswith(
        "<BlockReport pass: shape 50; 5 of 50 coordinates checked; "
    )
    screened = screen(lambda w: float(f"{square(w):.17g}"), theta, 2 * theta, method="plain")
    assert repr(screened).startswith("<Report pass: 50 parameters screened; difference ")
    assert repr(screened.blocks["theta"]).startswith("<BlockReport pass: shape 50; screened; difference ")


def test_of_an_undecided_one_what_is_undecided():
    report = check(lambda w: square(w) + 1e12, np.ones(2), 2 * np.ones(2), method="plain")
    assert repr(report).startswith("<Report inconclusive: theta undecided; 2 of 2 parameters checked; ")
    assert "; 2 undecided; " in repr(report.blocks["theta"])
    nothing = check(square, np.ones(2), 2 * np.ones(2), max_forward_passes=1)
    assert repr(nothing) == "<Report inconclusive: theta undecided; 0 of 2 parameters checked>"


def test_a_number_has_no_shape():
    assert (
        repr(check(lambda x: x * x, 3.0, 6.0).blocks["theta"]) == "<BlockReport pass: a number; difference 0>"
    )


def test_stages_and_guards(buggy):
    right = check(square, np.ones(2), 2 * np.ones(2))
    stages = StagesReport(
        stages=(Stage(step=0, report=right, seconds=0.1), Stage(step=10, report=buggy, seconds=0.1)),
        not_reached=(100,),
    )
    assert repr(stages) == "<StagesReport fail: wrong at step 10; step 100 not reached; 2 stages checked>"
    assert repr(StagesReport(stages=())) == "<StagesReport inconclusive: 0 stages checked>"
    guard = GradientGuard(at=(0,))
    w = np.ones(2)
    guard(0, w, 2 * w, square)
    assert repr(guard) == "<GradientGuard pass: 1 stage checked>"


def test_it_is_one_line_whatever_names_hold(buggy):
    evil = "W\n\x1b[31m" + "x" * 300
    shown = dataclasses.replace(buggy, blocks={evil: buggy.blocks["W2"]}, causes=())
    assert "\n" not in repr(shown)
    assert "\x1b" not in repr(shown)
    assert len(repr(shown)) < 150


def test_what_was_left_out_is_not_hidden():
    theta = {"a": np.ones(2), "b": np.ones(3)}
    report = check(
        lambda p: square(p["a"]) + square(p["b"]),
        theta,
        {k: 2 * v for k, v in theta.items()},
        coordinates=["a[1]"],
    )
    assert repr(report).startswith("<Report pass: 1 of 2 parameters checked; b not looked at; difference ")
