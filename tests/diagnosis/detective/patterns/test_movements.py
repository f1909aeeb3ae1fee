"""Claims that are the gradient with its entries moved are named by the order that they are in."""

import numpy as np
import pytest
from wrong_claims import SLOPES, explanations, said

W, B, S, K = (SLOPES[name] for name in "WbSK")
RIGHT = "the right gradient"


@pytest.mark.parametrize(
    ("name", "claim", "words"),
    [
        ("S", S.T, "is transposed: return its .T, or swap the factors of the product that makes it"),
        ("W", W.T.reshape(5, 4), f"is {RIGHT} transposed, and then reshaped to (5, 4)"),
        (
            "W",
            W.ravel().reshape(5, 4, order="F"),
            f"is {RIGHT} reshaped in the other order (order='F' for 'C', or the",
        ),
        ("K", np.swapaxes(K, 1, 2), f"is {RIGHT} with its axes in the order (0, 2, 1, 3)"),
        (
            "K",
            K.transpose(3, 2, 0, 1).reshape(K.shape),
            f"is {RIGHT} with its axes in the order (3, 2, 0, 1), reshaped",
        ),
        ("W", W[::-1], f"is {RIGHT} with its rows in reverse order"),
        ("W", W[:, ::-1], f"is {RIGHT} with its columns in reverse order"),
        ("W", W[::-1, ::-1], f"is {RIGHT} backwards, from the last entry to the first"),
        ("b", B[::-1], f"is {RIGHT} backwards, from the last entry to the first"),
        ("K", K[:, ::-1, ::-1], f"is {RIGHT} reversed along axes 1, 2"),
        (
            "W",
            np.roll(W, -1),
            f"is {RIGHT} shifted by one place backwards in the order of memory, the end put at",
        ),
        (
            "W",
            np.vstack([0 * W[:1], W[:-1]]),
            f"is {RIGHT} shifted by one place along axis 0, with zeros where",
        ),
        (
            "b",
            np.append(B[1:], 0.0),
            f"is {RIGHT} shifted by one place backwards in all, with zeros where nothing",
        ),
        ("W", W[[1, 0, 2, 3, 4]], "has rows 0 and 1 exchanged"),
        ("W", W[:, [0, 3, 2, 1]], "has columns 1 and 3 exchanged"),
        ("K", K[[2, 0, 1]], f"has its slices of axis 0 in another order: number 0 is number 2 of {RIGHT}"),
        ("W", W[[2, 0, 1, 4, 3]], f"has its rows in another order: number 0 is number 2 of {RIGHT}"),
        ("b", B[[0, 3, 2, 1]], "has the entries [1] and [3] exchanged"),
    ],
)
def test_an_order_of_entries_is_named(name, claim, words):
    found = explanations({name: claim})
    assert found[0].sentence.startswith(f"d{name} {words}")
    assert found[0].free == 0


def test_other_words_for_one_order_are_one_statement():
    for claim in (S.T, S[::-1], np.roll(S, 1, axis=0)):
        found = explanations({"S": claim})
        assert len({one.statement for one in found}) == 1
    assert len(explanations({"S": S[::-1]})) >= 2


def test_orders_that_differ_are_statements_of_their_own():
    alike_from_both_sides = W + W[:, ::-1]
    slopes = SLOPES | {"W": alike_from_both_sides}
    found = explanations({"W": alike_from_both_sides[::-1]}, slopes=slopes)
    assert len({one.statement for one in found}) == 2


def test_transposed_blocks_of_different_sizes_share_a_sentence():
    theta = {"A": np.ones((2, 2)), "B": np.ones((3, 3))}
    slopes = {"A": S[:2, :2], "B": W[:3, :3]}
    sentence = said({name: value.T for name, value in slopes.items()}, theta=theta, slopes=slopes)
    assert sentence.startswith("dA and dB are transposed: ")
