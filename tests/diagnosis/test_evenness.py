"""Errors that are small and alike in whole blocks are called precision, with the tolerance that accepts them."""

import re

import numpy as np
import pytest
from budgeted_costs import Counted

from fastcheck import Verdict, check, locate, screen

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((30, 6)), np.eye(4)[RNG.integers(0, 4, 30)]
P = {"W": 0.4 * RNG.standard_normal((6, 4)), "b": 0.4 * RNG.standard_normal(4)}
v, K = 1.5 * RNG.standard_normal(20), np.sqrt(2 / np.pi)
ENTRIES = [
    (check, "auto"), (check, "plain"), (check, "reference"), (screen, "difference"), (screen, "plain"),
    (locate, "difference"),
]  # fmt: skip


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def cross_entropy(p):
    return -np.sum(Y * np.log(softmax(X @ p["W"] + p["b"]))) / len(X)


def gradients(epsilon=0.0):
    """Return the gradient of the cross-entropy, of a logarithm with an epsilon inside."""
    y = softmax(X @ P["W"] + P["b"])
    dy = -Y / (y + epsilon) / len(X)
    dz = y * (dy - np.sum(dy * y, axis=1, keepdims=True))
    return {"W": X.T @ dz, "b": dz.sum(axis=0)}


def gelu(p):
    x = p["x"]
    return np.sum(0.5 * x * (1 + np.tanh(K * x * (1 + 0.044715 * x * x))))


def slope_of_gelu(a, b, c, d):
    t = np.tanh(c * v + d * v**3)
    return {"x": 0.5 + (a * v + b * v**3) * (1 - t * t) + 0.5 * t}


def in_bfloat16(values):
    bits = np.asarray(values, dtype=np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return rounded.astype(np.uint32).view(np.float32).astype(float)


def in_float16(values):
    return values.astype(np.float16).astype(float)


RIGHT = gradients()
PRECISE = {
    "constants of six digits": (
        gelu,
        {"x": v},
        slope_of_gelu(0.398942, 0.0535161, 0.797885, 0.0356774),
        None,
    ),
    "an epsilon in a logarithm": (cross_entropy, P, gradients(1e-9), None),
    "bfloat16": (cross_entropy, P, {k: in_bfloat16(g) for k, g in RIGHT.items()}, "bfloat16"),
    "float16": (cross_entropy, P, {k: in_float16(g) for k, g in RIGHT.items()}, "float16"),
}


def times(factor, place):
    """The right gradient with some entries of W multiplied."""
    W = RIGHT["W"].copy()
    W[place] *= factor
    return RIGHT | {"W": W}


MISTAKES = {
    "one coordinate": times(1 + 1e-6, (2, 1)),
    "a row": times(1 + 1e-6, 2),
    "a forgotten penalty": RIGHT | {"W": RIGHT["W"] + 1e-6 * P["W"]},
    "a factor": {k: 1.01 * g for k, g in RIGHT.items()},
    "a factor in bfloat16": {k: in_bfloat16(1.005 * g) for k, g in RIGHT.items()},
    "a mistake in bfloat16": {k: in_bfloat16(g) for k, g in times(1.1, (2, 1)).items()},
    "an approximation, and a mistake": gradients(1e-9) | {"b": 1.001 * RIGHT["b"]},
}


def advised(report):
    return [note for note in report.notes if "accepts it" in note]


@pytest.mark.parametrize(("look", "method"), ENTRIES)
@pytest.mark.parametrize("name", PRECISE)
def test_precision_is_called_precision_and_the_tolerance_named_accepts_it(name, look, method):
    cost, parameters, claim, dtype = PRECISE[name]
    report = look(cost, parameters, claim, method=method)
    assert report.verdict is Verdict.FAIL
    (note,) = advised(report)
    assert note.startswith(f"{', '.join(parameters)} {'are' if len(parameters) > 1 else 'is'} off by ")
    assert ("not a wrong formula" if dtype is None else f"numbers of {dtype}") in note
    tolerance = float(re.search(r"tolerance=(\S+) accepts it", note).group(1))
    error = float(re.search(r"off by (\S+) everywhere", note).group(1))
    assert error < tolerance <= 1e-2
    assert look(cost, parameters, claim, method=method, tolerance=tolerance).passed
    assert " ".join(str(report).split()).count("accepts it") == 1


@pytest.mark.parametrize(("look", "method"), ENTRIES)
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_not(name, look, method):
    report = look(cross_entropy, P, MISTAKES[name], method=method)
    assert report.verdict is Verdict.FAIL
    assert advised(report) == []


def test_a_single_parameter_is_not_everywhere():
    report = check(lambda w: np.sum(w**2), np.array([2.0]), np.array([4.0 * (1 + 4e-7)]))
    assert report.verdict is Verdict.FAIL
    assert advised(report) == []


def test_forward_passes_for_the_advice_are_counted_and_it_is_given_within_a_budget():
    claim = PRECISE["constants of six digits"][2]
    for look, method in ((check, "plain"), (screen, "plain"), (check, "reference")):
        counted = Counted(gelu)
        report = look(counted, {"x": v}, claim, method=method)
        assert advised(report)
        assert report.forward_passes == counted.calls
    assert len(advised(check(gelu, {"x": v}, claim, max_forward_passes=10_000))) == 1
