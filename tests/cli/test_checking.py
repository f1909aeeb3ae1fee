"""``fastcheck check``: exit statuses, options, and files that cannot be checked."""

import json
import os
import random
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest

from fastcheck.cli import main
from tests.cli.files import ILL_POSED, RIGHT, UNDECIDED, WRONG, write


@pytest.mark.parametrize(
    ("texts", "status"),
    [
        ([RIGHT], 0),
        ([WRONG], 1),
        ([UNDECIDED], 2),
        ([ILL_POSED], 3),
        (["x = 1"], 3),
        ([""], 3),
        ([RIGHT, UNDECIDED], 2),
        ([UNDECIDED, ILL_POSED], 3),
        ([ILL_POSED, WRONG], 1),
        ([RIGHT, "x = 1"], 3),
    ],
    ids=lambda value: None if isinstance(value, int) else "",
)
def test_the_exit_status_is_that_of_the_worst(texts, status, tmp_path, capsys):
    files = [str(write(tmp_path, f"file{k}.py", text)) for k, text in enumerate(texts)]
    assert main(["check", *files]) == status, capsys.readouterr().out


def test_what_is_right_is_one_line_and_what_is_wrong_a_report(tmp_path, capsys):
    right, wrong = write(tmp_path, "right.py", RIGHT), write(tmp_path, "wrong.py", WRONG)
    assert main(["check", str(right), str(wrong)]) == 1
    lines = capsys.readouterr().out.splitlines()
    of_right = [line for line in lines if line.startswith("PASS")]
    assert len(of_right) == 1
    assert of_right[0].startswith(f"PASS  {right}::cost  2 parameters, difference ")
    at = lines.index(next(line for line in lines if line.startswith(f"─── {wrong}::cost ")))
    assert lines[at + 1].startswith("FAIL  ")
    assert "2/3" in lines[at + 1]
    assert "\033[" not in "".join(lines)
    assert lines[-1].startswith("2 problems: 1 right, 1 wrong  (")


