"""Of a block of which a sample passed, no colour and no word says that it is right."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from fastcheck import Stage, StagesReport, check
from fastcheck.course.drawing.verdicts import legend_of, look_of
from fastcheck.report.plotting.along_theta import draw_along_theta
from fastcheck.report.plotting.network import draw_network
from fastcheck.report.plotting.training import draw_training

SAMPLE = "no mistake in the sample"


@pytest.fixture(scope="module")
def report():
    parameters = {"W": np.linspace(1, 2, 60).reshape(20, 3), "b": np.ones(3)}
    claim = {name: 2 * value for name, value in parameters.items()}
    cost = lambda p: np.sum(p["W"] ** 2) + np.sum(p["b"] ** 2)  # noqa: E731
    return check(cost, parameters, claim, coordinates={"W": 10, "b": "all"})


def legend_words(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_legend_says_that_it_is_a_sample(report):
    ax = draw_along_theta(Figure().add_subplot(), report)
    assert f"block right or {SAMPLE}" in legend_words(ax)
    ax = draw_network(Figure().add_subplot(), report, report.study.network())
    assert f"block right or {SAMPLE}" in legend_words(ax)


def test_diagrams_of_the_course_say_it_too(report):
    assert look_of("W", report).word == SAMPLE
    assert look_of("b", report).word == "right"
    assert [patch.get_label() for patch in legend_of(["W"], report)] == [f"gradient {SAMPLE}"]


def test_the_title_of_its_pictures_says_so(report):
    one = check(lambda w: np.sum(w**2), np.arange(50.0), 2 * np.arange(50.0), coordinates=10)
    titles = [figure.get_suptitle() for figure in one.plot().subfigs]
    assert any(title.endswith(SAMPLE) for title in titles)


def test_a_training_of_which_samples_passed_is_not_called_right(report):
    stages = StagesReport(stages=(Stage(step=0, report=report, seconds=0.1),))
    assert "no mistake in what was checked" in legend_words(draw_training(Figure().add_subplot(), stages))
    assert str(stages).startswith("PASS  no mistake in what was checked at step 0\n")
