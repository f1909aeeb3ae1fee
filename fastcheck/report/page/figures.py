"""Numbers, shapes and names as the page writes them."""

from __future__ import annotations

import math
import re

from markupsafe import Markup, escape

from fastcheck.legible import printable
from fastcheck.report.short_names import without_middle

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

FIGURE = re.compile(r"(\d[\d.]*e[-+]\d+)")
"""A number with an exponent: a browser would break the line at its sign."""

LONGEST_NAME = 34
"""Characters of a name on chips and axes: longer ones lose their middle."""


def power_of_ten(exponent: int) -> str:
    """Return the power as text.

    >>> power_of_ten(-7), power_of_ten(0)
    ('10⁻⁷', '1')
    """
    return "1" if exponent == 0 else "10" + str(exponent).translate(SUPERSCRIPTS)


def size_of_error(error: float) -> str:
    """Return an error with two digits, in words where there is none.

    >>> size_of_error(0.0), size_of_error(0.0423), size_of_error(float("nan"))
    ('none', '4.2e-02', 'not known')
    """
    if math.isnan(error):
        return "not known"
    return f"{error:.1e}" if error else "none"


def compact(count: int) -> str:
    """Return a count in at most five characters.

    >>> compact(950), compact(1_600), compact(8_000_000)
    ('950', '1.6k', '8M')
    """
    for unit, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.3g}{letter}"
    return str(count)


def prose(text: str) -> Markup:
    """Return a sentence with what it has in backticks as code, and numbers that are not broken at their sign.

    >>> prose("look at `A < 1`, 1e-7")
    Markup('look at <code>A &lt; 1</code>, <span class="figure">1e-7</span>')
    """
    parts = printable(text, lines=True).split("`")
    if len(parts) % 2 == 0:  # a backtick that belongs to a name
        parts = ["`".join(parts)]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if k % 2 else _figures_kept(part)
        for k, part in enumerate(parts)
    )


def _figures_kept(text: str) -> Markup:
    pieces = FIGURE.split(text)
    return Markup("").join(
        Markup('<span class="figure">{}</span>').format(piece) if k % 2 else escape(piece)
        for k, piece in enumerate(pieces)
    )


def shortened(name: str, most: int = LONGEST_NAME) -> str:
    """Return a name in one line, without its middle if it is too long."""
    return without_middle(printable(name), most)
