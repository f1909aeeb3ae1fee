"""The remaining time is honest: simulated with a clock of its own, for work whose pieces take unequal times."""

import numpy as np
import pytest

from fastcheck.progress.remaining_time import RemainingTime, in_words

SETUP = 30.0
"""Seconds before the first piece, which say nothing of the pace."""

UNFORESEEABLE = 15.0
"""Seconds before the end in which one piece that takes unusually long decides."""

LOOKS = 0.5
"""Seconds between two looks at the estimate."""


def simulated(sizes, seconds):
    """Yield (share done, estimate, truth) twice a second, from the first estimate on."""
    now = 0.0
    work = RemainingTime(sum(sizes), lambda: now)
    ends = SETUP + np.cumsum(seconds)
    done = 0
    while now < ends[-1] - 1e-9:
        upcoming = ends[done]
        now = min(now + LOOKS, upcoming)
        while done < len(sizes) and ends[done] <= now + 1e-12:
            work.advance(sizes[done])
            done += 1
        if (estimate := work.seconds()) is not None and now < ends[-1]:
            yield work.done / work.total, estimate, float(ends[-1] - now)


def even(rng):
    return [10] * 300, np.full(300, 0.2)


def uneven(rng):
    return [10] * 300, rng.lognormal(-1.5, 1.0, 300)


def pieces_of_many_sizes(rng):
    sizes = rng.integers(1, 200, 200)
    return list(map(int, sizes)), sizes * rng.lognormal(-5.0, 0.5, 200)


def slower_in_its_second_half(rng):
    return [10] * 300, np.where(np.arange(300) < 150, 0.1, 0.3) * rng.lognormal(0.0, 0.2, 300)


def long_pieces(rng):
    return [5] * 12, rng.uniform(8.0, 16.0, 12)


BOUNDS = {
    even: 1.05,
    uneven: 2.0,
    pieces_of_many_sizes: 2.0,
    slower_in_its_second_half: 3.5,  # three times, which nobody knows at first
    long_pieces: 2.0,
}


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("work", BOUNDS)
def test_the_estimate_is_right_within_a_factor_and_preparations_do_not_count(work, seed):
    looks = [
        (estimate, truth)
        for share, estimate, truth in simulated(*work(np.random.default_rng(seed)))
        if share > 0.2 and truth > UNFORESEEABLE
    ]
    assert len(looks) > 30
    ratios = [estimate / truth for estimate, truth in looks]
    assert 1 / BOUNDS[work] < min(ratios)
    assert max(ratios) < BOUNDS[work]


@pytest.mark.parametrize("work", BOUNDS)
def test_it_is_never_negative_and_counts_down_to_the_end(work):
    estimates = [estimate for _, estimate, _ in simulated(*work(np.random.default_rng(0)))]
    assert min(estimates) >= 0
    assert estimates[-1] < 6


def test_a_last_piece_that_takes_a_minute_is_not_nearly_done_all_the_time():
    sizes, seconds = [10] * 50, np.array([0.1] * 49 + [60.0])
    nearly_done = [
        estimate for _, estimate, truth in simulated(sizes, seconds) if estimate <= 1.5 and truth < 60
    ]
    assert len(nearly_done) * LOOKS <= 7.0


def test_a_piece_that_is_overdue_makes_the_rest_slower_too():
    now = 0.0
    work = RemainingTime(100, lambda: now)
    for _ in range(5):
        now += 1.0
        work.advance(10)
    assert work.seconds() == pytest.approx(5.0)
    now += 21.0
    assert work.seconds() > 4 * 5.0


def test_nothing_is_told_before_two_pieces_are_done_and_zero_at_the_end():
    now = 0.0
    work = RemainingTime(3, lambda: now)
    assert work.seconds() is None
    now = 40.0
    work.advance(1)
    assert work.seconds() is None
    now = 42.0
    work.advance(1)
    assert work.seconds() == pytest.approx(2.0)
    work.advance(1)
    assert work.seconds() == 0.0
    work.advance(1)  # more than was announced
    assert work.seconds() == 0.0


def test_seconds_in_words_are_no_more_exact_than_they_are_known():
    assert [in_words(s) for s in (0.0, 9.4, 9.6, 57, 58, 3569, 3571)] == [
        "1 s",
        "9 s",
        "10 s",
        "55 s",
        "1 min",
        "59 min",
        "1.0 h",
    ]
