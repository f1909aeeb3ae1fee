"""Which of many places are wrong, when only sums over groups of them can be measured.

The residual of a group is the sum of the errors in it, each with a random sign and weight, and known up to a bound.
A group whose residual exceeds its bound is halved: one half is measured, the other follows by subtraction. So k wrong
places among n are found with about 2 k log₂(n / k) measurements. This is adaptive group testing with noise; it knows
nothing of costs and gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Places = NDArray[np.intp]
GroupResiduals = Callable[[Sequence[Places], int], tuple[Vector, Vector]]
"""``residuals(groups, turn)``: Σ wᵢ eᵢ over each group and a bound on its error, both (k,), with weights wᵢ that belong
to the turn."""

MOST_GROUPS = 32
"""Groups known to be wrong at which halving all of them would cost more than saying so."""

CROWDED = 0.75
"""Part of all groups of a level that must be wrong before single places are tried, to see whether most are."""

SINGLES_TRIED = 16
"""Single places tried."""

WORN_OUT = 4.0
"""A bound that subtraction has made this many times that of a measurement asks for one."""

TURNS_OF_GROUP = 3
"""Weights that a wrong group is measured with before it counts as undecided, none of its halves being wrong."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WrongPlaces:
    """What is known of one set of places.

    ``wrong`` are places whose own residual exceeds its bound. ``groups`` were wrong when the search stopped early:
    ``dense`` if most single places are wrong, otherwise because there were too many. ``undecided`` are the places of
    groups in which something is wrong that no single half showed.
    """

    wrong: Places
    groups: tuple[Places, ...]
    undecided: Places
    dense: bool

    @property
    def complete(self) -> bool:
        """Whether every group that was wrong has been followed to its places."""
        return not (self.groups or self.undecided.size)


