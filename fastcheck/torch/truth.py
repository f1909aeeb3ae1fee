"""The truth: the function in double precision, as a cost that is recorded, or evaluated plainly."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastcheck.checks.check import check
from fastcheck.checks.running import MOST_UNASKED
from fastcheck.engines import DisagreementError
from fastcheck.engines.graph.frameworks.torch.cost import TorchCost
from fastcheck.engines.graph.recording.advice import reason_for
from fastcheck.engines.graph.tracing.tracing_error import TracingError
from fastcheck.report.result import Report
from fastcheck.torch.batches import BatchedTorchCost
from fastcheck.torch.claims import ForwardRun, blocks_of, floating_outputs, to_array
from fastcheck.torch.inputs import Call, Inputs

MOST_PLAIN = 20_000
"""Inputs that are evaluated plainly, two forward passes each; more are screened along random directions."""


SAME_ON_CPU = 1e-9
"""J of a function on another device and on the CPU, in double precision, may differ by this share."""


class TruthFunction:
    """The outputs that have a gradient, as a function of blocks: tensors in double precision, complex ones as two."""

    def __init__(self, inputs: Call, places: Sequence[int]) -> None:
        self.inputs, self.places = inputs, tuple(places)
        self.complex = [name for name, x in inputs.checked.items() if x.tensor.is_complex()]

    def __call__(self, tensors: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        """Return the outputs."""
        given = dict(tensors)
        for name in self.complex:
            given[name] = torch.complex(given.pop(f"{name}.real"), given.pop(f"{name}.imag"))
        for name, x in self.inputs.checked.items():
            if x.tensor.device.type != "cpu":
                given[name] = given[name].to(x.tensor.device)
        floating = floating_outputs(self.inputs.call(given))
        return [floating[place] for place in self.places]


def truth_of(run: ForwardRun, upstream: Sequence[torch.Tensor]) -> TorchCost:
    """Return J = Σ ⟨upstream gradient, output⟩."""
    cost = _cost_of(run.inputs, run, upstream)
    if isinstance(run.inputs, Inputs) and any(
        x.tensor.device.type != "cpu" for x in run.inputs.checked.values()
    ):
        moved = _cost_of(run.inputs.on_cpu(), run, upstream)
        if _are_same(moved, cost, parameters_of(run.inputs)):
            return moved
    return cost


def _cost_of(inputs: Call, run: ForwardRun, upstream: Sequence[torch.Tensor]) -> TorchCost:
    cotangents = [to_array(u).astype(np.float64) for u in upstream]
    cost = TorchCost(TruthFunction(inputs, run.places), cotangents, inputs.dtype)
    cost.as_drawn = run.drawn
    if run.first_draws is not None:
        cost.draws = run.first_draws
    return cost


def _are_same(moved: TorchCost, cost: TorchCost, parameters: Mapping[str, Any]) -> bool:
    """Whether a function that was moved to the CPU runs there, and computes the same: other numbers may be drawn."""
    try:
        here, there = moved(parameters), cost(parameters)
    except Exception:
        return False
    return math.isclose(here, there, rel_tol=SAME_ON_CPU)


SINGLE_SEEN, HALF_SEEN = 1e-2, 0.25
"""Mistakes above which a truth shows that is computed in float32, and in half precision."""


def runs_in_double(cost: TorchCost, parameters: Mapping[str, Any]) -> bool:
    """Whether the function runs in double precision: one that asks for another dtype raises."""
    try:
        cost(parameters)
    except Exception:
        return False
    return True


def seen_in(dtype: torch.dtype) -> float:
    """Return the mistakes, relative, above which a truth shows that is computed in less than double precision."""
    return SINGLE_SEEN if dtype is torch.float32 else HALF_SEEN


def parameters_of(inputs: Call) -> dict[str, NDArray[np.float64]]:
    """Return the tensors that are checked, as arrays in double precision, by the names of their blocks."""
    blocks: dict[str, NDArray[Any]] = {}
    for name, x in inputs.checked.items():
        blocks.update(blocks_of(name, x.tensor))
    return {name: array.astype(np.float64) for name, array in blocks.items()}


def compared(
    cost: TorchCost, parameters: Mapping[str, Any], claims: Mapping[str, Any], options: Mapping[str, Any]
) -> Report:
    """Compare a claim with the truth: by the record of the function, or plainly, in batches where that works."""
    size = sum(array.size for array in parameters.values())
    usual = set(options) <= {"tolerance", "seed", "method", "coordinates", "progress"}
    leaves_it_open = options.get("method", "auto") == "auto" and options.get("coordinates") in (None, "all")
    if not (usual and leaves_it_open) or size > MOST_UNASKED:
        return check(cost, parameters, claims, **options)
    try:
        return check(cost, parameters, claims, **{**options, "method": "difference"})
    except (TracingError, DisagreementError) as error:
        reason = reason_for(error)
    if getattr(cost.function, "complex", ()):
        reason = "evaluated plainly: complex tensors are not recorded."
    if not cost.in_double:
        reason = "evaluated plainly, in the dtype of the inputs."
    plain: dict[str, Any] = {**options, "method": "plain"}
    judge: Any = cost
    if size > MOST_PLAIN and options.get("coordinates") is None:
        plain["coordinates"] = "screen"
    else:
        judge = BatchedTorchCost.of(cost, parameters) or cost
    report = check(judge, parameters, claims, **plain)
    in_batches = () if judge is cost else ("many evaluations at once, by torch.func.vmap.",)
    return dataclasses.replace(report, notes=(reason, *in_batches, *report.notes))
