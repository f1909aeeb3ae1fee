"""Networks that are objects, as the cost, parameters and claim that all entry points ask for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fastcheck.checks.generators import generators_kept
from fastcheck.errors import InvalidProblemError
from fastcheck.problem.functions import accepts, structure_copy
from fastcheck.problem.object_contents import arrays_held
from fastcheck.problem.object_cost import ObjectCost
from fastcheck.problem.object_search import backward_functions, claims_of
from fastcheck.problem.parameters import leaves_of, map_structure, named_leaves
from fastcheck.problem.randomness import repeating
from fastcheck.workers.library_threads import one_blas_thread


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
class PosedObject:
    """A network as a cost of its parameters, with its claim, and the passes that it took to find them.

    ``without`` names arrays held with the parameters for which the network has no gradient. ``backward`` is the
    user's function that returns the gradients, None where they are arrays. ``claimed_by`` are the functions that
    compute the claim, where it is not given.
    """

    cost: ObjectCost
    parameters: Any
    gradients: Any
    forward_passes: int = 0
    without: tuple[str, ...] = ()
    backward: Callable[[], Any] | None = None
    claimed_by: tuple[Callable[..., Any], ...] = ()


def posed_object(
    network: Any, cost: Callable[..., Any], data: Sequence[Any], parameters: Any, gradients: Any
) -> PosedObject:
    """Return the problem that a network poses: parameters and gradients that are not given are found.

    ``data`` are the arguments of the cost, or parameters and gradients, as `check_object` took them first.
    """
    if not callable(cost):
        raise InvalidProblemError(
            f"cost: expected a function such as network.loss, got {type(cost).__name__}."
        )
    claim_is_given = gradients is not None
    may_be_named = parameters is None and len(data) == (1 if claim_is_given else 2)
    if may_be_named and not _are_data(network, cost, data):
        parameters = data[0]
        gradients = gradients if claim_is_given else data[1]
        data = ()
        if gradients is None:
            raise InvalidProblemError(
                "gradients: expected the claimed gradient, or a function that returns it, got None. Does the backward "
                "pass end in a return statement?"
            )
    copies = structure_copy(list(data))
    if parameters is None or gradients is None:
        return _searched(network, cost, copies, parameters, gradients)
    adapted = ObjectCost(network, cost, parameters, copies)
    if not callable(gradients):
        return PosedObject(adapted, parameters, gradients)
    claim = functools.partial(adapted.gradients, gradients)
    return PosedObject(adapted, parameters, claim, forward_passes=1, backward=gradients)


def _searched(
    network: Any, cost: Callable[..., Any], data: list[Any], parameters: Any, gradients: Any
) -> PosedObject:
    """Run the network once to find what is not given: parameters, their gradients, or both."""
    with generators_kept(), one_blas_thread():
        claims = repeating(functools.partial(claims_of, network, cost, gradients))(data)
    claimed_by = (gradients,) if callable(gradients) else backward_functions(network, cost)
    if parameters is None:
        adapted = ObjectCost(network, cost, claims.parameters, data)
        return PosedObject(
            adapted, claims.parameters, claims.gradients, 2, claims.without_gradient, claimed_by=claimed_by
        )
    claimed = {id(array): gradient for array, gradient in claims.pairs}
    missing = [name for name, array in named_leaves(parameters) if id(array) not in claimed]
    if missing:
        raise InvalidProblemError(
            f"gradients: none was found for {', '.join(missing)}. Pass gradients={{'W': …}}."
        )
    of_parameters = map_structure(lambda _path, leaf: claimed[id(leaf)], parameters)
    adapted = ObjectCost(network, cost, parameters, data)
    return PosedObject(adapted, parameters, of_parameters, 2, claimed_by=claimed_by)


def _are_data(network: Any, cost: Callable[..., Any], data: Sequence[Any]) -> bool:
    """Tell whether positional arguments are data of the cost, not parameters and gradients."""
    if not accepts(cost, data):
        return False
    if not accepts(cost, ()):
        return True
    held = {id(array) for array in arrays_held(network)}
    return not all(id(leaf) in held for leaf in leaves_of(data[0]))
