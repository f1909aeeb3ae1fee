"""Mistakes that are planted in a right network."""

import random

import pytest

from fastcheck import InvalidProblemError, Verdict
from fastcheck.course.practice.planting import CHOICES, PLANTED, network_with, question_of, report_on
from fastcheck.course.practice.report_of_file import report_of


def test_the_network_is_right_without_a_mistake(tmp_path):
    path = tmp_path / "network.py"
    path.write_text(network_with([]), encoding="utf-8")
    assert report_of(path).verdict is Verdict.PASS


@pytest.mark.parametrize("mistake", PLANTED, ids=lambda mistake: mistake.kind)
def test_each_mistake_is_wrong_in_its_blocks_and_in_no_other(mistake):
    report = report_on(mistake)
    wrong = {name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL}
    assert wrong == set(mistake.blocks)
    assert report.causes


def test_mistakes_differ():
    assert len({network_with([mistake]) for mistake in PLANTED}) == len(PLANTED)
    assert len({mistake.kind for mistake in PLANTED}) == len(PLANTED)


def test_a_seed_is_a_question_and_all_mistakes_are_asked():
    questions = [question_of(seed) for seed in range(200)]
    assert questions == [question_of(seed) for seed in range(200)]
    assert {question.mistake for question in questions} == set(range(len(PLANTED)))
    for question in questions:
        assert len(set(question.choices)) == CHOICES
        assert question.choices[question.answer - 1] == question.mistake
    assert {question.answer for question in questions} == set(range(1, CHOICES + 1))


def test_other_answers_are_about_the_same_blocks_where_there_are_such():
    for seed in range(30):
        question = question_of(seed)
        blocks = set(PLANTED[question.mistake].blocks)
        sharing = sum(not blocks.isdisjoint(mistake.blocks) for mistake in PLANTED) - 1
        shown = sum(not blocks.isdisjoint(PLANTED[choice].blocks) for choice in question.choices) - 1
        assert shown == min(sharing, CHOICES - 1)


@pytest.mark.parametrize("mistake", [0, len(PLANTED) + 1])
def test_mistakes_that_there_are_not_are_refused(mistake):
    with pytest.raises(InvalidProblemError, match=f"expected a number from 1 to {len(PLANTED)}"):
        question_of(0, mistake)


def test_questions_do_not_draw_from_the_global_generator():
    before = random.getstate()
    question_of(3)
    assert random.getstate() == before
