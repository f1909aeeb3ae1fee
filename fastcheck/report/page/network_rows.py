"""The network of a cost, line by line: forwards down one side, backwards up the other."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fastcheck.legible import shape_in_words
from fastcheck.pictures.network import Network, Step
from fastcheck.report.first_wrong import FirstWrong, first_wrong_place
from fastcheck.report.page.figures import shortened
from fastcheck.report.page.lanes import Lane, lanes_beside
from fastcheck.report.page.marks import UNSEEN, Mark, mark_of
from fastcheck.report.result import BlockReport, Report
from fastcheck.verdict.judging import Verdict

ASSIGNED = re.compile(r"\s*([^\W\d]\w*(?:\.[^\W\d]\w*)*)\s*(?::[^=]*)?[-+*/@]?=(?!=)")
"""A line that assigns one name: ``Z1 = …``, ``self.h += …``."""

MOST_SHOWN = 40
"""Steps that are shown at once; of more the middle is folded."""

FIRST_SHOWN, LAST_SHOWN = 10, 20
"""Steps at both ends that are not folded."""

WRONG_SHOWN = 6
"""Steps in the middle that read wrong blocks, on the way back from J, and are not folded."""

MOST_CHIPS = 12
"""Blocks named at a step; of more the number is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A block that a step reads: its name, whole and short, and what the check says of it."""

    name: str
    short: str
    mark: Mark


class Names(NamedTuple):
    """The blocks of a report, and what is shown of their names."""

    blocks: Mapping[str, BlockReport]
    short: Mapping[str, str]

    def chip(self, name: str) -> Chip:
        """Return what stands for a block; one that was not looked at may be read, too."""
        mark = mark_of(self.blocks[name]) if name in self.blocks else UNSEEN
        return Chip(name=name, short=self.short.get(name) or shortened(name), mark=mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One step, as the template draws it.

    ``slope`` is what its gradient is called, by the number of the step where the result has not one name.
    ``further`` are the numbers of the steps, other than the one before, whose results it reads, ``again`` of those
    that come later: results of the round before. ``feeds_next`` tells whether the next step reads its
    result, ``why`` why it is the first wrong place.
    """

    number: int
    step: Step
    result: str
    slope: str
    place: str
    code: str
    shape: str
    chips: tuple[Chip, ...]
    more_chips: int
    further: tuple[int, ...]
    again: tuple[int, ...]
    feeds_next: bool
    is_first: bool
    is_last: bool
    is_first_wrong: bool
    why: str
    lanes: tuple[Lane, ...]

    @property
    def enters(self) -> bool:
        """Whether a line beside the steps enters this box."""
        return any(lane.kind in ("branch", "end") for lane in self.lanes)

    @property
    def leaves(self) -> bool:
        """Whether a line beside the steps leaves this box."""
        return any(lane.kind == "start" for lane in self.lanes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Rows that follow each other, shown or folded."""

    rows: tuple[StepRow, ...]
    is_folded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPicture:
    """What the template draws; ``lanes`` is how many lines run beside the steps, ``sentence`` where it goes wrong."""

    folds: tuple[Fold, ...]
    lanes: int
    steps: int
    sentence: str


def draw_network(network: Network, report: Report, short: Mapping[str, str]) -> NetworkPicture | None:
    """Return the picture of a network, None of one without steps; ``short`` has what is shown of each block's name."""
    steps = network.steps
    if not steps:
        return None
    first_wrong = first_wrong_place(steps, report)
    lanes = lanes_beside([step.inputs for step in steps])
    names = Names(report.blocks, short)
    rows = [_row(position, steps, names, first_wrong, lanes[position]) for position in range(len(steps))]
    return NetworkPicture(
        folds=_folded(rows),
        lanes=1 + max((lane.position for beside in lanes for lane in beside), default=-1),
        steps=len(steps),
        sentence=_sentence(first_wrong, report),
    )


def _sentence(first_wrong: FirstWrong | None, report: Report) -> str:
    if first_wrong is not None:
        return "Marked is the first place, on the way back from J, where something is wrong, as far as that is known."
    if report.verdict is Verdict.FAIL:
        return "No line reads a block that is wrong."
    return "" if report.passed else "No block is known to be wrong."


def name_of_result(step: Step) -> str:
    """Return the name that a line assigns, or its names, empty where there is none.

    >>> from fastcheck.pictures.code_lines import CodeLine
    >>> line = CodeLine(file="network.py", number=31, text="Z1 = W1 @ X + b1")
    >>> name_of_result(Step(line=line, operations=("matmul",), shape=(5, 3), runs=1, blocks=("W1",), inputs=()))
    'Z1'
    """
    text = step.line.text if step.line else ""
    assigned = ASSIGNED.match(text)
    return assigned[1] if assigned else ", ".join(_names_of_tuple(text))


def _names_of_tuple(text: str) -> list[str]:
    """Return the names of a line such as ``Z, D = W @ A, None``, without those of values that nothing computes."""
    try:
        (statement,) = ast.parse(text.strip()).body
    except (SyntaxError, ValueError):
        return []
    if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Tuple)):
        return []
    names, values = statement.targets[0].elts, getattr(statement.value, "elts", [])
    if len(names) == len(values):
        names = [
            name for name, value in zip(names, values, strict=True) if not isinstance(value, ast.Constant)
        ]
    return [ast.unparse(name) for name in names]


def _row(
    position: int,
    steps: Sequence[Step],
    names: Names,
    first_wrong: FirstWrong | None,
    lanes: tuple[Lane, ...],
) -> StepRow:
    step, is_last = steps[position], position == len(steps) - 1
    result = "J" if is_last else name_of_result(step)
    chips = [names.chip(name) for name in step.blocks]
    is_first_wrong = first_wrong is not None and first_wrong.position == position
    return StepRow(
        number=position + 1,
        step=step,
        result=result,
        slope=f"d{result}" if result.isidentifier() or "." in result else f"∂J/∂({position + 1})",
        place=str(step.line).split(", `")[0] if step.line else "",
        code=step.line.text if step.line else "",
        shape=shape_in_words(step.shape),
        chips=tuple(sorted(chips, key=lambda chip: chip.mark.rank)[:MOST_CHIPS]),
        more_chips=max(len(chips) - MOST_CHIPS, 0),
        further=tuple(k + 1 for k in step.inputs if k < position - 1),
        again=tuple(k + 1 for k in step.inputs if k >= position),
        feeds_next=not is_last and position in steps[position + 1].inputs,
        is_first=position == 0,
        is_last=is_last,
        is_first_wrong=is_first_wrong,
        why=first_wrong.why if first_wrong and is_first_wrong else "",
        lanes=lanes,
    )


def _folded(rows: Sequence[StepRow]) -> tuple[Fold, ...]:
    """Return the rows in runs that are shown or folded: of many, both ends are shown, and the first that are wrong."""
    shown = {row.number for row in rows}
    if len(rows) > MOST_SHOWN:
        wrong = [row.number for row in reversed(rows) if any(chip.mark.css == "wrong" for chip in row.chips)]
        marked = [row.number for row in rows if row.is_first_wrong]
        around = {number + beside for number in (*marked, *wrong[:WRONG_SHOWN]) for beside in (-1, 0, 1)}
        shown = {*range(FIRST_SHOWN + 1), *range(len(rows) - LAST_SHOWN + 1, len(rows) + 1), *around}
    runs = itertools.groupby(rows, key=lambda row: row.number in shown)
    return tuple(Fold(rows=tuple(run), is_folded=not is_shown) for is_shown, run in runs)
