"""A report in plain words: a paragraph for each thing that occurs in it, and for nothing else."""

import dataclasses
import re

import numpy as np
import pytest

from fastcheck import Stage, StagesReport, check, check_layer, locate, screen
from fastcheck.report.causes import ORDER
from fastcheck.report.explaining import options_of

THETA = {"W": np.linspace(0.5, 2, 120).reshape(40, 3), "b": np.array([0.3, -0.2])}


def cost(p):
    return np.sum(p["W"] ** 2) + np.sum(p["b"] ** 2)


def plainly(p):
    return float(f"{cost(p):.17g}")


def right():
    return {name: 2 * value for name, value in THETA.items()}


def wrong():
    return right() | {"W": 3 * THETA["W"]}


ZEROS = {"z": np.zeros(2)}

REPORTS = {
    "difference": lambda: check(cost, THETA, right()),
    "plain": lambda: check(plainly, THETA, right(), method="plain"),
    "reference": lambda: check(plainly, THETA, right(), method="reference"),
    "wrong": lambda: check(cost, THETA, wrong()),
    "sample": lambda: check(cost, THETA, right(), coordinates=20, seed=7, confidence=0.9),
    "one block": lambda: check(cost, THETA, right(), coordinates={"b": "all"}),
    "chosen": lambda: check(cost, THETA, right(), coordinates=["b[1]"]),
    "screened": lambda: screen(plainly, THETA, right(), method="plain"),
    "compared": lambda: screen(cost, THETA, right()),
    "located": lambda: locate(
        cost, THETA, right() | {"W": 2 * THETA["W"] * (1 + (np.arange(40) == 3)[:, None])}
    ),
    "located plainly": lambda: locate(
        plainly, THETA, right() | {"W": 2 * THETA["W"] + np.eye(40, 3)}, method="plain"
    ),
    "given step": lambda: check(cost, THETA, right(), epsilon=1e-3),
    "zero": lambda: check(lambda p: cost(p) + 0 * np.sum(p["z"]), THETA | ZEROS, right() | ZEROS),
    "budget": lambda: check(plainly, THETA, right(), method="plain", max_forward_passes=80),
    "inconclusive": lambda: check(lambda p: plainly(p) + 1e12, THETA, right(), method="plain", epsilon=1e-5),
    "kinks": lambda: check(lambda p: np.sum(np.maximum(p["b"], 0)), {"b": np.zeros(2)}, {"b": np.ones(2)}),
    "kinks, plainly": lambda: check(
        lambda p: np.sum(np.maximum(p["b"], 0)), {"b": np.zeros(2)}, {"b": np.ones(2)}, method="plain"
    ),
    "unseen": lambda: check(lambda p: np.sum(p["W"]), {"W": np.zeros(3)}, {"W": np.ones(3)}),
}


@pytest.fixture(scope="module")
def explained():
    texts = {}
    for name, make in REPORTS.items():
        report = make()
        text = report.explain()
        assert max(len(line) for line in text.splitlines() if not line.startswith(" ")) <= 80
        texts[name] = {paragraph.split(":")[0].split(" ")[0]: paragraph for paragraph in text.split("\n\n")}
    return texts


def said(paragraph):
    return " ".join(paragraph.split())


OCCURS = {
    "certified": {
        "difference",
        "wrong",
        "sample",
        "one block",
        "chosen",
        "compared",
        "located",
        "kinks",
        "unseen",
        "zero",
        "given step",
    },
    "bound": {"screened", "compared", "located", "located plainly", "budget"},
    "would": {
        "difference",
        "plain",
        "reference",
        "sample",
        "one block",
        "chosen",
        "kinks",
        "kinks, plainly",
        "unseen",
        "zero",
        "given step",
    },
    "kinks": {"kinks", "kinks, plainly"},
    "What": {"wrong", "located", "located plainly"},
    "Where": {"located", "located plainly"},
}


@pytest.mark.parametrize("first_word", OCCURS)
def test_what_does_not_occur_is_not_explained(explained, first_word):
    assert {name for name, paragraphs in explained.items() if first_word in paragraphs} == OCCURS[first_word]


