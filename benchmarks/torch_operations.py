"""PyTorch's own samples of its operations: which are followed, which evaluated plainly, and none wrong.

``python -m benchmarks.torch_operations`` writes docs/results/torch-operations.md. Names of operations may follow, as
``softmax``: then it only prints what is found.
"""

from __future__ import annotations

import itertools
import platform
import sys
import types
import unittest
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

import fastcheck
from fastcheck.engines.graph.frameworks.torch.cost import TorchCost, differentiable
from fastcheck.engines.graph.recording.record import record
from fastcheck.engines.graph.tracing.tracing_error import TracingError

RESULT = Path(__file__).parents[1] / "docs" / "results" / "torch-operations.md"

MOST_SAMPLES = 6
"""Samples of one operation, spread over those that PyTorch has."""

MOST_NUMBERS = 20_000
"""Larger samples are left out."""

SAME_VALUE = 1e-13
"""J as recorded may differ by this share of its terms from J as PyTorch computes it."""

SAME_SLOPES = 1e-11
"""Slopes may differ by this share; what differs more is judged by a whole check."""

MUCH_MEMORY = 2**30

NEVER_FILLED = ("empty_like", "new_empty", "new_empty_strided", "empty", "empty_strided", "empty_permuted")
"""Operations whose results hold anything."""

OTHERWISE = {
    "cov": "autograd computes in the weights' single precision",
    "nn.functional.embedding": "`padding_idx` and `scale_grad_by_freq` change gradients alone",
    "nn.functional.embedding_bag": "`padding_idx` and `scale_grad_by_freq` change gradients alone",
    "celu": "autograd takes 1/α in single precision",
    "nn.functional.celu": "autograd takes 1/α in single precision",
    "nn.functional.hardsigmoid": "autograd takes 1/6 in single precision",
    "normal": "autograd says that a drawn number does not move with its mean",
    "normal.number_mean": "autograd says that a drawn number does not move with its deviation",
    "nn.functional.max_unpool1d": "several entries are written to one place, which autograd does not expect",
    "nn.functional.max_unpool2d": "several entries are written to one place, which autograd does not expect",
    "nn.functional.max_unpool3d": "several entries are written to one place, which autograd does not expect",
}
"""Operations whose gradient by autograd is not the slope of what they compute."""


@dataclass
class Found:
    """What became of the samples of one operation."""

    samples: Counter[str] = field(default_factory=Counter)
    said: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """A function of named tensors, their values, random cotangents, and autograd's gradients if it has them."""

    function: Callable[[dict[str, torch.Tensor]], list[torch.Tensor]]
    arrays: dict[str, Any]
    cotangents: list[Any]
    gradients: dict[str, Any] | None

    @property
    def cost(self) -> TorchCost:
        """J."""
        return TorchCost(self.function, self.cotangents)


def operations() -> list[Any]:
    """Return PyTorch's list of operations with samples; it is made for its own tests."""
    stub = types.ModuleType("expecttest")  # which that list imports, and does not use
    stub.TestCase = unittest.TestCase  # type: ignore[attr-defined]
    sys.modules.setdefault("expecttest", stub)
    from torch.testing._internal.common_methods_invocations import op_db

    return [op for op in op_db if torch.float64 in op.dtypes and op.name not in NEVER_FILLED]


def spread(samples: Iterator[Any]) -> list[Any]:
    """Return a few of many samples."""
    known = list(itertools.islice(samples, 60))
    places = np.linspace(0, len(known) - 1, min(MOST_SAMPLES, len(known))).round().astype(int)
    return [known[k] for k in dict.fromkeys(places.tolist())]


def samples_of(op: Any) -> Iterator[Sample | str]:
    """Yield samples, or why one is left out."""
    for given in spread(op.sample_inputs("cpu", torch.float64, requires_grad=False)):
        flat, structure = tree_flatten((given.input, given.args, given.kwargs))
        tensors = [x for x in flat if isinstance(x, torch.Tensor)]
        moving = [k for k, x in enumerate(flat) if isinstance(x, torch.Tensor) and x.dtype == torch.float64]
        if any(x.layout is not torch.strided for x in tensors):
            yield "sparse"
        elif not 0 < sum(flat[k].numel() for k in moving) <= MOST_NUMBERS:
            yield "no numbers, or very many"
        else:
            yield sample_of(op, given, flat, structure, moving)


