"""From a check that failed to the causes that its report names.

::

    Failure ─ evidence: claims and slopes ─ hypotheses: patterns, and what the graph knows ─ ranking ─ Causes
                                              none: the order of the blocks ──────────────────┘

The verdict does not depend on any of this: whatever ends the search, there is a report.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.backward_lines import lines_that_assign
from fastcheck.diagnosis.detective.evidence import Entries, Evidence
from fastcheck.diagnosis.detective.gathering_evidence import (
    agrees_with_coordinates,
    evidence_of_graph,
    evidence_of_known,
)
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph
from fastcheck.diagnosis.detective.graph.elsewhere import SlopesElsewhere
from fastcheck.diagnosis.detective.graph.recorded_graph import graph_of, graph_with_steps
from fastcheck.diagnosis.detective.hypotheses import Hypothesis
from fastcheck.diagnosis.detective.order import cause_of_order
from fastcheck.diagnosis.detective.patterns import (
    ERRORS_OF_FLOAT32,
    LOST_DIGITS,
    Hints,
    hypotheses_of_other_parameters,
    pattern_hypotheses,
)
from fastcheck.diagnosis.detective.ranking import UNRECOGNISED, ranked_causes
from fastcheck.diagnosis.detective.searching.effort import EffortUsedUpError
from fastcheck.diagnosis.detective.searching.false_friends import StepSearch
from fastcheck.diagnosis.detective.searching.from_graph import GraphSearch
from fastcheck.diagnosis.detective.searching.graph_hints import hints_of
from fastcheck.diagnosis.detective.searching.intermediates import cause_of_intermediates
from fastcheck.diagnosis.detective.searching.other_statistics import other_statistics
from fastcheck.diagnosis.detective.searching.recovered_slopes import cause_of_recovered
from fastcheck.diagnosis.detective.searching.search import KINDS_OF_FACTORS
from fastcheck.diagnosis.failing_block import FailingBlock
from fastcheck.errors import BudgetUsedUp
from fastcheck.execution import Execution
from fastcheck.problem.posing import Problem
from fastcheck.report.causes import INTERMEDIATE, LOCATED, ORDER, Cause
from fastcheck.report.result import BlockReport
from fastcheck.verdict.judging import Verdict

NAME_NO_MISTAKE = frozenset({ORDER, LOCATED, UNRECOGNISED})
"""Kinds of causes that tell where a mistake is, and not what it is."""

INTERRUPTED = "was interrupted"
"""What ended a search at Ctrl-C."""

STRICT = False
"""Whether an exception of the search passes through; the tests of fastcheck set it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Failure:
    """A check of which some blocks fail: its problem, and what is known of each block.

    ``known`` are failing blocks that were looked at as a whole, ``previous`` earlier parameters, by block.
    ``certified``: the blocks were judged by certified slopes of the recorded cost. ``errors_are_even``: the errors of
    all that fail are small and alike, as those of precision are. The search ends at the ``deadline``, a time of
    `time.perf_counter`; None if it may take as long as it takes.
    """

    problem: Problem
    blocks: Mapping[str, BlockReport]
    known: Sequence[FailingBlock]
    previous: Mapping[str, Entries] = field(default_factory=dict)
    execution: Execution = field(default_factory=Execution)
    seed: int = 0
    certified: bool = False
    errors_are_even: bool = False
    deadline: float | None = None

    @property
    def wrong(self) -> tuple[str, ...]:
        """The blocks that fail, in the order of the parameters."""
        names = [block.name for block in self.problem.layout.blocks if block.name in self.blocks]
        return tuple(name for name in names if self.blocks[name].verdict is Verdict.FAIL)


class Found(NamedTuple):
    """Causes, the best first, sentences about a search that did not come to its end, and the forward passes it took."""

    causes: tuple[Cause, ...]
    notes: tuple[str, ...]
    forward_passes: int

    @property
    def imprecise(self) -> frozenset[str]:
        """The blocks that causes say lost digits."""
        return frozenset(name for cause in self.causes if cause.kind in LOST_DIGITS for name in cause.blocks)

    @property
    def explained(self) -> frozenset[str]:
        """The blocks of which causes say what the mistake is, if not that digits are lost."""
        tell_no_more = {*LOST_DIGITS, ERRORS_OF_FLOAT32, ORDER, LOCATED, UNRECOGNISED, INTERMEDIATE}
        exact = [cause for cause in self.causes if cause.kind not in tell_no_more]
        return frozenset(name for cause in exact for name in cause.blocks)


def find_causes(failure: Failure) -> Found:
    """Return what explains the claims that are wrong, as far as that is found before the search is ended."""
    search = _Search(failure)
    with search.guarded():
        search.run()
    causes: tuple[Cause, ...] = ()
    with search.guarded():
        causes = search.causes()
    with search.guarded():
        causes = with_backward_lines(causes, failure.problem.claimed_by)
    notes = (*search.notes, *(about_ending(ending, causes) for ending in search.endings))
    return Found(causes, notes, search.forward_passes)


