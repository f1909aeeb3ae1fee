"""What an operand was broadcast along is to be summed over, and a backward pass does something else."""

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks

from fastcheck.diagnosis.detective.mutations.broadcasts import INSTEAD_OF_SUMS

RNG = np.random.default_rng(3)
X, Y = RNG.standard_normal((6, 3)), RNG.standard_normal((6, 4))
IMAGES = RNG.standard_normal((3, 2, 5, 4))


def layer(p):
    return np.sum((np.tanh(X @ p["W"] + p["b"]) - Y) ** 2)


def of_layer(p, db):
    A = np.tanh(X @ p["W"] + p["b"])
    dA = 2 * (A - Y)
    dZ = dA * (1 - A**2)
    return {"W": X.T @ dZ, "b": db(dZ, dA)}


def parameters():
    rng = np.random.default_rng(4)
    return {"W": rng.standard_normal((3, 4)), "b": rng.standard_normal(4)}


WRONG = {
    "first of a broadcast only": lambda dZ, dA: dZ[0],
    "last of a broadcast only": lambda dZ, dA: dZ[-1],
    "summed over everything": lambda dZ, dA: np.full(4, dZ.sum()),
    "averaged over everything": lambda dZ, dA: np.full(4, dZ.mean()),
    "largest of a broadcast only": lambda dZ, dA: dZ.max(axis=0),
    "first of a broadcast lost": lambda dZ, dA: dZ[1:].sum(axis=0),
    "last of a broadcast lost": lambda dZ, dA: dZ[:-1].sum(axis=0),
    "summed over the wrong axis": lambda dZ, dA: dZ.sum(axis=1)[:4],
    "slope of another place": lambda dZ, dA: dA.sum(axis=0),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_sum_over_a_batch_is_named(kind):
    p = parameters()
    found = assert_named(layer, p, of_layer(p, WRONG[kind]), kind)
    assert found.blocks == ("b",)
    assert 'p["b"]' in found.sentence
    assert found.lines[0].text.endswith("Y) ** 2)")


def test_all_rows_have_a_test():
    assert {row.kind for row in INSTEAD_OF_SUMS} <= set(WRONG)


def shifted(p):
    return np.sum(np.cos(p["k"] * IMAGES + p["c"][:, None, None]))


def of_shifted(p, dc):
    dZ = -np.sin(p["k"] * IMAGES + p["c"][:, None, None])
    return {"k": dZ * IMAGES, "c": dc(dZ)}


OF_IMAGES = {
    "first of a broadcast only": (
        lambda dZ: dZ[0, :, 0, 0],
        lambda dZ: dZ.sum(axis=0)[:, 0, 0],
        lambda dZ: dZ[0].sum(axis=(1, 2)),
    ),
    "last of a broadcast only": (lambda dZ: dZ.sum(axis=0)[:, -1].sum(axis=1),),
    "last of a broadcast lost": (lambda dZ: dZ[..., :-1].sum(axis=(0, 2, 3)),),
    "summed over the wrong axis": (lambda dZ: np.resize(dZ.sum(axis=(0, 1, 2)), 2),),
}


@pytest.mark.parametrize(("kind", "dc"), [(kind, dc) for kind, some in OF_IMAGES.items() for dc in some])
def test_one_of_several_axes_is_named(kind, dc):
    rng = np.random.default_rng(5)
    p = {"k": rng.standard_normal(IMAGES.shape), "c": rng.standard_normal(2)}
    assert_named(shifted, p, of_shifted(p, dc), kind)


def steps(p):
    h = np.zeros((6, 4))
    for t in range(3):
        h = np.tanh(X[:, t : t + 1] + h @ p["U"] + p["b"])
    return np.sum(h * Y)


def of_steps(p, summed):
    states = [np.zeros((6, 4))]
    for t in range(3):
        states.append(np.tanh(X[:, t : t + 1] + states[-1] @ p["U"] + p["b"]))
    found, dh = {"U": 0.0, "b": 0.0}, Y
    for t in reversed(range(3)):
        dz = dh * (1 - states[t + 1] ** 2)
        found = {"U": found["U"] + states[t].T @ dz, "b": found["b"] + summed(dz)}
        dh = dz @ p["U"].T
    return found


@pytest.mark.parametrize(
    ("kind", "summed"),
    [
        ("summed over everything", lambda dz: np.full(4, dz.sum())),
        ("last of a broadcast lost", lambda dz: dz[:-1].sum(axis=0)),
    ],
)
def test_a_wrong_sum_in_each_iteration_is_named(kind, summed):
    rng = np.random.default_rng(6)
    p = {"U": rng.standard_normal((4, 4)), "b": rng.standard_normal(4)}
    assert wrong_blocks(steps, p, of_steps(p, lambda dz: dz.sum(axis=0))) == []
    found = assert_named(steps, p, of_steps(p, summed), kind)
    assert "every time it runs" in found.sentence


def test_the_right_backward_pass_is_right_and_noise_is_not_explained():
    p = parameters()
    claim = of_layer(p, lambda dZ, dA: dZ.sum(axis=0))
    assert wrong_blocks(layer, p, claim) == []
    noise = np.random.default_rng(7).standard_normal(4)
    assert explanations(layer, p, {**claim, "b": claim["b"] + noise}) == []
