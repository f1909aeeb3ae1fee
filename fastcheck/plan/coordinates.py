"""Which coordinates are checked, and with which step."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.errors import InvalidProblemError
from fastcheck.norms import pieces
from fastcheck.plan.sampling import FIRST_OF_EACH_BLOCK
from fastcheck.problem.options import is_real, is_whole, validate_seed
from fastcheck.problem.parameters import Block, Layout, Vector, coordinate_name

Coordinates = NDArray[np.intp]

TOLERANCE = 1e-7
"""Relative error that claims may have unless told otherwise."""

ALPHA, LARGEST_ALPHA = 1e-9, 0.01
"""Probability with which a certificate of slopes may be wrong, and the largest that may be asked for."""

DIRECTIONS, FEWEST_DIRECTIONS = 4, 2
"""Random directions along which they are certified, and the fewest that may be asked for."""

PRODUCT_ROUNDING = 1e-12
"""A tenth of thirty is three: products of a fraction and a size are rounded by less than this part."""

DIFFERENCES_AT_STEP = 256
"""Coordinates of each block of which differences with a given step are computed where slopes are known without."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """What is checked of one block: k of its coordinates.

    ``places`` are their ascending positions in the flattened block, or None: all of them. ``drawn`` tells that they
    are a random sample.
    """

    block: Block
    places: Coordinates | None
    drawn: bool = False

    @property
    def size(self) -> int:
        """The number k."""
        return self.block.size if self.places is None else self.places.size

    @property
    def coordinates(self) -> Coordinates:
        """Their ascending positions in the vector θ, (k,)."""
        if self.places is None:
            return np.arange(self.block.start, self.block.stop)
        return self.block.start + self.places

    def at(self, rows: slice | Coordinates) -> Coordinates:
        """Return the places of some of the k coordinates: a slice of them (its step 1), or their numbers."""
        if self.places is not None:
            return self.places[rows]
        return np.arange(*rows.indices(self.block.size)) if isinstance(rows, slice) else rows

    def rows(self, places: Coordinates) -> Coordinates:
        """Return the numbers, among the k coordinates, of those at these places: the inverse of `at`."""
        return places if self.places is None else np.searchsorted(self.places, places)

    def take(self, values: NDArray[Any], rows: slice | Coordinates) -> NDArray[Any]:
        """Return what an array in the block's shape, or flat, holds at some of the coordinates; a view if it can be."""
        flat = values.reshape(-1) if values.flags.c_contiguous else values.flat
        chosen: NDArray[Any] = flat[rows if self.places is None else self.places[rows]]
        return chosen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """The coordinates to check, block by block, and the step ε.

    ``parts`` are those blocks of which any are checked, in their order. ``epsilon`` None leaves the step to the
    engine. ``seed`` is the one that drew the sample, and draws the ``directions`` of a certificate that may be wrong
    with probability ``alpha``. ``tolerance`` is what claims may be off by, relatively. Where slopes are known without
    the step, differences with it are computed of ``most_at_step`` coordinates of each part.
    """

    parts: tuple[Part, ...]
    epsilon: float | None
    seed: int
    alpha: float = ALPHA
    directions: int = DIRECTIONS
    tolerance: float = TOLERANCE
    most_at_step: int = DIFFERENCES_AT_STEP

    def rows_at_step(self, part: Part) -> Coordinates:
        """Return the rows of a part of which differences with the step are computed."""
        return spread_rows(part.size, self.most_at_step)

    @property
    def size(self) -> int:
        """Number of coordinates to check."""
        return sum(part.size for part in self.parts)

    @property
    def rows(self) -> tuple[slice, ...]:
        """Where each part is among the coordinates."""
        ends = np.cumsum([0, *(part.size for part in self.parts)])
        return tuple(slice(int(first), int(last)) for first, last in pairwise(ends))

    @property
    def coordinates(self) -> Coordinates:
        """Their ascending positions in the vector θ, shape (k,): made anew each time."""
        return np.concatenate([part.coordinates for part in self.parts])


