"""Functions that ask how entries lie in memory: orders "A" and "K", and what decides about them."""

import numpy as np
import pytest
from recorded_costs import assert_recorded
from scipy import special

from fastcheck import check, numerical_gradient
from fastcheck.engines.graph.recording.record import record
from fastcheck.engines.graph.recording.session import session_of

W = np.random.default_rng(0).standard_normal((4, 5))
B = np.asfortranarray(np.random.default_rng(1).standard_normal((5, 4)))
V = np.random.default_rng(2).standard_normal(20)

READING = [
    "np.asfortranarray(w).reshape(-1, order='A')", "w.reshape(-1, order='A')",
    "np.reshape(w.T, -1, order='A')", "w.reshape((10, 2), order='F')", "np.reshape(w, (10, 2), copy=True)",
    "np.asfortranarray(w).ravel(order='A')", "np.ravel(w.T, order='K')",
    "(w.reshape(2, 2, 5).transpose(2, 0, 1) + 0.0).ravel('K')", "w.T.flatten('A')", "w.T.flatten(order='K')",
    "w.flatten('F')", "w.T.copy(order='A').ravel('K')", "w.copy('F').ravel('K')", "np.copy(w.T).ravel('K')",
    "np.array(w, order='F').ravel('K')", "np.array([w[0], w[1], w[2], w[3]], order='F').ravel('K')",
    "np.asarray(w, order='F').ravel('A')", "np.asarray(w, None, 'F').ravel('A')",
    "np.asanyarray(w, order='F').ravel('A')", "np.ascontiguousarray(w.T).ravel('K')",
    "np.require(w, requirements='F').ravel('A')", "w.astype(float, order='F').ravel('K')",
    "w.T.astype(float).ravel('K')", "w.T.astype(float, order='C').ravel('K')",
    "(np.zeros_like(w.T) + w.T).ravel('K')", "np.full((2, 10), w[0, 1], order='F').ravel('K') + w.ravel()",
    "np.tanh(np.asfortranarray(w) * 2).ravel('A')",
]  # fmt: skip


def function_of(expression):
    return eval(f"lambda w: {expression}", {"np": np, "special": special, "W": W, "B": B})


@pytest.mark.parametrize("expression", READING)
def test_entries_come_in_the_order_of_memory(expression):
    function = function_of(expression)
    assert_recorded(lambda w: np.sum(V * np.sin(function(w).reshape(-1))), W, least=1.0)


def test_order_k_is_followed_where_entries_do_not_lie_close():
    def cost(w):
        return np.sum(V[:8] * w[:, ::2][:, :2].ravel("K"))

    right = numerical_gradient(cost, W, method="plain")
    report = check(cost, W, right)
    assert (report.passed, report.method) == (True, "difference")
    assert not check(cost, W, right.T.reshape(4, 5)).passed


def test_a_reshaped_copy_may_be_written_into():
    def cost(w):
        x = w * 1.0
        y = np.reshape(x, -1, copy=True)
        y[:] = 0.0
        return np.sum(x**2) + np.sum(y)

    assert check(cost, W, 2 * W, method="difference").passed


OPERATIONS = [
    "w.T + 1", "np.asfortranarray(w) * W", "np.asfortranarray(W) * w",
    "w.T[:, :, None] + np.ones((1, 1, 3))", "np.exp(w.T)", "special.expit(w.T)",
    "special.softmax(w.T, axis=1)", "np.maximum(w.T, 0)", "np.where(w.T > 0, w.T, 0.1 * w.T)",
    "np.clip(w.T, -1, 1)", "np.choose((W.T > 0).astype(int), [w.T, w.T * 2])", "w.T @ W", "B @ w",
    "np.dot(B, w)", "np.einsum('ij,kj->ki', w, W)", "np.einsum('ij->ji', w)", "np.tensordot(w, W, (1, 1))",
    "np.concatenate([w.T, w.T], 1)", "np.stack([w.T, w.T], -1)", "np.vstack([w.T, w.T])",
    "np.column_stack([w.T, w.T])", "np.take(w.T, [0, 1], 0)", "w.T[[0, 2]]", "w.T[:, [0, 2]]",
    "(w.T[None] * np.ones((3, 5, 4))).sum(0)", "(w.T[None] * np.ones((3, 5, 4))).max(0)",
    "np.median(w.T[None] * np.ones((3, 5, 4)), 0)", "np.cumsum(w.T, 0)", "np.sort(w.T, 0)",
    "np.tile(w.T, (2, 1))", "np.pad(w.T, 1)", "np.roll(w.T, 1, 0)", "np.delete(w.T, 0, 0)",
    "np.linalg.solve(w @ w.T, W)", "np.full_like(w.T, w[0, 0])",
]  # fmt: skip


@pytest.mark.parametrize("expression", OPERATIONS)
def test_results_lie_in_memory_as_those_of_numpy_do(expression):
    """Later functions may ask: what they do depends on it."""
    function = function_of(expression)
    seen = []

    def cost(w):
        result = function(w)
        seen.append([stride for stride, n in zip(result.strides, result.shape, strict=True) if n > 1])
        return np.sum(result)

    cost(W.copy())
    with session_of(cost):
        record(cost, lambda leaves: leaves[0], [W], 10**9)
        plainly, recorded = seen
    assert plainly == recorded


def in_columns(W):
    return 1e3 + 1e-6 * np.sum(V * np.asfortranarray(W).reshape(-1, order="A"))


@pytest.mark.parametrize("w", [W, np.zeros((4, 5)), 1e-3 * W], ids=["ordinary", "zeros", "small"])
def test_tiny_slopes_in_the_order_of_columns(w):
    report = check(in_columns, w, 1e-6 * V.reshape(4, 5, order="F"))
    assert (report.verdict, report.method, report.notes) == ("pass", "difference", ())
    assert check(in_columns, w, 1e-6 * V.reshape(4, 5)).verdict == "fail"
