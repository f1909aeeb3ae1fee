"""The workers of a check: started when they are needed, kept for what comes next, ended with it.

Several checks of one file may share the processes that the first of them started (`workers_shared`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from fastcheck.undoing import Undoable
from fastcheck.workers.choosing import Workers
from fastcheck.workers.parcels import Packed
from fastcheck.workers.pools import Pool

Key = tuple[str, int, str]
"""The name of a backend, the number of workers, and what they are for."""

SHARED = "loky"
"""The backend whose workers are shared: new interpreters. A fork knows what this process knew when it was made."""


class Started:
    """Workers that were started, the work that each pool has, and which of them are in use now."""

    def __init__(self) -> None:
        self.pools: dict[Key, Pool] = {}
        self.works: dict[int, Packed] = {}
        self.in_use: set[Key] = set()

    def end(self) -> None:
        """End all workers; where Ctrl-C comes meanwhile, those that have not ended are ended the next time."""
        self.works.clear()
        while self.pools:
            key = next(iter(self.pools))
            self.pools[key].close()
            del self.pools[key]


class Pools:
    """What was started for a check, and what became of it.

    ``kept_by`` are those who need them later. ``losses`` are chunks that did not come back the first time, ``gone``
    are kinds of workers that are not there any more, ``chosen`` those that were chosen, by what was asked for.
    ``bytes_of_worker`` are what one takes at most besides the cost. ``started`` are workers of this check alone,
    ``shared`` those of several checks, None if nobody keeps them. ``in_threads`` tells that several threads of this
    process called it.
    """

    def __init__(self) -> None:
        self.bytes_of_worker = 0
        self.kept_by: set[int] = set()
        self.chosen: dict[Any, Workers] = {}
        self.gone: set[str] = set()
        self.started = Started()
        self.shared = _shared.get()
        self.losses = 0
        self.in_threads = False
        self._packed: dict[int, tuple[Any, Packed]] = {}

    def are_running(self, workers: Workers) -> bool:
        """Tell whether these workers were started already."""
        key = workers.name, workers.size, ""
        return key in self._home(key).pools

    @contextlib.contextmanager
    def lent(self, workers: Workers, purpose: str = "") -> Iterator[Pool]:
        """Yield the workers, which are ended afterwards, unless they are kept for a whole check, or for several."""
        key = workers.name, workers.size, purpose
        home = self._home(key)
        if key not in home.pools:
            home.pools[key] = workers.make(workers.size)
        is_outermost = key not in home.in_use
        home.in_use.add(key)
        self.in_threads = self.in_threads or workers.name == "threading"
        try:
            yield home.pools[key]
        except BaseException:
            self._end(home)  # what they are still at is nothing anybody waits for
            raise
        finally:
            if is_outermost:
                home.in_use.discard(key)
            is_kept = home is self.shared or self.kept_by
            if not is_kept or (key in home.pools and home.pools[key].waits_for):
                self._end(home)

    def packed(self, work: Any) -> Packed:
        """Return work that was pickled, once for as long as workers are kept."""
        if id(work) not in self._packed:
            self._packed[id(work)] = work, Packed(work)
        return self._packed[id(work)][1]

    def open(self, pool: Pool, packed: Packed, around: Any, seconds: float | None) -> None:
        """Have a pool do this work, unless it is what it did last."""
        is_shared = self.shared is not None and pool in self.shared.pools.values()
        works = self.shared.works if self.shared is not None and is_shared else self.started.works
        if works.get(id(pool)) is not packed:
            pool.open(packed, around, seconds)
            works[id(pool)] = packed

    def end(self) -> None:
        """End the workers of this check; those that are shared are left to who keeps them."""
        self._end(self.started)

    def _end(self, started: Started) -> None:
        self._packed.clear()
        started.end()

    def _home(self, key: Key) -> Started:
        """Return where workers are, or will be: those that are shared do one work at a time."""
        is_free = self.shared is not None and key not in self.shared.in_use
        return self.shared if self.shared is not None and is_free and key[0] == SHARED else self.started


class workers_kept(Undoable):  # noqa: N801 — to its callers it is a function
    """Keep the workers of a check until its end."""

    def __init__(self, pools: Pools) -> None:
        self.pools = pools

    def do(self) -> None:
        """Keep them."""
        self.pools.kept_by.add(id(self))

    def undo(self) -> None:
        """End them, if nobody else keeps them."""
        self.pools.kept_by.discard(id(self))
        if not self.pools.kept_by:
            self.pools.end()


class workers_shared(Undoable):  # noqa: N801 — likewise
    """Keep processes that checks start within a ``with`` block for those that come after them.

    These must be checks of one file: its modules stay loaded there.
    """

    def __init__(self) -> None:
        self.started = Started()
        self.before: Started | None = None

    def do(self) -> None:
        """Have checks share them."""
        self.before = _shared.get()
        _shared.set(self.started)

    def undo(self) -> None:
        """End them."""
        if _shared.get() is self.started:
            _shared.set(self.before)
        self.started.end()


_shared: ContextVar[Started | None] = ContextVar("fastcheck_shared_workers", default=None)
