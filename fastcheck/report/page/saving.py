"""A report as one page of HTML."""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from pathlib import Path

from fastcheck.errors import InvalidProblemError
from fastcheck.report.page.rendering import page_html, stages_html
from fastcheck.report.result import Report
from fastcheck.report.stages import StagesReport


def save_page(report: Report, path: str | os.PathLike[str]) -> Path:
    """Write the report to one page that needs nothing else, and return its path.

    The page is there as a whole or not at all; a file of this name is overwritten. Raises `InvalidProblemError` where
    no file can be written: a directory is there, or the folder is not.
    """
    wanted = wanted_path(path)
    write_whole(wanted, page_html(report))
    return wanted


def save_stages_page(stages: StagesReport, path: str | os.PathLike[str]) -> Path:
    """Write the report of a training to one page, as `save_page`."""
    wanted = wanted_path(path)
    write_whole(wanted, stages_html(stages))
    return wanted


def wanted_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file that can be written, or raise `InvalidProblemError`."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise InvalidProblemError(
            f"path: expected the name of a file, such as 'report.html', got {type(path).__name__}."
        )
    wanted = Path(path)
    is_empty = not os.fspath(path)
    if is_empty or wanted.is_dir():
        name = "an empty name" if is_empty else f"the directory {str(path)!r}"
        raise InvalidProblemError(
            f"path: expected the name of a file, got {name}. Add one: {str(wanted / 'report.html')!r}."
        )
    if not wanted.parent.is_dir():
        raise InvalidProblemError(
            f"path: expected a file in a folder that exists, got {str(path)!r}: there is no folder "
            f"{str(wanted.parent)!r}. Make it first: pathlib.Path({str(wanted.parent)!r}).mkdir(parents=True)."
        )
    if wanted.exists() and not stat.S_ISREG(wanted.stat().st_mode):
        raise InvalidProblemError(f"path: expected the name of a file, got {str(path)!r}, which is a device.")
    return wanted


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees a part of it; one that is there is replaced, not what links to it."""
    target = Path(os.path.realpath(path))
    unfinished = target.with_name(f".fastcheck-{uuid.uuid4().hex}.tmp")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        os.replace(unfinished, target)
    except OSError as error:
        error.filename, error.filename2 = (
            str(path),
            None,
        )  # that of the unfinished file says nothing to anybody
        raise
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
