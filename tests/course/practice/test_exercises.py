"""Every exercise is wrong as it is given and right with its solution, and its hints are true."""

import numpy as np
import pytest

from fastcheck import InvalidProblemError, StagesReport, Verdict
from fastcheck.course.practice.exercises import EXERCISES, exercise_of, line_number
from fastcheck.course.practice.hints import GRADES, hint, next_grade
from fastcheck.course.practice.report_of_file import report_of

by_number = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: str(exercise.number))


@pytest.fixture
def report_on(tmp_path):
    """Return the report of a text, as a file."""

    def run(text):
        path = tmp_path / "exercise.py"
        path.write_text(text, encoding="utf-8")
        return report_of(path)

    return run


def wrong_blocks(report):
    if isinstance(report, StagesReport):
        report = report.first_doubtful.report
    return {name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL}


@by_number
def test_an_exercise_is_wrong_as_given_in_the_blocks_that_its_hint_names_and_in_no_other(exercise, report_on):
    report = report_on(exercise.as_given())
    assert report.verdict is Verdict.FAIL
    assert wrong_blocks(report) == set(exercise.blocks)


@by_number
def test_an_exercise_is_right_with_its_solution(exercise, report_on):
    assert report_on(exercise.solution()).verdict is Verdict.PASS


@by_number
def test_each_mistake_is_wrong_alone(exercise, report_on):
    for mistake in exercise.mistakes:
        text = exercise.solution().replace(mistake.right, mistake.wrong)
        assert wrong_blocks(report_on(text)) == set(mistake.blocks)


@by_number
def test_hints_name_the_line_that_differs_from_the_solution(exercise):
    given, right = exercise.as_given().splitlines(), exercise.solution().splitlines()
    different = {k for k, (a, b) in enumerate(zip(given, right, strict=True), start=1) if a != b}
    assert different == {exercise.line_number(mistake) for mistake in exercise.mistakes}
    for sentence, mistake in zip(hint(exercise, "line"), exercise.mistakes, strict=True):
        number = exercise.line_number(mistake)
        assert given[number - 1].strip() == mistake.wrong
        assert sentence == f"Line {number}, as it was given, is wrong:\n  {mistake.wrong}"


@by_number
def test_faint_hints_do_not_show_the_line(exercise):
    for grade in GRADES[:2]:
        for mistake in exercise.mistakes:
            assert mistake.wrong not in " ".join(hint(exercise, grade))
            assert mistake.right not in " ".join(hint(exercise, grade))
    assert all(name in hint(exercise, "where")[0] for name in (*exercise.blocks, exercise.repair))


@by_number
def test_files_fit_a_terminal_and_give_nothing_away(exercise):
    text = exercise.as_given()
    assert max(map(len, text.splitlines())) <= 80
    assert "bug" not in text.lower()
    assert f"Exercise {exercise.number} of `fastcheck course`" in text
    assert f"fastcheck course check {exercise.file_name}" in text


@by_number
def test_a_file_in_which_only_the_function_was_repaired_is_told_from_others(exercise):
    assert exercise.is_otherwise_unchanged(exercise.as_given())
    assert exercise.is_otherwise_unchanged("# mine\n" + exercise.solution().replace("Return", "Give back"))
    assert not exercise.is_otherwise_unchanged(exercise.solution() + "\nx = 1\n")


def test_numbers_are_those_of_the_list():
    assert [exercise.number for exercise in EXERCISES] == list(range(1, len(EXERCISES) + 1))
    assert [exercise_of(k).number for k in (1, len(EXERCISES))] == [1, len(EXERCISES)]
    for number in (0, len(EXERCISES) + 1, -1):
        with pytest.raises(InvalidProblemError, match=f"expected a number from 1 to {len(EXERCISES)}"):
            exercise_of(number)


def test_a_line_that_is_there_twice_has_no_number():
    with pytest.raises(ValueError, match="too many values"):
        line_number("a = 1\na = 1\n", "a = 1")


def test_grades_lead_from_faint_to_plain():
    assert [next_grade(grade) for grade in GRADES] == ["kind", "line", None]


def test_checking_leaves_the_global_generators_as_they_are(report_on):
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    report_on("import numpy as np\nnp.random.seed(1)\n" + exercise_of(1).solution())
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
