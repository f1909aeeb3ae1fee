"""Costs that write in place, through views, into arrays they made, and read again what they wrote."""

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


def slice_writes_through(v):
    a = v * 1
    b = a[1:]
    b *= 2
    return total(a, b)


def owner_writes_through_to_its_slice(v):
    a = v * 1
    b, c = a[::2], a[::-1]
    a[2] = v[0] * v[1]
    return total(b, c)


def view_of_view_of_view(v):
    a = v + 1
    b = a[1:][::-1][1:4]
    b[0] = v[5] ** 2
    a[3] += v[0]
    return total(a, b)


def transposed_writes_through(w):
    a = w + 0.0
    a.T[0] = w[0, 0] * w[:, 1]
    a.T[:, 1] += w[2]
    return total(a)


def reshaped_is_a_view(w):
    a = np.tanh(w)
    b = a.reshape(2, 6)
    b[1] *= w[0, 1]
    a[0, 0] = w[1, 1]
    return total(a, b)


def reshaped_transposed_is_a_copy(w):
    a = np.tanh(w)
    b = a.T.reshape(-1)
    b *= w[0, 1]
    a[0, 0] = 7 * w[1, 1]
    return total(a, b)


def ravel_is_a_view_of_what_lies_in_order(w):
    a = w * 2
    np.ravel(a)[::3] = w[1, :]
    a.ravel()[1] += w[0, 0]
    a.reshape(-1)[5] = 0
    return total(a)


def flatten_is_a_copy(w):
    a = w * 2
    a.flatten()[0] = 100 * w[0, 0]
    return total(a)


def new_axes_are_views(v):
    a = v * 1
    a[:, None][2] = v[0] * v[1]
    a[None][0, 3] *= v[2]
    np.expand_dims(a, 0)[:, 4] = v[5] ** 2
    np.atleast_2d(a)[0, 5] -= v[0]
    return total(a)


def moved_axes_are_views(w):
    a = (w[:, :, None] * w[0, :2]).copy()
    np.swapaxes(a, 0, 2)[1, 2] = w[2, 0] ** 2
    np.moveaxis(a, 0, -1)[0, 0] *= w[:, 1]
    a.transpose(1, 2, 0)[3, 1, 2] = w[0, 0]
    np.squeeze(a[:1])[0] += w[1, :2]
    return total(a)


def flipped_are_views(w):
    a = w * 1
    np.flip(a)[0, 0] = w[0, 0] ** 2
    np.fliplr(a)[1] *= w[0, 1]
    a[::-1, ::-2][0] += w[2, :2]
    np.rot90(a)[0] = w[:, 0]
    return total(a)


def split_parts_are_views(w):
    a = w * 1
    left, right = np.split(a, 2, axis=1)
    left *= w[0, 0]
    right[...] = left + right
    for part in np.array_split(a, 2):
        part -= w[1]
    return total(a, left)


def rows_are_views(w):
    a = w * 1
    for i, row in enumerate(a):
        row *= w[0, i]
    first, *_, last = a
    first += last
    list(a)[1][:] = w[2]
    return total(a)


def windows_see_later_writes(v):
    a = v * 1
    windows = sliding_window_view(a, 3)
    a[2] = v[0] ** 2
    return total(windows)


def diagonal_sees_later_writes(s):
    a = s * 1
    d = np.diagonal(a)
    a[1, 1] = s[0, 2] * s[2, 0]
    return total(d)


def two_names(v):
    a = b = v * 1
    b += v[0]
    c = a
    c[0] = v[1] ** 2
    return total(a, b, c)


def asarray_is_no_copy(v):
    a = v * 1
    np.asarray(a)[0] = v[1] * 3
    b = np.array(a)
    b[1] = 9 * v[2]
    a.astype(float, copy=False)[3] *= v[4]
    a.astype(float)[3] = 9
    return total(a, b)


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


