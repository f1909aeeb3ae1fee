"""Exact finite differences: f(x + dx) - f(x) from x and dx, for finite dx and without cancellation.

Each identity is written once, as a plain function of floats or arrays, and is run in one of three ways:
`interpreted` by NumPy, `fused` into a compiled ufunc, or as a compiled scalar function (`njit_scalar`) inside
kernels. numba is imported by the last two only. Derivations and accuracy: docs/identities.md.
"""

from fastcheck.differences.compilation import IDENTITIES, fused, interpreted, njit_scalar
from fastcheck.differences.special import NAMES as SPECIAL

__all__ = ["IDENTITIES", "SPECIAL", "fused", "interpreted", "njit_scalar"]
