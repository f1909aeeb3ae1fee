"""Claims that are right if steps of the cost hand slopes on: named, and never taken for something else."""

import numpy as np
import pytest
from explained_claims import Every, evidence_of, graph_of

from fastcheck import Verdict, check
from fastcheck.diagnosis.detective import finding
from fastcheck.diagnosis.detective.graph.steps import SURROGATES, with_handing_steps
from fastcheck.diagnosis.detective.searching.effort import EffortUsedUpError
from fastcheck.diagnosis.detective.searching.false_friends import KIND, StepSearch
from fastcheck.engines.graph.recording.record import record
from fastcheck.engines.graph.recording.session import session_of

RNG = np.random.default_rng(17)
X, Y = RNG.standard_normal((6, 4)), RNG.standard_normal((6, 3))
THETA = {"W": 2 * RNG.standard_normal((4, 3)), "V": RNG.standard_normal((3, 3))}
UNCHANGED = "passed slopes through unchanged (a straight-through estimate)"
CLIPPED = "passed slopes through where its argument lies in [−1, 1] (a clipped straight-through estimate)"


def cost_of(step):
    """The cost of a network whose hidden layer is a step of Z."""
    return lambda p: np.sum((step(X @ p["W"]) @ p["V"] - Y) ** 2)


def claim(step, slope):
    """The gradient if the step had this slope."""
    Z = X @ THETA["W"]
    A = np.asarray(step(Z), dtype=float)
    d = 2 * (A @ THETA["V"] - Y)
    return {"W": X.T @ ((d @ THETA["V"].T) * slope(Z)), "V": A.T @ d}


def written_into(Z):
    A = np.zeros(Z.shape)
    A[Z > 0] = 1.0
    return A


