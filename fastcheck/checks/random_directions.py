"""The strategy of many coordinates that are evaluated plainly: slopes along random directions in all blocks together.

Blocks of which that does not show that they are right are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastcheck.checks.assembling import Findings
from fastcheck.checks.interrupted import not_reached
from fastcheck.checks.requests import CheckRequest
from fastcheck.diagnosis.block_screening import BlockScreening, with_evenness
from fastcheck.diagnosis.evenness import even_failure
from fastcheck.diagnosis.failing_block import FailingBlock
from fastcheck.diagnosis.joint_screening import JointScreening
from fastcheck.diagnosis.located_blocks import locate_after_screening
from fastcheck.diagnosis.screened_block import ScreenedBlock
from fastcheck.diagnosis.screening_options import ScreeningOptions
from fastcheck.engines.plain.directions import Directions
from fastcheck.problem.posing import Problem
from fastcheck.progress.watching_checks import entering
from fastcheck.report.result import BlockReport
from fastcheck.verdict.judging import Verdict


def screen_directions(request: CheckRequest, *, locate: bool = False) -> Findings:
    """Screen every block along random directions, and search those that fail if asked to ``locate`` mistakes.

    Where that is interrupted, and what is known is kept, the blocks that were screened by then are.
    """
    problem, options = request.problem, request.screening_options()
    directions = Directions(problem, options.epsilon)
    screenings = block_screenings(problem, directions, options)
    joint = JointScreening(problem, options, screenings)
    right: dict[int, ScreenedBlock] = {}
    screened: list[ScreenedBlock] = []
    entering("looking along random directions")
    with request.execution.tracking(problem.layout.size) as advance, request.watched():
        right = joint.screened()
        for block in screenings:
            result = right.get(block.number) or block.screened(block.measured())
            screened.append(with_evenness(problem, directions, options, block.number, result))
            advance(block.block.size)
    if request.ended:
        reached = {block.name for block in screened}
        screened += [block for block in right.values() if block.name not in reached]
    reports, passes_of_search = {block.name: block.report for block in screened}, 0
    failing: list[FailingBlock] = []
    if request.ended:
        missing = (block for block in request.blocks if block.name not in reports)
        reports |= {block.name: not_reached(block, request.ended) for block in missing}
    elif locate:
        entering("searching for what is wrong")
        searched, passes_of_search = locate_after_screening(problem, directions, screened, options)
        reports |= {name: block.report for name, block in searched.items()}
        failing = [block.failing for block in searched.values() if block.failing is not None]
    failed = [block for block in screened if block.report.verdict is Verdict.FAIL]
    return Findings(
        method="plain",
        blocks=reports,
        comparisons={block.name: block.comparison for block in screened},
        forward_passes=joint.passes
        + directions.forward_passes
        + sum(block.extra_passes for block in screened)
        + passes_of_search,
        notes=_notes(screened, reports),
        stopped=request.ended,
        failing=failing,
        even=even_failure([(block.name, block.even) for block in failed]),
    )


def block_screenings(
    problem: Problem, directions: Directions, options: ScreeningOptions
) -> list[BlockScreening]:
    """Return the screening of every block that is not empty."""
    return [
        BlockScreening(problem, directions, options, number)
        for number, block in enumerate(problem.layout.blocks)
        if block.size
    ]


def _notes(screened: Sequence[ScreenedBlock], reports: Mapping[str, BlockReport]) -> list[str]:
    """Return the notes on blocks, but for those in which the mistake was located since."""
    notes: list[str] = []
    for block in screened:
        if reports[block.name].located is None:
            notes += block.notes
    return notes
