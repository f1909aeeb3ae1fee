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
Residuals = Callable[[Sequence[Places], int], tuple[Vector, Vector]]
"""``residuals(groups, turn)``: Σ wᵢ eᵢ over each group and a bound on its error, both (k,), with weights wᵢ that belong
to the turn."""

MOST = 32
"""Groups known to be wrong at which halving all of them would cost more than saying so."""

FULL = 0.75
"""Part of all groups of a level that must be wrong before single places are tried, to see whether most are."""

TRIED = 16
"""Single places tried."""

WORN = 4.0
"""A bound that subtraction has made this many times that of a measurement asks for one."""

TURNS = 3
"""Weights that a wrong group is measured with before it counts as undecided, none of its halves being wrong."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
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
    sets: Sequence[Places], residuals: Residuals, *, seed: int = 0, most: int = MOST
) -> list[Found]:
    """Return for each set of places which of them are wrong.

    Sets are searched side by side: each level of halving is one call of ``residuals``, or a few. No group that is
    measured reaches over two sets. Errors that cancel each other under the weights of a turn are missed; another search
    finds them, with the errors found so far taken out of the residuals, and with other weights.
    """
    rng = np.random.default_rng(seed)
    searches = [_Search(places, most) for places in sets]
    table = _Table(residuals)
    for search, group in zip(searches, table.measured([s.places for s in searches], 0), strict=True):
        search.level = [group] if group.wrong else []
    while active := [search for search in searches if search.going]:
        parents = [group for search in active for group in search.level if group.places.size > 1]
        halves = dict(zip(map(id, parents), table.halved(parents), strict=True))
        for search in active:
            search.descend(halves)
        crowded = [search for search in active if search.crowded]
        some = [search.some(rng) for search in crowded]
        tried = iter(table.measured([place for places in some for place in places], table.turn))
        for search, places in zip(crowded, some, strict=True):
            search.judge([next(tried).wrong for _ in places])
    return [search.found() for search in searches]


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Some places, measured together with the weights of this turn."""

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


class _Search:
    """The groups of one set that are known to be wrong, and when to stop."""

    def __init__(self, places: Places, most: int) -> None:
        self.places, self.most = places, most
        self.level: list[_Group] = []
        self.total = 1
        self.tried = self.stopped = self.dense = False
        self.undecided: list[Places] = []

    @property
    def going(self) -> bool:
        return not self.stopped and any(group.places.size > 1 for group in self.level)

    @property
    def crowded(self) -> bool:
        return not self.tried and len(self.level) >= max(TRIED // 2, FULL * self.total)

    def descend(self, halves: dict[int, list[_Group]]) -> None:
        """Replace groups by their wrong halves."""
        level = []
        for group in self.level:
            wrong = halves.get(id(group), [group])
            level += wrong
            if not wrong:
                self.undecided.append(group.places)
        self.level, self.total = level, 2 * self.total
        self.stopped = len(level) > self.most

    def some(self, rng: np.random.Generator) -> list[Places]:
        """Return a few single places."""
        count = min(TRIED, self.places.size)
        chosen = np.sort(rng.choice(self.places.size, size=count, replace=False))
        return [self.places[i : i + 1] for i in chosen]

    def judge(self, wrong: Sequence[bool]) -> None:
        """Stop if most of the single places tried are wrong."""
        self.tried = True
        self.dense = 2 * sum(wrong) > len(wrong)
        self.stopped |= self.dense

    def found(self) -> Found:
        places = [group.places for group in self.level]
        return Found(
            wrong=_joined([] if self.stopped else places),
            groups=tuple(places) if self.stopped else (),
            undecided=_joined(self.undecided),
            dense=self.dense,
        )


class _Table:
    """The measurements."""

    def __init__(self, residuals: Residuals) -> None:
        self.residuals = residuals
        self.turn = 0

    def measured(self, groups: Sequence[Places], turn: int) -> list[_Group]:
        if not groups:
            return []
        values, bounds = self.residuals(groups, turn)
        return [
            _Group(places, float(value), float(bound), turn)
            for places, value, bound in zip(groups, values, bounds, strict=True)
        ]

    def halved(self, parents: Sequence[_Group]) -> list[list[_Group]]:
        """Return the wrong halves of each group."""
        turns = [parent.turn for parent in parents]
        left = self._by_turn([parent.halves()[0] for parent in parents], turns)
        right = [
            _Group(
                parent.halves()[1], parent.residual - half.residual, parent.bound + half.bound, parent.turn
            )
            for parent, half in zip(parents, left, strict=True)
        ]
        worn = [i for i, half in enumerate(left) if right[i].bound > WORN * half.bound]
        measured = self._by_turn([right[i].places for i in worn], [turns[i] for i in worn])
        for i, half in zip(worn, measured, strict=True):
            right[i] = half
        found = [[half for half in pair if half.wrong] for pair in zip(left, right, strict=True)]
        silent = [i for i, wrong in enumerate(found) if not wrong]
        for i, wrong in zip(silent, self._afresh([parents[i] for i in silent]), strict=True):
            found[i] = wrong
        return found

    def _by_turn(self, groups: Sequence[Places], turns: Sequence[int]) -> list[_Group]:
        """Measure groups, each with the weights of its turn, in one call for each turn."""
        results: dict[int, _Group] = {}
        for turn in sorted(set(turns)):
            rows = [i for i, own in enumerate(turns) if own == turn]
            results.update(zip(rows, self.measured([groups[i] for i in rows], turn), strict=True))
        return [results[i] for i in range(len(groups))]

    def _afresh(self, parents: Sequence[_Group]) -> list[list[_Group]]:
        """Measure both halves of wrong groups, neither of which looked wrong, with other weights."""
        found: list[list[_Group]] = [[] for _ in parents]
        for _ in range(TURNS - 1):
            silent = [i for i, wrong in enumerate(found) if not wrong]
            if not silent:
                break
            self.turn += 1
            both = self.measured([half for i in silent for half in parents[i].halves()], self.turn)
            for k, i in enumerate(silent):
                found[i] = [half for half in both[2 * k : 2 * k + 2] if half.wrong]
        return found


def _joined(parts: Sequence[Places]) -> Places:
    return np.sort(np.concatenate([np.empty(0, np.intp), *parts]))
