"""Functions of NumPy and SciPy as costs use them: expressions of one array x of six numbers between 0.2 and 1."""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
import scipy.linalg
import scipy.ndimage
import scipy.signal
import scipy.sparse
import scipy.special as sp

RNG = np.random.default_rng(4)
START = np.array([0.31, 0.87, 0.52, 0.23, 0.94, 0.68])
C = RNG.standard_normal((2, 3))
S = RNG.standard_normal((3, 3)) + 3 * np.eye(3)
K = RNG.standard_normal((3, 3))
KNOTS = np.array([0.0, 0.25, 0.5, 0.8, 1.5])
HEIGHTS = np.array([1.0, -0.5, 0.75, 2.0, 0.1])
SPARSE = scipy.sparse.csr_matrix(np.where(np.abs(RNG.standard_normal((5, 6))) > 0.7, 1.3, 0.0))
WAVE = np.exp(1j * np.arange(6.0))


def m(x):
    """Return a 2 × 3 matrix."""
    return np.reshape(x, (2, 3))


def square(x):
    """Return a well-conditioned square matrix."""
    return S + np.outer(x[:3], x[3:])


def symmetric(x):
    """Return a positive definite matrix with eigenvalues of their own."""
    a = np.outer(x[:3], x[3:])
    return a + a.T + np.diag([2.0, 4.0, 7.0])


def wide(x):
    """Return a 2 × 3 matrix of full rank."""
    return C + m(x)


def with_shape(x):
    y = x * 1.0
    y.shape = (2, 3)
    return y @ K


def shaped_view(x):
    y = x * 1.0
    z = y[2:]
    z.shape = (2, 2)
    z[0] *= 2.0
    return y


def clip_out(x):
    y = x * 1.0
    np.clip(y, 0.4, 0.8, y)
    return y


def out_positions(x):
    y, z, t = x * 1.0, np.zeros(3), np.zeros((2, 6))
    np.cumsum(y, 0, None, y)
    np.sum(np.reshape(x, (2, 3)), 0, None, z)
    np.concatenate([x, y], 0, t.reshape(-1))
    np.max(np.reshape(x, (2, 3)), 0, z[:])
    return np.concatenate([y, z, t[1]])


def out_of_methods(x):
    y, z, s = x * 1.0, np.zeros(3), np.zeros(())
    x.cumsum(0, None, y)
    y.clip(0.4, 2.8, y)
    m(y).sum(0, None, z)
    x.mean(None, None, s)
    x.dot(x, s[...])
    return np.concatenate([y, z, np.reshape(s, 1)])


def ufunc_out(x):
    y, z = np.zeros(6), np.zeros(6)
    np.add(x, 1.0, y)
    whole, part = np.zeros(6), np.zeros(6)
    np.modf(3 * x, part, whole)
    np.exp(y, z)
    return y * z + part + whole


def softened(v):
    return v * v + 1.0 if v > 0.5 else np.sin(v)


vectorized = np.vectorize(softened)
ufunc_of_python = np.frompyfunc(softened, 1, 1)

SHAPES = [
    "with_shape(x)", "shaped_view(x)", "np.reshape(m(x).T, (2, 3), order='A')",
    "np.reshape(m(x)[:, ::2], 4, order='A')", "m(x).T.reshape(6, order='A')", "np.ravel(m(x).T, order='A')",
    "np.ravel(m(x).T, order='K')", "np.ravel(np.reshape(x, (1, 2, 3)).transpose(2, 0, 1), 'K')",
    "m(x).T.ravel('K')", "m(x).T.flatten('K')", "m(x).T.flatten('A')", "m(x).T.copy('A').ravel('K')",
    "np.copy(m(x).T, 'K').ravel('K')", "m(x).T.copy().ravel('K')", "m(x).copy('F').ravel('K')",
    "x.imag + np.imag(x) + np.real(x) + x.real", "clip_out(x)", "out_positions(x)", "out_of_methods(x)",
    "ufunc_out(x)",
]  # fmt: skip

