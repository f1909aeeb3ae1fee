"""What the user's own rule claims: in the dtypes of the arguments, and the same formulas in double precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.graph.frameworks.jax import doubling
from fastcheck.engines.graph.frameworks.jax.compiling import CompiledOnce
from fastcheck.engines.graph.frameworks.jax.in_numpy import InNumpy
from fastcheck.errors import InvalidProblemError
from fastcheck.jax.floats import line_of_dtype, shortest_float, shortest_in
from fastcheck.jax.questions import Question

Claims = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Claim:
    """What a rule makes of one cotangent.

    ``own`` are the gradients in the dtypes of the arguments, as float64 numbers; ``exact`` those of the same formulas
    in double precision, None where the rule cannot be traced, or computes in that. ``shortest`` is the shortest float
    in which anything was computed, ``line`` tells where, in words. ``moved(share, seed)`` are the gradients in double
    precision where arguments and cotangent are moved by up to a share of them, at random. ``outputs`` are the values
    of the function as the rule computes them on its way.
    """

    own: Claims
    outputs: Sequence[Any]
    exact: Claims | None
    shortest: np.dtype[Any]
    line: str = ""
    moved: Callable[[float, int], Claims] | None = None

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The dtype of NumPy's in which ``own`` is known as it is."""
        return np.dtype(np.float32) if self.shortest == jnp.bfloat16 else self.shortest


class Rule:
    """A function of leaves and cotangents that returns gradients, and the outputs after them, traced if that can be.

    It ``is_cheap`` if it takes about as long as the function, so that it may be asked again.
    """

    def __init__(
        self, asked: Question, pull: Callable[[list[Any], list[Any]], list[Any]], is_cheap: bool = False
    ) -> None:
        self.asked, self.pull, self.is_cheap = asked, pull, is_cheap
        self.was_tried = False
        self.traced: Any = None
        self.compiled: Any = None
        self.in_numpy: Any = None
        self.doubled: Any = None

    def _trace(self, cotangents: Sequence[Any]) -> None:
        """Trace the rule, if that can be done: it may compute with NumPy, or decide by values."""
        self.was_tried = True
        try:
            self.traced = jax.make_jaxpr(self.pull)(self.asked.leaves, list(cotangents))
        except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError, TypeError):
            return
        self.compiled = CompiledOnce(_evaluator(self.traced.jaxpr))
        self.in_numpy = InNumpy(self.traced)

    def claim(self, cotangents: Sequence[Any]) -> Claim:
        """Return what the rule claims; the first time it is traced."""
        if not self.was_tried:
            self._trace(cotangents)
        leaves = self.asked.leaves
        if self.compiled is None:
            own = self.pull(leaves, [jnp.asarray(x) for x in cotangents])
            outputs = own[len(leaves) :]
            return Claim(own=self._named(own), outputs=outputs, exact=None, shortest=shortest_float(leaves))
        arguments = [*leaves, *cotangents]
        own = self.compiled(self.traced.consts, arguments)
        outputs = own[len(leaves) :]
        shortest = shortest_in(self.traced, leaves)
        if shortest == np.float64:
            return Claim(own=self._named(own), outputs=outputs, exact=None, shortest=shortest)
        return Claim(
            own=self._named(own),
            outputs=outputs,
            exact=self._named(self._exact(arguments)),
            shortest=shortest,
            line=line_of_dtype(self.traced, shortest),
            moved=lambda share, seed: self._named(self._exact(_moved(arguments, share, seed))),
        )

    def _exact(self, arguments: Sequence[Any]) -> Sequence[Any]:
        """Return what the formulas of the rule make of these arguments in double precision."""
        arrays = [doubling.in_double(x) for x in arguments]
        values: list[Any] | None = self.in_numpy(arrays)
        if values is not None:
            return values
        if self.doubled is None:
            jaxpr = self.traced.jaxpr
            self.doubled = CompiledOnce(lambda constants, given: doubling.run(jaxpr, constants, given))
        with doubling.DoublePrecision():
            return list(self.doubled(self.traced.consts, arrays))

    def _named(self, gradients: Sequence[Any]) -> Claims:
        return {
            name: np.asarray(x).astype(np.float64)
            for name, x in zip(self.asked.names, gradients, strict=False)
        }


def _moved(arguments: Sequence[Any], share: float, seed: int) -> list[Any]:
    """Return arguments in double precision, moved by up to a share of them."""
    rng = np.random.default_rng([seed, COLUMN_STREAM])
    exact = [doubling.in_double(x) for x in arguments]
    return [x * (1 + share * rng.uniform(-1, 1, x.shape)) for x in exact]


def _evaluator(jaxpr: Any) -> Callable[[Any, Any], Any]:
    """Return what computes a jaxpr, its constants being arguments: compiled in, large ones would take long."""
    return lambda constants, arguments: jax.core.eval_jaxpr(jaxpr, constants, *arguments)


def reverse_rule(asked: Question) -> Rule:
    """Return the user's rule for vector-Jacobian products."""

    def pull(leaves: list[Any], cotangents: list[Any]) -> list[Any]:
        outputs, back = jax.vjp(asked, *leaves)
        return [*back(list(cotangents)), *outputs]

    return Rule(asked, pull, is_cheap=True)