STEPS = {
    "np.round(Z)": lambda Z: np.round(Z),
    "np.floor(Z)": lambda Z: np.floor(Z),
    "np.sign(Z)": lambda Z: np.sign(Z),
    "(Z > 0) * 1.0": lambda Z: (Z > 0) * 1.0,
    "0 < Z": lambda Z: np.less(0, Z) * 1.0,
    "np.where": lambda Z: np.where(Z > 0, 1.0, -1.0),
    "np.where the other way round": lambda Z: np.where(Z < 0, -1.0, 1.0),
    "not": lambda Z: np.where(~(Z <= 0), 1.0, 0.0),
    "astype": lambda Z: np.rint(Z).astype(int),
    "heaviside": lambda Z: np.heaviside(Z, 0.5),
    "the largest": lambda Z: np.equal(Z, Z.max(axis=1, keepdims=True)) * 1.0,
    "the largest the other way round": lambda Z: np.equal(Z.max(axis=1, keepdims=True), Z) * 1.0,
    "argmax": lambda Z: np.eye(3)[np.argmax(Z, axis=1)],
    "written into": written_into,
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_straight_through_estimate_is_named(step):
    report = check(cost_of(step), THETA, claim(step, np.ones_like))
    assert [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL] == ["W"]
    assert len(report.causes) == 1
    cause = report.causes[0]
    assert cause.kind == KIND
    assert cause.certain
    assert cause.sentence.startswith("the claims are right if line ")
    assert f"{UNCHANGED}: the cost itself changes there only by jumps, and has no slope" in cause.sentence
    assert all(line.text for line in cause.lines)


@pytest.mark.parametrize("surrogate", SURROGATES, ids=[row.says for row in SURROGATES])
def test_what_stands_in_for_the_slope_is_named(surrogate):
    step = STEPS["(Z > 0) * 1.0"]
    report = check(cost_of(step), THETA, claim(step, surrogate.slope))
    assert surrogate.says in report.causes[0].sentence


def test_a_slope_times_a_number_is_named_with_it():
    step = STEPS["(Z > 0) * 1.0"]
    report = check(cost_of(step), THETA, claim(step, lambda Z: np.full(Z.shape, 0.5)))
    assert f"{UNCHANGED}, times ½: the cost" in report.causes[0].sentence


def binarised(p):
    Q = np.where(p["W"] > 0, 1.0, -1.0)
    S = np.sign(X @ Q)
    return np.sum((S @ p["V"] - Y) ** 2)


def claim_of_binarised(of_weights, of_units):
    Q = np.where(THETA["W"] > 0, 1.0, -1.0)
    Z = X @ Q
    S = np.sign(Z)
    d = 2 * (S @ THETA["V"] - Y)
    dZ = (d @ THETA["V"].T) * of_units(Z)
    return {"W": (X.T @ dZ) * of_weights(THETA["W"]), "V": S.T @ d}


def clipped(Z):
    return (np.abs(Z) <= 1) * 1.0


@pytest.mark.parametrize("of_weights", [np.ones_like, clipped])
@pytest.mark.parametrize("of_units", [np.ones_like, clipped])
def test_steps_of_two_lines_may_have_slopes_of_their_own(of_weights, of_units):
    report = check(binarised, THETA, claim_of_binarised(of_weights, of_units))
    cause = report.causes[0]
    assert cause.kind == KIND
    assert [line.text.split()[0] for line in cause.lines] == ["Q", "S"]
    if of_weights is of_units:
        assert cause.sentence.count("passed slopes through") == 1
    else:
        first, second = (UNCHANGED if slope is np.ones_like else CLIPPED for slope in (of_weights, of_units))
        assert cause.sentence.index(first) < cause.sentence.index(second)


def found_by_steps(cost, theta, claims):
    """Return what the search among steps alone finds."""
    names = list(theta)
    with session_of(cost):
        recording = record(
            cost,
            lambda arrays: dict(zip(names, arrays, strict=True)),
            list(theta.values()),
            10**9,
            named=Every(),
        )
    evidence = evidence_of(graph_of(cost, theta), theta, claims)
    search = StepSearch(with_handing_steps(recording, names), evidence, None)
    search.run()
    return search.found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("cost", [binarised, *(cost_of(step) for step in STEPS.values())])
def test_random_claims_are_not_explained(cost, seed):
    right = graph_of(cost, THETA).right()
    rng = np.random.default_rng(seed)
    assert found_by_steps(cost, THETA, right | {"W": rng.standard_normal((4, 3))}) == []
    assert (
        found_by_steps(cost, THETA, {name: rng.standard_normal(g.shape) for name, g in right.items()}) == []
    )


def test_blocks_that_are_right_must_stay_right():
    def cost(p):
        return np.sum((np.round(p["W"]) + np.round(p["V"]).sum() - 0.3) ** 2)

    d = 2 * (np.round(THETA["W"]) + np.round(THETA["V"]).sum() - 0.3)
    claims = {"W": d, "V": np.zeros((3, 3))}
    found = found_by_steps(cost, THETA, claims)
    assert len(found) == 1
    assert 'np.round(p["W"])' in found[0].sentence
    assert found[0].sentence.startswith("the claims are right if line ")
    random = claims | {"V": np.arange(9.0).reshape(3, 3)}
    assert [one.sentence[:15] for one in found_by_steps(cost, THETA, random)] == ["dW is right if "]
    both = claims | {"V": np.full((3, 3), d.sum())}
    assert [len(one.blocks) for one in found_by_steps(cost, THETA, both)] == [2]


def test_zero_slopes_are_right_where_there_are_steps_alone():
    step = STEPS["np.round(Z)"]
    assert check(cost_of(step), THETA, claim(step, np.zeros_like)).passed


def test_steps_are_looked_at_only_where_nothing_else_explains_all_blocks(monkeypatch):
    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(finding, "graph_with_steps", refuse)
    step = STEPS["np.round(Z)"]
    doubled = claim(step, np.zeros_like)
    doubled["V"] *= 2
    assert check(cost_of(step), THETA, doubled).causes[0].sentence == "dV is 2 times the right gradient"
    without_steps = check(
        lambda p: np.sum(p["W"] ** 2), {"W": THETA["W"]}, {"W": RNG.standard_normal((4, 3))}
    )
    assert not without_steps.passed


def test_nothing_is_certain_where_the_search_did_not_come_to_its_end(monkeypatch):
    search = StepSearch.run

    def search_and_give_up(self):
        search(self)
        raise EffortUsedUpError

    monkeypatch.setattr(StepSearch, "run", search_and_give_up)
    step = STEPS["np.round(Z)"]
    cause = check(cost_of(step), THETA, claim(step, np.ones_like)).causes[0]
    assert cause.kind == KIND
    assert not cause.certain


def test_what_is_detached_is_said_to_be():
    def cost(p):
        P = X @ p["W"]
        T = np.tanh(P @ p["V"])
        return np.sum((P - T) ** 2)

    P = X @ THETA["W"]
    T = np.tanh(P @ THETA["V"])
    d = 2 * (P - T)
    detached = {"W": X.T @ d, "V": np.zeros((3, 3))}
    report = check(cost, THETA, detached)
    assert any("as if that were detached (stop_gradient, a constant)" in c.sentence for c in report.causes)
