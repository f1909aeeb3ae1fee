"""A report as a table for the terminal, 80 columns wide."""

from __future__ import annotations

import io
import math
import os
import textwrap

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from fastcheck.engines import FORMER
from fastcheck.legible import encodable, first_names, legible, number_of
from fastcheck.report.causes_text import INDENT, WIDTH, hanging, lines_on_causes, sentence_of_headline
from fastcheck.report.result import CONSTANT_COST, BlockReport, Report
from fastcheck.verdict.judging import Verdict

ELLIPSIS = "…"
"""What the console puts at the end of cells that are too long."""

UNLIMITED_WIDTH = 10_000
"""Width of a console on which no table is too wide."""

COORDINATES_SHOWN = 3
"""Worst coordinates shown of a failing block."""

BLOCKS_SHOWN = 5
"""Failing blocks of which coordinates are shown."""

SHARE_MISSED = 0.01
"""Share of a block that a mistake touches whose chance to be missed is shown."""

COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow"}

SAMPLE_PASSED = "no mistake in what was checked"
"""Of a gradient of which only a sample of the coordinates was looked at."""

SENTENCES = {
    Verdict.PASS: "the gradient is right",
    Verdict.FAIL: "the gradient is wrong in {failing}",
    Verdict.INCONCLUSIVE: "could not tell for {undecided}",
}
ENGINE_NAMES = {
    "reference": "the reference loop",
    "plain": "plain evaluation",
    **dict.fromkeys(("difference", *FORMER), "difference propagation"),
}
"""What reports call an engine, kept ones by a former name, too; others go by their own names."""


def render(report: Report) -> str:
    """Return the report as plain text without colours."""
    return as_text(rich_report(report))


def as_text(renderable: RenderableType) -> str:
    """Return what a console of 80 columns shows, without colours and without spaces at the ends of lines."""
    file = io.StringIO()
    Console(file=file, width=WIDTH, color_system=None, legacy_windows=False, force_jupyter=False).print(
        renderable
    )
    shown = file.getvalue().rstrip()
    if encodable(ELLIPSIS) != ELLIPSIS:
        shown = shown.replace(ELLIPSIS, "~")
    return "\n".join(line.rstrip() for line in shown.split("\n"))


def words(*lines: str, style: str = "") -> Text:
    """Return lines of text for the console, without what could not be shown; names may hold anything."""
    return Text("\n".join(map(legible, lines)), style=style)


def paragraph(sentence: str) -> Text:
    """Return a sentence in as many lines as it needs."""
    return Text(textwrap.fill(legible(" ".join(sentence.split())), WIDTH - 2))


def make_console() -> Console:
    """Return a console for stdout: colours only on a terminal, and not with ``NO_COLOR``."""
    terminal = Console()
    width = min(terminal.width, 100) if terminal.is_terminal else WIDTH
    return Console(width=width, highlight=False, no_color=bool(os.environ.get("NO_COLOR")) or None)


def rich_report(report: Report) -> RenderableType:
    """Return the report for a rich console."""
    parts: list[RenderableType] = [_headline(report)]
    parts += [Text(line) for line in lines_on_causes(report)]
    parts += [_summary(report), Text(), _blocks(report)]
    told = {cause.sentence for cause in report.causes}
    located = [block.located.sentence for block in report.blocks.values() if block.located]
    located = [sentence for sentence in located if sentence not in told]
    if located:
        parts += [Text(), *(paragraph(f"Located: {sentence}") for sentence in located)]
    if (worst := _worst(report)).row_count:
        parts += [Text(), Text("Worst coordinates"), worst]
    parts += _proofs(report)
    if any(map(_to_be_located, report.blocks.values())):
        parts += [Text(), Text("Where? fastcheck.locate(cost, parameters, gradients) finds out.")]
    causes = [block.cause for block in report.blocks.values() if block.cause]
    notes = [f"Inconclusive, {cause}" for cause in causes[:1]] + [*report.notes, *report.unseen]
    parts += [paragraph(f"Note: {note}") for note in notes]
    return Group(*parts)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %" if share > 0.99 else f"{100 * share:.2g} %"