NUMERIC = [
    "np.interp(x * 1.7, KNOTS, HEIGHTS)", "np.interp(3 * x - 0.7, KNOTS, HEIGHTS, left=0.3)",
    "np.interp([0.1, 0.3, 7.0], KNOTS[:3], x[:3], right=x[4])",
    "np.interp([0.1, 0.9, 1.3], np.cumsum(x), HEIGHTS[[0, 1, 2, 3, 4, 0]])",
    "np.interp(x * 9, KNOTS, HEIGHTS, period=1.7)", "np.insert(x, [1, 3], [2.0, 5.0]) ** 2",
    "np.insert(m(x), 1, x[:2], axis=1)", "np.insert(C, 1, x[:3], axis=0)", "np.kron(m(x), K)",
    "np.kron(x[:2], x[2:])", "np.nansum(np.where(x > 0.5, x, np.nan) ** 2)",
    "np.nanmean(np.append(m(x), [[np.nan, 1.0, 2.0]], 0), axis=0)",
    "np.nanmax(np.append(m(x), [[np.nan, 1.0, -2.0]], 0), axis=0)", "np.nanmin(np.append(x, np.nan))",
    "np.nanvar(np.append(m(x), [[np.nan, 1.0, -2.0]], 0), axis=0, ddof=1)",
    "np.nanstd(np.append(x, np.nan))", "np.nanprod(np.append(x, np.nan))",
    "np.nancumsum(np.append(x, np.nan))", "np.nancumprod(np.append(np.nan, x))",
    "np.trapezoid(m(x), dx=0.3)", "np.trapezoid(x, np.cumsum(x))", "np.cross(m(x), C)",
    "np.cross(x[:3], x[3:])", "np.gradient(x)", "np.gradient(x, 0.5, edge_order=2)",
    "np.stack(np.gradient(m(x)))", "np.gradient(x, np.array([0.0, 1.0, 1.5, 3.0, 3.2, 4.0]), edge_order=2)",
    "np.ediff1d(m(x), to_begin=x[:1], to_end=[3.0])",
    "np.cumulative_sum(m(x), axis=1, include_initial=True)", "np.cumulative_prod(x, include_initial=True)",
    "np.linspace(x[0], x[1], 5)", "np.linspace(x[:2], 3.0, 4, endpoint=False, axis=-1)",
    "np.logspace(x[0], x[1], 4)", "np.geomspace(x[0], x[1], 4)", "np.polyval(x[:3], x[3:])",
    "np.polyval([1.0, -2.0, 0.5], x)", "np.polyfit(np.arange(6.0), x, 2)", "np.polymul(x[:3], x[3:])",
    "np.polyadd(x[:2], x[2:])", "np.polyder(x)", "np.polyint(x)", "np.vander(x, 4)",
    "np.vander(x[:3], increasing=True)", "np.apply_along_axis(lambda r: np.cumsum(r) * r[0], 1, m(x))",
    "np.apply_along_axis(np.std, 0, m(x))", "np.apply_over_axes(np.sum, m(x) ** 2, [0, 1])",
    "np.vectorize(softened)(m(x))", "vectorized(x)", "ufunc_of_python(x).astype(float)",
    "np.piecewise(x, [x < 0.5, x > 0.9], [np.sin, lambda v: v ** 2, lambda v: v])",
    "x[np.lexsort((np.array([3, 1, 2, 0, 0, 1]), np.array([0, 1, 0, 1, 0, 1])))]",
    "x[np.unique(np.array([1, 3, 3]))] + np.unique(np.zeros(3))", "np.sinc(x)", "np.i0(x)",
    "np.modf(3 * x)[0]", "np.divmod(3 * x, 0.7)[1]", "np.fmod(3 * x, 0.7)", "np.logaddexp2(x, 0.5)",
    "np.copysign(x, [-1.0, 1, 1, -1, 1, 1])", "np.ldexp(x, 3)", "np.hypot(x, 2.0)",
    "np.nanmedian(np.append(x, np.nan))", "np.average(m(x), axis=0, weights=[1.0, 2.0])",
    "np.cov(m(x) ** 2)", "np.corrcoef(m(x) ** 2)", "np.unwrap(9 * x)", "m(x) @ np.tri(3)",
    "np.select([x < 0.5], [x ** 2], x)", "np.bincount([0, 1, 1, 2, 0, 2], weights=x)",
    "np.matvec(m(x), x[:3]) + np.vecmat(x[:2], m(x))[:2]", "np.arccosh(1 + x) * np.acosh(x + 2)",
    "np.multiply(*np.meshgrid(x[:2], x[2:] ** 2))",
    "np.add(*np.meshgrid(x[:2], x[2:] ** 2, indexing='ij', sparse=True))",
    "np.nanquantile(np.append(x, np.nan), 0.3)", "np.poly(x)",
    "x[np.lexsort((x, np.array([0, 1, 0, 1, 0, 1])))]", "x[np.nanargmax(x)] * x",
    "np.multiply(*np.unstack(m(x)))", "np.linalg.vecdot(m(x), C)", "np.linalg.outer(x[:2], x[2:])",
    "np.linalg.matmul(m(x), K)", "np.linalg.cross(m(x), C)", "np.linalg.trace(square(x))",
    "np.linalg.diagonal(square(x))", "np.linalg.tensordot(m(x), K, axes=1)",
    "np.linalg.vector_norm(m(x), axis=1, ord=3)", "np.linalg.matrix_norm(m(x), ord='nuc')",
]  # fmt: skip

