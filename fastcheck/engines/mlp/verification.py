"""The kernels against the reference loop: a random direction in the weights of a random unit, in every block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import Bound
from fastcheck.engines.mlp.columns import column_differences
from fastcheck.engines.mlp.network import Array, Network
from fastcheck.engines.mlp.placement import Recognition
from fastcheck.engines.slopes import ROUNDING, STEP, Slopes
from fastcheck.engines.verification import (
    FACTOR,
    NEGLIGIBLE,
    USEFUL,
    confirm_end,
    confirm_sum,
    evaluated_away,
    expect_defined,
    first_step,
    length_that_shows,
    turn,
)
from fastcheck.norms import root_mean_square
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates, Part, Plan
from fastcheck.problem import Problem

LARGEST = 2.0**-20
"""Largest bound, relative to the network's largest slopes, that counts here: a mistake of the kernels may have widened
the bounds, while both sides of the comparison have most roundings in common."""

LONGER = FACTOR ** np.arange(1.0, 5.0)
"""Lengths of steps over the first one that are tried where slopes are tiny beside J; shorter where it is undefined."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """Some planned coordinates of one unit, all in one part, and a random direction ``v`` (k,).

    ``rows`` are theirs in the part, ``inputs`` (k, m) what they multiply, 1 for the bias, ``weights`` 0 for it.
    """

    part: Part
    layer: int
    unit: int
    rows: Coordinates
    inputs: Array
    weights: Array
    penalised: bool
    v: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What the slopes say of the coordinates of a `Member`, arrays (k,); ``typical`` is the RMS over the block."""

    central: Array
    bound: Array
    kinked: bool
    numerical: Array
    typical: float

    @classmethod
    def of(cls, member: Member, slopes: Slopes, with_step: Slopes, bound: Bound) -> Evidence:
        """Read it from the slopes with the tiny step and with the user's."""
        some = slopes.at(member.rows)
        return cls(
            central=some.central,
            bound=bound.at(member.rows, some.central),
            kinked=bool(some.kinked.any()),
            numerical=with_step.at(member.rows).central,
            typical=root_mean_square(slopes.right),
        )


def verify(
    network: Network,
    problem: Problem,
    plan: Plan,
    members: Sequence[Member],
    evidence: Mapping[int, Evidence],
    noise: float,
) -> dict[str, float]:
    """Raise `DisagreementError` unless the cost confirms the kernels along a random direction in each block.

    The direction lies in the weights and the bias of one unit. The columns must give the same finite difference as
    two evaluations of the cost, with a step so large that rounding of J hides nothing, and with the tiny step the sum
    of the slopes of the coordinates. With the user's step, one of these must have the numerical gradient that its
    columns add up to. Returns the least error that shows in each block, as a share of its slopes. Cost: two forward
    passes for each direction, more where the slopes are tiny beside J.
    """
    scale = max(known.typical for known in evidence.values())
    shows: dict[str, float] = {}
    rng = np.random.default_rng(plan.seed)
    for layer, unit in sorted({(member.layer, member.unit) for member in members}):
        here = [k for k, member in enumerate(members) if (member.layer, member.unit) == (layer, unit)]
        direction = _Direction.of([members[k] for k in here])
        known = [evidence[k] for k in here]
        with problem.work() as work:
            allowed = _confirm_direction(network, problem, direction, known, work, scale, noise)
        for k in here:
            size = evidence[k].typical
            shows[members[k].part.block.name] = allowed / size if size > NEGLIGIBLE * scale else 0.0
        if plan.epsilon is not None:
            k = int(rng.integers(len(direction.v)))
            numerical = np.concatenate([part.numerical for part in known])
            _confirm_step(network, direction, k, plan.epsilon, float(numerical[k]), scale)
    return shows


