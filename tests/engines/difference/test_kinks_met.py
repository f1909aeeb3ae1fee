"""What is said of kinks, networks with ties, and what happens where too many kinks are met."""

import functools

import joined
import numpy as np
import pytest

from fastcheck import check
from fastcheck.engines.difference import enclosure, runs
from fastcheck.engines.difference.engine import DifferenceEngine
from fastcheck.engines.difference.trace import run
from fastcheck.execution import Execution
from fastcheck.plan import make_plan
from fastcheck.problem import pose


def estimated(cost, parameters):
    """What the engine finds for all coordinates."""
    problem = pose(cost, parameters)
    return joined.estimated(DifferenceEngine(), problem, whole(problem))


def places(cost, parameters):
    """Where it met kinks."""
    problem = pose(cost, parameters)
    return DifferenceEngine().estimate(problem, whole(problem), Execution(), lambda estimate: None).kinks


def whole(problem):
    return make_plan(problem.layout, problem.theta, "all", None, 0)


def small_net(seed=0, samples=6):
    """A layer of ReLU with two dead units; its cost, parameters, and a backward pass with a share at kinks."""
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(3, samples)), rng.normal(size=(2, samples))
    p = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=(4, 1)), "V": rng.normal(size=(2, 4))}
    p["W"][1:3], p["b"][1:3] = 0, 0

    def cost(p):
        Z = p["W"] @ X + p["b"]
        A = np.maximum(0, Z)
        return np.sum((p["V"] @ A - Y) ** 2)

    def backward(share):
        Z = p["W"] @ X + p["b"]
        A = np.maximum(0, Z)
        d = 2 * (p["V"] @ A - Y)
        dZ = p["V"].T @ d * np.where(Z == 0, share, Z > 0)
        return {"W": dZ @ X.T, "b": dZ.sum(axis=1, keepdims=True), "V": d @ A.T}

    return cost, p, backward


# --- what is said -------------------------------------------------------------------------------------------


def test_kinks_are_counted_and_placed_by_unit_and_sample():
    cost, p, _ = small_net()
    kinks = estimated(cost, p).kinks
    counts = {"W": np.zeros((4, 3), int), "b": np.zeros((4, 1), int), "V": np.zeros((2, 4), int)}
    counts["W"][1:3], counts["b"][1:3] = 6, 6
    assert np.array_equal(kinks.counts, np.concatenate([counts[name].ravel() for name in p]))
    assert kinks.enclosed.all()
    (place,) = places(cost, p)
    assert place.function == "maximum"
    assert place.filename == __file__
    assert place.source == "A = np.maximum(0, Z)"
    assert place.shape == (4, 6)
    assert place.count == 12
    assert place.indices == ((1, 0), (1, 1), (1, 2), (1, 3), (1, 4))
    assert str(place) == (
        f"maximum in line {place.lineno} of test_kinks_met.py (A = np.maximum(0, Z)) is at a kink in 12 of 24 entries "
        "of shape (4, 6): [1, 0], [1, 1], [1, 2], [1, 3], [1, 4], …"
    )


def test_a_kink_of_a_number_has_no_index():
    def cost(x):
        return abs(x[0]) + x[1] ** 2

    x = np.array([0.0, 1.0])
    assert estimated(cost, x).kinks.counts.tolist() == [1, 0]
    (place,) = places(cost, x)
    assert (place.function, place.shape, place.indices) == ("absolute", (), ((),))
    assert str(place).endswith("is at a kink in 1 of 1 entries")


def test_where_no_kink_is_met_nothing_more_is_run(monkeypatch):
    cost, p, _ = small_net()
    p["W"] += 0.1
    monkeypatch.setattr(enclosure, "run", None)
    assert estimated(cost, p).kinks is None
    assert places(cost, p) == ()


def test_impulses_are_shared_by_blocks(monkeypatch):
    cost, p, _ = small_net()
    weighed = []
    original = enclosure.Enclosure._weigh

    def counted(self, operation, entries):
        weighed.append(int((self.weights[operation][entries] == -1).sum()))
        original(self, operation, entries)

    monkeypatch.setattr(enclosure.Enclosure, "_weigh", counted)
    estimated(cost, p)
    assert weighed == [12, 0]


