"""Claims beside slopes as these come: what is right does not differ, in whatever order and pieces slopes come."""

import numpy as np
import pytest

from fastcheck.engines.plain import live_comparison as module
from fastcheck.engines.plain.live_comparison import live_comparison
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import pose
from fastcheck.progress.differing import Differing

THETA = {"a": np.linspace(0.5, 1.5, 12).reshape(3, 4), "b": np.linspace(100.0, 200.0, 9)}
SLOPES = np.concatenate([2 * one.ravel() for one in THETA.values()])


def cost(p):
    return sum(float(np.sum(one**2)) for one in p.values())


def compared(claim, *, coordinates="all", sizes=(21,), noise=1e-12, error=0.0):
    problem = pose(cost, THETA, claim)
    plan = make_plan(problem.layout, problem.theta, coordinates, None, seed=0)
    differing = Differing(problem.layout.coordinate_name)
    compare = live_comparison(problem, plan, noise, differing)
    order = np.random.default_rng(1).permutation(plan.coordinates)
    start = 0
    for size in sizes:
        some = np.sort(order[start : start + size])
        compare(some, np.full(some.size, 1e-5), SLOPES[some] + error)
        start += size
    return differing


def claims(dtype=np.float64, **factors):
    return {name: (factors.get(name, 1.0) * 2 * one).astype(dtype) for name, one in THETA.items()}


@pytest.mark.parametrize("apart", [0.0, 60.0])
@pytest.mark.parametrize("sizes", [(21,), (1,) * 21, (5, 5, 5, 6)])
def test_the_pieces_do_not_matter_nor_how_often_somebody_looks(monkeypatch, sizes, apart):
    monkeypatch.setattr(module, "LOOKS_APART", apart)
    right = compared(claims(), sizes=sizes)
    assert (right.number_compared, right.worst) == (21, None)
    wrong = compared(claims(a=1.001), sizes=sizes)
    assert (wrong.number_compared, wrong.worst.number) == (21, 12)
    assert wrong.worst.name == "a[2, 3]"


def test_noise_and_single_precision_are_allowed_for():
    assert compared(claims(), noise=1e-7, error=1e-3).worst is None
    assert compared(claims(), noise=1e-12, error=1e-3).worst.number == 21
    assert compared(claims(np.float32)).worst is None
    assert compared(claims(np.float32, b=1.001)).worst.number == 9


def test_samples_are_compared_with_their_own_claims():
    some = {"a": 5, "b": [(3,), (8,)]}
    assert compared(claims(), coordinates=some, sizes=(7,)).worst is None
    assert compared(claims(b=2.0), coordinates=some, sizes=(3, 4)).worst.number == 2


def test_nothing_is_compared_where_nobody_looks_or_nothing_is_claimed():
    problem = pose(cost, THETA, claims())
    plan = make_plan(problem.layout, problem.theta, "all", None, seed=0)
    assert live_comparison(problem, plan, 1e-12, None) is None
    without = pose(cost, THETA)
    assert live_comparison(without, plan, 1e-12, Differing(str)) is None
