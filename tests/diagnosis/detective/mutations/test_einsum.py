"""Einsum that a backward pass gets wrong, in a convolution written with it."""

from types import SimpleNamespace

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks
from numpy.lib.stride_tricks import sliding_window_view

from fastcheck.diagnosis.detective.mutations.einsum import TURNED
from fastcheck.diagnosis.detective.mutations.matrix_products import SAMPLES

RNG = np.random.default_rng(51)
IMAGES = RNG.standard_normal((4, 2, 6, 6))
TARGETS = RNG.standard_normal((4, 3, 4, 4))


def convolution(p):
    x = np.tanh(IMAGES * p["a"])
    y = np.einsum("nchwij,fcij->nfhw", sliding_window_view(x, (3, 3), axis=(2, 3)), p["K"])
    return np.sum(TARGETS * np.tanh(y))


def windows(x):
    return sliding_window_view(x, (3, 3), axis=(2, 3))


def of_convolution(p, dK=lambda v: np.einsum("nchwij,nfhw->fcij", windows(v.x), v.dy), K=lambda v: v.K):
    v = SimpleNamespace(z=IMAGES * p["a"], K=p["K"])
    v.x = np.tanh(v.z)
    v.dy = TARGETS * (1 - np.tanh(np.einsum("nchwij,fcij->nfhw", windows(v.x), v.K)) ** 2)
    dx = np.zeros_like(v.x)
    for i in range(3):
        for j in range(3):
            dx[:, :, i : i + 4, j : j + 4] += np.einsum("nfhw,fc->nchw", v.dy, K(v)[:, :, i, j])
    return {"a": (dx * (1 - v.x**2) * IMAGES).sum(axis=0), "K": dK(v)}


def parameters():
    rng = np.random.default_rng(1)
    return {"a": rng.standard_normal((2, 6, 6)), "K": rng.standard_normal((3, 2, 3, 3))}


@pytest.mark.parametrize("way", TURNED)
def test_a_kernel_that_is_turned_going_back_is_named(way):
    p = parameters()
    hypothesis = assert_named(
        convolution, p, of_convolution(p, K=lambda v: way.turn(v.K)), "turned in einsum"
    )
    assert hypothesis.blocks == ("a",)
    assert f'has `p["K"]` {way.does} in what it passes back' in hypothesis.sentence


@pytest.mark.parametrize("way", TURNED)
def test_a_gradient_of_the_kernel_that_is_turned_is_named(way):
    p = parameters()

    def turned(v):
        return way.turn(np.einsum("nchwij,nfhw->fcij", windows(v.x), v.dy))

    hypothesis = assert_named(convolution, p, of_convolution(p, dK=turned), "turned in einsum")
    assert 'has what it passes back to `p["K"]` at line' in hypothesis.sentence
    assert hypothesis.sentence.endswith(way.does)


INCOMPLETE = {
    "first lost": lambda v: np.einsum("nchwij,nfhw->fcij", windows(v.x)[1:], v.dy[1:]),
    "last lost": lambda v: np.einsum("nchwij,nfhw->fcij", windows(v.x)[:-1], v.dy[:-1]),
    "first only": lambda v: np.einsum("nchwij,nfhw->fcij", windows(v.x)[:1], v.dy[:1]),
    "last only": lambda v: np.einsum("nchwij,nfhw->fcij", windows(v.x)[-1:], v.dy[-1:]),
}

OTHERS = {
    "shifted factor": lambda v: np.einsum("nchwij,nfhw->fcij", np.roll(windows(v.x), 1, axis=0), v.dy),
    "slope of another operation": lambda v: np.einsum("nchwij,nfhw->fcij", windows(v.x), TARGETS),
}


@pytest.mark.parametrize("kind", [*INCOMPLETE, *OTHERS])
def test_a_wrong_sum_of_products_is_named(kind):
    p = parameters()
    claim = of_convolution(p, dK=(INCOMPLETE | OTHERS)[kind])
    assert_named(convolution, p, claim, kind)


def attention(p):
    scores = np.einsum("ntd,nsd->nts", p["Q"], p["K"])
    return np.sum(np.tanh(scores) * SCORES) + np.sum(p["V"] ** 3)


SCORES = RNG.standard_normal((3, 4, 4))


@pytest.mark.parametrize("kind", ["another value for a factor", "turned in einsum"])
def test_another_operand_of_the_same_shape_is_named(kind):
    rng = np.random.default_rng(2)
    p = {name: rng.standard_normal((3, 4, 4)) for name in "QKV"}
    dy = SCORES * (1 - np.tanh(np.einsum("ntd,nsd->nts", p["Q"], p["K"])) ** 2)
    right = {"Q": dy @ p["K"], "K": dy.swapaxes(1, 2) @ p["Q"], "V": 3 * p["V"] ** 2}
    assert wrong_blocks(attention, p, right) == []
    wrong = p["V"] if kind == "another value for a factor" else p["K"].swapaxes(1, 2)
    hypothesis = assert_named(attention, p, right | {"Q": dy @ wrong}, kind)
    assert 'p["K"]' in hypothesis.sentence


def test_every_row_has_a_mistake():
    assert {row.kind for row in SAMPLES} <= INCOMPLETE.keys()


def test_the_right_backward_pass_is_right_and_noise_is_not_explained():
    p = parameters()
    claim = of_convolution(p)
    assert wrong_blocks(convolution, p, claim) == []
    noise = np.random.default_rng(7)
    noisy = {name: value * (1 + 0.1 * noise.standard_normal(value.shape)) for name, value in claim.items()}
    assert explanations(convolution, p, noisy) == []
