"""Claims that are right for another cost than the one that ran: steps of it hand slopes on, as a program told them to.

The smallest example is a straight-through estimate: ``Q = np.round(w)``, and a backward pass with dw = dQ. It is not
the gradient of the cost, which has none there; it may be what its author wants. So it is named, and fails.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fastcheck.diagnosis.detective import wording
from fastcheck.diagnosis.detective.evidence import BlockEvidence, Evidence
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Operation, Rule
from fastcheck.diagnosis.detective.graph.known_numbers import KnownNumbers
from fastcheck.diagnosis.detective.graph.steps import SURROGATES, Surrogate, rules_of, step_groups
from fastcheck.diagnosis.detective.hypotheses import EXPLAINS, Hypothesis
from fastcheck.diagnosis.detective.naming import enumerated, gradient_names
from fastcheck.diagnosis.detective.searching.effort import Effort
from fastcheck.diagnosis.detective.searching.search import residual_of, wrong_entries
from fastcheck.engines.graph.nodes.node import Array

KIND = "step with slopes"
"""Kind of the cause that a step of the cost hands slopes on."""

NO_FACTOR = 1e-9
"""Factors this near to 1 are none."""

WITH_FACTOR = 1.0
"""A surrogate times a number is so much less likely."""

MOST_GROUPS = 12
"""Groups of steps that are tried, from the first."""

MOST_DIFFERENT, USUAL = 3, 2
"""Of so many lines, each may have one of the first surrogates."""

HAS_NONE = "the cost itself changes there only by jumps, and has no slope"


Group = Sequence[Operation]

Trial = Sequence[tuple[Group, Surrogate]]
"""Steps, and what stands in for their slope."""


class StepSearch:
    """The search for steps of a cost that hand slopes on; those ``found`` outlive an interruption.

    ``graph`` is that of `with_handing_steps`. Each test is a sweep back; raises `EffortUsedUpError` after too many.
    """

    def __init__(self, graph: CostGraph, evidence: Evidence, deadline: float | None) -> None:
        self.graph, self.evidence = graph, evidence
        entries = sum(math.prod(operation.shape) for operation in graph.operations)
        self.effort = Effort(entries, len(graph.operations), deadline)
        self.numbers = KnownNumbers.of(graph)
        self.found: list[Hypothesis] = []

    def run(self) -> None:
        """Try each surrogate at the steps of each line, and at all steps together."""
        wrong = self.graph.bits(block.name for block in self.evidence.wrong)
        groups = [
            group
            for group in step_groups(self.graph)
            if any(self.graph.reach[operation.number] & wrong for operation in group)
        ]
        with np.errstate(all="ignore"):
            for trial in _trials(groups):
                self._try(trial)

    def _try(self, trial: Trial) -> None:
        claims = self._claims(trial, 1.0)
        if self._keep(trial, claims, 1.0):
            return
        factor = self._factor(claims)
        if factor is not None:
            self._keep(trial, self._claims(trial, factor), factor)

    def _claims(self, trial: Trial, factor: float) -> Mapping[str, Array]:
        self.effort.sweep()
        rules: dict[int, Rule] = {}
        for group, surrogate in trial:
            rules |= rules_of(self.graph, group, surrogate, factor)
        return self.graph.mutated(rules).right()

    def _factor(self, claims: Mapping[str, Array]) -> float | None:
        """Return the known number by which what steps hand on would have to be multiplied, if there is one."""
        wrong = self.evidence.wrong
        handed = np.concatenate([np.ravel(claims[block.name] - block.slopes) for block in wrong])
        error = np.concatenate([np.ravel(block.claimed - block.slopes) for block in wrong])
        square = float(handed @ handed)
        if not (math.isfinite(square) and square):
            return None
        factor = float(handed @ error) / square
        is_factor = abs(factor - 1) > NO_FACTOR and abs(factor) > NO_FACTOR
        return factor if is_factor and self.numbers.name(factor) is not None else None

    def _keep(self, trial: Trial, claims: Mapping[str, Array], factor: float) -> bool:
        """Keep what explains some of the wrong blocks, and leaves right ones right; tell if it does."""
        blocks = self.evidence.blocks
        left = {block.name: residual_of(block, claims[block.name], self.evidence) for block in blocks}
        if any(left[block.name] >= EXPLAINS for block in blocks if not block.wrong):
            return False
        explained = [block for block in self.evidence.wrong if left[block.name] < EXPLAINS]
        if not explained:
            return False
        steps = _in_words(trial, self.graph)
        times = "" if factor == 1.0 else f", times {self.numbers.name(factor)}"
        self.found.append(
            Hypothesis(
                kind=KIND,
                statement=(KIND, steps, round(factor, 7)),
                sentence=f"{self._claims_of(explained)} right if {steps}{times}: {HAS_NONE}",
                blocks=tuple(block.name for block in explained),
                residual=max(left[block.name] for block in explained),
                entries=wrong_entries(explained),
                unlikely=sum(surrogate.unlikely for _, surrogate in trial)
                + (0.0 if factor == 1.0 else WITH_FACTOR),
                lines=tuple(wording.lines_of([operation for group, _ in trial for operation in group])),
            )
        )
        return True

    def _claims_of(self, blocks: Sequence[BlockEvidence]) -> str:
        """Return "the claims are", or of which blocks they are."""
        if len(blocks) == len(self.evidence.wrong):
            return "the claims are"
        names = gradient_names([block.name for block in blocks])
        return f"{names} {'is' if len(blocks) == 1 else 'are'}"


def _trials(groups: Sequence[Group]) -> Iterator[Trial]:
    """Yield one surrogate at the steps of one line, of all lines, and those that people take at each of a few lines."""
    everything = [operation for group in groups for operation in group]
    several = [everything] if len(groups) > 1 else []
    for group in [*groups[:MOST_GROUPS], *several]:
        for surrogate in SURROGATES:
            yield [(group, surrogate)]
    if 1 < len(groups) <= MOST_DIFFERENT:
        for chosen in itertools.product(SURROGATES[:USUAL], repeat=len(groups)):
            if len(set(chosen)) > 1:
                yield list(zip(groups, chosen, strict=True))


def _in_words(trial: Trial, graph: CostGraph) -> str:
    """Return which steps do what: "line 7, `np.round(w)`, passed slopes through"."""
    return ", and ".join(f"{_places(group, graph)}, {surrogate.says}" for group, surrogate in trial)


def _places(group: Sequence[Operation], graph: CostGraph) -> str:
    """Return how a sentence names steps: by their lines."""
    lines: dict[object, list[Operation]] = {}
    for operation in group:
        line = None if operation.origin is None else operation.origin.execution.line
        lines.setdefault(line, []).append(operation)
    return enumerated([wording.place(operations, graph) for operations in lines.values()])