def test_what_could_not_be_seen_of_something_right_is_told(tmp_path, capsys):
    text = """
        import numpy as np

        def gate_forward(x, mask):
            '''x, mask: of shape (N, D)'''
            return x * mask, mask

        def gate_backward(dout, mask):
            return dout * mask, None

        def problem_of_zeros():
            return lambda w: 3.0, np.ones(2), np.zeros(2)
    """
    assert main(["check", str(write(tmp_path, "file.py", text))]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "not looked at: mask" in out
    assert "the cost does not change with any of its parameters" in out


def test_only_wrong_shows_nothing_of_what_is_right(tmp_path, capsys):
    files = [str(write(tmp_path, "right.py", RIGHT)), str(write(tmp_path, "wrong.py", WRONG))]
    assert main(["check", *files, "--only-wrong"]) == 1
    out = capsys.readouterr().out
    assert "right.py" not in out
    assert "found" not in out
    assert out.startswith("─── ")
    assert main(["check", files[0], "--only-wrong"]) == 0
    assert capsys.readouterr().out.startswith("1 problem: 1 right")


def test_verbose_shows_the_whole_report_of_what_is_right(tmp_path, capsys):
    path = write(tmp_path, "right.py", RIGHT)
    main(["check", str(path)])
    assert "certified" not in capsys.readouterr().out
    main(["check", str(path), "--verbose"])
    assert "certified" in capsys.readouterr().out


def test_prints_of_the_file_are_shown_unless_quiet(tmp_path, capsys):
    path = write(tmp_path, "loud.py", RIGHT + "\nprint('hello from the file')\n")
    assert main(["check", str(path)]) == 0
    assert "hello from the file" in capsys.readouterr().out
    assert main(["check", str(path), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "hello" not in out
    assert "1 problem: 1 right" in out


@pytest.mark.parametrize(
    ("option", "field", "value"),
    [
        (["--seed", "7"], "seed", 7),
        (["--method", "reference"], "method", "reference"),
        (["--tolerance", "1e-3"], "tolerance", 1e-3),
        (["--coordinates", "1", "--method", "plain"], "checked", 1),
        (["--coordinates", "all"], "checked", 2),
        (["--time-budget", "5"], "checked", 2),
        (["--jobs", "2", "--method", "plain"], "method", "plain"),
        (["--jobs", "auto", "--backend", "threads", "--method", "plain"], "method", "plain"),
        (["--timeout", "60", "--method", "plain"], "method", "plain"),
    ],
)
def test_options_reach_the_check(option, field, value, tmp_path):
    path, kept = write(tmp_path, "right.py", RIGHT), tmp_path / "kept.json"
    assert main(["check", str(path), *option, "--json", str(kept)]) == 0
    report = json.loads(kept.read_text())[0]["report"]
    report["checked"] = report["blocks"]["theta"]["checked"]
    assert report[field] == value


def test_options_take_the_place_of_those_of_a_declared_problem(tmp_path):
    text = (
        RIGHT
        + "\ndef problem():\n    return {'cost': cost, 'parameters': parameters, 'gradients': gradients, "
    )
    path = write(tmp_path, "file.py", text + "'coordinates': 1, 'method': 'plain', 'seed': 3}\n")
    kept = tmp_path / "kept.json"
    for option, checked in (("--seed", 1), ("--time-budget", 2)):
        assert main(["check", f"{path}::problem", option, "9", "--json", str(kept)]) == 0
        report = json.loads(kept.read_text())[0]["report"]
        assert report["blocks"]["theta"]["checked"] == checked
        assert report["seed"] == (9 if option == "--seed" else 3)


def test_one_problem_of_a_file_is_asked_for_by_its_name_or_that_of_a_part(tmp_path, capsys):
    path = write(tmp_path, "file.py", UNDECIDED)
    assert main(["check", f"{path}::cost"]) == 0
    assert main(["check", f"{path}::gradients"]) == 0
    assert main(["check", f"{path}::problem_in_noise", f"{path}::cost"]) == 2
    assert capsys.readouterr().out.count("1 problem: 1 right") == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("problem_in_nose", "has no 'problem_in_nose'. Did you mean problem_in_noise?"),
        ("nothing_like_it", "has no 'nothing_like_it'. It offers problem_in_noise, cost."),
        ("np", "is there, but is no problem that can be checked"),
        ("problem_of_x", "it is called without arguments, and needs x"),
    ],
)
def test_a_name_that_is_not_there_is_one_line_with_what_is(name, expected, tmp_path, capsys):
    path = write(tmp_path, "file.py", UNDECIDED + "\ndef problem_of_x(x): pass\n")
    assert main(["check", f"{path}::{name}"]) == 3
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("syntax.py", b"x = 1\ndef f(:\n", "syntax.py:2: SyntaxError: invalid syntax: def f(:"),
        ("raises.py", b"\n\nraise ValueError('no way\\nat all')\n", "raises.py:3: ValueError: no way (while"),
        ("exits.py", b"import sys\nsys.exit(4)\n", "exits.py:2: the file ends itself by sys.exit(4)"),
        ("quits.py", b"quit()\n", "quits.py:1: the file ends itself by sys.exit()"),
        (
            "imports.py",
            b"import not_there_x\n",
            "imports.py:1: ModuleNotFoundError: No module named 'not_there_x'",
        ),
        (
            "page.py",
            b"X, Y, p = gradient_check_n_test_case()\n",
            "from fastcheck.course import gradient_check_n_test_case",
        ),
        (
            "lab.py",
            b"from gc_utils import sigmoid\n",
            "What the exercises import from it is in fastcheck.course",
        ),
        ("binary.py", b"\x00\x01\x02\xff", "is no text, so no file of Python"),
        ("latin.py", b"x = '\xff\xfe'\n", "latin.py:1: SyntaxError: (unicode error)"),
        ("half.py", b"def f(x):\n    return (x +\n", "half.py:2: SyntaxError: '(' was never closed"),
        ("relative.py", b"from .other import f\n", "relative.py:1: ImportError: attempted relative import"),
        ("deep.py", b"x = " + b"(" * 2000 + b")" * 2000, "deep.py"),
        ("broken.ipynb", b"{", "is no notebook that can be read"),
        ("old.ipynb", b'{"nbformat": 3, "worksheets": []}', "Open it in Jupyter and save it again"),
    ],
)
def test_a_file_that_cannot_be_run_is_one_line_that_names_it(name, text, expected, tmp_path, capsys):
    path = tmp_path / name
    path.write_bytes(text)
    assert main(["check", str(path)]) == 3
    out, err = capsys.readouterr()
    assert expected in out
    assert len(out.splitlines()) == 2
    assert "Traceback" not in out + err


