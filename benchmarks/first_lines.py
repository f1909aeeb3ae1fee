"""``python -m benchmarks.first_lines``: the first two lines of the failure for every mistake of the bug zoo.

Does somebody who reads no more than these know what is wrong? A mistake counts as named if the first explanation says
what was planted, and names no other line of the cost than it should, by the rules of `benchmarks.causes`.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.causes.asking import Answer, judge
from benchmarks.causes.claims import WrongClaim
from benchmarks.causes.sets import planted
from fastcheck import check
from fastcheck.report.text import first_lines

PAGE = Path(__file__).parents[1] / "docs" / "results" / "first_lines.md"

HEAD = """# The first two lines of a failure

Written by `python -m benchmarks.first_lines --page`; do not edit. Each mistake of the [bug zoo](zoo.md) is planted in
every family of networks where it can be made, and checked with the gradient alone: the backward pass is not given, so
that no line of it can be named. *Named* are the mistakes of which the first line says what was planted, and names no
other line of the cost than it should, by the rules of [causes.md](causes.md). Shown is the first family in which it was
planted; lines are not wrapped here.
"""

NOT_NAMED, FIRST_OF_SEVERAL, MOST_LIKELY, SAID = (
    "not named",
    "named first of several",
    "named as most likely",
    "named",
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What somebody reads of one wrong claim, and how well that names what was planted."""

    claim: WrongClaim
    first: str
    second: str
    named: str


def read(claim: WrongClaim) -> Reading | None:
    """Check a wrong claim; None where nothing that a check sees could tell the mistake."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = check(claim.cost, dict(claim.parameters), dict(claim.claimed), progress=False)
    answer = judge(claim, report)
    if answer.unknowable:
        return None
    first, second = first_lines(report)
    return Reading(claim=claim, first=first, second=second, named=how_named(answer, first))


def how_named(answer: Answer, first: str) -> str:
    """Return whether the first line names the mistake, and how sure it is."""
    if not (answer.failed and answer.right_first):
        return NOT_NAMED
    if "the likeliest of" in first:
        return FIRST_OF_SEVERAL
    return MOST_LIKELY if "most likely" in first else SAID


def page(readings: Sequence[Reading], unknowable: int) -> str:
    """Return the page: how many are named, and the two lines of each mistake.

    ``unknowable`` other claims have a mistake that nothing a check sees could tell.
    """
    named = [reading for reading in readings if reading.named != NOT_NAMED]
    parts = [
        HEAD,
        f"Of {len(readings):,} claims the first two lines name the mistake in {len(named):,} "
        f"({len(named) / len(readings):.1%}). Besides, {unknowable} claims have a mistake that nothing a check "
        "sees could tell, such as a cache of the step before; these are not counted.\n",
        "| how | claims |\n| --- | ---: |",
        *(
            f"| {how} | {sum(reading.named == how for reading in readings):,} |"
            for how in (SAID, MOST_LIKELY, FIRST_OF_SEVERAL, NOT_NAMED)
        ),
        "",
        "## Not named",
        "",
        *(line for reading in readings if reading.named == NOT_NAMED for line in shown(reading)),
        "## All mistakes",
        "",
        *(line for group in by_mistake(readings).values() for line in shown(group[0], group)),
    ]
    return "\n".join(parts).rstrip() + "\n"


def by_mistake(readings: Iterable[Reading]) -> dict[str, list[Reading]]:
    """Return the readings of each mistake."""
    groups: dict[str, list[Reading]] = {}
    for reading in readings:
        groups.setdefault(reading.claim.mistake, []).append(reading)
    return groups


def shown(reading: Reading, group: Sequence[Reading] = ()) -> list[str]:
    """Return the lines of the page about a mistake, with how often it is named in all networks."""
    named = sum(one.named != NOT_NAMED for one in group)
    count = f", named in {named} of {len(group)} networks" if group else ""
    return [
        f"*{reading.claim.mistake}* ({reading.claim.group}{count})",
        "",
        "```text",
        reading.first,
        f"      {reading.second}".rstrip(),
        "```",
        "",
    ]


def main() -> None:
    """Read as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_lines")
    parser.add_argument("--families", nargs="+", default=(), help="families of networks (default: all)")
    parser.add_argument("--only", default="", help="mistakes whose name matches this regular expression")
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()
    claims = planted(["zoo"], families=tuple(options.families), only=options.only)
    readings, unknowable = [], 0
    for claim in claims:
        reading = read(claim)
        if reading is None:
            unknowable += 1
            continue
        readings.append(reading)
        print(f"{claim.group}: {claim.mistake} [{reading.named}]")
        print(f"   {reading.first}\n         {reading.second}", flush=True)
    if options.page:
        PAGE.write_text(page(readings, unknowable), encoding="utf-8")


if __name__ == "__main__":
    main()
