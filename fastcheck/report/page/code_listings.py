"""The user's cost, with what the causes say beside the lines that they name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fastcheck.legible import file_name
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.pictures.network import Network
from fastcheck.report.cause_groups import told
from fastcheck.report.causes import INTERMEDIATE, Cause
from fastcheck.report.page.network_rows import Chip, Names
from fastcheck.report.result import Report

DEFINED = re.compile(r"\s*(?:async\s+)?(?:def|class)\s+(\w+)")
"""A line that begins a function or a class."""

MOST_LINES = 400
"""Lines of one function that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedLine:
    """A line of code, the blocks that it reads, and the sentences of the causes that name it.

    ``remarks`` are those about intermediates: such a line may be the last that is right.
    """

    number: int
    text: str
    chips: tuple[Chip, ...]
    blame: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeListing:
    """A function, or lines of one file; ``name`` is that of the function, empty where there is none."""

    name: str
    title: str
    lines: tuple[ListedLine, ...]
    left_out: int

    @property
    def is_blamed(self) -> bool:
        """Whether a cause names one of its lines."""
        return any(line.blame or line.remarks for line in self.lines)


Place = tuple[str, int]


class Said(NamedTuple):
    """What a cause says of a line."""

    line: CodeLine
    sentence: str
    is_remark: bool


def cost_listings(
    functions: Sequence[Sequence[CodeLine]], network: Network | None, report: Report, short: Mapping[str, str]
) -> list[CodeListing]:
    """Return the functions of the cost; those with lines that are blamed come first."""
    said = [_said(cause, line) for cause in report.causes for line in cause.lines]
    chips = _chips(network, Names(report.blocks, short))
    listings = [_listing(lines, said, chips) for lines in functions if lines]
    return sorted(listings, key=lambda listing: not listing.is_blamed)


def backward_listings(report: Report) -> list[CodeListing]:
    """Return the lines of the backward pass that the causes name, file by file."""
    said = [_said(cause, line) for cause in report.causes for line in cause.backward_lines]
    files: dict[str, dict[int, CodeLine]] = {}
    for line, _, _ in said:
        files.setdefault(line.file, {})[line.number] = line
    return [_listing([lines[number] for number in sorted(lines)], said, {}) for lines in files.values()]


def _said(cause: Cause, line: CodeLine) -> Said:
    return Said(line, told(cause), is_remark=cause.kind == INTERMEDIATE)


def _sentences(said: Sequence[Said], *, are_remarks: bool) -> dict[Place, tuple[str, ...]]:
    """Return the sentences of each line, each once."""
    sentences: dict[Place, dict[str, None]] = {}
    for line, sentence, is_remark in said:
        if is_remark == are_remarks:
            sentences.setdefault((line.file, line.number), {})[sentence] = None
    return {place: tuple(told) for place, told in sentences.items()}


def _chips(network: Network | None, names: Names) -> dict[Place, tuple[Chip, ...]]:
    """Return the blocks that each line reads."""
    read_at: dict[Place, dict[str, None]] = {}
    for step in network.steps if network else ():
        if step.line is not None:
            read_at.setdefault((step.line.file, step.line.number), {}).update(dict.fromkeys(step.blocks))
    chips = {place: map(names.chip, read) for place, read in read_at.items()}
    return {place: tuple(sorted(found, key=lambda chip: chip.mark.rank)) for place, found in chips.items()}


def _listing(
    lines: Sequence[CodeLine], said: Sequence[Said], chips: dict[Place, tuple[Chip, ...]]
) -> CodeListing:
    blame, remarks = _sentences(said, are_remarks=False), _sentences(said, are_remarks=True)
    listed = [
        ListedLine(
            number=line.number,
            text=line.text,
            chips=chips.get((line.file, line.number), ()),
            blame=blame.get((line.file, line.number), ()),
            remarks=remarks.get((line.file, line.number), ()),
        )
        for line in lines[:MOST_LINES]
    ]
    defined = DEFINED.match(lines[0].text)
    return CodeListing(
        name=defined[1] if defined else "",
        title=file_name(lines[0].file),
        lines=tuple(listed),
        left_out=max(len(lines) - MOST_LINES, 0),
    )
