"""Checks that are interrupted say what is known then."""

import math

import numpy as np
import pytest
from budgeted_costs import THETA, Interruptible, right

from fastcheck import Verdict, check, screen


def test_an_interruption_gives_what_is_known():
    report = check(Interruptible(interrupted_at=700), THETA, right(), time_budget=math.inf)
    assert report.stopped == "it was interrupted"
    assert 0 < report.checked < report.size
    assert report.verdict is Verdict.PASS


def test_an_interruption_of_the_screening_gives_the_blocks_that_were_screened():
    known = set()
    for at in range(30, 400, 30):
        report = check(Interruptible(interrupted_at=at), THETA, right(), time_budget=math.inf)
        assert report.stopped == "it was interrupted"
        assert report.verdict is not Verdict.FAIL
        assert "stopped, as it was interrupted" in str(report)
        known.add(sum(block.screened is not None for block in report.blocks.values()))
        if 0 in {block.screened is not None or block.checked for block in report.blocks.values()}:
            assert report.verdict is Verdict.INCONCLUSIVE
            assert "was not looked at, as it was interrupted" in " ".join(str(report).split())
    assert known >= {1, 3}


def test_an_interruption_at_any_time_gives_no_wrong_verdict():
    """Among them in a closer look at a block that looks wrong, in a second look, and while a batch is measured."""
    wrong = right() | {"W": 1.01 * right()["W"]}
    for at in [*range(3, 500, 17), 900]:
        report = check(Interruptible(interrupted_at=at), THETA, wrong, time_budget=math.inf)
        assert report.stopped == "it was interrupted"
        assert report.verdict is not Verdict.PASS
        assert all(report.blocks[name].verdict is not Verdict.FAIL for name in "bv")
    assert report.verdict is Verdict.FAIL


def test_an_interruption_of_the_first_batch_gives_what_screening_found():
    for claim, verdict in [(right(), Verdict.PASS), (right() | {"v": np.zeros(3)}, Verdict.FAIL)]:
        screening = Interruptible()
        screen(screening, THETA, claim)
        interrupted = Interruptible(interrupted_at=screening.calls + 60)
        report = check(interrupted, THETA, claim, time_budget=math.inf)
        assert (report.verdict, report.stopped) == (verdict, "it was interrupted")
        assert all(block.proof is None for block in report.blocks.values())
        assert "stopped, as it was interrupted" in str(report)
        assert "screened by plain evaluation" in str(report)


def test_an_interruption_before_anything_is_known_is_one():
    with pytest.raises(KeyboardInterrupt):
        check(Interruptible(interrupted_at=2), THETA, right(), time_budget=math.inf)


def test_arrays_are_as_before():
    before = {name: block.copy() for name, block in THETA.items()}
    check(Interruptible(interrupted_at=700), THETA, right(), time_budget=math.inf)
    assert all(np.array_equal(block, before[name]) for name, block in THETA.items())


@pytest.mark.parametrize("claim", [2.0, 3.0])
def test_a_block_that_is_not_complete_says_how_much_is_missing_whatever_else_is(claim, tmp_path):
    theta = np.linspace(0.1, 1.0, 12)
    seen = set()
    for at in range(4, 30):
        calls = 0

        def cost(w, at=at):
            nonlocal calls
            calls += 1
            if calls == at:
                raise KeyboardInterrupt
            return float(f"{np.sum(w**2):.17g}")

        report = check(cost, theta, claim * theta, method="plain", log=tmp_path / "run.jsonl")
        block = report.blocks["theta"]
        left = block.size - block.checked
        if report.verdict is Verdict.INCONCLUSIVE and left:
            seen.add(left)
            missing = f"{left} of 12 coordinates of theta were not evaluated, as it was interrupted"
            assert (
                missing if block.checked else "theta was not looked at, as it was interrupted"
            ) in block.cause
            assert "interrupted" in report.to_text().splitlines()[0]
    assert seen - {theta.size}
