"""Pieces of one result whose slopes go to another piece, and borders that are cropped on one side only."""

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks

RNG = np.random.default_rng(71)
X, Y = RNG.standard_normal((3, 5)), RNG.standard_normal((2, 5))


def parameters():
    rng = np.random.default_rng(72)
    return {"W": rng.standard_normal((6, 3)), "b": rng.standard_normal((6, 1))}


def gates(p):
    z = p["W"] @ X + p["b"]
    return np.sum(Y * np.tanh(z[:2]) * np.exp(z[2:4]) * np.sin(z[4:]))


def claim_of_gates(p, order):
    z = p["W"] @ X + p["b"]
    a, b, c = z[:2], z[2:4], z[4:]
    da = Y * (1 - np.tanh(a) ** 2) * np.exp(b) * np.sin(c)
    db = Y * np.tanh(a) * np.exp(b) * np.sin(c)
    dc = Y * np.tanh(a) * np.exp(b) * np.cos(c)
    dz = np.vstack([(da, db, dc)[k] for k in order])
    return {"W": dz @ X.T, "b": dz.sum(axis=1, keepdims=True)}


@pytest.mark.parametrize(
    ("order", "words"),
    [((1, 0, 2), "the 1st and the 2nd of 3 pieces"), ((0, 2, 1), "the 2nd and the 3rd of 3 pieces")],
)
def test_gates_in_another_order_are_named(order, words):
    p = parameters()
    assert wrong_blocks(gates, p, claim_of_gates(p, (0, 1, 2))) == []
    found = assert_named(gates, p, claim_of_gates(p, order), "pieces exchanged")
    assert words in found.sentence


IMAGE = (2, 3, 4)
WEIGHTS = RNG.standard_normal((2, 5, 6))


def padded(p):
    return np.sum(WEIGHTS * np.sin(np.pad(p["x"] * p["y"], ((0, 0), (1, 1), (1, 1))) + WEIGHTS))


def claim_of_padded(p, crop):
    whole = np.pad(p["x"] * p["y"], ((0, 0), (1, 1), (1, 1)))
    slope = (WEIGHTS * np.cos(whole + WEIGHTS))[:, crop, crop][:, :3, :4]
    return {"x": slope * p["y"], "y": slope * p["x"]}


@pytest.mark.parametrize(("crop", "side"), [(slice(2, None), "before"), (slice(0, None), "after")])
def test_a_border_that_is_cropped_on_one_side_is_named(crop, side):
    rng = np.random.default_rng(73)
    p = {"x": rng.standard_normal(IMAGE), "y": rng.standard_normal(IMAGE)}
    assert wrong_blocks(padded, p, claim_of_padded(p, slice(1, -1))) == []
    found = assert_named(padded, p, claim_of_padded(p, crop), "border cropped on one side")
    assert f"the whole border {side} what" in found.sentence


def test_noise_is_not_taken_for_pieces():
    p, rng = parameters(), np.random.default_rng(74)
    claim = {name: rng.standard_normal(value.shape) for name, value in p.items()}
    assert explanations(gates, p, claim) == []
