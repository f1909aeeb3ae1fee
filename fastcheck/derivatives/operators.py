"""Linear operators as they are given: functions, `LinearOperator`s, matrices; and calls of them, which are watched."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.derivatives.matrices import is_operator, is_sparse
from fastcheck.errors import EvaluationError, InvalidProblemError
from fastcheck.problem.functions import expect_arguments
from fastcheck.problem.options import is_whole
from fastcheck.problem.parameters import to_numpy
from fastcheck.problem.randomness import repeating

Array = NDArray[Any]
Shape = tuple[int, ...]


class Operator:
    """One of the two operators: it maps arrays of shape ``domain`` to arrays of shape ``range``.

    ``calls`` counts how often it was called.
    """

    def __init__(
        self, name: str, function: Callable[[Any], Any], range: Shape, domain: Shape, dtype: np.dtype[Any]
    ) -> None:
        self.name, self.function, self.range, self.domain = name, function, range, domain
        self.dtype = dtype
        self.calls = 0

    def __call__(self, x: Array) -> Array:
        """Return what the operator makes of an array, as a copy; `EvaluationError` if that cannot be used."""
        self.calls += 1
        given = np.array(x, dtype=self.dtype)
        result = self.function(given)
        if not np.array_equal(given, np.asarray(x, dtype=self.dtype)):
            raise EvaluationError(
                f"{self.name}: it changes its input in place. Work on a copy: x = x.copy()."
            )
        if result is None:
            raise EvaluationError(
                f"{self.name}: it returned None. Does the function end in a return statement?"
            )
        array = np.array(to_numpy(result, self.name))
        if array.dtype.kind not in "fciub":
            raise EvaluationError(f"{self.name}: expected an array of numbers, got {type(result).__name__}.")
        if array.size != math.prod(self.range):
            raise InvalidProblemError(
                f"{self.name}: expected an array of shape {self.range} for one of shape {self.domain}, got "
                f"{array.shape}. Is shape= the pair (range, domain) of A?"
            )
        if not np.isfinite(array).all():
            raise EvaluationError(
                f"{self.name}: it returned numbers that are not finite, for a random input."
            )
        return array.reshape(self.range)


def read_operators(A: Any, AH: Any, shape: Any, dtype: Any) -> tuple[Operator, Operator]:
    """Return A and its claimed adjoint; `InvalidProblemError` names the argument that does not fit."""
    if AH is None and not is_operator(A):
        raise InvalidProblemError(
            "AH: expected the adjoint of A, a function, operator or matrix, got None: only a LinearOperator has "
            "its own."
        )
    range_shape, domain = _shapes(A, AH, shape)
    of_range, of_domain = _dtypes(A, dtype)
    forwards = Operator("A", _function(A, "A", "matvec"), range_shape, domain, of_domain)
    if AH is None:
        if not hasattr(A, "rmatvec"):
            raise InvalidProblemError("AH: expected the adjoint of A, as A has no rmatvec, got None.")
        backwards = Operator("A.rmatvec", repeating(_adjoint_of(A)), domain, range_shape, of_range)
    else:
        backwards = Operator("AH", _function(AH, "AH", "matvec"), domain, range_shape, of_range)
    return forwards, backwards


def _adjoint_of(A: Any) -> Callable[[Any], Any]:
    """Return ``A.rmatvec``; `InvalidProblemError` where SciPy's says that there is none."""

    def adjoint(y: Array) -> Any:
        try:
            return A.rmatvec(y)
        except NotImplementedError as error:
            raise InvalidProblemError(
                f"AH: expected the adjoint of A, got None, and of A: {error}."
            ) from error

    return adjoint


def _function(operator: Any, name: str, method: str) -> Callable[[Any], Any]:
    """Return what an operator, a matrix or a function does to an array."""
    if is_operator(operator):
        function: Callable[[Any], Any] = getattr(operator, method)
        return repeating(function)  # type: ignore[no-any-return]
    if is_matrix(operator):
        return lambda x: operator @ x
    if callable(operator):
        expect_arguments(name, operator, "x")
        return repeating(operator)  # type: ignore[no-any-return]
    raise InvalidProblemError(
        f"{name}: expected a function, a LinearOperator or a matrix, got {type(operator).__name__}."
    )


def is_matrix(value: Any) -> bool:
    """Tell whether this is a dense or sparse matrix."""
    return is_sparse(value) or (isinstance(value, np.ndarray) and value.ndim == 2)


def _shapes(A: Any, AH: Any, shape: Any) -> tuple[Shape, Shape]:
    """Return the shapes of range and domain of A."""
    own = None
    for operator, order in ((A, 1), (AH, -1)):
        if own is None and (is_operator(operator) or is_matrix(operator)):
            own = tuple((int(n),) for n in operator.shape[::order])
    if own is None and shape is None:
        raise InvalidProblemError(
            "shape: expected (range, domain) of A, each a number or a shape, such as (100, 80) or ((10, 10), 80), got "
            "None: functions do not tell."
        )
    own_of_adjoint = tuple((int(n),) for n in AH.shape[::-1]) if is_operator(AH) or is_matrix(AH) else own
    if own != own_of_adjoint:
        raise InvalidProblemError(
            f"AH: expected shape {AH.shape[::-1]}, as A has {A.shape}, got {AH.shape}. Is it A.conj().T?"
        )
    if own is not None and shape is None:
        return own[0], own[1]
    given = _read_shape(shape)
    if own is not None and [math.prod(s) for s in own] != [math.prod(s) for s in given]:
        raise InvalidProblemError(f"shape: expected {own}, which is that of the operator, got {shape!r}.")
    return given


def _read_shape(shape: Any) -> tuple[Shape, Shape]:
    if isinstance(shape, (tuple, list)) and len(shape) == 2:
        sides = [_read_side(side) for side in shape]
        if sides[0] is not None and sides[1] is not None:
            return sides[0], sides[1]
    raise InvalidProblemError(
        f"shape: expected (range, domain) of A, each a positive number or a shape, such as (100, 80) or ((10, 10), "
        f"80), got {shape!r}."
    )


def _read_side(side: Any) -> Shape | None:
    numbers = (side,) if is_whole(side) else side
    if not isinstance(numbers, (tuple, list)) or not all(is_whole(n) and n > 0 for n in numbers):
        return None
    return tuple(int(n) for n in numbers)


def _dtypes(A: Any, dtype: Any) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """Return the dtypes of range and domain: those asked for, or that of the operator, or float64."""
    if dtype is None:
        own = getattr(A, "dtype", None)
        kind = np.dtype(np.float64 if own is None else own)
        kind = kind if kind.kind in "fc" else np.dtype(np.float64)
        return kind, kind
    pair = dtype if isinstance(dtype, tuple) and len(dtype) == 2 else (dtype, dtype)
    try:
        kinds: list[np.dtype[Any]] = [np.dtype(kind) for kind in pair]
    except TypeError:
        kinds = []
    if not kinds or any(kind.kind not in "fc" for kind in kinds):
        raise InvalidProblemError(
            f"dtype: expected a real or complex dtype, or a pair of them for range and domain, got {dtype!r}."
        )
    return kinds[0], kinds[1]
