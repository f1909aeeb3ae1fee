"""What a cost writes over, or into buffers of another kind, is recorded as it was when it was used."""

from __future__ import annotations

import numpy as np
import pytest
from recorded_costs import plain_slopes

from fastcheck import check

RNG = np.random.default_rng(0)
THETA = {"x": RNG.standard_normal(6) + 0.3, "A": RNG.standard_normal((4, 4))}


def indices_that_move_on(p):
    x, at, total = p["x"], np.arange(3), np.sum(p["A"] ** 2)
    while at[-1] < 6:
        total = total + np.sum(x[at] ** 3 * [1, 2, 3])
        at += 1
    return total


def an_order_that_is_shuffled_again(p):
    rng, order, total = np.random.default_rng(0), np.arange(6), np.sum(p["A"] ** 2)
    for _ in range(3):
        rng.shuffle(order)
        total = total + np.sum(np.sin(p["x"][order]) * np.arange(6))
    return total


def a_list_of_indices_that_grows(p):
    rows, total = [0], np.sum(p["x"] ** 2)
    for row in (2, 3):
        total = total + np.sum(p["A"][rows] ** 3)
        rows.append(row)
    return total


def indices_of_take(p):
    at = np.array([0, 2, 4])
    first = np.take(p["x"], at)
    at += 1
    return np.sum(first**2 * np.sin(np.take(p["x"], at))) + np.sum(p["A"] ** 2)


def indices_along_an_axis(p):
    at = np.arange(4)[:, None]
    picked = np.take_along_axis(p["A"], at, 1)
    at[:] = 0
    return np.sum(picked**2) + np.sum(p["x"] * p["A"].sum())


def a_mask_that_is_turned(p):
    mask = np.arange(6) < 2
    first = p["x"][mask]
    np.logical_not(mask, out=mask)
    return np.sum(first**2) * np.sum(p["x"][mask] ** 3) + np.sum(p["A"] ** 2)


def weights_of_a_reduction_that_are_written_over(p):
    mask = np.arange(6) < 2
    some = np.sum(p["x"] ** 2, where=mask)
    mask[:] = True
    return some + np.sum(p["A"] ** 2)


def values_with_more_axes_than_the_place_they_are_written_to(p):
    buffer = np.zeros(6)
    buffer[...] = p["x"][None, None]
    buffer[1:3] += p["x"][None, 3:4][0]
    buffer[4:] = (p["A"] ** 2)[None, :1, :1]
    return np.sum(buffer**3) + np.sum(p["A"])


def a_mask_as_a_buffer_of_masks(p):
    mask = p["A"] > 0
    mask[p["A"] > 1] = False
    mask[mask] = p["A"][mask] > 0.3
    return np.sum(p["A"] ** 3 * mask) + np.sum(p["x"] ** 2)


def masks_that_are_sorted_and_chosen(p):
    first, second = p["A"] > 0, p["A"] > 0.5
    mask = np.where(p["A"] > -0.5, np.maximum(first, second), np.sort(second, axis=0))
    return np.sum(p["A"] ** 3 * mask) + np.sum(p["x"] ** 2)


def masks_as_floats(p):
    first, second = (p["x"] > 0).astype(np.float64), (p["x"] > -0.5).astype(float, copy=False)
    return np.sum(p["x"] ** 2 * (first + second) * (first - 2 * second)) + np.sum(p["A"] ** 2)


def masks_in_buffers_of_floats(p):
    first, second = np.zeros(6), np.zeros(6)
    np.greater(p["x"], 0, out=first)
    np.less(p["x"], 0.5, out=second)
    return np.sum(p["x"] ** 2 * (first + second - first * second)) + np.sum(p["A"] ** 2)


def copies_that_look_like_the_array_itself(p):
    rows = p["A"] * 1.0
    clipped, block = np.clip(rows, None, None), np.block(rows)
    buffer = np.empty((4, 4))
    np.clip(rows, None, None, out=buffer)
    clipped[0] = 5.0
    block *= 2
    buffer[1] += rows[0]
    return np.sum(rows**3) + np.sum(clipped**2) + np.sum(block * buffer) + np.sum(p["x"] ** 2)


def numbers_in_place_of_nan(p):
    rows = p["A"] * np.array([1.0, np.nan, 2.0, 3.0])
    same = np.nan_to_num(rows, copy=False, nan=0.5)
    same += 1
    other = np.nan_to_num(rows)
    other *= 2
    return np.sum(rows**3) + np.sum(other) + np.sum(p["x"] ** 2)


COSTS = [
    indices_that_move_on,
    an_order_that_is_shuffled_again,
    a_list_of_indices_that_grows,
    indices_of_take,
    indices_along_an_axis,
    a_mask_that_is_turned,
    weights_of_a_reduction_that_are_written_over,
    values_with_more_axes_than_the_place_they_are_written_to,
    a_mask_as_a_buffer_of_masks,
    masks_that_are_sorted_and_chosen,
    masks_as_floats,
    masks_in_buffers_of_floats,
    copies_that_look_like_the_array_itself,
    numbers_in_place_of_nan,
]


@pytest.mark.parametrize("cost", COSTS, ids=lambda cost: cost.__name__)
def test_it_is_recorded_as_it_was_when_it_was_used(cost):
    right = plain_slopes(cost, THETA)
    report = check(cost, THETA, right, method="difference")
    assert report.passed, report
    wrong = {name: np.array(block) for name, block in right.items()}
    wrong["x"][1] += 1e-4
    assert not check(cost, THETA, wrong, method="difference").passed


MANY = 5000
LARGE, ORDERED = np.zeros(MANY), np.arange(MANY) * 1.0
Y = np.random.default_rng(1).standard_normal(MANY)


def written_over(scale):
    def cost(p):
        LARGE[:] = ORDERED
        first = np.sum(LARGE * np.sin(p["y"]))
        LARGE[::7] = 1.0
        return 1e3 + np.sum(p["x"] ** 2) + scale * (first + np.sum(LARGE * p["y"]))

    last = np.where(np.arange(MANY) % 7 == 0, 1.0, ORDERED)
    right = {"x": 2 * THETA["x"], "y": scale * (ORDERED * np.cos(Y) + last)}
    return cost, right, {**right, "y": scale * (last * np.cos(Y) + last)}


def shuffled(scale):
    def cost(p):
        rng, weights, total = np.random.default_rng(0), LARGE, 0.0
        weights[:] = ORDERED
        for _ in range(2):
            rng.shuffle(weights)
            total = total + np.sum(weights * np.sin(p["y"]))
        return 1e3 + np.sum(p["x"] ** 2) + scale * total

    rng, last = np.random.default_rng(0), ORDERED.copy()
    rng.shuffle(last)
    first = last.copy()
    rng.shuffle(last)
    right = {"x": 2 * THETA["x"], "y": scale * (first + last) * np.cos(Y)}
    return cost, right, {**right, "y": scale * 2 * last * np.cos(Y)}


@pytest.mark.parametrize("example", [written_over, shuffled])
@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e-17])
def test_large_data_that_a_cost_writes_into_is_recorded_as_it_was_when_it_was_used(example, scale):
    """Beside J = 1000, plain evaluation cannot tell in the last case: nothing but the record knows the slopes of y."""
    cost, right, wrong = example(scale)
    theta = {"x": THETA["x"], "y": Y}
    report = check(cost, theta, right)
    assert (report.verdict, report.method) == ("pass", "difference")
    assert not check(cost, theta, wrong).passed
