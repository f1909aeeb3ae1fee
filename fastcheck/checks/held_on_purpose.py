"""What a report says where values are held constant on purpose, or a claim would be right if they were."""

from __future__ import annotations

import dataclasses
import linecache
from collections.abc import Iterable

from fastcheck.pictures.code_lines import CodeLine
from fastcheck.problem.holding import HELD, Place
from fastcheck.report.causes import Cause
from fastcheck.report.result import Report
from fastcheck.verdict.judging import Verdict

MOST_NAMED = 3
"""Lines that hold values constant which are named; of more it is said how many there are."""

NOT_DECLARED = "held constant"
"""Kind of the cause that a claim takes as constant what the forward pass cuts off, and that is not declared."""


def sentence_on_held(places: Iterable[Place]) -> str:
    """Return the sentence that names the lines which hold values constant on purpose."""
    lines = code_lines(places)
    where = "; ".join(map(str, lines[:MOST_NAMED]))
    more = f"; and {len(lines) - MOST_NAMED} more lines" if len(lines) > MOST_NAMED else ""
    return f"{HELD}, at their values at θ: {where}{more}. No slope goes through them, and none was checked."


def code_lines(places: Iterable[Place]) -> list[CodeLine]:
    """Return places with their texts."""
    return [
        CodeLine(file=place.file, number=place.line, text=linecache.getline(place.file, place.line).strip())
        for place in places
    ]


def with_undeclared(
    report: Report, held: Report, word: str, cuts_off: str, places: Iterable[Place]
) -> Report:
    """Return a report that fails with the cause of blocks that are right where values are held constant.

    ``held`` is the report of the same claim with ``held_constant=word``; ``cuts_off`` says in words what that holds,
    ``places`` are its lines.
    """
    failing = [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL]
    right = {name: held.blocks[name] for name in failing if held.blocks[name].verdict is Verdict.PASS}
    if not right:
        return report
    cause = Cause(
        kind=NOT_DECLARED,
        blocks=tuple(right),
        sentence=f"right if {cuts_off} is constant on purpose: held_constant={word!r} says so",
        evidence=f"with that {', '.join(right)} {'passes' if len(right) == 1 else 'pass'}; without it differences see "
        "that it moves",
        certain=all(block.known_as_a_whole for block in right.values()),
        lines=tuple(code_lines(places)),
    )
    rest = (
        dataclasses.replace(other, blocks=tuple(name for name in other.blocks if name not in right))
        for other in report.causes
    )
    return dataclasses.replace(
        report,
        causes=(cause, *(other for other in rest if other.blocks)),
        forward_passes=report.forward_passes + held.forward_passes,
    )
