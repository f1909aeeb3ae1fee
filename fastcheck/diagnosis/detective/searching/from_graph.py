"""Explanations from the recorded cost: contributions, factors, mutations of one operation, of a line, and pairs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastcheck.diagnosis.detective.evidence import Evidence
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph
from fastcheck.diagnosis.detective.graph.known_numbers import KnownNumbers
from fastcheck.diagnosis.detective.hypotheses import Hypothesis
from fastcheck.diagnosis.detective.searching.effort import Effort, EffortUsedUpError
from fastcheck.diagnosis.detective.searching.other_constants import try_other_constants
from fastcheck.diagnosis.detective.searching.pairs import Patterns, try_everything, try_pairs
from fastcheck.diagnosis.detective.searching.probes import Probes
from fastcheck.diagnosis.detective.searching.search import PENALTY, Search
from fastcheck.diagnosis.detective.searching.single_mutations import Mutations
from fastcheck.diagnosis.detective.searching.two_at_once import try_chains, try_sums
from fastcheck.diagnosis.detective.searching.updated_weights import try_updated_weights
from fastcheck.workers.library_threads import one_blas_thread

EFFECTS = ("a factor", "zero", PENALTY)
"""Patterns that factors in the graph lead to."""


class GraphSearch:
    """A search for explanations of all wrong blocks; those ``found`` so far, in no order, outlive an interruption.

    ``evidence`` must hold all blocks, with the slopes of the graph. Two mistakes are looked for where neither one from
    the graph nor ``patterns`` explain all. Takes a few sweeps, and an inner product with each of some 1,000
    explanations; at most `MOST_WORK`, or until the ``deadline`` of `time.perf_counter`. ``ended`` tells that one of
    these ended it.
    """

    def __init__(
        self, graph: CostGraph, evidence: Evidence, patterns: Patterns, seed: int, deadline: float | None
    ) -> None:
        self.graph, self.evidence, self.patterns, self.seed = graph, evidence, patterns, seed
        entries = sum(math.prod(operation.shape) for operation in graph.operations)
        self.effort = Effort(entries, len(graph.operations), deadline)
        self.found: list[Hypothesis] = []
        self.ended = False

    def run(self) -> None:
        """Search for one mistake; for two, if neither that nor one pattern for all, or for each, explains them."""
        graph, evidence = self.graph, self.evidence
        with np.errstate(all="ignore"), one_blas_thread():
            of_all = [h for h in self.patterns(evidence) if len(h.blocks) == len(evidence.wrong)]
            effect = next((h for h in of_all if h.kind in EFFECTS and h.coefficient is not None), None)
            search = Search(
                graph,
                evidence,
                Probes(graph, evidence, self.seed),
                KnownNumbers.of(graph),
                self.effort,
                self.found,
                effect=effect,
            )
            mutations = Mutations(graph)
            self.ended = not self._came_to_its_end(search, try_everything, mutations)
            self.ended |= not self._came_to_its_end(search, try_other_constants)
            self.ended |= not self._came_to_its_end(search, try_updated_weights)
            is_fact = any(one.mistakes == 1 or one.mistakes == len(one.blocks) for one in of_all)
            is_explained = bool(self.found) or is_fact
            numbers_tell = not any(block.structure_only or block.even for block in evidence.wrong)
            if numbers_tell and not is_explained:
                self._look_for_two(search, mutations)

    def _look_for_two(self, first: Search, mutations: Mutations) -> None:
        """Look for two mistakes, as long as none are found; all that they are made of is tested again, and kept."""
        search = Search(
            self.graph,
            self.evidence,
            first.probes,
            first.numbers,
            self.effort,
            self.found,
            keeps_partial=True,
            known=first.known,
        )
        self._came_to_its_end(search, try_everything, mutations, share=0.4)
        self._came_to_its_end(search, try_other_constants, share=0.2)
        self._came_to_its_end(search, try_pairs, mutations, self.patterns, share=0.2)
        if not self.found:
            self._came_to_its_end(search, try_sums, share=0.2)
        if not self.found:
            self._came_to_its_end(search, try_chains, mutations, share=0.2)

    def _came_to_its_end(
        self, search: Search, stage: Callable[..., None], *arguments: Any, share: float = 1.0
    ) -> bool:
        """Run a stage of the search, with a share of the effort that the first may take; tell if that was enough."""
        search.effort = self.effort.again(share)
        try:
            stage(search, *arguments)
        except EffortUsedUpError:
            return False
        return True
