"""Factors: what an operation, a line or all of its executions hand back, times a number.

0 is a term that is left out, −1 a wrong sign, 2 one that is counted twice, 1/m an average in place of a sum.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping, Sequence

from fastcheck.diagnosis.detective import wording
from fastcheck.diagnosis.detective.graph.chains import is_square
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Rule, Shares
from fastcheck.diagnosis.detective.graph.known_numbers import SAME, constants_of
from fastcheck.diagnosis.detective.hypotheses import CONTRIBUTIONS
from fastcheck.diagnosis.detective.mutations.operands import operand_text
from fastcheck.diagnosis.detective.naming import gradient_names
from fastcheck.diagnosis.detective.searching.probes import Effect
from fastcheck.diagnosis.detective.searching.search import FACTOR_OF_BLOCK, Explanation, Search
from fastcheck.engines.graph.nodes.node import Array, Leaf

Edge = tuple[int, int]
"""An operation, and the place of one of its operands."""

UNLIKELY = {"edge": 1.0, "operation": 1.1, "execution": 1.1, "line": 1.2, "spot": 1.15, "parameter": 1.0}
"""How unlikely a factor is on all edges of a group."""

NO_NAME, AT_PARAMETER, OWN_FACTOR, EARLY = 1.0, -0.2, -0.35, -0.1
"""What is added for a factor that is no known number, for one where a parameter is used, for one that the operation has
itself, as 1/m in ``/ m``, and for the first of all places, where all blocks are wrong."""

USUAL_FACTORS = (0.0, -1.0, 2.0, 0.5)
"""What people multiply by, by mistake."""

MOST_LOOKED_AT = 64
"""Edges of a group whose operations are asked for numbers of their own."""

MOST_OWN = 4
"""Numbers that an operation has itself, of which factors are remembered."""

NO_FACTOR = 1e-13
"""Factors this near to 1 are no mistake."""

SMALLEST_EFFECT = 1e-12
"""Effects below this share of their terms have cancelled."""


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """Edges that are multiplied by one factor."""

    kind: str
    edges: tuple[Edge, ...]


def try_factors(search: Search) -> None:
    """Test factors on all groups of edges."""
    for group in groups(search.graph):
        search.effort.test(0)
        targets = [search.graph.targets[edge] for edge in group.edges]
        reach = 0
        for target in targets:
            reach |= search.graph.reach[target]
        if not search.reaches(reach):
            continue
        effect = search.effect_of(group.edges[0])
        for edge in group.edges[1:]:
            effect = effect.plus(search.effect_of(edge))
        if search.keeps_partial and search.probes.leaves_right(effect):
            _remember_usual(search, group, effect)
        for change in _changes(search, effect):
            if abs(change) > NO_FACTOR:
                explain = functools.partial(_explanation, search, group, 1 + change)
                search.consider(effect.times(change), explain)


def _remember_usual(search: Search, group: Group, effect: Effect) -> None:
    """Keep what usual factors do, and those that the operation has itself."""
    number, _ = group.edges[0]
    own = constants_of(search.graph.operations[number].node)[:MOST_OWN]
    for factor in dict.fromkeys([*USUAL_FACTORS, *own, *(1 / constant for constant in own)]):
        search.remember(effect.times(factor - 1), functools.partial(_explanation, search, group, factor))


def _changes(search: Search, effect: Effect) -> list[float]:
    """Return by how much the factor must differ from 1: for all wrong blocks, and for each."""
    changes = [_fitted(effect, search.probes.error, slice(None))]
    if search.keeps_partial:
        changes += [
            _fitted(effect, search.probes.error, search.probes.rows_of(name)) for name in search.wrong
        ]
    return list(dict.fromkeys(change for change in changes if change is not None))


def _fitted(effect: Effect, error: Array, rows: Array | slice) -> float | None:
    along, size = effect.along[rows], effect.size[rows]
    square = float(along @ along)
    if square == 0 or square < SMALLEST_EFFECT**2 * float(size @ size):
        return None
    return float(along @ error[rows]) / square


def groups(graph: CostGraph) -> Iterator[Group]:
    """Yield the groups of edges, each set of them once."""
    seen: set[tuple[Edge, ...]] = set()
    for kind, edges in _all_groups(graph):
        if edges not in seen and not _leads_to_itself(graph, edges):
            seen.add(edges)
            yield Group(kind, edges)


def _leads_to_itself(graph: CostGraph, edges: Sequence[Edge]) -> bool:
    """Whether a line uses what it computed, through other lines: what is lost at one edge would be lost at another.

    Of lines that run several times `repeated_mutations` tells that.
    """
    origins = [graph.operations[number].origin for number, _ in edges]
    times = {None if origin is None else origin.execution.number for origin in origins}
    targets, first = {graph.targets[edge] for edge in edges}, min(number for number, _ in edges)
    if len(times) > 1 or max(targets) < first:
        return False
    own, later = {number for number, _ in edges}, set[int]()
    for number in range(first, max(targets) + 1):
        operation = graph.operations[number]
        if number in own or any(x.number in later for _, x in operation.live_operands):
            later.add(number)
    return bool(later & targets)


def _all_groups(graph: CostGraph) -> Iterator[tuple[str, tuple[Edge, ...]]]:
    operations: dict[object, list[Edge]] = {}
    executions: dict[object, list[Edge]] = {}
    lines: dict[object, list[Edge]] = {}
    spots: dict[object, list[Edge]] = {}
    parameters: dict[object, list[Edge]] = {}
    for number, k in sorted(graph.shares):
        edge, origin = (number, k), graph.operations[number].origin
        squared = is_square(graph.operations[number])
        if not squared:
            yield "edge", (edge,)
        operations.setdefault(number, []).append(edge)
        if graph.targets[edge] in graph.blocks:
            parameters.setdefault(graph.targets[edge], []).append(edge)
        if origin is None:
            continue
        spots.setdefault((origin.spot, squared or k), []).append(edge)
        target = graph.operations[graph.targets[edge]].origin
        enters_line = target is None or target.execution is not origin.execution
        if enters_line:
            executions.setdefault(origin.execution.number, []).append(edge)
            lines.setdefault(origin.execution.line, []).append(edge)
    for kind, table in (
        ("operation", operations),
        ("execution", executions),
        ("line", lines),
        ("spot", spots),
        ("parameter", parameters),
    ):
        for edges in table.values():
            yield kind, tuple(edges)


def _explanation(search: Search, group: Group, factor: float) -> Explanation:
    graph = search.graph
    operations = [graph.operations[number] for number, _ in group.edges]
    name = None if search.evidence.single_precision else search.numbers.name(factor)
    all_are_wrong = len(search.wrong) == len(graph.names)
    unlikely = UNLIKELY[group.kind] + (0.0 if name else NO_NAME)
    unlikely += OWN_FACTOR * any(_has_factor(graph, edge, factor) for edge in _some_of(group.edges))
    unlikely += AT_PARAMETER * all(
        isinstance(graph.operations[graph.targets[edge]].node, Leaf) for edge in group.edges
    )
    if all_are_wrong or factor == 0:
        unlikely += EARLY * min(number for number, _ in group.edges) / len(graph.operations)
    return Explanation(
        kind=_kind(graph, group),
        statement=("factor", round(factor, 7)),
        says=lambda: _sentence(graph, group, factor, name),
        lines=lambda: wording.lines_of(operations),
        seeds=lambda: _seeds(graph, group.edges, factor - 1),
        rules=lambda: factor_rules(graph, group.edges, factor),
        unlikely=unlikely,
        free=0 if name else 1,
        coefficient=None if min(abs(factor), abs(factor + 1)) <= SAME else factor,
        place=group.edges[0][0],
    )


def _kind(graph: CostGraph, group: Group) -> str:
    if group.kind == "parameter":
        return FACTOR_OF_BLOCK
    of_parameters = all(graph.targets[edge] in graph.blocks for edge in group.edges)
    return CONTRIBUTIONS if of_parameters else "factor"


def _sentence(graph: CostGraph, group: Group, factor: float, name: str | None) -> str:
    where = wording.place([graph.operations[number] for number, _ in group.edges], graph)
    times = wording.times(name or f"{factor:.7g}")
    targets = {graph.targets[edge] for edge in group.edges}
    if targets <= graph.blocks.keys():
        return _of_parameters(graph, group, factor, times, where)
    return sentence_of_factor(factor, times, where, _operand(graph, group))


def sentence_of_factor(factor: float, times: str, where: str, operand: str | None) -> str:
    """Return the sentence about a factor in what goes back at a place, to one ``operand`` of several if it is named."""
    detached = wording.AS_IF_DETACHED if abs(factor) <= SAME else ""
    if operand is not None:
        return (
            f"the backward pass {_does(factor, times)} what it passes back to {operand} at {where}{detached}"
        )
    if abs(factor) <= SAME:
        return f"the backward pass passes nothing back through {where}{detached}"
    if abs(factor + 1) <= SAME:
        return f"the backward pass has the wrong sign at {where}"
    return f"the backward pass has {times} what is right at {where}"


def _does(factor: float, times: str) -> str:
    if abs(factor) <= SAME:
        return "leaves out"
    if abs(factor + 1) <= SAME:
        return "has the wrong sign in"
    return f"has {times}"


def _operand(graph: CostGraph, group: Group) -> str | None:
    """Return the operand to which edges lead, if they are one operand of an operation that has others with slopes."""
    is_one_operand = len(group.edges) == 1 or group.kind == "spot"
    return operand_named(graph, group.edges[0]) if is_one_operand else None


def operand_named(graph: CostGraph, edge: Edge) -> str | None:
    """Return the operand to which an edge leads, None if its operation has no other one with slopes."""
    number, k = edge
    operation = graph.operations[number]
    if k < 0 or len(operation.live_operands) < 2:
        return None
    return operand_text(operation, k, graph).format()


def _of_parameters(graph: CostGraph, group: Group, factor: float, times: str, where: str) -> str:
    """Return the sentence about what parameters get from where they are used."""
    targets = [number for number in graph.leaves if number in {graph.targets[edge] for edge in group.edges}]
    names = gradient_names([graph.blocks[number] for number in targets])
    one = len(targets) == 1
    every_use = {edge for edge, target in graph.targets.items() if target in targets} == set(group.edges)
    if every_use and abs(factor) <= SAME:
        return f"{names} {'is' if one else 'are'} zero"
    if every_use and abs(factor + 1) <= SAME:
        return f"{names} {'has' if one else 'have'} the wrong sign"
    if every_use:
        return f"{names} {'is' if one else 'are'} {times} the right gradient"
    if abs(factor) <= SAME:
        return f"{names} {'lacks' if one else 'lack'} {wording.contributes(where)}"
    if abs(factor + 1) <= SAME:
        return f"{names} {'has' if one else 'have'} {wording.contributes(where)} with the wrong sign"
    return f"{names} {'has' if one else 'have'} {times} {wording.contributes(where)}"


def _some_of(edges: Sequence[Edge]) -> Sequence[Edge]:
    """Return edges that stand for all of a group."""
    return edges[:: 1 + len(edges) // MOST_LOOKED_AT]


def _has_factor(graph: CostGraph, edge: Edge, factor: float) -> bool:
    """Whether a factor is one that the operation has itself: left out, applied twice, or inverted."""
    operation, operand = graph.operations[edge[0]], graph.operations[graph.targets[edge]]
    constants = constants_of(operation.node)
    size, before = math.prod(operation.shape), math.prod(operand.shape)
    if before and size > before:  # broadcast
        constants.append(size / before)
    powers = [c**power for c in constants for power in (1, -1, 2, -2)]
    return any(abs(abs(factor) - abs(power)) <= SAME * abs(power) for power in powers)


def _seeds(graph: CostGraph, edges: Sequence[Edge], change: float) -> Mapping[int, Array]:
    seeds: dict[int, Array] = {}
    for edge in edges:
        target, part = graph.targets[edge], change * graph.shares[edge]
        seeds[target] = seeds[target] + part if target in seeds else part
    return seeds


def factor_rules(graph: CostGraph, edges: Sequence[Edge], factor: float) -> dict[int, Rule]:
    """Return rules by which operations hand some of their operands a multiple."""
    operands: dict[int, set[int]] = {}
    for number, k in edges:
        operands.setdefault(number, set()).add(k)

    def rule_of(number: int, scaled: set[int]) -> Rule:
        def rule(slope: Array) -> Shares:
            return [
                (target, factor * part if k in scaled else part)
                for k, target, part in graph.shared(number, slope)
            ]

        return rule

    return {number: rule_of(number, scaled) for number, scaled in operands.items()}
