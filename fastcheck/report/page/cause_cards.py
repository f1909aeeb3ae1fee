"""Causes as the page shows them: a card for each group of blocks, other explanations folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastcheck.pictures.code_lines import CodeLine
from fastcheck.report.cause_groups import groups, sorted_out, told_of
from fastcheck.report.causes import INTERMEDIATE, Cause
from fastcheck.report.causes_text import place_in_words
from fastcheck.report.result import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseCard:
    """What is said of one group of blocks.

    ``causes`` are the explanations, the likeliest first, whose lines and evidence stand below ``sentence``.
    ``where`` is the part of the first block that is wrong, empty where lines say it; ``in_numbers`` are sentences that
    say what the causes come to.
    """

    blocks: tuple[str, ...]
    sentence: str
    causes: tuple[Cause, ...]
    backward_lines: tuple[CodeLine, ...]
    where: str
    in_numbers: tuple[str, ...]

    @property
    def first(self) -> Cause:
        """The likeliest cause."""
        return self.causes[0]


def cause_cards(report: Report) -> list[CauseCard]:
    """Return a card for each group of blocks, and one for each intermediate that is wrong besides."""
    causes = report.causes
    cards = [_card(group, report) for group in groups(causes)]
    besides = [cause for cause in causes[1:] if cause.kind == INTERMEDIATE]
    return cards + [_card([cause], report) for cause in besides]


def _card(group: Sequence[Cause], report: Report) -> CauseCard:
    alternatives, in_numbers = sorted_out(group)
    first = alternatives[0]
    return CauseCard(
        blocks=group[0].blocks,
        sentence=told_of(alternatives),
        causes=tuple(alternatives),
        where="" if first.lines or first.backward_lines else _place_of(first, report),
        backward_lines=tuple(dict.fromkeys(group[0].backward_lines)),
        in_numbers=tuple(cause.sentence for cause in in_numbers),
    )


def _place_of(cause: Cause, report: Report) -> str:
    """Return where the first block of a cause is wrong, unless the cause says it."""
    place = place_in_words(report.blocks[cause.blocks[0]])
    return place if place and place != cause.sentence else ""
