"""What people write with NumPy, one line each: the finite difference is that of plain evaluation.

The step is large, so that subtracting two costs is accurate enough to be the judge, and kinks are crossed.
"""

import numpy as np
import pytest
import scipy.special as sp
from numpy.lib.stride_tricks import sliding_window_view

from fastcheck.engines.difference import sweep, trace_directions

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))
V = RNG.standard_normal(3)
U = RNG.standard_normal(4)
M = RNG.standard_normal((3, 5))
T = RNG.standard_normal((2, 4, 3))
IDS = np.array([0, 2, 2, 1])

ELEMENTWISE = {
    "add": lambda x: x + X,
    "radd": lambda x: 1.5 + x,
    "subtract": lambda x: X - x,
    "multiply both": lambda x: x * (x + X),
    "multiply": lambda x: 3 * x * X,
    "divide": lambda x: x / (X**2 + 1),
    "divide by": lambda x: X / (x**2 + 1),
    "negative": lambda x: -x + +x * 2,
    "power 2": lambda x: x**2,
    "power 3": lambda x: x**3,
    "power real": lambda x: np.abs(x) ** 1.7,
    "power exponent": lambda x: 2.0**x,
    "np.power": lambda x: np.power(x, 4),
    "floor_divide": lambda x: (x * 3) // 1 + x,
    "mod": lambda x: np.mod(x, 7.0),
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": lambda x: np.log(x**2 + 0.5),
    "log2": lambda x: np.log2(x**2 + 0.5),
    "log10": lambda x: np.log10(x**2 + 0.5),
    "log1p": lambda x: np.log1p(x**2),
    "sqrt": lambda x: np.sqrt(x**2 + 0.1),
    "cbrt": np.cbrt,
    "square": np.square,
    "reciprocal": lambda x: np.reciprocal(x**2 + 1),
    "tanh": np.tanh,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "sin": np.sin,
    "cos": np.cos,
    "tan": lambda x: np.tan(x / 8),
    "arctan": np.arctan,
    "arctan2": lambda x: np.arctan2(x, X**2 + 1),
    "arcsin": lambda x: np.arcsin(np.tanh(x) * 0.9),
    "arccos": lambda x: np.arccos(np.tanh(x) * 0.9),
    "arcsinh": np.arcsinh,
    "arctanh": lambda x: np.arctanh(np.tanh(x) * 0.9),
    "abs": np.abs,
    "builtin abs": abs,
    "sign": lambda x: np.sign(x) * x,
    "maximum": lambda x: np.maximum(0, x),
    "maximum both": lambda x: np.maximum(x, X * x),
    "minimum": lambda x: np.minimum(x, 0.1),
    "fmax": lambda x: np.fmax(x, 0.0),
    "clip": lambda x: np.clip(x, -0.5, 0.5),
    "method clip": lambda x: x.clip(0, None),
    "logaddexp": lambda x: np.logaddexp(0, x),
    "hypot": lambda x: np.hypot(x, X),
    "expit": sp.expit,
    "log_expit": sp.log_expit,
    "erf": sp.erf,
    "gelu": lambda x: 0.5 * x * (1 + sp.erf(x / np.sqrt(2))),
    "xlogy": lambda x: sp.xlogy(X**2, x**2 + 1),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0),
    "mask multiply": lambda x: x * (x > 0),
    "mask astype": lambda x: x * (x > 0).astype(float),
    "mask int64": lambda x: np.multiply(x, np.int64(X > 0)),
    "where": lambda x: np.where(x > 0, x, 0.01 * x),
    "where cond": lambda x: np.where(X > 0, x, 2.0),
    "nan_to_num": np.nan_to_num,
    "copysign": lambda x: np.abs(x) * np.sign(X),
    "float_power": lambda x: np.float_power(x**2 + 1, 1.5),
    "true comparison": lambda x: (x >= 0) * 1.0 * x + (x < 0) * -0.5 * x,
    "logical": lambda x: np.logical_and(x > -1, x < 1) * x,
    "heaviside": lambda x: np.heaviside(x, 0.5) * x,
}

