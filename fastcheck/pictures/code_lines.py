"""A line of the user's code."""

from __future__ import annotations

from dataclasses import dataclass

from fastcheck.legible import file_name


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLine:
    """A line of the user's code: ``file`` as Python knows it, ``number`` from 1, ``text`` without indentation.

    ``str(line)`` is ``network.py:31, `dZ2 = A2 - Y```. ``text`` is empty where there is no source.
    """

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        place = f"{file_name(self.file)}:{self.number}"
        return f"{place}, `{self.text}`" if self.text else place
