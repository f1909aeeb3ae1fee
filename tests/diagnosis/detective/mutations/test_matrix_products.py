"""Products of matrices that a backward pass gets wrong, each in the smallest network that has them."""

from types import SimpleNamespace

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks

from fastcheck.diagnosis.detective.mutations.matrix_products import INSTEAD_OF_PRODUCTS, SAMPLES

RNG = np.random.default_rng(11)
X = RNG.standard_normal((7, 4))
TARGETS = RNG.standard_normal((7, 4))
SERIES = RNG.standard_normal((3, 4, 4))


def square_network(p):
    h = np.tanh(X @ p["W"])
    y = h @ p["V"]
    return np.sum(TARGETS * np.tanh(y))


def of_square_network(p, dh=lambda v: v.dy @ v.V.T, dv=lambda v: v.h.T @ v.dy):
    v = SimpleNamespace(V=p["V"], z=X @ p["W"])
    v.h = np.tanh(v.z)
    v.dy = TARGETS * (1 - np.tanh(v.h @ v.V) ** 2)
    return {"W": X.T @ (dh(v) * (1 - v.h**2)), "V": dv(v)}


def two_squares():
    rng = np.random.default_rng(3)
    return {"W": rng.standard_normal((4, 4)), "V": rng.standard_normal((4, 4))}


GOING_BACK = {
    "not transposed": lambda v: v.dy @ v.V,
    "matrix left out": lambda v: v.dy,
    "ones for the matrix": lambda v: v.dy @ np.ones((4, 4)),
    "ones for the slope": lambda v: np.ones((7, 4)) @ v.V.T,
}

OF_WEIGHTS = {
    "result transposed": lambda v: (v.h.T @ v.dy).T,
    "product of sums": lambda v: np.outer(v.h.sum(axis=0), v.dy.sum(axis=0)),
    "product of sums, averaged": lambda v: np.outer(v.h.mean(axis=0), v.dy.sum(axis=0)),
    "first lost": lambda v: v.h[1:].T @ v.dy[1:],
    "last lost": lambda v: v.h[:-1].T @ v.dy[:-1],
    "first only": lambda v: v.h[:1].T @ v.dy[:1],
    "last only": lambda v: v.h[-1:].T @ v.dy[-1:],
    "shifted factor": lambda v: np.roll(v.h, 1, axis=0).T @ v.dy,
    "factor before the activation": lambda v: v.z.T @ v.dy,
    "another value for a factor": lambda v: np.tanh(v.h @ v.V).T @ v.dy,
    "another constant for a factor": lambda v: X.T @ v.dy,
    "slope of another operation": lambda v: v.h.T @ TARGETS,
}


@pytest.mark.parametrize("kind", GOING_BACK)
def test_a_wrong_product_going_back_is_named(kind):
    p = two_squares()
    hypothesis = assert_named(square_network, p, of_square_network(p, dh=GOING_BACK[kind]), kind)
    assert hypothesis.blocks == ("W",)
    assert 'h @ p["V"]' in hypothesis.sentence


@pytest.mark.parametrize("kind", OF_WEIGHTS)
def test_a_wrong_product_for_weights_is_named(kind):
    p = two_squares()
    # the derivative of tanh left out is another way to hand on the slope of its result
    equals = ("derivative left out",) if kind == "slope of another operation" else ()
    hypothesis = assert_named(
        square_network, p, of_square_network(p, dv=OF_WEIGHTS[kind]), kind, equals=equals
    )
    assert hypothesis.blocks == ("V",)


def test_a_matrix_that_is_not_transposed_is_told_as_the_user_has_it():
    p = two_squares()
    [found] = explanations(square_network, p, of_square_network(p, dh=lambda v: v.dy @ v.V))
    line = square_network.__code__.co_firstlineno + 2
    assert found.sentence == (
        'the backward pass does not transpose `p["V"]` in what it passes back to `h` at line '
        f'{line}, `h @ p["V"]`'
    )


def attention(p):
    Q, K, V = SERIES @ p["Wq"], SERIES @ p["Wk"], SERIES @ p["Wv"]
    scores = Q @ K.swapaxes(-1, -2)
    return np.sum(np.tanh(scores) @ V * SERIES)


def of_attention(p, dq=lambda v: v.ds @ v.K, dk=lambda v: v.ds.swapaxes(-1, -2) @ v.Q, of_weights=None):
    v = SimpleNamespace(Q=SERIES @ p["Wq"], K=SERIES @ p["Wk"], V=SERIES @ p["Wv"])
    v.a = np.tanh(v.Q @ v.K.swapaxes(-1, -2))
    v.ds = SERIES @ v.V.swapaxes(-1, -2) * (1 - v.a**2)
    v.dV = v.a.swapaxes(-1, -2) @ SERIES

    def summed(slope):
        return np.einsum("nti,ntj->ij", SERIES, slope)

    return {
        "Wq": summed(dq(v)),
        "Wk": summed(dk(v)),
        "Wv": summed(v.dV) if of_weights is None else of_weights(v),
    }


def three_weights():
    rng = np.random.default_rng(4)
    return {name: 0.5 * rng.standard_normal((4, 3)) for name in ("Wq", "Wk")} | {
        "Wv": rng.standard_normal((4, 4))
    }


