"""Two mistakes in the same blocks: pairs whose effects add up to the errors, and pairs one behind the other.

What two mistakes in different terms do along random directions adds up, but for what they make of each other, so that
the pairs nearest to the errors are tested by a sweep. A mistake behind another one, in one chain, is looked for in the
backward pass that makes the first.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from fastcheck.diagnosis.detective.hypotheses import Hypothesis
from fastcheck.diagnosis.detective.searching.factors import try_factors
from fastcheck.diagnosis.detective.searching.search import FACTOR_OF_BLOCK, Explanation, Search, Tested
from fastcheck.diagnosis.detective.searching.single_mutations import Mutations, try_mutations
from fastcheck.engines.graph.nodes.node import Array
from fastcheck.problem.parameters import Vector

MOST_SUMS = 64
"""Pairs that are tested by a sweep: those whose effects are nearest to the errors."""

NEIGHBOURS = 3
"""Effects that are looked at for each first one: the nearest of those that come after it."""

OF_SAME_EFFECT, DIGITS_ALIKE = 2, 9
"""Explanations that are looked at of those whose effects are alike to so many digits."""

MOST_EFFECTS = 4096
"""Effects of which pairs are made."""

ROWS_AT_ONCE = 256
"""Effects for which others are looked for together."""

MOST_APART = 0.5
"""Pairs that leave more of the errors than this share are not tested."""

MOST_IN_CHAIN, LIKELY_IN_CHAIN = 40, 1.6
"""First mistakes for which a second one behind them is looked for, and how unlikely they may be."""


def try_sums(search: Search) -> None:
    """Test pairs of explanations whose effects add up to about the errors."""
    pairs = nearest_sums(search.tested, search.probes.error)
    for first, second in itertools.islice(pairs, MOST_SUMS):
        rules, others = first.rules(), second.rules()
        values_say_as_much = first.kind == second.kind == FACTOR_OF_BLOCK
        if rules and others and not rules.keys() & others.keys() and not values_say_as_much:
            search.try_rules(joined(first, second))


def nearest_sums(tested: Sequence[Tested], error: Vector) -> Iterator[tuple[Explanation, Explanation]]:
    """Yield pairs of explanations, the ones nearest to the error first; of the same effect, the first ones."""
    members = _by_effect(tested)[:MOST_EFFECTS]
    for first, second in nearest_pairs(np.array([each[0].along for each in members]), error):
        for one, other in itertools.product(
            members[first][:OF_SAME_EFFECT], members[second][:OF_SAME_EFFECT]
        ):
            yield one.explain(), other.explain()


def _by_effect(tested: Sequence[Tested]) -> list[list[Tested]]:
    """Return explanations, together those that do the same; without those that do nothing."""
    alike: dict[tuple[float, ...], list[Tested]] = {}
    for one in tested:
        if np.isfinite(one.along).all() and one.along.any():
            alike.setdefault(tuple(np.round(one.along, DIGITS_ALIKE).tolist()), []).append(one)
    return list(alike.values())


def nearest_pairs(effects: Array, error: Vector) -> list[tuple[int, int]]:
    """Return which two effects add up to about the error, the best first: a few for each first one."""
    bound = MOST_APART * float(np.linalg.norm(error))
    found: list[tuple[float, int, int]] = []
    for start in range(0, len(effects), ROWS_AT_ONCE):
        left = error - effects[start : start + ROWS_AT_ONCE]
        squares = np.sum(left**2, axis=1)[:, None] + np.sum(effects**2, axis=1) - 2 * left @ effects.T
        near = np.triu(squares <= bound**2, k=start + 1)
        for row in np.flatnonzero(near.any(axis=1)):
            others = np.flatnonzero(near[row])
            nearest = others[np.argsort(squares[row, others], kind="stable")[:NEIGHBOURS]]
            distances = np.linalg.norm(left[row] - effects[nearest], axis=1)
            found += zip(distances.tolist(), [start + int(row)] * len(nearest), nearest.tolist(), strict=True)
    return [(first, second) for _, first, second in sorted(found)]


def joined(first: Explanation, second: Explanation) -> Explanation:
    """Return the explanation by two mistakes, which share no operation."""
    return Explanation(
        kind="two mistakes",
        statement=("two mistakes", first.statement, second.statement),
        says=lambda: f"two mistakes: {first.says()}; and {second.says()}",
        lines=lambda: [*first.lines(), *second.lines()],
        seeds=dict,
        rules=lambda: {**first.rules(), **second.rules()},
        unlikely=first.unlikely + second.unlikely,
        free=first.free + second.free,
        substitutes=True,
        mistakes=2,
        place=first.place,
    )


def try_chains(search: Search, mutations: Mutations) -> None:
    """Look for a second mistake behind each of the likeliest that alone would change all wrong blocks, and no other."""
    for first in _firsts(search):
        search.effort.sweep()
        graph = search.graph.mutated(first.rules())
        evidence = search.evidence.with_slopes(graph.right())
        names = {block.name for block in evidence.wrong}
        if names != set(search.wrong):
            continue
        probes = search.probes.of_other_slopes(evidence)
        found: list[Hypothesis] = []
        second = Search(graph, evidence, probes, search.numbers, search.effort, found, below=first.place)
        try_factors(second)
        try_mutations(second, mutations, sparing=True)
        magnified = search.evidence.magnified(evidence)
        exact = [one for one in found if one.residual * magnified < search.allowed]
        search.found += [_behind(first, one) for one in sorted(exact, key=lambda one: one.rank)[:1]]


def _firsts(search: Search) -> Iterator[Explanation]:
    seen: set[object] = set()
    same_effect = _by_effect(search.tested)[:MOST_EFFECTS]
    explanations = (one.explain() for alike in same_effect for one in alike[:OF_SAME_EFFECT])
    likely = [one for one in explanations if one.unlikely <= LIKELY_IN_CHAIN and one.free == 0]
    for explanation in sorted(likely, key=lambda one: one.unlikely):
        key = (explanation.statement, explanation.place)
        is_candidate = search.may_explain(explanation.place) and explanation.rules()
        if key not in seen and is_candidate and len(seen) < MOST_IN_CHAIN:
            seen.add(key)
            yield explanation


def _behind(first: Explanation, second: Hypothesis) -> Hypothesis:
    return dataclasses.replace(
        second,
        kind="two mistakes",
        statement=("two mistakes", first.statement, second.statement),
        sentence=f"two mistakes: {first.says()}; and {second.sentence}",
        unlikely=first.unlikely + second.unlikely,
        free=first.free + second.free,
        substitutes=True,
        mistakes=2,
        lines=tuple(dict.fromkeys((*first.lines(), *second.lines))),
    )