def test_a_traceback_is_shown_with_debug(tmp_path, capsys):
    path = write(tmp_path, "raises.py", "def f():\n    raise ValueError('no way')\nf()\n")
    assert main(["check", str(path), "--debug"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_files_that_are_not_there_or_are_folders(tmp_path, capsys):
    write(tmp_path, "my_network.py", RIGHT)
    assert main(["check", str(tmp_path / "my_netwrok.py")]) == 3
    assert "Did you mean my_network.py?" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "quite_other.txt")]) == 3
    assert "There are my_network.py." in capsys.readouterr().out
    assert main(["check", str(tmp_path)]) == 3
    assert "is a folder" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "nowhere" / "file.py")]) == 3
    assert "there is no folder" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return 1 / 0", "file.py:5: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "file.py:5: it calls sys.exit(3)"),
        ("pass", "got None. Does it end in a return statement?"),
        ("return {'cost': 1, 'paramters': 2}", "Did you mean parameters?"),
        ("return {'cost': len}", "the dict lacks parameters, gradients"),
        ("return (1, 2)", "got a tuple of 2"),
        ("return 'a'", "got str"),
        ("return (lambda w: w @ w, 'abc', 1)", "expected a float NumPy array, got str"),
        ("return fastcheck.InvalidProblemError('as I said')", "as I said"),
        ("return (lambda w: w.nothing, np.ones(2), np.ones(2))", "nothing"),
    ],
)
def test_a_problem_that_cannot_be_checked_is_told_and_the_next_is_checked(body, expected, tmp_path, capsys):
    text = f"import numpy as np\nimport fastcheck\n\ndef problem_a():\n    {body}\n\ndef problem_b():\n"
    text += "    return lambda w: w @ w, np.ones(2), lambda w: 2 * w\n"
    assert main(["check", str(write(tmp_path, "file.py", text))]) == 3
    out, err = capsys.readouterr()
    assert expected in " ".join(out.split())
    assert "2 problems: 1 right, 1 could not be checked" in out
    assert "Traceback" not in out + err


def test_unicode_in_names_and_paths(tmp_path, capsys):
    folder = tmp_path / "über uns"
    folder.mkdir()
    text = "import numpy as np\ndef problem_größe():\n    return lambda θ: θ @ θ, {'θ': np.ones(2)}['θ'], np.ones(2)\n"
    path = write(folder, "日本 network.py", text)
    assert main(["check", f"{path}::problem_größe"]) == 1
    assert "日本 network.py::problem_größe" in capsys.readouterr().out


def test_a_name_may_hold_what_terminals_would_obey(tmp_path, capsys):
    path = write(tmp_path, "evil.py", "raise ValueError('\\x1b[2J gone')\n")
    assert main(["check", str(path)]) == 3
    assert "\x1b" not in capsys.readouterr().out


