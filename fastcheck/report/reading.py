"""Reading plain dicts, lists, strings and numbers into objects, by a description of their fields.

A reader is a function of a value and of the path to it. It returns what the value stands for, or raises
`InvalidProblemError`, whatever the value is: these come from files, which may hold anything. Numbers that JSON does not
have are the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

from fastcheck.errors import InvalidProblemError

Reader = Callable[[Any, str], Any]

NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

LARGEST_COUNT = 2**63 - 1
"""What an array may hold at most."""

LONGEST_TEXT = 1_000_000
"""Characters of a text: whatever breaks it into lines takes a second for so many."""

LONGEST_NAME = 10_000
"""Characters of a name in a dict of items by their names."""

FIELD_ADVICE = "Pass what to_dict() returned."

EXCERPT_LENGTH = 60
"""Characters of a value that a message shows."""


def plain(value: Any) -> Any:
    """Return nested dicts, lists and values as JSON has them."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(value) if isinstance(value, enum.StrEnum) else value


def record(
    make: Callable[..., Any], *, without: Mapping[str, Any] = MappingProxyType({}), **fields: Reader
) -> Reader:
    """Read a dict with exactly these fields; ``make`` is called with what they stand for.

    ``without`` holds what older versions of fastcheck, which did not write a field, would have written there.
    """

    def read(value: Any, path: str) -> Any:
        items = {**without, **_entries(value, path)}
        for name in fields:
            if name not in items:
                raise InvalidProblemError(f"{path}.{name}: expected this field, got none. {FIELD_ADVICE}")
        for name in items:
            expect(
                name in fields,
                f"{path}.{_excerpt(name)}",
                f"the fields {', '.join(fields)} only",
                "another one",
            )
        return make(**{name: reader(items[name], f"{path}.{name}") for name, reader in fields.items()})

    return read


def checked(reader: Reader, check: Callable[[Any, str], None]) -> Reader:
    """Read, and let ``check`` compare the fields of what was read with each other."""

    def read(value: Any, path: str) -> Any:
        result = reader(value, path)
        check(result, path)
        return result

    return read


def named(reader: Reader) -> Reader:
    """Read a dict of items by their names."""

    def read(value: Any, path: str) -> dict[str, Any]:
        items = _entries(value, path)
        for name in items:
            expect(len(name) <= LONGEST_NAME, path, f"names of at most {LONGEST_NAME:,} characters", name)
        return {name: reader(item, f"{path}[{_excerpt(name)}]") for name, item in items.items()}

    return read


def listed(reader: Reader, most: int | None = None) -> Reader:
    """Read a list, of at most so many items, into a tuple."""

    def read(value: Any, path: str) -> tuple[Any, ...]:
        expect(isinstance(value, list), path, "a list", value)
        if most is not None:
            expect(len(value) <= most, path, f"a list of at most {most}", value)
        return tuple(reader(item, f"{path}[{place}]") for place, item in enumerate(value))

    return read


def optional(reader: Reader) -> Reader:
    """Read what may be None."""
    return lambda value, path: None if value is None else reader(value, path)


def choice(values: Sequence[str], make: Callable[[str], Any] = str) -> Reader:
    """Read one of several strings."""

    def read(value: Any, path: str) -> Any:
        expect(
            isinstance(value, str) and value in values, path, f"one of {', '.join(map(repr, values))}", value
        )
        return make(value)

    return read


def text(value: Any, path: str) -> str:
    """Read a string."""
    expect(isinstance(value, str), path, "a string", value)
    expect(len(value) <= LONGEST_TEXT, path, f"a string of at most {LONGEST_TEXT:,} characters", value)
    return str(value)


def flag(value: Any, path: str) -> bool:
    """Read True or False."""
    expect(isinstance(value, bool), path, "True or False", value)
    return bool(value)


def whole(least: int = 0, most: int = LARGEST_COUNT) -> Reader:
    """Read a whole number in this range."""
    expected = f"a whole number ≥ {least}" if least > -LARGEST_COUNT else "a whole number"

    def read(value: Any, path: str) -> int:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        expect(is_whole and least <= value <= most, path, expected, value)
        return int(value)

    return read


def number(
    least: float = -math.inf,
    most: float = math.inf,
    *,
    nan: bool = False,
    infinite: bool = False,
    open: bool = False,
) -> Reader:
    """Read a number in [least, most], without its ends if ``open``; NaN and infinities if they are allowed."""
    left, right = ("(", ")") if open else ("[", "]")
    range_ = "" if math.isinf(least) and math.isinf(most) else f" in {left}{least:g}, {most:g}{right}"
    special = [
        f"'{name}'"
        for name, not_finite in NOT_FINITE.items()
        if (nan and math.isnan(not_finite)) or (infinite and least <= not_finite <= most)
    ]
    expected = " or ".join([f"a number{range_}", *special])

    def read(value: Any, path: str) -> float:
        if isinstance(value, str) and value in NOT_FINITE:
            expect(f"'{value}'" in special, path, expected, value)
            return NOT_FINITE[value]
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        is_float = is_number and abs(value) <= 2**1023 and float(value) == value  # ints may be larger
        is_inside = is_float and (least < value < most if open else least <= value <= most)
        expect(is_inside, path, expected, value)
        return float(value)

    return read


def expect(is_right: bool, path: str, expected: str, got: Any) -> None:
    """Raise `InvalidProblemError` unless this is true; ``got`` is what there is instead."""
    if not is_right:
        _reject(path, expected, got)


def _reject(path: str, expected: str, got: Any) -> NoReturn:
    raise InvalidProblemError(f"{path}: expected {expected}, got {described(got)}. {FIELD_ADVICE}")


def described(value: Any) -> str:
    """Return a value for a message, however large, deep or strange it is."""
    if isinstance(value, str):
        return _excerpt(value)
    if value is None or isinstance(value, (bool, float)):
        return repr(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 128 else f"a whole number of {value.bit_length():,} bits"
    if isinstance(value, (list, tuple, dict)):
        return f"a {type(value).__name__} of {len(value):,}"
    return f"an object of type {type(value).__name__}"


def _entries(value: Any, path: str) -> dict[str, Any]:
    expect(isinstance(value, Mapping), path, "a dict", value)
    items = dict(value)
    for key in items:
        expect(isinstance(key, str), path, "a dict with strings as keys", key)
    return items


def _excerpt(value: str) -> str:
    value = str(value)  # for members of an enumeration, too
    return repr(value if len(value) <= EXCERPT_LENGTH else value[: EXCERPT_LENGTH - 3] + "...")
