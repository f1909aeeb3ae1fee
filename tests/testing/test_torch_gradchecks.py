"""`pytest --fastcheck-torch-gradcheck`: PyTorch's gradchecks of a whole suite are answered by fastcheck."""

import importlib

import pytest

torch = pytest.importorskip("torch")

importlib.import_module("fastcheck.testing.torch_gradchecks")  # a run in this process would forget it

HEAD = """
import pytest
import torch
from torch.autograd import gradcheck
from torch.autograd.gradcheck import GradcheckError

class Square(torch.autograd.Function):
    factor = 2 * (1 + 1e-5)  # torch's own gradcheck does not see that

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return Square.factor * x * g

x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
"""

OPTION = "--fastcheck-torch-gradcheck"

ALL_NAMES = (
    "import conftest",
    "def test_imported_name(): assert gradcheck(Square.apply, x)",
    "def test_attribute(): assert torch.autograd.gradcheck(Square.apply, (x,), fast_mode=True)",
    "def test_name_of_a_module_that_was_imported_before(): assert conftest.gradcheck(Square.apply, x)",
)


@pytest.fixture
def suite(project):
    """A project whose conftest.py imports gradcheck, before the plugin is configured."""
    conftest = (project.path / "conftest.py").read_text()
    project.write("conftest.py", "from torch.autograd import gradcheck", head=conftest)
    return project


def test_all_names_answer_with_fastcheck_and_with_torch_again_after_the_session(suite):
    originals = torch.autograd.gradcheck, torch.autograd.gradgradcheck
    suite.write("test_square.py", *ALL_NAMES, head=HEAD)
    result = suite.run(OPTION)
    result.assert_outcomes(failed=3)
    assert (torch.autograd.gradcheck, torch.autograd.gradgradcheck) == originals
    assert not hasattr(originals[0], "__wrapped__")
    suite.run().assert_outcomes(passed=3)
    assert "torch.autograd.gradcheck: 3 answered by fastcheck, 3 of them wrong" in result.outlines
    assert "gradient checks: 3 wrong" in result.outlines
    text = result.stdout.str()
    assert "dx is 1.00001 times the right gradient" in text
    assert "drop_in.py" not in text


def test_right_gradients_pass_and_mistakes_that_tests_expect_are_expected(suite):
    suite.write(
        "test_square.py",
        "def test_right():",
        "    assert gradcheck(torch.sin, x, eps=1e-4, atol=1e-2, fast_mode=True)",
        "    assert torch.autograd.gradgradcheck(torch.sin, x)",
        "def test_expected():",
        "    with pytest.raises(GradcheckError):",
        "        gradcheck(Square.apply, x)",
        "    assert not gradcheck(Square.apply, x, raise_exception=False)",
        head=HEAD,
    )
    result = suite.run(OPTION, "-W", "error")  # what is ignored is no warning here
    result.assert_outcomes(passed=2)
    assert "torch.autograd.gradcheck: 4 answered by fastcheck, 2 of them wrong" in result.outlines
    assert "gradient checks: 1 failed as expected" in result.outlines


def test_sparse_tensors_are_left_to_torch(suite):
    suite.write(
        "test_sparse.py",
        "sparse = torch.eye(3, dtype=torch.float64).to_sparse().requires_grad_()",
        "def test_sum(): assert gradcheck(lambda s: torch.sparse.sum(s), sparse, masked=True)",
        head=HEAD,
    )
    result = suite.run(OPTION)
    result.assert_outcomes(passed=1)
    assert (
        "torch.autograd.gradcheck: 0 answered by fastcheck; 1 by PyTorch (sparse tensors)" in result.outlines
    )


@pytest.mark.slow
def test_pages_of_wrong_gradients_are_kept(suite):
    suite.write("test_square.py", "def test_square(): assert gradcheck(Square.apply, x)", head=HEAD)
    result = suite.run(OPTION, "--gradcheck-html", "pages")
    assert "gradient checks: 1 wrong; pages in pages" in result.outlines
    assert len(list((suite.path / "pages").iterdir())) == 1


@pytest.mark.slow
def test_workers_answer_and_one_process_sums_up(suite):
    suite.write("test_square.py", *ALL_NAMES, head=HEAD)
    result = suite.run(OPTION, "-n", "1", separately=True)
    assert "torch.autograd.gradcheck: 3 answered by fastcheck, 3 of them wrong" in result.outlines


def test_without_torch_it_is_a_usage_error(suite):
    suite.write("conftest.py", head="")
    suite.write("torch.py", "raise ImportError('no such library')", head="")
    suite.write("test_none.py", "def test_none(): pass", head="")
    result = suite.run(OPTION, separately=True)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    assert f"{OPTION}: expected PyTorch" in text
    assert "pip install 'fastcheck[torch]'" in text


def test_the_option_is_described(suite):
    assert OPTION in suite.run("--help").stdout.str()