def _to_be_located(block: BlockReport) -> bool:
    """Tell whether directions show a mistake of which no coordinate is known."""
    return block.verdict is Verdict.FAIL and not (block.wrong or block.located)


def _proofs(report: Report) -> list[RenderableType]:
    """Return a table of what samples prove about the coordinates that were not checked."""
    sampled = {
        name: block.proof
        for name, block in report.blocks.items()
        if block.proof and block.checked < block.size
    }
    if not sampled:
        return []
    confidence = next(iter(sampled.values())).confidence
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("block", overflow="fold")
    table.add_column("not checked", justify="right")
    table.add_column(f"wrong of these, {100 * confidence:g} % sure", justify="right")
    table.add_column(f"chance to miss {100 * SHARE_MISSED:g} % wrong", justify="right")
    for name, proof in sampled.items():
        table.add_row(
            words(name),
            f"{proof.size - proof.checked:,}",
            f"at most {proof.at_most:,} ({_percent(proof.share)})",
            f"{proof.missed(SHARE_MISSED):.2g}",
        )
    return [Text(), table]


def _headline(report: Report) -> Text:
    def named(verdict: Verdict) -> str:
        return first_names([name for name, block in report.blocks.items() if block.verdict is verdict])

    sentence = SENTENCES[report.verdict].format(
        failing=named(Verdict.FAIL), undecided=named(Verdict.INCONCLUSIVE)
    )
    all_are_known = all(block.known_as_a_whole for block in report.blocks.values())
    everything_is_known = all_are_known and not report.left_out
    if report.verdict is Verdict.PASS and not everything_is_known:
        sentence = SAMPLE_PASSED
    if any(unseen.startswith(CONSTANT_COST) for unseen in report.unseen):
        sentence = CONSTANT_COST
    colour = COLOURS[report.verdict]
    headline = Text(f"{report.verdict.upper()}  ", style=colour)
    cause = sentence_of_headline(report)
    if cause is not None:
        lines = "\n".join(hanging(cause))
        return headline.append_text(Text(lines[INDENT:], style="bold"))
    return headline.append_text(words(sentence, style="bold"))


def _summary(report: Report) -> Text:
    """Return what was looked at, by which engine, what that means for all blocks, and what it took."""
    is_screened = any(block.screened for block in report.blocks.values())
    is_sampled = any(block.proof for block in report.blocks.values())
    lines = []
    if is_sampled or not is_screened:
        share = f"{report.checked:,} of "
        if report.checked == report.size:
            share = "all " if report.size > 1 else "the "
        engine = ENGINE_NAMES.get(report.method, report.method)
        lines.append(f"{share}{number_of(report.size, 'parameter')} checked by {engine}")
    if report.certified:
        lines.append(f"certified: {report.certified}")
    if report.left_out:
        lines.append(f"not looked at: {first_names(report.left_out)}")
    if report.stopped:
        lines.append(f"stopped, as {report.stopped}")
    if is_screened:
        lines += _screening(report, is_sampled)
    if not math.isnan(report.difference):
        lines.append(f"difference {report.difference:.3g}  (usually right below 1e-7, wrong above 1e-3)")
    lines.append(_effort(report))
    return words(*lines, *([] if is_screened else _power(report)))


def _screening(report: Report, is_sampled: bool) -> list[str]:
    """Return the lines about random directions, and what their bounds mean."""
    blocks = [block for block in report.blocks.values() if block.screened]
    screened = next(block.screened for block in blocks if block.screened)
    lines = []
    along = ""
    if report.certified is None:
        size = sum(block.size for block in blocks)
        by = "" if is_sampled else f" by {ENGINE_NAMES.get(report.method, report.method)}, seed {report.seed}"
        lines.append(f"{number_of(size, 'parameter')} screened{by}")
        plural = "" if screened.directions == 1 else "s"
        along = f"along {screened.directions} random direction{plural} in each block; "
    lines.append(f"{along}each bound on the relative error")
    lines.append(f"‖g - ∇J‖ / ‖∇J‖ of a block holds with {100 * screened.confidence:.10g} % confidence")
    return lines


