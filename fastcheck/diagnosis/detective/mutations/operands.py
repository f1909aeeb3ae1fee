"""Operands of an operation in words, as the user's expression has them."""

from __future__ import annotations

import ast
import functools

from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.wording import calling_line
from fastcheck.engines.graph.nodes.node import Node
from fastcheck.engines.graph.nodes.products import Einsum, Matmul
from fastcheck.engines.graph.nodes.smooth import Combination, Elementwise, Multiply

LONGEST_OPERAND = 40
"""Characters of an operand's text that stands in a sentence."""

OPERATORS: dict[str, tuple[type[ast.operator], ...]] = {
    "multiply": (ast.Mult,),
    "matmul": (ast.MatMult,),
    "divide": (ast.Div,),
    "power": (ast.Pow,),
    "add": (ast.Add, ast.Sub),
}

FUNCTIONS = {
    "multiply": ("multiply",),
    "matmul": ("matmul", "dot"),
    "divide": ("divide", "true_divide"),
    "power": ("power",),
    "add": ("add", "subtract"),
}
"""Functions of two arguments, and methods of one, that are recorded as one operation."""

PLACES = ("the first operand", "the second operand")


def escaped(text: str) -> str:
    """Return a text that may stand in what a mutation says, where ``{}`` is the place."""
    return text.replace("{", "{{").replace("}", "}}")


def place_of(operation: Operation, graph: CostGraph) -> str:
    """Return where an operation is, to be put into what a mutation says."""
    if operation.origin is None:
        name = graph.blocks.get(operation.number)
        return "a constant" if name is None else escaped(f"parameter {name}")
    line = operation.origin.execution.code_line
    expression, caller = _shortened(operation.origin.expression), calling_line(operation, graph)
    called = "" if caller is None else f" called in line {caller.number}"
    return escaped(f"line {line.number}{f', `{expression}`' if expression else ''}{called}")


def operand_text(operation: Operation, k: int, graph: CostGraph) -> str:
    """Return how the user's expression has an operand, to be put into what a mutation says."""
    written = None
    if operation.origin is not None:
        written = _written(operation.origin.expression, _name(operation.node))
    if written is not None and len(written) == len(operation.node.operands):
        return escaped(f"`{_shortened(written[k])}`")
    x = operation.node.operands[k]
    if isinstance(x, Node) and x.number in graph.blocks:
        return escaped(graph.blocks[x.number])
    if isinstance(x, Node) and graph.operations[x.number].origin is not None:
        return f"the value of {place_of(graph.operations[x.number], graph)}"
    return PLACES[k] if k < len(PLACES) else f"operand {k + 1}"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_OPERAND else f"{text[: LONGEST_OPERAND - 1]}…"


def _name(node: Node) -> str:
    if isinstance(node, Multiply):
        return "multiply"
    if isinstance(node, Matmul):
        return "matmul"
    if isinstance(node, Combination) and len(node.operands) == 2:
        return "add"
    if isinstance(node, Einsum):
        return "einsum"
    return node.name if isinstance(node, Elementwise) else ""


@functools.lru_cache(maxsize=4096)
def _written(expression: str, name: str) -> tuple[str, ...] | None:
    """Return the source of the operands of an operation, if an expression is that operation and no other."""
    try:
        top = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError):
        return None
    operands: list[ast.expr] = []
    if isinstance(top, ast.BinOp) and isinstance(top.op, OPERATORS.get(name, ())):
        operands = [top.left, top.right]
    elif isinstance(top, ast.Call) and isinstance(top.func, ast.Attribute):
        operands = _arguments(top, top.func, name)
    texts = [ast.get_source_segment(expression, part) for part in operands]
    return tuple(text for text in texts if text is not None) or None


def _arguments(call: ast.Call, function: ast.Attribute, name: str) -> list[ast.expr]:
    """Return the operands of a call of a function of NumPy, or of a method that does the same."""
    if name == "einsum" and function.attr == "einsum":
        return call.args[1:]
    if function.attr not in FUNCTIONS.get(name, ()):
        return []
    return call.args if len(call.args) == 2 else [function.value, *call.args]
