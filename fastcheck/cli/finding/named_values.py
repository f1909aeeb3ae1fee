"""A cost, parameters and gradients under their usual names in a file, also SciPy's ``f``, ``fprime`` and ``x0``."""

from __future__ import annotations

import ast
import functools
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastcheck.checks.check import check
from fastcheck.cli.finding.guessing import CannotGuessError, repeated, shape_words
from fastcheck.cli.found import Finding, FoundProblem, NotUsed
from fastcheck.files.users_file import UsersFile, said
from fastcheck.problem.by_names import (
    arguments_of,
    call_by_names,
    claim_by_names,
    claim_of_several,
    cost_by_names,
    cost_of_several,
    is_number,
    missing_for,
    role_of,
)
from fastcheck.problem.cost_value import cost_in
from fastcheck.problem.parameters import leaves_of

COST = re.compile(
    r"(compute_?)?(cost|loss|objective|J|f|fun|func|energy|nll|neg_log_likelihood)(_?func(tion)?)?"
)

GRADIENT = re.compile(
    r"(compute_?)?(gradients?|grads?|df|dJ|fprime|f_prime|jac|jacobian|der|grad_?(f|fun|func|J|cost|loss)"
    r"|(cost|loss|objective|f|J|fun|energy|nll)_(grads?|gradients?|prime|der|jac))"
)

BOTH = re.compile(
    r"(compute_?)?(cost|loss|J|f|value)_?(and|with)_?(gradients?|grads?|g|jac).*", re.IGNORECASE
)
"""Functions that return the cost and the gradient."""

LOOPS = (ast.For, ast.While, ast.AsyncFor)

START = re.compile(r"(initial_?)?(parameters|params|theta|weights)(_?0)?|[xpw]0|[wWpP]|beta|coefs?")
"""Parameters, or a point to begin at."""


class _Point(NamedTuple):
    name: str
    value: Any


def problems_by_names(file: UsersFile) -> Iterator[Finding]:
    """Yield the problem that names of the file pose, if they do."""
    named = _functions(file, COST) | _functions(file, BOTH)
    costs = {name: cost for name, cost in named.items() if "AL" not in map(role_of, arguments_of(cost))}
    gradients = _gradients(file)
    points = [_Point(name, _floats(file.namespace[name])) for name in file.namespace if _is_point(file, name)]
    for cost_name, cost in costs.items():
        claim_names = [name for name in gradients if name != cost_name]
        is_of_interest = bool(claim_names) or BOTH.fullmatch(cost_name) is not None
        parts = (cost_name, *claim_names)
        try:
            problem = _problem(file, cost_name, cost, {name: gradients[name] for name in claim_names}, points)
        except CannotGuessError as reason:
            if is_of_interest:
                yield NotUsed(name=cost_name, why=str(reason), parts=parts)
            continue
        if problem is not None:
            yield problem


def _problem(
    file: UsersFile,
    cost_name: str,
    cost: Callable[..., Any],
    gradients: Mapping[str, Any],
    points: list[_Point],
) -> FoundProblem | None:
    """Return the problem of a cost; None if nothing in the file claims a gradient of it."""
    arguments = arguments_of(cost)
    if not arguments:
        return None
    if not points:
        raise CannotGuessError("nothing says at which parameters: give the file parameters, theta or x0.")
    point = next((p for p in points if p.name == arguments[0]), points[0])
    settings = _settings(file, point)
    missing = missing_for(cost, {**settings, arguments[0]: point.value})
    if missing:
        raise CannotGuessError(f"nothing in the file is called {', '.join(missing)}.")
    try:
        result = call_by_names(cost, {**settings, arguments[0]: _copy(point.value)})
    except Exception as error:
        raise CannotGuessError(f"{cost_name} raises {said(error)} at {point.name}") from None
    if not is_number(cost_in(result)):
        raise CannotGuessError(f"{cost_name} returns no number, but {shape_words(result)}.")
    claim, claim_name = _claim(cost, cost_name, result, gradients, settings, arguments[0], point)
    if claim is None:
        return None
    if claim_name in gradients and not callable(claim) and not is_settled(file, point.name, claim_name):
        raise CannotGuessError(
            f"{claim_name} are numbers, and {point.name} may have changed since they were computed: write a function "
            "that returns them."
        )
    parameters, where = point.value, point.name
    J = functools.partial(cost_by_names, cost, settings, arguments[0])
    several = _one_by_one(arguments, gradients.get(claim_name), settings, point)
    if several is not None:
        parameters, where = several, ", ".join(several)
        J = functools.partial(cost_of_several, cost, settings)
        claim = functools.partial(claim_of_several, gradients[claim_name], settings)

    def run(options: Mapping[str, Any]) -> Any:
        return check(J, parameters, claim, **options)

    how = f"{cost_name} and {claim_name} at {where}"
    return FoundProblem(name=cost_name, how=how, parts=(cost_name, claim_name), run=repeated(file, run))


