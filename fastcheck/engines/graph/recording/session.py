"""The time in which a cost is recorded: its functions are instrumented, and what it stores is put back in the end."""

from __future__ import annotations

import contextlib
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any

from fastcheck.engines.graph.recording.instrumenting import swap, swap_back
from fastcheck.engines.graph.recording.reaching import reached
from fastcheck.engines.graph.recording.restoring import Snapshot
from fastcheck.engines.graph.rules.special_functions import learn_scipy
from fastcheck.engines.graph.tracing.tracing_error import end_runs, runs_in_thread
from fastcheck.undoing import Undoable


class Session(Undoable):
    """The recordings of one cost.

    The functions that the cost can reach are looked for once, when it begins. In the end, and whatever happens, they
    have their own code, no recording runs in this thread that did not before, and lists, dicts, attributes, closure
    cells and globals hold what they held (``snapshot``).
    """

    snapshot: Snapshot
    functions: list[types.FunctionType]

    def __init__(self, cost: Any) -> None:
        self.cost = cost
        self.before = runs_in_thread()

    def do(self) -> None:
        """Begin."""
        if "scipy.special" in sys.modules:
            learn_scipy()
        everything = reached(self.cost)
        self.snapshot, self.functions = Snapshot.of(everything), everything.functions
        _open.sessions.append(self)
        swap(self.functions, id(self))

    def look_closer(self) -> None:
        """Let thorough recordings follow the plain arrays of the cost from here on."""
        swap(self.functions, id(self), thorough=True)

    def undo(self) -> None:
        """Put everything back."""
        swap_back(id(self))
        end_runs(self.before)
        if self in _open.sessions:
            self.snapshot.restore()
            self.snapshot.restore_entries()
            _open.sessions.remove(self)


class _Open(threading.local):
    def __init__(self) -> None:
        self.sessions: list[Session] = []


_open = _Open()


@contextlib.contextmanager
def session_of(cost: Any) -> Iterator[Session]:
    """Yield this thread's session of a cost: the one that it is in, or one that ends with the ``with`` block."""
    cost = bare_cost(cost)
    for session in _open.sessions:
        if session.cost is cost:
            yield session
            return
    with Session(cost) as session:
        yield session


def bare_cost(cost: Any) -> Any:
    """Return the user's cost without what this package puts around it for some of its runs."""
    while type(cost).__module__.startswith(__package__):
        cost = cost.cost
    return cost
