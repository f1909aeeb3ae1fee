import itertools
from typing import NamedTuple

import hypothesis.extra.numpy as arrays_of
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcheck import InvalidProblemError, Verdict
from fastcheck.engines import Bound, Estimate, Slopes
from fastcheck.norms import PIECE_SIZE, Comparison
from fastcheck.plan.coordinates import make_plan
from fastcheck.problem.posing import pose
from fastcheck.verdict.judging import (
    judge_coordinates,
    relative_difference,
    validate_tolerance,
    worst_verdict,
)
from fastcheck.verdict.rule import Rule, Standing, claims
from fastcheck.verdict.tally import largest_first

VECTORS = arrays_of.arrays(float, 5, elements=st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-6))


class Answer(NamedTuple):
    """The judgements of blocks, and of the whole."""

    blocks: list
    verdict: Verdict
    difference: float


def question(claimed, numerical, bound=0.0, lower=None, upper=None, tolerance=1e-7):
    """The answer and all standings for a claim and estimates with a given bound, in one block or a dict of blocks."""
    blocks = claimed if isinstance(claimed, dict) else {"w": claimed}
    blocks = {
        name: np.asarray(g) if hasattr(g, "dtype") else np.array(g, float) for name, g in blocks.items()
    }
    problem = pose(lambda p: 1.0, {name: np.zeros(g.shape) for name, g in blocks.items()}, blocks)
    plan = make_plan(problem.layout, problem.theta, "all", None, 0)
    numerical = np.array(numerical, float)
    lower = numerical if lower is None else np.array(lower, float)
    upper = numerical if upper is None else np.array(upper, float)
    bound = np.broadcast_to(np.array(bound, float), numerical.shape)
    judgements, standings = [], []
    for part in plan.parts:
        mine = slice(part.block.start, part.block.stop)
        estimate = Estimate(
            part=part,
            slopes=Slopes(
                central=numerical[mine],
                known_to=Bound(0.0, bound[mine]),
                interval=(lower[mine], upper[mine]),
                subtracted=True,
            ),
            noise=0.0,
        )
        judgements.append(judge_coordinates(problem, estimate, tolerance))
        rule, everything = Rule.of(problem, estimate, tolerance), slice(0, part.size)
        rows, g = estimate.slopes.at(everything), claims(problem, part, everything)
        standings.extend(rule.standings(g, rows).tolist())
    difference = Comparison.joined(judgement.comparison for judgement in judgements).difference
    verdict = worst_verdict(judgement.verdict for judgement in judgements)
    return Answer(judgements, verdict, difference), standings


@pytest.mark.parametrize(
    ("absolute", "verdict"), [(1e-15, "fail"), (1e-12, "pass"), (1e-9, "inconclusive"), (1.0, "inconclusive")]
)
def test_what_is_lost_in_a_large_bound_is_not_zero(absolute, verdict):
    """Slopes of 1e-13 that are known to ± 1e-12 are zero beside J = 1; those that are known to ± 1 may be anything."""
    numerical, claimed = np.array([1e-13, -2e-13]), np.array([2e-13, -2e-13])
    problem = pose(lambda p: 1.0, {"w": np.zeros(2)}, {"w": claimed})
    estimate = Estimate(
        part=make_plan(problem.layout, problem.theta, "all", None, 0).parts[0],
        slopes=Slopes(central=numerical, known_to=Bound(0.0, absolute)),
        noise=0.0,
    )
    assert judge_coordinates(problem, estimate, 1e-7).verdict == verdict


@given(VECTORS, VECTORS)
def test_the_difference_is_symmetric_and_between_0_and_1(a, b):
    difference = relative_difference(a, b)
    assert difference == relative_difference(b, a)
    assert 0 <= difference <= 1 + 1e-15
    assert (difference == 0) is np.array_equal(a, b)


@given(VECTORS, VECTORS, st.integers(-400, 400))
def test_the_difference_does_not_depend_on_the_scale(a, b, power):
    assert relative_difference(a * 2.0**power, b * 2.0**power) == relative_difference(a, b)
    assert relative_difference(3 * a, 3 * b) == pytest.approx(relative_difference(a, b), rel=1e-12)


def test_the_difference_is_that_of_the_courses():
    a, b = np.array([1.0, 2.0, 2.0]), np.array([2.0, 4.0, 4.0])
    assert relative_difference(a, b) == pytest.approx(3 / 9)
    assert relative_difference(a, -a) == 1
    assert relative_difference(np.zeros(3), np.zeros(3)) == 0
    assert relative_difference(np.zeros(3), a) == 1
    assert relative_difference(np.array([1e300, 0]), np.array([-1e300, 0])) == 1
    assert relative_difference(np.empty(0), np.empty(0)) == 0


