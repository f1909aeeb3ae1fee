"""Numbers in naive loops, lists of them, and plain arrays that a cost stores into, are followed and put back."""

from __future__ import annotations

import functools
import itertools
import math
import threading

import numpy as np
import pytest
from recorded_costs import assert_followed, plain_slopes

from fastcheck import check, numerical_gradient

rng = np.random.default_rng(11)
X, LABELS = rng.standard_normal((5, 4)), np.array([0, 2, 1, 1, 0])
THETA = {"W": rng.standard_normal((4, 3)), "b": 0.3 + rng.random(3)}


# --- numbers of naive loops -------------------------------------------------------------------------------------------

OF_A_NUMBER = [
    "float(v) ** 2", "float(float(v) * 2) * v", "v.item() ** 2", "np.float64(v) * v", "math.exp(v)",
    "math.sqrt(v * v + 1)", "math.pow(v * v, 1.5)", "math.log(v * v + 1, 2)", "math.erf(v)",
    "math.copysign(2.0, v) * v", "math.fmod(v, 1.0)", "math.remainder(v, 0.7)", "math.dist([v, 1.0], [0.0, 0.0])",
    "math.hypot(v, 1.0)", "math.prod([v, v, 2.0])", "v * math.floor(v)", "v * X[math.trunc(abs(v)), 0]",
    "max(0.0, v) ** 2", "max(v, -v, 0.1)", "min(v, 0.1) * v", "max([v, 0.5], key=abs)", "abs(v)", "pow(v, 3)",
    "v * round(v, 1)", "v * int(v)", "v * X[int(abs(v)), 0]", "v * isinstance(float(v), float)",
    'v * len(f"{float(v):.3f}") + 0 * len(str(v))', "v if v > 0 else 0.1 * v", "v * bool(v)",
]  # fmt: skip


def function_of(name, expression):
    names = {"np": np, "math": math, "functools": functools, "itertools": itertools, "X": X}
    return eval(f"lambda {name}: {expression}", names)


@pytest.mark.parametrize("expression", OF_A_NUMBER)
def test_numbers_in_loops_are_followed(expression):
    function = function_of("v", expression)

    def cost(p):
        total = 0.0
        for i in range(4):
            for j in range(3):
                total += function(p["W"][i, j])
        return total

    assert_followed(cost, THETA)


OF_NUMBERS = [
    "sum([float(a) * 2 for a in w.ravel()])", "sum(map(float, w.ravel())) ** 2", "sum(map(math.tanh, w.ravel()))",
    "math.fsum(w.ravel()) ** 2", "max(w.ravel()) ** 2", "max([float(a) for a in w.ravel()])",
    "sorted(w.ravel())[2] ** 2", "sum(a * a for row in w.tolist() for a in row)",
    "np.mean([float(a) ** 2 for a in w.ravel()])", "np.sum([np.sum(a) ** 2 for a in w])",
    "np.max([a * a for a in w.ravel()])", "np.exp([w[0, 0], w[0, 1]]).sum()",
    "np.log(np.abs([[w[0, 0]], [w[1, 1]]])).mean()", "np.linalg.norm([w[0, 0], w[1, 1]])",
    "np.array([[float(a) * 2 for a in row] for row in w]).prod()", "np.stack([row * 2 for row in w]).std()",
    "functools.reduce(lambda a, b: a * b + 1, w.ravel())",
    "list(itertools.accumulate(w.ravel(), lambda a, b: a * 0.5 + b))[-1]",
    "sum(float(a) * float(b) for a, b in zip(w[0], w[1], strict=True))",
    "sum((a * a for a in w.ravel()), start=1.0)",
    "np.sum([w[0, 0] * w[0, 1], w[1, 0]]) + np.mean([w[0, 2] ** 2, w[1, 1]]) + np.max((w[1, 2], w[2, 0]))",
    "np.std([np.sum(row**2) for row in w]) + np.prod([w[0, 0], 2.0, w[0, 1]])",
    "np.average([w[0, 0], w[0, 1]], weights=[w[0, 2] ** 2, 1.0]) + np.dot([w[1, 1], 1.0], [2.0, w[1, 2]])",
]  # fmt: skip


@pytest.mark.parametrize("expression", OF_NUMBERS)
def test_lists_of_numbers_are_followed(expression):
    function = function_of("w", expression)
    assert_followed(lambda p: function(p["W"]), THETA)


def test_types_mean_what_they_do_where_they_are_not_called():
    def cost(p):
        zeros = np.zeros(3, dtype=float)
        kinds = {float: 1.0, int: 2.0}
        assert isinstance(0.5, float)
        assert zeros.dtype == np.float64
        assert np.zeros(2, np.float64).dtype is np.dtype(float)
        return kinds[float] * float(np.sum(p["b"] ** 2)) + max([1, 2]) + min("ba", key=ord).count("a")

    assert_followed(cost, THETA)


