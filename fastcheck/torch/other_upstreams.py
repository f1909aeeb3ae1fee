"""Claims for several upstream gradients of one number: the first one tells what the others must be.

The gradient of u·J is u times that of J. So where J is the only output, and the claim for one upstream gradient is
right, claims for others are right that are the same multiple of it, and nothing need be measured for them.
"""

from __future__ import annotations

import numpy as np
import torch

from fastcheck.plan.tolerances import SHARP, tolerance_in
from fastcheck.torch.questions import Question

SHARE = 2.0**-4
"""Share of the least that a coordinate is held to, up to which a claim is the multiple of another one."""

DOUBLE = (torch.float64, torch.complex128)
"""Dtypes of gradients whose coordinates are held to their own sizes; others make claims in single precision."""


def follows(first: Question, other: Question, tolerance: float) -> bool:
    """Whether the claim for the other upstream gradient is right if that for the first one is.

    False where that is not known: for several outputs, where backward returns None, and for any multiple that is not
    met to a small share of the ``tolerance``.
    """
    is_one_number = len(first.upstream) == 1 and first.upstream[0].ndim == 0
    if not is_one_number or first.upstream[0].is_complex() or not float(first.upstream[0]):
        return False
    factor = float(other.upstream[0]) / float(first.upstream[0])
    return all(
        gradient is not None and _is_multiple(other.gradients[name], factor, gradient, tolerance)
        for name, gradient in first.gradients.items()
    )


def _is_multiple(gradient: torch.Tensor | None, factor: float, first: torch.Tensor, tolerance: float) -> bool:
    """Whether a gradient is ``factor`` times the first one, to a share of what its coordinates are held to."""
    dtype = first.dtype
    if gradient is None or gradient.shape != first.shape or gradient.dtype != dtype:
        return False
    if not first.numel():
        return True
    in_double = dtype in DOUBLE
    held_to = tolerance_in(np.dtype(np.float64 if in_double else np.float32), tolerance)
    least = held_to * (SHARP if in_double else 1.0)
    typical = abs(factor) * float(torch.linalg.vector_norm(first.detach())) / first.numel() ** 0.5
    apart = torch.sub(gradient.detach(), first.detach(), alpha=factor)
    largest = float(torch.linalg.vector_norm(apart, ord=float("inf")))
    return bool(largest <= SHARE * least * typical)
