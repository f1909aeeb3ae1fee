from __future__ import annotations

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fastcheck.errors import InvalidProblemError
from fastcheck.plan.sampling import (
    FIRST_OF_EACH_BLOCK,
    LARGEST_STORED_SHUFFLE,
    PrefixOrder,
    SampleProof,
    Shuffle,
    probability_of_at_most,
    prove,
)


def exact(found: int, drawn: int, size: int, marked: int) -> Fraction:
    ways = sum(math.comb(marked, i) * math.comb(size - marked, drawn - i) for i in range(found + 1))
    return Fraction(ways, math.comb(size, drawn))


# The distribution


@pytest.mark.parametrize("size", [1, 2, 7, 12])
def test_probabilities_are_those_of_counting(size):
    for drawn, marked in itertools.product(range(size + 1), repeat=2):
        for found in range(drawn + 1):
            value = probability_of_at_most(found, drawn=drawn, size=size, marked=marked)
            assert value == pytest.approx(float(exact(found, drawn, size, marked)), rel=1e-13, abs=1e-14)


@given(st.data())
def test_probabilities_of_larger_blocks_are_exact_fractions(data):
    size = data.draw(st.integers(13, 3000))
    drawn, marked = (data.draw(st.integers(0, size)) for _ in range(2))
    found = data.draw(st.integers(0, drawn))
    value = probability_of_at_most(found, drawn=drawn, size=size, marked=marked)
    truth = float(exact(found, drawn, size, marked))
    assert value == pytest.approx(truth, rel=1e-11, abs=1e-14)


@pytest.mark.parametrize(
    ("drawn", "marked", "found"),
    [(1000, 2_995_000, 0), (10**6, 50_000, 37), (5 * 10**8, 30, 0), (10**9 - 5, 3, 0), (999, 10**8, 80)],
)
def test_tails_of_a_billion_coordinates_keep_their_digits(drawn, marked, found):
    size = 10**9

    def binomial(n, k):
        return mpmath.gammaprod([n + 1], [k + 1, n - k + 1])

    with mpmath.workdps(60):
        ways = mpmath.fsum(
            binomial(marked, i) * binomial(size - marked, drawn - i)
            for i in range(max(0, drawn + marked - size), found + 1)
        )
        truth = float(ways / binomial(size, drawn))
    assert probability_of_at_most(found, drawn=drawn, size=size, marked=marked) == pytest.approx(
        truth, rel=1e-10
    )


# What a sample proves


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_the_bound_is_the_largest_count_that_is_not_refuted(confidence):
    refuted = Fraction(1 - confidence)
    for size in range(1, 13):
        for checked in range(size + 1):
            for wrong in range(checked + 1):
                possible = [
                    marked
                    for marked in range(wrong, size - checked + wrong + 1)
                    if exact(wrong, checked, size, marked) > refuted * (1 - Fraction(1, 10**9))
                ]
                proof = prove(checked=checked, size=size, wrong=wrong, confidence=confidence)
                assert proof.at_most == max(possible) - wrong


@pytest.mark.parametrize(("size", "marked", "checked"), [(50, 20, 12), (1000, 31, 100), (1000, 500, 40)])
def test_the_bound_holds_as_often_as_it_says(size, marked, checked):
    rng = np.random.default_rng(0)
    found = rng.hypergeometric(marked, size - marked, checked, size=20_000)
    counts, repeats = np.unique(found, return_counts=True)
    held = sum(
        n
        for wrong, n in zip(counts, repeats, strict=True)
        if prove(checked=checked, size=size, wrong=int(wrong), confidence=0.9).at_most >= marked - wrong
    )
    assert held >= 0.9 * 20_000 - 4 * math.sqrt(20_000 * 0.09)
    # Not by saying nothing: the probability that it holds, exactly, is not much more than that.
    truth = sum(
        float(exact(int(w), checked, size, marked) - exact(int(w) - 1, checked, size, marked))
        for w in range(checked + 1)
        if prove(checked=checked, size=size, wrong=w, confidence=0.9).at_most >= marked - w
    )
    assert 0.9 <= truth < 0.99


def test_a_block_that_is_checked_whole_has_no_rest():
    proof = prove(checked=10, size=10, wrong=3)
    assert (proof.at_most, proof.share, proof.missed(0.1)) == (0, 0.0, 0.0)
    assert str(proof) == "all 10 checked"


