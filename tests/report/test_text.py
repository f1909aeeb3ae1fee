import dataclasses
import io
import re
import sys

import numpy as np
import pytest

from fastcheck import Report, Verdict, check, locate, screen
from fastcheck.report.text import WIDTH, make_console, rich_report

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
    assert "all 17 parameters checked by plain evaluation" in text
    assert re.search(r"^\d+ forward passes, ", text, re.MULTILINE)
    assert "usually right below 1e-7, wrong above 1e-3" in text
    assert "Worst coordinates" not in text
    assert "Inconclusive" not in text


def test_a_wrong_gradient(texts):
    text = texts[Verdict.FAIL]
    assert text.startswith("FAIL  dW1 has one wrong entry, [3, 0]: it is −")
    assert "Worst coordinates" in text
    true = np.cos(THETA["W1"][3, 0])
    row = next(line for line in text.splitlines() if line.startswith("W1[3, 0]"))
    assert row.split()[2:5] == [f"{true + 0.5:.8g}", f"{true:.8g}", "5.00e-01"]


def test_an_inconclusive_one(texts):
    text = words(texts[Verdict.INCONCLUSIVE])
    assert text.startswith("INCONCLUSIVE could not tell for W1, b1, gamma")
    assert "Note: Inconclusive, rounding noise: the numerical gradient of W1 is known to ±" in text
    assert "Raise the tolerance to what you need to know" in text
    assert text.count("Inconclusive,") == 1


def test_a_row_for_each_block(texts):
    rows = {line.split()[0]: line.split() for line in texts[Verdict.FAIL].splitlines() if line.split()}
    assert rows["W1"][1:3] == ["4×3", "fail"]
    assert rows["b1"][1:3] == ["4", "pass"]
    assert rows["gamma"][1:3] == ["number", "pass"]
    assert rows["block"][:4] == ["block", "shape", "verdict", "difference"]
    assert "W1[3, 0]: 5.0e-01" in texts[Verdict.FAIL]


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
    lines = str(long).splitlines()
    assert lines[1] == "3 of 17 parameters checked by difference propagation"
    assert lines[3].endswith(" s, ε = 0.0001, sample of seed 1234")
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


def test_right_coordinates_are_not_listed_beside_wrong_ones(texts):
    listed = texts[Verdict.FAIL].split("Worst coordinates")[1].splitlines()[2:]
    assert [line.split("  ")[0] for line in listed] == ["W1[3, 0]"]


def test_a_share_of_everything_is_a_hundred_percent():
    text = str(check(lambda w: np.sum(w**2), np.arange(2.0), 2 * np.arange(2.0), coordinates=1))
    assert "at most 1 (100 %)" in text


def test_screening_says_how_many_directions_and_who_finds_the_place():
    wrong = gradients()
    wrong["W1"][3, 0] *= 1.01
    hint = "Where? fastcheck.locate(cost, parameters, gradients) finds out."
    assert "along 1 random direction in each block" in str(
        screen(cost, THETA, gradients(), directions=1, method="plain")
    )
    W1 = np.tile(THETA["W1"], (9, 9))
    failing = screen(cost, THETA | {"W1": W1}, _one_wrong(W1), method="plain")
    assert failing.verdict is Verdict.FAIL
    assert hint in str(failing)
    assert "Worst coordinates" not in str(failing)
    assert hint not in str(screen(cost, THETA, gradients()))
    assert hint not in str(locate(cost, THETA, gradients(W1=wrong["W1"])))


def _one_wrong(W1):
    claim = gradients(W1=np.cos(W1))
    claim["W1"][3, 0] *= 1.01
    return claim


@pytest.mark.parametrize("layer", ["encoder.weights[0]", "decoder.layers[0].attention.projection"])
def test_long_names_of_blocks_are_whole_and_not_repeated_beside_the_largest_error(layer):
    names = [f"{layer}.weight", f"{layer}.scale"]
    theta, claim = (
        {names[0]: np.full((3, 4), w), names[1]: np.array(s)} for w, s in ((1.0, 2.0), (3.0, 3.0))
    )
    shown = str(check(lambda p: sum(np.sum(w**2) for w in p.values()), theta, claim))
    table = shown.split("largest error at\n")[1].split("\n\n")[0].splitlines()
    assert [row.split("  ")[-1].strip() for row in table if "fail" in row] == ["[0, 0]: 1.0e+00", "1.0e+00"]
    assert "".join(row.split("  ")[0] for row in table) == "".join(names)
    assert "…" not in shown


def test_names_in_brackets_are_not_taken_for_markup():
    theta = {"[bold]": np.array([1.0]), "layers": [np.array([1.0, 2.0])]}
    wrong = {"[bold]": np.array([9.0]), "layers": [np.array([1.0, 1.0])]}
    text = str(check(lambda p: p["[bold]"][0] + np.sum(p["layers"][0]), theta, wrong))
    assert "gradient of [bold]" in text
    assert text.count("[bold][0]") == 2  # in the table of blocks and among the worst coordinates
    assert "layers[0]" in text


def test_many_blocks_are_summed_up_in_the_headline():
    theta = {f"W{i}": np.array([1.0]) for i in range(20)}
    wrong = {name: np.array([3.0]) for name in theta}
    headline = words(str(check(lambda p: sum(a[0] for a in p.values()), theta, wrong)))
    assert "dW0, dW1, dW2, dW3, dW4, dW5 and 14 more are 3 times the right gradient" in headline
    theta = {name: np.linspace(1, 2, 4) for name in theta}
    wrong = {name: np.random.default_rng(place).random(4) for place, name in enumerate(theta)}
    headline = str(check(lambda p: sum(np.sum(a**3) for a in p.values()), theta, wrong)).splitlines()[0]
    assert headline == "FAIL  the gradient is wrong in W0, W1, W2, W3, W4, W5 and 14 more"


def test_notes_are_shown():
    noted = dataclasses.replace(report(), notes=("first thing.", "second thing " * 20))
    text = str(noted)
    assert "Note: first thing." in text
    assert words(text).count("second thing") == 20
    assert all(len(line) <= WIDTH for line in text.splitlines())


# --- colours ------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "no_color", "coloured"),
    [(Terminal, None, True), (Terminal, "1", False), (io.StringIO, None, False), (io.StringIO, "1", False)],
)
def test_colours_on_terminals_only(monkeypatch, stream, no_color, coloured):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    out = stream()
    monkeypatch.setattr(sys, "stdout", out)
    make_console().print(rich_report(report(gamma=5.0)))
    text = out.getvalue()
    assert "the gradient is wrong in gamma" in text
    assert any(f"\033[{code}" in text for code in ("31m", "1;31m")) is coloured


def test_the_same_words_with_and_without_colours(monkeypatch, texts):
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    shown = report()
    make_console().print(rich_report(shown))
    assert words(out.getvalue()) == words(str(shown))


def test_one_of_a_thing_is_in_the_singular():
    shown = str(check(lambda x: x * x, 3.0, 6.0, max_forward_passes=50))
    assert "\nthe 1 parameter checked by " in shown
    assert "\n1 parameter screened" in str(screen(lambda x: x * x, 3.0, 6.0, method="plain"))
    assert "Located: theta (2 coordinates) is wrong" in str(locate(np.sum, np.ones(2), 3 * np.ones(2)))
