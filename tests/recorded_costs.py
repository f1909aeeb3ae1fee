"""What was recorded of a cost, judged by the cost itself: differences far from θ, and what slopes make of tiny steps.

Exact differences of a recorded cost are those of plain evaluation, however large the step: where that is large,
subtracting two costs is accurate. Over a tiny step the same differences are what slopes make of it.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastcheck import numerical_gradient
from fastcheck.engines.graph.recording.lifting import LiftedCost
from fastcheck.engines.graph.recording.record import record
from fastcheck.engines.graph.recording.session import session_of
from fastcheck.engines.graph.rules.special_functions import learn_scipy
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.problem.parameters import read_parameters

TINY = 2.0**-80
EIGHTH_ORDER = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
learn_scipy()


def blocks_of(parameters):
    """Return the blocks of the parameters, and what builds parameters from such blocks."""
    layout, theta = read_parameters(parameters)
    return [theta[b.start : b.stop].reshape(b.shape) for b in layout.blocks], layout.assemble


def recorded(cost, parameters, **options):
    """Record as the engine does: again with lifted data if a method of a plain array stops it."""
    leaves, assemble = blocks_of(parameters)
    with session_of(cost), np.errstate(all="ignore"):
        try:
            return record(cost, assemble, leaves, 10**9, **options)
        except TracingError:
            return record(LiftedCost(cost), assemble, leaves, 10**9, **options)


def plain_slopes(cost, parameters, step=1e-3):
    """Return the gradient by plain evaluation, to order eight: like the parameters if these are one array or a dict."""
    leaves, assemble = blocks_of(parameters)
    found = [np.zeros(x.shape) for x in leaves]
    for number, slopes in enumerate(found):
        for i in np.ndindex(*slopes.shape):
            for k, weight in enumerate(EIGHTH_ORDER, 1):
                for sign in (1, -1):
                    moved = [np.array(x) for x in leaves]
                    moved[number][i] += sign * k * step
                    slopes[i] += sign * weight * float(cost(assemble(moved))) / step
    if isinstance(parameters, dict):
        return dict(zip(parameters, found, strict=True))
    return found[0] if isinstance(parameters, np.ndarray) else found


def assert_followed(cost, parameters):
    """Assert that a check records the cost, and that its slopes are those of plain evaluation."""
    slopes = numerical_gradient(cost, parameters, method="difference")
    plain = plain_slopes(cost, parameters, 1e-4)
    names = list(plain) if isinstance(plain, dict) else [...]
    for name in names:
        np.testing.assert_allclose(slopes[name], plain[name], rtol=1e-6, atol=1e-7)
    assert any(np.any(slopes[name] != 0) for name in names)


def coordinate_moves(leaves, step):
    """Return moves of every coordinate alone, stacked block by block."""
    size = sum(x.size for x in leaves)
    moves, start = [], 0
    for x in leaves:
        move = np.zeros((size, x.size))
        move[start : start + x.size] = step * np.eye(x.size)
        moves.append(move.reshape(size, *x.shape))
        start += x.size
    return moves, size


def assert_recorded(cost, parameters, steps=(0.3, 1e-2), least=0.0):
    """Assert that what was recorded is the cost, and that its slopes are those of tiny steps.

    ``least`` is the share of large steps along which the cost must go the way that it went at θ.
    """
    leaves, assemble = blocks_of(parameters)
    recording = recorded(cost, parameters)
    with np.errstate(all="ignore"):
        itself = float(cost(assemble([x.copy() for x in leaves])))
        assert recording.value == pytest.approx(itself, rel=1e-12, abs=1e-13)
        confirmed = [_is_the_cost(recording, leaves, lambda x: cost(assemble(x)), step) for step in steps]
        _has_these_slopes(recording, leaves)
    assert np.mean(confirmed) >= least


def _is_the_cost(recording, leaves, cost, step):
    """Assert that exact differences are those of plain evaluation; return along which share of steps they are known."""
    rng = np.random.default_rng(0)
    moves, size = coordinate_moves(leaves, step)
    random = [step * rng.standard_normal((3, *x.shape)) for x in leaves]
    moves = [np.concatenate([m, -m, r]) for m, r in zip(moves, random, strict=True)]
    ends = [x + m for x, m in zip(leaves, moves, strict=True)]
    theta = [x[None] for x in leaves]
    many = 2 * size + 3
    found = recording.flow().differences([e - x for e, x in zip(ends, leaves, strict=True)], many)
    known = 0
    for k in np.flatnonzero(~found.elsewhere & np.isfinite(found.change)):
        try:
            there = float(cost([np.array(e[k]) for e in ends]))
        except (ValueError, FloatingPointError, np.linalg.LinAlgError):
            continue
        if np.isfinite(there):
            rounding = 1e-12 * max(1.0, abs(recording.value), abs(there))
            itself = there - recording.value
            if found.change[k] != pytest.approx(itself, rel=1e-11, abs=rounding):
                at_end = max(abs(_near(cost, ends, k, rng) - there) for _ in range(64))
                at_theta = max(abs(_near(cost, theta, 0, rng) - recording.value) for _ in range(64))
                rounding += 16 * (
                    at_end + at_theta + _rounding_of_difference(recording, leaves, ends, k, rng)
                )
            assert found.change[k] == pytest.approx(itself, rel=1e-11, abs=rounding), (k, step)
            known += 1
    return known / many


def _rounding_of_difference(recording, leaves, ends, k, rng):
    """Return how far an exact difference changes where its roundings fall otherwise.

    That is nothing unless what is zero but for rounding meets an infinite slope: cbrt(log_softmax(x)) of one column.
    """
    moves = [
        np.array([(e[k] - x) * (1 + 2.0**-50 * rng.uniform(-1, 1, x.shape)) for _ in range(64)])
        for e, x in zip(ends, leaves, strict=True)
    ]
    changes = recording.flow().differences(moves, 64).change
    return np.max(changes) - np.min(changes)


def _near(cost, ends, k, rng):
    """Return the cost where roundings fall otherwise; infinite where it is not defined."""
    jittered = [e[k] * (1 + 2.0**-50 * rng.uniform(-1, 1, e[k].shape)) for e in ends]
    return np.nan_to_num(float(cost(jittered)), nan=np.inf)


def _has_these_slopes(recording, leaves):
    """Assert that slopes are what tiny differences are, forwards, wherever these are alike to both sides."""
    slopes, flow = recording.slopes(), recording.flow()
    rng = np.random.default_rng(1)
    if flow.tangents([rng.standard_normal((1, *x.shape)) for x in leaves], 1, TINY).kinked:
        return  # what one backward pass takes there are not the slopes of each coordinate by itself
    moves, size = coordinate_moves(leaves, TINY)
    plus = flow.differences(moves, size).change
    minus = flow.differences([-m for m in moves], size).change
    smooth = np.isfinite(plus) & (np.abs(plus + minus) <= 1e-9 * np.maximum(np.abs(plus), np.abs(minus)))
    flat = np.concatenate([s.ravel() for s in slopes])
    expected = (plus - minus)[smooth] / (2 * TINY)
    np.testing.assert_allclose(
        flat[smooth], expected, rtol=1e-9, atol=1e-11 * np.abs(expected).max(initial=0)
    )
    if not np.isfinite(flat).all():
        return
    rng = np.random.default_rng(0)
    v = [rng.standard_normal((2, *x.shape)) for x in leaves]
    products = np.concatenate([(d * s).reshape(2, -1) for d, s in zip(v, slopes, strict=True)], axis=1)
    scale = max(np.abs(products).sum(axis=1).max(), 1e-300)
    tangents = flow.tangents(v, 2)
    np.testing.assert_allclose(tangents.change, products.sum(axis=1), rtol=0, atol=1e-11 * scale)
    assert tangents.kinked or tangents.disagreement < 1e-10
