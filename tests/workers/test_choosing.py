"""Which workers are chosen: by the call, by joblib's configuration around it, and none inside a worker."""

import os
import subprocess
import sys
import textwrap
import threading

import joblib
import pytest

from fastcheck.errors import InvalidProblemError
from fastcheck.workers.choosing import choose_workers, is_inside_worker
from fastcheck.workers.library_threads import one_thread

CONFIGURED = [
    ({"backend": "loky", "n_jobs": 2}, "loky", 2),
    ({"backend": "threading", "n_jobs": 3}, "threading", 3),
    ({"backend": "multiprocessing", "n_jobs": 2}, "multiprocessing", 2),
    ({"backend": "sequential", "n_jobs": 2}, "sequential", 1),
    ({"n_jobs": 2}, "loky", 2),
    ({"n_jobs": 2, "prefer": "threads"}, "threading", 2),
    ({"n_jobs": 2, "prefer": "processes"}, "loky", 2),
    ({"n_jobs": 2, "require": "sharedmem"}, "threading", 2),
    ({"backend": "loky", "n_jobs": 2, "require": "sharedmem"}, "threading", 2),
    ({"backend": "loky"}, "loky", 1),
    ({"backend": "loky", "n_jobs": 1}, "loky", 1),
]


@pytest.mark.parametrize(("configuration", "name", "size"), CONFIGURED)
def test_a_configuration_of_joblib_chooses(configuration, name, size):
    with joblib.parallel_config(**configuration):
        chosen = choose_workers(None, None, "processes")
    assert (chosen.name, chosen.size) == (name, size)


def test_what_suits_the_cost_is_chosen_if_nobody_chose():
    for suits, name in [("processes", "loky"), ("threads", "threading")]:
        assert choose_workers(2, None, suits).name == name
        with joblib.parallel_config(n_jobs=2):
            chosen = choose_workers(None, None, suits)
        assert (chosen.name, chosen.size, chosen.asked_for) == (name, 2, False)


def test_without_a_configuration_there_is_one_worker():
    assert choose_workers(None, None, "processes").size == 1
    assert choose_workers(1, None, "threads").size == 1


def test_the_call_goes_before_the_configuration():
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert choose_workers(3, None, "processes").size == 3
        assert choose_workers(1, None, "processes").size == 1
        chosen = choose_workers(None, "threads", "processes")
        assert (chosen.name, chosen.size) == ("threading", 2)
        assert choose_workers(2, "sequential", "processes").name == "sequential"
    with joblib.parallel_config(n_jobs=2, require="sharedmem"):
        assert choose_workers(None, "processes", "processes").name == "loky"


def test_the_inner_configuration_goes_before_the_outer_one():
    with joblib.parallel_config(backend="loky", n_jobs=4), joblib.parallel_config(backend="threading"):
        chosen = choose_workers(None, None, "processes")
        assert (chosen.name, chosen.size) == ("threading", 4)


def chosen_here(n_jobs, backend):
    chosen = choose_workers(n_jobs, backend, "processes")
    return chosen.name, chosen.size


@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.parametrize("asked", [(2, None), (2, "processes"), (-1, "threads"), (None, None)])
def test_inside_a_worker_of_joblib_there_are_none(backend, asked):
    chosen = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(chosen_here)(*asked) for _ in range(2))
    assert chosen == [("sequential", 1)] * 2


def test_inside_a_loop_of_joblib_with_one_worker_there_are_some():
    assert joblib.Parallel(n_jobs=1)([joblib.delayed(chosen_here)(2, None)]) == [("loky", 2)]


def test_inside_a_worker_of_ours_there_are_none():
    with one_thread():
        assert is_inside_worker()
        assert chosen_here(2, "processes") == ("sequential", 1)
        seen = []
        thread = threading.Thread(target=lambda: seen.append(is_inside_worker()))
        thread.start()
        thread.join()
        assert seen == [False]
    assert not is_inside_worker()
    assert chosen_here(2, "processes") == ("loky", 2)


def in_another_process(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=os.environ | environment,
    )
    return done.stdout.strip()


COUNTED = """
    from fastcheck.workers.choosing import choose_workers
    print(*(choose_workers(-1, backend, "processes").size for backend in ("processes", "threads")))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes are bound to cores on Linux")
def test_all_cores_are_those_that_the_process_may_use():
    one = min(os.sched_getaffinity(0))
    bound = f"""
    import os
    os.sched_setaffinity(0, [{one}])
    """
    assert in_another_process(bound + COUNTED) == "1 1"


def test_all_cores_are_as_many_as_the_environment_allows():
    assert in_another_process(COUNTED, LOKY_MAX_CPU_COUNT="1") == "1 1"


def test_a_backend_that_is_not_there():
    with pytest.raises(
        InvalidProblemError, match="backend: 'dask' is not available: To use Joblib with Dask"
    ) as raised:
        choose_workers(2, "dask", "processes")
    assert "client = Client()" in str(raised.value)
    assert "\n" not in str(raised.value).replace("\\n", "\n")
