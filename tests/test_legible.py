"""What reaches a terminal: text in its encoding, without control characters, and never nothing."""

import io
import json
import math
import re
import subprocess
import sys
import types

import numpy as np
import pytest

from fastcheck import (
    GradientMismatchError,
    InvalidProblemError,
    StagesReport,
    check,
    cli,
    course,
    locate,
    screen,
)
from fastcheck.legible import encodable, file_name, legible, legible_output, spelt
from fastcheck.report.console import make_console
from fastcheck.report.stages import Stage
from fastcheck.report.text import rich_report
from fastcheck.report.view import WIDTH

EVIL = "W\x1b]0;title\x07\r\n[red]x[/red]\u202eθ\ud800"
SHOWN = r"W\x1b]0;title\x07\r\n[red]x[/red]\u202eθ\ud800"


def encoded(monkeypatch, encoding):
    """Put a stdout of this encoding in place; returns it."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    monkeypatch.setattr("sys.stdout", stream)
    return stream


def written(stream):
    stream.flush()
    return stream.buffer.getvalue().decode(stream.encoding)


def reports(name="W"):
    """Return reports of all kinds: right, wrong, located, screened, inconclusive, cut short, sampled, of stages."""
    theta = {name: np.linspace(0.5, 2, 120).reshape(40, 3), "b": np.ones(4)}

    def cost(p):
        return np.sum(p[name] ** 2) + np.sum(p["b"])

    right = {name: 2 * theta[name], "b": np.ones(4)}
    wrong = {name: 2 * theta[name], "b": 2 * np.ones(4)}
    wrong[name][3] *= 1.5
    quiet = {"progress": False}
    several = [
        check(cost, theta, right, **quiet),
        check(cost, theta, wrong, **quiet),
        check(cost, theta, wrong, coordinates={name: 20}, **quiet),
        locate(cost, theta, wrong, **quiet),
        screen(cost, theta, right, **quiet),
        check(lambda p: cost(p) + 1e12, theta, right, method="plain", **quiet),
        check(cost, theta, wrong, max_forward_passes=4, **quiet),
    ]
    stages = tuple(Stage(step=k, report=report, seconds=0.1) for k, report in enumerate(several))
    return [*several, StagesReport(stages=stages, not_reached=(99,), notes=(f"About {name}.",))]


@pytest.fixture(scope="module")
def plain():
    return reports()


@pytest.fixture(scope="module")
def evil():
    return reports(EVIL)


# --- encodings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "latin-1", "koi8-r", "utf-8", "utf-16"])
@pytest.mark.parametrize("which", ["plain", "evil"])
def test_every_report_prints_in_every_encoding(monkeypatch, request, encoding, which):
    stream = encoded(monkeypatch, encoding)
    for report in request.getfixturevalue(which):
        print(report)
    text = written(stream)
    assert text.count("PASS  ") >= 2
    assert max(map(len, text.splitlines())) <= WIDTH
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)


def test_an_encoding_that_has_the_characters_keeps_them(monkeypatch, plain):
    encoded(monkeypatch, "utf-8")
    assert "‖g - ∇J‖ / ‖∇J‖" in plain[4].to_text(verbose=True)
    assert "40×3" in str(plain[1])
    encoded(monkeypatch, "cp1252")
    assert "||g - grad J|| / ||grad J||" in plain[4].to_text(verbose=True)
    assert "40×3" in str(plain[1])
    encoded(monkeypatch, "ascii")
    assert "40x3" in str(plain[1])
    assert "+-" in str(plain[5]).split()


def test_a_stdout_without_an_encoding_leaves_text_alone(monkeypatch):
    for stream in (None, io.StringIO(), io.BytesIO()):
        monkeypatch.setattr("sys.stdout", stream)
        assert encodable("θ ± ε") == "θ ± ε"


@pytest.mark.parametrize(
    ("text", "ascii_form"),
    [
        ("J(θ + ε·e)", "J(theta + eps*e)"),
        ("‖g − ĝ‖ ≤ 2⁻⁸⁰ · ‖∇J‖", "||g - g^|| <= 2^-80 * ||grad J||"),
        ("λ/2m · Σ W²", "lambda/2m * sum W^2"),
        ("Δσ ± ½ … → ∞", "Deltasigma +- 1/2 ... -> inf"),
        ("Schrödinger, naïve", "Schrodinger, naive"),
        ("日本", "\\u65e5\\u672c"),
        ("plain", "plain"),
    ],
)
def test_the_ascii_form_of_text(text, ascii_form):
    assert spelt(text) == ascii_form


# --- names ------------------------------------------------------------------------------------------------------


def test_names_are_shown_with_escapes(monkeypatch, evil):
    encoded(monkeypatch, "utf-8")
    headline = " ".join(str(evil[1]).split())
    assert headline.startswith(
        f"FAIL the gradient of {' '.join(SHOWN.split())} is 3/2 times the right gradient"
    )
    assert list(evil[1].blocks) == [EVIL, "b"]  # for programs they are what they were
    assert json.loads(json.dumps(evil[1].to_dict()))["blocks"].keys() == {EVIL, "b"}


def test_the_console_gets_what_the_text_has(evil):
    file = io.StringIO()
    console = make_console()
    console.file = file
    for report in evil[:-1]:
        console.print(rich_report(report))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", file.getvalue())
    assert "[red]" in file.getvalue()


def test_exceptions_show_escapes_and_keep_what_they_were_given(monkeypatch, evil):
    encoded(monkeypatch, "utf-8")
    theta = {EVIL: np.ones(3)}
    for claim in ({EVIL: np.ones(4)}, {EVIL: np.full(3, np.nan)}, {"other\x1b": np.ones(3)}):
        with pytest.raises(InvalidProblemError) as caught:
            check(lambda p: np.sum(p[EVIL]), theta, claim, progress=False)
        assert SHOWN in str(caught.value)
        assert str(caught.value).isprintable()
        assert EVIL in caught.value.args[0]
    with pytest.raises(GradientMismatchError) as caught:
        evil[1].raise_if_failed()
    assert str(evil[1]) in str(caught.value)
    assert "\x1b" not in str(caught.value)
    with pytest.raises(GradientMismatchError) as caught:
        evil[-1].raise_if_failed()
    assert str(evil[-1]) in str(caught.value)


def test_messages_of_the_course_print_in_ascii(monkeypatch):
    stream = encoded(monkeypatch, "ascii")
    parameters, gradients, X, Y = course.gradient_check_n_solved_case()
    course.gradient_check_n(parameters, gradients, X, Y, print_msg=True, lambd=0.7)
    course.detailed_gradient_check(parameters, gradients, X, Y)
    assert "lacks 0.233 * W" in written(stream)
    assert "lambda = 0.7" in written(stream)


def test_lines_are_kept_where_they_are_meant():
    assert legible("a\nb\tc") == r"a\nb\tc"
    assert legible("a\nb\tc", lines=True) == "a\nb\\tc"


def test_a_note_of_several_lines_has_no_escapes():
    def cost(w):
        return math.ldexp(w[0], 0) ** 2 + w[1]  # where difference propagation ends

    report = check(cost, np.ones(2), np.array([2.0, 1.0]), progress=False)
    assert "test_legible.py:" in " ".join(report.notes)
    assert "\\n" not in " ".join([*report.notes, str(report)])
    assert "Note: evaluated plainly." in str(report)


# --- notebooks --------------------------------------------------------------------------------------------------


class ZMQInteractiveShell:
    """What notebooks run in, by its name."""


def test_a_report_has_text_in_notebooks(monkeypatch, plain, evil):
    outside = [str(report) for report in (*plain, *evil)]
    monkeypatch.setattr("builtins.get_ipython", ZMQInteractiveShell, raising=False)
    assert make_console().is_jupyter
    assert [str(report) for report in (*plain, *evil)] == outside
    assert all(outside)
    with pytest.raises(GradientMismatchError, match="FAIL  dW is 3/2 times the right gradient"):
        plain[1].raise_if_failed()


# --- the command line -------------------------------------------------------------------------------------------


def test_whatever_a_command_prints_fits_the_encoding(monkeypatch):
    stream = encoded(monkeypatch, "ascii")
    with legible_output():
        print("‖g − ĝ‖ × 2 ───")
        assert stream.errors == "fastcheck.ascii"
    assert written(stream) == "||g - g^|| x 2 ---\n"
    assert stream.errors == "strict"
    monkeypatch.setattr("sys.stdout", io.StringIO())
    with legible_output():  # nothing to do, and nothing done
        print("θ")
    assert sys.stdout.getvalue() == "θ\n"


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_commands_run_in_small_encodings(monkeypatch, encoding):
    from fastcheck import bench

    monkeypatch.setattr(bench, "NETWORKS", bench.NETWORKS[:1])
    monkeypatch.setattr(bench, "ROWS", {"reference loop": {"method": "reference"}})
    stream = encoded(monkeypatch, encoding)
    assert cli.main(["demo"]) == 0
    assert cli.main(["bench"]) == 0
    text = written(stream)
    assert "both mistakes were found" in text
    assert ("12x25" if encoding == "ascii" else "12×25") in text
    assert "reference loop" in text


def test_a_report_prints_where_python_does_not_use_utf_8():
    code = (
        "import numpy as np, fastcheck\n"
        "r = fastcheck.screen(lambda w: np.sum(w**2), np.ones((4, 3)), 2 * np.ones((4, 3)))\n"
        "print(r.to_text(verbose=True))\n"
        "print(fastcheck.check(lambda w: np.sum(w**2), np.ones(3), np.ones(3), progress=False))\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", code],
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    text = done.stdout.decode("ascii")
    assert "||g - grad J||" in text
    assert "FAIL  the likeliest of " in text
    assert "dtheta is 1/2 of the right gradient" in text


class NotebookShell:
    """As much of IPython as tells which cell a file is."""

    def __init__(self):
        self.compile = self

    def format_code_name(self, path):
        return ("Cell", "In[3]") if path == "/tmp/ipykernel_1/23622.py" else None


def test_a_cell_of_a_notebook_goes_by_its_number(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=NotebookShell))
    assert file_name("/tmp/ipykernel_1/23622.py") == "In[3]"
    assert file_name("/home/user/network.py") == "network.py"


@pytest.mark.parametrize("ipython", [None, lambda: None, object])
def test_outside_of_notebooks_a_file_goes_by_its_name(ipython, monkeypatch):
    if ipython is None:
        monkeypatch.delitem(sys.modules, "IPython", raising=False)
    else:
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=ipython))
    assert file_name("/tmp/ipykernel_1/23622.py") == "23622.py"
