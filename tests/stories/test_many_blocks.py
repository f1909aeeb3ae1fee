"""Hundreds of small blocks: what they cost grows in proportion, and each of them is still verified and judged."""

import itertools
import sys
import time

import numpy as np
import pytest

from fastcheck import Verdict, check, locate, screen
from fastcheck.engines.graph.single_blocks import MOST_DIRECTION_GROUPS

BEYOND = {"plain": 2, "reference": 2 + 9}
"""Forward passes besides two for each coordinate: posing the problem, and its noise along a line, unless the right
claim tells it by agreeing."""


class Many:
    """A cost of many blocks of two, each in a term of its own, that counts its calls, those on perturbed arrays too."""

    def __init__(self, blocks, term=np.sin):
        rng = np.random.default_rng(blocks)
        self.parameters = {f"w{k}": rng.standard_normal(2) for k in range(blocks)}
        self.term, self.counter = term, itertools.count()

    @property
    def calls(self):
        """Attributes would be put back after runs on perturbed arrays; what `itertools.count` holds is not."""
        return int(repr(self.counter)[len("count(") : -1])

    def __call__(self, p):
        next(self.counter)
        return sum(np.sum(self.term(x)) for x in p.values())

    def right(self):
        return {name: np.cos(x) for name, x in self.parameters.items()}


