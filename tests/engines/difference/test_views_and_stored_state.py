"""Views that NumPy makes and copies that it makes; costs that store what they compute, in threads too."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from fastcheck import check, numerical_gradient

RNG = np.random.default_rng(0)
W, G = RNG.standard_normal((4, 4)), np.ones(100)
PATTERNS = {
    "broadcast_to is a view": (lambda W: W * 1, lambda a: np.broadcast_to(a, (2, 4, 4)), "b"),
    "diag of a matrix is a view": (lambda W: W * 1, lambda a: np.diag(a), "b"),
    "ravel of a column is a copy": (lambda W: (W * 1)[:, 0], lambda a: a.ravel(), "a"),
    "ravel of a column is read": (lambda W: (W * 1)[:, 0], lambda a: a.ravel(), "b"),
    "ascontiguousarray copies": (lambda W: (W * 1).T, lambda a: np.ascontiguousarray(a), "a"),
    "asfortranarray copies": (lambda W: W * 1, lambda a: np.asfortranarray(a), "a"),
    "copies are in C order": (lambda W: W.T.copy(), lambda a: a.ravel(), "a"),
    "reshape of a copy is a view": (lambda W: W.T.copy(), lambda a: a.reshape(-1), "a"),
    "prod over one entry is new": (lambda W: (W * 1)[:, :1], lambda a: np.prod(a, axis=1), "a"),
    "block is new": (lambda W: (W * 1)[:, :1], lambda a: np.block(a), "a"),
    "as_strided is a view": (lambda W: W * 1, lambda a: as_strided(a, (2, 2), (32, 8)), "b"),
}


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_write_that_changes_no_value_reaches_what_it_reaches_in_numpy(name, seed):
    prepare, seen, read = PATTERNS[name]

    def cost(p):
        a = prepare(p["W"])
        b = seen(a)
        written, looked_at = (a, b) if read == "b" else (b, a)
        written *= p["g"][7]  # which is 1
        return np.sum(looked_at**3) + np.sum(p["g"] ** 2)

    parameters = {"W": W, "g": G}
    truth = numerical_gradient(cost, parameters, method="plain")
    report = check(cost, parameters, truth, tolerance=1e-5, seed=seed, method="difference")
    assert report.passed


def test_the_difference_of_a_chosen_number_counts_twice_if_added_twice():
    def cost(w):
        y = np.maximum(w[0], 0)
        return (y + y) ** 2 + np.sum(w[1:] ** 2)

    w = np.abs(RNG.standard_normal(200))
    right = 2 * w
    right[0] = 8 * w[0]
    assert check(cost, w, right, method="difference").passed
    assert not check(cost, w, 2 * w, method="difference").passed


def test_what_is_written_into_the_source_of_a_broadcast_array_is_seen():
    def cost(W):
        h = np.zeros((1, 10))
        H = np.broadcast_to(h, (4, 10))
        h[0, :2] = W[0, :2]
        return np.sum(H**2) + np.sum(W[1:] ** 2)

    W = RNG.standard_normal((20, 10))
    right = 2 * W
    right[0] = 0
    wrong = right.copy()
    right[0, :2] = 8 * W[0, :2]
    assert check(cost, W, right, method="difference").passed
    assert not check(cost, W, wrong, method="difference").passed


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


@pytest.mark.parametrize("method", ["graph", "difference"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_costs_that_store_what_they_compute(n_jobs, method, monkeypatch):
    monkeypatch.setattr("fastcheck.execution.WORKERS_PAY_AFTER", {"threads": 0.0, "processes": 0.0})
    rng = np.random.default_rng(2)
    shapes = {"W1": (12, 10), "b1": (10,), "W2": (10, 10)}
    parameters = {name: 0.3 * rng.standard_normal(shape) for name, shape in shapes.items()}
    truth = numerical_gradient(Network().cost, parameters, method="difference")
    for _ in range(3):
        network = Network()
        before = dict(vars(network))
        report = check(network.cost, parameters, truth, n_jobs=n_jobs, method=method)
        assert (report.method, report.passed) == (method, True)
        assert report.difference == 0 if method == "difference" else report.difference < 1e-14
        assert set(vars(network)) >= set(before)
        assert all(type(value) in (np.ndarray, float, np.float64) for value in vars(network).values())
