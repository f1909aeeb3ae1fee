"""Functions that are followed, with less usual arguments: axes, stacks, places, sizes, orders."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.ndimage
import scipy.signal
import scipy.sparse
import scipy.special as sp
from many_functions import HEIGHTS, KNOTS, SPARSE, C, K, m, square, symmetric, wide


def symmetric_stack(x):
    return np.stack([symmetric(x), symmetric(x**2), 2 * symmetric(x)])


def wide_stack(x):
    return np.stack([wide(x), wide(x**2)])


def zeroed_first(z):
    z[0] = 0
    return z


def added_in_place(z, x):
    y = z
    z += x * (1 + 2j)
    return y


def scaled_in_part(z, x):
    part = z[1:4]
    part *= x[:3]
    return z


def conjugate_in_place(z, x):
    w, v, u, t = np.conj(z), +z, z**1, z.flatten()
    for y in (w, v, u, t):
        y *= x + 1j
    return z * w + v - u * t


def part_in_place(z, x):
    part = z.real
    part *= x
    z.imag[2:] = x[2:] ** 2
    return z


def into(out, write):
    """Return an array into which a function has written."""
    write(out)
    return out


SPELLINGS = {
    "fft axis0 n": lambda x: np.abs(np.fft.fft(m(x), 5, axis=0)),
    "fftn axes": lambda x: np.abs(np.fft.fftn(m(x), axes=(1,))),
    "fftn s": lambda x: np.abs(np.fft.fftn(m(x), s=(4, 4), axes=(0, 1), norm="ortho")),
    "rfftn": lambda x: np.abs(np.fft.rfftn(m(x))),
    "irfftn": lambda x: np.fft.irfftn(
        np.fft.rfftn(m(x), norm="forward"), (2, 3), axes=(0, 1), norm="forward"
    ),
    "fftfreq filter": lambda x: np.fft.ifft(np.fft.fft(x) * (np.abs(np.fft.fftfreq(6)) < 0.3)).real,
    "fftshift2": lambda x: np.abs(np.fft.fftshift(np.fft.fft2(m(x)), axes=1)),
    "complex write": lambda x: np.abs(zeroed_first(np.fft.fft(x) * 1.0)),
    "complex iter": lambda x: sum(abs(z) for z in np.fft.rfft(x)),
    "complex array": lambda x: np.abs(np.array([z * 2 for z in np.fft.rfft(x)])),
    "complex mean var": lambda x: (
        np.var(np.fft.fft(x)) + np.std(np.fft.rfft(x) * 1j) + np.linalg.norm(np.fft.fft(x))
    ),
    "complex T": lambda x: np.abs(np.fft.fft2(m(x)).T @ (m(x) + 1j)),
    "complex outer": lambda x: np.abs(np.outer(np.fft.rfft(x), x)),
    "complex einsum": lambda x: np.abs(np.einsum("i,ij->j", np.fft.fft(x)[:2], m(x) + 0j)),
    "complex where": lambda x: np.abs(np.where(np.arange(4) > 1, np.fft.rfft(x), 1j)),
    "complex pow": lambda x: np.abs((x + 1j) ** 0.5 * (x + 2j) ** -2 * (x + 1j) ** 2.5),
    "complex scalar": lambda x: abs(x[0] + 1j * x[1]) * np.exp(1j * x[2]).real + np.sum(x),
    "complex kw": lambda x: np.sum(np.fft.fft(m(x)), axis=1).imag + np.fft.fft(m(x)).sum(axis=1).real,
    "complex reshape": lambda x: np.abs(np.fft.fft(x).reshape(2, 3).transpose(1, 0).ravel()[::2]),
    "eigh S3": lambda x: np.linalg.eigh(symmetric_stack(x))[1] ** 2,
    "svd W3": lambda x: np.linalg.svd(wide_stack(x), full_matrices=False)[0] ** 2,
    "norm axes": lambda x: np.linalg.norm(wide_stack(x), 2, axis=(1, 2)),
    "norm axes nuc": lambda x: np.linalg.norm(
        np.moveaxis(wide_stack(x), 0, 2), "nuc", axis=(0, 1), keepdims=True
    ),
    "cond stack": lambda x: np.linalg.cond(symmetric_stack(x)),
    "pinv stack": lambda x: np.linalg.pinv(wide_stack(x)),
    "qr stack": lambda x: np.linalg.qr(wide_stack(x).swapaxes(1, 2))[0],
    "matrix_power stack": lambda x: np.linalg.matrix_power(symmetric_stack(x), 2),
    "lstsq 2 rhs": lambda x: np.linalg.lstsq(wide(x).T, K, rcond=None)[0],
    "lstsq const": lambda x: np.linalg.lstsq(C.T, x[:3], rcond=None)[0],
    "interp 2d": lambda x: np.interp(m(x), KNOTS, HEIGHTS),
    "interp scalar": lambda x: np.interp(x[0], KNOTS, HEIGHTS) + np.sum(x),
    "insert scalar": lambda x: np.insert(x, 2, x[0] * 5),
    "insert slice": lambda x: np.insert(m(x), slice(0, 2), 9.0, axis=1),
    "trapz axis": lambda x: np.trapezoid(m(x), axis=0),
    "gradient 2 spac": lambda x: np.add(*np.gradient(m(x), 0.5, 2.0)),
    "gradient axis": lambda x: np.gradient(m(x), axis=1),
    "linspace ret": lambda x: np.linspace(x[0], 1, 4, retstep=True)[0],
    "apply_along 3d": lambda x: np.apply_along_axis(np.cumsum, 0, wide_stack(x)),
    "apply_along 2d out": lambda x: np.apply_along_axis(lambda v: np.outer(v, v), 1, m(x)),
    "vectorize 2": lambda x: np.vectorize(lambda a, b: a * b if a > b else a + b)(m(x), x[:3]),
    "vectorize two out": lambda x: np.add(*np.vectorize(lambda a: (a * a, np.sin(a)))(x)),
    "vectorize otypes": lambda x: np.vectorize(lambda a: a * a, otypes=[float])(x),
    "piecewise const": lambda x: np.piecewise(x, [x < 0.5], [lambda v: v**2, 3.0]),
    "piecewise single": lambda x: np.piecewise(x, x < 0.5, [lambda v: v**2, lambda v: -v]),
    "nan axis kd": lambda x: np.nanmean(np.append(m(x), [[np.nan, 1, 2]], 0), axis=1, keepdims=True),
    "cross axis": lambda x: np.cross(m(x).T, C.T, axis=0),
    "sum out kw": lambda x: into(np.zeros(3), lambda o: np.sum(m(x), axis=0, out=o)),
    "matmul out pos": lambda x: into(np.zeros((2, 3)), lambda o: np.matmul(m(x), K, o)),
    "take out": lambda x: into(np.zeros(2), lambda o: np.take(x, [0, 2], None, o)),
    "argmax out": lambda x: x[into(np.zeros(2, int), lambda o: np.argmax(m(x), 1, o))],
    "mean kd pos": lambda x: np.mean(m(x), 0, None, None, True),
    "max kd pos": lambda x: np.max(m(x), 0, None, True),
    "var ddof pos": lambda x: np.var(m(x), 0, None, None, 1),
    "round out": lambda x: x * np.round(x, 1),
    "polyval m": lambda x: np.polyval(x[:3], m(x)),
    "sparse const recorded zeros": lambda x: SPARSE @ np.concatenate([np.zeros(0), x]),
    "sparse eye": lambda x: scipy.sparse.eye_array(6).tocsr() @ x,
    "sparse diag T": lambda x: scipy.sparse.diags_array(HEIGHTS).tocsr().T @ x[:5],
    "sparse neg": lambda x: -(SPARSE @ x) + (2 * SPARSE) @ x,
    "logsumexp axis tuple": lambda x: sp.logsumexp(wide_stack(x), axis=(0, 2)),
    "logsumexp kd": lambda x: sp.logsumexp(m(x), axis=0, keepdims=True, b=2.0),
    "softmax tuple": lambda x: sp.softmax(wide_stack(x), axis=(1, 2)),
    "gammaln scalar": lambda x: sp.gammaln(x[0]) + np.sum(x),
    "betainc bcast": lambda x: sp.betainc([[1.5], [2.0]], 2.0, x),
    "convolve nd": lambda x: scipy.signal.convolve(wide_stack(x), np.ones((1, 2, 2)), mode="same"),
    "corr full 1d": lambda x: scipy.signal.correlate(x, [1.0, 2, 3, 4]),
    "corr same even": lambda x: scipy.signal.correlate(x, [1.0, 2, 3, 4], mode="same"),
    "conv2d wrap": lambda x: scipy.signal.convolve2d(square(x), K[:2, :2], mode="same", boundary="wrap"),
    "corr2d same even": lambda x: scipy.signal.correlate2d(square(x), K[:2, :2], mode="same"),
    "conv2d bigger": lambda x: scipy.signal.convolve2d(m(x)[:, :2], square(x), mode="valid"),
    "ndi origin": lambda x: scipy.ndimage.correlate(square(x), K[:2, :], origin=(0, 1), mode="mirror"),
    "ndi conv even": lambda x: scipy.ndimage.convolve(square(x), K[:2, :2], mode="nearest", origin=(-1, 0)),
    "lfilter axis": lambda x: scipy.signal.lfilter([1.0, 0.5], [1.0, 0.2], m(x), axis=0),
    "toeplitz 1": lambda x: scipy.linalg.toeplitz(x[:3]),
    "solve tr": lambda x: scipy.linalg.solve(square(x), x[:3], transposed=True),
    "kron3": lambda x: np.kron(wide_stack(x), x[:2]),
    "unwrap2": lambda x: np.unwrap(20 * m(x), axis=0),
    "meshgrid3": lambda x: sum(np.meshgrid(x[:2], x[2:4], x[4:])),
    "complex in place": lambda x: np.abs(added_in_place(np.fft.fft(x), x)),
    "complex view in place": lambda x: np.abs(scaled_in_part(np.fft.fft(x), x)),
    "complex conjugate in place": lambda x: np.abs(conjugate_in_place(np.fft.fft(x), x)),
    "complex part in place": lambda x: np.abs(part_in_place(np.fft.fft(x), x)),
}
