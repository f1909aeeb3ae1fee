"""Causes as lines of text: what is wrong, where to look, how well that explains the claims, and what is right."""

from __future__ import annotations

import itertools
import os
import textwrap
from collections.abc import Iterator, Sequence

from fastcheck.legible import first_names, legible
from fastcheck.report.causes import CHANGED_IN_PLACE, INTERMEDIATE, ORDER, Cause, CodeLine
from fastcheck.report.result import Report
from fastcheck.verdict.judging import Verdict

WIDTH = 80
"""Columns of a report."""

INDENT = 6
"""Columns that the verdict takes in the first line: all others that speak of causes begin there."""

ALTERNATIVES_SHOWN = 3
"""Causes shown of the same blocks."""

GROUPS_SHOWN = 3
"""Groups of blocks of which causes are shown."""

LINES_SHOWN = 3
"""Lines of code shown of each cause, in the cost and in the backward pass."""

TWO = "two mistakes: "
"""What a sentence about two lines begins with."""

ONE_OF_THESE = "one of these, the likeliest first"

SHORTEST_CODE, LONGEST_PLACE = 20, 36
"""Columns that are left to the text of a line of code, and that its file and number take at most."""


def sentence_of_headline(report: Report) -> str | None:
    """Return what is wrong in one sentence, None where no more is known than the blocks that fail."""
    if not report.causes or report.causes[0].kind == ORDER:
        return None
    alternatives, _ = _sorted_out(_groups(report.causes)[0])
    if len(alternatives) > 1:
        return f"wrong in {first_names(alternatives[0].blocks)}: {ONE_OF_THESE}"
    return _told(alternatives[0])


def lines_on_causes(report: Report) -> list[str]:
    """Return the lines below the headline: where to look, the evidence, other causes, and the blocks that are right."""
    groups = _groups(report.causes)
    lines: list[str] = []
    for number, group in enumerate(groups[:GROUPS_SHOWN]):
        lines += _of_group(group, is_first=number == 0)
    if len(groups) > GROUPS_SHOWN:
        left = [name for group in groups[GROUPS_SHOWN:] for name in group[0].blocks]
        lines += hanging(f"For {first_names(left)}: report.causes")
    for cause in report.causes:
        if cause.kind == INTERMEDIATE and cause is not report.causes[0]:
            lines += hanging(cause.sentence)
            lines += [*_code("cost", cause.lines), *_code("backward", cause.backward_lines)]
            lines += hanging(cause.evidence)
    if report.causes:
        lines += _right_ones(report)
    return lines


def hanging(sentence: str, indent: int = INDENT, *, further: int = 0) -> list[str]:
    """Return a sentence in as many lines as it needs, all of them indented, all but the first further."""
    text = legible(sentence)
    margin = " " * indent
    return textwrap.wrap(text, WIDTH, initial_indent=margin, subsequent_indent=margin + " " * further)


def _groups(causes: Sequence[Cause]) -> list[list[Cause]]:
    """Return the causes by the blocks that they are of: causes of the same blocks are alternatives."""
    beside_others = [cause for cause in causes if cause.kind != INTERMEDIATE or cause is causes[0]]
    return [list(group) for _, group in itertools.groupby(beside_others, key=lambda cause: cause.blocks)]


def _told(cause: Cause) -> str:
    """Return the sentence of a cause that has no alternative; what it says of lines may be doubtful, not of claims."""
    is_doubtful = bool(cause.lines) and not cause.certain and cause.kind != INTERMEDIATE
    colon = "" if cause.sentence.startswith(TWO) else ":"
    return f"most likely{colon} {cause.sentence}" if is_doubtful else cause.sentence


def _of_group(group: Sequence[Cause], *, is_first: bool) -> Iterator[str]:
    """Yield the lines on causes of the same blocks; the headline says of the first group what is wrong."""
    alternatives, in_numbers = _sorted_out(group)
    only = alternatives[0] if len(alternatives) == 1 else None
    if only is not None:
        if not is_first or only.kind == ORDER:
            yield from hanging(_told(only) if is_first else f"And {_told(only)}")
        yield from _code("cost", only.lines)
    else:
        if not is_first:
            yield from hanging(f"And {first_names(group[0].blocks)}, {ONE_OF_THESE}:")
        for number, cause in enumerate(alternatives[:ALTERNATIVES_SHOWN], start=1):
            yield from hanging(f"{number}. {cause.sentence}", INDENT, further=3)
            yield from _code("cost", cause.lines, INDENT + 3)
        if len(alternatives) > ALTERNATIVES_SHOWN:
            yield from hanging(f"and {len(alternatives) - ALTERNATIVES_SHOWN} more: report.causes")
    yield from _code("backward", group[0].backward_lines)
    if only is not None and only.evidence:
        yield from hanging(only.evidence)
    for cause in in_numbers:
        yield from hanging(f"in numbers: {cause.sentence}")


def _sorted_out(group: Sequence[Cause]) -> tuple[Sequence[Cause], Sequence[Cause]]:
    """Return causes of the same blocks that name lines, and those that say what these come to.

    If the best of them names none, all are alternatives.
    """
    with_lines = [cause for cause in group if cause.lines or cause.kind == CHANGED_IN_PLACE]
    if group[0] not in with_lines:
        return group, ()
    return with_lines, [cause for cause in group if cause not in with_lines]


def _code(title: str, lines: Sequence[CodeLine], indent: int = INDENT) -> Iterator[str]:
    """Yield lines of code, each with its place; long ones are cut."""
    shown = lines[:LINES_SHOWN]
    places = [_place(line) for line in shown]
    width = max(map(len, places), default=0)
    for number, (line, place) in enumerate(zip(shown, places, strict=True)):
        start = f"{' ' * indent}{title if number == 0 else '':<8}  {place:<{width}}  "
        yield (start + _cut(legible(line.text), max(WIDTH - len(start), SHORTEST_CODE))).rstrip()
    if len(lines) > LINES_SHOWN:
        yield f"{' ' * indent}{'':<8}  and {len(lines) - LINES_SHOWN} more: report.causes"


def _place(line: CodeLine) -> str:
    """Return file and number; of a long name of a file the end."""
    file, number = legible(os.path.basename(line.file)), f":{line.number}"
    most = LONGEST_PLACE - len(number)
    return (file if len(file) <= most else f"…{file[1 - most :]}") + number


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _right_ones(report: Report) -> list[str]:
    """Return the line about blocks that are right as a whole."""
    right = [
        name
        for name, block in report.blocks.items()
        if block.verdict is Verdict.PASS and block.known_as_a_whole
    ]
    if not right:
        return []
    one = len(right) == 1
    return hanging(
        f"{first_names(right)} {'is' if one else 'are'} right: leave {'it' if one else 'them'} alone"
    )
