"""What the command line says of files with backward passes of PyTorch: the call that checks them."""

import pytest

pytest.importorskip("torch")

from fastcheck.cli import main
from fastcheck.statuses import ILL_POSED

FUNCTION = """
import torch
from torch.autograd import Function

class Cube(Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * grad_output, None
"""

KEPT = """
from fastcheck.torch import check_function
report = check_function(Cube, torch.linspace(-1, 1, 6, dtype=torch.float64), 1.0)
"""


def shown(folder, capsys, text):
    """The exit status and what is shown, on one line."""
    path = folder / "functions.py"
    path.write_text(text)
    status = main(["check", str(path)])
    return status, " ".join(capsys.readouterr().out.split())


def test_a_function_of_pytorch_is_shown_with_the_call_that_checks_it(tmp_path, capsys):
    status, text = shown(tmp_path, capsys, FUNCTION)
    assert "not used Cube: a Function of PyTorch." in text
    assert "from fastcheck.torch import check_function; report = check_function(Cube, x, scale)" in text
    assert text.count("a Function of PyTorch") == 1
    assert status != 0


def test_the_report_that_a_file_keeps_is_shown_in_its_place(tmp_path, capsys):
    status, text = shown(tmp_path, capsys, FUNCTION + KEPT)
    assert status == 0
    assert "1 problem: 1 right" in text
    assert "not used" not in text
    status, text = shown(tmp_path, capsys, FUNCTION.replace("3 * x**2 *", "2 * x**2 *") + KEPT)
    assert status == 1
    assert "1 problem: 1 wrong" in text


def test_asked_for_by_name_it_is_told_as_well(tmp_path, capsys):
    path = tmp_path / "functions.py"
    path.write_text(FUNCTION)
    assert main(["check", f"{path}::Cube"]) == ILL_POSED
    assert "report = check_function(Cube, x, scale)" in "".join(capsys.readouterr())
