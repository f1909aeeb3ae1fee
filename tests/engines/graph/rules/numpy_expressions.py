"""What people write with NumPy, one line each, and short programs: expressions of one array, or of two."""

from __future__ import annotations

import numpy as np
import scipy.special as sp
from numpy.lib.stride_tricks import sliding_window_view

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))
V = RNG.standard_normal(3)
U = RNG.standard_normal(4)
M = RNG.standard_normal((3, 5))
T = RNG.standard_normal((2, 4, 3))
IDS = np.array([0, 2, 2, 1])
POINT = RNG.standard_normal((4, 3))
C = np.linspace(0.5, 2.0, 12).reshape(3, 4)
INDEX = np.array([[2, 0], [1, 1]])
MASK = C > 1.2

OF_FOUR_ROWS = [
    "x + X", "1.5 + x", "X - x", "x * (x + X)", "3 * x * X", "x / (X ** 2 + 1)", "X / (x ** 2 + 1)",
    "-x + +x * 2", "x ** 2", "x ** 3", "np.abs(x) ** 1.7", "2.0 ** x", "np.power(x, 4)", "x * 3 // 1 + x",
    "np.mod(x, 7.0)", "np.exp(x)", "np.exp2(x)", "np.expm1(x)", "np.log(x ** 2 + 0.5)",
    "np.log2(x ** 2 + 0.5)", "np.log10(x ** 2 + 0.5)", "np.log1p(x ** 2)", "np.sqrt(x ** 2 + 0.1)",
    "np.cbrt(x)", "np.square(x)", "np.reciprocal(x ** 2 + 1)", "np.tanh(x)", "np.sinh(x)", "np.cosh(x)",
    "np.sin(x)", "np.cos(x)", "np.tan(x / 8)", "np.arctan(x)", "np.arctan2(x, X ** 2 + 1)",
    "np.arcsin(np.tanh(x) * 0.9)", "np.arccos(np.tanh(x) * 0.9)", "np.arcsinh(x)",
    "np.arctanh(np.tanh(x) * 0.9)", "np.abs(x)", "abs(x)", "np.sign(x) * x", "np.maximum(0, x)",
    "np.maximum(x, X * x)", "np.minimum(x, 0.1)", "np.fmax(x, 0.0)", "np.clip(x, -0.5, 0.5)",
    "x.clip(0, None)", "np.logaddexp(0, x)", "np.hypot(x, X)", "sp.expit(x)", "sp.log_expit(x)", "sp.erf(x)",
    "0.5 * x * (1 + sp.erf(x / np.sqrt(2)))", "sp.xlogy(X ** 2, x ** 2 + 1)", "1 / (1 + np.exp(-x))",
    "np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)", "x * (x > 0)", "x * (x > 0).astype(float)",
    "np.multiply(x, np.int64(X > 0))", "np.where(x > 0, x, 0.01 * x)", "np.where(X > 0, x, 2.0)",
    "np.nan_to_num(x)", "np.abs(x) * np.sign(X)", "np.float_power(x ** 2 + 1, 1.5)",
    "(x >= 0) * 1.0 * x + (x < 0) * -0.5 * x", "np.logical_and(x > -1, x < 1) * x",
    "np.heaviside(x, 0.5) * x", "np.dot(x, M)", "np.dot(x, V)", "x.dot(M)", "x @ M", "X.T @ x", "x.T @ x",
    "U @ x", "T @ x.T", "np.matmul(T.transpose(0, 2, 1), x)", "np.einsum('ij,jk->ik', x, M)",
    "np.einsum('ij,ij', x, X)", "np.einsum('ij,kj->ik', x, x)", "np.einsum('b...,...->b...', T, x)",
    "np.einsum('ij,jk,ik->k', x, M, x @ M)", "np.tensordot(T, x, axes=([1, 2], [0, 1]))",
    "np.tensordot(x, M, axes=1)", "np.inner(x, V)", "np.outer(x[:, 0], x[0])", "np.vdot(x, X)",
    "x[:, None, :, None] * x[None, :, None, :]", "np.convolve(x[0], x.ravel())",
    "np.convolve(x[:, 0], V, mode='valid')",
    "np.convolve(U, x[0], 'same') + np.convolve(x[1, :2], U, 'same')", "np.convolve(x[0], x[1, 1])",
    "np.correlate(x[:, 0], V)", "np.correlate(x[0, :2], x[:, 1], 'same')",
    "np.correlate(V, x[:, 1], mode='full')", "np.linalg.norm(x)", "np.linalg.norm(x, axis=1)",
    "np.linalg.solve(np.eye(3) * 9 + X.T @ x, V)", "np.linalg.inv(np.eye(3) * 9 + X.T @ x)",
    "np.trace(x.T @ x)", "np.sum(x)", "x.sum(axis=0)", "x / np.sum(np.exp(x), axis=1, keepdims=True)",
    "np.sum(T * x, axis=(0, 2))", "sum((x[i] for i in range(4)))", "np.mean(x, axis=0) ** 2",
    "np.average(x, axis=0)", "np.var(x, axis=0)", "x.std(axis=1)", "x.max(axis=1)", "np.max(x)",
    "np.min(x, axis=0)", "np.prod(x, axis=1)", "np.cumsum(x, axis=0) ** 2", "np.cumprod(x, axis=1)",
    "sp.logsumexp(x, axis=1)", "sp.softmax(x, axis=1)", "sp.log_softmax(x, axis=0)",
    "np.exp(x - x.max(axis=1, keepdims=True)) / np.exp(x - x.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)",
    "x[np.arange(4), np.argmax(X, axis=1)]", "np.add.reduce(x, axis=1)", "np.ptp(x, axis=0)",
    "x * np.count_nonzero(X)", "np.sort(x, axis=0) * X", "np.sort(x) * X", "np.sort(x, axis=None)",
    "np.sort(x @ M, axis=0)", "np.partition(x.ravel(), -2)[-2:].sum()",
    "np.take_along_axis(x, np.argsort(x, axis=0), axis=0) * X", "x[x[:, 0].argsort()] * X",
    "x - np.median(x)", "np.median(x, axis=0)", "x - np.median(x, axis=1, keepdims=True)",
    "np.median(T * x, axis=(0, 2))", "np.quantile(x, 0.3, axis=0)",
    "np.quantile(x, [0.0, 0.4, 1.0], axis=1, keepdims=True)", "np.percentile(x, 25)",
    "np.percentile(x, (10, 50), axis=0)", "np.logaddexp.reduce(x, axis=1)", "np.prod(x[:0], axis=0) * x",
    "np.prod(x[:0], keepdims=True) * x", "np.sum(np.cumprod(x[:0], axis=0)) + x",
    "np.concatenate([np.cumprod(x[:0]), x[0]])", "x.reshape(2, 6) ** 2", "np.reshape(x, (-1,))", "x.ravel()",
    "x.flatten()", "x.T @ X", "np.transpose(T * x, (2, 0, 1))", "np.swapaxes(T * x, 0, 2)",
    "np.moveaxis(T * x, 0, -1)", "np.squeeze(x[None])", "np.expand_dims(x, 1) * X[None]",
    "x[:, None, :] * X[None]", "np.broadcast_to(x, (2, 4, 3)) * T", "np.concatenate([x, X, x], axis=0)",
    "np.stack([x, X], axis=1)", "np.hstack([x, X])", "np.vstack((X, x))", "np.column_stack((x, U))",
    "np.split(x, 2)[1] ** 2", "np.array_split(x, 3)[0]", "np.tile(x, (2, 1)) ** 2",
    "np.repeat(x, 2, axis=0)", "np.pad(x, ((1, 1), (0, 2)))", "np.roll(x, 1, axis=0) * X",
    "np.flip(x, axis=1) * X", "np.fliplr(x) * X", "np.take(x, IDS, axis=0)",
    "np.take_along_axis(x, np.argsort(X, axis=0), axis=0) * X", "np.choose([0, 1, 0], [x[0], x[1]])",
    "np.diag(x[:3])", "np.diag(x[0]) @ X.T", "np.diagonal(x)", "np.tril(x) @ M", "np.triu(x, 1)",
    "sliding_window_view(x, (2, 2)).sum(axis=(2, 3)) ** 2", "x[1:, ::2] * x[:-1, ::2]", "x[::-1] * X",
    "x[2] * x[-1]", "x[..., 0]", "x[IDS] ** 2", "x[[0, 1], [2, 1]]", "x[:, [2, 0]]", "(T * x)[1, IDS, :]",
    "x[X > 0] ** 2", "x[U > 0]", "sum(((row * row).sum() for row in x))",
    "x / len(x) / x.shape[0] / x.size * x.ndim", "x if isinstance(x, np.ndarray) else None",
    "x.copy() * np.copy(x)", "x.astype(float)", "x[0, 0].item() ** 2 + x.sum()", "np.atleast_2d(x[0]) ** 2",
    "np.zeros_like(x) + x", "np.ones_like(x) * x.sum()", "np.full_like(X, 2.0) * x",
    "np.array([x[0] * 2, x[1]])", "np.array([x[0, 0], x[1, 1] ** 2])", "np.asarray(x) ** 2",
    "x[np.argsort(U)]", "np.append(x, X, axis=0)", "np.dstack([x, X])", "x[np.ix_([0, 2], [1, 2])]",
    "sum((v * v for v in x.flat))", "(lambda a, b, c, d: a * b + c * d)(*x)",
    "np.stack(list(map(np.tanh, x)))", "sum((a @ b for a, b in zip(x, X, strict=True)))", "np.rot90(x) * 2",
    "np.diff(x, axis=0) ** 2", "np.c_[X, x, np.ones(4)] @ np.ones((7, 2))",
    "np.c_[x[:, 0], U, 2 * x[:, 1], 1:5]", "np.c_[x]", "np.c_[x[0, 0], 3.0, x[1, 1]]", "np.r_[x, X, x]",
    "np.r_[x[0], 0.5, 1:4, x[1, 2], [x[2, 2], 1.0]]", "np.concatenate([x[[]], x])", "np.sum(x[:, []]) + x",
    "np.sum(x[[[]]]) + x", "np.compress([True, False, True], x, axis=0) * x.compress(U > 0, axis=0)[0]",
    "x.flat[:5] ** 2", "np.stack([*x[:, :2].flat[1:4], x[:, 1:].flat[5], *x.T[1:].flat[[0, -1]]])",
    "sum((v * (k + 1) for k, v in enumerate(x[::2, 1:].flat))) * len(x[:, :2].flat)",
]  # fmt: skip
"""Of an array of shape (4, 3)."""

