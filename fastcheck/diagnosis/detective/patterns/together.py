"""Claims of several blocks at once: exchanged, clipped by a common norm, the gradient at other parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fastcheck.diagnosis.detective.evidence import Entries
from fastcheck.diagnosis.detective.naming import gradient_name, gradient_names
from fastcheck.diagnosis.detective.patterns.case import Case
from fastcheck.diagnosis.detective.patterns.multiples import RIGHT
from fastcheck.diagnosis.detective.patterns.wording import clause
from fastcheck.norms import largest, norm

MOST_EXCHANGED = 64
"""Wrong blocks of which pairs are compared."""

PARTS = (("imag", "real"), ("im", "re"), ("Im", "Re"), ("_i", "_r"))
"""How names of the imaginary and the real part of a parameter end."""

LEARNING_RATES = (0.1, 0.01, 0.001, 1.0, 0.5, 0.05, 0.005)
"""Steps of an update that are tried, the likeliest first: slopes are computed after each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Joint:
    """What a pattern says of several blocks that it explains together."""

    sentence: str
    statement: tuple[object, ...]
    blocks: tuple[str, ...]
    residual: float
    entries: int
    coefficient: float | None = None


def blocks_exchanged(cases: list[Case]) -> Iterator[Joint]:
    """Yield pairs of blocks that have each other's gradient."""
    for k, first in enumerate(cases[:MOST_EXCHANGED]):
        for second in cases[k + 1 : MOST_EXCHANGED]:
            if first.size != second.size:
                continue
            residuals = _is_that_of(first, second.block.slopes), _is_that_of(second, first.block.slopes)
            if None not in residuals:
                names = first.block.name, second.block.name
                yield Joint(
                    sentence=f"{gradient_names(names)} are exchanged",
                    statement=("exchanged", names),
                    blocks=names,
                    residual=max(r for r in residuals if r is not None),
                    entries=first.entries + second.entries,
                )


def _is_that_of(case: Case, slopes: Entries) -> float | None:
    """Return the residual if the claim is these slopes, which are not scaled."""
    scaled = np.ldexp(slopes, -case.exponent)
    if case.claims_nothing and largest(scaled) <= case.rounding:
        return 0.0
    return case.residual(scaled.reshape(case.shape))


def conjugated(cases: list[Case]) -> Iterator[Joint]:
    """Yield imaginary parts with the wrong sign, where the real part is right: the conjugate of a gradient."""
    for case in cases:
        real = _real_part_of(case)
        if real is None:
            continue
        residual = case.residual(-case.slopes)
        if residual is not None:
            name = case.block.name
            yield Joint(
                sentence=f"{gradient_name(name)} is −1 times the right gradient, and {gradient_name(real)} is right: "
                f"that is the conjugate of the gradient of the complex number, whose parts are {real} and {name}",
                statement=((name, "factor"),),
                blocks=(name,),
                residual=residual,
                entries=case.entries,
                coefficient=-1.0,
            )


def _real_part_of(case: Case) -> str | None:
    """Return the right block of the same shape that is the real part, by the names: ``z_re`` of ``z_im``."""
    for imaginary, real in PARTS:
        name = case.block.name
        stem = name.removesuffix(imaginary)
        if stem == name:
            continue
        for other in case.evidence.blocks:
            if other.name == stem + real and not other.wrong and other.theta.shape == case.shape:
                return other.name
    return None


def clipped_by_common_norm(cases: list[Case]) -> Iterator[Joint]:
    """Yield one factor below 1 of all blocks, that makes the norm of all claims a plain number."""
    if len(cases) < 2 or not cases[0].evidence.complete:
        return
    found = [case.coefficient(case.claimed, case.slopes, of_slopes=True) for case in cases]
    known = [one for one in found if one is not None]
    if len(known) < len(cases):
        return
    factor = min(known, key=lambda one: one.uncertain)
    alike = all(abs(one.value - factor.value) <= one.uncertain + factor.uncertain for one in known)
    untouched = [b for b in cases[0].evidence.blocks if not b.wrong and b.slopes.any()]
    if not alike or untouched or not 0 < factor.value < 1:
        return
    length = math.hypot(*(norm(case.block.claimed) for case in cases))
    named = cases[0].hints.plain(length, 1e-8 * length)
    if named is not None:
        names = [case.block.name for case in cases]
        words = f"is scaled down, so that the norm of all blocks together is {named.written}{named.reason}"
        yield Joint(
            sentence=clause(names, words),
            statement=("clipped by norm",),
            blocks=tuple(names),
            residual=max(one.residual for one in known),
            entries=sum(case.entries for case in cases),
            coefficient=factor.value,
        )


def of_earlier_parameters(cases: list[Case]) -> Iterator[Joint]:
    """Yield claims that are the gradient at the parameters before, or contain it."""
    evidence, slopes_at = cases[0].evidence, cases[0].hints.slopes_at
    if slopes_at is None or not evidence.previous:
        return
    theta = {block.name: evidence.previous.get(block.name, block.theta) for block in evidence.blocks}
    earlier = slopes_at(theta)
    yield from _those_at(cases, earlier, f"is {RIGHT} at the previous parameters", ("previous",))
    now = {case.block.name: case.block.slopes for case in cases}
    both = {name: now[name] + slopes for name, slopes in earlier.items() if name in now}
    words = f"is {RIGHT} plus that at the previous parameters: it was not set to zero between the steps"
    yield from _those_at(cases, both, words, ("previous", "added"))


def after_the_update(cases: list[Case]) -> Iterator[Joint]:
    """Yield claims that are the gradient after a step down the gradient."""
    evidence, slopes_at = cases[0].evidence, cases[0].hints.slopes_at
    if slopes_at is None:
        return
    for rate in LEARNING_RATES:
        stepped = slopes_at({block.name: block.theta - rate * block.slopes for block in evidence.blocks})
        words = f"is {RIGHT} after a step of {rate:g} times it"
        found = list(_those_at(cases, stepped, words, ("after the update",)))
        if found:
            yield from found
            return


def _those_at(
    cases: list[Case], slopes: Mapping[str, Entries], words: str, statement: tuple[object, ...]
) -> Iterator[Joint]:
    """Yield the blocks whose claims are these slopes, as one."""
    explained: list[tuple[Case, float]] = []
    for case in cases:
        there = slopes.get(case.block.name)
        residual = None if there is None or not there.any() else _is_that_of(case, there)
        if residual is not None:
            explained.append((case, residual))
    if explained:
        names = [case.block.name for case, _ in explained]
        yield Joint(
            sentence=clause(names, words),
            statement=(*statement, tuple(names)),
            blocks=tuple(names),
            residual=max(residual for _, residual in explained),
            entries=sum(case.entries for case, _ in explained),
        )
