"""The kernels as an engine: every coordinate of a multilayer perceptron for the price of a few forward passes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import DisagreementError, Estimates
from fastcheck.engines.mlp.model_cost import ModelCost
from fastcheck.engines.mlp.network import Network
from fastcheck.engines.mlp.placement import Recognition
from fastcheck.engines.mlp.reach import inverse_radii
from fastcheck.engines.mlp.recognition import recognise
from fastcheck.engines.mlp.slopes import (
    LayerDifferences,
    Mapped,
    layer_differences,
    linear_columns,
    linear_slopes,
)
from fastcheck.engines.mlp.verification import verify
from fastcheck.engines.slopes import (
    STEP,
    Slopes,
    bounds,
    jittered,
    picked_rows,
    steps_to_run,
    to_judge_by,
    unusable,
)
from fastcheck.engines.verification import confirmed
from fastcheck.errors import InvalidProblemError
from fastcheck.execution import Execution
from fastcheck.plan import Coordinates, Plan, rows_by_block
from fastcheck.problem import Problem

SAME_VALUE = 1e-11
"""J(θ) of the model may differ from the cost's by this much, relatively."""

ULPS = 8.0
"""Rounding noise of J in units of its last place, as long as plain evaluation agrees with that."""

CHUNK_SECONDS = 5e-3
"""What a chunk of columns takes, about: workers start where there are many."""

RUNS = 3
"""Forward passes that a run of the kernels is worth, about."""

RECOGNISING = 7
"""Forward passes that recognising a network is worth: one recorded, two plain, and the work of four."""


class MLPEngine:
    """The kernels for costs that are multilayer perceptrons; raises `InvalidProblemError` for others."""

    name = "mlp"

    def estimate(self, problem: Problem, plan: Plan, execution: Execution) -> Estimates:
        """Return ĝ with the plan's step, and slopes and bounds from a tiny one."""
        recognition = known_network(problem)
        if recognition is None:
            raise InvalidProblemError(
                "method='mlp': expected a cost that is a multilayer perceptron, and this was not recognised as one. "
                "Use check_mlp, which is told the layers, or method='auto'."
            )
        return estimate(recognition, problem, plan, execution)


def known_network(problem: Problem) -> Recognition | None:
    """Return the network that the cost computes, if that is known."""
    cost = problem.evaluator.cost
    if isinstance(cost, ModelCost):
        return cost.recognition(problem.layout, problem.layout.build(problem.theta))
    recognition = recognise(problem)
    return None if recognition is None else dataclasses.replace(recognition, forward_passes=RECOGNISING)


def estimate(recognition: Recognition, problem: Problem, plan: Plan, execution: Execution) -> Estimates:
    """Return ĝ with the plan's step, and slopes and bounds from a tiny one, for a recognised network.

    Raises `DisagreementError` where the model is not the cost, or plain evaluation does not confirm the result.
    """
    layout = problem.layout
    network = recognition.network(layout, problem.theta)
    _expect_value(network, problem)
    blocks = [rows for _, rows in rows_by_block(layout, plan)]
    picked = picked_rows(blocks)
    epsilons = steps_to_run(plan.epsilon)

    def mapped(function: Callable[[Any], Any], chunks: Iterable[Any]) -> list[Any]:
        pieces = list(chunks)
        nothing = [0] * len(pieces)
        seconds = CHUNK_SECONDS * len(pieces)
        return execution.map(
            function, pieces, sizes=nothing, seconds=seconds, backend="threads", advance=lambda _: None
        )

    with execution.tracking(len(epsilons) * plan.coordinates.size) as advance:
        runs = [_slopes(recognition, problem, plan, network, epsilon, mapped) for epsilon in epsilons]
        advance(len(epsilons) * plan.coordinates.size)

    best = to_judge_by(runs, plan.epsilon)
    beside = _beside(recognition, problem, plan.coordinates[np.concatenate(picked)])
    bound = bounds(blocks, picked, beside, best)
    noise = ULPS * float(np.spacing(abs(problem.value)))
    central = runs[-1].central
    noise, passes = confirmed(
        lambda noise: verify(recognition, network, problem, plan, runs[0], central, bound, noise),
        problem,
        noise,
    )
    lower, upper = best.interval()
    return Estimates(
        method=MLPEngine.name,
        numerical=central,
        lower=lower,
        upper=upper,
        bound=bound,
        noise=noise,
        plain=np.empty(0, dtype=np.intp),
        forward_passes=recognition.forward_passes + RUNS * (len(epsilons) + 1) + passes,
        notes=(),
    )


def _expect_value(network: Network, problem: Problem) -> None:
    """Raise `DisagreementError` unless the model computes the cost's J(θ)."""
    J = network.cost()
    if not abs(J - problem.value) <= SAME_VALUE * abs(problem.value):
        raise DisagreementError(
            f"The network was recognised, but it has J = {J:.12g} and the cost {problem.value:.12g}."
        )


def _slopes(
    recognition: Recognition, problem: Problem, plan: Plan, network: Network, step: float, mapped: Mapped
) -> Slopes:
    """Return the slopes of the plan's coordinates."""
    layers = layer_differences(network, step, mapped)
    _expect_usable(layers, step)
    if network.decay:
        for layer, W in zip(layers, network.arranged.weights, strict=True):
            layer.central[:, :-1] += network.decay * W
    layout, chosen = problem.layout, plan.coordinates
    central = _chosen(recognition.scatter(layout, [layer.central for layer in layers]), chosen)
    nothing: NDArray[np.bool_] = np.zeros(central.shape, dtype=bool)
    if not any(layer.kinked.any() for layer in layers):
        return Slopes(central, central, nothing, nothing)
    bend = _chosen(recognition.scatter(layout, [layer.bend for layer in layers]), chosen)
    flags = [layer.kinked.astype(float) for layer in layers]
    kinked = _chosen(recognition.scatter(layout, flags), chosen) > 0
    return Slopes(central + bend, central - bend, kinked, nothing)


def _beside(recognition: Recognition, problem: Problem, coordinates: Coordinates) -> Slopes:
    """Return the slopes of a few coordinates beside θ, where all roundings fall differently."""
    layout = problem.layout
    network = recognition.network(layout, jittered(problem.theta))
    linear = linear_columns(network, STEP, inverse_radii(network))
    slopes = linear_slopes(network, STEP)
    found, ignored = np.zeros(coordinates.size), np.zeros(coordinates.size, dtype=bool)
    starts = np.array([block.start for block in layout.blocks])
    numbers = np.searchsorted(starts, coordinates, side="right") - 1
    for k, (number, position) in enumerate(zip(numbers, coordinates, strict=True)):
        layer, unit, source = recognition.unit(layout, int(number), int(position))
        A = 1.0 if source is None else network.inputs[layer][source]
        found[k] = np.sum(slopes[layer][unit] * A)
        if source is not None and network.decay:
            found[k] += network.decay * network.arranged.weights[layer][unit, source]
        ignored[k] = not linear[layer][unit].all()
    return Slopes(found, found, ignored, ignored)


def _expect_usable(layers: list[LayerDifferences], step: float) -> None:
    """Raise `DisagreementError` for differences that overflowed, or for blocks too small for full precision."""
    for layer in layers:
        largest = [np.abs(block).max() for block in (layer.central[:, :-1], layer.central[:, -1])]
        if unusable(np.array(largest) * step).any():
            raise DisagreementError("Some differences are too small or too large for the kernels.")


def _chosen(vector: NDArray[Any], coordinates: Coordinates) -> NDArray[Any]:
    return vector if coordinates.size == vector.size else vector[coordinates]
