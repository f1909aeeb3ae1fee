"""Of errors that are small and alike nothing is said but what is exact, and that they may be those of precision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcheck import check
from fastcheck.diagnosis.detective.ranking import UNRECOGNISED
from fastcheck.report.causes import LOCATED, ORDER

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((8, 4)), RNG.standard_normal((8, 3))
THETA = {"W": RNG.standard_normal((4, 3)), "b": RNG.standard_normal(3)}

ONLY_WHERE = ("wrong in a part", "one wrong entry")
"""Kinds that tell where errors are that are not alike."""


def cost(p):
    return np.sum(np.tanh(X @ p["W"] + p["b"] - T) ** 2)


def gradients():
    y = np.tanh(X @ THETA["W"] + THETA["b"] - T)
    d = 2 * y * (1 - y**2)
    return {"W": X.T @ d, "b": d.sum(0)}


RIGHT = gradients()
CHANGED = {
    "a factor": (RIGHT["W"] * 1.000001, "dW is 1.000001 times the right gradient"),
    "a larger one": (RIGHT["W"] * (1 - 1e-5), "dW is 0.99999 times the right gradient"),
    "rows": (
        RIGHT["W"] * (1 + 2e-6 * np.array([[1], [2], [3], [4]])),
        "dW is the right gradient with each row multiplied by a factor of its own "
        "(1.000002, 1.000004, 1.000006, 1.000008)",
    ),
    "digits": (RIGHT["W"].round(6), "dW is the right gradient rounded to 6 decimals"),
    "float16": (RIGHT["W"].astype(np.float16).astype(float), "dW is the right gradient rounded to float16"),
}


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize("method", ["auto", "plain"])
def test_what_is_exact_is_said(name, method):
    claimed, sentence = CHANGED[name]
    report = check(cost, THETA, RIGHT | {"W": claimed}, method=method)
    assert report.causes[0].sentence == sentence
    assert report.causes[0].blocks == ("W",)
    advised = [note for note in report.notes if "accepts it" in note]
    assert not any("not a wrong formula" in note for note in advised)
    assert "rounded" in sentence or not advised


def truncated(p):
    return np.sum((X @ p["W"] * np.sqrt(2 / np.pi) + p["b"]) ** 2)


def test_a_truncated_constant_is_named_and_no_precision():
    z = 2 * (X @ THETA["W"] * np.sqrt(2 / np.pi) + THETA["b"])
    claim = {"W": 0.797885 * (X.T @ z), "b": z.sum(0)}
    report = check(truncated, THETA, claim)
    assert "√(2/π)" in report.causes[0].sentence
    assert not any("accepts it" in note for note in report.notes)


def test_what_one_block_lacks_in_precision_is_said_beside_what_is_explained():
    noise = 1 + 4e-7 * np.cos(np.arange(12).reshape(4, 3))
    report = check(cost, THETA, {"W": RIGHT["W"] * noise, "b": RIGHT["b"] * 1.00001})
    assert "db is 1.00001 times the right gradient" in [cause.sentence for cause in report.causes]
    (advice,) = [note for note in report.notes if "accepts it" in note]
    assert advice.startswith("W is off by ")
    assert "not a wrong formula" in advice


@pytest.mark.parametrize("scale", [1.1, 0.9, 1.00001, -1.3])
def test_the_factor_of_a_single_number_is_said_if_it_has_few_digits(scale):
    theta = THETA | {"b": np.array([0.3])}
    claim = {
        "W": X.T @ (d := 2 * (y := np.tanh(X @ THETA["W"] + 0.3 - T)) * (1 - y**2)),
        "b": scale * d.sum(keepdims=True)[0],
    }
    report = check(cost, theta, claim)
    said = f"{scale:g}".replace("-", "−") if scale != 1.00001 else "1.00001"
    assert report.causes[0].sentence == f"db is {said} times what it should be"
    assert not report.causes[0].certain
    other = check(cost, theta, claim | {"b": claim["b"] * 0.7345671234})
    assert other.causes[0].kind == ORDER


def test_one_wrong_entry_of_two_is_not_everywhere():
    x = np.array([0.7, -1.2])
    claim = 3 * x**2 * np.array([1.0, 1.00001])
    report = check(lambda w: np.sum(w**3), x, claim)
    assert report.causes[0].kind == "one wrong entry"
    assert not any("everywhere" in note for note in report.notes)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**20),
    size=st.floats(2e-7, 2e-6),
    relative=st.booleans(),
    shapes=st.sampled_from([((4, 3), (3,)), ((4, 1), (1,)), ((4, 2), (2,))]),
    method=st.sampled_from(["auto", "plain"]),
)
def test_random_errors_are_not_explained(seed, size, relative, shapes, method):
    rng = np.random.default_rng(seed)
    theta = {name: rng.standard_normal(shape) for name, shape in zip("Wb", shapes, strict=True)}
    t = T[:, : shapes[1][0]]
    y = np.tanh(X @ theta["W"] + theta["b"] - t)
    d = 2 * y * (1 - y**2)
    claim = {"W": X.T @ d, "b": d.sum(0)}
    for name, value in claim.items():
        noise = size * rng.standard_normal(value.shape)
        claim[name] = value * (1 + noise) if relative else value + noise * np.abs(value).max()
    report = check(lambda p: np.sum(np.tanh(X @ p["W"] + p["b"] - t) ** 2), theta, claim, method=method)
    kinds = {cause.kind for cause in report.causes}
    assert kinds <= {ORDER, LOCATED, UNRECOGNISED, "errors of float32", *ONLY_WHERE}
