"""One try of a kernel: its outputs, its gradients, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastcheck.checks.check import check
from fastcheck.errors import InvalidProblemError
from fastcheck.norms import root_mean_square
from fastcheck.report.result import Report
from fastcheck.torch.claims import floating_outputs
from fastcheck.torch.kernels.comparing import Digits, Rounding, common_factor, rounding_of, worst
from fastcheck.torch.kernels.kernel_report import Outcome
from fastcheck.torch.kernels.truth import (
    Tensors,
    Truth,
    changes_of_outputs,
    gradients_of,
    in_double,
    outputs_of,
    truth_of,
)
from fastcheck.torch.kernels.variants import Variant, laid_out

Array = NDArray[Any]

LARGEST_TOLERANCE = 0.5
"""Tolerance of the report that tells what is wrong, at most."""

COTANGENT_LAYOUTS = ("contiguous", "transposed", "strided")
"""Of the first cotangent, in the shapes that were asked for."""

UNITS_APART = 64
"""Rounding units, of the largest number, by which results of the same call may differ: atomics add in any order."""

KEEPS = "the kernel keeps something from call to call."


class ReferenceRefusesError(Exception):
    """The reference does not take these inputs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """A kernel, its reference, which inputs have gradients, and how many cotangents each try gets."""

    reference: Callable[..., Any]
    kernel: Callable[..., Any]
    wrt: tuple[str, ...]
    cotangents: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class _WrongGradients:
    """Wrong gradients, and what they should be."""

    truth: Truth
    claims: dict[str, Array]
    tolerance: float

    def report(self) -> Report | None:
        """Return the report, whose causes tell what the mistake is."""
        problem = self.truth.problem
        if problem is None:
            return None
        named = {block.name: self.claims[block.name] for block in problem.layout.blocks}
        parameters = problem.layout.build(np.array(problem.theta))
        as_returned = {name: _in_fewest_digits(claim) for name, claim in named.items()}
        report = check(problem.evaluator.cost, parameters, as_returned, tolerance=self.tolerance)
        if not report.passed:
            return report
        return check(problem.evaluator.cost, parameters, named, tolerance=self.tolerance)


def _in_fewest_digits(claim: Array) -> Array:
    """Return a claim in float32 if it has no more digits: its errors are judged, and explained, as those of such."""
    with np.errstate(over="ignore"):
        single = claim.astype(np.float32)
    return single if np.array_equal(single, claim) else claim


@dataclass(slots=True)
class _Findings:
    """What is wrong, at most one sentence about each ``subject``."""

    sentences: dict[str, str] = field(default_factory=dict)
    error: float = 0.0
    notes: dict[str, None] = field(default_factory=dict)
    wrong_gradients: _WrongGradients | None = None
    uncertain: str = ""

    def note(self, sentence: str) -> None:
        """Take note of what is not compared."""
        self.notes.setdefault(sentence)

    def add(self, subject: str, sentence: str) -> None:
        """Take note of a failure, unless there is one about this already."""
        self.sentences.setdefault(subject, sentence)


def tried(
    question: Question, variant: Variant, dtype: torch.dtype, values: Tensors, others: Tensors
) -> Outcome:
    """Return what one try shows; ``others`` are values of the same shapes for a call between two that must agree.

    Raises `ReferenceRefusesError` where the reference does not take the inputs.
    """
    name = str(dtype).removeprefix("torch.")
    inputs = {n: laid_out(_cast(x, dtype), variant.layout) for n, x in values.items()}
    try:
        true_outputs = outputs_of(question.reference, {n: in_double(x) for n, x in inputs.items()})
    except Exception as error:
        raise ReferenceRefusesError(f"it raises {type(error).__name__}: {error}") from error
    if not true_outputs:
        raise InvalidProblemError(
            "reference: expected a tensor of floats as its result, or several, got none. Does it end in a return "
            "statement?"
        )
    if not all(bool(torch.isfinite(y).all()) for y in true_outputs):
        raise ReferenceRefusesError("it returns numbers that are not finite.")
    findings, before = _Findings(), {n: x.detach().clone() for n, x in inputs.items()}
    try:
        _compare(question, variant, inputs, true_outputs, dtype, findings)
        if variant.is_asked_for:
            _call_again(question, inputs, {n: _cast(x, dtype) for n, x in others.items()}, findings)
        refused = None
    except _RefusedError as error:
        refused = str(error)
        if variant.is_asked_for:
            findings.add("raises", f"The kernel raises {refused}")
    for n, x in inputs.items():
        if not _same(x, before[n]):
            findings.add(f"input {n}", f"The kernel changes its input {n}.")
    return Outcome(
        dtype=name,
        shapes=dict(variant.shapes),
        layout=variant.layout,
        what=variant.what,
        failures=tuple(findings.sentences.values()),
        error=findings.error,
        refused=refused,
        notes=tuple(findings.notes),
        uncertain=findings.uncertain,
        report_of_gradients=None if findings.wrong_gradients is None else findings.wrong_gradients.report,
    )


