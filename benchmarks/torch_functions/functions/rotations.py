"""Rotary positions, convolutions by Fourier transforms, and recurrences of complex numbers."""

from __future__ import annotations

import torch
from torch.autograd import Function

from benchmarks.torch_functions.numbers import Numbers
from benchmarks.torch_functions.planting import CustomFunction, mistake


def rotate_half(x):
    left, right = x.chunk(2, dim=-1)
    return torch.cat((-right, left), dim=-1)


def rotate_half_back(x):
    left, right = x.chunk(2, dim=-1)
    return torch.cat((right, -left), dim=-1)


class RotaryQK(Function):
    """x cos + rotate_half(x) sin of queries and keys; the angles of the two halves are not the same."""

    @staticmethod
    def forward(q, k, cos, sin):
        return q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, _, cos, sin = inputs
        ctx.save_for_backward(cos, sin)

    @staticmethod
    def backward(ctx, dq, dk):
        cos, sin = ctx.saved_tensors
        grad_q = dq * cos + rotate_half_back(dq * sin)
        grad_k = dk * cos + rotate_half_back(dk * sin)
        return grad_q, grad_k, None, None


def rotary(q, k, cos, sin):
    return RotaryQK.apply(q, k, cos, sin)


class LongConvolution(Function):
    """Causal convolution of u (n, channels, length) with filters as long as it, by FFT, plus D u."""

    @staticmethod
    def forward(ctx, u, k, D):
        length = u.shape[-1]
        uf = torch.fft.rfft(u, n=2 * length)
        kf = torch.fft.rfft(k, n=2 * length)
        y = torch.fft.irfft(uf * kf, n=2 * length)[..., :length]
        ctx.save_for_backward(u, uf, kf, D)
        return y + u * D[:, None]

    @staticmethod
    def backward(ctx, dout):
        u, uf, kf, D = ctx.saved_tensors
        length = u.shape[-1]
        df = torch.fft.rfft(dout, n=2 * length)
        du = torch.fft.irfft(df * kf.conj(), n=2 * length)[..., :length] + dout * D[:, None]
        dk = torch.fft.irfft((df * uf.conj()).sum(0), n=2 * length)[..., :length]
        dD = (dout * u).sum((0, 2))
        return du, dk, dD


def long_convolution(u, k, D):
    return LongConvolution.apply(u, k, D)


class ComplexScan(Function):
    """h_t = a_t h_{t−1} + x_t with complex a and x, (n, length, channels)."""

    @staticmethod
    def forward(ctx, a, x):
        h = torch.zeros_like(x[:, 0])
        states = []
        for t in range(x.shape[1]):
            h = a[:, t] * h + x[:, t]
            states.append(h)
        out = torch.stack(states, 1)
        ctx.save_for_backward(a, out)
        return out

    @staticmethod
    def backward(ctx, g):
        a, out = ctx.saved_tensors
        da, dx = torch.zeros_like(a), torch.zeros_like(out)
        carried = torch.zeros_like(g[:, 0])
        for t in reversed(range(g.shape[1])):
            carried = carried + g[:, t]
            dx[:, t] = carried
            if t > 0:
                da[:, t] = carried * out[:, t - 1].conj()
            carried = carried * a[:, t].conj()
        return da, dx


def complex_scan(a_real, a_imag, x_real, x_imag):
    states = ComplexScan.apply(torch.complex(a_real, a_imag), torch.complex(x_real, x_imag))
    return torch.view_as_real(states)


def of_rotary():
    draw = Numbers(41)
    angles = draw.plain(5, 6)
    return draw.normal(2, 3, 5, 6), draw.normal(2, 1, 5, 6), angles.cos(), angles.sin()


def of_long_convolution():
    draw = Numbers(42)
    return draw.normal(2, 3, 6), draw.normal(3, 6), draw.normal(3)


def of_complex_scan():
    draw = Numbers(43)
    return tuple(draw.normal(2, 4, 3, scale=0.6) for _ in range(4))


FUNCTIONS = (
    CustomFunction(
        name="rotary positions",
        known_from="Unsloth, FlashAttention, PaddlePaddle",
        call=rotary,
        of=RotaryQK,
        inputs=of_rotary,
        mistakes=(
            mistake(
                "turned before the product with sin",
                "grad_q = dq * cos + rotate_half_back(dq * sin)",
                "grad_q = dq * cos + rotate_half_back(dq) * sin",
                reported="PaddlePaddle/Paddle#74716",
            ),
            mistake(
                "turned the same way as forwards",
                "grad_k = dk * cos + rotate_half_back(dk * sin)",
                "grad_k = dk * cos + rotate_half(dk * sin)",
            ),
            mistake(
                "the keys are not turned",
                "return grad_q, grad_k, None, None",
                "return grad_q, dk, None, None",
            ),
            mistake("cos left out", "grad_q = dq * cos", "grad_q = dq"),
            mistake(
                "the last position lost",
                "return grad_q, grad_k",
                "grad_k[..., -1, :] = 0\n        return grad_q, grad_k",
            ),
        ),
    ),
    CustomFunction(
        name="long convolution",
        known_from="Hyena, FlashFFTConv",
        call=long_convolution,
        of=LongConvolution,
        inputs=of_long_convolution,
        mistakes=(
            mistake("no conjugate in du", "df * kf.conj()", "df * kf"),
            mistake("no conjugate in dk", "df * uf.conj()", "df * uf"),
            mistake(
                "not padded going back",
                "df = torch.fft.rfft(dout, n=2 * length)",
                "df = torch.fft.rfft(torch.cat((dout, dout), -1), n=2 * length)",
            ),
            mistake("D u forgotten", "[..., :length] + dout * D[:, None]", "[..., :length]"),
            mistake("filters averaged over the batch", "(df * uf.conj()).sum(0)", "(df * uf.conj()).mean(0)"),
        ),
    ),
    CustomFunction(
        name="complex scan",
        known_from="mamba.py, LRU, S5",
        call=complex_scan,
        of=ComplexScan,
        inputs=of_complex_scan,
        mistakes=(
            mistake("no conjugate of the state", "carried * out[:, t - 1].conj()", "carried * out[:, t - 1]"),
            mistake("no conjugate of a", "carried * a[:, t].conj()", "carried * a[:, t]"),
            mistake(
                "the state of the same step", "carried * out[:, t - 1].conj()", "carried * out[:, t].conj()"
            ),
            mistake("a of the next step", "carried * a[:, t].conj()", "carried * a[:, t - 1].conj()"),
        ),
    ),
)
