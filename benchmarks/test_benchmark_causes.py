"""The measure of the detective: expectations are complete, right answers count, wrong ones do not."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.causes.asking import judge
from benchmarks.causes.claims import changed_blocks, is_same_claim
from benchmarks.causes.effects import is_true_effect
from benchmarks.causes.expecting import Expectation, Unknowable, best_match, match, numbers, tells_number
from benchmarks.causes.networks import NETWORKS
from benchmarks.causes.networks.textbook import STYLES
from benchmarks.causes.planting import KINDS
from benchmarks.causes.random_networks import random_claim
from benchmarks.causes.sets import BOTH_SHOW, PAIRS_EACH, network_pairs, planted, zoo_family
from benchmarks.causes.summary import Score, failures, tables
from benchmarks.causes.zoo_expectations import WRONG_LINES, corruption
from benchmarks.zoo.corruptions import CORRUPTIONS
from benchmarks.zoo.wrong_lines import WRONG_LINES as MISTAKES_OF_THE_ZOO
from fastcheck import Verdict, check
from fastcheck.pictures.code_lines import CodeLine
from fastcheck.report.causes import Cause


def cause(sentence, line="", blocks=("W2",), certain=True, kind="scaled", evidence=""):
    lines = (CodeLine(file="net.py", number=1, text=line),) if line else ()
    return Cause(kind=kind, blocks=blocks, sentence=sentence, evidence=evidence, certain=certain, lines=lines)


def report(*causes, verdict=Verdict.FAIL):
    return SimpleNamespace(causes=causes, verdict=verdict, notes=())


def claim(mistake, family="course"):
    return next(one for one in zoo_family(family, 0) if one.mistake == mistake)


def test_every_mistake_of_the_zoo_has_its_expectation():
    assert set(WRONG_LINES) == {name for group in MISTAKES_OF_THE_ZOO.values() for name in group}
    g = np.arange(1.0, 13).reshape(3, 4)
    for group in CORRUPTIONS.values():
        for name, how in group.items():
            if name != "two blocks of the same shape exchanged" and name != "a square block transposed":
                changed = how({"W": g}, np.random.default_rng(0))["W"]
                assert corruption(name, g, changed)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dW2 is 2 times what is right", 2.0),
        ("counted twice", 2.0),
        ("it is ½ of it", 0.5),
        ("it is 1/20 of it", 0.05),
        ("−3.5 times", -3.5),
        ("1,024 times", 1024.0),
        ("1.000001 times", 1 + 1e-6),
        ("the penalty is left out", 0.0),
        ("has the wrong sign", -1.0),
        ("2.5e-3 times", 2.5e-3),
    ],
)
def test_numbers_are_read(text, expected):
    assert tells_number(text, expected)
    assert not tells_number(text, 7.25)
    assert not tells_number(text, expected * 1.02 + 0.03)


def test_numbers_of_a_text():
    assert numbers("rows 3 and 4") == [3, 4]
    assert numbers("2 / 3") == [2, 3, 2 / 3]
    assert {2.0, 16.0} <= {*numbers("4·0.5 times"), *numbers("√256 times")}
    assert 16.0 in numbers("4² times")


SIZES = SimpleNamespace(m=20)


def test_a_cause_must_say_it_and_name_the_line():
    expected = Expectation(said="times", line="np.tanh", factor=lambda s: s.m)
    assert match(cause("20 times", "A = np.tanh(Z)"), expected, SIZES).right
    assert not match(cause("19 times", "A = np.tanh(Z)"), expected, SIZES).said
    for evidence, is_told in (("explains all 20 blocks", False), ("explains all; coefficient 20.000", True)):
        told = cause("it is scaled", "A = np.tanh(Z)", evidence=evidence)
        assert match(told, Expectation(said="scaled", factor=lambda s: s.m), SIZES).said is is_told
    other_line = match(cause("20 times", "A = np.exp(Z)"), expected, SIZES)
    assert (other_line.said, other_line.line, other_line.right) == (True, False, False)
    nowhere = match(cause("20 times"), expected, SIZES)
    assert (nowhere.line, nowhere.right) == (None, True)
    assert match(cause("20 times"), Expectation(said="times"), SIZES).right


def test_the_best_of_several_expectations_counts():
    alternatives = (Expectation(said="sign", line="Z ="), Expectation(said="times", line="A ="))
    assert best_match(cause("2 times", "A = np.tanh(Z)"), alternatives, SIZES).right
    assert not best_match(cause("2 times", "Z = W @ A"), alternatives, SIZES).right


def test_answers_are_counted():
    doubled = claim("the course: dW2 doubled")
    line = 'Z = p[f"W{k}"] @ As[-1] + p[f"b{k}"]'
    right, wrong = cause("dW2 is 2 times what is right", line), cause("dW2 is 3 times what is right", line)
    nowhere, elsewhere = cause("dW2 is 3 times what is right"), cause("dW1 is 2 times it", line, ("W1",))
    assert judge(doubled, report(right)).verdict == "right first"
    assert judge(doubled, report(wrong, right)).verdict == "right line only"
    assert judge(doubled, report(nowhere, right)).verdict == "right later"
    assert judge(doubled, report(nowhere)).verdict == "wrong first"
    assert judge(doubled, report()).verdict == "nothing said"
    assert judge(doubled, report(verdict=Verdict.PASS)).verdict == "not found wrong"
    assert judge(doubled, report(elsewhere)).certain_and_wrong == (elsewhere,)
    assert judge(doubled, report(right, wrong)).certain_and_wrong == (wrong,)
    assert judge(doubled, report(dataclasses.replace(wrong, certain=False))).certain_and_wrong == ()


def test_nothing_can_be_certain_of_what_nobody_can_know():
    stale = claim("cache of before the last step")
    assert all(isinstance(one, Unknowable) for one in stale.expected[0])
    blocks = tuple(stale.wrong_blocks)
    wrong = judge(stale, report(cause("the loss is 2 times", blocks=blocks)))
    assert wrong.unknowable
    assert wrong.certain_and_wrong
    assert not judge(stale, report(cause("looks like a stale cache", blocks=blocks))).certain_and_wrong
    score = Score.of([wrong])
    assert (score.total, score.unknowable, score.certain_and_wrong) == (0, 1, 1)


def test_mistakes_with_the_same_claim_may_be_called_by_either_name():
    negated = claim("activation derivative negated in one layer", "tanh")
    assert negated.expected[0]
    for family in ("course", "tanh"):
        for one in zoo_family(family, 0):
            for other in zoo_family(family, 0):
                if is_same_claim(one.claimed, other.claimed, one.right):
                    assert set(one.expected[0]) == set(other.expected[0])


def test_tables_tell_what_was_said():
    doubled = claim("the course: dW2 doubled")
    line = 'Z = p[f"W{k}"] @ As[-1] + p[f"b{k}"]'
    wrong = cause("dW2 is 3 times what is right", line)
    answers = [
        judge(doubled, report(cause("dW2 is 2 times what is right", line, certain=False)), 0.1),
        judge(doubled, report(wrong), 0.3),
        judge(doubled, report(), 0.2),
    ]
    page = tables(answers)
    row = "| 3 | 1 of 3 (33 %) | 2 of 3 (67 %) | 1 of 3 (33 %) | 1 | 1 | 1 | 0.200 | 0.280 |"
    assert f"| course {row}" in page
    assert f"| **all** {row}" in page
    listed = failures(answers)
    assert "Right line only (1)" in listed
    assert "→ dW2 is 3 times what is right" in listed
    assert "Nothing said (1)" in listed
    assert "exception" not in listed
    broken = dataclasses.replace(answers[0], notes=("The search failed: X. Please report this.",))
    assert "The search ended with an exception:\n- course, seed 0" in failures([broken])


def test_claims_can_be_chosen():
    chosen = list(planted(["zoo"], families=["course"], only="^db "))
    assert {one.group for one in chosen} == {"course"}
    assert chosen
    assert all(one.mistake.startswith("db ") for one in chosen)


def test_pairs_tell_what_must_be_said_of_both():
    claims = network_pairs("Elman", 0)
    assert len(claims) == PAIRS_EACH
    for one in claims:
        names = one.mistake.split(" + ")
        assert len(one.expected) == (2 if one.kind == BOTH_SHOW else 1)
        assert all(name in NETWORKS["Elman"].MISTAKES for name in names)
    assert claims == network_pairs("Elman", 0)


def test_two_mistakes_may_be_told_by_one_cause_or_by_two():
    doubled = claim("the course: dW2 doubled", "L2")
    lost = claim("L2 missing in one layer", "L2")
    both = dataclasses.replace(
        doubled,
        claimed={name: lost.claimed[name] if name == "W1" else g for name, g in doubled.claimed.items()},
        expected=(doubled.expected[0], lost.expected[0]),
    )
    first = cause("dW2 is 2 times what is right")
    second = cause("the penalty is left out", "squares = 0", blocks=("W1",))
    one_for_both = cause("dW2 is 2 times what is right; the penalty is left out", blocks=("W1", "W2"))
    assert judge(both, report(first, second)).right_first
    assert judge(both, report(one_for_both)).right_first
    assert not judge(both, report(first)).right_first
    assert not judge(both, report(first, first, second)).right_first
    assert judge(both, report(first, first, second)).right_among_all


RIGHT = np.arange(1.0, 7).reshape(2, 3)
THETA = np.cos(RIGHT)


@pytest.mark.parametrize(
    ("kind", "claimed", "other"),
    [
        ("zero", 0 * RIGHT, RIGHT),
        ("a factor", 3 * RIGHT, RIGHT**2),
        ("a factor per row or column", RIGHT * [[2], [3]], RIGHT**2),
        ("penalty missing or too much", RIGHT - 0.1 * THETA, 2 * RIGHT),
        ("L1 penalty missing or too much", RIGHT - 0.1 * np.sign(THETA), 2 * RIGHT),
        ("a factor beside a penalty", 2 * RIGHT + 0.3 * THETA, RIGHT**2),
        ("a penalty alone", 0.3 * THETA, 2 * RIGHT),
        ("constant added", RIGHT + 0.5, 2 * RIGHT),
        ("one number in all entries", 0 * RIGHT + 0.5, 2 * RIGHT),
        ("transposed, reshaped or reversed", RIGHT[::-1], 2 * RIGHT),
        ("shifted", np.roll(RIGHT, 1), RIGHT + 0.5),
        ("one wrong entry", RIGHT + 5 * (RIGHT == 2), 2 * RIGHT),
        ("wrong in a part", RIGHT + 5 * (RIGHT > 4), 2 * RIGHT),
        ("reduced and spread", np.broadcast_to(RIGHT.mean(axis=0), RIGHT.shape), 2 * RIGHT),
    ],
)
def test_what_a_cause_says_of_the_claim_itself(kind, claimed, other):
    told = cause("", blocks=("W",), kind=kind)
    for claims, is_true in ((claimed, True), (other, False)):
        arrays = {"right": {"W": RIGHT}, "claimed": {"W": claims}, "parameters": {"W": THETA}}
        assert is_true_effect(told, SimpleNamespace(**arrays)) is is_true
    assert not is_true_effect(
        dataclasses.replace(told, kind="derivative left out"), SimpleNamespace(**arrays)
    )


@pytest.mark.parametrize("name", [*NETWORKS, *STYLES])
def test_backward_passes_are_right_and_mistakes_are_not(name):
    for seed in range(2):
        network = (NETWORKS | STYLES)[name](seed)
        right = network.backward(network.parameters)
        assert check(network.cost, network.parameters, right, progress=False).passed
        for mistake in network.MISTAKES:
            assert changed_blocks(right, network.backward(network.parameters, [mistake])), mistake


def test_each_kind_is_planted_in_three_networks_at_least():
    networks = {kind: set() for kind in KINDS}
    for name, network in NETWORKS.items():
        for planting in network.MISTAKES.values():
            networks[planting.kind].add(name)
    assert min(len(names) for names in networks.values()) >= 3


def test_textbook_mistakes_are_as_many_as_it_says():
    for style in STYLES.values():
        known = [p for p in style.MISTAKES.values() if not isinstance(p.expected[0], Unknowable)]
        assert len(known) == 22


def test_mistakes_that_give_the_same_claim_are_right_answers_in_random_networks():
    seeds = range(30)
    claims = [one for one in map(random_claim, seeds) if one is not None]
    assert len(claims) > 20
    assert any(len(one.expected[0]) > 2 for one in claims)
    assert len({one.kind for one in claims}) > 6