class _RefusedError(Exception):
    """The kernel raised."""


def _compare(
    question: Question,
    variant: Variant,
    inputs: Tensors,
    true_outputs: Sequence[torch.Tensor],
    dtype: torch.dtype,
    findings: _Findings,
) -> None:
    """Compare outputs and gradients with those of the reference."""
    leaves = {n: x.detach().requires_grad_(n in question.wrt) for n, x in inputs.items()}
    outputs = _run(question.kernel, leaves)
    shapes = [tuple(y.shape) for y in outputs], [tuple(y.shape) for y in true_outputs]
    if shapes[0] != shapes[1]:
        findings.add(
            "outputs", f"The kernel returns outputs of shapes {shapes[0]}, the reference {shapes[1]}."
        )
        return
    for subject, sentence in _wrong_outputs(question, inputs, outputs, true_outputs, findings):
        findings.add(subject, sentence)
    have_gradients = [y.requires_grad for y in outputs]
    _note_what_is_not_compared(question, inputs, have_gradients, findings)
    generator = torch.Generator().manual_seed(question.seed)
    for number in range(question.cotangents if variant.is_asked_for else 1):
        cotangents = [
            torch.randn(y.shape, generator=generator, dtype=torch.float64).to(y.dtype) for y in outputs
        ]
        if any(have_gradients):
            cotangents = [u if has else u * 0 for u, has in zip(cotangents, have_gradients, strict=True)]
        layouts = COTANGENT_LAYOUTS if number == 0 and variant.is_asked_for else ("contiguous",)
        gradients = _Gradients(question, inputs, cotangents, true_outputs, dtype)
        for layout in layouts:
            given = [laid_out(u, layout) for u in cotangents]
            kept = [u.clone() for u in given]
            claims = _backward(outputs, leaves, question.wrt, given)
            if not all(map(_same, given, kept)):
                findings.add("cotangent", "The backward pass changes its cotangent.")
            for name, leaf in leaves.items():
                if leaf.is_leaf and leaf.grad is not None:
                    said = f"The backward pass writes into {name}.grad; autograd adds what it returns."
                    findings.add(f"grad {name}", said)
            suffix = "" if layout == "contiguous" else f", with a {layout} cotangent"
            gradients.compare(claims, suffix, findings)


def _note_what_is_not_compared(
    question: Question, inputs: Tensors, have_gradients: Sequence[bool], findings: _Findings
) -> None:
    """Take note of outputs that have no gradient in the kernel, though others have."""
    if any(have_gradients) and not all(have_gradients):
        without = ", ".join(str(k) for k, has in enumerate(have_gradients) if not has)
        findings.note(f"The kernel has no gradient of output {without}: its values alone are compared.")


def _wrong_outputs(
    question: Question,
    inputs: Tensors,
    outputs: Sequence[torch.Tensor],
    true_outputs: Sequence[torch.Tensor],
    findings: _Findings,
) -> Iterator[tuple[str, str]]:
    """Yield the outputs that are wrong, each with a sentence."""
    try:
        rounded = outputs_of(question.reference, inputs)
    except Exception:  # it may not run in this dtype at all
        rounded = list(true_outputs)
    changes = changes_of_outputs(
        question.reference, {n: in_double(x) for n, x in inputs.items()}, true_outputs
    )
    for number, (y, true, near) in enumerate(zip(outputs, true_outputs, rounded, strict=True)):
        digits = Digits.of(_coarser(y.dtype, near.dtype) if near is not true else y.dtype)
        exact, claim = true.double().numpy(), y.detach().double().numpy()
        rounding = rounding_of(exact, changes[number], near.double().numpy() - exact, digits)
        ratio, at = worst(claim, exact, rounding, digits)
        findings.error = max(findings.error, ratio)
        which = f"Output {number}" if len(outputs) > 1 else "The output"
        factor = common_factor(claim, exact, rounding)
        if ratio > 1:
            yield (
                which,
                f"{which} is wrong: at {list(at)} it is {claim[at]:.6g}, the reference's is {exact[at]:.6g} "
                f"(rounding explains {rounding.error[at]:.1g}).",
            )
        elif factor is not None:
            yield which, f"{which} is {factor:.6g} times what the reference returns."


