"""Networks that are objects: instances in a file, and classes of which one can be made, with a method for the loss."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from fastcheck.checks.conventions import check_object
from fastcheck.checks.objects import from_object
from fastcheck.cli.finding.guessing import (
    CannotGuessError,
    generator_of_data,
    method_of,
    repeated,
    returned_names,
    shape_words,
)
from fastcheck.cli.found import Finding, FoundProblem, NotUsed
from fastcheck.engines.graph.tracing.users_line import is_installed
from fastcheck.errors import InvalidProblemError
from fastcheck.files.users_file import UsersFile, said
from fastcheck.legible import first_names
from fastcheck.problem.by_names import arguments_of, is_number, role_of
from fastcheck.problem.cost_value import cost_in
from fastcheck.problem.object_names import ALL_GRADIENTS, ALL_PARAMETERS
from fastcheck.problem.object_search import BACKWARD_METHODS
from fastcheck.problem.parameters import map_structure, named_leaves
from fastcheck.report.result import Report


class Drawn(NamedTuple):
    """An array of random numbers."""

    shape: tuple[int, ...]


LOSS_METHODS = (
    "loss",
    "cost",
    "compute_loss",
    "compute_cost",
    "get_loss",
    "calculate_loss",
    "objective",
    "J",
)
"""Methods that return the cost, the first that there is."""

ARGUMENTS: tuple[tuple[str, Any], ...] = (
    (
        r"(input|in|n_?in|n_?input|d_?in|n_?x|input_?dim|input_?size|in_?(features|dim|size)|n_?features|D)(_?(dim|size|s))?",
        4,
    ),
    (r"(hidden|h|n_?h|n_?hidden|hidden_?(dim|size|units))(_?(dim|size|s))?", 5),
    (
        r"(output|out|n_?out|n_?output|d_?out|n_?y|num_?classes|n_?classes|classes|out_?(features|dim|size)|C)(_?(dim|size|s))?",
        3,
    ),
    (r"hidden_?(dims|sizes|layers)", [5]),
    (r"(layer|layers|net|network)_?(dims|sizes|units)?|sizes|dims|architecture", [4, 5, 3]),
    (r"weight_?scale|std|scale|sigma", 0.5),
    (r"reg|lambd|lambda_?|l2|weight_?decay|alpha", 0.1),
    (r"(learning_?rate|lr|eta)", 0.1),
    (r"seed|random_?state", 0),
    (r"W|weights?", Drawn((4, 3))),
    (r"b|bias(es)?", Drawn((3,))),
)
"""Arguments of constructors, and what they are given; those with a default keep it unless it is a size."""

KINDS_REPLACED = (int, list, tuple)
"""Defaults of these kinds are sizes, which are made small."""

REPLACED = r"weight_?scale|reg|lambd|lambda_?|l2|weight_?decay"
"""Arguments whose defaults are replaced, too: a penalty of 0 would not be checked, and tiny weights hide mistakes."""

SAMPLES = 6

SMALL = 0.3
"""Standard deviation of parameters that were zero."""

INPUTS, CLASSES = 4, 3
"""Numbers of features and of classes or outputs of the networks that are made."""


class Data(NamedTuple):
    """Arguments of a loss, and where they come from, in words; made-up ones with targets in another order, too."""

    values: tuple[Any, ...]
    source: str
    with_other_targets: tuple[Any, ...] | None = None


def objects(file: UsersFile) -> Iterator[Finding]:
    """Yield the instances that the file holds, and classes without one, if they have a loss and gradients."""
    seen: set[type] = set()
    classes = {name: value for name, value in file.own.items() if isinstance(value, type)}
    for name, value in file.own.items():
        is_of_the_user = type(value) in classes.values() or _is_from_another_file(type(value))
        if is_of_the_user and loss_of(type(value)) is not None and _may_claim(value):
            seen.add(type(value))
            how = f"object of class {type(value).__name__}"
            yield _finding(file, name, value, how, is_made=False)
    for name, kind in classes.items():
        if (
            kind in seen
            or loss_of(kind) is None
            or not _class_may_claim(kind)
            or any(issubclass(one, kind) for one in seen)
        ):
            continue
        try:
            network, how = made(kind)
        except CannotGuessError as reason:
            yield NotUsed(name=name, why=str(reason), parts=(name,))
            continue
        yield _finding(file, name, network, how, is_made=True)


def _is_from_another_file(kind: type) -> bool:
    """Tell whether a class was imported from a file of the user's, and not from an installed package."""
    source = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return isinstance(source, str) and not is_installed(source)


