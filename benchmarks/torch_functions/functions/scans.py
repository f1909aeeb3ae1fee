"""Sequences of state-space models: selective scan, short causal convolution, linear attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.autograd import Function

from benchmarks.torch_functions.numbers import Numbers
from benchmarks.torch_functions.planting import CustomFunction, mistake


class SelectiveScan(Function):
    """h_t = exp(δ_t A) h_{t−1} + δ_t B_t u_t, y_t = C_t h_t + D u_t, gated by silu(z); δ = softplus(Δ + bias).

    u, Δ, z (n, channels, length); A (channels, states); B, C (n, states, length); D, bias (channels).
    """

    @staticmethod
    def forward(ctx, u, delta, A, B, C, D, z, delta_bias):
        d = F.softplus(delta + delta_bias[:, None])
        h = u.new_zeros(u.shape[0], u.shape[1], A.shape[1])
        ys, hs = [], [h]
        for t in range(u.shape[2]):
            h = torch.exp(d[:, :, t, None] * A) * h + (d[:, :, t] * u[:, :, t])[..., None] * B[:, None, :, t]
            hs.append(h)
            ys.append((h * C[:, None, :, t]).sum(-1))
        y = torch.stack(ys, 2) + D[:, None] * u
        ctx.save_for_backward(u, delta, A, B, C, D, z, delta_bias, torch.stack(hs))
        return y * F.silu(z)

    @staticmethod
    def backward(ctx, dout):
        u, delta, A, B, C, D, z, delta_bias, hs = ctx.saved_tensors
        raw = delta + delta_bias[:, None]
        d = F.softplus(raw)
        y = (hs[1:] * C.permute(2, 0, 1)[:, :, None]).sum(-1).permute(1, 2, 0) + D[:, None] * u
        sz = torch.sigmoid(z)
        dz = dout * y * sz * (1 + z * (1 - sz))
        dy = dout * z * sz
        du = dy * D[:, None]
        dD = (dy * u).sum((0, 2))
        dd, dA, dB, dC = torch.zeros_like(d), torch.zeros_like(A), torch.zeros_like(B), torch.zeros_like(C)
        dh = torch.zeros_like(hs[0])
        for t in range(u.shape[2] - 1, -1, -1):
            dh = dh + dy[:, :, t, None] * C[:, None, :, t]
            dC[:, :, t] = (dy[:, :, t, None] * hs[t + 1]).sum(1)
            decay = torch.exp(d[:, :, t, None] * A)
            through = dh * hs[t] * decay
            dA += (through * d[:, :, t, None]).sum(0)
            weighted = (dh * B[:, None, :, t]).sum(-1)
            dd[:, :, t] = (through * A).sum(-1) + weighted * u[:, :, t]
            du[:, :, t] += weighted * d[:, :, t]
            dB[:, :, t] = (dh * (d * u)[:, :, t, None]).sum(1)
            dh = dh * decay
        ddelta = dd * torch.sigmoid(raw)
        return du, ddelta, dA, dB, dC, dD, dz, ddelta.sum((0, 2))


def selective_scan(u, delta, A, B, C, D, z, delta_bias):
    return SelectiveScan.apply(u, delta, A, B, C, D, z, delta_bias)


class CausalConv1d(Function):
    """silu of a convolution along time, each channel with its own few taps; x (n, channels, length)."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        taps = weight.shape[1]
        padded = F.pad(x, (taps - 1, 0))
        pre = bias[:, None] + sum(
            weight[:, tap, None] * padded[..., tap : tap + x.shape[2]] for tap in range(taps)
        )
        ctx.save_for_backward(x, weight, pre)
        return pre * torch.sigmoid(pre)

    @staticmethod
    def backward(ctx, dout):
        x, weight, pre = ctx.saved_tensors
        taps, length = weight.shape[1], x.shape[2]
        s = torch.sigmoid(pre)
        g = dout * s * (1 + pre * (1 - s))
        dx, dw = torch.zeros_like(x), torch.zeros_like(weight)
        for tap in range(taps):
            lag = taps - 1 - tap
            if lag >= length:
                continue
            ahead = g[..., lag:]
            dx[..., : length - lag] += ahead * weight[:, tap, None]
            dw[:, tap] = (ahead * x[..., : length - lag]).sum((0, 2))
        db = g.sum((0, 2))
        return dx, dw, db


