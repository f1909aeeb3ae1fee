"""The result of checking a table of partial derivatives: one immutable object, of which only what is wrong is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fastcheck.derivatives.matrix_report import MatrixReport
from fastcheck.derivatives.matrix_text import INDENT, wrapped
from fastcheck.legible import first_names, legible, number_of, shape_in_words
from fastcheck.report.answers import AnswerInLines
from fastcheck.report.short_names import shortened
from fastcheck.verdict.judging import Verdict, worst_verdict

PAIRS_SHOWN = 20
"""Rows of the table."""

LONGEST_NAME = 16
"""Characters of a name in the table."""

Pair = tuple[str, str]
"""An output and an input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialsReport(AnswerInLines):
    """The answer to "are these partial derivatives right?": a `MatrixReport` for each pair of an output and an input.

    ``str(report)`` is a table of the pairs that did not pass; ``bool(report)`` is ``passed``. ``missing`` are pairs
    that were not given, and whose derivatives are not 0.
    """

    pairs: Mapping[Pair, MatrixReport]
    missing: tuple[Pair, ...] = ()
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "pairs", MappingProxyType(dict(self.pairs)))

    def __repr__(self) -> str:
        wrong = [f"({of}, {wrt})" for of, wrt in self.not_passed]
        said = f"; {first_names(wrong)}" if wrong else ""
        return legible(f"<PartialsReport {self.verdict}: {number_of(len(self.pairs), 'pair')}{said}>")

    @property
    def verdict(self) -> Verdict:
        """The worst of all pairs."""
        return worst_verdict(report.verdict for report in self.pairs.values())

    @property
    def not_passed(self) -> Mapping[Pair, MatrixReport]:
        """The reports of the pairs that are wrong, or undecided."""
        return {pair: report for pair, report in self.pairs.items() if not report.passed}

    def to_dict(self) -> dict[str, Any]:
        """Return the report in plain dicts, lists, strings and finite numbers, ready for strict JSON."""
        return {
            "verdict": str(self.verdict),
            "pairs": [
                {"of": of, "wrt": wrt, "report": report.to_dict()} for (of, wrt), report in self.pairs.items()
            ],
            "missing": [list(pair) for pair in self.missing],
            "seconds": self.seconds,
            "notes": list(self.notes),
        }

    def lines(self, width: int) -> Iterator[str]:
        """Yield the report line by line."""
        shown = self.not_passed
        many = number_of(len(self.pairs), "partial derivative")
        if not shown:
            yield from wrapped(f"PASS  all {many} are right", width)
        else:
            wrong = sum(report.verdict is Verdict.FAIL for report in shown.values())
            undecided = len(shown) - wrong
            said = [f"{wrong:,} of {many} {'is' if wrong == 1 else 'are'} wrong"] if wrong else []
            said += (
                [f"{undecided:,} of {many} {'is' if undecided == 1 else 'are'} undecided"]
                if undecided
                else []
            )
            yield from wrapped(f"{self.verdict.upper()}  {'; '.join(said)}", width)
            yield ""
            yield from self._table(list(shown.items())[:PAIRS_SHOWN], width)
            if len(shown) > PAIRS_SHOWN:
                yield f"and {len(shown) - PAIRS_SHOWN:,} more that do not pass"
            yield ""
        entries = sum(report.shape[0] * report.shape[1] for report in self.pairs.values())
        methods = {report.method for report in self.pairs.values()}
        how = "exact slopes" if methods == {"difference"} else "differences"
        yield from wrapped(
            f"{number_of(entries, 'number')} looked at, with {how}; {self.seconds:.2f} s", width, ""
        )
        for note in self.notes:
            yield from wrapped(f"Note: {note}", width, "")

    def _table(self, shown: Sequence[tuple[Pair, MatrixReport]], width: int) -> Iterator[str]:
        """Yield a row for each pair, and below it what the matrix is instead."""
        names = shortened({name for pair, _ in shown for name in pair}, LONGEST_NAME, legible)
        rows = [("of", "wrt", "shape", "wrong", "at", "claimed", "true")]
        below: list[list[str]] = [[]]
        for (of, wrt), report in shown:
            rows.append((names[of], names[wrt], shape_in_words(report.shape), *_numbers(report)))
            said = report.causes
            if (of, wrt) in self.missing:
                said = ("was not given, and is not 0",)
            below.append([line for sentence in said for line in wrapped(f"{INDENT}{sentence}", width)])
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        for row, lines in zip(rows, below, strict=True):
            left = [row[k].ljust(widths[k]) for k in (0, 1, 2)]
            right = [row[3].rjust(widths[3]), row[4].ljust(widths[4])]
            numbers = [row[k].rjust(widths[k]) for k in (5, 6)]
            yield "  ".join([*left, *right, *numbers]).rstrip()
            yield from lines


def _numbers(report: MatrixReport) -> tuple[str, str, str, str]:
    """Return how many entries are wrong, the worst of them, and its values."""
    if not report.worst:
        return "?", "", "", ""
    worst = report.worst[0]
    at_least = "" if report.complete else "≥ "
    place = f"[{worst.row}, {worst.column}]" if worst.column >= 0 else f"row {worst.row}"
    return f"{at_least}{report.wrong:,}", place, f"{worst.claimed + 0.0:.6g}", f"{worst.true + 0.0:.6g}"
