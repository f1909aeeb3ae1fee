"""The search for causes: what it is given, and what happens when it does not come to its end."""

import subprocess
import sys
import time

import numpy as np
import pytest
from budgeted_costs import Counted

import fastcheck
from fastcheck import Verdict, check
from fastcheck.diagnosis.detective import finding
from fastcheck.diagnosis.detective.ranking import UNRECOGNISED
from fastcheck.report.causes import LOCATED, ORDER

RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((8, 4)), RNG.standard_normal((8, 3))
THETA = {"W": RNG.standard_normal((4, 3)), "b": RNG.standard_normal(3)}


def cost(p):
    return np.sum(np.tanh(X @ p["W"] + p["b"] - T) ** 2)


def gradients():
    y = np.tanh(X @ THETA["W"] + THETA["b"] - T)
    d = 2 * y * (1 - y**2)
    return {"W": X.T @ d, "b": d.sum(0)}


def doubled():
    return gradients() | {"W": 2 * gradients()["W"]}


def test_nothing_is_searched_and_no_module_is_loaded_where_all_is_right():
    code = (
        "import sys, numpy as np, fastcheck\n"
        "report = fastcheck.check(lambda w: np.sum(w**3), np.ones(5), 3 * np.ones(5))\n"
        "print(report)\n"
        "assert report.passed and report.causes == ()\n"
        "print([name for name in sys.modules if 'detective' in name])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("method", ["auto", "plain", "reference"])
def test_causes_are_found_whatever_engine_judged(method):
    report = check(cost, THETA, doubled(), method=method)
    assert report.causes[0].sentence == "dW is 2 times the right gradient"
    assert report.causes[0].blocks == ("W",)
    assert report.causes[0].certain


def test_inconclusive_reports_have_none():
    report = check(lambda p: cost(p) + 1e12, THETA, gradients(), method="plain")
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.causes == ()


def test_of_a_constant_cost_no_more_is_said():
    report = check(lambda w: 3.0 + 0 * np.sum(w), np.ones(3), np.ones(3))
    assert report.verdict is Verdict.FAIL
    assert report.causes == ()


def test_the_order_is_said_where_nothing_is_recognised():
    report = check(cost, THETA, gradients() | {"W": RNG.standard_normal((4, 3))})
    assert [cause.kind for cause in report.causes] == [ORDER]


def test_the_order_is_that_of_their_use():
    theta = {"out": RNG.standard_normal((3, 1)), "gain": np.ones(3), "hidden": RNG.standard_normal((4, 3))}

    def cost(p):
        return np.sum((np.tanh(X @ p["hidden"]) * p["gain"] @ p["out"]) ** 2)

    claim = fastcheck.numerical_gradient(cost, theta)
    claim |= {name: RNG.standard_normal(theta[name].shape) for name in ("hidden", "gain")}
    (cause,) = check(cost, theta, claim).causes
    assert cause.sentence == "start at dgain: of the wrong blocks the cost uses it last"
    assert cause.blocks == ("gain", "hidden")


def test_where_a_block_is_wrong_is_said_where_no_more_is_known():
    large = {"W": np.linspace(1, 2, 6_000).reshape(100, 60)}
    wrong = {"W": 2 * large["W"]}
    wrong["W"][7] *= -1
    report = fastcheck.locate(lambda p: float(f"{np.sum(p['W'] ** 2):.17g}"), large, wrong, method="plain")
    (cause,) = report.causes
    assert (cause.kind, cause.certain) == (LOCATED, False)
    assert cause.sentence == report.blocks["W"].located.sentence
    assert str(report).count("by a factor of −1") == 1
    assert str(report).startswith("FAIL  row 7 of W (60 coordinates) is wrong by a factor of −1")


def test_factors_are_named_in_blocks_that_kinks_do_not_reach():
    def kinked_cost(p):
        return cost(p) + np.sum(np.maximum(p["c"], 0))

    theta, claim = THETA | {"c": np.zeros(2)}, doubled() | {"c": np.zeros(2)}
    report = check(kinked_cost, theta, claim)
    assert report.blocks["c"].kinks == 2
    assert report.causes[0].sentence == "dW is 2 times the right gradient"


def test_of_blocks_at_kinks_no_factor_is_named():
    def kinked_cost(p):
        return cost(p) + np.sum(np.maximum(p["c"], 0))

    theta, claim = THETA | {"c": np.zeros(2)}, gradients() | {"c": np.array([2.0, 2.0])}
    report = check(kinked_cost, theta, claim)
    assert report.blocks["c"].verdict is Verdict.FAIL
    assert not any("times the right gradient" in cause.sentence for cause in report.causes)


def test_a_block_with_the_rounding_of_float32_does_not_hide_what_is_wrong_with_others():
    def two_layers(p):
        return np.sum((np.tanh(X @ p["W"]) @ p["v"] - T[:, 0]) ** 2)

    theta = {"W": THETA["W"], "v": np.array([1.0, -2.0, 0.5])}
    hidden = np.tanh(X @ theta["W"])
    back = 2 * (hidden @ theta["v"] - T[:, 0])
    claim = {
        "W": (X.T @ np.outer(back, theta["v"])).astype(np.float32),  # without 1 − hidden²
        "v": (hidden.T @ back) * (1 + np.array([3e-7, -2e-7, 2.5e-7])),
    }
    report = check(two_layers, theta, claim)
    assert report.blocks["v"].verdict is Verdict.FAIL
    assert "leaves out the derivative of line" in report.causes[0].sentence
    assert any(cause.blocks == ("v",) and "float32" in cause.sentence for cause in report.causes)


def test_errors_of_precision_are_no_reason_to_look_at_lines():
    claim = {
        name: value * (1 + 4e-7 * np.cos(np.arange(value.size)).reshape(value.shape))
        for name, value in gradients().items()
    }
    for method in ("auto", "plain"):
        report = check(cost, THETA, claim, method=method)
        assert any("precision or an approximation" in note for note in report.notes)
        assert not any(cause.lines or cause.kind in (ORDER, UNRECOGNISED) for cause in report.causes)


def test_empty_blocks_and_numbers_are_no_obstacle():
    theta = {
        "W": RNG.standard_normal((2, 3)),
        "none": np.zeros((0, 3)),
        "b": RNG.standard_normal(4),
        "gain": 1.5,
    }

    def cost(p):
        return sum(np.sum(np.tanh(value) ** 2) + 0.3 * np.sum(value**2) for value in p.values())

    claim = fastcheck.numerical_gradient(cost, theta)
    claim = {name: value + RNG.standard_normal(np.shape(value)) for name, value in claim.items()}
    for method in ("auto", "plain"):
        report = check(cost, theta, claim, method=method)
        assert report.causes[0].blocks == ("W", "b", "gain")


def half_recorded(p):
    """A cost of which half leaves no trace: it is made a number of by way of a string."""
    return 0.5 * cost(p) + float(f"{0.5 * cost(p):.17g}")


@pytest.mark.parametrize("look", [check, fastcheck.screen, fastcheck.locate])
@pytest.mark.parametrize("method", ["auto", "plain"])
def test_what_was_recorded_in_part_explains_nothing(look, method):
    claim = {name: 2.5 * value for name, value in gradients().items()}  # of what was recorded it is 5 times
    report = look(half_recorded, THETA, claim, method=method)
    assert report.verdict is Verdict.FAIL
    said = " ".join(cause.sentence for cause in report.causes)
    assert " 5 times" not in said
    assert not any(cause.lines for cause in report.causes)


def interrupting(*_, **__):
    raise KeyboardInterrupt


def failing(*_, **__):
    raise KeyError("no such operation")


@pytest.mark.parametrize("place", ["graph_of", "pattern_hypotheses", "ranked_causes", "lines_that_assign"])
def test_an_interruption_leaves_the_verdict_and_what_was_found(monkeypatch, place):
    monkeypatch.setattr(finding, place, interrupting)
    report = check(cost, THETA, doubled())
    assert report.verdict is Verdict.FAIL
    (said,) = [note for note in report.notes if note.startswith("the search for causes was interrupted")]
    found = [cause.sentence for cause in report.causes]
    if place in ("pattern_hypotheses", "ranked_causes"):
        assert said.endswith("interrupted before one was named.")
    else:
        assert "interrupted: those that are named were found before" in said
    assert said.endswith(", and are not certain.") is (place == "graph_of")
    assert found == ([] if place == "ranked_causes" else found)
    if place in ("graph_of", "lines_that_assign"):
        assert found == ["dW is 2 times the right gradient"]
    assert not any(cause.certain for cause in report.causes if place == "graph_of")
    assert str(report)


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        (doubled, "ended with the time budget: those that are named were found before, and are not certain."),
        (
            lambda: {**gradients(), "W": THETA["W"] ** 3 + 0.1},
            "ended with the time budget before one was named.",
        ),
    ],
)
def test_a_search_that_the_time_budget_cuts_short_says_so(monkeypatch, claimed, expected):
    failure = finding.Failure

    def with_no_time(**of_failure):
        return failure(**of_failure | {"deadline": 0.0})

    monkeypatch.setattr(finding, "Failure", with_no_time)
    report = check(cost, THETA, claimed())
    assert report.verdict is Verdict.FAIL
    assert f"the search for causes {expected}" in report.notes
    assert not any(cause.certain for cause in report.causes)


