"""One parameter as what is checked: blocks of real numbers, the value that the cost gets, the claim of each block.

The smallest example: z = 1 + 2j becomes the blocks ``z.real`` and ``z.imag``; a claim G that is ∂J/∂Re z + i ∂J/∂Im z
becomes the claims G.real and G.imag of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastcheck.problem.parameters import claimed_array, to_numpy
from fastcheck.problem.special.conventions import COMPLEX, ENTRIES, FULL, SYMMETRIC


class Other(NamedTuple):
    """Another reading of a claim: the parameter read so, and what the claim is if it is right so."""

    leaf: Leaf
    sentence: str


class Leaf(Protocol):
    """A parameter of this ``name``."""

    @property
    def name(self) -> str:
        """What the block would be called if it were one of real numbers."""

    def blocks(self) -> Mapping[str, Any]:
        """Return the blocks that are checked, by name: floats, or float arrays."""

    def blocks_of(self, other: Any) -> Mapping[str, Any]:
        """Return another value of the parameter, or a change of it, as such blocks."""

    def value(self, blocks: Sequence[Any]) -> Any:
        """Return what the cost gets, from the values of these blocks, which may be recorded."""

    def claims(self, claim: Any) -> Mapping[str, Any]:
        """Return the claim of each block."""

    def note(self) -> str | None:
        """Return what the report says of it."""

    def others(self) -> Iterator[Other]:
        """Yield other readings of the claim, which a claim that fails may be meant by."""


@dataclass(frozen=True, slots=True, eq=False)
class PlainLeaf:
    """A parameter as it is."""

    name: str
    given: Any

    def blocks(self) -> Mapping[str, Any]:
        """Return the parameter."""
        return {self.name: self.given}

    def blocks_of(self, other: Any) -> Mapping[str, Any]:
        """Return it by the same name."""
        return {self.name: other}

    def value(self, blocks: Sequence[Any]) -> Any:
        """Return the block."""
        return blocks[0]

    def claims(self, claim: Any) -> Mapping[str, Any]:
        """Return the claim."""
        return {self.name: claim}

    def note(self) -> str | None:
        """Nothing is said of it."""
        return None

    def others(self) -> Iterator[Other]:
        """There are none."""
        return iter(())


@dataclass(frozen=True, slots=True, eq=False)
class ComplexLeaf:
    """Complex numbers z as two blocks, ``z.real`` and ``z.imag``; the claim is read by a convention of `COMPLEX`."""

    name: str
    given: Any
    convention: str

    @property
    def _names(self) -> tuple[str, str]:
        return f"{self.name}.real", f"{self.name}.imag"

    def blocks(self) -> Mapping[str, Any]:
        """Return real and imaginary part, numbers of a number."""
        return self.blocks_of(self.given)

    def blocks_of(self, other: Any) -> Mapping[str, Any]:
        """Return the same of another value; real ones have no imaginary part."""
        if not isinstance(other, (np.ndarray, complex, float, np.number)):
            return dict.fromkeys(self._names, other)  # what is wrong with it is said where blocks are read
        is_number = not isinstance(other, np.ndarray)
        return {
            name: float(part) if is_number else np.array(part)
            for name, part in zip(self._names, (other.real, other.imag), strict=True)
        }

    def value(self, blocks: Sequence[Any]) -> Any:
        """Return the complex numbers: new ones."""
        real, imag = blocks
        value = real + 1j * imag
        is_without_axes = type(real) is np.ndarray and not real.ndim
        return np.asarray(value) if is_without_axes else value

    def claims(self, claim: Any) -> Mapping[str, Any]:
        """Return ∂J/∂Re z and ∂J/∂Im z, by the convention."""
        array = to_numpy(claim, f"gradient of {self.name}") if claim is not None else claim
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufc":
            return dict.fromkeys(self._names, claim)  # what is wrong with it is said where claims are read
        of_real, of_imag = COMPLEX[self.convention].factors
        imag = array.imag if array.dtype.kind == "c" else np.zeros_like(array)
        real_name, imag_name = self._names
        where = f"gradient of {self.name}"
        return {
            real_name: claimed_array(array.real * of_real, where),
            imag_name: claimed_array(imag * of_imag, where),
        }

    def note(self) -> str | None:
        """Return how the claim is read."""
        convention = COMPLEX[self.convention]
        return (
            f"{self.name} is complex: its blocks are {' and '.join(self._names)}, and its claim is read as "
            f"{convention.formula}, {convention.known_as} (complex_gradient={self.convention!r})."
        )

    def others(self) -> Iterator[Other]:
        """Yield the other conventions."""
        own = COMPLEX[self.convention]
        for name, convention in COMPLEX.items():
            if name != self.convention:
                yield Other(
                    ComplexLeaf(self.name, self.given, name),
                    f"d{self.name} is {own.seen_from(convention)}: right as {convention.formula}, "
                    f"{convention.known_as}; complex_gradient={name!r} reads it so",
                )


@dataclass(frozen=True, slots=True, eq=False)
class SymmetricLeaf:
    """A symmetric matrix, or many: only along symmetric matrices the cost changes, and claims count."""

    name: str
    given: NDArray[Any]
    convention: str

    def blocks(self) -> Mapping[str, Any]:
        """Return the matrix."""
        return {self.name: self.given}

    def blocks_of(self, other: Any) -> Mapping[str, Any]:
        """Return another matrix."""
        return {self.name: other}

    def value(self, blocks: Sequence[Any]) -> Any:
        """Return the symmetric matrix that is nearest."""
        return (blocks[0] + np.swapaxes(blocks[0], -1, -2)) / 2

    def claims(self, claim: Any) -> Mapping[str, Any]:
        """Return (G + Gᵀ)/2 of the full gradient G that the claim means."""
        array = claimed_array(claim, f"gradient of {self.name}")
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.shape != self.given.shape:
            return {self.name: array}
        transposed = np.swapaxes(array, -1, -2)
        if self.convention == FULL:
            return {self.name: (array + transposed) / array.dtype.type(2)}
        is_triangle = not np.tril(array, -1).any() or not np.triu(array, 1).any()
        diagonal = np.tril(np.triu(array))
        whole = array + transposed - diagonal if is_triangle else (array + transposed) / array.dtype.type(2)
        return {self.name: (whole + diagonal) / array.dtype.type(2)}

    def note(self) -> str | None:
        """Return how the claim is read."""
        return (
            f"{self.name} is symmetric: compared along symmetric matrices only, the claim being read as "
            f"{SYMMETRIC[self.convention]} (symmetric={{{self.name!r}: {self.convention!r}}})."
        )

    def others(self) -> Iterator[Other]:
        """Yield the other convention."""
        name = ENTRIES if self.convention == FULL else FULL
        does = "counts off-diagonal entries twice" if name == ENTRIES else "counts off-diagonal entries once"
        yield Other(
            SymmetricLeaf(self.name, self.given, name),
            f"d{self.name} {does}: right as {SYMMETRIC[name]}; symmetric={{{self.name!r}: {name!r}}} reads it so",
        )


@dataclass(frozen=True, slots=True, eq=False)
class RetractedLeaf:
    """A point on a manifold: the block is a tangent v at 0, and the cost gets retract(θ, v)."""

    name: str
    given: NDArray[np.float64]
    retract: Callable[[Any, Any], Any]
    shape: tuple[int, ...]

    def blocks(self) -> Mapping[str, Any]:
        """Return the tangent, zeros."""
        return {self.name: np.zeros(self.shape)}

    def blocks_of(self, other: Any) -> Mapping[str, Any]:
        """Return another tangent."""
        return {self.name: other}

    def value(self, blocks: Sequence[Any]) -> Any:
        """Return the point."""
        return self.retract(self.given.copy(), blocks[0])

    def claims(self, claim: Any) -> Mapping[str, Any]:
        """Return the claim: it is the gradient in v."""
        return {self.name: claim}

    def note(self) -> str | None:
        """Return what the coordinates are."""
        return (
            f"{self.name} moves along its manifold: its coordinates are those of v in J(retract({self.name}, v)), and "
            "the claim is compared with the gradient at v = 0."
        )

    def others(self) -> Iterator[Other]:
        """Yield the gradient without the manifold, if the claim has its shape."""
        if self.shape == self.given.shape:
            yield Other(
                PlainLeaf(self.name, self.given),
                f"d{self.name} is the gradient in all of space, not along the manifold: its part off the tangent space "
                "was not taken away",
            )


@dataclass(frozen=True, slots=True, eq=False)
class HeldLeaf:
    """A parameter that is held constant on purpose: it has no block, and needs no claim."""

    name: str
    given: Any

    def blocks(self) -> Mapping[str, Any]:
        """Return nothing."""
        return {}

    def blocks_of(self, other: Any) -> Mapping[str, Any]:
        """Return nothing."""
        return {}

    def value(self, blocks: Sequence[Any]) -> Any:
        """Return a copy of the parameter."""
        return self.given.copy() if isinstance(self.given, np.ndarray) else self.given

    def claims(self, claim: Any) -> Mapping[str, Any]:
        """Return nothing."""
        return {}

    def note(self) -> str | None:
        """Return that it was not checked."""
        return f"{self.name} was held constant on purpose, and not checked (held_constant)."

    def others(self) -> Iterator[Other]:
        """There are none."""
        return iter(())
