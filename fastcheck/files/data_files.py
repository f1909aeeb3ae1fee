"""Files of data, which may hold anything: read as far as a limit, and never run."""

from __future__ import annotations

from pathlib import Path

from fastcheck.errors import InvalidProblemError

LARGEST_FILE = 2**28
"""Bytes of a file that are read: 256 MiB, a report of some hundred thousand blocks."""

PIECE = 2**20
"""Bytes that are read at once: pipes and devices do not tell their size."""

SHOWN_BY = "a report that was kept as JSON is shown by: fastcheck show {name}"

GIVEN_BY = "its arrays are given to the problems of a file by: fastcheck check FILE.py --data {name}"

LOADED_BY = "load it in a file of Python, which poses the problem"

HOLDS_DATA = {
    ".json": SHOWN_BY,
    ".jsonl": "no command of fastcheck reads it",
    ".fastcheck": "the call whose checkpoint it is resumes from it: check(…, checkpoint={name!r})",
    ".npz": GIVEN_BY,
    ".npy": GIVEN_BY,
    **dict.fromkeys((".csv", ".mat", ".h5", ".hdf5", ".pkl", ".pickle", ".joblib", ".pt", ".pth"), LOADED_BY),
}
"""Endings of files that are no code, and what to do with such a file."""


def content_of(path: Path, most: int = LARGEST_FILE) -> bytes:
    """Return the bytes of a file.

    Raises `InvalidProblemError` if it cannot be read, or holds more than ``most`` bytes: no more than these are read.
    """
    content = bytearray()
    try:
        with path.open("rb") as file:
            while piece := file.read(min(PIECE, most + 1 - len(content))):
                content += piece
    except OSError as error:
        raise InvalidProblemError(f"{path}: {error.strerror or error}.") from None
    except ValueError:  # the name holds a null character, or what no name can
        raise InvalidProblemError(
            f"{path}: expected the name of a file, got one that no file can have."
        ) from None
    if len(content) > most:
        raise InvalidProblemError(f"{path}: expected a file of at most {most:,} bytes, got more.")
    return bytes(content)


def expect_code(path: Path) -> None:
    """Raise `InvalidProblemError` for a file whose name says that it holds data: these are not run as code."""
    advice = HOLDS_DATA.get(path.suffix.lower())
    if advice is not None:
        raise InvalidProblemError(
            f"{path}: expected a file of Python or a notebook, got one of data, which is not run; "
            f"{advice.format(name=str(path))}."
        )
