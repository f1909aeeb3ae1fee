"""Functions of NumPy and SciPy as costs use them: name → a function of one array of six numbers between 0.2 and 1."""

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

SHAPES = {
    "x.shape = ": with_shape,
    "shape of a view": shaped_view,
    "reshape A": lambda x: np.reshape(m(x).T, (2, 3), order="A"),
    "reshape A neither": lambda x: np.reshape(m(x)[:, ::2], 4, order="A"),
    "method reshape A": lambda x: m(x).T.reshape(6, order="A"),
    "ravel A": lambda x: np.ravel(m(x).T, order="A"),
    "ravel K": lambda x: np.ravel(m(x).T, order="K"),
    "ravel K steps": lambda x: np.ravel(np.reshape(x, (1, 2, 3)).transpose(2, 0, 1), "K"),
    "method ravel K": lambda x: m(x).T.ravel("K"),
    "flatten K": lambda x: m(x).T.flatten("K"),
    "flatten A": lambda x: m(x).T.flatten("A"),
    "copy A": lambda x: m(x).T.copy("A").ravel("K"),
    "copy K": lambda x: np.copy(m(x).T, "K").ravel("K"),
    "method copy": lambda x: m(x).T.copy().ravel("K"),
    "copy F": lambda x: m(x).copy("F").ravel("K"),
    "imag": lambda x: x.imag + np.imag(x) + np.real(x) + x.real,
    "clip out": clip_out,
    "out positions": out_positions,
    "out of methods": out_of_methods,
    "out of ufuncs": ufunc_out,
}

