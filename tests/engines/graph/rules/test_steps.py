"""Masks, indices, rounded values and decisions: recorded, and confirmed by the cost itself far from θ."""

from __future__ import annotations

import math

import numpy as np
import pytest
from recorded_costs import plain_slopes

from fastcheck import check

W = np.random.default_rng(0).standard_normal((6, 4))
X = np.random.default_rng(1).standard_normal((5, 6))
LABELS = np.array([0, 1, 2, 3, 0])
NAMES = {"np": np, "math": math, "LABELS": LABELS}


def in_a_loop(p):
    """Indices as numbers of Python."""
    order = np.argsort(p, axis=None)
    by_hand = sum(p.ravel()[i] * int(i) for i in order)
    return by_hand + sum(p.ravel()[i] * k for k, i in enumerate(order.tolist()))


def into_buffers(p):
    floats, masks = np.zeros_like(p), np.zeros(p.shape, dtype=bool)
    floats[p > 0], floats[p <= 0] = 1, 0.1
    masks[p > 0] = True
    return np.sum(p * floats) + np.sum(p[masks] ** 2)


def into_itself(p):
    p[p < -1] = 0
    p[p < 0] *= 0.1
    return np.sum(p**2)


def by_a_decision(p):
    total = 0.0
    for a in p.ravel():
        total = total + (a * a if a > 0 else -a)
    return total + (np.sum(p[p > 0] ** 2) if (p > 0).sum() > 3 else np.sum(p))


def asserted(p):
    assert 0 <= float((p.argmax(axis=1) == LABELS).mean()) <= 1
    return np.sum(p**2)


def newton(p):
    x = a = np.sum(p**2)
    for _ in range(100):
        y = (x + a / x) / 2
        if abs(y - x) < 1e-14 * a:
            break
        x = y
    return y


def below(p):
    x = np.sort(p.ravel())
    return np.sum(x[: np.searchsorted(x, 0.1)] ** 2)


def histogram(p):
    counts, _ = np.histogram(p.ravel(), bins=4)
    return np.sum(p[:4] ** 2 * counts)


def divmod_of_python(p):
    whole, rest = divmod(p, 4.0)
    return np.sum(rest**2 * whole) + np.sum(2.0 - divmod(10.0, 9 + p)[1])


def counted_in_place(p):
    counts = np.zeros(4, int)
    np.add.at(counts, np.argmax(p, axis=1), 1)
    np.subtract.at(counts, [0, 0], 3)
    return np.sum(p**2 * counts)


def extremes_of_some(p):
    largest = np.max(p, where=p < 0.5, initial=-9.0, axis=0)
    return np.sum(largest**2 * np.arange(4)) + np.min(p, where=p > 0.1, initial=9.0)


def products_of_some(p):
    return np.sum(np.prod(p, axis=0, where=p > 0.2) ** 2) + np.prod(p[0], initial=3.0)


def view_of_a_buffer(p):
    buffer = np.zeros(p.shape)
    seen = buffer.view()
    seen[:] = p**2
    return np.sum(buffer * np.arange(4))


