"""Multilayer perceptrons are recognised in people's own functions, and nothing else is."""

import pytest
from perceptron_styles import NEAR_MISSES, STYLES

from fastcheck.engines.mlp.recognition import recognise
from fastcheck.problem import pose


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_all(style):
    problem = pose(style.cost, style.parameters)
    r = recognise(problem)
    assert r is not None
    assert tuple(h.name for h in r.hidden) == style.hidden
    assert r.loss.kind == style.loss
    assert r.l2 == pytest.approx(style.l2, rel=1e-9, abs=1e-300)
    print(r.loss, r.l2, [h.constants for h in r.hidden])


@pytest.mark.parametrize("style", NEAR_MISSES, ids=str)
def test_none(style):
    assert recognise(pose(style.cost, style.parameters)) is None
