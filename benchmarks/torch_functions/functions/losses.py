"""Losses: cross-entropy fused with the last layer, soft targets, focal loss, sparse probabilities, Chamfer distance."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from benchmarks.torch_functions.numbers import Numbers
from benchmarks.torch_functions.planting import CustomFunction, mistake

IGNORED = -100


class FusedLinearCrossEntropy(Function):
    """Mean cross-entropy of x Wᵀ + b with smoothed labels, in chunks of rows; gradients are made going forward."""

    @staticmethod
    def forward(ctx, x: Tensor, W: Tensor, b: Tensor, target: Tensor, smoothing: float, chunk: int) -> Tensor:
        counted = target != IGNORED
        total = int(counted.sum())
        V = W.shape[0]
        grad_x, grad_W, grad_b = torch.zeros_like(x), torch.zeros_like(W), torch.zeros_like(b)
        loss = x.new_zeros(())
        for begin in range(0, x.shape[0], chunk):
            rows = slice(begin, begin + chunk)
            logits = x[rows] @ W.T + b
            kept = counted[rows, None].to(x.dtype)
            labels = target[rows].clamp(min=0)
            log_p = logits - torch.logsumexp(logits, 1, keepdim=True)
            q = torch.full_like(logits, smoothing / V)
            q[torch.arange(len(labels)), labels] += 1 - smoothing
            loss = loss - (q * log_p * kept).sum() / total
            d = (log_p.exp() - q) * kept / total
            grad_x[rows] = d @ W
            grad_W += d.T @ x[rows]
            grad_b += d.sum(0)
        ctx.save_for_backward(grad_x, grad_W, grad_b)
        return loss

    @staticmethod
    def backward(ctx, grad_loss):
        grad_x, grad_W, grad_b = ctx.saved_tensors
        return grad_x * grad_loss, grad_W * grad_loss, grad_b * grad_loss, None, None, None


def fused_linear_cross_entropy(x, W, b, target):
    return FusedLinearCrossEntropy.apply(x, W, b, target, 0.1, 4)


def linear_cross_entropy(x, W, b, target):
    return F.cross_entropy(x @ W.T + b, target, ignore_index=IGNORED, label_smoothing=0.1)


class SoftCrossEntropy(Function):
    """Cross-entropy with targets that need not sum to one, weighted by row; a row whose weight is 0 is padding."""

    @staticmethod
    def forward(ctx, logits, targets, weights):
        lse = logits.logsumexp(-1)
        mass = targets.sum(-1)
        losses = lse * mass - (targets * logits).sum(-1)
        valid = (weights != 0).sum()
        ctx.save_for_backward(logits, targets, weights, lse, losses)
        ctx.inv_count = 1.0 / float(valid)
        return (weights * losses).sum() * ctx.inv_count

    @staticmethod
    def backward(ctx, g):
        logits, targets, weights, lse, losses = ctx.saved_tensors
        g = g * ctx.inv_count
        mass = targets.sum(-1, keepdim=True)
        p = torch.exp(logits - lse[:, None])
        d_logits = g * weights[:, None] * (mass * p - targets)
        d_targets = g * weights[:, None] * (lse[:, None] - logits)
        d_weights = g * losses
        return d_logits, d_targets, d_weights


def soft_cross_entropy(logits, targets, weights):
    return SoftCrossEntropy.apply(logits, targets, weights)


class SigmoidFocalLoss(Function):
    """Focal loss of each logit, α-balanced; the exponent γ is a plain number."""

    @staticmethod
    def forward(ctx, logits, target, alpha: float, gamma: float):
        p = torch.sigmoid(logits)
        positive = -alpha * (1 - p) ** gamma * F.logsigmoid(logits)
        negative = -(1 - alpha) * p**gamma * F.logsigmoid(-logits)
        ctx.save_for_backward(logits, target)
        ctx.alpha, ctx.gamma = alpha, gamma
        return torch.where(target > 0, positive, negative)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_loss):
        logits, target = ctx.saved_tensors
        alpha, gamma = ctx.alpha, ctx.gamma
        p = logits.sigmoid()
        log_p, log_q = F.logsigmoid(logits), F.logsigmoid(-logits)
        for_ones = -alpha * (1 - p) ** gamma * (1 - p - gamma * p * log_p)
        for_zeros = (1 - alpha) * p**gamma * (p - gamma * (1 - p) * log_q)
        return grad_loss * torch.where(target > 0, for_ones, for_zeros), None, None, None


def focal_loss(logits, target):
    return SigmoidFocalLoss.apply(logits, target, 0.25, 2.0)


class Entmax15(Function):
    """Probabilities that are squares of x/2 − τ, cut off at 0."""

    @staticmethod
    def forward(ctx, X, dim=-1):
        ctx.dim = dim
        X = (X - X.max(dim=dim, keepdim=True)[0]) / 2
        Xsrt = torch.sort(X, dim=dim, descending=True)[0]
        rho = torch.arange(1, X.size(dim) + 1, dtype=X.dtype)
        mean = Xsrt.cumsum(dim) / rho
        squares = (Xsrt**2).cumsum(dim) / rho
        tau = mean - torch.sqrt(torch.clamp((1 - rho * (squares - mean**2)) / rho, min=0))
        support = (tau <= Xsrt).sum(dim=dim, keepdim=True)
        Y = torch.clamp(X - tau.gather(dim, support - 1), min=0) ** 2
        ctx.save_for_backward(Y)
        return Y

    @staticmethod
    def backward(ctx, dY):
        (Y,) = ctx.saved_tensors
        gppr = Y.sqrt()
        dX = dY * gppr
        q = dX.sum(ctx.dim, keepdim=True) / gppr.sum(ctx.dim, keepdim=True)
        dX -= q * gppr
        return dX, None


def entmax15(X):
    return Entmax15.apply(X)


class Chamfer(Function):
    """Squared distances to the nearest point of another cloud, both ways, and who these are (no gradient)."""

    @staticmethod
    def forward(ctx, a, b):
        distances = (a[:, :, None] - b[:, None]).square().sum(-1)
        d1, i1 = distances.min(2)
        d2, i2 = distances.min(1)
        ctx.mark_non_differentiable(i1, i2)
        ctx.save_for_backward(a, b, i1, i2)
        ctx.set_materialize_grads(False)
        return d1, d2, i1, i2

    @staticmethod
    def backward(ctx, g1, g2, *_):
        a, b, i1, i2 = ctx.saved_tensors
        ga, gb = torch.zeros_like(a), torch.zeros_like(b)
        for n in range(a.shape[0]):
            if g1 is not None:
                pull = 2 * g1[n, :, None] * (a[n] - b[n, i1[n]])
                ga[n] += pull
                gb[n].index_add_(0, i1[n], -pull)
            if g2 is not None:
                pull = 2 * g2[n, :, None] * (b[n] - a[n, i2[n]])
                gb[n] += pull
                ga[n].index_add_(0, i2[n], -pull)
        return ga, gb


def chamfer(a, b):
    d1, d2, _, _ = Chamfer.apply(a, b)
    return d1, d2


class GeneralisedJSD(Function):
    """Jensen–Shannon divergence of log-probabilities, (rows, words), with weight β, summed up and divided by rows."""

    @staticmethod
    def forward(ctx, student, teacher, beta):
        Q, P = student.exp(), teacher.exp()
        log_m = torch.log(beta * P + (1 - beta) * Q)
        each = beta * P * (teacher - log_m) + (1 - beta) * Q * (student - log_m)
        ctx.save_for_backward(student, log_m)
        ctx.beta = beta
        return each.sum() / len(student)

    @staticmethod
    def backward(ctx, dloss):
        student, log_m = ctx.saved_tensors
        share = dloss / len(student)
        dx = (1 - ctx.beta) * student.exp() * (student - log_m)
        return share * dx, None, None


def generalised_jsd(student, teacher):
    return GeneralisedJSD.apply(student, teacher, 0.3)


def of_fused_linear_cross_entropy():
    draw = Numbers(31)
    target = draw.whole(7, 10)
    target[2] = target[7] = IGNORED
    return draw.normal(10, 5), draw.normal(7, 5, scale=0.4), draw.normal(7, scale=0.1), target


def of_soft_cross_entropy():
    draw = Numbers(32)
    return draw.normal(5, 6), draw.uniform(5, 6, high=0.3), draw.uniform(5, low=0.5, high=1.5)


def of_focal_loss():
    draw = Numbers(33)
    return draw.normal(4, 5, scale=1.5), draw.whole(2, 4, 5)


def of_entmax15():
    return (Numbers(34).normal(4, 6),)


def of_chamfer():
    draw = Numbers(35)
    return draw.normal(2, 7, 3), draw.normal(2, 5, 3)


def of_generalised_jsd():
    draw = Numbers(36)
    student, teacher = (torch.log_softmax(draw.plain(64, 1024), -1) for _ in range(2))
    return student.requires_grad_(), teacher


FUNCTIONS = (
    CustomFunction(
        name="linear layer and cross-entropy",
        known_from="Liger, Unsloth, Cut Cross Entropy",
        call=fused_linear_cross_entropy,
        of=FusedLinearCrossEntropy,
        inputs=of_fused_linear_cross_entropy,
        twin=linear_cross_entropy,
        mistakes=(
            mistake(
                "ignored rows have a gradient",
                "(log_p.exp() - q) * kept / total",
                "(log_p.exp() - q) / total",
            ),
            mistake(
                "divided by all rows", "(log_p.exp() - q) * kept / total", "(log_p.exp() - q) * kept / len(x)"
            ),
            mistake("divided by the chunk", "- q) * kept / total", "- q) * kept / kept.sum()"),
            mistake(
                "labels not smoothed",
                "d = (log_p.exp() - q)",
                "d = (log_p.exp() - F.one_hot(labels, V))",
            ),
            mistake(
                "smoothing takes the label's share twice",
                "d = (log_p.exp() - q)",
                "d = (log_p.exp() - q + smoothing / V)",
            ),
            mistake("dW of the last chunk", "grad_W += d.T", "grad_W = d.T"),
            mistake("the gradient of the loss ignored in b", "grad_b * grad_loss", "grad_b"),
            mistake(
                "the incomplete chunk lost in b",
                "grad_b += d.sum(0)",
                "grad_b += d.sum(0) * (len(d) == chunk)",
            ),
        ),
    ),
    CustomFunction(
        name="cross-entropy with soft targets",
        known_from="NeMo Automodel",
        call=soft_cross_entropy,
        of=SoftCrossEntropy,
        inputs=of_soft_cross_entropy,
        mistakes=(
            mistake(
                "targets taken to sum to one",
                "(mass * p - targets)",
                "(p - targets)",
                reported="NVIDIA-NeMo/Automodel#2428",
            ),
            mistake("targets' gradient without the log of the sum", "(lse[:, None] - logits)", "-logits"),
            mistake("weights forgotten", "d_logits = g * weights[:, None] *", "d_logits = g *"),
            mistake(
                "no gradient of the weights",
                "return d_logits, d_targets, d_weights",
                "return d_logits, d_targets, None",
            ),
            mistake("not averaged", "g = g * ctx.inv_count", "pass"),
        ),
    ),
    CustomFunction(
        name="focal loss",
        known_from="mmcv",
        call=focal_loss,
        of=SigmoidFocalLoss,
        inputs=of_focal_loss,
        mistakes=(
            mistake("the factor's slope left out", "(1 - p - gamma * p * log_p)", "(1 - p)"),
            mistake("a sign", "(p - gamma * (1 - p) * log_q)", "(p + gamma * (1 - p) * log_q)"),
            mistake("α for zeros, too", "for_zeros = (1 - alpha) *", "for_zeros = alpha *"),
            mistake(
                "γ − 1", "for_ones = -alpha * (1 - p) ** gamma", "for_ones = -alpha * (1 - p) ** (gamma - 1)"
            ),
            mistake(
                "ones and zeros exchanged",
                "torch.where(target > 0, for_ones, for_zeros)",
                "torch.where(target < 1, for_ones, for_zeros)",
            ),
        ),
    ),
    CustomFunction(
        name="entmax 1.5",
        known_from="entmax",
        call=entmax15,
        of=Entmax15,
        inputs=of_entmax15,
        mistakes=(
            mistake("the square root forgotten", "gppr = Y.sqrt()", "gppr = Y"),
            mistake(
                "the mean over all, as in softmax",
                "/ gppr.sum(ctx.dim, keepdim=True)",
                "/ Y.sum(ctx.dim, keepdim=True)",
            ),
            mistake("not centred", "dX -= q * gppr", "dX -= 0 * q"),
            mistake("centred outside the support, too", "dX -= q * gppr", "dX -= q * (gppr + (gppr == 0))"),
            mistake(
                "summed along the batch", "q = dX.sum(ctx.dim, keepdim=True)", "q = dX.sum(0, keepdim=True)"
            ),
        ),
    ),
    CustomFunction(
        name="Chamfer distance",
        known_from="PyTorch3D, chamferdist",
        call=chamfer,
        of=Chamfer,
        inputs=of_chamfer,
        mistakes=(
            mistake("nothing goes back to the nearest points", "gb[n].index_add_(0, i1[n], -pull)", "pass"),
            mistake(
                "a point that is nearest to several counts once",
                "gb[n].index_add_(0, i1[n], -pull)",
                "gb[n, i1[n]] -= pull",
            ),
            mistake("indices of the other way", "(b[n] - a[n, i2[n]])", "(b[n] - a[n, i1[n, i2[n]]])"),
            mistake("2 left out one way", "pull = 2 * g2", "pull = g2"),
            mistake("a sign", "ga[n].index_add_(0, i2[n], -pull)", "ga[n].index_add_(0, i2[n], pull)"),
            mistake(
                "the first cloud of the batch alone", "for n in range(a.shape[0]):", "for n in range(1):"
            ),
        ),
    ),
    CustomFunction(
        name="Jensen–Shannon divergence",
        known_from="Liger",
        call=generalised_jsd,
        of=GeneralisedJSD,
        inputs=of_generalised_jsd,
        mistakes=(
            mistake("zeros", "return share * dx", "return share * 0 * dx"),
            mistake("a sign", "return share * dx", "return -share * dx"),
            mistake("β for 1 − β", "dx = (1 - ctx.beta) *", "dx = ctx.beta *"),
            mistake("the probabilities forgotten", "* student.exp() * (", "* ("),
            mistake(
                "1 added, as of x log x",
                "student.exp() * (student - log_m)",
                "student.exp() * (student - log_m + 1)",
            ),
            mistake(
                "divided by words, too", "share = dloss / len(student)", "share = dloss / student.numel()"
            ),
            mistake("the last row lost", "return share * dx", "dx[-1] = 0\n        return share * dx"),
        ),
    ),
)
