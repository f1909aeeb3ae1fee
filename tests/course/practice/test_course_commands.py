"""``fastcheck course`` at a terminal, in a pipe, and with files of any kind."""

import io
import sys

import pytest

from fastcheck.cli import main
from fastcheck.course.practice import course_commands
from fastcheck.course.practice.exercises import EXERCISES, exercise_of
from fastcheck.course.practice.planting import PLANTED, question_of


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys):
    """Run a command; return status, what it printed, and what it complained of."""

    def ran(*arguments):
        status = main(["course", *arguments])
        out, err = capsys.readouterr()
        assert max(map(len, out.splitlines()), default=0) <= 80
        return status, out, err

    return ran


def solve(number, folder):
    exercise = exercise_of(number)
    (folder / exercise.file_name).write_text(exercise.solution(), encoding="utf-8")


def test_without_a_command_the_exercises_are_listed(run):
    status, out, err = run()
    assert (status, err) == (0, "")
    for exercise in EXERCISES:
        assert f"  {exercise.number}  {exercise.title}\n" in out
    assert run("list") == (0, out, "")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [([], 0), (["hint", "1"], 0), (["hint", "99"], 3), (["hint", "x"], 64), (["chek"], 64)],
)
def test_it_is_a_command_of_fastcheck(arguments, status, capsys):
    assert main(["course", *arguments]) == status
    out, err = capsys.readouterr()
    assert bool(out) == (status == 0)
    assert bool(err) == (status != 0)


def test_an_exercise_from_start_to_end(run, tmp_path):
    status, out, _ = run("start", "2")
    assert status == 0
    assert "exercise_2.py is written. Its function backward_propagation_n has 2 mistakes" in out.replace(
        "\n", " "
    )
    status, out, _ = run("check", "exercise_2.py")
    assert status == 1
    assert out.startswith("FAIL")
    assert "b1" in out
    assert "Exercise 2 is not solved yet. A hint: fastcheck course hint 2" in out
    solve(2, tmp_path)
    status, out, _ = run("check", "exercise_2.py")
    assert status == 0
    assert out.endswith("Exercise 2 is solved.\nThe next one: fastcheck course start 3\n")


def test_a_check_says_what_the_mistake_is_only_when_asked(run):
    run("start", "2")
    assert "2 times the right gradient" not in run("check", "exercise_2.py")[1]
    assert "dW2 is 2 times the right gradient" in run("check", "exercise_2.py", "--causes")[1]


def test_a_training_is_checked_without_saying_what_the_mistake_is(run):
    run("start", "7")
    status, out, _ = run("check", "exercise_7.py")
    assert status == 1
    assert "right at step 0" in out
    assert "DECAY" not in out


def test_the_last_exercise_has_no_next_one(run, tmp_path):
    number = len(EXERCISES)
    solve(number, tmp_path)
    assert run("check", f"exercise_{number}.py")[1].endswith(f"Exercise {number} is solved.\n")


def test_a_right_gradient_of_another_cost_is_not_called_solved(run, tmp_path):
    changed = exercise_of(1).as_given().replace("J = theta * x", "J = theta**2 / 2 + 0 * x")
    (tmp_path / "exercise_1.py").write_text(changed, encoding="utf-8")
    status, out, _ = run("check", "exercise_1.py")
    assert status == 0
    assert "solved" not in out
    assert "more than backward_propagation differs from exercise 1" in out.replace("\n", " ")


def test_files_are_not_written_over(run, tmp_path):
    run("start", "1")
    (tmp_path / "exercise_1.py").write_text("mine", encoding="utf-8")
    status, _, err = run("start", "1")
    assert status == 3
    assert "is there already, and was not changed" in err
    assert (tmp_path / "exercise_1.py").read_text(encoding="utf-8") == "mine"
    assert run("start", "1", "--force")[0] == 0
    assert (tmp_path / "exercise_1.py").read_text(encoding="utf-8") == exercise_of(1).as_given()


def test_folders_are_taken_as_given(run, tmp_path):
    (tmp_path / "sub").mkdir()
    assert run("start", "1", "sub")[0] == 0
    assert (tmp_path / "sub" / "exercise_1.py").exists()
    status, _, err = run("start", "1", "nowhere")
    assert status == 3
    assert "No such file" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def problem(:\n", "exercise.py:1: SyntaxError"),
        ("\nx = y\n", "exercise.py:2: NameError: name 'y' is not defined"),
        ("def problem():\n    return 1 / 0\n", "exercise.py:2: ZeroDivisionError"),
        ("import sys\nsys.exit('so')\n", "exercise.py:2: the file ends itself by sys.exit('so')"),
        ("x = 1\n", "expected a function problem() that returns a report"),
        ("def problem():\n    pass\n", "expected problem() to return the report of a check, got NoneType"),
        (
            "from fastcheck import check\ndef problem():\n    return check(lambda w: w * w, 'no', 1.0)\n",
            "parameter",
        ),
    ],
)
def test_files_that_cannot_be_checked_are_explained_in_a_line(run, tmp_path, text, message):
    (tmp_path / "exercise.py").write_text(text, encoding="utf-8")
    status, out, err = run("check", "exercise.py")
    assert status == 3
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_files_that_cannot_be_read_are_explained(run, tmp_path):
    assert "No such file" in run("check", "nothing.py")[2]
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00")
    status, _, err = run("check", "bytes.py")
    assert status == 3
    assert "UTF-8" in err


