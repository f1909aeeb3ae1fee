"""The way between the dictionaries of the courses, ``W1, b1, …, WL, bL``, and one column of all their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import InvalidProblemError
from fastcheck.problem.shapes import without_unit_axes

Array = NDArray[np.float64]

COURSE_SHAPES = {"W1": (5, 4), "b1": (5, 1), "W2": (3, 5), "b2": (3, 1), "W3": (1, 3), "b3": (1, 1)}


class ParameterVector(np.ndarray[Any, Any]):
    """The column that `dictionary_to_vector` returns; ``theta, keys = vector`` takes it apart.

    The courses write both ``theta = dictionary_to_vector(parameters)`` and ``theta, keys = …``. Unpacking is iterating
    in Python, so this one object, and nothing that is made of it, iterates over two things: the plain column, and for
    each row the name of its block. All else is as for any array: ``len(theta)``, ``theta[i]``, arithmetic.
    """

    keys: list[str] | None

    def __array_finalize__(self, source: Any) -> None:
        self.keys = None  # copies, slices and results of arithmetic iterate as arrays do

    def __iter__(self) -> Iterator[Any]:
        return super().__iter__() if self.keys is None else iter((self.view(np.ndarray), self.keys))


def dictionary_to_vector(parameters: Mapping[str, Array]) -> ParameterVector:
    """Return all parameters W1, b1, W2, … as one column (n, 1), with the name of the block of each row.

    >>> parameters = {"W1": np.array([[1.0, 2.0]]), "b1": np.array([[3.0]])}
    >>> theta = dictionary_to_vector(parameters)
    >>> theta.shape
    (3, 1)
    >>> theta, keys = dictionary_to_vector(parameters)
    >>> keys
    ['W1', 'W1', 'b1']
    """
    names = parameter_names(parameters)
    columns = [np.reshape(parameters[name], (-1, 1)) for name in names]
    vector = np.concatenate(columns).view(ParameterVector)
    vector.keys = [name for name, column in zip(names, columns, strict=True) for _ in column]
    return vector


def vector_to_dictionary(vector: Array, shapes: Mapping[str, Any] | None = None) -> dict[str, Array]:
    """Return the parameters that `dictionary_to_vector` was called on.

    ``shapes`` maps names to shapes, or to arrays of these shapes (the parameters themselves will do), in
    the order W1, b1, …; without it they are the course's 5×4, 5×1, 3×5, 3×1, 1×3, 1×1. Raises
    `InvalidProblemError` if the vector has another length.
    """
    flat = np.asarray(vector).ravel()
    given: Mapping[str, Any] = COURSE_SHAPES if shapes is None else shapes
    wanted = {name: _shape(given[name]) for name in parameter_names(given)}
    size = sum(int(np.prod(shape)) for shape in wanted.values())
    if flat.size != size:
        raise InvalidProblemError(
            f"vector_to_dictionary: expected {size} numbers for the shapes {wanted}, got {flat.size}. Pass "
            "the shapes of your network: vector_to_dictionary(vector, parameters)."
        )
    parameters, start = {}, 0
    for name, shape in wanted.items():
        stop = start + int(np.prod(shape))
        parameters[name] = flat[start:stop].reshape(shape)
        start = stop
    return parameters


def gradients_to_vector(gradients: Mapping[str, Array]) -> Array:
    """Return dW1, db1, dW2, … as one column (n, 1); other keys, such as dZ1, are ignored."""
    names = [name for k in range(1, depth(gradients, "dW") + 1) for name in (f"dW{k}", f"db{k}")]
    return np.concatenate([np.reshape(gradients[name], (-1, 1)) for name in names])


def claim_to_vector(gradients: Mapping[str, Array], parameters: Mapping[str, Array]) -> Array:
    """Return the entries (n,) of the gradients that belong to those of `dictionary_to_vector`.

    Raises `InvalidProblemError`, which names the array, if one has not the shape of its parameter. Axes of length 1
    do not matter: db of shape (5,) serves for b of shape (5, 1).
    """
    claimed = gradients_to_vector(gradients).ravel()
    for name in parameter_names(parameters):
        gradient = gradients.get(f"d{name}")
        expected, got = np.shape(parameters[name]), None if gradient is None else np.shape(gradient)
        if got is not None and without_unit_axes(expected) == without_unit_axes(got):
            continue
        advice = f"Compare the product that makes d{name} with the formula."
        if got == expected[::-1]:
            advice = f"It is transposed: return d{name}.T, or swap the factors of the product that makes it."
        raise InvalidProblemError(
            f"gradients: expected d{name} with the shape {expected} of {name}, got "
            f"{'none' if got is None else got}. {advice}"
        )
    total = sum(np.size(parameters[name]) for name in parameter_names(parameters))
    if claimed.size != total:
        raise InvalidProblemError(
            f"gradients: expected {total} numbers, one for each parameter, got {claimed.size}. Leave out the "
            "gradients of layers that the network has not."
        )
    return claimed


def identify_parameter(index: int, parameters: Mapping[str, Array]) -> tuple[str, int]:
    """Return the gradient that entry ``index`` of the vector is in, and its place among the entries of that, from 0.

    `identify_coordinate` returns the row and column instead.

    >>> from fastcheck.course import gradient_check_n_test_case
    >>> X, Y, parameters = gradient_check_n_test_case()
    >>> identify_parameter(12, parameters)
    ('dW[1]', 12)
    >>> identify_parameter(21, parameters)
    ('db[1]', 1)
    """
    name, place = _block_and_place("identify_parameter", index, parameters)
    return f"d{name[0]}[{name[1:]}]", place


def identify_coordinate(index: int, parameters: Mapping[str, Array]) -> tuple[str, tuple[int, ...]]:
    """Return the gradient that entry ``index`` of the vector is in, and its row and column there.

    >>> from fastcheck.course import gradient_check_n_test_case
    >>> X, Y, parameters = gradient_check_n_test_case()
    >>> identify_coordinate(12, parameters)
    ('dW1', (3, 0))
    """
    name, place = _block_and_place("identify_coordinate", index, parameters)
    return f"d{name}", tuple(int(i) for i in np.unravel_index(place, np.shape(parameters[name])))


def parameter_names(parameters: Mapping[str, Any]) -> list[str]:
    """Return W1, b1, …, WL, bL; `InvalidProblemError` unless all are there."""
    return [name for layer in range(1, depth(parameters) + 1) for name in (f"W{layer}", f"b{layer}")]


def depth(parameters: Mapping[str, Any], weight: str = "W") -> int:
    """Return the number of layers L; W1, b1, …, WL, bL must all be there."""
    layers = 0
    while f"{weight}{layers + 1}" in parameters:
        layers += 1
    missing = [k for k in range(1, layers + 1) if f"{weight[:-1]}b{k}" not in parameters]
    if layers == 0 or missing:
        raise InvalidProblemError(
            f"parameters: expected {weight}1, {weight[:-1]}b1, {weight}2, …, got "
            f"{', '.join(map(str, parameters))}."
        )
    return layers


def _block_and_place(function: str, index: int, parameters: Mapping[str, Array]) -> tuple[str, int]:
    rest = index
    for name in parameter_names(parameters):
        size = np.size(parameters[name])
        if 0 <= rest < size:
            return name, int(rest)
        rest -= size
    total = sum(np.size(parameters[name]) for name in parameter_names(parameters))
    raise InvalidProblemError(f"{function}: expected an index from 0 to {total - 1}, got {index}.")


def _shape(shape_or_array: Any) -> tuple[int, ...]:
    if isinstance(shape_or_array, np.ndarray):
        shape_or_array = shape_or_array.shape
    return tuple(shape_or_array)