def _finding(file: UsersFile, name: str, network: Any, how: str, *, is_made: bool) -> Finding:
    """Return the check of an object with the first data that its loss accepts; ``is_made``: it was made here."""
    parts = (name, type(network).__name__)
    method = loss_of(type(network))
    loss = getattr(network, method or "")
    reasons = []
    without_gradients = ""
    for data in _data(file, loss):
        try:
            reason = _why_not(network, loss, data)
        except InvalidProblemError as error:
            without_gradients = without_gradients or str(error)
            continue
        except Exception as error:
            reason = said(error)
        if reason is None:
            filled = _fill_zeros(network, loss, data.values) if is_made else []
            how += f", {first_names(filled)} random" if filled else ""
            run = functools.partial(_run, network, loss, data.values)
            return FoundProblem(
                name=name, how=f"{how}, {method}; {data.source}", parts=parts, run=repeated(file, run)
            )
        reasons.append(f"{method}: {reason}, with {data.source}")
    if without_gradients:
        return NotUsed(name=name, why=without_gradients, parts=parts)
    why = (
        f"{reasons[0] if reasons else 'its loss asks for what is not known'}. Give the file X and y that fit."
    )
    return NotUsed(name=name, why=why, parts=parts)


def _fill_zeros(network: Any, loss: Callable[..., Any], data: tuple[Any, ...]) -> list[str]:
    """Fill parameters that are all zero with random numbers, and return their names: zeros hide mistakes.

    They stay zero where the loss is not finite otherwise.
    """
    rng = generator_of_data()
    leaves = named_leaves(from_object(network, loss, *data).parameters)
    zeros = {name: leaf for name, leaf in leaves if leaf.size and leaf.flags.writeable and not leaf.any()}
    for leaf in zeros.values():
        leaf[...] = SMALL * rng.standard_normal(leaf.shape)
    try:
        with np.errstate(all="ignore"):
            is_defined = np.isfinite(cost_in(loss(*_copies(data))))
    except Exception:
        is_defined = False
    if not is_defined:
        for leaf in zeros.values():
            leaf[...] = 0.0
    return list(zeros) if is_defined else []


def _run(network: Any, loss: Callable[..., Any], data: tuple[Any, ...], options: Mapping[str, Any]) -> Report:
    return check_object(network, loss, *data, **options)


def _why_not(network: Any, loss: Callable[..., Any], data: Data) -> str | None:
    """Return why data are none for a loss, None if it returns a finite number, and gradients are found.

    Made-up targets of a wrong shape are found by a loss that does not ask which target belongs to which sample: those
    of shape (m,) beside outputs of shape (m, 1) are broadcast to (m, m).
    """
    with np.errstate(all="ignore"):
        J = cost_in(loss(*_copies(data.values)))
    if not is_number(J):
        return f"it returns no number, but {shape_words(J)}"
    if not np.isfinite(J):
        return "it is not finite"
    posed = from_object(network, loss, *data.values)
    if data.with_other_targets is None:
        return None
    rng = generator_of_data()
    elsewhere = map_structure(lambda _path, leaf: rng.standard_normal(np.shape(leaf)), posed.parameters)
    with np.errstate(all="ignore"):
        J, J_of_others = (
            float(cost_in(of.cost(elsewhere)))
            for of in (posed, from_object(network, loss, *data.with_other_targets))
        )
    if np.isclose(J, J_of_others, rtol=1e-12, atol=0):
        return "it does not ask which target belongs to which sample, as if these were broadcast"
    return None


def _copies(values: tuple[Any, ...]) -> list[Any]:
    return [value.copy() if isinstance(value, np.ndarray) else value for value in values]


def _data(file: UsersFile, loss: Callable[..., Any]) -> Iterator[Data]:
    """Yield what may be the arguments of a loss: those of the file, then made-up ones of several layouts."""
    asked = [
        name
        for name in arguments_of(loss)
        if role_of(name) in ("X", "Y") or name in arguments_of(loss, required=True)
    ]
    roles = [role_of(name) for name in asked]
    held = {name: value for name, value in file.namespace.items() if isinstance(value, (np.ndarray, list))}
    by_role = {role_of(name): value for name, value in held.items()} | held
    values = [by_role.get(name, by_role.get(role)) for name, role in zip(asked, roles, strict=True)]
    if all(value is not None for value in values):
        yield Data(tuple(values), f"{', '.join(asked)} of the file" if asked else "no data")
    if not set(roles) <= {"X", "Y"}:
        return
    for X, Y, layout in _made_up_data():
        given = {"X": X, "Y": Y}
        words = ", ".join(
            f"{name} {shape_words(given[role])}" for name, role in zip(asked, roles, strict=True)
        )
        made_up = tuple(given[role] for role in roles)
        if "Y" not in roles:
            yield Data(made_up, f"{words}, made up")
            continue
        samples = max(range(Y.ndim), key=lambda axis: Y.shape[axis])
        given["Y"] = np.roll(Y, 1, axis=samples)
        yield Data(made_up, f"{words}, made up{layout}", tuple(given[role] for role in roles))


