"""Solvers and programmes: a Gaussian process, soft time warping in NumPy, a layer with a buffer of its own."""

from __future__ import annotations

import numpy as np
import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from benchmarks.torch_functions.numbers import Numbers
from benchmarks.torch_functions.planting import CustomFunction, mistake

# ---- the likelihood of a Gaussian process, with the inverse of its matrix


class InvQuadLogdet(Function):
    """yᵀ K⁻¹ y and log det K, of K = L Lᵀ."""

    @staticmethod
    def forward(ctx, K, y):
        L = torch.linalg.cholesky(K)
        solved = torch.cholesky_solve(y, L)
        ctx.save_for_backward(L, solved)
        return (y * solved).sum(), 2 * L.diagonal().log().sum()

    @staticmethod
    def backward(ctx, d_quad, d_logdet):
        L, solved = ctx.saved_tensors
        dK = -d_quad * solved @ solved.mT + d_logdet * torch.cholesky_inverse(L)
        dy = 2 * d_quad * solved
        return dK, dy


def inv_quad_logdet(factor, y):
    K = factor @ factor.mT + 0.5 * torch.eye(len(factor), dtype=factor.dtype)
    return InvQuadLogdet.apply(K, y)


def quad_and_logdet(factor, y):
    K = factor @ factor.mT + 0.5 * torch.eye(len(factor), dtype=factor.dtype)
    return (y * torch.linalg.solve(K, y)).sum(), torch.logdet(K)


# ---- soft dynamic time warping, in NumPy as it is written for CPUs


