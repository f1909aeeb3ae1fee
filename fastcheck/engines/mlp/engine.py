"""The kernels as an engine: every coordinate of a multilayer perceptron for the price of a few forward passes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck.engines import DisagreementError, Estimate, Estimates, T
from fastcheck.engines.difference.engine import DifferenceEngine
from fastcheck.engines.difference.state import TracingError
from fastcheck.engines.graph.engine import GraphEngine
from fastcheck.engines.mlp.model_cost import ModelCost
from fastcheck.engines.mlp.network import Network
from fastcheck.engines.mlp.placement import Recognition
from fastcheck.engines.mlp.reach import inverse_radii
from fastcheck.engines.mlp.recognition import recognise
from fastcheck.engines.mlp.slopes import (
    Entries,
    LayerDifferences,
    Mapped,
    Order,
    layer_differences,
    linear_columns,
    linear_slopes,
    unit_pieces,
)
from fastcheck.engines.mlp.verification import Evidence, chosen_directions, verify
from fastcheck.engines.rounding import LEFT_OF_ONE, SHAKE, SHAKES, Shaken, saturation
from fastcheck.engines.slopes import (
    STEP,
    Slopes,
    bound_of,
    jittered,
    picked_rows,
    steps_to_run,
    to_judge_by,
    unusable,
)
from fastcheck.engines.verification import confirmed, unconfirmed_notes
from fastcheck.errors import InvalidProblemError
from fastcheck.execution import Execution
from fastcheck.norms import largest
from fastcheck.parameters import Vector
from fastcheck.plan import Coordinates, Part, Plan
from fastcheck.problem import Problem

SAME_VALUE = 1e-11
"""J(θ) of the model may differ from the cost's by this much, relatively."""

ULPS = 8.0
"""Rounding noise of J in units of its last place, as long as plain evaluation agrees with that."""

CHUNK_SECONDS = 5e-3
"""What a chunk of columns takes, about: workers start where there are many."""

RUNS = 3
"""Forward passes that a run of the kernels is worth, about."""

JITTERS = 3
"""Times that rounding is made to fall differently: by chance, one of them may show a tenth of it."""

NOT_USED = "the kernels for multilayer perceptrons were not used. {}"
"""The note where they give up."""

RECOGNISING = 7
"""Forward passes that recognising a network is worth: one recorded, two plain, and the work of four."""


class KinksError(DisagreementError):
    """The claim makes choices at kinks, which columns by themselves cannot tell."""

    def __init__(self) -> None:
        super().__init__(
            "Units stand exactly at their kinks, where the claim of all blocks is judged together."
        )


class MLPEngine:
    """The kernels for costs that are multilayer perceptrons; raises `InvalidProblemError` for others.

    Where units stand at kinks, the claim is judged by the slopes of the recorded cost.
    """

    name = "mlp"

    def estimate(
        self, problem: Problem, plan: Plan, execution: Execution, use: Callable[[Estimate], T]
    ) -> Estimates[T]:
        """Return ĝ with the plan's step, and slopes and bounds from a tiny one."""
        recognition = known_network(problem)
        if recognition is None:
            raise InvalidProblemError(
                "method='mlp': expected a cost that is a multilayer perceptron, and this was not recognised as one. "
                "Use check_mlp, which is told the layers, or method='auto'."
            )
        attempt, tally = problem.counted()
        try:
            return estimate(recognition, attempt, plan, execution, use)
        except KinksError as error:
            try:
                found = GraphEngine().estimate(problem, plan, execution, use)
            except (TracingError, DisagreementError):
                found = DifferenceEngine().estimate(problem, plan, execution, use)
            return dataclasses.replace(
                found,
                notes=(NOT_USED.format(error), *found.notes),
                forward_passes=found.forward_passes + tally.passes,
            )


def known_network(problem: Problem) -> Recognition | None:
    """Return the network that the cost computes, if that is known."""
    cost = problem.evaluator.cost
    if isinstance(cost, ModelCost):
        return cost.recognition(problem.layout, problem.layout.build(problem.theta))
    recognition = recognise(problem)
    return None if recognition is None else dataclasses.replace(recognition, forward_passes=RECOGNISING)


