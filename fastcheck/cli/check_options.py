"""Arguments and options of ``fastcheck check``."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any, NamedTuple

SEPARATOR = "::"
"""Between a file and the name of a problem in it."""

METHODS = ("auto", "difference", "plain", "reference", "complex-step")

OPTIONS_OF_CHECK = {
    "coordinates": "coordinates",
    "time_budget": "time_budget",
    "jobs": "n_jobs",
    "backend": "backend",
    "timeout": "timeout",
    "seed": "seed",
    "method": "method",
    "tolerance": "tolerance",
    "checkpoint": "checkpoint",
}
"""Options of the command, and what `fastcheck.check` calls them."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``fastcheck check`` takes to its parser."""
    parser.add_argument(
        "files", nargs="*", metavar="FILE[::NAME]", help="a file of Python or a notebook; NAME is one problem"
    )
    shown = parser.add_argument_group("what is shown")
    shown.add_argument("--only-wrong", action="store_true", help="nothing of what is right")
    shown.add_argument("-v", "--verbose", action="store_true", help="the whole report of what is right, too")
    shown.add_argument("-q", "--quiet", action="store_true", help="nothing of what the file prints itself")
    kept = parser.add_argument_group("what is kept")
    kept.add_argument("--html", metavar="DIR|FILE", help="a page for each problem")
    kept.add_argument("--json", metavar="FILE|-", help="all reports as JSON; - is the standard output")
    kept.add_argument("--junit", metavar="FILE", help="a test case for each problem, for CI")
    kept.add_argument("--log", metavar="FILE", help="what happens, as lines of JSON, appended")
    kept.add_argument("--checkpoint", metavar="FILE", help="finished evaluations; they are found there again")
    how = parser.add_argument_group("how it is checked (see fastcheck.check)")
    how.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="FILE",
        help="arrays of a .npz file, in place of what the file calls so",
    )
    how.add_argument(
        "--coordinates", type=_coordinates, metavar="N", help="a number or share of each block, all, screen"
    )
    how.add_argument("--time-budget", type=_seconds, metavar="S", help="seconds for each problem")
    how.add_argument(
        "--jobs", type=_jobs, metavar="N", help="workers; -1 for all cores, auto for as many as pay"
    )
    how.add_argument(
        "--backend", metavar="NAME", help="their kind: processes, threads, or a name of joblib's"
    )
    how.add_argument(
        "--timeout", type=_finite_seconds, metavar="S", help="seconds that one evaluation may take"
    )
    how.add_argument("--seed", type=_seed, metavar="N", help="seed of samples and directions")
    how.add_argument("--method", choices=METHODS, help="how slopes are found (auto)")
    how.add_argument("--tolerance", type=_tolerance, metavar="T", help="relative error that is right (1e-7)")
    loop = parser.add_argument_group("again and again")
    loop.add_argument("--watch", action="store_true", help="again whenever the file is saved; ends at Ctrl-C")
    loop.add_argument("--files-read", help=argparse.SUPPRESS)


def options_of_check(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `fastcheck.check` that were given."""
    given = {name: getattr(arguments, option) for option, name in OPTIONS_OF_CHECK.items()}
    return {name: value for name, value in given.items() if value is not None}


class Target(NamedTuple):
    """A file, and the names of the problems in it that are asked for; none for all."""

    path: Path
    names: tuple[str, ...]


def read_targets(texts: list[str]) -> list[Target]:
    """Return the files with the names that are asked for, each file once.

    >>> read_targets(["net.py::affine", "net.py::relu"])[0].names
    ('affine', 'relu')
    """
    names: dict[Path, list[str]] = {}
    whole = set()
    for text in texts:
        file, separator, name = text.rpartition(SEPARATOR) if SEPARATOR in text else (text, "", "")
        path = Path(file)
        names.setdefault(path, [])
        if separator and name:
            names[path].append(name)
        else:
            whole.add(path)
    return [Target(path, () if path in whole else tuple(of_file)) for path, of_file in names.items()]


def _coordinates(text: str) -> int | float | str:
    if text in ("all", "screen"):
        return text
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if 0 < number < 1:
        return number
    if number >= 1 and number.is_integer():
        return int(number)
    raise argparse.ArgumentTypeError(f"expected a number, a share such as 0.1, all or screen, got {text!r}")


def _seconds(text: str) -> float:
    return _number(text, "seconds above 0", lambda number: number > 0)


def _finite_seconds(text: str) -> float:
    return _number(text, "seconds above 0", lambda number: 0 < number < math.inf)


def _tolerance(text: str) -> float:
    return _number(text, "a number between 0 and 1", lambda number: 0 < number < 1)


def _jobs(text: str) -> int | str:
    if text == "auto":
        return text
    return int(
        _number(text, "auto, or a whole number but 0", lambda number: number.is_integer() and number != 0)
    )


def _seed(text: str) -> int:
    return int(_number(text, "a whole number from 0", lambda number: number.is_integer() and number >= 0))


def _number(text: str, expected: str, is_valid: Any) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not is_valid(number):
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return number
