"""Slopes of a recorded cost are those of difference propagation, coordinate by coordinate, in every style."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.special
from hypothesis import given, note, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "difference"))

import test_coverage as coverage
import test_functions as functions
import test_styles as styles
from network_styles import STYLES, Shapes
from random_aliasing import ALIASING
from random_programs import random_parameters, random_program
from random_statements import STATEMENTS
from writes_in_place import COSTS

from fastcheck.engines.difference import TracingError, sweep
from fastcheck.engines.difference.lifting import LiftedCost
from fastcheck.engines.difference.session import session_of
from fastcheck.engines.graph.recording import record, register_libraries
from fastcheck.parameters import read_parameters

STEP = 2.0**-80
register_libraries(scipy.special is not None)


def swept_as(build, leaves, leaf):
    return lambda cost: sweep(cost, build, leaves, leaf, np.arange(leaves[leaf].size), STEP)


def compare(cost, parameters, most_unknown=1.0):
    """Assert that slopes agree wherever difference propagation knows them; return whether the cost was recorded."""
    layout, theta = read_parameters(parameters)
    leaves = [theta[b.start : b.stop].reshape(b.shape) for b in layout.blocks]
    with session_of(cost), np.errstate(all="ignore"):
        try:
            recording = or_lifted(cost, lambda cost: record(cost, layout.assemble, leaves, 10**9))
        except TracingError:
            return False
        found = recording.slopes()
        expected, known = [], []
        for leaf in range(len(leaves)):
            swept = or_lifted(cost, swept_as(layout.assemble, leaves, leaf))
            expected.append((swept.plus - swept.minus) / (2 * STEP))
            known.append(~(swept.kinked | swept.unsupported))
    scale = max((np.abs(e[k]).max(initial=0) for e, k in zip(expected, known, strict=True)), default=0)
    for e, k, f in zip(expected, known, found, strict=True):
        np.testing.assert_allclose(f.ravel()[k], e[k], rtol=1e-9, atol=1e-11 * scale)
    with np.errstate(all="ignore"):
        itself = float(cost(layout.assemble([x.copy() for x in leaves])))
    assert recording.value == pytest.approx(itself, rel=1e-12, abs=1e-13)
    compare_forwards(recording, found, leaves, lambda moved: cost(layout.assemble(moved)))
    return True


def compare_forwards(recording, slopes, leaves, cost):
    """Assert that changes sent forwards, of any size, are those of the slopes and of the cost itself."""
    if not all(np.isfinite(s).all() for s in slopes):
        return
    rng = np.random.default_rng(0)
    v = [rng.standard_normal((2, *x.shape)) for x in leaves]
    with np.errstate(all="ignore"):
        expected = sum((d * s).reshape(2, -1).sum(1) for d, s in zip(v, slopes, strict=True))
        size = max(sum(float(np.abs(d * s).sum()) for d, s in zip(v, slopes, strict=True)), 1e-300)
        flow = recording.flow()
        tangents = flow.tangents(v, 2)
        np.testing.assert_allclose(tangents.change, expected, rtol=0, atol=1e-11 * size)
        if not tangents.kinked:
            assert tangents.disagreement < 1e-10
            near = flow.differences([STEP * d for d in v], 2)
            assert not near.elsewhere.any()
            np.testing.assert_allclose(near.change / STEP, expected, rtol=0, atol=1e-9 * size)
        for step in (0.1, 1e-3):
            moved = [x + step * d[0] for x, d in zip(leaves, v, strict=True)]
            large = flow.differences([(m - x)[None] for m, x in zip(moved, leaves, strict=True)], 1)
            if large.elsewhere[0] or not np.isfinite(large.change[0]):
                continue
            try:
                itself = float(cost([m.copy() for m in moved]))
            except (ValueError, FloatingPointError, np.linalg.LinAlgError):
                continue
            if np.isfinite(itself):
                rounding = 1e-9 * max(abs(recording.value), abs(itself))
                assert large.change[0] == pytest.approx(itself - recording.value, rel=1e-6, abs=rounding)


def or_lifted(cost, run):
    """Run as the engine does: again with lifted data if a method of a plain array stops it."""
    try:
        return run(cost)
    except TracingError:
        return run(LiftedCost(cost))


@pytest.mark.parametrize(("cost", "parameters"), styles.CASES, ids=lambda c: getattr(c, "__name__", ""))
def test_costs_as_people_write_them(cost, parameters):
    assert compare(cost, parameters)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
@pytest.mark.parametrize("seed", [1, 2])
def test_networks_in_many_styles(style, seed):
    assert compare(*style(Shapes(seed)))


@pytest.mark.parametrize("name", coverage.FUNCTIONS)
def test_every_function(name):
    assert compare(coverage.cost_of(coverage.FUNCTIONS[name]), [coverage.POINT])


@pytest.mark.parametrize("name", [*functions.FUNCTIONS_OF_ONE])
def test_every_function_of_one(name):
    cost = coverage.cost_of(functions.FUNCTIONS_OF_ONE[name])
    assert compare(cost, [functions.C - 1.17])


@pytest.mark.parametrize("name", functions.FUNCTIONS_OF_A_POSITIVE)
def test_every_function_of_a_positive(name):
    assert compare(coverage.cost_of(functions.FUNCTIONS_OF_A_POSITIVE[name]), [functions.C])


@pytest.mark.parametrize(("cost", "x"), COSTS, ids=lambda c: getattr(c, "__name__", ""))
def test_writes_in_place(cost, x):
    assert compare(cost, x)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 7))
def test_random_programs(seed, length):
    rng = random.Random(seed)
    program, _ = random_program(rng, STATEMENTS, length, random_parameters(rng))
    note(str(program))
    compare(program.cost(), program.parameters)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(2, 8))
def test_random_writes_through_views(seed, length):
    rng = random.Random(seed)
    program, _ = random_program(rng, ALIASING, length, random_parameters(rng))
    note(str(program))
    compare(program.cost(), program.parameters)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 9), aliasing=st.booleans())
def test_many_random_programs(seed, length, aliasing):
    rng = random.Random(seed)
    program, _ = random_program(rng, ALIASING if aliasing else STATEMENTS, length, random_parameters(rng))
    note(str(program))
    compare(program.cost(), program.parameters)


def test_writes_into_arrays_that_lie_in_memory_in_an_order_of_their_own():
    """NumPy lays ``b[:, indices]`` out with the axis of ``b`` last."""
    weights = np.cos(np.arange(12.0)).reshape(3, 1, 4)

    def cost(p):
        v = p["b"][:, np.array([[-1, 0, -3, 1]])]
        np.add.at(v, [-3], p["c"])
        v[1] *= 2.0
        return np.sum(np.sin(v) * weights)

    rng = np.random.default_rng(0)
    assert compare(cost, {"b": rng.standard_normal((3, 3)), "c": rng.standard_normal((1, 4))})


def thorough(cost, parameters):
    """J and the slopes where all plain arrays that the cost loads are followed."""
    layout, theta = read_parameters(parameters)
    leaves = [theta[b.start : b.stop].reshape(b.shape) for b in layout.blocks]
    with session_of(cost) as session, np.errstate(all="ignore"):
        session.look_closer()
        recording = record(LiftedCost(cost), layout.assemble, leaves, 10**9, thorough=True)
        return recording.value, recording.slopes()


def compare_with_thorough(cost, parameters):
    """Assert that recording thoroughly gives the value of the cost, and the slopes of the usual recording."""
    layout, theta = read_parameters(parameters)
    leaves = [theta[b.start : b.stop].reshape(b.shape) for b in layout.blocks]
    with session_of(cost), np.errstate(all="ignore"):
        try:
            expected = record(cost, layout.assemble, leaves, 10**9).slopes()
        except TracingError:
            expected = None
    value, slopes = thorough(cost, parameters)
    with np.errstate(all="ignore"):
        itself = float(cost(layout.assemble([x.copy() for x in leaves])))
    np.testing.assert_allclose(value, itself, rtol=1e-12, atol=1e-13)
    for found, usual in zip(slopes, slopes if expected is None else expected, strict=True):
        np.testing.assert_allclose(found, usual, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
def test_plain_arrays_that_are_followed_change_nothing_in_networks(style):
    compare_with_thorough(*style(Shapes(3)))


@pytest.mark.parametrize("seed", range(30))
def test_plain_arrays_that_are_followed_change_nothing_in_random_programs(seed):
    rng = random.Random(seed)
    program, _ = random_program(
        rng, ALIASING if seed % 2 else STATEMENTS, 1 + seed % 8, random_parameters(rng)
    )
    compare_with_thorough(program.cost(), program.parameters)


def test_a_loop_that_ends_by_what_it_computed():
    """J is used once more, by the comparison that ends the loop."""

    def cost(p):
        x = np.sum(p["w"] ** 2)
        while x > 1:
            x = x / 2
        return x

    assert compare(cost, {"w": np.array([1.5, -2.0, 0.5])})
