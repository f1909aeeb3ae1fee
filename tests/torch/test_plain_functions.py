import itertools
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fastcheck.torch import check_function  # noqa: E402


class ByBytes(torch.autograd.Function):
    """Its forward leaves PyTorch, and NumPy."""

    factor = 1.0

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        memory = x.detach().numpy()
        numbers = np.frombuffer(memory.tobytes(), dtype=memory.dtype)
        return torch.from_numpy(np.sin(numbers).reshape(memory.shape))

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x.cos() * ByBytes.factor


class ByBits(torch.autograd.Function):
    """Its forward reads the bits of numbers, which are not recorded, in operations that take batches."""

    factor = 1.0
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.view(torch.int64).view(torch.float64) ** 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 2 * x * ByBits.factor


def drawn(*shape, dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_forward_that_leaves_numpy_is_evaluated_plainly_and_the_report_says_so(dtype, monkeypatch):
    report = check_function(ByBytes, drawn(4, 3, dtype=dtype))
    assert report.passed
    assert report.method == "plain"
    assert report.notes[0].startswith("evaluated plainly.")
    monkeypatch.setattr(ByBytes, "factor", 1.001)
    assert not check_function(ByBytes, drawn(4, 3, dtype=dtype)).passed


def test_large_inputs_are_screened_along_directions(monkeypatch):
    monkeypatch.setattr("fastcheck.torch.truth.MOST_PLAIN", 500)
    x = drawn(30, 20)
    report = check_function(ByBytes, x, cotangents=1)
    assert report.passed
    assert report.blocks["x"].screened is not None
    monkeypatch.setattr(ByBytes, "factor", 1.001)
    assert not check_function(ByBytes, x, cotangents=1).passed


def test_batches_are_used_where_vmap_runs_the_function(monkeypatch):
    clock = itertools.cycle([0.0, 1.0, 3.0])
    monkeypatch.setattr(
        "fastcheck.torch.batches.time", types.SimpleNamespace(perf_counter=lambda: next(clock))
    )
    report = check_function(ByBits, drawn(40))
    assert report.passed
    assert report.method == "plain"
    assert "evaluated plainly. Recording stopped at line" in report.notes[0]
    assert any("torch.func.vmap" in note for note in report.notes)
    monkeypatch.setattr(ByBits, "factor", 0.5)
    assert not check_function(ByBits, drawn(40)).passed


def test_a_method_that_is_asked_for_is_used():
    fn = torch.tanh
    assert check_function(fn, drawn(3), method="plain").method == "plain"
    assert check_function(fn, drawn(3), method="reference").method == "reference"
    assert check_function(fn, drawn(5), coordinates=2).checked == 2
    assert check_function(fn, drawn(5), max_forward_passes=1000).passed


def test_a_forward_for_single_precision_alone_is_checked_there():
    class Single(torch.autograd.Function):
        factor = 1.0

        @staticmethod
        def forward(ctx, x):
            assert x.dtype == torch.float32, "float32 only"
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g * Single.factor

    x = drawn(4, dtype=torch.float32)
    report = check_function(Single, x)
    assert report.passed, report
    assert "does not run in double precision" in report.notes[0]
    assert report.notes[1] == "evaluated plainly, in the dtype of the inputs."
    Single.factor = 1.1
    assert not check_function(Single, x).passed
