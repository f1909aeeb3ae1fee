"""Nodes of decompositions and of linear functions: backwards, forwards and exactly."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.fft
import scipy.sparse

from fastcheck.engines.graph.nodes.eigen import coincide, eigen_node, singular_node
from fastcheck.engines.graph.nodes.linear_maps import Correlation, LinearMap
from fastcheck.engines.graph.nodes.node import Leaf
from fastcheck.engines.graph.recording.methods import equip
from fastcheck.engines.graph.rules import fourier
from fastcheck.engines.graph.rules.linear_functions import sparse_matmul
from fastcheck.engines.graph.tracing.recorded import Recorded
from fastcheck.engines.graph.tracing.tape import Tape

equip()

RNG = np.random.default_rng(3)
A = RNG.standard_normal((3, 3))
SYMMETRIC = A + A.T + np.diag([1.0, 4.0, 9.0])
WIDE = RNG.standard_normal((2, 4))
SIZES = [1e-28, 1e-14, 1e-9, 1e-6, 1e-4, 1e-2, 1.0]


def thin(x):
    return np.linalg.svd(x, full_matrices=False)


def eigen():
    value, make = eigen_node(SYMMETRIC, np.linalg.eigh)
    return make(value, (Leaf(SYMMETRIC),))


def singular(x):
    value, make = singular_node(x, thin)
    return make(value, (Leaf(x),))


def correlation():
    x, y = RNG.standard_normal((4, 5)), RNG.standard_normal((2, 3))
    from scipy.signal import correlate

    return Correlation(correlate(x, y, "valid"), (Leaf(x), Leaf(y)))


def direction(node, symmetric=False):
    moves = [RNG.standard_normal((3, *np.shape(x.value))) for x in node.operands]
    return [move + move.swapaxes(-1, -2) for move in moves] if symmetric else moves


NODES = {
    "eigen": eigen,
    "singular": lambda: singular(WIDE),
    "singular tall": lambda: singular(WIDE.T),
    "singular square": lambda: singular(SYMMETRIC),
    "correlation": correlation,
}


@pytest.mark.parametrize("name", NODES)
def test_slopes_backwards_are_tangents_forwards(name):
    node = NODES[name]()
    moves = direction(node, name == "eigen")
    slope = RNG.standard_normal(node.value.shape)
    back = node.backward(slope)
    forwards = np.sum(node.tangent(moves, 3) * slope, axis=tuple(range(1, slope.ndim + 1)))
    expected = sum(
        np.sum(m * s, axis=tuple(range(1, m.ndim))) for m, s in zip(moves, back, strict=True) if s is not None
    )
    np.testing.assert_allclose(forwards, expected, rtol=1e-12)


@pytest.mark.parametrize("name", NODES)
def test_tiny_differences_are_tangents(name):
    node = NODES[name]()
    moves = [1e-20 * move for move in direction(node, name == "eigen")]
    np.testing.assert_allclose(node.difference(moves, 3), node.tangent(moves, 3), rtol=1e-11, atol=1e-33)


@pytest.mark.parametrize("name", NODES)
def test_large_differences_are_those_of_plain_evaluation(name):
    node = NODES[name]()
    moves = [3e-3 * move for move in direction(node, name == "eigen")]
    found = node.difference(moves, 3)
    for k in range(3):
        ends = [x.value + move[k] for x, move in zip(node.operands, moves, strict=True)]
        if name == "correlation":
            from scipy.signal import correlate

            there = correlate(*ends, "valid")
        else:
            there = node.compute(*ends)
        np.testing.assert_allclose(found[k], there - node.value, rtol=0, atol=2e-14)


@pytest.mark.parametrize("size", SIZES)
def test_differences_of_eigenvalues_and_vectors_do_not_cancel(size):
    node = eigen()
    move = RNG.standard_normal((3, 3)) * size
    move = move + move.T
    with mpmath.workdps(60):
        matrix, change = (mpmath.matrix(x.tolist()) for x in (SYMMETRIC, move))
        exact = []
        for x in (matrix, matrix + change):
            values, vectors = mpmath.eigsy(x)
            order = sorted(range(3), key=lambda k: values[k])
            columns = [vectors[:, k] for k in order]
            for column, like in zip(columns, node.basis.T, strict=True):
                sign = 1 if mpmath.fdot(column, like.tolist()) > 0 else -1
                column *= sign
            rows = [[values[k] for k in order]]
            rows += [
                [column[i] * s for column, s in zip(columns, signs(columns, node), strict=True)]
                for i in range(3)
            ]
            exact.append(mpmath.matrix(rows))
        difference = np.array((exact[1] - exact[0]).tolist(), dtype=float)
    found = node.difference([move[None]], 1)[0]
    if size == 1.0:  # far away, vectors may have the other sign
        found, difference = found[0], difference[0]
    np.testing.assert_allclose(found, difference, rtol=0, atol=3e-12 * np.max(np.abs(difference)))


def signs(columns, node):
    return [
        1 if mpmath.fdot(column, like.tolist()) > 0 else -1
        for column, like in zip(columns, node.basis.T, strict=True)
    ]


@pytest.mark.parametrize("size", SIZES)
def test_differences_of_singular_values_do_not_cancel(size):
    node, move = singular(WIDE), RNG.standard_normal((2, 4)) * size
    with mpmath.workdps(60):
        matrix, change = (mpmath.matrix(x.tolist()) for x in (WIDE, move))
        ends = [mpmath.svd_r(x, compute_uv=False) for x in (matrix, matrix + change)]
        difference = np.array([float(y - x) for x, y in zip(*ends, strict=True)])
    found = node.difference([move[None]], 1)[0][0]
    np.testing.assert_allclose(found, difference, rtol=0, atol=1e-12 * np.max(np.abs(difference)))


def test_a_node_that_does_not_move_does_not_change():
    assert not eigen().difference([None], 2).any()
    node = correlation()
    assert not node.difference([None, None], 2).any()
    assert not LinearMap(np.ones(2), Leaf(np.ones(2)), lambda x: x, lambda x: x).tangent([None], 2).any()


def recorded_map(make, x):
    with Tape(10**9) as tape:
        make(Recorded(x, tape.add(Leaf(x))))
        return [node for node in tape.nodes if isinstance(node, LinearMap)]


MAPS = {
    "fft": lambda x: fourier.fft(x, 7, 0, "ortho"),
    "ifft": lambda x: fourier.ifft(x, 3, 1, "forward"),
    "rfft even": lambda x: fourier.rfft(x, 4),
    "rfft odd": lambda x: fourier.rfft(x, 5, 0, "forward"),
    "irfft even": lambda x: fourier.irfft(x, 6),
    "irfft odd": lambda x: fourier.irfft(x, 7, 0, "ortho"),
    "irfft cut": lambda x: fourier.irfft(x, 4),
    "dct": lambda x: fourier.cosine("dct")(x, 2, axis=0),
    "sparse": lambda x: sparse_matmul(scipy.sparse.random_array((5, 4), density=0.5, rng=1), x),
    "sparse behind": lambda x: sparse_matmul(x, scipy.sparse.random_array((6, 5), density=0.5, rng=1)),
}


@pytest.mark.parametrize("name", MAPS)
def test_adjoints_are_adjoints(name):
    for node in recorded_map(MAPS[name], RNG.standard_normal((4, 6))):
        moves = RNG.standard_normal((3, *node.operands[0].value.shape))
        slope = RNG.standard_normal(node.value.shape)
        (back,) = node.backward(slope)
        axes = tuple(range(1, moves.ndim))
        forwards = np.sum(node.tangent([moves], 3) * slope, axis=tuple(range(1, slope.ndim + 1)))
        np.testing.assert_allclose(forwards, np.sum(moves * back, axis=axes), rtol=1e-12, atol=1e-13)


def test_eigenvalues_that_coincide_are_seen():
    assert coincide(np.array([1.0, 1.0 + 1e-11, 3.0]), whole=True)
    assert not coincide(np.array([-3.0, 3.0]), whole=True)
    assert coincide(np.array([3.0, 1.0, 1e-12]), whole=False)
    assert not coincide(np.array([3.0, 1.0, 0.5]), whole=False)