@pytest.mark.parametrize(
    ("claimed", "bound", "standing"),
    [
        (1.0, 0.0, Standing.RIGHT),
        (1.0 + 0.9e-7, 0.0, Standing.RIGHT),
        (1.0 + 1.1e-7, 0.0, Standing.WRONG),
        (1.0 + 1.1e-7, 0.5e-7, Standing.RIGHT),  # within u plus the tolerance
        (1.0 + 1.6e-7, 0.5e-7, Standing.WRONG),
        (1.0, 1e-6, Standing.UNDECIDED),  # u alone is above the tolerance
        (1.0 + 1e-6, 1e-6, Standing.UNDECIDED),
        (1.0 + 2e-6, 1e-6, Standing.WRONG),
        (-1.0, 1e-6, Standing.WRONG),
        (2.0, 10.0, Standing.UNDECIDED),
    ],
)
def test_each_standing(claimed, bound, standing):
    _, standings = question([claimed], [1.0], bound)
    assert standings == [standing]


def test_the_tolerance_is_relative_to_the_block_not_to_the_network():
    judgement, standings = question({"big": [1e6], "tiny": [1.00001e-6, 1e-12]}, [1e6, 1e-6, 2e-12])
    assert standings == [Standing.RIGHT, Standing.WRONG, Standing.WRONG]
    assert [b.verdict for b in judgement.blocks] == [Verdict.PASS, Verdict.FAIL]


def test_zeros_in_a_block_are_held_to_its_typical_entry():
    _, standings = question([1.0, 1e-9], [1.0, 0.0])
    assert standings == [Standing.RIGHT, Standing.RIGHT]
    _, standings = question([1.0, 1e-6], [1.0, 0.0])
    assert standings == [Standing.RIGHT, Standing.WRONG]


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_tiny_and_huge_gradients_keep_their_tolerance(size):
    _, standings = question([size, size * (1 + 1e-3)], [size, size])
    assert standings == [Standing.RIGHT, Standing.WRONG]


@pytest.mark.parametrize(
    ("claim", "standing"),
    [(0.0, 0), (0.3, 0), (1.0, 0), (1.00000001, 0), (-1e-3, 1), (1.001, 1)],
)
def test_at_a_kink_all_between_the_slopes_is_right(claim, standing):
    judgement, standings = question([claim], [0.5], lower=[0.0], upper=[1.0])
    assert standings == [standing]
    assert judgement.blocks[0].worst[0].error == pytest.approx(max(0, claim - 1, -claim), abs=1e-12)


@pytest.mark.parametrize(
    ("claim", "standing"),
    [
        (0.5, Standing.RIGHT),
        (0.01, Standing.RIGHT),  # the kink's slopes are known to ± 0.01
        (0.009, Standing.UNDECIDED),
        (1.0, Standing.UNDECIDED),
        (1.009, Standing.UNDECIDED),
        (1.011, Standing.WRONG),
        (-0.011, Standing.WRONG),
    ],
)
def test_well_between_the_slopes_at_a_kink_their_noise_does_not_matter(claim, standing):
    _, standings = question([claim], [0.5], 0.01, lower=[0.0], upper=[1.0])
    assert standings == [standing]


def test_beside_wrong_coordinates_the_errors_of_undecided_ones_are_not_shown():
    bound = np.array([0.0, 10.0, 0.0, 10.0])
    judgement, _ = question([1.0, 7.0, 1.5, 9.0], np.ones(4), bound)
    assert [one.place for one in judgement.blocks[0].worst] == [2, 0]
    judgement, _ = question([1.0, 7.0, 1.0, 9.0], np.ones(4), bound)
    assert [one.place for one in judgement.blocks[0].worst] == [3, 1, 0, 2]


def test_float32_claims_have_their_own_tolerance():
    off = np.array([1 + 5e-6], np.float32)
    assert question(off, [1.0])[1] == [Standing.RIGHT]
    assert question(off.astype(float), [1.0])[1] == [Standing.WRONG]
    assert question(np.array([1 + 5e-5], np.float32), [1.0])[1] == [Standing.WRONG]


def test_float16_claims_that_underflow_are_right():
    tiny = np.array([2e-8, -5e-8, 3e-9])
    assert question(tiny.astype(np.float16), tiny)[1] == [Standing.RIGHT] * 3
    assert question(tiny.astype(np.float32), tiny)[1] == [Standing.RIGHT] * 3
    assert question(np.array([2e-6, -5e-8, 0], np.float16), tiny)[1][0] == Standing.WRONG


