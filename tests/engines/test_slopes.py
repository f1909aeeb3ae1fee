"""Slopes with an interval and a bound."""

import numpy as np
import pytest

from fastcheck.engines import Bound, Slopes

CENTRAL = np.array([1.0, -2.0, 0.5])
SMOOTH = Slopes(central=CENTRAL, known_to=Bound(0.1, 0.01))
AT_KINKS = Slopes(
    central=CENTRAL,
    known_to=Bound(0.0, np.array([0.1, 0.2, 0.3])),
    interval=(np.array([1.0, -3.0, 0.7]), np.array([1.0, -1.0, 0.9])),
    truncation=np.array([0.0, 0.0, 4.0]),
    subtracted=np.array([True, False, True]),
)


def test_without_kinks_the_interval_is_the_central_slope():
    assert SMOOTH.lower is SMOOTH.upper is SMOOTH.best is CENTRAL
    assert SMOOTH.kinks == 0
    assert SMOOTH.bound == pytest.approx([0.11, 0.21, 0.06])
    assert SMOOTH.outside(np.array([1.5, -2.0, 0.0])) == pytest.approx([0.5, 0.0, 0.5])
    assert SMOOTH.nearest(np.array([1.5, -2.0, 0.0])) is CENTRAL
    assert SMOOTH.subtracted_rows.size == 0


def test_at_a_kink_claims_within_the_interval_are_inside():
    claimed = np.array([2.0, -1.5, 0.0])
    assert AT_KINKS.kinks == 2
    assert AT_KINKS.outside(claimed) == pytest.approx([1.0, -0.5, 0.7])
    assert AT_KINKS.nearest(claimed) == pytest.approx([1.0, -1.5, 0.7])


def test_the_best_slope_leaves_out_what_a_step_did_beyond_the_interval():
    assert AT_KINKS.best == pytest.approx([1.0, -2.0, 0.7])


def test_a_relative_bound_follows_the_end_that_is_farther_from_zero():
    slopes = Slopes(central=CENTRAL, known_to=Bound(0.1, 0.0), interval=AT_KINKS.interval)
    assert slopes.bound == pytest.approx([0.1, 0.3, 0.09])


@pytest.mark.parametrize("slopes", [SMOOTH, AT_KINKS])
@pytest.mark.parametrize("rows", [slice(1, 3), np.array([2, 0])])
def test_some_coordinates_have_what_they_had_among_all(slopes, rows):
    some = slopes.at(rows)
    for name in ("central", "lower", "upper", "bound", "best"):
        assert getattr(some, name) == pytest.approx(getattr(slopes, name)[rows])
    assert np.array_equal(
        np.broadcast_to(slopes.subtracted, 3)[rows], np.broadcast_to(some.subtracted, some.size)
    )
    if slopes.truncation is not None:
        assert some.truncation == pytest.approx(slopes.truncation[rows])


def test_slopes_of_different_coordinates_are_joined_in_a_given_order():
    joined = Slopes.joined([SMOOTH, AT_KINKS], np.array([5, 0, 4]))
    assert joined.central == pytest.approx([0.5, 1.0, -2.0])
    assert joined.lower == pytest.approx([0.7, 1.0, -3.0])
    assert joined.bound == pytest.approx([0.3, 0.11, 0.2])
    assert joined.truncation == pytest.approx([4.0, 0.0, 0.0])
    assert joined.subtracted.tolist() == [True, False, False]
    smooth = Slopes.joined([SMOOTH, SMOOTH], np.arange(6))
    assert smooth.interval is smooth.truncation is None
