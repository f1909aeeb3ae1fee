"""What operations of a recorded cost are called: by the names of NumPy."""

from __future__ import annotations

import numpy as np

from fastcheck.engines.graph.nodes.choices import Absolute, Choice, Extremum
from fastcheck.engines.graph.nodes.decisions import Step
from fastcheck.engines.graph.nodes.eigen import Singular, Spectral
from fastcheck.engines.graph.nodes.lengths import Norm
from fastcheck.engines.graph.nodes.linear_maps import Correlation, LinearMap
from fastcheck.engines.graph.nodes.matrices import Cholesky, LogDeterminant, Solve
from fastcheck.engines.graph.nodes.movement import (
    Join,
    Open,
    Pick,
    Read,
    Reshape,
    Section,
    Selected,
    Spread,
    Transpose,
    Write,
)
from fastcheck.engines.graph.nodes.node import Node
from fastcheck.engines.graph.nodes.products import Einsum, Matmul
from fastcheck.engines.graph.nodes.smooth import (
    Combination,
    Cumulative,
    Elementwise,
    Multiply,
    Product,
    Total,
)

NAMES: dict[type[Node], str] = {
    Absolute: "absolute",
    Cholesky: "cholesky",
    Choice: "where",
    Correlation: "correlate",
    Cumulative: "cumsum",
    Einsum: "einsum",
    Join: "concatenate",
    LinearMap: "dot",
    LogDeterminant: "slogdet",
    Matmul: "matmul",
    Multiply: "multiply",
    Norm: "norm",
    Pick: "take",
    Product: "prod",
    Reshape: "reshape",
    Section: "index",
    Singular: "svd",
    Solve: "solve",
    Spectral: "eigh",
    Spread: "broadcast_to",
    Transpose: "transpose",
    Write: "assign",
}
"""Operations of which there is one kind."""

OF_FACTORS: dict[tuple[float, ...], str] = {
    (1, 1): "add",
    (1, -1): "subtract",
    (-1,): "negative",
    (1,): "positive",
}
"""Sums of operands, by their factors."""


def operation_name(node: Node) -> str | None:
    """Return the name of an operation; None for what nobody wrote as one, such as reading an array."""
    if isinstance(node, (Elementwise, Selected)):
        return node.name
    if isinstance(node, Combination):
        scalars = all(np.ndim(factor) == 0 for factor in node.factors)
        factors = tuple(float(factor) for factor in node.factors) if scalars else ()
        return OF_FACTORS.get(factors, "divide")
    if isinstance(node, Total):
        return "sum" if node.factor == 1.0 else "mean"
    if isinstance(node, Extremum):
        return node.ufunc.__name__
    if isinstance(node, Step):
        name = getattr(node.function, "__name__", "")
        return name if isinstance(getattr(np, name, None), np.ufunc) else "step"
    if isinstance(node, Write) and node.adds:
        return "add"
    return None if isinstance(node, (Open, Read)) else NAMES.get(type(node), type(node).__name__.lower())
