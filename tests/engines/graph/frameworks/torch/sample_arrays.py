"""Arrays at which functions of PyTorch are smooth."""

import zlib

import numpy as np
import torch


def normal(*shape):
    """Return numbers of both signs, none near 0."""
    rng = np.random.default_rng(zlib.crc32(repr(shape).encode()))
    x = rng.normal(size=shape)
    return x + 0.1 * np.sign(x)


def positive(*shape):
    """Return numbers from 0.5 to 2.5, no two of them close."""
    rng = np.random.default_rng(5)
    return np.reshape(rng.permutation(np.linspace(0.5, 2.5, int(np.prod(shape)))), shape)


def unit(*shape):
    """Return numbers from 0.05 to 0.95."""
    return (positive(*shape) - 0.5) * 0.45 + 0.05


def square(*shape):
    """Return well-conditioned matrices."""
    return normal(*shape) * 0.3 + 2.0 * np.eye(shape[-1])


A, B = normal(3, 4), normal(4) * 1.3
P, Q, U = positive(3, 4), positive(4), unit(3, 4)
MASK = torch.tensor(normal(3, 4) > 0)
CLASSES = torch.tensor([1, 0, 3])
SIGNS = torch.tensor(np.sign(normal(3, 4)))
SHARES = torch.tensor(unit(3, 4)[::-1].copy())
WEIGHTS = torch.tensor(positive(4))