MOST_COLUMNS = 4096
"""Entries of the arguments up to which a rule is asked for the derivative along each; beyond, it is transposed."""

COLUMNS_AT_ONCE = 64
"""Derivatives that are computed at once."""

COLUMN_STREAM = 0x636F6C
"""Goes with the seed of the tangents."""


def forward_rule(asked: Question, seed: int) -> Rule:
    """Return the user's rule for Jacobian-vector products, as a rule that makes gradients of cotangents.

    Along each entry of the arguments it is asked for the tangents of all outputs, whose product with the cotangents is
    that entry of the gradient. The tangents have random sizes and signs: a rule that is not linear in them shows. Of
    many entries, JAX transposes the rule instead, as it does for `jax.grad`.
    """
    size = sum(leaf.size for leaf in asked.leaves)
    by_columns = _by_columns(asked, size, seed)
    return Rule(asked, by_columns if size <= MOST_COLUMNS else _transposed(asked, by_columns))


def _by_columns(asked: Question, size: int, seed: int) -> Callable[[list[Any], list[Any]], list[Any]]:
    rng = np.random.default_rng([seed, COLUMN_STREAM])
    rounds = -(-size // COLUMNS_AT_ONCE)
    numbers = np.arange(rounds * COLUMNS_AT_ONCE)
    lengths = rng.uniform(0.5, 2.0, numbers.shape) * rng.choice([-1.0, 1.0], numbers.shape)

    def pull(leaves: list[Any], cotangents: list[Any]) -> list[Any]:
        def slope(number: Any, length: Any) -> Any:
            tangents = _tangents_along(leaves, number, length)
            changes = _changes(asked, leaves, tuple(tangents))
            return sum(jnp.vdot(u, change) for u, change in zip(cotangents, changes, strict=True)) / length

        sizes = jnp.asarray(lengths, jnp.result_type(*leaves))
        if not _can_be_batched(slope, numbers, sizes):
            slopes = jnp.stack([slope(number, sizes[number]) for number in range(size)])
            return [*_cut(slopes, leaves), *_values(asked, leaves)]
        shape = (rounds, COLUMNS_AT_ONCE)
        stacks = jnp.asarray(numbers).reshape(shape), sizes.reshape(shape)
        slopes = jax.lax.map(lambda stack: jax.vmap(slope)(*stack), stacks)
        return [*_cut(slopes.reshape(-1), leaves), *_values(asked, leaves)]

    return pull


def _values(asked: Question, leaves: Sequence[Any]) -> list[Any]:
    """Return the results as the rule computes them."""
    return _pushed(asked, leaves, tuple(map(jnp.zeros_like, leaves)))[0]


def _changes(asked: Question, leaves: Sequence[Any], tangents: tuple[Any, ...]) -> list[Any]:
    """Return the tangents of the results."""
    return _pushed(asked, leaves, tangents)[1]


def _pushed(asked: Question, leaves: Sequence[Any], tangents: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
    """Return the results and their tangents; `InvalidProblemError` where the rule is one for cotangents."""
    try:
        values, changes = jax.jvp(asked, tuple(leaves), tangents)
    except TypeError as error:
        if "custom_vjp" not in str(error):
            raise
        raise InvalidProblemError(
            "f: expected a function that jax.jvp can run, got one with a custom_vjp, which has a rule for cotangents: "
            "use check_vjp."
        ) from None
    return values, changes


def _can_be_batched(slope: Callable[[Any, Any], Any], numbers: Any, lengths: Any) -> bool:
    """Whether JAX can compute many slopes at once: not what decides by values, or leaves JAX."""
    try:
        jax.eval_shape(jax.vmap(slope), numbers[:1], lengths[:1])
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError, NotImplementedError):
        return False
    return True


def _tangents_along(leaves: Sequence[Any], number: Any, length: Any) -> list[Any]:
    """Return tangents of the leaves that are zero but in one entry, by its number in all of them."""
    tangents, start = [], 0
    for leaf in leaves:
        at = jnp.arange(leaf.size) == number - start
        tangents.append(jnp.where(at, length, 0.0).astype(leaf.dtype).reshape(leaf.shape))
        start += leaf.size
    return tangents


def _cut(slopes: Any, leaves: Sequence[Any]) -> list[Any]:
    """Return the parts of a vector in the shapes of the leaves."""
    parts, start = [], 0
    for leaf in leaves:
        parts.append(slopes[start : start + leaf.size].reshape(leaf.shape))
        start += leaf.size
    return parts


def _transposed(
    asked: Question, by_columns: Callable[[list[Any], list[Any]], list[Any]]
) -> Callable[[list[Any], list[Any]], list[Any]]:
    """Return the transposed rule; it is asked along each entry where JAX cannot transpose it."""

    def pull(leaves: list[Any], cotangents: list[Any]) -> list[Any]:
        def push(*tangents: Any) -> list[Any]:
            return _changes(asked, leaves, tangents)

        try:
            slopes = jax.linear_transpose(push, *leaves)(list(cotangents))
        except (NotImplementedError, ValueError, TypeError):
            return by_columns(leaves, cotangents)
        return [*slopes, *_values(asked, leaves)]

    return pull
