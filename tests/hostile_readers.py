"""Whatever reads files of data, given damaged ones: each either reads it or refuses it in words of its own.

``python -m tests.hostile_readers 100000`` tries so many in this process, within a limit of memory, and prints how many
were read and refused.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import random
import re
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fastcheck import InvalidProblemError, Report, StagesReport
from fastcheck.cli import main
from fastcheck.cli.watching import read_stamps
from fastcheck.errors import CheckpointWarning, FastcheckError
from fastcheck.files.arrays import MOST_BYTES, arrays_in
from fastcheck.files.notebook_cells import cells_of
from fastcheck.files.strict_json import parsed
from tests import hostile_files as files
from tests.hostile_files import as_json, checked, told
from tests.kept_reports import consistent, plain_reports, plain_stages
from tests.mutated_bytes import mutated
from tests.report.page.markup import Markup

SECONDS = 60
"""What one input may take, on a machine that is busy: a hang takes longer."""

GIGABYTE = 2**30

UNFIT = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What must not reach a terminal or a page: control characters, marks that turn lines around, halves of pairs."""

READ, REFUSED = "read", "refused"

Mutate = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


class TooLong(BaseException):
    """An input took longer than any should."""


class Reader(NamedTuple):
    """What reads a file: ``read`` returns `READ` or `REFUSED`, and raises whatever is a mistake of fastcheck."""

    files: Sequence[bytes]
    read: Callable[[Path, random.Random], str]
    ending: str = ".json"
    mutate: Mutate = mutated


def try_reader(name: str, count: int, seed: int) -> Counter[str]:
    """Return how many damaged files were read, and how many refused; what neither happens to is kept beside."""
    rng, reader, outcomes = random.Random(seed), readers()[name], Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"X{reader.ending}"
        for number in range(count):
            content = reader.mutate(rng, rng.choice(reader.files), reader.files)
            path.write_bytes(content)
            try:
                with time_limit():
                    outcomes[reader.read(path, rng)] += 1
            except BaseException:
                kept = Path(tempfile.gettempdir(), f"{name} {seed} {number}{reader.ending}")
                kept.write_bytes(content)
                print(f"{name}: see {kept}", file=sys.stderr)
                raise
    return outcomes


@functools.cache
def readers() -> dict[str, Reader]:
    """Return all that read files of data, by what they read."""
    reports, stages = plain_reports(), plain_stages()
    kept = [as_json(results) for results in files.kept_results(reports, stages)]
    arrays = [files.array_file(array) for array in files.arrays()]
    stamps = as_json({"/a.py": [1, 2], "/b.py": None, "/c": [2**60, 7]})
    return {
        "reports": Reader([*map(as_json, (*reports, *stages))], _read_report, mutate=files.json_mutated),
        "kept results": Reader(kept, _show, mutate=files.json_mutated),
        "notebooks": Reader([*map(as_json, files.notebooks())], _read_notebook, ".ipynb", files.json_mutated),
        "watched files": Reader([stamps], _read_stamps),
        "archives of arrays": Reader([*files.archives()], _read_arrays, ".npz"),
        "arrays in archives": Reader(arrays, _read_arrays, ".npz", files.archived),
        "arrays": Reader(arrays, _read_arrays, ".npy"),
        "checkpoints": Reader(files.checkpoints(), _resume, ".fastcheck"),
        "checkpoints that lie": Reader(files.checkpoints(), _resume_from_lies, ".fastcheck", files.sealed),
    }


# --- reading -----------------------------------------------------------------------------------------------------


def _read_report(path: Path, rng: random.Random) -> str:
    try:
        plain = parsed(path.read_bytes(), str(path))
        is_of_stages = isinstance(plain, dict) and "stages" in plain
        report: Any = StagesReport.from_dict(plain) if is_of_stages else Report.from_dict(plain)
    except InvalidProblemError as error:
        _expect_harmless(str(error))
        return REFUSED
    consistent(report)
    again = type(report).from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False)))
    assert again.to_dict() == report.to_dict()
    if rng.random() < 0.1:
        texts = report.to_text(), report.to_text(verbose=True), report.explain(), repr(report)
        for text in texts:
            _expect_harmless(text)
    if rng.random() < 0.05:
        expect_harmless_html(report._repr_html_())
        expect_harmless_html(report.save_html(path.with_suffix(".html")).read_text(encoding="utf-8"))
    return READ


