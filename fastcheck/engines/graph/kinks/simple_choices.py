"""Choices at kinks that do not differ from entry to entry by design: conventions, mixtures of them, whole options.

Most backward passes are one of these: they take the first of equal entries, or the last, or split; or they do one of
that for |x| and another for max(x, 0).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fastcheck.engines.graph.kinks.feasible import FeasibleWeights, Flags
from fastcheck.engines.graph.kinks.points import Point, Points
from fastcheck.engines.graph.kinks.slopes_at_kinks import Kinks
from fastcheck.engines.graph.nodes.node import Array

MOST_OPERATIONS = 24
"""Operations at kinks, or lines of the user's code, up to which a mixture of conventions is sought for each: a step of
that search takes a sweep or two for each."""

MOST_MATCHED = 3
"""Rounds in which each entry at a kink gets the option that seems best."""

MOST_MIXED = 6
"""Mixtures that are tried."""

BETTER = 0.9
"""Part of the sum of squares that each of them has to leave at most."""

NO_DIRECTION = 1e-9
"""Singular values below this part of the largest: mixtures that make no difference."""


def conventions_of(kinks: Kinks) -> list[Array]:
    """Return the weights of usual backward passes: as recorded, the last option, equal parts, the first."""
    others = kinks.feasible.last(), kinks.feasible.split(), kinks.feasible.first()
    return [kinks.usual, *(weights for weights in others if not np.array_equal(weights, kinks.usual))]


def simple_choices(points: Points) -> Iterator[Point]:
    """Yield what conventions give, mixtures of them for operations of one kind or for each, and whole options."""
    kinks = points.kinks
    for weights in conventions_of(kinks):
        yield points.at(weights)
    kinds, operations = kinks.kinds(), kinks.operations(MOST_OPERATIONS)
    if 1 < len(kinds) < len(operations):
        yield from _mixtures(points, kinds)
    yield from _best_options(points)
    if len(operations) <= MOST_OPERATIONS:
        yield from _mixtures(points, operations)


def _best_options(points: Points) -> Iterator[Point]:
    """Yield what comes of the options that bring the slopes nearest to the claim, each entry having its own."""
    point = points.at(points.feasible.split())
    for _ in range(MOST_MATCHED):
        moves = points.moves(point)
        better = points.at(points.feasible.best(point.of_ties, moves))
        yield better
        if not better.squares < point.squares:
            break
        point = better


def _mixtures(points: Points, groups: Sequence[Flags]) -> Iterator[Point]:
    """Yield what comes nearer and nearer with one mixture of conventions for each group (Gauss, Newton).

    And what the conventions give that are nearest to these mixtures.
    """
    by_group = [_conventions_within(points.feasible, group) for group in groups]
    counts = np.array([len(conventions) for conventions in by_group])
    simplices = FeasibleWeights(np.repeat(np.arange(counts.size), counts), np.zeros(counts.size, dtype=bool))
    conventions = [weights for within in by_group for weights in within]
    changes = [weights - within[0] for within in by_group for weights in within[1:]]
    is_first = simplices.rank == 0
    mixture, squares_before = simplices.split(), np.inf
    for _ in range(MOST_MIXED):
        point = points.at(_mixed(mixture, conventions))
        yield point
        if not changes or not point.squares < BETTER * squares_before:
            break
        squares_before = point.squares
        responses = np.stack([points.response(change, point) for change in changes], 1)
        step = np.zeros(mixture.size)
        step[~is_first] = np.linalg.lstsq(responses, point.residual, rcond=NO_DIRECTION)[0]
        step[is_first] = -np.add.reduceat(step, simplices.starts)
        mixture = simplices.project(mixture + step)
        nearest_halves = simplices.project(np.round(2 * mixture) / 2)
        yield points.at(_mixed(nearest_halves, conventions))


def _conventions_within(feasible: FeasibleWeights, group: Flags) -> list[Array]:
    """Return the conventions that span what the options of a group may be given alike, 0 outside of it."""
    most_options = int(feasible.lengths[feasible.row[group]].max())
    conventions = [feasible.first(), feasible.last()]
    if most_options != 2:  # of two options equal parts are the mean of first and last
        conventions.append(feasible.split())
    return [np.where(group, weights, 0.0) for weights in conventions]


def _mixed(mixture: Array, conventions: Sequence[Array]) -> Array:
    """Return the weights of a mixture of conventions."""
    return np.asarray(sum(share * weights for share, weights in zip(mixture, conventions, strict=True)))