def _confirm_direction(
    network: Network,
    problem: Problem,
    direction: _Direction,
    known: Sequence[Evidence],
    work: Vector,
    scale: float,
    noise: float,
) -> float:
    """Raise `DisagreementError` unless cost, columns and slopes agree along a direction; ``work`` holds θ.

    Returns the least error of the slope that shows beside the rounding of J.
    """
    A, W, v = direction.inputs, direction.weights, direction.v
    length = first_step(problem.theta[direction.places])
    least = min((part.typical for part in known if part.typical > NEGLIGIBLE * scale), default=0.0)
    allowed = math.inf
    for share in (1.0, *(1 / LONGER).tolist()):
        allowed, _ = _confirm_ends(network, problem, direction, work, share * length, noise)
        allowed /= share * length
        if allowed < math.inf:
            break
    else:
        beside = problem.theta.copy()
        beside[direction.places] += length / LONGER[-1] * v
        expect_defined(problem, direction.name, beside)
    for share in LONGER.tolist():
        if allowed <= USEFUL * least or not least:
            break
        error, change = _confirm_ends(network, problem, direction, work, share * length, noise)
        if error == math.inf:
            break  # there the cost is not defined
        allowed = min(allowed, error / length_that_shows(share * length, length, change, least))
    _, found, size, kinked = _differences(network, direction, 0 * (v @ A), 0 * (v @ A), STEP * (v @ A))
    if kinked or any(part.kinked for part in known):
        return allowed
    found = found / (2 * STEP) + network.decay * float(W @ v)
    bound, central = (
        np.concatenate([getattr(part, name) for part in known]) for name in ("bound", "central")
    )
    apart = float(np.abs(v) @ np.minimum(bound, LARGEST * scale)) + NEGLIGIBLE * scale
    confirm_sum(direction.name, float(v @ central), found, apart + ROUNDING * size / (2 * STEP))
    return allowed


def _confirm_ends(
    network: Network, problem: Problem, direction: _Direction, work: Vector, step: float, noise: float
) -> tuple[float, float]:
    """Compare the cost at both ends with the columns; return the least error that shows, and by how much J changes.

    The error is infinite where the cost is not defined there.
    """
    places, A, W = direction.places, direction.inputs, direction.weights
    values, allowed, most = problem.theta[places], 0.0, 0.0
    ends = [values + sign * step * direction.v for sign in (1, -1)]
    moves = [end - values for end in ends]
    changes, _, size, _ = _differences(network, direction, moves[0] @ A, moves[1] @ A, 0 * (values @ A))
    for end, move, change in zip(ends, moves, changes, strict=True):
        penalty = network.decay * float(W @ move + direction.penalised @ move**2 / 2)
        try:
            work[places] = end
            cost = evaluated_away(problem, work)
            if not (math.isfinite(cost) and math.isfinite(change)):
                return math.inf, 0.0
            found = change + penalty
            most = max(most, abs(found))
            allowed = max(allowed, confirm_end(problem, direction.name, work, cost, found, noise, size))
        finally:
            work[places] = values
    return allowed, most


def _confirm_step(
    network: Network, direction: _Direction, k: int, step: float, numerical: float, scale: float
) -> None:
    """Raise `DisagreementError` unless a coordinate has the central difference that its columns add up to."""
    moves = step * direction.inputs[k]
    (plus, minus), _, size, _ = _differences(network, direction, moves, -moves, 0 * moves)
    found = (plus - minus) / (2 * step) + network.decay * float(direction.weights[k])
    confirm_sum(direction.name, numerical, found, NEGLIGIBLE * scale + ROUNDING * size / (2 * step))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Direction:
    """The members of one unit together, as a unit vector ``v``; ``places`` are positions in θ."""

    name: str
    layer: int
    unit: int
    places: Coordinates
    inputs: Array
    weights: Array
    penalised: NDArray[np.bool_]
    v: Array

    @classmethod
    def of(cls, members: Sequence[Member]) -> _Direction:
        v = np.concatenate([member.v for member in members])
        return cls(
            name=" and ".join(member.part.block.name for member in members),
            layer=members[0].layer,
            unit=members[0].unit,
            places=np.concatenate([m.part.block.start + m.part.at(m.rows) for m in members]),
            inputs=np.concatenate([member.inputs for member in members]),
            weights=np.concatenate([member.weights for member in members]),
            penalised=np.repeat([m.penalised for m in members], [len(m.rows) for m in members]),
            v=v / np.linalg.norm(v),
        )