NUMERIC = {
    "interp x": lambda x: np.interp(x * 1.7, KNOTS, HEIGHTS),
    "interp outside": lambda x: np.interp(3 * x - 0.7, KNOTS, HEIGHTS, left=0.3),
    "interp fp": lambda x: np.interp([0.1, 0.3, 7.0], KNOTS[:3], x[:3], right=x[4]),
    "interp xp": lambda x: np.interp([0.1, 0.9, 1.3], np.cumsum(x), HEIGHTS[[0, 1, 2, 3, 4, 0]]),
    "interp period": lambda x: np.interp(x * 9, KNOTS, HEIGHTS, period=1.7),
    "insert": lambda x: np.insert(x, [1, 3], [2.0, 5.0]) ** 2,
    "insert recorded": lambda x: np.insert(m(x), 1, x[:2], axis=1),
    "insert into constant": lambda x: np.insert(C, 1, x[:3], axis=0),
    "kron": lambda x: np.kron(m(x), K),
    "kron both": lambda x: np.kron(x[:2], x[2:]),
    "nansum": lambda x: np.nansum(np.where(x > 0.5, x, np.nan) ** 2),
    "nanmean": lambda x: np.nanmean(np.append(m(x), [[np.nan, 1.0, 2.0]], 0), axis=0),
    "nanmax": lambda x: np.nanmax(np.append(m(x), [[np.nan, 1.0, -2.0]], 0), axis=0),
    "nanmin": lambda x: np.nanmin(np.append(x, np.nan)),
    "nanvar": lambda x: np.nanvar(np.append(m(x), [[np.nan, 1.0, -2.0]], 0), axis=0, ddof=1),
    "nanstd": lambda x: np.nanstd(np.append(x, np.nan)),
    "nanprod": lambda x: np.nanprod(np.append(x, np.nan)),
    "nancumsum": lambda x: np.nancumsum(np.append(x, np.nan)),
    "nancumprod": lambda x: np.nancumprod(np.append(np.nan, x)),
    "trapezoid": lambda x: np.trapezoid(m(x), dx=0.3),
    "trapezoid x": lambda x: np.trapezoid(x, np.cumsum(x)),
    "cross": lambda x: np.cross(m(x), C),
    "cross both": lambda x: np.cross(x[:3], x[3:]),
    "gradient": lambda x: np.gradient(x),
    "gradient edge": lambda x: np.gradient(x, 0.5, edge_order=2),
    "gradient axes": lambda x: np.stack(np.gradient(m(x))),
    "gradient uneven": lambda x: np.gradient(x, np.array([0.0, 1.0, 1.5, 3.0, 3.2, 4.0]), edge_order=2),
    "ediff1d": lambda x: np.ediff1d(m(x), to_begin=x[:1], to_end=[3.0]),
    "cumulative_sum": lambda x: np.cumulative_sum(m(x), axis=1, include_initial=True),
    "cumulative_prod": lambda x: np.cumulative_prod(x, include_initial=True),
    "linspace": lambda x: np.linspace(x[0], x[1], 5),
    "linspace arrays": lambda x: np.linspace(x[:2], 3.0, 4, endpoint=False, axis=-1),
    "logspace": lambda x: np.logspace(x[0], x[1], 4),
    "geomspace": lambda x: np.geomspace(x[0], x[1], 4),
    "polyval": lambda x: np.polyval(x[:3], x[3:]),
    "polyval constant": lambda x: np.polyval([1.0, -2.0, 0.5], x),
    "polyfit": lambda x: np.polyfit(np.arange(6.0), x, 2),
    "polymul": lambda x: np.polymul(x[:3], x[3:]),
    "polyadd": lambda x: np.polyadd(x[:2], x[2:]),
    "polyder": lambda x: np.polyder(x),
    "polyint": lambda x: np.polyint(x),
    "vander": lambda x: np.vander(x, 4),
    "vander increasing": lambda x: np.vander(x[:3], increasing=True),
    "apply_along_axis": lambda x: np.apply_along_axis(lambda r: np.cumsum(r) * r[0], 1, m(x)),
    "apply_along_axis number": lambda x: np.apply_along_axis(np.std, 0, m(x)),
    "apply_over_axes": lambda x: np.apply_over_axes(np.sum, m(x) ** 2, [0, 1]),
    "vectorize": lambda x: np.vectorize(softened)(m(x)),
    "vectorized outside": lambda x: vectorized(x),
    "frompyfunc": lambda x: ufunc_of_python(x).astype(float),
    "piecewise": lambda x: np.piecewise(x, [x < 0.5, x > 0.9], [np.sin, lambda v: v**2, lambda v: v]),
    "lexsort": lambda x: x[np.lexsort((np.array([3, 1, 2, 0, 0, 1]), np.array([0, 1, 0, 1, 0, 1])))],
    "unique of constants": lambda x: x[np.unique(np.array([1, 3, 3]))] + np.unique(np.zeros(3)),
    "sinc": np.sinc,
    "i0": np.i0,
    "modf": lambda x: np.modf(3 * x)[0],
    "divmod": lambda x: np.divmod(3 * x, 0.7)[1],
    "fmod": lambda x: np.fmod(3 * x, 0.7),
    "logaddexp2": lambda x: np.logaddexp2(x, 0.5),
    "copysign": lambda x: np.copysign(x, [-1.0, 1, 1, -1, 1, 1]),
    "ldexp": lambda x: np.ldexp(x, 3),
    "hypot": lambda x: np.hypot(x, 2.0),
    "nanmedian": lambda x: np.nanmedian(np.append(x, np.nan)),
    "average": lambda x: np.average(m(x), axis=0, weights=[1.0, 2.0]),
    "cov": lambda x: np.cov(m(x) ** 2),
    "corrcoef": lambda x: np.corrcoef(m(x) ** 2),
    "unwrap": lambda x: np.unwrap(9 * x),
    "tri": lambda x: m(x) @ np.tri(3),
    "select": lambda x: np.select([x < 0.5], [x**2], x),
    "histogram weights": lambda x: np.bincount([0, 1, 1, 2, 0, 2], weights=x),
    "matvec": lambda x: np.matvec(m(x), x[:3]) + np.vecmat(x[:2], m(x))[:2],
    "arccosh": lambda x: np.arccosh(1 + x) * np.acosh(x + 2),
    "meshgrid": lambda x: np.multiply(*np.meshgrid(x[:2], x[2:] ** 2)),
    "meshgrid ij": lambda x: np.add(*np.meshgrid(x[:2], x[2:] ** 2, indexing="ij", sparse=True)),
    "nanquantile": lambda x: np.nanquantile(np.append(x, np.nan), 0.3),
    "poly": lambda x: np.poly(x),
    "lexsort recorded": lambda x: x[np.lexsort((x, np.array([0, 1, 0, 1, 0, 1])))],
    "nanargmax": lambda x: x[np.nanargmax(x)] * x,
    "unstack": lambda x: np.multiply(*np.unstack(m(x))),
    "linalg vecdot": lambda x: np.linalg.vecdot(m(x), C),
    "linalg outer": lambda x: np.linalg.outer(x[:2], x[2:]),
    "linalg matmul": lambda x: np.linalg.matmul(m(x), K),
    "linalg cross": lambda x: np.linalg.cross(m(x), C),
    "linalg trace": lambda x: np.linalg.trace(square(x)),
    "linalg diagonal": lambda x: np.linalg.diagonal(square(x)),
    "linalg tensordot": lambda x: np.linalg.tensordot(m(x), K, axes=1),
    "linalg vector_norm": lambda x: np.linalg.vector_norm(m(x), axis=1, ord=3),
    "linalg matrix_norm": lambda x: np.linalg.matrix_norm(m(x), ord="nuc"),
}

