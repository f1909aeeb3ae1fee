"""What a backward pass that fails does besides, which may harm its callers: said, but no cause of what fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastcheck.diagnosis.detective.experiments.backward_runs import BackwardRuns, InARow, different, same
from fastcheck.diagnosis.detective.naming import gradient_names
from fastcheck.problem.parameters import leaves_of

MOST_WORK = 1_000
"""Steps that it may take to find out whether arrays share memory."""


def remarks(runs: BackwardRuns, row: InARow, names: Sequence[str], said: Sequence[str]) -> list[str]:
    """Return what is remarkable of the passes; ``said`` is in the report already."""
    changes_inputs = any(note.startswith("backward changes") for note in said)
    found: list[str] = []
    if runs.passes.cotangent is not None:
        found += _writes_into_the_cotangent(runs)
        found += _depends_on_the_order_in_memory(runs, row, names)
    found += _shared_memory(runs)
    if not changes_inputs:
        found += _changes_the_cache(row, names)
    return found


def _writes_into_the_cotangent(runs: BackwardRuns) -> Iterator[str]:
    line = runs.line_that_writes()
    if line is not None:
        yield (
            f"backward changes its upstream gradient in place ({line}): that is harmless only if it is not used "
            "afterwards, here or by the caller."
        )


def _depends_on_the_order_in_memory(runs: BackwardRuns, row: InARow, names: Sequence[str]) -> Iterator[str]:
    answer = runs.gradients(runs.passes.cotangent, given=np.asfortranarray)
    others = [] if answer is None else [name for name in names if different(answer[name], row.first[name])]
    if others:
        yield (
            f"for the same upstream gradient in another order in memory, as that of a transposed array, backward "
            f"returns another {gradient_names(others)}: reshape and ravel with order='A' or 'K' do that."
        )


def _shared_memory(runs: BackwardRuns) -> Iterator[str]:
    made = runs.cotangent_and_result()
    if made is None:
        return
    cotangent, arrays = made
    named = [(block.name, array) for block, array in zip(runs.layout.blocks, arrays, strict=True)]
    upstream = [leaf for leaf in leaves_of(cotangent) if isinstance(leaf, np.ndarray)]
    of_upstream = [name for name, array in named if any(_share(array, leaf) for leaf in upstream)]
    of_others = [
        name for name, array in named if any(_share(array, other) for key, other in named if key != name)
    ]
    for names, whose in (
        (of_others, "the same memory"),
        (of_upstream, "the memory of the upstream gradient"),
    ):
        if names:
            yield (
                f"backward returns {gradient_names(names)} in {whose}: what changes one in place (+=) changes "
                "the other."
            )


def _changes_the_cache(row: InARow, names: Sequence[str]) -> Iterator[str]:
    others = [
        name
        for name in names
        if different(row.again[name], row.first[name]) and same(row.anew[name], row.first[name])
    ]
    if others:
        yield (
            f"a second backward pass after the same forward pass returns another {gradient_names(others)}: backward "
            "changes in place what forward left, or adds to it."
        )


def _share(a: Any, b: Any) -> bool:
    """Whether arrays are known to share memory."""
    shares: Any = np.shares_memory
    try:
        return bool(shares(a, b, max_work=MOST_WORK))
    except np.exceptions.TooHardError:
        return False
