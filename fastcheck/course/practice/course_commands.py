"""``fastcheck course``: the commands of the exercises."""

from __future__ import annotations

import argparse
import random
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

from fastcheck import statuses
from fastcheck.course.practice.exercises import EXERCISES, Exercise, exercise_of
from fastcheck.course.practice.hints import GRADES, hint, next_grade
from fastcheck.course.practice.planting import CHOICES, PLANTED, Question, question_of, report_on
from fastcheck.course.practice.report_of_file import report_of, text_of, without_causes
from fastcheck.errors import InvalidProblemError
from fastcheck.legible import legible
from fastcheck.report.stages import AnyReport

WIDTH = 80

MOST_SEEDS = 10_000
"""Seeds that are drawn where none is given: small ones are easy to repeat."""


def run_parsed(arguments: argparse.Namespace) -> int:
    """Run a command whose arguments are parsed, and return the exit status.

    That of a check, or whether an answer is right: 2 without one. Raises `FastcheckError` where it cannot be run.
    """
    command: Callable[[argparse.Namespace], int] = COMMANDS[arguments.course_command or "list"]
    return command(arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands to a parser."""
    commands = parser.add_subparsers(dest="course_command", title="commands", metavar="COMMAND")
    commands.add_parser("list", help="list the exercises")
    start = commands.add_parser("start", help="write the file of an exercise")
    _add_number(start)
    start.add_argument("folder", nargs="?", default=".", help="where to write it (default: here)")
    start.add_argument("--force", action="store_true", help="write over a file that is there")
    check = commands.add_parser("check", help="see what the checker sees of a file")
    check.add_argument("file", help="the file of an exercise")
    check.add_argument("--causes", action="store_true", help="say what the mistake is, too")
    check.add_argument("--plot", metavar="PNG", help="write the pictures of the report to this file")
    hints = commands.add_parser("hint", help="a hint: where, then what kind, then the line")
    _add_number(hints)
    hints.add_argument("grade", nargs="?", choices=GRADES, default=GRADES[0], help="how much to tell")
    solution = commands.add_parser("solution", help="the lines that are wrong, and the right ones")
    _add_number(solution)
    solution.add_argument("--whole", action="store_true", help="print the whole right file")
    plant = commands.add_parser("plant", help="a mistake in a right network: which one is it?")
    plant.add_argument("--seed", type=int, help="the same question again (default: a new one)")
    plant.add_argument("--answer", type=int, metavar="N", help="answer at once, without being asked")
    plant.add_argument("--mistake", type=int, metavar="N", help="plant this one, and show what is seen of it")
    plant.add_argument("--list", action="store_true", help="list what can be planted")


def _add_number(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", type=int, help=f"the number of the exercise, 1 to {len(EXERCISES)}")


def _list(_: argparse.Namespace) -> int:
    print("Backward passes with a mistake. Repair them:\n")
    for exercise in EXERCISES:
        print(f"  {exercise.number}  {exercise.title}")
    print("\nBegin with:     fastcheck course start 1")
    print("Or be asked:    fastcheck course plant")
    print("All commands:   fastcheck course --help")
    return statuses.RIGHT


def _start(arguments: argparse.Namespace) -> int:
    exercise = exercise_of(arguments.number)
    path = Path(arguments.folder) / exercise.file_name
    try:
        with path.open("w" if arguments.force else "x", encoding="utf-8", newline="\n") as file:
            file.write(exercise.as_given())
    except FileExistsError:
        raise InvalidProblemError(
            f"{path} is there already, and was not changed. To begin again: "
            f"fastcheck course start {exercise.number} {arguments.folder} --force"
        ) from None
    except OSError as error:
        raise InvalidProblemError(f"{path}: {error.strerror or error}.") from None
    print(f"Exercise {exercise.number}: {exercise.title}\n")
    count = "a mistake" if len(exercise.mistakes) == 1 else f"{len(exercise.mistakes)} mistakes"
    _say(f"{path} is written. Its function {exercise.repair} has {count}: edit the file, and check it.")
    print(f"\n  fastcheck course check {path}")
    print(f"  fastcheck course hint {exercise.number}")
    return statuses.RIGHT


def _check(arguments: argparse.Namespace) -> int:
    path = Path(arguments.file)
    report = report_of(path)
    (report if arguments.causes else without_causes(report)).show()
    if arguments.plot is not None:
        _save_plot(report, Path(arguments.plot))
    number = re.search(r"Exercise (\d+) of `fastcheck course`", text_of(path))
    if number is not None and 1 <= int(number[1]) <= len(EXERCISES):
        print()
        _say_what_next(exercise_of(int(number[1])), report, path)
    return statuses.OF_VERDICT[report.verdict]


def _save_plot(report: AnyReport, path: Path) -> None:
    try:
        report.plot().savefig(path)
    except (OSError, ValueError) as error:
        raise InvalidProblemError(f"--plot: {path} could not be written: {error}.") from None
    print(f"\nThe pictures are in {legible(str(path))}.")


def _say_what_next(exercise: Exercise, report: AnyReport, path: Path) -> None:
    """Say whether the exercise is solved, or how to go on."""
    if not report.passed:
        print(
            f"Exercise {exercise.number} is not solved yet. A hint: fastcheck course hint {exercise.number}"
        )
        return
    if not exercise.is_otherwise_unchanged(text_of(path)):
        _say(
            f"The gradient is right, but more than {exercise.repair} differs from exercise {exercise.number}: "
            "that may be another problem."
        )
        return
    print(f"Exercise {exercise.number} is solved.")
    if exercise.number < len(EXERCISES):
        print(f"The next one: fastcheck course start {exercise.number + 1}")


def _hint(arguments: argparse.Namespace) -> int:
    exercise = exercise_of(arguments.number)
    for paragraph in hint(exercise, arguments.grade):
        sentence, *code = paragraph.split("\n")
        _say(sentence)
        print(*code, sep="\n", end="\n" if code else "")
    following = next_grade(arguments.grade)
    if following is None:
        print(f"\nThe solution: fastcheck course solution {exercise.number}")
    else:
        print(f"\nThe next hint: fastcheck course hint {exercise.number} {following}")
    return statuses.RIGHT


def _solution(arguments: argparse.Namespace) -> int:
    exercise = exercise_of(arguments.number)
    if arguments.whole:
        print(exercise.solution(), end="")
        return statuses.RIGHT
    for mistake in exercise.mistakes:
        print(f"Line {exercise.line_number(mistake)}:")
        print(f"  given  {mistake.wrong}")
        print(f"  right  {mistake.right}")
    print(f"\nThe whole file: fastcheck course solution {exercise.number} --whole")
    return statuses.RIGHT


def _plant(arguments: argparse.Namespace) -> int:
    if arguments.list:
        for number, mistake in enumerate(PLANTED, start=1):
            print(f"{number:>4}  {mistake.kind}")
        return statuses.RIGHT
    seed = random.Random().randrange(MOST_SEEDS) if arguments.seed is None else arguments.seed
    question = question_of(seed, arguments.mistake)
    _expect_answer(arguments.answer)
    report = report_on(PLANTED[question.mistake])
    if arguments.mistake is not None:
        _show_planted(question)
        report.show()
        return statuses.RIGHT
    print("A mistake was planted in a right network. This is what the checker sees:\n", flush=True)
    without_causes(report).show()
    print("\nWhich one is it?")
    for number, choice in enumerate(question.choices, start=1):
        print(f"  {number}  {PLANTED[choice].kind}")
    answer = arguments.answer if arguments.answer is not None else _ask(len(question.choices))
    if answer is None:
        print(f"\nTo answer: fastcheck course plant --seed {seed} --answer N")
        return statuses.INCONCLUSIVE
    is_right = answer == question.answer
    print(f"\n{'Right' if is_right else 'No'}: it is {question.answer}.")
    _show_planted(question)
    print("What fastcheck says of it:")
    for cause in report.causes:
        _say(f"- {cause.sentence}")
    return statuses.RIGHT if is_right else statuses.WRONG


def _expect_answer(answer: int | None) -> None:
    if answer is not None and not 1 <= answer <= CHOICES:
        raise InvalidProblemError(f"--answer: expected a number from 1 to {CHOICES}, got {answer}.")


def _show_planted(question: Question) -> None:
    mistake = PLANTED[question.mistake]
    print(f"  right    {mistake.right}")
    print(f"  planted  {mistake.wrong}\n")


def _ask(choices: int) -> int | None:
    """Return the number that is typed in, None if there is nobody to ask or nothing is answered."""
    if not sys.stdin or not sys.stdin.isatty():
        return None
    while True:
        print(f"\nYour answer, 1 to {choices} (Enter for none): ", end="", flush=True)
        typed = sys.stdin.readline().strip()
        if not typed:
            return None
        if typed.isdecimal() and 1 <= int(typed) <= choices:
            return int(typed)


def _say(sentence: str) -> None:
    print(
        textwrap.fill(legible(sentence), WIDTH, subsequent_indent="  " if sentence.startswith("- ") else "")
    )


COMMANDS = {
    "list": _list,
    "start": _start,
    "check": _check,
    "hint": _hint,
    "solution": _solution,
    "plant": _plant,
}
"""What the commands do."""
