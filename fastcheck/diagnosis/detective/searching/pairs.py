"""Two mistakes: one explains some of the wrong blocks; in the backward pass that makes it, another explains the rest.

The mistake that is nearer to the output is alone in the blocks between the two; one in the formula of a single block is
alone there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from fastcheck.diagnosis.detective.evidence import Evidence
from fastcheck.diagnosis.detective.hypotheses import UNLIKELY_FIT, Hypothesis
from fastcheck.diagnosis.detective.ranking import TWO_MISTAKES, statement_of
from fastcheck.diagnosis.detective.searching.assigned_in_loops import try_assigned_in_loops
from fastcheck.diagnosis.detective.searching.contributions import try_contributions
from fastcheck.diagnosis.detective.searching.factors import try_factors
from fastcheck.diagnosis.detective.searching.recurrences import try_recurrences
from fastcheck.diagnosis.detective.searching.repeated_mutations import try_repeated
from fastcheck.diagnosis.detective.searching.samples import try_samples
from fastcheck.diagnosis.detective.searching.search import FACTOR_OF_BLOCK, Partial, Search
from fastcheck.diagnosis.detective.searching.single_mutations import Mutations, try_mutations

MOST_FIRST = 24
"""First mistakes for which a second one is looked for."""

MOST_SECOND = 3
"""Second mistakes that are kept for each."""

DIGITS_ALIKE = 6
"""Effects that agree to so many digits are those of one mistake."""

OF_ONE_BLOCK = 0.1
"""A pattern of one block beside another mistake is so much less likely than that."""

Patterns = Callable[[Evidence], Sequence[Hypothesis]]
"""Finds what claims are by their values alone."""


def try_pairs(search: Search, mutations: Mutations, patterns: Patterns) -> None:
    """Look for explanations by two mistakes; ``search`` has kept what explains some of the wrong blocks."""
    for first in _likeliest(search):
        search.found += _seconds(search, mutations, patterns, first)
    for pattern in patterns(search.evidence):
        if len(pattern.blocks) < len(search.wrong):
            search.found += _beside_pattern(search, mutations, pattern)


def _likeliest(search: Search) -> list[Partial]:
    """Return one partial explanation of each effect: those of most blocks, and the likeliest of these, first."""

    def rank(partial: Partial) -> tuple[int, float]:
        explanation = partial.explanation
        return -len(partial.blocks), explanation.unlikely + UNLIKELY_FIT * explanation.free

    different: dict[object, Partial] = {}
    for partial in sorted(search.partial, key=rank):
        along = partial.effect.along
        digits = np.round(along / (np.max(np.abs(along)) or 1.0), DIGITS_ALIKE)
        different.setdefault((partial.blocks, *digits.tolist()), partial)
    return list(different.values())[:MOST_FIRST]


def _seconds(search: Search, mutations: Mutations, patterns: Patterns, first: Partial) -> list[Hypothesis]:
    """Return what explains the rest, if the first mistake is made."""
    graph = search.graph.mutated(first.explanation.rules())
    evidence = search.evidence.with_slopes(graph.right())
    broken = {block.name for block in evidence.wrong} - set(search.wrong)
    if broken or not evidence.wrong or any(name in first.blocks for name in _names(evidence)):
        return []
    second = Search(
        graph, evidence, search.probes.of_other_slopes(evidence), search.numbers, search.effort, []
    )
    try_everything(second, mutations)
    found = _best(second.found)
    if len(evidence.wrong) == 1:
        found += _best([h for h in patterns(evidence) if set(h.blocks) == set(second.wrong)])
    if first.explanation.kind == FACTOR_OF_BLOCK:
        found = [one for one in found if one.lines and one.kind != FACTOR_OF_BLOCK]  # else values say as much
    magnified = search.evidence.magnified(evidence)
    exact = [h for h in found if h.residual * magnified < search.allowed]
    return [_joined(_as_hypothesis(search, first), h, search.wrong) for h in exact]


def _beside_pattern(search: Search, mutations: Mutations, pattern: Hypothesis) -> list[Hypothesis]:
    """Return what explains the other blocks, if some hold what a pattern tells."""
    evidence = search.evidence.with_slopes(search.graph.right(), without=pattern.blocks)
    if not evidence.wrong:
        return []
    probes = search.probes.of_other_slopes(evidence).without(pattern.blocks)
    second = Search(search.graph, evidence, probes, search.numbers, search.effort, [])
    try_everything(second, mutations)
    found = [one for one in _best(second.found) if one.kind != FACTOR_OF_BLOCK]
    return [_joined(pattern, h, search.wrong, OF_ONE_BLOCK) for h in found]


def try_everything(search: Search, mutations: Mutations) -> None:
    """Test all explanations by one mistake."""
    try_contributions(search)
    try_factors(search)
    try_recurrences(search)
    try_assigned_in_loops(search)
    try_mutations(search, mutations, sparing=True)
    try_repeated(search, mutations)
    try_samples(search)
    if not (search.found or search.effect):
        try_mutations(search, mutations, sparing=False)


def _names(evidence: Evidence) -> list[str]:
    return [block.name for block in evidence.wrong]


def _best(hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
    return sorted(hypotheses, key=lambda h: h.rank)[:MOST_SECOND]


def _as_hypothesis(search: Search, partial: Partial) -> Hypothesis:
    explanation = partial.explanation
    return Hypothesis(
        kind=explanation.kind,
        statement=explanation.statement,
        sentence=explanation.says(),
        blocks=partial.blocks,
        residual=0.0,
        entries=0,
        unlikely=explanation.unlikely,
        free=explanation.free,
        coefficient=explanation.coefficient,
        lines=tuple(dict.fromkeys(explanation.lines())),
    )


def _joined(
    first: Hypothesis, second: Hypothesis, blocks: Sequence[str], more_unlikely: float = 0.0
) -> Hypothesis:
    return dataclasses.replace(
        second,
        kind="two mistakes",
        statement=(TWO_MISTAKES, statement_of(first), statement_of(second)),
        sentence=f"two mistakes: {first.sentence}; and {second.sentence}",
        blocks=tuple(blocks),
        unlikely=first.unlikely + second.unlikely + more_unlikely,
        free=first.free + second.free,
        substitutes=True,
        mistakes=2,
        lines=tuple(dict.fromkeys((*first.lines, *second.lines))),
    )
