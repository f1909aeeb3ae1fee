"""Files of data: read as far as a limit, and never run."""

import os

import pytest

from fastcheck import InvalidProblemError
from fastcheck.cli import main
from fastcheck.files.data_files import HOLDS_DATA, content_of


def test_a_file_is_read_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)
    assert content_of(path, most=3_000_000) == b"x" * 3_000_000
    with pytest.raises(InvalidProblemError, match="at most 2,999,999 bytes, got more"):
        content_of(path, most=2_999_999)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no such device")
def test_a_device_without_an_end_is_read_as_far_as_the_limit(tmp_path):
    link = tmp_path / "zeros"
    link.symlink_to("/dev/zero")
    with pytest.raises(InvalidProblemError, match="at most 5,000,000 bytes, got more"):
        content_of(link, most=5_000_000)


@pytest.mark.parametrize("name", ["missing", ".", "null\0character", "x" * 5000])
def test_what_cannot_be_read_is_an_error_of_fastcheck(name, tmp_path):
    with pytest.raises(InvalidProblemError):
        content_of(tmp_path / name)


@pytest.mark.parametrize("ending", HOLDS_DATA)
def test_data_are_not_run_as_code(ending, tmp_path, capsys):
    path = tmp_path / f"data{ending.upper()}"
    path.write_text("open('run', 'w').close()\n")
    for command in (["check"], ["course", "check"]):
        assert main([*command, str(path)]) == 3
        printed = "".join(capsys.readouterr())
        assert "got one of data, which is not run; " in printed
        assert not os.path.exists("run")
    path = path.with_suffix(".py")
    path.write_text("raise ValueError('it ran')\n")
    assert main(["check", str(path)]) == 3
    assert "it ran" in capsys.readouterr().out
