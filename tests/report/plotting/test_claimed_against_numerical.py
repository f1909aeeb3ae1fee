"""Claims against numerical slopes."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from fastcheck.report.plotting.claimed_against_numerical import draw_pairs
from tests.pictured import pictured_report

SLOPES = np.random.default_rng(0).standard_normal((6, 7))


def drawn(claimed, numerical):
    report = pictured_report({"W": (claimed, numerical)})
    ax = Figure().add_subplot()
    return draw_pairs(ax, "W", report.blocks["W"], report.blocks["W"].errors)


def points(ax, word):
    """Return the points (numerical, claimed) of a standing."""
    found = [marks for marks in ax.collections if marks.get_label() == word]
    return np.concatenate([np.asarray(marks.get_offsets()) for marks in found]) if found else np.zeros((0, 2))


def test_points_are_numerical_and_claimed_slopes():
    claimed = SLOPES.copy()
    claimed[2] *= 3
    ax = drawn(claimed, SLOPES)
    right, wrong = points(ax, "right"), points(ax, "wrong")
    assert sorted(wrong[:, 0]) == sorted(SLOPES[2])
    assert np.array_equal(wrong[:, 1], 3 * wrong[:, 0])
    assert len(right) == SLOPES.size - 7
    assert np.array_equal(right[:, 0], right[:, 1])
    assert (
        len({tuple(marks.get_paths()[0].vertices.ravel()) for marks in ax.collections}) == 2
    )  # markers differ


def test_both_axes_have_the_same_ends_and_hold_all_points():
    ax = drawn(5 * SLOPES, SLOPES)
    low, high = ax.get_xlim()
    assert ax.get_ylim() == (low, high)
    assert low < 5 * SLOPES.min() < 5 * SLOPES.max() < high


@pytest.mark.parametrize(
    "slopes", [np.zeros((3, 2)), np.array(2.0), np.full(4, 1e300), np.full(4, 1e308), np.full(4, 1e-320)]
)
def test_ends_are_apart_whatever_the_slopes_are(slopes):
    ax = drawn(slopes, slopes)
    low, high = ax.get_xlim()
    assert np.isfinite([low, high]).all()
    assert low < high
    ax.figure.canvas.draw()


def test_claims_that_are_not_finite_are_counted():
    claimed = SLOPES.copy()
    claimed[0, 0], claimed[1, 1] = np.nan, np.inf
    ax = drawn(claimed, SLOPES)
    assert ax.get_legend().get_title().get_text() == "not drawn: 2 not finite or above 1e+300"
    assert len(points(ax, "right")) == SLOPES.size - 2


def test_a_part_of_a_large_block_is_called_that():
    slopes = np.random.default_rng(0).standard_normal((100, 100))
    words = drawn(slopes, slopes).get_legend().get_title().get_text()
    amount, of, rest = words.split(" ", 2)
    assert 0 < int(amount) <= 600
    assert (of, rest) == ("of", "10,000 coordinates")


def test_all_of_a_small_block_needs_no_words():
    assert drawn(SLOPES, SLOPES).get_legend().get_title().get_text() == ""
