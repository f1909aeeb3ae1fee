"""At which line of the user's code an operation is drawn.

It is the innermost one, but for helpers: what a function computes that is a formula of one line, or that is called from
several places with different parameters, is drawn where it is called. The smallest example is a network with two hidden
layers::

    def relu(Z):
        return np.maximum(Z, 0)

    def cost(p):
        A1 = relu(p["W1"] @ X)
        A2 = relu(p["W2"] @ A1)
        return np.sum((A2 - Y) ** 2)

In a drawing of innermost lines both layers go through the one line of ``relu``, and the network is a loop.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

import fastcheck.problem
from fastcheck.engines.graph.tracing.users_line import Frame

ADAPTERS = f"{Path(fastcheck.problem.__file__).parent}{os.sep}"
"""The folder of what makes a cost of a layer, an object and the like, which is none of the user's."""

Frames = tuple[Frame, ...]
"""The functions that were running, the innermost first."""

Site = tuple[CodeType, int]
"""An instruction that calls a function."""


def users_frames(frames: Frames) -> Frames:
    """Return the functions that are not those of an adapter, which makes a cost of a layer or an object."""
    return tuple(itertools.takewhile(lambda frame: not frame.code.co_filename.startswith(ADAPTERS), frames))


def drawn_frames(frames: Mapping[int, Frames], reads: Mapping[int, set[int]]) -> dict[int, Frames]:
    """Return for each operation, by number, the functions that were running at the line where it is drawn.

    ``reads`` are the numbers of the parameters that each reads itself.
    """
    helpers = _helpers(_calls(frames, reads))
    activations = _Activations()
    drawn: dict[int, Frames] = {}
    for number, running in frames.items():
        level = max((k + 1 for k, frame in enumerate(running[:-1]) if frame.code in helpers), default=0)
        drawn[number] = activations.numbered(running, level)
    return drawn


@dataclass
class _Calls:
    """The lines at which a function computed or called something, which functions it called, and from where it was.

    ``sites`` holds for each of these the parameters that were read by that call.
    """

    lines: set[int] = field(default_factory=set)
    callees: set[CodeType] = field(default_factory=set)
    sites: dict[Site, set[int]] = field(default_factory=dict)

    @property
    def shares_no_parameters(self) -> bool:
        """Whether calls from different places read different parameters, or none: so do layers, and activations."""
        return sum(map(len, self.sites.values())) == len(set().union(*self.sites.values()))


def _calls(frames: Mapping[int, Frames], reads: Mapping[int, set[int]]) -> dict[CodeType, _Calls]:
    """Return what is known of the calls of each function."""
    calls: dict[CodeType, _Calls] = {}
    for number, running in frames.items():
        for frame, caller in zip(running, (*running[1:], None), strict=True):
            calls.setdefault(frame.code, _Calls()).lines.add(frame.lineno)
            if caller is None:
                continue
            site = caller.code, caller.instruction
            calls[frame.code].sites.setdefault(site, set()).update(reads.get(number, ()))
            calls.setdefault(caller.code, _Calls()).callees.add(frame.code)
    return calls


def _helpers(calls: Mapping[CodeType, _Calls]) -> set[CodeType]:
    """Return the functions whose lines are not drawn."""
    called_at = Counter(site for of_function in calls.values() for site in of_function.sites)
    formulas: set[CodeType] = set()
    while True:  # those of one line that call no function but such
        more = {
            code
            for code, known in calls.items()
            if len(known.lines) == 1
            and known.callees <= formulas
            and known.sites
            and all(called_at[site] == 1 for site in known.sites)  # else it is one of the layers of a list
        }
        if more == formulas:
            break
        formulas = more
    layers = {code for code, known in calls.items() if len(known.sites) > 1 and known.shares_no_parameters}
    return formulas | layers


class _Activations:
    """Numbers the calls of helpers, which may follow each other at one instruction.

    A helper began anew if it went back to where it had begun.
    """

    def __init__(self) -> None:
        self.begun: dict[tuple[Site, ...], tuple[tuple[int, ...], int]] = {}
        self.last: dict[tuple[Site, ...], tuple[tuple[int, ...], int]] = {}
        self.count = 0

    def numbered(self, running: Frames, level: int) -> Frames:
        """Return the functions from a level outwards, the call at the innermost line of them being numbered.

        What the line computes itself with the results of a helper is of the same call.
        """
        outer = running[level:]
        where = tuple((frame.code, frame.instruction) for frame in outer)
        if level:
            self._enter(where, running[:level])
        elif where not in self.begun:
            return outer
        return (outer[0]._replace(call=-self.begun[where][1]), *outer[1:])

    def _enter(self, where: tuple[Site, ...], inner: Frames) -> None:
        """Note that helpers run, the outermost of which was called there."""
        now = tuple(frame.instruction for frame in reversed(inner))
        first, number = self.begun.get(where, (now, 0))
        same_call = self.last.get(where) == (now, inner[0].call)
        if not number or (now <= first and not same_call):
            self.count += 1
            first, number = now, self.count
        self.begun[where], self.last[where] = (first, number), (now, inner[0].call)
