"""Every function of NumPy in many spellings: what is recorded is the cost, kinks crossed, and slopes are its own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy_expressions import (
    OF_A_STACK,
    OF_FOUR_ROWS,
    OF_POSITIVE_NUMBERS,
    OF_THREE_ROWS,
    OF_TWO,
    POINT,
    PROGRAMS,
    C,
    cost_of,
    weighed,
)
from recorded_costs import assert_recorded

RNG = np.random.default_rng(1)
CASES = (
    [(e, "x", [POINT]) for e in OF_FOUR_ROWS]
    + [(e, "x", [C - 1.17]) for e in OF_THREE_ROWS]
    + [(e, "x", [C]) for e in OF_POSITIVE_NUMBERS]
    + [(e, "x, y", list(RNG.standard_normal((2, 3, 4)))) for e in OF_TWO]
    + [(e, "x", [RNG.standard_normal((2, 3, 2))]) for e in OF_A_STACK]
)


@pytest.mark.parametrize(("expression", "names", "values"), CASES, ids=lambda x: x if type(x) is str else "")
def test_every_expression(expression, names, values):
    assert_recorded(cost_of(expression, names), values, least=0.4)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_every_program(program):
    assert_recorded(lambda p: weighed(program(p[0])), [POINT], least=0.4)
