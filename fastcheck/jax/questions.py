"""A function and its arguments, as a function of the float arrays in them that returns the float arrays in its result.

    f(params, x, labels)  →  ask(params['W'], params['b'], x) = [logits, loss]

Names are paths, the first parts of which are the names that the function gives its arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.tree_util import keystr, tree_flatten, tree_flatten_with_path, tree_unflatten
from numpy.typing import NDArray

from fastcheck.engines.graph.frameworks.jax.doubling import is_float, is_key
from fastcheck.errors import InvalidProblemError
from fastcheck.problem.options import is_whole

COTANGENT_STREAM = 0x6A617863
"""Goes with the seed, so that cotangents are not what users draw with the same seed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """What is differentiated.

    ``leaves`` are the arrays that gradients are asked of, in JAX's dtypes, with their ``names``; ``places`` are their
    numbers among ``everything``, the leaves of all arguments, from which ``structure`` makes these again. ``held``
    names arrays of floats that were not asked for.
    """

    function: Callable[..., Any]
    structure: Any
    everything: list[Any]
    places: list[int]
    names: list[str]
    leaves: list[Any]
    held: tuple[str, ...]

    def __call__(self, *leaves: Any) -> list[Any]:
        """Return the arrays of floats in what the function returns, given those that it is differentiated by."""
        everything = list(self.everything)
        for place, leaf in zip(self.places, leaves, strict=True):
            everything[place] = leaf
        result = self.function(*tree_unflatten(self.structure, everything))
        return [x for x in tree_flatten(result)[0] if is_float_array(x)]

    @property
    def parameters(self) -> dict[str, NDArray[np.float64]]:
        """The leaves by their names, in double precision."""
        return {name: as_double(leaf) for name, leaf in zip(self.names, self.leaves, strict=True)}

    def cotangents(self, outputs: Sequence[Any], seed: int, number: int) -> list[Any]:
        """Return random numbers of the shapes and dtypes of the outputs: standard normal ones, rounded to them."""
        rng = np.random.default_rng([seed, COTANGENT_STREAM, number])
        return [np.asarray(rng.standard_normal(x.shape)).astype(x.dtype) for x in outputs]


def question(function: Any, arguments: Sequence[Any], argnums: Any) -> Question:
    """Return the question that is asked; `InvalidProblemError` where it cannot be."""
    if not callable(function):
        raise InvalidProblemError(f"f: expected a function, got {type(function).__name__}.")
    numbers = _chosen(argnums, len(arguments))
    leaves_with_paths, structure = tree_flatten_with_path(tuple(arguments))
    names_of_arguments = argument_names(function, len(arguments))
    places, names, held = [], [], []
    for place, (path, leaf) in enumerate(leaves_with_paths):
        name = names_of_arguments[path[0].idx] + keystr(path[1:])
        if not is_float_array(leaf):
            continue
        if path[0].idx not in numbers:
            held.append(name)
            continue
        expect_real_and_finite(leaf, name)
        places.append(place)
        names.append(name)
    if not any(np.size(leaves_with_paths[place][1]) for place in places):
        got = ", ".join(map(_in_words, arguments)) or "none"
        raise InvalidProblemError(
            f"args: expected at least one array of floats, got {got}. Whole numbers, keys and Python's own numbers "
            "have no gradient: make those that are to be checked arrays, jnp.asarray(0.5)."
        )
    everything = [leaf for _, leaf in leaves_with_paths]
    return Question(
        function=function,
        structure=structure,
        everything=everything,
        places=places,
        names=names,
        leaves=[jax.device_put(everything[place]) for place in places],
        held=tuple(held),
    )


def _in_words(x: Any) -> str:
    """Return what an argument is: ``int32 of shape (3,)``."""
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"{x.dtype} of shape {tuple(x.shape)}"
    return type(x).__name__


def is_float_array(x: Any) -> bool:
    """Whether x is an array of floats, of NumPy or JAX, traced ones included; Python's floats are settings."""
    is_array = hasattr(x, "shape") and isinstance(getattr(x, "dtype", None), np.dtype)
    return is_array and not is_key(x) and is_float(x.dtype)


def as_double(x: Any) -> NDArray[np.float64]:
    """Return an array of JAX as one of NumPy, in double precision."""
    return np.asarray(x).astype(np.float64)


def expect_real_and_finite(leaf: Any, name: str) -> None:
    """Raise `InvalidProblemError` for complex numbers, NaN and infinity."""
    values = np.asarray(leaf)
    if values.dtype.kind == "c":
        raise InvalidProblemError(
            f"{name}: expected real numbers, got {values.dtype}. Give its real and its imaginary part: "
            "check_vjp(lambda re, im: f(re + 1j * im), z.real, z.imag)."
        )
    finite = np.isfinite(values.astype(np.float64))
    if not finite.all():
        place = [int(k) for k in np.argwhere(~finite)[0]]
        raise InvalidProblemError(f"{name}: expected finite numbers, got {values[tuple(place)]} at {place}.")


def argument_names(function: Any, count: int) -> list[str]:
    """Return the names that a function gives its arguments by place: ``xs[0]``, ``xs[1]`` for those of ``*xs``."""
    try:
        given = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        given = []
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in given if parameter.kind in by_place][:count]
    rest = next((p.name for p in given if p.kind is inspect.Parameter.VAR_POSITIONAL), "args")
    return names + [f"{rest}[{k}]" for k in range(count - len(names))]


def _chosen(argnums: Any, count: int) -> set[int]:
    """Return the numbers of the arguments that are asked for, as `jax.grad` counts them; None for all."""
    if argnums is None:
        return set(range(count))
    numbers = list(argnums) if isinstance(argnums, (tuple, list)) else [argnums]
    if not numbers:
        raise InvalidProblemError(
            "argnums: expected at least one number of an argument, or None for all, got none."
        )
    for number in numbers:
        if not is_whole(number) or not -count <= number < count:
            raise InvalidProblemError(
                f"argnums: expected numbers of arguments, from 0 to {count - 1}, got {argnums!r}."
            )
    return {int(number) % count for number in numbers}
