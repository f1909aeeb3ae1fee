"""How the slope of a sum is spread over what was summed, and how that of a cumulative sum goes back."""

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks

from fastcheck.diagnosis.detective.mutations.reductions import INSTEAD_OF_SPREADS

RNG = np.random.default_rng(11)
X, WEIGHTS = RNG.standard_normal((5, 5)), RNG.standard_normal(5)


def parameters():
    rng = np.random.default_rng(12)
    return {"W": rng.standard_normal((5, 5)), "s": rng.standard_normal((5, 5))}


def rows(p):
    Z = np.sin(p["s"]) * (X @ p["W"])
    return WEIGHTS @ np.tanh(Z.sum(axis=1))


def of_rows(p, spread):
    Z = np.sin(p["s"]) * (X @ p["W"])
    dZ = spread(WEIGHTS * (1 - np.tanh(Z.sum(axis=1)) ** 2))
    return {"W": X.T @ (dZ * np.sin(p["s"])), "s": dZ * (X @ p["W"]) * np.cos(p["s"])}


def at(ds, column):
    dZ = np.zeros((5, 5))
    dZ[:, column] = ds
    return dZ


WRONG = {
    "sum to the first entry only": lambda ds: at(ds, 0),
    "sum to the last entry only": lambda ds: at(ds, -1),
    "spread along the wrong axis": lambda ds: np.tile(ds, (5, 1)),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_sum_that_is_spread_wrongly_is_named(kind):
    p = parameters()
    assert set(assert_named(rows, p, of_rows(p, WRONG[kind]), kind).blocks) == {"W", "s"}


def test_all_rows_have_a_test():
    assert {row.kind for row in INSTEAD_OF_SPREADS} <= set(WRONG)


def mean(p):
    Z = np.sin(p["s"]) * (X @ p["W"])
    return WEIGHTS @ np.tanh(Z.mean(axis=1))


def of_mean(p, spread):
    Z = np.sin(p["s"]) * (X @ p["W"])
    dZ = spread(WEIGHTS * (1 - np.tanh(Z.mean(axis=1)) ** 2))
    return {"W": X.T @ (dZ * np.sin(p["s"])), "s": dZ * (X @ p["W"]) * np.cos(p["s"])}


def test_a_sum_for_a_mean_is_a_factor():
    p = parameters()
    claim = of_mean(p, lambda ds: np.tile(ds[:, None], (1, 5)))
    assert "5 times what is right" in assert_named(mean, p, claim, "factor").sentence


def cumulative(p):
    return np.sum(X * np.tanh(np.cumsum(p["a"] * p["b"], axis=1)))


def of_cumulative(p, back):
    slope = back(X * (1 - np.tanh(np.cumsum(p["a"] * p["b"], axis=1)) ** 2))
    return {"a": slope * p["b"], "b": slope * p["a"]}


@pytest.mark.parametrize(
    ("kind", "back"),
    [
        ("cumulative sum in the same direction", lambda slope: np.cumsum(slope, axis=1)),
        ("cumulative sum left out", lambda slope: slope),
    ],
)
def test_a_cumulative_sum_that_goes_back_wrongly_is_named(kind, back):
    rng = np.random.default_rng(13)
    p = {"a": rng.standard_normal((5, 5)), "b": rng.standard_normal((5, 5))}
    assert (
        wrong_blocks(cumulative, p, of_cumulative(p, lambda s: np.cumsum(s[:, ::-1], axis=1)[:, ::-1])) == []
    )
    assert_named(cumulative, p, of_cumulative(p, back), kind)


def test_the_right_backward_pass_is_right_and_noise_is_not_explained():
    p = parameters()
    claim = of_rows(p, lambda ds: np.tile(ds[:, None], (1, 5)))
    assert wrong_blocks(rows, p, claim) == []
    noise = np.random.default_rng(14).standard_normal((5, 5))
    assert explanations(rows, p, {name: slopes * (1 + noise) for name, slopes in claim.items()}) == []
