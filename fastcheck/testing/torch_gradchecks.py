"""`torch.autograd.gradcheck` and `gradgradcheck` of a whole test suite, answered by fastcheck.

Imported where that is asked for alone, since it imports PyTorch.
"""

from __future__ import annotations

import functools
import importlib
import sys
import warnings
from collections.abc import Callable, Generator
from typing import Any

import pytest
from torch.autograd.gradcheck import GradcheckError

from fastcheck.testing.observing import observe
from fastcheck.torch import gradcheck, gradgradcheck
from fastcheck.torch.asked_functions import SparseTensorError
from fastcheck.torch.drop_in import IgnoredArgumentWarning

ATTRIBUTE = "torch_gradchecks"
"""Attribute of pytest's report of a test that goes from a worker to the process that sums up."""

TORCHS = importlib.import_module("torch.autograd.gradcheck")
"""PyTorch's module: the function of the same name hides it."""

ANSWERS: dict[str, Callable[..., bool]] = {"gradcheck": gradcheck, "gradgradcheck": gradgradcheck}

ANSWERED, WRONG, LEFT = "answered", "wrong", "left"


class TorchGradchecks:
    """Puts fastcheck's functions in the place of PyTorch's, under all names that modules have for these.

    What is counted: questions that fastcheck ``answered``; those of them where it said that the gradient is ``wrong``;
    and those about sparse tensors, which it ``left`` to PyTorch. ``counts`` are those of the present phase of a test,
    ``totals`` those of the session.
    """

    def __init__(self) -> None:
        self.originals: dict[str, Callable[..., bool]] = {name: getattr(TORCHS, name) for name in ANSWERS}
        self.substitutes = {name: self._substitute(name) for name in ANSWERS}
        self.counts = _nothing()
        self.totals = _nothing()

    def start(self) -> None:
        """Answer from now on."""
        for name, original in self.originals.items():
            _replace_everywhere(original, self.substitutes[name])

    def stop(self) -> None:
        """Let PyTorch answer again."""
        for name, original in self.originals.items():
            _replace_everywhere(self.substitutes[name], original)

    def _substitute(self, name: str) -> Callable[..., bool]:
        original = self.originals[name]

        @functools.wraps(original)
        def ask(*arguments: Any, **options: Any) -> bool:
            __tracebackhide__ = True
            try:
                is_right = self._answer(name, arguments, options)
            except SparseTensorError:
                self.counts[LEFT] += 1
                is_right = original(*arguments, **options)
            return is_right

        return ask

    def _answer(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> bool:
        """Return what fastcheck says, or raise it; the session's observer is told."""
        __tracebackhide__ = True
        is_raised = options.pop("raise_exception", True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IgnoredArgumentWarning)
            try:
                ANSWERS[name](*arguments, **options)
            except GradcheckError as error:
                self.counts[ANSWERED] += 1
                self.counts[WRONG] += 1
                if not is_raised:
                    return False
                observe(getattr(error, "report", None), is_raised=True)
                raise
        self.counts[ANSWERED] += 1
        return True

    def pytest_runtest_logstart(self) -> None:
        """Forget what was asked between tests."""
        self.counts = _nothing()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the numbers to the report of this phase of a test."""
        test_report = yield
        if any(self.counts.values()):
            setattr(test_report, ATTRIBUTE, self.counts)
        self.counts = _nothing()
        return test_report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Sum up."""
        for name, count in getattr(report, ATTRIBUTE, {}).items():
            self.totals[name] += count

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say who answered."""
        if terminalreporter.verbosity >= -1:
            terminalreporter.ensure_newline()
            terminalreporter.write_line(in_words(self.totals))


def in_words(totals: dict[str, int]) -> str:
    """Return the line of the summary."""
    answered = totals[ANSWERED]
    line = f"torch.autograd.gradcheck: {answered:,} answered by fastcheck"
    if totals[WRONG]:
        line += f", {totals[WRONG]:,} of them wrong"
    if totals[LEFT]:
        line += f"; {totals[LEFT]:,} by PyTorch (sparse tensors)"
    return line


def _nothing() -> dict[str, int]:
    return dict.fromkeys((ANSWERED, WRONG, LEFT), 0)


def _replace_everywhere(old: Any, new: Any) -> None:
    """Put one object in the place of another wherever that is a global name of a module."""
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if type(names) is not dict:
            continue
        for name, value in list(names.items()):
            if value is old:
                names[name] = new
