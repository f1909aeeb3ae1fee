"""A report for the terminal: what is wrong, where to look, what failed, and the rest in a line or two.

In a terminal 80 columns wide, a report of one wrong block among six reads like this::

    FAIL  dW2 is 2 times the right gradient
          backward  network.py:31  dW2 = 2 * dZ2 @ A1.T
          explains dW2 to rounding; factor 2.000000000

    block  shape  verdict  difference  checked  wrong
    W2     12×25  fail       3.33e-01      300    300
    …
    5 more blocks are right to 3e-16: W1, b1, b2, W3, b3
    all 1,950 parameters checked by difference propagation, certified to 4e-13
    difference 0.313; 21 forward passes, 0.06 s
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fastcheck.legible import legible
from fastcheck.report.causes_text import ANOTHER, INDENT, hanging, lines_on_causes, sentence_of_headline
from fastcheck.report.console import paragraph, view_of_stdout
from fastcheck.report.result import BlockReport, Report
from fastcheck.report.short_names import ELLIPSIS
from fastcheck.report.summary_text import (
    blocks_with,
    brief_summary,
    full_summary,
    obstacle_in_words,
    rest_in_brief,
    sampled_blocks,
    verdict_in_words,
)
from fastcheck.report.tables_text import (
    BLOCKS_IN_BRIEF,
    COLOURS,
    blocks_table,
    proofs_table,
    worst_table,
)
from fastcheck.report.view import View
from fastcheck.verdict.judging import Verdict

LONGEST_NOTE = 4
"""Lines of a note that a brief report shows."""

WHERE = "Where? fastcheck.locate(cost, parameters, gradients) finds out."


def rich_report(report: Report, view: View | None = None) -> RenderableType:
    """Return the report for a rich console."""
    view = view or view_of_stdout()
    parts = _full(report, view) if view.verbose else _brief(report, view)
    return Group(_headline(report, view), *parts)


def first_lines(report: Report) -> tuple[str, str]:
    """Return what is wrong, and where to look, each as one line of any length; the second may be empty."""
    view = View(width=10_000)
    below = lines_on_causes(report, view) if report.verdict is Verdict.FAIL else _obstacle(report, view)
    return _headline(report, view).plain, below[0].strip() if below else ""


def _headline(report: Report, view: View) -> Text:
    cause = sentence_of_headline(report)
    sentence = verdict_in_words(report) if cause is None else cause
    verdict = f"{report.verdict.upper()}  "
    lines = hanging(" " * (len(verdict) - INDENT) + sentence, view)
    return Text.assemble((verdict, COLOURS[report.verdict]), ("\n".join(lines)[len(verdict) :], "bold"))


def _brief(report: Report, view: View) -> Iterator[RenderableType]:
    """Yield what failed, and of the rest a line."""
    yield from _on_causes(report, view)
    yield from map(Text, _obstacle(report, view))
    doubtful = blocks_with(report, Verdict.FAIL, Verdict.INCONCLUSIVE)
    if doubtful:
        yield Text()
        yield from _doubtful_blocks(report, doubtful, view)
    if rest := rest_in_brief(report):
        yield paragraph(rest, view)
    yield from (paragraph(line, view) for line in brief_summary(report, view.width))
    yield from _proofs(report, view)
    yield from _untold_places(report, view)
    yield from _notes(report, view)


def _on_causes(report: Report, view: View) -> Iterator[Text]:
    """Yield the lines on causes; what begins another mistake stands out as the first line does."""
    for line in lines_on_causes(report, view):
        yield Text(line, style="bold" if line.startswith(f"{' ' * INDENT}{ANOTHER}") else "")


def _doubtful_blocks(
    report: Report, doubtful: dict[str, BlockReport], view: View
) -> Iterator[RenderableType]:
    """Yield a table of the blocks that do not pass, and one of their worst coordinates."""
    worst = worst_table(report, view)
    first = dict(list(doubtful.items())[:BLOCKS_IN_BRIEF])
    yield blocks_table(report, first, view, with_places=not worst.row_count)
    if len(doubtful) > len(first):
        yield paragraph(f"and {len(doubtful) - len(first):,} more that do not pass", view)
    if worst.row_count:
        yield Text()
        yield worst
    yield Text()


def _full(report: Report, view: View) -> Iterator[RenderableType]:
    """Yield all that is known."""
    yield from _on_causes(report, view)
    yield from (paragraph(line, view) for line in full_summary(report))
    yield Text()
    yield blocks_table(report, report.blocks, view, with_places=True)
    worst = worst_table(report, view)
    if worst.row_count:
        yield from (Text(), Text("Worst coordinates"), worst)
    yield from _proofs(report, view)
    yield from _untold_places(report, view)
    causes = [block.cause for block in report.blocks.values() if block.cause]
    yield from (paragraph(f"Note: Inconclusive, {cause}", view) for cause in causes[:1])
    yield from _notes(report, view)


def _obstacle(report: Report, view: View) -> list[str]:
    """Return the lines that say why nothing could be told, and what to do."""
    obstacle, said = obstacle_in_words(report)
    if not said:
        return []
    if obstacle and report.verdict is Verdict.FAIL:
        said = f"{obstacle}: {said}"
    return hanging(said, view)


def _proofs(report: Report, view: View) -> Iterator[RenderableType]:
    table: Table = proofs_table(report, view)
    if table.row_count:
        yield from (Text(), table)
        hidden = len(sampled_blocks(report)) - table.row_count
        if hidden:
            yield paragraph(f"and {hidden:,} more, of which at most as large a share is wrong", view)


def _untold_places(report: Report, view: View) -> Iterator[RenderableType]:
    """Yield where mistakes are that no line above has said, and how to find out where that is not known."""
    told = " ".join(" ".join(lines_on_causes(report, View(width=10_000))).split())
    told += " ".join(cause.sentence for cause in report.causes)
    located = [block.located.sentence for block in report.blocks.values() if block.located]
    located = [sentence for sentence in located if legible(sentence) not in told]
    if located:
        yield from (Text(), *(paragraph(f"Located: {sentence}", view) for sentence in located))
    if any(map(_to_be_located, report.blocks.values())):
        yield from (Text(), Text(WHERE))


def _to_be_located(block: BlockReport) -> bool:
    """Tell whether directions show a mistake of which no coordinate is known."""
    return block.verdict is Verdict.FAIL and not (block.wrong or block.located)


def _notes(report: Report, view: View) -> Iterator[RenderableType]:
    for note in (*report.notes, *report.unseen):
        text = paragraph(f"Note: {note}", view)
        lines = text.plain.split("\n")
        if len(lines) > LONGEST_NOTE and not view.verbose:
            shortened = f"{lines[LONGEST_NOTE - 1][: view.width - 2].rstrip()} {ELLIPSIS}"
            text = Text("\n".join([*lines[: LONGEST_NOTE - 1], shortened]))
        yield text
