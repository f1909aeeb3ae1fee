"""Every mistake in every family and seed, and right gradients of all of them, to every checker."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from benchmarks.zoo.families import FAMILIES, LARGE, Arrays, Case, build
from benchmarks.zoo.lines import NotHereError
from benchmarks.zoo.mistakes import MISTAKES, Effect, effect
from benchmarks.zoo.peers import Peer
from fastcheck import Verdict, check

FASTCHECK = "fastcheck"
PLAIN = "fastcheck, plain evaluation"
DIFFERENCE = "fastcheck, difference propagation"
METHODS = {FASTCHECK: "auto", DIFFERENCE: "difference", PLAIN: "plain"}
"""fastcheck by its own choice and by two of its engines, and the option method of each."""

PEERS_UP_TO = 700
"""Parameters of the largest network given to the peers, some of which take seconds for it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one checker said of one claim: detected, passed, inconclusive, elsewhere (blamed a right block), error.

    ``mistake`` is its name; it and ``effect`` are None for a right gradient. ``setting`` is the number of a
    peer's setting, 0 the defaults; ``method`` is the engine that fastcheck used.
    """

    checker: str
    setting: int
    family: str
    seed: int
    parameters: int
    mistake: str | None
    effect: Effect | None
    said: str
    method: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much to run: seeds with mistakes and with right gradients in each family, for fastcheck and for the peers."""

    wrong: int = 3
    right: int = 120
    large: int = 2
    peers_wrong: int = 1
    peers_right: int = 10


def run(
    size: Size, families: Sequence[str] = tuple(FAMILIES), peers: Sequence[Peer] = (), jobs: int = 1
) -> list[Outcome]:
    """Return what fastcheck and the peers say; ``jobs`` are worker processes, as joblib counts them."""
    seeds = range(max(size.right, size.wrong))
    tasks = [delayed(examine_large)(family, seed) for family in LARGE for seed in range(size.large)]
    tasks += [delayed(examine)(family, seed, size, peers) for family in families for seed in seeds]
    parts = Parallel(n_jobs=jobs)(tasks)
    return [outcome for part in parts for outcome in part]


def examine(family: str, seed: int, size: Size, peers: Sequence[Peer]) -> list[Outcome]:
    """Return the outcomes for the right gradient of a case, and for every mistake that can be made in it."""
    case = build(family, seed)
    outcomes: list[Outcome] = []
    right = case.backward(case.parameters)
    if seed < size.right:
        outcomes += ask(case, right, METHODS, peers if seed < size.peers_right else ())
    for mistake in MISTAKES if seed < size.wrong else ():
        try:
            claimed = case.backward(case.parameters, mistake)
        except NotHereError:
            continue
        measured = effect(right, claimed)
        outcomes += ask(
            case, claimed, METHODS, peers if seed < size.peers_wrong else (), mistake.name, measured
        )
    return outcomes


def examine_large(family: str, seed: int) -> list[Outcome]:
    """Return what fastcheck says of the right gradient of a large network."""
    case = build(family, seed)
    return list(ask(case, case.backward(case.parameters), {FASTCHECK: "auto"}, ()))


def ask(
    case: Case,
    claimed: Arrays,
    methods: Mapping[str, str],
    peers: Sequence[Peer],
    mistake: str | None = None,
    measured: Effect | None = None,
) -> Iterator[Outcome]:
    """Yield what each checker says of a claim, a peer once for each of its settings."""
    n = sum(np.size(block) for block in case.parameters.values())
    about: dict[str, Any] = {"family": case.family, "seed": case.seed, "parameters": n}
    about |= {"mistake": mistake, "effect": measured}
    for name, method in methods.items():
        start = time.perf_counter()
        said, engine = fastcheck_says(case, claimed, measured, method)
        seconds = time.perf_counter() - start
        yield Outcome(checker=name, setting=0, said=said, method=engine, seconds=seconds, **about)
    for peer in peers if n <= PEERS_UP_TO else ():
        for number, settings in enumerate([peer.defaults, *peer.grid]):
            start = time.perf_counter()
            said = peer_says(peer.detects, case, claimed, settings)
            seconds = time.perf_counter() - start
            yield Outcome(checker=peer.name, setting=number, said=said, method="", seconds=seconds, **about)


def fastcheck_says(case: Case, claimed: Arrays, measured: Effect | None, method: str) -> tuple[str, str]:
    """Return fastcheck's answer, and the engine it used."""
    report = check(case.cost, case.parameters, claimed, method=method, progress=False)
    if report.verdict is not Verdict.FAIL:
        said = {Verdict.PASS: "passed", Verdict.INCONCLUSIVE: "inconclusive"}[report.verdict]
        return said, report.method
    failing = {name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL}
    planted = measured.blocks if measured else frozenset()
    return ("detected" if failing <= planted else "elsewhere"), report.method


def peer_says(detects: Callable[..., bool], case: Case, claimed: Arrays, settings: dict[str, Any]) -> str:
    """Return a peer's answer; whatever it raises besides its own verdict is an error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return "detected" if detects(case, claimed, **settings) else "passed"
    except Exception:
        return "error"
