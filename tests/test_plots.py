"""The public face of the plots: what each draws, and what the errors say."""

import dataclasses
import io
import json
import sys

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fastcheck import FastcheckError, InvalidProblemError, Report, plots
from fastcheck.errors import MissingLibraryError, PictureError
from tests.known_study import KnownStudy
from tests.pictured import pictured_report, with_study
from tests.report.plotting.test_training import REPORT as STAGES


@pytest.fixture
def report():
    slopes = {
        "W1": np.eye(5),
        "b1": np.ones((5, 1)),
        "W2": np.arange(15.0).reshape(3, 5),
        "scale": np.array(2.0),
    }
    claims = pictured_report({name: ((2 if name == "W2" else 1) * s, s) for name, s in slopes.items()})
    return with_study(claims, KnownStudy())


@pytest.fixture
def kept(report):
    return Report.from_dict(json.loads(json.dumps(report.to_dict())))


CALLS = {
    "heat_map": lambda report, **k: plots.heat_map(report, "W2", **k),
    "claimed_against_numerical": lambda report, **k: plots.claimed_against_numerical(report, "W2", **k),
    "error_histogram": lambda report, **k: plots.error_histogram(report, "W2", **k),
    "along_theta": plots.along_theta,
    "error_over_steps": plots.error_over_steps,
    "network": plots.network,
    "training": lambda _, **k: plots.training(STAGES, **k),
}


def test_all_functions_are_tried():
    assert set(CALLS) == set(plots.__all__)


@pytest.mark.parametrize("name", CALLS)
def test_axes_are_new_or_those_that_are_given(name, report):
    ax = CALLS[name](report)
    assert isinstance(ax, Axes)
    ax.figure.savefig(io.BytesIO(), format="png", dpi=40)
    assert ax._repr_png_().startswith(b"\x89PNG")
    given = Figure().add_subplot()
    assert CALLS[name](report, ax=given) is given


@pytest.mark.parametrize("name", CALLS)
def test_without_matplotlib_the_error_says_what_to_install(name, report, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingLibraryError, match=r"Install it with: pip install matplotlib") as caught:
        CALLS[name](report)
    assert isinstance(caught.value, FastcheckError)
    assert isinstance(caught.value, ImportError)
    for whole in (report, STAGES):
        with pytest.raises(MissingLibraryError):
            whole.plot()


BLOCK_CALLS = ["heat_map", "claimed_against_numerical", "error_histogram"]


@pytest.mark.parametrize("name", BLOCK_CALLS)
def test_unknown_blocks_are_answered_with_near_names(name, report):
    with pytest.raises(
        InvalidProblemError, match=r"expected one of W1, b1, W2, scale, got 'scales'.*scale\?"
    ):
        getattr(plots, name)(report, "scales")
    with pytest.raises(InvalidProblemError, match="Pass one of these names"):
        getattr(plots, name)(report, "qqq")


@pytest.mark.parametrize("name", [*BLOCK_CALLS, "network", "error_over_steps"])
def test_reports_that_were_kept_say_what_they_lack(name, kept):
    with pytest.raises(PictureError, match=r"read from JSON or pickled does not hold it, .*: check again"):
        CALLS[name](kept)


@pytest.mark.parametrize("name", ["network", "error_over_steps"])
def test_data_that_has_changed_is_told(name, report):
    with pytest.raises(PictureError, match=r"got none: the data has changed\.$"):
        CALLS[name](with_study(report, KnownStudy(changed=True)))


def test_the_worst_coordinate_with_a_slope_is_studied(report):
    plots.error_over_steps(report)
    assert report.study.asked == ("W2", (2, 4), 14.0)


def test_coordinates_at_kinks_have_no_error_and_are_not_chosen(report):
    blocks = {
        name: dataclasses.replace(block, kinks=int(name != "b1")) for name, block in report.blocks.items()
    }
    at_kinks = dataclasses.replace(report, blocks=blocks)
    plots.error_over_steps(at_kinks)
    assert at_kinks.study.asked[0] == "b1"


def test_where_no_worst_coordinates_are_known_that_of_the_pairs_is_chosen(report):
    blocks = {name: dataclasses.replace(block, worst=()) for name, block in report.blocks.items()}
    plots.error_over_steps(dataclasses.replace(report, blocks=blocks))
    assert report.study.asked == ("W2", (2, 4), 14.0)


@pytest.mark.parametrize(
    ("coordinate", "asked"),
    [
        ("b1[4, 0]", ("b1", (4, 0), 1.0)),
        ("b1[4,0]", ("b1", (4, 0), 1.0)),
        ("scale", ("scale", (), 2.0)),
    ],
)
def test_any_coordinate_whose_slope_is_known_can_be_studied(report, coordinate, asked):
    ax = plots.error_over_steps(report, coordinate)
    assert report.study.asked == asked
    assert ax.get_title().startswith(asked[0])


@pytest.mark.parametrize("coordinate", ["b1[5, 0]", "b1[0]", "W9[0, 0]", "", "b1"])
def test_other_coordinates_are_answered_with_some_that_are_known(report, coordinate):
    with pytest.raises(InvalidProblemError, match=r"whose numerical slope was kept, got .* such as \w+"):
        plots.error_over_steps(report, coordinate)


def test_a_report_without_coordinates_has_no_error_over_steps(report):
    blocks = {n: dataclasses.replace(b, worst=(), checked=0, errors=None) for n, b in report.blocks.items()}
    directions = dataclasses.replace(report, blocks=blocks)
    with pytest.raises(PictureError, match="a coordinate with one numerical slope, got none"):
        plots.error_over_steps(directions)
    with pytest.raises(PictureError, match="along random directions only"):
        plots.heat_map(directions, "W1")
