"""From what a check knows of a problem to the evidence: claims and slopes of its blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fastcheck.diagnosis.detective.evidence import SMALL_BLOCK, BlockEvidence, Evidence
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph
from fastcheck.diagnosis.failing_block import FailingBlock
from fastcheck.norms import largest
from fastcheck.problem.posing import Problem
from fastcheck.report.result import BlockReport

LEAST_ROUNDING, MOST_ROUNDING = 2e-14, 1e-9
"""Of claims and slopes, relative to the largest of their block; between these, what is seen in right blocks."""

ROUNDING_MARGIN = 4.0
"""Rounding is at most so many times what is seen in right blocks."""

ROUNDING_OF_SINGLE = 2e-6
"""Relative rounding of claims in single precision."""

SAME_SLOPE = 1e-3
"""Difference of a slope of the graph and one that was measured, relative to the largest of the block."""

SAME_GRADIENT = 1e-5
"""Relative difference beyond which slopes of the graph are not those that the verdict is about: θ stands on a kink."""


def evidence_of_known(problem: Problem, known: Sequence[FailingBlock]) -> Evidence:
    """Return claims and slopes of the failing blocks that were looked at as a whole."""
    blocks = [
        BlockEvidence(
            name=block.name,
            theta=block.theta,
            claimed=block.claimed,
            slopes=block.slopes,
            rounding=block.rounding,
            wrong=True,
            structure_only=block.structure_only,
            even=block.even,
        )
        for block in known
    ]
    are_all = len(blocks) == len(problem.layout.blocks)
    return Evidence(blocks=blocks, complete=are_all, single_precision=is_single(problem))


def is_single(problem: Problem) -> bool:
    """Whether some claim was computed in less than double precision."""
    return any(claim.dtype.kind == "f" and claim.dtype.itemsize < 8 for claim in problem.claims)


def evidence_of_graph(
    problem: Problem, wrong: Sequence[str], known: Sequence[FailingBlock], graph: CostGraph | None
) -> Evidence | None:
    """Return claims and slopes of all blocks, those of the graph.

    None where there is no graph, or where its slopes are not those that the verdict is about: where right claims differ
    from them, the backward pass has another convention at kinks. Where some claims are in single precision, those in
    double precision may have its rounding, too: such a block fails, and is no evidence of what is wrong with others.
    """
    if graph is None:
        return None
    right = graph.right()
    claims = {
        block.name: np.asarray(claim, dtype=np.float64).reshape(block.shape)
        for block, claim in zip(problem.layout.blocks, problem.claims, strict=True)
    }
    if not all(np.isfinite(claim).all() for claim in claims.values()):
        return None
    least = SMALL_BLOCK * max(map(largest, right.values()), default=0.0)
    sizes = {name: max(largest(right[name]), largest(claims[name]), least) for name in right}
    apart = {name: largest(claims[name] - right[name]) / (sizes[name] or 1.0) for name in right}
    in_right_blocks = max((apart[name] for name in right if name not in wrong), default=0.0)
    single = is_single(problem)
    if in_right_blocks > SAME_GRADIENT or not _agrees(known, right, sizes):
        return None
    noise = float(np.clip(ROUNDING_MARGIN * in_right_blocks, LEAST_ROUNDING, MOST_ROUNDING))
    noise = max(noise, ROUNDING_OF_SINGLE) if single else noise
    blocks = [
        BlockEvidence(
            name=block.name,
            theta=problem.theta[block.start : block.stop].reshape(block.shape),
            claimed=claims[block.name],
            slopes=right[block.name],
            rounding=noise * sizes[block.name],
            wrong=block.name in wrong,
        )
        for block in problem.layout.blocks
        if block.size
    ]
    within_rounding = {block.name for block in blocks if block.wrong and block.error <= block.rounding}
    if within_rounding and (not single or within_rounding.issuperset(wrong)):
        return None
    blocks = [replace(block, wrong=block.wrong and block.name not in within_rounding) for block in blocks]
    return Evidence(blocks=blocks, complete=True, single_precision=single)


def agrees_with_coordinates(
    graph: CostGraph, wrong: Sequence[str], blocks: Mapping[str, BlockReport]
) -> bool:
    """Tell whether slopes of the graph are those that were measured in single coordinates of each failing block.

    Where some part of the cost was not recorded, they are not.
    """
    right = graph.right()
    for name in wrong:
        measured = [(right[name][one.index], one.numerical) for one in blocks[name].worst]
        size = max([largest(right[name]), *(abs(numerical) for _, numerical in measured)])
        if not measured or any(abs(slope - numerical) > SAME_SLOPE * size for slope, numerical in measured):
            return False
    return True


def _agrees(known: Sequence[FailingBlock], right: dict[str, np.ndarray], sizes: dict[str, float]) -> bool:
    """Tell whether slopes of the graph are those that failing blocks were judged by."""
    return all(
        bool(
            (
                np.abs(right[block.name] - block.slopes).ravel()
                <= SAME_GRADIENT * sizes[block.name] + block.uncertain
            ).all()
        )
        for block in known
        if not block.structure_only
    )