@dataclass(slots=True)
class _Gradients:
    """The gradients that are right for some cotangents, to be compared with several claims."""

    question: Question
    inputs: Tensors
    cotangents: Sequence[torch.Tensor]
    true_outputs: Sequence[torch.Tensor]
    dtype: torch.dtype
    truth: Truth | None = None
    of_reference: dict[str, Array] | None = None

    def compare(self, claims: dict[str, Array], suffix: str, findings: _Findings) -> None:
        """Take note of the gradients that are wrong.

        A claim that is not what the first one was may have chosen another way at a kink: the truth is asked for again.
        """
        question, is_first = self.question, self.truth is None
        if is_first:
            gradients = gradients_of(question.reference, self.inputs, question.wrt, self.cotangents)
            self.of_reference = None if isinstance(gradients, Exception) else gradients
            self.truth = self._truth(claims)
            if not self.truth.is_followed:
                findings.note(
                    "The reference could not be followed: its gradients are autograd's, in float64."
                )
        if self.truth is not None and self.truth.doubt:
            findings.uncertain = self.truth.doubt
            return
        wrong = list(self._wrong(claims, suffix, findings))
        if wrong and not is_first:
            self.truth = self._truth(claims)
            wrong = list(self._wrong(claims, suffix, findings))
        for name, sentence in wrong:
            findings.add(name, sentence)
        can_be_reported = self.truth is not None and all(
            np.isfinite(claim).all() for claim in claims.values()
        )
        if wrong and can_be_reported and findings.wrong_gradients is None:
            assert self.truth is not None
            findings.wrong_gradients = _WrongGradients(self.truth, claims, self._tolerance())

    def _truth(self, claims: dict[str, Array]) -> Truth:
        question = self.question
        truth = truth_of(question.reference, self.inputs, question.wrt, self.cotangents, claims)
        if not all(np.isfinite(x).all() for x in truth.slopes.values()):
            raise ReferenceRefusesError("its gradients are not finite.")
        return truth

    def _rounding(self, name: str) -> Rounding:
        assert self.truth is not None
        slopes = self.truth.slopes[name]
        near = None if self.of_reference is None else self.of_reference[name] - slopes
        return rounding_of(slopes, self.truth.changes[name], near, Digits.of(self.dtype), self._natural(name))

    def _natural(self, name: str) -> float:
        """Return the size of a slope of J = Σ ⟨cotangent, output⟩ where nothing cancels: that of J, by the input's."""
        pairs = zip(self.cotangents, self.true_outputs, strict=True)
        terms = sum(float((u.double() * y.double()).square().sum()) for u, y in pairs)
        size = float(self.inputs[name].double().square().sum())
        return (terms / size) ** 0.5 if size else 0.0

    def _wrong(self, claims: dict[str, Array], suffix: str, findings: _Findings) -> Iterator[tuple[str, str]]:
        """Yield the inputs whose gradients are wrong, each with a sentence."""
        assert self.truth is not None
        for name in self.question.wrt:
            slopes, claim, rounding = self.truth.slopes[name], claims[name], self._rounding(name)
            ratio, at = worst(claim, slopes, rounding, Digits.of(self.dtype))
            findings.error = max(findings.error, ratio)
            factor = common_factor(claim, slopes, rounding)
            if ratio > 1:
                yield (
                    name,
                    f"The gradient of {name} is wrong{suffix}: at {list(at)} it is {claim[at]:.6g}, expected "
                    f"{slopes[at]:.6g} (rounding explains {rounding.error[at]:.1g}).",
                )
            elif factor is not None:
                yield name, f"The gradient of {name} is {factor:.6g} times what it should be{suffix}."

    def _tolerance(self) -> float:
        """Return the tolerance, relative to a gradient's size, of a report that tells what is wrong."""
        assert self.truth is not None
        tolerance = 1e-12
        for name in self.question.wrt:
            size = root_mean_square(self.truth.slopes[name])
            if size:
                error = float(np.max(self._rounding(name).error, initial=0.0))
                tolerance = max(tolerance, error / size)
        return min(tolerance, LARGEST_TOLERANCE)


