"""The format: what is written is read again, whatever is torn off or damaged; nothing else is ever read."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcheck.checkpoints import records as format_of_records
from fastcheck.checkpoints.records import (
    HEADER,
    MARK,
    MOST_DESCRIPTION,
    MOST_PAYLOAD,
    Kind,
    Record,
    Scanner,
    encoded,
    encoded_value,
)

KEYS = st.binary(min_size=16, max_size=16)
VALUES = st.tuples(
    st.just(Kind.VALUE), st.integers(0, 3), KEYS, st.floats(allow_nan=False, allow_infinity=False)
)
OTHERS = st.tuples(
    st.sampled_from([Kind.THETA, Kind.DESCRIPTION, Kind.RAISED]),
    st.integers(0, 2**16 - 1),
    st.binary(max_size=60),
)
MANY = st.lists(VALUES | OTHERS, max_size=40)


def written(record):
    if record[0] is Kind.VALUE:
        return encoded_value(*record[1:])
    return encoded(*record)


def file_of(records):
    return HEADER + b"".join(map(written, records))


def scanned(data):
    """Return the records of a file, as they were written, and the scanner."""
    scanner = Scanner(lambda offset, count: data[offset : offset + count], len(data))
    found = []
    for item in scanner:
        if isinstance(item, Record):
            found.append((item.kind, item.section, item.payload))
        else:
            for one in item:
                key = struct.pack("<QQ", one["high"], one["low"])
                found.append((Kind.VALUE, int(one["section"]), key, float(one["value"])))
    return found, scanner


def same(found, records):
    assert len(found) == len(records)
    assert list(map(written, found)) == list(map(written, records))


@given(MANY)
def test_what_is_written_is_read_again(records):
    found, scanner = scanned(file_of(records))
    same(found, records)
    assert (scanner.damaged, scanner.torn) == (0, 0)


@given(MANY, st.integers(0, 10_000))
def test_a_torn_tail_costs_the_record_that_was_torn(records, cut):
    data = file_of(records)
    data = data[: max(len(HEADER), len(data) - cut % (len(data) - len(HEADER) + 1))]
    found, scanner = scanned(data)
    whole = [
        sum(map(len, map(written, records[:k]))) + len(HEADER) <= len(data) for k in range(len(records) + 1)
    ]
    same(found, records[: sum(whole) - 1])
    assert scanner.end + scanner.torn == len(data)
    assert scanner.damaged == 0


@given(MANY.filter(len), st.integers(0, 10_000), st.integers(1, 255))
def test_a_byte_that_was_changed_costs_the_record_that_holds_it_and_is_named(records, place, change):
    data = bytearray(file_of(records))
    place = len(HEADER) + place % (len(data) - len(HEADER))
    data[place] ^= change
    ends = len(HEADER) + np.cumsum(list(map(len, map(written, records))))
    hit = int(np.searchsorted(ends, place, side="right"))
    found, scanner = scanned(bytes(data))
    same(found, records[:hit] + records[hit + 1 :])
    assert scanner.damaged + scanner.torn == len(written(records[hit]))
    if hit < len(records) - 1:
        assert scanner.places == [int(ends[hit]) - len(written(records[hit]))]


@given(MANY, st.binary(max_size=200), st.integers(0, 10_000))
def test_whatever_is_put_into_the_middle_costs_nothing_but_its_place(records, rubbish, where):
    pieces = list(map(written, records))
    where %= len(pieces) + 1
    data = HEADER + b"".join(pieces[:where]) + rubbish + b"".join(pieces[where:])
    found, scanner = scanned(data)
    is_a_record = len(found) > len(records)  # as unlikely as a checksum that fits by chance
    assert not is_a_record
    same(found, records)
    assert scanner.damaged + scanner.torn == len(rubbish)


@pytest.mark.parametrize("piece", [17, 4096])
def test_evaluations_beyond_a_piece_of_the_file_are_read(monkeypatch, piece):
    monkeypatch.setattr(format_of_records, "PIECE", piece)
    one = encoded_value(0, bytes(range(16)), 1.5)
    count = 1000
    torn = encoded(Kind.RAISED, 0, b"x" * 100)[:-1]
    found, scanner = scanned(HEADER + one * count + torn + one * 3)
    assert len(found) == count + 3
    assert scanner.damaged == len(torn)


@pytest.mark.parametrize("length", [2**32 - 1, MOST_PAYLOAD + 1, MOST_DESCRIPTION])
def test_a_length_that_lies_takes_no_memory(length):
    front = struct.pack("<IHH", length, Kind.DESCRIPTION, 0)
    data = HEADER + MARK + struct.pack("<I", zlib.crc32(front)) + front + bytes(50)
    tracemalloc.start()
    found, scanner = scanned(data)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert found == []
    assert scanner.torn == len(data) - len(HEADER)


def test_a_file_of_nothing_but_marks_ends_the_search():
    front = MARK + bytes(4) + struct.pack("<IHH", MOST_PAYLOAD, Kind.THETA, 0)
    data = HEADER + front * (3 * MOST_PAYLOAD // len(front))
    found, scanner = scanned(data)
    assert found == []
    assert scanner.torn == len(data) - len(HEADER)
    assert scanner.searched < 20 * MOST_PAYLOAD
