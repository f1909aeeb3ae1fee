"""Names of pages, and how they are written."""

import itertools
import warnings

import pytest

from fastcheck.testing.kept_pages import LONGEST_NAME, KeptPages, page_name

NAMES = [
    "tests/test_net.py::test_w",
    "tests/test_net.py::test_W",
    "tests/test_net.py::test_w[a/b]",
    "tests/test_net.py::test_w[a-b]",
    "tests/test_net.py::test_w[A-b]",
    "tests/test_net.py::test_w[a\\b]",
    "tests/test_net.py::test_w[../../etc]",
    "tests/test_net.py::test_w[θ]",
    "tests/test_net.py::test_w[π]",
    "tests/test_net.py::test_w[<script>]",
    "tests/test_net.py::test_w[a\nb]",
    "tests/test_net.py::test_w[]",
    "tests/test_net.py::TestW::test_w",
    "tests-test_net.py--test_w",
    "../other/test_net.py::test_w",
    "tests/test_net.py::test_w[" + "x" * 300 + "1]",
    "tests/test_net.py::test_w[" + "x" * 300 + "2]",
]


class Report:
    def __init__(self, text="page"):
        self.text = text

    def save_html(self, path):
        path.write_text(self.text)
        print("printed by the cost")
        warnings.warn("by the cost", stacklevel=1)
        return path


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_that_of_a_file_anywhere(name):
    page = page_name(name)
    assert page.isascii()
    assert not set(page) & set('/\\:*?"<>|[] \n')
    assert not page.startswith((".", "-"))
    assert 0 < len(page) <= LONGEST_NAME


def test_names_that_differ_differ_as_files_also_where_case_does_not_count():
    pages = [page_name(name).casefold() for name in NAMES]
    for (one, first), (two, second) in itertools.combinations(zip(NAMES, pages, strict=True), 2):
        assert first != second, (one, two)


def test_plain_names_stay_readable():
    assert page_name("tests/test_net.py::test_w") == "tests-test_net.py--test_w"
    assert page_name("test_net.py::TestNet::test_w") == "test_net.py--TestNet--test_w"
    assert page_name("tests/test_net.py::TestW::test_w[a/b]").startswith(
        "tests-test_net.py--TestW--test_w-a-b-"
    )


def test_pages_of_a_run_are_numbered_and_those_of_earlier_runs_replaced(tmp_path, capsys):
    for text in ("old", "new"):
        pages = KeptPages(tmp_path / "a" / "b")
        paths = [pages.keep(Report(f"{text} {number}"), "test_a.py::test_b") for number in range(2)]
        assert [path.name for path in paths] == ["test_a.py--test_b.html", "test_a.py--test_b-2.html"]
        assert [path.read_text() for path in paths] == [f"{text} 0", f"{text} 1"]
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == sorted(p.name for p in paths)
    assert capsys.readouterr().out == ""


def test_workers_that_run_the_same_tests_write_pages_of_their_own(tmp_path):
    paths = {KeptPages(tmp_path, worker).keep(Report(), "test_a.py::test_b") for worker in ("gw0", "gw1")}
    assert {path.name for path in paths} == {"test_a.py--test_b-gw0.html", "test_a.py--test_b-gw1.html"}