def _show(path: Path, rng: random.Random) -> str:
    options = ["--html", str(path.parent / "pages")] if rng.random() < 0.02 else []
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["show", str(path), *options])
    _expect_harmless(out.getvalue())
    _expect_harmless(err.getvalue())
    assert status in (0, 1, 2, 3), err.getvalue()
    for page in (path.parent / "pages").glob("*"):
        expect_harmless_html(page.read_text(encoding="utf-8"))
        page.unlink()
    if err.getvalue():
        assert status == 3
        assert err.getvalue().startswith(f"fastcheck: {path}: ")
        assert "expected " in err.getvalue()
        assert err.getvalue().count("\n") == 1
        return REFUSED
    return READ


def _read_notebook(path: Path, _: random.Random) -> str:
    try:
        for number, code in cells_of(path, path.read_bytes()):
            assert isinstance(number, int)
            assert isinstance(code, str)
    except FastcheckError:
        return REFUSED
    return READ


def _read_stamps(path: Path, _: random.Random) -> str:
    found = read_stamps(path)
    for name, stamp in found.items():
        assert isinstance(name, str)
        assert stamp is None or [type(number) for number in stamp] == [int, int]
    return READ if found else REFUSED


def _read_arrays(path: Path, _: random.Random) -> str:
    try:
        arrays = arrays_in(path)
    except InvalidProblemError as error:
        _expect_harmless(str(error))
        return REFUSED
    assert sum(array.nbytes for array in arrays.values()) <= MOST_BYTES
    assert {array.dtype.kind for array in arrays.values()} <= set("biufc")
    return READ


def _resume(path: Path, rng: random.Random) -> str:
    """Resume from a checkpoint: what it yields is refused, or the report is that of a check without one."""
    factor = rng.choice((1.0, 1.5))
    report = _resumed(path, factor)
    if report is None:
        return REFUSED
    assert told(report) == _told_without(factor)
    return READ


def _resume_from_lies(path: Path, _: random.Random) -> str:
    """Resume from a checkpoint that somebody made up, checksums and all: it may say that J is what it is not."""
    report = _resumed(path, 1.0)
    if report is not None:
        _expect_harmless(report.to_text(verbose=True))
    return REFUSED if report is None else READ


def _resumed(path: Path, factor: float) -> Report | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)
        try:
            return checked(factor, checkpoint=path)
        except InvalidProblemError as error:
            _expect_harmless(str(error))
            return None


@functools.cache
def _told_without(factor: float) -> dict[str, Any]:
    return told(checked(factor))


def _expect_harmless(text: str) -> None:
    unfit = UNFIT.search(text)
    assert unfit is None, f"{unfit[0]!r} in {text[max(unfit.start() - 40, 0) :][:80]!r}"


def expect_harmless_html(text: str) -> None:
    """Assert that names in a page are text: no elements, no attributes, nothing that cannot be shown."""
    _expect_harmless(text.replace("\t", " "))
    markup = Markup(text)
    assert len(markup.named("script")) <= 1
    assert not {"img", "iframe", "object", "base"} & {tag for tag, _ in markup.elements}
    assert not any(name.startswith("on") for _, attributes in markup.elements for name in attributes)


# --- limits ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def time_limit(seconds: float = SECONDS) -> Iterator[None]:
    """Raise `TooLong` in what takes longer, where the system has timers."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: Any) -> None:
        raise TooLong(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def limit_memory(more: int = GIGABYTE) -> None:
    """Let this process have so many bytes of addresses more than it has, where the system has limits."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _main(count: int, seed: int = 0) -> None:
    """Try so many files in all, a twentieth of them on each reader that makes a check of every one."""
    names = list(readers())
    counts = {name: count // 20 for name in names if "checkpoints" in name}
    others = len(names) - len(counts)
    counts |= {name: -(-(count - sum(counts.values())) // others) for name in names if name not in counts}
    limit_memory()
    print(json.dumps({name: try_reader(name, counts[name], seed) for name in names}))


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
