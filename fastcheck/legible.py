"""Text that a terminal can show: no control characters, and nothing that its encoding lacks."""

from __future__ import annotations

import codecs
import os
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


def file_name(path: str) -> str:
    """Return how a reader knows a file: its name, or, of a cell of a notebook, ``In[3]``.

    >>> file_name("/home/me/network.py"), file_name("</home/me/net.ipynb, cell 3>"), file_name("<stdin>")
    ('network.py', 'net.ipynb, cell 3', '<stdin>')
    """
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    name_of_cell = getattr(getattr(shell, "compile", None), "format_code_name", None)
    label_and_name = None if name_of_cell is None else name_of_cell(path)
    if label_and_name is not None:
        return str(label_and_name[1])
    name = os.path.basename(path)
    is_part_of_file = path.startswith("<") and name != path
    return name.removesuffix(">") if is_part_of_file else name


def shape_in_words(shape: Sequence[int]) -> str:
    """Return the shape of an array.

    >>> shape_in_words((5, 4)), shape_in_words((3,)), shape_in_words(())
    ('5×4', '3', 'number')
    """
    return "×".join(map(str, shape)) or "number"


def legible(text: str, *, lines: bool = False) -> str:
    """Return the text with control characters written as escapes, and fit for stdout; ``lines`` keeps newlines."""
    return encodable(printable(text, lines=lines))


def wrapped(text: str, width: int, indent: str = "") -> str:
    """Return text that a terminal can show in lines of so many characters; those after the first are indented.

    A word that is longer, such as a path, is left whole, so that it can be copied.

    >>> print(wrapped("log: run.jsonl could not be written.", 22, "  "))
    log: run.jsonl could
      not be written.
    """
    import textwrap  # small commands load this module

    return textwrap.fill(
        legible(text), width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return the text with what cannot be printed as escapes: control characters, marks that turn lines around.

    Names are the user's: an escape sequence in one would reach the terminal, a newline would break a table. ``lines``
    keeps newlines.

    >>> print(printable("W" + chr(0x202E) + "1\n"))
    W\u202e1\n
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or (lines and c == "\n") else escaped(c) for c in text)


def preformatted(text: str) -> str:
    """Return text as HTML that keeps its lines, for a cell of a notebook.

    >>> preformatted("a < b")
    '<pre>a &lt; b</pre>'
    """
    from html import escape  # small commands load this module

    return f"<pre>{escape(text, quote=False)}</pre>"


def escaped(character: str) -> str:
    """Return a character as Python writes it in ASCII."""
    return character.encode("unicode_escape").decode()


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
    return plain or escaped(character)


def _spelt_error(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return spelt(error.object[error.start : error.end]), error.end


codecs.register_error(ASCII_HANDLER, _spelt_error)
