"""The checkpoint of a check: what is asked of it, in the order in which a check asks. Without one nothing is loaded.

The smallest example::

    with Checkpoint("run.fastcheck", cost) as checkpoint:     # takes note of the code, before the cost is called
        problem = checkpoint.keeping(pose(cost, …), epsilon)  # finds what is known; evaluations are kept from now on
        …
    checkpoint.notes()                                        # what was found and made, and what went wrong
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from typing import TYPE_CHECKING, Any

from fastcheck.callers import level_of_caller
from fastcheck.checkpoints.sections import present_section
from fastcheck.errors import CheckpointWarning, InvalidProblemError
from fastcheck.problem.posing import Problem
from fastcheck.progress.saying import say
from fastcheck.undoing import Undoable

if TYPE_CHECKING:
    from fastcheck.checkpoints.appending import CheckpointFile
    from fastcheck.checkpoints.fingerprint import Fingerprint
    from fastcheck.checkpoints.ledger import Ledger


GOES_ON = "The check goes on without: evaluations are not kept."


def validate_checkpoint(path: Any) -> str | None:
    """Return the path of a checkpoint as text, None for none; `InvalidProblemError` if it is no path."""
    if path is None:
        return None
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if isinstance(text, str) and text and "\0" not in text:
        return text
    raise InvalidProblemError(
        f"checkpoint: expected the path of a file, such as 'run.fastcheck', got {path!r}."
    )


class Checkpoint(Undoable):
    """The checkpoint of a check: a file at a path, or none where that is None.

    A file that cannot be used is no error: the check goes on without, `CheckpointWarning` says so, and a note.
    """

    def __init__(self, path: Any, cost: Any) -> None:
        self.path, self.cost = validate_checkpoint(path), cost
        self.fingerprint: Fingerprint | None = None
        self.ledger: Ledger | None = None
        self.file: CheckpointFile | None = None
        self.trouble: str | None = None

    def keeping(self, problem: Problem, epsilon: float | None) -> Problem:
        """Return the same problem with what is known of it, and have its evaluations kept.

        Raises `InvalidProblemError` if the file is of another problem, or something else than a checkpoint.
        """
        if self.path is None:
            return problem
        from fastcheck.checkpoints.appending import CheckpointFile, UnusableError, said

        try:
            self.file = CheckpointFile(self.path)
            self.ledger = self._opened(self.file, problem, epsilon)
        except (UnusableError, OSError) as error:
            self._close()
            trouble = said(error) if isinstance(error, OSError) else str(error)
            self.trouble = f"{self._name}: {trouble}. {GOES_ON}"
            warnings.warn(self.trouble, CheckpointWarning, stacklevel=level_of_caller())
            return problem
        if self.ledger.trouble is not None:
            warnings.warn(
                f"{self._name}: {self.ledger.trouble}", CheckpointWarning, stacklevel=level_of_caller()
            )
        if self.ledger.found:
            say(f"{self._name}: {self.ledger.sentence_on_found()}.")
        return dataclasses.replace(
            problem, evaluator=dataclasses.replace(problem.evaluator, known=self.ledger)
        )

    def _opened(self, file: CheckpointFile, problem: Problem, epsilon: float | None) -> Ledger:
        """Return what a file holds of a problem; it is begun there if it is not in it."""
        from fastcheck.checkpoints.description import Description
        from fastcheck.checkpoints.fingerprint import Fingerprint
        from fastcheck.checkpoints.ledger import Ledger
        from fastcheck.checkpoints.points import Keys
        from fastcheck.checkpoints.reading import read_section

        before, after = self.fingerprint, Fingerprint.of(self.cost)
        fingerprint = after if before is None else before.with_state(after)
        now = Description.of(problem, present_section(), epsilon, fingerprint)
        return Ledger(file, Keys(problem.theta), read_section(file, problem, now))

    @property
    def keeps(self) -> bool:
        """Whether evaluations are kept, and could be until now."""
        return self.ledger is not None and self.ledger.trouble is None

    def notes(self) -> tuple[str, ...]:
        """Return what the report says of the checkpoint."""
        if self.path is None:
            return ()
        if self.ledger is None:
            return () if self.trouble is None else (self.trouble,)
        return tuple(f"{self._name}: {sentence}" for sentence in self.ledger.sentences())

    def do(self) -> None:
        """Take note of what the cost depends on, before it is called."""
        if self.path is not None:
            from fastcheck.checkpoints.fingerprint import Fingerprint

            self.fingerprint = Fingerprint.of(self.cost)

    def undo(self) -> None:
        """Close the file."""
        self._close()

    @property
    def _name(self) -> str:
        return f"checkpoint {self.path}"

    def _close(self) -> None:
        if self.file is not None:
            self.file.close()