def test_what_is_below_main_is_not_run_and_modules_of_the_folder_are_found(tmp_path, capsys):
    write(tmp_path, "of_the_folder.py", "def three():\n    return 3\n")
    text = RIGHT.replace("3 * w**2", "three() * w**2").replace(
        "import numpy", "from of_the_folder import three\nimport numpy"
    )
    path = write(tmp_path, "file.py", text + "\nif __name__ == '__main__':\n    raise RuntimeError\n")
    assert main(["check", str(path)]) == 0
    assert "of_the_folder" not in sys.modules


def test_a_file_of_a_package_may_import_from_it(tmp_path, monkeypatch):
    folder = tmp_path / "package_of_layers" / "inner"
    folder.mkdir(parents=True)
    for package in (folder, folder.parent):
        write(package, "__init__.py", "")
    write(folder.parent, "factor.py", "THREE = 3\n")
    text = "from ..factor import THREE\n" + RIGHT.replace("3 * w**2", "THREE * w**2")
    assert main(["check", str(write(folder, "net.py", text))]) == 0
    assert not [name for name in sys.modules if name.startswith("package_of_layers")]


def state_of_the_process():
    return (
        np.random.get_state()[1].tolist(),  # noqa: NPY002 — that it is kept is the test
        random.getstate(),
        np.get_printoptions(),
        np.geterr(),
        warnings.filters[:],
        dict(os.environ),
        os.getcwd(),
        sys.path[:],
        sys.argv[:],
    )


def test_everything_that_a_file_changes_is_put_back(tmp_path):
    text = """
        import os, random, sys, warnings
        import numpy as np
        np.random.seed(0)
        random.seed(0)
        np.set_printoptions(precision=2)
        np.seterr(all="raise")
        warnings.simplefilter("ignore")
        os.environ["OF_THE_FILE"] = "1"
        os.chdir("/")
        sys.path.insert(0, "/nowhere")
        sys.argv.append("more")
        sys.modules["made_up"] = sys
    """
    path = write(tmp_path, "file.py", text)
    np.random.seed(5)  # noqa: NPY002 — that the state is kept is the test
    kept = state_of_the_process()
    assert main(["check", str(path)]) == 3
    assert state_of_the_process() == kept
    sys.modules.pop("made_up", None)


@pytest.mark.parametrize("name", ["json", "numpy", "mpmath"])
def test_a_file_may_be_called_like_a_module(name, tmp_path):
    before = sys.modules.get(name)
    assert (
        main(["check", str(write(tmp_path, f"{name}.py", "def problem():\n    return len, 1.0, 1.0\n"))]) == 3
    )
    assert sys.modules.get(name) is before


@pytest.mark.usefixtures("eager_workers")
@pytest.mark.parametrize("name", ["with_dataclass.py", "no name.py"])
def test_dataclasses_and_workers_find_the_module(name, tmp_path, capsys):
    text = """
        from __future__ import annotations
        from dataclasses import dataclass
        import numpy as np

        @dataclass
        class Scale:
            factor: float = 2.0

        parameters = np.ones(3)
        scale = Scale()

        def cost(w):
            return scale.factor * np.sum(w**2)

        def gradients(w):
            return 2 * scale.factor * w
    """
    path = write(tmp_path, name, text)
    assert main(["check", str(path), "--jobs", "2", "--method", "plain"]) == 0, capsys.readouterr().out


def test_a_backend_that_is_not_known_is_named(tmp_path, capsys):
    path = write(tmp_path, "right.py", RIGHT)
    assert main(["check", str(path), "--backend", "processors"]) == 64
    assert "--backend: expected one of processes, threads" in capsys.readouterr().err


@pytest.mark.slow
def test_an_evaluation_that_hangs_is_ended(tmp_path, capsys):
    text = """
        import time
        import numpy as np

        parameters = np.arange(1.0, 4.0)

        def cost(w):
            if w[1] > 2.0 and w[0] == 1.0 and w[2] == 3.0:
                time.sleep(600)
            return np.sum(w**2)

        def gradients(w):
            return 2 * w
    """
    path = write(tmp_path, "hanging.py", text)
    assert main(["check", str(path), "--timeout", "2", "--method", "plain", "--coordinates", "all"]) == 2
    assert "timeout" in capsys.readouterr().out


