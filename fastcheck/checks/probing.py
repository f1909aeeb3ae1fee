"""The entry point that checks at other parameters, too: other scales, and other sides of what the cost compares."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcheck.checkpoints.sections import section
from fastcheck.checks.check import check
from fastcheck.checks.generators import generators_kept
from fastcheck.engines.graph.recording.record import Recording
from fastcheck.errors import InvalidProblemError
from fastcheck.legible import file_name
from fastcheck.problem.adapters import LastClaim
from fastcheck.problem.functions import map_copy
from fastcheck.problem.options import is_real
from fastcheck.problem.parameters import Vector, map_structure, path_name
from fastcheck.problem.posing import Problem
from fastcheck.problem.special.problem import special_problem_of
from fastcheck.report.probes import Probe, ProbedBranch, ProbesReport
from fastcheck.report.result import Report
from fastcheck.studies.branches import (
    Branch,
    SeenBranch,
    merged,
    points_beyond,
    problem_at,
    recorded_branches,
)
from fastcheck.studies.problem_study import ProblemStudy
from fastcheck.undoing import UndoGuard
from fastcheck.workers.library_threads import one_blas_thread

SCALES = (10.0, 0.01)
"""Factors by which all parameters are multiplied."""

MOST_SEARCHED = 12
"""Sides of comparisons that are searched for."""


def check_probes(
    cost: Callable[[Any], Any],
    parameters: Any,
    gradients: Callable[[Any], Any],
    *,
    scales: Sequence[float] = SCALES,
    branches: bool = True,
    **options: Any,
) -> ProbesReport:
    """Check a gradient at the parameters and at others, where other mistakes show.

    A backward pass of softmax that overflows, a derivative of a saturated unit, the branch of a ``where`` that is never
    taken at θ: such mistakes are not seen by a check at θ, however exact. So θ is multiplied by some scales; and where
    a comparison in the cost took one side only (``np.where(z > 0, …)``, ``np.maximum``, ``np.abs``, ``if``), parameters
    are moved until one entry takes the other.

    Parameters
    ----------
    cost, parameters
        As for `check`.
    gradients
        A function that returns the claim from the parameters: it is asked at others.
    scales
        Factors of all parameters, but for points on a manifold (``retract``) and what is held constant.
    branches
        Whether to look for the other sides of comparisons. That needs a cost that can be recorded.
    **options
        The keyword arguments of `check`.

    Returns
    -------
    ProbesReport
        A report for each probe, that of θ first; ``branches`` say which comparisons took which sides. Costs a check
        each, and for each side that is searched for up to a dozen forward passes.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check`, at θ. Probes at which the cost is not defined are skipped.

    Examples
    --------
    At positive weights this gradient of |w| is right; the other side is found.

    >>> import numpy as np, fastcheck
    >>> w = np.array([1.0, 2.0])
    >>> fastcheck.check(lambda w: np.sum(np.abs(w)), w, np.ones_like(w)).passed
    True
    >>> report = fastcheck.check_probes(lambda w: np.sum(np.abs(w)), w, np.ones_like)
    >>> report.passed, [probe.verdict.value for probe in report.probes]
    (False, ['pass', 'pass', 'pass', 'fail'])
    """
    if not callable(gradients):
        raise InvalidProblemError(
            f"gradients: expected a function of the parameters, got {type(gradients).__name__}. Probes ask it for the "
            "claim at other parameters: pass the backward pass itself."
        )
    factors = _read_scales(scales)
    if not isinstance(branches, (bool, np.bool_)):
        raise InvalidProblemError(f"branches: expected True or False, got {branches!r}.")
    given = map_copy(parameters)
    here = check(cost, given, gradients, **options)
    probing = _Probing(cost, gradients, options, _fixed(given, options))
    probes = [Probe(name="the given θ", report=here)]
    probes += [probing.probe(f"θ × {factor:g}", probing.scaled(given, factor)) for factor in factors]
    if not branches:
        return ProbesReport(probes=tuple(probes), branches=None)
    visits = _Visits(_study_of(here))
    for probe in probes:
        if probe.report is not None:
            visits.visit(_study_of(probe.report))
    for name, point in visits.other_sides():
        probe = probing.probe(name, point)
        if probe.report is not None:
            visits.visit(_study_of(probe.report))
        probes.append(probe)
    return ProbesReport(probes=tuple(probes), branches=visits.probed())


def _read_scales(scales: Any) -> list[float]:
    """Return the factors, if they are numbers."""
    is_list = isinstance(scales, (list, tuple, np.ndarray))
    if not is_list or not all(is_real(one) and math.isfinite(one) and one != 0 for one in scales):
        raise InvalidProblemError(
            f"scales: expected a list of finite factors, none of them zero, such as (10, 0.01), got {scales!r}."
        )
    return [float(one) for one in scales]


def _fixed(parameters: Any, options: Mapping[str, Any]) -> frozenset[str]:
    """Return the parameters that no scale applies to: points on manifolds, and what is held constant."""
    retract, held = options.get("retract"), options.get("held_constant")
    names: list[str] = []
    map_structure(lambda path, _leaf: names.append(path_name(path)), parameters)
    on_manifold: Collection[str] = names if callable(retract) else list(retract or ())
    return frozenset([*on_manifold, *([held] if isinstance(held, str) else held or ())])


@dataclass(frozen=True, slots=True, eq=False)
class _Probing:
    """Checks at other parameters, all but those of ``fixed`` names."""

    cost: Callable[[Any], Any]
    gradients: Callable[[Any], Any]
    options: Mapping[str, Any]
    fixed: frozenset[str]

    def scaled(self, parameters: Any, factor: float) -> Any:
        """Return the parameters times a factor."""
        return map_structure(
            lambda path, leaf: leaf if path_name(path) in self.fixed else leaf * factor, parameters
        )

    def probe(self, name: str, parameters: Any) -> Probe:
        """Check at these parameters, if the cost is defined there."""
        claim = _Asked(self.gradients)
        try:
            with np.errstate(all="ignore"), section(name):
                return Probe(name=name, report=check(self.cost, parameters, claim, **self.options))
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            return Probe(name=name, error=said) if claim.was_asked else Probe(name=name, skipped=said)


class _Asked(LastClaim):
    """A claim that knows whether it was asked: before that the cost was evaluated."""

    was_asked = False

    def __call__(self, parameters: Any) -> Any:
        """Return the claimed gradients."""
        self.was_asked = True
        return super().__call__(parameters)


class _Visits:
    """Which sides of the comparisons in a cost were seen, and where the others are; it begins at θ."""

    def __init__(self, study: ProblemStudy) -> None:
        self.study = study
        self.branches: dict[Branch, SeenBranch] = {}
        self.recording: Recording | None = None
        self.sides: dict[Branch, frozenset[bool]] = {}

    def visit(self, study: ProblemStudy) -> None:
        """See which sides the comparisons take where a probe was checked."""
        found = self._recorded(study.problem)
        if found is None:
            return
        if study is self.study:
            self.recording, self.branches = found
        self.sides = merged(self.sides, found[1])

    def other_sides(self) -> Iterator[tuple[str, Any]]:
        """Yield parameters, in the user's structure, at which comparisons take the sides that they have not taken."""
        searched = 0
        for branch, seen in self.branches.items():
            if len(self.sides[branch]) == 1 and searched < MOST_SEARCHED:
                searched += 1
                (side,) = self.sides[branch]
                point = self._beyond(branch, seen, not side)
                if point is not None:
                    name = f"the other side of {branch.function}"
                    where = (
                        ""
                        if branch.line is None
                        else f" at {file_name(branch.line.file)}:{branch.line.number}"
                    )
                    yield f"{name}{where}", _users(self.study.problem, point)

    def _beyond(self, branch: Branch, seen: SeenBranch, wanted: bool) -> Vector | None:
        """Return a point at which a comparison takes the side that is wanted, None if there is none near."""
        if self.recording is None:
            return None
        for point in points_beyond(self.study.problem, self.recording, seen):
            with self._guarded():
                there = problem_at(self.study.problem, point)
            found = None if there is None else self._recorded(there)
            if found is not None and branch in found[1] and wanted in found[1][branch].sides:
                return point
        return None

    def _recorded(self, problem: Problem) -> tuple[Recording, dict[Branch, SeenBranch]] | None:
        with self._guarded():
            return recorded_branches(problem, self.study.execution)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Run the cost, and leave everything else as it is."""
        with UndoGuard(), generators_kept(self.study.problem.evaluator.cost), one_blas_thread():
            yield

    def probed(self) -> tuple[ProbedBranch, ...] | None:
        """Return the comparisons with the sides that were seen, None where the cost cannot be recorded."""
        if self.recording is None:
            return None
        return tuple(
            ProbedBranch(
                line=branch.line,
                function=branch.function,
                at_theta=self.branches[branch].sides if branch in self.branches else frozenset(),
                seen=sides,
            )
            for branch, sides in self.sides.items()
        )


def _study_of(report: Report) -> ProblemStudy:
    """Return the study of a check that was just made."""
    assert isinstance(report.study, ProblemStudy)
    return report.study


def _users(problem: Problem, theta: Vector) -> Any:
    """Return parameters in the structure that the user's functions take."""
    blocks = problem.layout.build(theta.copy())
    special = special_problem_of(problem.evaluator.cost)
    return blocks if special is None else special.cost.build(blocks)
