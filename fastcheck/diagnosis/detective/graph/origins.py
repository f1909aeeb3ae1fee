"""Which line of the cost ran an operation, and which time that was."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import linecache
from collections.abc import Mapping, Sequence
from types import CodeType

from fastcheck.engines.graph.nodes.node import Leaf, Node
from fastcheck.engines.graph.tracing.users_line import Frame
from fastcheck.pictures.code_lines import CodeLine

INSTRUCTION_BYTES = 2
"""Length of an instruction: positions in the source are listed one for each."""

Place = tuple[CodeType, int]
"""A line of the code, or an instruction in it."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Execution:
    """One time that a line ran; ``operations`` of it share it.

    ``frames`` are the function that was running and its callers, ``number`` numbers executions of the whole cost,
    ``time`` those of the line, from 1.
    """

    frames: tuple[Frame, ...]
    number: int
    time: int

    @property
    def line(self) -> Place:
        """The code and the number of the line."""
        return self.frames[0].code, self.frames[0].lineno

    @functools.cached_property
    def code_line(self) -> CodeLine:
        """The line, as reports name it."""
        return _code_line(self.frames[0])

    @functools.cached_property
    def callers(self) -> tuple[CodeLine, ...]:
        """The lines that called the function in which it is."""
        return tuple(_code_line(frame) for frame in self.frames[1:])


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Origin:
    """Where an operation is from: the execution, the instruction, and its number among those of the instruction."""

    execution: Execution
    instruction: int
    sequence: int

    @property
    def spot(self) -> tuple[CodeType, int, int]:
        """What operations have in common that are the same one in several executions of their line."""
        return self.execution.frames[0].code, self.instruction, self.sequence

    @property
    def call(self) -> tuple[object, ...]:
        """The same, and the instructions that called the function in which it is."""
        return self.spot, *((frame.code, frame.instruction) for frame in self.execution.frames[1:])

    @functools.cached_property
    def expression(self) -> str:
        """The text of the expression, that of the line where it is not known."""
        return _expression(self.execution.frames[0].code, self.instruction, self.execution.frames[0]) or (
            self.execution.code_line.text
        )


def _code_line(frame: Frame) -> CodeLine:
    filename, number, text = frame.line
    return CodeLine(file=filename, number=number, text=text)


def _expression(code: CodeType, instruction: int, frame: Frame) -> str | None:
    """Return the source of an instruction, if it stands in one line."""
    places = code.co_positions()
    first, last, begin, end = next(
        itertools.islice(places, instruction // INSTRUCTION_BYTES, None), (None, None, None, None)
    )
    if first is None or first != last or begin is None or end is None:
        return None
    line = linecache.getline(code.co_filename, first, frame.namespace)
    return line.encode()[begin:end].decode(errors="replace").strip() or None


def origins_of(nodes: Sequence[Node], frames: Mapping[int, tuple[Frame, ...]]) -> dict[int, Origin]:
    """Return where each operation is from, by number; parameters are from nowhere."""
    origins: dict[int, Origin] = {}
    runs = _Runs()
    for node in nodes:
        here = frames.get(node.number)
        if here and not isinstance(node, Leaf):
            origins[node.number] = runs.origin(here)
    return origins


@dataclasses.dataclass
class _Running:
    """A function that is running: the instruction and the call that it is at.

    ``lines`` are those that are being run, by number: the first instruction of each, and the execution. Several are if
    one calls another function, or an expression has several lines.
    """

    code: CodeType
    instruction: int
    call: int
    sequence: int = 0
    lines: dict[int, tuple[int, Execution]] = dataclasses.field(default_factory=dict)

    def move_to(self, frame: Frame) -> None:
        """Go on to an instruction: what started no earlier is run anew if it was there before."""
        goes_on = frame.instruction > self.instruction
        of_same_call = frame.instruction == self.instruction and frame.call == self.call
        self.sequence = self.sequence + 1 if of_same_call else 0
        if not (goes_on or of_same_call):
            self.lines = {
                line: (start, execution)
                for line, (start, execution) in self.lines.items()
                if start < frame.instruction
            }
        self.instruction, self.call = frame.instruction, frame.call


class _Runs:
    """The functions that are running, the outermost first, as operations come one after the other."""

    def __init__(self) -> None:
        self.running: list[_Running] = []
        self.times: dict[Place, int] = {}
        self.executions = 0

    def origin(self, frames: tuple[Frame, ...]) -> Origin:
        """Return where an operation is from that these functions ran."""
        for depth, frame in enumerate(reversed(frames)):
            self._run(depth, frame, is_innermost=depth == len(frames) - 1)
        innermost, here = self.running[-1], frames[0]
        if here.lineno not in innermost.lines:
            innermost.lines[here.lineno] = (here.instruction, self._execution(frames))
        _, execution = innermost.lines[here.lineno]
        return Origin(execution=execution, instruction=here.instruction, sequence=innermost.sequence)

    def _run(self, depth: int, frame: Frame, *, is_innermost: bool) -> None:
        if depth == len(self.running) or self.running[depth].code is not frame.code:
            del self.running[depth:]
            self.running.append(_Running(frame.code, frame.instruction, frame.call))
        elif is_innermost or frame.instruction != self.running[depth].instruction:
            del self.running[depth + 1 :]
            self.running[depth].move_to(frame)

    def _execution(self, frames: tuple[Frame, ...]) -> Execution:
        place = frames[0].code, frames[0].lineno
        self.times[place] = self.times.get(place, 0) + 1
        self.executions += 1
        return Execution(frames=frames, number=self.executions - 1, time=self.times[place])
