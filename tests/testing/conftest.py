"""Runs of pytest inside of a test: each has the plugin by an entry point, wherever this project is installed from."""

import importlib
import os
from pathlib import Path

import numpy as np
import pytest

from fastcheck import testing
from fastcheck.testing import assert_gradients

ROOT = Path(__file__).parents[2]

HEAD = """
import numpy as np
import pytest
from fastcheck.testing import assert_gradients
w = np.array([1.0, -2.0, 3.0])
"""

PAGES = """
import pytest

@pytest.fixture(autouse=True, scope="session")
def small_pages():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastcheck.report.page.saving.save_page", save)
        yield

def save(report, path):
    path.write_text(f"<html>{report.verdict}</html>", encoding="utf-8")
    return path
"""
"""A conftest.py with which pages are written in no time."""


@pytest.fixture(scope="session", autouse=True)
def everything_is_imported(tmp_path_factory):
    """A run in this process forgets the modules that it imported: no part of NumPy or fastcheck may be among them."""
    with pytest.raises(AssertionError, match="FAIL") as raised:
        assert_gradients(lambda w: np.sum(np.tanh(w)), np.ones(3), (1 - np.tanh(np.ones(3)) ** 2) / 2)
    str(raised.value.report)
    for name in testing.__all__:
        getattr(testing, name)
    raised.value.report.save_html(tmp_path_factory.mktemp("pages") / "page.html")
    importlib.import_module("fastcheck.testing.fixture")


class Project:
    """A folder of tests, and runs of pytest in it."""

    def __init__(self, pytester):
        self.pytester = pytester
        self.path = pytester.path
        pytester.plugins = []

    def write(self, name, *tests, head=HEAD):
        """Write a file of tests."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([head, *tests]), encoding="utf-8")

    def run(self, *arguments, separately=False):
        """Run the tests, in this process or in one of their own, without the plugins of others."""
        run = self.pytester.runpytest_subprocess if separately else self.pytester.runpytest_inprocess
        return run("-p", "no:benchmark", "-p", "no:cacheprovider", "--strict-markers", *arguments)


@pytest.fixture
def project(pytester, monkeypatch):
    """A folder in which the plugin is installed."""
    for variable in ("CI", "BUILD_NUMBER", "PYTEST_ADDOPTS", "NO_COLOR", "FORCE_COLOR", "PY_COLORS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    installed = pytester.mkdir("installed")
    metadata = installed / "fastcheck_plugin-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fastcheck-plugin\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text("[pytest11]\nfastcheck = fastcheck.testing.plugin\n")
    pytester.syspathinsert(installed)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(installed), str(ROOT)]))
    project = Project(pytester)
    project.write("conftest.py", head=PAGES)
    return project
