"""``python -m benchmarks.causes``: ask about the wrong claims, and print or write the tables."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from benchmarks.causes.asking import Answer, ask, time_of_right_claim
from benchmarks.causes.claims import WrongClaim
from benchmarks.causes.sets import SETS, planted
from benchmarks.causes.summary import as_record, failures, tables

PAGE = Path(__file__).parents[2] / "docs" / "results" / "causes.md"

HEAD = """# Causes: what the detective says of planted mistakes

Written by `python -m benchmarks.causes --page`; do not edit. *Right first*: the first cause says what is wrong, and
names no other line of the cost than it should. *Right line*: the first cause names the line, where there is one.
*Nothing said*: no cause, or none that says more than where to look. *Certain* are causes that the report calls certain.
Seconds are processor time, beyond that of a check of the right gradient.
"""


def main() -> None:
    """Ask as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.causes")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS), help="default: all")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of each network (default: 1)")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of them")
    parser.add_argument("--families", nargs="+", default=(), help="families or networks (default: all)")
    parser.add_argument("--only", default="", help="mistakes whose name matches this regular expression")
    parser.add_argument("--verbose", action="store_true", help="print each answer as it comes")
    parser.add_argument("--json", type=Path, help="write all answers to this file")
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()

    parts, records = [], []
    for name in options.sets:
        claims = planted(
            [name],
            seeds=options.seeds,
            first_seed=options.first_seed,
            families=tuple(options.families),
            only=options.only,
        )
        answers = ask_all(claims, verbose=options.verbose)
        if not answers:
            continue
        records += [as_record(answer) for answer in answers]
        parts.append(f"## {name}\n\n{tables(answers)}\n\n### What was not right\n\n{failures(answers)}")
        print(parts[-1], flush=True)
    if options.json:
        options.json.write_text(json.dumps(records, ensure_ascii=False, indent=1), encoding="utf-8")
    if options.page:
        PAGE.write_text("\n\n".join([HEAD.rstrip(), *parts]).rstrip() + "\n", encoding="utf-8")


def ask_all(claims: Iterable[WrongClaim], *, verbose: bool = False) -> list[Answer]:
    """Return the answers about all claims; the right claim of each network is timed once."""
    answers: list[Answer] = []
    baselines: dict[tuple[str, str, int], float] = {}
    for claim in claims:
        network = (claim.set, claim.group, claim.seed)
        if network not in baselines:
            baselines[network] = time_of_right_claim(claim)
        answer = ask(claim, baselines[network])
        answers.append(answer)
        if verbose:
            first = answer.causes[0].sentence if answer.causes else "–"
            print(f"{answer.verdict:16s} {answer.seconds:6.3f} s  {claim.name} → {first}", flush=True)
    return answers


if __name__ == "__main__":
    main()
