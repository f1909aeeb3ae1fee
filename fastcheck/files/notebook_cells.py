"""The code in a notebook's cells, without the commands that only notebooks understand."""

from __future__ import annotations

import json
import linecache
import re
from collections.abc import Iterator
from pathlib import Path

from fastcheck.errors import FastcheckError

NOTEBOOK = ".ipynb"

COMMAND = re.compile(r"[%!?]|[\w.]+\?{1,2}\s*$")
"""How lines begin, or what they are as a whole, that only notebooks understand."""

OLDEST_FORMAT = 4
"""The first version of the format in which a notebook is one list of cells."""


def cells_of(path: Path, text: bytes) -> Iterator[tuple[int, str]]:
    """Yield the number and the code of each cell, the first code cell being number 1.

    Lines that begin with ``%``, ``!`` or ``?`` are left out, and cells that begin with ``%%``; the numbers of the
    others stay. Raises `FastcheckError` if it is no notebook.
    """
    try:
        notebook = json.loads(text)
        version, cells = int(notebook["nbformat"]), notebook.get("cells", [])
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError):
        raise FastcheckError(f"{path} is no notebook that can be read: it is not the JSON of one.") from None
    if version < OLDEST_FORMAT:
        raise FastcheckError(f"{path}: it has format {version}. Open it in Jupyter and save it again.")
    for number, source in enumerate(sources, start=1):
        lines = "".join(source).splitlines(keepends=True)
        is_command = bool(lines) and lines[0].lstrip().startswith("%%")
        code = "" if is_command else "".join(_without_command(line) for line in lines)
        name = f"<{path}, cell {number}>"
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)  # for reports
        yield number, code


def _without_command(line: str) -> str:
    """Return a line, ``pass`` in its place if it is a command of the notebook.

    >>> _without_command("    %timeit f()"), _without_command("x = 1")
    ('    pass', 'x = 1')
    """
    body = line.lstrip()
    if not COMMAND.match(body):
        return line
    return line[: len(line) - len(body)] + "pass" + ("\n" if line.endswith("\n") else "")
