"""Commands without arguments: exit status, what is printed, colours."""

import importlib
import itertools
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from fastcheck import FastcheckError, bench, demo
from fastcheck.cli import main
from fastcheck.report.console import make_console


@pytest.mark.slow
def test_demo_on_all_images(capsys):
    assert main(["demo"]) == 0
    assert "1,797 real images" in capsys.readouterr().out


@pytest.mark.usefixtures("few_digits")
def test_demo_finds_right_right_and_wrong_wrong(capsys):
    assert main(["demo"]) == 0
    out, err = capsys.readouterr()
    assert out.count("PASS  the gradient is right") == 2
    assert "FAIL  dW2 is 2 times the right gradient\n" in out
    assert "      And db1 is 4 times the right gradient\n" in out
    assert "both mistakes were found, in W2 and b1" in out
    assert "\033[" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert err == ""


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("wrong", ["right called wrong", "wrong called right"])
def test_demo_exits_with_1_if_it_finds_something_else(monkeypatch, capsys, wrong):
    if wrong == "right called wrong":
        load = demo.load_example

        def load_with_a_mistake(name):
            digits = load(name)
            digits.backward = demo.plant_mistakes(digits.backward)
            return digits

        monkeypatch.setattr(demo, "load_example", load_with_a_mistake)
    else:
        monkeypatch.setattr(demo, "plant_mistakes", lambda backward: backward)
    assert main(["demo"]) == 1
    assert "did not find what it should" in capsys.readouterr().out


def test_demo_without_scikit_learn_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert main(["demo"]) == 3
    assert "pip install scikit-learn" in capsys.readouterr().err


def test_missing_example_is_explained():
    with pytest.raises(FastcheckError, match="no such file"):
        demo.load_example("nothing_of_this_name")


def test_interruption_exits_with_130(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run_demo", interrupted)
    assert main(["demo"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_unknown_command_is_refused(capsys):
    assert main(["chekc"]) == 64
    assert "Did you mean check?" in capsys.readouterr().err


def test_module_runs_as_a_command():
    run = subprocess.run(
        [sys.executable, "-m", "fastcheck", "--help"], capture_output=True, text=True, check=True
    )
    assert "hand-written gradient" in run.stdout


def test_bench_prints_ratio_and_error_for_every_network(monkeypatch, capsys):
    monkeypatch.setattr(bench, "NETWORKS", bench.NETWORKS[:2])
    monkeypatch.setattr(bench, "MOST_REPEATS", 1)
    assert main(["bench"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if "reference loop" in line] == [
        "4-5-3-1",
        "20-25-15-1",
    ]
    assert max(map(len, out.splitlines())) <= 80


def test_bench_says_what_it_does_before_it_loads_and_each_row_when_it_is_known(monkeypatch, capsys):
    seen = []

    def run():
        seen.append(capsys.readouterr().out)
        known(console=make_console())

    known, check = bench.run_bench, bench.make_check

    def make_check(network, **options):
        seen.append(capsys.readouterr().out)
        return check(network, **options)

    monkeypatch.setattr(bench, "NETWORKS", bench.NETWORKS[:1])
    monkeypatch.setattr(bench, "run_bench", run)
    monkeypatch.setattr(bench, "make_check", make_check)
    assert main(["bench"]) == 0
    assert "ends within a minute" in seen[0]
    assert "Compiling" in seen[1]
    rows = [text for text in seen[2 + len(bench.ROWS) :] if text]
    assert len(rows) == len(bench.ROWS) - 1  # the last one comes after the last check was made


def test_bench_ends_in_its_time_however_slow_the_machine_is(monkeypatch, capsys):
    """By a clock that goes on by two seconds whenever somebody looks."""
    ticks = itertools.count(step=2.0)
    monkeypatch.setattr(bench, "NETWORKS", bench.NETWORKS[:2])
    monkeypatch.setattr(bench, "forward_pass_seconds", lambda network: 1e-3)
    monkeypatch.setattr(bench.time, "perf_counter", lambda: next(ticks))
    bench.run_bench(limit=100.0)
    out = capsys.readouterr().out
    assert next(ticks) < 200
    assert "not measured: no time was left" in out
    assert out.count("difference propagation ") == 2
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False)])
def test_colours_only_on_a_terminal_and_not_with_no_color(monkeypatch, no_color, coloured):
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    console = make_console()
    assert isinstance(console, Console)
    with console.capture() as capture:
        console.print("[green]PASS[/green]")
    assert ("\033[32m" in capture.get()) is coloured


def test_example_imports_nothing_of_fastcheck():
    source = demo.load_example("digits").__file__
    assert source is not None
    with open(source, encoding="utf-8") as file:
        assert "fastcheck" not in file.read()


def test_networks_of_the_bench_are_the_same_every_time():
    first, second = (bench.NETWORKS[1].build() for _ in range(2))
    np.testing.assert_array_equal(first[0]["W2"], second[0]["W2"])
    assert importlib.import_module("fastcheck.bench") is bench
