"""Ask the detective about a wrong claim, and judge what it says."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.causes.claims import WrongClaim, changed_blocks
from benchmarks.causes.effects import is_true_effect
from benchmarks.causes.expecting import ONLY_WHERE_TO_LOOK, Match, Unknowable, best_match
from fastcheck import Verdict, check
from fastcheck.report.causes import Cause

REPEATS = 3
"""How often the check of the right claim is timed, whose median is taken off the time with the wrong one."""

VERDICTS = ("right first", "right line only", "right later", "wrong first", "nothing said", "not found wrong")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was said of a claim. ``matches[i][k]`` compares cause i with planted mistake k.

    ``seconds`` is the processor time of the check beyond that of the same check with the right claim.
    """

    claim: WrongClaim
    causes: tuple[Cause, ...]
    matches: tuple[tuple[Match, ...], ...]
    failed: bool
    seconds: float
    notes: tuple[str, ...] = field(default=())

    @property
    def unknowable(self) -> bool:
        """Nothing could tell this mistake."""
        return all(isinstance(one, Unknowable) for part in self.claim.expected for one in part)

    @property
    def right_first(self) -> bool:
        """The first cause says what is wrong, and where; of two mistakes the first two causes may tell one each."""
        if not self.matches:
            return False
        return self._tell_all(self.matches[:1]) or (
            len(self.claim.expected) > 1 and self._tell_all(self.matches[:2])
        )

    @property
    def right_among_all(self) -> bool:
        """Some of the causes say what is wrong."""
        return self._tell_all(self.matches)

    @property
    def has_line(self) -> bool:
        """A line is expected, whichever of the things is said that may be."""
        return all(getattr(one, "line", None) for part in self.claim.expected for one in part)

    @property
    def right_line(self) -> bool:
        """The first cause names the right line, whatever it says of it."""
        return bool(self.matches) and all(one.line is True for one in self.matches[0])

    @property
    def explained(self) -> bool:
        """Some cause explains something, and does not only say where to look."""
        return any(cause.kind not in ONLY_WHERE_TO_LOOK for cause in self.causes)

    @property
    def certain(self) -> tuple[Cause, ...]:
        """The causes that are told as certain."""
        return tuple(cause for cause in self.causes if cause.certain)

    @property
    def certain_and_wrong(self) -> tuple[Cause, ...]:
        """The causes that are told as certain, are none of what was planted, and not true of the claim itself."""
        paired = zip(self.causes, self.matches, strict=True)
        untold = [cause for cause, told in paired if cause.certain and not any(one.right for one in told)]
        return tuple(cause for cause in untold if not is_true_effect(cause, self.claim))

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        if not self.failed:
            return "not found wrong"
        if not self.explained:
            return "nothing said"
        if self.right_first:
            return "right first"
        if self.right_line:
            return "right line only"
        return "right later" if self.right_among_all else "wrong first"

    def _tell_all(self, matches: Sequence[tuple[Match, ...]]) -> bool:
        """Tell whether each mistake is told; in a cause of two, one that has no line may stand beside one that has."""
        parts = range(len(self.claim.expected))
        return bool(matches) and all(
            any(
                told[k].right or (told[k].said and any(one.right and one.line for one in told))
                for told in matches
            )
            for k in parts
        )


def ask(claim: WrongClaim, baseline: float = 0.0, checker: Callable[..., Any] = check) -> Answer:
    """Check the wrong claim and judge the causes; ``baseline`` is the time of a check of the right one."""
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = checker(claim.cost, dict(claim.parameters), dict(claim.claimed), progress=False)
    seconds = time.process_time() - begun - baseline
    return judge(claim, report, seconds)


def judge(claim: WrongClaim, report: Any, seconds: float = 0.0) -> Answer:
    """Compare the causes of a report with what was planted."""
    causes = tuple(report.causes)
    wrong = changed_blocks(claim.right, claim.claimed)
    matches = tuple(tuple(_match(claim, cause, part, wrong) for part in claim.expected) for cause in causes)
    return Answer(
        claim=claim,
        causes=causes,
        matches=matches,
        failed=report.verdict is Verdict.FAIL,
        seconds=max(seconds, 0.0),
        notes=tuple(report.notes),
    )


def _match(claim: WrongClaim, cause: Cause, part: Any, wrong: frozenset[str]) -> Match:
    """Compare; a cause for a block that is right is wrong."""
    matched = best_match(cause, part, claim.sizes)
    if cause.blocks and set(cause.blocks) <= wrong:
        return matched
    return Match(said=False, line=matched.line)


def time_of_right_claim(claim: WrongClaim) -> float:
    """Return the time of a check of the right gradient, the median of some."""
    times = []
    for _ in range(REPEATS):
        begun = time.process_time()
        check(claim.cost, dict(claim.parameters), dict(claim.right), progress=False)
        times.append(time.process_time() - begun)
    return statistics.median(times)


def quantile(seconds: Sequence[float], share: float) -> float:
    """Return a quantile of times, 0 of none."""
    return float(np.quantile(seconds, share)) if seconds else 0.0
