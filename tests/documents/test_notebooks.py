"""The notebooks run from top to bottom, and what they say of a report is so."""

import asyncio
import re
import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

PROJECT = Path(__file__).parents[2]
NOTEBOOKS = sorted((PROJECT / "examples").glob("*.ipynb"))
VERDICTS = {"course": ["fail", "pass"], "layer": ["fail", "pass"]}
"""What the reports that a notebook shows say, from top to bottom."""

CAUSES = {"course": "2 times the right gradient", "layer": "takes mean and variance for constants"}
FIRST_LINES = {"course": "In[5]:11", "layer": "In[1]:10"}
"""The first line that the first report names, by its cell."""


def executed(path, folder):
    """Return a notebook with what its cells show when they are run in a folder."""
    notebook = nbformat.read(path, as_version=4)
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # of the kernel's sockets, event loops and files
        patch.setenv("PYTHONPATH", str(PROJECT))
        patch.setenv("IPYTHONDIR", str(folder))
        client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
        asyncio.run(client.async_execute())
    return notebook


def shown(notebook, kind):
    return [
        output["data"][kind]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if kind in output.get("data", {})
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_reports_as_tables_pictures_and_lines_by_their_cells(path, tmp_path):
    """One test, so that a notebook is run once, however many workers there are."""
    notebook = executed(path, tmp_path)
    texts = [text for text in shown(notebook, "text/plain") if text.startswith("<Report ")]
    assert [text.split()[1].rstrip(":") for text in texts] == VERDICTS[path.stem]
    pages = shown(notebook, "text/html")
    assert len(pages) == len(texts)
    assert CAUSES[path.stem] in pages[0]
    assert FIRST_LINES[path.stem] in pages[0]
    assert "ipykernel" not in pages[0]
    assert not re.search(r"\d+\.py", pages[0])
    assert len(shown(notebook, "image/png")) >= 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_what_their_cells_show(path):
    notebook = nbformat.read(path, as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]