def find_wrong(
    sets: Sequence[Places], residuals: GroupResiduals, *, seed: int = 0, most: int = MOST_GROUPS
) -> list[WrongPlaces]:
    """Return for each set of places which of them are wrong.

    Sets are searched side by side: each level of halving is one call of ``residuals``, or a few. No group that is
    measured reaches over two sets. Errors that cancel each other under the weights of a turn are missed; another search
    finds them, with the errors found so far taken out of the residuals, and with other weights.
    """
    rng = np.random.default_rng(seed)
    searches = [_SetSearch(places, most) for places in sets]
    table = _Measurements(residuals)
    for search, group in zip(searches, table.measure([search.places for search in searches], 0), strict=True):
        search.level = [group] if group.wrong else []
    while active := [search for search in searches if search.going]:
        parents = [search.parents() for search in active]
        halves = iter(table.wrong_halves([group for groups in parents for group in groups]))
        for search, groups in zip(active, parents, strict=True):
            search.descend([next(halves) for _ in groups])
        for search in active:
            if search.crowded:
                tried = table.measure(search.single_places(rng), table.turn)
                search.stop_if_most_are_wrong([group.wrong for group in tried])
    return [search.result() for search in searches]


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Places measured together with the weights of this turn."""

    places: Places
    residual: float
    bound: float
    turn: int

    @property
    def wrong(self) -> bool:
        return abs(self.residual) > self.bound

    def halves(self) -> tuple[Places, Places]:
        middle = self.places.size // 2
        return self.places[:middle], self.places[middle:]


class _SetSearch:
    """The groups of one set that are known to be wrong, and when to stop."""

    def __init__(self, places: Places, most: int) -> None:
        self.places, self.most = places, most
        self.level: list[_Group] = []
        self.groups_of_level = 1
        self.tried = self.stopped = self.dense = False
        self.undecided: list[Places] = []

    @property
    def going(self) -> bool:
        return bool(self.parents()) and not self.stopped

    @property
    def crowded(self) -> bool:
        enough = max(SINGLES_TRIED // 2, CROWDED * self.groups_of_level)
        return not self.tried and len(self.level) >= enough

    def parents(self) -> list[_Group]:
        """Return the groups that can be halved."""
        return [group for group in self.level if group.places.size > 1]

    def descend(self, wrong_halves: Sequence[list[_Group]]) -> None:
        """Replace the groups that can be halved by their wrong halves."""
        halves = iter(wrong_halves)
        level = []
        for group in self.level:
            if group.places.size == 1:
                level.append(group)
                continue
            wrong = next(halves)
            level += wrong
            if not wrong:
                self.undecided.append(group.places)
        self.level = level
        self.groups_of_level *= 2
        self.stopped = len(level) > self.most

    def single_places(self, rng: np.random.Generator) -> list[Places]:
        """Return a few single places."""
        count = min(SINGLES_TRIED, self.places.size)
        chosen = np.sort(rng.choice(self.places.size, size=count, replace=False))
        return [self.places[i : i + 1] for i in chosen]

    def stop_if_most_are_wrong(self, wrong: Sequence[bool]) -> None:
        """Stop if most of the single places tried are wrong."""
        self.tried = True
        self.dense = 2 * sum(wrong) > len(wrong)
        self.stopped |= self.dense

    def result(self) -> WrongPlaces:
        groups = tuple(group.places for group in self.level)
        return WrongPlaces(
            wrong=_joined(() if self.stopped else groups),
            groups=groups if self.stopped else (),
            undecided=_joined(self.undecided),
            dense=self.dense,
        )


class _Measurements:
    """What measures groups.

    Of two halves one is measured and the other follows by subtraction. Where neither looks wrong, both are measured
    afresh with other weights. The smallest example that needs it: two errors of 0.8, each measured to ± 1. Their sum is
    wrong, and neither of them is; with a weight of 1.5 one is.
    """

    def __init__(self, residuals: GroupResiduals) -> None:
        self.residuals = residuals
        self.turn = 0

    def measure(self, groups: Sequence[Places], turn: int) -> list[_Group]:
        if not groups:
            return []
        values, bounds = self.residuals(groups, turn)
        return [
            _Group(places, float(value), float(bound), turn)
            for places, value, bound in zip(groups, values, bounds, strict=True)
        ]

    def wrong_halves(self, parents: Sequence[_Group]) -> list[list[_Group]]:
        """Return the wrong halves of each group."""
        turns = [parent.turn for parent in parents]
        left = self._by_turn([parent.halves()[0] for parent in parents], turns)
        right = [_rest(parent, half) for parent, half in zip(parents, left, strict=True)]
        worn_out = [i for i, half in enumerate(left) if right[i].bound > WORN_OUT * half.bound]
        measured = self._by_turn([right[i].places for i in worn_out], [turns[i] for i in worn_out])
        for i, half in zip(worn_out, measured, strict=True):
            right[i] = half
        wrong = [[half for half in pair if half.wrong] for pair in zip(left, right, strict=True)]
        silent = [i for i, halves in enumerate(wrong) if not halves]
        for i, halves in zip(silent, self._afresh([parents[i] for i in silent]), strict=True):
            wrong[i] = halves
        return wrong

    def _by_turn(self, groups: Sequence[Places], turns: Sequence[int]) -> list[_Group]:
        """Measure groups, each with the weights of its turn, in one call for each turn."""
        results: dict[int, _Group] = {}
        for turn in sorted(set(turns)):
            rows = [i for i, own in enumerate(turns) if own == turn]
            results.update(zip(rows, self.measure([groups[i] for i in rows], turn), strict=True))
        return [results[i] for i in range(len(groups))]

    def _afresh(self, parents: Sequence[_Group]) -> list[list[_Group]]:
        """Measure both halves of wrong groups, neither of which looked wrong, with other weights."""
        wrong: list[list[_Group]] = [[] for _ in parents]
        for _ in range(TURNS_OF_GROUP - 1):
            silent = [i for i, halves in enumerate(wrong) if not halves]
            if not silent:
                break
            self.turn += 1
            both = self.measure([half for i in silent for half in parents[i].halves()], self.turn)
            for k, i in enumerate(silent):
                wrong[i] = [half for half in both[2 * k : 2 * k + 2] if half.wrong]
        return wrong


def _rest(parent: _Group, half: _Group) -> _Group:
    """Return the second half of a group of which the first was measured."""
    residual, bound = parent.residual - half.residual, parent.bound + half.bound
    return _Group(parent.halves()[1], residual, bound, parent.turn)


def _joined(parts: Sequence[Places]) -> Places:
    return np.sort(np.concatenate([np.empty(0, np.intp), *parts]))
