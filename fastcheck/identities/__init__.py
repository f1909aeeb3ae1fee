"""Exact finite differences: f(x + dx) - f(x) from x and dx, for finite dx and without cancellation.

Each identity is written once, as a plain function of floats or arrays; `interpreted` runs it by NumPy, without
warnings. Derivations and accuracy: docs/identities.md.
"""

from fastcheck.identities.table import IDENTITIES, interpreted

__all__ = ["IDENTITIES", "interpreted"]
