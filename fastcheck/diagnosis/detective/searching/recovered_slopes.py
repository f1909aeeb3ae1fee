"""What a wrong claim tells of the slopes that it was computed from, where nothing explains it.

The smallest example: W of shape (5, 4), X of shape (4, 3) and ``Z = W @ X``. The gradient is dW = dZ Xᵀ; three samples
are fewer than the four inputs, so dZ = dW X (XᵀX)⁻¹ is known. Its second column is zero: sample 1 was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fastcheck.diagnosis.detective import wording
from fastcheck.diagnosis.detective.evidence import BlockEvidence, Evidence
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.naming import enumerated, gradient_name
from fastcheck.engines.graph.nodes.movement import Transpose
from fastcheck.engines.graph.nodes.node import Array, Leaf, Node, plain
from fastcheck.engines.graph.nodes.products import Matmul
from fastcheck.engines.graph.nodes.smooth import Combination
from fastcheck.norms import largest
from fastcheck.report.causes import Cause

KIND = "recovered slope"
"""Kind of the cause that says what slopes a claim was computed from."""

WORST_CONDITION = 1e4
"""The ratio of the largest to the smallest singular value of the other factor, at most."""

SAME = 1e-8
"""Relative difference up to which slopes are the same."""

LEAST_CHANGE = 1e-6
"""Slopes that are off by less, relatively, tell nothing."""

MOST_ENTRIES = 10**6
"""Entries of a product of matrices that is looked at, at most."""

LONGEST_WAY = 8
"""Operations between a product and the function of it."""


class Recovered(NamedTuple):
    """The slopes of a product of matrices that a claim fits, and the right ones; samples are along ``axis``."""

    block: str
    operation: Operation
    axis: int
    slopes: Array
    right: Array


def cause_of_recovered(evidence: Evidence, graph: CostGraph) -> Cause | None:
    """Return what the claims tell of the slopes nearest to the result of which they tell something."""
    wrong = [block for block in evidence.wrong if not (block.structure_only or block.even)]
    with np.errstate(all="ignore"):
        found = [each for block in wrong for each in recovered(block, graph)]
        for each in sorted(found, key=lambda each: -each.operation.number):
            for row in ROWS:
                said = row(each, graph)
                if said is not None:
                    return _cause(each, said, graph)
    return None


def _cause(each: Recovered, said: str, graph: CostGraph) -> Cause:
    name = gradient_name(each.block)
    return Cause(
        kind=KIND,
        blocks=(each.block,),
        sentence=f"{name} fits slopes of {wording.place([each.operation], graph)}, that {said}",
        evidence=f"recovered from {name}, of fewer samples than inputs or as many",
        certain=False,
        lines=tuple(wording.lines_of([each.operation])),
    )


def recovered(block: BlockEvidence, graph: CostGraph) -> Iterator[Recovered]:
    """Yield the slopes of products of a block with one other matrix, as far as its claim determines them."""
    leaf = next(number for number, name in graph.blocks.items() if name == block.name)
    for number, k, turned in _products(leaf, graph):
        operation, right = graph.operations[number], graph.slopes.get(number)
        other = np.asarray(plain(operation.node.operands[1 - k]), dtype=float)
        if right is None or other.ndim != 2 or np.ndim(right) != 2 or other.size > MOST_ENTRIES:
            continue
        inputs = other if k == 0 else other.T  # (inputs, samples), and the claim (outputs, inputs)
        if inputs.shape[1] > inputs.shape[0] or not np.isfinite(inputs).all():
            continue
        sizes = np.linalg.svd(inputs, compute_uv=False)
        if not sizes[-1] * WORST_CONDITION > sizes[0]:
            continue
        error = block.claimed - block.slopes
        error = error.T if turned else error
        error = error if k == 0 else error.T
        change = np.linalg.lstsq(inputs, error.T, rcond=None)[0].T
        left = largest(change @ inputs.T - error)
        is_determined = left <= SAME * largest(error) + block.rounding
        if not is_determined or largest(change) <= LEAST_CHANGE * largest(right):
            continue
        slopes = right + (change if k == 0 else change.T)
        yield Recovered(block.name, operation, 1 if k == 0 else 0, slopes, np.asarray(right, dtype=float))


def _products(leaf: int, graph: CostGraph) -> Iterator[tuple[int, int, bool]]:
    """Yield the only product that uses a parameter, or its transpose: number, place, and whether it is transposed."""
    if len(graph.operations[leaf].shape) != 2:
        return
    uses = [(number, k, False) for number, k in graph.uses[leaf]]
    turns = [number for number, _, _ in uses if isinstance(graph.operations[number].node, Transpose)]
    uses += [(number, k, True) for turn in turns for number, k in graph.uses[turn]]
    products = [use for use in uses if isinstance(graph.operations[use[0]].node, Matmul)]
    if len(products) == 1:
        yield products[0]


def _lost_samples(each: Recovered, graph: CostGraph) -> str | None:
    """Return which samples have no slopes, where those of all others are right."""
    size = largest(each.right)
    other = _other_axis(each)
    wrong = np.asarray((np.abs(each.slopes - each.right) > SAME * size).any(axis=other))
    zero = np.asarray((np.abs(each.slopes) <= SAME * size).all(axis=other))
    if not wrong.any() or wrong.all() or not zero[wrong].all():
        return None
    return f"are zero for {_samples(wrong, each.axis)}, and right for all others"


def _factors_of_samples(each: Recovered, graph: CostGraph) -> str | None:
    """Return the factors of samples, where they differ."""
    other = _other_axis(each)
    square = np.sum(each.right**2, axis=other, keepdims=True)
    factors = np.sum(each.slopes * each.right, axis=other, keepdims=True) / np.where(square > 0, square, 1.0)
    factors = np.where(square > 0, factors, 1.0)
    left = largest(each.slopes - factors * each.right)
    if each.right.shape[other] < 2 or left > SAME * largest(each.slopes):
        return None
    flat = factors.ravel()
    wrong = np.abs(flat - 1) > SAME
    if not wrong.any() or np.ptp(flat) <= SAME * largest(flat):
        return None
    shown = enumerated([f"{factor:.6g}".replace("-", "\N{MINUS SIGN}") for factor in flat[wrong]])
    times = f"are those that are right times {shown} for {_samples(wrong, each.axis)}"
    return times if wrong.all() else f"{times}, and right for all others"


def _wrong_samples(each: Recovered, graph: CostGraph) -> str | None:
    """Return which samples have wrong slopes, where most have right ones."""
    wrong = (np.abs(each.slopes - each.right) > SAME * largest(each.right)).any(axis=_other_axis(each))
    if not wrong.any() or 2 * np.count_nonzero(wrong) > wrong.size:
        return None
    return f"are wrong for {_samples(wrong, each.axis)}, and right for all others"


def _sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


OF_A_FUNCTION: tuple[tuple[str, Callable[[Array, Array], Array]], ...] = (
    ("1", lambda z, a: np.ones_like(z)),
    ("a", lambda z, a: a),
    ("a²", lambda z, a: a * a),
    ("a³", lambda z, a: a**3),
    ("1 − a", lambda z, a: 1 - a),
    ("1 + a", lambda z, a: 1 + a),
    ("1 − a²", lambda z, a: 1 - a * a),
    ("1 + a²", lambda z, a: 1 + a * a),
    ("1 − a³", lambda z, a: 1 - a**3),
    ("a·(1 − a)", lambda z, a: a * (1 - a)),
    ("a·(1 + a)", lambda z, a: a * (1 + a)),
    ("√(1 − a²)", lambda z, a: np.sqrt(1 - a * a)),
    ("1/(1 + a²)", lambda z, a: 1 / (1 + a * a)),
    ("1/a", lambda z, a: 1 / a),
    ("z", lambda z, a: z),
    ("z²", lambda z, a: z * z),
    ("1 − z", lambda z, a: 1 - z),
    ("1 − z²", lambda z, a: 1 - z * z),
    ("z·(1 − z)", lambda z, a: z * (1 - z)),
    ("1/(1 + z²)", lambda z, a: 1 / (1 + z * z)),
    ("exp(z)", lambda z, a: np.exp(z)),
    ("exp(−z)", lambda z, a: np.exp(-z)),
    ("exp(−z²)", lambda z, a: np.exp(-z * z)),
    ("cos z", lambda z, a: np.cos(z)),
    ("−sin z", lambda z, a: -np.sin(z)),
    ("tanh z", lambda z, a: np.tanh(z)),
    ("1 − tanh² z", lambda z, a: 1 - np.tanh(z) ** 2),
    ("the sigmoid of z", lambda z, a: _sigmoid(z)),
    ("the derivative of the sigmoid", lambda z, a: _sigmoid(z) * (1 - _sigmoid(z))),
    ("z > 0", lambda z, a: (z > 0) * 1.0),
    ("z < 0", lambda z, a: (z < 0) * 1.0),
    ("z ≥ 0 and z ≤ 1", lambda z, a: ((z >= 0) & (z <= 1)) * 1.0),
    ("sign of z", lambda z, a: np.sign(z)),
)
"""What may stand in for the derivative of a function a of z: to add one, its line and one in the test."""


def _instead_of_derivative(each: Recovered, graph: CostGraph) -> str | None:
    """Return what stands in for the derivative of the function that follows a product."""
    function = _function_of(each.operation, graph)
    if function is None:
        return None
    handed = graph.slopes[function.number]
    z, a = function.operand_value(function.live_operands[0][0]), function.value
    size = largest(each.slopes)
    for name, instead in OF_A_FUNCTION:
        values = handed * instead(z, a)
        if np.isfinite(values).all() and largest(each.slopes - values) <= SAME * size:
            where = wording.place([function], graph)
            return f"have {name} in place of the derivative of {where}, z being its argument and a its result"
    return None


def _function_of(operation: Operation, graph: CostGraph) -> Operation | None:
    """Return the function of one argument, entry by entry, that is all that a product and its sums are used for."""
    for _ in range(LONGEST_WAY):
        uses = graph.uses[operation.number]
        if len(uses) != 1:
            return None
        operation, (_, k) = graph.operations[uses[0][0]], uses[0]
        node = operation.node
        if isinstance(node, Combination) and np.ndim(node.factors[k]) == 0 and node.factors[k] == 1:
            continue
        operands = [x for x in node.operands if isinstance(x, Node)]
        is_function = len(operands) == 1 and np.shape(operands[0].value) == operation.shape
        known = is_function and operation.number in graph.slopes and not isinstance(node, (Leaf, Matmul))
        return operation if known else None
    return None


def _other_axis(each: Recovered) -> int:
    return 1 - each.axis


def _samples(some: Array, axis: int) -> str:
    """Return which samples of a product are meant: "entries 3 and 7 of axis 1"."""
    numbers = [str(int(number)) for number in np.flatnonzero(some)]
    noun = "entry" if len(numbers) == 1 else "entries"
    return f"{noun} {enumerated(numbers)} of axis {axis}"


ROWS: Sequence[Callable[[Recovered, CostGraph], str | None]] = (
    _lost_samples,
    _factors_of_samples,
    _instead_of_derivative,
    _wrong_samples,
)
"""What slopes may be instead of the right ones, the likeliest first: to add one, a function, its name here, a test."""
