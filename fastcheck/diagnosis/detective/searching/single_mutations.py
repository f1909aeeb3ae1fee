"""One operation whose backward pass is wrong."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fastcheck.diagnosis.detective import wording
from fastcheck.diagnosis.detective.graph.chains import Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, EdgeRule, Operation, Rule, Shares
from fastcheck.diagnosis.detective.mutations.mutation import Mutation
from fastcheck.diagnosis.detective.mutations.table import mutations_of
from fastcheck.diagnosis.detective.searching.probes import Effect
from fastcheck.diagnosis.detective.searching.search import Explanation, Search, added
from fastcheck.engines.graph.nodes.node import Array, Leaf
from fastcheck.pictures.code_lines import CodeLine

WITH_FACTOR = 1.5
"""A mutation together with a factor is so much less likely."""

NO_FACTOR = 1e-9
"""Factors this near to 1 are none."""

SMALLEST_EFFECT = 1e-10
"""Effects below this share of their terms have cancelled."""


MOST_TIMES, AT_ENDS = 8, 2
"""Of a line that runs more often, so many of the first and last times are tried alone."""


Key = tuple[object, ...]
"""Kind and detail of a mutation: an operation has one of each."""


class Mutations:
    """The mutations of the operations of a graph, each made once, and when it is asked for."""

    def __init__(self, graph: CostGraph) -> None:
        self.graph, self.chains = graph, Chains(graph)
        self._made: dict[int, dict[Key, Mutation]] = {}
        self._others: dict[int, Iterator[Mutation]] = {}

    def of(self, operation: Operation) -> Mapping[Key, Mutation]:
        """Return all mutations of an operation, by kind and detail."""
        self.named(operation, None)
        return self._made[operation.number]

    def named(self, operation: Operation, key: Key | None) -> Mutation | None:
        """Return a mutation of an operation, None if it has none of that kind and detail."""
        made = self._made.setdefault(operation.number, {})
        if operation.number not in self._others:
            self._others[operation.number] = mutations_of(operation, self.graph, self.chains)
        with np.errstate(all="ignore"):
            while key not in made:
                mutation = next(self._others[operation.number], None)
                if mutation is None:
                    return None
                made[mutation.kind, mutation.detail] = mutation
        return made[key]


def try_mutations(search: Search, mutations: Mutations, *, sparing: bool) -> None:
    """Test mutations of one operation each.

    If ``sparing``, those that reach no right block; else the others, which must cancel in right blocks.
    """
    for operation in search.graph.operations:
        if is_tried(search, operation):
            _try_operation(search, mutations, operation, sparing)


def is_tried(search: Search, operation: Operation) -> bool:
    """Whether mutations of an operation are tried alone: of lines that run often, the first and last times."""
    graph, origin = search.graph, operation.origin
    is_used = operation.live and operation.number in graph.slopes and operation.number not in graph.rules
    if not is_used or isinstance(operation.node, Leaf) or not search.may_explain(operation.number):
        return False
    if origin is None:
        return True
    times = graph.times_of(origin.execution.line)
    return times <= MOST_TIMES or not AT_ENDS < origin.execution.time <= times - AT_ENDS


def _try_operation(search: Search, mutations: Mutations, operation: Operation, sparing: bool) -> None:
    graph, slope = search.graph, search.graph.slopes[operation.number]
    targets = [x.number for _, x in operation.live_operands]
    spares_any, spares_all = any(map(search.spares, targets)), all(map(search.spares, targets))
    if sparing and not spares_any:
        return
    edges = [
        (operation.number, k) for k, _ in operation.live_operands if (operation.number, k) in graph.shares
    ]
    right = [(graph.targets[edge], graph.shares[edge]) for edge in edges]
    of_right = functools.reduce(Effect.plus, map(search.effect_of, edges), search.probes.no_effect)
    for mutation in mutations.of(operation).values():
        rule = mutation.rule
        if isinstance(rule, EdgeRule):
            edge = (operation.number, rule.k)
            if edge in edges and search.spares(rule.target) is sparing and search.may_explain(rule.target):
                share = [(rule.target, graph.shares[edge])]
                _try(search, operation, mutation, share, search.effect_of(edge), slope)
            continue
        changes = mutation.changes
        spares = spares_all if changes is None else spares_any and search.spares(changes)
        if spares is sparing:
            _try(search, operation, mutation, right, of_right, slope)


def wrong_shares(search: Search, mutation: Mutation, slope: Array) -> Shares:
    """Return what a mutation hands on: the share of one operand, if only that is wrong."""
    rule = mutation.rule
    if isinstance(rule, EdgeRule):
        return [(rule.target, rule.on_edge(slope, search.graph.slopes))]
    return rule(slope)


def _try(
    search: Search, operation: Operation, mutation: Mutation, right: Shares, of_right: Effect, slope: Array
) -> None:
    search.effort.test(0)
    of_wrong = search.known_effect(
        ("handed on", operation.number, mutation.kind, mutation.detail),
        lambda: _effect_of_wrong(search, mutation, slope),
    )
    effect = of_wrong.plus(of_right.times(-1.0))
    if not (effect.along.any() and np.isfinite(effect.size).all()):
        return
    explain = functools.partial(_explanation, search, operation, mutation, right, slope)
    search.consider(effect, functools.partial(explain, 1.0))
    if mutation.takes_factor and not search.keeps_partial:
        factor = _factor(search, of_wrong, of_right)
        if factor is not None:
            search.consider(
                of_wrong.times(factor).plus(of_right.times(-1.0)), functools.partial(explain, factor)
            )


def _effect_of_wrong(search: Search, mutation: Mutation, slope: Array) -> Effect:
    with np.errstate(all="ignore"):
        wrong = wrong_shares(search, mutation, slope)
    search.effort.test(sum(part.size for _, part in wrong) * len(search.probes.blocks))
    return search.probes.of_all(wrong)


def _factor(search: Search, of_wrong: Effect, of_right: Effect) -> float | None:
    """Return the known number by which a mutation must be multiplied to explain the claims, if there is one."""
    square, terms = float(of_wrong.along @ of_wrong.along), float(of_wrong.size @ of_wrong.size)
    if square == 0 or square < SMALLEST_EFFECT**2 * terms:
        return None
    factor = float(of_wrong.along @ (search.probes.error + of_right.along)) / square
    is_factor = abs(factor - 1) > NO_FACTOR and abs(factor) > NO_FACTOR
    return factor if is_factor and search.numbers.name(factor) is not None else None


def _explanation(
    search: Search, operation: Operation, mutation: Mutation, right: Shares, slope: Array, factor: float
) -> Explanation:
    def seeds() -> dict[int, Array]:
        return added(_summed(wrong_shares(search, mutation, slope)), _summed(right), factors=(factor, -1.0))

    return Explanation(
        kind=mutation.kind,
        statement=statement(mutation, _line(operation), factor),
        says=functools.partial(sentence, search, [operation], mutation, factor),
        lines=lambda: lines_of(search.graph, [operation], mutation),
        seeds=seeds,
        rules=lambda: {operation.number: _times(mutation.rule, factor)},
        unlikely=mutation.unlikely + (0.0 if factor == 1.0 else WITH_FACTOR),
        coefficient=None if factor == 1.0 else factor,
        substitutes=mutation.substitutes,
        place=operation.number,
    )


def lines_of(graph: CostGraph, operations: Sequence[Operation], mutation: Mutation) -> list[CodeLine]:
    """Return the lines of a mutation of some operations, and those that may be the place as well."""
    besides = [graph.operations[number] for number in mutation.besides]
    return wording.lines_of([*operations, *besides])


def statement(mutation: Mutation, line: object, factor: float) -> tuple[object, ...]:
    """Return what a mutation of a line says."""
    if mutation.as_factor is not None and factor == 1.0:
        return "factor", round(mutation.as_factor, 7)
    return mutation.kind, mutation.edge, line, round(factor, 7)


def sentence(search: Search, operations: list[Operation], mutation: Mutation, factor: float) -> str:
    """Return what a mutation does, in words."""
    says = f"the backward pass {wording.put(mutation.says, wording.place(operations, search.graph))}"
    if factor == 1.0:
        return says
    return f"{says}, and what it passes back is {search.numbers.name(factor) or f'{factor:.7g}'} times that"


def _line(operation: Operation) -> object:
    return None if operation.origin is None else operation.origin.execution.line


def _times(rule: Rule, factor: float) -> Rule:
    if factor == 1.0:
        return rule
    if isinstance(rule, EdgeRule):
        return rule.times(factor)
    return lambda slope: [(target, factor * part) for target, part in rule(slope)]


def _summed(shares: Shares) -> dict[int, Array]:
    return added(*({target: part} for target, part in shares))
