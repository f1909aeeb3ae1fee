"""Every supported function, called in several styles, for every form of difference."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from forms_of import agree, forms_of
from numpy.lib.stride_tricks import sliding_window_view

C = np.linspace(0.5, 2.0, 12).reshape(3, 4)
INDEX = np.array([[2, 0], [1, 1]])
MASK = C > 1.2


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


FUNCTIONS_OF_ONE = {
    "neg": lambda x: -x,
    "pos": lambda x: +x,
    "abs": abs,
    "np.abs": np.abs,
    "fabs": np.fabs,
    "x+1": lambda x: x + 1,
    "1-x": lambda x: 1 - x,
    "x-C": lambda x: x - C,
    "C+x": lambda x: C + x,
    "C*x": lambda x: C * x,
    "x*C[0]": lambda x: x * C[0],
    "x*column": lambda x: x * C[:, :1],
    "x/C": lambda x: x / C,
    "x/2": lambda x: x / 2,
    "x*x": lambda x: x * x,
    "x**2": lambda x: x**2,
    "x**3": lambda x: x**3,
    "square": np.square,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "arctan": np.arctan,
    "arcsinh": np.arcsinh,
    "cbrt": np.cbrt,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "expit": scipy.special.expit,
    "log_expit": scipy.special.log_expit,
    "erf": scipy.special.erf,
    "softplus": lambda x: np.logaddexp(0, x),
    "log1p(exp)": lambda x: np.log1p(np.exp(x)),
    "relu maximum": lambda x: np.maximum(0, x),
    "relu where": lambda x: np.where(x > 0, x, 0),
    "relu mask": lambda x: x * (x > 0),
    "relu clip": lambda x: np.clip(x, 0, None),
    "relu assigned": masked,
    "leaky": lambda x: np.where(x > 0, x, 0.01 * x),
    "leaky maximum": lambda x: np.maximum(x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "clip": lambda x: np.clip(x, -0.5, 0.5),
    "clip method": lambda x: x.clip(-0.5, 0.5),
    "minimum": lambda x: np.minimum(x, 0.1),
    "mask sum": lambda x: np.sum(x > 0.1) + 0.0,
    "mask mean": lambda x: np.mean(x > 0.1, axis=0),
    "mask float": lambda x: (x > 0.1).astype(float) * 2,
    "sign": np.sign,
    "masks": lambda x: ((x > 0) & (x < 0.5)) * x + (~(x > 0)) * 2.0,
    "where mask": lambda x: np.where(MASK, x, C),
    "where cut": lambda x: np.where(MASK, x, 0.0),
    "masked log": lambda x: np.where(C > 1.2, np.log(np.abs(x) * (C > 1.2) + 0.0), 0.0),
    "divide where": lambda x: np.divide(x, C, out=np.zeros_like(x), where=MASK),
    "multiply out": lambda x: np.multiply(x, C, out=np.zeros_like(x)),
    "sum": np.sum,
    "sum 0": lambda x: np.sum(x, axis=0),
    "sum method": lambda x: x.sum(axis=1, keepdims=True),
    "sum last": lambda x: x.sum(-1),
    "sum tuple": lambda x: np.sum(x, axis=(0, 1), keepdims=True),
    "add.reduce": lambda x: np.add.reduce(x, axis=1),
    "python sum": sum,
    "mean": np.mean,
    "mean 1": lambda x: x.mean(1),
    "average": lambda x: np.average(x, axis=1, weights=C[0]),
    "var": np.var,
    "var 0": lambda x: x.var(axis=0, ddof=1),
    "std": lambda x: np.std(x, axis=1, keepdims=True),
    "max": np.max,
    "max 0": lambda x: x.max(axis=0),
    "max 1": lambda x: np.max(x, axis=1, keepdims=True),
    "min": lambda x: np.min(x, axis=-1),
    "amax": lambda x: np.amax(x, axis=(0, 1)),
    "ptp": lambda x: np.ptp(x, axis=0),
    "argmax": lambda x: np.argmax(x, axis=1) * 1.0,
    "argmin": lambda x: x.argmin() * 1.0,
    "prod": np.prod,
    "prod 1": lambda x: x.prod(axis=1),
    "prod kept": lambda x: np.prod(x, axis=0, keepdims=True),
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "cumsum flat": np.cumsum,
    "cumprod": lambda x: np.cumprod(x, axis=0),
    "any": lambda x: np.any(x > 1.0, axis=0) * 1.0,
    "all": lambda x: (x > 0).all() * 1.0,
    "norm": np.linalg.norm,
    "norm 1": lambda x: np.linalg.norm(x, axis=1, keepdims=True),
    "norm ord 1": lambda x: np.linalg.norm(x, ord=1, axis=0),
    "norm inf": lambda x: np.linalg.norm(x, ord=np.inf, axis=0),
    "norm 3": lambda x: np.linalg.norm(x.ravel(), 3),
    "diff": lambda x: np.diff(x, axis=1),
    "logsumexp": lambda x: scipy.special.logsumexp(x, axis=1),
    "logsumexp kept": lambda x: scipy.special.logsumexp(x, axis=0, keepdims=True),
    "logsumexp all": lambda x: scipy.special.logsumexp(x),
    "softmax": lambda x: scipy.special.softmax(x, axis=1),
    "log_softmax": lambda x: scipy.special.log_softmax(x, axis=0),
    "own softmax": lambda x: (e := np.exp(x - x.max(1, keepdims=True))) / e.sum(1, keepdims=True),
    "dot": lambda x: np.dot(C.T, x),
    "dot right": lambda x: x.dot(C.T),
    "matmul": lambda x: x @ C.T,
    "rmatmul": lambda x: C.T @ x,
    "x@x.T": lambda x: x @ x.T,
    "x.T@x": lambda x: x.T.dot(x),
    "matvec": lambda x: x @ C[0],
    "vecmat": lambda x: C[:, 0] @ x,
    "inner": lambda x: np.inner(x, C),
    "outer": lambda x: np.outer(x[0], C[0]),
    "outer both": lambda x: np.outer(x[0], x[1]),
    "multiply.outer": lambda x: np.multiply.outer(x[0], C[1]),
    "vdot": lambda x: np.vdot(x, C),
    "tensordot": lambda x: np.tensordot(x, C, axes=([0], [0])),
    "tensordot 1": lambda x: np.tensordot(x, C.T, axes=1),
    "tensordot 0": lambda x: np.tensordot(x, C[0], axes=0),
    "einsum": lambda x: np.einsum("ij,kj->ki", x, C),
    "einsum implicit": lambda x: np.einsum("ij,jk", x, C.T),
    "einsum sum": lambda x: np.einsum("ij->j", x),
    "einsum transpose": lambda x: np.einsum("ij->ji", x),
    "einsum elementwise": lambda x: np.einsum("ij,ij->ij", x, C),
    "einsum square": lambda x: np.einsum("ij,ij->", x, x),
    "einsum three": lambda x: np.einsum("ij,kj,kl->il", x, C, C),
    "einsum dots": lambda x: np.einsum("...j,j->...", x, C[0]),
    "einsum diagonal": lambda x: np.einsum("ii->i", x[:, :3]),
    "trace": lambda x: np.trace(x),
    "kron-like": lambda x: x[:, None, :, None] * C[None, :, None, :],
    "solve": lambda x: np.linalg.solve(x @ x.T + 9 * np.eye(3), C),
    "solve both": lambda x: np.linalg.solve(x @ x.T + 9 * np.eye(3), x),
    "inv": lambda x: np.linalg.inv(x @ x.T + 9 * np.eye(3)),
    "cholesky": lambda x: np.linalg.cholesky(x @ x.T + 9 * np.eye(3)),
    "slogdet": lambda x: np.linalg.slogdet(x @ x.T + 9 * np.eye(3))[1],
    "reshape": lambda x: x.reshape(2, 6),
    "reshape -1": lambda x: np.reshape(x, (-1, 1)),
    "reshape split": lambda x: x.reshape(3, 2, 2),
    "reshape F": lambda x: x.reshape(4, 3, order="F"),
    "ravel": lambda x: x.ravel(),
    "flatten": lambda x: x.flatten(),
    "flat": lambda x: np.array([v for v in x.flat]),  # noqa: C416
    "T": lambda x: x.T,
    "T reshape": lambda x: x.T.reshape(-1),
    "transpose": lambda x: np.transpose(x, (1, 0)),
    "transpose 3": lambda x: x.reshape(3, 2, 2).transpose(2, 0, 1),
    "swapaxes": lambda x: x.reshape(3, 2, 2).swapaxes(0, 2),
    "moveaxis": lambda x: np.moveaxis(x.reshape(3, 2, 2), 0, -1),
    "rollaxis": lambda x: np.rollaxis(x.reshape(3, 2, 2), 2),
    "squeeze": lambda x: np.squeeze(x[:, None]),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "newaxis": lambda x: x[:, np.newaxis, :],
    "atleast_2d": lambda x: np.atleast_2d(x[0]),
    "broadcast_to": lambda x: np.broadcast_to(x[:, None, :], (3, 2, 4)),
    "concatenate": lambda x: np.concatenate([x, C, x], axis=1),
    "concatenate 0": lambda x: np.concatenate((C, x)),
    "stack": lambda x: np.stack([x, C], axis=-1),
    "stack both": lambda x: np.stack((x, 2 * x)),
    "hstack": lambda x: np.hstack([x, C]),
    "hstack vectors": lambda x: np.hstack([x[0], C[0]]),
    "vstack": lambda x: np.vstack([x[0], C]),
    "dstack": lambda x: np.dstack([x, C]),
    "column_stack": lambda x: np.column_stack([x[:, 0], C]),
    "block": lambda x: np.block([[x, C], [C, x]]),
    "r_-like": lambda x: np.append(x, C, axis=0),
    "split": lambda x: np.split(x, 2, axis=1)[1],
    "split at": lambda x: np.split(x, [1, 3], axis=1)[1],
    "array_split": lambda x: np.array_split(x, 2)[0],
    "hsplit": lambda x: np.hsplit(x, 2)[0],
    "vsplit": lambda x: np.vsplit(x, 3)[1],
    "tile": lambda x: np.tile(x, (2, 1)),
    "repeat": lambda x: np.repeat(x, 2, axis=1),
    "pad": lambda x: np.pad(x, ((1, 2), (0, 1))),
    "pad constant": lambda x: np.pad(x, 1, mode="constant", constant_values=3.0),
    "pad edge": lambda x: np.pad(x, 1, mode="edge"),
    "roll": lambda x: np.roll(x, 1, axis=1),
    "flip": lambda x: np.flip(x, axis=0),
    "fliplr": np.fliplr,
    "x[::-1]": lambda x: x[::-1, ::2],
    "rot90": np.rot90,
    "take": lambda x: np.take(x, [2, 0, 0], axis=0),
    "take flat": lambda x: x.take(INDEX),
    "take_along_axis": lambda x: np.take_along_axis(x, np.array([[1], [0], [3]]), axis=1),
    "choose": lambda x: np.choose(np.array([0, 1, 0, 1]), [x[0], x[1]]),
    "select": lambda x: np.select([C > 1.5, C > 1], [x, 2 * x], 0.0),
    "diag": lambda x: np.diag(x),
    "diag of vector": lambda x: np.diag(x[0]),
    "diagonal": lambda x: x.diagonal(),
    "tril": np.tril,
    "triu": lambda x: np.triu(x, 1),
    "windows": lambda x: sliding_window_view(x, (2, 2)),
    "windows axis": lambda x: sliding_window_view(x, 3, axis=1),
    "x[1]": lambda x: x[1],
    "x[-1]": lambda x: x[-1],
    "x[1,2]": lambda x: x[1, 2],
    "x[:,1:3]": lambda x: x[:, 1:3],
    "x[...,0]": lambda x: x[..., 0],
    "x[1:2]": lambda x: x[1:2],
    "x[2:0:-1]": lambda x: x[2:0:-1, None],
    "x[list]": lambda x: x[[0, 2, 2]],
    "x[INDEX]": lambda x: x[INDEX],
    "x[:,INDEX]": lambda x: x[:, INDEX],
    "x[rows,cols]": lambda x: x[np.arange(3), np.array([1, 3, 0])],
    "x[rows,None]": lambda x: x[np.arange(3)[:, None], [1, 3]],
    "x[MASK]": lambda x: x[MASK],
    "x[row mask]": lambda x: x[MASK[:, 2]],
    "x[int,array]": lambda x: x[1, [0, 2]],
    "x[array,None]": lambda x: x[[0, 1], None, :],
    "array": lambda x: np.array(x),
    "asarray": lambda x: np.asarray(x),
    "array of rows": lambda x: np.array([x[0], x[2], C[0]]),
    "array of numbers": lambda x: np.array([[x[0, 0], 1.0], [x[1, 1], x[2, 2]]]),
    "copy": np.copy,
    "astype": lambda x: x.astype(np.float64),
    "full": lambda x: np.full((2, 2), x[0, 1]),
    "full_like": lambda x: np.full_like(x, 2.0) * x,
    "assigned int": lambda x: assigned(x, 1, C[0]),
    "assigned row": lambda x: assigned(x, (slice(None), 1), x[:, 0]),
    "assigned slice": lambda x: assigned(x, (slice(0, 2), slice(1, 4, 2)), x[1:, :2]),
    "assigned number": lambda x: assigned(x, (0, 0), 5.0),
    "assigned entry": lambda x: assigned(x, (0, 0), x[1, 1]),
    "assigned list": lambda x: assigned(x, ([0, 2],), x[[2, 1]] * 2),
    "assigned mask": lambda x: assigned(x, MASK, 0.0),
    "assigned mask entries": lambda x: assigned(x, MASK, x[MASK] ** 2),
    "assigned rows cols": lambda x: assigned(x, (np.arange(3), np.array([1, 3, 0])), x[:, 0]),
    "in place": added_in_place,
    "grown": grown,
    "iterated": lambda x: np.stack([row * k for k, row in enumerate(x)]),
    "len": lambda x: x * len(x) + x.shape[1] + x.ndim + x.size,
    "item": lambda x: x[0, 0].item() + x.sum().item() + x.item(1, 2) + x.item(3),
    "tolist": lambda x: np.array(x.tolist()),
    "nan_to_num": np.nan_to_num,
    "heaviside": lambda x: np.heaviside(x, 0.5),
    "floor": lambda x: np.floor(3 * x),
    "isfinite": lambda x: np.isfinite(x) * x,
    "hypot": lambda x: np.hypot(x, C),
    "arctan2": lambda x: np.arctan2(x, C),
    "logaddexp": lambda x: np.logaddexp(x, C),
    "deg2rad": np.deg2rad,
    "where python": lambda x: x * 0 + sum(np.where(row > 0, row, -row).sum() for row in x),
    "add.at": lambda x: scattered_sum(x),
    "sort 0": lambda x: np.sort(x, axis=0),
    "sort 1": lambda x: np.sort(x, axis=1),
    "sort all": lambda x: np.sort(x, axis=None),
    "sort of ties": lambda x: np.sort(np.maximum(x, 0), axis=1),
    "sort after a product": lambda x: np.sort(np.ones((3, 3)) @ x, axis=1),
    "argsort": lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1),
    "median": lambda x: np.median(x, axis=1),
    "quantile": lambda x: np.quantile(x, 0.3, axis=0, keepdims=True),
    "c_": lambda x: np.c_[x, C, x[:, 0], np.ones(3)],
    "r_": lambda x: np.r_[x, C, x],
}


def scattered_sum(x):
    out = np.zeros(5)
    np.add.at(out, [0, 3, 3], x[:, 1])
    return out


FUNCTIONS_OF_A_POSITIVE = {
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "x**0.5": lambda x: x**0.5,
    "x**1.7": lambda x: x**1.7,
    "2**x": lambda x: 2.0**x,
    "reciprocal": np.reciprocal,
    "1/x": lambda x: 1 / x,
    "x/x.sum": lambda x: x / x.sum(axis=1, keepdims=True),
    "x**x": lambda x: x**x,
    "xlogy": lambda x: scipy.special.xlogy(x, x),
    "rsqrt": lambda x: x ** (-0.5),
    "geometric mean": lambda x: np.prod(x, axis=1) ** (1 / 4),
    "multiply.reduce": lambda x: np.multiply.reduce(x, axis=0),
}

FUNCTIONS_OF_TWO = {
    "x+y": lambda x, y: x + y,
    "x-y": lambda x, y: x - y,
    "x*y": lambda x, y: x * y,
    "x/y": lambda x, y: x / (2.5 + y),
    "x@y.T": lambda x, y: x @ y.T,
    "x.T@y": lambda x, y: np.dot(x.T, y),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "where": lambda x, y: np.where(x > y, x, y * y),
    "x>y": lambda x, y: (x > y) * 1.0,
    "hypot": np.hypot,
    "logaddexp": np.logaddexp,
    "einsum": lambda x, y: np.einsum("ij,kj->ik", x, y),
    "einsum kept": lambda x, y: np.einsum("ij,ij->i", x, y),
    "einsum lone": lambda x, y: np.einsum("ij,kl->il", x, y),
    "tensordot": lambda x, y: np.tensordot(x, y, axes=([0, 1], [0, 1])),
    "outer": lambda x, y: np.outer(x, y),
    "inner": lambda x, y: np.inner(x, y),
    "concatenate": lambda x, y: np.concatenate([x, y], axis=0),
    "concatenate 1": lambda x, y: np.concatenate([x, y], axis=1),
    "stack": lambda x, y: np.stack([x, y], axis=1),
    "row": lambda x, y: x + y[0],
    "column": lambda x, y: x * y[:, :1],
    "assigned": lambda x, y: assigned(x, 1, y[1]),
    "assigned column": lambda x, y: assigned(x, (slice(None), 2), y[:, 0]),
    "assigned mask": lambda x, y: assigned(x, MASK, y[MASK]),
    "stacked matmul": lambda x, y: x.reshape(3, 2, 2) @ y.reshape(3, 2, 2),
    "stacked broadcast": lambda x, y: x.reshape(3, 2, 2) @ y[0].reshape(2, 2),
    "arctan2": lambda x, y: np.arctan2(x, 3 + y),
    "dot of rows": lambda x, y: x[0] @ y[1],
}

FUNCTIONS_OF_A_STACK = {
    "sum": lambda x: x.sum(axis=(1, 2)),
    "mean": lambda x: x.mean(axis=1, keepdims=True),
    "max": lambda x: x.max(axis=(1, 2)),
    "matmul": lambda x: x @ np.ones((2, 3)) * 2,
    "dot": lambda x: np.dot(x, np.arange(6.0).reshape(2, 3)),
    "tensordot": lambda x: np.tensordot(x, np.arange(6.0).reshape(3, 2), axes=([1, 2], [0, 1])),
    "einsum": lambda x: np.einsum("nij,njk->nik", x, np.arange(12.0).reshape(2, 2, 3)),
    "gram": lambda x: x @ x.transpose(0, 2, 1),
    "reshape": lambda x: x.reshape(2, -1),
    "reshape merged": lambda x: x.reshape(-1, 2),
    "reshape torn": lambda x: x.reshape(3, 4),
    "transpose": lambda x: x.transpose(2, 0, 1).reshape(2, 6),
    "pad": lambda x: np.pad(x, ((0, 0), (1, 1), (1, 0))),
    "windows": lambda x: sliding_window_view(x, (2, 2), axis=(1, 2)),
    "separated": lambda x: x[[0, 1], :, [1, 0]],
    "middle": lambda x: x[:, [2, 0, 0], :],
    "assigned": lambda x: assigned(x, (slice(None), 1, slice(0, 1)), x[:, :1, 1]),
    "norm": lambda x: np.linalg.norm(x, axis=-1),
    "var": lambda x: x.var(axis=(0, 2), keepdims=True),
}


def run_all_forms(function, values, rtol):
    rng = np.random.default_rng(0)
    for _name, form in forms_of(values.shape, rng):
        agree(function, [values], [form], rtol=rtol)
    agree(function, [values], [None])


@pytest.mark.parametrize("name", FUNCTIONS_OF_ONE)
def test_functions_of_one(name):
    values = np.random.default_rng(1).normal(size=(3, 4))
    with np.errstate(divide="ignore"):
        run_all_forms(FUNCTIONS_OF_ONE[name], values, 1e-11)


@pytest.mark.parametrize("name", FUNCTIONS_OF_A_POSITIVE)
def test_functions_of_a_positive(name):
    values = np.random.default_rng(1).uniform(0.5, 2, size=(3, 4))
    run_all_forms(FUNCTIONS_OF_A_POSITIVE[name], values, 1e-11)


@pytest.mark.parametrize("name", FUNCTIONS_OF_A_STACK)
def test_functions_of_a_stack(name):
    values = np.random.default_rng(1).normal(size=(2, 3, 2))
    run_all_forms(FUNCTIONS_OF_A_STACK[name], values, 1e-11)


@pytest.mark.parametrize("name", FUNCTIONS_OF_TWO)
def test_functions_of_two(name):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 3, 4))
    for (_, f), (_, g) in zip(forms_of(x.shape, rng), list(forms_of(y.shape, rng))[::-1], strict=True):
        agree(FUNCTIONS_OF_TWO[name], [x, y], [f, g])
        agree(FUNCTIONS_OF_TWO[name], [x, y], [f, f])
        agree(FUNCTIONS_OF_TWO[name], [x, y], [f, None])
        agree(FUNCTIONS_OF_TWO[name], [x, y], [None, g])


@pytest.mark.parametrize("name", FUNCTIONS_OF_TWO)
def test_two_slices_at_the_same_place(name):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 3, 4))
    forms, others = (list(forms_of(x.shape, np.random.default_rng(7))) for _ in range(2))
    for (_, f), (_, g) in zip(forms, others, strict=True):
        agree(FUNCTIONS_OF_TWO[name], [x, y], [f, g])
