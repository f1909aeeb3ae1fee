"""Explanations that the recorded cost gives of a claim, the likeliest first."""

import numpy as np

from fastcheck.diagnosis.detective.evidence import SMALL_BLOCK, BlockEvidence, Evidence
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph
from fastcheck.diagnosis.detective.searching.from_graph import GraphSearch
from fastcheck.engines.graph.recording.record import record
from fastcheck.engines.graph.recording.session import session_of

ROUNDING = 1e-13
"""Of claims, beside the largest slope or claim of their block."""


class Every:
    """Contains everything: the lines of all operations are kept."""

    def __contains__(self, item):
        return True


def graph_of(cost, parameters):
    """Return the recorded cost."""
    names = list(parameters)
    values = [np.asarray(parameters[name], dtype=float) for name in names]
    with session_of(cost):
        recording = record(
            cost, lambda arrays: dict(zip(names, arrays, strict=True)), values, 10**9, named=Every()
        )
    return CostGraph(recording, names)


def evidence_of(graph, parameters, claim):
    """Return claims and slopes of all blocks."""
    blocks = []
    least = SMALL_BLOCK * max(np.abs(slopes).max() for slopes in graph.right().values())
    for name, slopes in graph.right().items():
        claimed = np.asarray(claim[name], dtype=float)
        assert claimed.shape == slopes.shape
        rounding = ROUNDING * max(np.abs(slopes).max(), np.abs(claimed).max(), least)
        blocks.append(
            BlockEvidence(
                name=name,
                theta=np.asarray(parameters[name], dtype=float),
                claimed=claimed,
                slopes=slopes,
                rounding=rounding,
                wrong=bool(np.abs(claimed - slopes).max() > 100 * rounding),
            )
        )
    return Evidence(blocks=blocks, complete=True)


def explanations(cost, parameters, claim):
    """Return what explains all blocks of a claim that are wrong, the likeliest first."""
    graph = graph_of(cost, parameters)
    search = GraphSearch(graph, evidence_of(graph, parameters, claim), lambda evidence: [], 0, None)
    search.run()
    assert not search.ended
    return sorted(search.found, key=lambda hypothesis: hypothesis.rank)


def wrong_blocks(cost, parameters, claim):
    """Return the names of the blocks of a claim that are wrong."""
    graph = graph_of(cost, parameters)
    return [block.name for block in evidence_of(graph, parameters, claim).wrong]


def assert_named(cost, parameters, claim, kind, *, equals=()):
    """Assert that a claim is explained first by this kind of mistake, or one that is equal to it here; return it."""
    found = explanations(cost, parameters, claim)
    kinds = [hypothesis.kind for hypothesis in found]
    assert kind in kinds, kinds
    assert kinds[0] in (kind, *equals), kinds
    return next(hypothesis for hypothesis in found if hypothesis.kind == kind)
