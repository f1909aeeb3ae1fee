"""What fastcheck raises: every message says where, what was expected, what came, and what to do."""

from fastcheck.legible import legible


class FastcheckError(Exception):
    """Base class of everything that fastcheck raises by itself."""


class InvalidProblemError(FastcheckError, ValueError):
    """The question cannot be asked: names, shapes, dtypes, values or options do not fit together."""

    def __str__(self) -> str:
        return legible(super().__str__())


class EvaluationError(FastcheckError, RuntimeError):
    """The cost or the backward pass did something that makes a check meaningless."""

    def __str__(self) -> str:
        return legible(super().__str__())


class UndefinedCostError(EvaluationError):
    """The cost returned a number that is not finite, or not real."""


class LostEvaluationError(EvaluationError):
    """An evaluation of which nothing came back: its process ended each time, took too long, or it was interrupted."""


class BudgetUsedUp(BaseException):
    """An evaluation that the budget of a check does not allow was about to begin; never seen outside of fastcheck.

    No `Exception`, for the evaluation did not fail: what handles costs that raise must let it pass.
    """


class PictureError(FastcheckError):
    """What is to be drawn is not there: the report does not hold it, or it cannot be computed."""

    def __str__(self) -> str:
        return legible(super().__str__())


class MissingLibraryError(FastcheckError, ImportError):
    """A library that fastcheck does without until now is not installed."""


class GradientMismatchError(FastcheckError, AssertionError):
    """A report that did not pass, raised by `Report.raise_if_failed`."""

    def __str__(self) -> str:
        return legible(super().__str__(), lines=True)


class CheckpointWarning(UserWarning):
    """A checkpoint cannot be used, or no longer: the check goes on without."""


class LogWarning(UserWarning):
    """A log cannot be written, or no longer: the check goes on without it."""


class UnknownSlopeWarning(RuntimeWarning):
    """A numerical gradient is NaN in some coordinates: the message names them, and why."""