def _made_up_data() -> Iterator[tuple[Any, Any, str]]:
    """Yield X and Y of samples × features, then features × samples, with labels, one-hot rows, and numbers."""
    rng = generator_of_data()
    rows = rng.standard_normal((SAMPLES, INPUTS))
    labels = np.arange(SAMPLES) % CLASSES
    one_hot, numbers = np.eye(CLASSES)[labels], rng.standard_normal((SAMPLES, CLASSES))
    binary = np.arange(SAMPLES) % 2
    yield rows, labels, " labels"
    yield rows, one_hot, " one-hot"
    yield rows.T, one_hot.T, " one-hot"
    yield rows.T, labels, " labels"
    yield rows, numbers[:, 0], ""
    yield rows, numbers[:, :1], ""
    yield rows.T, binary.reshape(1, -1), ""
    yield rows.T, numbers.T[:1], ""


def loss_of(kind: type) -> str | None:
    """Return the name of the method that returns the cost."""
    return next((name for name in LOSS_METHODS if method_of(kind, name) is not None), None)


def _may_claim(network: Any) -> bool:
    """Tell whether an object has something like gradients."""
    names = {*dir(network)}
    return _class_may_claim(type(network)) or bool(names & {*ALL_GRADIENTS, *ALL_PARAMETERS})


def _class_may_claim(kind: type) -> bool:
    """Tell whether a class has a method for gradients, or code that names them, or a loss that returns more."""
    loss = method_of(kind, loss_of(kind) or "")
    if loss is not None and len(returned_names(loss)) > 1:
        return True
    if any(method_of(kind, name) is not None for name in BACKWARD_METHODS):
        return True
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):
        return False
    return re.search(r"grad|\bd[WbwUV]\w*\b|_d[Wb]", source) is not None


def made(kind: type) -> tuple[Any, str]:
    """Return an object of a class, and how it was made; raises `CannotGuessError` where that is not known."""
    given: dict[str, Any] = {}
    unknown: list[str] = []
    try:
        parameters = list(inspect.signature(kind).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        value = _argument(parameter)
        is_needed = parameter.default is parameter.empty
        if value is None and is_needed:
            unknown.append(parameter.name)
        is_replaced = isinstance(parameter.default, KINDS_REPLACED) or re.fullmatch(REPLACED, parameter.name)
        if value is not None and (is_needed or is_replaced):
            given[parameter.name] = value
    if unknown:
        raise CannotGuessError(
            f"nothing says what {', '.join(unknown)} of {kind.__name__}() is: make an object in the file, such as "
            f"network = {kind.__name__}(…)."
        )
    state = np.random.get_state()  # noqa: NPY002 — constructors draw from it
    try:
        network = kind(**given)
    except Exception as error:
        raise CannotGuessError(
            f"{kind.__name__}({_written(given)}) raises {said(error)}. Make an object in the file."
        ) from None
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return network, f"{kind.__name__}({_written(given)})"


def _argument(parameter: inspect.Parameter) -> Any:
    """Return what an argument of a constructor is given, None where nothing says it; a seed keeps its default."""
    is_flag = isinstance(parameter.default, bool) or parameter.annotation in (bool, "bool")
    if is_flag:
        return None
    for pattern, value in ARGUMENTS:
        if re.fullmatch(pattern, parameter.name, re.IGNORECASE):
            if isinstance(value, Drawn):
                return generator_of_data().standard_normal(value.shape)
            is_list = isinstance(parameter.default, (list, tuple))
            if is_list and not isinstance(value, list):
                return None
            return list(value) if isinstance(value, list) else value
    has_default = parameter.default is not parameter.empty
    return INPUTS if parameter.annotation in (int, "int") and not has_default else None


def _written(given: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {shape_words(value)}" if isinstance(value, np.ndarray) else f"{name}={value}"
        for name, value in given.items()
    )
