"""The functions of a cost, as lines of code."""

from __future__ import annotations

import linecache
import textwrap
from collections.abc import Iterable
from types import CodeType
from typing import Any

import fastcheck.problem
from fastcheck.diagnosis.detective.users_functions import definition_of, functions_with_source
from fastcheck.engines.graph.nodes.node import Leaf
from fastcheck.engines.graph.recording.record import Recording
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.studies.drawn_lines import users_frames

MOST_LINES = 400
"""Lines of all functions together, at most."""

Function = tuple[CodeLine, ...]

Code = tuple[CodeType, dict[str, Any]]
"""The code of a function, and its globals."""


def functions_that_ran(recording: Recording) -> tuple[Function, ...]:
    """Return the functions of a recorded cost that computed something, or called one that did, in the order of time."""
    codes: dict[CodeType, dict[str, Any]] = {}
    for node in recording.tape.nodes:
        frames = () if isinstance(node, Leaf) else recording.tape.frames.get(node.number, ())
        for frame in reversed(users_frames(frames)):
            codes.setdefault(frame.code, frame.namespace)
    return functions_of(codes.items())


def functions_behind(cost: Any) -> tuple[Function, ...]:
    """Return the functions of a cost that was not recorded: itself, and those of its file that it calls by name."""
    while type(cost).__module__.startswith(fastcheck.problem.__name__):
        cost = next(getattr(cost, name) for name in ("function", "forward", "cost") if hasattr(cost, name))
    sources = functions_with_source(cost)
    return functions_of((source.function.__code__, source.function.__globals__) for source in sources)


def functions_of(codes: Iterable[Code]) -> tuple[Function, ...]:
    """Return functions as their lines, indented as in their files but for what is common; each line once.

    Inner functions are where they stand in outer ones. What is beyond `MOST_LINES` is left out.
    """
    functions: list[Function] = []
    shown: set[tuple[str, int]] = set()
    left = MOST_LINES
    for code, namespace in codes:
        lines = [line for line in _lines_of(code, namespace) if (line.file, line.number) not in shown]
        if lines and left:
            functions.append(tuple(lines[:left]))
            left -= len(functions[-1])
            shown.update((line.file, line.number) for line in functions[-1])
    return tuple(functions)


def _lines_of(code: CodeType, namespace: dict[str, Any]) -> list[CodeLine]:
    """Return the lines of a function, none where there is no source."""
    file = code.co_filename
    lines = linecache.getlines(file, namespace)
    definition = definition_of(code, lines) if lines else None
    if definition is None or definition.end_lineno is None:
        return []
    first, last = code.co_firstlineno, definition.end_lineno
    text = textwrap.dedent("".join(lines[first - 1 : last]))
    return [
        CodeLine(file=file, number=first + k, text=line.rstrip()) for k, line in enumerate(text.splitlines())
    ]
