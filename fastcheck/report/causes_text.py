"""Causes as lines of text: what is wrong, where to look, how well that explains the claims, and what is right."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Sequence

from fastcheck.legible import file_name, first_names, legible
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.report.cause_groups import groups, sorted_out, told_of
from fastcheck.report.causes import INTERMEDIATE, ORDER, Cause
from fastcheck.report.result import BlockReport, Report
from fastcheck.report.summary_text import right_blocks
from fastcheck.report.view import View
from fastcheck.verdict.judging import Verdict

INDENT = 6
"""Columns that the verdict takes in the first line: all others that speak of causes begin there."""

ALTERNATIVES_SHOWN = 3
"""Causes shown of the same blocks."""

GROUPS_SHOWN = 3
"""Groups of blocks of which causes are shown."""

LINES_SHOWN, LINES_IN_BRIEF = 3, 2
"""Lines of code shown of each cause, in the cost and in the backward pass, and the same in brief."""

ANOTHER = "And "
"""What the first line on another mistake begins with."""

SHORTEST_CODE, LONGEST_PLACE = 20, 36
"""Columns that are left to the text of a line of code, and that its file and number take at most."""


def sentence_of_headline(report: Report) -> str | None:
    """Return what is wrong in one sentence, None where no more is known than the blocks that fail."""
    if not report.causes or report.causes[0].kind == ORDER:
        return None
    alternatives, _ = sorted_out(groups(report.causes)[0])
    return told_of(alternatives)


def lines_on_causes(report: Report, view: View) -> list[str]:
    """Return the lines below the headline: where to look, the evidence, and other causes.

    A verbose view has the lines and the evidence of all of them, and names the blocks that are right.
    """
    writer = _Writer(report, view)
    all_groups = groups(report.causes)
    lines: list[str] = []
    for number, group in enumerate(all_groups[:GROUPS_SHOWN]):
        lines += writer.of_group(group, is_first=number == 0)
    if len(all_groups) > GROUPS_SHOWN:
        left = [name for group in all_groups[GROUPS_SHOWN:] for name in group[0].blocks]
        lines += hanging(f"For {first_names(left)}: report.causes", view)
    for cause in report.causes:
        if cause.kind == INTERMEDIATE and cause is not report.causes[0]:
            lines += writer.of_intermediate(cause)
    if not report.causes:
        lines += writer.places(
            [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL]
        )
    elif view.verbose:
        lines += _right_ones(report, view)
    return lines


def hanging(sentence: str, view: View, indent: int = INDENT, *, further: int = 0) -> list[str]:
    """Return a sentence in as many lines as it needs, all of them indented, all but the first further."""
    text = legible(sentence)
    margin = " " * indent
    return textwrap.wrap(text, view.width, initial_indent=margin, subsequent_indent=margin + " " * further)


def place_in_words(block: BlockReport, told: Collection[str] = ()) -> str | None:
    """Return the part of a block that is wrong, if that was not told, or its worst coordinate; None if not known."""
    if block.located and block.located.sentence not in told:
        return block.located.sentence
    if not (block.wrong and block.worst):
        return None
    worst = block.worst[0]
    return f"{worst.name}: claimed {worst.claimed + 0.0:.8g}, numerical {worst.numerical + 0.0:.8g}"


class _Writer:
    """Writes the lines on causes of one report."""

    def __init__(self, report: Report, view: View) -> None:
        self.report, self.view = report, view
        self.told = {cause.sentence for cause in report.causes}

    def of_group(self, group: Sequence[Cause], *, is_first: bool) -> Iterator[str]:
        """Yield the lines on causes of the same blocks; the headline says of the first group what is wrong."""
        alternatives, in_numbers = sorted_out(group)
        first, *others = alternatives
        if not is_first or first.kind == ORDER:
            sentence = told_of(alternatives)
            yield from self._hanging(sentence if is_first else f"{ANOTHER}{sentence}")
        yield from self._code("cost", first.lines)
        yield from self._code("backward", first.backward_lines)
        if not (first.lines or first.backward_lines or first.kind == ORDER):
            yield from self.places(first.blocks)
        if not others and first.evidence and (is_first or self.view.verbose):
            yield from self._hanging(first.evidence)
        for cause in others[: ALTERNATIVES_SHOWN - 1]:
            yield from self._hanging(f"or {cause.sentence}", further=3)
            yield from self._code("cost", cause.lines, INDENT + 3)
        if len(alternatives) > ALTERNATIVES_SHOWN:
            yield from self._hanging(f"or {len(alternatives) - ALTERNATIVES_SHOWN} more: report.causes")
        for cause in in_numbers:
            yield from self._hanging(f"in numbers: {cause.sentence}")

    def of_intermediate(self, cause: Cause) -> Iterator[str]:
        """Yield the lines on intermediates, which stand below those on gradients."""
        yield from self._hanging(cause.sentence)
        if self.view.verbose:
            yield from self._code("cost", cause.lines)
            yield from self._code("backward", cause.backward_lines)
            yield from self._hanging(cause.evidence)

    def places(self, names: Sequence[str]) -> Iterator[str]:
        """Yield the line that says where the first of these blocks is wrong, where no line of code is known."""
        blocks = [self.report.blocks[name] for name in names if name in self.report.blocks]
        places = [place for block in blocks if (place := place_in_words(block, self.told))]
        for place in places[:1]:
            yield from self._hanging(f"{'where':<8}  {place}", further=10)

    def _hanging(self, sentence: str, *, further: int = 0) -> list[str]:
        return hanging(sentence, self.view, further=further)

    def _code(self, title: str, lines: Sequence[CodeLine], indent: int = INDENT) -> Iterator[str]:
        """Yield lines of code, each with its place; long ones are cut."""
        shown = lines[: LINES_SHOWN if self.view.verbose else LINES_IN_BRIEF]
        places = [_place(line) for line in shown]
        width = max(map(len, places), default=0)
        for number, (line, place) in enumerate(zip(shown, places, strict=True)):
            start = f"{' ' * indent}{title if number == 0 else '':<8}  {place:<{width}}  "
            left = max(self.view.width - len(start), SHORTEST_CODE)
            yield (start + _cut(legible(line.text), left)).rstrip()
        if len(lines) > len(shown):
            yield f"{' ' * indent}{'':<8}  and {len(lines) - len(shown)} more: report.causes"


def _place(line: CodeLine) -> str:
    """Return file and number; of a long name of a file the end."""
    file, number = legible(file_name(line.file)), f":{line.number}"
    most = LONGEST_PLACE - len(number)
    return (file if len(file) <= most else f"…{file[1 - most :]}") + number


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _right_ones(report: Report, view: View) -> list[str]:
    """Return the line about blocks that are right as a whole."""
    right = right_blocks(report)
    if not right:
        return []
    one = len(right) == 1
    return hanging(
        f"{first_names(right)} {'is' if one else 'are'} right: leave {'it' if one else 'them'} alone", view
    )