OF_THREE_ROWS = [
    "-x", "+x", "np.fabs(x)", "x + 1", "1 - x", "x - C", "C + x", "C * x", "x * C[0]", "x * C[:, :1]",
    "x / C", "x / 2", "x * x", "np.log1p(np.exp(x))", "np.where(x > 0, x, 0)", "np.clip(x, 0, None)",
    "masked(x)", "np.maximum(x, 0.01 * x)", "np.where(x > 0, x, np.exp(x) - 1)", "x.clip(-0.5, 0.5)",
    "np.sum(x > 0.1) + 0.0", "np.mean(x > 0.1, axis=0)", "(x > 0.1).astype(float) * 2", "np.sign(x)",
    "((x > 0) & (x < 0.5)) * x + ~(x > 0) * 2.0", "np.where(MASK, x, C)", "np.where(MASK, x, 0.0)",
    "np.where(C > 1.2, np.log(np.abs(x) * (C > 1.2) + 0.0), 0.0)",
    "np.divide(x, C, out=np.zeros_like(x), where=MASK)", "np.multiply(x, C, out=np.zeros_like(x))",
    "np.sum(x, axis=0)", "x.sum(axis=1, keepdims=True)", "x.sum(-1)",
    "np.sum(x, axis=(0, 1), keepdims=True)", "sum(x)", "np.mean(x)", "x.mean(1)",
    "np.average(x, axis=1, weights=C[0])", "np.var(x)", "x.var(axis=0, ddof=1)",
    "np.std(x, axis=1, keepdims=True)", "x.max(axis=0)", "np.max(x, axis=1, keepdims=True)",
    "np.min(x, axis=-1)", "np.amax(x, axis=(0, 1))", "np.argmax(x, axis=1) * 1.0", "x.argmin() * 1.0",
    "np.prod(x)", "x.prod(axis=1)", "np.prod(x, axis=0, keepdims=True)", "np.cumsum(x, axis=1)",
    "np.cumsum(x)", "np.cumprod(x, axis=0)", "np.any(x > 1.0, axis=0) * 1.0", "(x > 0).all() * 1.0",
    "np.linalg.norm(x, axis=1, keepdims=True)", "np.linalg.norm(x, ord=1, axis=0)",
    "np.linalg.norm(x, ord=np.inf, axis=0)", "np.linalg.norm(x.ravel(), 3)", "np.diff(x, axis=1)",
    "sp.logsumexp(x, axis=0, keepdims=True)", "sp.logsumexp(x)",
    "(e := np.exp(x - x.max(1, keepdims=True))) / e.sum(1, keepdims=True)", "np.dot(C.T, x)", "x.dot(C.T)",
    "x @ C.T", "x @ x.T", "x.T.dot(x)", "x @ C[0]", "C[:, 0] @ x", "np.inner(x, C)", "np.outer(x[0], C[0])",
    "np.outer(x[0], x[1])", "np.multiply.outer(x[0], C[1])", "np.tensordot(x, C, axes=([0], [0]))",
    "np.tensordot(x, C.T, axes=1)", "np.tensordot(x, C[0], axes=0)", "np.einsum('ij,kj->ki', x, C)",
    "np.einsum('ij,jk', x, C.T)", "np.einsum('ij->j', x)", "np.einsum('ij->ji', x)",
    "np.einsum('ij,ij->ij', x, C)", "np.einsum('ij,ij->', x, x)", "np.einsum('ij,kj,kl->il', x, C, C)",
    "np.einsum('...j,j->...', x, C[0])", "np.einsum('ii->i', x[:, :3])", "np.trace(x)",
    "x[:, None, :, None] * C[None, :, None, :]", "np.linalg.solve(x @ x.T + 9 * np.eye(3), C)",
    "np.linalg.solve(x @ x.T + 9 * np.eye(3), x)", "np.linalg.inv(x @ x.T + 9 * np.eye(3))",
    "np.linalg.cholesky(x @ x.T + 9 * np.eye(3))", "np.linalg.slogdet(x @ x.T + 9 * np.eye(3))[1]",
    "x.reshape(2, 6)", "np.reshape(x, (-1, 1))", "x.reshape(3, 2, 2)", "x.reshape(4, 3, order='F')",
    "np.array([v for v in x.flat])", "x.T", "x.T.reshape(-1)", "np.transpose(x, (1, 0))",
    "x.reshape(3, 2, 2).transpose(2, 0, 1)", "x.reshape(3, 2, 2).swapaxes(0, 2)",
    "np.moveaxis(x.reshape(3, 2, 2), 0, -1)", "np.rollaxis(x.reshape(3, 2, 2), 2)", "np.squeeze(x[:, None])",
    "np.expand_dims(x, 1)", "x[:, np.newaxis, :]", "np.atleast_2d(x[0])",
    "np.broadcast_to(x[:, None, :], (3, 2, 4))", "np.concatenate([x, C, x], axis=1)",
    "np.concatenate((C, x))", "np.stack([x, C], axis=-1)", "np.stack((x, 2 * x))", "np.hstack([x[0], C[0]])",
    "np.vstack([x[0], C])", "np.column_stack([x[:, 0], C])", "np.block([[x, C], [C, x]])",
    "np.split(x, 2, axis=1)[1]", "np.split(x, [1, 3], axis=1)[1]", "np.array_split(x, 2)[0]",
    "np.hsplit(x, 2)[0]", "np.vsplit(x, 3)[1]", "np.tile(x, (2, 1))", "np.repeat(x, 2, axis=1)",
    "np.pad(x, ((1, 2), (0, 1)))", "np.pad(x, 1, mode='constant', constant_values=3.0)",
    "np.pad(x, 1, mode='edge')", "np.roll(x, 1, axis=1)", "np.flip(x, axis=0)", "np.fliplr(x)",
    "x[::-1, ::2]", "np.rot90(x)", "np.take(x, [2, 0, 0], axis=0)", "x.take(INDEX)",
    "np.take_along_axis(x, np.array([[1], [0], [3]]), axis=1)",
    "np.choose(np.array([0, 1, 0, 1]), [x[0], x[1]])", "np.select([C > 1.5, C > 1], [x, 2 * x], 0.0)",
    "np.diag(x)", "np.diag(x[0])", "x.diagonal()", "np.tril(x)", "sliding_window_view(x, (2, 2))",
    "sliding_window_view(x, 3, axis=1)", "x[1]", "x[-1]", "x[1, 2]", "x[:, 1:3]", "x[1:2]",
    "x[2:0:-1, None]", "x[[0, 2, 2]]", "x[INDEX]", "x[:, INDEX]", "x[np.arange(3), np.array([1, 3, 0])]",
    "x[np.arange(3)[:, None], [1, 3]]", "x[MASK]", "x[MASK[:, 2]]", "x[1, [0, 2]]", "x[[0, 1], None, :]",
    "np.array(x)", "np.asarray(x)", "np.array([x[0], x[2], C[0]])",
    "np.array([[x[0, 0], 1.0], [x[1, 1], x[2, 2]]])", "np.copy(x)", "x.astype(np.float64)",
    "np.full((2, 2), x[0, 1])", "np.full_like(x, 2.0) * x", "assigned(x, 1, C[0])",
    "assigned(x, (slice(None), 1), x[:, 0])", "assigned(x, (slice(0, 2), slice(1, 4, 2)), x[1:, :2])",
    "assigned(x, (0, 0), 5.0)", "assigned(x, (0, 0), x[1, 1])", "assigned(x, ([0, 2],), x[[2, 1]] * 2)",
    "assigned(x, MASK, 0.0)", "assigned(x, MASK, x[MASK] ** 2)",
    "assigned(x, (np.arange(3), np.array([1, 3, 0])), x[:, 0])", "added_in_place(x)", "grown(x)",
    "np.stack([row * k for k, row in enumerate(x)])", "x * len(x) + x.shape[1] + x.ndim + x.size",
    "x[0, 0].item() + x.sum().item() + x.item(1, 2) + x.item(3)", "np.array(x.tolist())",
    "np.heaviside(x, 0.5)", "np.floor(3 * x)", "np.isfinite(x) * x", "np.arctan2(x, C)",
    "np.logaddexp(x, C)", "np.deg2rad(x)", "x * 0 + sum((np.where(row > 0, row, -row).sum() for row in x))",
    "scattered_sum(x)", "np.sort(x, axis=0)", "np.sort(x, axis=1)", "np.sort(np.maximum(x, 0), axis=1)",
    "np.sort(np.ones((3, 3)) @ x, axis=1)", "np.take_along_axis(x, np.argsort(x, axis=1), axis=1)",
    "np.median(x, axis=1)", "np.quantile(x, 0.3, axis=0, keepdims=True)", "np.c_[x, C, x[:, 0], np.ones(3)]",
]  # fmt: skip
"""Of an array of shape (3, 4)."""

