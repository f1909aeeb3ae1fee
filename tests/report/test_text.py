import dataclasses
import re

import numpy as np
import pytest

from fastcheck import Report, Verdict, check
from fastcheck.report.view import WIDTH

THETA = {"W1": np.linspace(0.1, 1.9, 12).reshape(4, 3), "b1": np.linspace(-1, 1, 4), "gamma": 0.7}


def cost(p):
    return np.sum(np.sin(p["W1"])) + np.sum(p["b1"] ** 2) + p["gamma"] ** 3


def gradients(**changes):
    return {"W1": np.cos(THETA["W1"]), "b1": 2 * THETA["b1"], "gamma": 3 * 0.7**2} | changes


def report(offset=0.0, options=None, **changes):
    return check(lambda p: cost(p) + offset, THETA, gradients(**changes), method="plain", **(options or {}))


def words(text):
    return " ".join(text.split())


@pytest.fixture(scope="module")
def texts():
    wrong = gradients()
    wrong["W1"][3, 0] += 0.5
    return {
        Verdict.PASS: str(report()),
        Verdict.FAIL: str(report(W1=wrong["W1"])),
        Verdict.INCONCLUSIVE: str(report(offset=1e12)),
    }


def test_a_right_gradient(texts):
    text = texts[Verdict.PASS]
    assert text.startswith("PASS  the gradient is right\n")
    assert text.splitlines()[1] == "all 17 parameters checked by plain evaluation"
    assert re.search(
        r"^difference \S+, largest in \w+: \S+; \d+ forward passes, \d\.\d\d s$", text, re.MULTILINE
    )
    assert len(text.splitlines()) == 3


def test_a_right_gradient_in_full():
    text = report().to_text(verbose=True)
    assert text.startswith("PASS  the gradient is right\n")
    assert "all 17 parameters checked by plain evaluation" in text
    assert re.search(r"^\d+ forward passes, ", text, re.MULTILINE)
    assert "usually right below 1e-7, wrong above 1e-3" in text
    assert "would have caught any block × (1 + 1e-07)" in text
    assert "Worst coordinates" not in text
    assert "Inconclusive" not in text


def test_a_wrong_gradient(texts):
    text = texts[Verdict.FAIL]
    assert text.startswith("FAIL  dW1 has one wrong entry, [3, 0]: it is −")
    true = np.cos(THETA["W1"][3, 0])
    assert text.splitlines()[1] == f"      where     W1[3, 0]: claimed {true + 0.5:.8g}, numerical {true:.8g}"
    row = next(line for line in text.splitlines() if line.startswith("W1[3, 0]"))
    assert row.split()[2:5] == [f"{true + 0.5:.8g}", f"{true:.8g}", "5.00e-01"]
    assert re.search(r"^2 more blocks are right to \de-1\d: b1, gamma$", text, re.MULTILINE)


def test_a_wrong_gradient_in_full():
    wrong = gradients()
    wrong["W1"][3, 0] += 0.5
    text = report(W1=wrong["W1"]).to_text(verbose=True)
    assert "\nWorst coordinates\ncoordinate" in text
    assert "      b1, gamma are right: leave them alone\nall 17 parameters" in text
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.split()}
    assert rows["b1"][1:3] == ["4", "pass"]
    assert rows["gamma"][1:3] == ["number", "pass"]
    assert "W1[3, 0]: 5.0e-01" in text


def test_an_inconclusive_one(texts):
    lines = texts[Verdict.INCONCLUSIVE].splitlines()
    assert lines[0] == "INCONCLUSIVE  could not tell for W1, b1, gamma: rounding noise"
    assert lines[1].startswith("      the numerical gradient of W1 is known to ± ")
    text = words(texts[Verdict.INCONCLUSIVE])
    assert text.count("Raise the tolerance to what you need to know") == 1
    in_full = words(report(offset=1e12).to_text(verbose=True))
    assert "Note: Inconclusive, rounding noise: the numerical gradient of W1 is known to ±" in in_full
    assert in_full.count("Inconclusive,") == 1


