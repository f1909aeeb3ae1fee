"""Write docs/assets/report.png: the page of the network of the course, with its two planted mistakes."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from fastcheck import check_backprop, course
from tests.chromium import FLAGS, HOW_TO_INSTALL, chromium

WIDTH, HEIGHT = 1160, 1500

LARGEST = 300_000
"""Bytes of the picture."""


def main() -> None:
    """Take the picture."""
    path = chromium()
    if path is None:
        sys.exit(HOW_TO_INSTALL)
    X, Y, parameters = course.gradient_check_n_test_case()
    forward, backward = course.forward_propagation_n, course.backward_propagation_n_buggy
    report = check_backprop(forward, backward, parameters, X, Y, progress=False)
    picture = Path(__file__).parent.parent / "docs" / "assets" / "report.png"
    picture.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(report.save_html(Path(folder) / "report.html").as_uri())
        page.screenshot(path=picture)
        browser.close()
    size = picture.stat().st_size
    print(f"{picture}: {size:,} bytes")
    if size > LARGEST:
        sys.exit(f"expected at most {LARGEST:,} bytes")


if __name__ == "__main__":
    main()
