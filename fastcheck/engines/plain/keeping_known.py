"""What an interruption leaves of plain evaluation: what is known by then counts, and nothing is evaluated any more."""

from __future__ import annotations

from collections.abc import Callable

from fastcheck.errors import BudgetUsedUp, LostEvaluationError
from fastcheck.execution import Execution
from fastcheck.interrupting import reason_of


class NotEvaluatedError(LostEvaluationError):
    """An evaluation that an interruption came before."""


class KeepingKnown:
    """Whether what is known is kept where an evaluation is interrupted; ``reason`` says why one was, None if none was.

    That is so where the check asks for it, whose meter lets no evaluation begin from then on.
    """

    def __init__(self, execution: Execution) -> None:
        self._tell: Callable[[KeyboardInterrupt], None] | None = execution.on_interrupt
        self.reason: str | None = None

    def keeps(self, error: BaseException) -> bool:
        """Take note of what ended an evaluation; whoever asks raises it again unless it is kept."""
        if self._tell is None or not isinstance(error, (KeyboardInterrupt, BudgetUsedUp)):
            return False
        if isinstance(error, KeyboardInterrupt):
            self._tell(error)
            self.reason = reason_of(error)
        else:  # the interruption came between two evaluations
            self.reason = str(error)
        return True