def test_the_obstacle_of_an_undecided_block_stands_below_the_causes_of_one_that_fails():
    undecided, wrong = report(offset=1e12), report(gamma=5.0)
    blocks = {**undecided.blocks, "gamma": wrong.blocks["gamma"]}
    text = str(dataclasses.replace(wrong, blocks=blocks))
    assert text.startswith("FAIL  ")
    assert "      rounding noise: the numerical gradient of W1 is known to ±" in text


def test_a_row_for_each_block_that_fails(texts):
    rows = {line.split()[0]: line.split() for line in texts[Verdict.FAIL].splitlines() if line.split()}
    assert rows["W1"][1:3] == ["4×3", "fail"]
    assert not {"b1", "gamma"} & rows.keys()
    assert rows["block"] == ["block", "shape", "verdict", "difference", "checked", "wrong"]


def test_lines_fit_and_hold_no_control_codes(texts):
    for text in texts.values():
        assert all(len(line) <= WIDTH and line == line.rstrip() for line in text.splitlines())
        assert "\033" not in text
        assert not text.endswith("\n")


def test_a_sample_and_a_step_are_mentioned():
    text = words(str(report(options={"coordinates": 1, "epsilon": 1e-4, "seed": 12})))
    assert "3 of 17 parameters checked" in text
    assert "ε = 0.0001" in text
    assert "seed 12" in text


@pytest.mark.parametrize("former", ["graph", "mlp"])
def test_kept_reports_of_former_engines_can_be_read(former):
    kept = report().to_dict() | {"method": former}
    assert "checked by difference propagation" in str(Report.from_dict(kept))


def test_a_sample_of_the_longest_method_stays_on_its_lines():
    long = dataclasses.replace(
        report(options={"coordinates": 1, "epsilon": 1e-4, "seed": 1234}), method="difference"
    )
    lines = long.to_text(verbose=True).splitlines()
    assert lines[1] == "3 of 17 parameters checked by difference propagation"
    assert lines[3].endswith(" s, ε = 0.0001, sample of seed 1234")
    assert str(long).splitlines()[1] == "3 of 17 parameters checked by difference propagation"
    positions = str(report(options={"coordinates": ["b1[2]"], "seed": 1234}))
    assert "1234" not in positions  # nothing was drawn


def test_blocks_that_were_left_out_are_named():
    some = report(options={"coordinates": {"gamma": "all"}})
    assert some.left_out == ("W1", "b1")
    lines = str(some).splitlines()
    assert lines[0] == "PASS  no mistake in what was checked"
    assert lines[2] == "not looked at: W1, b1"
    assert type(some).from_dict(some.to_dict()) == some
    assert report().left_out == ()


def test_right_coordinates_are_not_listed_beside_wrong_ones():
    w = np.exp(-np.arange(40.0))
    claim = 2 * w
    claim[1] *= 1.01
    report = check(lambda w: float(np.sum(w**2)), w, claim, method="plain")
    relative = [coordinate.relative_error for coordinate in report.worst]
    assert report.blocks["theta"].wrong == 1 < sum(error > report.tolerance for error in relative)
    text = report.to_text(verbose=True)
    assert re.findall(r"^theta\[\d+\]", text, re.MULTILINE) == ["theta[1]"]


def test_what_would_have_been_caught_is_not_said_of_a_block_without_a_scale():
    theta = {"a": np.ones(4), "z": np.zeros(3)}
    report = check(
        lambda p: np.sum(p["a"] ** 2) + 0 * np.sum(p["z"]), theta, {"a": np.full(4, 2.0), "z": np.zeros(3)}
    )
    said = " ".join(report.to_text(verbose=True).split())
    assert "of its block's typical entry; of z no such size is known" in said
