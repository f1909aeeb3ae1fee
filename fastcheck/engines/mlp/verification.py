"""The kernels against the reference loop: a random direction in the weights of a random unit, in every block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines.mlp.columns import column_differences
from fastcheck.engines.mlp.network import Array, Network
from fastcheck.engines.mlp.placement import Recognition
from fastcheck.engines.noise import root_mean_square
from fastcheck.engines.plain import default_steps
from fastcheck.engines.slopes import ROUNDING, STEP, Slopes
from fastcheck.engines.verification import NEGLIGIBLE, confirm_loop, confirm_sum
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates, Plan, rows_by_block
from fastcheck.problem import Problem

LARGEST = 2.0**-20
"""Largest bound, relative to the network's largest slopes, that counts here: a mistake of the kernels may have widened
the bounds, while both sides of the comparison have most roundings in common."""


def verify(
    recognition: Recognition,
    network: Network,
    problem: Problem,
    plan: Plan,
    slopes: Slopes,
    numerical: Vector,
    bound: Vector,
    noise: float,
) -> int:
    """Raise `DisagreementError` unless the cost confirms the kernels along a random direction in each block.

    The direction lies in the weights and the bias of one unit. The columns must give the same finite difference as
    two evaluations of the cost, and with the tiny step the sum of the ``slopes`` of the coordinates. With the user's
    step, one of these must have the ``numerical`` gradient that its columns add up to.
    Returns how many directions were evaluated.
    """
    rng = np.random.default_rng(plan.seed)
    # A step smaller than the default one would leave nothing but rounding noise in the costs.
    step = max(plan.epsilon or 0.0, float(default_steps(np.zeros(1), None)[0]))
    blocks = list(rows_by_block(problem.layout, plan))
    scale = max(root_mean_square(slopes.right[rows]) for _, rows in blocks)
    directions = [
        direction
        for layer in range(len(recognition.layers))
        for direction in _directions(recognition, network, problem, plan, layer, rng)
    ]
    work = problem.theta.copy()
    for direction in directions:
        places, A, W = plan.coordinates[direction.rows], direction.inputs, direction.weights
        v = rng.standard_normal(places.size)
        v /= np.linalg.norm(v)
        values = problem.theta[places]
        ends = values + step * v, values - step * v
        plus, minus = ends[0] - values, ends[1] - values
        penalty = network.decay * float(W @ (plus - minus) + direction.penalised @ (plus**2 - minus**2) / 2)
        loop, found, size, kinked = _differences(network, direction, plus @ A, minus @ A, STEP * (v @ A))
        confirm_loop(problem, direction.name, work, places, ends, step, (loop + penalty) / (2 * step), noise)
        work[places] = values
        found = found / (2 * STEP) + network.decay * float(W @ v)
        if not (kinked or slopes.kinked[direction.rows].any()):
            allowed = (
                float(np.abs(v) @ np.minimum(bound[direction.rows], LARGEST * scale)) + NEGLIGIBLE * scale
            )
            total = float(v @ slopes.central[direction.rows])
            confirm_sum(direction.name, total, found, allowed + ROUNDING * size / (2 * STEP))
        if plan.epsilon is not None:
            k = int(rng.integers(places.size))
            _confirm_step(network, direction, k, plan.epsilon, float(numerical[direction.rows[k]]), scale)
    return len(directions)


def _confirm_step(
    network: Network, direction: _Direction, k: int, step: float, numerical: float, scale: float
) -> None:
    """Raise `DisagreementError` unless a coordinate has the central difference that its columns add up to."""
    moves = step * direction.inputs[k]
    found, _, size, _ = _differences(network, direction, moves, -moves, 0 * moves)
    found = found / (2 * step) + network.decay * float(direction.weights[k])
    confirm_sum(direction.name, numerical, found, NEGLIGIBLE * scale + ROUNDING * size / (2 * step))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Direction:
    """The planned coordinates of one unit: their rows (k,), inputs (k, m), 1 for the bias, and weights, 0 for it."""

    name: str
    layer: int
    unit: int
    rows: Coordinates
    inputs: Array
    weights: Array
    penalised: NDArray[np.bool_]


def _directions(
    recognition: Recognition,
    network: Network,
    problem: Problem,
    plan: Plan,
    layer: int,
    rng: np.random.Generator,
) -> list[_Direction]:
    """Return a random unit's planned coordinates, or two if weights and biases of no unit are both planned."""
    placed, found = recognition.layers[layer], []
    planned = {
        problem.layout.blocks.index(block): rows for block, rows in rows_by_block(problem.layout, plan)
    }
    parts = [(number, planned[number]) for number in (placed.weight, placed.bias) if number in planned]
    units = [_units(recognition, problem, plan, layer, *part) for part in parts]
    common = set(map(int, units[0])) & set(map(int, units[-1])) if units else set()
    groups = [list(range(len(parts)))] if common else [[k] for k in range(len(parts))]
    for group in groups:
        unit = int(rng.choice(sorted(common))) if common else int(rng.choice(units[group[0]]))
        rows, inputs, weights, names = [], [], [], []
        members = [parts[k] for k in group]
        for number, part in members:
            inside, A, W = _of_unit(recognition, network, problem, plan, layer, number, part, unit)
            rows.append(inside)
            inputs.append(A)
            weights.append(W)
            names.append(problem.layout.blocks[number].name)
        found.append(
            _Direction(
                name=" and ".join(names),
                layer=layer,
                unit=unit,
                rows=np.concatenate(rows),
                inputs=np.concatenate(inputs),
                weights=np.concatenate(weights),
                penalised=np.repeat(
                    [part[0] == placed.weight for part in members], [len(part) for part in rows]
                ),
            )
        )
    return found


