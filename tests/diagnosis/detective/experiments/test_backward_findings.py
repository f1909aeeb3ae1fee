"""Experiments with a backward pass: what they may spend, and that they leave everything as it was."""

import numpy as np
import pytest

from fastcheck import check_layer
from fastcheck.diagnosis.detective import finding
from fastcheck.diagnosis.detective.experiments import backward_findings
from fastcheck.report.causes import ORDER
from tests.diagnosis.detective.layer_styles import data

INPUTS = data(6, 4), data(4, 3, seed=1)


def forward(x, w):
    y = np.tanh(x @ w)
    return y, (x, w, y)


def ignoring(dout, cache):
    x, w, y = cache
    return (1 - y**2) @ w.T, x.T @ (dout * (1 - y**2))


def test_a_check_that_passes_runs_the_backward_pass_once():
    calls = [0]

    def backward(dout, cache):
        calls[0] += 1
        x, w, y = cache
        d = dout * (1 - y**2)
        return d @ w.T, x.T @ d

    assert check_layer(forward, backward, *INPUTS).passed
    assert calls == [1]


def test_forward_passes_of_experiments_are_counted(tmp_path):
    """The count is kept in a file, as what Python objects hold is put back."""
    log = tmp_path / "calls"

    def counting(x, w):
        with open(log, "a") as file:
            file.write(".")
        return forward(x, w)

    report = check_layer(counting, ignoring, *INPUTS, method="plain")
    assert report.causes[0].kind == "upstream gradient ignored"
    assert len(log.read_text()) == report.forward_passes


def right(dout, cache):
    x, w, y = cache
    d = dout * (1 - y**2)
    return d @ w.T, x.T @ d


@pytest.mark.parametrize("passes", [60, 75, 100, 200])
def test_experiments_keep_within_the_forward_passes_of_a_budget(passes):
    report = check_layer(forward, ignoring, *INPUTS, max_forward_passes=passes)
    assert report.verdict == "fail"
    assert report.forward_passes <= passes + 2  # the two that pose the layer


def test_no_time_is_left_for_experiments_of_a_budget_that_is_used_up():
    report = check_layer(forward, ignoring, *INPUTS, time_budget=1e-9)
    assert all(cause.kind == ORDER for cause in report.causes)


def test_a_backward_pass_that_raises_for_other_cotangents_is_judged_by_those_it_takes():
    def picky(dout, cache):
        if not dout.any():
            raise ValueError("nothing to do")
        return ignoring(dout, cache)

    report = check_layer(forward, picky, *INPUTS)
    assert report.causes[0].kind == "upstream gradient ignored"

    first = []

    def once(dout, cache):
        first.append(dout)
        if len(first) > 1:
            raise ValueError("only once")
        return ignoring(dout, cache)

    report = check_layer(forward, once, *INPUTS)
    assert report.verdict == "fail"
    assert [cause.kind for cause in report.causes] == [ORDER]


def test_what_ends_experiments_does_not_end_the_check(monkeypatch):
    def broken(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(backward_findings, "repeated_call_causes", broken)
    with pytest.raises(RuntimeError, match="broken"):
        check_layer(forward, ignoring, *INPUTS)
    monkeypatch.setattr(finding, "STRICT", False)
    report = check_layer(forward, ignoring, *INPUTS)
    assert report.verdict == "fail"
    assert any("RuntimeError: broken" in note for note in report.notes)


def test_inputs_generators_and_what_functions_hold_are_as_before():
    rng = np.random.default_rng(3)
    history, settings = [], {"calls": 0}
    inputs = [x.copy() for x in INPUTS]

    def storing(dout, cache):
        history.append(dout)
        settings["calls"] += 1
        x, w, y = cache
        x[0] = rng.standard_normal(x.shape[1])
        return (1 - y**2) @ w.T * 1.0, w * dout.sum()

    report = check_layer(forward, storing, *inputs)
    assert report.verdict == "fail"
    assert len(history) == settings["calls"] == 1  # the claim
    other = np.random.default_rng(3)
    other.standard_normal(4)
    assert rng.random() == other.random()
    for before, after in zip(INPUTS, inputs, strict=True):
        np.testing.assert_array_equal(before, after)


def test_blocks_that_nothing_explains_are_named_after_those_that_something_does():
    def backward(dout, cache):
        dx, dw = ignoring(dout, cache)
        return dx, dw + np.outer(dout[0] @ np.ones((3, 4)), dout[1])[:4] * 0 + dw[::-1]

    report = check_layer(forward, backward, *INPUTS)
    first, second = report.causes
    assert (first.kind, first.blocks, first.certain) == ("upstream gradient ignored", ("x",), True)
    assert (second.blocks, second.certain) == (("w",), False)
    assert "only" not in second.sentence
    assert type(report).from_dict(report.to_dict()).causes == report.causes


@pytest.mark.parametrize("order", ["C", "F"])
def test_inputs_in_any_order_in_memory(order):
    inputs = [np.array(x, order=order) for x in INPUTS]
    assert check_layer(forward, right, *inputs).causes == ()
    (cause,) = check_layer(forward, ignoring, *inputs).causes
    assert cause.blocks == ("x",)


def test_other_causes_name_the_lines_of_the_layer():
    def shared(x, w):
        h = x @ w
        skipped = np.sin(w)
        return np.tanh(h) + skipped.sum(axis=0), (x, w, h)

    def backward(dout, cache):
        x, w, h = cache
        d = dout * (1 - np.tanh(h) ** 2)
        return 2 * d @ w.T, x.T @ d  # without what comes through `skipped`

    report = check_layer(shared, backward, *INPUTS)
    lines = [line for cause in report.causes for line in cause.lines]
    assert {line.file for line in lines} == {__file__}
    of_w = [line.text for cause in report.causes if "w" in cause.blocks for line in cause.lines]
    assert "skipped = np.sin(w)" in of_w
