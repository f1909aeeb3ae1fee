"""Difference and verdict over a training."""

import dataclasses

import numpy as np
from matplotlib.figure import Figure

from fastcheck import Stage, StagesReport, Verdict
from fastcheck.report.plotting.legends import VERDICT_MARKERS
from fastcheck.report.plotting.training import draw_training
from tests.pictured import pictured_report


def stage(step, factor, difference, verdict=None):
    report = pictured_report({"w": (factor * np.ones(3), np.ones(3))}, verdict, difference=difference)
    return Stage(step=step, report=report, seconds=0.1)


REPORT = StagesReport(
    stages=(
        stage(0, 1, 1e-16),
        stage(10, 1, np.nan, Verdict.INCONCLUSIVE),
        stage(100, 2, 0.3),
        stage(200, 1, 0.0),
    ),
    not_reached=(1000,),
)


def drawn(report):
    return draw_training(Figure().add_subplot(), report)


def test_each_stage_is_a_marker_of_its_verdict_at_its_difference():
    ax = drawn(REPORT)
    points = {marks.get_label(): np.asarray(marks.get_offsets()).tolist() for marks in ax.collections}
    assert points == {
        "gradient right": [[0, 1e-16], [3, 1e-17]],
        "gradient wrong": [[2, 0.3]],
        "gradient undecided": [[1, 1.0]],
    }
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "10", "100", "200", "1,000"]
    assert len(set(VERDICT_MARKERS.values())) == 3


def test_steps_that_were_not_reached_are_said_to_be():
    words = [text.get_text() for text in drawn(REPORT).get_legend().get_texts()]
    assert words[-1] == "not reached"
    everything = dataclasses.replace(REPORT, not_reached=())
    assert "not reached" not in [text.get_text() for text in drawn(everything).get_legend().get_texts()]


def test_no_stages_are_empty_axes():
    ax = drawn(StagesReport(stages=()))
    assert len(ax.collections) == 0
    ax.figure.canvas.draw()


def test_many_stages_have_few_ticks():
    report = StagesReport(stages=tuple(stage(k, 1, 1e-16) for k in range(100)))
    assert len(drawn(report).get_xticks()) <= 12