OF_P = [
    "np.sum(p**2) + 0 * np.mean(np.argmax(p, 1) == LABELS)", "np.sum(np.eye(4)[np.argmax(p, axis=1)] * p)",
    "np.sum(p[np.arange(5), p.argmax(1)] ** 2)", "np.sum(p.ravel()[np.argsort(p, axis=None)] * np.arange(20))",
    "np.sum(p.sum(0) * np.bincount(np.argmax(p, 1), minlength=4))", "np.sum(p[np.where(p > 0)] ** 3)",
    "np.sum(p[(p > 0).nonzero()] ** 3)", "np.sum(p * (p > 0).astype(float))", "np.sum(p * (p > 0).astype(np.float32))",
    "np.sum(p * (p > 0).astype(int) / (1 + (p > 0).astype(int).sum()))",
    "np.sum(p * ((p > 0) & (p < 1) | ~(p > -1)))", "np.sum(p * ((p > 0) + (p < -1)))",
    "np.sum(p.reshape(5, 2, 2) * (p.reshape(5, 2, 2) == p.reshape(5, 2, 2).max(axis=2, keepdims=True)))",
    "np.sum(p * (p.argmax(axis=1)[:, None] == np.arange(4)))",
    "sum(p[i, 0] * [1.0, 2.0, 3.0, 4.0][np.argmax(p[i])] for i in range(5))",
    "sum(p[i, 0] * {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}[np.argmax(p[i])] for i in range(5))",
    "np.sum(np.round(p) * p)", "np.sum((p - np.floor(p)) ** 2)", "np.sum((p % 0.5) ** 2)",
    "np.sum(np.minimum(p, np.quantile(p, 0.8)) ** 2)",
    "np.sum(np.take_along_axis(p, np.argpartition(p, -2, axis=1)[:, -2:], 1) ** 2)",
    "np.sum(p.sum(1) * np.isin(p.argmax(1), [0, 1]))", "np.sum(p) * len(np.unique(p > 0))",
    "(p * (p > 0)).sum() / max(1, (p > 0).sum())", "np.sum(np.where(np.abs(p) < 1, 0.5 * p**2, np.abs(p) - 0.5))",
    "np.sum(p**2) * (3.0 if math.isclose(p[0, 0], 7.0) else 1.0)",
]  # fmt: skip
FUNCTIONS = [
    in_a_loop, into_buffers, into_itself, by_a_decision, asserted, newton, below, histogram, divmod_of_python,
    counted_in_place, extremes_of_some, products_of_some, view_of_a_buffer,
]  # fmt: skip


@pytest.mark.verdicts_alone
@pytest.mark.parametrize("what", OF_P + FUNCTIONS, ids=lambda what: getattr(what, "__name__", what))
def test_what_has_no_slope_is_followed(what):
    """Of p, the scores of a linear layer."""
    function = eval(f"lambda p: {what}", NAMES) if isinstance(what, str) else what

    def cost(w):
        return function(X @ w)

    claim = plain_slopes(cost, W)
    report = check(cost, W, claim)
    assert (report.verdict, report.method) == ("pass", "difference")
    assert "the cost itself agrees to" in report.certified
    assert not check(cost, W, claim * (1 + 1e-3 * np.eye(6, 4))).passed
    assert not check(cost, W, claim * 1.001).passed


FAR = {"x": np.array([1.0, 0.01, 0.012, 0.013, 0.014, 0.01, 2.0])}


def whole_number_of_a_logarithm(p):
    k = int(np.sum(np.log(p["x"])) * 1e-3)
    return np.sum(p["x"] ** 3) + k


def rounded_logarithm(p):
    k = round(np.sum(np.log(p["x"])) * 1e-3)
    return np.sum(p["x"] ** 3) * (k + 2)


def an_entry_that_is_none_elsewhere(p):
    k = np.array([1.0, 2.0])[np.searchsorted(np.array([0.0, 5.0]), p["x"]) - 1]
    return np.sum(p["x"] ** 3 * k)


def roots_as_numbers_of_rounds(p):
    total = 0.0
    for k in range(int(np.sqrt(p["x"]).sum()) + 1):
        total = total + p["x"].sum() ** k
    return total


@pytest.mark.parametrize(
    "cost",
    [
        whole_number_of_a_logarithm,
        rounded_logarithm,
        an_entry_that_is_none_elsewhere,
        roots_as_numbers_of_rounds,
    ],
)
def test_a_cost_that_is_not_defined_far_from_θ_is_confirmed_nearer(cost):
    right = plain_slopes(cost, FAR)
    report = check(cost, FAR, right)
    assert (report.verdict, report.method) == ("pass", "difference")
    assert not check(cost, FAR, {"x": right["x"] + 1e-3 * np.eye(7)[1]}).passed
