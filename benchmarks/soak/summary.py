"""What a soak has seen, counted, as a page and in a sentence."""

from __future__ import annotations

import platform
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.soak.cases import Case, Outcome
from benchmarks.soak.costs import FAULTS
from benchmarks.soak.interrupted import NAMES, Interrupted

PAGE = Path(__file__).parent.parent.parent / "docs" / "results" / "soak.md"
MiB = 2**20


@dataclass(slots=True)
class Summary:
    """Counts, complaints and leaks; ``talks``: each complaint is printed when it comes."""

    backends: tuple[str, ...]
    first_seed: int = 1
    talks: bool = False
    began: float = field(default_factory=time.monotonic)
    cases: Counter[tuple[str, str]] = field(default_factory=Counter)
    verdicts: defaultdict[tuple[str, bool], Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    interrupted: Counter[str] = field(default_factory=Counter)
    signals: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    orphans: int = 0
    files: int = 0
    complaints: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    memory_before: int = 0
    memory_after: int = 0

    def note(self, case: Case, outcome: Outcome) -> None:
        """Count a case."""
        self.cases[case.backend, case.fault] += 1
        self.verdicts[case.fault, case.mistake is None][outcome.what] += 1
        for complaint in outcome.complaints:
            self._complain(self.complaints, f"seed {case.seed}, {case.backend}, {case.fault}: {complaint}")

    def note_interrupted(self, told: Interrupted) -> None:
        """Count a case that was interrupted and resumed."""
        case = told.case
        self.interrupted[case.backend] += 1
        self.signals[case.backend].update(told.signals)
        self.orphans += told.orphans
        self.files += told.files
        for complaint in told.complaints:
            words = ", ".join(told.signals) or "not interrupted"
            self._complain(self.complaints, f"seed {case.seed}, {case.backend}, {words}: {complaint}")

    def note_left(self, seed: int, left: list[str]) -> None:
        """Keep what a case left behind."""
        for what in left:
            self._complain(self.left, f"seed {seed}: {what}")

    @property
    def is_bad(self) -> bool:
        """Whether anything was wrong, or was left behind."""
        return bool(self.complaints or self.left)

    def sentence(self) -> str:
        """Return what is to be said of all."""
        count = sum(self.cases.values()) + sum(self.interrupted.values())
        minutes = (time.monotonic() - self.began) / 60
        signals = sum(sum(counts.values()) for counts in self.signals.values())
        return (
            f"{count:,} cases in {minutes:.1f} minutes, {signals:,} signals: {len(self.complaints)} complaints, "
            f"{len(self.left)} things left behind; memory {self.memory_before / MiB:.0f} MiB before, "
            f"{self.memory_after / MiB:.0f} MiB after."
        )

    def _complain(self, where: list[str], text: str) -> None:
        where.append(text)
        if self.talks:
            print(text, flush=True)


INTRODUCTION = """\
# Soak

Random checks on random backends, with random faults, one after the other in one process; every fifth in processes of
their own that get SIGINT, SIGTERM or SIGKILL at random instants, and are resumed from their checkpoint. After each:
the verdict, the caller's arrays, and whatever is there that was not before. Made by `./scripts/soak`;
`./scripts/soak --case SEED` runs one of them again.
"""

VERDICTS = """\
## Verdicts

Half of the claims are right, half have a planted mistake. A right one must not fail, a planted one must not pass, and
only where evaluations are lost may a check be undecided; a mistake beside what is lost must be found all the same.
"""

RESUMED = """\
## Interrupted and resumed

The last run of each was compared with one that was not interrupted: verdict, difference, blocks and causes, bit for
bit.
"""


def write_page(summary: Summary, path: Path = PAGE) -> None:
    """Write docs/results/soak.md."""
    path.write_text("\n".join(_lines(summary)) + "\n")


def _lines(summary: Summary) -> list[str]:
    verdicts, backends = summary.verdicts, summary.backends
    numbers = {fault: [summary.cases[name, fault] or "" for name in backends] for fault in FAULTS}
    signals = {name: [summary.signals[name][number] for number in NAMES] for name in summary.interrupted}
    system = f"Python {platform.python_version()}, {platform.system()}"
    return [
        INTRODUCTION,
        f"**{summary.sentence()}** Seeds from {summary.first_seed}; {system}.",
        "",
        *_complaint_lines("What was wrong", summary.complaints),
        *_complaint_lines("What was left behind", summary.left),
        "## Cases by backend and fault",
        "",
        "What happens where one coordinate is moved:",
        "",
        _row("fault", *backends),
        _row("---", *["---:"] * len(backends)),
        *[_row(fault, *counts) for fault, counts in numbers.items()],
        "",
        VERDICTS,
        _row("fault", "right claims", "planted mistakes"),
        _row("---", "---", "---"),
        *[_row(fault, _counts(verdicts[fault, True]), _counts(verdicts[fault, False])) for fault in FAULTS],
        "",
        RESUMED,
        _row("backend", "cases", *NAMES),
        _row("---", *["---:"] * 4),
        *[_row(name, summary.interrupted[name], *counts) for name, counts in sorted(signals.items())],
        "",
        f"Nobody can clean up after a SIGKILL of the caller itself: worker processes that outlived it by ten seconds: "
        f"{summary.orphans}; runs whose temporary files were left: {summary.files}.",
    ]


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _complaint_lines(title: str, complaints: list[str]) -> list[str]:
    if not complaints:
        return [f"{title}: nothing.", ""]
    return [f"{title}:", "", *[f"- {complaint}" for complaint in complaints], ""]


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
