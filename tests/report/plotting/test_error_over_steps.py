"""Errors over the step."""

import dataclasses

import numpy as np
from matplotlib.figure import Figure

from fastcheck.report.plotting.error_over_steps import DIFFERENCE, PLAIN, draw_step_curve
from tests.known_study import KnownStudy

CURVE = KnownStudy().step_curve("W", (2, 0), 0.5)


def curves(curve):
    lines = draw_step_curve(Figure().add_subplot(), curve).lines
    return {line.get_label(): line for line in lines}


def test_both_curves_are_drawn_over_the_step():
    lines = curves(CURVE)
    assert np.array_equal(lines[PLAIN].get_xdata(), CURVE.steps)
    heights = lines[PLAIN].get_ydata()
    assert np.array_equal(np.isnan(heights), np.isnan(CURVE.plain))
    assert np.nanmin(heights) == np.nanmin(CURVE.plain)
    assert lines[PLAIN].get_marker() != lines[DIFFERENCE].get_marker()


def test_no_error_is_at_the_lower_end():
    heights = curves(CURVE)[DIFFERENCE].get_ydata()
    assert set(heights[CURVE.difference == 0]) == {1e-17}


def test_a_cost_that_cannot_be_recorded_has_one_curve():
    assert DIFFERENCE not in curves(dataclasses.replace(CURVE, difference=None))


def test_errors_that_are_counted_from_plain_evaluation_are_said_to_be():
    ax = draw_step_curve(Figure().add_subplot(), CURVE, is_plain=True)
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert f"{DIFFERENCE}: the level is the error of ĝ, which comes from plain evaluation here" in words


def test_errors_of_a_slope_of_zero_are_not_called_relative():
    ax = draw_step_curve(Figure().add_subplot(), dataclasses.replace(CURVE, slope=0.0))
    assert ax.get_ylabel() == "|slope − ĝ|"
    assert draw_step_curve(Figure().add_subplot(), CURVE).get_ylabel() == "|slope − ĝ| / |ĝ|"
