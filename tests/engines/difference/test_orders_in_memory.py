"""Functions that ask how entries lie in memory: orders "A" and "K", and what decides about them."""

import numpy as np
import pytest
from scipy import special

from fastcheck import check, locate, numerical_gradient, screen
from fastcheck.engines.difference import TracingError
from fastcheck.engines.difference.session import session_of
from fastcheck.engines.difference.trace import trace

W = np.random.default_rng(0).standard_normal((4, 5))
B = np.asfortranarray(np.random.default_rng(1).standard_normal((5, 4)))
V = np.random.default_rng(2).standard_normal(20)

READING = {
    "reshape A of columns": lambda w: np.asfortranarray(w).reshape(-1, order="A"),
    "reshape A of rows": lambda w: w.reshape(-1, order="A"),
    "reshape A of a transposed array": lambda w: np.reshape(w.T, -1, order="A"),
    "reshape F": lambda w: w.reshape((10, 2), order="F"),
    "reshape to a copy": lambda w: np.reshape(w, (10, 2), copy=True),
    "ravel A": lambda w: np.asfortranarray(w).ravel(order="A"),
    "ravel K": lambda w: np.ravel(w.T, order="K"),
    "ravel K of three axes": lambda w: (w.reshape(2, 2, 5).transpose(2, 0, 1) + 0.0).ravel("K"),
    "flatten A": lambda w: w.T.flatten("A"),
    "flatten K": lambda w: w.T.flatten(order="K"),
    "flatten F": lambda w: w.flatten("F"),
    "copy A": lambda w: w.T.copy(order="A").ravel("K"),
    "copy F": lambda w: w.copy("F").ravel("K"),
    "np.copy": lambda w: np.copy(w.T).ravel("K"),
    "array F": lambda w: np.array(w, order="F").ravel("K"),
    "array F of rows": lambda w: np.array([w[0], w[1], w[2], w[3]], order="F").ravel("K"),
    "asarray F": lambda w: np.asarray(w, order="F").ravel("A"),
    "asarray F by position": lambda w: np.asarray(w, None, "F").ravel("A"),
    "asanyarray F": lambda w: np.asanyarray(w, order="F").ravel("A"),
    "ascontiguousarray": lambda w: np.ascontiguousarray(w.T).ravel("K"),
    "require F": lambda w: np.require(w, requirements="F").ravel("A"),
    "astype F": lambda w: w.astype(float, order="F").ravel("K"),
    "astype K": lambda w: w.T.astype(float).ravel("K"),
    "astype C": lambda w: w.T.astype(float, order="C").ravel("K"),
    "zeros_like": lambda w: (np.zeros_like(w.T) + w.T).ravel("K"),
    "full F": lambda w: np.full((2, 10), w[0, 1], order="F").ravel("K") + w.ravel(),
    "after arithmetic": lambda w: np.tanh(np.asfortranarray(w) * 2).ravel("A"),
}


@pytest.mark.parametrize("name", READING)
def test_entries_come_in_the_order_of_memory(name):
    def cost(w):
        return np.sum(V * READING[name](w).reshape(-1))

    expected = numerical_gradient(cost, W, method="plain")
    for method in ("difference", "graph"):
        found = numerical_gradient(cost, W, method=method)
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)


def test_order_k_is_followed_where_entries_do_not_lie_close():
    def cost(w):
        return np.sum(V[:8] * w[:, ::2][:, :2].ravel("K"))

    right = numerical_gradient(cost, W, method="plain")
    report = check(cost, W, right)
    assert (report.passed, report.method) == (True, "graph")
    assert not check(cost, W, right.T.reshape(4, 5)).passed
    with pytest.raises(TracingError, match="order='K'"):
        check(cost, W, right, method="difference")


def test_a_reshaped_copy_may_be_written_into():
    def cost(w):
        x = w * 1.0
        y = np.reshape(x, -1, copy=True)
        y[:] = 0.0
        return np.sum(x**2) + np.sum(y)

    assert check(cost, W, 2 * W, method="difference").passed


OPERATIONS = {
    "sum": lambda w: w.T + 1,
    "rows and columns": lambda w: np.asfortranarray(w) * W,
    "columns and rows": lambda w: np.asfortranarray(W) * w,
    "broadcast": lambda w: w.T[:, :, None] + np.ones((1, 1, 3)),
    "exp": lambda w: np.exp(w.T),
    "expit": lambda w: special.expit(w.T),
    "softmax": lambda w: special.softmax(w.T, axis=1),
    "maximum": lambda w: np.maximum(w.T, 0),
    "where": lambda w: np.where(w.T > 0, w.T, 0.1 * w.T),
    "clip": lambda w: np.clip(w.T, -1, 1),
    "choose": lambda w: np.choose((W.T > 0).astype(int), [w.T, w.T * 2]),
    "matmul": lambda w: w.T @ W,
    "matmul of columns": lambda w: B @ w,
    "dot": lambda w: np.dot(B, w),
    "einsum": lambda w: np.einsum("ij,kj->ki", w, W),
    "einsum that transposes": lambda w: np.einsum("ij->ji", w),
    "tensordot": lambda w: np.tensordot(w, W, (1, 1)),
    "concatenate": lambda w: np.concatenate([w.T, w.T], 1),
    "stack": lambda w: np.stack([w.T, w.T], -1),
    "vstack": lambda w: np.vstack([w.T, w.T]),
    "column_stack": lambda w: np.column_stack([w.T, w.T]),
    "take": lambda w: np.take(w.T, [0, 1], 0),
    "index": lambda w: w.T[[0, 2]],
    "index of columns": lambda w: w.T[:, [0, 2]],
    "sum of the first of three": lambda w: (w.T[None] * np.ones((3, 5, 4))).sum(0),
    "maximum of the first of three": lambda w: (w.T[None] * np.ones((3, 5, 4))).max(0),
    "median": lambda w: np.median(w.T[None] * np.ones((3, 5, 4)), 0),
    "cumsum": lambda w: np.cumsum(w.T, 0),
    "sort": lambda w: np.sort(w.T, 0),
    "tile": lambda w: np.tile(w.T, (2, 1)),
    "pad": lambda w: np.pad(w.T, 1),
    "roll": lambda w: np.roll(w.T, 1, 0),
    "delete": lambda w: np.delete(w.T, 0, 0),
    "solve": lambda w: np.linalg.solve(w @ w.T, W),
    "full_like": lambda w: np.full_like(w.T, w[0, 0]),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_results_lie_in_memory_as_those_of_numpy_do(name):
    """Later functions may ask: what they do depends on it."""
    seen = []

    def cost(w):
        result = OPERATIONS[name](w)
        seen.append([stride for stride, n in zip(result.strides, result.shape, strict=True) if n > 1])
        return np.sum(result)

    cost(W.copy())
    with session_of(cost, restoring=False):
        trace(cost, lambda leaves: leaves[0], [W], 0, np.array([0]), np.array([1e-3]))
    assert seen[0] == seen[1]


def in_columns(W):
    return 1e3 + 1e-6 * np.sum(V * np.asfortranarray(W).reshape(-1, order="A"))


@pytest.mark.parametrize("way", [check, screen, locate])
@pytest.mark.parametrize("w", [W, np.zeros((4, 5)), 1e-3 * W], ids=["ordinary", "zeros", "small"])
def test_tiny_slopes_in_the_order_of_columns(way, w):
    report = way(in_columns, w, 1e-6 * V.reshape(4, 5, order="F"))
    assert (report.verdict, report.method, report.notes) == ("pass", "graph", ())
    assert way(in_columns, w, 1e-6 * V.reshape(4, 5)).verdict == "fail"
