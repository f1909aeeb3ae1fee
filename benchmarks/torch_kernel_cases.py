"""Kernels as they are written by hand, each beside a plain reference: other algorithms for the same functions.

Each computes in single precision inside, or in double where it is given that, and has a `planted` mistake in its
gradients if one is set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

Gradients = tuple[torch.Tensor | None, ...]
Change = Callable[[Gradients], Gradients]

planted: list[Change] = []
"""What is done to the gradients of every kernel here, if anything."""


def returned(*gradients: torch.Tensor | None) -> Gradients:
    """Return gradients, with the mistake that is planted."""
    return planted[0](gradients) if planted else gradients


def wide(*tensors: torch.Tensor) -> list[torch.Tensor]:
    """Return tensors in the dtype in which kernels compute: single precision at least."""
    return [x if x.dtype is torch.float64 else x.float() for x in tensors]


class Attention(torch.autograd.Function):
    """Blocks of keys one after the other, with running maxima and sums; probabilities are computed again backwards."""

    @staticmethod
    def forward(ctx: Any, q: Any, k: Any, v: Any) -> Any:
        qw, kw, vw = wide(q, k, v)
        scale = q.shape[-1] ** -0.5
        out = qw.new_zeros(*q.shape[:-1], v.shape[-1])
        top, total = qw.new_full((*q.shape[:-1], 1), -1e30), qw.new_zeros(*q.shape[:-1], 1)
        for start in range(0, k.shape[-2], 8):
            s = qw @ kw[..., start : start + 8, :].transpose(-1, -2) * scale
            new = torch.maximum(top, s.amax(-1, keepdim=True))
            p, shrink = torch.exp(s - new), torch.exp(top - new)
            total, out, top = (
                total * shrink + p.sum(-1, keepdim=True),
                out * shrink + p @ vw[..., start : start + 8, :],
                new,
            )
        out = out / total if k.shape[-2] else out
        ctx.save_for_backward(q, k, v, out, top + torch.log(total))
        return out.to(q.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        q, k, v, out, lse = ctx.saved_tensors
        qw, kw, vw, do = wide(q, k, v, dout)
        scale = q.shape[-1] ** -0.5
        p = torch.exp(qw @ kw.transpose(-1, -2) * scale - lse)
        ds = p * (do @ vw.transpose(-1, -2) - (do * out).sum(-1, keepdim=True))
        return returned(
            (ds @ kw * scale).to(q.dtype),
            (ds.transpose(-1, -2) @ qw * scale).to(k.dtype),
            (p.transpose(-1, -2) @ do).to(v.dtype),
        )


def attention(q: Any, k: Any, v: Any) -> Any:
    """Return softmax(q·kᵀ/√d)·v."""
    return torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5, -1) @ v


class LayerNorm(torch.autograd.Function):
    """Means and variances by Welford's updates, block by block."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any) -> Any:
        xw, ww, bw = wide(x, weight, bias)
        mean, moment, count = xw.new_zeros(*x.shape[:-1], 1), xw.new_zeros(*x.shape[:-1], 1), 0
        for start in range(0, x.shape[-1], 16):
            block = xw[..., start : start + 16]
            n = block.shape[-1]
            of_block = block.mean(-1, keepdim=True)
            delta = of_block - mean
            moment = moment + (block - of_block).square().sum(-1, keepdim=True)
            moment = moment + delta.square() * count * n / (count + n)
            mean, count = mean + delta * n / (count + n), count + n
        rstd = torch.rsqrt(moment / count + 1e-5)
        ctx.save_for_backward(x, weight, mean, rstd)
        return ((xw - mean) * rstd * ww + bw).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        x, weight, mean, rstd = ctx.saved_tensors
        xw, ww, do = wide(x, weight, dout)
        xh = (xw - mean) * rstd
        g = do * ww
        c1, c2 = (g * xh).mean(-1, keepdim=True), g.mean(-1, keepdim=True)
        rows = tuple(range(x.dim() - 1))
        return returned(
            ((g - xh * c1 - c2) * rstd).to(x.dtype),
            (do * xh).sum(rows).to(x.dtype) if rows else (do * xh).to(x.dtype),
            (do.sum(rows) if rows else do).to(x.dtype),
        )


