"""Tables of a report: its blocks, the worst coordinates, and what samples prove."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fastcheck.legible import legible, shape_in_words
from fastcheck.plan.sampling import SampleProof
from fastcheck.problem.parameters import coordinate_name
from fastcheck.report.result import BlockReport, Coordinate, Report
from fastcheck.report.short_names import shortened, shortened_coordinates
from fastcheck.report.summary_text import (
    blocks_with,
    is_sampled,
    is_screened,
    sampled_blocks,
    wrong_coordinates,
)
from fastcheck.report.view import View
from fastcheck.verdict.judging import Verdict

UNLIMITED_WIDTH = 10_000
"""Width of a console on which no table is too wide."""

COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow"}

BLOCKS_IN_BRIEF = 8
"""Rows of a table of blocks in a brief report."""

COORDINATES_IN_BRIEF = 6
"""Worst coordinates in a brief report, in all."""

COORDINATES_SHOWN = 3
"""Worst coordinates shown of a failing block."""

BLOCKS_SHOWN = 5
"""Failing blocks of which coordinates are shown."""

SHARE_MISSED = 0.01
"""Share of a block that a mistake touches whose chance to be missed is shown."""


def words(*lines: str, style: str = "") -> Text:
    """Return lines of text for the console, without what could not be shown; names may hold anything."""
    return Text("\n".join(map(legible, lines)), style=style)


def blocks_table(
    report: Report, blocks: Mapping[str, BlockReport], view: View, *, with_places: bool
) -> Table:
    """Return the table of these blocks.

    Where it would be too wide, places of the largest errors go without the blocks' names, then names are shortened.
    """
    with_places = with_places and any(block.worst for block in blocks.values())

    def build(named: bool, longest: int) -> Table:
        names = shortened(blocks, longest, legible)
        return _blocks_table(report, blocks, names, with_places=with_places, named=named)

    named = build(True, UNLIMITED_WIDTH)
    return named if _width(named) <= view.width else _fitted(functools.partial(build, False), view)


def _fitted(build: Callable[[int], Table], view: View) -> Table:
    """Return a table that fits, made with the longest names that this allows."""
    table = build(UNLIMITED_WIDTH)
    too_much = _width(table) - view.width
    if too_much <= 0:
        return table
    longest = max(len(str(cell)) for cell in table.columns[0].cells)
    return build(longest - too_much)


def _width(table: Table) -> int:
    return Console(width=UNLIMITED_WIDTH).measure(table).maximum


def _blocks_table(
    report: Report,
    blocks: Mapping[str, BlockReport],
    names: Mapping[str, str],
    *,
    with_places: bool,
    named: bool,
) -> Table:
    if not is_screened(report):
        titles = ["difference", "checked", "wrong"]
    elif is_sampled(report):
        titles = ["checked", "wrong", "bound"]
    else:
        titles = ["difference", "bound"]
    table = _plain_table()
    table.add_column("block", overflow="fold")
    table.add_column("shape")
    table.add_column("verdict", no_wrap=True)
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    if with_places:
        table.add_column("largest error at", overflow="fold")
    for name, block in blocks.items():
        numbers = {
            "difference": "" if math.isnan(block.difference) else f"{block.difference:.2e}",
            "checked": f"{block.checked:,}",
            "wrong": f"{block.wrong:,}",
            "bound": _bound(block),
        }
        place = [_largest_error(block, named)] if with_places else []
        table.add_row(
            words(names[name]),
            words(shape_in_words(block.shape)),
            Text(block.verdict, style=COLOURS[block.verdict]),
            *(numbers[title] for title in titles),
            *place,
        )
    return table


def _plain_table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")


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


def worst_table(report: Report, view: View) -> Table:
    """Return a table of the wrong coordinates of failing blocks, which is empty if only directions show a mistake."""
    failing = list(blocks_with(report, Verdict.FAIL).values())
    each = COORDINATES_SHOWN
    if not view.verbose:
        each = min(each, max(1, COORDINATES_IN_BRIEF // max(1, len(failing))))
    chosen = [
        coordinate
        for block in failing[: BLOCKS_SHOWN if view.verbose else COORDINATES_IN_BRIEF]
        for coordinate in wrong_coordinates(block, report.tolerance)[:each]
    ]
    return _fitted(functools.partial(_worst_table, chosen), view)


def _worst_table(chosen: Sequence[Coordinate], longest: int) -> Table:
    places = [(c.block, coordinate_name("", c.index)) for c in chosen]
    names = shortened_coordinates(places, longest, legible)
    table = _plain_table()
    table.add_column("coordinate", overflow="fold")
    for title in ("claimed", "numerical", "error", "relative"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, c in zip(names, chosen, strict=True):
        slopes = (f"{c.claimed + 0.0:.8g}", f"{c.numerical + 0.0:.8g}")  # zeros have no sign
        numbers = (*slopes, f"{c.error:.2e}", f"{c.relative_error:.1e}")
        table.add_row(words(name), *numbers)
    return table


def proofs_table(report: Report, view: View) -> Table:
    """Return a table of what samples prove about the coordinates that were not checked; empty without samples."""
    proofs = {name: block.proof for name, block in sampled_blocks(report).items() if block.proof}
    if not proofs:
        return _plain_table()
    if not view.verbose:
        widest = sorted(proofs, key=lambda name: -proofs[name].share)[:BLOCKS_IN_BRIEF]
        proofs = {name: proof for name, proof in proofs.items() if name in widest}
    table = _proofs_table(proofs, " ", UNLIMITED_WIDTH)
    if _width(table) <= view.width:
        return table
    return _fitted(functools.partial(_proofs_table, proofs, "\n"), view)


def _proofs_table(proofs: Mapping[str, SampleProof], space: str, longest: int) -> Table:
    """Return the table; ``space`` is that between the words of titles."""
    confidence = next(iter(proofs.values())).confidence
    table = _plain_table()
    table.add_column("block", overflow="fold", vertical="bottom")
    table.add_column(f"not{space}checked", justify="right")
    table.add_column(f"wrong of these,{space}{100 * confidence:g} % sure", justify="right")
    table.add_column(f"chance to miss{space}{100 * SHARE_MISSED:g} % wrong", justify="right")
    names = shortened(proofs, longest, legible)
    for name, proof in proofs.items():
        table.add_row(words(names[name]), *_proof_row(proof))
    return table


def _proof_row(proof: SampleProof) -> list[Any]:
    return [
        f"{proof.size - proof.checked:,}",
        f"at most {proof.at_most:,} ({_percent(proof.share)})",
        f"{proof.missed(SHARE_MISSED):.2g}",
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %" if share > 0.99 else f"{100 * share:.2g} %"
