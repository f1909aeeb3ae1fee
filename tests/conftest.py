"""Settings of the whole suite."""

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

from fastcheck.diagnosis.detective import finding

pytest_plugins = ["pytester"]

finding.STRICT = True  # what fails in the search for causes fails a test

MOST_EXAMPLES = 40 if "FASTCHECK_MORE_EXAMPLES" in os.environ else 15
"""Examples of a property: scripts/test-slow tries more."""

settings.register_profile(
    "repeatable",
    derandomize=True,
    max_examples=MOST_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


ABOUT_CAUSES = ("detective", "report", "examples", "test_small_commands.py", "documents", "testing")
"""Parts of the paths of tests that ask what the causes of a failure are."""


SEARCHES_EVERYWHERE = "FASTCHECK_SEARCH_CAUSES" in os.environ
"""Whether causes are searched in tests marked ``verdicts_alone``, too: scripts/test-slow asks for that."""


@pytest.fixture(autouse=True)
def little_effort_beside_verdicts(request, monkeypatch):
    """Tests of verdicts, of which there are thousands, do not search long for causes, and some not at all."""
    if any(part in request.path.parts for part in ABOUT_CAUSES):
        return
    monkeypatch.setattr("fastcheck.diagnosis.detective.searching.effort.MOST_WORK", 2_000_000)
    if request.node.get_closest_marker("verdicts_alone") and not SEARCHES_EVERYWHERE:
        monkeypatch.setattr(finding, "find_causes", lambda _failure: finding.Found((), (), 0))


def pytest_collection_finish():
    """The collector of garbage passes over what imports and tests' definitions made, which stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def eager_workers(monkeypatch):
    """Workers start for the smallest of works, and get single points of the fastest costs."""
    monkeypatch.setattr(
        "fastcheck.execution.WORKERS_PAY_AFTER", {"processes": 0.0, "threads": 0.0, "cluster": 0.0}
    )
    monkeypatch.setattr("fastcheck.execution.seconds_of_imports", lambda _: 0.0)
    monkeypatch.setattr("fastcheck.engines.plain.batches.LEAST_SECONDS_OF_TASK", 0.0)
    monkeypatch.setattr("fastcheck.execution.SECONDS_OF_SENDING", 0.0)
    monkeypatch.setattr("fastcheck.problem.ahead.LEAST_SECONDS", 0.0)
    monkeypatch.setattr("fastcheck.problem.ahead.SECONDS_OF_NUMBER", 0.0)


@pytest.fixture
def few_digits(monkeypatch):
    """The demo on a hundred images, so that it takes no time."""
    from fastcheck import demo

    load = demo.load_example

    def load_few(name):
        digits = load(name)
        X, Y = digits.load_data()
        monkeypatch.setattr(digits, "load_data", lambda: (X[:, :100], Y[:, :100]))
        return digits

    monkeypatch.setattr(demo, "load_example", load_few)
