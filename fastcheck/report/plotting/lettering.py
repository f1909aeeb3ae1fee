"""Text in figures: names are the user's, and may hold what would be read as a formula or what no font has."""

from __future__ import annotations

import functools
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager

from fastcheck.legible import escaped, printable
from fastcheck.report.short_names import without_middle

LITERAL: dict[str, Any] = {"parse_math": False, "usetex": False}
"""Properties of texts that are shown as they are, dollars too."""

SMALL = "small"
"""Size of the letters in pictures, besides titles."""

LONGEST_NAME = 28
"""Letters of a name that a title has room for."""


def lettered(text: str, longest: int | None = None) -> str:
    """Return the text as the current font can show it, in one line; long ones are shortened in the middle."""
    families = tuple(mpl.rcParams["font.family"])
    shown = "".join(c if _has_glyph(c, families) else escaped(c) for c in printable(text))
    return shown if longest is None else without_middle(shown, longest)


@functools.lru_cache(maxsize=4096)
def _has_glyph(character: str, families: tuple[str, ...]) -> bool:
    if character.isascii():
        return True
    return any(font.get_char_index(ord(character)) for font in _fonts(families))


@functools.lru_cache(maxsize=16)
def _fonts(families: tuple[str, ...]) -> list[Any]:
    fonts = []
    for family in families:
        try:
            path = font_manager.findfont(
                font_manager.FontProperties(family=[family]), fallback_to_default=False
            )
        except ValueError:  # a family that is not installed
            continue
        fonts.append(font_manager.get_font(path))
    return fonts
