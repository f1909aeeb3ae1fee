"""The answers in tables: how often the cause is right, what was said wrongly, and how long it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.causes.asking import Answer, quantile

COLUMNS = (
    "claims",
    "right first",
    "right line",
    "right among all",
    "nothing said",
    "causes certain",
    "of these wrong",
    "median s",
    "90 % s",
)


SEARCH_FAILED = "Please report this"
"""In the notes of a report whose search for causes raised an exception."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Counts over some answers: ``total`` are claims that were found wrong and that can be explained.

    ``lines`` are those of them with a line to name; ``certain`` and ``certain_and_wrong`` count causes, also of
    mistakes that nothing could tell, of which there are ``unknowable``.
    """

    total: int
    right_first: int
    lines: int
    right_line: int
    right_among_all: int
    nothing: int
    certain: int
    certain_and_wrong: int
    unknowable: int
    passed: int
    median: float
    most: float

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> Score:
        """Count."""
        found = [answer for answer in answers if answer.failed]
        known = [answer for answer in found if not answer.unknowable]
        with_line = [answer for answer in known if answer.has_line]
        seconds = [answer.seconds for answer in found]
        return cls(
            total=len(known),
            right_first=sum(answer.right_first for answer in known),
            lines=len(with_line),
            right_line=sum(answer.right_line for answer in with_line),
            right_among_all=sum(answer.right_among_all for answer in known),
            nothing=sum(not answer.explained for answer in known),
            certain=sum(len(answer.certain) for answer in found),
            certain_and_wrong=sum(len(answer.certain_and_wrong) for answer in found),
            unknowable=len(found) - len(known),
            passed=sum(not answer.failed for answer in answers),
            median=quantile(seconds, 0.5),
            most=quantile(seconds, 0.9),
        )

    def cells(self) -> list[str]:
        """Return what stands in a row, one for each of `COLUMNS`."""
        return [
            str(self.total),
            share(self.right_first, self.total),
            share(self.right_line, self.lines),
            share(self.right_among_all, self.total),
            str(self.nothing),
            str(self.certain),
            str(self.certain_and_wrong),
            f"{self.median:.3f}",
            f"{self.most:.3f}",
        ]


def share(part: int, whole: int) -> str:
    """Return a count with its share."""
    return f"{part} of {whole} ({100 * part / whole:.0f} %)" if whole else "–"


def table(answers: Sequence[Answer], title: str, by: Callable[[Answer], Any]) -> str:
    """Return a table with a row for each value of ``by``, and one for all."""
    groups: dict[Any, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(by(answer), []).append(answer)
    lines = [f"| {title} | " + " | ".join(COLUMNS) + " |", "| --- |" + " ---: |" * len(COLUMNS)]
    for name, members in groups.items():
        lines.append(f"| {name} | " + " | ".join(Score.of(members).cells()) + " |")
    lines.append("| **all** | " + " | ".join(Score.of(answers).cells()) + " |")
    return "\n".join(lines)


def tables(answers: Sequence[Answer]) -> str:
    """Return the tables of one set: by family or network, and by kind of mistake."""
    score = Score.of(answers)
    parts = [
        table(answers, "network", lambda answer: answer.claim.group),
        table(answers, "kind of mistake", lambda answer: answer.claim.kind),
    ]
    if score.unknowable:
        parts.append(
            f"Besides, {score.unknowable} claims have a mistake that nothing a check sees could tell."
        )
    if score.passed:
        parts.append(f"{score.passed} claims were not found wrong: what is wrong is below the tolerance.")
    return "\n\n".join(parts)


def failures(answers: Sequence[Answer]) -> str:
    """Return what was said wrongly: causes that are certain and wrong, and first causes that are not right."""
    lines = ["Certain and wrong:"]
    for answer in answers:
        lines += [f"- {answer.claim.name} → {cause.sentence}" for cause in answer.certain_and_wrong]
    lines.append("" if len(lines) > 1 else "- none\n")
    broken = [(answer, note) for answer in answers for note in answer.notes if SEARCH_FAILED in note]
    if broken:
        lines += [
            "The search ended with an exception:",
            *(f"- {one.claim.name}: {note}" for one, note in broken),
            "",
        ]
    for verdict in ("wrong first", "right later", "right line only", "nothing said"):
        known = [answer for answer in answers if answer.verdict == verdict and not answer.unknowable]
        if known:
            lines.append(f"{verdict.capitalize()} ({len(known)}):")
            lines += [f"- {answer.claim.name} → {_first(answer)}" for answer in known]
            lines.append("")
    return "\n".join(lines)


def _first(answer: Answer) -> str:
    if not answer.causes:
        return "–"
    first = answer.causes[0]
    where = "; ".join(str(line) for line in first.lines[:2])
    told = answer.matches[0]
    right = "said right, wrong line" if all(one.said for one in told) else ""
    more = f"{len(answer.causes)} causes" if len(answer.causes) > 1 else ""
    remarks = ", ".join(remark for remark in (right, more) if remark)
    return f"{first.kind}: {first.sentence} [{where}]" + (f" ({remarks})" if remarks else "")


def as_record(answer: Answer) -> dict[str, Any]:
    """Return an answer as something for JSON."""
    claim = answer.claim
    return {
        "set": claim.set,
        "group": claim.group,
        "kind": claim.kind,
        "mistake": claim.mistake,
        "seed": claim.seed,
        "wrong_blocks": sorted(claim.wrong_blocks),
        "verdict": answer.verdict,
        "unknowable": answer.unknowable,
        "seconds": answer.seconds,
        "causes": [
            {
                "kind": cause.kind,
                "blocks": list(cause.blocks),
                "sentence": cause.sentence,
                "evidence": cause.evidence,
                "certain": cause.certain,
                "lines": [str(line) for line in cause.lines],
                "backward_lines": [str(line) for line in cause.backward_lines],
                "said": [one.said for one in told],
                "line": [one.line for one in told],
            }
            for cause, told in zip(answer.causes, answer.matches, strict=True)
        ],
    }
