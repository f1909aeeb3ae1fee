"""Several checks of one call in one file, and exceptions that are kept."""

import functools

import numpy as np
import pytest

import fastcheck
from fastcheck.checkpoints.raised import KeptError
from fastcheck.cli import main
from fastcheck.errors import InvalidProblemError, UndefinedCostError

check = functools.partial(fastcheck.check, method="plain")


def notes_on(report):
    return [note.partition(": ")[2] for note in report.notes if note.startswith("checkpoint ")]


def counts(report):
    """Return how many evaluations were found, and how many made."""
    words = notes_on(report)[0].replace(",", "").split()
    return int(words[0]), int(words[5])


def square(w):
    return float(np.sum(w**2))


def test_the_stages_of_a_training_keep_their_evaluations_in_one_file(tmp_path):
    def stages(factor):
        w = np.array([1.0, -2.0, 3.0])

        def train_step():
            w[:] *= 0.5

        def check_now():
            return check(square, w, factor * w, checkpoint=tmp_path / "run.fastcheck")

        report = fastcheck.check_stages(train_step, check_now, at=(0, 1, 3))
        return [counts(stage.report) for stage in report.stages], report.verdict.value

    first, verdict = stages(2)
    assert verdict == "pass"
    assert [found for found, _ in first] == [0, 0, 0]
    again, _ = stages(2)
    assert again == [(made, 0) for _, made in first]
    assert stages(2.01)[1] == "fail"


def test_a_guard_of_a_training_does_so_too(tmp_path):
    def guarded():
        w = np.array([1.0, -2.0, 3.0])
        guard = fastcheck.GradientGuard(
            at=(0, 2), on_failure="warn", method="plain", checkpoint=tmp_path / "run.fastcheck"
        )
        for step in range(3):
            guard(step, w, 2 * w, square)
            w *= 0.5
        return [counts(stage.report) for stage in guard.report.stages]

    first = guarded()
    assert guarded() == [(made, 0) for _, made in first]


def test_probes_and_other_conventions_do_so_too(tmp_path):
    def probed():
        report = fastcheck.check_probes(
            square, np.array([1.0, 2.0]), lambda w: 2 * w, method="plain", checkpoint=tmp_path / "probes"
        )
        return [counts(probe.report) for probe in report.probes]

    first = probed()
    assert len(first) > 1
    assert probed() == [(made, 0) for _, made in first]
    z = np.array([1 + 2j, 3 - 1j])
    reports = [
        check(lambda z: float(np.sum(np.abs(z) ** 2)), z, 2 * z.conj(), checkpoint=tmp_path / "complex")
        for _ in range(2)
    ]
    assert reports[0].causes == reports[1].causes
    assert len(reports[0].causes) == 1


def test_two_problems_outside_of_any_call_need_two_files(tmp_path):
    check(square, np.ones(2), np.full(2, 2.0), checkpoint=tmp_path / "run.fastcheck")
    with pytest.raises(InvalidProblemError, match="Name another file, or delete this one to begin anew"):
        check(square, np.full(2, 3.0), np.full(2, 6.0), checkpoint=tmp_path / "run.fastcheck")


FILE = """
import numpy as np
from fastcheck import gradient_problem

@gradient_problem
def first():
    w = np.array([1.0, 2.0])
    return lambda w: float(np.sum(w ** 2)), w, 2 * w

@gradient_problem
def second():
    w = np.array([1.0, 2.0, 3.0])
    return lambda w: float(np.sum(w ** 3)), w, 3 * w ** 2
"""


def test_the_problems_of_a_file_keep_their_evaluations_in_one_file(tmp_path, capsys):
    path, kept = tmp_path / "problems.py", tmp_path / "run.fastcheck"
    path.write_text(FILE)
    command = ["check", str(path), "--method", "plain", "--checkpoint", str(kept), "--verbose"]
    assert main(command) == 0
    size = kept.stat().st_size
    assert "0 evaluations were" in " ".join(capsys.readouterr().out.split())
    assert main(command) == 0
    assert kept.stat().st_size == size
    assert " ".join(capsys.readouterr().out.split()).count(" 0 were made now.") == 2
    path.write_text(FILE.replace("** 3)", "** 3 + w)"))
    assert main(command) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "::second): the cost depends on <lambda>, which changed." in said
    assert "1 right, 1 could not be checked" in said


class OddError(ValueError):
    """An exception that its text alone does not make."""

    def __init__(self, what, *, code):
        super().__init__(what)
        self.code = code

    def __str__(self):
        return f"{self.args[0]} ({self.code})"


@pytest.mark.parametrize("fault", ["odd", "nan"])
def test_what_a_cost_raises_is_found_again_with_the_same_words(tmp_path, fault):
    class Cost:
        calls = 0

        def __call__(self, w):
            self.calls += 1
            if w[1] != 2.0:
                if fault == "nan":
                    return float("nan")
                raise OddError("beyond", code=7)
            return square(w)

    theta, made, reports = np.array([1.0, 2.0, 3.0]), [], []
    for checkpoint in (None, tmp_path / "run.fastcheck", tmp_path / "run.fastcheck"):
        cost = Cost()
        reports.append(check(cost, theta, 2 * theta, checkpoint=checkpoint))
        made.append(cost.calls)
    fields = []
    for report in reports:
        fields.append(report.to_dict())
        del fields[-1]["seconds"]
        fields[-1]["notes"] = [note for note in report.notes if not note.startswith("checkpoint ")]
    assert fields[0] == fields[1] == fields[2]
    assert 4 * made[2] < made[1] <= made[0]  # but for those at θ itself
    words = "OddError: beyond (7)" if fault == "odd" else "nan"
    assert words in str(reports[2])


def test_errors_of_the_system_are_not_kept(tmp_path):
    licence = tmp_path / "licence"

    def cost(w):
        if w[1] != 2.0 and not licence.exists():
            raise OSError("no licence")
        return square(w)

    theta = np.array([1.0, 2.0, 3.0])
    first = check(cost, theta, 2 * theta, checkpoint=tmp_path / "run.fastcheck")
    assert "no licence" in str(first)
    licence.touch()
    again = check(cost, theta, 2 * theta, checkpoint=tmp_path / "run.fastcheck")
    assert "no licence" not in str(again)


@pytest.mark.parametrize(
    "error",
    [OddError("é\ud800 \0", code=1), KeyError("a"), UndefinedCostError("not a number"), ZeroDivisionError()],
)
def test_exceptions_come_back_with_their_names_and_texts(error):
    kept = KeptError.of(error)
    again = KeptError.decoded(kept.encoded()).rebuilt()
    assert type(again).__name__ == type(error).__name__
    assert str(again) == str(error)
    assert isinstance(again, UndefinedCostError) == isinstance(error, UndefinedCostError)


def test_exceptions_that_cannot_be_kept_are_not():
    class UnspeakableError(Exception):
        def __str__(self):
            raise ValueError

    assert KeptError.of(UnspeakableError()) is None
    assert KeptError.of(ValueError("x" * 100_000)) is None
    for data in (b"", b"\2\0\0", b"\0\xff\xffab", b"\0\1\0\xff"):
        assert KeptError.decoded(data) is None
    odd = KeptError(False, "a\0b", "text").rebuilt()
    assert type(odd).__name__ == "ab"
