"""matplotlib is an extra: where it is missing, an error says how to install it."""

from __future__ import annotations

from fastcheck.errors import MissingLibraryError
from fastcheck.undoing import PythonRandomKept


def need_matplotlib() -> None:
    """Import matplotlib; raise `MissingLibraryError` where it is not installed."""
    try:
        with PythonRandomKept():
            import matplotlib.figure  # noqa: F401 — the import is the question
    except ImportError as error:
        raise MissingLibraryError(
            f"plots need matplotlib, which cannot be imported ({error}). "
            "Install it with: pip install matplotlib"
        ) from None