OF_POSITIVE_NUMBERS = [
    "np.log(x)", "np.log2(x)", "np.log10(x)", "np.log1p(x)", "np.sqrt(x)", "x ** 0.5", "x ** 1.7",
    "np.reciprocal(x)", "1 / x", "x / x.sum(axis=1, keepdims=True)", "x ** x", "sp.xlogy(x, x)",
    "x ** (-0.5)", "np.prod(x, axis=1) ** (1 / 4)", "np.multiply.reduce(x, axis=0)",
]  # fmt: skip

OF_TWO = [
    "x + y", "x - y", "x * y", "x / (2.5 + y)", "x @ y.T", "np.dot(x.T, y)", "np.maximum(x, y)",
    "np.minimum(x, y)", "np.where(x > y, x, y * y)", "(x > y) * 1.0", "np.hypot(x, y)", "np.logaddexp(x, y)",
    "np.einsum('ij,kj->ik', x, y)", "np.einsum('ij,ij->i', x, y)", "np.einsum('ij,kl->il', x, y)",
    "np.tensordot(x, y, axes=([0, 1], [0, 1]))", "np.outer(x, y)", "np.inner(x, y)",
    "np.concatenate([x, y], axis=0)", "np.concatenate([x, y], axis=1)", "np.stack([x, y], axis=1)",
    "x + y[0]", "x * y[:, :1]", "assigned(x, 1, y[1])", "assigned(x, (slice(None), 2), y[:, 0])",
    "assigned(x, MASK, y[MASK])", "x.reshape(3, 2, 2) @ y.reshape(3, 2, 2)",
    "x.reshape(3, 2, 2) @ y[0].reshape(2, 2)", "np.arctan2(x, 3 + y)", "x[0] @ y[1]",
]  # fmt: skip
"""Of two arrays of shape (3, 4)."""

