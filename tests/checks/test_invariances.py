"""What must not matter to a check: names and orders of blocks, powers of two, where reports go, sizes, memory."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenarios import mapped, relu_forward, scenarios
from small_model import RIGHT, THETA, Model, X, Y, plain

from fastcheck import Report, Verdict, check

# --- what must not matter -----------------------------------------------------------------------------------


@pytest.mark.slow
@given(st.integers(-300, 300), st.booleans(), st.sampled_from(scenarios()[:8]))
def test_powers_of_two_change_nothing(power, wrong, scenario):
    def scaled(structure, factor):
        return mapped(lambda leaf: leaf * factor, structure)

    gradients = scaled(scenario.gradients, 1.001) if wrong else scenario.gradients
    small = {"coordinates": 1, "method": "plain"}
    report = check(scenario.cost, scenario.parameters, gradients, **small)
    factor = 2.0**power
    other = check(
        lambda p: factor * scenario.cost(p), scenario.parameters, scaled(gradients, factor), **small
    )
    assert other.verdict is report.verdict
    assert other.difference == report.difference
    assert other.forward_passes == report.forward_passes
    for name, block in report.blocks.items():
        assert other.blocks[name].verdict is block.verdict
        assert other.blocks[name].worst[0].error == factor * block.worst[0].error
    assert report.passed is not wrong


@given(st.permutations(["W1", "b1", "W2", "b2"]), st.sampled_from([None, "W1", "b2"]))
def test_names_and_order_of_blocks_change_nothing(order, wrong):
    new_names = dict(zip(THETA, ["kernel", "offset", "out_kernel", "out_offset"], strict=True))
    theta = {new_names[name]: THETA[name] for name in order}
    gradients = {new_names[name]: RIGHT[f"d{name}"] * (1 + (name == wrong)) for name in reversed(order)}

    def cost(p):
        return relu_forward(X, Y, {name: p[new_names[name]] for name in THETA})[0]

    report = check(cost, theta, gradients)
    failing = [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL]
    assert failing == ([new_names[wrong]] if wrong else [])
    assert list(report.blocks) == [new_names[name] for name in order]
    assert report.verdict is (Verdict.FAIL if wrong else Verdict.PASS)


@given(st.integers(0, 2**31), st.sampled_from([1, 0.3, "all"]), st.booleans())
def test_reports_survive_json_and_pickle(seed, coordinates, wrong):
    gradients = RIGHT | {"dW1": 3 * RIGHT["dW1"]} if wrong else RIGHT
    report = check(Model(X, Y).loss, THETA, gradients, seed=seed, coordinates=coordinates)
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    assert pickle.loads(pickle.dumps(report)) == report
    assert plain(check(Model(X, Y).loss, THETA, gradients, seed=seed, coordinates=coordinates)) == plain(
        report
    )


@pytest.mark.parametrize("recorded", [True, False])
def test_very_many_parameters_are_screened_and_mistakes_located(monkeypatch, recorded):
    """All of them, where the cost can be recorded; otherwise along random directions."""
    monkeypatch.setattr("fastcheck.checks.running.MOST_UNASKED", 500)
    theta = {"w": np.linspace(-1, 1, 600).reshape(20, 30)}
    gradients = {"w": 2 * theta["w"]}

    def cost(p):
        w = p["w"] if recorded else np.frombuffer(p["w"].tobytes())
        return np.sum(w**2)

    report = check(cost, theta, gradients, max_memory=80_000)
    assert report.passed
    if recorded:
        assert report.blocks["w"].screened.relative_bound < 1e-12
        assert (report.method, report.checked, report.notes) == ("difference", 600, ())
    else:
        assert report.blocks["w"].screened.relative_bound < 1e-7
        assert (report.method, report.checked) == ("plain", 0)
        assert "coordinates='all' checks each of them" in report.notes[-1]
    gradients["w"][7, 9] *= 1.001
    report = check(cost, theta, gradients)
    assert report.blocks["w"].located.sentence.startswith("w[7, 9] is wrong")
    assert check(cost, theta, gradients, coordinates="all").checked == 600


def test_a_cost_that_does_not_fit_into_memory_is_evaluated_plainly_and_the_note_says_so():
    theta = np.linspace(-1, 1, 6)
    report = check(lambda p: np.sum(p**2), theta, 2 * theta, max_memory=100)
    assert (report.verdict, report.method) == (Verdict.PASS, "plain")
    (note,) = report.notes
    assert (
        note == "evaluated plainly: what the cost computes needs more memory than allowed: raise max_memory."
    )
