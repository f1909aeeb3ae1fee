"""What this process holds of the system: what a check took must be given back, however it ends.

Two processes belong to Python and to joblib: their *resource trackers*, which start with the first worker process,
serve the whole process from then on, whoever else uses them, and end with it. Stock is taken with both of them there.
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from dataclasses import dataclass, fields
from pathlib import Path

import psutil

SETTLED_AFTER = 5.0
"""Seconds in which the system has taken back what was closed: a process that was killed, a thread that returns."""

TRACKERS = "resource_tracker import main"
"""In the command lines of both trackers."""


@dataclass(frozen=True)
class Stock:
    """What this process, and its children, have of each kind."""

    processes: frozenset[str]
    threads: frozenset[str]
    native_threads: int
    descriptors: frozenset[str]
    files: frozenset[str]
    shared_memory: frozenset[str]


def take_stock(folder: Path) -> Stock:
    """Return what there is; temporary files are those in a folder, which is that of this test alone."""
    process = psutil.Process()
    children = process.children(recursive=True)
    return Stock(
        frozenset(_described(child) for child in children) - {""},
        frozenset(f"{thread.name} {thread.ident}" for thread in threading.enumerate()),
        process.num_threads(),
        frozenset(_descriptors()),
        frozenset(str(path.relative_to(folder)) for path in folder.rglob("*")),
        frozenset(_shared_memory({process.pid, *(child.pid for child in children)})),
    )


def start_trackers() -> None:
    """Start both trackers, if they are not there."""
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as of_joblib

    resource_tracker.ensure_running()
    of_joblib.ensure_running()


@contextlib.contextmanager
def nothing_left(folder: Path):
    """Whatever is begun within the block has ended soon after it."""
    before = take_stock(folder)
    yield
    gc.collect()  # an exception that was caught may hold itself, by frames that hold what was closed
    ends = time.monotonic() + SETTLED_AFTER
    while (left := left_over(before, take_stock(folder))) and time.monotonic() < ends:
        time.sleep(0.02)
    assert not left, left


def left_over(before: Stock, after: Stock) -> dict[str, object]:
    """Return what is there only afterwards, by kind."""
    left: dict[str, object] = {}
    for kind in (field.name for field in fields(Stock)):
        was, now = getattr(before, kind), getattr(after, kind)
        new = max(0, now - was) if isinstance(was, int) else now - was
        if new:
            left[kind] = new
    return left


def _described(process: psutil.Process) -> str:
    """Return the number and command of a process, nothing for a tracker, and for one that has ended meanwhile."""
    with contextlib.suppress(psutil.NoSuchProcess):
        command = " ".join(process.cmdline()) or process.status()
        return "" if TRACKERS in command else f"{process.pid} {command}"
    return ""


def _descriptors():
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            yield f"{number} {os.readlink(f'/proc/self/fd/{number}')}"


def _shared_memory(processes: set[int]):
    """Yield what is in shared memory, semaphores among it, that names one of these processes, as libraries do."""
    for name in os.listdir("/dev/shm"):
        if any(str(process) in name.replace("_", "-").split("-") for process in processes):
            yield name
