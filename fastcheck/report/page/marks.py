"""Words, signs and names of colours of verdicts and standings: nothing is told by colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from fastcheck.report.picture_words import STANDINGS
from fastcheck.report.result import BlockReport, Report
from fastcheck.report.stages import StagesReport
from fastcheck.report.summary_text import is_known_as_a_whole
from fastcheck.verdict.judging import Verdict


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands for a verdict: ``css`` is the class that colours it, ``rank`` sorts the worst to the top."""

    word: str
    sign: str
    css: str
    rank: int


SAMPLED = Mark("without a mistake in the sample", "✓", "right", 2)
RIGHT = Mark(STANDINGS[1], "✓", "right", 3)
WRONG = Mark(STANDINGS[3], "✗", "wrong", 0)
UNDECIDED = Mark(STANDINGS[2], "?", "undecided", 1)
UNSEEN = Mark(STANDINGS[0], "–", "unseen", 4)

OF_VERDICTS = {Verdict.PASS: RIGHT, Verdict.FAIL: WRONG, Verdict.INCONCLUSIVE: UNDECIDED}

OF_STANDINGS = (UNSEEN, RIGHT, UNDECIDED, WRONG)
"""Marks of the standings of `fastcheck.pictures.block_errors`."""


def word_of(report: Report) -> str:
    """Return what a report says in a word or two: no more than that it passed, where some was not looked at."""
    return "passed" if report.passed and not is_known_as_a_whole(report) else OF_VERDICTS[report.verdict].word


def word_of_stages(stages: StagesReport) -> str:
    """Return the same of stages."""
    words = {word_of(stage.report) for stage in stages.stages}
    return "passed" if stages.passed and "passed" in words else OF_VERDICTS[stages.verdict].word


def mark_of(block: BlockReport) -> Mark:
    """Return the mark of a block: right is only what is known as a whole."""
    if block.verdict is Verdict.PASS and not block.known_as_a_whole:
        return SAMPLED
    return OF_VERDICTS[block.verdict]
