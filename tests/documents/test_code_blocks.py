"""Every code block of README and documentation runs, and prints what the page says."""

from __future__ import annotations

import linecache
import os
import sys
from pathlib import Path

import pytest

from tests.documents.code_blocks import Session, blocks_of, commands_of, compare

PROJECT = Path(__file__).parents[2]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
WITH_CODE = [page for page in PAGES if blocks_of(page.read_text(encoding="utf-8"))]
ELSEWHERE = {"docs/command-line.md": "tests/cli/test_command_line_page.py"}
"""Pages whose code is run by a test of their own, on files of the project."""


@pytest.fixture
def folder(tmp_path_factory, monkeypatch):
    """A folder to run code in, where the plugin is installed, and whose modules are forgotten afterwards."""
    tmp_path, installed = tmp_path_factory.mktemp("reader"), tmp_path_factory.mktemp("installed")
    metadata = installed / "fastcheck_plugin-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fastcheck-plugin\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text("[pytest11]\nfastcheck = fastcheck.testing.plugin\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(installed), str(PROJECT)]))
    for variable in ("CI", "BUILD_NUMBER", "PYTEST_ADDOPTS", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    if "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_enable_x64", False)  # its default, which pages change
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
    linecache.clearcache()


def name_of(page):
    return page.relative_to(PROJECT).as_posix()


@pytest.mark.parametrize("page", [page for page in WITH_CODE if name_of(page) not in ELSEWHERE], ids=name_of)
def test_the_code_of_a_page_runs_and_prints_what_it_shows(page, folder):
    session = Session(folder, name_of(page))
    for block in blocks_of(page.read_text(encoding="utf-8")):
        for library in block.libraries():
            pytest.importorskip(library)
        session.run(block)
    session.finish()


@pytest.mark.parametrize(("page", "test"), ELSEWHERE.items())
def test_other_pages_are_run_by_a_test_of_their_own(page, test):
    assert (PROJECT / page) in WITH_CODE
    assert Path(page).name in (PROJECT / test).read_text(encoding="utf-8")


PAGE = """
```python title="five.py"
x = 5
print(x)
```

```text
{shown}
```

```python
assert x == 5
from five import x as again
```

```console
$ python five.py
5
$ fastcheck version
fastcheck ...
```
"""


def run_page(text, folder):
    session = Session(folder, "page.md")
    for block in blocks_of(text):
        session.run(block)
    session.finish()
    return session.names


def test_blocks_of_a_page_share_their_names_and_files(folder):
    assert run_page(PAGE.format(shown="5"), folder)["again"] == 5


def test_a_page_that_shows_something_else_fails(folder):
    with pytest.raises(AssertionError, match=r"page\.md:3 prints something else"):
        run_page(PAGE.format(shown="6"), folder)


def test_changes_of_a_file_are_made_where_its_lines_are(folder):
    changes = '\n```diff title="five.py"\n-x = {x}\n+x = 7\n```\n\n```console\n$ python five.py\n7\n```\n'
    run_page(PAGE.format(shown="5") + changes.format(x=5), folder)
    with pytest.raises(AssertionError, match=r"page\.md changes lines that five\.py does not have once"):
        run_page(PAGE.format(shown="5") + changes.format(x=6), folder)


def test_output_further_down_belongs_to_no_block(folder):
    run_page(PAGE.format(shown="5") + "\nprose\n\n```text\nanything\n```\n", folder)


def test_an_example_of_a_test_is_run_by_pytest(folder):
    test = '```python title="test_five.py"\ndef test_five():\n    assert 5 == 6\n```\n'
    with pytest.raises(AssertionError, match=r"prints something else[\s\S]*1 failed"):
        run_page(test + "\n```text\n...1 passed...\n```\n", folder)


def test_an_example_of_a_test_that_is_never_run_is_a_mistake_of_the_page(folder):
    with pytest.raises(AssertionError, match=r"'five_test\.py'\] are not run on this page"):
        run_page('```python title="five_test.py"\ndef test_five():\n    assert 5 == 5\n```\n', folder)


def test_commands_and_what_they_print():
    assert list(commands_of("$ a b\nc\n$ d\n")) == [("a b", "c\n"), ("d", "")]
    compare("a ... c\n", "a b\nc\n", "here")


def test_figures_that_differ_from_run_to_run_are_not_compared():
    compare("to 4e-17, 0.12 s, 20 forward passes", "to 5.1e-16, 13.01 s, 7 forward passes", "here")
    compare("0.00e+00", "1.23e-16", "here")
    for shown, printed in (
        ("4e-07", "5e-07"),
        ("1.2e-10", "1.3e-10"),
        ("3.19e-01", "3.20e-01"),
        ("20 passes", "7 passes"),
    ):
        with pytest.raises(AssertionError):
            compare(shown, printed, "here")
