"""What was measured, as a page."""

from __future__ import annotations

import platform
from collections.abc import Sequence

import numpy as np

from benchmarks.bounds.measure import BUILDERS, ENGINES, PRECISIONS, STEPS, Measured, summary

INTRODUCTION = """\
# Bounds

Written by `python -m benchmarks.bounds`; do not edit. Python {python}, numpy {numpy}.

Every engine returns a bound with each entry of the numerical gradient. Here the true gradient is known to 50 digits:
the cost's own lines run on exact numbers. The error is the distance of the truth from the slopes that a claim is
compared with; for plain evaluation and the reference loop the bound is that of rounding and of truncation together.
{cases:,} cases of {families} families of networks and expressions with {seeds} seeds each, all coordinates.

*Within*: share of coordinates whose error is within the bound, wanted 99.9 %. *Ratio*: median of bound / error, wanted
1,000 at most. ε is the step that the user asks for; – leaves it to the engine. Difference propagation
judges by a tiny step whatever ε is.

The rows *computed in* are costs that cast their parameters and data, and that difference propagation refuses. There a
small ε changes nothing that the cost could see: the numerical gradient is 0 or noise, its error as large as the
gradient, and the bound, noise divided by ε, says truly that ε tells nothing.

Not reached: a ratio of 1,000 where the step is too small for the precision in which the cost computes: ε of 1e-10 in
float32, and of 1e-4 and less in float16, the loop's own step of 1e-5 included. Plain evaluation chooses larger steps.
How its bounds were found, and what they cannot see: [decision 11](../decisions/0011-bounds-of-plain-evaluation.md).
"""


def page(measured: Sequence[Measured]) -> str:
    """Return the page."""
    seeds = {m.seed for m in measured}
    families = [name for name in BUILDERS if any(m.family == name for m in measured)]
    cases = {(m.family, m.seed, m.precision) for m in measured}
    numbers = {"cases": len(cases), "families": len(families), "seeds": len(seeds)}
    parts = [INTRODUCTION.format(python=platform.python_version(), numpy=np.__version__, **numbers)]
    parts.append("## By engine\n\n" + _table(measured, ("engine", "precision")))
    parts.append("## By step\n\n" + _table(measured, ("engine", "precision", "step")))
    exact = [m for m in measured if m.precision == "float64" and m.step is None]
    parts.append("## By family, float64, the engine's own step\n\n" + _table(exact, ("engine", "family")))
    return "\n".join(parts)


def _table(measured: Sequence[Measured], by: tuple[str, ...]) -> str:
    titles = {"precision": "dtype", "step": "ε"}
    heads = [titles.get(name, name) for name in by] + ["coordinates", "within", "ratio"]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(by) + " ---: |" * 3]
    groups: dict[tuple[object, ...], list[Measured]] = {}
    for m in measured:
        groups.setdefault(tuple(getattr(m, name) for name in by), []).append(m)
    for key in sorted(groups, key=_order):
        s = summary(groups[key])
        cells = [
            "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
            for value in key
        ]
        within = f"{100 * s.within:.3f} %" if s.within < 1 else "100 %"
        lines.append(f"| {' | '.join(cells)} | {s.coordinates:,} | {within} | {s.ratio:,.3g} |")
    return "\n".join(lines) + "\n"


def _order(key: tuple[object, ...]) -> list[int]:
    every = [*ENGINES, *PRECISIONS, *STEPS, *BUILDERS]
    return [every.index(value) for value in key]
