"""`max_memory` bounds what checks allocate, in this process and in all workers together."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from fastcheck import check

MEASURED = """
    import sys, threading, time
    import numpy as np, psutil
    from fastcheck import check, execution
    from fastcheck.problem import ahead

    execution.WORKERS_PAY_AFTER = {"processes": 0.0, "threads": 0.0, "cluster": 0.0}
    execution.SECONDS_OF_SENDING, execution.seconds_of_imports = 0.0, lambda _: 0.0
    size, backend, limit = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    process = psutil.Process()

    def used(of):
        \"\"\"What a process has for itself, and its share of what it shares.\"\"\"
        try:
            return of.memory_full_info().pss
        except psutil.Error:
            return 0

    def cost(w):
        time.sleep(0.001)
        return float(w @ w)

    def peak(theta, **options):
        highest, processes, done = 0, 0, threading.Event()

        def watch():
            nonlocal highest, processes
            while not done.wait(0.01):
                all_of_them = [process, *process.children(recursive=True)]
                highest = max(highest, sum(map(used, all_of_them)))
                processes = max(processes, len(all_of_them))

        watching = threading.Thread(target=watch)
        watching.start()
        options = dict(method="plain", n_jobs=2, backend=backend, max_memory=limit) | options
        report = check(cost, theta, 2 * theta, coordinates=40, **options)
        done.set()
        watching.join()
        assert report.passed
        return highest, processes, report.notes

    peak(np.linspace(0.1, 1.0, 50))
    before, processes, _ = peak(np.linspace(0.1, 1.0, 50))
    theta = np.linspace(0.1, 1.0, size)
    after, processes_now, notes = peak(theta)
    print(after - before, processes_now, any("workers were used" in note for note in notes))
"""


def measured(size, backend, limit):
    """Return by how many bytes the processes grow, how many there are, and whether fewer workers were used."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEASURED), str(size), backend, str(limit)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    grown, processes, fewer = done.stdout.split()
    return int(grown), int(processes), fewer == "True"


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["multiprocessing", "loky", "threading", "sequential"])
def test_all_processes_together_stay_below_the_limit(backend):
    """θ and the claim are 16 MB each; this test, the problem and its claim hold copies of them."""
    size, limit = 2_000_000, 200_000_000
    grown, _, fewer = measured(size, backend, limit)
    assert not fewer
    assert grown < limit + 4 * 8 * size


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["multiprocessing", "threading"])
def test_fewer_workers_are_used_where_all_of_them_would_exceed_it(backend):
    size, limit = 2_000_000, 100_000_000
    grown, processes, fewer = measured(size, backend, limit)
    assert fewer
    assert processes == 1
    assert grown < limit + 4 * 8 * size


@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize(("limit", "used"), [(40_000, None), (15_000, 2), (7_000, 1)])
def test_a_note_tells_of_workers_that_were_not_used(limit, used):
    theta = np.linspace(0.1, 1.0, 200)  # 6.4 kB for each worker
    options = {"method": "plain", "n_jobs": 3, "backend": "threads", "max_memory": limit}
    report = check(lambda w: float(w @ w), theta, 2 * theta, **options)
    said = [note for note in report.notes if "workers were used" in note]
    assert report.passed
    assert [note.split(",")[0] for note in said] == (
        [] if used is None else [f"{used} of 3 workers were used"]
    )
