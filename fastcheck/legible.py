"""Text that a terminal can show: no control characters, and nothing that its encoding lacks."""

from __future__ import annotations

import codecs
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

ASCII_HANDLER = "fastcheck.ascii"
"""Name of the error handler that spells what an encoding lacks in ASCII."""

ASCII_FORMS = {
    "λ": "lambda",
    "ε": "eps",
    "Σ": "sum",
    "ĝ": "g^",
    "∇": "grad ",
    "‖": "||",
    "√": "sqrt",
    "∛": "cbrt",
    "∞": "inf",
    "±": "+-",
    "−": "-",
    "×": "x",
    "·": "*",
    "∘": "*",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
    "↔": "<->",
    "…": "...",
    "½": "1/2",
    "─": "-",
}
"""ASCII forms of what decomposition and the names of letters do not spell well."""

SUPERSCRIPTS = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")


MOST_NAMES = 6
"""Names that a sentence lists; of more it tells the number."""


def first_names(names: Sequence[str]) -> str:
    """Return the first names of a list, and how many more there are.

    >>> first_names([f"W{k}" for k in range(9)])
    'W0, W1, W2, W3, W4, W5 and 3 more'
    """
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def number_of(count: int, thing: str) -> str:
    """Return a count with its noun, in the plural unless it is 1.

    >>> number_of(1, "forward pass"), number_of(2_500, "forward pass"), number_of(0, "step")
    ('1 forward pass', '2,500 forward passes', '0 steps')
    """
    return f"{count:,} {thing}{'' if count == 1 else 'es' if thing.endswith('s') else 's'}"


def legible(text: str, *, lines: bool = False) -> str:
    """Return the text with control characters written as escapes, and fit for stdout.

    Names are the user's: an escape sequence in one would reach the terminal, a newline would break a table. ``lines``
    keeps newlines.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() or (lines and c == "\n") else _escaped(c) for c in text)
    return encodable(text)


def encodable(text: str) -> str:
    """Return the text with an ASCII form of what the encoding of stdout lacks: θ is ``theta``."""
    encoding = getattr(sys.stdout, "encoding", None)
    if text.isascii() or not isinstance(encoding, str):
        return text
    try:
        return text.encode(encoding, ASCII_HANDLER).decode(encoding)
    except LookupError:  # a stream with an encoding that Python does not know
        return text


@contextmanager
def legible_output() -> Iterator[None]:
    """Write what the encoding of stdout lacks in ASCII, whoever writes it."""
    stream = sys.stdout
    errors, reconfigure = getattr(stream, "errors", None), getattr(stream, "reconfigure", None)
    if reconfigure is None:
        yield
        return
    reconfigure(errors=ASCII_HANDLER)
    try:
        yield
    finally:
        reconfigure(errors=errors)


def spelt(text: str) -> str:
    """Return the text in ASCII.

    >>> spelt("‖g − ĝ‖ ≤ 2⁻⁴⁷, θ = ½")
    '||g - g^|| <= 2^-47, theta = 1/2'
    """
    raised = SUPERSCRIPTS.sub(lambda run: "^" + unicodedata.normalize("NFKD", run[0]).replace("−", "-"), text)
    return "".join(c if c.isascii() else _ascii_form(c) for c in raised)


def _ascii_form(character: str) -> str:
    if character in ASCII_FORMS:
        return ASCII_FORMS[character]
    name = unicodedata.name(character, "")
    if name.startswith("GREEK ") and " LETTER " in name:
        letter = name.split(" LETTER ")[1].split()[0]
        return letter.capitalize() if "CAPITAL" in name else letter.lower()
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain or _escaped(character)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _spelt_error(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return spelt(error.object[error.start : error.end]), error.end


codecs.register_error(ASCII_HANDLER, _spelt_error)
