"""Difference propagation against plain evaluation, with steps so large that rounding of J hides no mistake.

Both compute the same finite difference, kinks and truncation included, whatever the step. At 1e-7 of θ the rounding of
J leaves 2e-6 of it, at a tenth of θ 1e-12. Steps are shorter where the cost would take another way or is not defined,
and longer where slopes are tiny beside J.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fastcheck.engines.difference.runs import Runner
from fastcheck.engines.difference.verification import (
    Direction,
    Move,
    Probe,
    both_ways,
    bunches,
    changes,
    ends_of,
    perturbed,
)
from fastcheck.engines.noise import declared_noise, rounding_bound
from fastcheck.engines.slopes import CANCELLED
from fastcheck.engines.verification import (
    ASSUMED,
    FACTOR,
    MOST_ASSUMED,
    USEFUL,
    confirm_end,
    confirmed,
    evaluated_away,
    expect_defined,
    some_names,
)
from fastcheck.norms import root_mean_square
from fastcheck.parameters import Vector
from fastcheck.plan import Part
from fastcheck.problem import Problem

LADDER = FACTOR ** np.arange(-4.0, 5.0)
"""Lengths of steps over the first one that are tried where that does not serve: 1.5e-5 to 65,536."""

EVALUATED = 3
"""Of these, steps with which the cost is evaluated at most."""

ZERO = 64.0
"""Rounding units of the network's largest slopes up to which slopes of a block are zero but for rounding."""

BESIDE_ZERO = 2.0**-20
"""Share of the network's largest slopes that errors of such a block are compared with."""


def claimed_size(problem: Problem, part: Part) -> float:
    """Return the RMS of the claims of a part; 0 if there are none."""
    if not problem.claims:
        return 0.0
    claims = part.take(problem.claims[problem.layout.number(part.block)], slice(0, part.size))
    return root_mean_square(np.asarray(claims, dtype=np.float64))


def slopes_at_stake(problem: Problem, sizes: Mapping[str, float], relative_noise: float) -> dict[str, float]:
    """Return the size of slopes that an error in each block is compared with.

    ``sizes`` are those of the slopes or claims of each block. Where they are zero but for rounding, as before a batch
    normalisation, it is a small share of the network's largest.
    """
    scale = max([problem.flow, *sizes.values()])
    zero = ZERO * max(float(np.finfo(float).eps), min(relative_noise, CANCELLED)) * scale
    return {name: size if size > zero else BESIDE_ZERO * scale for name, size in sizes.items()}


def confirmed_by_cost(
    runner: Runner, probes: Sequence[Probe], sizes: Mapping[str, float]
) -> tuple[dict[str, float], int]:
    """Raise `DisagreementError` unless plain evaluation finds the same differences as the runner's, at large steps.

    ``sizes`` are those of the slopes or claims of each block. Returns the least error that shows in each, as a share of
    these, and the forward passes spent.
    """
    problem = runner.problem
    at_stake = slopes_at_stake(problem, sizes, runner.relative_noise)
    shows: dict[str, float] = {}

    def compare(counted: Problem, noise: float) -> None:
        shows.update(confirm_loops(counted, runner, probes, at_stake, noise))

    unit = float(np.spacing(abs(problem.value)))
    noise = float(np.clip(runner.noise, ASSUMED * unit, MOST_ASSUMED * unit))
    _, passes = confirmed(compare, problem, max(noise, declared_noise(problem)))
    return shows, passes


def confirm_loops(
    problem: Problem, runner: Runner, probes: Sequence[Probe], at_stake: Mapping[str, float], noise: float
) -> dict[str, float]:
    """Raise `DisagreementError` unless plain evaluation finds the same differences with large steps.

    Returns the least error that shows in each block, as a share of the slopes ``at_stake`` there: infinite where no
    step can be taken. Costs two forward passes for each probe. Blocks in which too little shows have other steps,
    with up to six more for each, or each bunch if there are many. Half as many are moved at once where a bunch cannot
    be moved at all.
    """
    shows: dict[str, float] = {}
    directions = [direction for probe in probes for direction in probe.directions]
    for probe in probes:
        shows |= _confirmed(problem, runner, probe, at_stake, noise)
    hidden = [d for d in directions if not shows[d.part.block.name] <= USEFUL]
    doubtful = bunches(sorted(hidden, key=lambda direction: at_stake[direction.part.block.name]))
    while doubtful:
        bunch = doubtful.pop()
        _take_other_steps(problem, runner, bunch, at_stake, noise, shows)
        if len(bunch) > 1 and any(shows[direction.part.block.name] == math.inf for direction in bunch):
            doubtful += bunches(bunch, 2)
    return shows


