"""Arrays that a forward or backward pass changes in place although they are still needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from fastcheck.diagnosis.detective.experiments.backward_runs import BackwardRuns, Gradients, different
from fastcheck.diagnosis.detective.experiments.cotangents import upstream_name
from fastcheck.diagnosis.detective.experiments.directional_slopes import Agreement, DirectionalSlopes
from fastcheck.diagnosis.detective.experiments.rebinding import (
    Place,
    as_rebinding,
    as_unwritten,
    code_line,
    rebinding,
)
from fastcheck.diagnosis.detective.naming import gradient_names
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.problem.functions import same_values
from fastcheck.problem.passes import LayerPasses
from fastcheck.report.causes import CHANGED_IN_PLACE, Cause

MOST_LINES = 12
"""Lines with operators in place that are tried one by one."""


def in_place_causes(
    runs: BackwardRuns,
    cost: Callable[[Any], Any],
    slopes: DirectionalSlopes,
    claimed: Gradients,
    wrong: Sequence[str],
) -> list[Cause]:
    """Return the operators in place without which blocks that fail are right."""
    tried = _Tried(runs, cost, slopes, {name: claimed[name] for name in wrong})
    with rebinding(runs.passes.function) as rebound:
        without_any = tried.run()
    if not rebound.ran or without_any is None:
        return []
    changed = [name for name in wrong if different(without_any[name], claimed[name])]
    cured = [name for name in changed if tried.agreement(without_any, name).right]
    if not cured:
        return []
    places = [place for place in list(rebound.ran)[:MOST_LINES] if tried.cures(place, cured)]
    difference = max(tried.agreement(without_any, name).difference for name in cured)
    dout = upstream_name(runs.passes.function)
    lines = tuple(map(code_line, places[:1]))
    is_upstream = bool(lines) and runs.line_that_writes() == lines[0]
    what = _what_changes(lines, dout if is_upstream else None)
    cause = _cause(cured, what, difference)
    if places and rebound.ran[places[0]]:
        return [dataclasses.replace(cause, backward_lines=lines)]
    return [dataclasses.replace(cause, lines=lines)]


class _Tried:
    """Runs with operators that make new arrays."""

    def __init__(
        self, runs: BackwardRuns, cost: Callable[[Any], Any], slopes: DirectionalSlopes, wrong: Gradients
    ) -> None:
        self.runs, self.cost, self.slopes, self.wrong = runs, cost, slopes, wrong

    def run(self) -> Gradients | None:
        """Return the gradients of a run on `Rebinding` arrays."""
        return self.runs.gradients(self.runs.passes.cotangent, as_rebinding)

    def agreement(self, gradients: Gradients, name: str) -> Agreement:
        """Return whether the gradient of a block is right."""
        return self.slopes.agreement(self.cost, gradients, {name: self.wrong[name]})

    def cures(self, place: Place, names: Sequence[str]) -> bool:
        """Whether blocks are right once the operator in this line alone makes a new array."""
        with rebinding(self.runs.passes.function, place):
            gradients = self.run()
        return gradients is not None and all(self.agreement(gradients, name).right for name in names)


def _what_changes(lines: Sequence[CodeLine], upstream: str | None) -> str:
    """Return what changes what, in words; ``upstream`` is the name of the upstream gradient if that is changed."""
    if upstream is not None:
        return f"this line changes the upstream gradient `{upstream}` in place, which is still needed"
    if lines:
        return "this line changes an array in place that is still needed"
    return "operators in place, such as x *= y, change arrays that are still needed"


def _cause(cured: Sequence[str], what: str, difference: float) -> Cause:
    names, are = gradient_names(cured), "is" if len(cured) == 1 else "are"
    agree = "it agrees" if len(cured) == 1 else "they agree"
    return Cause(
        kind=CHANGED_IN_PLACE,
        blocks=tuple(cured),
        sentence=f"{what}: with x = x * y instead, which makes a new one, {names} {are} right",
        evidence=f"then {agree} to {difference:.0e} along random directions",
        certain=True,
    )


def overwritten_cotangent_causes(
    runs: BackwardRuns,
    passes: LayerPasses,
    slopes: DirectionalSlopes,
    claimed: Gradients,
    wrong: Sequence[str],
) -> list[Cause]:
    """Return the line that writes into the upstream gradient, if blocks are right once that changes nothing.

    The smallest backward pass for which that is known::

        def backward(dout, cache):
            d = dout
            d[out <= 0] = 0                  # changes nothing where dout is 0 there
            return dout + d @ w.T
    """
    line = runs.line_that_writes() if wrong else None
    written = None if line is None else runs.written_cotangent(passes.cotangent)
    again = None if written is None else runs.written_cotangent(written.cotangent)
    if line is None or written is None or again is None:
        return []
    is_written_once = same_values(again.cotangent, written.cotangent)
    unwritten = runs.gradients(passes.cotangent, given=as_unwritten)
    if not is_written_once or unwritten is None:
        return []
    cost = passes.cost.with_cotangent(written.cotangent)
    cured = [
        name
        for name in wrong
        if different(unwritten[name], claimed[name]) and slopes.agrees(cost, again.gradients[name], name)
    ]
    if not cured:
        return []
    names, are = gradient_names(cured), "is" if len(cured) == 1 else "are"
    dout = upstream_name(passes.function)
    return [
        Cause(
            kind=CHANGED_IN_PLACE,
            blocks=tuple(cured),
            sentence=f"this line changes the upstream gradient `{dout}` in place, which is still needed: change a copy "
            "of it",
            evidence=f"{names} {are} right for a {dout} that already has the values which the line writes",
            certain=False,
            backward_lines=(line,),
        )
    ]
