"""The map of errors: what has which colour, and what is marked."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from fastcheck.report.plotting.heat_map import draw_heat_map
from tests.pictured import pictured_report

RNG = np.random.default_rng(0)
SLOPES = RNG.standard_normal((12, 20))


def drawn(claimed, numerical, looked_at=None, name="W"):
    mask = [] if looked_at is None else [looked_at]
    report = pictured_report({name: (claimed, numerical, *mask)})
    ax = Figure().add_subplot()
    return draw_heat_map(ax, name, report.blocks[name], report.blocks[name].errors)


def colours_of(ax):
    """Return the drawn powers of ten, masked where nothing is drawn."""
    return np.ma.masked_invalid(ax.collections[0].get_array())


def marked_places(ax):
    """Return the (row, column) of the middles of all marked cells."""
    return {(float(y), float(x)) for marks in ax.collections[1:] for x, y in marks.get_offsets()}


def legend_words(ax):
    return [] if ax.get_legend() is None else [text.get_text() for text in ax.get_legend().get_texts()]


def test_one_wrong_row_is_marked_and_bright():
    claimed = SLOPES.copy()
    claimed[7] *= 2
    ax = drawn(claimed, SLOPES)
    assert marked_places(ax) == {(7.5, column + 0.5) for column in range(20)}
    assert legend_words(ax) == ["wrong"]
    assert colours_of(ax)[7].min() > -3
    assert np.delete(colours_of(ax), 7, axis=0).max() == -17


def test_one_wrong_column_is_marked():
    claimed = SLOPES.copy()
    claimed[:, 3] = 0
    assert marked_places(drawn(claimed, SLOPES)) == {(row + 0.5, 3.5) for row in range(12)}


def test_a_transposed_claim_is_right_on_the_diagonal_alone():
    square = RNG.standard_normal((10, 10))
    marked = marked_places(drawn(square.T, square))
    assert marked == {(r + 0.5, c + 0.5) for r in range(10) for c in range(10) if r != c}


def test_exact_claims_have_the_lowest_colour_and_no_legend():
    for slopes in (SLOPES, np.zeros((5, 4)), np.array(2.0), np.zeros(3)):
        ax = drawn(slopes, slopes)
        assert colours_of(ax).min() == colours_of(ax).max() == -17
        assert legend_words(ax) == []


def test_the_first_row_is_at_the_top():
    low, high = drawn(SLOPES, SLOPES).get_ylim()
    assert low > high


@pytest.mark.parametrize("claim", [np.nan, np.inf, -np.inf])
def test_claims_that_are_not_finite_have_the_highest_colour_and_are_marked(claim):
    claimed = np.arange(1.0, 7.0)
    claimed[2] = claim
    ax = drawn(claimed, np.arange(1.0, 7.0))
    assert list(np.ravel(colours_of(ax))) == [-17, -17, 0, -17, -17, -17]
    assert marked_places(ax) == {(0.5, 2.5)}


def test_what_was_not_looked_at_has_no_colour_and_a_word():
    looked_at = np.zeros((12, 20), dtype=bool)
    looked_at[3, 4] = True
    ax = drawn(SLOPES + 1, SLOPES, looked_at)
    assert np.ma.count(colours_of(ax)) == 1
    assert legend_words(ax) == ["wrong", "not looked at"]


def test_large_blocks_are_cells_that_name_their_first_row_and_their_size():
    slopes = RNG.standard_normal((300, 784))
    claimed = slopes.copy()
    claimed[17] *= -1
    ax = drawn(claimed, slopes)
    assert {row for row, _ in marked_places(ax)} == {16.0}  # the middle of the cell of rows 14 to 17
    assert ax.get_xlabel() == "column (cells of 13)"
    assert ax.get_ylabel() == "row (cells of 5)"
    assert [text.get_text() for text in ax.get_yticklabels()][:2] == ["0", "46"]


def test_kernels_of_four_axes_have_the_first_axis_downwards():
    kernel = RNG.standard_normal((8, 3, 2, 2))
    claimed = kernel.copy()
    claimed[2] *= 1.1
    ax = drawn(claimed, kernel)
    assert ax.get_ylabel() == "first index"
    assert ax.get_xlabel() == "the other 3 indices, side by side"
    assert {row for row, _ in marked_places(ax)} == {2.5}


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>: relative error"),
        ("$x_1$", "$x_1$: relative error"),
        ("W\n1", "W\\n1: relative error"),
        ("bug \U0001f41b", "bug \\U0001f41b: relative error"),
        ("x" * 100 + "y" * 100, f"{'x' * 14}…{'y' * 13}: relative error"),
    ],
)
def test_names_are_shown_as_they_are(name, title):
    ax = drawn(SLOPES, SLOPES, name=name)
    assert ax.get_title() == title
    ax.figure.canvas.draw()  # a formula or a missing letter would raise, or warn
