"""Where Chromium is, and how it is started."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

HOW_TO_INSTALL = (
    "no Chromium was found: install it (apt install chromium, or playwright install chromium), or name it in "
    "FASTCHECK_CHROMIUM"
)


def chromium() -> str | None:
    """Return the path of Chromium, None if there is none."""
    named = os.environ.get("FASTCHECK_CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)
