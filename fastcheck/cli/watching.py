"""``--watch``: the check again in a fresh process, whenever a file that it read is saved.

Times and sizes of files are looked at five times a second. An editor may save in pieces, or remove a file and write it
anew: a change counts once all files are there and have stayed the same for one look. If files change while a check
runs (an endless loop, say), it is ended, and begins again. The check itself writes down which modules it imported.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import fastcheck
from fastcheck import statuses
from fastcheck.cli.check_options import read_targets
from fastcheck.errors import FastcheckError
from fastcheck.files.data_files import content_of
from fastcheck.files.strict_json import parsed
from fastcheck.legible import legible
from fastcheck.report import reading

SECONDS_BETWEEN_LOOKS = 0.2

SECONDS_TO_END = 3.0
"""A process that is asked to end has so long to do it."""

Stamp = tuple[int, int]
"""When a file was changed, in nanoseconds, and its size."""

Stamps = dict[str, Stamp | None]
"""The files that are watched; None for one that is not there."""


def watch(arguments: argparse.Namespace) -> int:
    """Check, and check again, until Ctrl-C."""
    code = [target.path for target in read_targets(arguments.files)]
    known = stamps(os.path.abspath(path) for path in (*code, *arguments.data))
    with tempfile.TemporaryDirectory(prefix="fastcheck-") as folder:
        listed = Path(folder) / "files"
        given = [word for word in arguments.given if word != "--watch"]
        command = [sys.executable, "-m", fastcheck.__name__, *given, "--files-read", str(listed)]
        try:
            while True:
                known = _check_once(command, known, listed)
                if stamps(known) == known:
                    _say(f"waiting for changes in {_named(known)}; Ctrl-C ends it")
                changed, known = _next_change(known)
                _clear()
                _say(f"{Path(changed).name} was saved at {time.strftime('%H:%M:%S')}")
        except KeyboardInterrupt as error:
            _say("ended")
            return statuses.of_interruption(error)


def stamps(files: Iterable[str]) -> Stamps:
    """Return when files were changed, and how large they are."""
    found: Stamps = {}
    for file in files:
        try:
            status = os.stat(file)
        except (OSError, ValueError):  # there is none, or no file can have such a name
            found[file] = None
        else:
            found[file] = (status.st_mtime_ns, status.st_size)
    return found


def write_stamps(files: Iterable[str], path: Path) -> None:
    """Write down which files were read, and what they were like, for the process that watches them."""
    finished = path.with_suffix(".new")
    finished.write_text(json.dumps(stamps(sorted(set(files)))), encoding="utf-8")
    finished.replace(path)


def _check_once(command: list[str], known: Stamps, listed: Path) -> Stamps:
    """Run the check in a process of its own, for as long as no file changes, and return the files that it read."""
    listed.unlink(missing_ok=True)
    with subprocess.Popen(command) as process:
        try:
            while process.poll() is None:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                known = read_stamps(listed) or known
                if stamps(known) != known:
                    _end(process)
        except KeyboardInterrupt:
            _end(process)
            raise
    return read_stamps(listed) or known


def _next_change(known: Stamps) -> tuple[str, Stamps]:
    """Wait until a file has changed and all are complete; return that one, and all as they are now."""
    last = stamps(known)
    while True:
        time.sleep(SECONDS_BETWEEN_LOOKS)
        now = stamps(known)
        are_complete = now == last and None not in now.values()
        if are_complete and now != known:
            return next(file for file in known if now[file] != known[file]), now
        last = now


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, by force if it does not."""
    process.terminate()
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def read_stamps(listed: Path) -> Stamps:
    """Return what a check wrote of the files that it read; nothing if it did not get that far."""
    try:
        stamps_read: Stamps = _STAMPS(parsed(content_of(listed), str(listed)), "files")
    except FastcheckError:
        return {}
    return stamps_read


def _expect_pair(stamp: tuple[int, ...], path: str) -> None:
    reading.expect(len(stamp) == 2, path, "a time and a size", stamp)


_STAMP = reading.checked(reading.listed(reading.whole(-reading.LARGEST_COUNT)), _expect_pair)
_STAMPS = reading.named(reading.optional(_STAMP))


def _named(files: Iterable[str]) -> str:
    names = [Path(file).name for file in files]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _clear() -> None:
    """Clear the screen, if it is one."""
    if sys.stdout.isatty():
        print("\033[2J\033[H", end="", flush=True)


def _say(text: str) -> None:
    print(f"fastcheck: {legible(text)}", flush=True)
