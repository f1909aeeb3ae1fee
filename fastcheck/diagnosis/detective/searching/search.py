"""Tests explanations of wrong claims: along random directions first, by a sweep back if they pass."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastcheck.diagnosis.detective.evidence import BlockEvidence, Evidence
from fastcheck.diagnosis.detective.graph.cost_graph import CostGraph, Rule
from fastcheck.diagnosis.detective.graph.known_numbers import KnownNumbers
from fastcheck.diagnosis.detective.hypotheses import CONTRIBUTIONS, EXPLAINS, Hypothesis
from fastcheck.diagnosis.detective.searching.changed_slopes import Sweeps
from fastcheck.diagnosis.detective.searching.effort import Effort
from fastcheck.diagnosis.detective.searching.probes import Effect, Probes
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.pictures.code_lines import CodeLine

EXPLAINS_IN_SINGLE_PRECISION = 1e-2
"""Part of an error that is left where claims are known to single precision."""


LITTLE = 1e-10
"""Slopes of a block below this share of the network's are zero."""

FACTOR_OF_BLOCK = "factor of a block"
"""Kind of a factor of all that a parameter gets: its values say as much as its place."""

KINDS_OF_FACTORS = ("factor", FACTOR_OF_BLOCK, CONTRIBUTIONS)
"""Explanations that are places of an effect, where there is one."""

PENALTY = "penalty missing or too much"
"""Kind of the effect that a term is left out that is a multiple of θ: its place says more than its values."""

