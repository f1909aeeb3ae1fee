"""Arrays of a cost in workers: sent once, laid out as they were, and nobody else's."""

import os
import pickle

import joblib
import numpy as np
import pytest

from fastcheck import check
from fastcheck.workers import pools
from fastcheck.workers.parcels import ALIGNMENT, Packed

RNG = np.random.default_rng(2)


def odd(count):
    """Return numbers that begin 8 bytes after a line of the cache."""
    memory = np.empty(count + ALIGNMENT // 8)
    begin = (8 - memory.ctypes.data) % ALIGNMENT // 8
    array = memory[begin : begin + count]
    array[:] = RNG.standard_normal(count)
    assert array.ctypes.data % ALIGNMENT == 8
    return array


def read_only(array):
    array.flags.writeable = False
    return array


ARRAYS = {
    "usual": RNG.standard_normal((30, 20)),
    "Fortran order": np.asfortranarray(RNG.standard_normal((30, 20))),
    "not contiguous": RNG.standard_normal((40, 41))[::2, 1::3],
    "at an odd place": odd(999),
    "read-only": read_only(RNG.standard_normal(100)),
    "float32": RNG.standard_normal((9, 9)).astype(np.float32),
    "without entries": np.empty((0, 3)),
    "without axes": np.array(2.5),
    "structured": np.array([(1, 2.5, "a"), (2, 3.5, "b")], dtype=[("n", int), ("x", float), ("s", "U3")]),
    "objects": np.array([1, "two", None, 3.0], dtype=object),
    "complex": RNG.standard_normal(8) + 1j,
    "masked": np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False]),
}


@pytest.fixture
def on_disk(tmp_path):
    array = np.memmap(tmp_path / "numbers", dtype=float, mode="w+", shape=(50,))
    array[:] = np.arange(50.0)
    return array


def opened(work, how, tmp_path):
    packed = Packed(work)
    parcel = packed.filed(str(tmp_path)) if how == "mapped from a file" else packed.sent()
    return pickle.loads(pickle.dumps(parcel)).opened()


HOW = pytest.mark.parametrize("how", ["mapped from a file", "sent as bytes"])


@HOW
@pytest.mark.parametrize("kind", [*ARRAYS, "on disk"])
def test_an_array_is_what_it_was(kind, how, tmp_path, on_disk):
    array = on_disk if kind == "on disk" else ARRAYS[kind]
    other = opened({"array": array, "before": np.ones(3)}, how, tmp_path)["array"]
    assert other.dtype == array.dtype
    assert other.shape == array.shape
    np.testing.assert_array_equal(other, array)
    if kind in ("usual", "Fortran order", "at an odd place", "read-only", "float32", "complex"):
        assert other.flags.f_contiguous == array.flags.f_contiguous
        assert other.flags.writeable == array.flags.writeable
        assert other.ctypes.data % ALIGNMENT == array.ctypes.data % ALIGNMENT


@HOW
def test_what_a_worker_writes_to_an_array_stays_with_it(how, tmp_path):
    array = np.arange(5.0)
    first, second = (opened(array, how, tmp_path) for _ in range(2))
    first[:] = -1.0
    assert second.tolist() == array.tolist() == list(range(5))


class Careless:
    """A cost that writes into its data, and puts back what was there."""

    def __init__(self):
        self.data = RNG.standard_normal(1_000_000)

    def __call__(self, w):
        kept, self.data[:3] = self.data[:3].copy(), w
        value = float(self.data @ self.data)
        self.data[:3] = kept
        return value


@pytest.mark.usefixtures("eager_workers")
def test_a_cost_with_much_data_is_sent_once_and_its_tasks_are_small(monkeypatch):
    cost, w = Careless(), np.array([0.5, -1.0, 2.0])
    before = cost.data.copy()
    filed, tasks, processes = [], [], pools.Processes
    of_packed, submit = Packed.filed, processes.submit

    def counted(packed, folder):
        parcel = of_packed(packed, folder)
        filed.append(os.path.getsize(parcel.path))
        return parcel

    def measured(pool, chunk):
        tasks.append(len(pickle.dumps((pool.task, chunk))))
        return submit(pool, chunk)

    monkeypatch.setattr(Packed, "filed", counted)
    monkeypatch.setattr(processes, "submit", measured)
    alone = check(cost, w, np.array([1.0, -2.0, 5.0]), method="plain")
    with joblib.parallel_config(backend="loky", n_jobs=2):
        shared = check(cost, w, np.array([1.0, -2.0, 5.0]), method="plain")
    said = [report.to_dict() | {"seconds": None} for report in (alone, shared)]
    assert said[0] == said[1]
    assert said[0]["verdict"] == "fail"
    assert len(filed) == 1
    assert 8e6 < filed[0] < 9e6
    assert len(tasks) > 10
    assert max(tasks) < 10_000
    assert cost.data.tobytes() == before.tobytes()