def causal_conv1d(x, weight, bias):
    return CausalConv1d.apply(x, weight, bias)


class ChunkedLinearAttention(Function):
    """o_t = q_t S_t, S_t = γ S_{t−1} + k_tᵀ v_t, chunk by chunk; γ is a plain number. (n, heads, length, width)."""

    @staticmethod
    def forward(ctx, q, k, v, gamma, chunk):
        S = q.new_zeros(*q.shape[:2], q.shape[-1], v.shape[-1])
        outs, states = [], []
        for qc, kc, vc in zip(q.split(chunk, 2), k.split(chunk, 2), v.split(chunk, 2), strict=True):
            steps = torch.arange(qc.shape[2], dtype=q.dtype)
            within = (gamma ** (steps[:, None] - steps)).tril()
            into = gamma ** (steps + 1)[:, None]
            out_of = gamma ** (qc.shape[2] - 1 - steps)[:, None]
            states.append(S)
            outs.append((qc @ kc.mT * within) @ vc + into * (qc @ S))
            S = gamma ** qc.shape[2] * S + (kc * out_of).mT @ vc
        ctx.save_for_backward(q, k, v, *states)
        ctx.gamma, ctx.chunk = gamma, chunk
        return torch.cat(outs, 2)

    @staticmethod
    def backward(ctx, do):
        q, k, v, *states = ctx.saved_tensors
        gamma = ctx.gamma
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        dS = torch.zeros_like(states[0])
        for number in reversed(range(len(states))):
            at = slice(number * ctx.chunk, min((number + 1) * ctx.chunk, q.shape[2]))
            qc, kc, vc, g, S = q[:, :, at], k[:, :, at], v[:, :, at], do[:, :, at], states[number]
            size = qc.shape[2]
            steps = torch.arange(size, dtype=q.dtype)
            within = (gamma ** (steps[:, None] - steps)).tril()
            into = gamma ** (steps + 1)[:, None]
            out_of = gamma ** (size - 1 - steps)[:, None]
            dP = (g @ vc.mT) * within
            dq[:, :, at] = dP @ kc + into * (g @ S.mT)
            dk[:, :, at] = dP.mT @ qc + out_of * (vc @ dS.mT)
            dv[:, :, at] = (qc @ kc.mT * within).mT @ g + out_of * (kc @ dS)
            dS = gamma**size * dS + (qc * into).mT @ g
        return dq, dk, dv, None, None


def linear_attention(q, k, v):
    return ChunkedLinearAttention.apply(q, k, v, 0.9, 3)


def of_selective_scan():
    draw = Numbers(51)
    n, channels, states, length = 2, 3, 2, 5
    return (
        draw.normal(n, channels, length),
        draw.normal(n, channels, length),
        draw.uniform(channels, states, low=-1.5, high=-0.3),
        draw.normal(n, states, length),
        draw.normal(n, states, length),
        draw.normal(channels),
        draw.normal(n, channels, length),
        draw.normal(channels, scale=0.5),
    )


def of_causal_conv1d():
    draw = Numbers(52)
    return draw.normal(2, 4, 7), draw.normal(4, 3, scale=0.6), draw.normal(4, scale=0.2)


def of_linear_attention():
    draw = Numbers(53)
    return draw.normal(1, 2, 8, 3), draw.normal(1, 2, 8, 3), draw.normal(1, 2, 8, 4)


