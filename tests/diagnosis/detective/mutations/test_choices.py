"""Maxima whose slopes go to the wrong entries, and masks that are left out, inverted or shifted."""

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks

from fastcheck.diagnosis.detective.mutations.choices import INSTEAD_OF_MASKS, INSTEAD_OF_WINNERS

RNG = np.random.default_rng(17)
X = RNG.standard_normal((6, 3))
TARGETS = RNG.standard_normal(6)
MASK = RNG.random((6, 4)) < 0.6
MASK[0] = True
SCALES = RNG.standard_normal((6, 4))


def parameters():
    rng = np.random.default_rng(18)
    return {"W": rng.standard_normal((3, 4)), "s": rng.standard_normal((6, 4))}


def pooled(p):
    return TARGETS @ np.max(np.sin(p["s"]) * (X @ p["W"]), axis=1)


def of_pooled(p, shares):
    Z = np.sin(p["s"]) * (X @ p["W"])
    dZ = shares(Z) * TARGETS[:, None]
    return {"W": X.T @ (dZ * np.sin(p["s"])), "s": dZ * (X @ p["W"]) * np.cos(p["s"])}


def one_hot(at):
    return (np.arange(4) == at[:, None]) * 1.0


WRONG = {
    "maximum to all entries": lambda Z: np.ones(Z.shape),
    "maximum shared by all entries": lambda Z: np.full(Z.shape, 1 / 4),
    "maximum to the next entry": lambda Z: np.roll(one_hot(Z.argmax(axis=1)), 1, axis=1),
    "maximum to the entry before": lambda Z: np.roll(one_hot(Z.argmax(axis=1)), -1, axis=1),
    "minimum for maximum": lambda Z: one_hot(Z.argmin(axis=1)),
    "maximum to the first entry": lambda Z: one_hot(np.zeros(6)),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_maximum_whose_slope_goes_elsewhere_is_named(kind):
    p = parameters()
    assert wrong_blocks(pooled, p, of_pooled(p, lambda Z: one_hot(Z.argmax(axis=1)))) == []
    assert set(assert_named(pooled, p, of_pooled(p, WRONG[kind]), kind).blocks) == {"W", "s"}


TIED = np.array([[2.0, 2.0, 1.0, 0.0], [0.0, 3.0, 3.0, 3.0], [1.0, 0.0, 2.0, 5.0]])
"""Scales: entries of equal scale are equal."""


def of_equal(p):
    return np.array([1.0, -2.0, 3.0]) @ np.tanh(np.max(TIED * np.exp(p["u"] + p["v"]), axis=1))


def of_equal_claim(p, shares):
    Z = TIED * np.exp(p["u"] + p["v"])
    slope = np.array([1.0, -2.0, 3.0]) * (1 - np.tanh(Z.max(axis=1)) ** 2)
    dZ = shares(Z) * slope[:, None] * Z
    return {"u": dZ.copy(), "v": dZ}


def last_of_largest(Z):
    return one_hot(3 - Z[:, ::-1].argmax(axis=1))


TIES = {
    "maximum to all ties": lambda Z: (Z.max(axis=1, keepdims=True) == Z) * 1.0,
    "maximum shared by ties": lambda Z: (
        (Z.max(axis=1, keepdims=True) == Z) / (Z.max(axis=1, keepdims=True) == Z).sum(axis=1, keepdims=True)
    ),
    "maximum to the last tie": last_of_largest,
}


@pytest.mark.parametrize("kind", TIES)
def test_what_goes_to_equal_entries_is_named(kind):
    p = {"u": np.full((3, 4), 0.1), "v": np.full((3, 4), -0.3)}
    assert wrong_blocks(of_equal, p, of_equal_claim(p, lambda Z: one_hot(Z.argmax(axis=1)))) == []
    assert_named(of_equal, p, of_equal_claim(p, TIES[kind]), kind)


def test_all_rows_of_winners_have_a_test():
    assert {row.kind for row in INSTEAD_OF_WINNERS} == {*WRONG, *TIES}


def test_a_minimum_over_two_axes_is_named():
    rng = np.random.default_rng(19)
    p = {"x": rng.standard_normal((2, 4, 6)), "y": rng.standard_normal((2, 4, 6))}

    def cells(z):
        return z.reshape(2, 2, 2, 3, 2)

    def cost(p):
        return np.sum(np.cos(cells(p["x"] * p["y"]).min(axis=(2, 4))))

    def claim(largest):
        flat = cells(p["x"] * p["y"]).transpose(0, 1, 3, 2, 4).reshape(2, 2, 3, 4)
        at = flat.argmax(axis=-1) if largest else flat.argmin(axis=-1)
        slope = -np.sin(flat.min(axis=-1))[..., None] * (np.arange(4) == at[..., None])
        dz = slope.reshape(2, 2, 3, 2, 2).transpose(0, 1, 3, 2, 4).reshape(2, 4, 6)
        return {"x": dz * p["y"], "y": dz * p["x"]}

    assert wrong_blocks(cost, p, claim(largest=False)) == []
    assert_named(cost, p, claim(largest=True), "minimum for maximum")


def chosen(p):
    return np.sum(np.cos(np.where(MASK, X @ p["W"], np.sin(p["s"]))))


def of_chosen(p, mask, other):
    slope = -np.sin(np.where(MASK, X @ p["W"], np.sin(p["s"])))
    return {"W": X.T @ (slope * mask), "s": slope * other * np.cos(p["s"])}


MASKS = {
    "mask left out": np.ones(MASK.shape),
    "mask inverted": 1.0 - MASK,
    "half of each side": np.full(MASK.shape, 0.5),
    "mask of the next entry": np.roll(MASK, 1, axis=0) * 1.0,
}


@pytest.mark.parametrize("kind", MASKS)
def test_a_wrong_mask_of_one_operand_is_named(kind):
    p = parameters()
    assert wrong_blocks(chosen, p, of_chosen(p, MASK, ~MASK)) == []
    assert assert_named(chosen, p, of_chosen(p, MASKS[kind], ~MASK), kind).blocks == ("W",)


def test_the_mask_of_the_other_operand_may_be_wrong():
    p = parameters()
    claim = of_chosen(p, MASK, MASK)
    assert assert_named(chosen, p, claim, "mask inverted").blocks == ("s",)


def larger(p):
    return np.sum(np.cos(np.maximum(X @ p["W"], np.sin(p["s"]))))


@pytest.mark.parametrize("kind", ["mask left out", "mask inverted", "half of each side"])
def test_a_wrong_mask_of_a_maximum_of_two_is_named(kind):
    p = parameters()
    Z, S = X @ p["W"], np.sin(p["s"])
    slope, mask = -np.sin(np.maximum(Z, S)), (Z > S) * 1.0
    instead = next(row for row in INSTEAD_OF_MASKS if row.kind == kind).mask(mask)
    right = {"W": X.T @ (slope * mask), "s": slope * (1 - mask) * np.cos(p["s"])}
    assert wrong_blocks(larger, p, right) == []
    assert_named(larger, p, {**right, "W": X.T @ (slope * instead)}, kind)


def dropped(p):
    return np.sum(np.cos((X @ p["W"]) * (MASK / 0.6) + p["s"]))


@pytest.mark.parametrize("kind", ["mask left out", "mask inverted"])
def test_a_wrong_mask_that_multiplies_is_named(kind):
    p = parameters()
    slope = -np.sin((X @ p["W"]) * (MASK / 0.6) + p["s"])
    right = {"W": X.T @ (slope * MASK / 0.6), "s": slope}
    assert wrong_blocks(dropped, p, right) == []
    assert_named(dropped, p, {**right, "W": X.T @ (slope * MASKS[kind] / 0.6)}, kind)


def test_all_rows_of_masks_have_a_test():
    assert {row.kind for row in INSTEAD_OF_MASKS} <= set(MASKS)


RELUS = {
    "maximum": lambda Z: np.maximum(Z, 0),
    "a product with a mask": lambda Z: Z * (Z > 0),
    "where": lambda Z: np.where(Z > 0, Z, 0),
    "half of z and |z|": lambda Z: (Z + np.abs(Z)) / 2,
}


LEFT_OUT = {"derivative left out", "factor left out"}
OTHER_SIDE = {"the other side's slope of ReLU", "mask inverted"}


@pytest.mark.parametrize("relu", RELUS)
@pytest.mark.parametrize(
    ("kinds", "slope"),
    [(LEFT_OUT, lambda Z: np.ones(Z.shape)), (OTHER_SIDE, lambda Z: (Z < 0) * 1.0)],
    ids=["left out", "other side"],
)
def test_a_wrong_slope_of_relu_is_named_however_it_is_written(relu, kinds, slope):
    p = parameters()

    def cost(p):
        return np.sum(RELUS[relu](X @ p["W"] + p["s"]) * SCALES)

    def claim(slope):
        dZ = SCALES * slope(X @ p["W"] + p["s"])
        return {"W": X.T @ dZ, "s": dZ}

    assert wrong_blocks(cost, p, claim(lambda Z: (Z > 0) * 1.0)) == []
    # (1 − sign z) / 2 is the other side's slope, and what a wrong sign at |z| makes of (1 + sign z) / 2
    equal = {"factor"} if "|z|" in relu and kinds is OTHER_SIDE else set()
    assert explanations(cost, p, claim(slope))[0].kind in kinds | equal


def test_noise_is_not_explained():
    p = parameters()
    claim = of_pooled(p, lambda Z: one_hot(Z.argmax(axis=1)))
    noise = np.random.default_rng(20).standard_normal((6, 4))
    assert explanations(pooled, p, {**claim, "s": claim["s"] + noise}) == []


def tied_in_a_loop(p):
    loss = np.sum(p["a"] ** 2)
    for t in range(3):
        z = np.array([0.0, 0.0, 1.0]) * p["a"][t] + p["c"]
        loss = loss + (t + 1) * np.max(z, axis=0)
    return loss


def test_slopes_to_all_ties_in_a_loop_are_named_where_they_change_some_of_the_blocks_alone():
    p = {"a": np.array([[1.0, 2, 0.3], [0.5, 1, 0.2], [2, 1, 0.1]]), "c": np.array([1.0, 1.0, -5.0])}
    right = {"a": 2 * p["a"], "c": np.array([6.0, 0, 0])}
    assert wrong_blocks(tied_in_a_loop, p, right) == []
    found = assert_named(tied_in_a_loop, p, right | {"c": np.array([6.0, 6.0, 0])}, "maximum to all ties")
    assert found.sentence.endswith("every time it runs")