def test_figures_do_not_wait(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    text = "import os\nassert os.environ['MPLBACKEND'] == 'Agg'\n" + RIGHT
    before = os.environ.pop("MPLBACKEND", None)
    try:
        assert main(["check", str(write(tmp_path, "plots.py", text))]) == 0, capsys.readouterr().out
        assert "MPLBACKEND" not in os.environ
    finally:
        if before is not None:
            os.environ["MPLBACKEND"] = before


def test_random_masks_are_frozen_where_the_cost_does_not_repeat_itself(tmp_path):
    text = """
        import numpy as np
        rng = np.random.default_rng()

        def dropout_forward(x):
            '''x: of any shape'''
            mask = rng.random(x.shape) < 0.5
            return x * mask, mask

        def dropout_backward(dout, mask):
            return dout * mask
    """
    assert main(["check", str(write(tmp_path, "dropout.py", text))]) == 0


def test_what_looks_like_a_problem_and_is_none_is_told(tmp_path, capsys):
    text = """
        import numpy as np

        def mystery_forward(a, q):
            return a * q, (a, q)

        def mystery_backward(dout, cache):
            return dout * cache[1], dout * cache[0]

        class Net:
            def __init__(self, what):
                self.W = what

            def loss(self, X):
                return np.sum(self.W @ X), self.W

        def backward_pass(delta):
            return delta

        def cost(w):
            return w @ w

        gradients = np.ones(3)
    """
    assert main(["check", str(write(tmp_path, "file.py", text))]) == 3
    out = " ".join(capsys.readouterr().out.split())
    assert "nothing to check" in out
    assert "mystery_backward: nothing says which shape a has: document it" in out
    assert "Net: nothing says what what of Net() is: make an object in the file" in out
    assert "cost: nothing says at which parameters: give the file parameters, theta or x0." in out


def test_an_endless_loop_ends_at_ctrl_c(tmp_path):
    path = write(tmp_path, "endless.py", "print('looping', flush=True)\nwhile True:\n    pass\n")
    run = subprocess.Popen(
        [sys.executable, "-m", "fastcheck", "check", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs of a shell may ignore it
    )
    try:
        assert run.stdout.readline() == "looping\n"
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=30)
    finally:
        run.kill()
    assert run.returncode == 130
    assert err == "fastcheck: interrupted\n"
    assert out == ""


def test_a_fresh_process_loads_neither_rich_nor_numba_for_what_is_right(tmp_path):
    path = write(tmp_path, "right.py", RIGHT)
    code = (
        "import sys; from fastcheck.cli import main; status = main(['check', sys.argv[1]]); "
        "print([name for name in ('rich', 'numba', 'joblib', 'scipy', 'matplotlib', 'jinja2') if name in sys.modules]);"
        "sys.exit(status)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_what_passed_in_part_is_not_counted_as_right(tmp_path, capsys):
    text = """
        import numpy as np

        W = np.linspace(1, 2, 60).reshape(20, 3)

        def problem_sample():
            return dict(cost=lambda w: np.sum(w**2), parameters=W, gradients=2 * W, coordinates=5)

        def problem_whole():
            return lambda w: np.sum(w**2), W, 2 * W

        def problem_along_directions():
            cost = lambda w: float(repr(float(np.sum(w**2))))
            return dict(cost=cost, parameters=W, gradients=2 * W, coordinates="screen", method="plain")
        """
    assert main(["check", str(write(tmp_path, "parts.py", text))]) == 0
    out = capsys.readouterr().out
    assert "3 problems: 2 right, 1 passed as far as looked at  (" in out
    assert "problem_sample  5 of 60 parameters, difference " in out
    assert "problem_along_directions  60 parameters along random directions, difference " in out
