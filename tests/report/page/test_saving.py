import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fastcheck import InvalidProblemError
from fastcheck.report.page import saving


def test_a_page_is_written_where_it_was_asked_for(right_report, tmp_path):
    for name in ("report.html", "report.page", "no suffix", "größe.html"):
        path = right_report.save_html(tmp_path / name)
        assert path == tmp_path / name
        assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(os.listdir(tmp_path)) == sorted(["report.html", "report.page", "no suffix", "größe.html"])


def test_the_path_is_returned_as_it_was_given(right_report, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert right_report.save_html("report.html") == Path("report.html")
    assert (tmp_path / "report.html").is_file()


def test_a_page_that_is_there_is_overwritten(right_report, course_report, tmp_path):
    path = tmp_path / "report.html"
    right_report.save_html(path)
    course_report.save_html(path)
    assert "FAIL" in path.read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_link_stays_a_link(right_report, tmp_path):
    target, link = tmp_path / "target.html", tmp_path / "link.html"
    target.write_text("before")
    link.symlink_to(target)
    right_report.save_html(link)
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.skipif(sys.platform == "win32", reason="modes are those of POSIX")
def test_others_may_read_the_page_as_any_file(right_report, tmp_path):
    before = os.umask(0o022)
    try:
        path = right_report.save_html(tmp_path / "report.html")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_directory_is_refused(right_report, tmp_path):
    with pytest.raises(
        InvalidProblemError, match=r"expected the name of a file, got the directory .*report\.html"
    ):
        right_report.save_html(tmp_path)


def test_a_folder_that_is_not_there_is_named(right_report, tmp_path):
    with pytest.raises(InvalidProblemError, match=r"there is no folder .*missing.*mkdir"):
        right_report.save_html(tmp_path / "missing" / "report.html")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["", b"report.html", 3, None])
def test_what_is_no_path_is_refused(right_report, path):
    with pytest.raises(InvalidProblemError, match=r"path: expected the name of a file"):
        right_report.save_html(path)


@pytest.mark.skipif(not os.path.exists(os.devnull) or sys.platform == "win32", reason="no devices here")
def test_a_device_is_not_replaced(right_report):
    with pytest.raises(InvalidProblemError, match="device"):
        right_report.save_html(os.devnull)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


IN_A_NEW_PROCESS = """
import random, sys
import numpy as np
import fastcheck

w = np.ones(3)
report = fastcheck.check(lambda w: np.sum(w**2), w, 2 * w, progress=False)
stages = fastcheck.check_stages(lambda: None, lambda: report, (0,))
state = random.getstate()
for thing in (stages, report):
    getattr(thing, sys.argv[1])(*sys.argv[2:])
    assert random.getstate() == state, thing
"""


@pytest.mark.parametrize("method", ["save_html", "_repr_html_"])
def test_the_random_generator_is_as_before_whatever_is_imported(method, tmp_path):
    arguments = [tmp_path / "report.html"] if method == "save_html" else []
    subprocess.run([sys.executable, "-c", IN_A_NEW_PROCESS, method, *arguments], check=True)


def test_a_page_that_cannot_be_finished_leaves_the_old_one(right_report, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("before")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(saving.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        right_report.save_html(path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["report.html"]
