"""Functions with hand-written rules as projects in JAX have them: right ones, and the mistakes that people make."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

RNG = np.random.default_rng(5)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


FAMILIES = {}
"""Name → the function, its forward, the right backward, wrong ones by their names, and arguments."""


def family(function, forward, *arguments, **backwards):
    right = backwards.pop("right")
    FAMILIES[function.__name__] = function, forward, right, backwards, arguments


def ruled(function, forward, backward):
    """Return a function with a custom rule."""
    with_rule = jax.custom_vjp(function)
    with_rule.defvjp(forward, backward)
    return with_rule


# log Σ exp


def logsumexp(x):
    top = jnp.max(x, axis=-1)
    return top + jnp.log(jnp.sum(jnp.exp(x - top[..., None]), axis=-1))


def _softmax_of(residuals):
    x, out = residuals
    return jnp.exp(x - out[..., None])


family(
    logsumexp,
    lambda x: (logsumexp(x), (x, logsumexp(x))),
    normal(4, 6),
    right=lambda r, g: (g[..., None] * _softmax_of(r),),
    not_divided_by_the_sum=lambda r, g: (g[..., None] * jnp.exp(r[0] - r[0].max(-1, keepdims=True)),),
    cotangent_left_out=lambda r, g: (_softmax_of(r),),
)


# Layer norm, RMS norm


def layer_norm(x, gain, bias):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * gain + bias


def _layer_norm_forward(x, gain, bias):
    rstd = lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)
    return layer_norm(x, gain, bias), ((x - x.mean(-1, keepdims=True)) * rstd, rstd, gain)


def _layer_norm_backward(residuals, g, *, mean=True, projection=True, axes=(0,)):
    normed, rstd, gain = residuals
    slope = g * gain
    dx = slope
    if mean:
        dx = dx - slope.mean(-1, keepdims=True)
    if projection:
        dx = dx - normed * (slope * normed).mean(-1, keepdims=True)
    return dx * rstd, (g * normed).sum(axes), g.sum(axes)


family(
    layer_norm,
    _layer_norm_forward,
    normal(5, 8),
    1 + 0.1 * normal(8),
    normal(8),
    right=_layer_norm_backward,
    mean_left_out=functools.partial(_layer_norm_backward, mean=False),
    variance_left_out=functools.partial(_layer_norm_backward, projection=False),
)


def rms_norm(x, gain):
    return x * lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * gain


def _rms_norm_backward(residuals, g, *, power=3):
    x, gain = residuals
    r = lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6)
    slope = g * gain
    dx = r * slope - r**power * x * (slope * x).mean(-1, keepdims=True)
    return dx, (g * x * r).sum(0)


family(
    rms_norm,
    lambda x, gain: (rms_norm(x, gain), (x, gain)),
    normal(5, 8),
    1 + 0.1 * normal(8),
    right=_rms_norm_backward,
    a_power_too_low=functools.partial(_rms_norm_backward, power=2),
)


# Attention


def attention(q, k, v):
    p = jax.nn.softmax(q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5)
    return p @ v


def _attention_backward(residuals, g, *, scale=True, rows=True):
    q, k, v = residuals
    factor = q.shape[-1] ** -0.5
    p = jax.nn.softmax(q @ k.swapaxes(-1, -2) * factor)
    dp = g @ v.swapaxes(-1, -2)
    ds = p * (dp - (p * dp).sum(-1, keepdims=True)) if rows else p * dp
    ds = ds * factor if scale else ds
    return ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ g


family(
    attention,
    lambda q, k, v: (attention(q, k, v), (q, k, v)),
    normal(2, 5, 4),
    normal(2, 6, 4),
    normal(2, 6, 3),
    right=_attention_backward,
    scale_left_out=functools.partial(_attention_backward, scale=False),
    sum_over_the_row_left_out=functools.partial(_attention_backward, rows=False),
)


# Clipped, and rounded straight through


def clipped(x):
    return jnp.clip(x, -0.5, 0.5) * 3.0


family(
    clipped,
    lambda x: (clipped(x), x),
    normal(12),
    right=lambda x, g: (3.0 * g * (jnp.abs(x) < 0.5),),
    straight_through=lambda x, g: (3.0 * g,),
    other_side=lambda x, g: (3.0 * g * (jnp.abs(x) > 0.5),),
)


def rounded(x):
    return x * jnp.round(4 * x)


family(
    rounded,
    lambda x: (rounded(x), x),
    normal(12),
    right=lambda x, g: (g * jnp.round(4 * x),),
    straight_through=lambda x, g: (g * (jnp.round(4 * x) + 4 * x),),
)


# A recurrent network, an iteration, a branch


def recurrent(w, x):
    def step(h, now):
        return jnp.tanh(h @ w + now), None

    return lax.scan(step, jnp.zeros(x.shape[1]), x)[0]


def _recurrent_forward(w, x):
    def step(h, now):
        new = jnp.tanh(h @ w + now)
        return new, (h, new)

    last, states = lax.scan(step, jnp.zeros(x.shape[1]), x)
    return last, (w, *states)


def _recurrent_backward(residuals, g, *, transposed=True):
    w, before, after = residuals
    back = w.T if transposed else w

    def step(carry, now):
        dh, dw = carry
        h, new = now
        dz = dh * (1 - new**2)
        return (dz @ back, dw + jnp.outer(h, dz)), dz

    (_, dw), dx = lax.scan(step, (g, jnp.zeros_like(w)), (before, after), reverse=True)
    return dw, dx


family(
    recurrent,
    _recurrent_forward,
    normal(4, 4) / 2,
    normal(6, 4),
    right=_recurrent_backward,
    not_transposed=functools.partial(_recurrent_backward, transposed=False),
)


def root(a):
    """Newton's iteration for √a, until it stands still."""

    def better(state):
        x, _ = state
        new = 0.5 * (x + a / x)
        return new, jnp.max(jnp.abs(new - x))

    return lax.while_loop(lambda state: state[1] > 1e-6, better, (a + 1.0, jnp.asarray(1.0, a.dtype)))[0]


family(
    root,
    lambda a: (root(a), root(a)),
    np.abs(normal(5)) + 0.5,
    right=lambda x, g: (g / (2 * x),),
    factor_of_two=lambda x, g: (g / x,),
)


def branching(x, w):
    return lax.cond(x.sum() > 0, lambda: jnp.sin(x) @ w, lambda: (x**2) @ w)


family(
    branching,
    lambda x, w: (branching(x, w), (x, w)),
    np.abs(normal(5)),
    normal(5, 3),
    right=lambda r, g: (jnp.cos(r[0]) * (r[1] @ g), jnp.outer(jnp.sin(r[0]), g)),
    the_other_branch=lambda r, g: (2 * r[0] * (r[1] @ g), jnp.outer(jnp.sin(r[0]), g)),
)