OF_A_STACK = [
    "x.sum(axis=(1, 2))", "x.mean(axis=1, keepdims=True)", "x.max(axis=(1, 2))", "x @ np.ones((2, 3)) * 2",
    "np.dot(x, np.arange(6.0).reshape(2, 3))",
    "np.tensordot(x, np.arange(6.0).reshape(3, 2), axes=([1, 2], [0, 1]))",
    "np.einsum('nij,njk->nik', x, np.arange(12.0).reshape(2, 2, 3))", "x @ x.transpose(0, 2, 1)",
    "x.reshape(2, -1)", "x.reshape(-1, 2)", "x.reshape(3, 4)", "x.transpose(2, 0, 1).reshape(2, 6)",
    "np.pad(x, ((0, 0), (1, 1), (1, 0)))", "sliding_window_view(x, (2, 2), axis=(1, 2))",
    "x[[0, 1], :, [1, 0]]", "x[:, [2, 0, 0], :]", "assigned(x, (slice(None), 1, slice(0, 1)), x[:, :1, 1])",
    "np.linalg.norm(x, axis=-1)", "x.var(axis=(0, 2), keepdims=True)",
]  # fmt: skip
"""Of an array of shape (2, 3, 2)."""


def assigned(x, key, value):
    out = np.zeros(x.shape)
    out[...] = x
    out[key] = value
    return out


