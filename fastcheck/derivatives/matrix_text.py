"""A report on a matrix of derivatives as text: what is wrong, where, and what was proved."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from fastcheck.derivatives.matrix_report import ENTRIES_SHOWN, MatrixEntry, MatrixReport
from fastcheck.legible import legible, number_of, shape_in_words
from fastcheck.verdict.judging import Verdict

INDENT = "      "
"""Of what follows the verdict."""

METHODS = {"difference": "difference propagation", "plain": "plain evaluation"}


def matrix_lines(report: MatrixReport, width: int) -> Iterator[str]:
    """Yield the lines of a report, none of them wider than ``width``."""
    first, *others = report.causes or (_sentence(report),)
    yield from wrapped(f"{report.verdict.upper()}  {first}", width)
    for cause in others:
        yield from wrapped(f"{INDENT}{cause}", width)
    if report.worst:
        yield from wrapped(f"{INDENT}{_where(report)}", width)
        yield ""
        yield from entries_table(report.worst, width)
        yield ""
    yield from wrapped(report.proved, width, "")
    effort = f"{number_of(report.forward_passes, 'evaluation')} of the function, {report.seconds:.2f} s"
    yield from wrapped(f"{METHODS.get(report.method, report.method)}; {effort}", width, "")
    for note in report.notes:
        yield from wrapped(f"Note: {note}", width, "")


def wrapped(sentence: str, width: int, indent: str = INDENT) -> list[str]:
    """Return a sentence in as many lines as it needs, all but the first indented."""
    return textwrap.wrap(legible(sentence), width, subsequent_indent=indent)


def _sentence(report: MatrixReport) -> str:
    if report.verdict is Verdict.PASS:
        return f"{report.name} is right"
    if report.verdict is Verdict.INCONCLUSIVE:
        return f"could not tell for {report.name}"
    if not report.worst:
        return f"{report.name} is wrong"
    first = report.worst[0]
    if report.wrong == 1 and first.column >= 0:
        return f"{report.name} is wrong in one entry, ({first.row_name}, {first.column_name})"
    if len(report.wrong_rows) == 1:
        return f"{report.name} is wrong in row {first.row_name}"
    if len(report.wrong_columns) == 1:
        return f"{report.name} is wrong in column {first.column_name}"
    return f"{report.name} is wrong"


def _where(report: MatrixReport) -> str:
    rows, columns = report.shape
    if any(entry.column < 0 for entry in report.worst):
        return f"wrong along random directions in {len(report.wrong_rows):,} of {number_of(rows, 'row')}"
    at_least = "" if report.complete else "at least "
    wrong = "1 entry is wrong" if report.wrong == 1 else f"{at_least}{report.wrong:,} entries are wrong"
    return (
        f"{wrong}, in {len(report.wrong_rows):,} of {number_of(rows, 'row')} and {len(report.wrong_columns):,} of "
        f"{number_of(columns, 'column')}; shape {shape_in_words(report.shape)}"
    )


def entries_table(entries: Sequence[MatrixEntry], width: int) -> Iterator[str]:
    """Yield a table of wrong entries."""
    shown = entries[:ENTRIES_SHOWN]
    rows = [("row", "column", "claimed", "true", "error", "factor")]
    for entry in shown:
        factor = "" if entry.factor is None else f"{entry.factor + 0.0:.6g}"
        numbers = (f"{entry.claimed + 0.0:.8g}", f"{entry.true + 0.0:.8g}", f"{entry.error:.2e}", factor)
        rows.append((legible(entry.row_name), legible(entry.column_name), *numbers))
    numeric = 2 + sum(max(len(row[k]) for row in rows) + 2 for k in range(2, 6))
    left = max(4, (width - numeric) // 2)
    rows = [(_cut(row[0], left), _cut(row[1], left), *row[2:]) for row in rows]
    widths = [max(len(row[k]) for row in rows) for k in range(6)]
    for row in rows:
        names = [row[k].ljust(widths[k]) for k in range(2)]
        numbers_aligned = [row[k].rjust(widths[k]) for k in range(2, 6)]
        yield "  ".join([*names, *numbers_aligned]).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"…{text[len(text) - width + 1 :]}"
