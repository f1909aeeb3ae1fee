"""Kernels of the three-layer network. Arrays are C-contiguous float64; no options, no allocation, no raising.

Symbols: ``n_l`` units of layer l, ``m`` samples, ``A`` (n_{l−1}, m) what enters a layer, ``Z`` (n_l, m) what
leaves it before the activation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastcheck.mlp.numba_options import kernel

Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]


@kernel
def dense_row(w: Matrix, b: float, A: Matrix, z: Matrix) -> None:
    """Write z = w @ A + b, for one unit: w (n,), A (n, m), z (m,).

    The inner loop runs over samples, so that it vectorises without reordering a sum; four inputs at a time
    save three quarters of the loads and stores of z.
    """
    n, m = A.shape
    for s in range(m):
        z[s] = 0.0
    whole = n - n % 4
    for k in range(0, whole, 4):
        w0, w1, w2, w3 = w[k], w[k + 1], w[k + 2], w[k + 3]
        for s in range(m):
            z[s] += (w0 * A[k, s] + w1 * A[k + 1, s]) + (w2 * A[k + 2, s] + w3 * A[k + 3, s])
    for k in range(whole, n):
        for s in range(m):
            z[s] += w[k] * A[k, s]
    for s in range(m):
        z[s] += b


@kernel
def changed_rows(W: Matrix, b: Matrix, W_before: Matrix, b_before: Matrix, changed: Flags) -> None:
    """Flag the units whose weights (n_l, n_{l−1}) or bias (n_l,) differ from before."""
    for i in range(W.shape[0]):
        changed[i] = b[i] != b_before[i]
        for k in range(W.shape[1]):
            if W[i, k] != W_before[i, k]:
                changed[i] = True
                break


@kernel
def relu_layer(W: Matrix, b: Matrix, A: Matrix, changed: Flags, out: Matrix) -> None:
    """Write out = max(0, W @ A + b), shape (n_l, m), in the rows that are flagged."""
    for i in range(W.shape[0]):
        if changed[i]:
            dense_row(W[i], b[i], A, out[i])
            for s in range(out.shape[1]):
                out[i, s] = max(0.0, out[i, s])


@kernel
def sigmoid_cross_entropy(Z: Matrix, Y: Matrix) -> float:
    """Return the mean over m samples of −y log a − (1 − y) log(1 − a), with a = 1 / (1 + exp(−z)).

    −log a = max(−z, 0) + log(1 + e^−|z|) and −log(1 − a) = max(z, 0) + log(1 + e^−|z|): finite, and with all its
    digits, where a is 0 or 1 to the last bit.
    """
    total = 0.0
    for i in range(Z.shape[0]):
        for s in range(Z.shape[1]):
            z, y = Z[i, s], Y[i, s]
            both = np.log1p(np.exp(-abs(z)))
            total += y * (max(-z, 0.0) + both) + (1.0 - y) * (max(z, 0.0) + both)
    mean: float = total / Z.shape[1]
    return mean


@kernel
def three_layer_costs(
    thetas: Matrix,
    X: Matrix,
    Y: Matrix,
    A1: Matrix,
    A2: Matrix,
    Z3: Matrix,
    changed1: Flags,
    changed2: Flags,
    out: Matrix,
) -> None:
    """Write J of each row of thetas (batch, n) = W1, b1, W2, b2, W3, b3, each raveled.

    A row differs from the row before it in one or two coordinates when these are perturbed parameters, so a
    unit is computed again only if its weights or its inputs changed. What is kept is what would be computed:
    results do not depend on the batch. A1, A2, Z3 and the flags are workspace.
    """
    n0, n1, n2, n3 = X.shape[0], A1.shape[0], A2.shape[0], Z3.shape[0]
    e1 = n1 * n0
    e2 = e1 + n1
    e3 = e2 + n2 * n1
    e4 = e3 + n2
    e5 = e4 + n3 * n2
    for t in range(thetas.shape[0]):
        now, before = thetas[t], thetas[max(t - 1, 0)]
        W1, W2 = now[:e1].reshape(n1, n0), now[e2:e3].reshape(n2, n1)
        if t == 0:
            changed1[:] = True
        else:
            changed_rows(W1, now[e1:e2], before[:e1].reshape(n1, n0), before[e1:e2], changed1)
        relu_layer(W1, now[e1:e2], X, changed1, A1)
        if changed1.any():
            changed2[:] = True
        else:
            changed_rows(W2, now[e3:e4], before[e2:e3].reshape(n2, n1), before[e3:e4], changed2)
        relu_layer(W2, now[e3:e4], A1, changed2, A2)
        for i in range(n3):
            dense_row(now[e4 + i * n2 : e4 + (i + 1) * n2], now[e5 + i], A2, Z3[i])
        out[t] = sigmoid_cross_entropy(Z3, Y)