def _claim(
    cost: Callable[..., Any],
    cost_name: str,
    result: Any,
    gradients: Mapping[str, Any],
    settings: Mapping[str, Any],
    argument: str,
    point: _Point,
) -> tuple[Any, str]:
    """Return what claims to be the gradient, and its name; None if nothing does."""
    for name, value in gradients.items():
        if not isinstance(value, types.FunctionType):
            return value, name
        own = arguments_of(value)
        if own and not missing_for(value, {**settings, own[0]: point.value}):
            return functools.partial(claim_by_names, value, None, settings, own[0]), name
    if isinstance(result, tuple) and len(result) == 2 and _is_like(result[1], point.value):
        return functools.partial(
            claim_by_names, cost, 1, settings, argument
        ), f"the gradients that {cost_name} returns"
    return None, ""


def _one_by_one(
    arguments: Sequence[str], gradient: Any, settings: Mapping[str, Any], point: _Point
) -> dict[str, Any] | None:
    """Return the parameters of a cost that takes them one by one, ``cost(w, b)`` beside ``dw, db = gradient(w, b)``.

    None unless the gradient is a function of the same arguments that returns a tuple, with an entry for each.
    """
    is_one_array = isinstance(point.value, (np.ndarray, float))
    if not is_one_array or not isinstance(gradient, types.FunctionType):
        return None
    values = {**settings, arguments[0]: point.value}
    try:
        returned = call_by_names(gradient, {name: _copy(value) for name, value in values.items()})
    except Exception:  # the check says what it raises, and where
        return None
    if not isinstance(returned, (tuple, list)) or len(returned) < 2:
        return None
    names = arguments[: len(returned)]
    takes_the_same = arguments_of(gradient)[: len(returned)] == names
    parameters = {name: _floats(values[name]) for name in names if name in values}
    are_floats = all(isinstance(value, (np.ndarray, float)) for value in parameters.values())
    return parameters if takes_the_same and are_floats and len(parameters) == len(returned) else None


def is_settled(file: UsersFile, point: str, claim: str) -> bool:
    """Tell whether gradients were computed once, after the last change of the parameters.

    The smallest script in which they were not: ``for step in range(9): grad = 2 * w; w -= 0.1 * grad``.
    """
    changes: dict[str, list[int]] = {point: [], claim: []}
    for tree in file.trees:
        in_loops = {id(node) for loop in ast.walk(tree) if isinstance(loop, LOOPS) for node in ast.walk(loop)}
        for node in ast.walk(tree):
            for name in _names_assigned(node):
                if name in changes:
                    changes[name].append(-1 if id(node) in in_loops else getattr(node, "lineno", 0))
    is_known = len(file.trees) == 1 and bool(changes[claim])
    in_a_loop = -1 in changes[point] + changes[claim]
    return is_known and not in_a_loop and max(changes[point], default=0) < min(changes[claim])


def _names_assigned(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement assigns, or of which it assigns entries."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        targets = [node.target]
    for target in targets:
        for inner in ast.walk(target):
            if isinstance(inner, ast.Name):
                yield inner.id


def _floats(value: Any) -> Any:
    """Return whole numbers, and lists of numbers, as an array of floats, as optimisers do."""
    is_array = isinstance(value, np.ndarray) and value.dtype.kind in "iu"
    is_list = isinstance(value, (list, tuple)) and all(isinstance(x, (int, float, np.number)) for x in value)
    if isinstance(value, int):
        return float(value)
    return np.array(value, dtype=np.float64) if is_array or is_list else value


def _is_like(claim: Any, parameters: Any) -> bool:
    """Tell whether something has as many entries as the parameters."""
    try:
        return sum(map(np.size, leaves_of(claim))) == sum(map(np.size, leaves_of(parameters)))
    except (TypeError, ValueError):
        return False


def _functions(file: UsersFile, pattern: re.Pattern[str]) -> dict[str, types.FunctionType]:
    return {name: function for name, function in file.own_functions().items() if pattern.fullmatch(name)}


def _gradients(file: UsersFile) -> dict[str, Any]:
    """Return the gradients of the file by their names: functions first, then arrays and dicts of them."""
    named = {name: value for name, value in file.own.items() if GRADIENT.fullmatch(name)}
    functions = {name: value for name, value in named.items() if isinstance(value, types.FunctionType)}
    data = {
        name: value for name, value in named.items() if isinstance(value, (np.ndarray, dict, list, tuple))
    }
    return functions | data


def _is_point(file: UsersFile, name: str) -> bool:
    if START.fullmatch(name) is None:
        return False
    value = file.namespace[name]
    if isinstance(value, np.ndarray):
        return value.size > 0
    return isinstance(value, float) or (isinstance(value, (dict, list, tuple)) and bool(value))


def _settings(file: UsersFile, point: _Point) -> dict[str, Any]:
    """Return the other values of the file, which arguments besides the parameters may be called after."""
    kinds = (np.ndarray, np.number, int, float, str, dict, list, tuple)
    named = {
        name: value
        for name, value in file.namespace.items()
        if isinstance(value, kinds) and not name.startswith("_") and name != point.name
    }
    return {role_of(name): value for name, value in named.items()} | named


def _copy(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return value
