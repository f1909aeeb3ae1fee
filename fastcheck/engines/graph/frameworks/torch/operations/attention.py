"""Attention, in the forms that PyTorch computes as one operation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcheck.engines.graph.frameworks.torch.operations.table import aten
from fastcheck.engines.graph.tracing.operands import values_of


def attention(
    q: Any, k: Any, v: Any, mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> tuple[Any, Any]:
    """Return softmax(scale·q kᵀ + mask) v, and the logarithms of the sums in the softmax."""
    heads = np.shape(q)[-3] if np.ndim(q) > 2 else 1
    if np.ndim(q) > 2 and np.shape(k)[-3] != heads:  # a few heads of keys and values serve several of queries
        k, v = (np.repeat(x, heads // np.shape(x)[-3], axis=-3) for x in (k, v))
    factor = 1.0 / math.sqrt(np.shape(q)[-1]) if scale is None else scale
    scores = np.matmul(q, np.swapaxes(k, -1, -2)) * factor
    seen = np.ones(np.shape(scores)[-2:], dtype=bool)
    if is_causal:
        seen = np.tril(seen)
    if mask is not None:
        plain = values_of(mask)
        is_choice = plain.dtype == np.bool_
        seen = seen & (plain if is_choice else ~np.isneginf(plain))
        scores = scores if is_choice else scores + np.where(seen, mask, 0.0)
    largest = np.max(np.where(seen, values_of(scores), -np.inf), axis=-1, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0.0)
    weights = np.where(seen, np.exp(np.where(seen, scores - largest, 0.0)), 0.0)
    total = np.sum(weights, axis=-1, keepdims=True)
    total = np.where(values_of(total) > 0, total, 1.0)  # of a row that sees nothing, the result is zero
    logarithms = np.reshape(largest + np.log(total), np.shape(scores)[:-1])
    return np.matmul(weights / total, v), logarithms


@aten("_scaled_dot_product_flash_attention_for_cpu")
def attention_on_cpu(
    q: Any,
    k: Any,
    v: Any,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    attn_mask: Any = None,
    scale: float | None = None,
) -> tuple[Any, Any]:
    """Return attention without dropout, as PyTorch computes it on a CPU."""
    return attention(q, k, v, attn_mask, is_causal, scale)
