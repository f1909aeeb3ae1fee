"""Who is told of every gradient check that a test makes: the plugin of the pytest session that runs it."""

from __future__ import annotations

TYPE_CHECKING = False  # as in fastcheck/__init__.py
if TYPE_CHECKING:
    from collections.abc import Callable

    from fastcheck.report.result import Report

    Observer = Callable[[Report | None, bool], None]
    """Is given the report, None where the question could not be asked, and whether that is raised."""

_observers: list[Observer] = []


def start_observing(observer: Observer) -> None:
    """Tell this observer alone of all checks from now on: a session may run inside of another."""
    _observers.append(observer)


def stop_observing(observer: Observer) -> None:
    """Tell this observer no more."""
    _observers.remove(observer)


def observe(report: Report | None, *, is_raised: bool) -> None:
    """Tell the present observer, if there is one, of a check."""
    if _observers:
        _observers[-1](report, is_raised)
