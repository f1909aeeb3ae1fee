"""The sets of wrong claims."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.causes.claims import Arrays, WrongClaim, changed_blocks, is_same_claim
from benchmarks.causes.expecting import Expected, Unknowable
from benchmarks.causes.networks import NETWORKS, long_lstm
from benchmarks.causes.networks.textbook import STYLES
from benchmarks.causes.vocabulary import times
from benchmarks.causes.zoo_expectations import WRONG_LINES, corruption, sizes_of
from benchmarks.zoo.families import FAMILIES, build
from benchmarks.zoo.lines import NotHereError, WrongLine
from benchmarks.zoo.mistakes import MISTAKES, Mistake, effect


def planted(
    sets: Sequence[str], *, seeds: int = 1, families: Sequence[str] = (), only: str = "", first_seed: int = 0
) -> Iterator[WrongClaim]:
    """Yield the wrong claims of some sets: of these families or networks (all), and of mistakes named like ``only``."""
    for name in sets:
        for seed in range(first_seed, first_seed + seeds):
            for claim in SETS[name](seed, families):
                if re.search(only, claim.mistake):
                    yield claim


def zoo(seed: int, families: Sequence[str] = ()) -> Iterator[WrongClaim]:
    """Yield every mistake of the bug zoo in every family where it changes enough to be found."""
    for family in chosen(FAMILIES, families):
        yield from zoo_family(family, seed)


@functools.lru_cache(maxsize=4)
def zoo_family(family: str, seed: int) -> tuple[WrongClaim, ...]:
    """Return the wrong claims of one family."""
    case = build(family, seed)
    right = case.backward(case.parameters)
    made: list[Made] = []
    for mistake in MISTAKES:
        try:
            claimed = case.backward(case.parameters, mistake)
        except NotHereError:
            continue
        if not shows(right, claimed):
            continue
        expected = _expected(mistake, right, claimed)
        made.append(Made(mistake=mistake.name, kind=mistake.group, claimed=claimed, expected=expected))
    origin = Origin(set="zoo", group=family, seed=seed, network=case, right=right)
    return wrong_claims(origin, sizes_of(family, case.network), made)


def kinds(seed: int, networks: Sequence[str] = ()) -> Iterator[WrongClaim]:
    """Yield every mistake of the networks of this package."""
    for name in chosen(NETWORKS, networks):
        yield from network_claims("kinds", name, seed)


def textbook(seed: int, styles: Sequence[str] = ()) -> Iterator[WrongClaim]:
    """Yield the mistakes of the textbook perceptron in each of its styles."""
    for name in chosen(STYLES, styles):
        yield from network_claims("textbook", name, seed)


LARGE = {"LSTM, 64 units, 20 steps": long_lstm}


def timing(seed: int, networks: Sequence[str] = ()) -> Iterator[WrongClaim]:
    """Yield the mistakes of an LSTM of a size at which time matters."""
    for name in chosen(LARGE, networks):
        yield from network_claims("timing", name, seed)


def chosen(names: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """Return the names that are wanted: all of them, if none is."""
    return [name for name in names if not wanted or name in wanted]


@functools.lru_cache(maxsize=4)
def network_claims(set: str, name: str, seed: int) -> tuple[WrongClaim, ...]:
    """Return the wrong claims of one network of a set."""
    network = (NETWORKS | STYLES | LARGE)[name](seed)
    right = network.backward(network.parameters)
    made = [
        Made(
            mistake=mistake,
            kind=planting.kind,
            claimed=network.backward(network.parameters, [mistake]),
            expected=planting.expected,
        )
        for mistake, planting in network.MISTAKES.items()
    ]
    origin = Origin(set=set, group=name, seed=seed, network=network, right=right)
    return wrong_claims(origin, network.sizes, made)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A mistake that was made in a network, and what may be said of it."""

    mistake: str
    kind: str
    claimed: Arrays
    expected: tuple[Expected, ...]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The network in which mistakes were made."""

    set: str
    group: str
    seed: int
    network: Any
    right: Arrays


def wrong_claims(origin: Origin, sizes: SimpleNamespace, made: Sequence[Made]) -> tuple[WrongClaim, ...]:
    """Return the claims that are wrong enough to be found; those that are the same have all expectations of these."""
    wrong = [one for one in made if shows(origin.right, one.claimed)]
    return tuple(
        WrongClaim(
            set=origin.set,
            group=origin.group,
            kind=one.kind,
            mistake=one.mistake,
            seed=origin.seed,
            cost=origin.network.cost,
            parameters=origin.network.parameters,
            right=origin.right,
            claimed=one.claimed,
            expected=(_expected_of_all(one, wrong, origin.right),),
            sizes=_sizes(sizes, origin.right, one.claimed),
        )
        for one in wrong
    )


def shows(right: Arrays, claimed: Arrays) -> bool:
    """Tell whether a claim is so wrong that it must be found."""
    finite = all(np.isfinite(block).all() for block in claimed.values())
    return not (finite and effect(right, claimed).small)


def _expected_of_all(one: Made, made: Sequence[Made], right: Arrays) -> tuple[Expected, ...]:
    """Return what may be said of any of the mistakes with the claim of one."""
    same = [other.expected for other in made if is_same_claim(one.claimed, other.claimed, right)]
    alternatives = [expected for several in same for expected in several]
    if not any(getattr(expected, "factor", None) for expected in alternatives):
        alternatives += accidental_factor(right, one.claimed)
    return tuple(dict.fromkeys(alternatives))


def accidental_factor(right: Arrays, claimed: Arrays) -> list[Expected]:
    """Return the factor that a mistake comes to, such as 0 where the only sample that it leaves has no slope."""
    wrong = changed_blocks(right, claimed)
    if not wrong:
        return []
    true = np.concatenate([np.ravel(right[name]).astype(float) for name in wrong])
    told = np.concatenate([np.ravel(claimed[name]).astype(float) for name in wrong])
    factor = float(true @ told / (true @ true)) if true.any() else math.nan
    is_factor = true.size > 1 and np.allclose(told, factor * true, rtol=1e-9, atol=1e-12 * np.abs(true).max())
    return list(times(factor, None)) if is_factor else []


def _sizes(sizes: SimpleNamespace, right: Arrays, claimed: Arrays) -> SimpleNamespace:
    """Return the sizes of the network, and that of the block that is wrong if it is one."""
    wrong = changed_blocks(right, claimed)
    block = right[next(iter(wrong))].size if len(wrong) == 1 else math.nan
    return SimpleNamespace(**vars(sizes), block=block)


def _expected(mistake: Mistake, right: Arrays, claimed: Arrays) -> tuple[Expected, ...]:
    if mistake.name in WRONG_LINES:
        return WRONG_LINES[mistake.name]
    name = next(name for name in right if (right[name] != claimed[name]).any())
    return corruption(mistake.name, right[name], claimed[name])


PAIRS_EACH = 10
"""Pairs of mistakes that are tried in each network, with each seed."""

BOTH_SHOW, ONE_SHOWS = "both show", "one masks the other"


def pairs(seed: int, networks: Sequence[str] = ()) -> Iterator[WrongClaim]:
    """Yield pairs of mistakes at random, of other lines or blocks each, in the families of the zoo and the networks."""
    for name in chosen([*FAMILIES, *NETWORKS], networks):
        yield from network_pairs(name, seed)


@functools.lru_cache(maxsize=4)
def network_pairs(name: str, seed: int) -> tuple[WrongClaim, ...]:
    """Return claims with two mistakes each, in one family or network."""
    singles = [one for one in _singles(name, seed) if not isinstance(one.expected[0][0], Unknowable)]
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    candidates = [(one, other) for one, other in combinations(singles, 2) if _apart(one, other)]
    claims: list[WrongClaim] = []
    for number in rng.permutation(len(candidates)):
        claim = _paired(*candidates[number])
        if claim is not None:
            claims.append(claim)
        if len(claims) == PAIRS_EACH:
            break
    return tuple(claims)


def _singles(name: str, seed: int) -> tuple[WrongClaim, ...]:
    if name not in FAMILIES:
        return network_claims("kinds", name, seed)
    return tuple(
        one for one in zoo_family(name, seed) if isinstance(MISTAKES_BY_NAME[one.mistake].how, WrongLine)
    )


def _apart(one: WrongClaim, other: WrongClaim) -> bool:
    """Tell whether two mistakes concern other lines, or other blocks."""
    lines = [{getattr(expected, "line", None) for expected in claim.expected[0]} for claim in (one, other)]
    return not lines[0] & lines[1] or not one.wrong_blocks & other.wrong_blocks


def _paired(one: WrongClaim, other: WrongClaim) -> WrongClaim | None:
    """Return the claim with both mistakes; None where they exclude each other or both together change nothing."""
    try:
        claimed = _with_both(one, other)
    except NotHereError:
        return None
    if not shows(one.right, claimed):
        return None
    expected, kind = _expected_of_both(one, other), BOTH_SHOW
    for single in (one, other):
        if is_same_claim(claimed, single.claimed, one.right):
            expected, kind = (tuple(_resolved(part, single.sizes) for part in single.expected[0]),), ONE_SHOWS
    return dataclasses.replace(
        one,
        set="pairs",
        kind=kind,
        mistake=f"{one.mistake} + {other.mistake}",
        claimed=claimed,
        expected=expected,
    )


def _expected_of_both(one: WrongClaim, other: WrongClaim) -> tuple[tuple[Expected, ...], ...]:
    """Return what may be said of each of two mistakes: of two factors, their product, where both are passed."""
    parts = [[_resolved(expected, claim.sizes) for expected in claim.expected[0]] for claim in (one, other)]
    first, second = (
        [part.factor(None) for part in several if getattr(part, "factor", None)] for several in parts
    )
    products = [times(a * b, None)[0] for a in first for b in second]
    smaller = 0 if len(one.wrong_blocks) < len(other.wrong_blocks) else 1
    parts[smaller] += products
    return tuple(tuple(part) for part in parts)


def _resolved(expected: Expected, sizes: SimpleNamespace) -> Expected:
    """Return an expectation with the number that its factor is in a network of these sizes."""
    if isinstance(expected, Unknowable) or expected.factor is None:
        return expected
    number = expected.factor(sizes)
    return dataclasses.replace(expected, factor=lambda sizes: number)


def _with_both(one: WrongClaim, other: WrongClaim) -> Arrays:
    """Return the gradient with both mistakes."""
    if one.set == "zoo":
        first, second = (MISTAKES_BY_NAME[claim.mistake].how for claim in (one, other))
        both = dataclasses.replace(first, also=second)
        return build(one.group, one.seed).network.backward(one.parameters, both)
    network = NETWORKS[one.group](one.seed)
    return network.backward(network.parameters, [one.mistake, other.mistake])


MISTAKES_BY_NAME = {mistake.name: mistake for mistake in MISTAKES}

SETS: dict[str, Callable[[int, Sequence[str]], Iterator[WrongClaim]]] = {
    "zoo": zoo,
    "textbook": textbook,
    "kinds": kinds,
    "pairs": pairs,
    "timing": timing,
}
"""What yields the claims of each, from a seed and the names of families or networks."""
