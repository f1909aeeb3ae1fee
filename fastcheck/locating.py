"""Where a mistake is, and what it looks like: the search of suspicious blocks, judged and described."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.block_screening import Options, ScreenedBlock
from fastcheck.careful import Judged
from fastcheck.describing import CONFIDENCE, Picture
from fastcheck.engines import Estimate
from fastcheck.engines.directions import MAX_MEMORY, Directions
from fastcheck.execution import Backend, Execution
from fastcheck.parameters import Vector
from fastcheck.parts import ROUNDING
from fastcheck.patterns import Values, described
from fastcheck.plan import ALPHA
from fastcheck.power import measure_power
from fastcheck.problem import Problem
from fastcheck.report.result import BlockReport, Located, Report, block_report
from fastcheck.rule import Rows, Standing, claimed_dtype, claims
from fastcheck.screening import Search, read_options, screened_report
from fastcheck.searching import Suspect, Traces, search
from fastcheck.symptoms import symptoms
from fastcheck.verdict import Judgement, Verdict, judge


def locate(
    cost: Callable[[Any], Any],
    parameters: Any,
    gradients: Any,
    *,
    directions: int = 4,
    confidence: float = 0.999,
    alpha: float = ALPHA,
    epsilon: float | None = None,
    tolerance: float = 1e-7,
    nondeterminism: float | None = None,
    method: str = "auto",
    n_jobs: int = 1,
    backend: Backend | None = None,
    seed: int = 0,
    progress: bool | Callable[[int, int], None] | None = None,
    max_memory: int = MAX_MEMORY,
) -> Report:
    """Screen a claimed gradient, and find what is wrong in the blocks that fail.

    Where the cost can be recorded, the slopes of all coordinates are known, and so is what is wrong. Otherwise by
    group testing: sums of errors over groups of rows and coordinates, with random weights, are the residuals g·v - ∇J·v
    of directions v that live in these groups. Groups with a residual that rounding does not explain are halved. What is
    wrong in most places is recognised early and described from a sample.

    Parameters
    ----------
    cost, parameters, gradients, epsilon, tolerance, nondeterminism, method, n_jobs, backend, seed, progress
        As for `check`.
    directions, confidence, alpha, max_memory
        As for `screen`.

    Returns
    -------
    Report
        That of `screen`, and for each failing block ``report.blocks[name].located`` and the coordinates found,
        ``worst``. Costs no more than `screen` if that compares all coordinates; along random directions O(k log n) of
        them for k wrong coordinates among n, of one forward pass by difference propagation, of four to fourteen by
        plain evaluation.

    Raises
    ------
    InvalidProblemError, EvaluationError
        As `check`.

    Examples
    --------
    >>> import numpy as np, fastcheck
    >>> theta = {"W": np.linspace(-1, 1, 60_000).reshape(200, 300), "b": np.array([0.5])}
    >>> def cost(p):
    ...     return np.sum(p["W"] ** 2) + 3 * p["b"][0]
    >>> gradients = {"dW": 2 * theta["W"], "db": np.array([3.0])}
    >>> gradients["dW"][17, 5] *= 1.001
    >>> report = fastcheck.locate(cost, theta, gradients)
    >>> report.blocks["W"].located.sentence, report.blocks["b"].located
    ('W[17, 5] is wrong by a factor of 1.001', None)
    >>> gradients["dW"][17] = -2 * theta["W"][17]
    >>> print(fastcheck.locate(cost, theta, gradients).blocks["W"].located.sentence)
    row 17 of W (300 coordinates) is wrong by a factor of −1
    """
    options = read_options(gradients, directions, confidence, alpha, epsilon, tolerance, seed, max_memory)
    execution = Execution(n_jobs=n_jobs, backend=backend, progress=progress)
    return screened_report(cost, parameters, gradients, options, execution, method, nondeterminism, LOCATE)


def locate_after_screening(
    problem: Problem, directions: Directions, screened: Sequence[ScreenedBlock], options: Options
) -> tuple[dict[str, BlockReport], int]:
    """Return reports of the blocks that failed, what screening says of the whole and where the mistake is, and passes.

    These are the forward passes that ``directions`` does not count.
    """
    failed = {one.residuals.block.name: one.report for one in screened if one.report.verdict is Verdict.FAIL}
    suspects = [_suspect(problem, one) for one in screened if one.report.verdict is Verdict.FAIL]
    found, passes = locate_from(
        problem,
        directions,
        suspects,
        tolerance=options.tolerance,
        seed=options.seed,
        max_memory=options.max_memory,
    )
    of_what_was_measured = ("checked", "wrong", "undecided", "worst", "kinks", "proof", "located")
    reports = {
        name: dataclasses.replace(
            failed[name], **{field: getattr(report, field) for field in of_what_was_measured}
        )
        for name, report in found.items()
    }
    return reports, passes


def _suspect(problem: Problem, screened: ScreenedBlock) -> Suspect:
    """Return what screening knows of a block that failed. Most kinks are those of zeros in θ."""
    residuals, spots = screened.residuals, screened.spots
    block, support = residuals.block, residuals.support
    if support is None and residuals.kinked.any():
        support = problem.theta[block.start : block.stop] != 0
    return Suspect(block, support, None if spots is None else spots.estimate)


def locate_from(
    problem: Problem,
    directions: Directions,
    suspects: Sequence[Suspect],
    *,
    tolerance: float,
    seed: int = 0,
    max_memory: int = MAX_MEMORY,
) -> tuple[dict[str, BlockReport], int]:
    """Return reports of the blocks in which screening found a mistake, with what is wrong in them.

    Parameters
    ----------
    problem
        The question, with a claimed gradient.
    directions
        A way of measuring slopes, as screening has it open.
    suspects
        Blocks of the problem in which something is wrong; nothing of what shows that is measured again. Blocks without
        a coordinate are passed over.
    tolerance
        Relative error of a coordinate that still counts as right.
    seed
        Seed of directions and samples.
    max_memory
        Bytes that may be used.

    Returns
    -------
    tuple[dict[str, BlockReport], int]
        Reports by the names of the blocks, and the forward passes that ``directions`` does not count. Coordinates that
        were found are measured one by one, beside a random sample of the block, and judged by the rule of every check;
        ``checked`` and ``wrong`` count these. Costs 2 to 4 dense directions for each halving of the rows, or a few runs
        with many rows each where these are cheaper, and about log₂ of the length of a row for what is inside.
    """
    suspects = [suspect for suspect in suspects if suspect.block.size]
    found = search(problem, directions, suspects, tolerance=tolerance, seed=seed, max_memory=max_memory)
    reports = (_reported(problem, traces, directions.method, tolerance) for traces in found)
    named = {traces.block.name: report for traces, report in zip(found, reports, strict=True)}
    return named, sum(traces.extra_passes for traces in found)


def _reported(problem: Problem, traces: Traces, method: str, tolerance: float) -> BlockReport:
    """Judge the coordinates of a block that were measured, and describe what is wrong."""
    estimate = traces.estimate(method)
    judgement = judge(problem, estimate, tolerance)
    hardest = claims(problem, estimate.part, np.array([judgement.hardest, judgement.easiest]))
    claimed, rows, wrong, rounding = _compared(problem, estimate, judgement)
    picture = Picture(traces, claimed, rows.compared(claimed), wrong, rounding)
    kinks = int((estimate.lower < estimate.upper).sum())
    report = block_report(judgement, measure_power(estimate, judgement, hardest), kinks, CONFIDENCE)
    located = _with_symptoms(problem, estimate, judgement, picture.located())
    return dataclasses.replace(report, located=located)


def _described(problem: Problem, found: Judged) -> Located:
    """Return where the mistake of a block is, the slopes of all its coordinates being known."""
    estimate, judgement = found.estimate, found.judgement
    claimed, rows, wrong, rounding = _compared(problem, estimate, judgement)
    uncertain = rows.bound + rounding * np.abs(claimed)
    located = described(estimate.part.block, Values(claimed, rows.compared(claimed), uncertain, wrong))
    return _with_symptoms(problem, estimate, judgement, located)


def _compared(
    problem: Problem, estimate: Estimate, judgement: Judgement
) -> tuple[Vector, Rows, NDArray[np.bool_], float]:
    """Return claims, what they are compared with, which are wrong, and the relative rounding of claims."""
    every = slice(0, estimate.part.size)
    claimed, rows = claims(problem, estimate.part, every), Rows.of(estimate, every)
    thresholds, allowed = judgement.rule.thresholds(claimed, rows), judgement.rule.allowed(claimed, rows)
    wrong = judgement.rule.standings(claimed, rows, thresholds, allowed) == Standing.WRONG
    return claimed, rows, wrong, ROUNDING * float(np.finfo(claimed_dtype(problem, estimate.part)).eps)


def _with_symptoms(problem: Problem, estimate: Estimate, judgement: Judgement, located: Located) -> Located:
    sentence = ". ".join([located.sentence, *symptoms(problem, estimate, judgement)])
    return dataclasses.replace(located, sentence=sentence)


LOCATE = Search(locate_after_screening, _described)
"""What `locate` does with blocks that fail."""
