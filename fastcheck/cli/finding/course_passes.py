"""Networks as the courses write them: a forward pass, a backward pass and, if need be, a cost, as functions."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from fastcheck import course
from fastcheck.checks.check import check
from fastcheck.checks.conventions import check_backprop
from fastcheck.cli.finding.cases import OTHER_DEPTH, Case, Reading, expect_all_read, test_cases
from fastcheck.cli.finding.guessing import CannotGuessError, functions_in, generator_of_data, repeated
from fastcheck.cli.finding.named_pairs import Pair, pairs_in
from fastcheck.cli.found import Finding, FoundProblem, NotUsed
from fastcheck.files.users_file import UsersFile, said
from fastcheck.legible import first_names
from fastcheck.problem.by_names import (
    arguments_of,
    backward_by_names,
    cost_by_names,
    forward_by_names,
    is_number,
    missing_for,
    role_of,
)
from fastcheck.report.result import Report

SETTINGS = {"lambd": 0.7, "keep_prob": 0.8}
"""Values of settings that functions need and nobody gives."""

COST = re.compile(
    r"(compute_?|calculate_?|calc_?|get_?)?(cost|loss)(?P<rest>_?func(tion)?|_with_.*|_n)?", re.IGNORECASE
)

LIKE_A_COST = re.compile(r".*(cost|loss|entropy|mse|squared_error|likelihood).*", re.IGNORECASE)
"""Other names of costs, which count if nothing has one of those."""

REASONS = 2
"""Reasons that are told, where no data fit."""

ONE_DIMENSION = ("x", "theta")
"""Arguments of both functions of the exercise in one dimension."""

VALUES_IN_ONE_DIMENSION = {"x": 3.0, "theta": 4.0}


def networks_by_passes(file: UsersFile) -> Iterator[Finding]:
    """Yield the pairs that are no layers."""
    for pair in pairs_in(file):
        if pair.is_layer:
            continue
        parts = tuple(name for name in (pair.backward_name, pair.forward_name, pair.stem) if name)
        try:
            yield _one_dimension(file, pair, parts) or _network(file, pair, parts)
        except CannotGuessError as reason:
            yield NotUsed(name=pair.backward_name, why=str(reason), parts=parts)


def _one_dimension(file: UsersFile, pair: Pair, parts: tuple[str, ...]) -> FoundProblem | None:
    """Return the exercise J(θ) = θ x, if the pair is that."""
    if pair.forward is None:
        return None
    both = (tuple(arguments_of(pair.forward)), tuple(arguments_of(pair.backward)))
    if both != (ONE_DIMENSION, ONE_DIMENSION):
        return None
    values = {name: file.namespace.get(name) for name in ONE_DIMENSION}
    if all(is_number(value) for value in values.values()):
        source = "of the file"
    else:
        values, source = dict(VALUES_IN_ONE_DIMENSION), "made up"
    cost = functools.partial(cost_by_names, pair.forward, {"x": values["x"]}, "theta")
    claim = functools.partial(backward_alone, pair.backward, values["x"])
    theta = float(np.asarray(values["theta"]).item())

    def run(options: Mapping[str, Any]) -> Report:
        return check(cost, theta, claim, **options)

    how = f"one dimension, {pair.forward_name} and {pair.backward_name}; x = {values['x']}, theta = {theta:g} {source}"
    return FoundProblem(name=pair.backward_name, how=how, parts=parts, run=repeated(file, run))


def backward_alone(backward: Callable[..., Any], x: Any, theta: Any) -> Any:
    """Return the derivative in one dimension."""
    return backward(x, theta)


def _network(file: UsersFile, pair: Pair, parts: tuple[str, ...]) -> FoundProblem:
    """Return a network with the first parameters and data that its passes accept."""
    forward, forward_name = pair.forward, pair.forward_name
    if forward is None:
        if arguments_of(pair.backward) != ["X", "Y", "cache"]:
            raise CannotGuessError(
                "there is no forward pass of that name: name it as the backward pass is named."
            )
        forward, forward_name = course.forward_propagation_n, "the course's forward_propagation_n"
    failures: list[str] = []
    for case in test_cases(file, forward, pair.backward):
        try:
            posed = _posed(file, pair, forward, case)
        except CannotGuessError as reason:
            failures.append(f"with {case.source}: {reason}")
            continue
        run, cost_name = posed
        cost_words = f", cost {cost_name}" if cost_name else ""
        how = f"{forward_name}{cost_words}; {case.source}"
        return FoundProblem(name=pair.backward_name, how=how, parts=parts, run=repeated(file, run))
    telling = [reason for reason in failures if OTHER_DEPTH not in reason] or failures
    raise CannotGuessError(
        f"{'; '.join(telling[:REASONS])}. Give the file X, Y and parameters, or a function "
        f"{pair.backward_name}_test_case() that returns them."
    )


def _posed(
    file: UsersFile, pair: Pair, forward: Callable[..., Any], case: Case
) -> tuple[Callable[[Mapping[str, Any]], Report], str | None]:
    """Return the check of a pair with this data, and the cost's name; `CannotGuessError` if the passes do not run."""
    X, Y, parameters = (case.values[role] for role in ("X", "Y", "parameters"))
    read = Reading(parameters) if isinstance(parameters, dict) else parameters
    settings = _settings(case.values, forward, pair.backward)
    known = {**settings, "X": X, "Y": Y, "parameters": parameters}
    missing = missing_for(forward, known) + missing_for(pair.backward, {**known, "cache": None, "AL": None})
    if missing:
        raise CannotGuessError(f"nothing in the file is called {', '.join(dict.fromkeys(missing))}")
    cost: Callable[..., Any] | None = None
    cost_name = None
    try:
        with np.errstate(all="ignore"):
            first = forward_by_names(forward, None, settings, _copy(X), _copy(Y), _copy(read))[0]
            if not is_number(first):
                cost_name, cost = _cost_function(file, pair, first)
                settings = _settings(case.values, forward, pair.backward, cost)
            J, left = forward_by_names(forward, cost, settings, _copy(X), _copy(Y), _copy(read))
            claim = backward_by_names(pair.backward, settings, _copy(X), _copy(Y), left)
    except CannotGuessError:
        raise
    except Exception as error:
        raise CannotGuessError(said(error)) from None
    if cost is None and _asks_for_penalty(pair.backward) and not _asks_for_penalty(forward):
        raise CannotGuessError(
            "the backward pass has a penalty (L2), and the forward pass has none in its cost"
        )
    if not is_number(J):
        raise CannotGuessError(f"the cost is no number but {type(J).__name__}")
    expect_all_read(read)
    if not case.of_the_file:
        _expect_change(functools.partial(forward_by_names, forward, cost, settings, X, Y), parameters)
    _expect_gradients(claim, parameters)
    as_courses_write = (
        cost is None
        and not settings
        and [role_of(name) for name in arguments_of(forward)] == ["X", "Y", "parameters"]
        and [role_of(name) for name in arguments_of(pair.backward)] == ["X", "Y", "cache"]
    )
    run_forward, run_backward = forward, pair.backward
    if not as_courses_write:
        run_forward = functools.partial(forward_by_names, forward, cost, settings)
        run_backward = functools.partial(backward_by_names, pair.backward, settings)

    def run(options: Mapping[str, Any]) -> Report:
        return check_backprop(run_forward, run_backward, parameters, X, Y, **options)

    return run, cost_name


