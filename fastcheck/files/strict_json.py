"""JSON from files, which may hold anything: what Python's reader would take too literally is refused.

That reader accepts numbers that JSON does not have, and takes the last of several entries with one name. Of lists
inside each other it ends the process, if there are enough and `sys.setrecursionlimit` allows them; of a number with ten
million digits it takes minutes, if `sys.set_int_max_str_digits` does. A few megabytes may make millions of objects.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NoReturn

from fastcheck.errors import InvalidProblemError

DEEPEST = 200
"""Lists and dicts inside each other: reports have less than twenty, outputs in notebooks some more."""

MOST_ITEMS = 2**24
"""Items in all, about: as objects of Python they take a gigabyte."""

LONGEST_NUMBER = 400
"""Characters of a number: the longest that reports hold are seeds, of 309 digits."""

EXCERPT = 40
"""Characters of what is refused that a message shows."""

STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[\[{\]}]', re.DOTALL)
"""A string that does not end reaches to the end of the text: it is not looked for again from each quote in it."""


class _RefusedError(ValueError):
    """Says what came instead of JSON that can be read."""


def parsed(content: bytes, name: str, *, with_nan: bool = False) -> Any:
    """Return what a file of JSON holds; ``name`` is that of the file.

    ``with_nan`` accepts ``NaN`` and ``Infinity``, as notebooks have them in what cells put out.

    Raises `InvalidProblemError`, which says what is wrong and where, for anything that is not strict JSON, for an entry
    that is there twice, and for more than can be read: see the limits above.
    """
    try:
        text = content.decode(json.detect_encoding(content))
        _expect_readable(text)
        return json.loads(
            text,
            object_pairs_hook=_with_unique_names,
            parse_int=_whole,
            parse_float=_number,
            parse_constant=float if with_nan else _refuse_constant,
        )
    except UnicodeDecodeError as error:
        came = f"bytes that are no text at byte {error.start:,}"
    except json.JSONDecodeError as error:
        place = f"in line {error.lineno:,} at character {error.colno:,}"
        came = f"something else {place} ({error.msg.removesuffix(' at')})"
    except _RefusedError as error:
        came = str(error)
    except RecursionError:
        came = "lists or dicts that are too deep inside each other"
    raise InvalidProblemError(f"{name}: expected JSON, got {came}.") from None


def _expect_readable(text: str) -> None:
    """Raise `_RefusedError` for what would take all memory, or end the process."""
    items = text.count(",") + text.count("[") + text.count("{")
    if items > MOST_ITEMS:
        raise _RefusedError(f"{items:,} items, where at most {MOST_ITEMS:,} are read")
    depth = 0
    for token in STRING_OR_BRACKET.finditer(text):
        first = text[token.start()]
        depth += (first in "[{") - (first in "]}")
        if depth > DEEPEST:
            line = text.count("\n", 0, token.start()) + 1
            raise _RefusedError(f"more than {DEEPEST} lists or dicts inside each other, in line {line:,}")


def _with_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    items = dict(pairs)
    if len(items) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise _RefusedError(f"two entries with the name {_excerpt(twice)} in one dict")
    return items


def _whole(digits: str) -> int:
    _expect_short(digits)
    return int(digits)


def _number(digits: str) -> float:
    _expect_short(digits)
    return float(digits)


def _expect_short(digits: str) -> None:
    if len(digits) > LONGEST_NUMBER:
        raise _RefusedError(f"a number of {len(digits):,} characters")


def _refuse_constant(name: str) -> NoReturn:
    raise _RefusedError(f'{name}, which JSON does not have; reports write "{name}"')


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…")
