"""Pictures of one block, and of all of them together."""

import math
import re

import numpy as np
import pytest

from fastcheck import Report, check
from fastcheck.pictures.block_errors import SHARE_EDGES, Pairs
from fastcheck.pictures.step_curve import StepCurve
from fastcheck.report.page.block_panels import coordinates, panels
from fastcheck.report.page.histograms import draw_histogram
from fastcheck.report.page.scatter_plots import draw_scatter
from fastcheck.report.page.step_plots import draw_steps
from fastcheck.report.page.theta_bar import MOST_SLICES, WIDTH, draw_theta


def pairs(claimed, numerical, standing):
    places = np.arange(len(claimed))
    return Pairs(places, np.array(claimed, float), np.array(numerical, float), np.array(standing, np.int8))


def test_right_claims_lie_on_the_diagonal_and_wrong_ones_beside_it():
    plot = draw_scatter(pairs([1.0, 2.0, -3.0, 4.0], [1.0, 2.0, -3.0, 2.0], [1, 1, 1, 3]))
    right, wrong = plot.points
    assert (right.mark.word, right.count, wrong.mark.word, wrong.count) == ("right", 3, "wrong", 1)
    points = [tuple(map(float, point)) for point in re.findall(r"M([\d.]+) ([\d.]+)h0", right.path)]
    assert all(math.isclose(x, plot.side - y, abs_tol=0.11) for x, y in points)
    (x, y) = map(float, re.match(r"M([\d.]+) ([\d.]+)m", wrong.path).groups())
    assert y < plot.side - x - 10


def test_claims_that_are_not_finite_are_counted_and_not_drawn():
    plot = draw_scatter(pairs([1.0, np.nan, np.inf], [1.0, 2.0, 2.0], [1, 3, 3]))
    assert plot.left_out == 2
    assert sum(group.count for group in plot.points) == 1
    assert draw_scatter(pairs([np.nan], [1.0], [3])) is None


def test_one_wrong_coordinate_among_millions_is_seen():
    shares = np.zeros(len(SHARE_EDGES) + 1, dtype=np.intp)
    shares[0], shares[-1] = 8_000_000, 1
    plot = draw_histogram(shares)
    assert [(bar.label, bar.is_beyond) for bar in plot.bars] == [("8M", False), ("1", True)]
    assert plot.bars[1].height >= 4
    assert plot.sentence == "Of 8,000,001 coordinates 1 is off by more than is allowed."
    assert plot.bars[0].range == "below 10⁻⁶"
    assert plot.bars[1].range == "from 10⁶"


def test_what_is_beyond_the_limit_stands_on_its_right():
    shares = np.ones(len(SHARE_EDGES) + 1, dtype=np.intp)
    plot = draw_histogram(shares)
    assert all((bar.x >= plot.limit) is bar.is_beyond for bar in plot.bars)
    beyond = [bar.range for bar in plot.bars if bar.is_beyond]
    assert beyond[0] == "1 to 10¹"


def curve(plain, difference=None):
    steps = 10.0 ** -np.arange(len(plain))
    difference = None if difference is None else np.array(difference)
    return StepCurve(name="W[0]", slope=2.0, steps=steps, plain=np.array(plain), difference=difference)


def test_curves_are_interrupted_where_the_cost_is_not_finite():
    plot = draw_steps(curve([1e-1, np.nan, 1e-5, 1e-3], [1e-1, 1e-3, 1e-5, 0.0]))
    plain, difference = plot.curves
    assert plain.line.count("M") == 2
    assert difference.line.count("M") == 1
    assert "best at ε = 1e-02, where its relative error is 1.0e-05" in plot.sentence
    assert "at ε = 1e-03 their error is zero" in plot.sentence


def test_a_curve_of_plain_evaluation_alone_says_nothing_of_others():
    plot = draw_steps(curve([1e-1, 1e-3]))
    assert len(plot.curves) == 1
    assert "sent forwards" not in plot.sentence
    assert draw_steps(curve([np.nan, np.nan])) is None


def test_slices_fill_theta_in_order(course_report):
    bar = draw_theta(course_report)
    assert [piece.label for piece in bar.slices] == ["W1", "b1", "W2", "b2", "W3", "b3"]
    assert bar.slices[0].x == 0
    for first, second in zip(bar.slices[:-1], bar.slices[1:], strict=True):
        assert math.isclose(first.x + first.width, second.x, abs_tol=0.11)
    assert math.isclose(bar.slices[-1].x + bar.slices[-1].width, WIDTH, abs_tol=0.11)
    assert bar.slices[2].title == "W2: wrong, 3×5, θ[25:40]"
    assert bar.sentence == "6 blocks, 47 coordinates: 2 wrong, 4 right."
    assert not bar.is_to_scale