def chosen_directions(
    recognition: Recognition, network: Network, problem: Problem, plan: Plan
) -> list[Member]:
    """Return, for each part, planned coordinates of a random unit: in weights and biases the same one, if it can be."""
    rng = np.random.default_rng(plan.seed)
    planned = {problem.layout.number(part.block): k for k, part in enumerate(plan.parts)}
    found: dict[int, Member] = {}
    for layer, placed in enumerate(recognition.layers):
        numbers = [n for n in (placed.weight, placed.bias) if n in planned]
        units = {n: _units(recognition, plan.parts[planned[n]], layer, n) for n in numbers}
        common = set.intersection(*(set(map(int, some)) for some in units.values())) if units else set()
        unit = int(rng.choice(sorted(common))) if common else None
        for n in numbers:
            k = planned[n]
            chosen = int(rng.choice(units[n])) if unit is None else unit
            found[k] = _member(recognition, network, plan.parts[k], layer, n, chosen, rng)
            if problem.claims:
                turn(found[k].v, plan.parts[k].take(problem.claims[n], found[k].rows))
    return [found[k] for k in range(len(plan.parts))]


def _units(recognition: Recognition, part: Part, layer: int, number: int | None) -> NDArray[np.intp]:
    """Return the units of a layer of which coordinates of this part are planned."""
    placed, (n_out, n_in) = recognition.layers[layer], recognition.arranged.weights[layer].shape
    if part.places is None:
        return np.arange(n_out)
    if number == placed.bias:
        return part.places
    return np.unique(part.places % n_out if placed.turned else part.places // n_in)


def _member(
    recognition: Recognition,
    network: Network,
    part: Part,
    layer: int,
    number: int | None,
    unit: int,
    rng: np.random.Generator,
) -> Member:
    """Return the planned coordinates of a unit in one part."""
    placed = recognition.layers[layer]
    n_out, n_in = network.arranged.weights[layer].shape
    of_bias = number == placed.bias
    if of_bias:
        wanted = np.array([unit])
    else:
        wanted = np.arange(n_in) * n_out + unit if placed.turned else unit * n_in + np.arange(n_in)
    rows, which = wanted, np.arange(wanted.size)
    if part.places is not None:
        _, rows, which = np.intersect1d(part.places, wanted, return_indices=True)
    return Member(
        part=part,
        layer=layer,
        unit=unit,
        rows=rows,
        inputs=np.ones((1, network.arranged.samples)) if of_bias else network.inputs[layer][which],
        weights=np.zeros(1) if of_bias else network.arranged.weights[layer][unit, which],
        penalised=not of_bias,
        v=rng.standard_normal(rows.size),
    )


def _differences(
    network: Network, direction: _Direction, plus: Array, minus: Array, tiny: Array
) -> tuple[tuple[float, float], float, float, bool]:
    """Return J₊ - J and J₋ - J without the penalty when z of the unit moves by ``plus`` and ``minus``, all (m,).

    Also J₊ - J₋ for ± ``tiny``, the sum of the sizes of what it (if not zero, else the first) adds up, and whether
    it crosses a kink.
    """
    m = network.arranged.samples
    units, samples = np.full(4 * m, direction.unit), np.tile(np.arange(m), 4)
    delta = np.concatenate([plus, minus, tiny, -tiny])
    change, crossed = column_differences(network, direction.layer, units, samples, delta)
    sums, sizes = change.reshape(4, m).sum(axis=1), np.abs(change).reshape(4, m).sum(axis=1)
    size = float(sizes[2] + sizes[3]) if tiny.any() else float(sizes[0] + sizes[1])
    return (float(sums[0]), float(sums[1])), float(sums[2] - sums[3]), size, bool(crossed[2 * m :].any())