ALGEBRA = {
    "eigh": lambda x: np.linalg.eigh(symmetric(x))[1] ** 2,
    "eigh values": lambda x: np.linalg.eigh(symmetric(x)).eigenvalues,
    "eigh both": lambda x: (lambda w, q: (q * np.log(w)) @ q.T)(*np.linalg.eigh(symmetric(x))),
    "eigh upper": lambda x: np.linalg.eigh(symmetric(x) + np.tril(square(x), -1), UPLO="U")[0],
    "eigh stack": lambda x: np.linalg.eigh(np.stack([symmetric(x), 2 * symmetric(x**2)]))[0],
    "eigvalsh": lambda x: np.linalg.eigvalsh(symmetric(x)),
    "svd": lambda x: np.linalg.svd(square(x))[1],
    "svd vectors": lambda x: (lambda u, s, v: (u * np.sqrt(s)) @ v)(
        *np.linalg.svd(wide(x), full_matrices=False)
    ),
    "svd tall": lambda x: np.linalg.svd(wide(x).T, full_matrices=False)[0] ** 2,
    "svd full": lambda x: np.linalg.svd(square(x)).Vh ** 2,
    "svd values": lambda x: np.linalg.svd(wide(x), compute_uv=False),
    "svdvals": lambda x: np.linalg.svdvals(wide(x)),
    "qr": lambda x: np.concatenate(np.linalg.qr(square(x))),
    "qr tall": lambda x: np.linalg.qr(wide(x).T).Q,
    "qr wide": lambda x: np.linalg.qr(wide(x)).R,
    "qr r": lambda x: np.linalg.qr(wide(x).T, mode="r"),
    "pinv": lambda x: np.linalg.pinv(wide(x)),
    "pinv tall": lambda x: np.linalg.pinv(wide(x).T),
    "lstsq": lambda x: np.linalg.lstsq(wide(x).T, np.arange(3.0), rcond=None)[0],
    "lstsq wide": lambda x: np.linalg.lstsq(wide(x), x[:2], rcond=None)[0],
    "lstsq residuals": lambda x: np.linalg.lstsq(wide(x).T, x[:3], rcond=None)[1],
    "matrix_power": lambda x: np.linalg.matrix_power(square(x), 3),
    "matrix_power negative": lambda x: np.linalg.matrix_power(square(x), -2),
    "multi_dot": lambda x: np.linalg.multi_dot([C, square(x), K, x[:3]]),
    "norm": lambda x: np.linalg.norm(m(x)),
    "norm fro axes": lambda x: np.linalg.norm(np.reshape(x, (1, 2, 3)), "fro", axis=(1, 2)),
    **{
        f"norm {ord_} of a vector": lambda x, ord_=ord_: np.linalg.norm(x, ord_)
        for ord_ in (0, 0.5, 1, 2, 3, -1, -2, np.inf, -np.inf)
    },
    **{
        f"norm {ord_} of a matrix": lambda x, ord_=ord_: np.linalg.norm(wide(x), ord_)
        for ord_ in (1, -1, 2, -2, np.inf, -np.inf, "nuc", "fro")
    },
    "norm keepdims": lambda x: np.linalg.norm(wide(x), 2, axis=(0, 1), keepdims=True),
    **{
        f"cond {p}": lambda x, p=p: np.linalg.cond(square(x), p)
        for p in (None, 2, -2, 1, -1, np.inf, -np.inf, "fro", "nuc")
    },
    "tensorsolve": lambda x: np.linalg.tensorsolve(square(x).reshape(3, 3, 1), x[:3]),
    "tensorinv": lambda x: np.linalg.tensorinv(square(x), ind=1),
    "matrix_rank": lambda x: x * np.linalg.matrix_rank(square(x)),
    "scipy solve": lambda x: scipy.linalg.solve(square(x), x[:3]),
    "scipy solve pos": lambda x: scipy.linalg.solve(symmetric(x), K, assume_a="pos"),
    "scipy inv": lambda x: scipy.linalg.inv(square(x)),
    "scipy det": lambda x: scipy.linalg.det(square(x)),
    "scipy pinv": lambda x: scipy.linalg.pinv(wide(x)),
    "scipy lstsq": lambda x: scipy.linalg.lstsq(wide(x).T, x[:3])[0],
    "scipy norm": lambda x: scipy.linalg.norm(wide(x), 1),
    "scipy cholesky": lambda x: scipy.linalg.cholesky(symmetric(x), lower=True),
    "scipy cholesky upper": lambda x: scipy.linalg.cholesky(symmetric(x)),
    "cho_solve": lambda x: scipy.linalg.cho_solve(scipy.linalg.cho_factor(symmetric(x)), x[:3]),
    "cho_solve lower": lambda x: scipy.linalg.cho_solve((np.linalg.cholesky(symmetric(x)), True), K),
    "cho_solve constant": lambda x: scipy.linalg.cho_solve(FACTOR, x[:3]),
    "solve_triangular": lambda x: scipy.linalg.solve_triangular(square(x), x[:3]),
    "solve_triangular lower": lambda x: scipy.linalg.solve_triangular(square(x), K, lower=True, trans="T"),
    "solve_triangular unit": lambda x: scipy.linalg.solve_triangular(square(x), K, unit_diagonal=True),
    "expm": lambda x: scipy.linalg.expm(square(x)),
    "expm small": lambda x: scipy.linalg.expm(0.1 * square(x)),
    "scipy eigh": lambda x: scipy.linalg.eigh(symmetric(x))[0],
    "scipy eigvalsh": lambda x: scipy.linalg.eigvalsh(symmetric(x)),
    "scipy svd": lambda x: scipy.linalg.svd(wide(x), full_matrices=False)[1],
    "scipy svdvals": lambda x: scipy.linalg.svdvals(wide(x)),
    "scipy qr": lambda x: scipy.linalg.qr(square(x))[1],
    "block_diag": lambda x: scipy.linalg.block_diag(m(x), K) ** 2,
    "toeplitz": lambda x: scipy.linalg.toeplitz(x[:3], x[3:]),
    "sparse @": lambda x: SPARSE @ x,
    "sparse @ matrix": lambda x: SPARSE @ np.reshape(np.append(x, x**2), (6, 2)),
    "sparse @ column": lambda x: SPARSE @ np.reshape(x, (6, 1)),
    "sparse.dot": lambda x: SPARSE.dot(x),
    "sparse * ": lambda x: SPARSE * x,
    "sparse csc": lambda x: SPARSE.tocsc() @ x,
    "sparse array": lambda x: scipy.sparse.coo_array(SPARSE) @ x,
    "sparse T @": lambda x: SPARSE.T @ x[:5],
    "@ sparse": lambda x: x[:5] @ SPARSE,
    "@ sparse matrix": lambda x: np.reshape(np.append(x, x[:4]), (2, 5)) @ SPARSE,
    "sparse quadratic": lambda x: x @ (SPARSE.T @ (SPARSE @ x)),
}
FACTOR = scipy.linalg.cho_factor(symmetric(START))

