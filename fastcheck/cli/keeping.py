"""What ``fastcheck check`` keeps of a whole run: JSON, and test cases for CI."""

from __future__ import annotations

import argparse
import json
import os
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fastcheck import statuses
from fastcheck.cli.found import FileResult, ProblemOutcome
from fastcheck.errors import FastcheckError
from fastcheck.legible import legible
from fastcheck.report.result import Report
from fastcheck.report.stages import AnyReport

STANDARD_OUTPUT = "-"


def keep_results(results: Sequence[FileResult], arguments: argparse.Namespace) -> None:
    """Write the files that were asked for; raises `FastcheckError` where that cannot be done."""
    if arguments.json == STANDARD_OUTPUT:
        json.dump(as_json(results), sys.stdout, indent=1, ensure_ascii=True, allow_nan=False)
        print()
    elif arguments.json:
        text = json.dumps(as_json(results), indent=1, ensure_ascii=False, allow_nan=False)
        _write(Path(arguments.json), text + "\n")
    if arguments.junit:
        _write(Path(arguments.junit), as_junit(results))


def as_json(results: Iterable[FileResult]) -> list[dict[str, Any]]:
    """Return everything that was found as a list for JSON: one dict per problem, with a report or an error."""
    entries: list[dict[str, Any]] = []
    for result in results:
        file = str(result.file)
        if result.error is not None:
            entries.append({"file": file, "problem": None, "found as": None, "error": result.error})
        for outcome in result.outcomes:
            entry = {"file": file, "problem": outcome.problem.name, "found as": outcome.problem.how}
            if outcome.report is None:
                entries.append({**entry, "error": outcome.error})
            else:
                entries.append({**entry, "report": outcome.report.to_dict()})
        entries += [{"file": file, "problem": one.name, "not used": one.why} for one in result.not_used]
    return entries


def as_junit(results: Sequence[FileResult]) -> str:
    """Return everything as XML that CI systems read: a suite per file, a case per problem."""
    suites = ET.Element("testsuites", name="fastcheck")
    for result in results:
        name = legible(str(result.file))
        suite = ET.SubElement(suites, "testsuite", name=name)
        if result.error is not None:
            case = ET.SubElement(suite, "testcase", classname=name, name="import", time="0")
            _add(case, "error", result.error, result.error)
        for outcome in result.outcomes:
            _add_case(suite, name, outcome)
        for finding in result.not_used:
            case = ET.SubElement(suite, "testcase", classname=name, name=legible(finding.name), time="0")
            _add(case, "skipped", finding.why, "")
        for kind in ("failure", "error", "skipped"):
            count = len(suite.findall(f"testcase/{kind}"))
            suite.set({"failure": "failures", "error": "errors"}.get(kind, kind), str(count))
        suite.set("tests", str(len(suite.findall("testcase"))))
        suite.set("time", f"{sum(float(case.get('time', 0)) for case in suite):.3f}")
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=False) + "\n"


def _add_case(suite: ET.Element, file: str, outcome: ProblemOutcome) -> None:
    seconds = 0.0 if outcome.report is None else outcome.report.seconds
    case = ET.SubElement(
        suite, "testcase", classname=file, name=legible(outcome.problem.name), time=f"{seconds:.3f}"
    )
    if outcome.report is None:
        _add(case, "error", outcome.error or "", outcome.error or "")
    elif outcome.status != statuses.RIGHT:
        text = str(outcome.report)
        _add(case, "failure", _headline(outcome.report), text, type=str(outcome.report.verdict))


def _headline(report: AnyReport) -> str:
    """Return verdict and cause in one line, however long."""
    from fastcheck.report.stages_text import sentence_on_stages
    from fastcheck.report.text import first_lines

    if isinstance(report, Report):
        return first_lines(report)[0]
    return f"{report.verdict.upper()}  {sentence_on_stages(report)}"


def _add(case: ET.Element, kind: str, message: str, text: str, **attributes: str) -> None:
    """Add an element; what XML cannot hold is written as an escape."""
    element = ET.SubElement(case, kind, {"message": legible(message), **attributes})
    element.text = legible(text, lines=True)


def _write(path: Path, text: str) -> None:
    try:
        os.makedirs(path.parent, exist_ok=True)
        path.write_text(
            text, encoding="utf-8", errors="backslashreplace"
        )  # as JSON writes halves of pairs, too
    except OSError as error:
        raise FastcheckError(f"{path}: {error.strerror or error}.") from None