def test_every_report_has_a_verdict_an_effort_and_a_way_to_repeat_it(explained):
    for name, paragraphs in explained.items():
        assert next(iter(paragraphs)) in ("pass", "fail", "inconclusive"), name
        assert any(
            re.match(r"[\d,]+ forward passes, \d", said(paragraph)) for paragraph in paragraphs.values()
        )
        assert "check(cost, parameters, gradients, method=" in paragraphs["To"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "difference",
            "122 of 122 parameters checked by difference propagation: The cost ran on arrays that",
        ),
        (
            "plain",
            "122 of 122 parameters checked by plain evaluation: The numerical gradient is (J(θ+ε) − J(θ−ε))",
        ),
        ("reference", "checked by the reference loop: The numerical gradient is (J(θ+ε) − J(θ−ε)) / 2ε, one"),
        ("screened", "122 parameters screened by plain evaluation: no coordinate was looked at by itself"),
        ("inconclusive", "ε = 1e-05 was your choice, for the first look at each coordinate"),
        (
            "given step",
            "ε = 0.001 was your choice: the slopes do not come from it, and a note says where",
        ),
        ("plain", "The step ε was chosen for each coordinate"),
        (
            "wrong",
            "fail: wrong in W. A coordinate is wrong if claim and numerical gradient differ by more than",
        ),
        ("inconclusive", "inconclusive: of W, b the numerical gradient is not known well enough"),
        ("inconclusive", "W is undecided, rounding noise: the numerical gradient of W is known to ±"),
        ("difference", "certified: every slope within "),
        ("screened", "with 99.9 % confidence. It follows from 4 random directions along which"),
        (
            "screened",
            "estimated along the random directions in blocks that have a bound; in tables, of one block",
        ),
        ("located", "over all coordinates that were compared; in tables, of one block"),
        (
            "located plainly",
            "estimated along the random directions in blocks that have a bound, in others over all",
        ),
        (
            "located plainly",
            "122 parameters screened by plain evaluation: The slope of J along random directions",
        ),
        (
            "located plainly",
            "of 122 parameters checked by plain evaluation, by themselves: The numerical gradient is",
        ),
        ("difference", "plus 1e-07 of its size (1e-05 if the claim is in single precision). The size is"),
        ("kinks", "any is right that is one choice for all coordinates"),
        ("kinks, plainly", "any claim between the slopes on either side is taken for right"),
        ("unseen", "of that. One wrong coordinate makes its block fail"),
        ("zero", "would have failed in every block but z, of which no such size is known, and so would"),
        (
            "sample",
            "of its 100 other coordinates were wrong, a draw of 20 would show what it shows with a probability",
        ),
        ("sample", "of at most 10 %"),
        ("one block", "Not looked at: the blocks W, which were not asked for"),
        ("budget", "The check stopped, as the budget of 80 forward passes was used up."),
        ("difference", "Every block was looked at as a whole"),
        ("unseen", "Not seen by this check: W: all zeros, where a penalty (L2, weight decay) has no slope"),
        ("kinks", "kinks: 2 coordinates are at points where J has no single slope"),
        ("wrong", "It is not called certain: others may explain the claims as well"),
    ],
)
def test_figures_are_explained_by_how_they_were_obtained(explained, name, words):
    assert words in said(" ".join(explained[name].values()))


def options_in(paragraphs):
    call = re.search(r"check\(cost, parameters, gradients, (.*)\)", paragraphs["To"])[1]
    return eval(f"dict({call})")


@pytest.mark.parametrize(
    "name", ["difference", "plain", "reference", "wrong", "sample", "one block", "budget"]
)
def test_the_call_that_is_given_repeats_the_report(name):
    report = REPORTS[name]()
    options = options_in({"To": report.explain()})
    function = plainly if report.method in ("plain", "reference") else cost
    again = check(function, THETA, wrong() if name == "wrong" else right(), **options)
    assert dataclasses.replace(again, seconds=0.0) == dataclasses.replace(report, seconds=0.0)


def test_options_that_matter_are_in_the_call(explained):
    assert options_in(explained["difference"]) == {"method": "difference", "seed": 0}
    assert options_in(explained["sample"])["coordinates"] == {"W": 20, "b": "all"}
    assert options_in(explained["sample"])["confidence"] == 0.9
    assert options_in(explained["screened"])["coordinates"] == "screen"
    assert options_in(explained["inconclusive"])["epsilon"] == 1e-5
    assert "Name the coordinates again that you chose" in said(explained["chosen"]["To"])
    with_tolerance = check(cost, THETA, right(), tolerance=1e-5)
    assert options_of(with_tolerance)["tolerance"] == "1e-05"


def test_a_check_that_ended_by_time_cannot_be_repeated_exactly():
    report = dataclasses.replace(REPORTS["budget"](), stopped="the time budget of 1 s was used up")
    assert "differs from run to run" in said(report.explain())


def test_names_that_hold_anything_are_legible():
    report = check(lambda p: np.sum(p["a\x1b\n"]), {"a\x1b\n": np.zeros(2)}, {"a\x1b\n": np.ones(2)})
    assert "\x1b" not in report.explain()


def test_it_is_told_how_certain_a_cause_is():
    report = REPORTS["wrong"]()
    certain = tuple(dataclasses.replace(cause, certain=True) for cause in report.causes)
    assert "no other explains every wrong block" in said(
        dataclasses.replace(report, causes=certain).explain()
    )
    order = tuple(dataclasses.replace(cause, kind=ORDER) for cause in report.causes)
    text = said(dataclasses.replace(report, causes=order).explain())
    assert "is what the order of the wrong blocks shows" in text
    assert "was tested" not in text


def test_a_layer_is_explained_too():
    def forward(x):
        return x**2, x

    report = check_layer(forward, lambda dout, x: 3 * x * dout, np.linspace(1, 2, 5))
    assert "What is said of the mistake was tested" in said(report.explain())


def test_stages_are_explained_with_the_one_to_look_at():
    passed, failed = REPORTS["difference"](), REPORTS["wrong"]()
    stages = [Stage(step=step, report=report, seconds=0.1) for step, report in ((0, passed), (10, failed))]
    text = said(StagesReport(stages=tuple(stages), not_reached=(100,)).explain())
    assert text.startswith("The gradient was checked at steps 0 and 10 of a training")
    assert "Not looked at: step 100." in text
    assert text.endswith(f"Step 10, the first that did not pass, in detail: {said(failed.explain())}")
    right_ones = said(StagesReport(stages=tuple(stages[:1])).explain())
    assert "Step 0, the last, in detail: pass: nothing" in right_ones
    assert "Not looked at: step" not in right_ones
    assert StagesReport(stages=()).explain() == "Nothing was checked: no stage was reached."


def test_a_tolerance_that_is_wider_than_that_of_single_precision_is_the_only_one():
    assert "single precision)" not in check(cost, THETA, right(), tolerance=1e-3).explain()


def test_a_prompt_shows_the_explanation_as_it_is_printed():
    explanation = check(cost, THETA, right()).explain()
    assert repr(explanation) == str(explanation)
    assert "\n\n" in repr(explanation)
