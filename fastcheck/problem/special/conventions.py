"""What the gradient with respect to complex numbers, and to symmetric matrices, may mean: one row for each convention.

Sources: K. Kreutz-Delgado, The complex gradient operator and the CR-calculus, arXiv:0906.4835 (2009); PyTorch, Autograd
for complex numbers; J. R. Magnus and H. Neudecker, Matrix differential calculus, on symmetric matrices.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastcheck.errors import InvalidProblemError


class ComplexConvention(NamedTuple):
    """What G means: ∂J/∂Re z and ∂J/∂Im z are G.real and G.imag times these ``factors``."""

    formula: str
    known_as: str
    factors: tuple[float, float]

    def seen_from(self, other: ComplexConvention) -> str:
        """Return what a claim is in this convention that is right in the other one."""
        real, imag = (theirs / own for own, theirs in zip(self.factors, other.factors, strict=True))
        return RELATIONS[real, imag]


COMPLEX = {
    "ascent": ComplexConvention(
        "∂J/∂Re z + i ∂J/∂Im z = 2 ∂J/∂z̄", "the direction of steepest ascent, as in PyTorch", (1.0, 1.0)
    ),
    "conjugate": ComplexConvention("∂J/∂Re z − i ∂J/∂Im z = 2 ∂J/∂z", "as of jax.grad", (1.0, -1.0)),
    "dz": ComplexConvention("∂J/∂z = (∂J/∂Re z − i ∂J/∂Im z)/2", "the derivative of Wirtinger", (2.0, -2.0)),
    "dzbar": ComplexConvention(
        "∂J/∂z̄ = (∂J/∂Re z + i ∂J/∂Im z)/2", "the conjugate derivative of Wirtinger", (2.0, 2.0)
    ),
}
"""Conventions for complex numbers, by the name that ``complex_gradient`` takes."""

RELATIONS = {
    (1.0, -1.0): "the conjugate of the gradient",
    (2.0, 2.0): "half of the gradient",
    (2.0, -2.0): "half of the conjugate of the gradient",
    (0.5, 0.5): "twice the gradient",
    (0.5, -0.5): "twice the conjugate of the gradient",
}
"""What a claim is, by the factors that would make it right."""

FULL, ENTRIES = "full", "entries"

SYMMETRIC = {
    FULL: "the gradient of all entries, of which the symmetric part (G + Gᵀ)/2 counts",
    ENTRIES: "the gradient of the entries of one triangle, where an off-diagonal one stands for two",
}
"""Conventions for symmetric matrices, by the name that ``symmetric`` takes."""


def validate_convention(given: Any) -> str:
    """Return the name of a convention for complex numbers, the first one if None; `InvalidProblemError` for others."""
    if given is None:
        return next(iter(COMPLEX))
    if isinstance(given, str) and given in COMPLEX:
        return given
    known = "; ".join(f"{name!r}: {one.formula}" for name, one in COMPLEX.items())
    raise InvalidProblemError(f"complex_gradient: expected a convention ({known}), got {given!r}.")