FUNCTIONS = (
    CustomFunction(
        name="selective scan",
        known_from="Mamba, mamba.py",
        call=selective_scan,
        of=SelectiveScan,
        inputs=of_selective_scan,
        mistakes=(
            mistake(
                "z has a buffer that is never written",
                "return du, ddelta, dA, dB, dC, dD, dz,",
                "dz = torch.zeros_like(z)\n        return du, ddelta, dA, dB, dC, dD, dz,",
            ),
            mistake("δ without its softplus", "ddelta = dd * torch.sigmoid(raw)", "ddelta = dd"),
            mistake(
                "softplus' without the bias",
                "ddelta = dd * torch.sigmoid(raw)",
                "ddelta = dd * torch.sigmoid(delta)",
            ),
            mistake(
                "the state after the step in dA",
                "through = dh * hs[t] * decay",
                "through = dh * hs[t + 1] * decay",
            ),
            mistake(
                "decay of the next step", "dh = dh * decay", "dh = dh * torch.exp(d[:, :, t - 1, None] * A)"
            ),
            mistake("u's way through the gate lost", "du = dy * D[:, None]", "du = dout * D[:, None]"),
            mistake(
                "dB not summed over channels",
                "(dh * (d * u)[:, :, t, None]).sum(1)",
                "(dh * (d * u)[:, :, t, None])[:, 0]",
            ),
            mistake("the bias's gradient without the batch", "ddelta.sum((0, 2))", "ddelta.sum(2)[0]"),
        ),
    ),
    CustomFunction(
        name="causal convolution",
        known_from="causal-conv1d, flash-linear-attention, cherimoya",
        call=causal_conv1d,
        of=CausalConv1d,
        inputs=of_causal_conv1d,
        mistakes=(
            mistake(
                "x not shifted in dw",
                "(ahead * x[..., : length - lag])",
                "(ahead * x[..., lag:])",
                reported="fla-org/flash-linear-attention#388",
            ),
            mistake(
                "taps overwrite each other",
                "dx[..., : length - lag] += ahead",
                "dx[..., : length - lag] = ahead",
                reported="jmschrei/cherimoya#25",
            ),
            mistake(
                "taps in the other order", "ahead * weight[:, tap, None]", "ahead * weight[:, lag, None]"
            ),
            mistake(
                "shifted the wrong way",
                "dx[..., : length - lag] += ahead * weight[:, tap, None]",
                "dx[..., lag:] += g[..., : length - lag] * weight[:, tap, None]",
            ),
            mistake("the activation's slope in dx alone", "db = g.sum((0, 2))", "db = dout.sum((0, 2))"),
            mistake(
                "dw rounded to half precision",
                "(ahead * x[..., : length - lag]).sum((0, 2))",
                "(ahead.float() * x[..., : length - lag].float()).half().float().sum((0, 2))",
                changes=1e-5,
            ),
        ),
    ),
    CustomFunction(
        name="linear attention in chunks",
        known_from="flash-linear-attention, RetNet",
        call=linear_attention,
        of=ChunkedLinearAttention,
        inputs=of_linear_attention,
        mistakes=(
            mistake("no decay of dS", "dS = gamma**size * dS +", "dS = dS +"),
            mistake("no decay within the chunk in dv", "out_of * (kc @ dS)", "kc @ dS"),
            mistake(
                "dS of this chunk, not of those after",
                "dP = (g @ vc.mT) * within",
                "dS = gamma**size * dS + (qc * into).mT @ g\n            dP = (g @ vc.mT) * within",
            ),
            mistake("dk without what the state carries", "dP.mT @ qc + out_of * (vc @ dS.mT)", "dP.mT @ qc"),
            mistake("one step too many in the state", "into * (g @ S.mT)", "gamma * into * (g @ S.mT)"),
            mistake("the mask forgotten", "dP = (g @ vc.mT) * within", "dP = g @ vc.mT"),
        ),
    ),
)
