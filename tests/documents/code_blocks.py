"""The code blocks of a page, and what they print, run as a reader would run them.

Blocks of a page follow each other in one session, as cells of a notebook do:

    ```python title="network.py"   is written to that file, and run
    ```text                        right below: what the block above printed, with ... for what is left out
    ```python title="test_x.py"    is run by pytest: at once if its output is shown, or by the next ``$ pytest``
    ```diff title="network.py"     lines with ``-`` in that file are replaced by those with ``+``
    ```console                     lines after ``$`` are commands; the others are what they print

Blocks with ``>>>`` are doctests, and run as such; other languages are not run.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from fastcheck.cli import main

OPTIONAL = ("torch", "jax", "distributed")
"""Libraries that not everybody has who runs the tests: a page is run up to the first block that needs a missing one."""


WITHOUT = ("cacheprovider", "benchmark", "xdist")
PYTEST = (sys.executable, "-m", "pytest", *(f"-pno:{plugin}" for plugin in WITHOUT))
"""How pytest is run: with no other plugins than a reader may have."""


@dataclass(frozen=True)
class Block:
    """One block of a page, the number of its first line, and what should be printed (None: anything)."""

    language: str
    title: str
    code: str
    line: int
    printed: str | None

    @property
    def runs(self) -> bool:
        """Whether it is run here."""
        return self.language in ("console", "diff") or (self.language == "python" and ">>>" not in self.code)

    def libraries(self) -> set[str]:
        """Return which of the optional libraries it imports."""
        if self.language != "python":
            return set()
        found = set()
        for statement in ast.walk(ast.parse(self.code)):
            if isinstance(statement, ast.Import):
                found |= {alias.name.split(".")[0] for alias in statement.names}
            elif isinstance(statement, ast.ImportFrom):
                found.add((statement.module or "").split(".")[0])
        return found & set(OPTIONAL)


FENCES = re.compile(r"^```(\w*)(?:[ ]+title=\"([^\"]+)\")?[ ]*\n(.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a page that run."""
    fences = list(FENCES.finditer(text))
    found = []
    for fence, following in zip_longest(fences, fences[1:]):
        language, title, code = fence[1], fence[2] or "", fence[3]
        line = text.count("\n", 0, fence.start()) + 2
        shown = (
            following is not None
            and following[1] == "text"
            and not text[fence.end() : following.start()].strip()
        )
        found.append(Block(language, title, code, line, following[3] if following and shown else None))
    return [block for block in found if block.runs]


class Session:
    """Runs the blocks of one page in a folder of its own."""

    def __init__(self, folder: Path, page: str) -> None:
        self.folder, self.page = folder, page
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.tests_to_run: list[str] = []

    def run(self, block: Block) -> None:
        """Run a block, and compare what it prints with what the page shows."""
        where = f"{self.page}:{block.line}"
        if block.language == "console":
            for command, printed in commands_of(block.code):
                compare(printed, self.shell(command), where)
            return
        if block.language == "diff":
            self.change(self.folder / block.title, block.code)
            return
        file = self.folder / (block.title or f"line_{block.line}.py")
        file.write_text(block.code, encoding="utf-8")
        if re.fullmatch(r"test_\w+\.py|\w+_test\.py", file.name):
            self.tests_to_run.append(file.name)
            output = "" if block.printed is None else self.shell(f"pytest -q {file.name}")
        else:
            output = self.python(file, block.code)
        if block.printed is not None:
            compare(block.printed, output, where)

    def finish(self) -> None:
        """Fail if the page has tests that it never runs."""
        assert not self.tests_to_run, f"{self.page}: {self.tests_to_run} are not run on this page"

    def python(self, file: Path, code: str) -> str:
        """Return what the code prints; it sees what the blocks above have defined."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, str(file), "exec"), self.names)
        return printed.getvalue()

    def script(self, name: str) -> str:
        """Return what a script prints; it imports the files as they are now, and leaves no names behind."""
        for file in self.folder.glob("*.py"):
            sys.modules.pop(file.stem, None)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            runpy.run_path(str(self.folder / name), run_name="__main__")
        return printed.getvalue()

    def change(self, file: Path, changes: str) -> None:
        """Replace lines of a file."""
        old, new = (
            "".join(line[1:] for line in changes.splitlines(keepends=True) if line.startswith(sign))
            for sign in "-+"
        )
        code = file.read_text(encoding="utf-8")
        assert code.count(old) == 1, f"{self.page} changes lines that {file.name} does not have once"
        file.write_text(code.replace(old, new), encoding="utf-8")
        sys.modules.pop(file.stem, None)  # the next block imports it anew

    def shell(self, command: str) -> str:
        """Return what a command prints."""
        program, *arguments = shlex.split(command)
        run = {"fastcheck": self.fastcheck, "pytest": self.pytest, "python": self.script}[program]
        return run(*arguments)

    def fastcheck(self, *arguments: str) -> str:
        """Return what the command of fastcheck prints."""
        with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(printed):
            main(arguments)
        return printed.getvalue()

    def pytest(self, *arguments: str) -> str:
        """Return what a run of pytest prints, in a process of its own."""
        self.tests_to_run.clear()
        done = subprocess.run(
            [*PYTEST, *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return done.stdout


def commands_of(code: str) -> Iterator[tuple[str, str]]:
    """Yield the commands of a console block, and what the page shows of each."""
    for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


def compare(expected: str, output: str, where: str) -> None:
    """Fail where the output is not what the page shows; ``...`` stands for anything."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    checker = doctest.OutputChecker()
    if not checker.check_output(without_figures(expected), without_figures(output), flags):
        example = doctest.Example("", expected)
        raise AssertionError(
            f"{where} prints something else\n{checker.output_difference(example, output, flags)}"
        )


def without_figures(text: str) -> str:
    """Return the text without what differs from run to run: seconds, counts of passes, figures that are rounding."""
    text = re.sub(r"\d+\.\d+ ?s\b", "… s", text)
    text = re.sub(r"\b\d(\.\d+)?e-(1[1-9]|[2-9]\d)\b|\b0(\.0+)?e\+00\b", "rounding", text)
    text = re.sub(
        r"\d+ evaluations were found there, \d+ were", "… evaluations were found there, … were", text
    )
    return re.sub(r"\d+ forward passes", "… forward passes", text)
