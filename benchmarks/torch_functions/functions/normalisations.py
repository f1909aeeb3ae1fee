"""Normalisations: fused with a linear layer, RMS, of groups, and in place."""

from __future__ import annotations

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from benchmarks.torch_functions.numbers import Numbers
from benchmarks.torch_functions.planting import CustomFunction, mistake


class NormLinear(Function):
    """y = layer_norm(x; γ, β) Wᵀ + b; x is (…, features)."""

    @staticmethod
    def forward(ctx, x, gamma, beta, W, b, eps=1e-5):
        centred = x - x.mean(-1, keepdim=True)
        r = torch.rsqrt(centred.square().mean(-1, keepdim=True) + eps)
        xhat = centred * r
        h = xhat * gamma + beta
        ctx.save_for_backward(xhat, r, gamma, h, W)
        return torch.nn.functional.linear(h, W, b)

    @staticmethod
    def backward(ctx, dy):
        xhat, r, gamma, h, W = ctx.saved_tensors
        rows = dy.reshape(-1, dy.shape[-1])
        dh = dy @ W
        dW = rows.T @ h.reshape(-1, h.shape[-1])
        db = rows.sum(0)
        dgamma = (dh * xhat).flatten(0, -2).sum(0)
        dbeta = dh.flatten(0, -2).sum(0)
        g = dh * gamma
        dx = r * (g - g.mean(-1, keepdim=True) - xhat * (g * xhat).mean(-1, keepdim=True))
        return dx, dgamma, dbeta, dW, db, None


def norm_linear(x, gamma, beta, W, b):
    return NormLinear.apply(x, gamma, beta, W, b)


class RMSNorm(Function):
    """y = x / rms(x) · weight; the backward pass writes dx over the gradient that it was given a copy of."""

    @staticmethod
    def forward(x, weight, eps):
        rstd = torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + eps)
        return x * rstd * weight, rstd

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, _ = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(x, weight, output[1])

    @staticmethod
    def backward(ctx, grad_y, _grad_rstd):
        x, weight, rstd = ctx.saved_tensors
        buffer = grad_y.clone()
        grad_weight = (buffer * (x * rstd)).sum(dim=tuple(range(x.dim() - 1)))
        buffer *= weight
        inner = (buffer * x).sum(dim=-1, keepdim=True)
        buffer -= x * (inner * rstd**2 / x.shape[-1])
        buffer *= rstd
        return buffer, grad_weight, None


def rms_norm(x, weight):
    return RMSNorm.apply(x, weight, 1e-6)[0]


