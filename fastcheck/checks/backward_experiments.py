"""What the entry points that know a backward pass add to the report of a check that failed: experiments with it."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import fastcheck.problem
from fastcheck.checks.generators import generators_kept
from fastcheck.problem.holding import HELD
from fastcheck.problem.passes import LayerPasses, Passes
from fastcheck.problem.special.declared import SPECIAL_OPTIONS, SpecialOptions, is_special
from fastcheck.report.causes import ORDER, Cause
from fastcheck.report.result import CONSTANT_COST, Report
from fastcheck.undoing import UndoGuard
from fastcheck.verdict.judging import Verdict
from fastcheck.workers.library_threads import one_blas_thread

ADAPTERS = f"{Path(fastcheck.problem.__file__).parent}{os.sep}"
"""The folder of the lines that make a cost of a layer, or of complex parameters, which are none of the user's."""

SECONDS = 5.0
"""Experiments may take so long, or as long as the check."""


def with_experiments(
    report: Report, passes: Passes, cost: Any, parameters: Any, gradients: Any, options: Mapping[str, Any]
) -> Report:
    """Return the report with the causes that running the backward pass again tells, if the gradient is wrong.

    ``gradients`` are the claim that was checked, ``options`` those of the check: within a budget experiments get what
    is left of it.
    """
    cost_is_constant = any(sentence.startswith(CONSTANT_COST) for sentence in report.unseen)
    is_complete = report.verdict is Verdict.FAIL and report.stopped is None and not cost_is_constant
    if not is_complete or _is_beyond_experiments(report, parameters, options):
        return report
    from fastcheck.diagnosis.detective.experiments.backward_findings import Question, backward_findings
    from fastcheck.diagnosis.detective.experiments.backward_runs import Allowance
    from fastcheck.diagnosis.detective.experiments.wrong_inputs import cause_of_inputs
    from fastcheck.diagnosis.detective.finding import with_backward_lines

    start = time.perf_counter()
    verdicts = {name: block.verdict for name, block in report.blocks.items()}
    errors = {name: max((c.error for c in block.worst), default=0.0) for name, block in report.blocks.items()}
    explained = _blocks(cause for cause in report.causes if cause.certain)
    question = Question(passes, cost, parameters, gradients, verdicts, errors, explained, report.notes)
    allowance = Allowance(*_left(report, start, options))
    with UndoGuard(), generators_kept(*passes.functions), one_blas_thread():
        findings = backward_findings(question, allowance)
    causes = _joined(findings.causes, report.causes, isinstance(passes, LayerPasses))
    named = _blocks(causes)
    rest = [name for name in question.wrong if name not in named]
    causes += [cause_of_inputs(verdicts, rest)] if rest else []
    with_lines = (
        cause if cause.backward_lines or cause.lines else with_backward_lines([cause], passes.function)[0]
        for cause in causes
    )
    return dataclasses.replace(
        report,
        causes=tuple(with_lines),
        notes=(*report.notes, *findings.remarks),
        forward_passes=report.forward_passes + allowance.spent,
        seconds=report.seconds + time.perf_counter() - start,
    )


def _is_beyond_experiments(report: Report, parameters: Any, options: Mapping[str, Any]) -> bool:
    """Tell whether values are held constant, which experiments would move, or parameters are no real arrays."""
    holds_values = any(note.startswith(HELD) for note in report.notes)
    special = SpecialOptions(**{name: options.get(name) for name in SPECIAL_OPTIONS})
    return holds_values or is_special(parameters, special)


def without_our_lines(cause: Cause) -> Cause:
    """Return a cause without the lines that bring arrays into the form in which the user's functions take them."""
    lines = tuple(line for line in cause.lines if not line.file.startswith(ADAPTERS))
    return dataclasses.replace(cause, lines=lines)


def _left(report: Report, now: float, options: Mapping[str, Any]) -> tuple[int | None, float]:
    """Return the forward passes that are left of a budget, and the time at which it ends."""
    passes, seconds = options.get("max_forward_passes"), options.get("time_budget")
    most = max(SECONDS, report.seconds)
    return (
        None if passes is None else max(0, int(passes) - report.forward_passes),
        now + (most if seconds is None else min(most, max(0.0, float(seconds) - report.seconds))),
    )


def _joined(own: Sequence[Cause], others: Sequence[Cause], inputs_have_no_order: bool) -> list[Cause]:
    """Return the causes of experiments, and after them what other causes say of blocks that these do not prove.

    Where experiments tell what is likely, other causes are no more certain.
    """
    proved, likely = (_blocks(cause for cause in own if cause.certain is it) for it in (True, False))
    kept = []
    for cause in others:
        blocks = tuple(name for name in cause.blocks if name not in proved)
        is_order = cause.kind == ORDER
        says_nothing_more = is_order and (inputs_have_no_order or bool(_blocks(own) & {*cause.blocks}))
        if blocks and not says_nothing_more:
            certain = cause.certain and likely.isdisjoint(blocks)
            kept.append(dataclasses.replace(without_our_lines(cause), blocks=blocks, certain=certain))
    return [*own, *kept]


def _blocks(causes: Iterable[Cause]) -> set[str]:
    return {name for cause in causes for name in cause.blocks}
