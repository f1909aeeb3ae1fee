"""Functions in JAX as people write them, each with its arguments: networks, and one of every operation."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy import special

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape)


QUICK, SLOW = {}, {}
"""Name → function and arguments: those of which every run makes sure, and those that take longer to compile."""


def style(*arguments, quick=False):
    def add(function):
        (QUICK if quick else SLOW)[function.__name__] = function, arguments
        return function

    return add


# Networks


def normalised(x, gain, bias):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * gain + bias


@style(
    {
        "norms": [(1 + 0.1 * normal(8), 0.1 * normal(8)), (1 + 0.1 * normal(8), 0.1 * normal(8))],
        "qkv": normal(24, 8) / 3,
        "out": normal(8, 8) / 3,
        "up": normal(32, 8) / 3,
        "down": normal(8, 32) / 6,
    },
    normal(2, 6, 8),
)
def a_block_of_gpt(p, x):
    B, T, C = x.shape
    heads = jnp.split(normalised(x, *p["norms"][0]) @ p["qkv"].T, 3, axis=-1)
    q, k, v = (t.reshape(B, T, 2, C // 2).transpose(0, 2, 1, 3) for t in heads)
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(C // 2)
    scores = jnp.where(jnp.tril(jnp.ones((T, T), bool)), scores, -1e30)
    y = (jax.nn.softmax(scores) @ v).transpose(0, 2, 1, 3).reshape(B, T, C)
    x = x + y @ p["out"].T
    return x + jax.nn.gelu(normalised(x, *p["norms"][1]) @ p["up"].T) @ p["down"].T


@style(normal(2, 8, 16))
def dot_product_attention(x):
    q, k, v = (jnp.reshape(t, (2, 8, 2, 8)) for t in (x, x * 0.5, jnp.flip(x, 1)))
    return jax.nn.dot_product_attention(q, k, v, is_causal=True)


@style(
    {"first": 0.2 * normal(4, 4, 3, 3), "second": 0.2 * normal(4, 4, 3, 3), "gain": 1 + 0.1 * normal(4)},
    normal(2, 4, 6, 6),
)
def a_block_of_resnet(p, x):
    def convolved(x, kernel):
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"))

    def batch_norm(x, gain):
        spread = jnp.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5)
        return (x - x.mean((0, 2, 3), keepdims=True)) / spread * gain[:, None, None]

    y = jax.nn.relu(batch_norm(convolved(x, p["first"]), p["gain"]))
    y = jax.nn.relu(x + batch_norm(convolved(y, p["second"]), p["gain"]))
    pooled = lax.reduce_window(y, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return pooled.mean((2, 3))


@style({"wi": normal(16, 4), "wh": normal(16, 4) / 2, "b": 0.1 * normal(16)}, normal(5, 3, 4))
def lstm(p, x):
    def step(carry, now):
        hidden, cell = carry
        i, f, g, o = jnp.split(now @ p["wi"].T + hidden @ p["wh"].T + p["b"], 4, -1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
        return (hidden, cell), hidden

    start = jnp.zeros((x.shape[1], 4))
    return lax.scan(step, (start, start), x)[1]


@style(normal(2, 8, 4), normal(12, 4))
def flash_attention(x, w):
    q, k, v = jnp.split(x @ w.T, 3, -1)
    keys, values = (t.reshape(2, 2, 4, 4).swapaxes(0, 1) for t in (k, v))

    def body(carry, tile):
        total, weight, top = carry
        key, value = tile
        scores = q @ key.swapaxes(-1, -2) / 2
        new_top = jnp.maximum(top, scores.max(-1, keepdims=True))
        p, scale = jnp.exp(scores - new_top), jnp.exp(top - new_top)
        return (total * scale + p @ value, weight * scale + p.sum(-1, keepdims=True), new_top), None

    nothing = jnp.zeros((2, 8, 1))
    (total, weight, _), _ = lax.scan(body, (jnp.zeros_like(q), nothing, nothing - 1e30), (keys, values))
    return total / weight


@style(
    [{"W": normal(4, 6), "b": normal(6)}, {"W": normal(6, 3), "b": normal(3)}],
    normal(5, 4),
    np.array([0, 2, 1, 1, 0]),
    quick=True,
)
def layers_in_a_list(layers, x, labels):
    *hidden, last = layers
    for layer in hidden:
        x = jax.nn.relu(x @ layer["W"] + layer["b"])
    logits = x @ last["W"] + last["b"]
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()


@style(normal(6, 3), jax.random.PRNGKey(1))
def dropout(x, key):
    keep = jax.random.bernoulli(key, 0.7, x.shape)
    return jnp.where(keep, x / 0.7, 0) * (1 + 0.1 * jax.random.normal(key, x.shape))


# Ways of writing


@style(normal(3, 4), normal(4, 5), normal(5, 2))
def products(a, b, c):
    return (
        jnp.einsum("ij,jk,kl->il", a, b, c),
        jnp.einsum("ij,ij->i", a, a),
        jnp.einsum("ii->i", a[:3, :3]),
        jnp.tensordot(a, b, 1),
        jnp.vdot(a, a),
        jnp.outer(a[0], c[:, 0]),
        jnp.kron(a[:2], c[:2]),
        jnp.matmul(jnp.stack([a, a + 1]), b),
        a[0] @ b,
        b @ b[0],
    )


@style(normal(5, 3), normal(3))
def vmap_jit_and_checkpoint(x, w):
    rows = jax.vmap(lambda row: jnp.tanh(row @ w) * row)(x)
    return rows, jax.jit(jnp.exp)(x), jax.checkpoint(lambda x: jnp.sin(x @ x.T))(x)


@style(normal(4))
def loops_and_branches(x):
    powers = lax.fori_loop(0, 4, lambda i, c: jnp.sin(c) * x[i] + x, x)
    branch = lax.cond(x.sum() > 0, jnp.sin, lambda x: x**2, x)
    last, sums = lax.scan(lambda s, t: (s * t + 1, s), jnp.array(1.0), x, reverse=True)
    return powers, branch, lax.switch(2, [jnp.sin, jnp.cos, jnp.exp], x), last, sums


@style(normal(6), normal(3))
def scans(x, b):
    pairs = lax.associative_scan(lambda p, q: (p[0] * q[0], q[0] * p[1] + q[1]), (jax.nn.sigmoid(x), x))
    return pairs[1], lax.map(lambda t: jnp.sin(t) * b, x)


@style(normal(3, 3))
def derivatives_inside(x):
    def f(y):
        return jnp.sum(jnp.sin(y) * y)

    return jax.grad(f)(x), jax.hessian(f)(x[0]), jax.jvp(jnp.tanh, (x,), (x**2,))[1]


@style(normal(5, 3), normal(3), np.array([0, 1, 0, 2, 1]))
def indices(x, u, groups):
    changed = x.at[1].set(u).at[:, 0].add(2.0).at[2:4, 1].multiply(u[:2])
    changed = changed.at[jnp.array([0, 0, 3]), jnp.array([1, 1, 2])].min(u)
    sums = jax.ops.segment_sum(x, groups, 3)
    return changed, sums, jax.ops.segment_max(x, groups, 3), x[groups], jnp.take(x, groups, axis=0)


# Every operation


@style(normal(3, 4))
def activations(x):
    n = jax.nn
    functions = (
        *(n.relu, n.relu6, n.gelu, n.silu, n.elu, n.selu, n.celu, n.softplus, n.log_sigmoid, n.sigmoid),
        *(n.leaky_relu, n.hard_tanh, n.hard_sigmoid, n.hard_swish, n.mish, n.soft_sign, n.softmax),
        *(n.log_softmax, n.logsumexp, n.standardize, n.glu, n.squareplus, n.sparse_plus),
    )
    return [function(x) for function in functions] + [n.gelu(x, approximate=False)]


@style(np.abs(normal(3, 4)) * 0.4 + 0.1)
def functions_of_one(x):
    names = (
        "sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arctanh exp exp2 expm1 log log2 log10 log1p "
        "sqrt cbrt square reciprocal abs sinc deg2rad nan_to_num"
    )
    powers = [lax.rsqrt(x), lax.integer_pow(x, 3), lax.integer_pow(x, -2), x**1.7, 2.0**x]
    return [getattr(jnp, name)(x) for name in names.split()] + [jnp.arccosh(1 + x), *powers]


@style(np.abs(normal(3, 4)) * 0.4 + 0.1)
def special_functions(x):
    s = special
    return [
        *(s.erf(x), s.erfc(x), s.erfinv(x * 0.5), s.gammaln(x + 0.5), s.digamma(x), s.expit(x), s.logit(x)),
        *(s.xlogy(x, x), s.entr(x), s.i0e(x), s.i1e(x), s.ndtr(x), s.log_ndtr(x), s.gammainc(2.0, x)),
        *(s.gammaincc(2.0, x), s.i0(x), s.i1(x), s.rel_entr(x, x + 1), s.betainc(2.0, 3.0, x * 0.5)),
        *(s.polygamma(1, x), s.zeta(2.5, x + 1.0), s.betaln(x, x + 1)),
    ]


@style(normal(3, 4), normal(3, 4))
def functions_of_two(x, y):
    return [
        *(jnp.maximum(x, y), jnp.minimum(x, y), jnp.logaddexp(x, y), jnp.hypot(x, y), jnp.arctan2(x, y)),
        *(jnp.where(x > y, x, y * 2), x / y, jnp.abs(x) ** y, jnp.fmod(x, y), jnp.mod(x, y), x // 1.0 * y),
        *(jnp.clip(x, -0.5, y + 1), jnp.heaviside(x, 0.5) * y, jnp.sign(x) * y, jnp.round(x) * y),
        *(x.astype(int) * y, (x > 0).astype(float) * y, lax.clamp(-0.5, x, 0.7)),
    ]


@style(normal(3, 4, 2))
def movements(x):
    return [
        *(jnp.transpose(x), x.reshape(4, 6), x[::-1, 1:3], jnp.flip(x, 1), jnp.roll(x, 1, 0)),
        *(jnp.pad(x, ((1, 0), (0, 2), (1, 1))), jnp.pad(x, 1, mode="reflect"), jnp.tile(x, (1, 2, 1))),
        *(jnp.repeat(x, 2, axis=1), jnp.concatenate([x, x * 2], 2), jnp.stack([x, -x]), x[..., None]),
        *(jnp.squeeze(x[:1], 0), jnp.broadcast_to(x[None], (2, 3, 4, 2)), jnp.moveaxis(x, 0, 2)),
        *(jnp.tril(x[:, :, 0]), jnp.diag(x[:, 0, 0]), jnp.diagonal(x), jnp.rot90(x), x[jnp.array([2, 0])]),
        *(x[:, jnp.array([[1, 3], [0, 0]])], x[x[:, 0, 0].argsort()], jnp.split(x, 2, axis=1)[1]),
        *(lax.dynamic_slice(x, (1, 2, 0), (2, 2, 1)), lax.dynamic_update_slice(x, x[:1, :2] * 3, (1, 1, 0))),
        *(lax.pad(x, 0.5, ((1, -1, 1), (0, 0, 0), (-1, 2, 0))), jnp.ravel(x)[::3], jnp.trace(x[:, :, 0])),
    ]


@style(normal(3, 4, 2))
def reductions(x):
    return [
        *(x.sum(), x.mean(1), x.var(0), x.std((0, 2)), x.max(1), x.min(), x.prod(2), jnp.cumsum(x, 1)),
        *(jnp.cumprod(x, 0), lax.cummax(x, 1), lax.cummin(x, 0, reverse=True), lax.cumlogsumexp(x, 1)),
        *(jnp.linalg.norm(x), jnp.ptp(x, 1), jnp.median(x, 1), jnp.quantile(x, 0.3, axis=1), jnp.sort(x, 1)),
        *(lax.top_k(x[:, :, 0], 2)[0], jnp.nanmean(x), jnp.diff(x, axis=1), jnp.cov(x[0])),
        *(lax.sort_key_val(x[:, :, 0], x[:, :, 1])[1], jnp.trapezoid(x, axis=1)),
    ]


@style(normal(2, 6, 6, 3), 0.3 * normal(3, 3, 3, 4), normal(2, 9, 4), normal(3, 4, 5), normal(2, 4, 6, 6))
def convolutions(x, kernel, signal, filters, images):
    along, channels_last = ("NWC", "WIO", "NWC"), ("NHWC", "HWIO", "NHWC")
    conv, in_groups = lax.conv_general_dilated, filters.reshape(5, 2, 2, 3)[:4]
    return [
        conv(x, kernel, (1, 1), "SAME", dimension_numbers=channels_last),
        conv(x, kernel, (2, 2), "VALID", dimension_numbers=channels_last, rhs_dilation=(2, 1)),
        conv(signal, filters, (1,), [(2, 1)], lhs_dilation=(2,), dimension_numbers=along),
        conv(images, in_groups, (1, 1), "SAME", feature_group_count=2),
        conv(images[:, :2], in_groups, (1, 1), "SAME", batch_group_count=2),
        lax.conv_transpose(x, kernel, (2, 2), "SAME"),
    ]


@style(normal(2, 6, 6, 3))
def pools(x):
    halves = {"window_dimensions": (1, 2, 2, 1), "window_strides": (1, 2, 2, 1)}
    pooled = lax.reduce_window(x, -jnp.inf, lax.max, padding="SAME", **halves)
    back = jax.grad(lambda x: jnp.sum(lax.reduce_window(x, -jnp.inf, lax.max, padding="SAME", **halves) ** 2))
    return [
        *(pooled, back(x), lax.reduce_window(x, 0.0, lax.add, padding="VALID", **halves)),
        lax.reduce_window(x, jnp.inf, lax.min, (1, 3, 3, 1), (1, 1, 1, 1), "VALID"),
    ]


@style(normal(4, 4) + 4 * np.eye(4), normal(4), normal(4, 3))
def linear_algebra(a, b, c):
    L, symmetric = jnp.linalg, (a + a.T) / 2
    return [
        *(L.solve(a, b), L.solve(a, c), L.inv(a), L.det(a), L.slogdet(a)[1], L.cholesky(symmetric)),
        *(jax.scipy.linalg.solve_triangular(a, b, lower=True), L.eigh(symmetric)[0], L.matrix_power(a, 3)),
        *(L.svd(c, compute_uv=False), jnp.abs(L.qr(c)[0]), jnp.abs(L.qr(c)[1]), L.norm(a, "fro")),
    ]


@style(normal(8))
def complex_numbers(x):
    spectrum = jnp.fft.rfft(x)
    return [
        *(jnp.abs(jnp.fft.fft(x)), jnp.fft.irfft(spectrum * jnp.arange(5)), jnp.angle(x + 1j * x**2)),
        *(jnp.real(jnp.exp(1j * x) * (1 + 2j)), (spectrum * spectrum.conj()).real, spectrum.imag),
    ]
