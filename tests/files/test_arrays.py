"""Arrays from files: they come back as they were written, and what is none is refused before it costs memory."""

import io
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from fastcheck import InvalidProblemError
from fastcheck.files import arrays
from fastcheck.files.arrays import arrays_in, nested

RNG = np.random.default_rng(0)

ARRAYS = {
    "X": RNG.standard_normal((3, 4)),
    "Y": np.asfortranarray(RNG.standard_normal((5, 2))),
    "parameters.W1": np.arange(6, dtype=">f4").reshape(3, 2),
    "λ": np.array(0.7),
    "mask": np.array([True, False]),
    "nothing": np.zeros((0, 3)),
    "z": np.ones(2, complex),
    "counts": np.array([[1, 2], [3, 4]], np.int16),
}

DEFLATED, LZMA = zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA


def archive(path, *members, compression=DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def array_file(shape, content=b"", dtype="<f8", version=1):
    """Return an .npy file whose header says what it wants."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + content


def refusal(path):
    """Return why a file is refused, having asked for no memory to speak of."""
    tracemalloc.start()
    try:
        with pytest.raises(InvalidProblemError) as caught:
            arrays_in(path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 30e6
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_they_were_written(save, tmp_path):
    path = tmp_path / "batch.npz"
    save(path, **ARRAYS)
    read = arrays_in(path)
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert read[name].dtype == array.dtype.newbyteorder("=")
        assert read[name].flags.writeable
        np.testing.assert_array_equal(read[name], array, strict=name != "parameters.W1")


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_one_array_is_called_as_its_file(version, tmp_path):
    with (tmp_path / "X.npy").open("wb") as file:
        np.lib.format.write_array(file, ARRAYS["X"], version)
    np.testing.assert_array_equal(arrays_in(tmp_path / "X.npy")["X"], ARRAYS["X"], strict=True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (array_file("(1000000000000000,)", b"x" * 80), "expected the 8,000,000,000,000,000 bytes of float64"),
        (array_file("(3, 3)", b"x" * 71), "expected the 72 bytes of float64 of shape (3, 3), at most"),
        (array_file("(3, 3)", b"x" * 73), "got 73"),
        (array_file("(2,)", b"x" * 16, "|O"), "one of another type (of objects, or records)"),
        (array_file("(1,)", b"x" * 8, "<U2"), "one of another type"),
        (array_file("(1,)", b"x" * 3, "<f3"), "got <f3 in 1 dimensions"),
        (array_file(f"({'1,' * 65})", b"x" * 8), "got <f8 in 65 dimensions"),
        (array_file("(-1,)", b"x" * 8), "a header that is damaged"),
        (array_file("(" * 5000, b""), "a header that is damaged"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b" " * 100, "got 4,294,967,295"),
        (b"\x93NUMPY\x09\x00" + b" " * 100, "expected an array as numpy.save writes it, got other bytes"),
        (b"\x93NUMPY", "got other bytes"),
        (b"\x93NUMPY\x01\x00\x05", "damaged"),
        (pickle.dumps(ARRAYS["X"]), "damaged"),
        (b"", "damaged"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(content, reason, tmp_path):
    path = tmp_path / "X.npy"
    path.write_bytes(content)
    assert reason in refusal(path)
    in_archive = refusal(archive(tmp_path / "a.npz", ("X.npy", content)))
    assert reason in in_archive or "got other bytes" in in_archive


def test_a_bomb_is_refused_before_it_inflates(tmp_path, monkeypatch):
    """Each member is a megabyte of zeros in a kilobyte, and one too many for a limit of four."""
    monkeypatch.setattr(arrays, "MOST_BYTES", 2**22)
    zeros = array_file("(131072,)", bytes(2**20))
    path = archive(tmp_path / "bomb.npz", *((f"X{k}.npy", zeros) for k in range(3)))
    assert len(arrays_in(path)) == 3
    archive(path, *((f"X{k}.npy", zeros) for k in range(4)))
    assert path.stat().st_size < 10_000
    assert "expected at most 4,194,304 bytes of arrays, got 4,19" in refusal(path)


def test_a_member_that_says_it_is_larger_than_it_can_be_is_refused(tmp_path):
    path = archive(tmp_path / "a.npz", ("X.npy", array_file("(100000000,)", b"x" * 80)))
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02") + 24  # the size that the list of members tells
    size = len(array_file("(100000000,)")) + 800_000_000
    content[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(content)
    assert "can be inflated to, got 800,000," in refusal(path)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("../../X.npy", b"")], "expected arrays with names such as X or parameters.W1, got '../../X'"),
        ([("\x1b[2J\n.npy", b"")], r"got '\x1b[2J\n'"),
        ([("__init__.py", b"")], "expected arrays alone, got '__init__.py'"),
        ([("X.npy/", b"")], "expected arrays alone, got 'X.npy/'"),
        ([(f"X{k}.npy", b"") for k in range(11)], "expected at most 10 arrays, got 11"),
    ],
)
def test_members_are_arrays_with_names_of_values(members, reason, tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "MOST_ARRAYS", 10)
    assert reason in refusal(archive(tmp_path / "a.npz", *members))


def test_each_name_is_there_once(tmp_path):
    one = array_file("(1,)", b"x" * 8)
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(tmp_path / "a.npz", ("X.npy", one), ("X.npy", one))
    assert "expected each array once, got two called X" in refusal(path)


def test_other_compressions_and_flipped_bits_are_refused(tmp_path):
    one = array_file("(10,)", bytes(range(80)))
    assert "another compression" in refusal(archive(tmp_path / "a.npz", ("X.npy", one), compression=LZMA))
    path = archive(tmp_path / "b.npz", ("X.npy", one), compression=zipfile.ZIP_STORED)
    content = path.read_bytes()
    assert list(arrays_in(path)) == ["X"]
    path.write_bytes(content.replace(bytes(range(40, 50)), bytes(range(41, 51))))
    assert "damaged (Bad CRC-32 for file 'X.npy')" in refusal(path)


def test_what_is_no_file_is_refused(tmp_path):
    assert "got no file" in refusal(tmp_path)
    assert "No such file" in refusal(tmp_path / "missing.npz")


def test_a_list_of_members_that_is_huge_is_not_read(tmp_path):
    file = io.BytesIO()
    np.savez(file, **ARRAYS)
    path = tmp_path / "a.npz"
    end = file.getvalue().rindex(b"PK\x05\x06")
    content = bytearray(file.getvalue()[:end] + bytes(2**23) + file.getvalue()[end:])
    at = len(content) - (len(file.getvalue()) - end)
    content[at + 12 : at + 16] = struct.pack("<I", 2**23)
    path.write_bytes(content)
    assert "a part of more than 4,194,304 bytes that is read at once" in refusal(path)


def test_names_with_dots_are_entries_of_dicts():
    values = nested({"X": 1, "p.W1": 2, "p.b.c": 3}, "a.npz")
    assert values == {"X": 1, "p": {"W1": 2, "b": {"c": 3}}}
    for names in (("p", "p.W1"), ("p.W1", "p"), ("p.W", "p.W.x")):
        with pytest.raises(InvalidProblemError, match="as both"):
            nested(dict.fromkeys(names, np.ones(1)), "a.npz")