UFUNCS = (
    "gammaln loggamma digamma psi gamma rgamma ndtr log_ndtr ndtri i0 i0e i1 i1e j0 j1 y0 y1 k0 k1 erf erfc erfinv "
    "erfcinv erfcx dawsn expit log_expit exprel expm1 log1p cbrt entr exp10 exp2 cosm1 exp1 expi spence ellipk ellipe"
)

SPECIAL = {
    **{name: getattr(sp, name) for name in UFUNCS.split()},
    "logit": lambda x: sp.logit(x),
    "xlogy": lambda x: sp.xlogy(x[:3], x[3:]),
    "xlogy zero": lambda x: sp.xlogy(0.0, x),
    "xlog1py": lambda x: sp.xlog1py(x[:3], x[3:]),
    "rel_entr": lambda x: sp.rel_entr(x[:3], x[3:]),
    "rel_entr zero": lambda x: sp.rel_entr([0.0, 1.0, 0.0], x[3:]),
    "kl_div": lambda x: sp.kl_div(x[:3], x[3:]),
    "huber": lambda x: sp.huber(0.6, x - 0.1),
    "pseudo_huber": lambda x: sp.pseudo_huber(0.6, x),
    "boxcox": lambda x: sp.boxcox(x, 0.4),
    "boxcox 0": lambda x: sp.boxcox(x, 0.0),
    "boxcox both": lambda x: sp.boxcox(x[:3], x[3:]),
    "boxcox1p": lambda x: sp.boxcox1p(x, 0.4),
    "inv_boxcox": lambda x: sp.inv_boxcox(x, 0.4),
    "beta": lambda x: sp.beta(x[:3], x[3:]),
    "betaln": lambda x: sp.betaln(x, 2.5),
    "binom": lambda x: sp.binom(x + 3, 2.5),
    "poch": lambda x: sp.poch(x, 1.5),
    "polygamma": lambda x: sp.polygamma(1, x),
    "multigammaln": lambda x: sp.multigammaln(x[0] + 3, 2),
    "gammainc": lambda x: sp.gammainc(2.5, x),
    "gammaincc": lambda x: sp.gammaincc(2.5, x),
    "betainc": lambda x: sp.betainc(2.5, 1.5, x),
    "iv": lambda x: sp.iv(1.5, x),
    "ive": lambda x: sp.ive(1.5, x),
    "jv": lambda x: sp.jv(0.5, x),
    "kv": lambda x: sp.kv(0.5, x),
    "logsumexp": lambda x: sp.logsumexp(m(x), axis=1),
    "logsumexp b": lambda x: sp.logsumexp(m(x), axis=1, b=np.abs(C)),
    "logsumexp b recorded": lambda x: sp.logsumexp(C, axis=1, b=m(x)),
    "logsumexp sign": lambda x: np.multiply(*sp.logsumexp(m(x), b=C, return_sign=True)),
    "softmax": lambda x: sp.softmax(m(x), axis=0),
    "log_softmax": lambda x: sp.log_softmax(x),
    "softplus": lambda x: sp.softplus(x),
    "special sinc": lambda x: sp.sinc(x),
    "zeta": lambda x: sp.zeta(2.5, x),
    "expn": lambda x: sp.expn(2, x),
    "erfi": sp.erfi,
    "wrightomega": sp.wrightomega,
    "hyp1f1": lambda x: sp.hyp1f1(1.5, 2.5, x),
    "hyp2f1": lambda x: sp.hyp2f1(1.5, 2.5, 3.0, x),
    "hyp0f1": lambda x: sp.hyp0f1(1.5, x),
    "stdtr": lambda x: sp.stdtr(3.5, x),
    "chdtr": lambda x: sp.chdtr(3.5, x) * sp.chdtrc(2.0, x),
    "ellipkinc": lambda x: sp.ellipkinc(x, 0.3) * sp.ellipeinc(x, 0.4),
    "legendre": lambda x: sp.eval_legendre(5, x) * sp.eval_jacobi(3, 0.5, 1.5, x),
    "chebyshev": lambda x: sp.eval_chebyt(5, x) * sp.eval_chebyu(4, x),
    "hermite": lambda x: sp.eval_hermite(5, x) + sp.eval_hermitenorm(4, x),
    "laguerre": lambda x: sp.eval_laguerre(5, x) + sp.eval_genlaguerre(4, 0.5, x),
    "gegenbauer": lambda x: sp.eval_gegenbauer(4, 0.5, x),
    "degrees": lambda x: sp.sindg(9 * x) + sp.cosdg(9 * x) * sp.tandg(x),
    "powm1": lambda x: sp.powm1(x[:3], x[3:]),
    "math": lambda x: np.array([math.erf(x[0]) * math.erfc(x[1]), math.gamma(x[2]), math.lgamma(x[3])]),
    "math products": lambda x: math.prod(list(x)) + math.dist(x[:3], x[3:]) + math.hypot(*x[:3]),
    "comb": lambda x: x * sp.comb(4, 2),
}

