"""Claims that are the gradient of the cost with other constants: an ε left out, labels of the next sample, no mask.

Values change with a constant, and slopes with the values: all operations that depend on it are computed anew, by exact
differences, and slopes are sent back through these.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastcheck.diagnosis.detective import wording
from fastcheck.diagnosis.detective.graph.buffers import Places
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation, Rule, Shares, shares_of
from fastcheck.diagnosis.detective.graph.origins import Place
from fastcheck.diagnosis.detective.graph.shadows import shadows
from fastcheck.diagnosis.detective.graph.short_numbers import with_few_decimals
from fastcheck.diagnosis.detective.searching.factors import EARLY
from fastcheck.diagnosis.detective.searching.repeated_mutations import NOT_MORE_UNLIKELY
from fastcheck.diagnosis.detective.searching.search import Explanation, Search
from fastcheck.engines.graph.nodes.choices import Choice, Extremum
from fastcheck.engines.graph.nodes.movement import Pick, Selected
from fastcheck.engines.graph.nodes.node import Array, Node, plain
from fastcheck.engines.graph.nodes.products import Einsum, Matmul
from fastcheck.engines.graph.nodes.smooth import Combination, Multiply

MOST_TRIED = 64
"""Other constants that are tried at most, for each takes two sweeps."""

LARGEST_EPSILON = 0.1
"""Numbers below it that are added are taken to guard a division or a logarithm."""

LEAST_MASKING = 1e3
"""Numbers of this size that are added take entries out of a softmax."""

WRITTEN_SHORT = 1.55
"""How unlikely that is."""

OTHER_EPSILONS = (1e-8, 1e-5, 1e-7, 1e-12, 1e-6, 1e-10, 1e-3)


class Other(NamedTuple):
    """Constants of one line, and what they are instead.

    ``constants`` are by operation and place among its operands, ``nodes`` are operations that take other entries.
    """

    kind: str
    says: str
    unlikely: float
    operations: Sequence[Operation]
    constants: Mapping[tuple[int, int], Any]
    nodes: Mapping[int, Node]


def try_other_constants(search: Search) -> None:
    """Test whether the claims are the gradient of the cost with other constants."""
    others = sorted(_all_others(search.graph), key=lambda other: other.unlikely)
    for other in others[:MOST_TRIED]:
        likeliest = min((h.unlikely for h in search.found), default=np.inf)
        if other.unlikely > likeliest + NOT_MORE_UNLIKELY:
            break
        search.effort.sweep()
        search.try_many_rules(_explanation(search.graph, other))


def _rules(graph: CostGraph, other: Other) -> dict[int, Rule]:
    """Return how the operations share that depend on the constants."""
    first = min(operation.number for operation in other.operations)
    try:
        with np.errstate(all="ignore"):
            copies = shadows(graph, range(first, len(graph.operations)), {}, other.constants, other.nodes)
    except (ValueError, TypeError, ArithmeticError):
        return {}
    return {number: _rule(node) for number, node in copies.items()}


def _rule(node: Node) -> Rule:
    def rule(slope: Array) -> Shares:
        return [(target, part) for _, target, part in shares_of(node, slope)]

    return rule


def _explanation(graph: CostGraph, other: Other) -> Explanation:
    where, number = wording.places(other.operations, graph), other.operations[0].number
    return Explanation(
        kind=other.kind,
        statement=(other.kind, other.says),
        says=lambda: f"the claims are the gradient of the cost with {wording.put(other.says, where)}",
        lines=lambda: wording.lines_of(other.operations),
        seeds=dict,
        rules=lambda: _rules(graph, other),
        unlikely=other.unlikely + EARLY * number / len(graph.operations),
        place=number,
        key=(other.kind, other.says, tuple(other.constants), tuple(other.nodes)),
    )


Uses = Sequence[tuple[Operation, int, Any]]
"""Constants of one line: the operation that uses each, its place among the operands, and its value."""


def _all_others(graph: CostGraph) -> Iterator[Other]:
    lines: dict[Place, list[Operation]] = {}
    for operation in graph.operations:
        if operation.origin is not None and operation.live:
            lines.setdefault(operation.origin.execution.line, []).append(operation)
    for operations in lines.values():
        uses = [use for operation in operations for use in _constants_of(operation)]
        for family in FAMILIES:
            yield from family(uses)
        yield from _other_entries(operations)
    everywhere = [use for operations in lines.values() for op in operations for use in _constants_of(op)]
    yield from (other for other in other_epsilons(everywhere) if _is_of_several_lines(other))


def _is_of_several_lines(other: Other) -> bool:
    return len(wording.lines_of(other.operations)) > 1


def _constants_of(operation: Operation) -> Iterator[tuple[Operation, int, Any]]:
    for k, x in enumerate(operation.node.operands):
        if not (isinstance(x, Node) and x.live):
            yield operation, k, plain(x)


def _instead(
    kind: str, says: str, unlikely: float, uses: Uses, value: Callable[[Any], Any]
) -> Iterator[Other]:
    """Yield other values of constants, if there are any."""
    if uses:
        constants = {(operation.number, k): value(x) for operation, k, x in uses}
        yield Other(kind, says, unlikely, [operation for operation, _, _ in uses], constants, {})


def without_masks(uses: Uses) -> Iterator[Other]:
    """Yield lines without their masks: those of `numpy.where`, and large negative numbers that are added."""
    chosen = [(operation, k, x) for operation, k, x in uses if isinstance(operation.node, Choice) and k == 0]
    to_second = [use for use in chosen if _is_live(use[0].node.operands[1])]
    to_third = [use for use in chosen if not _is_live(use[0].node.operands[1])]
    added = [
        (operation, k, x)
        for operation, k, x in uses
        if isinstance(operation.node, Combination) and np.ndim(x) and np.min(x, initial=0.0) < -LEAST_MASKING
    ]
    kind, says = "mask left out", "no mask in {}"
    yield from _instead(kind, says, 1.2, to_second, lambda x: np.ones(np.shape(x), dtype=bool))
    yield from _instead(kind, says, 1.2, to_third, lambda x: np.zeros(np.shape(x), dtype=bool))
    yield from _instead(kind, says, 1.2, added, lambda x: np.zeros(np.shape(x)))


def _is_live(x: Any) -> bool:
    return isinstance(x, Node) and x.live


def without_clipping(uses: Uses) -> Iterator[Other]:
    """Yield lines that clip nothing."""
    clipped = [
        (operation, k, x)
        for operation, k, x in uses
        if isinstance(operation.node, Extremum) and np.ndim(x) == 0 and x != 0
    ]
    if clipped:
        constants = {
            (operation.number, k): -np.inf if _is_maximum(operation) else np.inf
            for operation, k, _ in clipped
        }
        operations = [operation for operation, _, _ in clipped]
        yield Other("clipping left out", "nothing clipped in {}", 1.2, operations, constants, {})


def _is_maximum(operation: Operation) -> bool:
    return isinstance(operation.node, Extremum) and operation.node.ufunc in (np.maximum, np.fmax)


def other_epsilons(uses: Uses) -> Iterator[Other]:
    """Yield small numbers that are added, left out or others."""
    small: dict[float, list[tuple[Operation, int, Any]]] = {}
    for operation, k, x in uses:
        is_number = isinstance(operation.node, Combination) and np.size(x) == 1
        if is_number and _is_term(operation.node, k) and 0 < abs(float(np.ravel(x)[0])) < LARGEST_EPSILON:
            small.setdefault(float(np.ravel(x)[0]), []).append((operation, k, x))
    for epsilon, alike in small.items():
        yield from _instead(
            "ε of the cost left out", f"{epsilon:g} left out in {{}}", 1.2, alike, lambda x: 0.0 * x
        )
        for other in OTHER_EPSILONS:
            if other != epsilon:
                says = f"{other:g} in place of {epsilon:g} in {{}}"
                yield from _instead("another ε", says, 2.0, alike, lambda x, other=other: 0.0 * x + other)  # type: ignore[misc]


def hard_labels(uses: Uses) -> Iterator[Other]:
    """Yield labels that are not smoothed: 1 for the largest of those that sum to 1, and 0 for the others."""
    for axis in (-1, 0):
        smoothed = [use for use in uses if _is_smoothed(np.asarray(use[2]), axis)]
        yield from _instead(
            "label smoothing left out",
            "labels of 0 and 1 in place of those between in {}, without label smoothing",
            1.3,
            smoothed,
            functools.partial(_one_hot, axis=axis),
        )


def _is_smoothed(x: Array, axis: int) -> bool:
    """Whether numbers above 0 sum to 1 along an axis, one of them being larger than all others."""
    are_shares = x.ndim > 1 and x.dtype.kind == "f" and x.shape[axis] > 1 and bool((x > 0).all())
    if not are_shares or not np.allclose(x.sum(axis=axis), 1.0):
        return False
    ordered = np.sort(x, axis=axis)
    return bool((np.take(ordered, -1, axis=axis) > np.take(ordered, -2, axis=axis)).all())


def _one_hot(x: Array, axis: int) -> Array:
    return np.asarray((x == x.max(axis=axis, keepdims=True)) * 1.0)


def written_short(uses: Uses) -> Iterator[Other]:
    """Yield numbers of many digits, as √(2/π), with few decimals."""
    for operation, k, x in uses:
        number = float(np.ravel(x)[0]) if np.size(x) == 1 else 0.0
        for short in with_few_decimals(number):
            says = f"{short:g} in place of {number:.10g} in {{}}"
            yield from _instead(
                "constant written short",
                says,
                WRITTEN_SHORT,
                [(operation, k, x)],
                lambda x, short=short: 0.0 * x + short,  # type: ignore[misc]
            )


def _is_term(node: Node, k: int) -> bool:
    """Whether an operand is added or subtracted, not a factor."""
    return isinstance(node, Combination) and bool(np.all(np.abs(node.factors[k]) == 1))


def of_another_sample(uses: Uses) -> Iterator[Other]:
    """Yield the arrays of a line, shifted by one along an axis: labels of the next sample.

    Labels and data of one line are not those of another sample together.
    """
    arrays = [use for use in uses if np.size(use[2]) > 1]
    labels = [use for use in arrays if isinstance(use[0].node, (Combination, Multiply, Choice))]
    data = [use for use in arrays if isinstance(use[0].node, (Matmul, Einsum))]
    for some in (labels, data):
        if some and len({np.ndim(x) for _, _, x in some}) == 1:
            yield from _shifted(some)


def _shifted(uses: Uses) -> Iterator[Other]:
    for axis, length in enumerate(np.shape(uses[0][2])):
        for by in (1, -1) if length > 2 else (1,) if length == 2 else ():
            whose = "the sample before" if by > 0 else "the next sample"
            yield from _instead(
                "of another sample",
                f"labels or other constants taken from {whose} (along axis {axis}) in {{}}",
                1.6,
                uses,
                lambda x, by=by, axis=axis: np.roll(x, by, axis=axis),  # type: ignore[misc]
            )


FAMILIES: tuple[Callable[[Uses], Iterator[Other]], ...] = (
    without_masks,
    without_clipping,
    other_epsilons,
    hard_labels,
    written_short,
    of_another_sample,
)
"""How the constants of a line may be others."""


def _other_entries(operations: Sequence[Operation]) -> Iterator[Other]:
    """Yield entries that a line takes by indices of the next sample."""
    picks = [
        operation
        for operation in operations
        if isinstance(operation.node, Pick)
        and not isinstance(operation.node, Selected)
        and operation.node.positions.size > 1
        and operation.node.positions.min() >= 0
    ]
    if (
        not picks
        or len({(operation.shape, np.shape(plain(operation.node.operands[0]))) for operation in picks}) > 1
    ):
        return
    source = np.shape(plain(picks[0].node.operands[0]))
    for axis, length in enumerate(picks[0].shape):
        for coordinate in range(len(source)):
            for by in (1, -1) if length > 2 else (1,) if length == 2 else ():
                nodes = {op.number: _with_indices_of_another(op.node, coordinate, axis, by) for op in picks}
                kept = {number: node for number, node in nodes.items() if node is not None}
                if kept:
                    whose = "the sample before" if by > 0 else "the next sample"
                    yield Other(
                        "index of another sample",
                        f"the indices of {whose} in {{}}",
                        1.5,
                        picks,
                        {},
                        kept,
                    )


def _with_indices_of_another(node: Node, coordinate: int, axis: int, by: int) -> Node | None:
    """Return a node that takes entries at indices of another sample along one axis of what it takes from."""
    assert isinstance(node, Pick)
    x = np.asarray(plain(node.operands[0]), dtype=float)
    indices = list(np.unravel_index(node.positions, x.shape))
    counts_samples = (
        np.moveaxis(indices[coordinate], axis, -1) == np.arange(node.positions.shape[axis])
    ).all()
    shifted = np.roll(indices[coordinate], by, axis=axis)
    if counts_samples or np.array_equal(shifted, indices[coordinate]):
        return None
    indices[coordinate] = shifted
    other = copy.copy(node)
    positions: Places = np.ravel_multi_index(tuple(indices), x.shape)
    other._positions = positions
    other.value = np.take(x, positions)
    return other
