"""From a checkout to the first verdict: how long a new user waits, in a fresh environment.

``python -m benchmarks.first_verdict`` measures and writes docs/results/first_verdict.md. Installs dependencies anew.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "results" / "first_verdict.md"
CORES = os.cpu_count()
MEGABITS = 50
MEGABYTES = {"kB": 1e-3, "MB": 1.0, "GB": 1e3}


def first_block_of_readme() -> str:
    """Return the first example of README.md, as a reader copies it."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^```python[^\n]*\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError("README.md has no block of Python")
    return found[1]


class Seconds(NamedTuple):
    """What a command takes: by the clock, and of the processor."""

    wall: float
    processor: float


def timed(*command: str, cwd: Path) -> tuple[Seconds, str]:
    """Return what a command takes, and what it prints."""
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Seconds(wall, used), done.stdout


def wheels(printed: str) -> dict[str, float]:
    """Return the wheels that pip says it takes, and their megabytes."""
    sizes = {}
    for name, size, unit in re.findall(r"Downloading (?:\S+/)?(\S+\.whl) \(([\d.]+) (kB|MB|GB)\)", printed):
        sizes[title_of(name)] = float(size) * MEGABYTES[unit]
    for path in re.findall(r"Processing (\S+\.whl)", printed):
        sizes[title_of(Path(path).name)] = Path(path).stat().st_size / 1e6
    return sizes


def title_of(wheel: str) -> str:
    """Return the name and the version in the name of a wheel."""
    name, version = wheel.split("-")[:2]
    return f"{name} {version}"


def measure(folder: Path) -> tuple[list[tuple[str, Seconds]], dict[str, float], str]:
    """Return what is done and how long that takes, the wheels that are installed, and the first lines of the report."""
    (folder / "network.py").write_text(first_block_of_readme(), encoding="utf-8")
    python = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    venv, _ = timed(sys.executable, "-m", "venv", str(folder / "venv"), cwd=folder)
    pip = (str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir", str(PROJECT))
    install, printed = timed(*pip, cwd=folder)
    first, output = timed(str(python), "network.py", cwd=folder)
    second, _ = timed(str(python), "network.py", cwd=folder)
    steps = [
        ("`python -m venv venv`", venv),
        ("`pip install .`, without pip's cache", install),
        ("`python network.py`, the first time", first),
        ("the same, later", second),
    ]
    return steps, wheels(printed), " ".join(line.strip() for line in output.splitlines()[:2])


def page_of(steps: list[tuple[str, Seconds]], sizes: dict[str, float], verdict: str) -> str:
    """Return the page."""
    until_verdict = Seconds(
        *(sum(of_all) for of_all in zip(*(seconds for _, seconds in steps[:3]), strict=True))
    )
    done = "\n".join(f"| {what} | {seconds.wall:.1f} | {seconds.processor:.1f} |" for what, seconds in steps)
    largest = sorted(sizes.items(), key=lambda one: -one[1])
    shown = "\n".join(f"| {name} | {size:.1f} |" for name, size in largest if size >= 0.5)
    rest = sum(size for size in sizes.values() if size < 0.5)
    total = sum(sizes.values())
    return f"""# From README to the first verdict

**{until_verdict.wall:.0f} seconds**, {until_verdict.processor:.0f} of them of the processor, from an empty
environment to a verdict, for the first example of the README, copied into `network.py`. Made by
`./scripts/first-verdict`, on {platform.system()} with Python {platform.python_version()}, {CORES} cores;
{load_of_machine()}the packages came from mirrors nearby.

| step | seconds | of the processor |
| --- | ---: | ---: |
{done}

It prints: {verdict}

The wheels have {total:.0f} MB in all; a line of {MEGABITS} Mbit/s takes {total * 8 / MEGABITS:.0f} s for them.

| wheel | MB |
| --- | ---: |
{shown}
| all others | {rest:.1f} |

numba, and llvmlite, its compiler, are loaded only by `check_mlp(…, method="plain")` and `fastcheck bench`. SciPy is not
needed: its functions are followed where your cost uses them.
"""


def load_of_machine() -> str:
    """Return in words how busy the machine is, where that is known: other work makes seconds by the clock longer."""
    if not hasattr(os, "getloadavg"):
        return ""
    return f"the load of the machine was {os.getloadavg()[0]:.1f}; "


def main() -> None:
    """Measure, and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        steps, sizes, verdict = measure(Path(folder))
    PAGE.write_text(page_of(steps, sizes, verdict), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