SIGNALS = {
    "fft abs": lambda x: np.abs(np.fft.fft(x)) ** 2,
    "fft parts": lambda x: np.concatenate([np.fft.fft(x, 8).real, np.fft.fft(m(x), axis=0).imag.ravel()]),
    "fft short": lambda x: np.fft.fft(x, 4, norm="ortho").imag,
    "ifft": lambda x: np.abs(np.fft.ifft(np.fft.fft(x) * WAVE)),
    "rfft": lambda x: np.abs(np.fft.rfft(x)),
    "rfft norm": lambda x: np.fft.rfft(x, 5, norm="forward").imag,
    "irfft": lambda x: np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(HEIGHTS, 6)),
    "irfft odd": lambda x: np.fft.irfft(np.fft.rfft(x[:5]) ** 2, 5),
    "irfft of real": lambda x: np.fft.irfft(x),
    "fft2": lambda x: np.abs(np.fft.fft2(m(x))),
    "ifft2": lambda x: np.fft.ifft2(np.fft.fft2(m(x)) * np.fft.fft2(C)).real,
    "rfft2": lambda x: np.fft.irfft2(np.fft.rfft2(m(x)) * 2j, (2, 3)),
    "fftn": lambda x: np.angle(np.fft.fftn(m(x)))[0, 1],
    "hfft": lambda x: np.fft.hfft(x),
    "ihfft": lambda x: np.abs(np.fft.ihfft(x)),
    "fftshift": lambda x: np.fft.fftshift(x) + np.fft.ifftshift(np.abs(np.fft.fft(x))),
    "complex arithmetic": lambda x: np.abs(1j * x + 2 - x[::-1] / (1 + 1j * x) - (x + 1j) ** 2),
    "complex conj": lambda x: ((x[:3] + 1j * x[3:]) * np.conj(x[:3] * WAVE[:3])).real,
    "complex exp": lambda x: np.exp(1j * x).real + np.imag(np.exp(x * (1 + 2j))),
    "complex dot": lambda x: np.abs(np.dot(WAVE, x)) + np.abs(np.vdot(WAVE, x * WAVE + 1)),
    "complex matmul": lambda x: np.abs((m(x) * (1 + 2j)) @ K),
    "complex sum": lambda x: np.abs(np.sum(x * WAVE)) + (x * WAVE).mean().imag,
    "complex indexing": lambda x: np.fft.rfft(x)[1:3].imag * np.fft.fft(x)[0].real,
    "complex joined": lambda x: np.concatenate([np.fft.rfft(x), WAVE * x]).imag,
    "complex sqrt log": lambda x: np.abs(np.sqrt(x + 1j)) * np.log(x + 2j).imag,
    "complex of numpy": lambda x: np.real(np.multiply(1j, x) * np.conjugate(1j * x + 1)),
    "power spectrum": lambda x: np.log(np.mean(np.abs(np.fft.rfft(x * np.hanning(6))) ** 2)),
    "scipy fft": lambda x: np.abs(scipy.fft.fft(x)),
    "scipy rfft": lambda x: scipy.fft.irfft(scipy.fft.rfft(x) * 1j, 6),
    "dct": lambda x: scipy.fft.dct(x),
    "dct ortho": lambda x: scipy.fft.idct(scipy.fft.dct(m(x), norm="ortho", axis=0), type=3),
    "dst": lambda x: scipy.fft.dst(x, type=1),
    "signal convolve": lambda x: scipy.signal.convolve(m(x), K),
    "signal convolve same": lambda x: scipy.signal.convolve(x, [1.0, 2, -1], mode="same"),
    "signal correlate": lambda x: scipy.signal.correlate(x, x[:3], mode="valid"),
    "convolve2d": lambda x: scipy.signal.convolve2d(S, m(x), mode="same"),
    "convolve2d valid": lambda x: scipy.signal.convolve2d(square(x), m(x)[:, :2], mode="valid"),
    "convolve2d symm": lambda x: scipy.signal.convolve2d(square(x), K, mode="same", boundary="symm"),
    "correlate2d": lambda x: scipy.signal.correlate2d(square(x), m(x)),
    "fftconvolve": lambda x: scipy.signal.fftconvolve(x, x[:4], mode="full"),
    "oaconvolve": lambda x: scipy.signal.oaconvolve(x, x[:2], mode="same"),
    "lfilter": lambda x: scipy.signal.lfilter([1.0, 0.5], [1.0, -0.3, 0.1], x),
    "ndimage convolve": lambda x: scipy.ndimage.convolve(square(x), K),
    "ndimage correlate": lambda x: scipy.ndimage.correlate(m(x), K, mode="constant", cval=2.0),
    "ndimage correlate1d": lambda x: scipy.ndimage.correlate1d(x, [1.0, 2.0, -0.5], mode="wrap"),
    "ndimage convolve1d": lambda x: scipy.ndimage.convolve1d(m(x), [1.0, 2.0], axis=0, mode="nearest"),
    "gaussian_filter": lambda x: scipy.ndimage.gaussian_filter(square(x), 0.7, mode="mirror"),
    "gaussian_filter1d": lambda x: scipy.ndimage.gaussian_filter1d(x, 1.2),
    "uniform_filter": lambda x: scipy.ndimage.uniform_filter(square(x), 2),
}

FAMILIES = {
    "shapes": SHAPES,
    "numeric": NUMERIC,
    "algebra": ALGEBRA,
    "special": SPECIAL,
    "signals": SIGNALS,
}


def cost_of(function):
    """Return a cost: what the function makes of the parameters, weighted so that every entry counts."""

    def cost(x):
        y = function(x)
        return np.sum(y * np.cos(0.7 + np.arange(float(np.size(y))).reshape(np.shape(y))))

    return cost


def slopes_by_differences(cost, x):
    """Return the gradient to about 1e-9: central differences of two steps, extrapolated."""

    def central(h):
        return np.array([(cost(x + h * e) - cost(x - h * e)) / (2 * h) for e in np.eye(x.size)])

    return (4 * central(1e-4) - central(2e-4)) / 3
