"""One check: the backward pass is asked, what it answers is compared with the truth, and explained."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastcheck.checkpoints.sections import section
from fastcheck.checks.backward_experiments import with_experiments
from fastcheck.checks.held_on_purpose import NOT_DECLARED, sentence_on_held
from fastcheck.engines.graph.frameworks.torch.protecting import Lowered
from fastcheck.errors import EvaluationError, InvalidProblemError
from fastcheck.report.answers import decisive
from fastcheck.report.causes import Cause
from fastcheck.report.result import Report
from fastcheck.torch.claims import ForwardRun, Gradients, as_claims
from fastcheck.torch.cotangents import drawn, given
from fastcheck.torch.detaching import NOTHING_DETACHED, explained_by_detaching, held
from fastcheck.torch.inputs import Call, Inputs
from fastcheck.torch.kept_state import StateKept
from fastcheck.torch.other_upstreams import follows
from fastcheck.torch.passes import TorchPasses, users_backward
from fastcheck.torch.questions import Answers, Question, ask
from fastcheck.torch.second_order import SecondOrder
from fastcheck.torch.structures import tensors_in
from fastcheck.torch.truth import compared, parameters_of, runs_in_double, seen_in, truth_of
from fastcheck.verdict.judging import Verdict

CALLED_TWICE = "cost: called twice"
"""How the error begins of a cost that does not repeat itself."""

NO_GRADIENT = {1: "backward returns None for", 2: "the double backward pass has no gradient of"}
"""How it is told, of both orders, that there is no gradient of inputs."""

WHY_NO_GRADIENT = {
    1: "autograd adds nothing where a backward pass returns None",
    2: "in a backward pass, too, autograd loses what is detached, under no_grad, or taken by .data or .item()",
}
"""Where it comes from."""


@dataclasses.dataclass(slots=True, eq=False)
class OneCheck:
    """What is asked of `check_function`: ``cotangents``, ``order`` and ``seed`` are its, ``options`` those of `check`.

    ``outputs_alone`` asks for each of several outputs by itself, too. ``holds_detached`` tells whether what the forward
    detaches is constant on purpose. ``lowered`` tells where the forward pass was seen to compute in less than double
    precision.
    """

    inputs: Inputs
    kept: StateKept
    cotangents: Any
    order: int
    seed: int
    options: Mapping[str, Any]
    outputs_alone: bool = True
    holds_detached: bool = False
    lowered: Lowered | None = None

    def report(self, in_double: bool, *, tolerance: float | None = None) -> Report:
        """Return the report of the first upstream gradient that fails, or is not decided, else of the first one."""
        run = ForwardRun(self.inputs, self.kept.draws, in_double)
        with run:
            upstream = upstream_gradients(self.cotangents, run, self.seed)
            if self.order == 1:
                answers = ask(run, upstream, self.outputs_alone)
            else:
                second: Call = SecondOrder(self.inputs, run.places, upstream[0])
        if self.order == 2:
            run = ForwardRun(second, self.kept.draws, in_double)
            with run:
                answers = ask(run, upstream_gradients(len(upstream), run, self.seed + 1), self.outputs_alone)
        self.kept.restore()
        options = dict(self.options) if tolerance is None else {**self.options, "tolerance": tolerance}
        return self._judged(run, answers, options)

    def _judged(self, run: ForwardRun, answers: Answers, options: Mapping[str, Any]) -> Report:
        reports: list[Report] = []
        tolerance = options["tolerance"]
        for number, question in enumerate(answers.questions, 1):
            if reports and follows(answers.questions[0], question, tolerance):
                continue
            others_pass = bool(reports) and all(reports)
            with section(
                f"upstream gradient {number}"
                if run.in_double
                else f"upstream gradient {number}, in its own precision"
            ):
                reports.append(self._compared(run, question, options, others_pass=others_pass))
            if reports[-1].verdict is Verdict.FAIL:
                break
        report = decisive(reports)
        notes = [*report.notes, *answers.remarks, *_notes(run, answers, self.order)]
        return dataclasses.replace(
            report,
            notes=tuple(dict.fromkeys(notes)),
            forward_passes=sum(each.forward_passes for each in reports) + 1,
        )

    def _compared(
        self, run: ForwardRun, question: Question, options: Mapping[str, Any], *, others_pass: bool
    ) -> Report:
        """Return the report for one upstream gradient, with its causes."""
        cost, parameters = truth_of(run, question.upstream), parameters_of(run.inputs)
        claims = self._claims(run, question)
        options = dict(options)
        if self.inputs.masks:
            options["coordinates"] = _coordinates(parameters, self.inputs.masks_of_blocks)
        notes = []
        dtype = run.inputs.dtype
        if dtype is not torch.float64 and not runs_in_double(cost, parameters):
            cost = cost.in_own_dtype()
            options["tolerance"] = max(options["tolerance"], seen_in(dtype))
            notes.append(
                f"the forward pass does not run in double precision: only mistakes above {options['tolerance']:g} are "
                f"seen in {str(dtype).removeprefix('torch.')}."
            )
        as_it_moves = cost
        if self.holds_detached:
            cost, places = held(cost, parameters)
            notes.append(sentence_on_held(places) if places else NOTHING_DETACHED)
        try:
            report = compared(cost, parameters, claims, options)
        except EvaluationError as error:
            raise _in_terms_of_tensors(error) from error
        self._note_lowered(as_it_moves.lowered, cost.lowered, run.lowered)
        report = dataclasses.replace(report, notes=(*notes, *report.notes))
        notes = []
        if report.verdict is Verdict.FAIL:
            is_special = others_pass and question.is_special
            if not (is_special or self.holds_detached):
                report = explained_by_detaching(report, cost, parameters, claims, options)
            if others_pass and not is_special:
                notes.append(f"this is {question.about}: what backward returns for others is right.")
            if is_special:
                causes: tuple[Cause, ...] = (_cause_of(question, report),)
            elif any(cause.kind == NOT_DECLARED for cause in report.causes):
                causes = report.causes
            else:
                passes = TorchPasses(run.inputs, run, cost, users_backward(run.outputs, self.inputs.function))
                report = with_experiments(report, passes, cost, parameters, claims, options)
                causes = _with_missing(report, question.gradients, self.order)
            report = dataclasses.replace(report, causes=causes)
        return dataclasses.replace(report, notes=(*notes, *report.notes))

    def _note_lowered(self, *seen: Lowered | None) -> None:
        for lowered in seen:
            known = self.lowered
            if lowered is None:
                continue
            if known is None or torch.finfo(lowered.dtype).eps > torch.finfo(known.dtype).eps:
                self.lowered = lowered

    def _claims(self, run: ForwardRun, question: Question) -> dict[str, NDArray[Any]]:
        """Return what the backward pass claims, zero where a mask says that it means nothing."""
        claims = as_claims(run.inputs.checked, question.gradients)
        for name, entries in self.inputs.masks_of_blocks.items():
            claims[name] = np.where(entries, claims[name], np.zeros_like(claims[name]))
        return claims


def upstream_gradients(wish: Any, run: ForwardRun, seed: int) -> list[list[torch.Tensor]]:
    """Return the upstream gradients that are asked for; `InvalidProblemError` for what is none."""
    if isinstance(wish, int) and not isinstance(wish, bool) and wish > 0:
        return [drawn(run.outputs, seed, number) for number in range(wish)]
    if isinstance(wish, torch.Tensor):
        return [given(wish, run.outputs)]
    if isinstance(wish, Sequence) and len(wish) and all(tensors_in(each) for each in wish):
        return [given(each, run.outputs) for each in wish]
    raise InvalidProblemError(
        f"cotangents: expected how many to draw, such as 2, or a list of upstream gradients, got {wish!r}."
    )


def _in_terms_of_tensors(error: EvaluationError) -> EvaluationError:
    """Return an error about the cost as one about the function."""
    if not str(error).startswith(CALLED_TWICE):
        return error
    values = str(error).removeprefix(CALLED_TWICE).partition(" A check needs")[0]
    return EvaluationError(
        f"fn: called twice{values.replace('parameters', 'inputs').replace('it returned', 'its outputs gave')} A check "
        "needs the same function every time. PyTorch's generators are set back before each call. Does it count its "
        "calls, or draw from NumPy's or Python's generators? For these: with fastcheck.frozen_randomness(0): …"
    )


def _cause_of(question: Question, report: Report) -> Cause:
    """Return the cause that lies in what is special of a question, as others pass."""
    return Cause(
        kind="special upstream gradient",
        blocks=tuple(name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL),
        sentence=f"backward returns another gradient for {question.about}",
        evidence="for the same numbers without that, it is right",
        certain=True,
    )


def _with_missing(report: Report, gradients: Gradients, order: int) -> tuple[Cause, ...]:
    """Return the causes of a report, and first that there is no gradient of blocks that fail."""
    failing = [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL]
    missing_ones = tuple(name for name, gradient in gradients.items() if gradient is None)
    blocks = {*missing_ones, *(f"{name}.{part}" for name in missing_ones for part in ("real", "imag"))}
    names = tuple(name for name in failing if name in blocks)
    if not names:
        return report.causes
    missing = Cause(
        kind="no gradient",
        blocks=names,
        sentence=f"{NO_GRADIENT[order]} {', '.join(names)}, which claims zero, and the right gradient is not",
        evidence=WHY_NO_GRADIENT[order],
        certain=True,
    )
    others = (
        dataclasses.replace(cause, blocks=tuple(name for name in cause.blocks if name not in names))
        for cause in report.causes
    )
    return missing, *(cause for cause in others if cause.blocks)


def _notes(run: ForwardRun, answers: Answers, order: int) -> list[str]:
    without = [name for name, gradient in answers.questions[0].gradients.items() if gradient is None]
    notes = []
    if without:
        notes.append(f"{NO_GRADIENT[order]} {', '.join(without)}: that claims zero.")
    if run.without:
        plural = "output has" if run.without == 1 else "outputs have"
        notes.append(f"{run.without} floating-point {plural} no gradient: not checked.")
    if answers.changes_upstream:
        notes.append(
            "backward changes its upstream gradient in place: others that get the same tensor, as in fn(x) + x, find "
            "it changed. Work on a copy."
        )
    return notes


def _coordinates(parameters: Mapping[str, Any], masks: Mapping[str, NDArray[np.bool_]]) -> dict[str, Any]:
    """Return which coordinates are compared: all of inputs without a mask."""
    chosen: dict[str, Any] = {}
    for name in parameters:
        entries = masks.get(name)
        chosen[name] = (
            "all" if entries is None else [tuple(map(int, index)) for index in np.argwhere(entries)]
        )
    return chosen