PRODUCTS = {
    "dot": lambda x: np.dot(x, M),
    "dot vector": lambda x: np.dot(x, V),
    "method dot": lambda x: x.dot(M),
    "matmul": lambda x: x @ M,
    "rmatmul": lambda x: X.T @ x,
    "both": lambda x: x.T @ x,
    "vector matrix": lambda x: U @ x,
    "stacked": lambda x: T @ x.T,
    "broadcast matmul": lambda x: np.matmul(T.transpose(0, 2, 1), x),
    "einsum": lambda x: np.einsum("ij,jk->ik", x, M),
    "einsum trace": lambda x: np.einsum("ij,ij", x, X),
    "einsum both": lambda x: np.einsum("ij,kj->ik", x, x),
    "einsum ellipsis": lambda x: np.einsum("b...,...->b...", T, x),
    "einsum three": lambda x: np.einsum("ij,jk,ik->k", x, M, x @ M),
    "tensordot": lambda x: np.tensordot(T, x, axes=([1, 2], [0, 1])),
    "tensordot 1": lambda x: np.tensordot(x, M, axes=1),
    "inner": lambda x: np.inner(x, V),
    "outer": lambda x: np.outer(x[:, 0], x[0]),
    "vdot": lambda x: np.vdot(x, X),
    "kron-like": lambda x: x[:, None, :, None] * x[None, :, None, :],
    "convolve": lambda x: np.convolve(x[0], x.ravel()),
    "convolve valid": lambda x: np.convolve(x[:, 0], V, mode="valid"),
    "convolve same": lambda x: np.convolve(U, x[0], "same") + np.convolve(x[1, :2], U, "same"),
    "convolve with one": lambda x: np.convolve(x[0], x[1, 1]),
    "correlate": lambda x: np.correlate(x[:, 0], V),
    "correlate same": lambda x: np.correlate(x[0, :2], x[:, 1], "same"),
    "correlate full": lambda x: np.correlate(V, x[:, 1], mode="full"),
    "norm": lambda x: np.linalg.norm(x),
    "norm axis": lambda x: np.linalg.norm(x, axis=1),
    "solve": lambda x: np.linalg.solve(np.eye(3) * 9 + X.T @ x, V),
    "inv": lambda x: np.linalg.inv(np.eye(3) * 9 + X.T @ x),
    "trace": lambda x: np.trace(x.T @ x),
}

REDUCTIONS = {
    "sum": np.sum,
    "method sum": lambda x: x.sum(axis=0),
    "sum keepdims": lambda x: x / np.sum(np.exp(x), axis=1, keepdims=True),
    "sum axes": lambda x: np.sum(T * x, axis=(0, 2)),
    "builtin sum": lambda x: sum(x[i] for i in range(4)),
    "mean": lambda x: np.mean(x, axis=0) ** 2,
    "average": lambda x: np.average(x, axis=0),
    "var": lambda x: np.var(x, axis=0),
    "std": lambda x: x.std(axis=1),
    "max": lambda x: x.max(axis=1),
    "amax": lambda x: np.max(x),
    "min": lambda x: np.min(x, axis=0),
    "prod": lambda x: np.prod(x, axis=1),
    "cumsum": lambda x: np.cumsum(x, axis=0) ** 2,
    "cumprod": lambda x: np.cumprod(x, axis=1),
    "logsumexp": lambda x: sp.logsumexp(x, axis=1),
    "softmax": lambda x: sp.softmax(x, axis=1),
    "log_softmax": lambda x: sp.log_softmax(x, axis=0),
    "own softmax": lambda x: (
        np.exp(x - x.max(axis=1, keepdims=True))
        / np.exp(x - x.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)
    ),
    "argmax": lambda x: x[np.arange(4), np.argmax(X, axis=1)],
    "ufunc reduce": lambda x: np.add.reduce(x, axis=1),
    "ptp": lambda x: np.ptp(x, axis=0),
    "count_nonzero": lambda x: x * np.count_nonzero(X),
    "sort": lambda x: np.sort(x, axis=0) * X,
    "sort rows": lambda x: np.sort(x) * X,
    "sort all": lambda x: np.sort(x, axis=None),
    "sort of products": lambda x: np.sort(x @ M, axis=0),
    "top two": lambda x: np.partition(x.ravel(), -2)[-2:].sum(),
    "argsort": lambda x: np.take_along_axis(x, np.argsort(x, axis=0), axis=0) * X,
    "method argsort": lambda x: x[x[:, 0].argsort()] * X,
    "median": lambda x: x - np.median(x),
    "median of even": lambda x: np.median(x, axis=0),
    "median of odd": lambda x: x - np.median(x, axis=1, keepdims=True),
    "median axes": lambda x: np.median(T * x, axis=(0, 2)),
    "quantile": lambda x: np.quantile(x, 0.3, axis=0),
    "quantiles": lambda x: np.quantile(x, [0.0, 0.4, 1.0], axis=1, keepdims=True),
    "percentile": lambda x: np.percentile(x, 25),
    "percentiles": lambda x: np.percentile(x, (10, 50), axis=0),
    "logaddexp.reduce": lambda x: np.logaddexp.reduce(x, axis=1),
    "prod of none": lambda x: np.prod(x[:0], axis=0) * x,
    "prod of none at all": lambda x: np.prod(x[:0], keepdims=True) * x,
    "cumprod of none": lambda x: np.sum(np.cumprod(x[:0], axis=0)) + x,
    "cumprod of none, flat": lambda x: np.concatenate([np.cumprod(x[:0]), x[0]]),
}

