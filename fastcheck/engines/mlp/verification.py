"""The kernels against the reference loop: a random direction in the weights of a random unit, in every block."""

from __future__ import annotations

import numpy as np

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

    The direction lies in the weights of one unit. The columns must give the same finite difference as two
    evaluations of the cost, and with the tiny step the sum of the ``slopes`` of the coordinates. With the user's step,
    one of the coordinates in the direction must have the ``numerical`` gradient that its columns add up to.
    Returns how many directions were evaluated.
    """
    rng = np.random.default_rng(plan.seed)
    # A step smaller than the default one would leave nothing but rounding noise in the costs.
    step = max(plan.epsilon or 0.0, float(default_steps(np.zeros(1), None)[0]))
    blocks = list(rows_by_block(problem.layout, plan))
    scale = max(root_mean_square(slopes.right[rows]) for _, rows in blocks)
    for block, rows in blocks:
        number = problem.layout.blocks.index(block)
        coordinates = plan.coordinates[rows]
        layer, unit, _ = recognition.unit(problem.layout, number, int(rng.choice(coordinates)))
        inside, A, W = _of_unit(recognition, network, problem, number, coordinates, unit)
        v = rng.standard_normal(inside.size)
        v /= np.linalg.norm(v)
        places = coordinates[inside]
        ends = problem.theta.copy(), problem.theta.copy()
        ends[0][places] += step * v
        ends[1][places] -= step * v
        plus, minus = (end[places] - problem.theta[places] for end in ends)
        penalty = network.decay * float(W @ (plus - minus) + (plus @ plus - minus @ minus) / 2)
        loop, _, _ = _ends(network, layer, unit, plus @ A, minus @ A)
        confirm_loop(problem, block, ends, step, (loop + penalty) / (2 * step), noise)
        found, size, kinked = _ends(network, layer, unit, STEP * (v @ A), -STEP * (v @ A))
        found = found / (2 * STEP) + network.decay * float(W @ v)
        here = rows.start + inside
        if not (kinked or slopes.kinked[here].any()):
            allowed = float(np.abs(v) @ np.minimum(bound[here], LARGEST * scale)) + NEGLIGIBLE * scale
            total = float(v @ slopes.central[here])
            confirm_sum(block, total, found, allowed + ROUNDING * size / (2 * STEP))
        if plan.epsilon is not None:
            k = int(rng.integers(inside.size))
            found, size, _ = _ends(network, layer, unit, plan.epsilon * A[k], -plan.epsilon * A[k])
            found = found / (2 * plan.epsilon) + network.decay * float(W[k])
            allowed = NEGLIGIBLE * scale + ROUNDING * size / (2 * plan.epsilon)
            confirm_sum(block, float(numerical[here[k]]), found, allowed)
    return len(blocks)


def _of_unit(
    recognition: Recognition,
    network: Network,
    problem: Problem,
    number: int,
    coordinates: Coordinates,
    unit: int,
) -> tuple[Coordinates, Array, Array]:
    """Return which coordinates of a block belong to the unit, and the inputs (k, m) and weights (k,) of these."""
    layout = problem.layout
    block = layout.blocks[number]
    layer, _, _ = recognition.unit(layout, number, block.start)
    offsets = coordinates - block.start
    if number == recognition.layers[layer].bias:
        inside = np.flatnonzero(offsets == unit)
        return inside, np.ones((1, network.arranged.samples)), np.zeros(1)
    rows, columns = np.divmod(offsets, block.shape[1])
    units, sources = (columns, rows) if recognition.layers[layer].turned else (rows, columns)
    inside = np.flatnonzero(units == unit)
    sources = sources[inside]
    W: Array = network.arranged.weights[layer][unit, sources]
    return inside, network.inputs[layer][sources], W


def _ends(network: Network, layer: int, unit: int, plus: Array, minus: Array) -> tuple[float, float, bool]:
    """Return J₊ - J₋ without the penalty, z of a unit moving by ``plus`` or ``minus``, (m,).

    Also the sum of the sizes of what is added up, and if a kink is crossed.
    """
    m = network.arranged.samples
    change, crossed = column_differences(
        network, layer, np.full(2 * m, unit), np.tile(np.arange(m), 2), np.concatenate([plus, minus])
    )
    return float(change[:m].sum() - change[m:].sum()), float(np.abs(change).sum()), bool(crossed.any())