# --- plain arrays -----------------------------------------------------------------------------------------------------


class Buffers:
    """Arrays that are there before: attributes, in dicts and lists, views of one another."""

    def __init__(self):
        self.buffer, self.flat = np.full((5, 3), 7.0), np.full(20, 7.0)
        self.view = self.flat[:15].reshape(5, 3)
        self.cache = {"h": np.full((5, 3), 7.0), "X": X}
        self.list = [np.full((5, 3), 7.0), X]

    def arrays(self):
        return [self.buffer, self.flat, self.view, self.cache["h"], *self.list]


def whole(s, p):
    s.buffer[:] = s.cache["X"].dot(p["W"])
    return np.sum(np.tanh(s.buffer + p["b"]))


def added(s, p):
    s.buffer[:] = 0
    s.buffer += s.cache["X"].dot(p["W"])
    s.buffer[1:3] *= p["b"]
    return np.sum(np.tanh(s.buffer))


def in_a_dict_of_arrays(s, p):
    s.cache["h"][...] = X @ p["W"]
    s.cache["h"][1] += p["b"]
    return np.sum(np.tanh(s.cache["h"]))


def by_a_view(s, p):
    s.view[...] = X @ p["W"]
    return np.sum(np.tanh(s.flat))


def of_which_a_view_is_read(s, p):
    s.flat[:] = 0
    np.add.at(s.flat, [1, 2, 1], p["b"])
    return np.sum(np.sin(s.view))


def copied(s, p):
    np.copyto(s.buffer, X @ p["W"])
    return np.sum(np.sin(s.buffer))


def out(s, p):
    np.dot(X, p["W"], out=s.buffer)
    np.tanh(s.buffer, out=s.buffer)
    np.add(0, s.buffer, s.list[0])
    return np.sum(s.list[0] ** 2)


def from_a_loop(s, p):
    total = 0.0
    for array in s.list[:1]:
        array[2:4] = p["b"]
        total = total + np.sum(array**2)
    return total


def from_items(s, p):
    for name, array in s.cache.items():
        if name == "h":
            array[:] = p["b"]
    return np.sum(s.cache["h"] ** 2)


def unpacked(s, p):
    buffer, data = s.list
    buffer[:] = data @ p["W"]
    return np.sum(buffer**2)


def fetched(s, p):
    h = s.cache.get("h")
    h[:] = 0
    h[LABELS > 0] += p["b"]
    return np.mean(h**2)


def passed_on(s, p):
    def fill(target, rows, columns):
        target.fill(0)
        target[rows, columns] = p["b"][columns]
        return target

    filled = fill(s.buffer, range(5), LABELS)
    return np.sum(filled**2) + filled.sum()


def made_of_others(s, p):
    made = (X * 0)[:, :3]
    made[:] = X.dot(p["W"])
    noise = np.random.default_rng(0).normal(size=(5, 3))
    noise += made
    return np.sum(noise**2)


def through_time(s, p):
    h = np.linspace(0, 1, 3)
    states = s.buffer
    for t in range(5):
        h = np.tanh(X[t].dot(p["W"]) + h * p["b"])
        states[t] = h
    return np.sum(states[1:] * states[:-1])


def masked(s, p):
    mask = np.zeros((5, 3), dtype=bool)
    z = X.dot(p["W"])
    mask[z > 0] = True
    s.buffer[mask] = z[mask]
    s.buffer[~mask] = 0.01 * z[~mask]
    return np.sum(s.buffer**2)


def put(s, p):
    s.flat[:5] = 1.0
    np.put(s.flat, [0, 2, 4], p["b"])
    np.subtract.at(s.flat, [0, 1, 0], p["W"][0])
    return np.sum(s.flat[:5] ** 2)


STYLES = [
    put, whole, added, in_a_dict_of_arrays, by_a_view, of_which_a_view_is_read, copied, out, from_a_loop, from_items,
    unpacked, fetched, passed_on, made_of_others, through_time, masked,
]  # fmt: skip


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
def test_stores_into_plain_arrays_are_followed_and_put_back(style):
    held = Buffers()
    held.cost = lambda p: style(held, p)
    plain = plain_slopes(held.cost, THETA, 1e-4)
    held.cost(THETA)
    arrays, before = held.arrays(), [array.copy() for array in held.arrays()]
    slopes = numerical_gradient(held.cost, THETA, method="difference")
    for name in plain:
        np.testing.assert_allclose(slopes[name], plain[name], rtol=1e-6, atol=1e-7)
    assert all(one is other for one, other in zip(held.arrays(), arrays, strict=True))
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_other_threads_see_plain_arrays_meanwhile():
    held, seen, stop = Buffers(), set(), threading.Event()
    held.cost = lambda p: whole(held, p)

    def look():
        while not stop.is_set():
            seen.add(type(held.buffer))
            seen.add(type(held.cache["h"]))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(3):
            numerical_gradient(held.cost, THETA, method="difference")
    finally:
        stop.set()
        thread.join()
    assert seen == {np.ndarray}