def test_a_search_that_came_to_its_end_says_nothing_of_it():
    report = check(cost, THETA, doubled(), time_budget=60.0)
    assert not [note for note in report.notes if "the search for causes" in note]


@pytest.mark.parametrize("place", ["graph_of", "pattern_hypotheses", "ranked_causes", "lines_that_assign"])
def test_what_fails_in_the_search_is_a_note_and_no_crash(monkeypatch, place):
    monkeypatch.setattr(finding, "STRICT", False)
    monkeypatch.setattr(finding, place, failing)
    report = check(cost, THETA, doubled())
    assert report.verdict is Verdict.FAIL
    assert report.blocks["W"].wrong == 12
    (note,) = [note for note in report.notes if "the search for causes" in note]
    assert "KeyError: 'no such operation'" in note
    assert note.endswith("Please report this.")


def test_in_tests_it_is_not_swallowed(monkeypatch):
    monkeypatch.setattr(finding, "graph_of", failing)
    with pytest.raises(KeyError, match="no such operation"):
        check(cost, THETA, doubled())


@pytest.mark.parametrize("passes", [4, 20, 60, 100, 400])
def test_no_budget_of_forward_passes_is_exceeded(passes):
    counted = Counted(cost)
    report = check(counted, THETA, doubled(), max_forward_passes=passes)
    assert report.forward_passes == counted.calls <= passes
    assert report.verdict is not Verdict.PASS
    assert bool(report.causes) is (report.verdict is Verdict.FAIL)


