"""Pages of gradient checks that made a test fail: their names, and how they are kept."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import warnings
from collections import Counter
from pathlib import Path

TYPE_CHECKING = False  # as in fastcheck/__init__.py
if TYPE_CHECKING:
    from fastcheck.report.result import Report

PLAIN_ID = re.compile(r"[a-z0-9_./]+(::[A-Z][A-Za-z0-9_]*)*::[a-z0-9_]+")
"""Names of tests that remain different when they become names of files.

Where case does not count, classes that differ in nothing else are told apart by number.
"""

LONGEST_NAME = 100
"""Characters of a file's name before its ending: file systems allow some 250 bytes, and paths are limited, too."""

DIGITS_OF_HASH = 8


class KeptPages:
    """Writes pages into a folder, each under the name of its test; those of earlier runs are replaced.

    ``worker`` tells workers apart that run the same tests.
    """

    def __init__(self, folder: Path, worker: str = "") -> None:
        self.folder, self.worker = folder, worker
        self._taken: Counter[str] = Counter()

    def keep(self, report: Report, test: str) -> Path:
        """Write the page of a report, as a whole or not at all, and return its path.

        The cost may run again for its pictures: what it prints is dropped.
        """
        name = page_name(test) + (f"-{self.worker}" if self.worker else "")
        self._taken[name.casefold()] += 1
        count = self._taken[name.casefold()]
        number = f"-{count}" if count > 1 else ""
        path = self.folder / f"{name}{number}.html"
        self.folder.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return report.save_html(path)


def page_name(test: str) -> str:
    """Return the name of a test as that of a file, without ending: names that differ give files that differ.

    >>> page_name("tests/test_net.py::test_backward")
    'tests-test_net.py--test_backward'
    >>> page_name("tests/test_net.py::test_backward[a/b]")
    'tests-test_net.py--test_backward-a-b-970c72d2'
    """
    if PLAIN_ID.fullmatch(test) and len(test) <= LONGEST_NAME:
        return test.lstrip("./").replace("/", "-").replace("::", "--")
    words = re.sub(r"[^A-Za-z0-9_.-]+", "-", test.replace("::", "--")).strip("-.")
    digest = hashlib.sha256(test.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS_OF_HASH]
    return f"{words[-(LONGEST_NAME - DIGITS_OF_HASH - 1) :].lstrip('-.')}-{digest}"
