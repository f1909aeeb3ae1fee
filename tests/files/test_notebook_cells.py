"""Notebooks: what is none is refused, and says why."""

import json

import pytest

from fastcheck.errors import FastcheckError
from fastcheck.files.notebook_cells import cells_of

CODE = {"cell_type": "code", "source": ["x = 1\n", "y = 2"], "outputs": [{"data": float("nan")}]}


@pytest.mark.parametrize(
    ("notebook", "reason"),
    [
        ([], "is no notebook that can be read: it does not say which format it has (nbformat)"),
        ({"nbformat": "4"}, "it does not say which format it has"),
        ({"nbformat": 3}, "it has format 3. Open it in Jupyter and save it again"),
        ({"nbformat": 4, "cells": {"a": 1}}, "its cells are no list of cells"),
        ({"nbformat": 4, "cells": [CODE, 7]}, "its cells are no list of cells"),
        ({"nbformat": 4, "cells": [CODE, {"cell_type": "code"}]}, "the source of cell 2 is no text"),
        ({"nbformat": 4, "cells": [{"cell_type": "code", "source": ["x", 1]}]}, "the source of cell 1 is no text"),
    ],
)  # fmt: skip
def test_what_is_no_notebook_is_refused(notebook, reason, tmp_path):
    with pytest.raises(FastcheckError) as caught:
        list(cells_of(tmp_path / "a.ipynb", json.dumps(notebook).encode()))
    assert reason in str(caught.value)


def test_cells_of_code_are_numbered_from_one(tmp_path):
    cells = [{"cell_type": "markdown", "source": 7}, CODE, {"cell_type": "code", "source": "%time\nz = 3"}]
    notebook = json.dumps({"nbformat": 4, "cells": cells}).encode()
    assert list(cells_of(tmp_path / "a.ipynb", notebook)) == [(1, "x = 1\ny = 2"), (2, "pass\nz = 3")]
