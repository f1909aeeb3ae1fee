"""Which step of the cost is the first wrong one on the way back from J, and which one a cause means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fastcheck.legible import first_names
from fastcheck.pictures.network import Step
from fastcheck.report.cause_groups import groups
from fastcheck.report.causes import Cause
from fastcheck.report.result import Report
from fastcheck.verdict.judging import Verdict


class FirstWrong(NamedTuple):
    """The first step, on the way back from J, at which something is known to be wrong, and why it is that one."""

    position: int
    why: str


def first_wrong_place(steps: Sequence[Step], report: Report) -> FirstWrong | None:
    """Return the first place on the way back from J, None where none is known to be wrong.

    It is the last step of those that causes name, and of those that read a wrong block which no such cause explains.
    """
    found: list[FirstWrong] = []
    unexplained = [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL]
    for number, (cause, *_) in enumerate(groups(report.causes)):
        named = step_of_cause(cause, steps)
        if named is not None:
            which = "a further cause" if number else "the first cause"
            doubt = "" if cause.certain else ", which is not certain,"
            found.append(FirstWrong(named, f"{which}{doubt} names this line"))
            unexplained = [name for name in unexplained if name not in cause.blocks]
    reading = [
        position for position, step in enumerate(steps) if not set(step.blocks).isdisjoint(unexplained)
    ]
    if reading:
        found.append(FirstWrong(reading[-1], _what_is_read(steps, reading, unexplained)))
    return max(found, key=lambda place: place.position, default=None)


def _what_is_read(steps: Sequence[Step], reading: Sequence[int], wrong: Sequence[str]) -> str:
    """Return which wrong blocks the last of these steps reads, and which other steps read them."""
    names = [name for name in steps[reading[-1]].blocks if name in wrong]
    others = [position + 1 for position in reading[:-1] if not set(names).isdisjoint(steps[position].blocks)]
    also = f", and in {', '.join(map(str, others[:4]))}" if others else ""
    verb = "is" if len(names) == 1 else "are"
    return f"here {first_names(names)} {verb} read{also}"


def step_of_cause(cause: Cause, steps: Sequence[Step]) -> int | None:
    """Return the position of the step whose line a cause names, None where it names none of them.

    A line that every layer calls is a step in each of them. Of several it is the first one behind all blocks that the
    cause is of, for these are wrong because of what comes back to them; or else the last.
    """
    places = {(line.file, line.number) for line in cause.lines}
    named = [k for k, step in enumerate(steps) if step.line and (step.line.file, step.line.number) in places]
    if not named:
        return None
    reading = (k for k, step in enumerate(steps) if set(cause.blocks).intersection(step.blocks))
    start = max(reading, default=0)
    return min((k for k in named if k >= start), default=named[-1])
