"""What is asked of a backward pass: upstream gradients of several kinds, and what it returns for each.

The smallest backward passes that are right for a random upstream gradient, and wrong for others::

    return grad_output.data_ptr() …         # a kernel that takes it as contiguous, as that of y.sum() is not
    return grad_output.mul_(ctx.factor)     # changes it, though others get the same tensor
    return ctx.buffer.add_(grad_output)     # returns more in the second call
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from fastcheck.torch.claims import ForwardRun, Gradients
from fastcheck.torch.cotangents import one_number, reordered

SAME_ULPS = 1024.0
"""Gradients for the same upstream gradient may differ by so many rounding units of their largest entry."""

MOST_OUTPUTS = 4
"""Outputs of which each is asked for alone."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """An upstream gradient, one tensor for each output, and the gradients that the backward pass returned for it.

    ``about`` says what is special about it: more than that it is another random one, if it ``is_special``.
    """

    upstream: Sequence[torch.Tensor]
    gradients: Gradients
    about: str = ""
    is_special: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """The questions, the first of which is to be checked in any case, and what was seen besides: sentences."""

    questions: Sequence[Question]
    remarks: Sequence[str]
    changes_upstream: bool
    """Whether the backward pass changes its upstream gradient in place."""


def ask(run: ForwardRun, cotangents: Sequence[Sequence[torch.Tensor]], outputs_alone: bool = True) -> Answers:
    """Run the backward pass for these upstream gradients, and for the same in other shapes of memory.

    ``outputs_alone`` asks for each of several outputs by itself, too.
    """
    return _Asking(run).answers(cotangents, outputs_alone)


class _Asking:
    """Asks one question after the other: of one forward pass, or of new ones where one can only be used once."""

    def __init__(self, run: ForwardRun) -> None:
        self.run, self.may_be_asked_again = run, True
        self.questions: list[Question] = []
        self.remarks: list[str] = []

    def answers(self, cotangents: Sequence[Sequence[torch.Tensor]], outputs_alone: bool) -> Answers:
        first = [u.clone() for u in cotangents[0]]
        gradients = self.run.backward(first)
        pairs = zip(first, cotangents[0], strict=True)
        changes_upstream = any(not torch.equal(u, before) for u, before in pairs)
        self.questions.append(Question(upstream=cotangents[0], gradients=gradients))
        multiple = self._multiple(cotangents, gradients)
        if multiple is None:
            self._ask_again(cotangents[0], gradients)
        for number, upstream in enumerate(cotangents[1:], start=2):
            about = f"upstream gradient number {number}"
            answer = multiple if number == 2 else None
            if answer is None:
                answer = self._answer([u.clone() for u in upstream])
            self.questions.append(Question(upstream=upstream, gradients=answer, about=about))
        if any(u.ndim for u in cotangents[0]):  # a number lies in memory one way
            self._ask_in_other_memory([reordered(u) for u in cotangents[0]], "in another order in memory")
            expanded = "of one number, expanded, as that of a sum is"
            self._ask_in_other_memory(one_number(cotangents[0]), expanded)
        if outputs_alone:
            self._ask_for_single_outputs(cotangents[0])
        return Answers(questions=self.questions, remarks=self.remarks, changes_upstream=changes_upstream)

    def _answer(self, upstream: Sequence[torch.Tensor | None]) -> Gradients:
        if self.may_be_asked_again:
            return self.run.backward(upstream)
        with self.run.another() as run:
            return run.backward(upstream)

    def _multiple(
        self, cotangents: Sequence[Sequence[torch.Tensor]], gradients: Gradients
    ) -> Gradients | None:
        """Return the answer for the second upstream gradient if it is the multiple of the first that it must be.

        So it is where the output is one number. After the same forward pass that shows, too, that backward may run
        again. None where it is not known, or raises.
        """
        one, *others = (list(upstream) for upstream in cotangents)
        is_one_number = len(one) == 1 and not one[0].ndim and not one[0].is_complex()
        if not others or not is_one_number or not float(one[0]):
            return None
        try:
            answer = self.run.backward([u.clone() for u in others[0]])
        except Exception:
            return None  # asked for the same upstream gradient, it tells more
        factor = float(others[0][0]) / float(one[0])
        expected = {name: None if g is None else g.detach() * factor for name, g in gradients.items()}
        return None if any(_deviates(expected[name], answer[name]) for name in answer) else answer

    def _ask_again(self, upstream: Sequence[torch.Tensor], gradients: Gradients) -> None:
        """Run the backward pass once more after the same forward pass."""
        about = "a second backward pass after the same forward pass"
        try:
            again = self.run.backward([u.clone() for u in upstream])
        except Exception as error:
            self.may_be_asked_again = False
            self.remarks.append(f"{about} (retain_graph=True) raises {_in_words(error)}.")
            return
        if any(_deviates(gradients[name], again[name]) for name in gradients):
            self.may_be_asked_again = False
            self.questions.append(Question(upstream=upstream, gradients=again, about=about, is_special=True))

    def _ask_in_other_memory(self, special: Sequence[torch.Tensor], how: str) -> None:
        """Ask for an upstream gradient that lies in memory otherwise; its answer counts if it is another one."""
        usual = self._answer([u.contiguous().clone() for u in special])
        about = f"an upstream gradient {how}"
        try:
            unusual = self._answer(special)
        except Exception as error:
            self.remarks.append(f"backward raises {_in_words(error)} for {about}. {_advice_on(error)}")
            return
        if any(_deviates(usual[name], unusual[name]) for name in usual):
            self.questions.append(Question(upstream=special, gradients=unusual, about=about, is_special=True))

    def _ask_for_single_outputs(self, upstream: Sequence[torch.Tensor]) -> None:
        """Ask for each of several outputs alone: those of the others are zeros, or None, to the backward pass."""
        for number in range(min(len(upstream), MOST_OUTPUTS) if len(upstream) > 1 else 0):
            about = f"an upstream gradient of output {number} alone"
            alone = [u.clone() if k == number else None for k, u in enumerate(upstream)]
            with_zeros = [u if k == number else torch.zeros_like(u) for k, u in enumerate(upstream)]
            usual = self._answer([u.clone() for u in with_zeros])
            try:
                unusual = self._answer(alone)
            except Exception as error:
                self.remarks.append(
                    f"backward raises {_in_words(error)} for {about}: grad_output may be None there."
                )
                continue
            if any(_deviates(usual[name], unusual[name]) for name in usual):
                question = Question(upstream=with_zeros, gradients=unusual, about=about, is_special=True)
                self.questions.append(question)


def _in_words(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, RuntimeError) else error
    first = re.split(r"; |\. |\n", str(cause))[0].rstrip(". ")
    return f"{type(cause).__name__} ({first})"


def _advice_on(error: Exception) -> str:
    if "view size" in str(error):
        return "Use reshape instead of view, or grad_output.contiguous()."
    return "Work on grad_output.contiguous(), or a copy of it."


def _deviates(a: torch.Tensor | None, b: torch.Tensor | None) -> bool:
    """Whether two gradients that should be the same differ by more than rounding."""
    if a is None or b is None:
        other = b if a is None else a
        return not (other is None or torch.equal(other, torch.zeros_like(other)))
    if a.shape != b.shape:
        return True
    if not a.numel():
        return False
    a, b = a.detach(), b.detach()
    size = float(torch.maximum(a.abs().max(), b.abs().max()))
    apart = float((a - b).abs().max())
    return apart > SAME_ULPS * float(torch.finfo(a.dtype).eps) * size