def estimate(
    recognition: Recognition, problem: Problem, plan: Plan, execution: Execution, use: Callable[[Estimate], T]
) -> Estimates[T]:
    """Return ĝ with the plan's step, and slopes and bounds from a tiny one, for a recognised network.

    Raises `DisagreementError` where the model is not the cost, or plain evaluation does not confirm the result.
    """
    network = recognition.network(problem.layout, problem.theta)
    _expect_value(network, problem)
    together = bool(problem.claims) and plan.epsilon in (None, STEP)
    if together and _at_kinks(network):
        raise KinksError
    epsilons = steps_to_run(plan.epsilon)
    orders: list[Order] = ["F" if layer.turned else "C" for layer in recognition.layers]
    numbers = {problem.layout.number(part.block): k for k, part in enumerate(plan.parts)}
    picked = [picked_rows(part.size) for part in plan.parts]
    beside = [_beside(recognition, problem, network, plan.parts, picked, seed) for seed in range(JITTERS)]
    directions = chosen_directions(recognition, network, problem, plan)
    evidence: dict[int, Evidence] = {}
    results: dict[int, T] = {}
    with execution.tracking(len(epsilons) * plan.size) as advance:
        walks = [layer_differences(network, step, _mapped(execution), orders) for step in epsilons]
        for placed, W in zip(recognition.layers, network.arranged.weights, strict=True):
            found = [next(walk) for walk in walks]
            for layer, step in zip(found, epsilons, strict=True):
                _expect_usable(layer, step)
                add_scaled(layer.central.weights, W, network.decay)
            for number, name in ((placed.weight, "weights"), (placed.bias, "biases")):
                if number not in numbers:
                    continue
                k = numbers[number]
                runs = [_slopes(layer, name, plan.parts[k]) for layer in found]
                best = to_judge_by(runs, plan.epsilon)
                bound = bound_of(best, picked[k], [slopes[k] for slopes in beside])
                lower, upper = best.interval()
                if best.kinked.any() and together:
                    raise KinksError
                evidence[k] = Evidence.of(directions[k], runs[0], runs[-1], bound)
                results[k] = use(
                    Estimate(
                        part=plan.parts[k],
                        numerical=lower if runs[-1] is best and lower is upper else runs[-1].central,
                        lower=lower,
                        upper=upper,
                        bound=bound,
                        noise=0.0,
                        plain=np.empty(0, dtype=np.intp),
                        shaken=functools.partial(_shaken, recognition, network, number),
                    )
                )
                advance(len(epsilons) * plan.parts[k].size)
                del runs, best, lower, upper  # they hold the differences of the layer
            del found, layer  # before the next layer takes as much memory
    shows: dict[str, float] = {}

    def compare(counted: Problem, noise: float) -> None:
        shows.update(verify(network, counted, plan, directions, evidence, noise))

    _, passes = confirmed(compare, problem, ULPS * float(np.spacing(abs(problem.value))))
    return Estimates(
        method=MLPEngine.name,
        results=tuple(results[k] for k in range(len(plan.parts))),
        forward_passes=recognition.forward_passes + RUNS * (len(epsilons) + JITTERS) + passes,
        notes=unconfirmed_notes(problem, shows),
    )


def _mapped(execution: Execution) -> Mapped:
    """Return a ``map`` that uses the workers where there are many chunks."""

    def mapped(function: Callable[[Any], Any], chunks: Iterable[Any]) -> list[Any]:
        pieces = list(chunks)
        return execution.map(
            function,
            pieces,
            sizes=[0] * len(pieces),
            seconds=CHUNK_SECONDS * len(pieces),
            backend="threads",
            advance=lambda _: None,
        )

    return mapped


def _expect_value(network: Network, problem: Problem) -> None:
    """Raise `DisagreementError` unless the model computes the cost's J(θ)."""
    J = network.cost()
    if not abs(J - problem.value) <= SAME_VALUE * abs(problem.value):
        raise DisagreementError(
            f"The network was recognised, but it has J = {J:.12g} and the cost {problem.value:.12g}."
        )


def _at_kinks(network: Network) -> bool:
    """Tell whether a unit stands exactly at the kink of its activation."""
    return any(
        activation.kinked and not Z.all() for activation, Z in zip(network.hidden, network.Zs, strict=False)
    )


