"""Lines beside the steps of a network, for results that a step reads from further up than the step before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_LANES = 5
"""Lines side by side; what has no room is told in words alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A line beside one step: ``position`` 0 is next to the box, ``kind`` what it does there.

    ``"start"``: it leaves the box downwards. ``"through"``: it passes. ``"branch"``: it passes, and enters the box.
    ``"end"``: it enters the box, and goes no further.
    """

    position: int
    kind: str


def lanes_beside(inputs: Sequence[Sequence[int]]) -> list[tuple[Lane, ...]]:
    """Return the lines beside each step; ``inputs`` are the steps whose results it reads.

    >>> [[(lane.position, lane.kind) for lane in beside] for beside in lanes_beside([(), (0,), (1, 0)])]
    [[(0, 'start')], [(0, 'through')], [(0, 'end')]]
    """
    beside: list[list[Lane]] = [[] for _ in inputs]
    ends = [-1] * MOST_LANES
    for producer, readers in sorted(_far_readers(inputs).items()):
        free = [position for position in range(MOST_LANES) if ends[position] < producer]
        if not free:
            continue
        position, last = free[0], readers[-1]
        ends[position] = last
        beside[producer].append(Lane(position=position, kind="start"))
        for row in range(producer + 1, last):
            kind = "branch" if row in readers else "through"
            beside[row].append(Lane(position=position, kind=kind))
        beside[last].append(Lane(position=position, kind="end"))
    return [tuple(lanes) for lanes in beside]


def _far_readers(inputs: Sequence[Sequence[int]]) -> dict[int, list[int]]:
    """Return for each step those further down than the next that read its result, in their order."""
    readers: dict[int, list[int]] = {}
    for reader, read in enumerate(inputs):
        for producer in set(read):
            if producer < reader - 1:
                readers.setdefault(producer, []).append(reader)
    return readers
