"""A table of Taylor remainders as text of 80 columns."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator

from fastcheck.legible import legible, printable
from fastcheck.pictures.taylor_table import SECOND_ORDER, TaylorRows, TaylorTable, lowest_of

WIDTH = 80

MOST_SHOWN = 3
"""Directions of which all rows are shown; of more there is one line each."""

HEADER = f"{'h':>9}  {'|J(θ+hv) − J(θ)|':>18} {'rate':>6}  {'|J(θ+hv) − J(θ) − h⟨g,v⟩|':>26} {'rate':>6}"

LINE_HEADER = f"{'v':<22} {'⟨g,v⟩':>9} {'rates':>12}  {'⟨∇J − g,v⟩':>11} {'may be off':>10} {'passes':>9}"

LONGEST_NAME = 22

MOST_NAMED = 5
"""Directions that a sentence names."""

WRONG = "g is wrong along v, or J has a kink within the least h"
"""What a linear term means."""


def text_of(table: TaylorTable) -> str:
    """Return the table, what it can see, and what the check has seen."""
    lines = [f"Taylor remainders of J, J(θ) = {table.value:.6g}"]
    if len(table.directions) <= MOST_SHOWN:
        for rows in table.directions:
            lines += ["", *_rows(rows), "", *_paragraph(_reading(rows))]
    else:
        lines += ["", LINE_HEADER, *map(_line, table.directions), "", *_paragraph(_summary(table))]
    lines += ["", *_paragraph(_one_number(table))]
    return legible("\n".join(line.rstrip() for line in lines), lines=True)


def _rows(rows: TaylorRows) -> Iterator[str]:
    """Yield the rows along one direction."""
    yield f"along {rows.name}, ⟨g, v⟩ = {rows.slope:.6g}"
    yield HEADER
    change_rates = (math.nan, *rows.change_rates.tolist())
    remainder_rates = (math.nan, *rows.remainder_rates.tolist())
    columns = zip(rows.steps.tolist(), rows.changes.tolist(), rows.remainders.tolist(), strict=True)
    for k, (step, change, remainder) in enumerate(columns):
        if math.isnan(change):
            yield f"{step:9.2e}  {'J is not defined':>18}"
            continue
        mark = "" if rows.above_noise[k] else "  rounding"
        yield (
            f"{step:9.2e}  {abs(change):18.3e} {_rate(change_rates[k])}  "
            f"{abs(remainder):26.3e} {_rate(remainder_rates[k])}{mark}"
        )


def _line(rows: TaylorRows) -> str:
    """Return one line about a direction."""
    name = printable(rows.name)
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 1]}…"
    return (
        f"{name:<{LONGEST_NAME}} {rows.slope:9.2e} {_rate(lowest_of(rows.change_rates))}{_rate(rows.lowest_rate)}  "
        f"{rows.linear_term:11.1e} {rows.linear_error:10.1e} {rows.visible:9.1e}"
    )


def _rate(rate: float) -> str:
    return f"{'–':>6}" if math.isnan(rate) else f"{rate:6.2f}"


def _reading(rows: TaylorRows) -> str:
    """Return what the rows along one direction say, and what they cannot see."""
    return " ".join((_of_rates(rows), _of_linear_term(rows), _of_visible(rows)))


def _of_rates(rows: TaylorRows) -> str:
    if math.isnan(rows.lowest_rate):
        return "No two neighbouring remainders are above rounding, so there is no rate."
    above = "above" if rows.lowest_rate > SECOND_ORDER else "not above"
    return f"The lowest rate of the remainder is {rows.lowest_rate:.2f}, {above} {SECOND_ORDER}."


def _of_linear_term(rows: TaylorRows) -> str:
    """Return the sentence about the linear term of the remainder, which a right claim has not."""
    if not math.isfinite(rows.linear_error):
        return "Whether the remainder has a linear term, these rows do not tell."
    if rows.has_linear_term:
        return (
            f"The remainder has a linear term, ⟨∇J − g, v⟩ = {rows.linear_term:.3g}, {_share(rows, rows.linear_term)}, "
            f"known to about {rows.linear_error:.0e}: {WRONG}."
        )
    return (
        "The remainder has no linear term that shows: by extrapolation |⟨∇J − g, v⟩| is below about "
        f"{rows.linear_error:.0e}, {_share(rows, rows.linear_error)}."
    )


def _of_visible(rows: TaylorRows) -> str:
    if not math.isfinite(rows.visible):
        return f"No mistake would bring a rate of these rows down to {SECOND_ORDER}."
    return (
        f"By rates alone (> {SECOND_ORDER}) mistakes pass, of one sign at least, that change ⟨g, v⟩ by less than "
        f"{rows.visible:.0e}, {_share(rows, rows.visible)}."
    )


def _share(rows: TaylorRows, size: float) -> str:
    """Return a size relative to ⟨g, v⟩."""
    return f"{abs(size / rows.slope):.1g} of ⟨g, v⟩" if rows.slope else "where ⟨g, v⟩ is 0"


def _summary(table: TaylorTable) -> str:
    """Return what the columns mean, and along how many directions the claim is wrong."""
    wrong = [printable(rows.name) for rows in table.directions if rows.has_linear_term]
    found = "No remainder has a linear term that shows."
    if wrong:
        more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
        found = f"Along {', '.join(wrong[:MOST_NAMED])}{more} the remainder has a linear term: {WRONG}."
    return (
        f"{found} rates: the lowest of |J(θ+hv) − J(θ)| and of |J(θ+hv) − J(θ) − h⟨g, v⟩|. ⟨∇J − g, v⟩: the linear "
        f"term of the latter. passes: by rates alone (> {SECOND_ORDER}) mistakes, of one sign at least, that change "
        "⟨g, v⟩ by less."
    )


def _one_number(table: TaylorTable) -> str:
    """Return what a direction cannot see, whatever its steps, and what the check did."""
    one_among_many = ""
    if table.parameters > 1:
        one_among_many = (
            "A direction is one number: a mistake in one coordinate of a random one changes ⟨g, v⟩ by about "
            f"1/√n of its relative size, here {table.parameters**-0.5:.1g} of it. "
        )
    return f"{one_among_many}{table.check}".strip()


def _paragraph(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH)
