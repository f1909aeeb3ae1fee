"""Samples that a backward pass loses, counts twice or exchanges."""

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks

from fastcheck.diagnosis.detective.searching.samples import EXCHANGED, RECOUNTED

RNG = np.random.default_rng(31)
X, Y = RNG.standard_normal((7, 3)), RNG.standard_normal((7, 2))


def cost(p):
    hidden = np.tanh(X @ p["W"] + p["b"])
    return np.sum((hidden @ p["V"] - Y) ** 2) / 7


def parameters():
    rng = np.random.default_rng(32)
    return {"W": rng.standard_normal((3, 4)), "b": rng.standard_normal(4), "V": rng.standard_normal((4, 2))}


def claim(p, at_output=lambda d: d, at_hidden=lambda d: d):
    hidden = np.tanh(X @ p["W"] + p["b"])
    d = at_output(2 * (hidden @ p["V"] - Y) / 7)
    dz = at_hidden((d @ p["V"].T) * (1 - hidden**2))
    return {"W": X.T @ dz, "b": dz.sum(axis=0), "V": hidden.T @ d}


def times(sample, factor):
    def scaled(d):
        wrong = d.copy()
        wrong[sample] *= factor
        return wrong

    return scaled


@pytest.mark.parametrize(
    ("sample", "words"), [(0, "the 1st of 7"), (-1, "the last of 7"), (3, "the 4th of 7")]
)
@pytest.mark.parametrize(("kind", "factor"), [("sample lost", 0.0), ("sample counted twice", 2.0)])
def test_a_sample_that_is_recounted_is_named(kind, factor, sample, words):
    p = parameters()
    found = assert_named(cost, p, claim(p, at_output=times(sample, factor)), kind)
    assert found.blocks == ("W", "b", "V")
    assert words in found.sentence
    found = assert_named(cost, p, claim(p, at_hidden=times(sample, factor)), kind)
    assert found.blocks == ("W", "b")


@pytest.mark.parametrize(
    ("kind", "exchanged"),
    [
        ("samples shifted", lambda d: np.roll(d, 1, axis=0)),
        ("samples shifted", lambda d: np.roll(d, -1, axis=0)),
        ("samples reversed", lambda d: d[::-1]),
    ],
)
def test_samples_in_another_order_are_named(kind, exchanged):
    p = parameters()
    # the derivative of a square is linear, so that of the next entry is the same
    equals = ("derivative of the next entry",)
    assert_named(cost, p, claim(p, at_output=exchanged), kind, equals=equals)


def test_all_rows_have_a_test():
    assert {row.kind for row in (*RECOUNTED, *EXCHANGED)} == {
        "sample lost",
        "sample counted twice",
        "samples shifted",
        "samples reversed",
    }


def steps(p):
    h, loss = np.zeros((7, 2)), 0.0
    for t in range(3):
        h = np.tanh(X[:, t : t + 1] * p["w"] + h @ p["U"])
        loss = loss + np.sum((h - Y) ** 2)
    return loss


def of_steps(p, at_output):
    states = [np.zeros((7, 2))]
    for t in range(3):
        states.append(np.tanh(X[:, t : t + 1] * p["w"] + states[-1] @ p["U"]))
    found, dh = {"w": 0.0, "U": 0.0}, np.zeros((7, 2))
    for t in reversed(range(3)):
        dz = (dh + at_output(2 * (states[t + 1] - Y))) * (1 - states[t + 1] ** 2)
        found = {"w": found["w"] + (dz * X[:, t : t + 1]).sum(axis=0), "U": found["U"] + states[t].T @ dz}
        dh = dz @ p["U"].T
    return found


def test_a_sample_that_is_lost_at_each_step_is_named():
    rng = np.random.default_rng(33)
    p = {"w": rng.standard_normal(2), "U": rng.standard_normal((2, 2))}
    assert wrong_blocks(steps, p, of_steps(p, lambda d: d)) == []
    found = assert_named(steps, p, of_steps(p, times(-1, 0.0)), "sample lost")
    assert "every time it runs" in found.sentence


def test_the_right_backward_pass_is_right_and_noise_is_not_explained():
    p = parameters()
    assert wrong_blocks(cost, p, claim(p)) == []
    noise = np.random.default_rng(34).standard_normal((7, 2))
    assert explanations(cost, p, claim(p, at_output=lambda d: d + noise)) == []