def test_the_search_ends_with_the_time_budget(monkeypatch):
    deadlines = []
    search = finding.GraphSearch

    def noted(*arguments):
        deadlines.append(arguments[-1])
        return search(*arguments)

    monkeypatch.setattr(finding, "GraphSearch", noted)
    before = time.perf_counter()
    assert check(cost, THETA, doubled(), time_budget=50.0).causes
    check(cost, THETA, doubled())
    assert before + 50 <= deadlines[0] <= time.perf_counter() + 50
    assert deadlines[1] is None


def test_callers_keep_what_they_gave():
    claim, theta = doubled(), {name: value.copy() for name, value in THETA.items()}
    before = {name: value.copy() for name, value in claim.items()}
    check(cost, theta, claim)
    for name, value in THETA.items():
        np.testing.assert_array_equal(theta[name], value)
        np.testing.assert_array_equal(claim[name], before[name])


def test_the_same_seed_finds_the_same():
    first, second = (
        check(cost, THETA, {"W": 2 * gradients()["W"], "b": np.zeros(3)}, seed=7) for _ in range(2)
    )
    assert first.causes == second.causes


def test_causes_are_in_the_message_of_a_check_that_failed():
    with pytest.raises(fastcheck.GradientMismatchError) as caught:
        check(cost, THETA, doubled()).raise_if_failed()
    assert "FAIL  dW is 2 times the right gradient" in str(caught.value)
