"""From the judgement of a block to its report."""

from __future__ import annotations

from fastcheck.pictures.block_errors import BlockErrors
from fastcheck.plan.sampling import SampleProof, prove
from fastcheck.report.result import BlockReport, Coordinate
from fastcheck.verdict.judging import Judgement
from fastcheck.verdict.power import Power


def block_report(
    judgement: Judgement, power: Power, kinks: int, confidence: float, errors: BlockErrors
) -> BlockReport:
    """Return the report of one block, with its worst coordinates; what a sample proves has this confidence."""
    part = judgement.part
    block = part.block
    is_sample_or_all = part.drawn or part.size == block.size
    return BlockReport(
        verdict=judgement.verdict,
        difference=judgement.comparison.difference,
        shape=block.shape,
        size=block.size,
        checked=part.size,
        wrong=judgement.wrong,
        undecided=judgement.undecided,
        worst=worst_coordinates(judgement),
        cause=judgement.cause,
        power=power,
        kinks=kinks,
        proof=_proof(judgement, confidence) if is_sample_or_all else None,
        errors=errors,
    )


def _proof(judgement: Judgement, confidence: float) -> SampleProof:
    """Return what the coordinates that were checked prove about the others of their block.

    Undecided ones count as not checked; where others are wrong, they count as wrong: they may be, too, and are no
    reason to think better of the rest.
    """
    part = judgement.part
    if judgement.wrong:
        checked, wrong = part.size, judgement.wrong + judgement.undecided
    else:
        checked, wrong = part.size - judgement.undecided, 0
    return prove(checked=checked, size=part.block.size, wrong=wrong, confidence=confidence)


def worst_coordinates(judgement: Judgement) -> tuple[Coordinate, ...]:
    """Return the coordinates of one block that have the largest errors."""
    block = judgement.part.block
    worst = []
    for place, claimed, numerical, error in judgement.worst:
        size = max(abs(claimed), abs(numerical))
        worst.append(
            Coordinate(
                block=block.name,
                index=block.index_of(place),
                claimed=claimed,
                numerical=numerical,
                error=error,
                relative_error=error / size if size else 0.0,
            )
        )
    return tuple(worst)