ALGEBRA = [
    "np.linalg.eigh(symmetric(x))[1] ** 2", "np.linalg.eigh(symmetric(x)).eigenvalues",
    "(lambda w, q: q * np.log(w) @ q.T)(*np.linalg.eigh(symmetric(x)))",
    "np.linalg.eigh(symmetric(x) + np.tril(square(x), -1), UPLO='U')[0]",
    "np.linalg.eigh(np.stack([symmetric(x), 2 * symmetric(x ** 2)]))[0]", "np.linalg.eigvalsh(symmetric(x))",
    "np.linalg.svd(square(x))[1]",
    "(lambda u, s, v: u * np.sqrt(s) @ v)(*np.linalg.svd(wide(x), full_matrices=False))",
    "np.linalg.svd(wide(x).T, full_matrices=False)[0] ** 2", "np.linalg.svd(square(x)).Vh ** 2",
    "np.linalg.svd(wide(x), compute_uv=False)", "np.linalg.svdvals(wide(x))",
    "np.concatenate(np.linalg.qr(square(x)))", "np.linalg.qr(wide(x).T).Q", "np.linalg.qr(wide(x)).R",
    "np.linalg.qr(wide(x).T, mode='r')", "np.linalg.pinv(wide(x))", "np.linalg.pinv(wide(x).T)",
    "np.linalg.lstsq(wide(x).T, np.arange(3.0), rcond=None)[0]",
    "np.linalg.lstsq(wide(x), x[:2], rcond=None)[0]", "np.linalg.lstsq(wide(x).T, x[:3], rcond=None)[1]",
    "np.linalg.matrix_power(square(x), 3)", "np.linalg.matrix_power(square(x), -2)",
    "np.linalg.multi_dot([C, square(x), K, x[:3]])", "np.linalg.norm(m(x))",
    "np.linalg.norm(np.reshape(x, (1, 2, 3)), 'fro', axis=(1, 2))",
    *(f"np.linalg.norm(x, {p})" for p in (0, 0.5, 1, 2, 3, -1, -2, "np.inf", "-np.inf")),
    *(f"np.linalg.norm(wide(x), {p})" for p in (1, -1, 2, -2, "np.inf", "-np.inf", "'nuc'", "'fro'")),
    "np.linalg.norm(wide(x), 2, axis=(0, 1), keepdims=True)",
    *(f"np.linalg.cond(square(x), {p})" for p in (None, 2, -2, 1, -1, "np.inf", "-np.inf", "'fro'", "'nuc'")),
    "np.linalg.tensorsolve(square(x).reshape(3, 3, 1), x[:3])", "np.linalg.tensorinv(square(x), ind=1)",
    "x * np.linalg.matrix_rank(square(x))", "scipy.linalg.solve(square(x), x[:3])",
    "scipy.linalg.solve(symmetric(x), K, assume_a='pos')", "scipy.linalg.inv(square(x))",
    "scipy.linalg.det(square(x))", "scipy.linalg.pinv(wide(x))", "scipy.linalg.lstsq(wide(x).T, x[:3])[0]",
    "scipy.linalg.norm(wide(x), 1)", "scipy.linalg.cholesky(symmetric(x), lower=True)",
    "scipy.linalg.cholesky(symmetric(x))",
    "scipy.linalg.cho_solve(scipy.linalg.cho_factor(symmetric(x)), x[:3])",
    "scipy.linalg.cho_solve((np.linalg.cholesky(symmetric(x)), True), K)",
    "scipy.linalg.cho_solve(FACTOR, x[:3])", "scipy.linalg.solve_triangular(square(x), x[:3])",
    "scipy.linalg.solve_triangular(square(x), K, lower=True, trans='T')",
    "scipy.linalg.solve_triangular(square(x), K, unit_diagonal=True)", "scipy.linalg.expm(square(x))",
    "scipy.linalg.expm(0.1 * square(x))", "scipy.linalg.eigh(symmetric(x))[0]",
    "scipy.linalg.eigvalsh(symmetric(x))", "scipy.linalg.svd(wide(x), full_matrices=False)[1]",
    "scipy.linalg.svdvals(wide(x))", "scipy.linalg.qr(square(x))[1]",
    "scipy.linalg.block_diag(m(x), K) ** 2", "scipy.linalg.toeplitz(x[:3], x[3:])", "SPARSE @ x",
    "SPARSE @ np.reshape(np.append(x, x ** 2), (6, 2))", "SPARSE @ np.reshape(x, (6, 1))", "SPARSE.dot(x)",
    "SPARSE * x", "SPARSE.tocsc() @ x", "scipy.sparse.coo_array(SPARSE) @ x", "SPARSE.T @ x[:5]",
    "x[:5] @ SPARSE", "np.reshape(np.append(x, x[:4]), (2, 5)) @ SPARSE", "x @ (SPARSE.T @ (SPARSE @ x))",
]  # fmt: skip
FACTOR = scipy.linalg.cho_factor(symmetric(START))