def overlapping_writes(v):
    a = v * 1
    a[1:] += a[:-1]
    a[:-1] = a[1:]
    a[::-1] *= a
    a[2:5] = a[1:4]
    a[...] = a[::-1]
    return total(a)


def matrix_onto_its_transpose(s):
    a = s * 1
    a += a.T
    a[...] = a.T * s
    a[:, 0] = a[0]
    a[:] = a @ a
    return total(a)


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


def masks(w):
    a = w * 1
    a[MASK] = w[0, 0]
    a[~MASK] *= w[1, 1]
    a[w < 0] = 0
    a[K > 0] += 1
    return total(a)


def steps_and_negative_strides(w):
    a = np.zeros((3, 4))
    a[::2, ::-2] = w[:2, 1:3]
    a[1, ::-1] = w[0]
    a[-1:, 1::2] += w[2, 0]
    a[..., -1] -= w[:, 0]
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


def copyto(w):
    a, b = np.zeros((3, 4)), w * 1
    np.copyto(a, w[0])
    np.copyto(b, a * w, where=MASK)
    np.copyto(b[:, ::2], w[:, :1])
    return total(a, b)


def fill_and_flat(w):
    a, b = w * 1, np.zeros((2, 3))
    a[1].fill(w[0, 0])
    a.fill(w[0, 1]) if a.shape == (0,) else None
    b.flat = w[2, 2]
    b.flat[4] = w[0, 3]
    a.flat[2] *= 3
    return total(a, b)


def powers_and_quotients_in_place(v):
    a = np.abs(v) + 1
    a **= 2
    a /= v[0] ** 2 + 1
    a **= 0.5
    a -= a[0]
    a %= 7.0
    return total(a)


def matmul_in_place(s):
    a = s * 1
    a @= s
    a[:2] = s[:2, :2] @ a[:2]
    return total(a)


def swapping(w):
    a, b = w * 1, np.tanh(w)
    a, b = b, a
    a[0], a[1] = a[1], a[0]
    b[[0, 2]] = b[[2, 0]]
    a[0, 0], b[0, 0] = b[0, 0], a[0, 0]
    return total(a, b)


def broadcast_then_copied(v):
    a = np.broadcast_to(v, (3, 6)).copy()
    a[1] *= v[0]
    b, c = np.broadcast_arrays(v[:, None], v)
    b = b.copy()
    b[0] = v[1]
    return total(a, b * c)


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


def grid_of_numbers(w):
    a = np.zeros((3, 4))
    for i in range(3):
        for j in range(4):
            a[i, j] = w[i, j] * (a[i, j - 1] + a[i - 1, j] + 1)
    return total(a)


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


VECTOR = [
    slice_writes_through, owner_writes_through_to_its_slice, view_of_view_of_view, new_axes_are_views,
    windows_see_later_writes, two_names, asarray_is_no_copy, in_place_is_not_rebinding, overlapping_writes,
    every_way_of_creation, out_argument, powers_and_quotients_in_place, broadcast_then_copied,
]  # fmt: skip
MATRIX = [
    transposed_writes_through, reshaped_is_a_view, reshaped_transposed_is_a_copy, flatten_is_a_copy, rows_are_views,
    ravel_is_a_view_of_what_lies_in_order, moved_axes_are_views, flipped_are_views, split_parts_are_views, masks,
    function_changes_its_argument, repeated_indices_do_not_add_up, repeated_indices_store_the_last, add_at_adds_up,
    steps_and_negative_strides, where_argument, copyto, fill_and_flat, swapping, put_along_axis, states_read_back,
    slices_of_states, list_of_states, accumulators_that_are_one_array, accumulators_of_their_own, grid_of_numbers,
    a_dictionary_of_arrays, one_parameter_in_many_places,
]  # fmt: skip
SQUARE = [diagonal_sees_later_writes, matrix_onto_its_transpose, matmul_in_place, the_same_array_twice]
COSTS = [(f, V) for f in VECTOR] + [(f, W) for f in MATRIX] + [(f, S) for f in SQUARE]
