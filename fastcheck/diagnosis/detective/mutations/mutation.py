"""One way in which the backward pass of an operation may be wrong."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.graph.chains import Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, EdgeRule, Operation, Rule, Shares
from fastcheck.engines.graph.nodes.node import Array


class Mutation(NamedTuple):
    """A wrong rule for an operation.

    ``kind`` is its name in the table; with ``detail`` it tells mutations of one operation apart, and is the same for
    the same mistake in another execution of the line. ``says`` is what the backward pass does, ``{}`` being the place:
    "leaves out the derivative of {}". ``rule`` is what the operation shares instead. ``unlikely`` is 1.0 for what
    people often do, 3.0 for what they seldom do. ``substitutes``: a value or a slope of another place is put in.
    ``takes_factor``: people make this mistake with a factor that is wrong, too. ``as_factor``: a factor on what one of
    the operations hands back says the same, if it explains the same. ``changes`` is the only operation whose slopes it
    changes, where that is none of the operands. ``besides`` are the operations whose lines may be the place as well.
    ``changes_few``: it changes what goes to few entries, so that blocks may be right that they lead to.
    """

    kind: str
    says: str
    rule: Rule
    unlikely: float
    detail: Hashable = None
    substitutes: bool = False
    takes_factor: bool = False
    as_factor: float | None = None
    changes: int | None = None
    besides: tuple[int, ...] = ()
    changes_few: bool = False

    @property
    def edge(self) -> int | None:
        """The place of the operand whose share is wrong; None if that of several may be."""
        return self.rule.k if isinstance(self.rule, EdgeRule) else None


Surroundings = tuple[CostGraph, Chains]

Family = Callable[[Operation, CostGraph, Chains], Iterator[Mutation]]
"""Yields the mutations of one operation."""


def instead_on_edge(
    graph: CostGraph, operation: Operation, k: int, share: Callable[[Array], Array]
) -> EdgeRule:
    """Return the rule by which operand ``k`` gets another share, and all others what is right.

    ``share(slope)`` is in the shape of the operand, or one that it was broadcast to.
    """
    return EdgeRule(graph, operation, k, share)


def instead_of_chain(start: int, shape: tuple[int, ...], share: Callable[[Array], Array]) -> Rule:
    """Return the rule by which an operation hands a share to the start of a chain that it ends."""

    def rule(slope: Array) -> Shares:
        return [(start, np.broadcast_to(np.asarray(share(slope), dtype=float), shape))]

    return rule