def test_a_file_that_was_edited_is_read_again(run, tmp_path):
    run("start", "2")
    assert "2 times the right gradient" in run("check", "exercise_2.py", "--causes")[1]
    path = tmp_path / "exercise_2.py"
    path.write_text("# a line before\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert "exercise_2.py:54  dW2" in run("check", "exercise_2.py", "--causes")[1]


def test_pictures_are_written(run, tmp_path):
    run("start", "1")
    assert "The pictures are in report.png." in run("check", "exercise_1.py", "--plot", "report.png")[1]
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
    for name in ("nowhere/report.png", "report.xyz"):
        status, _, err = run("check", "exercise_1.py", "--plot", name)
        assert status == 3
        assert f"--plot: {name} could not be written" in err


def test_hints_lead_to_the_solution(run):
    faint = run("hint", "2")
    assert faint == run("hint", "2", "where")
    assert "The next hint: fastcheck course hint 2 kind\n" in faint[1]
    assert "The next hint: fastcheck course hint 2 line\n" in run("hint", "2", "kind")[1]
    plain = run("hint", "2", "line")[1]
    assert "is wrong:\n  dW2 = np.dot(dZ2, A1.T) / m * 2\n" in plain
    assert plain.endswith("The solution: fastcheck course solution 2\n")
    solution = run("solution", "2")[1]
    assert "  given  dW2 = np.dot(dZ2, A1.T) / m * 2\n  right  dW2 = np.dot(dZ2, A1.T) / m\n" in solution


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: str(exercise.number))
def test_all_texts_fit_80_columns(exercise, run):
    number = str(exercise.number)
    for arguments in (
        ["start", number],
        ["hint", number, "kind"],
        ["hint", number, "line"],
        ["solution", number],
    ):
        assert run(*arguments)[0] == 0


def test_the_whole_solution_is_a_file(capsys):
    assert main(["course", "solution", "3", "--whole"]) == 0
    assert capsys.readouterr().out == exercise_of(3).solution()


def test_a_question_in_a_pipe_is_asked_and_not_waited_for(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    status, out, _ = run("plant", "--seed", "3")
    assert status == 2
    assert out.endswith("To answer: fastcheck course plant --seed 3 --answer N\n")
    kinds = [PLANTED[choice].kind for choice in question_of(3).choices]
    assert all(f"  {number}  {kind}\n" in out for number, kind in enumerate(kinds, start=1))
    assert "halved" not in out.split("Which one")[0]
    assert "right    " not in out


def test_answers_are_right_or_wrong(run):
    right = question_of(3).answer
    status, out, _ = run("plant", "--seed", "3", "--answer", str(right))
    assert status == 0
    assert f"Right: it is {right}.\n" in out
    assert PLANTED[question_of(3).mistake].wrong in out
    assert "What fastcheck says of it:\n- dW2 has ½" in out
    status, out, _ = run("plant", "--seed", "3", "--answer", str(right % 4 + 1))
    assert status == 1
    assert f"No: it is {right}.\n" in out
    status, _, err = run("plant", "--seed", "3", "--answer", "9")
    assert status == 3
    assert "expected a number from 1 to 4, got 9" in err


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("typed", "status"), [("{right}\n", 0), ("x\n9\n{right}\n", 0), ("\n", 2), ("", 2)])
def test_at_a_terminal_the_answer_is_typed(run, monkeypatch, typed, status):
    monkeypatch.setattr(sys, "stdin", Terminal(typed.format(right=question_of(3).answer)))
    assert run("plant", "--seed", "3")[0] == status


def test_ctrl_c_at_the_question_ends_in_a_line(run, monkeypatch):
    class Interrupted(Terminal):
        def readline(self):
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Interrupted())
    status, _, err = run("plant", "--seed", "3")
    assert status == 130
    assert err == "fastcheck: interrupted\n"


def test_without_a_seed_questions_differ_and_can_be_repeated(run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    shown = []
    monkeypatch.setattr(course_commands, "report_on", lambda mistake: shown.append(mistake) or _report())
    outs = [run("plant")[1] for _ in range(12)]
    assert len({mistake.kind for mistake in shown}) > 1
    assert len({out.splitlines()[-1] for out in outs}) > 1


def _report():
    from tests.pictured import pictured_report

    return pictured_report({"W1": ([1.0], [2.0])})


def test_a_mistake_of_choice_is_planted_and_explained(run):
    status, out, _ = run("plant", "--mistake", "1")
    assert status == 0
    assert out.startswith(f"  right    {PLANTED[0].right}\n  planted  {PLANTED[0].wrong}\n\nFAIL")
    assert "dW2 is 2 times the right gradient" in out
    listed = run("plant", "--list")[1].splitlines()
    assert listed == [f"{number:>4}  {mistake.kind}" for number, mistake in enumerate(PLANTED, start=1)]