def operations(work):
    """The calls of functions, in Python and in C, that a piece of work makes; how long they take does not matter."""
    count = 0

    def note(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    work()  # imports, and what is made once
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def reported(cost, parameters, claim):
    """The report as text, and positions one by one."""
    return str(check(cost, parameters, claim, coordinates=[f"{name}[1]" for name in parameters]))


@pytest.mark.parametrize("entry", [check, screen, locate, reported])
def test_operations_grow_in_proportion_to_the_blocks(entry):
    def counted(blocks):
        many = Many(blocks)
        claim = many.right() | {"w3": np.zeros(2)} if entry is locate else many.right()
        return operations(lambda: entry(many, many.parameters, claim))

    assert counted(160) < 6 * counted(40)


def test_forward_passes_do_not():
    passes = {}
    for blocks in (20, 320):
        many = Many(blocks)
        report = check(many, many.parameters, many.right())
        passes[blocks] = report.forward_passes
        assert report.passed
        assert report.method == "difference"
        assert report.forward_passes == many.calls
    assert len(set(passes.values())) == 1
    assert passes[320] < 30


@pytest.mark.parametrize("method", ["plain", "reference"])
def test_those_of_plain_evaluation_are_two_for_each_coordinate_and_a_few(method):
    for blocks in (1, 2, 30, 90):
        many = Many(blocks)
        report = check(many, many.parameters, many.right(), method=method)
        assert report.passed
        assert report.forward_passes == many.calls == 2 * report.checked + BEYOND[method]


@pytest.mark.parametrize("method", ["plain", "difference"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_one_wrong_block_of_many_is_found(monkeypatch, method, n_jobs):
    monkeypatch.setattr("fastcheck.execution.WORKERS_PAY_AFTER", {"processes": 0.0, "threads": 0.0})
    many = Many(5 * MOST_DIRECTION_GROUPS)
    wrong = many.right()
    wrong["w41"] = wrong["w41"] * [1, 1.001]
    report = check(many, many.parameters, wrong, method=method, n_jobs=n_jobs, backend="threads")
    failing = [name for name, block in report.blocks.items() if block.verdict is not Verdict.PASS]
    assert failing == ["w41"]
    assert report.blocks["w41"].wrong == 1
    assert report.worst[0].name == "w41[1]"


def test_a_slope_that_propagation_misses_in_one_of_many_blocks_is_noticed():
    """On perturbed arrays one block is taken for a constant: J is the same, and its slope is zero."""
    many = Many(4 * MOST_DIRECTION_GROUPS)
    hidden = many.parameters["w17"].copy()

    def cost(p):
        x = p["w17"]
        return many(p | {"w17": x if type(x) is np.ndarray else hidden})

    report = check(cost, many.parameters, many.right())
    assert (report.verdict, report.method) == (Verdict.PASS, "plain")
    assert "finds another difference" in report.notes[0]
    nothing = many.right() | {"w17": np.zeros(2)}
    assert check(cost, many.parameters, nothing).verdict is Verdict.FAIL


@pytest.mark.parametrize("size", [1.0, 1e-6])
def test_slopes_that_do_not_add_up_are_found_in_one_of_many_blocks(size):
    """A root at zero has no slope, and a difference however large: its block alone is not right."""
    many = Many(3 * MOST_DIRECTION_GROUPS)
    many.parameters["w5"][1] = 0.0

    def cost(p):
        return many(p) + size * np.cbrt(p["w5"][1])

    report = check(cost, many.parameters, many.right())
    assert report.blocks["w5"].verdict is not Verdict.PASS
    assert all(block.verdict is Verdict.PASS for name, block in report.blocks.items() if name != "w5")


@pytest.mark.parametrize("entry", [check, screen])
def test_a_block_at_the_border_of_two_ways_through_the_cost_is_right_where_both_have_one_slope(entry):
    many = Many(2 * MOST_DIRECTION_GROUPS)
    border = many.parameters["w9"][0]

    def cost(p):
        x = p["w9"][0]
        return many(p) + (x - border if x > border or x < border else 0.0)

    claim = many.right()
    assert entry(cost, many.parameters, claim).blocks["w9"].verdict is Verdict.FAIL
    claim["w9"] = claim["w9"] + [1.0, 0.0]
    assert entry(cost, many.parameters, claim).passed


def test_kinks_in_some_of_many_blocks_keep_to_themselves():
    many = Many(3 * MOST_DIRECTION_GROUPS, lambda x: np.sin(x) + np.abs(x))
    at_kinks = [f"w{k}" for k in range(0, 3 * MOST_DIRECTION_GROUPS, 5)]
    many.parameters |= {name: np.zeros(2) for name in at_kinks}
    right = {name: np.cos(x) + np.sign(x) for name, x in many.parameters.items()}
    report = check(many, many.parameters, right)
    assert (report.verdict, report.method) == (Verdict.PASS, "difference")
    assert [name for name, block in report.blocks.items() if block.kinks] == at_kinks
    wrong = right | {at_kinks[1]: np.array([1.0, 2.1])}
    report = check(many, many.parameters, wrong)
    assert [name for name, b in report.blocks.items() if b.verdict is Verdict.FAIL] == [at_kinks[1]]


def test_a_block_whose_step_takes_another_way_is_verified_alone():
    many = Many(3 * MOST_DIRECTION_GROUPS)
    here = many.parameters["w9"][0]

    def cost(p):  # the two ends of a direction lie on two sides of this
        return many(p) + (2.0 if p["w9"][0] > here else 0.0) * (p["w9"][0] - here)

    claim = many.right()
    claim["w9"] = claim["w9"] + [1.0, 0.0]
    report = check(cost, many.parameters, claim)
    assert all(block.verdict is Verdict.PASS for name, block in report.blocks.items() if name != "w9")
    assert report.verdict is not Verdict.FAIL


def test_a_budget_of_time_reaches_every_one_of_many_blocks(monkeypatch):
    many = Many(150)
    with monkeypatch.context() as patch:
        patch.setattr(time, "perf_counter", lambda: 0.01 * many.calls)
        report = check(many, many.parameters, many.right(), time_budget=1.5, progress=False)
    assert report.passed
    assert report.seconds <= 1.6
    assert all(block.verdict is Verdict.PASS for block in report.blocks.values())


def test_and_where_it_does_not_last_for_all_of_them_it_is_used_for_some(monkeypatch):
    many = Many(150)
    with monkeypatch.context() as patch:
        patch.setattr(time, "perf_counter", lambda: 0.01 * many.calls)
        report = check(many, many.parameters, many.right(), method="plain", time_budget=1.5, progress=False)
    assert 1.2 < report.seconds <= 1.6
    known = {name for name, block in report.blocks.items() if block.verdict is Verdict.PASS}
    assert 25 < len(known) < 75
    assert known == {name for name, block in report.blocks.items() if block.checked}
    unseen = next(block for name, block in report.blocks.items() if name not in known)
    assert unseen.verdict is Verdict.INCONCLUSIVE
    assert "was not looked at" in unseen.cause
