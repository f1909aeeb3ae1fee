"""A line whose backward pass is wrong every time it runs: mutations of all of its executions together."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective import wording
from fastcheck.diagnosis.detective.graph.chains import is_square
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, EdgeRule, Operation, Rule
from fastcheck.diagnosis.detective.graph.known_numbers import constants_of
from fastcheck.diagnosis.detective.graph.origins import Origin
from fastcheck.diagnosis.detective.searching.factors import (
    USUAL_FACTORS,
    factor_rules,
    operand_named,
    sentence_of_factor,
)
from fastcheck.diagnosis.detective.searching.search import Explanation, Search
from fastcheck.diagnosis.detective.searching.single_mutations import Mutations, lines_of, sentence, statement
from fastcheck.engines.graph.nodes.movement import Pick, Selected
from fastcheck.engines.graph.nodes.node import Leaf

EVERY_TIME = 0.3
"""A mutation of all executions is so much less likely than one of a line that runs once."""

UNLIKELY_FACTOR = 1.4

MOST_PROMISING, AT_END = 64, 3
"""So many are tried first, for what these last executions do alone."""

OPERATIONS_OF_EACH = 5
"""Operations of NumPy that it takes to know what an execution does alone."""

NOT_MORE_UNLIKELY = 0.6
"""Mutations that are so much less likely than what was found already are not tried."""


class EveryTime(NamedTuple):
    """An explanation by all executions of an operation, and the rules of the last ones."""

    explanation: Explanation
    at_end: Callable[[], Mapping[int, Rule]]


def try_repeated(search: Search, mutations: Mutations) -> None:
    """Test mutations and factors of operations that ran several times, every time."""
    untouched = search.untouched
    spots = itertools.chain(
        operations_of_spots(search.graph),
        operations_of_calls(search.graph),
        operations_of_lines(search.graph),
    )
    candidates = [one for spot in spots for one in _of_spot(search, mutations, spot, untouched)]
    for explanation in _promising_first(search, candidates):
        likeliest = min((h.unlikely for h in search.found), default=np.inf)
        if explanation.unlikely <= likeliest + NOT_MORE_UNLIKELY:
            search.try_rules(explanation)


def _promising_first(search: Search, candidates: Sequence[EveryTime]) -> list[Explanation]:
    """Return those first whose last executions, which most errors are from, alone lead nearest to the errors.

    The others follow, the likeliest first.
    """
    likely = [one.explanation for one in sorted(candidates, key=lambda one: one.explanation.unlikely)]
    if len(likely) <= MOST_PROMISING:
        return likely
    apart = [_apart_at_end(search, one) for one in candidates]
    nearest = [candidates[k].explanation for k in np.argsort(apart, kind="stable")[:MOST_PROMISING]]
    return list(dict.fromkeys([*nearest, *likely]))


def _apart_at_end(search: Search, candidate: EveryTime) -> float:
    """Return how far the last executions alone lead from the errors."""
    rules = candidate.at_end()
    search.effort.test(0, OPERATIONS_OF_EACH * len(rules))
    apart = float(np.linalg.norm(search.sweeps.effect_of_each(rules).along - search.probes.error))
    return apart if math.isfinite(apart) else math.inf


def operations_of_spots(graph: CostGraph) -> Iterator[list[Operation]]:
    """Yield operations that are one in several executions of a line."""
    return _together(graph, lambda origin: origin.spot)


def operations_of_ways(graph: CostGraph) -> Iterator[list[Operation]]:
    """Yield operations that are one in several executions of a line, its function being called from one place."""
    return _together(graph, lambda origin: origin.call)


def _together(graph: CostGraph, what: Callable[[Origin], object]) -> Iterator[list[Operation]]:
    found: dict[object, list[Operation]] = {}
    for operation in graph.operations:
        is_used = operation.live and operation.number in graph.slopes
        if is_used and operation.origin is not None and not isinstance(operation.node, Leaf):
            found.setdefault((what(operation.origin), type(operation.node)), []).append(operation)
    return (operations for operations in found.values() if len(operations) > 1)


def operations_of_calls(graph: CostGraph) -> Iterator[list[Operation]]:
    """Yield those of one spot of a function that is called in one of several places, as sigmoid for each gate."""
    for operations in operations_of_spots(graph):
        places: dict[object, list[Operation]] = {}
        for operation in operations:
            assert operation.origin is not None
            callers = operation.origin.execution.frames[1:]
            places.setdefault(tuple((f.code, f.instruction) for f in callers), []).append(operation)
        if len(places) > 1:
            yield from (called for called in places.values() if len(called) > 1)


def operations_of_lines(graph: CostGraph) -> Iterator[list[Operation]]:
    """Yield those that take entries by indices in one line, each of its own, as ``E[before] + E[now]``."""
    for operations in _together(graph, lambda origin: origin.execution.line):
        spots = {operation.origin.spot for operation in operations if operation.origin is not None}
        if isinstance(operations[0].node, Pick) and len(spots) > 1:
            yield operations


def _of_spot(
    search: Search, mutations: Mutations, operations: Sequence[Operation], untouched: int
) -> Iterator[EveryTime]:
    """Yield mutations that some executions may have, the first ones, one in the middle or the last, and factors."""
    reached = _reached_by_operands(search.graph, operations)
    spares = {k: not reach & untouched and search.reaches(reach) for k, reach in reached.items()}
    may_spare = {k: isinstance(operations[0].node, Selected) and search.reaches(reached[k]) for k in reached}
    if not any(spares.values()) and not any(may_spare.values()):
        return
    everything = functools.reduce(operator.or_, reached.values())
    spares_all = not everything & untouched and search.reaches(everything)
    kinds: dict[tuple[object, ...], Operation] = {}
    changed: dict[tuple[object, ...], int] = {}
    for number in sorted({0, 1, len(operations) // 2, len(operations) - 1}):
        for key, mutation in mutations.of(operations[number]).items():
            kinds.setdefault(key, operations[number])
            if mutation.changes is not None:
                changed[key] = changed.get(key, 0) | search.graph.reach[mutation.changes]
    for key, example in kinds.items():
        mutation = mutations.of(example)[key]
        rule = mutation.rule
        if key in changed:
            may_explain = not changed[key] & untouched and search.reaches(changed[key])
        else:
            of_edges = may_spare if mutation.changes_few else spares
            may_explain = of_edges.get(rule.k, False) if isinstance(rule, EdgeRule) else spares_all
        if may_explain:
            yield _mutation_every_time(search, mutations, key, example, operations)
    yield from _factors(search, operations, untouched)


def _reached_by_operands(graph: CostGraph, operations: Sequence[Operation]) -> dict[int, int]:
    """Return the blocks that each operand is made of in any of the executions, as bits."""
    reached: dict[int, int] = {}
    for operation in operations:
        for k, x in operation.live_operands:
            reached[k] = reached.get(k, 0) | graph.reach[x.number]
    return reached


def _mutation_every_time(
    search: Search,
    mutations: Mutations,
    key: tuple[object, ...],
    example: Operation,
    operations: Sequence[Operation],
) -> EveryTime:
    mutation, origin = mutations.of(example)[key], example.origin
    assert origin is not None

    def rules_of(some: Sequence[Operation]) -> dict[int, Rule]:
        named = ((op.number, mutations.named(op, key)) for op in some)
        return {number: mutation.rule for number, mutation in named if mutation is not None}

    rules = functools.partial(rules_of, operations)
    explanation = Explanation(
        kind=mutation.kind,
        statement=statement(mutation, origin.execution.line, 1.0),
        says=lambda: sentence(search, [search.graph.operations[n] for n in rules()], mutation, 1.0),
        lines=lambda: lines_of(search.graph, operations, mutation),
        seeds=dict,
        rules=rules,
        unlikely=mutation.unlikely + EVERY_TIME,
        substitutes=mutation.substitutes,
        place=operations[0].number,
        key=("every time", operations[0].number, len(operations), key),
    )
    return EveryTime(explanation, functools.partial(rules_of, operations[-AT_END:]))


def _factors(search: Search, operations: Sequence[Operation], untouched: int) -> Iterator[EveryTime]:
    """Yield factors on what an operand gets in all executions, in all but the first, or in all but the last."""
    graph = search.graph
    for k in range(len(operations[0].node.operands)):
        edges = [(op.number, k) for op in operations if (op.number, k) in graph.shares]
        if len(edges) < 2 or is_square(operations[0]):
            continue
        inverse = [1 / number for number in constants_of(operations[0].node)]
        own = [*constants_of(operations[0].node), *inverse]
        leads_on = _leads_on(graph, operations[-1])
        usual = () if leads_on else USUAL_FACTORS
        choices = [(factor, edges) for factor in dict.fromkeys([*usual, *own])]
        if len(edges) > 2 and not leads_on:
            choices += [(0.0, edges[1:]), (2.0, edges[1:]), (0.0, edges[:-1])]
        for factor, chosen in choices:
            reach = 0
            for number, place in chosen:
                reach |= graph.reach[graph.targets[number, place]]
            if not reach & untouched and search.reaches(reach):
                yield _factor(search, factor, chosen)


def _leads_on(graph: CostGraph, operation: Operation) -> bool:
    """Whether an operation of one operand leads to another of its line alone: a factor on either is one on both."""
    uses = graph.uses[operation.number]
    if len(uses) != 1 or len(operation.live_operands) != 1:
        return False
    user = graph.operations[uses[0][0]].origin
    return user is not None and operation.origin is not None and user.execution is operation.origin.execution


def _factor(search: Search, factor: float, edges: list[tuple[int, int]]) -> EveryTime:
    graph = search.graph
    operations = [graph.operations[number] for number, _ in edges]
    times = wording.times(search.numbers.name(factor) or f"{factor:.7g}")
    explanation = Explanation(
        kind="factor",
        statement=("factor every time", operations[0].number, round(factor, 7)),
        says=lambda: sentence_of_factor(
            factor, times, wording.place(operations, graph), operand_named(graph, edges[-1])
        ),
        lines=lambda: wording.lines_of(operations),
        seeds=dict,
        rules=functools.partial(factor_rules, graph, edges, factor),
        unlikely=UNLIKELY_FACTOR,
        coefficient=factor,
        place=edges[0][0],
        key=("factor every time", edges[0], len(edges), factor),
    )
    return EveryTime(explanation, functools.partial(factor_rules, graph, edges[-AT_END:], factor))
