"""What ``fastcheck check`` keeps: JSON, JUnit, pages."""

import json
import os
import xml.etree.ElementTree as ET

import pytest

from fastcheck import Report
from fastcheck.cli import main
from tests.cli.files import ILL_POSED, RIGHT, UNDECIDED, WRONG, write

LOOKS_LIKE_IT = "\ndef f_forward(a):\n    return a, a\n\ndef f_backward(dout, cache):\n    return dout\n"


@pytest.fixture
def files(tmp_path):
    """A file of each kind, and one that is not there."""
    texts = {"right": RIGHT + LOOKS_LIKE_IT, "wrong": WRONG, "undecided": UNDECIDED, "ill": ILL_POSED}
    paths = [str(write(tmp_path, f"{name}.py", text)) for name, text in texts.items()]
    return [*paths, str(tmp_path / "missing.py")]


def test_json_has_an_entry_for_everything(files, tmp_path):
    kept = tmp_path / "new folder" / "kept.json"
    assert main(["check", *files, "--json", str(kept)]) == 1
    entries = json.loads(kept.read_text(encoding="utf-8"))
    assert [(entry["file"].rpartition("/")[2], entry["problem"]) for entry in entries] == [
        ("right.py", "cost"), ("right.py", "f_backward"), ("wrong.py", "cost"), ("undecided.py", "problem_in_noise"),
        ("undecided.py", "cost"), ("ill.py", "cost"), ("missing.py", None),
    ]  # fmt: skip
    assert entries[0]["found as"] == "cost and gradients at parameters"
    reports = [Report.from_dict(entry["report"]) for entry in entries if "report" in entry]
    assert [str(report.verdict) for report in reports] == ["pass", "fail", "inconclusive", "pass"]
    assert "which shape a has" in entries[1]["not used"]
    assert "there is no such file" in entries[-1]["error"]


def test_json_on_the_standard_output_is_nothing_else(files, capsys):
    assert main(["check", *files, "--json", "-"]) == 1
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 7
    assert "5 problems" in err