def _effort(report: Report) -> str:
    """Return the line with forward passes and seconds, and what it takes to repeat the check."""
    is_drawn = any(block.proof and block.checked < block.size for block in report.blocks.values())
    step = "" if report.epsilon is None else f", ε = {report.epsilon:g}"
    seed = f", sample of seed {report.seed}" if is_drawn else ""
    return f"{number_of(report.forward_passes, 'forward pass')}, {report.seconds:.2f} s{step}{seed}"


def _power(report: Report) -> list[str]:
    """Return the lines that say what would have been caught, if the gradient is right."""
    if report.verdict is not Verdict.PASS:
        return []
    powers = [power for power in report.power.values() if math.isfinite(power.factor + power.coordinate)]
    if not powers:
        return []
    factor = max(power.factor for power in powers)
    coordinate = max(power.coordinate for power in powers)
    return [
        f"would have caught any block × (1 + {factor:.0e}), any one coordinate of those checked",
        f"off by {coordinate:.0e} of its block's typical entry",
    ]


def _blocks(report: Report) -> Table:
    """Return the table of the blocks; where their names are long, the last column does without them."""
    table = _table_of_blocks(report, named=True)
    wide = Console(width=UNLIMITED_WIDTH).measure(table).maximum > WIDTH
    return _table_of_blocks(report, named=False) if wide else table


def _table_of_blocks(report: Report, named: bool) -> Table:
    is_screened = any(block.screened for block in report.blocks.values())
    is_sampled = any(block.proof for block in report.blocks.values())
    if not is_screened:
        titles = ["difference", "checked", "wrong"]
    elif is_sampled:
        titles = ["checked", "wrong", "bound"]
    else:
        titles = ["difference", "bound"]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("block", overflow="fold")
    table.add_column("shape")
    table.add_column("verdict")
    for title in titles:
        table.add_column(title, justify="right")
    table.add_column("largest error at", overflow="fold")
    for name, block in report.blocks.items():
        numbers = {
            "difference": "" if math.isnan(block.difference) else f"{block.difference:.2e}",
            "checked": f"{block.checked:,}",
            "wrong": f"{block.wrong:,}",
            "bound": _bound(block),
        }
        table.add_row(
            words(name),
            words("×".join(map(str, block.shape)) or "number"),
            Text(block.verdict, style=COLOURS[block.verdict]),
            *(numbers[title] for title in titles),
            _largest_error(block, named),
        )
    return table


def _bound(block: BlockReport) -> str:
    """Return the bound on the relative error, which a gradient of zero has not."""
    if not block.screened or math.isinf(block.screened.relative_bound):
        return "zero" if block.verdict is Verdict.PASS else ""
    return f"{block.screened.relative_bound:.1e}"


def _largest_error(block: BlockReport, named: bool) -> Text:
    """Return the largest error and its place, with the name of the block or without."""
    if not block.worst:
        return Text("")
    worst = block.worst[0]
    place = worst.name if named else worst.name.removeprefix(worst.block)
    return words(f"{place}: {worst.error:.1e}".removeprefix(": ") if worst.error else "no error")


def _worst(report: Report) -> Table:
    """Return a table of the wrong coordinates of failing blocks, which is empty if only directions show a mistake."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("coordinate", overflow="fold")
    for title in ("claimed", "numerical", "error", "relative"):
        table.add_column(title, justify="right")
    failing = [block for block in report.blocks.values() if block.verdict is Verdict.FAIL]
    for block in failing[:BLOCKS_SHOWN]:
        wrong = [c for c in block.worst if c.relative_error > report.tolerance]
        for c in wrong[:COORDINATES_SHOWN]:
            numbers = (f"{c.claimed:.8g}", f"{c.numerical:.8g}", f"{c.error:.2e}", f"{c.relative_error:.1e}")
            table.add_row(words(c.name), *numbers)
    return table
