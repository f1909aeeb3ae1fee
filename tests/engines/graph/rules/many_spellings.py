"""Functions that are followed, with less usual arguments: axes, stacks, places, sizes, orders."""

from __future__ import annotations

import numpy as np
from many_functions import NAMES, symmetric, wide


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


SPELLINGS = [
    "np.abs(np.fft.fft(m(x), 5, axis=0))", "np.abs(np.fft.fftn(m(x), axes=(1,)))",
    "np.abs(np.fft.fftn(m(x), s=(4, 4), axes=(0, 1), norm='ortho'))", "np.abs(np.fft.rfftn(m(x)))",
    "np.fft.irfftn(np.fft.rfftn(m(x), norm='forward'), (2, 3), axes=(0, 1), norm='forward')",
    "np.fft.ifft(np.fft.fft(x) * (np.abs(np.fft.fftfreq(6)) < 0.3)).real",
    "np.abs(np.fft.fftshift(np.fft.fft2(m(x)), axes=1))", "np.abs(zeroed_first(np.fft.fft(x) * 1.0))",
    "sum((abs(z) for z in np.fft.rfft(x)))", "np.abs(np.array([z * 2 for z in np.fft.rfft(x)]))",
    "np.var(np.fft.fft(x)) + np.std(np.fft.rfft(x) * 1j) + np.linalg.norm(np.fft.fft(x))",
    "np.abs(np.fft.fft2(m(x)).T @ (m(x) + 1j))", "np.abs(np.outer(np.fft.rfft(x), x))",
    "np.abs(np.einsum('i,ij->j', np.fft.fft(x)[:2], m(x) + 0j))",
    "np.abs(np.where(np.arange(4) > 1, np.fft.rfft(x), 1j))",
    "np.abs((x + 1j) ** 0.5 * (x + 2j) ** (-2) * (x + 1j) ** 2.5)",
    "abs(x[0] + 1j * x[1]) * np.exp(1j * x[2]).real + np.sum(x)",
    "np.sum(np.fft.fft(m(x)), axis=1).imag + np.fft.fft(m(x)).sum(axis=1).real",
    "np.abs(np.fft.fft(x).reshape(2, 3).transpose(1, 0).ravel()[::2])",
    "np.linalg.eigh(symmetric_stack(x))[1] ** 2",
    "np.linalg.svd(wide_stack(x), full_matrices=False)[0] ** 2",
    "np.linalg.norm(wide_stack(x), 2, axis=(1, 2))",
    "np.linalg.norm(np.moveaxis(wide_stack(x), 0, 2), 'nuc', axis=(0, 1), keepdims=True)",
    "np.linalg.cond(symmetric_stack(x))", "np.linalg.pinv(wide_stack(x))",
    "np.linalg.qr(wide_stack(x).swapaxes(1, 2))[0]", "np.linalg.matrix_power(symmetric_stack(x), 2)",
    "np.linalg.lstsq(wide(x).T, K, rcond=None)[0]", "np.linalg.lstsq(C.T, x[:3], rcond=None)[0]",
    "np.interp(m(x), KNOTS, HEIGHTS)", "np.interp(x[0], KNOTS, HEIGHTS) + np.sum(x)",
    "np.insert(x, 2, x[0] * 5)", "np.insert(m(x), slice(0, 2), 9.0, axis=1)", "np.trapezoid(m(x), axis=0)",
    "np.add(*np.gradient(m(x), 0.5, 2.0))", "np.gradient(m(x), axis=1)",
    "np.linspace(x[0], 1, 4, retstep=True)[0]", "np.apply_along_axis(np.cumsum, 0, wide_stack(x))",
    "np.apply_along_axis(lambda v: np.outer(v, v), 1, m(x))",
    "np.vectorize(lambda a, b: a * b if a > b else a + b)(m(x), x[:3])",
    "np.add(*np.vectorize(lambda a: (a * a, np.sin(a)))(x))",
    "np.vectorize(lambda a: a * a, otypes=[float])(x)",
    "np.piecewise(x, [x < 0.5], [lambda v: v ** 2, 3.0])",
    "np.piecewise(x, x < 0.5, [lambda v: v ** 2, lambda v: -v])",
    "np.nanmean(np.append(m(x), [[np.nan, 1, 2]], 0), axis=1, keepdims=True)",
    "np.cross(m(x).T, C.T, axis=0)", "into(np.zeros(3), lambda o: np.sum(m(x), axis=0, out=o))",
    "into(np.zeros((2, 3)), lambda o: np.matmul(m(x), K, o))",
    "into(np.zeros(2), lambda o: np.take(x, [0, 2], None, o))",
    "x[into(np.zeros(2, int), lambda o: np.argmax(m(x), 1, o))]", "np.mean(m(x), 0, None, None, True)",
    "np.max(m(x), 0, None, True)", "np.var(m(x), 0, None, None, 1)", "x * np.round(x, 1)",
    "np.polyval(x[:3], m(x))", "SPARSE @ np.concatenate([np.zeros(0), x])",
    "scipy.sparse.eye_array(6).tocsr() @ x", "scipy.sparse.diags_array(HEIGHTS).tocsr().T @ x[:5]",
    "-(SPARSE @ x) + 2 * SPARSE @ x", "sp.logsumexp(wide_stack(x), axis=(0, 2))",
    "sp.logsumexp(m(x), axis=0, keepdims=True, b=2.0)", "sp.softmax(wide_stack(x), axis=(1, 2))",
    "sp.gammaln(x[0]) + np.sum(x)", "sp.betainc([[1.5], [2.0]], 2.0, x)",
    "scipy.signal.convolve(wide_stack(x), np.ones((1, 2, 2)), mode='same')",
    "scipy.signal.correlate(x, [1.0, 2, 3, 4])", "scipy.signal.correlate(x, [1.0, 2, 3, 4], mode='same')",
    "scipy.signal.convolve2d(square(x), K[:2, :2], mode='same', boundary='wrap')",
    "scipy.signal.correlate2d(square(x), K[:2, :2], mode='same')",
    "scipy.signal.convolve2d(m(x)[:, :2], square(x), mode='valid')",
    "scipy.ndimage.correlate(square(x), K[:2, :], origin=(0, 1), mode='mirror')",
    "scipy.ndimage.convolve(square(x), K[:2, :2], mode='nearest', origin=(-1, 0))",
    "scipy.signal.lfilter([1.0, 0.5], [1.0, 0.2], m(x), axis=0)", "scipy.linalg.toeplitz(x[:3])",
    "scipy.linalg.solve(square(x), x[:3], transposed=True)", "np.kron(wide_stack(x), x[:2])",
    "np.unwrap(20 * m(x), axis=0)", "sum(np.meshgrid(x[:2], x[2:4], x[4:]))",
    "np.abs(added_in_place(np.fft.fft(x), x))", "np.abs(scaled_in_part(np.fft.fft(x), x))",
    "np.abs(conjugate_in_place(np.fft.fft(x), x))", "np.abs(part_in_place(np.fft.fft(x), x))",
]  # fmt: skip

NAMES.update(globals())