class GroupNorm(Function):
    """Images (n, channels, height, width); the channels of a group share mean and variance."""

    @staticmethod
    def forward(ctx, x, w, b, groups, eps):
        n, c = x.shape[:2]
        grouped = x.reshape(n, groups, -1)
        mean = grouped.mean(2, keepdim=True)
        var = grouped.var(2, unbiased=False, keepdim=True)
        rstd = 1 / torch.sqrt(var + eps)
        xhat = ((grouped - mean) * rstd).view_as(x)
        ctx.save_for_backward(xhat, rstd, w)
        ctx.groups = groups
        return xhat * w.view(1, c, 1, 1) + b.view(1, c, 1, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        xhat, rstd, w = ctx.saved_tensors
        n, c, height, width = dy.shape
        dx = dw = db = None
        if ctx.needs_input_grad[1]:
            dw = (dy * xhat).sum((0, 2, 3))
        if ctx.needs_input_grad[2]:
            db = dy.sum((0, 2, 3))
        if ctx.needs_input_grad[0]:
            count = c // ctx.groups * height * width
            d = (dy * w.view(1, c, 1, 1)).reshape(n, ctx.groups, count)
            xh = xhat.reshape(n, ctx.groups, count)
            dx = d - d.sum(2, keepdim=True) / count - xh * (d * xh).sum(2, keepdim=True) / count
            dx = (dx * rstd).view_as(dy)
        return dx, dw, db, None, None


def group_norm(x, w, b):
    return GroupNorm.apply(x, w, b, 3, 1e-5)


class InPlaceABN(Function):
    """Batch normalisation and leaky ReLU over x itself; what the backward pass needs is computed from the output."""

    @staticmethod
    def forward(ctx, x, weight, bias, eps, slope):
        mean = x.mean((0, 2))
        var = x.var((0, 2), unbiased=False)
        invstd = torch.rsqrt(var + eps)
        x.sub_(mean[:, None]).mul_((invstd * weight)[:, None]).add_(bias[:, None])
        x.copy_(torch.where(x > 0, x, slope * x))
        ctx.mark_dirty(x)
        ctx.slope = slope
        ctx.save_for_backward(x, invstd, weight, bias)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        y, invstd, weight, bias = ctx.saved_tensors
        negative = y < 0
        z = torch.where(negative, y / ctx.slope, y)
        dz = torch.where(negative, dy * ctx.slope, dy)
        xhat = (z - bias[:, None]) / weight[:, None]
        count = y.shape[0] * y.shape[2]
        dbias = dz.sum((0, 2))
        dweight = (dz * xhat).sum((0, 2))
        dx = dz - dbias[:, None] / count - xhat * dweight[:, None] / count
        return dx * (weight * invstd)[:, None], dweight, dbias, None, None


def inplace_abn(x, weight, bias):
    return InPlaceABN.apply(x * 1, weight, bias, 1e-5, 0.01)


def batch_norm_and_leaky_relu(x, weight, bias):
    y = torch.nn.functional.batch_norm(x, None, None, weight, bias, training=True, eps=1e-5)
    return torch.nn.functional.leaky_relu(y, 0.01)


def of_norm_linear():
    draw = Numbers(1)
    return (
        draw.normal(4, 16, 64),
        draw.normal(64, scale=0.1, shift=1),
        draw.normal(64, scale=0.1),
        draw.normal(64, 64, scale=0.125),
        draw.normal(64, scale=0.1),
    )


def of_rms_norm(dtype=torch.float64):
    draw = Numbers(2, dtype)
    return draw.normal(2, 5, 12), draw.normal(12, scale=0.2, shift=1)


def of_rms_norm_in_float32():
    return of_rms_norm(torch.float32)


def of_group_norm():
    draw = Numbers(3)
    return draw.normal(2, 6, 3, 4), draw.normal(6, scale=0.3, shift=1), draw.normal(6, scale=0.3)


def of_inplace_abn():
    draw = Numbers(4)
    return draw.normal(4, 3, 5), draw.normal(3, scale=0.2, shift=1), draw.normal(3, scale=0.3)


FUNCTIONS = (
    CustomFunction(
        name="layer norm and linear layer",
        known_from="Apex, Transformer Engine, flash-linear-attention",
        call=norm_linear,
        of=NormLinear,
        inputs=of_norm_linear,
        mistakes=(
            mistake("γ forgotten in dx", "g = dh * gamma", "g = dh"),
            mistake("the mean's term lost", "(g - g.mean(-1, keepdim=True) - ", "(g - "),
            mistake(
                "the last row lost in dW",
                "rows.T @ h.reshape(-1, h.shape[-1])",
                "rows[:-1].T @ h.reshape(-1, h.shape[-1])[:-1]",
            ),
            mistake("dγ × 1.01", "(dh * xhat).flatten", "1.01 * (dh * xhat).flatten", changes=5e-3),
            mistake("one coordinate of dW × 1.1", "db = rows", "dW[3, 5] *= 1.1\n        db = rows"),
            mistake(
                "the smallest coordinate of dW doubled",
                "db = rows",
                "dW.view(-1)[dW.abs().argmin()] *= 2\n        db = rows",
                changes=1e-6,
            ),
            mistake("one row of dW negated", "db = rows", "dW[3] *= -1\n        db = rows"),
            mistake("dW × 1.000001", "dW = rows", "dW = 1.000001 * rows", changes=5e-7),
        ),
    ),
    CustomFunction(
        name="RMS norm",
        known_from="Unsloth, Liger, Apex, llm.c",
        call=rms_norm,
        of=RMSNorm,
        inputs=of_rms_norm,
        mistakes=(
            mistake("weight forgotten in dx", "buffer *= weight\n", "pass\n", reported="karpathy/llm.c#763"),
            mistake(
                "dweight from the overwritten gradient",
                "return buffer, grad_weight, None",
                "return buffer, (buffer * (x * rstd)).sum((0, 1)), None",
                reported="unslothai/unsloth#4550",
            ),
            mistake(
                "no dweight",
                "return buffer, grad_weight, None",
                "return buffer, None, None",
                reported="unslothai/unsloth#4550",
            ),
            mistake("1/rms cubed is squared", "inner * rstd**2", "inner * rstd"),
            mistake("divided by rows instead of columns", "/ x.shape[-1]", "/ x.shape[0]"),
            mistake(
                "dweight of the first row of the batch alone",
                "(buffer * (x * rstd)).sum(dim=tuple(range(x.dim() - 1)))",
                "(buffer * (x * rstd))[0].sum(0)",
            ),
            mistake(
                "1 added to the weight, as another model does", "buffer *= weight\n", "buffer *= 1 + weight\n"
            ),
        ),
    ),
    CustomFunction(
        name="RMS norm in float32",
        known_from="Unsloth, Liger, Apex, llm.c",
        call=rms_norm,
        of=RMSNorm,
        inputs=of_rms_norm_in_float32,
        mistakes=(
            mistake("weight forgotten in dx", "buffer *= weight\n", "pass\n"),
            mistake("dx × 1.001", "buffer *= rstd\n", "buffer *= 1.001 * rstd\n", changes=1e-3),
            mistake(
                "one row of dx negated", "buffer *= rstd\n", "buffer *= rstd\n        buffer[0, 1] *= -1\n"
            ),
        ),
    ),
    CustomFunction(
        name="group norm",
        known_from="Apex, Trident",
        call=group_norm,
        of=GroupNorm,
        inputs=of_group_norm,
        mistakes=(
            mistake(
                "variance with n − 1",
                "* (d * xh).sum(2, keepdim=True) / count",
                "* (d * xh).sum(2, keepdim=True) / (count - 1)",
                changes=3e-3,
            ),
            mistake(
                "mean over channels, not groups",
                "count = c // ctx.groups * height * width",
                "count = c // ctx.groups * height * width\n            rstd = rstd.mean(1, keepdim=True)",
            ),
            mistake("db averaged over the batch", "db = dy.sum((0, 2, 3))", "db = dy.mean(0).sum((1, 2))"),
            mistake("dw without xhat", "dw = (dy * xhat).sum((0, 2, 3))", "dw = dy.sum((0, 2, 3))"),
            mistake(
                "the last column lost in dw",
                "dw = (dy * xhat).sum((0, 2, 3))",
                "dw = (dy * xhat)[..., :-1].sum((0, 2, 3))",
            ),
            mistake("dw and db exchanged", "return dx, dw, db, None, None", "return dx, db, dw, None, None"),
        ),
    ),
    CustomFunction(
        name="batch norm and leaky ReLU in place",
        known_from="InPlace-ABN",
        call=inplace_abn,
        of=InPlaceABN,
        inputs=of_inplace_abn,
        twin=batch_norm_and_leaky_relu,
        mistakes=(
            mistake("the output is not inverted", "z = torch.where(negative, y / ctx.slope, y)", "z = y"),
            mistake(
                "leaky ReLU has no slope going back",
                "dz = torch.where(negative, dy * ctx.slope, dy)",
                "dz = dy",
            ),
            mistake(
                "bias not taken off",
                "xhat = (z - bias[:, None]) / weight[:, None]",
                "xhat = z / weight[:, None]",
            ),
            mistake(
                "statistics as constants",
                "dx = dz - dbias[:, None] / count - xhat * dweight[:, None] / count",
                "dx = dz",
            ),
            mistake("count without the batch", "count = y.shape[0] * y.shape[2]", "count = y.shape[2]"),
            mistake(
                "weight forgotten in dx",
                "return dx * (weight * invstd)[:, None]",
                "return dx * invstd[:, None]",
            ),
        ),
    ),
)
