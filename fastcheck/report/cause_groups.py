"""Causes sorted for readers: those of the same blocks are alternatives, and some only put others in numbers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from fastcheck.report.causes import CHANGED_IN_PLACE, INTERMEDIATE, Cause

TWO = "two mistakes: "
"""What a sentence about two lines begins with."""

LIKELIEST = "the likeliest of {number} explanations"
"""What the first of several causes begins with, which explain the same claims equally well."""


def groups(causes: Sequence[Cause]) -> list[list[Cause]]:
    """Return the causes by the blocks that they are of: causes of the same blocks are alternatives."""
    beside_others = [cause for cause in causes if cause.kind != INTERMEDIATE or cause is causes[0]]
    return [list(group) for _, group in itertools.groupby(beside_others, key=lambda cause: cause.blocks)]


def told_of(alternatives: Sequence[Cause]) -> str:
    """Return the sentence of the first cause of several, or of the only one."""
    if len(alternatives) == 1:
        return told(alternatives[0])
    sentence = alternatives[0].sentence
    separator = ", " if sentence.startswith(TWO) else ": "
    return LIKELIEST.format(number=len(alternatives)) + separator + sentence


def told(cause: Cause) -> str:
    """Return the sentence of a cause that has no alternative; what it says of lines may be doubtful, not of claims."""
    is_doubtful = bool(cause.lines) and not cause.certain and cause.kind != INTERMEDIATE
    colon = "" if cause.sentence.startswith(TWO) else ":"
    return f"most likely{colon} {cause.sentence}" if is_doubtful else cause.sentence


def sorted_out(group: Sequence[Cause]) -> tuple[Sequence[Cause], Sequence[Cause]]:
    """Return causes of the same blocks that name lines, and those that say what these come to.

    If the best of them names none, all are alternatives.
    """
    with_lines = [cause for cause in group if cause.lines or cause.kind == CHANGED_IN_PLACE]
    if group[0] not in with_lines:
        return group, ()
    return with_lines, [cause for cause in group if cause not in with_lines]
