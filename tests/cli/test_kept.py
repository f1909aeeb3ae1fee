"""``fastcheck show``: what was kept is shown as the check showed it, and what is no such file is refused."""

import json
import re

import pytest

from fastcheck.cli import main
from tests.cli.files import ILL_POSED, RIGHT, UNDECIDED, WRONG, write
from tests.hostile_readers import UNFIT, expect_harmless_html
from tests.kept_reports import plain_reports, plain_stages
from tests.mutated_bytes import HOSTILE_TEXTS

LOOKS_LIKE_IT = "\ndef f_forward(a):\n    return a, a\n\ndef f_backward(dout, cache):\n    return dout\n"

TEXTS = {"right": RIGHT + LOOKS_LIKE_IT, "wrong": WRONG, "undecided": UNDECIDED, "ill": ILL_POSED}


def kept_as(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")
    return str(path)


def without_seconds(text):
    return re.sub(r"[\d.]+ s\b", "… s", text)


@pytest.mark.parametrize("options", [[], ["--verbose"], ["--only-wrong"]])
def test_results_are_shown_as_the_check_showed_them(options, tmp_path, capsys):
    files = [str(write(tmp_path, f"{name}.py", text)) for name, text in TEXTS.items()]
    kept = str(tmp_path / "kept.json")
    status = main(["check", *files, str(tmp_path / "missing.py"), *options, "--json", kept])
    checked = capsys.readouterr().out
    for path in files:
        (tmp_path / path).unlink()
    assert main(["show", kept, *options]) == status == 1
    assert without_seconds(capsys.readouterr().out) == without_seconds(checked)


@pytest.mark.parametrize(
    ("name", "status"), [("right", 0), ("wrong", 1), ("undecided", 2), ("ill", 3), ("none", 3)]
)
def test_the_exit_status_is_that_of_the_check(name, status, tmp_path, capsys):
    path = write(tmp_path, f"{name}.py", {**TEXTS, "none": "x = 1"}[name])
    kept = str(tmp_path / "kept.json")
    assert main(["check", str(path), "--json", kept]) == status
    assert main(["show", kept]) == status


def test_a_report_by_itself_and_one_of_stages_are_shown(tmp_path, capsys):
    assert main(["show", kept_as(tmp_path / "right.json", plain_reports()[0])]) == 0
    assert "PASS  " in capsys.readouterr().out
    assert main(["show", kept_as(tmp_path / "stages.json", plain_stages()[0])]) == 1
    assert "step" in capsys.readouterr().out


def test_pages_are_written_one_for_each_problem(tmp_path, capsys):
    entries = [
        {"file": "net.py", "problem": "cost", "found as": "cost", "report": report}
        for report in plain_reports()[:3]
    ]
    kept = kept_as(tmp_path / "kept.json", entries)
    assert main(["show", kept, "--html", str(tmp_path / "pages")]) == 1
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == [
        "net-cost-2.html", "net-cost-3.html", "net-cost.html"
    ]  # fmt: skip
    assert "this report was kept" in (tmp_path / "pages" / "net-cost-2.html").read_text(encoding="utf-8")
    (tmp_path / "file").write_text("")
    assert main(["show", kept, "--html", str(tmp_path / "file" / "pages")]) == 1
    assert "--html: " in capsys.readouterr().out


REPORT = plain_reports()[1]
ENTRY = {"file": "net.py", "problem": "cost", "found as": "cost", "report": REPORT}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "report: expected a dict, got 7."),
        ({}, "report.verdict: expected this field, got none."),
        ({**REPORT, "verdict": "pass"}, "report.verdict: expected 'fail', the worst of the blocks', got 'pass'."),
        ([ENTRY, 7], "results[1]: expected a dict, got 7."),
        ([{**ENTRY, "report": {**REPORT, "seed": -1}}], "results[0].report.seed: expected a whole number ≥ 0, got -1."),
        ([{**ENTRY, "file": None}], "results[0].file: expected a string, got None."),
        ([{"file": "net.py", "problem": "cost"}], "results[0]: expected one of the fields report, not used, error"),
        ([{**ENTRY, "error": "too"}], "results[0].'error': expected the fields file, problem, found as, report only"),
        ({**REPORT, "notes": ["x" * 2_000_000]}, "report.notes[0]: expected a string of at most 1,000,000 characters"),
        (
            {**REPORT, "blocks": {"x" * 20_000: REPORT["blocks"]["W1"]}},
            "report.blocks: expected names of at most 10,000 characters",
        ),
        (
            {**REPORT, "blocks": {"W1": {**REPORT["blocks"]["W1"], "shape": [2**62] * 100_000}}},
            "report.blocks['W1'].shape: expected a list of at most 64, got a list of 100,000",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_the_file(value, message, tmp_path, capsys):
    path = kept_as(tmp_path / "kept.json", value)
    assert main(["show", path]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"fastcheck: {path}: {message}")
    assert err.endswith(" Give it what fastcheck check --json wrote.\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"[" * 100_000, b"import os\n", b"PK\x03\x04"])
def test_what_is_no_json_is_refused_in_one_line(content, tmp_path, capsys):
    path = tmp_path / "kept.json"
    path.write_bytes(content)
    for name in (path, tmp_path / "missing", tmp_path):
        assert main(["show", str(name)]) == 3
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"fastcheck: {name}: ")
        assert err.count("\n") == 1


def test_many_causes_and_equal_names_are_read_in_time(tmp_path, capsys):
    """Each against each other would be a hundred million."""
    name, cause = "W1", REPORT["causes"][0]
    report = {**REPORT, "causes": [{**cause, "blocks": [name], "certain": False}] * 10_000}
    entries = [{**ENTRY, "report": report}, *[{**ENTRY, "report": plain_reports()[0]}] * 200]
    assert main(["show", kept_as(tmp_path / "kept.json", entries), "--only-wrong"]) == 1


# --- names that do harm --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("evil", HOSTILE_TEXTS, ids=lambda text: ascii(text)[:20])
def test_names_in_kept_results_harm_neither_terminal_nor_page(evil, tmp_path, capsys):
    named = json.loads(json.dumps(REPORT).replace('"W1"', json.dumps(evil)))
    named |= {"notes": [evil], "unseen": [evil], "stopped": evil, "left_out": [evil + "?"], "certified": evil}
    for cause in named["causes"]:
        line = {"file": evil, "number": 1, "text": evil}
        cause |= {"sentence": evil, "evidence": evil, "lines": [line], "backward_lines": [line]}
    stages = {
        "verdict": "fail",
        "stages": [{"step": 1, "seconds": 0.1, "report": named}],
        "not_reached": [],
        "notes": [evil],
    }
    place = {"file": evil, "problem": evil}
    entries = [
        *({**place, "found as": evil, "report": report} for report in (named, stages)),
        {**place, "not used": evil},
        {**place, "found as": evil, "error": evil},
        {"file": evil, "problem": None, "found as": None, "error": evil},
    ]
    kept = kept_as(tmp_path / "kept.json", entries)
    for options in ([], ["--verbose"], ["--html", str(tmp_path / "pages")]):
        assert main(["show", kept, *options]) == 1
        out, err = capsys.readouterr()
        assert not UNFIT.search(out)
        assert err == ""
    pages = list((tmp_path / "pages").iterdir())
    assert len(pages) == 2
    for page in pages:
        expect_harmless_html(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "harm", ["<img src=x>", "<b onclick=f()>x</b>", "\x1b[2J", "\u202e", "<script></script>" * 2]
)
def test_a_page_with_harm_in_it_is_seen(harm):
    expect_harmless_html("<p>fine</p>")
    with pytest.raises(AssertionError):
        expect_harmless_html(f"<p>{harm}</p>")


@pytest.mark.parametrize("evil", HOSTILE_TEXTS, ids=lambda text: ascii(text)[:20])
def test_names_of_a_checked_file_come_back_from_what_was_kept(evil, tmp_path, capsys):
    text = f"""
        import numpy as np
        name = {evil!r}
        def problem():
            return lambda p: np.sum(p[name] ** 2), {{name: np.ones(3)}}, {{name: 2.1 * np.ones(3)}}
    """
    path = str(write(tmp_path, "net.py", text))
    kept, junit = tmp_path / "kept.json", tmp_path / "junit.xml"
    status = main(["check", path, "--json", str(kept), "--junit", str(junit)])
    checked = capsys.readouterr().out
    assert main(["show", str(kept)]) == status
    assert without_seconds(capsys.readouterr().out) == without_seconds(checked)
    (entry,) = json.loads(kept.read_text(encoding="utf-8"))
    assert list(entry["report"]["blocks"]) == [evil]
    assert not UNFIT.search(junit.read_text(encoding="utf-8"))