def about_ending(ending: str, causes: Sequence[Cause]) -> str:
    """Return the sentence about what ended the search for causes, and how far to trust those that are named."""
    named = [cause for cause in causes if cause.kind not in NAME_NO_MISTAKE]
    if not named:
        return f"the search for causes {ending} before one was named."
    uncertain = "" if any(cause.certain for cause in named) else ", and are not certain"
    return f"the search for causes {ending}: those that are named were found before{uncertain}."


def with_backward_lines(causes: Sequence[Cause], *claimed_by: Any) -> tuple[Cause, ...]:
    """Return causes with the lines that assign their blocks in the functions that the claim came from."""
    names = dict.fromkeys(name for cause in causes for name in cause.blocks)
    lines = {name: [line for one in claimed_by for line in lines_that_assign(one, name)] for name in names}
    return tuple(
        dataclasses.replace(
            cause, backward_lines=tuple(dict.fromkeys(line for name in cause.blocks for line in lines[name]))
        )
        if cause.kind != INTERMEDIATE  # that names lines of its own
        else cause
        for cause in causes
    )


@dataclass(slots=True)
class _Search:
    """The hypotheses found so far, and whether all have been looked for."""

    failure: Failure
    evidence: Evidence = field(default_factory=lambda: Evidence(blocks=(), complete=False))
    hypotheses: list[Hypothesis] = field(default_factory=list)
    from_graph: list[Hypothesis] = field(default_factory=list)
    intermediate: Cause | None = None
    recovered: Cause | None = None
    names_in_use: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    forward_passes: int = 0
    finished: bool = False

    def run(self) -> None:
        """Look for hypotheses."""
        failure = self.failure
        self.evidence = evidence_of_known(failure.problem, failure.known)
        self.hypotheses = _patterns_in(self.evidence, Hints(cost=float(failure.problem.value)))
        graph = self._recorded()
        evidence = evidence_of_graph(failure.problem, failure.wrong, failure.known, graph)
        if graph is not None:
            self.names_in_use = graph.names_in_order_of_use()
            self.intermediate = cause_of_intermediates(failure.problem, graph, failure.wrong)
        elif failure.previous:
            self.notes.append(
                "previous: what the gradient is there is not known, as the cost could not be recorded."
            )
        if graph is not None and evidence is not None:
            hints = hints_of(graph)
            self.evidence = evidence = _with_doubts(evidence, self.evidence)
            looked_at = {block.name for block in evidence.wrong}
            of_others = [one for one in self.hypotheses if looked_at.isdisjoint(one.blocks)]
            self.hypotheses = _patterns_in(evidence, hints) + of_others
            patterns = functools.partial(pattern_hypotheses, hints=hints)
            search = GraphSearch(graph, evidence, patterns, failure.seed, failure.deadline)
            self.from_graph = search.found
            search.run()
            ended = search.ended
            if graph.has_steps and all(one.mistakes > 1 for one in self._explaining_all()):
                ended |= not self._look_at_steps(evidence)
            if not self._explaining_all():
                self.recovered = cause_of_recovered(evidence, graph)
                ended |= not self._look_at_statistics(evidence, graph)
            if ended:
                if failure.deadline is not None and time.perf_counter() > failure.deadline:
                    self.endings.append("ended with the time budget")
                return
            if not self._explaining_all():
                self._look_elsewhere(evidence, graph)
        self.finished = True

    def _explaining_all(self) -> list[Hypothesis]:
        """Return the hypotheses so far that explain all blocks that are wrong, and not by telling where they are."""
        wrong = set(self.failure.wrong)
        found = (*self.hypotheses, *self.from_graph)
        return [one for one in found if set(one.blocks) == wrong and one.entries > one.free]

    def _look_at_steps(self, evidence: Evidence) -> bool:
        """Look for claims that are right if steps of the cost hand slopes on; tell if that came to its end."""
        attempt, tally = self.failure.problem.counted()
        try:
            graph = graph_with_steps(attempt, self.failure.execution)
        finally:
            self.forward_passes += tally.passes
        if graph is None:
            return True
        search = StepSearch(graph, evidence, self.failure.deadline)
        try:
            search.run()
        except EffortUsedUpError:
            return False
        finally:
            self.from_graph = [*self.from_graph, *search.found]
        return True

    def _look_at_statistics(self, evidence: Evidence, graph: CostGraph) -> bool:
        """Look for normalisations with other statistics; tell if that came to its end."""
        try:
            with np.errstate(all="ignore"):
                for hypothesis in other_statistics(evidence, graph, self.failure.deadline):
                    self.from_graph = [*self.from_graph, hypothesis]
        except EffortUsedUpError:
            return False
        return True

    def _look_elsewhere(self, evidence: Evidence, graph: CostGraph) -> None:
        """Look for claims that are the gradient at other parameters."""
        failure = self.failure
        attempt, tally = failure.problem.counted()
        slopes_at = SlopesElsewhere(attempt, graph, failure.execution, failure.deadline)
        try:
            with_previous = dataclasses.replace(evidence, previous=failure.previous)
            self.hypotheses += hypotheses_of_other_parameters(with_previous, slopes_at)
        finally:
            self.forward_passes += tally.passes

    def _recorded(self) -> CostGraph | None:
        """Return the graph of the cost, None where it cannot be recorded or is not confirmed; count forward passes."""
        failure = self.failure
        if failure.problem.is_uncertified:
            return None
        attempt, tally = failure.problem.counted()
        try:
            graph = graph_of(attempt, failure.execution).graph
        finally:
            self.forward_passes += tally.passes
        is_confirmed = failure.certified or (
            graph is not None and agrees_with_coordinates(graph, failure.wrong, failure.blocks)
        )
        return graph if is_confirmed else None

    def causes(self) -> tuple[Cause, ...]:
        """Return the causes that the hypotheses make, or what else is known."""
        failure = self.failure
        from_graph = [one for one in self.from_graph if self._may_be_told(one)]
        causes = ranked_causes(
            [*self.hypotheses, *from_graph],
            failure.wrong,
            searched_all=self.finished,
            single_precision=self.evidence.single_precision,
        )
        if failure.errors_are_even:  # a note says what those are that are not recognised
            causes = tuple(cause for cause in causes if cause.kind != UNRECOGNISED)
        else:
            beside = [self.intermediate, None if self._explaining_all() else self.recovered]
            causes = (*causes, *(cause for cause in beside if cause is not None))
        return causes or self._known_otherwise()

    def _may_be_told(self, hypothesis: Hypothesis) -> bool:
        """Tell whether slopes and errors of its blocks are such that a hypothesis from the graph tells of a mistake."""
        blocks = [block for block in self.evidence.wrong if block.name in hypothesis.blocks]
        structure_is_known_only = any(block.structure_only for block in blocks)
        if structure_is_known_only and hypothesis.kind in KINDS_OF_FACTORS:
            return False
        even = [block for block in blocks if block.even]
        no_accident = all(block.is_no_accident(hypothesis.entries, hypothesis.free) for block in even)
        return no_accident and (hypothesis.mistakes == 1 or not (structure_is_known_only or even))

    def _known_otherwise(self) -> tuple[Cause, ...]:
        """Return where the mistakes were located, or what the order of the blocks says; of precision nothing."""
        failure = self.failure
        if failure.errors_are_even:
            return ()
        places = {name: failure.blocks[name].located for name in failure.wrong}
        located = [
            Cause(kind=LOCATED, blocks=(name,), sentence=place.sentence, evidence="", certain=False)
            for name, place in places.items()
            if place is not None and place.how != "nothing"
        ]
        names = [block.name for block in failure.problem.layout.blocks]
        return tuple(located) or (cause_of_order(names, failure.blocks, self.names_in_use),)

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Note what ends the ``with`` block before its end, and go on."""
        try:
            yield
        except KeyboardInterrupt:
            self.endings.append(INTERRUPTED)
        except BudgetUsedUp as used_up:
            self.endings.append(f"ended, as {used_up},")
        except Exception as error:
            if STRICT:
                raise
            self.notes.append(
                f"the search for causes ended with {type(error).__name__}: {error}. The verdict does not depend on it. "
                "Please report this."
            )


def _with_doubts(evidence: Evidence, known: Evidence) -> Evidence:
    """Return the evidence of the graph, with what is known of its blocks: structure only, and errors that are even."""
    doubts = {block.name: (block.structure_only, block.even) for block in known.blocks}
    blocks = []
    for block in evidence.blocks:
        structure_only, even = doubts.get(block.name, (False, False))
        blocks.append(dataclasses.replace(block, structure_only=structure_only, even=even))
    return dataclasses.replace(evidence, blocks=blocks)


def _patterns_in(evidence: Evidence, hints: Hints | None = None) -> list[Hypothesis]:
    """Return what patterns say of blocks with slopes that tell of numbers, and of those that tell of structure only."""
    hypotheses: list[Hypothesis] = []
    for structure_only in (False, True):
        blocks = [
            block for block in evidence.blocks if not block.wrong or block.structure_only is structure_only
        ]
        part = dataclasses.replace(evidence, blocks=blocks)
        if part.wrong:
            hypotheses += pattern_hypotheses(part, hints, structural_only=structure_only)
    return hypotheses
