"""A dask cluster of two worker processes, in a process of its own: somebody else's, as far as the soak is concerned."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.soak.leaks import of_session

STARTED = "cluster at "

WORKERS = 2

COME_WITHIN = 30
"""Seconds in which they should be there."""


class OwnCluster:
    """A cluster that is started when it is needed first, and again where it has gone, with its files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.address = ""

    @contextlib.contextmanager
    def client(self) -> Iterator[Any]:
        """Yield a client of the cluster, of another one where its workers do not come back.

        A nanny of dask's does not start a worker again that is killed while it begins.
        """
        from distributed import Client

        if self.process is None or self.process.poll() is not None:
            self._start()
        elif not self._has_its_workers():
            self.close()
            self._start()
        with Client(self.address, timeout=30) as client:
            client.wait_for_workers(WORKERS, timeout=COME_WITHIN)
            yield client

    def _has_its_workers(self) -> bool:
        from distributed import Client

        try:
            with Client(self.address, timeout=30) as client:
                client.wait_for_workers(WORKERS, timeout=COME_WITHIN)
        except (OSError, TimeoutError):
            return False
        return True

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            env=os.environ | {"DASK_TEMPORARY_DIRECTORY": str(self.folder), "TMPDIR": str(self.folder)},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith(STARTED):
            raise RuntimeError(f"the cluster did not start: {line!r}")
        self.address = line.removeprefix(STARTED).strip()

    def pids(self) -> set[int]:
        """Return the numbers of its workers; what the process that started them has is dask's own."""
        if self.process is None:
            return set()
        return {process.pid for process in of_session(self.process.pid)} - {self.process.pid}

    def kill(self) -> None:
        """Kill all of its processes, the scheduler first."""
        if self.process is not None:
            self.process.kill()
            for process in of_session(self.process.pid):
                process.kill()
            self.process.wait()

    def close(self) -> None:
        """End all of its processes."""
        if self.process is None:
            return
        leader = self.process.pid
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for process in of_session(leader):
            process.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None


def main() -> None:
    """Run a cluster until SIGTERM comes, or nobody reads what is printed any more."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        print(f"{STARTED}{cluster.scheduler_address}", flush=True)
        parent = os.getppid()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        while os.getppid() == parent:
            time.sleep(1)


if __name__ == "__main__":
    main()
