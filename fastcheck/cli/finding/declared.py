"""Problems that a file declares: functions called ``problem…``, or marked by `fastcheck.gradient_problem`."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fastcheck.checks.check import check
from fastcheck.cli.found import Finding, FoundProblem, NotUsed
from fastcheck.errors import FastcheckError, InvalidProblemError
from fastcheck.files.users_file import UsersFile
from fastcheck.near_names import did_you_mean
from fastcheck.problem.by_names import arguments_of
from fastcheck.problem.declaring import is_marked
from fastcheck.report.result import Report
from fastcheck.report.stages import AnyReport, StagesReport

PREFIX = "problem"

CALLED_BEFORE_CHECK = ("cost", "parameters", "gradients")
"""The arguments that every check needs, in the order of a tuple."""


def declared_problems(file: UsersFile) -> Iterator[Finding]:
    """Yield the functions that return problems."""
    for name, function in file.own_functions().items():
        marked = is_marked(function)
        if not (marked or name.startswith(PREFIX)):
            continue
        needed = arguments_of(function, required=True)
        if needed:
            why = f"it is called without arguments, and needs {', '.join(needed)}: give them defaults."
            yield NotUsed(name=name, why=why, parts=(name,))
            continue
        yield FoundProblem(
            name=name,
            how="declared as a problem",
            parts=(name, *sorted(_names_in(function.__code__) & file.own_functions().keys())),
            run=functools.partial(_run, function),
        )


def reports_of(file: UsersFile) -> Iterator[FoundProblem]:
    """Yield the reports that the file made itself and keeps under a name: ``report = check(…)``."""
    for name, value in file.own.items():
        if isinstance(value, (Report, StagesReport)):
            yield FoundProblem(
                name=name,
                how="a report that the file made itself",
                parts=(name,),
                run=functools.partial(_kept, value),
            )


def _kept(report: AnyReport, _options: Mapping[str, Any]) -> AnyReport:
    return report


def _run(function: Callable[[], Any], options: Mapping[str, Any]) -> AnyReport:
    """Check what a function returns, or return the report that it made itself."""
    result = function()
    if isinstance(result, (Report, StagesReport)):
        return result
    if isinstance(result, FastcheckError):
        raise result
    if isinstance(result, Mapping):
        return check(**_arguments(function, result, options))
    if isinstance(result, tuple) and len(result) == len(CALLED_BEFORE_CHECK):
        return check(*result, **options)
    got = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
    advice = ""
    if result is None:
        got, advice = "None", " Does it end in a return statement?"
    raise InvalidProblemError(
        f"{function.__name__}: expected it to return (cost, parameters, gradients), a dict of the arguments of "
        f"fastcheck.check, or a report, got {got}.{advice}"
    )


def _arguments(
    function: Callable[[], Any], given: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of `check` in a dict, with the options of the command line in place of its own."""
    known = list(inspect.signature(check).parameters)
    for name in given:
        if name not in known:
            raise InvalidProblemError(
                f"{function.__name__}: the dict has {name!r}, which fastcheck.check does not take."
                f"{did_you_mean(str(name), known)}"
            )
    missing = [name for name in CALLED_BEFORE_CHECK if name not in given]
    if missing:
        raise InvalidProblemError(f"{function.__name__}: the dict lacks {', '.join(missing)}.")
    own = dict(given)
    if "time_budget" in options:
        own.pop("coordinates", None)
    if "coordinates" in options:
        own.pop("time_budget", None)
        own.pop("max_forward_passes", None)
    return {**own, **options}


def _names_in(code: types.CodeType) -> set[str]:
    """Return the names that a function uses, also in functions inside of it."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_in(constant)
    return names