STRUCTURE = {
    "reshape": lambda x: x.reshape(2, 6) ** 2,
    "reshape -1": lambda x: np.reshape(x, (-1,)),
    "ravel": lambda x: x.ravel(),
    "flatten": lambda x: x.flatten(),
    "T": lambda x: x.T @ X,
    "transpose": lambda x: np.transpose(T * x, (2, 0, 1)),
    "swapaxes": lambda x: np.swapaxes(T * x, 0, 2),
    "moveaxis": lambda x: np.moveaxis(T * x, 0, -1),
    "squeeze": lambda x: np.squeeze(x[None]),
    "expand_dims": lambda x: np.expand_dims(x, 1) * X[None],
    "newaxis": lambda x: x[:, None, :] * X[None],
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 4, 3)) * T,
    "concatenate": lambda x: np.concatenate([x, X, x], axis=0),
    "stack": lambda x: np.stack([x, X], axis=1),
    "hstack": lambda x: np.hstack([x, X]),
    "vstack": lambda x: np.vstack((X, x)),
    "column_stack": lambda x: np.column_stack((x, U)),
    "split": lambda x: np.split(x, 2)[1] ** 2,
    "array_split": lambda x: np.array_split(x, 3)[0],
    "tile": lambda x: np.tile(x, (2, 1)) ** 2,
    "repeat": lambda x: np.repeat(x, 2, axis=0),
    "pad": lambda x: np.pad(x, ((1, 1), (0, 2))),
    "roll": lambda x: np.roll(x, 1, axis=0) * X,
    "flip": lambda x: np.flip(x, axis=1) * X,
    "fliplr": lambda x: np.fliplr(x) * X,
    "take": lambda x: np.take(x, IDS, axis=0),
    "take_along_axis": lambda x: np.take_along_axis(x, np.argsort(X, axis=0), axis=0) * X,
    "choose": lambda x: np.choose([0, 1, 0], [x[0], x[1]]),
    "diag": lambda x: np.diag(x[:3]),
    "diag of": lambda x: np.diag(x[0]) @ X.T,
    "diagonal": lambda x: np.diagonal(x),
    "tril": lambda x: np.tril(x) @ M,
    "triu": lambda x: np.triu(x, 1),
    "windows": lambda x: sliding_window_view(x, (2, 2)).sum(axis=(2, 3)) ** 2,
    "basic": lambda x: x[1:, ::2] * x[:-1, ::2],
    "negative step": lambda x: x[::-1] * X,
    "integer": lambda x: x[2] * x[-1],
    "ellipsis": lambda x: x[..., 0],
    "fancy": lambda x: x[IDS] ** 2,
    "fancy pairs": lambda x: x[[0, 1], [2, 1]],
    "fancy column": lambda x: x[:, [2, 0]],
    "fancy mixed": lambda x: (T * x)[1, IDS, :],
    "mask": lambda x: x[X > 0] ** 2,
    "row mask": lambda x: x[U > 0],
    "iteration": lambda x: sum((row * row).sum() for row in x),
    "len": lambda x: x / len(x) / x.shape[0] / x.size * x.ndim,
    "isinstance": lambda x: x if isinstance(x, np.ndarray) else None,
    "copy": lambda x: x.copy() * np.copy(x),
    "astype": lambda x: x.astype(float),
    "item": lambda x: x[0, 0].item() ** 2 + x.sum(),
    "atleast_2d": lambda x: np.atleast_2d(x[0]) ** 2,
    "zeros_like": lambda x: np.zeros_like(x) + x,
    "ones_like": lambda x: np.ones_like(x) * x.sum(),
    "full_like": lambda x: np.full_like(X, 2.0) * x,
    "array of": lambda x: np.array([x[0] * 2, x[1]]),
    "array of numbers": lambda x: np.array([x[0, 0], x[1, 1] ** 2]),
    "asarray": lambda x: np.asarray(x) ** 2,
    "argsort": lambda x: x[np.argsort(U)],
    "append": lambda x: np.append(x, X, axis=0),
    "dstack": lambda x: np.dstack([x, X]),
    "ix_": lambda x: x[np.ix_([0, 2], [1, 2])],
    "flat": lambda x: sum(v * v for v in x.flat),
    "unpacking": lambda x: (lambda a, b, c, d: a * b + c * d)(*x),
    "map": lambda x: np.stack(list(map(np.tanh, x))),
    "zip": lambda x: sum(a @ b for a, b in zip(x, X, strict=True)),
    "rot90": lambda x: np.rot90(x) * 2,
    "diff": lambda x: np.diff(x, axis=0) ** 2,
    "c_": lambda x: np.c_[X, x, np.ones(4)] @ np.ones((7, 2)),
    "c_ of vectors": lambda x: np.c_[x[:, 0], U, 2 * x[:, 1], 1:5],
    "c_ of one": lambda x: np.c_[x],
    "c_ of numbers": lambda x: np.c_[x[0, 0], 3.0, x[1, 1]],
    "r_": lambda x: np.r_[x, X, x],
    "r_ of vectors": lambda x: np.r_[x[0], 0.5, 1:4, x[1, 2], [x[2, 2], 1.0]],
    "no rows": lambda x: np.concatenate([x[[]], x]),
    "no columns": lambda x: np.sum(x[:, []]) + x,
    "nested nothing": lambda x: np.sum(x[[[]]]) + x,
    "compress": lambda x: np.compress([True, False, True], x, axis=0) * x.compress(U > 0, axis=0)[0],
    "flat slice": lambda x: x.flat[:5] ** 2,
    "flat of a part": lambda x: np.stack([*x[:, :2].flat[1:4], x[:, 1:].flat[5], *x.T[1:].flat[[0, -1]]]),
    "flat of a part, all": lambda x: (
        sum(v * (k + 1) for k, v in enumerate(x[::2, 1:].flat)) * len(x[:, :2].flat)
    ),
}


