"""Claims that are wrong in a part of the block are named by that part, and by what is wrong there."""

import numpy as np
import pytest
from wrong_claims import SLOPES, THETA, edited, explanations, said

from fastcheck.diagnosis.detective.patterns import Hints

W, B, S, K = (SLOPES[name] for name in "WbSK")
ALL = slice(None)


def zero(part):
    return 0 * part


def times(factor):
    return lambda part: factor * part


def plus(number):
    return lambda part: part + number


@pytest.mark.parametrize(
    ("name", "index", "change", "words"),
    [
        ("W", 2, zero, "is zero in row 2"),
        ("W", (ALL, 1), zero, "is zero in column 1"),
        ("W", (ALL, -1), zero, "is zero in the last column"),
        (
            "W",
            slice(0, 2),
            times(2),
            "is 2 times the right gradient in the first 2 rows, and right elsewhere",
        ),
        (
            "W",
            slice(3, 5),
            times(-1),
            "is −1 times the right gradient in the last 2 rows, and right elsewhere",
        ),
        (
            "W",
            slice(1, 4),
            times(1.37),
            "is 1.37 times the right gradient in rows 1 to 3, and right elsewhere",
        ),
        (
            "W",
            slice(0, 5, 2),
            times(2),
            "is 2 times the right gradient in every second row from 0, and right elsewhere",
        ),
        (
            "W",
            ([0, 1, 3], ALL),
            times(2),
            "is 2 times the right gradient in rows 0, 1, 3, and right elsewhere",
        ),
        ("W", (slice(1, 3), slice(2, 4)), zero, "is zero in rows 1 to 2 of the last 2 columns"),
        ("W", (ALL, 2), plus(0.5), "is the right gradient with 1/2 added in column 2"),
        ("b", slice(2, 4), zero, "is zero in the last 2 entries"),
        (
            "K",
            (ALL, ALL, 1),
            times(3),
            "is 3 times the right gradient in slice 1 of axis 2, and right elsewhere",
        ),
        ("S", np.triu_indices(4, 1), zero, "is zero in the triangle above the diagonal"),
        (
            "S",
            np.diag_indices(4),
            times(2),
            "is 2 times the right gradient in the diagonal, and right elsewhere",
        ),
        ("W", (2, 3), times(1.5), "has one wrong entry, [2, 3]: it is 3/2 times what it should be"),
        ("W", (2, 3), times(1.2345), "has one wrong entry, [2, 3]: it is 1.2345 times what it should be"),
        ("W", (0, 0), zero, "has one wrong entry, [0, 0]: it is zero"),
    ],
)
def test_a_part_is_named_with_what_is_wrong_there(name, index, change, words):
    found = explanations({name: edited(SLOPES[name], index, change)})
    assert found[0].sentence == f"d{name} {words}"
    assert found[0].free == (1 if "1.37" in words or "1.2345" in words else 0)


def test_a_border_is_named_by_what_it_leaves():
    claim = 0 * W
    claim[1:-1, 1:-1] = W[1:-1, 1:-1]
    assert said({"W": claim}) == "dW is zero in its border, all but [1:4, 1:3]"


@pytest.mark.parametrize(
    ("kept", "words"),
    [(THETA["W"] > 0, "W is negative"), (THETA["W"] < 0, "W is positive")],
)
def test_a_mask_of_the_parameter_is_named(kept, words):
    assert said({"W": np.where(kept, W, 0)}) == f"dW is zero in the entries where {words}"


def test_a_mask_of_the_cost_is_named():
    mask = np.random.default_rng(3).random(W.shape) < 0.4
    hints = Hints(masks={"D1": mask})
    assert said({"W": np.where(mask, W, 0)}, hints) == "dW is zero in the entries where D1 is false"
    words = "2 times the right gradient in the entries where D1 is true, and right elsewhere"
    assert said({"W": np.where(mask, 2 * W, W)}, hints) == f"dW is {words}"


def test_where_nothing_is_known_of_how_only_the_place_is_told():
    noise = np.random.default_rng(4).standard_normal(5)
    found = explanations({"W": edited(W, (ALL, 1), plus(noise))})
    assert [one.sentence for one in found] == ["dW is wrong in column 1, and right elsewhere"]
    assert found[0].free == found[0].entries == 5


def test_a_place_is_told_only_if_most_entries_are_right():
    noise = np.random.default_rng(4).standard_normal((4, 4))
    assert said({"W": edited(W, slice(0, 4), plus(noise))}) is None


def test_dead_entries_neither_make_a_part_nor_spoil_it():
    dead = edited(W, (2, slice(0, 2)), zero)
    slopes = SLOPES | {"W": dead}
    claim = edited(dead, 2, times(2))
    assert (
        said({"W": claim}, slopes=slopes) == "dW is 2 times the right gradient in row 2, and right elsewhere"
    )
    alive_in_one_row = edited(0 * W, 1, plus(B))
    slopes = SLOPES | {"W": alive_in_one_row}
    assert said({"W": 2 * alive_in_one_row}, slopes=slopes) == "dW is 2 times the right gradient"


def test_a_part_of_each_block_with_the_same_name_is_one_statement():
    found = explanations({"W": edited(W, -1, zero), "V": edited(SLOPES["V"], -1, zero)})
    assert found[0].sentence == "dW and dV are zero in the last row"


def test_what_is_right_elsewhere_is_right_however_large_the_error_is():
    claim = edited(1.001 * W, 2, times(1e9))
    assert not any("elsewhere" in one.sentence for one in explanations({"W": claim}))
    claim = edited(W, 2, times(1e9))
    assert said({"W": claim}).endswith("times the right gradient in row 2, and right elsewhere")
