"""Loss functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcheck.engines.graph.frameworks.torch.operations.table import aten
from fastcheck.engines.graph.tracing.operands import fixed, stepped

NONE, MEAN = 0, 1
"""How losses are reduced, PyTorch's numbers; others are summed."""

BEYOND = 1.0 + 1e-12
"""Where a parabola goes on as a line it may do so by this factor further out, to the same values: differences of just
that size are on no border."""


def reduced(loss: Any, reduction: int) -> Any:
    """Return the losses of all entries, their mean, or their sum."""
    if reduction == NONE:
        return loss
    return np.mean(loss) if reduction == MEAN else np.sum(loss)


@aten("mse_loss")
def mse_loss(x: Any, target: Any, reduction: int = MEAN) -> Any:
    """Return squares of differences."""
    return reduced(np.square(np.subtract(x, target)), reduction)


@aten("smooth_l1_loss")
def smooth_l1_loss(x: Any, target: Any, reduction: int = MEAN, beta: float = 1.0) -> Any:
    """Return d² / 2β of differences below β in size, |d| − β / 2 of others."""
    apart = np.subtract(x, target)
    if beta == 0:
        return reduced(np.abs(apart), reduction)
    return reduced(near_and_far(apart, beta) / beta, reduction)


@aten("huber_loss")
def huber_loss(x: Any, target: Any, reduction: int = MEAN, delta: float = 1.0) -> Any:
    """Return d² / 2 of differences up to δ in size, δ·(|d| − δ / 2) of others."""
    return reduced(near_and_far(np.subtract(x, target), delta), reduction)


def near_and_far(apart: Any, size: float) -> Any:
    """Return d² / 2 up to a size, beyond it the line that goes on from there: there are no kinks.

    The line is s·d − δ²/2 with s = ±δ, a constant on each side.
    """
    border = size * BEYOND

    def side_of(d: Any) -> Any:
        return np.where(np.abs(d) <= border, 0.0, np.sign(d) * size)

    near = stepped(lambda d: np.abs(d) <= border, apart)
    line = np.multiply(apart, stepped(side_of, apart)) - 0.5 * size * size
    return np.where(near, np.square(apart) * 0.5, line)


@aten("binary_cross_entropy")
def binary_cross_entropy(x: Any, target: Any, weight: Any = None, reduction: int = MEAN) -> Any:
    """Return −t·log(x) − (1 − t)·log(1 − x), no logarithm being below −100."""
    first, second = np.maximum(np.log(x), -100.0), np.maximum(np.log1p(np.negative(x)), -100.0)
    loss = np.multiply(np.subtract(target, 1.0), second) - np.multiply(target, first)
    return reduced(loss if weight is None else np.multiply(loss, weight), reduction)


@aten("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(
    x: Any, target: Any, weight: Any = None, pos_weight: Any = None, reduction: int = MEAN
) -> Any:
    """Return (1 − t)·x + log(1 + exp(−x)), the latter weighted where the target is positive."""
    soft = np.logaddexp(0.0, np.negative(x))
    if pos_weight is not None:
        soft = np.multiply(1.0 + np.multiply(np.subtract(pos_weight, 1.0), target), soft)
    loss = np.multiply(np.subtract(1.0, target), x) + soft
    return reduced(loss if weight is None else np.multiply(loss, weight), reduction)


@aten("soft_margin_loss")
def soft_margin_loss(x: Any, target: Any, reduction: int = MEAN) -> Any:
    """Return log(1 + exp(−t·x))."""
    return reduced(np.logaddexp(0.0, np.negative(np.multiply(target, x))), reduction)


@aten("nll_loss_forward", "nll_loss2d_forward")
def nll_loss(x: Any, target: Any, weight: Any, reduction: int, ignored: int) -> tuple[Any, Any]:
    """Return minus the entries of the target's classes, weighted, and the sum of the weights."""
    target, at = fixed(target), 0 if np.ndim(x) == 1 else 1
    counts, classes = chosen_classes(target, ignored)
    weights = counts if weight is None else np.where(counts, weight[classes], 0.0)
    entries = np.take_along_axis(x, np.expand_dims(classes, at), at)
    entries = np.reshape(entries, np.shape(target))
    losses = np.negative(np.multiply(np.where(counts, entries, 0.0), weights))
    if reduction == NONE:
        return losses, np.zeros(())
    summed, total = np.sum(losses), np.sum(weights, dtype=float)
    return (summed / total if reduction == MEAN else summed), total


def chosen_classes(target: Any, ignored: int) -> tuple[Any, Any]:
    """Return which targets count, and all of them with class 0 in place of what is ignored."""
    counts = np.asarray(target) != ignored
    return counts, np.where(counts, target, 0)


@aten("multilabel_margin_loss_forward")
def multilabel_margin_loss(x: Any, target: Any, reduction: int) -> tuple[Any, Any]:
    """Return the means of max(0, 1 − xⱼ + xₖ) over targets j and other classes k, and which classes are targets.

    Targets end with the first that is −1.
    """
    x, target = (np.reshape(part, np.shape(part) or (1,)) for part in (x, fixed(target)))
    size = np.shape(x)[-1]
    counts = np.cumsum(np.asarray(target) == -1, axis=-1) == 0
    classes = np.where(counts, target, 0)
    is_target = np.any((classes[..., None] == np.arange(size)) & counts[..., None], axis=-2)
    chosen = np.take_along_axis(x, classes, -1)
    margins = np.maximum(np.subtract(1.0 + np.expand_dims(x, -2), np.expand_dims(chosen, -1)), 0.0)
    losses = np.where(counts[..., None] & ~is_target[..., None, :], margins, 0.0)
    return reduced(np.sum(losses, axis=(-2, -1)) / size, reduction), is_target.astype(float)
