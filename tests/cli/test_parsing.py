"""The command line: help, and what is said of words that are none."""

import os
import textwrap
from pathlib import Path

import joblib
import pytest

import fastcheck
from fastcheck.cli import main
from fastcheck.cli.commands import COMMANDS


def test_without_arguments_there_is_a_short_help_with_examples(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert "fastcheck check my_network.py" in out
    assert all(command.name in out for command in COMMANDS)
    assert len(out.splitlines()) < 35


@pytest.mark.parametrize("command", ["", *(command.name for command in COMMANDS)])
@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_help_fits(command, columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    assert main([*command.split(), "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    examples_are_as_they_are = 80
    assert max(map(len, lines)) <= examples_are_as_they_are


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_the_version(arguments, capsys):
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"fastcheck {fastcheck.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["chekc", "x.py"], "there is no command 'chekc'. Did you mean check?"),
        (["my_network.py"], "To check a file: fastcheck check my_network.py"),
        (["nets.py::affine"], "To check a file: fastcheck check nets.py::affine"),
        (["qqqq"], "Commands: check, show, demo"),
        (["check"], "name a file"),
        (["check", "x.py", "--only-wron"], "Did you mean --only-wrong?"),
        (
            ["check", "x.py", "--coordinates=-3"],
            "expected a number, a share such as 0.1, all or screen, got '-3'",
        ),
        (["check", "x.py", "--coordinates", "2.5"], "got '2.5'"),
        (["check", "x.py", "--jobs", "0"], "expected auto, or a whole number but 0, got '0'"),
        (["check", "x.py", "--timeout", "-1"], "expected seconds above 0, got '-1'"),
        (["check", "x.py", "--seed", "-1"], "expected a whole number from 0, got '-1'"),
        (["check", "x.py", "--tolerance", "2"], "expected a number between 0 and 1, got '2'"),
        (["check", "x.py", "--time-budget", "soon"], "expected seconds above 0, got 'soon'"),
        (["check", "x.py", "--method", "magic"], "invalid choice: 'magic'"),
        (["check", "x.py", "--time-budget", "1", "--coordinates", "3"], "leave --coordinates out"),
        (["check", "x.py", "--watch", "--json", "-"], "name a file"),
        (["check", "x.py", "--json"], "expected one argument"),
        (["check", "x.py", "--timeout", "inf"], "expected seconds above 0, got 'inf'"),
        (["check", "x.py", "--jobs", "1.5"], "expected auto, or a whole number but 0, got '1.5'"),
        (["check", "x.py", "--backend", "threadz"], "got 'threadz'. Did you mean threads"),
        (["check", "x.py", "--backend", "threads", "--timeout", "3"], "--backend processes"),
        (["check", "x.py", "--method", "complex-step", "--time-budget", "3"], "leave --method out"),
        (["check", "x.py", "--method", "complex-step", "--coordinates", "screen"], "leave --method out"),
        (["check", "x.py", "--log", ""], "--log: expected the path of a file, got ''"),
        (["check", "x.py", "--log", "no/run.jsonl"], "--log: there is no folder no: make it"),
        (
            ["check", "x.py", "--checkpoint", "no/run.fastcheck"],
            "--checkpoint: there is no folder no: make it",
        ),
        (["check", "x.py", "--checkpoint", "."], "--checkpoint: . is a folder: name a file in it"),
        (["check", "x.py", "--junit", "."], "--junit: . is a folder: name a file in it"),
        (["check", "x.py", "--json", f"{__file__}/kept.json"], "is a file, and no folder for"),
        (["check", "x.py", "--html", __file__], "is a file: name a folder, or a page that ends in .html"),
        (["check", "x.py", "--checkpoint", __file__], "--checkpoint: expected a new file, or a checkpoint"),
        (["check", "x.py::a", "--json", "./x.py"], "--json would write ./x.py, which is a file to check"),
        (["check", "x.py", "--data", "d.npz", "--log", "d.npz"], "which is a file of --data"),
        (["check", "x.py", "--json", "kept", "--junit", "kept"], "which is that of --json"),
        (["demo", "now"], "unknown argument 'now'"),
        (["completion", "csh"], "invalid choice: 'csh'"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_tells_what_to_write(arguments, expected, capsys):
    assert main(arguments) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fastcheck: ")
    assert expected in err
    assert len(err.splitlines()) == 1


def test_a_wrong_command_line_is_told_of_before_a_file_is_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("x.py").write_text("print('running')\n", encoding="utf-8")
    for options in (
        ["--backend", "nonsense"],
        ["--jobs", "0"],
        ["--checkpoint", "x.py"],
        ["--log", "no/run.jsonl"],
    ):
        assert main(["check", "x.py", *options]) == 64
        assert capsys.readouterr().out == ""
    assert os.listdir() == ["x.py"]


def test_a_backend_that_a_file_registers_is_one(tmp_path, monkeypatch, capsys):
    text = """
        import numpy as np
        from joblib import register_parallel_backend
        from joblib.parallel import SequentialBackend

        register_parallel_backend("my_own", SequentialBackend)

        def problem():
            return lambda w: np.sum(w**2), np.ones(3), 2 * np.ones(3)
    """
    monkeypatch.setattr("joblib.parallel.BACKENDS", dict(joblib.parallel.BACKENDS))
    path = tmp_path / "x.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    assert main(["check", str(path), "--backend", "my_own"]) == 0
    assert "PASS" in capsys.readouterr().out


def test_outputs_that_are_no_files_may_be_the_same(tmp_path, capsys):
    path = tmp_path / "x.py"
    path.write_text(
        "import numpy as np\ndef problem():\n    return np.sum, np.ones(3), np.ones(3)\n", encoding="utf-8"
    )
    assert main(["check", str(path), "--json", os.devnull, "--junit", os.devnull]) == 0


def test_an_error_of_fastcheck_itself_is_one_line_with_a_traceback_only_if_asked_for(monkeypatch, capsys):
    def broken(arguments):
        raise KeyError("inside")

    monkeypatch.setattr("fastcheck.cli.small_commands.print_version", broken)
    monkeypatch.setattr("fastcheck.cli.running.print_version", broken)
    assert main(["version"]) == 70
    err = capsys.readouterr().err
    assert err.startswith("fastcheck: internal error: KeyError: 'inside'")
    assert len(err.splitlines()) == 1
    assert main(["version", "--debug"]) == 70
    assert "Traceback" in capsys.readouterr().err
