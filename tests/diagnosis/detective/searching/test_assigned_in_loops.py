"""Windows that overlap, whose slopes are assigned in a loop where they should be added up."""

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks

RNG = np.random.default_rng(61)
WEIGHTS = RNG.standard_normal((4, 3, 3))


def windowed(p):
    x, total = p["x"] * p["y"], 0.0
    for i in range(0, 7, 2):
        total = total + np.sum(np.sin(x[:, i : i + 3]) * WEIGHTS[i // 2])
    return total


def of_windowed(p, order, *, adds):
    x, dx = p["x"] * p["y"], np.zeros((3, 9))
    for i in order:
        slope = np.cos(x[:, i : i + 3]) * WEIGHTS[i // 2]
        dx[:, i : i + 3] = dx[:, i : i + 3] * adds + slope
    return {"x": dx * p["y"], "y": dx * p["x"]}


@pytest.mark.parametrize(("words", "order"), [("last", (0, 2, 4, 6)), ("first", (6, 4, 2, 0))])
def test_windows_that_are_assigned_are_named(words, order):
    rng = np.random.default_rng(63)
    p = {"x": rng.standard_normal((3, 9)), "y": rng.standard_normal((3, 9))}
    assert wrong_blocks(windowed, p, of_windowed(p, order, adds=True)) == []
    claim = of_windowed(p, order, adds=False)
    found = assert_named(windowed, p, claim, "assigned in a loop, not added")
    assert f"the {words} slope" in found.sentence
    noise = rng.standard_normal((3, 9))
    assert explanations(windowed, p, {**claim, "y": claim["y"] + noise}) == []
