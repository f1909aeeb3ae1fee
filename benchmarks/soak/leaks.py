"""What a check may leave behind: processes, threads, file descriptors, shared memory, temporary files, memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

SHARED = Path("/dev/shm")
PATIENCE = 10.0
"""Seconds in which what is about to go may go."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What this process has now, in words, by kind; ``shared`` are all names there are, of whichever process."""

    kinds: dict[str, Counter[str]]
    shared: frozenset[str]
    pids: frozenset[int]

    @classmethod
    def now(cls) -> Snapshot:
        """Return what there is."""
        children = [
            child for child in psutil.Process().children(recursive=True) if _is_of_this_session(child)
        ]
        kinds = {
            "process": Counter(map(_describe, children)),
            "thread": Counter(thread.name for thread in threading.enumerate()),
            "native threads": Counter({"of any name": psutil.Process().num_threads()}),
            "file descriptor": Counter(_descriptors()),
            "temporary file": Counter(_below(Path(tempfile.gettempdir()))),
        }
        return cls(kinds, frozenset(_names(SHARED)), frozenset(child.pid for child in children))

    def since(self, before: Snapshot, pids: Iterable[int] = ()) -> list[str]:
        """Return what is here and was not before, in words; shared memory if it is named by one of these processes."""
        left = []
        for kind, counts in self.kinds.items():
            left += [
                f"{kind}: {what} (+{more})" for what, more in sorted((counts - before.kinds[kind]).items())
            ]
        ours = {os.getpid(), *self.pids, *before.pids, *pids}
        left += [
            f"shared memory: {name}" for name in sorted(self.shared - before.shared) if _is_of(name, ours)
        ]
        return left


def left_behind(before: Snapshot, pids: Iterable[int] = (), patience: float = PATIENCE) -> list[str]:
    """Return what was not there before, and does not go within some seconds."""
    end, pids = time.monotonic() + patience, tuple(pids)
    while True:
        gc.collect()
        left = Snapshot.now().since(before, pids)
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def of_session(leader: int) -> list[psutil.Process]:
    """Return the living processes of the session that this process started."""
    found = []
    for process in psutil.process_iter():
        try:
            is_one = os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE
        except (ProcessLookupError, PermissionError, psutil.Error):
            continue
        if is_one:
            found.append(process)
    return found


def memory() -> int:
    """Return the bytes of memory that this process holds, after it gave back what it can."""
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


def _is_of_this_session(process: psutil.Process) -> bool:
    """Tell whether a process is ours: a cluster, and what it starts, has a session of its own."""
    try:
        return os.getsid(process.pid) == os.getsid(0)
    except (ProcessLookupError, PermissionError):
        return False


def _describe(process: psutil.Process) -> str:
    try:
        words = process.cmdline() or [process.name()]
    except psutil.Error:
        return "one that just ended"
    return re.sub(r"\d+", "N", " ".join(words))[:120]


def _descriptors() -> list[str]:
    """Return what the file descriptors of this process lead to; numbers of pipes and sockets are left out."""
    targets = []
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return [f"{psutil.Process().num_fds()}"]
    for name in os.listdir(folder):
        try:
            target = os.readlink(folder / name)
        except OSError:  # the one that listed the folder
            continue
        targets.append(re.sub(r":\[\d+\]", "", target))
    return targets


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.exists() else []


def _below(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*")]


def _is_of(name: str, pids: set[int]) -> bool:
    """Tell whether a name in shared memory names one of these processes; one that names none is anybody's."""
    return any(int(number) in pids for number in re.findall(r"\d+", name) if len(number) < 10)