def test_nothing_checked_proves_nothing():
    proof = prove(checked=0, size=10, wrong=0)
    assert (proof.at_most, proof.share, proof.missed(1.0)) == (10, 1.0, 1.0)


@given(st.integers(2, 5000), st.data())
def test_more_checked_proves_more_and_more_wrong_proves_less(size, data):
    checked = data.draw(st.integers(1, size - 1))
    wrong = data.draw(st.integers(0, checked - 1))
    here = prove(checked=checked, size=size, wrong=wrong)
    assert prove(checked=checked + 1, size=size, wrong=wrong).at_most <= here.at_most
    assert prove(checked=checked, size=size, wrong=wrong + 1).at_most + 1 >= here.at_most
    assert prove(checked=checked, size=size, wrong=wrong, confidence=0.99).at_most >= here.at_most
    assert 0 <= here.at_most <= size - checked
    assert here.share == here.at_most / (size - checked)


def test_without_a_mistake_it_is_the_rule_of_three():
    for checked in (100, 1000, 10_000):
        proof = prove(checked=checked, size=10**9, wrong=0)
        assert proof.share == pytest.approx(-math.log(0.05) / checked, rel=0.02)
        assert proof.share < 3 / checked


def test_a_bound_on_a_billion():
    proof = prove(checked=5 * 10**8, size=10**9, wrong=10**8)
    assert 10**8 < proof.at_most < 1.001 * 10**8


def test_the_sentence_names_counts_and_confidence():
    proof = prove(checked=300, size=235_200, wrong=0, confidence=0.999)
    assert str(proof) == f"at most {proof.at_most:,} of the other 234,900 are wrong (99.9 % confidence)"


def test_the_chance_to_miss_is_that_of_falling_beside():
    proof = prove(checked=3, size=10, wrong=0)
    assert proof.missed(0.2) == pytest.approx(7 * 6 / (10 * 9))
    assert proof.missed(0.11) == proof.missed(0.2)  # two coordinates are the fewest that make up 11 % of ten
    assert proof.missed(1e-9) == pytest.approx(0.7)
    assert proof.missed(0.8) == 0.0
    assert prove(checked=3, size=30, wrong=0).missed(0.1) == pytest.approx(27 * 26 * 25 / (30 * 29 * 28))


@pytest.mark.parametrize("share", [0, -0.1, 1.5, math.nan, "half"])
def test_missed_wants_a_share(share):
    with pytest.raises(InvalidProblemError, match=r"share: expected a part of the block in \(0, 1\], got"):
        prove(checked=3, size=10, wrong=0).missed(share)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"checked": 11}, "expected 0 ≤ wrong ≤ checked ≤ size"),
        ({"wrong": 6}, "got wrong = 6, checked = 5 and size = 10"),
        ({"wrong": -1}, "expected 0 ≤ wrong"),
        ({"size": 0, "checked": 0}, "at least one coordinate"),
        ({"checked": 5.0}, "checked: expected a whole number, got 5.0"),
        ({"wrong": True}, "wrong: expected a whole number, got True"),
        ({"confidence": 1.0}, "confidence: expected a probability between 0 and 1, such as 0.95, got 1.0"),
        ({"confidence": 95}, "got 95"),
        ({"confidence": math.nan}, "got nan"),
    ],
)
def test_impossible_samples_are_refused(given, message):
    with pytest.raises(InvalidProblemError, match=message):
        prove(**{"checked": 5, "size": 10, "wrong": 0, **given})


def test_a_proof_is_a_value():
    assert prove(checked=5, size=10, wrong=0) == SampleProof(
        checked=5, size=10, wrong=0, confidence=0.95, at_most=3, share=0.6
    )


# The order of which every beginning is a sample


def batches(sizes, seed, batch):
    order = PrefixOrder(sizes, seed)
    while (positions := order.take(batch)).size:
        yield positions


def whole_order(sizes, seed, batch=37):
    return np.concatenate(list(batches(sizes, seed, batch)))


@pytest.mark.parametrize("sizes", [[1], [5], [0, 3], [10, 235], [3, 9000, 1, 70, 12_345], [5000] * 3])
def test_every_coordinate_comes_once(sizes):
    order = whole_order(sizes, seed=1)
    np.testing.assert_array_equal(np.sort(order), np.arange(sum(sizes)))


def test_batches_are_of_the_size_asked_for_and_do_not_change_the_order():
    sizes = [12, 5000, 300, 300]
    parts = list(batches(sizes, seed=2, batch=100))
    assert {part.size for part in parts[:-1]} == {100}
    assert 1 <= parts[-1].size <= 100
    np.testing.assert_array_equal(np.concatenate(parts), whole_order(sizes, seed=2, batch=999))


