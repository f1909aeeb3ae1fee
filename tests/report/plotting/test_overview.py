"""The pictures of a report as one figure."""

import dataclasses
import io
import json

import numpy as np
import pytest

from fastcheck import Report, StagesReport, Verdict, check_backprop, course
from tests.known_study import KnownStudy
from tests.pictured import pictured_report, with_study
from tests.report.plotting.test_training import REPORT as STAGES


def report_of_a_network(wrong=("W2",)):
    slopes = {
        "W1": np.eye(5),
        "b1": np.ones((5, 1)),
        "W2": np.arange(15.0).reshape(3, 5),
        "b2": np.ones((3, 1)),
    }
    return pictured_report({name: ((2 if name in wrong else 1) * s, s) for name, s in slopes.items()})


def axes_titles(figure):
    return [ax.get_title() for ax in figure.axes if ax.get_title()]


def words_of(figure):
    """Return all texts that belong to the figure and its parts, besides axes."""
    parts = [figure, *figure.subfigs]
    return " ".join(text.get_text() for part in parts for text in part.texts)


def test_everything_that_is_known_is_drawn():
    figure = with_study(report_of_a_network(), KnownStudy()).plot()
    assert axes_titles(figure) == [
        "Errors along θ",
        "The cost line by line: values go down, gradients up",
        "relative error",
        "claimed and numerical",
        "errors against the bound",
        "W2[2, 4]: error over the step",
    ]
    assert "FAIL the gradient is wrong in W2" in words_of(figure)
    assert "W2  3×5, 14 of 15 wrong" in words_of(figure)
    assert "Not drawn" not in words_of(figure)


def test_a_check_of_the_courses_network_is_drawn_with_all_that_it_knows():
    X, Y, parameters = course.gradient_check_n_test_case()
    forward, backward = course.forward_propagation_n, course.backward_propagation_n_buggy
    figure = check_backprop(forward, backward, parameters, X, Y, progress=False).plot()
    assert "FAIL dW2 is 2 times the right gradient" in words_of(figure)
    assert "W2  3×5, 4 of 15 wrong" in words_of(figure)
    assert axes_titles(figure).count("relative error") == 2
    assert axes_titles(figure)[-1] == "b1[0, 0]: error over the step"
    cost = next(ax for ax in figure.axes if ax.get_title().startswith("The cost line by line"))
    lines = [text.get_text() for text in cost.texts]
    assert "Z, D = np.dot(W, A_previous) + b, None  (3×3)" in lines
    assert {"W1", "b1", "W2", "b2", "W3", "b3"} < set(lines)


def test_what_is_not_there_is_told():
    kept = Report.from_dict(json.loads(json.dumps(report_of_a_network().to_dict())))
    figure = kept.plot()
    assert axes_titles(figure) == ["Errors along θ"]
    assert "Not drawn: the lines of the cost and errors over ε: the report does not know its cost" in (
        words_of(figure).replace("\n", " ")
    )
    changed = with_study(report_of_a_network(), KnownStudy(changed=True)).plot()
    assert words_of(changed).replace("\n", " ").count("got none: the data has changed.") == 2


def test_of_many_wrong_blocks_some_are_drawn_and_the_others_named():
    figure = report_of_a_network(wrong=("W1", "b1", "W2", "b2")).plot()
    assert axes_titles(figure).count("relative error") == 3
    assert "the errors of b2: fastcheck.plots.heat_map(report, block)" in words_of(figure).replace("\n", " ")


def test_of_a_right_gradient_the_largest_error_is_drawn():
    figure = report_of_a_network(wrong=()).plot()
    assert "PASS the gradient is right" in words_of(figure)
    assert axes_titles(figure).count("relative error") == 1


def test_a_block_that_is_wrong_along_directions_alone_is_said_to_be():
    report = report_of_a_network(wrong=())
    blocks = dict(report.blocks)
    blocks["W1"] = dataclasses.replace(blocks["W1"], verdict=Verdict.FAIL)
    figure = dataclasses.replace(report, verdict=Verdict.FAIL, blocks=blocks).plot()
    assert "W1  5×5, wrong, but in no coordinate that was compared" in words_of(figure)


def test_of_a_large_network_errors_over_the_step_are_left_to_those_who_ask(monkeypatch):
    monkeypatch.setattr("fastcheck.report.over_steps.LONGEST", 0.0)
    study = KnownStudy()
    figure = with_study(report_of_a_network(), study).plot()
    assert study.asked is None
    assert "fastcheck.plots.error_over_steps(report)" in words_of(figure)


def test_figures_are_unknown_to_pyplot_and_settings_stay():
    import matplotlib as mpl
    from matplotlib import pyplot

    before, figures = dict(mpl.rcParams), pyplot.get_fignums()
    figure = with_study(report_of_a_network(), KnownStudy()).plot()
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    STAGES.plot()
    assert dict(mpl.rcParams) == before
    assert pyplot.get_fignums() == figures


@pytest.mark.parametrize("style", ["dark_background", "ggplot"])
def test_style_sheets_are_followed(style):
    from matplotlib import pyplot

    with pyplot.style.context(style):
        figure = with_study(report_of_a_network(), KnownStudy()).plot()
        expected = pyplot.rcParams["figure.facecolor"]
        assert figure.get_facecolor() == pytest.approx(__import__("matplotlib").colors.to_rgba(expected))
        figure.savefig(io.BytesIO(), format="png", dpi=40)


def test_notebooks_get_an_image():
    for figure in (STAGES.plot(), StagesReport(stages=()).plot()):
        assert figure._repr_png_().startswith(b"\x89PNG")


def test_names_that_hold_anything_are_drawn():
    slopes = np.ones((2, 2))
    names = ["<script>", "$\\frac{1}{", "new\nline", "bug \U0001f41b", "名前", "x" * 200, "", "_under"]
    report = pictured_report(dict.fromkeys(names, (2 * slopes, slopes)))
    dataclasses.replace(report, notes=("$",)).plot().savefig(io.BytesIO(), format="png", dpi=40)