IN_PLACE_OF_PENALTY, AFTER_FACTOR, ORDER_OF_PLACES = -0.2, 0.01, 0.01
"""How much less likely places are than their effect, of a penalty and of a factor, and what is left of their order."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """A way in which a backward pass may be wrong, to be tested.

    ``says`` and ``lines`` make the sentence and the lines of the code once it has passed. ``seeds`` is what it changes
    of the slopes at some operations, first order; ``rules`` those operations that share otherwise, for a second
    explanation besides. What one with a ``key`` does is computed once.
    """

    kind: str
    statement: tuple[object, ...]
    says: Callable[[], str]
    lines: Callable[[], Sequence[CodeLine]]
    seeds: Callable[[], Mapping[int, Array]]
    rules: Callable[[], Mapping[int, Rule]]
    unlikely: float
    free: int = 0
    coefficient: float | None = None
    substitutes: bool = False
    mistakes: int = 1
    place: int = 0
    key: Hashable = None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Partial:
    """An explanation of some of the wrong blocks, which leaves right ones right; not yet tested by a sweep."""

    explanation: Explanation
    blocks: tuple[str, ...]
    effect: Effect


class Tested(NamedTuple):
    """An explanation that leaves right blocks right, and what it does along each direction."""

    along: Array
    explain: Callable[[], Explanation]


class Search:
    """The tests of explanations of one claim.

    ``found`` explain all wrong blocks of the evidence; what explains some of them is kept in ``partial`` if it
    ``keeps_partial``. ``effect`` is what all wrong claims are by their values, if that is a multiple, or off by one of
    θ: a factor anywhere in the graph that leads to it is a place of it. What it ``keeps_partial`` of, it keeps all that
    was ``tested``. Only operations ``below`` a number are looked at, if one is given: those nearer to the parameters.
    ``known`` is what edges, mutations and explanations by rules were found to do in this graph along these directions.
    """

    def __init__(
        self,
        graph: CostGraph,
        evidence: Evidence,
        probes: Probes,
        numbers: KnownNumbers,
        effort: Effort,
        found: list[Hypothesis],
        *,
        effect: Hypothesis | None = None,
        keeps_partial: bool = False,
        below: int | None = None,
        known: dict[Hashable, Effect] | None = None,
    ) -> None:
        self.graph, self.evidence, self.probes, self.numbers = graph, evidence, probes, numbers
        self.effort, self.keeps_partial = effort, keeps_partial
        self.found, self.effect, self.below = found, effect, below
        self.known = {} if known is None else known
        self.tested: list[Tested] = []
        self.partial: list[Partial] = []
        self.wrong = tuple(block.name for block in evidence.wrong)
        self.needed = graph.bits(self.wrong)

    def spares(self, number: int) -> bool:
        """Whether an operation is made of no block that is right, and not by being zero."""
        return not self.graph.reach[number] & self.untouched

    @functools.cached_property
    def untouched(self) -> int:
        """The bits of right blocks that are not zero."""
        least = LITTLE * self.evidence.least
        return self.graph.bits(b.name for b in self.evidence.blocks if not b.wrong and b.size > least)

    @property
    def allowed(self) -> float:
        """The part of an error that may be left."""
        return EXPLAINS_IN_SINGLE_PRECISION if self.evidence.single_precision else EXPLAINS

    def may_explain(self, number: int) -> bool:
        """Whether a change at an operation reaches all wrong blocks, or some, if partial explanations are kept."""
        return (self.below is None or number < self.below) and self.reaches(self.graph.reach[number])

    def reaches(self, blocks: int) -> bool:
        """Return the same for the blocks of these bits."""
        reached = blocks & self.needed
        return bool(reached) if self.keeps_partial else reached == self.needed

    def effect_of(self, edge: tuple[int, int]) -> Effect:
        """Return what all that an operation hands to an operand does."""
        return self.known_effect(edge, lambda: self._effect_of(edge))

    def _effect_of(self, edge: tuple[int, int]) -> Effect:
        share = self.graph.shares[edge]
        self.effort.test(share.size * len(self.probes.blocks))
        return self.probes.of(self.graph.targets[edge], share)

    def known_effect(self, key: Hashable, effect: Callable[[], Effect]) -> Effect:
        """Return an effect that is computed once."""
        if key not in self.known:
            self.known[key] = effect()
        return self.known[key]

    def consider(
        self,
        effect: Effect,
        explain: Callable[[], Explanation],
        verify: Callable[[Explanation], None] | None = None,
    ) -> None:
        """Test an explanation by its effect, and by a sweep if that is what is to be explained."""
        if not np.isfinite(effect.along).all():
            return
        explained = self.probes.explained(effect)
        if explained.all():
            (verify or self.verify)(explain())
        elif self.keeps_partial:
            self.remember(effect, explain)
            blocks = self.probes.blocks_explained(explained)
            if blocks:
                self.partial.append(Partial(explanation=explain(), blocks=blocks, effect=effect))

    def remember(self, effect: Effect, explain: Callable[[], Explanation]) -> None:
        """Keep what an explanation does, if it leaves right blocks right: two of them may explain the claims."""
        if self.probes.leaves_right(effect):
            self.tested.append(Tested(effect.along, explain))

    def verify(self, explanation: Explanation) -> None:
        """Keep an explanation if what it makes of all blocks is what is claimed."""
        self.effort.sweep()
        changes = self.graph.sent_back(explanation.seeds())
        of_blocks = self.graph.of_blocks(changes)
        right = self.graph.right()
        self.keep(explanation, {name: right[name] + of_blocks[name] for name in right})

    def try_rules(self, explanation: Explanation) -> None:
        """Test an explanation by operations that share by other rules: by what that does along the directions."""
        effect = self.known.get(explanation.key)
        if effect is None:
            self.effort.sweep()
            effect = self.sweeps.effect_of(explanation.rules())
            self._know(explanation, effect)
        self.effort.test(0)
        self.consider(effect, lambda: explanation, verify=self.verify_rules)

    def try_many_rules(self, explanation: Explanation) -> None:
        """Test an explanation by rules of so many operations that little of the graph stays as it is."""
        effect = self.known.get(explanation.key)
        if effect is not None:
            self.consider(effect, lambda: explanation, verify=self.verify_rules)
            return
        claims, right = self._claims_by(explanation), self.graph.right()
        self._know(explanation, self.probes.of_blocks({name: claims[name] - right[name] for name in right}))
        self.keep(explanation, claims)

    def _know(self, explanation: Explanation, effect: Effect) -> None:
        if explanation.key is not None:
            self.known[explanation.key] = effect

    @functools.cached_property
    def sweeps(self) -> Sweeps:
        """Sweeps through the graph."""
        return Sweeps(self.graph, self.probes)

    def verify_rules(self, explanation: Explanation) -> None:
        """Keep an explanation if a sweep through the whole graph, by its rules, makes of all blocks what is claimed."""
        self.keep(explanation, self._claims_by(explanation))

    def _claims_by(self, explanation: Explanation) -> dict[str, Array]:
        assert self.graph.result is not None
        self.effort.sweep()
        start = {self.graph.result: np.ones(self.graph.operations[self.graph.result].shape)}
        return self.graph.of_blocks(self.graph.sent_back(start, explanation.rules()))

    def keep(self, explanation: Explanation, claims: Mapping[str, Array]) -> None:
        """Keep an explanation if these claims, which it leads to, are those that were made."""
        residual = max(
            residual_of(block, claims[block.name], self.evidence) for block in self.evidence.blocks
        )
        if residual >= self.allowed:
            if self.keeps_partial:
                self._keep_partial(explanation, claims)
            return
        self.found.append(self._hypothesis(explanation, residual))

    def _hypothesis(self, explanation: Explanation, residual: float) -> Hypothesis:
        statement, unlikely = explanation.statement, explanation.unlikely
        coefficient = explanation.coefficient
        if self.effect is not None and explanation.kind in KINDS_OF_FACTORS:
            statement = self.effect.statement
            coefficient = coefficient if self.effect.kind == PENALTY else self.effect.coefficient
            before = IN_PLACE_OF_PENALTY if self.effect.kind == PENALTY else AFTER_FACTOR
            unlikely = self.effect.rank + before + ORDER_OF_PLACES * explanation.unlikely
        return Hypothesis(
            kind=explanation.kind,
            statement=statement,
            sentence=explanation.says(),
            blocks=self.wrong,
            residual=residual,
            entries=wrong_entries(self.evidence.wrong),
            unlikely=unlikely,
            free=explanation.free,
            substitutes=explanation.substitutes,
            mistakes=explanation.mistakes,
            coefficient=coefficient,
            lines=tuple(dict.fromkeys(explanation.lines())),
        )

    def _keep_partial(self, explanation: Explanation, claims: Mapping[str, Array]) -> None:
        evidence, right = self.evidence, self.graph.right()
        left = {block.name: residual_of(block, claims[block.name], evidence) for block in evidence.blocks}
        effect = self.probes.of_blocks({name: claims[name] - right[name] for name in right})
        self.remember(effect, lambda: explanation)
        if any(left[block.name] >= self.allowed for block in evidence.blocks if not block.wrong):
            return
        blocks = tuple(name for name in self.wrong if left[name] < self.allowed)
        if blocks:
            self.partial.append(Partial(explanation=explanation, blocks=blocks, effect=effect))


def residual_of(block: BlockEvidence, claimed: Array, evidence: Evidence) -> float:
    """Return how far a block's claims are from what an explanation makes of them, beyond rounding.

    That is relative to their error, or to their size where they are right.
    """
    left = float(np.max(np.abs(block.claimed - claimed), initial=0.0)) - block.rounding
    if not math.isfinite(left):
        return math.inf
    size = block.error if block.wrong else max(block.size, evidence.least)
    return max(0.0, left) / size if size else 0.0


def wrong_entries(blocks: Sequence[BlockEvidence]) -> int:
    """Return the number of entries that are wrong."""
    return sum(int(np.count_nonzero(np.abs(b.claimed - b.slopes) > b.rounding)) for b in blocks)


def added(*several: Mapping[int, Array], factors: Sequence[float] | None = None) -> dict[int, Any]:
    """Return the sum of changes of slopes, each times a factor."""
    total: dict[int, Any] = {}
    for changes, factor in zip(several, factors or (1.0,) * len(several), strict=True):
        for number, change in changes.items():
            part = change if factor == 1.0 else factor * change
            total[number] = total[number] + part if number in total else part
    return total
