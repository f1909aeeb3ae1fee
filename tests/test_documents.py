"""The pages that name things name all of them."""

from pathlib import Path

import pytest

import fastcheck

PACKAGE = Path(fastcheck.__file__).parent
DOCS = PACKAGE.parent / "docs"
TABLES = {
    "engines/graph": "## Propose and certify",
    "engines/difference": "## Difference propagation",
    "engines/mlp": "## Multilayer perceptrons",
}
"""Folders that have a table of their own, and its title."""

MODULES = sorted(
    path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if not path.name.startswith("__")
)


@pytest.mark.parametrize("module", MODULES)
def test_the_page_on_the_design_says_what_happens_in_every_module(module):
    folder, _, name = module.rpartition("/")
    rooms = (DOCS / "design.md").read_text(encoding="utf-8")
    if folder in TABLES:
        title = TABLES[folder]
        rooms = rooms.split(title)[1].split("\n## ")[0]
    rows = [line for line in rooms.splitlines() if line.startswith("|")]
    assert any(f"`{name}`" in row or f"`{folder}/{name}`" in row for row in rows)


def test_the_guide_has_every_cause_of_an_inconclusive_verdict():
    from fastcheck.causes import Cause

    guide = (DOCS / "guide.md").read_text(encoding="utf-8").split("## Inconclusive")[1]
    for cause in Cause:
        assert f"\n| {cause} | " in guide


def test_the_guide_has_every_entry_point():
    guide = (DOCS / "guide.md").read_text(encoding="utf-8")
    for name in fastcheck.__all__:
        if name.startswith("check") or name in ("screen", "locate", "GradientGuard", "frozen_randomness"):
            assert f"`{name}(" in guide or f"`{name}`" in guide or f"{name}()" in guide, name
