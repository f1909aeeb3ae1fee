"""Products of matrices, and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcheck.engines.graph.frameworks.torch.operations.table import OPERATIONS, aten

OPERATIONS.update(
    dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot", "matmul", "linalg_matmul", "chain_matmul"), np.matmul)
)


def combined(c: Any, product: Any, beta: Any, alpha: Any) -> Any:
    """Return beta·c + alpha·product; a c that is multiplied by 0 may hold anything."""
    scaled = product if alpha == 1 else alpha * product
    if beta == 0:
        return scaled
    return scaled + (c if beta == 1 else beta * c)


@aten("addmm", "addmv", "baddbmm")
def addmm(c: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta·c + alpha·a b."""
    return combined(c, np.matmul(a, b), beta, alpha)


@aten("addbmm")
def addbmm(c: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta·c + alpha·Σ a b, the sum being over a stack."""
    return combined(c, np.sum(np.matmul(a, b), axis=0), beta, alpha)


@aten("addr")
def addr(c: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return beta·c + alpha·a bᵀ of vectors."""
    return combined(c, np.outer(a, b), beta, alpha)


@aten("ger", "outer")
def outer(a: Any, b: Any) -> Any:
    """Return a bᵀ of vectors."""
    return np.outer(a, b)


@aten("linear")
def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Return x Wᵀ + b."""
    product = np.matmul(x, np.transpose(weight))
    return product if bias is None else product + bias


@aten("_addmm_activation")
def addmm_activation(c: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1, use_gelu: bool = False) -> Any:
    """Return an activation of beta·c + alpha·a b."""
    total = addmm(c, a, b, beta=beta, alpha=alpha)
    if not use_gelu:
        return np.maximum(total, 0.0)
    gelu: Any = OPERATIONS["gelu"]
    return gelu(total)


@aten("_trilinear")
def trilinear(
    a: Any, b: Any, c: Any, expand1: Any, expand2: Any, expand3: Any, sumdim: Any, unroll_dim: int = 1
) -> Any:
    """Return a product of three arrays with more axes, summed over some: what bilinear layers are made of."""
    arrays = []
    for x, places in ((a, expand1), (b, expand2), (c, expand3)):
        for place in places:
            x = np.expand_dims(x, place)
        arrays.append(x)
    ndim = np.ndim(arrays[0])
    labels = "abcdefghijklmnopqrstuvwxyz"[:ndim]
    shape = np.broadcast_shapes(*map(np.shape, arrays))
    terms, squeezed = [], []
    for x in arrays:
        kept = [k for k, n in enumerate(np.shape(x)) if n == shape[k] and n != 1]
        terms.append("".join(labels[k] for k in kept))
        squeezed.append(np.reshape(x, tuple(np.shape(x)[k] for k in kept)))
    rest = [k for k in range(ndim) if k not in {d % ndim for d in sumdim}]
    out = "".join(labels[k] for k in rest if shape[k] != 1)
    result = np.einsum(f"{','.join(terms)}->{out}", *squeezed, optimize=True)
    return np.reshape(result, tuple(shape[k] for k in rest))
