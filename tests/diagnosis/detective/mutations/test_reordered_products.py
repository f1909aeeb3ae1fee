"""Products that hand back an axis in another order, as if their matrix were: kernels turned, halves exchanged."""

import numpy as np
import pytest
from explained_claims import assert_named, wrong_blocks

RNG = np.random.default_rng(81)
X = RNG.standard_normal((2, 5))


def parameters(inner):
    rng = np.random.default_rng(82)
    return {"W": rng.standard_normal((inner, 2)), "F": rng.standard_normal((3, inner))}


def cost(p):
    return np.sum(np.sin(p["F"] @ np.tanh(p["W"] @ X)))


def claim_of(p, order):
    a = np.tanh(p["W"] @ X)
    dout = np.cos(p["F"] @ a)
    return {"F": dout @ a.T, "W": ((order(p["F"].T @ dout)) * (1 - a**2)) @ X.T}


ORDERS = [
    (18, lambda da: da.reshape(2, 9, 5)[:, ::-1].reshape(18, 5), "kernel turned"),
    (18, lambda da: da.reshape(2, 3, 3, 5).swapaxes(1, 2).reshape(18, 5), "kernel transposed"),
    (6, lambda da: np.roll(da, 3, axis=0), "halves exchanged"),
]


@pytest.mark.parametrize(("inner", "order", "kind"), ORDERS, ids=[row[2] for row in ORDERS])
def test_another_order_of_what_a_product_hands_back_is_named(inner, order, kind):
    p = parameters(inner)
    assert wrong_blocks(cost, p, claim_of(p, lambda da: da)) == []
    found = assert_named(cost, p, claim_of(p, order), kind)
    assert found.blocks == ("W",)


@pytest.mark.parametrize(("inner", "order", "kind"), ORDERS, ids=[row[2] for row in ORDERS])
def test_the_same_of_the_first_factor_is_named(inner, order, kind):
    p = parameters(inner)
    turned = {"W": p["W"].T, "F": p["F"].T}

    def cost_of_rows(q):
        return np.sum(np.sin(np.tanh(X.T @ q["W"]) @ q["F"]))

    claim = {name: g.T for name, g in claim_of(p, order).items()}
    assert_named(cost_of_rows, turned, claim, kind)
