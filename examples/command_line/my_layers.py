"""Layers and a loss whose docstrings tell the shapes: `fastcheck check my_layers.py` makes up inputs that fit."""

import numpy as np


def affine_forward(x, w, b):
    """Multiply and add.

    - x: input of shape (N, D)
    - w: weights of shape (D, M)
    - b: biases of shape (M,)
    """
    return x @ w + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, np.sum(dout, axis=0)


def batchnorm_forward(x, gamma, beta, bn_param):
    """Normalise every feature over the batch.

    - x: input of shape (N, D)
    - gamma, beta: scale and shift, of shape (D,)
    - bn_param: a dictionary with 'mode' and 'eps'
    """
    std = np.sqrt(np.var(x, axis=0) + bn_param["eps"])
    normed = (x - np.mean(x, axis=0)) / std
    return gamma * normed + beta, (normed, gamma, std)


def batchnorm_backward(dout, cache):
    normed, gamma, std = cache
    d = dout * gamma
    dx = (d - np.mean(d, axis=0) - normed * np.mean(d * normed, axis=0)) / std
    return dx, np.sum(dout * normed, axis=0), np.sum(dout, axis=0)


def mask_forward(x, mask):
    """No shapes here, so that it cannot be checked."""
    return x * mask, mask


def mask_backward(dout, cache):
    return dout * cache, None


def softmax_loss(x, y):
    """Cross-entropy of a softmax.

    - x: scores of shape (N, C)
    - y: labels of shape (N,), where 0 <= y[i] < C
    """
    rows = np.arange(len(x))
    p = np.exp(x - np.max(x, axis=1, keepdims=True))
    p /= np.sum(p, axis=1, keepdims=True)
    dx = p.copy()
    dx[rows, y] -= 1
    return -np.mean(np.log(p[rows, y])), dx / len(x)
