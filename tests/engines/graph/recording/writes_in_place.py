"""Costs that write in place, into arrays they made, and read again what they wrote.

Single statements, through views of all kinds and where source and target overlap, are in `random_aliasing`.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

RNG = np.random.default_rng(0)
V = RNG.standard_normal(6)
W = RNG.standard_normal((3, 4))
S = RNG.standard_normal((3, 3))
K = RNG.standard_normal((3, 4))
IDS = np.array([0, 2, 2, 0])
MASK = np.array([[True, False, True, True], [False, False, True, False], [True, True, False, False]])


def total(*arrays):
    """Weigh all entries differently: none can be exchanged for another."""
    return sum(
        np.sum(np.sin(x) * np.cos(np.arange(np.size(x)) + k).reshape(np.shape(x)))
        for k, x in enumerate(arrays)
    )


# Views


def windows_see_later_writes(v):
    a = v * 1
    windows = sliding_window_view(a, 3)
    a[2] = v[0] ** 2
    return total(windows)


# Writes


def in_place_is_not_rebinding(v):
    a = v * 1
    out, kept = a, a
    out += v[0]
    out = out + v[1]
    out *= v[2]
    return total(out, kept)


def function_changes_its_argument(w):
    def centre(x):
        x -= x.mean(axis=0)
        return x

    a = w * 1
    b = centre(a)
    return total(a) + np.sum(b * b)


def repeated_indices_do_not_add_up(w):
    a = w * 1
    a[IDS] += w[0, 0] * K[[0, 1, 2, 0]]
    a[:, IDS] *= w[:, [3]]
    return total(a)


def repeated_indices_store_the_last(w):
    a = np.zeros((3, 4))
    a[IDS] = w[[0, 1, 2, 1]]
    a[[0, 0], [1, 1]] = w[0, :2]
    return total(a)


def add_at_adds_up(w):
    a = np.zeros((3, 4))
    np.add.at(a, IDS, w[[0, 1, 2, 1]])
    np.add.at(a, (IDS, [0, 1, 1, 0]), w[1])
    return total(a)


def every_way_of_creation(v):
    arrays = [
        np.zeros(6), np.ones((6,)), np.full(6, 2.0), np.empty(6), np.zeros_like(v), np.ones_like(v), np.empty_like(v),
        np.full_like(v, 3.0), v.copy(), np.copy(v), np.eye(6)[0], np.array([1.0] * 6), np.full(6, v[0]),
        np.linspace(0, 1, 6) + np.zeros(6),
    ]  # fmt: skip
    for k, a in enumerate(arrays):
        a[:] = a[:] * 0 if k in (3, 6) else a
        a[k % 6] = v[k % 5] * v[5]
    return total(*arrays)


def out_argument(v):
    a, b = np.empty(6), v * 1
    np.add(v, b, out=a)
    np.multiply(a, v, a)
    np.exp(b, out=b[::-1])
    np.dot(np.outer(v, b), a, out=a)
    np.sum(np.outer(a, b), axis=0, out=b)
    np.maximum(a, 0, out=a[...])
    return total(a / 8, b / 8)


def where_argument(w):
    a, b = w * 1, np.zeros((3, 4))
    np.add(a, w[0], out=b, where=MASK)
    np.exp(a, out=a, where=K > 0)
    np.divide(1, w, out=b, where=w > 0.1)
    return total(a, b) + np.sum(w, where=MASK)


def put_along_axis(w):
    a = w * 1
    np.put_along_axis(a, np.argmax(K, axis=1)[:, None], w[:, :1] ** 2, axis=1)
    return total(a)


# Loops


def states_read_back(w):
    h = np.zeros((5, 4))
    for t in range(5):
        h[t] = np.tanh(w[t % 3] + h[t - 1] * w[0])
    return total(h)


def slices_of_states(w):
    out = np.zeros((2, 4, 3))
    for t in range(3):
        out[:, :, t] = w[t] * (out[:, :, t - 1] + 1)
        out[0, ::2, t] += out[1, 1::2, t]
    return total(out)


def list_of_states(w):
    states = [w[0]]
    for t in range(4):
        states.append(np.sin(states[-1] + w[t % 3]))
        states[t] = states[t] * 2
    stacked = np.array(states)
    stacked[1:] -= stacked[:-1]
    states[0] += 1.0 if states[0] is not w else 0.0
    return total(stacked)


def accumulators_that_are_one_array(w):
    sums = [np.zeros(4)] * 3
    for k in range(3):
        sums[k] += w[k]
    return total(*sums)


def accumulators_of_their_own(w):
    sums = [np.zeros(4) for _ in range(3)]
    for k in range(3):
        sums[k] += w[k]
        sums[k - 1][k] = w[k, k]
    return total(*sums)


def a_dictionary_of_arrays(w):
    cache = {"z": w * 1}
    cache["a"] = cache["z"]
    cache["a"] += w[0]
    cache["z"] = cache["z"] * w
    return total(*cache.values())


def the_same_array_twice(s):
    a = np.sin(s)
    return total(
        a + a, a * a, a @ a, np.dot(a, a.T), a - a[::-1], np.maximum(a, a.T), np.einsum("ij,ij->i", a, a)
    )


def one_parameter_in_many_places(w):
    a = np.tanh(K.T @ w)
    b = np.tanh(a @ w.T) + w[0, 0]
    c = w.reshape(4, 3) @ b.T[:3]
    return total(a, b, c, w[::-1], w.T)


VECTOR = [windows_see_later_writes, in_place_is_not_rebinding, every_way_of_creation, out_argument]
MATRIX = [
    function_changes_its_argument, repeated_indices_do_not_add_up, repeated_indices_store_the_last, add_at_adds_up,
    where_argument, put_along_axis, states_read_back, slices_of_states, list_of_states,
    accumulators_that_are_one_array, accumulators_of_their_own, a_dictionary_of_arrays, one_parameter_in_many_places,
]  # fmt: skip
COSTS = [(f, V) for f in VECTOR] + [(f, W) for f in MATRIX] + [(the_same_array_twice, S)]
