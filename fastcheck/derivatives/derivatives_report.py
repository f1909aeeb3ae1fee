"""The result of several checks of derivatives that belong together: one immutable object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fastcheck.derivatives.dot_report import DotTestReport
from fastcheck.derivatives.matrix_report import MatrixReport
from fastcheck.derivatives.matrix_text import wrapped
from fastcheck.legible import first_names, legible, number_of
from fastcheck.report.answers import AnswerInLines
from fastcheck.report.result import Report
from fastcheck.verdict.judging import Verdict, worst_verdict

Part = Report | MatrixReport | DotTestReport
"""What a check of one derivative returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivativesReport(AnswerInLines):
    """The answer to "are these derivatives right?".

    ``parts`` has the report of each, by its name, such as ``jac`` or ``constraints[0].hess``. ``str(report)`` shows
    those that did not pass, and names the others; ``bool(report)`` is ``passed``.
    """

    parts: Mapping[str, Part]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", MappingProxyType(dict(self.parts)))

    def __repr__(self) -> str:
        said = ", ".join(f"{name} {part.verdict}" for name, part in self.parts.items())
        return legible(f"<DerivativesReport {self.verdict}: {said}>")

    @property
    def verdict(self) -> Verdict:
        """The worst of the parts."""
        return worst_verdict(part.verdict for part in self.parts.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the report in plain dicts, lists, strings and finite numbers, ready for strict JSON."""
        return {
            "verdict": str(self.verdict),
            "parts": {name: part.to_dict() for name, part in self.parts.items()},
            "notes": list(self.notes),
        }

    def lines(self, width: int) -> Iterator[str]:
        """Yield the report line by line."""
        named = {
            verdict: [name for name, part in self.parts.items() if part.verdict is verdict]
            for verdict in Verdict
        }
        right = named[Verdict.PASS]
        said = [
            _said(named[Verdict.FAIL], "wrong"),
            _said(named[Verdict.INCONCLUSIVE], "undecided"),
            _said(right, "right"),
        ]
        yield from wrapped(f"{self.verdict.upper()}  {'; '.join(filter(None, said))}", width)
        for name, part in self.parts.items():
            if part.verdict is not Verdict.PASS:
                yield ""
                yield legible(name)
                yield from part.to_text(width=width).split("\n")
        if self.passed:
            for name, part in self.parts.items():
                yield from wrapped(f"{name}: {_in_brief(part)}", width)
        for note in self.notes:
            yield from wrapped(f"Note: {note}", width, "")


def _said(names: list[str], what: str) -> str:
    if not names:
        return ""
    return f"{first_names(names)} {'is' if len(names) == 1 else 'are'} {what}"


def _in_brief(part: Part) -> str:
    """Return what was compared, in a line or two."""
    if isinstance(part, MatrixReport):
        return part.proved
    if isinstance(part, DotTestReport):
        return f"⟨A x, y⟩ and ⟨x, AH y⟩ differ by {part.difference:.1e}"
    return f"{part.checked:,} of {number_of(part.size, 'number')} compared, difference {part.difference:.1e}"
