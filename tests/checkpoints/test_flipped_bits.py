"""A bit that flips in a checkpoint costs evaluations, and never changes one."""

import numpy as np
import pytest

from fastcheck.checkpoints import records
from fastcheck.checkpoints.records import HEADER, Record, Scanner
from tests.hostile_files import checkpoints


def found(content):
    """Return all that a scanner believes of a file."""
    scanner = Scanner(lambda offset, count: content[offset : offset + count], len(content))
    believed = set()
    for record in scanner:
        if isinstance(record, Record):
            believed.add((record.kind, record.section, record.payload))
        else:
            believed.update(
                (int(v["section"]), int(v["high"]), int(v["low"]), v["value"].tobytes()) for v in record
            )
    return believed


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def bits_of(content, each):
    return range(8 * len(HEADER), 8 * len(content), each)


@pytest.mark.parametrize("each", [211, pytest.param(3, marks=pytest.mark.slow)])
def test_no_flipped_bit_is_believed(each):
    content = checkpoints()[0]
    right = found(content)
    assert len(right) > 10
    believed = [found(flipped(content, bit)) for bit in bits_of(content, each)]
    assert all(one < right for one in believed)
    assert np.median([len(right - one) for one in believed]) == 1


def test_without_checksums_flipped_bits_would_be_believed(monkeypatch):
    monkeypatch.setattr(records.zlib, "crc32", lambda data: 0)
    content = bytearray(checkpoints.__wrapped__()[0])
    right = found(bytes(content))
    assert any(found(flipped(content, bit)) - right for bit in bits_of(content, 211))


@pytest.mark.parametrize("length", [2, 8, 31, 100])
def test_no_run_of_other_bytes_is_believed(length):
    content, rng = checkpoints()[0], np.random.default_rng(length)
    right = found(content)
    for start in rng.integers(len(HEADER), len(content) - length, 50):
        changed = content[:start] + rng.bytes(length) + content[start + length :]
        assert found(changed) <= right


def test_a_file_that_is_empty_for_a_petabyte_is_looked_at_as_far_as_a_limit(monkeypatch):
    monkeypatch.setattr(records, "MOST_SEARCHED", 2**24)
    content, looked_at = checkpoints()[0], []

    def read(offset, count):
        looked_at.append(count)
        return content[offset : offset + count].ljust(count, b"\0")

    scanner = Scanner(read, 2**50)
    assert sum(len(record) if not isinstance(record, Record) else 1 for record in scanner) > 10
    assert sum(looked_at) < 2**24 + 2 * records.PIECE
    assert scanner.end == len(content)
