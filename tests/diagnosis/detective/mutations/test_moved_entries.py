"""Entries that were moved, and go back to the wrong places or are assigned where they should be added up."""

import numpy as np
import pytest
from explained_claims import assert_named, explanations, wrong_blocks
from numpy.lib.stride_tricks import sliding_window_view

from fastcheck.diagnosis.detective.mutations.moved_entries import INSTEAD_OF_MOVING_BACK

RNG = np.random.default_rng(23)


def network(move, shape):
    """Return a cost of two blocks of this shape, whose product is moved."""
    weights = np.random.default_rng(24).standard_normal(np.shape(move(np.zeros(shape))))

    def cost(p):
        return np.sum(weights * np.sin(move(p["x"] * p["y"])))

    return cost


def claim_of(move, shape, back, p):
    """Return what a backward pass makes of the blocks that moves slopes back in some way."""
    weights = np.random.default_rng(24).standard_normal(np.shape(move(np.zeros(shape))))
    slope = back(weights * np.cos(move(p["x"] * p["y"])))
    return {"x": slope * p["y"], "y": slope * p["x"]}


def parameters(shape):
    rng = np.random.default_rng(25)
    return {"x": rng.standard_normal(shape), "y": rng.standard_normal(shape)}


def right_back(move, shape):
    """Return what moves slopes back rightly: entries are known by their numbers."""
    places = move(np.arange(float(np.prod(shape))).reshape(shape)).astype(int)

    def back(slope):
        return np.bincount(places.ravel(), slope.ravel(), int(np.prod(shape))).reshape(shape)

    return back


def check(move, shape, back, kind, equals=()):
    p, cost = parameters(shape), network(move, shape)
    assert wrong_blocks(cost, p, claim_of(move, shape, right_back(move, shape), p)) == []
    found = assert_named(cost, p, claim_of(move, shape, back, p), kind, equals=equals)
    assert set(found.blocks) == {"x", "y"}
    return found


WORDS = np.array([[0, 2, 2], [1, 0, 2]])


def words(x):
    return x[WORDS]


def assigned(slope):
    found = np.zeros((4, 2))
    found[WORDS] = slope
    return found


def first_only(slope):
    found = np.zeros((4, 2))
    found[WORDS.ravel()[::-1]] = slope.reshape(-1, 2)[::-1]
    return found


def averaged(slope):
    found = np.zeros((4, 2))
    np.add.at(found, WORDS, slope)
    return found / np.maximum(np.bincount(WORDS.ravel(), minlength=4), 1)[:, None]


REPEATED = {
    "assigned, not added": assigned,
    "first only, not added": first_only,
    "averaged, not added": averaged,
}


@pytest.mark.parametrize("kind", REPEATED)
def test_repeated_indices_are_named(kind):
    check(words, (4, 2), REPEATED[kind], kind)


PERMUTED = {
    "flipped, not back": (lambda x: x[::-1], lambda s: s, "movement not undone"),
    "rolled the same way": (
        lambda x: np.roll(x, 1, axis=2),
        lambda s: np.roll(s, 1, axis=2),
        "moved once more",
    ),
    "permuted the same way": (
        lambda x: x.transpose(1, 2, 0).copy(),
        lambda s: s.transpose(1, 2, 0).reshape(2, 3, 4),
        "axes in another order",
    ),
    "transposition forgotten": (
        lambda x: x.transpose(0, 2, 1).copy(),
        lambda s: s.reshape(2, 3, 4),
        "movement not undone",
    ),
}


@pytest.mark.parametrize("name", PERMUTED)
def test_entries_that_are_not_moved_back_are_named(name):
    move, back, kind = PERMUTED[name]
    check(move, (2, 3, 4), back, kind)


def test_all_rows_have_a_test():
    kinds = {*REPEATED, *(kind for _, _, kind in PERMUTED.values())}
    assert {row.kind for row in INSTEAD_OF_MOVING_BACK} <= kinds


WINDOWS = {
    "sliding_window_view": lambda x: sliding_window_view(x, 3, axis=1),
    "indices": lambda x: x[:, np.arange(4)[:, None] + np.arange(3)],
}


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_that_overlap_and_are_assigned_are_named(name):
    def back(slope):
        found = np.zeros((2, 6))
        for i in range(4):
            found[:, i : i + 3] = slope[:, i]
        return found

    check(WINDOWS[name], (2, 6), back, "assigned, not added")


@pytest.mark.parametrize("words", ["last", "first"])
def test_slices_that_overlap_and_are_assigned_in_a_loop_are_named(words):
    def move(x):
        return np.stack([x[:, i : i + 3] for i in range(4)], axis=1)

    def back(slope):
        found = np.zeros((2, 6))
        for i in range(4) if words == "last" else reversed(range(4)):
            found[:, i : i + 3] = slope[:, i]
        return found

    found = check(move, (2, 6), back, "assigned in a loop, not added")
    assert f"the {words} slope" in found.sentence


ORDERS = {
    "Fortran": (
        lambda x: x.reshape(4, 6),
        lambda s: s.reshape((2, 3, 4), order="F"),
        "reshaped in another order",
    ),
    "channels last": (
        lambda x: x.reshape(2, 12),
        lambda s: s.reshape(2, 4, 3).transpose(0, 2, 1),
        "reshaped in another order",
    ),
    "heads split in the other order": (
        lambda x: x.reshape(2, 3, 2, 2),
        lambda s: s.transpose(0, 1, 3, 2).reshape(2, 3, 4),
        "reshaped in another order",
    ),
}


@pytest.mark.parametrize("name", ORDERS)
def test_another_order_is_named(name):
    move, back, kind = ORDERS[name]
    check(move, (2, 3, 4), back, kind)


