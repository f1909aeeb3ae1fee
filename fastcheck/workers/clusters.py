"""Workers on other machines: those of dask, and of any other backend that was registered with joblib."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from fastcheck.workers.exceptions import text_of
from fastcheck.workers.parcels import Packed
from fastcheck.workers.pools import Around, Loss, Lost
from fastcheck.workers.tasks import Outcome, Task, done_by_worker

POLLED, POLLED_AT_LEAST = 0.001, 0.02
"""Seconds between two looks at what came back: at first, and when nothing has come for long."""

POLLED_LESS = 1.3
"""Ratio of the seconds between looks to those before, as long as nothing comes."""

LOOKED = 1.0
"""Seconds between two looks at which workers the scheduler has."""

ANSWERED_WITHIN = 5.0
"""Seconds in which the scheduler should say that."""

GONE_AFTER = 15.0
"""Seconds without a scheduler after which it is gone."""

SETTLED_AFTER = 2.0
"""Seconds after which a new worker gets chunks: one that ends while it begins is not always started again."""

WORKERS_COME_WITHIN = 60.0
"""Seconds without workers, where there were some, after which no others are waited for."""

KEPT_BY_SCHEDULER = 2**20
"""Bytes of work up to which the scheduler keeps it; more is sent to the workers alone."""

SENT_WITHIN = 10.0
"""Seconds that sending work waits for a worker."""


@dataclass(eq=False, slots=True)
class _Sent:
    """A chunk that was sent to the worker at an address; None if dask chose the worker."""

    future: Any
    worker: str | None


class Dask:
    """The workers of a dask cluster, by its client, to which the cluster belongs.

    Dask gives what a worker had that ended to others, which end as well if that is the reason, and where all that have
    the work end nothing is left of it. So each chunk is for one worker, and lost if that worker ends.
    """

    blames_exactly = False
    most_given_up = 1000

    def __init__(self, client: Any, size: int, submit_options: Mapping[str, Any]) -> None:
        self.client, self.size, self.submit_options = client, max(1, size), dict(submit_options)
        self.name = f"fastcheck-{uuid.uuid4().hex}"
        self.numbers = itertools.count()
        self.held: dict[int, Any] = {}
        self.running: dict[int, _Sent] = {}
        self.finished: dict[int, _Sent] = {}
        self.fetch: tuple[list[int], Future[Any]] | None = None
        self.fetcher = ThreadPoolExecutor(1, thread_name_prefix="fastcheck results")
        self.too_slow: dict[int, str] = {}
        self.packed: tuple[Packed, Around, float | None] | None = None
        self.task: Any = None
        self.workers = _WorkersSeen(client)
        self.missed_since: float | None = None
        self.pause = POLLED
        self.why_gone: str | None = None

    @property
    def in_flight(self) -> int:
        """How many chunks it should have: one that each worker is at, and one that waits."""
        return int(2 * self.size)

    @property
    def waits_for(self) -> int:
        """How many chunks have not come back."""
        return len(self.held) + len(self.running) + len(self.finished)

    def open(self, packed: Packed, around: Around, seconds: float | None) -> None:
        """Have the following chunks done by this work, which is sent to every worker once."""
        self.packed, self.task = (packed, around, seconds), None
        if seconds is not None:
            with contextlib.suppress(Exception):
                self.client.subscribe_topic(self.name, self._is_told)

    def _is_told(self, event: Any) -> None:
        """Hear from a worker that an evaluation takes too long, and where it is."""
        _, said = event
        self.too_slow[int(said["number"])] = str(said["where"])

    def submit(self, chunk: Any) -> int:
        """Give a chunk to the worker that has least to do, as soon as there is one, and return its number."""
        number = next(self.numbers)
        self.held[number] = chunk
        self._send_held()
        return number

    def _send_held(self) -> None:
        for number in list(self.held):
            worker = self._least_busy()
            if worker is None and self.workers.answers:
                return
            where = {} if worker is None else {"workers": [worker], "allow_other_workers": False}
            try:
                if self.task is None:
                    self.task = self._sent_task()
                future = self.client.submit(
                    done_by_worker,
                    self.task,
                    number,
                    self.held[number],
                    key=f"{self.name}-{number}",
                    pure=False,
                    **(where | self.submit_options),
                )
            except Exception as error:  # a worker ends in the middle of it, or the scheduler is gone
                self.workers.failed(text_of(error))
                return
            del self.held[number]
            self.running[number] = _Sent(future, worker)

    def _least_busy(self) -> str | None:
        """Return the address of the worker with the fewest chunks for each of its threads, None if there is none."""
        threads = self.workers.settled()
        loads = dict.fromkeys(threads, 0)
        for sent in self.running.values():
            if sent.worker in loads:
                loads[sent.worker] += 1
        return min(loads, key=lambda worker: loads[worker] / threads[worker], default=None)

    def _sent_task(self) -> Any:
        """Return the task as workers have it: a small one from the scheduler, a large one from each other.

        Where those end that have a large one, it is sent again; a small one the scheduler can make again.
        """
        assert self.packed is not None
        packed, around, seconds = self.packed
        topic = None if seconds is None else self.name
        task = Task(packed.sent(stays=True), around, seconds, None, topic)
        if packed.size <= KEPT_BY_SCHEDULER:
            key = f"{self.name}-{packed.name}-{next(self.numbers)}"
            return self.client.submit(_same, task, key=key, pure=False, **self.submit_options)
        return self.client.scatter(task, hash=False, timeout=SENT_WITHIN)

    def back(self) -> Mapping[int, Outcome | Lost]:
        """Return what came back since, and wait a little if nothing has."""
        if self._is_gone():
            numbers = [*self.held, *self.running, *self.finished]
            self.held, self.running, self.finished = {}, {}, {}
            return {number: Lost(f"{self.why_gone}", Loss.NOT_BEGUN) for number in numbers}
        self.workers.look_if_due()
        came = self._slow() | self._ended() | self._done() | self._fetched()
        self._send_held()
        if came:
            self.pause = POLLED
        else:
            time.sleep(self.pause)
            self.pause = min(POLLED_LESS * self.pause, POLLED_AT_LEAST)
        return came

    def _slow(self) -> dict[int, Outcome | Lost]:
        """Take back the chunks that take too long, before their workers end."""
        slow = {number: where for number, where in tuple(self.too_slow.items()) if number in self.running}
        self._cancel([self.running.pop(number).future for number in slow])
        return {number: Lost(f"it was still at {where}", Loss.TOO_SLOW) for number, where in slow.items()}

    def _ended(self) -> dict[int, Outcome | Lost]:
        """Take back the chunks of workers that ended."""
        ended = [number for number, sent in self.running.items() if self.workers.is_without(sent.worker)]
        self._cancel([self.running.pop(number).future for number in ended])
        return dict.fromkeys(ended, self._worker_ended())

    def _worker_ended(self) -> Lost:
        seconds = None if self.packed is None else self.packed[2]
        if seconds is None:
            return Lost("its worker ended")
        return Lost(f"its worker ended, as one does that hangs in C for longer than timeout={seconds:g}")

    def _done(self) -> dict[int, Outcome | Lost]:
        """Set aside the chunks that are finished, and return what became of those that never will be."""
        came: dict[int, Outcome | Lost] = {}
        for number in [number for number, sent in self.running.items() if sent.future.done()]:
            sent = self.running.pop(number)
            if sent.future.status == "finished":
                self.finished[number] = sent
                continue
            error = sent.future.exception() if sent.future.status == "error" else None
            if type(error).__name__ == "KilledWorker":
                came[number] = self._worker_ended()
            elif error is not None:
                came[number] = Lost(text_of(error))
            else:
                self.task = None  # all workers that had it are gone
                came[number] = Lost("it was cancelled, with what it needs", Loss.NOT_BEGUN)
        return came

    def _fetched(self) -> dict[int, Outcome | Lost]:
        """Return results that are here; those of workers that ended before they were fetched are computed again."""
        if self.fetch is None and self.finished:
            numbers = list(self.finished)
            futures = [self.finished[number].future for number in numbers]
            self.fetch = numbers, self.fetcher.submit(self.client.gather, futures)
        if self.fetch is None:
            return {}
        numbers, fetched = self.fetch
        concurrent.futures.wait([fetched], timeout=LOOKED)
        gone = [number for number in numbers if self.workers.is_without(self.finished[number].worker)]
        if not fetched.done():
            self._cancel([self.finished[number].future for number in gone])
            return {}
        self.fetch = None
        if fetched.exception() is None:
            for number in numbers:
                del self.finished[number]
            return dict(zip(numbers, fetched.result(), strict=True))
        cancelled = [number for number in numbers if self.finished[number].future.status != "finished"]
        for number in cancelled:
            del self.finished[number]
        return dict.fromkeys(cancelled, Lost("its worker ended with the result", Loss.NOT_BEGUN))

    def _cancel(self, futures: Collection[Any]) -> None:
        if futures:
            self.client.cancel(list(futures), force=True)

    def _is_gone(self) -> bool:
        """Tell whether there is no scheduler any more, or has been none for long, or no workers."""
        status, now = self.client.status, time.monotonic()
        if self.why_gone is not None:
            return True
        if status == "running":
            self.missed_since = None
            if self.workers.nobody_for(WORKERS_COME_WITHIN):
                self.why_gone = self.workers.failure or "all of its workers ended"
        elif status in ("closed", "closing"):
            self.why_gone = "the connection to the scheduler was closed"
        else:
            self.missed_since = self.missed_since or now
            if now - self.missed_since > GONE_AFTER:
                self.why_gone = "the scheduler went away"
        return self.why_gone is not None

    def close(self) -> None:
        """Cancel what runs, and have the workers forget what they were sent."""
        futures = [sent.future for sent in (*self.running.values(), *self.finished.values())]
        self.held, self.running, self.finished = {}, {}, {}
        self.task = self.fetch = None
        self.fetcher.shutdown(wait=False, cancel_futures=True)
        if self._is_gone():
            return
        self._cancel(futures)
        with contextlib.suppress(Exception):
            self.client.unsubscribe_topic(self.name)


def _same(task: Task) -> Task:
    return task


class _WorkersSeen:
    """The workers that the scheduler has, by address, asked now and then: how many threads, and since when.

    ``answers`` is False where it does not say: then dask chooses the workers, and its own way must do where they end.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.threads: dict[str, int] = {}
        self.since: dict[str, float] = {}
        self.answers = True
        self.looked = self.saw_somebody = time.monotonic()
        self.failure: str | None = None
        self._look()
        self.since = dict.fromkeys(self.since, -SETTLED_AFTER)  # those that were there are no new ones

    def settled(self) -> dict[str, int]:
        """Return the threads of the workers that have not just begun."""
        latest = time.monotonic() - SETTLED_AFTER
        return {worker: threads for worker, threads in self.threads.items() if self.since[worker] <= latest}

    def is_without(self, worker: str | None) -> bool:
        """Tell whether a worker ended."""
        return worker is not None and worker not in self.threads

    def nobody_for(self, seconds: float) -> bool:
        """Tell whether no worker was seen for so long."""
        return self.answers and not self.threads and time.monotonic() - self.saw_somebody > seconds

    def failed(self, why: str) -> None:
        """Take note that nothing could be sent to them, and wait for another look."""
        self.failure = why
        self.since = dict.fromkeys(self.since, time.monotonic())

    def look_if_due(self) -> None:
        """Ask the scheduler, if the last answer is old."""
        if self.answers and time.monotonic() - self.looked > LOOKED and self.client.status == "running":
            self._look()

    def _look(self) -> None:
        try:
            threads = self.client.run_on_scheduler(threads_of_workers, callback_timeout=ANSWERED_WITHIN)
        except TimeoutError:
            return
        except Exception:  # it has no fastcheck, or is gone
            self.answers = self.client.status != "running"
            return
        finally:
            self.looked = time.monotonic()
        self.since = {worker: self.since.get(worker, self.looked) for worker in threads}
        self.threads = dict(threads)
        if threads:
            self.saw_somebody = self.looked