UFUNCS = (
    "gammaln loggamma digamma psi gamma rgamma ndtr log_ndtr ndtri i0 i0e i1 i1e j0 j1 y0 y1 k0 k1 erf erfc erfinv "
    "erfcinv erfcx dawsn expit log_expit exprel expm1 log1p cbrt entr exp10 exp2 cosm1 exp1 expi spence ellipk ellipe"
)

SPECIAL = [
    *(f"sp.{name}(x)" for name in UFUNCS.split()), "sp.logit(x)", "sp.xlogy(x[:3], x[3:])",
    "sp.xlogy(0.0, x)", "sp.xlog1py(x[:3], x[3:])", "sp.rel_entr(x[:3], x[3:])",
    "sp.rel_entr([0.0, 1.0, 0.0], x[3:])", "sp.kl_div(x[:3], x[3:])", "sp.huber(0.6, x - 0.1)",
    "sp.pseudo_huber(0.6, x)", "sp.boxcox(x, 0.4)", "sp.boxcox(x, 0.0)", "sp.boxcox(x[:3], x[3:])",
    "sp.boxcox1p(x, 0.4)", "sp.inv_boxcox(x, 0.4)", "sp.beta(x[:3], x[3:])", "sp.betaln(x, 2.5)",
    "sp.binom(x + 3, 2.5)", "sp.poch(x, 1.5)", "sp.polygamma(1, x)", "sp.multigammaln(x[0] + 3, 2)",
    "sp.gammainc(2.5, x)", "sp.gammaincc(2.5, x)", "sp.betainc(2.5, 1.5, x)", "sp.iv(1.5, x)",
    "sp.ive(1.5, x)", "sp.jv(0.5, x)", "sp.kv(0.5, x)", "sp.logsumexp(m(x), axis=1)",
    "sp.logsumexp(m(x), axis=1, b=np.abs(C))", "sp.logsumexp(C, axis=1, b=m(x))",
    "np.multiply(*sp.logsumexp(m(x), b=C, return_sign=True))", "sp.softmax(m(x), axis=0)",
    "sp.log_softmax(x)", "sp.softplus(x)", "sp.sinc(x)", "sp.zeta(2.5, x)", "sp.expn(2, x)", "sp.erfi(x)",
    "sp.wrightomega(x)", "sp.hyp1f1(1.5, 2.5, x)", "sp.hyp2f1(1.5, 2.5, 3.0, x)", "sp.hyp0f1(1.5, x)",
    "sp.stdtr(3.5, x)", "sp.chdtr(3.5, x) * sp.chdtrc(2.0, x)",
    "sp.ellipkinc(x, 0.3) * sp.ellipeinc(x, 0.4)", "sp.eval_legendre(5, x) * sp.eval_jacobi(3, 0.5, 1.5, x)",
    "sp.eval_chebyt(5, x) * sp.eval_chebyu(4, x)", "sp.eval_hermite(5, x) + sp.eval_hermitenorm(4, x)",
    "sp.eval_laguerre(5, x) + sp.eval_genlaguerre(4, 0.5, x)", "sp.eval_gegenbauer(4, 0.5, x)",
    "sp.sindg(9 * x) + sp.cosdg(9 * x) * sp.tandg(x)", "sp.powm1(x[:3], x[3:])",
    "np.array([math.erf(x[0]) * math.erfc(x[1]), math.gamma(x[2]), math.lgamma(x[3])])",
    "math.prod(list(x)) + math.dist(x[:3], x[3:]) + math.hypot(*x[:3])", "x * sp.comb(4, 2)",
]  # fmt: skip