def test_the_order_is_that_of_its_seed():
    np.testing.assert_array_equal(whole_order([9000], seed=5), whole_order([9000], seed=5))
    assert (whole_order([9000], seed=5) != whole_order([9000], seed=6)).mean() > 0.99


def test_every_prefix_covers_all_blocks_and_grows_in_proportion():
    sizes = np.array([10, 235_200, 300, 3000])
    order = whole_order(sizes, seed=3, batch=20_000)
    blocks = np.searchsorted(np.cumsum(sizes), order, side="right")
    counts = np.cumsum(blocks[:, None] == np.arange(4), axis=0)
    first = np.arange(1, 4 * FIRST_OF_EACH_BLOCK + 1)
    assert np.abs(counts[: 4 * FIRST_OF_EACH_BLOCK] - first[:, None] / 4).max() < 1
    assert counts[4 * FIRST_OF_EACH_BLOCK - 1].tolist() == [FIRST_OF_EACH_BLOCK] * 4
    ahead = counts / sizes - (np.arange(len(order)) + 1)[:, None] / sizes.sum()
    # Behind by no more than one coordinate of each block and those that came first of the others.
    assert (ahead * sizes > -1 - 4 * FIRST_OF_EACH_BLOCK).all()
    assert (ahead * sizes < 1 + 4 * FIRST_OF_EACH_BLOCK).all()


def test_drawing_a_little_of_a_billion_takes_no_memory():
    import tracemalloc

    tracemalloc.start()
    order = PrefixOrder([10**9, 10, 10**9], seed=0)
    drawn = np.concatenate([order.take(1000) for _ in range(10)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**21
    assert np.unique(drawn).size == 10_000
    assert ((drawn >= 10**9) & (drawn < 10**9 + 10)).sum() == 10


@pytest.mark.parametrize("size", [LARGEST_STORED_SHUFFLE // 4, LARGEST_STORED_SHUFFLE + 1, 65_536, 65_537])
def test_a_shuffle_is_a_permutation(size):
    places = Shuffle(size, np.random.default_rng(0)).places(np.arange(size))
    np.testing.assert_array_equal(np.sort(places), np.arange(size))


@pytest.mark.parametrize("size", [64, LARGEST_STORED_SHUFFLE + 904])
def test_places_at_any_turn_are_uniform_and_those_of_two_turns_independent(size):
    seeds, cells = 4000, 8
    drawn = np.array(
        [Shuffle(size, np.random.default_rng(s)).places(np.array([0, 1, 7])) for s in range(seeds)]
    )
    cell = drawn * cells // size
    for turn in range(3):
        assert stats.chisquare(np.bincount(cell[:, turn], minlength=cells)).pvalue > 1e-4
        assert stats.chisquare(np.bincount(drawn[:, turn] % cells, minlength=cells)).pvalue > 1e-4
    for one, other in [(0, 1), (1, 2)]:
        table = np.bincount(cell[:, one] * cells + cell[:, other], minlength=cells**2).reshape(cells, cells)
        expected = np.full((cells, cells), seeds / cells**2)
        width = size // cells  # without replacement: the second falls a little less often beside the first
        expected *= (width - np.eye(cells)) / width / (1 - 1 / size)
        assert stats.chisquare(table.ravel(), expected.ravel()).pvalue > 1e-4


def test_one_prefix_of_a_large_block_is_spread_evenly():
    size, k = 1_000_003, 20_000
    places = Shuffle(size, np.random.default_rng(4)).places(np.arange(k))
    for cell in (places * 100 // size, places % 100, places // 7 % 100):
        assert stats.chisquare(np.bincount(cell, minlength=100)).pvalue > 1e-4
    steps = np.diff(places) % size
    assert stats.chisquare(np.bincount(steps * 100 // size, minlength=100)).pvalue > 1e-4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sizes": []}, "sizes: expected the sizes of one block or more, got"),
        ({"sizes": [4, -1]}, "sizes: expected the sizes"),
        ({"sizes": [2.5]}, "sizes: expected a whole number, got 2.5"),
    ],
)
def test_impossible_orders_are_refused(given, message):
    with pytest.raises(InvalidProblemError, match=message):
        PrefixOrder(**{"sizes": [4], "seed": 0, **given})