def threads_of_workers(dask_scheduler: Any = None) -> dict[str, int]:
    """Return the addresses of a scheduler's workers, and how many threads each has."""
    return {address: max(1, worker.nthreads) for address, worker in dask_scheduler.workers.items()}


class OtherBackend:
    """A backend of joblib's of which nothing else is known, such as that of ray: it gets many chunks at once."""

    blames_exactly = False
    most_given_up = 30

    def __init__(self, backend: str | None, size: int) -> None:
        self.backend, self.size = backend, size
        self.workers: Any = None
        self.numbers = itertools.count()
        self.chunks: dict[int, Any] = {}
        self.task: Task | None = None
        self.why_gone: str | None = None

    @property
    def in_flight(self) -> int:
        """How many chunks it gets at once."""
        return 16 * self.size

    @property
    def waits_for(self) -> int:
        """How many chunks have not come back."""
        return len(self.chunks)

    def open(self, packed: Packed, around: Around, seconds: float | None) -> None:
        """Have the following chunks done by this work."""
        self.task = Task(packed.sent(), around, seconds, None)

    def submit(self, chunk: Any) -> int:
        """Give a chunk to the workers, and return its number."""
        number = next(self.numbers)
        self.chunks[number] = chunk
        return number

    def back(self) -> Mapping[int, Outcome | Lost]:
        """Have all chunks done that were given, and return what came of them.

        Each worker gets its share at once, so that the parcel is sent once for all of them.
        """
        import joblib

        chunks, self.chunks = list(self.chunks.items()), {}
        shares = [share for k in range(self.size) if (share := chunks[k :: self.size])]
        do = joblib.delayed(_all_done_by_worker)
        try:
            if self.workers is None:
                workers = joblib.Parallel(
                    n_jobs=self.size, backend=self.backend, max_nbytes=None, batch_size=1
                )
                self.workers = workers.__enter__()
            came = self.workers(do(self.task, share) for share in shares)
        except Exception as error:
            self.close()
            return {number: Lost(text_of(error)) for number, _ in chunks}
        return {number: outcome for outcomes in came for number, outcome in outcomes}

    def close(self) -> None:
        """End what joblib started."""
        if self.workers is not None:
            workers, self.workers = self.workers, None
            workers.__exit__(None, None, None)


def _all_done_by_worker(task: Task, chunks: Sequence[tuple[int, Any]]) -> list[tuple[int, Outcome]]:
    return [(number, done_by_worker(task, number, chunk)) for number, chunk in chunks]
