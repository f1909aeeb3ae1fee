"""Loops over time: iterations whose backward pass is skipped, cut off, or out of order.

The smallest example: ``for t in reversed(range(1, T))`` for a loop over ``range(T)``.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from fastcheck.diagnosis.detective import wording
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation, Rule, Shares, shares_of
from fastcheck.diagnosis.detective.searching.loops import Edge, Loop, loops_of
from fastcheck.diagnosis.detective.searching.probes import Effect
from fastcheck.diagnosis.detective.searching.repeated_mutations import NOT_MORE_UNLIKELY
from fastcheck.diagnosis.detective.searching.search import Explanation, Search, added
from fastcheck.engines.graph.nodes.node import Array, summed_to

CUT, TRUNCATED, SKIPPED, IN_ORDER = 1.35, 1.45, 1.5, 1.6
"""How unlikely these mistakes are."""

MOST_CUTS = 64
"""Places in time at which a gradient may be cut off."""

LONGEST_CHUNK = 8
"""Iterations of a chunk, or of a truncated gradient: each takes a sweep."""

SKIPPED_AT_ENDS = 3
"""Iterations that may be left out, at either end of the loop: each takes a sweep."""


def try_recurrences(search: Search) -> None:
    """Test mistakes of loops over time."""
    untouched = search.untouched
    for loop in loops_of(search.graph):
        of_lines = _reach(search.graph, _of_lines(search.graph, loop.times))
        reach = _reach(search.graph, loop.operations)
        if search.reaches(of_lines) and not of_lines & untouched:
            _try_unless_unlikely(search, _skipped(search, loop))
        if search.reaches(reach) and not reach & untouched:
            _try_cut(search, loop)
            _try_unless_unlikely(search, _cut_in_chunks(search, loop))
            _try_truncated(search, loop)
            _try_forward_order(search, loop)


def _reach(graph: CostGraph, operations: Sequence[Operation]) -> int:
    return functools.reduce(operator.or_, (graph.reach[operation.number] for operation in operations), 0)


def _try_unless_unlikely(search: Search, explanations: Iterator[Explanation]) -> None:
    for explanation in explanations:
        likeliest = min((h.unlikely for h in search.found), default=np.inf)
        if explanation.unlikely <= likeliest + NOT_MORE_UNLIKELY:
            search.try_rules(explanation)


def explanation_of(
    search: Search,
    operations: Sequence[Operation],
    kind: str,
    says: str,
    unlikely: float,
    *,
    rules: Callable[[], Mapping[int, Rule]],
    seeds: Callable[[], Mapping[int, Array]] = dict,
    substitutes: bool = False,
) -> Explanation:
    """Return an explanation that tells of some operations, the place being ``{}`` in what it says."""
    graph = search.graph
    return Explanation(
        kind=kind,
        statement=(kind, says),
        says=lambda: f"the backward pass {wording.put(says, wording.place(operations, graph))}",
        lines=lambda: wording.lines_of(operations),
        seeds=seeds,
        rules=rules,
        unlikely=unlikely,
        substitutes=substitutes,
        place=operations[0].number,
        key=(kind, says, operations[0].number),
    )


def _try_cut(search: Search, loop: Loop) -> None:
    """Test gradients that are cut off in time: nothing is handed on from some iteration, nor from those before it.

    What is lost is what all later ones hand on to there, and what each of those before hands on of its own.
    """
    graph = search.graph
    boundaries = {1: loop.entries(graph), **loop.carried}
    own: dict[Edge, Array] = {}
    _sent_back_without(search, {edge for edges in boundaries.values() for edge in edges}, own)
    cut: list[Edge] = []
    lost_before: dict[int, Array] = {}
    effect_before = search.probes.no_effect
    for last in range(1, min(loop.times, MOST_CUTS + 1)):
        edges = boundaries.get(last, ())
        cut = [*cut, *edges]
        effect = functools.reduce(Effect.plus, map(search.effect_of, edges), effect_before)
        steps = loop.times - last
        if edges:
            lost = added(lost_before, *({graph.targets[edge]: graph.shares[edge]} for edge in edges))
            says = f"is cut off {steps} iteration{'s' * (steps > 1)} before the end: nothing goes further back at {{}}"
            search.consider(effect.times(-1.0), functools.partial(_without, search, cut, lost, says))
        of_own = added(*({graph.targets[edge]: own[edge]} for edge in edges if edge in own))
        lost_before = added(lost_before, of_own)
        effect_before = effect_before.plus(search.probes.of_all(of_own))


def _sent_back_without(search: Search, edges: set[Edge], blocked: dict[Edge, Array]) -> None:
    """Send slopes back with nothing handed on along some edges; what is not is put into ``blocked``."""
    graph = search.graph
    assert graph.result is not None
    start = {graph.result: np.ones(graph.operations[graph.result].shape)}
    search.effort.sweep()
    graph.sent_back(start, {number: _diverted(graph, number, edges, blocked) for number, _ in edges})


def _cut_in_chunks(search: Search, loop: Loop) -> Iterator[Explanation]:
    """Yield what is handed on between iterations cut off each so many steps."""
    for every in range(2, min(loop.times, LONGEST_CHUNK + 1)):
        some = [edge for time, edges in loop.carried.items() if (time - 1) % every == 0 for edge in edges]
        if some:
            yield _without(search, some, {}, f"is cut off after every {every} iterations at {{}}")


def _without(search: Search, edges: Sequence[Edge], lost: Mapping[int, Array], says: str) -> Explanation:
    """Return the explanation by edges along which nothing is handed on, and what is lost."""
    graph = search.graph
    operations = [graph.operations[number] for number in dict.fromkeys(number for number, _ in edges)]
    dropped = set(edges)

    def rule_of(number: int) -> Rule:
        return lambda slope: [
            (target, part) for k, target, part in graph.shared(number, slope) if (number, k) not in dropped
        ]

    return explanation_of(
        search,
        operations,
        "gradient cut off in time",
        says,
        CUT,
        seeds=functools.partial(_negative, lost),
        rules=lambda: {operation.number: rule_of(operation.number) for operation in operations},
    )


def _skipped(search: Search, loop: Loop) -> Iterator[Explanation]:
    """Yield iterations that are left out: what goes back through the next one goes to what came before."""
    graph = search.graph
    times = range(1, loop.times)
    for time in dict.fromkeys([*times[:SKIPPED_AT_ENDS], *times[-SKIPPED_AT_ENDS:]]):
        rules: dict[int, Rule] = {
            op.number: _nothing if op.number in loop.time_of else _carried_only(graph, op, loop.times)
            for op in _of_lines(graph, loop.times)
            if op.origin is not None and op.origin.execution.time == time
        }
        rules |= {number: _nothing for number, at in loop.time_of.items() if at == time}
        for number, _ in loop.carried.get(time + 1, ()):
            rules[number] = _past(graph, loop, number, time)
        says = f"leaves out the {wording.ordinal(time)} of {loop.times} iterations, that of {{}}"
        operations = [op for op in loop.operations if loop.time_of[op.number] == time]
        kept = functools.partial(dict[int, Rule], rules)
        if operations:
            yield explanation_of(search, operations[:1], "iteration left out", says, SKIPPED, rules=kept)


def _of_lines(graph: CostGraph, times: int) -> list[Operation]:
    """Return the operations of all lines that run so often."""
    return [
        operation
        for operation in graph.operations
        if operation.origin is not None and graph.times_of(operation.origin.execution.line) == times
    ]


def _nothing(slope: Array) -> Shares:
    return []


def _carried_only(graph: CostGraph, operation: Operation, times: int) -> Rule:
    """Return the rule by which an operation hands on what it adds to what was before, as in ``loss = loss + …``."""
    assert operation.origin is not None
    time = operation.origin.execution.time

    def is_carried(target: int) -> bool:
        origin = graph.operations[target].origin
        if origin is None or origin.spot != operation.origin.spot:  # type: ignore[union-attr]
            return False
        return origin.execution.time == time - 1

    return lambda slope: [
        (target, part) for _, target, part in graph.shared(operation.number, slope) if is_carried(target)
    ]


def _past(graph: CostGraph, loop: Loop, number: int, time: int) -> Rule:
    """Return the rule by which an operation hands what is carried to what came before the iteration at a time."""
    before = loop.at[loop.spot_of[number]].get(time)
    carried = {k for other, k in loop.carried[time + 1] if other == number}

    def shares(slope: Array) -> Shares:
        found: Shares = []
        for k, target, part in graph.shared(number, slope):
            if k not in carried:
                found.append((target, part))
            elif before is not None and (before.number, k) in graph.targets:
                earlier = graph.targets[before.number, k]
                shape = graph.operations[earlier].shape
                if was_broadcast(shape, part.shape):
                    found.append((earlier, summed_to(part, shape)))
        return found

    return shares


def _try_truncated(search: Search, loop: Loop) -> None:
    """Test gradients that go back some steps from each time, and no further: what would go further is lost."""
    graph = search.graph
    assert graph.result is not None
    carried = {edge for edges in loop.carried.values() for edge in edges}
    operations = [graph.operations[number] for number, _ in sorted(carried)]
    seeds: Mapping[int, Array] = {graph.result: np.ones(graph.operations[graph.result].shape)}
    for steps in range(1, min(loop.times, LONGEST_CHUNK + 1)):
        blocked: dict[Edge, Array] = {}
        search.effort.sweep()
        graph.sent_back(seeds, {number: _diverted(graph, number, carried, blocked) for number, _ in carried})
        seeds = added(*({graph.targets[edge]: part} for edge, part in blocked.items()))
        if not seeds:
            return
        says = f"goes back {steps} iteration{'s' * (steps > 1)} from each, and no further, at {{}}"
        explain = functools.partial(
            explanation_of,
            search,
            operations[:1],
            "gradient truncated in time",
            says,
            TRUNCATED,
            rules=dict,
            seeds=functools.partial(_negative, seeds),
        )
        search.consider(search.probes.of_all(seeds).times(-1.0), explain)


def _negative(slopes: Mapping[int, Array]) -> dict[int, Array]:
    return {number: -slope for number, slope in slopes.items()}


def _diverted(graph: CostGraph, number: int, edges: set[Edge], blocked: dict[Edge, Array]) -> Rule:
    """Return the rule by which an operation hands nothing on along some edges: it is put elsewhere."""

    def rule(slope: Array) -> Shares:
        found: Shares = []
        for k, target, part in graph.shared(number, slope):
            if (number, k) in edges:
                blocked[number, k] = part
            else:
                found.append((target, part))
        return found

    return rule


def _try_forward_order(search: Search, loop: Loop) -> None:
    """Test a backward pass that goes through the iterations from the first to the last."""
    graph = search.graph
    search.effort.sweep()
    out = _in_forward_order(graph, loop)
    members = set(loop.time_of)
    for (number, k), part in graph.shares.items():
        target = graph.targets[number, k]
        if number in members and target not in members:
            out[target] = out[target] - part if target in out else -part
    says = f"goes through the {loop.times} iterations of {{}} from the first to the last"
    explain = functools.partial(
        explanation_of,
        search,
        loop.operations[:1],
        "time in forward order",
        says,
        IN_ORDER,
        rules=dict,
        seeds=functools.partial(dict[int, Array], out),
    )
    search.consider(search.probes.of_all(out), explain)


def _in_forward_order(graph: CostGraph, loop: Loop) -> dict[int, Array]:
    """Return what a loop hands to operations before it if each iteration hands on to the next one."""
    members = set(loop.time_of)
    inbox: dict[int, Array] = {}
    for (number, k), part in graph.shares.items():
        if number not in members and graph.targets[number, k] in members:
            _put(inbox, graph.targets[number, k], part)
    spot_carried = {
        (loop.spot_of[number], k): loop.spot_of[graph.targets[number, k]]
        for edges in loop.carried.values()
        for number, k in edges
    }
    out: dict[int, Array] = {}
    for number in sorted(members, key=lambda number: (loop.time_of[number], -number)):
        if number not in inbox:
            continue
        time, spot = loop.time_of[number], loop.spot_of[number]
        for k, target, part in graph.shared(number, inbox[number]):
            if (spot, k) not in spot_carried:
                _put(inbox if target in members else out, target, part)
                continue
            later = loop.at[spot_carried[spot, k]].get(time + 1)
            entry = loop.entry(graph, number, k)
            if later is not None:
                _put(inbox, later.number, _in_shape(graph, loop, number, k, part, inbox[number], later.shape))
            elif entry is not None and was_broadcast(graph.operations[entry].shape, part.shape):
                _put(out, entry, summed_to(part, graph.operations[entry].shape))
    return out


def _in_shape(
    graph: CostGraph, loop: Loop, number: int, k: int, part: Array, slope: Array, shape: tuple[int, ...]
) -> Array:
    """Return a share of the first iteration as later ones have it, if what came before was broadcast."""
    if part.shape == shape:
        return part
    twin = loop.at[loop.spot_of[number]].get(2)
    parts = {} if twin is None else {place: share for place, _, share in shares_of(twin.node, slope)}
    return parts[k] if k in parts and parts[k].shape == shape else np.zeros(shape)


def was_broadcast(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether an array of one shape can be broadcast to another, so that slopes of that can be summed to it."""
    aligned = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(own in (1, other) for own, other in aligned)


def _put(sums: dict[int, Array], number: int, part: Array) -> None:
    sums[number] = sums[number] + part if number in sums else part
