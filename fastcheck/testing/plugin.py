"""The plugin for pytest: options, the marker and the fixture ``gradcheck``; what it does with checks is in `recorder`.

It imports neither NumPy nor anything else that takes time before a test checks a gradient.
"""

from __future__ import annotations

import argparse
import math
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from fastcheck.testing.kept_pages import KeptPages
from fastcheck.testing.recorder import Recorder

if TYPE_CHECKING:
    from fastcheck.testing.fixture import GradientChecks

NAME = "gradcheck"
"""That of the marker and of the fixture."""

MARKER_LINE = (
    f"{NAME}(**options): a test of gradients; options of fastcheck.check for the fixture {NAME}, whose tests have the "
    "marker anyway"
)

OPTIONS = {"gradcheck_seed": "seed", "gradcheck_time_budget": "time_budget"}
"""Options of the command line that are options of a check."""

TORCH_OPTION = "--fastcheck-torch-gradcheck"

RECORDER = pytest.StashKey[Recorder]()

TORCH_GRADCHECKS = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the command line."""
    group = parser.getgroup("gradcheck", "gradient checks (fastcheck)")
    group.addoption(
        "--gradcheck-html",
        metavar="DIR",
        help="keep a page of every gradient check that makes a test fail in DIR",
    )
    group.addoption(
        "--gradcheck-seed",
        metavar="N",
        type=_whole_number,
        help="seed of the checks of the fixture gradcheck, where the test gives none",
    )
    group.addoption(
        "--gradcheck-time-budget",
        metavar="SECONDS",
        type=_seconds,
        help="time that each check of the fixture gradcheck may take, where the test gives no other bound",
    )
    group.addoption(
        TORCH_OPTION,
        action="store_true",
        help="torch.autograd.gradcheck and gradgradcheck are answered by fastcheck, in all tests",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist whether others run the same tests."""
    node.workerinput["gradcheck_each"] = node.config.getoption("dist") == "each"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and observe the checks of this session."""
    config.addinivalue_line("markers", MARKER_LINE)
    recorder = Recorder(config, _kept_pages(config))
    recorder.start()
    config.stash[RECORDER] = recorder
    config.pluginmanager.register(recorder, "fastcheck-recorder")
    if config.getoption(TORCH_OPTION):
        _answer_for_torch(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Observe no more, and let PyTorch answer for itself."""
    if RECORDER in config.stash:
        config.stash[RECORDER].stop()
    if TORCH_GRADCHECKS in config.stash:
        config.stash[TORCH_GRADCHECKS].stop()


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the fixture."""
    for item in items:
        if _uses_fixture(item) and item.get_closest_marker(NAME) is None:
            item.add_marker(NAME)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Warn of options that nothing uses."""
    own_options = [mark.kwargs for mark in item.own_markers if mark.name == NAME and mark.kwargs]
    if own_options and not _uses_fixture(item):
        warnings.warn(
            f"@pytest.mark.{NAME}: its options are for the fixture {NAME}, which this test does not use. Give them to "
            "the function that checks.",
            pytest.PytestWarning,
            stacklevel=1,
        )


def _uses_fixture(item: pytest.Item) -> bool:
    return NAME in getattr(item, "fixturenames", ())


@pytest.fixture
def gradcheck(request: pytest.FixtureRequest) -> GradientChecks:
    """Check gradients as fastcheck.testing.assert_gradients does, with the options of the marker and the command line.

    gradcheck(cost, parameters, gradients); gradcheck.layer, gradcheck.backprop and gradcheck.object are assert_layer,
    assert_backprop and assert_object.
    """
    from fastcheck.testing.fixture import GradientChecks, unknown_option

    marked: dict[str, Any] = {}
    for mark in request.node.iter_markers(NAME):  # the closest one first
        if mark.args:
            pytest.fail(f"@pytest.mark.{NAME}: expected options by name, got {mark.args!r}.", pytrace=False)
        marked = {**mark.kwargs, **marked}
    problem = unknown_option(marked)
    if problem:
        pytest.fail(f"@pytest.mark.{NAME}: {problem}", pytrace=False)
    asked = {name: request.config.getoption(option) for option, name in OPTIONS.items()}
    return GradientChecks({name: value for name, value in asked.items() if value is not None}, marked)


def _kept_pages(config: pytest.Config) -> KeptPages | None:
    """Return what keeps pages, in a folder that is meant from where pytest was started; None if none is asked for."""
    asked = config.getoption("gradcheck_html")
    if not asked:
        return None
    folder = config.invocation_params.dir / asked
    if folder.exists() and not folder.is_dir():
        raise pytest.UsageError(f"--gradcheck-html: expected a folder, and {folder} is a file")
    worker = getattr(config, "workerinput", {})
    others_run_the_same = worker.get("gradcheck_each", False)
    return KeptPages(folder, worker["workerid"] if others_run_the_same else "")


def _answer_for_torch(config: pytest.Config) -> None:
    """Let fastcheck answer the gradchecks of PyTorch in this session."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise pytest.UsageError(
            f"{TORCH_OPTION}: expected PyTorch, whose torch.autograd.gradcheck it replaces, and it cannot be imported "
            f"({error}). Install it: pip install 'fastcheck[torch]'"
        ) from error
    from fastcheck.testing.torch_gradchecks import TorchGradchecks

    gradchecks = TorchGradchecks()
    gradchecks.start()
    config.stash[TORCH_GRADCHECKS] = gradchecks
    config.pluginmanager.register(gradchecks, "fastcheck-torch-gradchecks")


def _whole_number(text: str) -> int:
    if text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number from 0, got {text!r}")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if seconds > 0:
        return seconds
    raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")