def _expect_change(forward: Callable[[Any], Any], parameters: Any) -> None:
    """Raise `CannotGuessError` if a cost is the same at other values of a parameter, as of a softmax of one output."""
    rng = generator_of_data()
    try:
        J = float(np.squeeze(forward(parameters)[0]))
        others = {
            name: float(np.squeeze(forward({**parameters, name: rng.standard_normal(array.shape)})[0]))
            for name, array in parameters.items()
        }
    except Exception as error:
        raise CannotGuessError(said(error)) from None
    without_effect = [name for name, other in others.items() if np.isclose(J, other, rtol=1e-9, atol=1e-9)]
    if without_effect:
        names = first_names(without_effect)
        raise CannotGuessError(
            f"the cost is the same for all values of {names}: a softmax needs more than one output"
        )


def _settings(values: Mapping[str, Any], *functions: Callable[..., Any] | None) -> dict[str, Any]:
    """Return what passes need besides data: of the file, the default of one of them, or a usual value."""
    settings: dict[str, Any] = {}
    for function in functions:
        if function is None:
            continue
        for name in arguments_of(function, required=True):
            role = role_of(name)
            if role in ("X", "Y", "parameters", "cache", "AL"):
                continue
            value = values.get(role, _default(role, functions))
            if value is not None:
                settings[role] = value
    return settings