def _take_other_steps(
    problem: Problem,
    runner: Runner,
    directions: Sequence[Direction],
    at_stake: Mapping[str, float],
    noise: float,
    shows: dict[str, float],
) -> None:
    """Note in ``shows`` what shows with other steps, from the most promising one on, as long as it is too little."""
    shortest, evaluated, names = math.inf, 0, [direction.part.block.name for direction in directions]
    probes = _other_steps(problem, runner, directions, at_stake, noise)
    for probe in probes:
        if probe.share >= shortest:
            continue
        found = _confirmed(problem, runner, probe, at_stake, noise)
        if not all(map(math.isfinite, found.values())):
            shortest = probe.share  # there the cost is not defined
            continue
        shows |= {name: min(share, shows[name]) for name, share in found.items()}
        evaluated += 1
        if evaluated == EVALUATED or max(shows[name] for name in names) <= USEFUL:
            break
    if probes and not evaluated and len(names) == 1 and shows[names[0]] == math.inf:
        nearest = min(probes, key=lambda probe: probe.share)
        for move in both_ways(nearest.move):
            with _moved(problem, move) as point:
                expect_defined(problem, names[0], point)


def _confirmed(
    problem: Problem, runner: Runner, probe: Probe, at_stake: Mapping[str, float], noise: float
) -> dict[str, float]:
    """Evaluate the cost at both ends of a probe; return the least error that shows in each of its blocks."""
    names = [direction.part.block.name for direction in probe.directions]
    sizes, allowed = [0.0] * len(names), [math.inf]
    if np.isfinite(probe.ends).all():
        sizes = probe.sizes(at_stake)
        allowed = []
        for move, found in zip(both_ways(probe.move), probe.ends, strict=True):
            with _moved(problem, move) as point:
                cost = evaluated_away(problem, point)
                if not math.isfinite(cost):
                    allowed = [math.inf]
                    break
                hidden = functools.partial(_hidden_rounding, runner, move)
                where = some_names(names)
                allowed.append(confirm_end(problem, where, point, cost, found, noise, sum(sizes), hidden))
    return {name: shown(max(allowed), size) for name, size in zip(names, sizes, strict=True)}


def _hidden_rounding(runner: Runner, move: Move) -> float:
    """Return the rounding of J that shows where operations are shaken."""
    return runner.shaken_cost(*perturbed(runner.problem, [move]))


@contextlib.contextmanager
def _moved(problem: Problem, move: Move) -> Iterator[Vector]:
    """Lend θ with these steps taken."""
    with problem.work() as work:
        before = [(places, work[places]) for places, _ in (changes(problem, *step) for step in move)]
        try:
            for (places, values), (direction, step) in zip(before, move, strict=True):
                work[places] = values + step * direction.entries
            yield work
        finally:
            for places, values in before:
                work[places] = values


def shown(allowed: float, size: float) -> float:
    """Return the least error that shows as a share; 0 where there is nothing to be seen."""
    return allowed / size if size else (0.0 if math.isfinite(allowed) else math.inf)


def _other_steps(
    problem: Problem,
    runner: Runner,
    directions: Sequence[Direction],
    at_stake: Mapping[str, float],
    noise: float,
) -> list[Probe]:
    """Return other steps along directions: the nearest that promise enough, then the others, the best first."""
    first = Probe.lengths_of(problem, directions, 0.0)
    shares = LADDER.tolist()
    moves: list[Move] = [
        tuple((direction, share * length) for direction, length in zip(directions, first, strict=True))
        for share in shares
    ]
    known = ends_of(runner, moves).known
    probes = [Probe(tuple(directions), first, both, share) for share, both in zip(shares, known, strict=True)]

    def expected(probe: Probe) -> float:
        rounding = noise * max(1.0, float(np.abs(probe.ends).max()) / abs(problem.value or 1.0))
        allowed = 4 * float(rounding_bound(rounding, 1.0))
        return max(shown(allowed, size) for size in probe.sizes(at_stake))

    def order(probe: Probe) -> tuple[float, float]:
        share = expected(probe)
        enough = share <= USEFUL / FACTOR
        return (0.0, abs(math.log(probe.share))) if enough else (1.0, share)

    usable = [probe for probe in probes if np.isfinite(probe.ends).all()]
    return sorted(usable, key=order)
