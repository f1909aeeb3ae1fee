"""Finished evaluations of one problem, in memory and in a file: the `KnownCosts` of a check."""

from __future__ import annotations

import contextlib
import math
import threading
import warnings
from typing import Any

from fastcheck.callers import level_of_caller
from fastcheck.checkpoints.appending import CheckpointFile, said
from fastcheck.checkpoints.points import Keys
from fastcheck.checkpoints.raised import KeptError
from fastcheck.checkpoints.reading import Found
from fastcheck.checkpoints.records import Kind, encoded, encoded_value
from fastcheck.errors import CheckpointWarning, LostEvaluationError
from fastcheck.legible import number_of
from fastcheck.problem.evaluating import Kept
from fastcheck.problem.parameters import Vector

OF_THE_SYSTEM = (OSError, ImportError, LostEvaluationError)
"""Errors that may not come again: what raised them is evaluated again by the next run."""


class Ledger:
    """What is known of a problem, by the keys of points, and the file that evaluations are appended to.

    Other processes get None in its place.
    """

    def __init__(self, file: CheckpointFile, keys: Keys, found: Found) -> None:
        self.file, self.keys = file, keys
        self.section, self.known, self.raised, self.damage = found
        self.texts = {error: error for error in self.raised.values()}
        self.raised = {key: self.texts[error] for key, error in self.raised.items()}
        self.found, self.made = len(self.known) + len(self.raised), 0
        self.trouble: str | None = None
        if file.refused is not None:
            self.trouble = f"it can only be read ({file.refused}). Evaluations are not kept."
        self._one_at_a_time = threading.RLock()

    def __reduce__(self) -> Any:
        return _nothing_known, ()

    def point(self, theta: Vector) -> bytes | None:
        """Return the key of a point, (n,); None for θ itself."""
        return self.keys.point(theta)

    @property
    def keeps(self) -> bool:
        """Whether evaluations are kept: they are."""
        return True

    def moved(self, coordinate: int, value: float) -> bytes | None:
        """Return the same of θ with one coordinate at this value."""
        return self.keys.moved(coordinate, value)

    def find(self, key: bytes) -> Kept | None:
        """Return what the evaluation gave, None if it is not known."""
        with self._one_at_a_time:
            value = self.known.find(key)
            error = self.raised.get(key) if value is None else None
        if error is not None:
            return Kept(math.nan, error.rebuilt())
        return None if value is None else Kept(value, None)

    def add(self, key: bytes, kept: Kept) -> None:
        """Keep what an evaluation gave, in the file, too, as long as it can be written."""
        with self._one_at_a_time:
            if key in self.raised or self.known.find(key) is not None:
                return
            if kept.error is None:
                self.known.add(key, kept.value)
                self._append(encoded_value(self.section, key, kept.value))
            elif not isinstance(kept.error, OF_THE_SYSTEM):
                self._add_error(key, kept.error)
            self.made += 1

    def sentence_on_found(self) -> str:
        """Return the beginning of a sentence on what the file held."""
        return f"{number_of(self.found, 'evaluation')} {'was' if self.found == 1 else 'were'} found there"

    def sentences(self) -> list[str]:
        """Return what is to be said in the report."""
        made = "was" if self.made == 1 else "were"
        said_of_it = [f"{self.sentence_on_found()}, {self.made:,} {made} made now."]
        if self.trouble is not None:
            said_of_it.append(self.trouble)
        elif self.file.sync_failed is not None:
            said_of_it.append(f"it may not be safe from a loss of power ({said(self.file.sync_failed)}).")
        return said_of_it + self.damage

    def _add_error(self, key: bytes, raised: Exception) -> None:
        error = KeptError.of(raised)
        if error is not None:
            self.raised[key] = self.texts.setdefault(error, error)  # equal ones once
            self._append(encoded(Kind.RAISED, self.section, key + error.encoded()))

    def _append(self, record: bytes) -> None:
        if self.trouble is not None or self.file.descriptor < 0:
            return
        try:
            self.file.append(record)
        except OSError as error:
            self.trouble = f"it cannot be written any more ({said(error)}). Later evaluations are not kept."
            text = f"checkpoint {self.file.path}: {self.trouble}"
            # Where warnings are errors an evaluation is not to end by it.
            with contextlib.suppress(Exception):
                warnings.warn(text, CheckpointWarning, stacklevel=level_of_caller())


def _nothing_known() -> None:
    """Return what other processes get: nothing."""
