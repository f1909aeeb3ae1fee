"""The page of what plain evaluation costs beside the textbook's loop: costs, gradients, counts."""

import numpy as np
import pytest

from benchmarks.plain_overhead import (
    Row,
    measured,
    of_about,
    page,
    plainly,
    regression,
    styles,
    textbook_loop,
)
from fastcheck import Verdict

CASES = [*styles()[:4], *styles()[5:6], of_about(5, 1), regression(5, 32)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_the_gradients_of_the_benchmark_are_right_and_wrong_ones_are_not(case):
    assert plainly(case).passed
    assert textbook_loop(case) < 1e-6
    first = next(iter(case.gradients))
    case.gradients[first] = case.gradients[first] * 1.001
    assert plainly(case).blocks[first].verdict is Verdict.FAIL
    assert textbook_loop(case) > 1e-6


def test_a_row_says_what_was_counted():
    row = measured(of_about(3, 1))
    assert row.size == 3
    assert 0 < row.beyond <= 22
    assert min(row.bare, row.loop, row.check) > 0
    assert np.isclose(row.passes * (row.bare + row.overhead), row.check)


def test_the_page_has_a_line_for_each_row():
    row = Row(title="some cost", size=50, bare=1e-5, loop=1e-3, check=2e-3, ratio=0.5, passes=102)
    text = page([row], [row, row])
    assert text.count("| some cost | 50 | 10.0 µs | 1.00 ms | 2.00 ms | 0.50 | 2 | 9.6 µs |") == 3
