"""From the recorded operations of a cost to its network: lines of code as steps, and which reads which.

A line that runs several times is one step, unless it reads other parameters each time, as in a loop over layers: then
each layer has steps of its own. Lines that read no parameters belong to the layer whose results they read.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastcheck.diagnosis.detective.graph.origins import Origin, origins_of
from fastcheck.engines.graph.nodes.decisions import Guard
from fastcheck.engines.graph.nodes.movement import Open, Read, Write
from fastcheck.engines.graph.nodes.node import Leaf, Node, plain
from fastcheck.engines.graph.recording.record import Recording
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.pictures.network import Network, Step
from fastcheck.studies.drawn_lines import drawn_frames, users_frames
from fastcheck.studies.operation_names import operation_name

MOST_STEPS = 100
"""Steps of a network in which each layer of a loop has its own; where there are more, a line is one step."""

NOBODY, OF_BLOCK = -1, -2
"""Sources of entries that are no runs of lines: constants; and the first of the parameters, others below."""


def network_of(recording: Recording, names: Sequence[str]) -> Network | None:
    """Return the network of a recorded cost, whose parameters have these names; None if no parameter reaches J."""
    if recording.result is None:
        return None
    runs = _runs_of(recording)
    if not runs:
        return None
    steps = _joined(runs, _by_layer(runs), names)
    if len(steps) > MOST_STEPS:
        steps = _joined(runs, [run.line for run in runs], names)
    return Network(steps=steps)


@dataclass(eq=False)
class _Run:
    """One time that a line ran: what it computed, ``last`` as its end, and the runs whose results it read."""

    line: CodeLine | None
    last: int = 0
    operations: list[str] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    blocks: set[int] = field(default_factory=set)
    inputs: set[int] = field(default_factory=set)

    def read(self, own: int, sources: Iterable[int]) -> None:
        """Note what this run, of that number, reads."""
        self.blocks.update(OF_BLOCK - source for source in sources if source <= OF_BLOCK)
        self.inputs.update(source for source in sources if source >= 0 and source != own)


def _runs_of(recording: Recording) -> list[_Run]:
    """Return the runs of lines in the order in which they ended."""
    nodes = _leading_to(recording.tape.nodes, recording.result)
    frames = {}
    for node in nodes:
        running = () if isinstance(node, Leaf) else users_frames(recording.tape.frames.get(node.number, ()))
        if running:
            frames[node.number] = running
    blocks = {leaf.number: k for k, leaf in enumerate(recording.leaves)}
    reads = {node.number: {blocks[x.number] for x in node.operands if isinstance(x, Leaf)} for node in nodes}
    reader = _Reader(recording, origins_of(nodes, drawn_frames(frames, reads)))
    for node in nodes:
        if not isinstance(node, Leaf):
            reader.add(node)
    return reader.in_order()


def _leading_to(nodes: Sequence[Node], result: Node | None) -> list[Node]:
    """Return the nodes that J is computed from and that change with the parameters, in their order."""
    wanted = set() if result is None else {result.number}
    buffers: set[int] = set()
    found: list[Node] = []
    for node in reversed(nodes):
        is_memory = isinstance(node, (Open, Write))
        in_use = node.buffer in buffers if isinstance(node, (Open, Write)) else node.number in wanted
        if not in_use or isinstance(node, Guard) or not (node.moves or is_memory):
            continue
        found.append(node)
        wanted.update(x.number for x in node.operands if isinstance(x, Node))
        if isinstance(node, Read):
            buffers.add(node.buffer)
    return found[::-1]


class _Reader:
    """Goes through the operations, and notes which run of a line each is of, and which runs it reads.

    Sources are numbers of runs, or of parameters, `OF_BLOCK` minus the number: several of what is read from memory that
    several lines wrote. ``memory`` holds those of the entries of each buffer. ``result`` is J.
    """

    def __init__(self, recording: Recording, origins: Mapping[int, Origin]) -> None:
        self.sizes, self.origins, self.result = recording.tape.buffers, origins, recording.result
        self.sources = {leaf.number: {OF_BLOCK - k} for k, leaf in enumerate(recording.leaves)}
        self.memory: dict[int, NDArray[np.intp]] = {}
        self.runs: list[_Run] = []
        self.run_of: dict[int | None, int] = {}

    def add(self, node: Node) -> None:
        """Add an operation."""
        sources: set[int] = set()
        for operand in node.operands:
            if isinstance(operand, Node) and operand.moves:
                sources |= self.sources[operand.number]
        if isinstance(node, Read):
            sources |= self._written_at(node)
            if node is not self.result:  # what reads it later, reads the memory as it is now
                self.sources[node.number] = sources
                return
        elif isinstance(node, Open):
            self._memory_of(node)[node.positions] = self._only(node, sources)
            return
        elif isinstance(node, Write):
            if node.adds:
                sources |= self._written_at(node)
            if not sources:
                self._memory_of(node)[node.positions] = NOBODY
                return
            self._memory_of(node)[node.positions] = self._run_of(node)
        self._note(node, sources)

    def _note(self, node: Node, sources: set[int]) -> None:
        """Note an operation as one of its run."""
        number = self._run_of(node)
        run = self.runs[number]
        self.sources[node.number] = {number}
        run.read(number, sources)
        run.last = node.number
        name = operation_name(node)
        if name is not None:
            run.operations.append(name)
        if node.value is not None:
            run.shape = np.shape(node.value)
        elif not run.shape:
            run.shape = np.shape(plain(node.operands[0]))

    def _only(self, node: Open, sources: set[int]) -> int:
        """Return the one source of an array whose memory is written into: if there are several, what copied them."""
        if len(sources) > 1:
            self._note(node, sources)
            return self._run_of(node)
        return next(iter(sources), NOBODY)

    def _written_at(self, node: Read | Write) -> set[int]:
        """Return what wrote the entries of memory that an operation reads or adds to."""
        owners = np.unique(self._memory_of(node)[node.positions]).tolist()
        return {owner for owner in owners if owner != NOBODY}

    def in_order(self) -> list[_Run]:
        """Return the runs in the order in which they ended, that of J being the last one, as far as they lead to it."""
        order = sorted(self._leading_to_last(), key=lambda k: self.runs[k].last)
        new = {old: k for k, old in enumerate(order)}
        for k in order:
            self.runs[k].inputs = {new[number] for number in self.runs[k].inputs}
        return [self.runs[k] for k in order]

    def _leading_to_last(self) -> set[int]:
        """Return the numbers of the runs whose results are read on the way to J: what is overwritten is not."""
        found: set[int] = set()
        new = [max(range(len(self.runs)), key=lambda k: self.runs[k].last)] if self.runs else []
        while new:
            number = new.pop()
            if number not in found:
                found.add(number)
                new += self.runs[number].inputs
        return found

    def _memory_of(self, node: Open | Write | Read) -> NDArray[np.intp]:
        if node.buffer not in self.memory:
            self.memory[node.buffer] = np.full(self.sizes[node.buffer], NOBODY, dtype=np.intp)
        return self.memory[node.buffer]

    def _run_of(self, node: Node) -> int:
        """Return the number of the run of a line to which an operation belongs."""
        origin = self.origins.get(node.number)
        line = None if origin is None else origin.execution.code_line
        key = None if origin is None else origin.execution.number
        if key not in self.run_of:
            self.run_of[key] = len(self.runs)
            self.runs.append(_Run(line))
        return self.run_of[key]


def _by_layer(runs: Sequence[_Run]) -> list[Hashable]:
    """Return for each run of a line what those have in common that are one step: the line, and the layer."""
    layers: list[frozenset[int]] = []
    for run in runs:
        earlier = [k for k in run.inputs if k < len(layers)]
        inherited = layers[max(earlier)] if earlier else frozenset[int]()
        layers.append(frozenset(run.blocks) or inherited)
    return [(run.line, layer) for run, layer in zip(runs, layers, strict=True)]


def _joined(runs: Sequence[_Run], keys: Sequence[Hashable], names: Sequence[str]) -> tuple[Step, ...]:
    """Return runs with the same key as one step each, in the order in which they ran last."""
    order = list(dict.fromkeys(reversed(keys)))[::-1]
    position = {key: k for k, key in enumerate(order)}
    groups: list[list[_Run]] = [[] for _ in order]
    for run, key in zip(runs, keys, strict=True):
        groups[position[key]].append(run)
    return tuple(
        Step(
            line=group[0].line,
            operations=tuple(dict.fromkeys(name for run in group for name in run.operations)),
            shape=group[-1].shape,
            runs=len(group),
            blocks=tuple(names[k] for k in sorted({k for run in group for k in run.blocks})),
            inputs=tuple(sorted({position[keys[k]] for run in group for k in run.inputs})),
        )
        for group in groups
    )
