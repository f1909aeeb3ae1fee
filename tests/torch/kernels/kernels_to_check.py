"""Kernels in several styles with backward passes by hand, their references, and mistakes that can be planted."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

PLANTED: list[str] = []
"""The mistake that kernels make now, if any."""


def planted(name: str) -> bool:
    return name in PLANTED


class Attention(torch.autograd.Function):
    """Blocks of keys, one after the other, with running maxima; recomputed backwards."""

    block = 8

    @staticmethod
    def forward(ctx, q, k, v):
        scale = q.shape[-1] ** -0.5
        out = torch.zeros(*q.shape[:-1], v.shape[-1], dtype=torch.float32)
        top = torch.full((*q.shape[:-1], 1), -1e30, dtype=torch.float32)
        total = torch.zeros_like(top)
        for start in range(0, k.shape[-2], Attention.block):
            stop = start + Attention.block
            if planted("last block lost") and stop > k.shape[-2]:
                break
            s = q.float() @ k[..., start:stop, :].float().transpose(-1, -2) * scale
            new = torch.maximum(top, s.amax(-1, keepdim=True))
            p, shrink = torch.exp(s - new), torch.exp(top - new)
            total = total * shrink + p.sum(-1, keepdim=True)
            out = out * shrink + p @ v[..., start:stop, :].float()
            top = new
        out = out / total if k.shape[-2] else out  # of no keys nothing
        ctx.save_for_backward(q, k, v, out, top + torch.log(total))
        return out.to(q.dtype)

    @staticmethod
    def backward(ctx, dout):
        q, k, v, out, lse = ctx.saved_tensors
        scale = q.shape[-1] ** -0.5
        qf, kf, vf, do = q.float(), k.float(), v.float(), dout.float()
        p = torch.exp(qf @ kf.transpose(-1, -2) * scale - lse)
        dv = p.transpose(-1, -2) @ do
        delta = (do * out).sum(-1, keepdim=True)
        if planted("no delta"):
            delta = 0
        ds = p * (do @ vf.transpose(-1, -2) - delta)
        dk = ds.transpose(-1, -2) @ qf * (1 if planted("scale forgotten") else scale)
        if planted("dv 1 %"):
            dv = dv * 1.01
        return (ds @ kf * scale).to(q.dtype), dk.to(k.dtype), dv.to(v.dtype)


def attention(q, k, v):
    return torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, -1) @ v


class RMSNorm(torch.autograd.Function):
    buffer: list[torch.Tensor] = []  # noqa: RUF012

    @staticmethod
    def forward(ctx, x, weight):
        wide = x.float() if x.dtype != torch.float64 else x
        r = torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-6)
        if planted("stale"):
            RMSNorm.buffer.append(r)
            r = RMSNorm.buffer[0] if RMSNorm.buffer[0].shape == r.shape else r
        ctx.save_for_backward(x, weight, r)
        return (wide * r * weight).to(x.dtype)

    @staticmethod
    def backward(ctx, dout):
        x, weight, r = ctx.saved_tensors
        wide = torch.float64 if x.dtype == torch.float64 else torch.float32
        if planted("assumes contiguous"):
            dout = torch.as_strided(dout, dout.shape, torch.empty(dout.shape).stride())
        xh, g = x.to(wide) * r, dout.to(wide) * weight
        dx = r * (g - xh * (g * xh).mean(-1, keepdim=True))
        if planted("input changed"):
            x.mul_(1.5)
        if planted("cotangent changed"):
            dout.mul_(2)
        dweight = (dout.to(wide) * xh).reshape(-1, x.shape[-1]).sum(0)
        if planted("odd width") and x.shape[-1] % 2:
            dweight[-1] = 0
        return dx.to(x.dtype), dweight.to(weight.dtype)


def rms_norm(x, weight):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * weight


class CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, target):
        logp = torch.log_softmax(logits.float(), -1)
        ctx.save_for_backward(logp, target)
        return -logp.gather(1, target[:, None]).sum().to(logits.dtype) / max(1, len(target))

    @staticmethod
    def backward(ctx, dout):
        logp, target = ctx.saved_tensors
        g = torch.exp(logp)
        g[torch.arange(len(target)), target] -= 1
        if planted("not averaged"):
            return g * dout.float(), None
        return (g * dout.float() / max(1, len(target))).to(dout.dtype), None


def cross_entropy(logits, target):
    return F.cross_entropy(logits, target, reduction="sum") / max(1, len(target))