def sample_of(op: Any, given: Any, flat: list[Any], structure: Any, moving: list[int]) -> Sample | str:
    """Return a sample, or why it is left out."""

    def run(named: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        parts = list(flat)
        for name, x in named.items():
            parts[int(name[1:])] = x
        first, arguments, keywords = tree_unflatten(parts, structure)
        result = op.gradcheck_wrapper(op.op, first, *arguments, **keywords)
        return differentiable(given.output_process_fn_grad(result))

    state = torch.get_rng_state()
    leaves = {f"x{k}": flat[k].detach().clone().requires_grad_() for k in moving}
    try:
        try:
            outputs = run(leaves)
        except RuntimeError as error:
            if "not differentiable" not in str(error):
                raise
            leaves = dict(list(leaves.items())[:1])
            torch.set_rng_state(state)
            outputs = run(leaves)
    except Exception:  # whatever an operation raises, of its own accord, for a sample
        return "PyTorch refuses it"
    torch.set_rng_state(state)
    kept = [k for k, y in enumerate(outputs) if y.requires_grad]
    counted = kept or list(range(len(outputs)))
    if not counted:
        return "no real results"
    if any(outputs[k].dtype != torch.float64 for k in counted):
        return "results in less than double precision"
    rng = np.random.default_rng(0)
    cotangents = [rng.normal(size=tuple(outputs[k].shape)) for k in counted]
    return Sample(
        function=lambda named: [run(named)[k] for k in counted],
        arrays={name: x.detach().numpy().copy() for name, x in leaves.items()},
        cotangents=cotangents,
        gradients=_autograd([outputs[k] for k in counted], cotangents, leaves) if kept else None,
    )


def _autograd(outputs: list[Any], cotangents: list[Any], leaves: dict[str, Any]) -> dict[str, Any] | None:
    try:
        upstream = [torch.from_numpy(u) for u in cotangents]
        found = torch.autograd.grad(outputs, list(leaves.values()), upstream, allow_unused=True)
    except (RuntimeError, NotImplementedError):
        return None
    return {
        name: np.zeros(tuple(x.shape)) if g is None else np.array(g.numpy(force=True))
        for (name, x), g in zip(leaves.items(), found, strict=True)
    }


def judge(sample: Sample) -> tuple[str, str]:
    """Return what became of a sample, in one word, and what to say of it."""
    cost, arrays = sample.cost, sample.arrays
    try:
        plain = cost(arrays)
    except RuntimeError as error:
        return "wrong", f"PyTorch runs it, the cost does not: {str(error).partition(chr(10))[0]}"
    if not np.isfinite(plain):
        return "not finite", ""
    if cost(arrays) != plain:
        return "not repeatable", ""
    try:
        recording = record(
            cost, lambda leaves: dict(zip(arrays, leaves, strict=True)), list(arrays.values()), MUCH_MEMORY
        )
    except TracingError as error:
        return "plain", str(error).partition("\n")[0]
    slopes = dict(zip(arrays, recording.slopes(), strict=True))
    terms = sum(
        float(np.abs(u * y.numpy()).sum())
        for u, y in zip(sample.cotangents, sample.function(_tensors(arrays)), strict=True)
    )
    if not abs(recording.value - plain) <= SAME_VALUE * terms:
        return "wrong", f"J = {recording.value!r}, PyTorch's is {plain!r}"
    if sample.gradients is None:
        return "followed", ""
    apart = max(difference(slopes[name], g) for name, g in sample.gradients.items())
    return ("followed", "") if apart <= SAME_SLOPES else second_opinion(sample, slopes, apart)


def second_opinion(sample: Sample, slopes: dict[str, Any], apart: float) -> tuple[str, str]:
    """Return what a whole check says of slopes that are not autograd's; where it fails autograd, what a loop says."""
    arrays = sample.arrays
    report = fastcheck.check(sample.cost, arrays, sample.gradients)
    if report.verdict != "fail" and report.difference < 1e-6:
        return "followed", ""
    confirmed = fastcheck.check(sample.cost, arrays, slopes, method="reference").verdict != "fail"
    if report.verdict != "fail":
        return (
            "followed" if confirmed else "wrong",
            f"autograd's gradient is {report.verdict}: {apart:.1e} apart",
        )
    return "otherwise" if confirmed else "wrong", f"{apart:.1e}"


def difference(x: Any, y: Any) -> float:
    """Return ‖x − y‖ / (‖x‖ + ‖y‖)."""
    size = float(np.linalg.norm(x) + np.linalg.norm(y))
    return float(np.linalg.norm(x - y)) / size if size else 0.0


def _tensors(arrays: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(x.copy()) for name, x in arrays.items()}


def measured(names: list[str]) -> dict[str, Found]:
    """Return what became of the samples of all operations, or of those that are named."""
    results = {}
    for op in operations():
        if names and op.full_name not in names and op.name not in names:
            continue
        torch.manual_seed(0)
        found = results[op.full_name] = Found()
        for sample in samples_of(op):
            kind, said = (sample, "") if isinstance(sample, str) else judge(sample)
            found.samples[kind] += 1
            known = found.said.setdefault(kind, [])
            if said and said not in known:
                known.append(said)
    return results


COUNTED = ("followed", "otherwise", "plain", "wrong")


def page(results: dict[str, Found]) -> str:
    """Return the page of results."""
    counts = Counter[str]()
    for found in results.values():
        counts.update(found.samples)
    of_operations = {
        kind: [name for name, found in results.items() if found.samples[kind]] for kind in COUNTED
    }
    whole = [
        name
        for name, found in results.items()
        if found.samples["followed"] and not any(found.samples[kind] for kind in COUNTED[1:])
    ]
    judged = [name for name, found in results.items() if any(found.samples[kind] for kind in COUNTED)]
    left_out = ", ".join(f"{n:,} {kind}" for kind, n in counts.most_common() if kind not in COUNTED)
    lines = [
        "# Operations of PyTorch",
        "",
        "Written by `python -m benchmarks.torch_operations`; do not edit. "
        f"Python {platform.python_version()}, numpy {np.__version__}, PyTorch {torch.__version__.partition('+')[0]}.",
        "",
        f"PyTorch keeps samples of its operations for its own tests. Here up to {MOST_SAMPLES} of each are recorded in",
        "double precision, with random cotangents: J must be what PyTorch computes, to "
        f"{SAME_VALUE:g} of its terms, and",
        f"the slopes autograd's, to {SAME_SLOPES:g}. "
        "Where they are not, a check decides, and where that fails autograd,",
        "a loop of central differences has the last word.",
        "",
        "| samples | operations | samples |",
        "| --- | ---: | ---: |",
        f"| followed, all of an operation's | {len(whole):,} | |",
        *(
            f"| {text} | {len(of_operations[kind]):,} | {counts[kind]:,} |"
            for kind, text in (
                ("followed", "followed"),
                ("plain", "evaluated plainly"),
                ("otherwise", "followed; autograd's gradient is not the slope"),
                ("wrong", "wrong"),
            )
        ),
        f"| together | {len(judged):,} | {sum(counts[kind] for kind in COUNTED):,} |",
        "",
        f"Left out: {left_out}.",
        "",
        "## Evaluated plainly",
        "",
        '`method="auto"` goes on with plain evaluation there, and says so.',
        "",
        "| operation | samples | why |",
        "| --- | ---: | --- |",
        *_rows(results, "plain"),
        "",
        "## Autograd's gradient is not the slope",
        "",
        "| operation | samples | apart | why |",
        "| --- | ---: | --- | --- |",
        *_rows(results, "otherwise"),
    ]
    if counts["wrong"]:
        lines += ["", "## Wrong", "", "| operation | samples | what |", "| --- | ---: | --- |"]
        lines += _rows(results, "wrong")
    return "\n".join(lines) + "\n"


def _rows(results: dict[str, Found], kind: str) -> list[str]:
    rows = []
    for name, found in results.items():
        if not found.samples[kind]:
            continue
        if kind == "otherwise":
            found.said[kind] = [max(found.said[kind], key=float)]
        cells = [f"`{name}`", str(found.samples[kind]), "; ".join(found.said[kind]).replace("|", "\\|")]
        if kind == "otherwise":
            cells.append(OTHERWISE.get(name, "?"))
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def main(names: list[str]) -> None:
    """Measure, and print or write what is found."""
    warnings.simplefilter("ignore")  # of what PyTorch deprecates
    results = measured(names)
    if not names:
        RESULT.write_text(page(results))
    for name, found in results.items():
        if names or found.samples["wrong"] or found.samples["otherwise"]:
            print(name, dict(found.samples), *itertools.chain(*found.said.values()), sep="\n    ")


if __name__ == "__main__":
    main(sys.argv[1:])
