"""Checks of parameters that are complex, symmetric, on a manifold, or held: as real blocks, by the usual check.

A claim that fails is read in the other conventions, too: one that is right so is said to be.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

from fastcheck.checkpoints.sections import section
from fastcheck.checks.backward_experiments import without_our_lines
from fastcheck.checks.generators import generators_kept
from fastcheck.checks.requests import expect_claim
from fastcheck.checks.running import CheckOptions, run_check
from fastcheck.errors import InvalidProblemError
from fastcheck.interrupting import reason_of, times_interrupted
from fastcheck.problem.functions import expect_arguments, map_copy
from fastcheck.problem.randomness import repeating
from fastcheck.problem.special.declared import SpecialOptions
from fastcheck.problem.special.leaves import Other, RetractedLeaf
from fastcheck.problem.special.problem import SpecialClaim, SpecialProblem
from fastcheck.problem.special.reading import read_special
from fastcheck.progress.events import unheard
from fastcheck.report.causes import Cause
from fastcheck.report.result import Report
from fastcheck.undoing import UndoGuard
from fastcheck.verdict.judging import Verdict
from fastcheck.workers.library_threads import one_blas_thread

ANOTHER_CONVENTION = "another convention"
"""Kind of the cause that a claim is right if it is read in another way."""


def check_special(
    cost: Callable[[Any], Any],
    parameters: Any,
    gradients: Any,
    special: SpecialOptions,
    options: CheckOptions,
) -> Report:
    """Check a claimed gradient of special parameters; arguments and errors are those of `check`."""
    expect_claim(gradients)
    if not callable(cost):
        return run_check(cost, parameters, gradients, options)  # which says what is wrong with it
    expect_arguments("cost", cost, "parameters", given=parameters)
    if callable(gradients):
        expect_arguments("gradients", gradients, "parameters", given=parameters)
    if callable(gradients) and special.retract is not None:
        gradients = _claimed(gradients, parameters)
    problem = read_special(cost, parameters, gradients, special)
    if callable(gradients):
        claim: Any = SpecialClaim(gradients, problem)
    else:
        claim = problem.claims(gradients)
    options = dataclasses.replace(options, previous=_previous(problem, options.previous))
    report = run_check(problem.cost, problem.parameters, claim, options)
    report = dataclasses.replace(
        report,
        notes=(*problem.notes(), *report.notes),
        causes=tuple(without_our_lines(cause) for cause in report.causes),
    )
    within_budget = options.time_budget is not None or options.max_forward_passes is not None
    if report.verdict is not Verdict.FAIL or within_budget or report.stopped:
        return report
    raw = claim.last if isinstance(claim, SpecialClaim) else gradients
    try:
        return _with_conventions(report, problem, raw, dataclasses.replace(options, log=None))
    except KeyboardInterrupt as error:
        if not options.keep_what_is_known or times_interrupted() > 1:
            raise
        return dataclasses.replace(report, stopped=reason_of(error))


def _claimed(gradients: Callable[[Any], Any], parameters: Any) -> Any:
    """Return what a function claims, which tells the shapes of tangents."""
    with UndoGuard(), generators_kept(gradients), one_blas_thread():
        return map_copy(repeating(gradients)(map_copy(parameters)))


def _previous(problem: SpecialProblem, previous: Any) -> Any:
    """Return earlier parameters as blocks."""
    if previous is None:
        return None
    for leaf in problem.leaves:
        if isinstance(leaf, RetractedLeaf):
            raise InvalidProblemError(
                f"previous: expected None, as {leaf.name} is a point on a manifold (retract), got earlier parameters."
            )
    return problem.blocks_of(previous, "previous")


def _with_conventions(
    report: Report, problem: SpecialProblem, gradients: Any, options: CheckOptions
) -> Report:
    """Return a report that fails with a cause for each parameter whose claim is right in another convention.

    Costs a check, without a search for causes, for each convention.
    """
    start, passes = time.perf_counter(), 0
    failing = {name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL}
    wrong = [(number, leaf) for number, leaf in enumerate(problem.leaves) if failing & leaf.blocks().keys()]
    causes: dict[int, Cause] = {}
    for readings in itertools.zip_longest(*(_numbered(number, leaf.others()) for number, leaf in wrong)):
        others = {number: other for number, other in filter(None, readings) if number not in causes}
        if not others:
            continue
        again = problem.with_leaves({number: other.leaf for number, other in others.items()})
        claims = again.claims(gradients)
        with unheard(), section("; ".join(other.sentence for other in others.values())):
            tried = run_check(again.cost, again.parameters, claims, options, causes=False)
        passes += tried.forward_passes
        for number, other in others.items():
            blocks = list(other.leaf.blocks())
            reports = [tried.blocks[name] for name in blocks if name in tried.blocks]
            if len(reports) == len(blocks) and all(one.verdict is Verdict.PASS for one in reports):
                certain = all(one.known_as_a_whole for one in reports)
                causes[number] = _cause(other, [name for name in blocks if name in failing], certain)
    named = {name for cause in causes.values() for name in cause.blocks}
    rest = (
        dataclasses.replace(cause, blocks=tuple(name for name in cause.blocks if name not in named))
        for cause in report.causes
    )
    return dataclasses.replace(
        report,
        causes=(*causes.values(), *(cause for cause in rest if cause.blocks)),
        forward_passes=report.forward_passes + passes,
        seconds=report.seconds + time.perf_counter() - start,
    )


def _numbered(number: int, others: Any) -> Sequence[tuple[int, Other]]:
    return [(number, other) for other in others]


def _cause(other: Other, blocks: Sequence[str], certain: bool) -> Cause:
    return Cause(
        kind=ANOTHER_CONVENTION,
        blocks=tuple(blocks),
        sentence=other.sentence,
        evidence="the claim passes so",
        certain=certain,
    )
