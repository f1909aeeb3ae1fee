"""The result of checking at several stages of a training: one immutable object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastcheck.errors import GradientMismatchError
from fastcheck.report.result import Report
from fastcheck.undoing import PythonRandomKept
from fastcheck.verdict.judging import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One check in the course of a training: after ``step`` steps, in ``seconds`` of wall time."""

    step: int
    report: Report
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StagesReport:
    """The answer to "is this gradient right, and does it stay so?".

    ``str(report)`` is a table with a row per stage and the report of the first that did not pass; ``bool(report)`` is
    ``passed``. ``stages`` are those that were checked, in their order; ``not_reached`` the steps that were asked
    for and not checked; ``notes`` sentences about how it went.
    """

    stages: tuple[Stage, ...]
    not_reached: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        with PythonRandomKept():
            from fastcheck.report.stages_text import render

        return render(self)

    @property
    def verdict(self) -> Verdict:
        """The worst of the stages; what was not reached, or nothing at all, is inconclusive."""
        verdicts = {stage.report.verdict for stage in self.stages}
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        if Verdict.INCONCLUSIVE in verdicts or self.not_reached or not self.stages:
            return Verdict.INCONCLUSIVE
        return Verdict.PASS

    @property
    def passed(self) -> bool:
        """True if the verdict is pass: every stage was reached, and passed."""
        return self.verdict is Verdict.PASS

    @property
    def seconds(self) -> float:
        """Wall time of all checks, without the training between them."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def first_doubtful(self) -> Stage | None:
        """The first stage that failed; without one the first that is inconclusive; None if all passed."""
        for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
            for stage in self.stages:
                if stage.report.verdict is verdict:
                    return stage
        return None

    def raise_if_failed(self) -> None:
        """Raise `GradientMismatchError`, with the table as its message, unless all stages passed."""
        if not self.passed:
            raise GradientMismatchError(f"the gradient check did not pass at every stage\n{self}")

    def to_dict(self) -> dict[str, Any]:
        """Return the report in plain dicts, lists, strings and numbers, ready for strict JSON, as `Report.to_dict`."""
        return {
            "verdict": str(self.verdict),
            "stages": [
                {"step": stage.step, "seconds": stage.seconds, "report": stage.report.to_dict()}
                for stage in self.stages
            ],
            "not_reached": list(self.not_reached),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> StagesReport:
        """Return the report that `to_dict` was called on; raises `InvalidProblemError` as `Report.from_dict`."""
        from fastcheck.report.schema import read_stages

        return read_stages(plain)


def steps_named(steps: Iterable[int]) -> str:
    """Return "step 10", or "steps 10, 100 and 1,000"."""
    names = [f"{step:,}" for step in steps]
    if len(names) > 6:
        names = [*names[:5], f"{len(names) - 5} more"]
    return f"step {names[0]}" if len(names) == 1 else f"steps {', '.join(names[:-1])} and {names[-1]}"
