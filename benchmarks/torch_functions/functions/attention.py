"""Attention, computed again going back: causal, and in tiles with fewer heads of keys than of queries."""

from __future__ import annotations

import math

import torch
from torch.autograd.function import Function, once_differentiable

from benchmarks.torch_functions.numbers import Numbers
from benchmarks.torch_functions.planting import CustomFunction, mistake


class CausalAttention(Function):
    """softmax(s Q Kᵀ, below the diagonal) V; of the probabilities only the log of their sum is kept."""

    @staticmethod
    def forward(ctx, q, k, v):
        s = q.shape[-1] ** -0.5
        scores = q @ k.transpose(-1, -2) * s
        allowed = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        scores = scores.masked_fill(~allowed, -math.inf)
        lse = torch.logsumexp(scores, -1, keepdim=True)
        o = torch.exp(scores - lse) @ v
        ctx.save_for_backward(q, k, v, o, lse, allowed)
        return o

    @staticmethod
    def backward(ctx, do):
        q, k, v, o, lse, allowed = ctx.saved_tensors
        s = q.shape[-1] ** -0.5
        scores = (q @ k.transpose(-1, -2) * s).masked_fill(~allowed, -math.inf)
        p = torch.exp(scores - lse)
        dv = p.transpose(-1, -2) @ do
        dp = do @ v.transpose(-1, -2)
        delta = (do * o).sum(-1, keepdim=True)
        ds = p * (dp - delta)
        dq = ds @ k * s
        dk = ds.transpose(-1, -2) @ q * s
        return dq, dk, dv


def causal_attention(q, k, v):
    return CausalAttention.apply(q, k, v)


def tiles(length, size):
    return [slice(begin, min(begin + size, length)) for begin in range(0, length, size)]


class GroupedAttention(Function):
    """Queries (n, heads, length, d), keys and values with fewer heads and another length; online softmax in tiles.

    Returns the output and the log of the sums, of which only the first has a gradient.
    """

    @staticmethod
    def forward(ctx, q, k, v, scale, block):
        n, heads, length, _ = q.shape
        shared = heads // k.shape[1]
        out = q.new_zeros(n, heads, length, v.shape[-1])
        lse = q.new_zeros(n, heads, length)
        for head in range(heads):
            kh, vh = k[:, head // shared], v[:, head // shared]
            for rows in tiles(length, block):
                m = q.new_full((n, rows.stop - rows.start, 1), -math.inf)
                total = torch.zeros_like(m)
                acc = q.new_zeros(n, rows.stop - rows.start, v.shape[-1])
                for columns in tiles(k.shape[2], block):
                    scores = scale * torch.bmm(q[:, head, rows], kh[:, columns].transpose(1, 2))
                    m_new = torch.maximum(m, scores.amax(-1, keepdim=True))
                    p = torch.exp(scores - m_new)
                    shrink = torch.exp(m - m_new)
                    total = total * shrink + p.sum(-1, keepdim=True)
                    acc = acc * shrink + torch.bmm(p, vh[:, columns])
                    m = m_new
                out[:, head, rows] = acc / total
                lse[:, head, rows] = (m + torch.log(total)).squeeze(-1)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.mark_non_differentiable(lse)
        ctx.scale, ctx.block, ctx.shared = scale, block, shared
        return out, lse

    @staticmethod
    @once_differentiable
    def backward(ctx, dout, _dlse):
        q, k, v, out, lse = ctx.saved_tensors
        dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
        delta = (dout * out).sum(-1)
        for head in range(q.shape[1]):
            kv = head // ctx.shared
            for columns in tiles(k.shape[2], ctx.block):
                for rows in tiles(q.shape[2], ctx.block):
                    scores = ctx.scale * q[:, head, rows] @ k[:, kv, columns].transpose(1, 2)
                    p = torch.exp(scores - lse[:, head, rows, None])
                    dp = dout[:, head, rows] @ v[:, kv, columns].transpose(1, 2)
                    ds = p * (dp - delta[:, head, rows, None]) * ctx.scale
                    dv[:, kv, columns] += p.transpose(1, 2) @ dout[:, head, rows]
                    dk[:, kv, columns] += ds.transpose(1, 2) @ q[:, head, rows]
                    dq[:, head, rows] += ds @ k[:, kv, columns]
        return dq, dk, dv, None, None


def grouped_attention(q, k, v):
    return GroupedAttention.apply(q, k, v, 0.4, 2)[0]


def attention_with_repeated_heads(q, k, v):
    k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    return torch.softmax(0.4 * q @ k.transpose(-1, -2), -1) @ v


def of_causal_attention(dtype=torch.float64):
    draw = Numbers(11, dtype)
    return draw.normal(2, 2, 32, 16), draw.normal(2, 2, 32, 16), draw.normal(2, 2, 32, 16)


def of_grouped_attention():
    draw = Numbers(12)
    return draw.normal(2, 4, 5, 3), draw.normal(2, 2, 7, 3), draw.normal(2, 2, 7, 4)


FUNCTIONS = (
    CustomFunction(
        name="causal attention",
        known_from="FlashAttention, xFormers",
        call=causal_attention,
        of=CausalAttention,
        inputs=of_causal_attention,
        mistakes=(
            mistake("δ left out", "ds = p * (dp - delta)", "ds = p * dp"),
            mistake("the scale forgotten in dk", "@ q * s", "@ q"),
            mistake("the last key lost in dv", "dp = do", "dv[:, :, -1] = 0\n        dp = do"),
            mistake("dv × 1.01", "dv = p.tr", "dv = 1.01 * p.tr"),
            mistake("one coordinate of dq × 1.1", "dk = ds", "dq[0, 0, 5, 3] *= 1.1\n        dk = ds"),
            mistake(
                "one row of dk negated", "return dq, dk, dv", "dk[0, 0, 7] *= -1\n        return dq, dk, dv"
            ),
            mistake("dq × 1.000001", "@ k * s", "@ k * s * 1.000001", changes=5e-7),
        ),
    ),
    CustomFunction(
        name="attention in tiles, heads shared",
        known_from="FlashAttention, native-sparse-attention, Levanter",
        call=grouped_attention,
        of=GroupedAttention,
        inputs=of_grouped_attention,
        twin=attention_with_repeated_heads,
        mistakes=(
            mistake(
                "keys' heads assigned, not added up",
                "dk[:, kv, columns] += ds",
                "dk[:, kv, columns] = ds",
                reported="marin-community/levanter#449",
            ),
            mistake(
                "heads interleaved",
                "kv = head // ctx.shared",
                "kv = head % ctx.shared",
                reported="XunhaoLai/native-sparse-attention-triton#27",
            ),
            mistake(
                "values cut to the width of the keys",
                "dp = dout[:, head, rows] @ v[:, kv, columns].transpose(1, 2)",
                "dp = dout[:, head, rows, :3] @ v[:, kv, columns, :3].transpose(1, 2)",
                reported="XunhaoLai/native-sparse-attention-triton#27",
            ),
            mistake(
                "the incomplete tile lost",
                "for columns in tiles(k.shape[2], ctx.block):",
                "for columns in tiles(k.shape[2] // ctx.block * ctx.block, ctx.block):",
            ),
            mistake(
                "the scale in dq alone",
                "dk[:, kv, columns] += ds.tr",
                "dk[:, kv, columns] += ds.div(ctx.scale).tr",
            ),
            mistake("δ of another head", "delta[:, head, rows, None]", "delta[:, head - 1, rows, None]"),
        ),
    ),
)