def layer_norm(x: Any, weight: Any, bias: Any) -> Any:
    """Return torch's layer norm."""
    return F.layer_norm(x, x.shape[-1:], weight, bias, 1e-5)


class RMSNorm(torch.autograd.Function):
    """The root mean square in single precision."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any) -> Any:
        xw, ww = wide(x, weight)
        r = torch.rsqrt((xw * xw).sum(-1, keepdim=True) / x.shape[-1] + 1e-6)
        ctx.save_for_backward(x, weight, r)
        return (xw * r * ww).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        x, weight, r = ctx.saved_tensors
        xw, ww, do = wide(x, weight, dout)
        g = do * ww
        dx = r * g - xw * r**3 * (g * xw).sum(-1, keepdim=True) / x.shape[-1]
        return returned(dx.to(x.dtype), (do * xw * r).reshape(-1, x.shape[-1]).sum(0).to(x.dtype))


def rms_norm(x: Any, weight: Any) -> Any:
    """Return x/√(mean x² + ε)·weight."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * weight


class CrossEntropy(torch.autograd.Function):
    """In chunks of classes, with a running log-sum-exp; the gradient is computed in the forward pass."""

    @staticmethod
    def forward(ctx: Any, logits: Any, target: Any) -> Any:
        (z,) = wide(logits)
        lse = z.new_full(z.shape[:1], -1e30)
        for start in range(0, z.shape[1], 32):
            lse = torch.logaddexp(lse, torch.logsumexp(z[:, start : start + 32], 1))
        rows = torch.arange(len(z))
        g = torch.exp(z - lse[:, None])
        g[rows, target] -= 1
        ctx.save_for_backward((g / len(z)).to(logits.dtype))
        return (lse - z[rows, target]).mean().to(logits.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        (g,) = ctx.saved_tensors
        return returned(g * dout, None)


class SwiGLU(torch.autograd.Function):
    """Gate and value in one; σ is computed again backwards."""

    @staticmethod
    def forward(ctx: Any, gate: Any, up: Any) -> Any:
        a, b = wide(gate, up)
        ctx.save_for_backward(gate, up)
        return (a * torch.sigmoid(a) * b).to(gate.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        gate, up = ctx.saved_tensors
        a, b, do = wide(gate, up, dout)
        s = torch.sigmoid(a)
        return returned((do * b * s * (1 + a * (1 - s))).to(gate.dtype), (do * a * s).to(gate.dtype))


class GeGLU(torch.autograd.Function):
    """With the approximation by tanh."""

    @staticmethod
    def forward(ctx: Any, gate: Any, up: Any) -> Any:
        a, b = wide(gate, up)
        ctx.save_for_backward(gate, up)
        t = torch.tanh(0.7978845608028654 * (a + 0.044715 * a**3))
        return (0.5 * a * (1 + t) * b).to(gate.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        gate, up = ctx.saved_tensors
        a, b, do = wide(gate, up, dout)
        t = torch.tanh(0.7978845608028654 * a * (1 + 0.044715 * a * a))
        slope = 0.7978845608028654 * (1 + 3 * 0.044715 * a * a)
        dgate = 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * slope
        return returned((do * b * dgate).to(gate.dtype), (do * 0.5 * a * (1 + t)).to(gate.dtype))


class Rotary(torch.autograd.Function):
    """Halves turned; backwards by the negative angle."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        half = x.shape[-1] // 2
        steps = torch.arange(x.shape[-2], dtype=torch.float64)[:, None]
        angle = steps * 10000.0 ** (-torch.arange(half, dtype=torch.float64) / max(1, half))
        cos, sin = (f(angle).to(wide(x)[0].dtype) for f in (torch.cos, torch.sin))
        ctx.save_for_backward(cos, sin)
        (xw,) = wide(x)
        a, b = xw[..., :half], xw[..., half:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        cos, sin = ctx.saved_tensors
        half = cos.shape[-1]
        (do,) = wide(dout)
        a, b = do[..., :half], do[..., half:]
        return returned(torch.cat([a * cos + b * sin, b * cos - a * sin], -1).to(dout.dtype))


def rotary(x: Any) -> Any:
    """Return pairs of entries turned by angles that grow with their place."""
    half = x.shape[-1] // 2
    steps = torch.arange(x.shape[-2], dtype=x.dtype)[:, None]
    angle = steps * 10000.0 ** (-torch.arange(half, dtype=x.dtype) / max(1, half))
    a, b = x[..., :half], x[..., half:]
    return torch.cat(
        [a * torch.cos(angle) - b * torch.sin(angle), b * torch.cos(angle) + a * torch.sin(angle)], -1
    )


class CumulativeSum(torch.autograd.Function):
    """One after the other, as a loop of a thread does it."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return _running(wide(x)[0]).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        return returned(_running(wide(dout)[0].flip(-1)).flip(-1).to(dout.dtype))


def _running(x: torch.Tensor) -> torch.Tensor:
    out, total = torch.empty_like(x), x.new_zeros(x.shape[:-1])
    for k in range(x.shape[-1]):
        total = total + x[..., k]
        out[..., k] = total
    return out


class LinearScan(torch.autograd.Function):
    """h ← a·h + b over time, states kept; backwards in reverse."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        aw, bw = wide(torch.sigmoid(wide(a)[0]), b)
        h, states = bw.new_zeros(b.shape[0], b.shape[2]), []
        for t in range(b.shape[1]):
            h = aw[:, t] * h + bw[:, t]
            states.append(h)
        out = torch.stack(states, 1) if states else bw
        ctx.save_for_backward(a, aw, out)
        return out.to(b.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        a, aw, out = ctx.saved_tensors
        (do,) = wide(dout)
        da, db = torch.zeros_like(aw), torch.zeros_like(aw)
        carry = do.new_zeros(do.shape[0], do.shape[2])
        for t in reversed(range(do.shape[1])):
            carry = carry + do[:, t]
            db[:, t] = carry
            da[:, t] = carry * (out[:, t - 1] if t else 0) * aw[:, t] * (1 - aw[:, t])
            carry = carry * aw[:, t]
        return returned(da.to(a.dtype), db.to(a.dtype))


def linear_scan(a: Any, b: Any) -> Any:
    """Return the states of h ← σ(a)·h + b."""
    h, states = torch.zeros_like(b[:, :1]).sum(1), []
    for t in range(b.shape[1]):
        h = torch.sigmoid(a[:, t]) * h + b[:, t]
        states.append(h)
    return torch.stack(states, 1) if states else b


class GroupNorm(torch.autograd.Function):
    """Variance as the mean of squares of what is centred, in single precision."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        (xw,) = wide(x)
        groups = xw.reshape(x.shape[0], 2, -1)
        centred = groups - groups.mean(-1, keepdim=True)
        rstd = torch.rsqrt(centred.square().mean(-1, keepdim=True) + 1e-5)
        ctx.save_for_backward(centred * rstd, rstd)
        return (centred * rstd).reshape(x.shape).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        xh, rstd = ctx.saved_tensors
        g = wide(dout)[0].reshape(xh.shape)
        dx = rstd * (g - g.mean(-1, keepdim=True) - xh * (g * xh).mean(-1, keepdim=True))
        return returned(dx.reshape(dout.shape).to(dout.dtype))


class Convolution(torch.autograd.Function):
    """By im2col."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any) -> Any:
        xw, ww = wide(x, weight)
        columns = F.unfold(xw, weight.shape[-2:])
        ctx.save_for_backward(x, weight)
        out = ww.reshape(len(ww), -1) @ columns
        sizes = [x.shape[k] - weight.shape[k] + 1 for k in (2, 3)]
        return out.reshape(len(x), len(ww), *sizes).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        x, weight = ctx.saved_tensors
        xw, ww, do = wide(x, weight, dout)
        g = do.reshape(len(x), len(ww), -1)
        columns = F.unfold(xw, weight.shape[-2:])
        dx = F.fold(ww.reshape(len(ww), -1).T @ g, x.shape[-2:], weight.shape[-2:])
        dw = (g @ columns.transpose(1, 2)).sum(0).reshape(weight.shape)
        return returned(dx.to(x.dtype), dw.to(x.dtype))


class MaxPool(torch.autograd.Function):
    """Pairs; of equals the second one gets the gradient, other than in torch."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        pairs = x[..., : x.shape[-1] // 2 * 2].reshape(*x.shape[:-1], -1, 2)
        second = pairs[..., 1] >= pairs[..., 0]
        ctx.save_for_backward(second)
        ctx.shape = x.shape
        return torch.where(second, pairs[..., 1], pairs[..., 0])

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        (second,) = ctx.saved_tensors
        dx = dout.new_zeros(ctx.shape)
        both = torch.stack([torch.where(second, 0, dout), torch.where(second, dout, 0)], -1)
        dx[..., : 2 * dout.shape[-1]] = both.reshape(*dout.shape[:-1], -1)
        return returned(dx)


class TopGates(torch.autograd.Function):
    """Softmax over the two largest logits, scattered."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        values, places = torch.topk(wide(x)[0], 2, -1)
        p = torch.exp(values - values[..., :1])
        p = p / p.sum(-1, keepdim=True)
        ctx.save_for_backward(p, places)
        return torch.zeros_like(wide(x)[0]).scatter(-1, places, p).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        p, places = ctx.saved_tensors
        g = wide(dout)[0].gather(-1, places)
        dp = p * (g - (g * p).sum(-1, keepdim=True))
        return returned(torch.zeros_like(wide(dout)[0]).scatter(-1, places, dp).to(dout.dtype))


def top_gates(x: Any) -> Any:
    """Return the softmax over the two largest of each row, zeros elsewhere."""
    values, places = torch.topk(x, 2, -1)
    return torch.zeros_like(x).scatter(-1, places, torch.softmax(values, -1))


class Dropout(torch.autograd.Function):
    """With a mask that is given."""

    @staticmethod
    def forward(ctx: Any, x: Any, mask: Any) -> Any:
        ctx.save_for_backward(mask)
        return torch.where(mask, (wide(x)[0] / 0.7).to(x.dtype), 0)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        (mask,) = ctx.saved_tensors
        return returned((wide(dout)[0] * mask * (1 / 0.7)).to(dout.dtype), None)


class Embedding(torch.autograd.Function):
    """Rows of a table; backwards a sum over repeated places."""

    @staticmethod
    def forward(ctx: Any, table: Any, places: Any) -> Any:
        ctx.save_for_backward(places)
        ctx.rows = len(table)
        return table[places]

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        (places,) = ctx.saved_tensors
        one_hot = F.one_hot(places.reshape(-1), ctx.rows).to(wide(dout)[0].dtype)
        return returned((one_hot.T @ wide(dout)[0].reshape(-1, dout.shape[-1])).to(dout.dtype), None)


class SegmentSum(torch.autograd.Function):
    """Sums of rows that belong together, by a product with their membership."""

    @staticmethod
    def forward(ctx: Any, x: Any, places: Any) -> Any:
        ctx.save_for_backward(places)
        return (F.one_hot(places, 5).to(wide(x)[0].dtype).T @ wide(x)[0]).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        (places,) = ctx.saved_tensors
        return returned(dout[places], None)


class LogSumExp(torch.autograd.Function):
    """Halves that are merged."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        (xw,) = wide(x)
        lse = torch.logaddexp(torch.logsumexp(xw[..., ::2], -1), torch.logsumexp(xw[..., 1::2], -1))
        ctx.save_for_backward(x, lse)
        return lse.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        x, lse = ctx.saved_tensors
        return returned((torch.exp(wide(x)[0] - lse[..., None]) * wide(dout)[0][..., None]).to(x.dtype))


class Linear(torch.autograd.Function):
    """A product in blocks of the inner axis, added up one after the other."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any) -> Any:
        xw, ww = wide(x, weight)
        ctx.save_for_backward(x, weight)
        out = xw.new_zeros(len(x), len(weight))
        for k in range(0, x.shape[1], 4):
            out = out + xw[:, k : k + 4] @ ww[:, k : k + 4].T
        return out.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        x, weight = ctx.saved_tensors
        xw, ww, do = wide(x, weight, dout)
        dw = torch.zeros_like(ww)
        for k in range(len(x)):
            dw = dw + do[k, :, None] * xw[k]
        return returned((do @ ww).to(x.dtype), dw.to(x.dtype))


class Rounded(torch.autograd.Function):
    """Values on a grid of eighths; the gradient passes through as it does in the reference."""

    @staticmethod
    def forward(ctx: Any, x: Any, scale: Any) -> Any:
        ctx.save_for_backward(x, scale)
        return ((wide(x)[0] * 8).round() / 8 * wide(scale)[0]).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        x, _ = ctx.saved_tensors
        xw, do = wide(x, dout)
        dscale = (do * (xw * 8).round() / 8).reshape(-1, x.shape[-1]).sum(0)
        return returned(torch.zeros_like(x), dscale.to(x.dtype))


@dataclass(frozen=True, slots=True)
class Case:
    """A kernel beside its reference, with inputs for a length, and a scale of these."""

    name: str
    reference: Callable[..., Any]
    kernel: Any
    inputs: Callable[[int, torch.Generator], dict[str, Any]]
    long: bool = False
    unscaled: tuple[str, ...] = field(default=())


def _whole(count: int) -> Callable[[int, torch.Generator], torch.Tensor]:
    return lambda n, g: torch.randint(0, count, (n,), generator=g)


CASES = (
    Case("attention", attention, Attention, lambda n, _: {"q": (2, 5, 8), "k": (2, n, 8), "v": (2, n, 6)}),
    Case(
        "layer norm",
        layer_norm,
        LayerNorm,
        lambda n, _: {"x": (3, n), "weight": (n,), "bias": (n,)},
        long=True,
    ),
    Case("RMS norm", rms_norm, RMSNorm, lambda n, _: {"x": (2, 2, n), "weight": (n,)}, long=True),
    Case(
        "cross entropy",
        F.cross_entropy,
        CrossEntropy,
        lambda n, g: {"logits": (6, n), "target": torch.randint(0, n, (6,), generator=g)},
        long=True,
    ),
    Case(
        "SwiGLU", lambda a, b: F.silu(a) * b, SwiGLU, lambda n, _: {"gate": (2, n), "up": (2, n)}, long=True
    ),
    Case(
        "GeGLU",
        lambda a, b: F.gelu(a, approximate="tanh") * b,
        GeGLU,
        lambda n, _: {"gate": (2, n), "up": (2, n)},
    ),
    Case("rotary", rotary, Rotary, lambda n, _: {"x": (2, n, 8)}),
    Case("cumulative sum", lambda x: x.cumsum(-1), CumulativeSum, lambda n, _: {"x": (2, n)}, long=True),
    Case(
        "linear scan",
        linear_scan,
        LinearScan,
        lambda n, _: {"a": (2, min(n, 40), 3), "b": (2, min(n, 40), 3)},
    ),
    Case("group norm", lambda x: F.group_norm(x, 2), GroupNorm, lambda n, _: {"x": (2, 4, n)}),
    Case(
        "convolution",
        F.conv2d,
        Convolution,
        lambda n, _: {"x": (2, 3, 3, min(n, 64) + 2), "weight": (4, 3, 3, 3)},
    ),
    Case(
        "max pool",
        lambda x: F.max_pool1d(x, 2),
        MaxPool,
        lambda n, g: {"x": torch.randint(0, 3, (2, 2, n + 1), generator=g) / 2},
    ),
    Case("top-2 gates", top_gates, TopGates, lambda n, _: {"x": (3, n + 1)}),
    Case(
        "dropout",
        lambda x, mask: x * mask / 0.7,
        Dropout,
        lambda n, g: {"x": (3, n), "mask": torch.rand(3, n, generator=g) < 0.7},
    ),
    Case(
        "embedding",
        lambda table, places: F.embedding(places, table),
        Embedding,
        lambda n, g: {"table": (5, 4), "places": _whole(5)(n, g)},
        long=True,
    ),
    Case(
        "segment sum",
        lambda x, places: torch.zeros(5, x.shape[1], dtype=x.dtype).index_add(0, places, x),
        SegmentSum,
        lambda n, g: {"x": (n, 3), "places": _whole(5)(n, g)},
        long=True,
    ),
    Case("log-sum-exp", lambda x: torch.logsumexp(x, -1), LogSumExp, lambda n, _: {"x": (3, n)}, long=True),
    Case("linear", lambda x, w: x @ w.T, Linear, lambda n, _: {"x": (n, 7), "weight": (3, 7)}, long=True),
    Case(
        "rounded",
        lambda x, scale: (x * 8).round() / 8 * scale,
        Rounded,
        lambda n, _: {"x": (3, n), "scale": (n,)},
    ),
)
