"""Files as fastcheck and NumPy write them, and damage to them that bytes alone do not know how to do."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import random
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastcheck import Report, Verdict, check
from fastcheck.checkpoints.records import HEADER, MARK
from fastcheck.engines import ENGINES, FORMER
from fastcheck.report.reading import NOT_FINITE
from fastcheck.report.schema import LOCATED_HOW
from tests.kept_reports import mutated as mutated_plain
from tests.kept_reports import places
from tests.mutated_bytes import HOSTILE_TEXTS, mutated

VOCABULARY = {*Verdict, *ENGINES, *FORMER, *LOCATED_HOW, *NOT_FINITE, "code", "markdown"}
"""Texts that say of which kind something is: others are names and sentences."""

FRONT = struct.Struct("<4sIIHH")
"""What a record of a checkpoint begins with: mark, checksum, length of the payload, kind and section."""

THETA = {"W": np.array([[0.5, -1.5], [2.0, 0.1]]), "b": np.array([-1.0, 2.0])}


# --- without damage ----------------------------------------------------------------------------------------


def as_json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def kept_results(reports: Sequence[Any], stages: Sequence[Any]) -> Iterator[Any]:
    """Yield what ``fastcheck check --json`` writes, and reports by themselves."""
    entries = [
        {
            "file": f"net_{number % 3}.py",
            "problem": f"problem_{number}",
            "found as": "cost at θ",
            "report": report,
        }
        for number, report in enumerate((*reports, *stages))
    ]
    unused = {"file": "net_0.py", "problem": "relu", "not used": "nothing says which shape x has."}
    failed = {
        "file": "net_0.py",
        "problem": "loss",
        "found as": "a network",
        "error": "net_0.py:3: it raises",
    }
    missing = {
        "file": "lost.py",
        "problem": None,
        "found as": None,
        "error": "lost.py: there is no such file.",
    }
    yield from (
        [entries[0], unused, failed, missing],
        entries[1:3],
        [entries[-1]],
        [unused, entries[5]],
        [failed],
    )
    yield from (reports[1], stages[0])


def notebooks() -> Iterator[Any]:
    code = {
        "cell_type": "code",
        "source": ["%matplotlib inline\n", "import numpy as np\n", "np.sum?\n"],
        "outputs": [],
    }
    text = {"cell_type": "markdown", "source": "# Title", "metadata": {"value": 1.5}}
    yield {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [text, code, {**code, "source": "%%time\nx = 1"}],
    }
    yield {"nbformat": 3, "worksheets": [{"cells": [code]}]}


def arrays() -> Iterator[np.ndarray]:
    yield from (
        np.linspace(0, 1, 12).reshape(3, 4),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.array(2.5),
    )
    yield from (
        np.zeros((0, 3), np.float32),
        np.ones(2, complex),
        np.array([True, False]),
        np.array([None], object),
    )


def array_file(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def archives() -> Iterator[bytes]:
    named = {f"X{number}": array for number, array in enumerate(arrays()) if array.dtype != object}
    for save in (np.savez, np.savez_compressed):
        for members in (named, {"parameters.W1": np.zeros((30, 40))}):
            file = io.BytesIO()
            save(file, **members)
            yield file.getvalue()


@functools.cache
def checkpoints() -> Sequence[bytes]:
    """Return a checkpoint of a check that ended, and one of which half is there."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.fastcheck"
        checked(1.0, checkpoint=path)
        whole = path.read_bytes()
    return whole, whole[: len(whole) // 2]


def checked(factor: float, **options: Any) -> Report:
    claim = {"W": factor * np.exp(THETA["W"]), "b": 2 * THETA["b"]}
    return check(_cost, THETA, claim, method="plain", progress=False, **options)


def _cost(p: Mapping[str, np.ndarray]) -> float:
    if p["b"][1] > 2.0:
        raise ValueError("no such b, \x1b[2J says the cost")
    return float(np.sum(np.exp(p["W"])) + np.sum(p["b"] ** 2))


def told(report: Report) -> dict[str, Any]:
    """Return what a report says, but for times and checkpoints."""
    fields = report.to_dict()
    del fields["seconds"]
    return fields | {"notes": [note for note in fields["notes"] if not note.startswith("checkpoint ")]}


# --- with damage --------------------------------------------------------------------------------------------------


def json_mutated(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Return JSON with damage to its bytes, to a value of it, or with hostile names that fit together."""
    way = rng.randrange(3)
    if way == 0:
        return mutated(rng, content, others)
    plain = json.loads(content)
    if way == 1:
        with contextlib.suppress(TypeError, OverflowError, ValueError):  # the change itself came to nothing
            return json.dumps(mutated_plain(rng, plain, list(places(plain)))).encode()
    names = [value for value in _texts(plain) if value not in VOCABULARY]
    for name in rng.sample(names, min(len(names), rng.choice((1, 2, 5)))):
        content = content.replace(
            json.dumps(name, ensure_ascii=False).encode(), json.dumps(rng.choice(HOSTILE_TEXTS)).encode()
        )
    return content


def _texts(plain: Any) -> Iterator[str]:
    """Yield what is text in nested dicts and lists, and the names of blocks."""
    if isinstance(plain, dict):
        yield from plain.get("blocks", ()) if isinstance(plain.get("blocks"), dict) else ()
        for value in plain.values():
            yield from _texts(value)
    elif isinstance(plain, list):
        for value in plain:
            yield from _texts(value)
    elif isinstance(plain, str):
        yield plain


def archived(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Return an archive without damage that holds a damaged array."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        archive.writestr("X.npy", mutated(rng, content, others))
    return file.getvalue()


def sealed(rng: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Return a checkpoint with damage to some records, and checksums that are right all the same."""
    records = [*_records(content)]
    for place in rng.sample(range(len(records)), rng.choice((1, 1, 3))):
        kind, section, payload = records[place]
        way = rng.randrange(6)
        if way == 0:
            records[place] = rng.choice((0, 1, 2, 3, 4, 5, 65535)), section, payload
        elif way == 1:
            records[place] = kind, rng.choice((0, 1, 65535)), payload
        else:
            records[place] = kind, section, mutated(rng, payload, others)
    return HEADER + b"".join(map(_record, records))


def _records(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield kind, section and payload of the records of a checkpoint, but for a torn one at the end."""
    place = len(HEADER)
    while place + FRONT.size <= len(content):
        _, _, length, kind, section = FRONT.unpack_from(content, place)
        place += FRONT.size + length
        if place <= len(content):
            yield kind, section, content[place - length : place]


def _record(record: tuple[int, int, bytes]) -> bytes:
    kind, section, payload = record
    checked = struct.pack("<IHH", len(payload), kind, section) + payload
    return MARK + struct.pack("<I", zlib.crc32(checked)) + checked
