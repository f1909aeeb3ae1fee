"""Files with damage of any kind are read or refused: no reader crashes, hangs, or raises what is not ours."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcheck import InvalidProblemError, Report
from fastcheck.files.arrays import arrays_in
from fastcheck.files.strict_json import parsed
from tests import hostile_readers
from tests.hostile_readers import READ, REFUSED, TooLong, readers, time_limit, try_reader
from tests.kept_reports import plain_reports

PROJECT = Path(__file__).parents[2]

NAMES = (
    "reports", "kept results", "notebooks", "watched files", "archives of arrays", "arrays in archives", "arrays",
    "checkpoints", "checkpoints that lie",
)  # fmt: skip


def test_all_readers_are_tried():
    assert set(NAMES) == set(readers())


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_read_or_refused(name):
    count = 12 if "checkpoints" in name else 60
    outcomes = try_reader(name, count, seed=20)
    assert outcomes.total() == count
    assert outcomes[REFUSED] > 20 or "checkpoints" in name


@pytest.mark.parametrize("name", [name for name in NAMES if name != "arrays in archives"])
def test_files_without_damage_are_read(name, monkeypatch):
    whole = readers()[name]._replace(mutate=lambda rng, content, others: content)
    monkeypatch.setattr(hostile_readers, "readers", lambda: {name: whole})
    assert try_reader(name, 8, seed=1)[READ] > 1


@pytest.mark.slow
def test_a_hundred_thousand_damaged_files_are_read_or_refused():
    """In one process, which may take a gigabyte more than it has, and a minute for each."""
    command = [sys.executable, "-m", "tests.hostile_readers", "100000", "20"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert sum(sum(of_reader.values()) for of_reader in outcomes.values()) >= 100_000
    assert all(of_reader[READ] > 100 for of_reader in outcomes.values())
    assert all(
        of_reader[REFUSED] > 100 for name, of_reader in outcomes.items() if name != "checkpoints that lie"
    )


# --- that mistakes would be seen -----------------------------------------------------------------------------------


MISTAKES = {
    "reports": ("fastcheck.report.schema.read_report", lambda plain, path="": plain["verdict"]),
    "kept results": ("fastcheck.legible.printable", lambda text, lines=False: text),
    "notebooks": ("tests.hostile_readers.cells_of", lambda path, content: json.loads(content)["cells"]),
    "arrays": ("tests.hostile_readers.arrays_in", lambda path: {"X": np.load(path, allow_pickle=False)}),
    "archives of arrays": ("tests.hostile_readers.arrays_in", lambda path: dict(np.load(path, allow_pickle=False))),
}  # fmt: skip
"""Readers as they must not be."""


@pytest.mark.parametrize("name", MISTAKES)
def test_a_reader_with_a_mistake_is_seen(name, monkeypatch, tmp_path):
    monkeypatch.setattr(*MISTAKES[name])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(
        (AssertionError, TypeError, KeyError, AttributeError, ValueError, EOFError, BadZipFile)
    ):
        try_reader(name, 1_000, seed=3)


def for_ever():
    while True:
        pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers")
def test_what_hangs_is_stopped():
    with pytest.raises(TooLong), time_limit(0.05):
        for_ever()


# --- anything ------------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from([10**30, -0.0, "NaN", "pass", "W1", "\ud800"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(
    content=st.binary(max_size=200)
    | st.text(alphabet='[]{}:,"\\0-.e1utrfNaI\n', max_size=200).map(str.encode)
)
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_json_as_python_reads_it_or_refused(content):
    try:
        value = parsed(content, "kept.json")
    except InvalidProblemError:
        return
    assert value == json.loads(content)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_value_in_any_field_is_refused_or_comes_back(data):
    plain = dict(data.draw(st.sampled_from(plain_reports())))
    block = data.draw(st.sampled_from([*plain["blocks"]]))
    inner = dict(plain["blocks"][block])
    chosen = data.draw(st.sampled_from([plain, inner]))
    chosen[data.draw(st.sampled_from([*chosen]))] = data.draw(json_values)
    if chosen is inner:
        plain["blocks"] = {**plain["blocks"], block: inner}
    try:
        report = Report.from_dict(plain)
    except InvalidProblemError as refusal:
        words = str(refusal)
    else:
        words = str(report)
        assert Report.from_dict(report.to_dict()).to_dict() == report.to_dict()
    assert words.replace("\n", "").isprintable()


@given(
    content=st.binary(max_size=300),
    start=st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY\x01\x00"]),
)
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_no_arrays(content, start, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "X.npz"
    path.write_bytes(start + content)
    try:
        arrays = arrays_in(path)
    except InvalidProblemError:
        return
    assert sum(array.nbytes for array in arrays.values()) <= len(content)
