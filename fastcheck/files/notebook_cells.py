"""The code in a notebook's cells, without the commands that only notebooks understand."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastcheck.errors import FastcheckError
from fastcheck.files.strict_json import parsed

NOTEBOOK = ".ipynb"

COMMAND = re.compile(r"[%!?]|[\w.]+\?{1,2}\s*$")
"""How lines begin, or what they are as a whole, that only notebooks understand."""

NO_NOTEBOOK = " is no notebook that can be read"

OLDEST_FORMAT = 4
"""The first version of the format in which a notebook is one list of cells."""


def cells_of(path: Path, text: bytes) -> Iterator[tuple[int, str]]:
    """Yield the number and the code of each cell, the first code cell being number 1.

    Lines that begin with ``%``, ``!`` or ``?`` are left out, and cells that begin with ``%%``; the numbers of the
    others stay. Raises `FastcheckError` if it is no notebook.
    """
    cells = _cells(path, text)
    sources: list[Any] = [cell.get("source") for cell in cells if cell.get("cell_type") == "code"]
    for number, source in enumerate(sources, start=1):
        pieces = source if isinstance(source, list) else [source]
        if not all(isinstance(piece, str) for piece in pieces):
            raise FastcheckError(f"{path}{NO_NOTEBOOK}: the source of cell {number} is no text.")
        lines = "".join(pieces).splitlines(keepends=True)
        is_command = bool(lines) and lines[0].lstrip().startswith("%%")
        code = "" if is_command else "".join(_without_command(line) for line in lines)
        name = f"<{path}, cell {number}>"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)  # for reports
        yield number, code


def _cells(path: Path, text: bytes) -> list[dict[str, Any]]:
    """Return the cells of a notebook, or raise `FastcheckError`."""
    notebook = parsed(text, f"{path}{NO_NOTEBOOK}", with_nan=True)
    version = notebook.get("nbformat") if isinstance(notebook, dict) else None
    if not isinstance(version, int):
        raise FastcheckError(f"{path}{NO_NOTEBOOK}: it does not say which format it has (nbformat).")
    if version < OLDEST_FORMAT:
        raise FastcheckError(f"{path}: it has format {version}. Open it in Jupyter and save it again.")
    cells = notebook.get("cells", [])
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise FastcheckError(f"{path}{NO_NOTEBOOK}: its cells are no list of cells.")
    return cells


def _without_command(line: str) -> str:
    """Return a line, ``pass`` in its place if it is a command of the notebook.

    >>> _without_command("    %timeit f()"), _without_command("x = 1")
    ('    pass', 'x = 1')
    """
    body = line.lstrip()
    if not COMMAND.match(body):
        return line
    return line[: len(line) - len(body)] + "pass" + ("\n" if line.endswith("\n") else "")
