"""A backward pass that returns something else when it is called again: one row each.

To add one: a function that looks at what calls in a row return, and a row of `REPEATED_CALLS`; a test with the smallest
backward pass that is wrong so. The first row that recognises it explains it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastcheck.diagnosis.detective.experiments.backward_runs import (
    BackwardRuns,
    Gradients,
    InARow,
    different,
    same,
)
from fastcheck.diagnosis.detective.experiments.directional_slopes import DirectionalSlopes
from fastcheck.diagnosis.detective.naming import gradient_names
from fastcheck.legible import first_names
from fastcheck.norms import largest
from fastcheck.report.causes import Cause


@dataclass(frozen=True, slots=True, eq=False)
class Calls:
    """What is known: what calls in a row returned, the claim that failed, and slopes of the cost."""

    runs: BackwardRuns
    row: InARow
    claimed: Gradients
    cost: Callable[[Any], Any]
    slopes: DirectionalSlopes

    @property
    def added(self) -> Gradients:
        """What each call adds to what was there, by block."""
        return {name: self.row.first[name] - left for name, left in self.row.left_before().items()}


@dataclass(frozen=True, slots=True)
class Seen:
    """A mistake that was seen in a block: blocks with the same one are told together."""

    kind: str
    sentence: str
    evidence: str
    certain: bool


def _drawn_again(calls: Calls, name: str) -> Seen | None:
    row = calls.row
    if not row.drew or not different(row.first[name], row.again[name]):
        return None
    repeated = calls.runs.again_with_same_numbers()
    is_why = repeated is not None and same(repeated[name], row.first[name])
    if not is_why:
        return None
    return Seen(
        "random numbers drawn in the backward pass",
        "backward draws random numbers: each call returns another gradient{where}. Keep what forward drew, such as a "
        "dropout mask, in the cache",
        "two calls differ, and are the same once the generator is set back between them",
        True,
    )


def _accumulated(calls: Calls, name: str) -> Seen | None:
    added = calls.added.get(name)
    if added is None or not different(calls.claimed[name], added):
        return None
    is_right = calls.slopes.agrees(calls.cost, added, name)
    return Seen(
        "added to an earlier gradient",
        "backward adds its result to what earlier calls left{where}: set the arrays of gradients to zero before it, or "
        "assign with = instead of +=",
        "each call adds the same" + (", which is right along random directions" if is_right else ""),
        True,
    )


def _of_another_call(calls: Calls, name: str) -> Seen | None:
    row = calls.row
    only_forward_matters = same(row.again[name], row.first[name]) and different(
        row.anew[name], row.first[name]
    )
    if not only_forward_matters:
        return None
    stored = f" ({first_names(row.stored)})" if row.stored else ""
    return Seen(
        "depends on earlier forward passes",
        "backward uses what forward passes leave behind{where}"
        + stored
        + ": after another forward pass with the same "
        "inputs, whose outputs are the same, it returns another gradient",
        "two backward passes after one forward pass return the same",
        True,
    )


REPEATED_CALLS: tuple[Callable[[Calls, str], Seen | None], ...] = (
    _drawn_again,
    _accumulated,
    _of_another_call,
)
"""What is looked for, in this order."""


def repeated_call_causes(calls: Calls, wrong: Sequence[str], every: Sequence[str]) -> list[Cause]:
    """Return why blocks that fail have another gradient in the next call."""
    blocks: dict[Seen, list[str]] = {}
    for name in wrong:
        has_gradient = largest(calls.row.first[name]) > 0 or largest(calls.row.again[name]) > 0
        found = (look(calls, name) for look in REPEATED_CALLS) if has_gradient else ()
        seen = next((seen for seen in found if seen is not None), None)
        if seen is not None:
            blocks.setdefault(seen, []).append(name)
    return [_cause(seen, names, every) for seen, names in blocks.items()]


def _cause(seen: Seen, names: Sequence[str], every: Sequence[str]) -> Cause:
    where = "" if list(names) == list(every) else f" in {gradient_names(names)}"
    return Cause(
        kind=seen.kind,
        blocks=tuple(names),
        sentence=seen.sentence.replace("{where}", where),
        evidence=seen.evidence,
        certain=seen.certain,
    )
