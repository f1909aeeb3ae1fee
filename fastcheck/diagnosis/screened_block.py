"""What screening says of one block."""

from __future__ import annotations

from dataclasses import dataclass

from fastcheck.diagnosis.evenness import Even
from fastcheck.diagnosis.residuals import Residuals
from fastcheck.diagnosis.spot_checks import Spots
from fastcheck.norms import Comparison
from fastcheck.report.result import BlockReport
from fastcheck.verdict.judging import Verdict


@dataclass(frozen=True, slots=True)
class ScreeningVerdict:
    """A verdict with the sentence that says why it is inconclusive, and notes."""

    verdict: Verdict
    cause: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether the block is right."""
        return self.verdict is Verdict.PASS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScreenedBlock:
    """One block: what the directions and the coordinates measured one by one say, and the report."""

    residuals: Residuals
    spots: Spots | None
    comparison: Comparison
    report: BlockReport
    notes: tuple[str, ...]
    extra_passes: int
    even: Even | None = None

    @property
    def name(self) -> str:
        """The name of the block."""
        return self.residuals.block.name