def spread_rows(size: int, most: int) -> Coordinates:
    """Return rows of ``size``, all or ``most`` of them, spread evenly."""
    return np.unique(np.linspace(0, size - 1, min(size, most)).astype(np.intp))


def make_plan(
    layout: Layout,
    theta: Vector,
    coordinates: Any,
    epsilon: float | None,
    seed: int,
    *,
    alpha: float = ALPHA,
    directions: int = DIRECTIONS,
    tolerance: float = TOLERANCE,
) -> Plan:
    """Choose the coordinates and validate the step, and what is asked of a certificate.

    ``coordinates`` is ``"all"``; a number of coordinates per block, all of those that have fewer; a fraction of each
    block in (0, 1], and at least `FIRST_OF_EACH_BLOCK`; a dict from block names to any of these or to a list of indices
    (blocks left out are not checked); or a list of positions, each ``("W1", (3, 0))`` or ``"W1[3, 0]"``. Samples are
    drawn in each block by itself and without replacement, the same for the same seed.
    """
    seed = validate_seed(seed)
    parts = tuple(part for part in _choose(layout, coordinates, seed) if part.size)
    if not parts:
        raise InvalidProblemError("coordinates: none chosen. Ask for at least one, or for 'all'.")
    if epsilon is not None:
        for part in parts:
            _validate_step(layout, theta, part, epsilon)
    return Plan(
        parts=parts,
        epsilon=None if epsilon is None else float(epsilon),
        seed=seed,
        alpha=validate_alpha(alpha),
        directions=validate_directions(directions),
        tolerance=tolerance,
    )


def validate_alpha(alpha: Any) -> float:
    """Return the probability of a wrong certificate as a float; `InvalidProblemError` unless it is small."""
    if is_real(alpha) and 0 < float(alpha) <= LARGEST_ALPHA:
        return float(alpha)
    raise InvalidProblemError(
        f"alpha: expected the probability of a wrong certificate, above 0 and at most {LARGEST_ALPHA:g}, such as 1e-9, "
        f"got {alpha!r}."
    )


def validate_directions(directions: Any) -> int:
    """Return the number of directions of a certificate; `InvalidProblemError` unless there are enough."""
    if is_whole(directions) and directions >= FEWEST_DIRECTIONS:
        return int(directions)
    raise InvalidProblemError(
        f"directions: expected a whole number of at least {FEWEST_DIRECTIONS}, such as 4, got {directions!r}."
    )


def _choose(layout: Layout, coordinates: Any, seed: int) -> list[Part]:
    if isinstance(coordinates, Mapping):
        wishes = dict(coordinates)
        known = {block.name for block in layout.blocks}
        unknown = [name for name in wishes if name not in known]
        if unknown:
            raise InvalidProblemError(_no_block(layout, unknown[0]))
    elif _is_wish(coordinates):
        wishes = {block.name: coordinates for block in layout.blocks}
    elif isinstance(coordinates, Sequence):
        wishes = _by_block(layout, coordinates)
    else:
        raise InvalidProblemError(_not_a_wish("coordinates", coordinates))
    if isinstance(coordinates, str):
        return [Part(block=block, places=None) for block in layout.blocks]
    streams = np.random.SeedSequence(seed).spawn(len(layout.blocks))
    return [
        Part(
            block=block,
            places=_choose_in(block, wishes[block.name], np.random.default_rng(stream)),
            drawn=_is_wish(wishes[block.name]),
        )
        for block, stream in zip(layout.blocks, streams, strict=True)
        if block.name in wishes
    ]


def _choose_in(block: Block, wish: Any, rng: np.random.Generator) -> Coordinates | None:
    """Return ascending flat positions inside one block, None for all of them."""
    if isinstance(wish, str) and wish == "all":
        return None
    if _is_wish(wish):
        if is_whole(wish):
            asked = int(wish)
        else:
            asked = max(math.ceil(wish * block.size * (1 - PRODUCT_ROUNDING)), FIRST_OF_EACH_BLOCK)
        if asked >= block.size:
            return None
        return np.sort(rng.choice(block.size, size=asked, replace=False))
    if isinstance(wish, Sequence) and not isinstance(wish, str):
        return np.unique([_flat_index(block, index) for index in wish]).astype(np.intp)
    raise InvalidProblemError(_not_a_wish(f"coordinates of {block.name}", wish))