# --- ties ---------------------------------------------------------------------------------------------------


def pooled(routing):
    """A convolution, ReLU and max-pooling over an image with constant patches, and its backward pass."""
    rng = np.random.default_rng(4)
    X = np.kron(rng.integers(0, 3, (2, 6, 6)).astype(float), np.ones((1, 2, 2)))
    V, p = rng.normal(size=(2, 3, 5, 5)), {"K": rng.normal(size=(3, 3, 3)), "b": np.zeros(3)}
    windows = np.lib.stride_tricks.sliding_window_view(X, (3, 3), axis=(1, 2))

    def forward(p):
        Z = np.einsum("mhwij,fij->mfhw", windows, p["K"]) + p["b"][:, None, None]
        A = np.maximum(Z, 0)
        return Z, A, A.reshape(2, 3, 5, 2, 5, 2)

    def cost(p):
        return np.sum(V * forward(p)[2].max(axis=(3, 5)))

    Z, A, blocks = forward(p)
    lined = blocks.transpose(0, 1, 2, 4, 3, 5).reshape(2, 3, 5, 5, 4)
    ties = lined == lined.max(axis=-1, keepdims=True)
    share = routing(ties) * V[..., None]
    dA = share.reshape(2, 3, 5, 5, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(A.shape)
    dZ = dA * (Z > 0)
    return cost, p, {"K": np.einsum("mfhw,mhwij->fij", dZ, windows), "b": dZ.sum(axis=(0, 2, 3))}, ties


ROUTINGS = {
    "first": lambda ties: np.cumsum(np.cumsum(ties, axis=-1), axis=-1) == 1,
    "last": lambda ties: (np.cumsum(np.cumsum(ties[..., ::-1], axis=-1), axis=-1) == 1)[..., ::-1],
    "equal parts": lambda ties: ties / ties.sum(axis=-1, keepdims=True),
}


@pytest.mark.parametrize("name", ROUTINGS)
def test_a_tie_in_a_pool_may_go_to_any_of_the_tied(name):
    cost, p, gradients, ties = pooled(ROUTINGS[name])
    assert (ties.sum(axis=-1) > 1).any()
    assert check(cost, p, gradients, method="difference").passed


def test_but_not_to_all_of_them():
    cost, p, gradients, _ = pooled(lambda ties: ties)
    assert check(cost, p, gradients, method="difference").verdict == "fail"


@pytest.mark.parametrize("method", ["difference", "plain"])
def test_entries_that_move_together_have_no_kink_at_their_tie(method):
    def cost(b):
        return np.max(np.array([1.0, 1.0, 0.5]) + b)

    assert check(cost, np.array(0.3), np.array(1.0), method=method).passed
    for claim in (0.0, 2.0):
        assert check(cost, np.array(0.3), np.array(claim), method=method).verdict == "fail"


def test_a_penalty_of_sparse_weights():
    rng = np.random.default_rng(0)
    w = rng.normal(size=(20, 30)) * (rng.random((20, 30)) < 0.1)
    x = rng.normal(size=30)

    def cost(w):
        return np.sum(np.tanh(w @ x)) + 0.1 * np.abs(w).sum()

    smooth = (1 - np.tanh(w @ x) ** 2)[:, None] * x
    for at_zero in (-1.0, 0.0, 0.7, 1.0):
        right = smooth + 0.1 * np.where(w == 0, at_zero, np.sign(w))
        assert check(cost, w, right, method="difference").passed
    wrong = smooth + 0.1 * np.where(w == 0, 1.01, np.sign(w))
    assert check(cost, w, wrong, method="difference").verdict == "fail"


# --- limits -------------------------------------------------------------------------------------------------


def test_where_impulses_would_take_too_long_the_usual_conventions_are_right(monkeypatch):
    monkeypatch.setattr(enclosure, "MOST_WORK", -1)
    cost, p, backward = small_net()
    kinks = estimated(cost, p).kinks
    assert not kinks.enclosed[kinks.counts > 0].any()
    for share in (0.0, 0.5, 1.0):
        assert check(cost, p, backward(share), method="difference").passed
    for share in (-0.5, 1.5):
        assert check(cost, p, backward(share), method="difference").verdict == "fail"


def test_conventions_may_differ_from_line_to_line(monkeypatch):
    monkeypatch.setattr(enclosure, "MOST_WORK", -1)

    def cost(x):
        first = np.maximum(x, 0)
        second = np.maximum(-x, 0)
        return np.sum(first + 2 * second)

    found = estimated(cost, np.zeros(1))
    assert not found.kinks.enclosed.any()
    assert found.lower[0] <= -2
    assert found.upper[0] >= 1


def test_batches_that_are_too_large_are_halved(monkeypatch):
    cost, p, _ = small_net()
    expected = estimated(cost, p)
    limited = functools.partial(run, limit=40)
    monkeypatch.setattr(enclosure, "run", limited)
    found = estimated(cost, p)
    assert np.array_equal(found.kinks.enclosed, expected.kinks.enclosed)
    np.testing.assert_allclose(found.lower, expected.lower, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.upper, expected.upper, rtol=1e-12, atol=1e-14)
    monkeypatch.setattr(enclosure, "run", functools.partial(run, limit=1))
    alone = estimated(cost, p)  # not even one: the one-sided slopes are all that is known
    assert not alone.kinks.enclosed[alone.kinks.counts > 0].any()
    assert np.all((alone.lower >= expected.lower - 1e-12) & (alone.upper <= expected.upper + 1e-12))


def test_directions_that_are_too_large_together_are_run_apart(monkeypatch):
    cost, p, backward = small_net()
    monkeypatch.setattr(runs, "run", functools.partial(run, limit=60))
    assert check(cost, p, backward(0.0), method="difference").passed


# --- single rules -------------------------------------------------------------------------------------------


def test_branches_that_meet_but_for_rounding_are_continuous():
    """At x = d the branches differ by a rounding error: over the tiny step that would be a slope of 1e9."""
    d = 3.1
    level = d * d * d * 3 / 3
    assert 0 < abs(d * d * d - level) < 1e-14

    def cost(x):
        return np.sum(np.where(x <= d, x * x * x, level + 2 * (x - d)))

    x = np.array([d, 1.0])
    for slope in (2.0, 10.0, 3 * d * d):
        assert check(cost, x, np.array([slope, 3.0]), method="difference").passed
    for wrong in ([1.9, 3.0], [29.0, 3.0], [10.0, 3.001]):
        assert check(cost, x, np.array(wrong), method="difference").verdict == "fail"


def test_a_mask_of_rows_is_assigned_through():
    w = np.array([0.0, 1.0, -2.0])
    c = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    def cost(w):
        rows = w[:, None] * c
        rows[w < 0] = 0
        return np.sum(rows)

    for at_zero in (0.0, 1.5, 3.0):
        assert check(cost, w, np.array([at_zero, 7.0, 0.0]), method="difference").passed
    assert check(cost, w, np.array([3.1, 7.0, 0.0]), method="difference").verdict == "fail"


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_a_step_of_any_value_at_zero(at_zero):
    def cost(x):
        return np.sum(x * np.heaviside(x, at_zero))

    x = np.array([0.0, 2.0, -1.0])
    for claim in (0.0, 0.5, 1.0):
        assert check(cost, x, np.array([claim, 1.0, 0.0]), method="difference").passed
    for claim in (-0.6, 1.6):
        assert check(cost, x, np.array([claim, 1.0, 0.0]), method="difference").verdict == "fail"


def test_a_line_that_runs_several_times_is_named_once():
    def cost(w):
        return sum(np.sum(np.maximum(w, 0)) * (k + 1) for k in range(5))

    (note,) = check(cost, np.zeros(3), np.full(3, 7.5)).notes
    assert note.count("maximum in line") == 1
    assert "more places" not in note
