"""What is said of planted mistakes: mostly the right thing, and never a wrong one as certain.

The mistakes and what must be said of them are those of ``benchmarks.causes``, which has many more.
"""

import pytest

from benchmarks.causes.__main__ import ask_all
from benchmarks.causes.random_networks import RandomNetwork, random_claim, random_pair
from benchmarks.causes.sets import planted
from benchmarks.causes.summary import Score, failures
from fastcheck import check

FEW_RANDOM, MANY_RANDOM = range(12), range(1000)
FEW_PAIRS, MANY_PAIRS = range(6), range(300)

LEAST = {
    "textbook": (0.85, 0.8),
    "zoo": (0.9, 0.85),
    "kinds": (0.8, 0.75),
    "pairs": (0.5, 0.4),
}
"""Shares of claims of which the first cause is right, and names the right line, that are reached in any case."""


def expect_causes(name, **which):
    answers = ask_all(planted([name], **which))
    score = Score.of(answers)
    right_first, right_line = LEAST[name]
    told = failures(answers)
    assert score.total > 10
    assert score.certain_and_wrong == 0, told
    assert score.right_first >= right_first * score.total, told
    assert score.right_line >= right_line * score.lines, told


def test_mistakes_of_a_textbooks_perceptron():
    expect_causes("textbook", families=["features first"])


@pytest.mark.slow
def test_mistakes_in_the_loss_and_penalty_of_the_zoo():
    expect_causes("zoo", families=["tanh"], only="^(?!one |a block|two |units)")


def test_mistakes_in_a_layer_with_normalisation():
    expect_causes("kinds", families=["layer norm"], only="lost|left out|forgotten|negated|twice|decay|mean")


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAST)
def test_all_planted_mistakes(name):
    expect_causes(name)


def wrong_and_certain(claims):
    """Return what was said wrongly as certain of the claims that show."""
    answers = ask_all(claim for claim in claims if claim is not None)
    assert len(answers) > 0.5 * len(claims)
    assert any(answer.right_first for answer in answers)
    return [(answer.claim.name, cause) for answer in answers for cause in answer.certain_and_wrong]


def test_nothing_wrong_is_certain_in_random_networks():
    assert wrong_and_certain([random_claim(seed) for seed in FEW_RANDOM]) == []


@pytest.mark.slow
def test_nothing_wrong_is_certain_of_two_mistakes_in_random_networks():
    assert wrong_and_certain([random_pair(seed) for seed in FEW_PAIRS]) == []


@pytest.mark.slow
def test_nothing_wrong_is_certain_in_a_thousand_random_networks():
    assert wrong_and_certain([random_claim(seed) for seed in MANY_RANDOM]) == []


@pytest.mark.slow
def test_nothing_wrong_is_certain_of_two_mistakes_in_many_random_networks():
    assert wrong_and_certain([random_pair(seed) for seed in MANY_PAIRS]) == []


@pytest.mark.parametrize("seed", range(20))
def test_right_gradients_of_random_networks_are_right(seed):
    network = RandomNetwork(seed)
    report = check(network.cost, network.parameters, network.backward(), progress=False)
    assert report.passed
    assert report.causes == ()