# --- methods of plain arrays ------------------------------------------------------------------------------------------


class Layer:
    def __init__(self, name):
        self.name = name

    def forward(self, x, p):
        self.x = x
        return x.reshape(len(x), -1).dot(p["W" + self.name]) + p["b" + self.name]


class NetworkOfLayers:
    """X.dot(W) in methods of others, X in a dict, in an attribute, made inside."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.data = {"X": rng.standard_normal((6, 2, 3)), "Y": rng.standard_normal((6, 2))}
        self.layers = [Layer("1"), Layer("2")]
        self.p = {"W1": rng.standard_normal((6, 4)), "W2": rng.standard_normal((4, 2))}
        self.p |= {"b1": np.zeros(4), "b2": np.ones(2)}

    def loss(self, p):
        first, second = self.layers
        h = np.tanh(first.forward(self.data["X"], p))
        made = np.arange(12.0).reshape(6, 2) / 12
        return np.sum((second.forward(h, p) - self.data["Y"]) ** 2) + np.sum(made.dot(p["W2"].T) ** 2)


def test_methods_of_plain_arrays_are_followed_in_methods_of_the_users_classes():
    network = NetworkOfLayers()
    assert_followed(network.loss, network.p)
    right = numerical_gradient(network.loss, network.p)
    for name, slopes in right.items():
        wrong = slopes.copy()
        wrong.flat[0] += 1e-4
        report = check(network.loss, network.p, right | {name: wrong})
        assert (report.method, report.notes) == ("difference", ())
        assert [name for name, block in report.blocks.items() if block.verdict == "fail"] == [name]


def test_methods_of_plain_arrays_called_dot_do_what_they_do():
    X, W = np.random.default_rng(0).standard_normal((2, 3, 3))
    out, dot = np.empty((3, 3)), X.dot

    def cost(w):
        plain = X.dot(X, out=out) if out is not None else None
        assert plain is out
        assert np.array_equal(X.dot(W), dot(W))
        assert X.dot(2.0).shape == (3, 3)
        return np.sum(X.dot(w.reshape(3, 3)).dot(X) ** 2) + X.dot(b=w[:3])[0] * X.dot([w[0], w[1], 2.0])[1]

    assert_followed(cost, W.ravel())


# --- what a network keeps ---------------------------------------------------------------------------------------------


class Network:
    """Keeps its activations, and a running mean."""

    def __init__(self):
        self.X, self.mean = np.random.default_rng(1).standard_normal((40, 12)), 0.0

    def cost(self, p):
        self.z = self.X @ p["W1"] + p["b1"]
        self.mean = 0.9 * self.mean + 0.1 * self.z.mean(0)
        self.h = self.z * (self.z > 0)
        self.out = np.tanh(self.h @ p["W2"]) + self.h
        return np.mean(self.out**2)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_network_keeps_numbers_and_no_recorded_arrays(n_jobs, monkeypatch):
    monkeypatch.setattr("fastcheck.execution.WORKERS_PAY_AFTER", {"threads": 0.0, "processes": 0.0})
    rng = np.random.default_rng(2)
    shapes = {"W1": (12, 10), "b1": (10,), "W2": (10, 10)}
    parameters = {name: 0.3 * rng.standard_normal(shape) for name, shape in shapes.items()}
    network = Network()
    truth = numerical_gradient(network.cost, parameters, method="difference")
    report = check(network.cost, parameters, truth, n_jobs=n_jobs)
    assert (report.method, report.passed) == ("difference", True)
    assert report.difference < 1e-14
    assert set(vars(network)) >= {"X", "mean"}
    assert all(type(value) in (np.ndarray, float, np.float64) for value in vars(network).values())


# --- parameters that are numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [float, np.float64, np.float32])
def test_numbers_among_the_parameters_are_replaced_and_never_written_into(kind):
    def cost(p):
        total = 0.0
        for x in X:
            z = p["b"]
            z += x[0] * p["w"][0]
            total += z**2 + p["b"]
        return total

    parameters = {"w": np.array([1.5]), "b": kind(0.5)}
    outputs = X[:, 0] * 1.5 + 0.5
    claim = {"w": np.array([2 * outputs @ X[:, 0]]), "b": 2 * outputs.sum() + len(X)}
    report = check(cost, parameters, claim, method="difference")
    assert report.passed
    assert report.difference < 1e-14
