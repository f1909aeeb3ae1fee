"""Masks, indices, rounded values and decisions: recorded, and confirmed by the cost itself far from θ."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_written_over import slopes

from fastcheck import check, numerical_gradient

W = np.random.default_rng(0).standard_normal((6, 4))
X = np.random.default_rng(1).standard_normal((5, 6))
LABELS = np.array([0, 1, 2, 3, 0])
COSTS = []


def case(cost):
    COSTS.append(cost)
    return cost


@case
def accuracy_inside(w):
    p = X @ w
    acc = np.mean(np.argmax(p, 1) == LABELS)
    return np.sum(p**2) + 0 * acc


@case
def accuracy_float(w):
    p = X @ w
    assert 0 <= float((p.argmax(axis=1) == LABELS).mean()) <= 1
    return np.sum(p**2)


@case
def one_hot_eye(w):
    p = X @ w
    return np.sum(np.eye(4)[np.argmax(p, axis=1)] * p)


@case
def fancy_argmax(w):
    p = X @ w
    return np.sum(p[np.arange(5), p.argmax(1)] ** 2)


@case
def argsort_index(w):
    p = (X @ w).ravel()
    o = np.argsort(p)
    return np.sum(p[o] * np.arange(20))


@case
def loop_order(w):
    p = (X @ w).ravel()
    t = 0
    for i in np.argsort(p):
        t = t + p[i] * int(i)
    return t


@case
def tolist_order(w):
    p = (X @ w).ravel()
    t = 0
    for k, i in enumerate(np.argsort(p).tolist()):
        t = t + p[i] * k
    return t


@case
def bincount(w):
    p = X @ w
    c = np.bincount(np.argmax(p, 1), minlength=4)
    return np.sum(p.sum(0) * c)


@case
def mask_sum_if(w):
    p = X @ w
    m = p > 0
    if m.sum() > 3:
        return np.sum(p[m] ** 2)
    return np.sum(p)


@case
def mask_index(w):
    p = X @ w
    p[p < 0] = 0
    return np.sum(p**2)


@case
def mask_leaky(w):
    p = X @ w
    p[p < 0] *= 0.1
    return np.sum(p**2)


@case
def where_idx(w):
    p = X @ w
    i, j = np.where(p > 0)
    return np.sum(p[i, j] ** 3)


@case
def nonzero_method(w):
    p = X @ w
    i, j = (p > 0).nonzero()
    return np.sum(p[i, j] ** 3)


@case
def mask_float(w):
    p = X @ w
    return np.sum(p * (p > 0).astype(float))


@case
def mask_float32(w):
    p = X @ w
    m = (p > 0).astype(np.float32)
    return np.sum(p * m)


@case
def mask_int(w):
    p = X @ w
    m = (p > 0).astype(int)
    return np.sum(p * m / (1 + m.sum()))


@case
def mask_bool_ops(w):
    p = X @ w
    m = (p > 0) & (p < 1) | ~(p > -1)
    return np.sum(p * m)


@case
def mask_plus(w):
    p = X @ w
    m = (p > 0) + (p < -1)
    return np.sum(p * m)


@case
def mask_buffer(w):
    p = X @ w
    m = np.zeros_like(p)
    m[p > 0] = 1
    m[p <= 0] = 0.1
    return np.sum(p * m)


@case
def mask_buffer_bool(w):
    p = X @ w
    m = np.zeros(p.shape, dtype=bool)
    m[p > 0] = True
    return np.sum(p[m] ** 2)


@case
def maxpool_mask(w):
    p = X @ w
    q = p.reshape(5, 2, 2)
    mx = q.max(axis=2, keepdims=True)
    m = q == mx
    return np.sum(q * m)


@case
def compare_columns(w):
    p = X @ w
    m = p.argmax(axis=1)[:, None] == np.arange(4)
    return np.sum(p * m)


@case
def list_index(w):
    p = X @ w
    L = [1.0, 2.0, 3.0, 4.0]
    return sum(p[i, 0] * L[np.argmax(p[i])] for i in range(5))


@case
def dict_index(w):
    p = X @ w
    L = {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}
    return sum(p[i, 0] * L[np.argmax(p[i])] for i in range(5))


@case
def while_loop(w):
    x = np.sum(w**2)
    n = 0
    while x > 1:
        x = x / 2
        n += 1
    return x


@case
def newton(w):
    a = np.sum(w**2)
    x = a
    for _ in range(100):
        y = (x + a / x) / 2
        if abs(y - x) < 1e-14 * a:
            break
        x = y
    return y


@case
def sign_(w):
    return np.sum(np.sign(w) * w * 3)


@case
def round_(w):
    return np.sum(np.round(w) * w)


@case
def floor_(w):
    return np.sum((w - np.floor(w)) ** 2)


@case
def mod_(w):
    return np.sum((w % 0.5) ** 2)


@case
def quantile_clip(w):
    t = np.quantile(w, 0.8)
    return np.sum(np.minimum(w, t) ** 2)


@case
def topk(w):
    p = X @ w
    i = np.argpartition(p, -2, axis=1)[:, -2:]
    return np.sum(np.take_along_axis(p, i, 1) ** 2)


@case
def isin(w):
    p = X @ w
    a = p.argmax(1)
    return np.sum(p.sum(1) * np.isin(a, [0, 1]))


@case
def unique(w):
    p = X @ w
    u = np.unique(p > 0)
    return np.sum(p) * len(u)


@case
def searchs(w):
    x = np.sort(w.ravel())
    i = np.searchsorted(x, 0.1)
    return np.sum(x[:i] ** 2)


@case
def pyif_scalar(w):
    t = 0.0
    for a in w.ravel():
        t = t + (a * a if a > 0 else -a)
    return t


@case
def pymax(w):
    t = 0.0
    for a in w.ravel():
        t = t + max(a, 0)
    return t


@case
def count_div(w):
    p = X @ w
    m = p > 0
    return (p * m).sum() / max(1, m.sum())


@case
def select_(w):
    return np.sum(np.select([w > 1, w > 0], [w**2, w], -w))


@case
def piecewise_where3(w):
    return np.sum(np.where(np.abs(w) < 1, 0.5 * w**2, np.abs(w) - 0.5))


@case
def allclose_(w):
    assert not np.allclose(w, 0)
    return np.sum(w**2)


@case
def dropout_thr(w):
    p = X @ w
    keep = np.random.RandomState(0).rand(*p.shape) < 0.5
    return np.sum((p * keep / 0.5) ** 2)


@pytest.mark.parametrize("cost", COSTS, ids=lambda cost: cost.__name__)
def test_what_has_no_slope_is_followed(cost):
    claim = numerical_gradient(cost, W, method="plain")
    report = check(cost, W, claim)
    assert (report.verdict, report.method) == ("pass", "graph")
    assert "the cost itself agrees to" in report.certified
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
    right = slopes(cost, FAR)
    report = check(cost, FAR, right)
    assert (report.verdict, report.method) == ("pass", "graph")
    assert not check(cost, FAR, {"x": right["x"] + 1e-3 * np.eye(7)[1]}).passed


OTHERS = []


def other(cost):
    OTHERS.append(cost)
    return cost


@other
def histogram(w):
    counts, _ = np.histogram(w.ravel(), bins=4)
    return np.sum(w[:4] ** 2 * counts)


@other
def math_isclose(w):
    return np.sum(w**2) * (3.0 if math.isclose(w[0, 0], 7.0) else 1.0)


@other
def divmod_of_python(w):
    whole, rest = divmod(w, 4.0)
    other = 2.0 - divmod(10.0, 5 + w)[1]
    return np.sum(rest**2 * whole) + np.sum(other)


@other
def counted_in_place(w):
    counts = np.zeros(4, int)
    np.add.at(counts, np.argmax(w, axis=1), 1)
    np.subtract.at(counts, [0, 0], 3)
    return np.sum(w**2 * counts)


@other
def extremes_of_some(w):
    largest = np.max(w, where=w < 0.5, initial=-9.0, axis=0)
    return np.sum(largest**2 * np.arange(4)) + np.min(w, where=w > 0.1, initial=9.0)


@other
def products_of_some(w):
    return np.sum(np.prod(w, axis=0, where=w > 0.2) ** 2) + np.prod(w[0], initial=3.0)


@other
def view_of_a_buffer(w):
    buffer = np.zeros(w.shape)
    seen = buffer.view()
    seen[:] = w**2
    return np.sum(buffer * np.arange(4))


@pytest.mark.parametrize("cost", OTHERS, ids=lambda cost: cost.__name__)
def test_it_is_followed_too(cost):
    claim = slopes(lambda p: cost(p["w"]), {"w": W})["w"]
    report = check(cost, W, claim)
    assert (report.verdict, report.method) == ("pass", "graph")
    assert not check(cost, W, claim * (1 + 1e-3 * np.eye(6, 4))).passed
