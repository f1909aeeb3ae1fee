"""Claims that differ are counted as slopes come, the worst named, and none that is right."""

import numpy as np

from fastcheck.progress.differing import Differing


def in_tasks(claimed, slopes, allowed, sizes):
    claims, start = Differing("W[{}]".format), 0
    for size in sizes:
        rows = np.arange(start, start + size)
        claims.compare(rows, claimed[rows], slopes[rows], allowed[rows])
        start += size
    return claims


def test_the_counts_do_not_depend_on_the_tasks():
    slopes = np.linspace(1.0, 2.0, 60)
    claimed, allowed = slopes.copy(), np.full(60, 1e-6)
    claimed[[7, 30, 31]] += [1e-3, 1e-2, 5e-6]
    for sizes in ([60], [10] * 6, [1] * 60, [31, 29]):
        claims = in_tasks(claimed, slopes, allowed, sizes)
        assert claims.number_compared == 60
        assert claims.worst == (3, "W[30]", claimed[30], slopes[30])


def test_none_differ_where_all_are_right_and_what_is_not_known_does_not_count():
    slopes = np.array([1.0, np.nan, 0.0, 3.0])
    claims = in_tasks(np.array([1.0, 5.0, 0.0, 3.1]), slopes, np.array([0.0, 0.0, 0.0, 0.2]), [4])
    assert (claims.number_compared, claims.worst) == (3, None)


def test_the_worst_is_measured_by_what_is_allowed():
    claims = in_tasks(np.array([100.0, 1.0]), np.array([90.0, 0.0]), np.array([10.0 - 1e-9, 0.0]), [1, 1])
    assert claims.worst == (2, "W[1]", 1.0, 0.0)
