"""Mistakes planted in the families, and where they show."""

from __future__ import annotations

import functools

from benchmarks.zoo.families import FAMILIES, Arrays, Case, build
from benchmarks.zoo.lines import NotHereError
from benchmarks.zoo.mistakes import MISTAKES, Effect, effect

NAMES = {mistake.name: mistake for mistake in MISTAKES}
BELOW_THE_TOLERANCE = {
    "the output's gradient rounded to float32",
    "dW computed in float32",
    "a block stored in float32",
}
"""They change entries by some 1e-8 of their block's typical one: by more only of those that are much smaller."""


@functools.cache
def right_gradient(family: str, seed: int) -> tuple[Case, Arrays]:
    """Return a case with its right gradient."""
    case = build(family, seed)
    return case, case.backward(case.parameters)


def planted(name: str, family: str, seed: int = 0) -> tuple[Case, Arrays, Effect]:
    """Return the case, its gradient with the mistake, and the effect; `NotHereError` where it cannot be made."""
    case, right = right_gradient(family, seed)
    claimed = case.backward(case.parameters, NAMES[name])
    return case, claimed, effect(right, claimed)


@functools.cache
def places(name: str) -> list[tuple[str, int]]:
    """Return the families, with a seed, in which the mistake changes something by more than the tolerance."""
    found = []
    for family in FAMILIES:
        for seed in range(3):
            try:
                _, _, measured = planted(name, family, seed)
            except NotHereError:
                continue
            if measured.to_block > (2e-5 if family == "float32" else 9e-7):
                found.append((family, seed))
                break
    return found
