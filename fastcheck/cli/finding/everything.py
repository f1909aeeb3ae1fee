"""All that a file offers: what it declares first, then what is known by its names and shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fastcheck.cli.finding.course_passes import networks_by_passes
from fastcheck.cli.finding.declared import declared_problems, reports_of
from fastcheck.cli.finding.framework_rules import framework_rules
from fastcheck.cli.finding.layer_functions import layers
from fastcheck.cli.finding.layer_objects import layer_objects
from fastcheck.cli.finding.loss_functions import losses
from fastcheck.cli.finding.named_values import problems_by_names
from fastcheck.cli.finding.network_objects import objects
from fastcheck.cli.found import Finding, FoundProblem, NotUsed
from fastcheck.errors import FastcheckError
from fastcheck.files.users_file import UsersFile
from fastcheck.legible import first_names
from fastcheck.near_names import did_you_mean

FINDERS: tuple[Callable[[UsersFile], Iterator[Finding]], ...] = (
    declared_problems,
    networks_by_passes,
    objects,
    layer_objects,
    layers,
    problems_by_names,
    losses,
    framework_rules,
)
"""Each yields what it finds in a file; a new way of writing networks is a module and a row here."""


def find_problems(file: UsersFile) -> tuple[list[FoundProblem], list[NotUsed]]:
    """Return what can be checked, and what looks like it and cannot.

    What a declared problem uses is not guessed at again. Names are unique. Reports that the file made itself count
    where there is nothing else.
    """
    problems: list[FoundProblem] = []
    not_used: list[NotUsed] = []
    declared: set[str] = set()
    for finder in FINDERS:
        for finding in finder(file):
            functions = set(finding.parts) & file.own_functions().keys()
            if finder is not declared_problems and functions & declared:
                continue
            if isinstance(finding, NotUsed):
                not_used.append(finding)
            elif finding.name not in {problem.name for problem in problems}:
                problems.append(finding)
                declared |= functions if finder is declared_problems else set()
    problems = problems or list(reports_of(file))
    found = {problem.name for problem in problems}
    return problems, [finding for finding in not_used if finding.name not in found]


def chosen(
    name: str, problems: list[FoundProblem], not_used: list[NotUsed], file: UsersFile
) -> list[FoundProblem]:
    """Return the problems of a name: those called so, or else those that it is a part of.

    Raises `FastcheckError` where there are none, which says what there is.
    """
    called_so = [problem for problem in problems if problem.name == name]
    found = called_so or [problem for problem in problems if name in problem.parts]
    if found:
        return found
    path = file.path.name
    for finding in not_used:
        if name == finding.name or name in finding.parts:
            raise FastcheckError(f"{path}::{name} cannot be checked: {finding.why}")
    if name in file.namespace:
        raise FastcheckError(
            f"{path}::{name} is there, but is no problem that can be checked. See fastcheck check --help."
        )
    known = [problem.name for problem in problems]
    offers = f" It offers {first_names(known)}." if known else " It offers no problem."
    raise FastcheckError(f"{path} has no {name!r}.{did_you_mean(name, known + list(file.own))}{offers}")
