"""An inconclusive verdict names its cause, and what to do about it."""

import numpy as np
import pytest

from fastcheck import Verdict, check

X = np.array([[0.3, -1.2, 2.0], [1.1, 0.4, -0.7]])


def smooth(p):
    return float(np.sum(np.tanh(p["w"] @ X)))


def right():
    w = np.array([0.7, -0.4])
    return {"w": w}, {"w": X @ (1 - np.tanh(w @ X) ** 2)}


class Shaking:
    """Other threads add up in another order: the last bits of J change from call to call."""

    def __init__(self):
        self.calls = 0

    def __call__(self, p):
        self.calls += 1
        return 1e9 * (1 + (self.calls % 3) * 2e-16) + smooth(p)


def steep(p):
    """A sine so quick that a step of 0.05 sees nothing of its slope."""
    return float(np.sum(np.sin(4e4 * p["w"])))


def right_steep():
    w = np.array([0.7, -0.4])
    return {"w": w}, {"w": 4e4 * np.cos(4e4 * w)}


CASES = {
    "rounding noise": (lambda p: 1e11 + smooth(p), right(), {}),
    "truncation": (steep, right_steep(), {"epsilon": 0.05}),
    "non-determinism": (Shaking(), right(), {}),
    "float32": (lambda p: float(np.float16(smooth(p))), right(), {}),
    "kink": (
        lambda p: float(np.sum(np.maximum(p["w"] @ X, 0) * [1.0, -2.0, 3.0])),
        ({"w": np.zeros(2)}, {"w": X @ [1.0, -2.0, 3.0]}),
        {},
    ),
}


@pytest.mark.parametrize("cause", CASES)
def test_the_cause_is_named(cause):
    cost, (parameters, gradients), options = CASES[cause]
    report = check(cost, parameters, gradients, method="plain", **options)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.blocks["w"].cause.startswith(f"{cause}: the numerical gradient of w is known to ± ")
    advice = report.blocks["w"].cause.split(". ")[-1]
    assert advice in str(report).replace("\n", " ")


@pytest.mark.parametrize(
    ("zeros", "words"), [(1, "1 coordinate is at a kink,"), (2, "2 coordinates are at kinks,")]
)
def test_coordinates_at_kinks_are_counted_in_words(zeros, words):
    theta = np.array([0.0, 0.0, 1.0])[2 - zeros :]
    report = check(lambda w: np.sum(np.maximum(w, 0)), theta, (theta > 0).astype(float))
    assert report.passed
    assert any(note.startswith(words) for note in report.notes)
