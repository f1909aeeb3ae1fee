"""Normalisations whose backward pass uses other statistics than those of the batch: running ones, for instance.

The smallest example: ``N = (Z - mean) / dev`` for ``Z = X @ W``, and ``dZ = dN / running_dev``. Mean and deviation are
taken for constants, and each column of dW is as many times too large as its deviation is larger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from fastcheck.diagnosis.detective import wording
from fastcheck.diagnosis.detective.evidence import BlockEvidence, Evidence
from fastcheck.diagnosis.detective.graph.chains import Chains
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation
from fastcheck.diagnosis.detective.hypotheses import EXPLAINS, Hypothesis
from fastcheck.diagnosis.detective.mutations.mutation import Mutation
from fastcheck.diagnosis.detective.mutations.normalisations import normalisations
from fastcheck.diagnosis.detective.naming import enumerated, gradient_name
from fastcheck.diagnosis.detective.patterns.wording import axis_noun
from fastcheck.diagnosis.detective.searching.effort import Effort
from fastcheck.diagnosis.detective.searching.search import residual_of, wrong_entries
from fastcheck.engines.graph.nodes.node import Array

KIND = "other statistics"
"""Kind of the cause that a normalisation is sent back with statistics that are not those of the batch."""

AS_CONSTANTS = "statistics as constants"
"""The mutation of a normalisation that such a backward pass begins with."""

MORE_ENTRIES = 3
"""So many entries there must be for each factor that is fitted."""

UNLIKELY = 1.0


def other_statistics(evidence: Evidence, graph: CostGraph, deadline: float | None) -> Iterator[Hypothesis]:
    """Yield the blocks that are right for some constants in place of the statistics of one normalisation, the first.

    Each takes a sweep back; raises `EffortUsedUpError` after too many.
    """
    effort = Effort(sum(op.value.size for op in graph.operations), len(graph.operations), deadline)
    chains = Chains(graph)
    found: set[str] = set()
    for operation in graph.operations:
        if operation.live and operation.number in graph.slopes:
            effort.test(operation.value.size)
            for mutation in normalisations(operation, graph, chains):
                if mutation.kind == AS_CONSTANTS:
                    effort.sweep()
                    slopes = graph.mutated({operation.number: mutation.rule}).right()
                    for hypothesis in _of_blocks(evidence, graph, operation, mutation, slopes):
                        if found.isdisjoint(hypothesis.blocks):
                            found.update(hypothesis.blocks)
                            yield hypothesis


def _of_blocks(
    evidence: Evidence,
    graph: CostGraph,
    operation: Operation,
    mutation: Mutation,
    slopes: Mapping[str, Array],
) -> Iterator[Hypothesis]:
    """Yield the wrong blocks that are as many times these slopes as one factor for each line of one axis tells."""
    for block in evidence.wrong:
        changed = np.max(np.abs(slopes[block.name] - block.slopes), initial=0.0) > EXPLAINS * block.size
        for axis in range(block.claimed.ndim) if changed and not block.structure_only else ():
            factors = _factors(block, slopes[block.name], axis)
            residual = residual_of(block, factors * slopes[block.name], evidence)
            if factors.size * MORE_ENTRIES <= block.claimed.size and residual < EXPLAINS:
                yield _hypothesis(block, graph, operation, mutation, factors, axis, residual)


def _factors(block: BlockEvidence, slopes: Array, axis: int) -> Array:
    others = tuple(k for k in range(slopes.ndim) if k != axis)
    square = np.sum(slopes * slopes, axis=others, keepdims=True)
    along = np.sum(block.claimed * slopes, axis=others, keepdims=True)
    return np.asarray(np.where(square > 0, along / np.where(square > 0, square, 1.0), 1.0))


def _hypothesis(
    block: BlockEvidence,
    graph: CostGraph,
    operation: Operation,
    mutation: Mutation,
    factors: Array,
    axis: int,
    residual: float,
) -> Hypothesis:
    place = wording.place([operation], graph)
    shown = enumerated([f"{factor:.6g}" for factor in factors.ravel()])
    noun = axis_noun(block.claimed.ndim, axis)
    return Hypothesis(
        kind=KIND,
        statement=(KIND, operation.number),
        sentence=f"{gradient_name(block.name)} is right for constants in place of mean and variance at {place}, but "
        f"for a factor of each {noun} ({shown}): are other statistics used there than those of the batch, such as "
        "running ones?",
        blocks=(block.name,),
        residual=residual,
        entries=wrong_entries([block]),
        unlikely=UNLIKELY,
        free=factors.size,
        lines=tuple(wording.lines_of([operation, *(graph.operations[k] for k in mutation.besides)])),
    )
