"""What a report can still ask of the problem that was checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fastcheck.pictures.code_lines import CodeLine
from fastcheck.pictures.network import Network
from fastcheck.pictures.step_curve import StepCurve
from fastcheck.pictures.taylor_table import TaylorOptions, TaylorTable


class Study(Protocol):
    """A problem after its check. Each answer costs forward passes, is computed once, and is None where there is none.

    Nothing is answered once J(θ) is another number than it was at the check: the cost reads data that has changed.
    """

    @property
    def said(self) -> Mapping[str, str]:
        """Why there is no answer, by the name of the question, such as ``"network"``; a sentence."""

    def network(self) -> Network | None:
        """Return the steps of the cost, None where it cannot be recorded."""

    def step_curve(self, block: str, index: tuple[int, ...], slope: float) -> StepCurve | None:
        """Return the errors of numerical gradients over ε in this coordinate, whose slope is known."""

    def functions(self) -> tuple[tuple[CodeLine, ...], ...]:
        """Return the functions of the cost that ran, each as its lines of code; empty where there is no source.

        Other than elsewhere, the texts of these lines keep the indentation that they have within the function.
        """

    def taylor(self, options: TaylorOptions) -> TaylorTable | None:
        """Return the Taylor remainders of the claim along directions.

        Raises `InvalidProblemError` where a direction or another claim does not fit the parameters, or where the claim
        was not kept.
        """
