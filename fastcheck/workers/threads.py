"""Workers that are threads of this process: nothing is sent, and none of them can be ended."""

from __future__ import annotations

import concurrent.futures
import itertools
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from fastcheck.workers.parcels import Packed
from fastcheck.workers.pools import POLLED, Around, Lost
from fastcheck.workers.tasks import Outcome, Task, done_by_worker


class Threads:
    """Threads of this process."""

    blames_exactly = True
    most_given_up = 1000
    why_gone: str | None = None

    def __init__(self, size: int) -> None:
        self.size = size
        self.executor = concurrent.futures.ThreadPoolExecutor(size, thread_name_prefix="fastcheck worker")
        self.numbers = itertools.count()
        self.futures: dict[Future[Outcome], int] = {}
        self.task: Task | None = None

    @property
    def waits_for(self) -> int:
        """How many chunks have not come back."""
        return len(self.futures)

    @property
    def in_flight(self) -> int:
        """How many chunks it should have."""
        return 4 * self.size

    def open_here(self, work: Callable[[Any], Any], around: Around) -> None:
        """Have the following chunks done by this work, which is not pickled."""
        self.task = Task(_Held(work), around, None, None)  # type: ignore[arg-type]

    def open(self, packed: Packed, around: Around, seconds: float | None) -> None:
        """Have the following chunks done by work that was pickled, as others do."""
        self.task = Task(packed.sent(), around, None, None)

    def submit(self, chunk: Any) -> int:
        """Give a chunk to the workers, and return its number."""
        number = next(self.numbers)
        self.futures[self.executor.submit(done_by_worker, self.task, number, chunk)] = number  # type: ignore[arg-type]
        return number

    def back(self) -> Mapping[int, Outcome | Lost]:
        """Return what came back since, and wait a little if nothing has."""
        done, _ = concurrent.futures.wait(
            self.futures, timeout=POLLED, return_when=concurrent.futures.FIRST_COMPLETED
        )
        return {self.futures.pop(future): future.result() for future in done}

    def close(self) -> None:
        """Wait for what runs, which cannot be ended, and end the threads."""
        self.executor.shutdown(wait=True, cancel_futures=True)


class _Held:
    """Work that is here already."""

    def __init__(self, work: Any) -> None:
        self.work = work

    def opened(self) -> Any:
        return self.work
