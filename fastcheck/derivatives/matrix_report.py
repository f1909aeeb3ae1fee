"""The result of checking a Jacobian, a Hessian, or another matrix of derivatives: one immutable object."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastcheck.legible import legible, number_of
from fastcheck.report.answers import AnswerInLines
from fastcheck.report.reading import plain
from fastcheck.verdict.judging import Verdict

ENTRIES_SHOWN = 6
"""Wrong entries in a report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixEntry:
    """One wrong entry of a matrix: its row and column, what they are called, the claim and the true value.

    ``column`` is −1 where only a product with a random direction is known to be wrong.
    """

    row: int
    column: int
    row_name: str
    column_name: str
    claimed: float
    true: float

    @property
    def error(self) -> float:
        """|claimed − true|."""
        return abs(self.claimed - self.true)

    @property
    def factor(self) -> float | None:
        """Claimed over true; None where that is 0."""
        return self.claimed / self.true if self.true else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixReport(AnswerInLines):
    """The answer to "is this Jacobian, or Hessian, right?": only what is wrong.

    ``str(report)`` says what is wrong and where, ``bool(report)`` is ``passed``. ``name`` is that of the matrix,
    ``shape`` (m, n). ``wrong`` counts the wrong entries that were found, in ``wrong_rows`` and ``wrong_columns``;
    ``complete`` tells whether all others are known to be right. ``worst`` are the largest errors, ``causes``
    sentences on what the matrix is instead. ``proved`` says what was compared and how well the truth is known.
    ``method`` is ``"difference"`` where the function was recorded, and ``"plain"`` where it was evaluated plainly.
    """

    verdict: Verdict
    name: str
    shape: tuple[int, int]
    wrong: int
    wrong_rows: tuple[int, ...]
    wrong_columns: tuple[int, ...]
    complete: bool
    worst: tuple[MatrixEntry, ...]
    causes: tuple[str, ...]
    proved: str
    undecided: int
    method: str
    tolerance: float
    seed: int
    forward_passes: int
    seconds: float
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        said = f"{self.name} of shape {self.shape[0]}×{self.shape[1]}"
        if self.wrong:
            said += f"; {number_of(self.wrong, 'wrong place')}"
        return legible(f"<MatrixReport {self.verdict}: {said}>")

    def lines(self, width: int) -> Iterator[str]:
        """Yield the report line by line."""
        from fastcheck.derivatives.matrix_text import matrix_lines

        yield from matrix_lines(self, width)

    def to_dict(self) -> dict[str, Any]:
        """Return the report in plain dicts, lists, strings and finite numbers, ready for strict JSON."""
        result: dict[str, Any] = plain(dataclasses.asdict(self))
        return result