def _is_wish(wish: Any) -> bool:
    """Tell whether this is "all", a count from 1 or a fraction in (0, 1]."""
    if isinstance(wish, str):
        return wish == "all"
    if is_whole(wish):
        return bool(wish >= 1)
    return isinstance(wish, (float, np.floating)) and bool(0 < wish <= 1)


def _by_block(layout: Layout, positions: Any) -> dict[str, list[Any]]:
    if isinstance(positions, str):
        raise InvalidProblemError(_not_a_wish("coordinates", positions))
    wishes: dict[str, list[Any]] = {}
    names = {block.name for block in layout.blocks}
    for position in positions:
        name, index = _parse(layout, position, names)
        wishes.setdefault(name, []).append(index)
    return wishes


def _parse(layout: Layout, position: Any, names: set[str]) -> tuple[str, Any]:
    """Return block name and index of ``("W1", (3, 0))`` or ``"W1[3, 0]"``; ``names`` are those of the blocks."""
    if isinstance(position, str):
        name, index = position, "()"
        if position not in names and (match := re.fullmatch(r"(.*)\[([-\d, ]*)\]", position)):
            name, index = match[1], match[2]
        place: tuple[Any, Any] = (name, tuple(int(i) for i in re.findall(r"-?\d+", index)))
    elif isinstance(position, tuple) and len(position) == 2 and isinstance(position[0], str):
        place = position
    else:
        raise InvalidProblemError(
            f"coordinates: expected positions such as ('W1', (3, 0)) or 'W1[3, 0]', got {position!r}."
        )
    if place[0] not in names:
        raise InvalidProblemError(_no_block(layout, place[0]))
    return place


def _flat_index(block: Block, index: Any) -> int:
    index = (index,) if isinstance(index, (int, np.integer)) else tuple(index)
    if len(index) == len(block.shape) and all(-s <= i < s for i, s in zip(index, block.shape, strict=True)):
        inside = tuple(i % s for i, s in zip(index, block.shape, strict=True))
        return int(np.ravel_multi_index(inside, block.shape)) if inside else 0
    if not index:
        raise InvalidProblemError(
            f"coordinates: {block.name} is a block of shape {block.shape}. Name an entry of it, or pass a dict: "
            f"{{{block.name!r}: 'all'}}."
        )
    raise InvalidProblemError(
        f"coordinates: {coordinate_name(block.name, index)} does not exist: {block.name} has shape "
        f"{block.shape}."
    )


def _validate_step(layout: Layout, theta: Vector, part: Part, epsilon: Any) -> None:
    is_step = is_real(epsilon) and 0 < float(epsilon) < math.inf
    if not is_step:
        raise InvalidProblemError(
            f"epsilon: expected a positive finite step, got {epsilon!r}. Leave it out to let fastcheck "
            "choose."
        )
    block = part.block
    values = theta[block.start : block.stop]
    for rows in pieces(part.size):
        piece = part.take(values, rows)
        stuck = np.flatnonzero((piece + epsilon == piece) | (piece - epsilon == piece))
        if stuck.size:
            i = block.start + int(part.at(rows)[stuck[0]])
            raise InvalidProblemError(
                f"epsilon: {epsilon:g} is too small for {layout.coordinate_name(i)} = {theta[i]:.6g}: adding it "
                "changes nothing in float64. Use a larger step, or leave it out to let fastcheck choose."
            )


def _no_block(layout: Layout, name: str) -> str:
    known = ", ".join(block.name for block in layout.blocks[:8])
    return f"coordinates: there is no block {name!r}. The blocks are {known}."


def _not_a_wish(where: str, wish: Any) -> str:
    return (
        f"{where}: expected 'all', a number of coordinates per block (at least 1), a fraction in (0, 1], or "
        f"positions such as [('W1', (3, 0))], got {wish!r}."
    )
