"""Gates and activations whose intermediate values are computed again going back."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import autograd

from benchmarks.torch_functions.numbers import Numbers
from benchmarks.torch_functions.planting import CustomFunction, mistake

# ---- swish


class SwishImplementation(autograd.Function):
    @staticmethod
    def forward(ctx, i):
        ctx.save_for_backward(i)
        return i * torch.sigmoid(i)

    @staticmethod
    def backward(ctx, grad_output):
        (i,) = ctx.saved_tensors
        s = torch.sigmoid(i)
        return grad_output * (s * (1 + i * (1 - s)))


class MemoryEfficientSwish(torch.nn.Module):
    def forward(self, x):
        return SwishImplementation.apply(x)


def swish(x):
    return MemoryEfficientSwish()(x)


# ---- mish


class MishJit(autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.mul(torch.tanh(F.softplus(x)))

    @staticmethod
    def backward(ctx, grad):
        x = ctx.saved_tensors[0]
        t = torch.tanh(F.softplus(x))
        inner = x * torch.sigmoid(x) * (1 - t * t)
        return grad * (t + inner)


def mish(x):
    return MishJit.apply(x)


# ---- gates of transformers


class SwiGLU(autograd.Function):
    """h = silu(e) · g; going back, three buffers are used again."""

    @staticmethod
    def forward(ctx, e, g):
        ctx.save_for_backward(e, g)
        return F.silu(e) * g

    @staticmethod
    def backward(ctx, dh):
        e, g = ctx.saved_tensors
        se = torch.sigmoid(e)
        f = se * e
        dg = dh * f
        df = dh * g
        de = df * se * (1.0 + e * (1.0 - se))
        return de, dg


def swiglu(e, g):
    return SwiGLU.apply(e, g)


class GeGLUTanh(autograd.Function):
    """gelu(a) · b, with the tanh approximation; a and b are the halves of one array."""

    @staticmethod
    def forward(ctx, ab):
        a, b = ab.chunk(2, dim=-1)
        ctx.save_for_backward(a, b)
        inner = math.sqrt(2 / math.pi) * (a + 0.044715 * a**3)
        return 0.5 * a * (1 + torch.tanh(inner)) * b

    @staticmethod
    def backward(ctx, dc):
        a, b = ctx.saved_tensors
        root = math.sqrt(2 / math.pi)
        t = torch.tanh(root * (a + 0.044715 * a**3))
        gelu = 0.5 * a * (1 + t)
        db = dc * gelu
        term1 = 0.5 * (1 + t)
        term2 = 0.5 * a * (1 - t * t) * root * (1 + 3 * 0.044715 * a * a)
        da = dc * b * (term1 + term2)
        return torch.cat((da, db), dim=-1)


def geglu(ab):
    return GeGLUTanh.apply(ab)


# ---- a whole feed-forward layer with ReLU, with rows that are empty


class FusedMLP(autograd.Function):
    """W2 relu(W1 x), as one kernel: only the signs of the hidden units are kept, as bytes."""

    @staticmethod
    def forward(ctx, x, w1, w2):
        z = x @ w1.t()
        hidden = torch.relu(z)
        ctx.save_for_backward(x, w1, w2, hidden, (z > 0).to(torch.uint8))
        return hidden @ w2.t()

    @staticmethod
    def backward(ctx, grad):
        x, w1, w2, hidden, positive = ctx.saved_tensors
        dx = dw1 = dw2 = None
        if ctx.needs_input_grad[2]:
            dw2 = grad.t() @ hidden
        dz = (grad @ w2) * positive
        if ctx.needs_input_grad[1]:
            dw1 = dz.t() @ x
        if ctx.needs_input_grad[0]:
            dx = dz @ w1
        return dx, dw1, dw2


def fused_mlp(x, w1, w2):
    return FusedMLP.apply(x, w1, w2)


def of_one():
    return (Numbers(21).normal(3, 7, scale=2),)


def of_swiglu():
    draw = Numbers(22)
    return draw.normal(4, 6, scale=1.5), draw.normal(4, 6)


def of_geglu():
    return (Numbers(23).normal(3, 2, 8),)


def of_fused_mlp():
    draw = Numbers(24)
    x = draw.plain(6, 4)
    x[1] = x[4] = 0
    return x.requires_grad_(), draw.normal(5, 4), draw.normal(3, 5)


FUNCTIONS = (
    CustomFunction(
        name="swish",
        known_from="EfficientNet-PyTorch, pytorch-image-models",
        call=swish,
        of=SwishImplementation,
        inputs=of_one,
        mistakes=(
            mistake("one factor i left out", "s * (1 + i * (1 - s))", "s * (1 + (1 - s))"),
            mistake("the output for the sigmoid", "s = torch.sigmoid(i)", "s = i * torch.sigmoid(i)"),
            mistake("a sign", "(1 + i * (1 - s))", "(1 - i * (1 - s))"),
            mistake("the upstream gradient ignored", "return grad_output * (", "return 1 * ("),
            mistake(
                "x is overwritten before it is kept",
                "ctx.save_for_backward(i)",
                "ctx.save_for_backward(i * torch.sigmoid(i))",
                reported="huggingface/pytorch-image-models#156",
            ),
        ),
    ),
    CustomFunction(
        name="mish",
        known_from="pytorch-image-models, gen-efficientnet, Mish",
        call=mish,
        of=MishJit,
        inputs=of_one,
        mistakes=(
            mistake("tanh' without the square", "(1 - t * t)", "(1 - t)"),
            mistake(
                "the paper's formula with its misprint",
                "return grad * (t + inner)",
                "omega = 4 * (x + 1) + 4 * torch.exp(2 * x) + torch.exp(3 * x) + torch.exp(x) * (4 * x + 6)\n"
                "        delta = 2 * torch.exp(2 * x) + torch.exp(2 * x) + 2\n"
                "        return grad * torch.exp(x) * omega / delta**2",
                reported="digantamisra98/Mish#11",
            ),
            mistake("softplus' is one", "x * torch.sigmoid(x) * (1", "x * (1"),
            mistake("the slope of the output", "x = ctx.saved_tensors[0]", "x = ctx.saved_tensors[0].tanh()"),
        ),
    ),
    CustomFunction(
        name="SwiGLU",
        known_from="Unsloth, Liger, xFormers, Triton-distributed",
        call=swiglu,
        of=SwiGLU,
        inputs=of_swiglu,
        mistakes=(
            mistake(
                "buffers stored one too early",
                "return de, dg",
                "return df, de",
                reported="unslothai/unsloth#3314",
            ),
            mistake("dg of the wrong buffer", "dg = dh * f", "dg = dh * se"),
            mistake("de and dg exchanged", "return de, dg", "return dg, de"),
            mistake(
                "every row goes to row 0",
                "return de, dg",
                "de[0], de[1:] = de[-1].clone(), 0\n        return de, dg",
                reported="ByteDance-Seed/Triton-distributed#185",
            ),
            mistake("1 − σ is σ", "e * (1.0 - se)", "e * se"),
            mistake("σ clamped", "se = torch.sigmoid(e)", "se = torch.sigmoid(e.clamp(-2.5, 2.5))"),
        ),
    ),
    CustomFunction(
        name="GeGLU",
        known_from="Liger, Unsloth",
        call=geglu,
        of=GeGLUTanh,
        inputs=of_geglu,
        mistakes=(
            mistake("3 left out", "1 + 3 * 0.044715", "1 + 0.044715"),
            mistake("0.044715 misprinted", "1 + 3 * 0.044715 * a", "1 + 3 * 0.44715 * a"),
            mistake("halves exchanged", "torch.cat((da, db), dim=-1)", "torch.cat((db, da), dim=-1)"),
            mistake("tanh' without the square", "(1 - t * t)", "(1 - t)"),
            mistake(
                "slope of the exact GELU",
                "da = dc * b * (term1 + term2)",
                "normal = torch.exp(-a * a / 2) / math.sqrt(2 * math.pi)\n"
                "        da = dc * b * (0.5 * (1 + torch.erf(a / math.sqrt(2))) + a * normal)",
                changes=1e-4,
            ),
            mistake(
                "concatenated along rows",
                "torch.cat((da, db), dim=-1)",
                "torch.cat((da, db), dim=1).view(3, 2, 8)",
            ),
        ),
    ),
    CustomFunction(
        name="fused MLP with empty rows",
        known_from="Apex, tiny-cuda-nn",
        call=fused_mlp,
        of=FusedMLP,
        inputs=of_fused_mlp,
        mistakes=(
            mistake("the mask forgotten", "dz = (grad @ w2) * positive", "dz = grad @ w2"),
            mistake("the mask of the next row", "* positive", "* positive.roll(1, 0)"),
            mistake("no dw1", "dw1 = dz.t() @ x", "dw1 = None"),
            mistake("dw1 transposed", "dw1 = dz.t() @ x", "dw1 = (x.t() @ dz).reshape(5, 4)"),
            mistake(
                "bytes of the mask inverted",
                "positive = ctx.saved_tensors",
                "positive = ctx.saved_tensors\n        positive = 255 - positive",
            ),
        ),
    ),
)
