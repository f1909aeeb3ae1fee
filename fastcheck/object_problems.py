"""Networks that are objects, as the cost, parameters and claim that all entry points ask for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fastcheck.errors import InvalidProblemError
from fastcheck.execution import one_blas_thread
from fastcheck.finding import found_in, takes
from fastcheck.generators import generators_kept
from fastcheck.objects import ObjectCost, arrays_held
from fastcheck.parameters import map_structure, path_name
from fastcheck.problem import structure_copy
from fastcheck.randomness import repeating


class ObjectArguments(NamedTuple):
    """What `check`, `screen`, `locate` and the others ask for."""

    cost: ObjectCost
    parameters: Any
    gradients: Any


def from_object(
    network: Any, cost: Callable[..., Any], *data: Any, parameters: Any = None, gradients: Any = None
) -> ObjectArguments:
    """Return a network that is an object as the arguments of `check`, `screen`, `locate` and the others.

    Parameters
    ----------
    network, cost, *data, parameters, gradients
        As for `check_object`.

    Returns
    -------
    ObjectArguments
        The triple (cost, parameters, gradients): cost is a function of the parameters, which for the time of a call
        puts these into the places where the network holds its own.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check_object`.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> class Line:
    ...     def __init__(self):
    ...         self.w = np.array([2.0, -1.0])
    ...     def loss(self, X, y):
    ...         error = X.dot(self.w) - y
    ...         self.dw = 2 * error.dot(X)
    ...         return np.sum(error**2)
    >>> line = Line()
    >>> fastcheck.screen(*fastcheck.from_object(line, line.loss, np.eye(2), np.ones(2))).passed
    True
    """
    posed = posed_object(network, cost, data, parameters, gradients)
    return ObjectArguments(posed.cost, posed.parameters, posed.gradients)


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """A network as a cost of its parameters, with its claim, and the passes that it took to find them.

    ``without`` names arrays beside the parameters for which it has no gradient.
    """

    cost: ObjectCost
    parameters: Any
    gradients: Any
    forward_passes: int = 0
    without: tuple[str, ...] = ()


def posed_object(
    network: Any, cost: Callable[..., Any], data: Sequence[Any], parameters: Any, gradients: Any
) -> Posed:
    """Return the problem that a network poses: parameters and gradients that are not given are found."""
    if not callable(cost):
        raise InvalidProblemError(
            f"cost: expected a function such as network.loss, got {type(cost).__name__}."
        )
    first = 1 if gradients is not None else 2
    if parameters is None and len(data) == first and not _are_data(network, cost, data):
        parameters, gradients, data = data[0], data[1] if first == 2 else gradients, ()
        if gradients is None:
            raise InvalidProblemError(
                "gradients: expected the claimed gradient, or a function that returns it, got None. Does the backward "
                "pass end in a return statement?"
            )
    copies = structure_copy(list(data))
    if parameters is not None and gradients is not None:
        adapted = ObjectCost(network, cost, parameters, copies)
        if not callable(gradients):
            return Posed(adapted, parameters, gradients)
        return Posed(adapted, parameters, functools.partial(adapted.gradients, gradients), 1)
    with generators_kept(), one_blas_thread():
        found = repeating(functools.partial(found_in, network, cost, gradients))(copies)
    if parameters is not None:
        claimed = {id(array): gradient for (array, gradient) in found.pairs}
        missing = [name for name, array in _named(parameters) if id(array) not in claimed]
        if missing:
            raise InvalidProblemError(
                f"gradients: none was found for {', '.join(missing)}. Pass gradients={{'W': …}}."
            )
        gradients = map_structure(lambda _path, leaf: claimed[id(leaf)], parameters)
        return Posed(ObjectCost(network, cost, parameters, copies), parameters, gradients, 2)
    adapted = ObjectCost(network, cost, found.parameters, copies)
    return Posed(adapted, found.parameters, found.gradients, 2, found.without)


def _are_data(network: Any, cost: Callable[..., Any], data: Sequence[Any]) -> bool:
    """Whether two arguments are data of the cost, not parameters and gradients."""
    if not takes(cost, data):
        return False
    if not takes(cost, ()):
        return True
    held = {id(array) for array in arrays_held(network)}
    return not all(id(array) in held for _, array in _named(data[0]))


def _named(structure: Any) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    map_structure(lambda path, leaf: found.append((path_name(path), leaf)), structure)
    return found
