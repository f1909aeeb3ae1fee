"""The workers of a check: started when they are needed, kept for what comes next, ended with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from fastcheck.undoing import Undoable
from fastcheck.workers.choosing import Workers
from fastcheck.workers.parcels import Packed
from fastcheck.workers.pools import Pool


class Pools:
    """What was started for a check, and what became of it.

    ``kept_by`` are those who need them later. ``losses`` are chunks that did not come back the first time, ``gone``
    are kinds of workers that are not there any more, ``clusters`` those that were chosen.
    ``bytes_of_worker`` are what one takes at most besides the cost.
    """

    def __init__(self) -> None:
        self.bytes_of_worker = 0
        self.kept_by: set[int] = set()
        self.clusters: dict[Any, Workers] = {}
        self.gone: set[str] = set()
        self.started: dict[Any, Pool] = {}
        self.losses = 0
        self._opened: dict[int, Packed] = {}
        self._packed: dict[int, tuple[Any, Packed]] = {}

    def are_running(self, workers: Workers) -> bool:
        """Tell whether these workers were started already."""
        return (workers.name, workers.size, "") in self.started

    @contextlib.contextmanager
    def lent(self, workers: Workers, purpose: str = "") -> Iterator[Pool]:
        """Yield the workers, which are ended afterwards, unless they are kept for a whole check."""
        key = workers.name, workers.size, purpose
        if key not in self.started:
            self.started[key] = workers.make(workers.size)
        try:
            yield self.started[key]
        except BaseException:
            self.end()  # what they are still at is nothing anybody waits for
            raise
        finally:
            if not self.kept_by or (key in self.started and self.started[key].waits_for):
                self.end()

    def packed(self, work: Any) -> Packed:
        """Return work that was pickled, once for as long as workers are kept."""
        if id(work) not in self._packed:
            self._packed[id(work)] = work, Packed(work)
        return self._packed[id(work)][1]

    def open(self, pool: Pool, packed: Packed, around: Any, seconds: float | None) -> None:
        """Have a pool do this work, unless it is what it did last."""
        if self._opened.get(id(pool)) is not packed:
            pool.open(packed, around, seconds)
            self._opened[id(pool)] = packed

    def end(self) -> None:
        """End all workers; where Ctrl-C comes meanwhile, those that have not ended are ended the next time."""
        self._opened.clear()
        self._packed.clear()
        while self.started:
            key = next(iter(self.started))
            self.started[key].close()
            del self.started[key]


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
