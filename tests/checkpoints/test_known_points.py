"""J at many points: as a dict keeps it, in a fraction of the memory."""

import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastcheck.checkpoints import known_points
from fastcheck.checkpoints.known_points import KnownPoints
from fastcheck.checkpoints.points import Keys

# Halves of keys are often equal, which those of digests hardly ever are.
HALVES = st.sampled_from([bytes(8), b"\xff" * 8, b"\0" * 7 + b"\1", b"\1" + b"\0" * 7])
KEYS = st.builds(lambda a, b: a + b, HALVES, HALVES)
PAIRS = st.lists(st.tuples(KEYS, st.floats(allow_nan=False)), max_size=30)


def added_together(known, pairs):
    halves = np.frombuffer(b"".join(key for key, _ in pairs), dtype="<u8").reshape(-1, 2)
    known.add_many(halves[:, 0], halves[:, 1], np.array([value for _, value in pairs]))


@given(PAIRS, PAIRS, PAIRS)
def test_points_are_known_as_they_were_first(first, second, third):
    known, expected = KnownPoints(), {}
    for pairs in (first, second):
        added_together(known, pairs)
        for key, value in pairs:
            expected.setdefault(key, value)
    for key, value in third:
        if known.find(key) is None:
            known.add(key, value)
        expected.setdefault(key, value)
    known._join_recent()
    assert len(known) == len(expected)
    assert {key: known.find(key) for key in expected} == expected
    assert known.find(b"\7" * 16) is None


def test_points_that_come_one_by_one_take_little_memory(monkeypatch):
    monkeypatch.setattr(known_points, "FEWEST_JOINED", 1000)
    known, keys = KnownPoints(), Keys(np.zeros(1))
    tracemalloc.start()
    for k in range(1, 20_001):
        known.add(keys.moved(0, float(k)), float(k))
    assert tracemalloc.get_traced_memory()[0] < 60 * 20_000  # a dict takes 170
    tracemalloc.stop()
    assert [known.find(keys.moved(0, float(k))) for k in (1, 777, 20_000, 20_001)] == [1, 777, 20_000, None]


def test_keys_tell_points_apart_by_every_bit():
    theta = np.array([1.0, 0.0, 2.0])
    keys = Keys(theta)
    points = [theta + step for step in np.eye(3)]
    points += [np.array([1.0, -0.0, 2.0]), np.array([0.0, 1.0, 2.0]), np.nextafter(theta, 9)]
    found = {keys.point(point) for point in points}
    assert len(found) == len(points)
    assert {len(key) for key in found} == {16}
    assert keys.point(theta.copy()) is None
    assert keys.moved(0, 1.0) is None
    moved = {keys.moved(i, value) for i in range(3) for value in (3.0, 4.0, np.nextafter(3.0, 4))}
    assert len(moved) == 9
    # What a task evaluates may round in another way than what is evaluated alone.
    assert keys.moved(0, 2.0) != keys.point(np.array([2.0, 0.0, 2.0]))