def _default(role: str, functions: tuple[Callable[..., Any] | None, ...]) -> Any:
    """Return the default that one of the functions has for a setting, or the usual value."""
    for function in functions:
        for parameter in inspect.signature(function).parameters.values() if function else ():
            if role_of(parameter.name) == role and parameter.default is not parameter.empty:
                return parameter.default
    return SETTINGS.get(role)


def _cost_function(file: UsersFile, pair: Pair, output: Any) -> tuple[str, Callable[..., Any]]:
    """Return the cost that belongs to a pair: that with its last words, else the plain one, else that of the course."""
    functions = functions_in(file.namespace)
    own = set(file.own_functions())
    costs = {name: match["rest"] or "" for name in functions if (match := COST.fullmatch(name))}
    suffix = re.search(r"_with_.*", pair.backward_name)
    alike = [name for name, rest in costs.items() if suffix and rest == suffix[0]]
    plain = [name for name, rest in costs.items() if not rest.startswith("_with_")]
    others = [name for name in own if LIKE_A_COST.fullmatch(name) and name not in costs]
    has_penalty = _asks_for_penalty(pair.backward)
    for names in (alike, own & set(plain), plain, others):
        roles = {name: set(map(role_of, arguments_of(functions[name]))) for name in names}
        fitting = sorted(name for name in names if {"AL", "Y"} <= roles[name])
        fitting = [name for name in fitting if not has_penalty or "lambd" in roles[name]]
        if len(fitting) > 1:
            raise CannotGuessError(
                f"the file has several costs, {', '.join(fitting)}: call that of the network compute_cost"
            )
        if fitting:
            return fitting[0], functions[fitting[0]]
    unknown = [name for name in plain if name in own and not has_penalty]
    if unknown:
        raise CannotGuessError(
            f"{unknown[0]}({', '.join(arguments_of(functions[unknown[0]]))}) is not known to take outputs and targets: "
            "call them AL and Y"
        )
    if np.ndim(output) != 2 or np.shape(output)[0] != 1:
        raise CannotGuessError("the file has no cost of these outputs: write compute_cost(AL, Y)")
    if _asks_for_penalty(pair.backward):
        return "the course's compute_cost_with_regularization", course.compute_cost_with_regularization
    return "the course's compute_cost", course.compute_cost


def _asks_for_penalty(function: Callable[..., Any]) -> bool:
    """Tell whether a function has an argument for the strength of L2."""
    return "lambd" in map(role_of, arguments_of(function))


def _expect_gradients(claim: Any, parameters: Any) -> None:
    """Raise `CannotGuessError` where nothing like gradients came back."""
    if claim is None:
        raise CannotGuessError("the backward pass returns None: does it end in a return statement?")
    if isinstance(parameters, dict) and isinstance(claim, dict):
        lacking = [name for name in parameters if name not in claim and f"d{name}" not in claim]
        if len(lacking) == len(parameters):
            raise CannotGuessError(
                f"the backward pass returns {', '.join(map(str, claim))}, and no gradient of "
                f"{', '.join(map(str, parameters))}"
            )


def _copy(value: Any) -> Any:
    """Return a copy for a run on trial; that of a dict that knows what was read is itself, with copies in it."""
    if isinstance(value, Reading):
        for key in list(value):
            dict.__setitem__(value, key, _copy(dict.__getitem__(value, key)))
        return value
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return type(value)(map(_copy, value)) if type(value) in (list, tuple) else value
