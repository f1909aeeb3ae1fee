"""What claims are held to besides their tolerance: for each coordinate alone, and for all of a claim at kinks."""

from __future__ import annotations

from typing import Any

import numpy as np

DTYPE_ULPS = 100.0
"""A claim computed in float32 is held to this many of its rounding units: about 1e-5."""

SHARP = 1e-3
"""Part of the RMS of its block down to which a coordinate is held to its own size: a backward pass leaves rounding
errors of the size of the others in it."""

VANISHING = 64.0
"""Rounding units of the network's largest claim up to which a claim is zero where ĝ is zero."""


def tolerance_in(dtype: np.dtype[Any], tolerance: float) -> float:
    """Return the relative error that still counts as right in a claim that was computed in this dtype."""
    return max(tolerance, DTYPE_ULPS * float(np.finfo(dtype).eps))