def test_the_own_factor_in_place_of_the_other_one_is_named():
    p = three_weights()
    hypothesis = assert_named(
        attention, p, of_attention(p, dq=lambda v: v.ds @ v.Q), "own factor, transposed"
    )
    assert "has `Q`, transposed, where `K.swapaxes(-1, -2)` is right" in hypothesis.sentence


def test_a_slope_that_is_transposed_is_named():
    p = three_weights()
    claim = of_attention(p, dk=lambda v: v.ds @ v.Q)
    assert_named(attention, p, claim, "slope transposed")


BATCH = {
    "first only": lambda v: SERIES[0].T @ v.dV[0],
    "last only": lambda v: SERIES[-1].T @ v.dV[-1],
    "first lost": lambda v: np.einsum("nti,ntj->ij", SERIES[1:], v.dV[1:]),
    "last lost": lambda v: np.einsum("nti,ntj->ij", SERIES[:-1], v.dV[:-1]),
}


@pytest.mark.parametrize("kind", BATCH)
def test_a_sum_over_a_batch_that_is_not_complete_is_named(kind):
    p = three_weights()
    hypothesis = assert_named(attention, p, of_attention(p, of_weights=BATCH[kind]), kind)
    assert "of the 3 products" in hypothesis.sentence


def own_network(p):
    return np.sum(np.tanh(p["A"] @ p["B"]) * TARGETS[:4])


def of_own_network(p, da):
    v = SimpleNamespace(A=p["A"], B=p["B"])
    v.dy = TARGETS[:4] * (1 - np.tanh(v.A @ v.B) ** 2)
    return {"A": da(v), "B": v.A.T @ v.dy}


def test_the_own_factor_of_the_same_shape_is_named():
    p = dict(zip("AB", two_squares().values(), strict=True))
    assert_named(own_network, p, of_own_network(p, lambda v: v.dy @ v.A.T), "own factor")


def vector_network(p):
    h = np.tanh(X @ p["w"])
    return np.sum(np.tanh(h @ p["V"]) * TARGETS[0])


def of_vector_network(p, dv):
    v = SimpleNamespace(z=X @ p["w"], V=p["V"])
    v.h = np.tanh(v.z)
    v.dy = TARGETS[0] * (1 - np.tanh(v.h @ v.V) ** 2)
    return {"w": X.T @ (v.V @ v.dy * (1 - v.h**2)), "V": dv(v)}


def test_products_with_vectors_are_like_those_of_matrices():
    rng = np.random.default_rng(8)
    p = {"w": rng.standard_normal(4), "V": rng.standard_normal((7, 4))}
    assert wrong_blocks(vector_network, p, of_vector_network(p, lambda v: np.outer(v.h, v.dy))) == []
    claim = of_vector_network(p, lambda v: np.outer(v.z, v.dy))
    assert_named(vector_network, p, claim, "factor before the activation")


def recurrent(p):
    h = np.zeros(4)
    for t in range(4):
        h = np.tanh(X[t] @ p["W"] + h @ p["V"])
    return np.sum(h * TARGETS[0])


def of_recurrent(p, hand_on=lambda v: v.dz @ v.V.T, dV=lambda v: np.outer(v.h[v.t], v.dz)):
    v = SimpleNamespace(V=p["V"], h=[np.zeros(4)])
    for t in range(4):
        v.h.append(np.tanh(X[t] @ p["W"] + v.h[-1] @ v.V))
    v.dh, sums = TARGETS[0], {"W": np.zeros((4, 4)), "V": np.zeros((4, 4))}
    for v.t in (3, 2, 1, 0):
        v.dz = v.dh * (1 - v.h[v.t + 1] ** 2)
        sums["W"] += np.outer(X[v.t], v.dz)
        sums["V"] += dV(v)
        v.dh = hand_on(v)
    return sums


IN_A_LOOP = {
    "not transposed": {"hand_on": lambda v: v.dz @ v.V},
    "matrix left out": {"hand_on": lambda v: v.dz},
    "slope of another operation": {"hand_on": lambda v: v.dh @ v.V.T},
    "another value for a factor": {"dV": lambda v: np.outer(v.h[v.t + 1], v.dz)},
}


@pytest.mark.parametrize("kind", IN_A_LOOP)
def test_a_product_in_a_loop_that_is_wrong_every_time_is_named(kind):
    p = two_squares()
    assert_named(recurrent, p, of_recurrent(p, **IN_A_LOOP[kind]), kind)


def test_every_row_has_a_mistake():
    rows = {row.kind for row in (*INSTEAD_OF_PRODUCTS, *SAMPLES)}
    others = {"own factor", "own factor, transposed", "slope transposed"}
    assert rows <= {*GOING_BACK, *OF_WEIGHTS, *others}


@pytest.mark.parametrize(
    ("cost", "right", "p"),
    [
        (square_network, of_square_network, two_squares()),
        (attention, of_attention, three_weights()),
        (recurrent, of_recurrent, two_squares()),
    ],
)
def test_the_right_backward_pass_is_right_and_noise_is_not_explained(cost, right, p):
    claim = right(p)
    assert wrong_blocks(cost, p, claim) == []
    noise = np.random.default_rng(7)
    noisy = {name: value * (1 + 0.1 * noise.standard_normal(value.shape)) for name, value in claim.items()}
    assert explanations(cost, p, noisy) == []
