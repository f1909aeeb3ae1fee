"""Options about special parameters, validated: which parameters they concern, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import InvalidProblemError
from fastcheck.legible import first_names
from fastcheck.near_names import did_you_mean
from fastcheck.norms import largest
from fastcheck.problem.parameters import map_structure, named_leaves, paired, read_array
from fastcheck.problem.special.conventions import FULL, SYMMETRIC, validate_convention
from fastcheck.problem.special.declared import SpecialOptions, is_complex
from fastcheck.problem.special.leaves import (
    ComplexLeaf,
    HeldLeaf,
    Leaf,
    PlainLeaf,
    RetractedLeaf,
    SymmetricLeaf,
)
from fastcheck.problem.special.problem import SpecialCost, SpecialProblem, without

NEARLY = 1e-12
"""Symmetric matrices are symmetric, and retractions at v = 0 stay, but for so much of their largest entry."""


def read_special(
    cost: Callable[[Any], Any], parameters: Any, gradients: Any, options: SpecialOptions
) -> SpecialProblem:
    """Return a problem with special parameters as one of real blocks.

    ``gradients`` are claimed arrays if there are retractions: tangents have their shapes. Raises `InvalidProblemError`
    for options that are invalid, or do not fit the parameters.
    """
    convention = validate_convention(options.complex_gradient)
    named = dict(named_leaves(parameters))
    symmetric = _read_symmetric(options.symmetric, named)
    retract = _read_retract(options.retract, named)
    held = _names("held_constant", options.held_constant, named)
    _expect_one_each(symmetric=symmetric, retract=retract, held_constant=held)
    numbers = iter(range(len(named)))
    skeleton = map_structure(lambda _path, _leaf: next(numbers), parameters)
    claimed = _claims_by_name(skeleton, list(named), gradients, held) if retract else {}
    leaves: list[Leaf] = []
    for name, given in named.items():
        if name in held:
            leaves.append(HeldLeaf(name, _copied(given, name)))
        elif name in symmetric:
            leaves.append(SymmetricLeaf(name, _symmetric(given, name), symmetric[name]))
        elif name in retract:
            leaves.append(_retracted(given, name, retract[name], claimed.get(name)))
        elif is_complex(given):
            leaves.append(ComplexLeaf(name, _finite(given, name), convention))
        else:
            leaves.append(PlainLeaf(name, given))
    problem = SpecialProblem(SpecialCost(cost, leaves, skeleton))
    if not problem.parameters:
        raise InvalidProblemError("held_constant: all parameters are held constant. Leave one to be checked.")
    return problem


def _names(option: str, given: Any, known: Iterable[str]) -> list[str]:
    """Return names of parameters: one, or several of them."""
    if given is None:
        return []
    names = [given] if isinstance(given, str) else given
    is_of_names = isinstance(names, (Sequence, set, frozenset, Mapping)) and all(
        isinstance(name, str) for name in names
    )
    if not is_of_names:
        raise InvalidProblemError(
            f"{option}: expected the name of a parameter, or a list of names, got {given!r}."
        )
    known = list(known)
    for name in names:
        if name not in known:
            advice = did_you_mean(name, known) or " Pass one of these names."
            raise InvalidProblemError(
                f"{option}: expected one of {first_names(known)}, got {name!r}.{advice}"
            )
    return list(names)


def _read_symmetric(given: Any, named: Mapping[str, Any]) -> dict[str, str]:
    """Return the convention for each parameter that is symmetric."""
    names = _names("symmetric", given, named)
    conventions = dict(given) if isinstance(given, Mapping) else dict.fromkeys(names, FULL)
    for name, convention in conventions.items():
        if convention not in SYMMETRIC:
            known = "; ".join(f"{key!r}: {words}" for key, words in SYMMETRIC.items())
            raise InvalidProblemError(
                f"symmetric: expected a convention for {name} ({known}), got {convention!r}."
            )
    return conventions


def _read_retract(given: Any, named: Mapping[str, Any]) -> dict[str, Callable[[Any, Any], Any]]:
    """Return the retraction of each parameter that has one."""
    if callable(given):
        if len(named) != 1:
            raise InvalidProblemError(
                f"retract: expected a dict from names of parameters to functions, as there are {len(named)} parameters "
                f"({first_names(list(named))}), got one function."
            )
        return {next(iter(named)): given}
    if given is not None and not isinstance(given, Mapping):
        raise InvalidProblemError(
            "retract: expected a function (θ, v) → point, or a dict from names of parameters to such functions, got "
            f"{type(given).__name__}."
        )
    _names("retract", given, named)
    for name, function in (given or {}).items():
        if not callable(function):
            raise InvalidProblemError(
                f"retract: expected a function for {name}, got {type(function).__name__}."
            )
    return dict(given or {})


def _expect_one_each(**options: Iterable[str]) -> None:
    """Raise `InvalidProblemError` where two options name one parameter."""
    first: dict[str, str] = {}
    for option, names in options.items():
        for name in names:
            if name in first:
                raise InvalidProblemError(
                    f"{option}: {name} is named by {first[name]}, too. Choose one of them."
                )
            first[name] = option


def _claims_by_name(
    skeleton: Any, names: Sequence[str], gradients: Any, held: Sequence[str]
) -> dict[str, Any]:
    """Return the claims by the names of the parameters."""
    without_held = without(skeleton, {names.index(name) for name in held})
    return {names[number]: claim for number, claim in paired(without_held, gradients).items()}


def _copied(given: Any, name: str) -> Any:
    """Return a parameter that is held, a copy in float64 as the cost gets all others."""
    if is_complex(given):
        return np.array(given, dtype=complex) if isinstance(given, np.ndarray) else complex(given)
    array = read_array(given, f"parameter {name}")
    return np.array(array, dtype=float) if isinstance(given, np.ndarray) else given


def _finite(given: Any, name: str) -> Any:
    """Return complex numbers, if they are finite."""
    finite = np.isfinite(given)
    if not np.all(finite):
        count = int(np.size(finite) - np.count_nonzero(finite))
        raise InvalidProblemError(
            f"parameter {name}: expected finite numbers, got {count} of {np.size(given)} not finite. "
            "Look for a division by zero, an overflow or log(0) where this array is made."
        )
    return given


def _symmetric(given: Any, name: str) -> NDArray[Any]:
    """Return a matrix, if it is symmetric."""
    if is_complex(given):
        raise InvalidProblemError(f"symmetric: expected {name} to be real, got complex numbers.")
    array = read_array(given, f"parameter {name}")
    if array.ndim < 2 or array.shape[-1] != array.shape[-2]:
        raise InvalidProblemError(
            f"symmetric: expected {name} to be a square matrix, got shape {array.shape}."
        )
    off = largest(np.asarray(array - np.swapaxes(array, -1, -2)))
    if off > NEARLY * largest(array):
        raise InvalidProblemError(
            f"symmetric: expected {name} to be symmetric, got a matrix that differs from its transpose by {off:.2g}. "
            "Pass (S + S.T) / 2."
        )
    return array


def _retracted(given: Any, name: str, retract: Callable[[Any, Any], Any], claim: Any) -> RetractedLeaf:
    """Return a point on a manifold, if its retraction stays there at v = 0."""
    if is_complex(given):
        raise InvalidProblemError(f"retract: expected {name} to be real, got complex numbers.")
    point = np.array(read_array(given, f"parameter {name}"), dtype=float)
    shape = np.shape(claim) if claim is not None else point.shape
    try:
        with np.errstate(all="ignore"):
            stays = np.asarray(retract(point.copy(), np.zeros(shape)))
    except Exception as error:
        raise InvalidProblemError(
            f"retract: called with {name} and zeros of the shape of its claim, {shape}, it raised "
            f"{type(error).__name__}: {error}."
        ) from error
    if stays.shape != point.shape:
        raise InvalidProblemError(
            f"retract: expected a point of the shape of {name}, {point.shape}, got one of shape {stays.shape}."
        )
    off = float(np.max(np.abs(stays - point), initial=0.0))
    if not off <= 1e4 * NEARLY * max(1.0, largest(point)):
        raise InvalidProblemError(
            f"retract: expected retract({name}, 0) to be {name} itself, got a point that is {off:.2g} away. Does it "
            "divide by the length of v? Or is the parameter off its manifold?"
        )
    return RetractedLeaf(name, point, retract, shape)