def test_prints_of_the_file_do_not_disturb_json(tmp_path, capsys):
    path = write(tmp_path, "loud.py", RIGHT + "\nprint('hello')\n")
    assert main(["check", str(path), "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 1
    assert "hello" in err


def test_junit_has_a_case_for_every_problem(files, tmp_path):
    kept = tmp_path / "junit.xml"
    assert main(["check", *files, "--junit", str(kept)]) == 1
    suites = ET.parse(kept).getroot()
    assert suites.tag == "testsuites"
    counts = [
        tuple(int(suite.get(kind)) for kind in ("tests", "failures", "errors", "skipped")) for suite in suites
    ]
    assert counts == [(2, 0, 0, 1), (1, 1, 0, 0), (2, 1, 0, 0), (1, 0, 1, 0), (1, 0, 1, 0)]
    failure = suites.find("testsuite/testcase/failure")
    assert failure.get("message").startswith("FAIL  ")
    assert failure.get("type") == "fail"
    assert failure.text.startswith(failure.get("message"))
    case = suites.find("testsuite/testcase")
    assert (case.get("name"), case.get("classname")) == ("cost", files[0])
    assert float(case.get("time")) >= 0


def test_junit_holds_no_characters_that_xml_forbids(tmp_path):
    kept = tmp_path / "junit.xml"
    path = write(tmp_path, "file.py", "def problem():\n    raise ValueError('\\x00\\x1b<&\"')\n")
    assert main(["check", str(path), "--junit", str(kept)]) == 3
    error = ET.parse(kept).getroot().find("testsuite/testcase/error")
    assert '\\x00\\x1b<&"' in error.get("message")


@pytest.mark.skipif(os.name == "nt", reason="files cannot be called so")
def test_junit_of_a_file_with_control_characters_in_its_name_can_be_read(tmp_path):
    path = write(tmp_path, "odd\x1b[2J\x01.py", RIGHT)
    junit = tmp_path / "junit.xml"
    assert main(["check", str(path), str(tmp_path / "mis\x02sing.py"), "--junit", str(junit)]) == 3
    names = [suite.get("name") for suite in ET.parse(junit).getroot()]
    assert [name.rpartition("/")[2] for name in names] == ["odd\\x1b[2J\\x01.py", "mis\\x02sing.py"]


def test_what_cannot_be_written_is_told(tmp_path, capsys):
    path = write(
        tmp_path, "right.py", f"{RIGHT}\nimport os\nos.makedirs({str(tmp_path / 'kept')!r}, exist_ok=True)\n"
    )
    for option in ("--json", "--junit"):
        assert main(["check", str(path), option, str(tmp_path / "kept")]) == 3
        assert "directory" in capsys.readouterr().err
        (tmp_path / "kept").rmdir()


def test_pages_are_those_of_the_report_and_made_while_the_file_is_loaded(tmp_path):
    write(tmp_path, "of_this_folder_too.py", "def power():\n    return 3\n")
    text = RIGHT.replace(
        "return np.sum(w**3)", "import of_this_folder_too as o\n    return np.sum(w ** o.power())"
    )
    assert main(["check", str(write(tmp_path, "file.py", text)), "--html", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    assert "PASS" in page.upper()


@pytest.fixture
def plain_pages(monkeypatch):
    """Pages that are a line: what is asked here is where they go."""

    def save(report, path):
        path.write_text(str(report.verdict), encoding="utf-8")
        return path

    monkeypatch.setattr("fastcheck.report.page.saving.save_page", save)


@pytest.mark.usefixtures("plain_pages")
def test_pages_go_into_a_folder_one_for_each_problem(files, tmp_path, capsys):
    folder = tmp_path / "pages"
    assert main(["check", *files, "--html", str(folder)]) == 1
    assert {page.name: page.read_text() for page in folder.iterdir()} == {
        "right-cost.html": "pass",
        "wrong-cost.html": "fail",
        "undecided-problem_in_noise.html": "inconclusive",
        "undecided-cost.html": "pass",
    }
    assert f"page: {folder / 'wrong-cost.html'}" in capsys.readouterr().out
    assert main(["check", *files, "--html", str(tmp_path / "few"), "--only-wrong"]) == 1
    assert sorted(page.name for page in (tmp_path / "few").iterdir()) == [
        "undecided-problem_in_noise.html",
        "wrong-cost.html",
    ]


@pytest.mark.usefixtures("plain_pages")
def test_a_page_may_be_named_and_several_get_names_like_it(files, tmp_path):
    assert main(["check", files[1], "--html", str(tmp_path / "one" / "page.html")]) == 1
    assert [page.name for page in (tmp_path / "one").iterdir()] == ["page.html"]
    assert main(["check", *files[:2], "--html", str(tmp_path / "two" / "page.html")]) == 1
    assert sorted(page.name for page in (tmp_path / "two").iterdir()) == [
        "page-cost-2.html",
        "page-cost.html",
    ]


@pytest.mark.usefixtures("plain_pages")
def test_pages_have_names_that_every_system_allows(tmp_path):
    path = write(tmp_path, "a b.py", RIGHT)
    assert main(["check", str(path), "--html", str(tmp_path / "pages")]) == 0
    assert [page.name for page in (tmp_path / "pages").iterdir()] == ["a-b-cost.html"]


LONG = """
    import numpy as np

    def problem_long():
        "a headline of more than one line"
        W = np.linspace(1, 2, 60).reshape(20, 3)
        names = [f"a_name_of_some_length_{k}" for k in range(4)]
        parameters = {name: W for name in names}
        cost = lambda p: sum(np.sum(v**2) for v in p.values())
        return cost, parameters, {name: 3 * W for name in names}
    """


@pytest.mark.usefixtures("plain_pages")
def test_names_of_pages_are_as_long_as_systems_allow(tmp_path):
    text = RIGHT.replace(
        "def cost", f"def problem_{'数' * 120}():\n    return cost, parameters, gradients\n\ndef cost"
    )
    path = write(tmp_path, "文" * 60 + ".py", text)
    assert main(["check", str(path), "--html", str(tmp_path / "pages")]) == 0
    names = [page.name for page in (tmp_path / "pages").iterdir()]
    assert names
    assert all(len(name.encode()) < 128 for name in names)


def test_the_message_of_a_case_is_the_whole_headline(tmp_path):
    kept = tmp_path / "junit.xml"
    assert main(["check", str(write(tmp_path, "long.py", LONG)), "--junit", str(kept)]) == 1
    (failure,) = ET.parse(kept).getroot().iter("failure")
    message, lines = failure.get("message"), failure.text.splitlines()
    assert len(message) > len(lines[0])
    assert " ".join("\n".join(lines).split()).startswith(" ".join(message.split()))


def test_stages_of_a_training_have_a_page_and_a_whole_headline_too(tmp_path):
    text = """
        import numpy as np
        from fastcheck import check, check_stages

        w = np.array([1.0, 2.0])

        def look(step):
            return check(lambda w: np.sum(w**2), w, (3 if step else 2) * w)

        def problem_stages():
            return check_stages(lambda: None, look, [0, 5])
        """
    path, kept = write(tmp_path, "stages.py", text), tmp_path / "junit.xml"
    assert main(["check", str(path), "--html", str(tmp_path / "page.html"), "--junit", str(kept)]) == 1
    (failure,) = ET.parse(kept).getroot().iter("failure")
    assert failure.get("message") == "FAIL  the gradient is wrong at step 5, right at step 0"
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "the gradient is wrong at step 5, right at step 0" in page


def test_a_page_that_cannot_be_written_hides_no_verdict(tmp_path, capsys):
    text = "import numpy as np\nw = np.ones(2)\ndef cost(w): return np.sum(w**2)\ndef gradient(w): return 3 * w\n"
    text += f"import pathlib; pathlib.Path({str(tmp_path / 'taken')!r}).write_text('a file where a folder should be')\n"
    path = write(tmp_path, "file.py", text)
    assert main(["check", str(path), "--html", str(tmp_path / "taken" / "pages")]) == 1
    out = capsys.readouterr().out
    assert "1 problem: 1 wrong" in out
    assert "cannot be written" in out