def _slopes(layer: LayerDifferences, name: str, part: Part) -> Slopes:
    """Return the slopes of a part of the block that holds the ``weights`` or ``biases`` of a layer."""

    def chosen(entries: Entries) -> NDArray[Any]:
        array: NDArray[Any] = getattr(entries, name)
        return part.take(array if array.flags.c_contiguous else array.T, slice(0, part.size))

    central = chosen(layer.central)
    nothing = np.broadcast_to(np.False_, central.shape)
    if layer.bend is None or layer.kinked is None or not (kinked := chosen(layer.kinked)).any():
        return Slopes(central, central, nothing, nothing)
    bend = chosen(layer.bend)
    return Slopes(central + bend, central - bend, kinked, nothing)


def _beside(
    recognition: Recognition,
    problem: Problem,
    network: Network,
    parts: Sequence[Part],
    picked: Sequence[Coordinates],
    seed: int,
) -> list[Slopes]:
    """Return the slopes of the picked rows of each part for data beside X, where all roundings fall differently."""
    moved = dataclasses.replace(
        network.arranged,
        X=jittered(network.arranged.X, seed=seed),
        biases=tuple(jittered(b, seed=seed) for b in network.arranged.biases),
    )
    network = Network.of(moved, network.hidden, network.loss, network.l2)
    linear = linear_columns(network, STEP, inverse_radii(network))
    slopes = linear_slopes(network, STEP)
    results = []
    for part, rows in zip(parts, picked, strict=True):
        number = problem.layout.number(part.block)
        found, known = _slopes_at(recognition, network, linear, slopes, number, part.at(rows))
        results.append(Slopes(found, found, ~known, ~known))
    return results


def _shaken(recognition: Recognition, network: Network, number: int, places: Coordinates) -> Shaken:
    """Return the slopes at some places of a block, as a backward pass may find them that forms A − Y, 1 − A², 1 − A.

    Most do. It loses its digits where an output is sure and right, or a hidden unit saturates; the kernels do without.
    """
    targets = network.loss.targets(
        network.arranged.Y, outputs=network.output.shape[0], samples=network.output.shape[1]
    )
    lost = SHAKE * network.loss.weight(network.output) * np.maximum(np.abs(network.output), np.abs(targets))
    linear = linear_columns(network, STEP, inverse_radii(network))
    exact, slopes = linear_slopes(network, STEP), []
    for seed in range(SHAKES):
        rng = np.random.default_rng(seed)
        shares, factors = rng.uniform(-1, 1, lost.shape), _saturations(network, rng)
        shaken = linear_slopes(network, STEP, exact[-1] + lost * shares, factors)
        found, known = _slopes_at(recognition, network, linear, shaken, number, places)
        slopes.append(np.where(known, found, np.nan))
    return Shaken(slopes=np.array(slopes), costs=np.full(SHAKES, network.cost()), work=0)


def _saturations(network: Network, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Return factors of the slopes of the hidden units, 1 where they do not saturate."""
    factors = []
    for activation, Z in zip(network.hidden, network.Zs, strict=False):
        left = LEFT_OF_ONE.get(activation.difference, np.ones_like)
        factors.append(saturation(left(activation.value(Z)), rng))
    return factors


def _slopes_at(
    recognition: Recognition,
    network: Network,
    linear: Sequence[NDArray[np.bool_]],
    slopes: Sequence[NDArray[np.float64]],
    number: int,
    places: Coordinates,
) -> tuple[Vector, NDArray[np.bool_]]:
    """Return the slopes at some places of a block, given those of all columns, and whether these are linear there."""
    found, known = [], []
    for place in places:
        layer, unit, source = recognition.unit(number, int(place))
        A = 1.0 if source is None else network.inputs[layer][source]
        penalty = 0.0 if source is None else network.decay * network.arranged.weights[layer][unit, source]
        found.append(float(np.sum(slopes[layer][unit] * A)) + penalty)
        known.append(bool(linear[layer][unit].all()))
    return np.array(found), np.array(known)


def _expect_usable(layer: LayerDifferences, step: float) -> None:
    """Raise `DisagreementError` for differences that overflowed, or for blocks too small for full precision."""
    sizes = np.array([largest(layer.central.weights), largest(layer.central.biases)])
    if unusable(sizes * step).any():
        raise DisagreementError("Some differences are too small or too large for the kernels.")


def add_scaled(total: NDArray[Any], W: NDArray[Any], factor: float) -> None:
    """Add ``factor`` times W, without an array of its size."""
    if factor:
        for units in unit_pieces(*W.shape):
            total[units] += factor * W[units]
