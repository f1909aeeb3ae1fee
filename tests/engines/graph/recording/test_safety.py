"""Costs that go other ways when something about their arrays is unusual: the gradient is right all the same."""

import contextlib
import math
import sys
import types

import numpy as np
import pytest
import scipy.optimize

from fastcheck import check, numerical_gradient

W = np.random.default_rng(0).standard_normal(60)


def swallowed_error(p):
    v = np.sum(p**2)
    with contextlib.suppress(Exception):
        v = v + 10 * np.unique(p[:2])[0]
    return v


Wp = np.abs(W) + 0.5
Wp[5] = -1


def logarithm_that_raises(p):
    v = 0.0
    for x in p:
        try:
            v = v + math.log(x)
        except ValueError:
            v = v - 1
    return v


def asks_for_view(p):
    return np.sum(p**2) + (p[1] if hasattr(p, "view") else 0)


def views_an_entry(p):
    v = np.sum(p**2)
    try:
        k = p[7].view(float)
    except Exception:
        k = 0.0
    return v + 5 * k**2


def asks_for_the_type(p):
    return np.sum(p**2) + (0 if type(p) is not np.ndarray else p[3])


M = np.random.default_rng(0).standard_normal((6, 5))


def shuffled(p):
    q = p * 1
    np.random.RandomState(0).shuffle(q)
    return np.sum(q * np.arange(6)[:, None])


def text_as_key(p):
    M = {}
    t = 0.0
    for i in range(60):
        k = f"{p[i]:.6f}" if i < 3 else i
        if k not in M:
            M[k] = p[i] ** 2
        t = t + M[k]
    return t


def reads_text(p):
    t = np.sum(p**2)
    return t if str(p[3]).startswith("<") else t + 3 * p[3]


COSTS = [
    (swallowed_error, W), (logarithm_that_raises, Wp), (asks_for_view, W), (views_an_entry, W), (asks_for_the_type, W),
    (text_as_key, W), (reads_text, W), (shuffled, M),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:you are shuffling:UserWarning")
@pytest.mark.parametrize(("cost", "w"), COSTS, ids=lambda x: getattr(x, "__name__", ""))
def test_numerical_gradient_is_that_of_the_loop(cost, w):
    expected = numerical_gradient(cost, w, method="reference", epsilon=1e-5)
    np.testing.assert_allclose(numerical_gradient(cost, w), expected, rtol=1e-5, atol=1e-6)


def test_running_means_are_as_before():
    class Normalisation:
        def __init__(self):
            self.mean = np.zeros(5)

        def cost(self, p):
            mean = p["W"].mean(0)
            self.mean = 0.9 * self.mean + 0.1 * mean
            return np.sum((p["W"] - mean) ** 3)

    layer, p = Normalisation(), {"W": W[:20].reshape(4, 5)}
    gradients = numerical_gradient(layer.cost, p, method="reference")
    report = check(layer.cost, p, gradients)
    assert report.passed
    assert type(layer.mean) is np.ndarray


def test_a_history_holds_numbers():
    history = []

    def cost(p):
        history.append(np.sum(p**2))
        return history[-1]

    assert check(cost, W, 2 * W).passed
    assert {type(x) for x in history} == {np.float64}


def test_lazy_modules_are_left_alone(monkeypatch):
    class Lazy(types.ModuleType):
        def __getattr__(self, name):
            raise ImportError(f"optional dependency missing: {name}")

    monkeypatch.setitem(sys.modules, "lazy_thing", Lazy("lazy_thing"))
    assert check(lambda p: np.sum(p * p), W, 2 * W).passed


def test_a_check_inside_a_cost():
    def cost(p):
        inner = numerical_gradient(lambda q: np.sum(q**2), np.ones((2, 3)))
        return np.sum(p**2) * np.sum(inner)

    assert check(cost, W[:5], 24 * W[:5], tolerance=1e-5).passed


def in_half_precision(p):
    return np.float16(np.sum(p**2))


def in_single_precision(p):
    return np.float32(np.sum(p**2)) * 2.0


@pytest.mark.parametrize(
    ("cost", "what"), [(in_half_precision, "astype(float16)"), (in_single_precision, "astype(float32)")]
)
def test_the_note_says_that_the_cost_converts_to_single_precision(cost, what):
    report = check(cost, W, 2 * W)
    line = cost.__code__.co_firstlineno + 1
    assert report.method == "plain"
    assert f"stopped at line {line} of test_safety.py: return np." in report.notes[0]
    assert f"({what}: recorded arrays are float64; leave the conversion out" in report.notes[0]


def test_a_cost_that_is_a_function_of_a_library_is_blamed_there():
    report = check(scipy.optimize.rosen, np.array([1.3, 0.7]), scipy.optimize.rosen_der)
    assert report.passed
    stopped = [note for note in report.notes if "Recording stopped" in note]
    assert all("of _optimize.py" in note for note in stopped)
    assert stopped or report.method == "difference propagation"
