"""The kinds of mistakes that a report names, in one table.

To add one: in `structural_mistakes` or `value_mistakes` a function that looks at a `FailingBlock` and returns words, or
None where it is another mistake; a line in `KINDS_OF_MISTAKES`; a test with the smallest gradient that is wrong so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from fastcheck.diagnosis.failing_block import FailingBlock
from fastcheck.diagnosis.structural_mistakes import (
    misses_a_normalisation,
    of_a_symmetric_matrix,
    of_both_triangles,
    transposed,
)
from fastcheck.diagnosis.value_mistakes import multiple, of_another_penalty, zero
from fastcheck.legible import first_names


class Kind(NamedTuple):
    """A kind of mistake: what recognises it, and what its words are.

    ``structural``: a sentence about the structure of one block, which kinks do not change. Otherwise the words follow
    the names of all blocks that have the same mistake, "W, b: the claim is 12 times the gradient", and need slopes that
    are unique.
    """

    recognise: Callable[[FailingBlock], str | None]
    structural: bool


class Mistake(NamedTuple):
    """A mistake that was recognised, in words."""

    words: str
    structural: bool


KINDS_OF_MISTAKES = (
    Kind(transposed, structural=True),
    Kind(of_both_triangles, structural=True),
    Kind(of_a_symmetric_matrix, structural=True),
    Kind(misses_a_normalisation, structural=True),
    Kind(zero, structural=False),
    Kind(multiple, structural=False),
    Kind(of_another_penalty, structural=False),
)
"""The first kind that recognises a block names its mistake."""


def recognise_mistake(block: FailingBlock | None, *, structural_only: bool) -> Mistake | None:
    """Return the mistake of a block, None for no block or a mistake that is none of these kinds."""
    if block is None:
        return None
    for kind in KINDS_OF_MISTAKES:
        if kind.structural or not structural_only:
            words = kind.recognise(block)
            if words is not None:
                return Mistake(words, kind.structural)
    return None


def shared_mistakes(mistakes: Iterable[tuple[str, Mistake | None]]) -> tuple[str, ...]:
    """Return a sentence for each mistake that is not structural, with the names of the blocks that have it."""
    blocks: dict[str, list[str]] = {}
    for name, mistake in mistakes:
        if mistake is not None and not mistake.structural:
            blocks.setdefault(mistake.words, []).append(name)
    return tuple(f"{first_names(names)}: {words}." for words, names in blocks.items())
