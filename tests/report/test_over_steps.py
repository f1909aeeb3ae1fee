"""In which coordinate errors over the step are shown, and of which costs unasked."""

import dataclasses

import numpy as np

from fastcheck.pictures.network import Network, Step
from fastcheck.report.over_steps import is_affordable, known_slopes, telling_slope
from tests.pictured import pictured_report

SLOPES = np.array([1.0, -8.0, 0.0])


def test_costs_that_are_large_are_not_evaluated_for_a_picture():
    small = Step(line=None, operations=("matmul",), shape=(10, 10), runs=1, blocks=(), inputs=())
    assert is_affordable(Network(steps=(small,)), 1_000)
    assert is_affordable(None, 1_000)
    assert not is_affordable(None, 8_000_000)
    loop = Step(line=None, operations=("add",), shape=(), runs=100_000, blocks=(), inputs=())
    assert not is_affordable(Network(steps=(loop,)), 1_000)


def test_of_a_wrong_gradient_the_largest_error_is_chosen_and_of_a_right_one_the_steepest_slope():
    wrong = pictured_report({"w": ([1.5, -8.0, 0.0], SLOPES)})
    assert telling_slope(wrong) == ("w", (0,), 1.0, 0.5)
    right = pictured_report({"w": (SLOPES, SLOPES), "b": (SLOPES / 2, SLOPES / 2)})
    assert telling_slope(right) == ("w", (1,), -8.0, 0.0)


def test_a_claim_that_is_no_number_has_the_largest_error():
    report = pictured_report({"w": ([np.nan, -7.0, 0.0], SLOPES)})
    assert telling_slope(report)[:3] == ("w", (0,), 1.0)


def test_a_slope_of_zero_is_chosen_only_without_another_and_none_at_kinks():
    report = pictured_report({"w": ([1.0, -8.0, 9.0], SLOPES)})
    assert telling_slope(report).slope != 0
    flat = pictured_report({"w": ([0.0, 1.0], [0.0, 0.0])})
    assert telling_slope(flat) == ("w", (1,), 0.0, 1.0)
    blocks = {"w": dataclasses.replace(flat.blocks["w"], kinks=1)}
    at_kinks = dataclasses.replace(flat, blocks=blocks)
    assert telling_slope(at_kinks) is None
    assert {known.at for known in known_slopes(at_kinks)} == {(0,), (1,)}
