"""Workers that several checks share do one work at a time, and are ended by who keeps them."""

import pytest

from fastcheck.workers.choosing import Workers
from fastcheck.workers.keeping import Pools, workers_kept, workers_shared


class FakePool:
    waits_for = 0

    def __init__(self):
        self.works, self.is_closed = [], False

    def open(self, packed, around, seconds):
        self.works.append(packed)

    def close(self):
        self.is_closed = True


LOKY = Workers("processes", "loky", 2, lambda size: FakePool(), asked_for=True)


def lent_to(pools, work):
    with workers_kept(pools), pools.lent(LOKY) as pool:
        pools.open(pool, work, None, None)
    return pool


def test_one_check_after_the_other_has_the_same_workers_which_are_given_the_work_of_each():
    with workers_shared():
        first = lent_to(Pools(), "a")
        assert Pools().are_running(LOKY)
        second = lent_to(Pools(), "b")
        third = lent_to(Pools(), "a")
        assert first is second is third
        assert first.works == ["a", "b", "a"]
        assert not first.is_closed
    assert first.is_closed
    assert not Pools().are_running(LOKY)
    assert lent_to(Pools(), "a").is_closed


def test_a_check_within_a_check_gets_workers_of_its_own():
    with workers_shared():
        outer = Pools()
        with workers_kept(outer), outer.lent(LOKY) as pool:
            outer.open(pool, "outer", None, None)
            inner = lent_to(Pools(), "inner")
            assert inner is not pool
            assert inner.is_closed
            assert not pool.is_closed
        assert pool.works == ["outer"]
        assert lent_to(Pools(), "next") is pool


def test_workers_that_an_exception_leaves_at_something_are_ended():
    with workers_shared():
        pools = Pools()
        with pytest.raises(KeyError), workers_kept(pools), pools.lent(LOKY) as pool:
            raise KeyError
        assert pool.is_closed
        assert lent_to(Pools(), "next") is not pool


def test_other_kinds_are_those_of_a_check_alone():
    fork = Workers("processes", "multiprocessing", 2, lambda size: FakePool(), asked_for=True)
    with workers_shared():
        pools = Pools()
        with workers_kept(pools), pools.lent(fork) as pool:
            pass
        assert pool.is_closed
