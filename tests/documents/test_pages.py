"""The pages that name things name all of them, and link to what is there."""

import re
from pathlib import Path

import pytest

import fastcheck

PACKAGE = Path(fastcheck.__file__).parent
PROJECT = PACKAGE.parent
DOCS = PROJECT / "docs"
PAGES = sorted([*PROJECT.glob("*.md"), *DOCS.rglob("*.md")])

MODULES = sorted(
    path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if not path.name.startswith("__")
)


def text_of(page):
    return page.read_text(encoding="utf-8")


def modules_of_rooms():
    """Yield what the tables of rooms name, each below the title of its folder."""
    for room in text_of(DOCS / "design.md").split("\n## Rooms\n")[1].split("\n### ")[1:]:
        folder = re.match(r"`(.+)/`", room)[1]
        for name in re.findall(r"^\| `(\w+\.py)` \|", room, re.MULTILINE):
            yield name if folder == "fastcheck" else f"{folder}/{name}"


def test_the_page_on_the_design_says_what_happens_in_every_module():
    assert sorted(modules_of_rooms()) == MODULES


def test_what_is_to_be_changed_to_add_things_is_there():
    section = text_of(DOCS / "design.md").split("\n## How things are added\n")[1].split("\n## ")[0]
    for path in re.findall(r"`([\w/]+/(?:\w+\.py)?)`", section):
        assert (
            (PACKAGE / path).exists()
            or (PROJECT / path).exists()
            or (PACKAGE / "engines/graph" / path).exists()
        ), path
    tables = re.findall(r"`(\w+)` (?:of|in) `(?:[\w/]+/)?(\w+\.py)`", section)
    assert len(tables) > 15
    for name, file in tables:
        assert any(re.search(rf"\b{name}\b", text_of(path)) for path in PACKAGE.rglob(file)), (name, file)


def anchors(page):
    """Return the anchors of the titles of a page, as they are made where such pages are shown."""
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
            if not target.startswith(("http:", "https:")):
                yield pytest.param(page, target, id=f"{page.relative_to(PROJECT)}-{target}")


@pytest.mark.parametrize(("page", "target"), list(links()))
def test_links_lead_to_what_is_there(page, target):
    name, _, anchor = target.partition("#")
    there = page.parent / name if name else page
    assert there.exists()
    assert not anchor or anchor in anchors(there)


def test_every_decision_is_in_the_index():
    folder = DOCS / "decisions"
    listed = re.findall(r"^\| \[\d{4}\]\((.+?)\)", text_of(folder / "README.md"), re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in folder.glob("0*.md"))


def test_the_guide_has_every_cause_of_an_inconclusive_verdict():
    from fastcheck.verdict.obstacles import Obstacle

    guide = text_of(DOCS / "guide.md").split("## Inconclusive")[1]
    for cause in Obstacle:
        assert f"\n| {cause} | " in guide


def test_the_guide_has_every_entry_point():
    guide = text_of(DOCS / "guide.md")
    for name in fastcheck.__all__:
        if name.startswith("check") or name in ("screen", "locate", "GradientGuard", "frozen_randomness"):
            assert f"`{name}(" in guide or f"`{name}`" in guide or f"{name}()" in guide, name