def _coarser(a: torch.dtype, b: torch.dtype) -> torch.dtype:
    """Return the dtype with fewer digits: a kernel may return more than it is given."""
    return max(a, b, key=lambda x: torch.finfo(x).eps)


def _call_again(question: Question, inputs: Tensors, others: Tensors, findings: _Findings) -> None:
    """Call the kernel with other values, and again with the first: what it kept must not show."""
    generator = torch.Generator().manual_seed(question.seed + 1)
    first, gradients = _forward_and_backward(question, inputs, generator.manual_seed(question.seed + 1))
    between, _ = _forward_and_backward(question, others, generator)
    true_between = outputs_of(question.reference, {n: in_double(x) for n, x in others.items()})
    if not findings.sentences and next(
        _wrong_outputs(question, others, between, true_between, findings), None
    ):
        findings.add(
            "outputs", f"Right at first, the outputs are wrong in the next call, with other inputs: {KEEPS}"
        )
    again, gradients_again = _forward_and_backward(question, inputs, generator.manual_seed(question.seed + 1))
    pairs = [("outputs", first, again), ("gradients", gradients, gradients_again)]
    for what, before, after in pairs:
        for a, b in zip(before, after, strict=True):
            if not _agree(a, b):
                findings.add(
                    what,
                    f"Called again with the same inputs after a call with others, it returns other {what}: {KEEPS}",
                )


def _agree(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two results of the same call are the same, but for sums in another order."""
    known = torch.isfinite(a) & torch.isfinite(b)
    apart = torch.where(known, a.double() - b.double(), 0.0).abs()
    size = torch.where(known, a.double(), 0.0).abs()
    allowed = UNITS_APART * torch.finfo(a.dtype).eps * (size.max() if size.numel() else 0.0)
    return bool((apart <= allowed).all()) and _same(a[~known], b[~known])


def _forward_and_backward(
    question: Question, inputs: Tensors, generator: torch.Generator
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    leaves = {n: x.detach().clone().requires_grad_(n in question.wrt) for n, x in inputs.items()}
    outputs = _run(question.kernel, leaves)
    cotangents = [torch.randn(y.shape, generator=generator, dtype=torch.float64).to(y.dtype) for y in outputs]
    gradients = _backward(outputs, leaves, question.wrt, cotangents)
    in_own_dtypes = [torch.from_numpy(g).to(inputs[n].dtype) for n, g in gradients.items()]
    return [y.detach().clone() for y in outputs], in_own_dtypes


def _run(kernel: Callable[..., Any], leaves: Tensors) -> list[torch.Tensor]:
    try:
        with torch.enable_grad():
            return floating_outputs(kernel(*leaves.values()))
    except Exception as error:
        raise _RefusedError(f"{type(error).__name__}: {error}") from error


def _backward(
    outputs: Sequence[torch.Tensor], leaves: Tensors, wrt: Sequence[str], cotangents: Sequence[torch.Tensor]
) -> dict[str, Array]:
    pairs = [(y, u) for y, u in zip(outputs, cotangents, strict=True) if y.requires_grad]
    if not pairs:
        return {n: np.zeros(tuple(leaves[n].shape)) for n in wrt}
    try:
        found = torch.autograd.grad(
            [y for y, _ in pairs],
            [leaves[n] for n in wrt],
            [u for _, u in pairs],
            retain_graph=True,
            allow_unused=True,
        )
    except Exception as error:
        raise _RefusedError(f"in the backward pass, {type(error).__name__}: {error}") from error
    return {
        n: np.zeros(tuple(leaves[n].shape)) if g is None else np.array(g.detach().double().numpy())
        for n, g in zip(wrt, found, strict=True)
    }


def _cast(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return x.to(dtype) if x.is_floating_point() else x


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return bool(torch.equal(a, b)) or bool(((a == b) | ((a != a) & (b != b))).all())
