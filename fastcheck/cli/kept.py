"""``fastcheck show``: what ``fastcheck check --json`` kept, read back and shown; nothing in it is run.

Also a report by itself, as ``json.dump(report.to_dict(), file)`` writes it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from fastcheck import statuses
from fastcheck.cli.found import FileResult, FoundProblem, NotUsed, ProblemOutcome
from fastcheck.cli.pages import Pages
from fastcheck.cli.showing import Shown
from fastcheck.errors import FastcheckError, InvalidProblemError
from fastcheck.files.data_files import content_of
from fastcheck.files.strict_json import parsed
from fastcheck.legible import legible
from fastcheck.report.reading import FIELD_ADVICE, expect, listed, optional, record, text
from fastcheck.report.schema import read_report, read_stages
from fastcheck.report.stages import AnyReport

ALONE = "report"
"""Name of a report that was kept by itself."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``fastcheck show`` takes to its parser."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="JSON, as check --json writes it")
    parser.add_argument("--only-wrong", action="store_true", help="nothing of what is right")
    parser.add_argument("-v", "--verbose", action="store_true", help="the whole report of what is right, too")
    parser.add_argument("--html", metavar="DIR|FILE", help="a page for each problem")


def run_show(arguments: argparse.Namespace) -> int:
    """Run the command, and return the exit status, which is that of the check."""
    shown = Shown(file=sys.stdout, only_wrong=arguments.only_wrong, verbose=arguments.verbose)
    results = [result for name in arguments.files for result in read_kept(Path(name))]
    for result in results:
        _show(result, shown)
    shown.summary(results)
    statuses_seen = [result.status for result in results]
    if arguments.html and not _keep_pages(results, Pages(arguments.html, arguments.only_wrong), shown):
        statuses_seen.append(statuses.ILL_POSED)
    return statuses.worst(statuses_seen)


def read_kept(path: Path) -> list[FileResult]:
    """Return what a file of JSON keeps, file by file.

    Raises `InvalidProblemError`, which names the file and what is wrong in it, for anything but kept results.
    """
    kept = parsed(content_of(path), str(path))
    try:
        if isinstance(kept, list):
            entries = listed(_entry)(kept, "results")
            return [
                _result(list(group)) for _, group in itertools.groupby(entries, _file_and_whether_looked_at)
            ]
        outcome = ProblemOutcome(
            file=path, problem=_kept_problem(ALONE, "kept by itself"), report=_any_report(kept, "report")
        )
        return [FileResult(file=path, outcomes=(outcome,))]
    except InvalidProblemError as error:
        what = str(error).removesuffix(f" {FIELD_ADVICE}")
        raise InvalidProblemError(f"{path}: {what} Give it what fastcheck check --json wrote.") from None


def _show(result: FileResult, shown: Shown) -> None:
    """Show what came of a file, as the check did."""
    if result.error is not None:
        shown.error(result)
        return
    shown.found(result.file, [outcome.problem for outcome in result.outcomes], result.not_used)
    for outcome in result.outcomes:
        shown.outcome(outcome)


def _keep_pages(results: Sequence[FileResult], pages: Pages, shown: Shown) -> bool:
    """Write the pages, say where they are, and return whether all could be written."""
    outcomes = [outcome for result in results for outcome in result.outcomes]
    try:
        for outcome in outcomes:
            page = pages.save(outcome, is_alone=len(outcomes) == 1)
            if page:
                shown.note(f"page: {page}")
    except FastcheckError as error:
        shown.line(legible(str(error)))
        return False
    return True


def _file_and_whether_looked_at(entry: Mapping[str, Any]) -> tuple[str, bool]:
    """Return what entries of one result have in common; without a problem, the file could not be looked at."""
    return entry["file"], entry["problem"] is not None


def _result(entries: Sequence[Mapping[str, Any]]) -> FileResult:
    """Return what entries of one file say of it."""
    file = Path(entries[0]["file"])
    if entries[0]["problem"] is None:
        return FileResult(file=file, error=entries[0]["error"])
    outcomes = [_outcome(file, entry) for entry in entries if "not used" not in entry]
    not_used = [
        NotUsed(name=entry["problem"], why=entry["not used"]) for entry in entries if "not used" in entry
    ]
    return FileResult(file=file, outcomes=tuple(outcomes), not_used=tuple(not_used))


def _outcome(file: Path, entry: Mapping[str, Any]) -> ProblemOutcome:
    problem = _kept_problem(entry["problem"], entry["found as"] or "")
    return ProblemOutcome(file=file, problem=problem, report=entry.get("report"), error=entry.get("error"))


def _kept_problem(name: str, how: str) -> FoundProblem:
    return FoundProblem(name=name, how=how, parts=(), run=_is_not_there)


def _is_not_there(_: Mapping[str, Any]) -> NoReturn:
    raise FastcheckError("The problem of a kept report is not there: check its file again.")


def _entry(value: Any, path: str) -> dict[str, Any]:
    """Read what was kept of one problem, or of a file that could not be looked at."""
    expect(isinstance(value, dict), path, "a dict", value)
    for kind, reader in _ENTRIES.items():
        if kind in value:
            return dict(reader(value, path))
    raise InvalidProblemError(f"{path}: expected one of the fields {', '.join(_ENTRIES)}, got none.")


def _any_report(value: Any, path: str) -> AnyReport:
    is_of_stages = isinstance(value, dict) and "stages" in value
    return read_stages(value, path) if is_of_stages else read_report(value, path)


_FIELDS: dict[str, dict[str, Any]] = {
    "report": {"file": text, "problem": text, "found as": text, "report": _any_report},
    "not used": {"file": text, "problem": text, "not used": text},
    "error": {"file": text, "problem": optional(text), "found as": optional(text), "error": text},
}
"""What an entry holds, by the field that tells of which kind it is."""

_ENTRIES = {kind: record(dict, **fields) for kind, fields in _FIELDS.items()}
