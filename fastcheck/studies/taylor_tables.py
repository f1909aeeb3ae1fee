"""Taylor remainders along directions, by plain evaluation of the cost: rates, and what they cannot see."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastcheck.engines.graph.away import evaluated_away
from fastcheck.engines.plain.noise import SAFETY, noise_with_jumps
from fastcheck.normal import normal_numbers
from fastcheck.norms import root_mean_square
from fastcheck.pictures.taylor_table import (
    SECOND_ORDER,
    TaylorOptions,
    TaylorRows,
    TaylorTable,
    rates_of,
)
from fastcheck.problem.parameters import Vector
from fastcheck.problem.posing import Problem

EPSILON = float(np.finfo(float).eps)

ALIKE = 3
"""Extrapolations in a row that must be alike: two may be by chance, where kinks lie between the steps."""

SAFETY_OF_TERM = 2.0
"""The linear term may be off by so many times as much as these are apart, and as rounding does."""

PER_DECADE, DECADES = 20, (-18, 4)
"""Sizes of errors, relative to ⟨g, v⟩, of which it is tried whether the rates see them."""


class Direction(NamedTuple):
    """A direction v, shape (n,), and what it is called."""

    name: str
    v: Vector


def taylor_table(
    problem: Problem, gradient: Vector, given: Vector | None, options: TaylorOptions
) -> TaylorTable:
    """Return the table of a claim, (n,), along a ``given`` direction, (n,), or random ones.

    Costs a forward pass for each step and direction, and some 45 for the noise of J, up to 400 where it jumps.
    """
    noise, _ = noise_with_jumps(problem)
    steps = np.ldexp(options.start, -np.arange(options.steps))
    directions = _directions(problem, given, options)
    rows = [_rows(problem, gradient, direction, steps, noise) for direction in directions]
    return TaylorTable(directions=tuple(rows), value=problem.value, parameters=problem.layout.size)


def _directions(problem: Problem, given: Vector | None, options: TaylorOptions) -> Iterator[Direction]:
    """Yield the directions, through all blocks or each in one."""
    count = options.directions if given is None else 1
    for number in range(count):
        name = f"random direction {number + 1}" if given is None else "the given direction"
        v = _random(problem, options.seed, number) if given is None else given
        if not options.by_block:
            yield Direction(name, v)
            continue
        for block in problem.layout.blocks:
            part = np.zeros_like(v)
            part[block.start : block.stop] = v[block.start : block.stop]
            if part.any():
                yield Direction(f"{block.name}, {name}" if count > 1 else block.name, part)


def _random(problem: Problem, seed: int, number: int) -> Vector:
    """Return normal numbers, (n,), in each block of the size of its parameters, or 1 where these are zeros."""
    v = normal_numbers(problem.layout.size, seed, number)
    for block in problem.layout.blocks:
        if block.size:
            v[block.start : block.stop] *= root_mean_square(problem.theta[block.start : block.stop]) or 1.0
    return v


def _rows(
    problem: Problem, gradient: Vector, direction: Direction, steps: Vector, noise: float
) -> TaylorRows:
    """Return the remainders along one direction; ``noise`` is the σ of J at θ."""
    products = gradient * direction.v
    slope, size = float(np.sum(products)), float(np.sum(np.abs(products)))
    costs = np.array([evaluated_away(problem, problem.theta + step * direction.v) for step in steps.tolist()])
    changes = costs - problem.value
    remainders = changes - steps * slope
    growth = np.maximum(1.0, np.abs(costs / problem.value)) if problem.value else 1.0
    rounding = 2 * SAFETY * noise * growth + 4 * EPSILON * steps * size
    linear_term, linear_error = linear_term_of(steps, remainders, rounding)
    base = remainders - steps * linear_term if abs(linear_term) > linear_error else remainders
    return TaylorRows(
        name=direction.name,
        slope=slope,
        steps=steps,
        changes=changes,
        remainders=remainders,
        noise=np.broadcast_to(rounding, steps.shape),
        linear_term=linear_term,
        linear_error=linear_error,
        visible=visible_error(steps, base, rounding, size),
    )


def linear_term_of(steps: Vector, remainders: Vector, noise: Vector) -> tuple[float, float]:
    """Return a of remainders a·h + b·h² + c·h³ + …, and an estimate of its error; NaN and infinity if rows are few.

    Each step is half the one before, so that 2 R(h/2) / (h/2) − R(h) / h = a − c·h²/2: Richardson's extrapolation.
    The error is how far three such numbers in a row are from each other, and what rounding may do.
    """
    quotients, rounding = remainders / steps, noise / steps
    extrapolated = 2 * quotients[1:] - quotients[:-1]
    best, least = math.nan, math.inf
    for k in range(ALIKE - 1, extrapolated.size):
        alike = extrapolated[k + 1 - ALIKE : k + 1]
        off = SAFETY_OF_TERM * float(np.ptp(alike) + 2 * rounding[k + 1] + rounding[k])
        if off < least:
            best, least = float(extrapolated[k]), off
    return best, least


def visible_error(steps: Vector, remainders: Vector, noise: Vector, size: float) -> float:
    """Return the least |e| from which on remainders + e·h have a rate of at most 1.9, whatever the sign of e.

    Found by trying errors between 1e-18 and 1e4 of ``size``; infinite where not even the largest shows.
    """
    low, high = DECADES
    shares = 10.0 ** np.linspace(low, high, PER_DECADE * (high - low) + 1)
    errors = shares * (size or float(np.nanmax(np.abs(remainders / steps), initial=1.0)))
    return max(_seen_from(errors, sign, steps, remainders, noise) for sign in (1.0, -1.0))


def _seen_from(errors: Vector, sign: float, steps: Vector, remainders: Vector, noise: Vector) -> float:
    """Return the first of growing errors of a sign from which on all of them show."""
    with_error = remainders + sign * errors[:, None] * steps
    rates = rates_of(with_error, np.broadcast_to(noise, with_error.shape))
    shows = (rates <= SECOND_ORDER).any(axis=1)
    hidden = np.flatnonzero(~shows)
    first = int(hidden[-1]) + 1 if hidden.size else 0
    return float(errors[first]) if first < errors.size else math.inf
