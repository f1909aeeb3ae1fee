"""Costs that do something terrible where one of their coordinates is moved, and what is expected of a check then."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HANGS = 600.0
"""Seconds of an evaluation that hangs: nobody waits that long."""

TOO_SLOW = 1.0
"""Seconds of an evaluation in a thread, which nothing can end."""

IN_THE_CALLER = "in-the-caller"
"""Name of the file that tells that the calling process evaluated what ends or blocks a process."""


class OddError(Exception):
    """Cannot be pickled: its arguments are not those of its ``__init__``, and it holds a lambda."""

    def __init__(self, what: str, *, code: int) -> None:
        super().__init__(f"{what} ({code})")
        self.what = lambda: what


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault: what happens, whether it needs a process of its own, whether evaluations are lost by it.

    ``timeout`` is the option of a check that ends it, ``once`` that it happens only the first time, ``only`` the one
    backend that it is a fault of.
    """

    happens: Callable[[], float | None]
    needs_processes: bool = False
    loses: bool = True
    timeout: float | None = None
    once: bool = False
    only: str | None = None


def _raises() -> None:
    raise ValueError("the solver did not converge")


def _raises_oddly() -> None:
    raise OddError("the solver did not converge", code=7)


def _runs_out_of_memory() -> None:
    raise MemoryError("cannot allocate 4 TiB")


def _is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _spins() -> None:
    end = time.monotonic() + HANGS
    while time.monotonic() < end:
        pass


SCHEDULER = "the scheduler goes away"
"""Name of the fault that is not one of the cost: the processes of the cluster are killed."""

FAULTS: dict[str, Fault] = {
    "none": Fault(lambda: None, loses=False),
    "raises": Fault(_raises),
    "raises what cannot be pickled": Fault(_raises_oddly),
    "NaN": Fault(lambda: math.nan),
    "MemoryError": Fault(_runs_out_of_memory),
    "SIGKILL": Fault(_is_killed, needs_processes=True),
    "SIGKILL, once": Fault(_is_killed, needs_processes=True, loses=False, once=True),
    "os._exit": Fault(lambda: os._exit(3), needs_processes=True),
    "hangs in C": Fault(lambda: time.sleep(HANGS), needs_processes=True, timeout=1.0),
    "hangs in Python": Fault(_spins, needs_processes=True, timeout=1.0),
    "slower than timeout=": Fault(lambda: time.sleep(TOO_SLOW), timeout=0.4),
    SCHEDULER: Fault(lambda: None, loses=False, only="dask"),
}
"""Kinds of faults, by the name that the page of results shows."""


@dataclass(frozen=True, slots=True, eq=False)
class FaultyCost:
    """J = mean(tanh(X W + b)²) after ``delay`` seconds; where ``coordinate`` alone is moved, the fault happens first.

    Noise is measured along lines that move all coordinates, so what the calling process evaluates is sound. ``caller``
    is its number; a fault that would end or block it is told by a file in ``folder``, and raised.
    """

    X: NDArray[np.float64]
    start: NDArray[np.float64]
    delay: float
    fault: str
    coordinate: int
    folder: str
    caller: int

    def __call__(self, p: dict[str, Any]) -> float:
        time.sleep(self.delay)
        moved = np.flatnonzero(np.concatenate([p["W"].ravel(), p["b"].ravel()]) != self.start)
        if self.fault != "none" and moved.tolist() == [self.coordinate]:
            value = self._happens()
            if value is not None:
                return value
        return float(np.mean(np.tanh(self.X @ p["W"] + p["b"]) ** 2))

    def gradient(self, p: dict[str, Any]) -> dict[str, Any]:
        """Return the right gradient."""
        A = np.tanh(self.X @ p["W"] + p["b"])
        Z = 2 * A * (1 - A**2) / A.size
        return {"W": self.X.T @ Z, "b": Z.sum(axis=0)}

    def _happens(self) -> float | None:
        fault = FAULTS[self.fault]
        if fault.needs_processes and os.getpid() == self.caller:
            Path(self.folder, IN_THE_CALLER).touch()
            raise RuntimeError("evaluated in the calling process")
        if fault.once:
            try:
                Path(self.folder, "happened").touch(exist_ok=False)
            except FileExistsError:
                return None
        return fault.happens()


MISTAKES: dict[str, Callable[[dict[str, Any], int], None]] = {}
"""What is wrong with a planted claim, by name: changes a gradient in place, at a coordinate of W."""


def mistake(change: Callable[[dict[str, Any], int], None]) -> Callable[[dict[str, Any], int], None]:
    """Add a kind of mistake to the table."""
    MISTAKES[change.__name__.replace("_", " ")] = change
    return change


@mistake
def one_entry_has_the_wrong_sign(g: dict[str, Any], i: int) -> None:
    g["W"].flat[i] *= -1


@mistake
def one_entry_is_one_percent_too_large(g: dict[str, Any], i: int) -> None:
    g["W"].flat[i] *= 1.01


@mistake
def W_is_half_of_it(g: dict[str, Any], i: int) -> None:  # noqa: N802
    g["W"] *= 0.5


@mistake
def b_is_a_mean(g: dict[str, Any], i: int) -> None:
    g["b"] /= 3
