"""Sorting: exact comparisons, ties as kinks, and the sparse forms kept where no member changes the order."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcheck import check
from fastcheck.engines.difference import trace_directions
from fastcheck.engines.difference.arrays import DifferenceArray
from fastcheck.engines.difference.forms import Form
from fastcheck.engines.difference.kinks import Settling
from fastcheck.engines.difference.ordering import ordered
from fastcheck.engines.difference.state import Trace

CLOSE = st.sampled_from([0.0, 1.0, 1.0 + 2.0**-52, 1.0 + 2.0**-51, -1.0, 2.0])
CHANGES = st.sampled_from([0.0, 2.0**-80, -(2.0**-80), 2.0**-53, -(2.0**-52), 2.0**-52, 1.0, -0.1])


@given(st.lists(st.tuples(CLOSE, CHANGES), min_size=1, max_size=7))
def test_the_order_is_that_of_the_exact_sums(pairs):
    x, change = np.array(pairs).T
    exact = [Fraction(a) + Fraction(b) for a, b in pairs]
    expected = sorted(range(len(pairs)), key=lambda k: exact[k])  # stable, as is the rule
    assert ordered(x, change, 0).tolist() == expected


def traced(function, point, directions):
    return trace_directions(lambda p: function(p[0]), list, [point], [directions])


def test_a_tie_is_a_kink_whatever_the_direction():
    tied = np.array([1.0, 3.0, 1.0, 2.0])
    directions = 2.0**-80 * np.array(
        [[1, 0, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0.0]]
    )
    found = traced(lambda x: np.sort(x) @ np.array([1.0, 10.0, 100.0, 1000.0]), tied, directions)
    np.testing.assert_array_equal(found.kinked, [True, True, True, False, False])
    np.testing.assert_array_equal(found.difference * 2.0**80, [10, -1, 10, 1000, 11])


@pytest.mark.parametrize(
    ("claim", "verdict"), [([1, 10, 100.0], "pass"), ([4, 7, 100.0], "pass"), ([0.5, 10.5, 100.0], "fail")]
)
def test_a_claim_between_the_slopes_at_a_tie_is_right(claim, verdict):
    tied = np.array([1.0, 1.0, 3.0])
    weights = np.array([1.0, 10.0, 100.0])
    report = check(lambda x: np.sum(np.sort(x) * weights), tied, np.array(claim), method="difference")
    assert report.verdict == verdict
    assert report.method == "difference"


def test_where_kinks_are_settled_ties_are_left_open():
    changes = Form(2.0**-160 * np.array([[1, 0, 0.0], [0, 0, 1]]), (3,))
    settling = Settling(2)
    with Trace(2, settling=settling):
        np.sort(DifferenceArray(np.array([1.0, 1.0, 3.0]), changes))
    np.testing.assert_array_equal(settling.loose, [True, False])


def test_infinities_stay_where_they_are():
    x = np.array([np.inf, 1.0, -np.inf, np.inf, 2.0])
    directions = np.array([[0, 0.5, 0, 0, 0], [0, 3.0, 0, 0, 0]])
    found = traced(lambda x: np.sort(x)[1:3] @ np.array([1.0, 10.0]), x, directions)
    np.testing.assert_allclose(found.difference, [0.5, 1.0 + 20.0], rtol=1e-15)


def test_forms_are_kept_and_the_trace_stays_odd_where_no_member_changes_the_order():
    x = np.arange(12.0).reshape(3, 4) ** 2
    coef = np.linspace(-1, 1, 4).reshape(1, 4)
    form = Form(np.full((5, 1, 1), 2.0**-80), (3, 4), {0: 1}, coef)
    with Trace(5) as trace:
        result = np.sort(DifferenceArray(-x, form), axis=1)
        assert trace.odd
        assert not trace.kinked.any()
        np.testing.assert_array_equal(result.form.coef, coef[:, ::-1])
        assert result.form.at == {0: 1}
        assert result.form.data is form.data
        np.sort(DifferenceArray(-x, Form(np.full((5, 1, 1), 40.0), (3, 4), {0: 1}, coef)), axis=1)
        assert not trace.odd
        assert trace.kinked.all()


def test_members_that_change_an_order_that_is_asked_for_are_given_up():
    x = np.array([3.0, 1.0, 2.0])
    directions = np.array([[0.5, 0, 0], [-1.5, 0, 0], [0, 0, 0.0]])
    found = traced(lambda x: x[np.argsort(x)] @ np.array([1.0, 10.0, 100.0]), x, directions)
    np.testing.assert_array_equal(found.unsupported, [False, True, False])
    np.testing.assert_array_equal(found.difference[[0, 2]], [50.0, 0.0])
