"""Places of the cost in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.graph.origins import Origin
from fastcheck.pictures.code_lines import CodeLine

MOST_TIMES = 3
"""Executions that a sentence names."""

AS_IF_DETACHED = ", as if that were detached (stop_gradient, a constant)"
"""What is said of what passes nothing back."""

ENDS_OF_TIMES = "it runs", "calls it"
"""What places end with that tell which times a line runs."""

LONGEST_EXPRESSION = 60
"""Of the characters of an expression that stands in a sentence."""


def place(operations: Sequence[Operation], graph: CostGraph) -> str:
    """Return how a sentence names operations of one line: "line 14, `np.tanh(Z1)`", and which time it runs."""
    origin = next((op.origin for op in operations if op.origin is not None), None)
    if origin is None:
        names = [graph.blocks[op.number] for op in operations if op.number in graph.blocks]
        return f"parameter {names[0]}" if names else "the cost"
    expression = origin.expression
    text = origin.execution.code_line.text
    is_one_expression = all(op.origin is None or op.origin.expression == expression for op in operations)
    shown = expression if is_one_expression and len(expression) <= LONGEST_EXPRESSION else text
    if len(shown) > LONGEST_EXPRESSION:
        shown = f"{shown[: LONGEST_EXPRESSION - 1]}…"
    quoted = f", `{shown}`" if shown else ""
    return f"line {origin.execution.code_line.number}{quoted}{_times(operations, graph)}"


def put(says: str, where: str) -> str:
    """Return what is said with a place for ``{}``; which times a line runs is set off by commas.

    >>> put("scales {} by 2", "line 3, every time it runs")
    'scales line 3, every time it runs, by 2'
    """
    return (says.replace("{} ", "{}, ", 1) if where.endswith(ENDS_OF_TIMES) else says).format(where)


def places(operations: Sequence[Operation], graph: CostGraph) -> str:
    """Return the same of operations of several lines: "line 14, `np.log(A)`, and lines 17 and 20"."""
    lines = lines_of(operations)
    first = place([op for op in operations if lines_of([op]) in ([], lines[:1])], graph)
    *others, last = [str(line.number) for line in lines[1:]] or [""]
    if others:
        return f"{first}, and lines {', '.join(others)} and {last}"
    return f"{first}, and line {last}" if last else first


def times(factor: str) -> str:
    """Return what stands between a factor and what it is a factor of.

    >>> times("2"), times("1/12"), times("½")
    ('2 times', '1/12 of', '½ of')
    """
    is_part = factor.lstrip("\N{MINUS SIGN}-").startswith(("1/", "½"))
    return f"{factor} {'of' if is_part else 'times'}"


def contributes(where: str) -> str:
    """Return the words for what a place contributes.

    >>> contributes("line 3, `W @ x`"), contributes("line 3, the 1st of the 2 times it runs")
    ('what line 3, `W @ x` contributes', 'what line 3, the 1st of the 2 times it runs, contributes')
    """
    return f"what {where}{',' if where.endswith(ENDS_OF_TIMES) else ''} contributes"


def _times(operations: Sequence[Operation], graph: CostGraph) -> str:
    """Return which executions of a line are meant, if it runs more than once."""
    times = sorted({op.origin.execution.time for op in operations if op.origin is not None})
    origin = next(op.origin for op in operations if op.origin is not None)
    of = graph.times_of(origin.execution.line)
    if of == 1:
        return ""
    if len(times) == of:
        return ", every time it runs"
    caller = calling_line(next(op for op in operations if op.origin is not None), graph)
    if caller is not None and times == _times_called_by(caller, origin, graph):
        return f", every time line {caller.number} calls it"
    if len(times) <= MOST_TIMES:
        return f", the {', '.join(map(ordinal, times))} of the {of} times it runs"
    return f", {len(times)} of the {of} times it runs"


def calling_line(operation: Operation, graph: CostGraph) -> CodeLine | None:
    """Return which line calls the function in which an operation is, if several lines do."""
    if operation.origin is None or not operation.origin.execution.callers:
        return None
    caller = operation.origin.execution.callers[0]
    return caller if _callers(operation.origin, graph) != {caller} else None


def _callers(origin: Origin, graph: CostGraph) -> set[CodeLine]:
    origins = (graph.operations[number].origin for number in graph.same_spot[origin.spot])
    return {line for one in origins if one is not None for line in one.execution.callers[:1]}


def _times_called_by(caller: CodeLine, origin: Origin, graph: CostGraph) -> list[int]:
    """Return which times of a line are those of one caller."""
    origins = (graph.operations[number].origin for number in graph.same_spot[origin.spot])
    return [
        one.execution.time for one in origins if one is not None and one.execution.callers[:1] == (caller,)
    ]


def ordinal(number: int) -> str:
    """Return a number as 1st, 2nd, 3rd, 4th."""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def lines_of(operations: Iterable[Operation]) -> list[CodeLine]:
    """Return the lines of some operations, each once; where one is a function's of one line, its caller, too."""
    lines: dict[CodeLine, None] = {}
    for operation in operations:
        if operation.origin is not None:
            lines.setdefault(operation.origin.execution.code_line)
    return list(lines)