def into_zeros(x):
    out = np.zeros((4, 3))
    for i in range(4):
        out[i] = np.tanh(x[i] * (i + 1))
    return out


def accumulated(x):
    out = np.zeros((3, 3))
    for i in range(4):
        out += np.outer(x[i], x[i])
        out[:, 0] -= x[i]
    return out


def zeroed(x):
    z = x * 1.0
    z[z < 0] = 0
    return z * X


def masked_in_place(x):
    z = x + X
    z[X > 0] *= 2
    z[0, 1:] = x[1, 1:]
    z[[1, 3]] += x[[0, 2]]
    return z**2


def view_of_rows(x):
    out = np.empty((4, 3))
    for row, source in zip(out, x, strict=True):
        row[:] = source**2
    first = out[0]
    first += x[1]
    return out


def add_at(x):
    out = np.zeros((3, 3))
    np.add.at(out, IDS, x)
    return out**2


def list_of_numbers(x):
    values = []
    for i in range(4):
        h = x[i, 0]
        for j in range(1, 3):
            h = max(h * x[i, j], 0.01 * h)
        values.append(h)
    return np.array(values)


def out_argument(x):
    out = np.empty((4, 3))
    np.multiply(x, X, out=out)
    np.exp(out, out=out)
    return out


def recurrent(x):
    h = np.zeros(5)
    states = np.zeros((4, 5))
    for t in range(4):
        h = np.tanh(x[t] @ M + 0.5 * h)
        states[t] = h
    return states


def scalars(x):
    total = 0.0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            total += x[i, j] ** 2 / (1 + abs(x[i, j]))
    return total


def filled_diagonals(x):
    square, tall, wrapped = x @ X.T, np.zeros((4, 3)), x * 1.0
    np.fill_diagonal(square, 0.5)
    np.fill_diagonal(tall, x[0])
    np.fill_diagonal(wrapped, [x[0, 0], 2.0], wrap=True)
    return square.sum() + tall + wrapped * X


def put_by_number(x):
    out = x * 1.0
    np.put(out, [0, 5, -1], x[0, :2])
    np.put(out, 7, 3.0)
    out.put([[1], [2]], x[3])
    return out * X


def put_by_mask(x):
    out, other = x * 1.0, X.copy() * x.sum()
    np.putmask(out, X > 0, [x[0, 0], 2.0])
    np.putmask(out, x < -0.5, -0.5)
    np.place(other, X > 0, x[1])
    return out * other


