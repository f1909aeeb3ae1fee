"""Pages of HTML that ``fastcheck check`` keeps: one for each problem, with names that every system allows."""

from __future__ import annotations

import re
from pathlib import Path

from fastcheck.cli.found import ProblemOutcome
from fastcheck.errors import FastcheckError

PAGE = (".html", ".htm")
"""Endings of a name that is that of a page, not of a folder."""

LONGEST_NAME = 100
"""Bytes of a name: systems allow 255, with its number and ending."""


class Pages:
    """Where pages go: into a folder, or to a page if there is one problem alone."""

    def __init__(self, target: str, only_wrong: bool) -> None:
        wanted = Path(target)
        self.page = wanted if wanted.suffix.lower() in PAGE and not wanted.is_dir() else None
        self.folder = wanted if self.page is None else wanted.parent
        self.only_wrong = only_wrong
        self.taken: set[str] = set()
        self.numbers: dict[str, int] = {}

    def save(self, outcome: ProblemOutcome, *, is_alone: bool) -> Path | None:
        """Write the page of a report, and return its path; None if there is none to be kept.

        It is written while the file of the problem is loaded, as its pictures run the cost again. Raises
        `FastcheckError` where it cannot be written.
        """
        report = outcome.report
        if report is None or (self.only_wrong and report.passed):
            return None
        path = self._path(outcome, is_alone)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return report.save_html(path)
        except OSError as error:
            raise FastcheckError(f"--html: {path} cannot be written: {error.strerror or error}.") from None

    def _path(self, outcome: ProblemOutcome, is_alone: bool) -> Path:
        if self.page is not None and is_alone:
            return self.page
        stem = outcome.file.stem if self.page is None else self.page.stem
        name = file_name(f"{stem}-{outcome.problem.name}")
        number, unique = self.numbers.get(name.lower(), 1), name
        while unique.lower() in self.taken:
            number += 1
            unique = f"{name}-{number}"
        self.numbers[name.lower()] = number
        self.taken.add(unique.lower())
        return self.folder / f"{unique}.html"


def file_name(text: str) -> str:
    """Return text as the name of a file on any system.

    >>> file_name('a/b: "c"')
    'a-b-c'
    """
    name = re.sub(r"[^\w.]+", "-", text).strip("-.")
    return name.encode()[:LONGEST_NAME].decode(errors="ignore") or "report"