def grown(x):
    out = np.zeros((5, *x.shape))
    for t in range(5):
        out[t] = np.tanh(x * t + (out[t - 1] if t else 0.0))
    return out


def added_in_place(x):
    out = np.ones_like(x)
    out += x
    out *= x
    out[1] -= x[0]
    out[:, 1] /= 2.0
    row = out[2]
    row += x[1]
    return out


def masked(x):
    z = x.copy()
    z[z < 0] = 0
    return z


def scattered_sum(x):
    out = np.zeros(5)
    np.add.at(out, [0, 3, 3], x[:, 1])
    return out


def list_of_numbers(x):
    values = []
    for i in range(4):
        h = x[i, 0]
        for j in range(1, 3):
            h = max(h * x[i, j], 0.01 * h)
        values.append(h)
    return np.array(values)


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
    list_of_numbers, scalars, filled_diagonals, put_by_number, put_by_mask, assigned_nothing, written_by_flat,
    subtract_at, written_into_masks, masks_of_many_kinds, sorted_in_place,
]  # fmt: skip


NAMES = {**globals(), "sp": sp, "sliding_window_view": sliding_window_view}


def weighed(y):
    """Weigh all entries differently, so that none can be exchanged for another."""
    return np.sum(np.sin(y) * np.cos(np.arange(np.size(y))).reshape(np.shape(y)))


def cost_of(expression, names="x"):
    """Return a cost of a list of arrays with these names."""
    function = eval(f"lambda {names}: {expression}", NAMES)
    return lambda p: weighed(function(*p))