def _units(
    recognition: Recognition, problem: Problem, plan: Plan, layer: int, number: int, rows: slice
) -> NDArray[np.intp]:
    """Return the units of a layer of which coordinates of this block are planned."""
    block, placed = problem.layout.blocks[number], recognition.layers[layer]
    n_out = len(recognition.arranged.weights[layer])
    if rows.stop - rows.start == block.size:
        return np.arange(n_out)
    offsets = plan.coordinates[rows] - block.start
    if number == placed.bias:
        return offsets
    n_in = recognition.arranged.weights[layer].shape[1]
    return np.unique(offsets % n_out if placed.turned else offsets // n_in)


def _of_unit(
    recognition: Recognition,
    network: Network,
    problem: Problem,
    plan: Plan,
    layer: int,
    number: int,
    rows: slice,
    unit: int,
) -> tuple[Coordinates, Array, Array]:
    """Return which rows of the plan belong to the unit, and the inputs (k, m) and weights (k,) of these."""
    block, placed = problem.layout.blocks[number], recognition.layers[layer]
    n_out, n_in = network.arranged.weights[layer].shape
    if number == placed.bias:
        wanted = np.array([unit])
    else:
        wanted = np.arange(n_in) * n_out + unit if placed.turned else unit * n_in + np.arange(n_in)
    if rows.stop - rows.start == block.size:
        inside, which = rows.start + wanted, np.arange(wanted.size)
    else:
        _, inside, which = np.intersect1d(plan.coordinates[rows] - block.start, wanted, return_indices=True)
        inside = inside + rows.start
    if number == placed.bias:
        return inside, np.ones((inside.size, network.arranged.samples)), np.zeros(inside.size)
    W: Array = network.arranged.weights[layer][unit, which]
    return inside, network.inputs[layer][which], W


def _differences(
    network: Network, direction: _Direction, plus: Array, minus: Array, tiny: Array
) -> tuple[float, float, float, bool]:
    """Return J₊ - J₋ without the penalty when z of the unit moves by ``plus`` and ``minus``, all (m,).

    Also the same for ± ``tiny``, the sum of the sizes of what it (if not zero, else the first) adds up, and whether
    it crosses a kink.
    """
    m = network.arranged.samples
    units, samples = np.full(4 * m, direction.unit), np.tile(np.arange(m), 4)
    delta = np.concatenate([plus, minus, tiny, -tiny])
    change, crossed = column_differences(network, direction.layer, units, samples, delta)
    sums, sizes = change.reshape(4, m).sum(axis=1), np.abs(change).reshape(4, m).sum(axis=1)
    size = float(sizes[2] + sizes[3]) if tiny.any() else float(sizes[0] + sizes[1])
    return float(sums[0] - sums[1]), float(sums[2] - sums[3]), size, bool(crossed[2 * m :].any())
