"""The documentation as a site: built without warnings, whole, and free of what would need a network."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import fastcheck
from fastcheck import course, plots, testing

PROJECT = Path(__file__).parents[2]
MODULES = (fastcheck, course, plots, testing)
NAMES = [
    f"{module.__name__}.{name}"
    for module in MODULES
    for name in module.__all__
    if getattr(module, name) not in MODULES
]
FRAMEWORKS = ("fastcheck.torch", "fastcheck.jax")
"""Modules that need a library which not everybody has who runs the tests."""


def build(folder):
    """Build the site in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=PROJECT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Page(HTMLParser):
    """What a page loads, and its anchors."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        """Note what the tag loads."""
        values = dict(attributes)
        if tag in ("script", "img", "iframe", "source"):
            self.loads.append(values.get("src"))
        elif tag == "link" and values.get("rel") != "canonical":
            self.loads.append(values.get("href"))
        self.anchors.add(values.get("id"))


def pages_of(site):
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def expect_every_page(site):
    for page in (PROJECT / "docs").rglob("*.md"):
        name = page.relative_to(PROJECT / "docs").with_suffix(".html")
        assert (site / (name.with_name("index.html") if page.stem == "README" else name)).exists(), name


def expect_nothing_from_a_network(site):
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"url\(['\"]?(https?:)?//|@import", styles)
    for path, page in pages_of(site).items():
        loaded = [where for where in page.loads if where]
        assert loaded
        assert not [where for where in loaded if re.match(r"(https?:)?//", where)], path


def names_of_frameworks():
    for name in FRAMEWORKS:
        if importlib.util.find_spec(name.split(".")[1]) is not None:
            module = importlib.import_module(name)
            yield from (f"{name}.{public}" for public in module.__all__)


def expect_every_public_name(site):
    reference = [page for path, page in pages_of(site).items() if path.parent.name == "reference"]
    there = set().union(*(page.anchors for page in reference))
    assert [name for name in [*NAMES, *names_of_frameworks()] if name not in there] == []
    assert "fastcheck.no_such_name" not in there


def test_the_site_is_whole_is_built_without_warnings_and_needs_no_network(tmp_path):
    """One test, so that the site is built once, however many workers there are."""
    build(tmp_path)
    expect_every_page(tmp_path)
    expect_nothing_from_a_network(tmp_path)
    expect_every_public_name(tmp_path)