def test_axes_in_another_order_are_named():
    check(
        lambda x: x.transpose(1, 2, 0).copy(),
        (3, 3, 3),
        lambda s: s.transpose(0, 2, 1),
        "axes in another order",
    )


def heads(x):
    return x.reshape(2, 3, 2, 2).transpose(0, 2, 1, 3)


def test_heads_that_are_merged_without_transposition_are_named():
    check(heads, (2, 3, 4), lambda s: s.reshape(2, 3, 4), "movement not undone")


def test_heads_that_are_merged_in_the_order_of_fortran_are_named():
    back = lambda s: np.reshape(s, (2, 3, 4), order="F")  # noqa: E731
    check(heads, (2, 3, 4), back, "reshaped in the order of Fortran")


def test_cells_that_are_only_reshaped_are_named():
    def move(x):
        return x.transpose(2, 0, 1).reshape(4, 3, 2).transpose(1, 0, 2).copy()

    check(move, (2, 3, 4), lambda s: s.reshape(2, 3, 4), "transpositions forgotten")


def placed(shape, key):
    """Return what puts slopes somewhere in an array of zeros."""

    def back(slope):
        found = np.zeros(shape)
        found[key] = slope
        return found

    return back


def test_a_stride_that_is_ignored_is_named():
    check(lambda x: x[:, ::2], (3, 6), placed((3, 6), np.s_[:, :3]), "stride ignored")
    at = placed((6, 2, 3), np.s_[1:4, :, 0])
    check(lambda x: x[1::2, None, ..., 0], (6, 2, 3), lambda s: at(s[:, 0]), "stride ignored")


def test_slopes_that_are_shifted_are_named():
    found = check(lambda x: x[:, 1:4], (3, 6), placed((3, 6), np.s_[:, 2:5]), "shifted by one")
    assert "behind what line" in found.sentence


@pytest.mark.parametrize(("start", "stop"), [(0, 4), (2, 6)])
def test_padding_that_is_cropped_wrongly_is_named(start, stop):
    p = parameters((3, 4))
    move = lambda x: np.pad(x, ((0, 0), (1, 2)))  # noqa: E731
    cost = network(move, (3, 4))
    claim = claim_of(move, (3, 4), lambda s: s[:, start:stop], p)
    assert wrong_blocks(cost, p, claim_of(move, (3, 4), lambda s: s[:, 1:5], p)) == []
    assert explanations(cost, p, claim)[0].kind == "samples shifted"


JOINED = {
    "the other way round": (2, 1, 0),
    "the first piece last": (1, 2, 0),
    "the last piece first": (2, 0, 1),
}


@pytest.mark.parametrize("words", JOINED)
def test_pieces_in_another_order_are_named(words):
    weights = RNG.standard_normal((9, 2))
    p = {name: RNG.standard_normal((n, 2)) for name, n in (("a", 2), ("b", 3), ("c", 4))}

    def cost(p):
        return np.sum(weights * np.sin(np.concatenate([p["a"], p["b"], p["c"]])))

    slope = weights * np.cos(np.concatenate(list(p.values())))
    found, at = {}, 0
    for k in JOINED[words]:
        name = "abc"[k]
        found[name] = slope[at : at + len(p[name])]
        at += len(p[name])
    assert f"splits {words}" in assert_named(cost, p, found, "pieces in another order").sentence


def test_noise_is_not_explained():
    for move, shape in ((heads, (2, 3, 4)), (words, (4, 2)), (WINDOWS["indices"], (2, 6))):
        p, cost = parameters(shape), network(move, shape)
        claim = claim_of(move, shape, right_back(move, shape), p)
        noise = np.random.default_rng(26).standard_normal(shape)
        assert explanations(cost, p, {**claim, "y": claim["y"] + noise}) == []


ROWS_OF_WINDOWS = [slice(2 * k, 2 * k + 2) for k in range(3)]
OF_WINDOWS = np.random.default_rng(26).standard_normal((3, 2, 4))


def by_windows(p):
    a = p["x"] * p["y"]
    loss = 0.0
    for k in range(3):
        loss = loss + np.sum(OF_WINDOWS[k] * np.sin(a[2 * k : 2 * k + 2]))
    return loss


def test_windows_whose_stride_is_ignored_are_named():
    p = parameters((6, 4))
    a = p["x"] * p["y"]

    def claim(stride):
        slope = np.zeros((6, 4))
        for k in range(3):
            slope[stride * k : stride * k + 2] += OF_WINDOWS[k] * np.cos(a[ROWS_OF_WINDOWS[k]])
        return {"x": slope * p["y"], "y": slope * p["x"]}

    assert wrong_blocks(by_windows, p, claim(2)) == []
    assert_named(by_windows, p, claim(1), "stride of windows ignored")


BEFORE, NOW = np.array([0, 0, 2, 1]), np.array([1, 1, 2, 2])


def of_two_words(p):
    both = p["x"][BEFORE] + 2 * p["x"][NOW]
    return np.sum(np.sin(both))


def test_words_that_repeat_in_two_places_of_one_line_are_named():
    p = parameters((3, 2))
    slope = np.cos(p["x"][BEFORE] + 2 * p["x"][NOW])
    right, wrong = np.zeros((3, 2)), np.zeros((3, 2))
    for words_of, factor in ((BEFORE, 1), (NOW, 2)):
        np.add.at(right, words_of, factor * slope)
        wrong[words_of] += factor * slope
    only_x = {"x": p["x"]}
    assert wrong_blocks(of_two_words, only_x, {"x": right}) == []
    assert_named(of_two_words, only_x, {"x": wrong}, "assigned, not added")
