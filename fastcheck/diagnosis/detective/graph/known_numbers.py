"""Names of numbers that factors may be: lengths of axes, and constants of the cost."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph
from fastcheck.engines.graph.nodes.node import Node, plain
from fastcheck.engines.graph.nodes.smooth import Combination, Total

SAME = 1e-8
"""Relative difference of numbers that are the same."""

USUAL = {
    "0": 0.0,
    "−1": -1.0,
    "2": 2.0,
    "½": 0.5,
    "3": 3.0,
    "−2": -2.0,
    "4": 4.0,
    "¼": 0.25,
    "1.5": 1.5,
    "⅓": 1 / 3,
    "−½": -0.5,
}
"""Numbers that need no explanation."""

SMALLEST = 1e-3
"""Smaller numbers are the same to that share of this."""

LARGEST_SIZE = 100_000

HUGE = 1e100
"""Constants up to this, and down to its reciprocal, can be squared."""


class KnownNumbers:
    """Tells which known number a factor is, if any."""

    def __init__(self, sizes: Iterable[int], constants: Iterable[float]) -> None:
        self._names: dict[str, float] = dict(USUAL)
        known = sorted({size for size in sizes if 1 < size <= LARGEST_SIZE})
        for size in known:
            self._add(f"{size}", size)
            self._add(f"1/{size}", 1 / size)
        for size in known:
            self._add(f"{size}/{size - 1}", size / (size - 1))
            self._add(f"{size - 1}/{size}", (size - 1) / size)
        for number in sorted({abs(number) for number in constants if number and math.isfinite(number)}):
            for text, value in _made_of(number):
                self._add(text, value)
        for size in known:
            root = f"{math.isqrt(size)}" if math.isqrt(size) ** 2 == size else f"√{size}"
            self._add(root, math.sqrt(size))
            self._add(f"1/{root}", 1 / math.sqrt(size))
            self._add(f"{size}²", size**2)
            self._add(f"1/{size}²", 1 / size**2)

        self._texts, self._values = list(self._names), np.array(list(self._names.values()))
        self._uncertain = SAME * np.maximum(np.abs(self._values), SMALLEST)

    def _add(self, text: str, value: float) -> None:
        self._names.setdefault(text, value)
        self._names.setdefault(f"−{text}", -value)

    @classmethod
    def of(cls, graph: CostGraph) -> KnownNumbers:
        """Return those of a recorded cost."""
        sizes, constants = set(), set()
        for operation in graph.operations:
            sizes |= {*operation.shape, math.prod(operation.shape)}
            constants |= set(constants_of(operation.node))
        return cls(sizes, constants)

    def name(self, number: float) -> str | None:
        """Return how a number is written that is one of these, else None."""
        near = np.flatnonzero(np.abs(number - self._values) <= self._uncertain)
        return self._texts[near[0]] if near.size else None


def constants_of(node: Node) -> list[float]:
    """Return the numbers that an operation multiplies by, divides by or averages over; none of them is 0 or 1."""
    numbers = [
        float(x)
        for x in map(plain, node.operands)
        if isinstance(x, (int, float, np.number)) and not isinstance(x, bool)
    ]
    if isinstance(node, Total):
        numbers += [float(np.size(plain(node.operands[0])) / max(1, np.size(node.value))), node.factor]
    if isinstance(node, Combination):
        numbers += [float(f) for f in node.factors if np.ndim(f) == 0]
    return [number for number in numbers if number != 1.0 and 1 / HUGE < abs(number) < HUGE]


def _made_of(number: float) -> list[tuple[str, float]]:
    half = number / 2
    written = [(f"{number:.6g}", number), (f"1/{number:.6g}", 1 / number)]
    written += [(f"{half:.6g}", half), (f"1/{half:.6g}", 1 / half)]
    if half != 1:
        written += [
            (f"{half:.6g}/({half:.6g} − 1)", half / (half - 1)),
            (f"({half:.6g} − 1)/{half:.6g}", 1 - 1 / half),
        ]
    written += [(f"{number:.6g}²", number * number), (f"1/{number:.6g}²", 1 / (number * number))]
    return [(text, value) for text, value in written if math.isfinite(value)]
