"""What is wrong with a command line and can be told before a file is run, which may take hours."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from fastcheck.cli.parsing import UsageError
from fastcheck.near_names import did_you_mean

STANDARD_OUTPUT = "-"

WRITTEN = ("json", "junit", "log", "checkpoint")
"""Options that name a file which is written."""

IN_FOLDERS_THAT_ARE_THERE = ("log", "checkpoint")
"""Those that need their folder from the beginning; the others make it."""

IN_THIS_PROCESS = ("threads", "threading", "sequential")
"""Backends whose workers cannot be ended."""


def expect_consistent(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` where options do not go together, no file is named, or what is named cannot be."""
    if not arguments.files:
        raise UsageError(
            "check: name a file: fastcheck check my_network.py. All options: fastcheck check --help"
        )
    for is_wrong, what_to_do in COMBINATIONS:
        if is_wrong(arguments):
            raise UsageError(f"check: {what_to_do}")
    for option in WRITTEN:
        path = getattr(arguments, option)
        if path is not None and not (option == "json" and path == STANDARD_OUTPUT):
            _expect_file_to_write(option, path)
    _expect_pages(arguments.html)
    _expect_different_files(arguments)
    if arguments.checkpoint is not None:
        _expect_checkpoint(arguments.checkpoint)
    if arguments.backend is not None:
        _expect_backend(arguments.backend, [file.rpartition("::")[0] or file for file in arguments.files])


Condition = Callable[[argparse.Namespace], bool]

COMBINATIONS: tuple[tuple[Condition, str], ...] = (
    (
        lambda given: given.time_budget is not None and given.coordinates is not None,
        "with --time-budget the check chooses the coordinates itself: leave --coordinates out.",
    ),
    (
        lambda given: given.method == "complex-step" and given.time_budget is not None,
        "a check with --time-budget has no complex steps, which take one forward pass for each coordinate: leave "
        "--method out.",
    ),
    (
        lambda given: given.method == "complex-step" and given.coordinates == "screen",
        "screening has no complex steps, which take one forward pass for each coordinate: leave --method out.",
    ),
    (
        lambda given: given.timeout is not None and given.backend in IN_THIS_PROCESS,
        "--timeout ends a process that hangs, and a thread cannot be ended: --backend processes.",
    ),
    (
        lambda given: given.watch and given.json == STANDARD_OUTPUT,
        "--watch checks again and again, and --json - is one list: name a file.",
    ),
)
"""Options that do not go together, and what to write instead."""


def _expect_file_to_write(option: str, text: str) -> None:
    """Raise `UsageError` if there can be no such file."""
    if not text or "\0" in text:
        raise UsageError(f"check: --{option}: expected the path of a file, got {text!r}.")
    path = Path(text)
    if path.is_dir():
        raise UsageError(f"check: --{option}: {text} is a folder: name a file in it.")
    folder = path.parent
    if option in IN_FOLDERS_THAT_ARE_THERE and not folder.exists():
        raise UsageError(f"check: --{option}: there is no folder {folder}: make it, or name another file.")
    there = _nearest(folder)
    if not there.is_dir():
        raise UsageError(f"check: --{option}: {there} is a file, and no folder for {text}.")


def _expect_pages(text: str | None) -> None:
    if text is None:
        return
    if not text or "\0" in text:
        raise UsageError(f"check: --html: expected the path of a folder, or of a page, got {text!r}.")
    path = Path(text)
    is_page = path.suffix.lower() in (".html", ".htm")
    there = _nearest(path.parent if is_page else path)
    if not there.is_dir():
        raise UsageError(f"check: --html: {there} is a file: name a folder, or a page that ends in .html.")


def _nearest(path: Path) -> Path:
    """Return the path itself if it exists, else the first folder above it that does."""
    return next((one for one in (path, *path.parents) if one.exists()), Path())


def _expect_different_files(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` where what is written would overwrite what is read, or something else that is written."""
    taken: dict[str, str] = {}
    for name, path in _files_named(arguments):
        real = os.path.realpath(path)
        if os.path.exists(real) and not os.path.isfile(real):  # a pipe, or /dev/null
            continue
        if name.startswith("--") and real in taken:
            raise UsageError(f"check: {name} would write {path}, which is {taken[real]}: name another file.")
        taken.setdefault(real, f"that of {name}" if name.startswith("--") else name)


def _files_named(arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield the files that are read, each with what it is, and those that are written, each with its option."""
    yield from (("a file to check", file.rpartition("::")[0] or file) for file in arguments.files)
    yield from (("a file of --data", file) for file in arguments.data)
    for option in WRITTEN:
        path = getattr(arguments, option)
        if path is not None and path != STANDARD_OUTPUT:
            yield f"--{option}", path


def _expect_checkpoint(path: str) -> None:
    """Raise `UsageError` for a file that is something else; nothing is written."""
    from fastcheck.checkpoints.appending import LONGEST_BEGINNING, expect_beginning
    from fastcheck.errors import InvalidProblemError

    try:
        with open(path, "rb") as file:
            expect_beginning(path, file.read(LONGEST_BEGINNING))
    except InvalidProblemError as error:
        raise UsageError(f"check: --{error}") from None
    except OSError:  # there is none yet, or it cannot be read: the check goes on without
        return


def _expect_backend(name: str, files: list[str]) -> None:
    """Raise `UsageError` for a backend that nobody knows; one that a file speaks of may be registered there."""
    from fastcheck.workers.choosing import KNOWN

    if name in KNOWN or _is_known_to_joblib(name) or any(_speaks_of(file, name) for file in files):
        return
    raise UsageError(
        f"check: --backend: expected one of {', '.join(KNOWN)}, or another one that joblib knows, got {name!r}."
        f"{did_you_mean(name, list(KNOWN))}"
    )


def _is_known_to_joblib(name: str) -> bool:
    from joblib.parallel import BACKENDS

    return name in BACKENDS


def _speaks_of(file: str, name: str) -> bool:
    try:
        return name.encode() in Path(file).read_bytes()
    except (OSError, ValueError):
        return False