def test_the_ends_of_the_bar_are_where_they_are_in_theta():
    parameters = {"first": np.ones(7), "second": np.ones(3)}
    claim = {name: 2 * array for name, array in parameters.items()}
    report = check(
        lambda p: sum(np.sum(a**2) for a in p.values()),
        parameters,
        claim,
        coordinates={"second": "all"},
        progress=False,
    )
    bar = draw_theta(report)
    assert (bar.first, bar.last) == (7, 9)
    kept = draw_theta(Report.from_dict(report.to_dict()))
    assert (kept.first, kept.last) == (None, None)


def test_errors_stand_below_their_block(course_report):
    bar = draw_theta(course_report)
    b1 = bar.slices[1]
    heights = np.full(int(WIDTH), bar.errors_height)
    at, height = 0, 0.0
    for move, y_moved, y_drawn, end in re.findall(r"(?:M(\d+) ([\d.]+)|V([\d.]+))H(\d+)", bar.errors):
        at, height = (int(move), float(y_moved)) if move else (at, float(y_drawn))
        heights[at : int(end)] = height
        at = int(end)
    inside = heights[int(b1.x) + 2 : int(b1.x + b1.width * 0.75)]
    assert inside.max() < 10
    assert heights[: int(b1.x) - 2].min() > 80


def test_many_blocks_are_drawn_together_and_marked_as_the_worst_of_them():
    parameters = {f"W{k}": np.ones(2) for k in range(301)}
    claim = {name: (3.0 if k == 200 else 2.0) * np.ones(2) for k, name in enumerate(parameters)}
    report = check(lambda p: sum(np.sum(a**2) for a in p.values()), parameters, claim, progress=False)
    bar = draw_theta(report)
    assert len(bar.slices) == MOST_SLICES
    marked = [piece for piece in bar.slices if piece.mark.word == "wrong"]
    assert len(marked) == 1
    assert re.fullmatch(r"W\d+ to W\d+: [23] blocks, the worst wrong", marked[0].title)
    shown = panels(report, {name: name for name in parameters})
    assert shown[0].name == "W200"
    assert sum(panel.is_open for panel in shown) == 1


def test_coordinates_are_marked_one_by_one(course_report):
    rows, left_out = coordinates(course_report)
    words = {row.coordinate.name: row.mark.word for row in rows}
    assert words["b1[0, 0]"] == "wrong"
    assert words["W1[0, 1]"] == "right"
    assert "b1[4, 0]" not in words
    assert left_out == 0


@pytest.mark.parametrize("name", ["W", "a" * 100])
def test_marks_of_kept_reports_claim_no_more_than_was_kept(name):
    w = np.array([1.0, 2.0, 3.0])
    claim = 2 * w + np.array([1.0, 1e-11, 0.0])  # the second is within any tolerance, and known to be right
    report = check(lambda p: np.sum(p[name] ** 2), {name: w}, {name: claim}, progress=False)
    rows, _ = coordinates(report)
    kept, _ = coordinates(Report.from_dict(report.to_dict()))
    assert [row.mark.word for row in rows] == ["wrong", "right"]
    assert [row.mark.word for row in kept] == ["wrong", "right"]


def test_errors_that_are_counted_from_plain_evaluation_are_said_to_be():
    known = curve([1e-1, 1e-9, 1e-3], [1e-1, 1e-9, 2e-10])
    sentence = draw_steps(known, is_plain=True).sentence
    assert "comes nearest to ĝ at ε = 1e-01, where its relative error is 1.0e-09" in sentence
    assert (
        "differ from ĝ by 2.0e-10 at ε = 1e-02: the level is the error of ĝ, which comes from plain"
        in sentence
    )
    assert "the error of ĝ" not in draw_steps(known).sentence


def test_undecided_coordinates_are_not_hidden_among_those_within():
    shares = np.zeros(len(SHARE_EDGES) + 1, dtype=np.intp)
    shares[[2, 9]] = 7, 1
    assert draw_histogram(shares).sentence == "Of 8 coordinates 1 is off by more than is allowed."
    assert draw_histogram(shares, 3).sentence == (
        "Of 8 coordinates 1 is off by more than is allowed; 3 of the others are undecided, and may be, too."
    )


def test_claims_that_were_chosen_are_said_to_be():
    pairs = Pairs(np.arange(3), np.ones(3), np.ones(3), np.ones(3, np.int8))
    assert draw_scatter(pairs, 3).sentence.startswith("3 claims against numerical slopes: 3 right. ")
    some = "3 claims against numerical slopes, of 5,000 those with the largest errors and others evenly: 3 right. "
    assert draw_scatter(pairs, 5_000).sentence.startswith(some)
