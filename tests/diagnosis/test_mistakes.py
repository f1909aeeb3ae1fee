"""Kinds of mistakes stand in one table: what is added there is named by every check."""

import numpy as np
import pytest

from fastcheck import check, locate
from fastcheck.diagnosis import mistakes
from fastcheck.diagnosis.mistakes import KINDS_OF_MISTAKES, Kind

THETA = {"V": np.linspace(1, 2, 6).reshape(2, 3), "W": np.linspace(2, 5, 6).reshape(2, 3)}
CLAIM = {name: 3 * value[::-1] ** 2 for name, value in THETA.items()}


def cost(p):
    return np.sum(p["V"] ** 3) + np.sum(p["W"] ** 3)


def rows_are_reversed(block):
    return np.allclose(block.claimed[::-1], block.slopes)


def sentence(block):
    return f"The rows of {block.name} are reversed" if rows_are_reversed(block) else None


def words(block):
    return "the rows are reversed" if rows_are_reversed(block) else None


@pytest.mark.parametrize("method", ["auto", "plain"])
def test_a_kind_that_is_added_is_named_for_all_blocks_that_have_it(monkeypatch, method):
    assert not any("reversed" in note for note in check(cost, THETA, CLAIM, method=method).notes)
    monkeypatch.setattr(mistakes, "KINDS_OF_MISTAKES", (*KINDS_OF_MISTAKES, Kind(words, structural=False)))
    assert "V, W: the rows are reversed." in check(cost, THETA, CLAIM, method=method).notes


def test_a_structural_kind_that_is_added_is_a_sentence_of_checks_and_of_descriptions(monkeypatch):
    monkeypatch.setattr(mistakes, "KINDS_OF_MISTAKES", (*KINDS_OF_MISTAKES, Kind(sentence, structural=True)))
    assert "The rows of W are reversed" in check(cost, THETA, CLAIM).notes
    located = locate(cost, THETA, CLAIM).blocks["W"].located.sentence
    assert located.endswith(". The rows of W are reversed")


def test_the_first_kind_that_recognises_a_block_names_its_mistake(monkeypatch):
    monkeypatch.setattr(
        mistakes, "KINDS_OF_MISTAKES", (Kind(lambda _: "it is wrong", structural=False), *KINDS_OF_MISTAKES)
    )
    claim = {name: 2 * 3 * value**2 for name, value in THETA.items()}
    notes = check(cost, THETA, claim).notes
    assert "V, W: it is wrong." in notes
    assert not any("2 times" in note for note in notes)