SIGNALS = [
    "np.abs(np.fft.fft(x)) ** 2",
    "np.concatenate([np.fft.fft(x, 8).real, np.fft.fft(m(x), axis=0).imag.ravel()])",
    "np.fft.fft(x, 4, norm='ortho').imag", "np.abs(np.fft.ifft(np.fft.fft(x) * WAVE))",
    "np.abs(np.fft.rfft(x))", "np.fft.rfft(x, 5, norm='forward').imag",
    "np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(HEIGHTS, 6))", "np.fft.irfft(np.fft.rfft(x[:5]) ** 2, 5)",
    "np.fft.irfft(x)", "np.abs(np.fft.fft2(m(x)))", "np.fft.ifft2(np.fft.fft2(m(x)) * np.fft.fft2(C)).real",
    "np.fft.irfft2(np.fft.rfft2(m(x)) * 2j, (2, 3))", "np.angle(np.fft.fftn(m(x)))[0, 1]", "np.fft.hfft(x)",
    "np.abs(np.fft.ihfft(x))", "np.fft.fftshift(x) + np.fft.ifftshift(np.abs(np.fft.fft(x)))",
    "np.abs(1j * x + 2 - x[::-1] / (1 + 1j * x) - (x + 1j) ** 2)",
    "((x[:3] + 1j * x[3:]) * np.conj(x[:3] * WAVE[:3])).real",
    "np.exp(1j * x).real + np.imag(np.exp(x * (1 + 2j)))",
    "np.abs(np.dot(WAVE, x)) + np.abs(np.vdot(WAVE, x * WAVE + 1))", "np.abs(m(x) * (1 + 2j) @ K)",
    "np.abs(np.sum(x * WAVE)) + (x * WAVE).mean().imag", "np.fft.rfft(x)[1:3].imag * np.fft.fft(x)[0].real",
    "np.concatenate([np.fft.rfft(x), WAVE * x]).imag", "np.abs(np.sqrt(x + 1j)) * np.log(x + 2j).imag",
    "np.real(np.multiply(1j, x) * np.conjugate(1j * x + 1))",
    "np.log(np.mean(np.abs(np.fft.rfft(x * np.hanning(6))) ** 2))", "np.abs(scipy.fft.fft(x))",
    "scipy.fft.irfft(scipy.fft.rfft(x) * 1j, 6)", "scipy.fft.dct(x)",
    "scipy.fft.idct(scipy.fft.dct(m(x), norm='ortho', axis=0), type=3)", "scipy.fft.dst(x, type=1)",
    "scipy.signal.convolve(m(x), K)", "scipy.signal.convolve(x, [1.0, 2, -1], mode='same')",
    "scipy.signal.correlate(x, x[:3], mode='valid')", "scipy.signal.convolve2d(S, m(x), mode='same')",
    "scipy.signal.convolve2d(square(x), m(x)[:, :2], mode='valid')",
    "scipy.signal.convolve2d(square(x), K, mode='same', boundary='symm')",
    "scipy.signal.correlate2d(square(x), m(x))", "scipy.signal.fftconvolve(x, x[:4], mode='full')",
    "scipy.signal.oaconvolve(x, x[:2], mode='same')",
    "scipy.signal.lfilter([1.0, 0.5], [1.0, -0.3, 0.1], x)", "scipy.ndimage.convolve(square(x), K)",
    "scipy.ndimage.correlate(m(x), K, mode='constant', cval=2.0)",
    "scipy.ndimage.correlate1d(x, [1.0, 2.0, -0.5], mode='wrap')",
    "scipy.ndimage.convolve1d(m(x), [1.0, 2.0], axis=0, mode='nearest')",
    "scipy.ndimage.gaussian_filter(square(x), 0.7, mode='mirror')",
    "scipy.ndimage.gaussian_filter1d(x, 1.2)", "scipy.ndimage.uniform_filter(square(x), 2)",
]  # fmt: skip

FAMILIES = {
    "shapes": SHAPES,
    "numeric": NUMERIC,
    "algebra": ALGEBRA,
    "special": SPECIAL,
    "signals": SIGNALS,
}


NAMES = {**globals(), "scipy": scipy, "sp": sp, "math": math}
"""What expressions name."""


def cost_of(function):
    """Return a cost: what a function, or an expression, makes of x, weighted so that every entry counts."""
    if isinstance(function, str):
        function = eval(f"lambda x: {function}", NAMES)

    def cost(x):
        y = function(x)
        return np.sum(y * np.cos(0.7 + np.arange(float(np.size(y))).reshape(np.shape(y))))

    return cost


def slopes_by_differences(cost, x):
    """Return the gradient to about 1e-9: central differences of two steps, extrapolated."""

    def central(h):
        return np.array([(cost(x + h * e) - cost(x - h * e)) / (2 * h) for e in np.eye(x.size)])

    return (4 * central(1e-4) - central(2e-4)) / 3