def test_one_wrong_coordinate_fails_its_block():
    right = np.ones(1000)
    wrong = right.copy()
    wrong[700] = 1 + 1e-5
    judgement, _ = question({"a": right, "b": wrong, "c": right}, np.ones(3000))
    assert [b.verdict for b in judgement.blocks] == [Verdict.PASS, Verdict.FAIL, Verdict.PASS]
    assert [b.wrong for b in judgement.blocks] == [0, 1, 0]
    assert judgement.verdict is Verdict.FAIL
    assert judgement.difference < 1e-6


def test_undecided_blocks_are_inconclusive_and_say_why():
    judgement, _ = question([1.0, 1.0], [1.0, 1.0], bound=1e-3)
    (block,) = judgement.blocks
    assert block.verdict is judgement.verdict is Verdict.INCONCLUSIVE
    assert block.undecided == 2
    assert "w is known to ± 1.0e-03 only" in block.cause
    assert "1.0e+00" in block.cause


def test_a_few_that_could_hide_nothing_together_do_not_count():
    bound = np.zeros(100)
    bound[:3] = 3e-7
    judgement, _ = question(np.ones(100), np.ones(100), bound)
    assert (judgement.verdict, judgement.blocks[0].undecided) == (Verdict.PASS, 3)
    bound[:] = 3e-7  # all of them together could
    assert question(np.ones(100), np.ones(100), bound)[0].verdict is Verdict.INCONCLUSIVE
    bound[:] = 0
    bound[7] = 2e-6  # and one alone, if it is far off
    assert question(np.ones(100), np.ones(100), bound)[0].verdict is Verdict.INCONCLUSIVE


def test_the_worst_verdict_is_that_of_the_whole():
    parts = {"pass": (1.0, 0.0), "fail": (2.0, 0.0), "inconclusive": (1.0, 1e-3)}
    for verdicts in itertools.permutations(parts):
        claimed = {f"w{i}": [parts[v][0]] for i, v in enumerate(verdicts)}
        judgement, _ = question(claimed, [1.0] * 3, [parts[v][1] for v in verdicts])
        assert [b.verdict for b in judgement.blocks] == list(verdicts)
        assert judgement.verdict is Verdict.FAIL
    judgement, _ = question({"a": [1.0], "b": [1.0]}, [1.0, 1.0], [0.0, 1e-3])
    assert judgement.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("size", [1, 10, 11, 640, 655, 20_000])
@pytest.mark.parametrize("different", [1, 3, 10**6])
def test_the_largest_come_first_and_equal_ones_in_their_order(size, different):
    values = np.random.default_rng(size).integers(different, size=size).astype(float)
    assert largest_first(values, 10).tolist() == np.argsort(-values, kind="stable")[:10].tolist()


def test_the_worst_of_many_pieces():
    errors = np.random.default_rng(0).permutation(3 * PIECE_SIZE + 17) * 1e-12
    judgement, _ = question(1 + errors, np.ones(errors.size), 0.0)
    worst = np.argsort(-errors)[:10]
    assert [one.place for one in judgement.blocks[0].worst] == worst.tolist()
    assert [one.claimed for one in judgement.blocks[0].worst] == (1 + errors)[worst].tolist()


def test_a_glance_finds_what_looking_at_each_coordinate_does():
    rng = np.random.default_rng(0)
    numerical = rng.standard_normal(3 * PIECE_SIZE + 17)
    claimed = numerical * (1 + 1e-13 * rng.standard_normal(numerical.size))
    problem = pose(lambda p: 1.0, {"w": np.zeros(numerical.size)}, {"w": claimed})
    part = make_plan(problem.layout, problem.theta, "all", None, 0).parts[0]
    found = []
    for absolute in (1e-12, np.full(numerical.size, 1e-12)):
        estimate = Estimate(
            part=part,
            slopes=Slopes(central=numerical, known_to=Bound(1e-15, absolute)),
            noise=0.0,
        )
        found.append(judge_coordinates(problem, estimate, 1e-7))
    at_once, looked = found
    assert at_once.verdict is looked.verdict is Verdict.PASS
    assert at_once.worst == looked.worst
    assert (at_once.hardest, at_once.easiest) == (looked.hardest, looked.easiest)
    assert at_once.comparison.difference == pytest.approx(looked.comparison.difference, rel=1e-12)


@pytest.mark.parametrize("tolerance", [0, -1e-7, 1, float("nan"), "1e-7", None])
def test_impossible_tolerances(tolerance):
    with pytest.raises(InvalidProblemError, match="tolerance: expected a relative error between 0 and 1"):
        validate_tolerance(tolerance)


@pytest.mark.parametrize("tolerance", [1e-7, np.float32(1e-3), 0.5])
def test_tolerances(tolerance):
    assert validate_tolerance(tolerance) == float(tolerance)


def test_verdicts_read_like_words():
    assert f"{Verdict.PASS} {Verdict.FAIL} {Verdict.INCONCLUSIVE}" == "pass fail inconclusive"
