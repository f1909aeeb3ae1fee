"""What files may hold: definitions of any kind, notebooks, other files, reports."""

import json
import textwrap

import pytest

from fastcheck.cli import main
from tests.cli.files import verdicts_of, write
from tests.cli.styles import COURSE_BACKWARD, TWO_LAYERS


@pytest.mark.parametrize(
    "value",
    [
        "([np.ones(2), np.ones((3, 1))], 'a')", "np.array([])", "np.array(['a', 'b'])", "[]", "{}", "{'a': None}",
        "None", "lambda: 1", "object()", "float('nan')", "np.array([None, 1])", "[1, 'a']", "np.ma.array([1.0])",
        "(x for x in 'ab')", "type", "np", "{1: 2.0}", "'text'", "True", "np.float32(2)", "[[1.0], [2.0, 3.0]]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("also", ["", "def cost(w): return w @ w", COURSE_BACKWARD])
def test_whatever_has_a_known_name_is_looked_at_without_an_error(value, also, tmp_path, capsys):
    names = (
        "parameters",
        "X",
        "Y",
        "x",
        "theta",
        "x0",
        "gradients",
        "cache",
        "lambd",
        "cost_x",
        "W1",
        "keep_prob",
        "net",
        "problem",
    )
    text = "import numpy as np\n" + "".join(f"{name} = {value}\n" for name in names) + textwrap.dedent(also)
    assert main(["check", str(write(tmp_path, "file.py", text))]) in (0, 1, 2, 3), capsys.readouterr()


def test_definitions_of_any_kind_are_looked_at_without_an_error(tmp_path, capsys):
    text = """
        from __future__ import annotations
        import functools, typing
        import numpy as np

        def forward(*args, **kwargs): return args
        def backward(*args, **kwargs): return args
        def a_forward(x, /, *, key): return x
        def a_backward(dout, /, cache=None, *, key=1): return dout
        async def b_forward(x): return x
        async def b_backward(dout, cache): return dout
        def c_forward(x: "nonsense[", w: Missing = None):
            'x: (N'
            yield x
        def c_backward(dout, cache): yield dout
        d_forward = functools.partial(a_forward, key=1)
        d_backward = functools.lru_cache(lambda dout, cache: dout)
        e_forward = lambda x: x
        e_backward = lambda dout, cache: dout
        def f_forward(x):
            'x: of shape (N, N!, 0, -1, 10**9 * D)'
            return x
        def f_backward(dout, cache): return dout
        def g_forward(x):
            'x: of shape (99999, 99999, 99999, 99999)'
            return x
        def g_backward(dout, cache): return dout
        def h_forward(x):
            'x: of shape (N, D)'
            return {"out": x}, 1, 2, None
        def h_backward(dout, cache): return dout

        class Meta(type):
            def __getattr__(cls, name): raise RuntimeError(name)

        class Odd(metaclass=Meta):
            loss = property(lambda self: 1 / 0)

        class Proxy:
            def __getattr__(self, name): return Proxy()
            def __call__(self, *args): return Proxy()
            def loss(self, X, y): return self
            def backward(self, dout): return self

        proxy = Proxy()

        class Slots:
            __slots__ = ("w",)
            def loss(self): return self.w, {"w": 1}

        class Generic(typing.Generic[typing.TypeVar("T")]):
            def forward(self, x): return x
            def backward(self, dout): return dout

        def loss(w, *, other): return w, w
        def entropy_loss(x, y):
            'x, y: of shape (N, C)'
            return np.float64(1.0), {}
    """
    path = write(tmp_path, "file.py", text)
    assert main(["check", str(path)]) in (0, 1, 2, 3), capsys.readouterr()


def test_functions_that_end_the_process_end_nothing_when_they_are_tried(tmp_path, capsys):
    text = """
        import sys

        class Net:
            def __init__(self):
                sys.exit(0)

            def loss(self, X):
                return 1.0, self.W
    """
    assert main(["check", str(write(tmp_path, "file.py", text))]) == 3
    assert "file.py:6: it calls sys.exit(0) while it is tried" in capsys.readouterr().out


def test_helpers_of_passes_are_no_passes(tmp_path):
    text = (
        TWO_LAYERS
        + """
    def backward_propagation_test(target):
        raise RuntimeError

    def check_backward_propagation(parameters):
        raise RuntimeError

    def test_forward_propagation():
        raise RuntimeError
    """
    )
    assert verdicts_of(tmp_path, text) == {"backward_propagation": "pass"}


def test_imported_functions_alone_are_not_checked(tmp_path):
    write(tmp_path, "network_of_two.py", TWO_LAYERS)
    assert verdicts_of(tmp_path, "from network_of_two import *\nfrom fastcheck.course import *\n") == {}


def test_cells_of_a_notebook_are_one_file(tmp_path, capsys):
    cells = [
        {"cell_type": "markdown", "source": ["# A title\n"]},
        {
            "cell_type": "code",
            "source": ["%matplotlib inline\n", "import numpy as np\n", "!ls\n", "np.sum?\n"],
        },
        {"cell_type": "code", "source": "%%timeit\nnonsense("},
        {
            "cell_type": "code",
            "source": ["parameters = np.array([1.0, -2.0])\n", "def cost(w):\n", "    return np.sum(w**3)\n"],
        },
        {"cell_type": "code", "source": ["def gradients(w):\n", "    g = 2 * w**2\n", "    return g\n"]},
    ]
    path = tmp_path / "notebook.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    assert main(["check", str(path)]) == 1
    assert "np.sum(w**3)" in capsys.readouterr().out
    cells.append({"cell_type": "code", "source": ["x = 1\n", "raise ValueError('no')\n"]})
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    assert main(["check", str(path)]) == 3
    assert "notebook.ipynb, cell 5:2: ValueError: no" in capsys.readouterr().out


def test_parameters_that_a_cost_takes_one_by_one_are_all_checked(tmp_path):
    text = """
        import numpy as np
        X, y = np.arange(6.0).reshape(3, 2), np.array([1.0, -1.0, 2.0])
        w, b = np.array([0.5, -0.2]), 0

        def cost(w, b):
            total = b
            for x, label in zip(X, y):
                z = b
                z += w @ x
                total += (z - label) ** 2
            return total

        def gradients(w, b):
            error = 2 * (X @ w + b - y)
            return X.T @ error, error.sum() + FACTOR
    """
    assert verdicts_of(tmp_path, text.replace("FACTOR", "1")) == {"cost": "pass"}
    assert verdicts_of(tmp_path, text.replace("FACTOR", "0")) == {"cost": "fail"}


def test_a_report_that_the_file_made_itself_counts_where_there_is_nothing_else(tmp_path):
    text = """
        import numpy as np
        from fastcheck import check
        mine = check(lambda q: np.sum(q**2), np.ones(3), FACTOR * np.ones(3), progress=False)
    """
    assert verdicts_of(tmp_path, text.replace("FACTOR", "2")) == {"mine": "pass"}
    assert verdicts_of(tmp_path, text.replace("FACTOR", "3")) == {"mine": "fail"}


def test_the_network_of_the_readme_is_found(tmp_path):
    text = """
        import numpy as np
        p = {"W": np.ones((2, 2)), "b": np.zeros(2)}

        def cost(p):
            return np.sum((p["W"] + p["b"]) ** 2)

        def gradients(p):
            slopes = 2 * (p["W"] + p["b"])
            return {"dW": slopes, "db": slopes.sum(axis=0)}
    """
    assert verdicts_of(tmp_path, text) == {"cost": "pass"}


def test_an_object_of_a_class_of_another_file_is_found(tmp_path):
    write(
        tmp_path,
        "model_of_another_file.py",
        """
        import numpy as np

        class Model:
            def __init__(self):
                self.w = np.array([0.5, -1.0])

            def loss(self, X, y):
                self.X, self.error = X, X @ self.w - y
                return np.sum(self.error**2)

            def backward(self):
                self.dw = 2 * self.X.T @ self.error
        """,
    )
    text = """
        import numpy as np
        from model_of_another_file import Model
        X, y = np.arange(6.0).reshape(3, 2), np.array([1.0, 0.0, 2.0])
        model = Model()
    """
    assert verdicts_of(tmp_path, text) == {"model": "pass"}