class SoftDTW(Function):
    """Least cost of a path through D (n, m), softened by γ; each step goes down, right, or both."""

    @staticmethod
    def forward(ctx, D, gamma):
        d = D.detach().numpy()
        n, m = d.shape
        R = np.full((n + 2, m + 2), np.inf)
        R[0, 0] = 0
        for i in range(1, n + 1):
            for j in range(1, m + 1):
                before = np.array([R[i - 1, j - 1], R[i - 1, j], R[i, j - 1]])
                low = before.min()
                R[i, j] = d[i - 1, j - 1] + low - gamma * np.log(np.exp((low - before) / gamma).sum())
        ctx.save_for_backward(D, torch.from_numpy(R))
        ctx.gamma = gamma
        return torch.tensor(R[n, m], dtype=D.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        D, R = (x.detach().numpy() for x in ctx.saved_tensors)
        gamma = ctx.gamma
        n, m = D.shape
        D = np.pad(D, 1)
        R = R.copy()
        R[:, m + 1] = R[n + 1] = -np.inf
        R[n + 1, m + 1] = R[n, m]
        E = np.zeros((n + 2, m + 2))
        E[n + 1, m + 1] = 1
        for i in range(n, 0, -1):
            for j in range(m, 0, -1):
                a = np.exp((R[i + 1, j] - R[i, j] - D[i + 1, j]) / gamma)
                b = np.exp((R[i, j + 1] - R[i, j] - D[i, j + 1]) / gamma)
                c = np.exp((R[i + 1, j + 1] - R[i, j] - D[i + 1, j + 1]) / gamma)
                E[i, j] = E[i + 1, j] * a + E[i, j + 1] * b + E[i + 1, j + 1] * c
        return grad * torch.from_numpy(E[1:-1, 1:-1]), None


def soft_dtw(x, y):
    D = (x[:, None] - y).square().sum(-1)
    return SoftDTW.apply(D, 0.7)


def soft_dtw_in_torch(x, y):
    D = (x[:, None] - y).square().sum(-1)
    rows = [[torch.tensor(0.0, dtype=D.dtype)] + [torch.tensor(np.inf)] * D.shape[1]]
    for i in range(D.shape[0]):
        row = [torch.tensor(np.inf)]
        for j in range(D.shape[1]):
            before = torch.stack([R for R in (rows[i][j], rows[i][j + 1], row[j]) if torch.isfinite(R)])
            row.append(D[i, j] - 0.7 * torch.logsumexp(-before / 0.7, 0))
        rows.append(row)
    return rows[-1][-1]


# ---- a linear layer that adds gradients to a buffer of its own, as fused accumulation does


class AccumulatingLinear(Function):
    @staticmethod
    def forward(ctx, x, W, buffer):
        ctx.save_for_backward(x, W)
        ctx.buffer = buffer
        return x @ W

    @staticmethod
    def backward(ctx, dy):
        x, W = ctx.saved_tensors
        total = ctx.buffer
        total.zero_()
        for row, g in zip(x, dy, strict=True):
            total.addr_(row, g)
        return dy @ W.T, total.clone(), None


def accumulating_linear(x, W, buffer):
    return AccumulatingLinear.apply(x, W, buffer)


def of_inv_quad_logdet():
    draw = Numbers(75)
    return draw.normal(5, 5, scale=0.7), draw.normal(5, 1)


def of_soft_dtw():
    draw = Numbers(76)
    return draw.normal(5, 2), draw.normal(4, 2)


def of_accumulating_linear():
    draw = Numbers(77)
    return draw.normal(5, 3), draw.normal(3, 4), torch.zeros(3, 4, dtype=torch.float64)


FUNCTIONS = (
    CustomFunction(
        name="Gaussian process likelihood",
        known_from="GPyTorch",
        call=inv_quad_logdet,
        of=InvQuadLogdet,
        inputs=of_inv_quad_logdet,
        twin=quad_and_logdet,
        mistakes=(
            mistake("a sign", "dK = -d_quad * solved", "dK = d_quad * solved"),
            mistake("½ as in the likelihood", "+ d_logdet * torch", "+ 0.5 * d_logdet * torch"),
            mistake("2 left out", "dy = 2 * d_quad * solved", "dy = d_quad * solved"),
            mistake("L for its inverse", "torch.cholesky_inverse(L)", "torch.linalg.inv(L)"),
            mistake(
                "the gradients of the outputs exchanged",
                "def backward(ctx, d_quad, d_logdet):",
                "def backward(ctx, d_logdet, d_quad):",
            ),
        ),
    ),
    CustomFunction(
        name="soft time warping",
        known_from="pytorch-softdtw, Parallel-Tacotron2 forks",
        call=soft_dtw,
        of=SoftDTW,
        inputs=of_soft_dtw,
        twin=soft_dtw_in_torch,
        mistakes=(
            mistake(
                "weights of the steps left out",
                "E[i + 1, j] * a + E[i, j + 1] * b + E[i + 1, j + 1] * c",
                "E[i + 1, j + 1]",
                reported="keonlee9420/Parallel-Tacotron2#15",
            ),
            mistake(
                "down and right exchanged",
                "E[i + 1, j] * a + E[i, j + 1] * b",
                "E[i + 1, j] * b + E[i, j + 1] * a",
            ),
            mistake(
                "the cost of the cell itself",
                "R[i + 1, j + 1] - R[i, j] - D[i + 1, j + 1]",
                "R[i + 1, j + 1] - R[i, j] - D[i, j]",
            ),
            mistake(
                "γ left out once",
                "b = np.exp((R[i, j + 1] - R[i, j] - D[i, j + 1]) / gamma)",
                "b = np.exp(R[i, j + 1] - R[i, j] - D[i, j + 1])",
                changes=1e-3,
            ),
            mistake("the gradient of the loss ignored", "return grad * torch", "return torch"),
        ),
    ),
    CustomFunction(
        name="linear layer with a buffer",
        known_from="Megatron-LM",
        call=accumulating_linear,
        of=AccumulatingLinear,
        inputs=of_accumulating_linear,
        mistakes=(
            mistake("the buffer is not emptied", "total.zero_()", "pass", after=1),
            mistake(
                "the buffer holds the last row alone",
                "total.addr_(row, g)",
                "total.copy_(torch.outer(row, g))",
            ),
            mistake(
                "rows of x and dy out of step",
                "zip(x, dy, strict=True)",
                "zip(x.roll(1, 0), dy, strict=True)",
            ),
            mistake("W not transposed but reshaped", "return dy @ W.T", "return dy @ W.reshape(4, 3)"),
        ),
    ),
)