def assigned_nothing(x):
    out = x * X
    out[[]] = x[0]
    out[:, []] = 3.0
    return out


def written_by_flat(x):
    out = np.zeros((4, 3))
    out[:, 1:].flat[2:5] = x[0]
    out[:, :2].flat[0] = x[1, 1]
    out[:, :1].flat[[1, 2]] = 0.25
    out[2:, 1:].flat = x[3]
    out[3:].flat = 2 * x[2, 2]
    out[::2, 2].flat[1:] = x[3, 1]
    return out * X


def subtract_at(x):
    out = np.zeros((3, 3))
    np.subtract.at(out, IDS, x)
    return out**2


def written_into_masks(x):
    first, second, third = (x > 0).astype(float), (x > X) * 1.0, ~(x <= 0.25)
    first *= x
    second[0] = x[1]
    third = np.where(third, 1.0, 0.5)
    np.multiply(third, x, out=third)
    return first * second + third


def masks_of_many_kinds(x):
    mask, other, still = x > X, np.logical_or(x > 1, x < -1), (x < 50) & (X > 0)
    mask |= other
    mask[1, 1] = True
    total = sum(x[i, j] for i, row in enumerate(still.tolist()) for j, on in enumerate(row) if on is True)
    total += (
        X[still].sum() * x[0, 0] + np.asarray(still).sum() * x[1, 1] + still.view(np.int8).mean() * x[2, 2]
    )
    return (mask & ~other) * x**2 + total


def sorted_in_place(x):
    out, parts = x * 1.0, x.T * X.T
    out.sort(axis=0)
    parts.partition(1)
    return out * X + parts[:, :1].sum()


PROGRAMS = [
    filled_diagonals,
    put_by_number,
    put_by_mask,
    assigned_nothing,
    written_by_flat,
    subtract_at,
    written_into_masks,
    masks_of_many_kinds,
    sorted_in_place,
    into_zeros,
    accumulated,
    zeroed,
    masked_in_place,
    view_of_rows,
    add_at,
    list_of_numbers,
    out_argument,
    recurrent,
    scalars,
]

FUNCTIONS = {
    **ELEMENTWISE,
    **PRODUCTS,
    **REDUCTIONS,
    **STRUCTURE,
    **{program.__name__: program for program in PROGRAMS},
}
POINT = RNG.standard_normal((4, 3))
STEP = 0.3


def cost_of(function):
    """Weigh all entries differently, so that none can be exchanged for another."""

    def cost(p):
        y = function(p[0])
        weights = np.cos(np.arange(np.size(y))).reshape(np.shape(y))
        return np.sum(np.sin(y) * weights)

    return cost


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_coordinate(name):
    cost = cost_of(FUNCTIONS[name])
    swept = sweep(cost, list, [POINT], 0, np.arange(12), STEP)
    for sign, found in ((1, swept.plus), (-1, swept.minus)):
        expected = np.empty(12)
        for i in range(12):
            moved = POINT.copy()
            moved.flat[i] += sign * STEP
            expected[i] = cost([moved]) - cost([POINT])
        good = ~swept.unsupported
        assert good.sum() >= 6
        np.testing.assert_allclose(found[good], expected[good], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_directions(name):
    cost = cost_of(FUNCTIONS[name])
    directions = 0.3 * np.random.default_rng(1).standard_normal((5, 4, 3))
    traced = trace_directions(cost, list, [POINT], [directions])
    expected = np.array([cost([POINT + d]) - cost([POINT]) for d in directions])
    good = ~traced.unsupported
    np.testing.assert_allclose(traced.difference[good], expected[good], rtol=1e-11, atol=1e-12)
    assert traced.value == pytest.approx(cost([POINT]), rel=1e-13)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_slopes_at_the_default_step(name):
    """At a tiny step smooth functions are linear: the slopes must be those of a small step all the same."""
    cost = cost_of(FUNCTIONS[name])
    tiny, small = (sweep(cost, list, [POINT], 0, np.arange(12), step) for step in (2.0**-80, 1e-5))
    good = ~(tiny.unsupported | small.unsupported | tiny.kinked | small.kinked)
    assert good.sum() >= 6
    slopes = ((tiny.plus - tiny.minus) / 2.0**-79)[good]
    np.testing.assert_allclose(slopes, ((small.plus - small.minus) / 2e-5)[good], rtol=1e-6, atol=1e-8)
