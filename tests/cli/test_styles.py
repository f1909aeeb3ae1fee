import json

import pytest

from fastcheck.cli import main
from tests.cli.styles import STYLES


def results_of(path, *options):
    """Run the command on a file; return its status and what it wrote as JSON."""
    kept = path.with_suffix(".json")
    status = main(["check", str(path), "--json", str(kept), *options])
    return status, json.loads(kept.read_text(encoding="utf-8"))


@pytest.mark.verdicts_alone
@pytest.mark.parametrize("planted", [False, True], ids=["right", "wrong"])
@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_every_style_is_found_and_its_mistake_too(style, planted, tmp_path, capsys):
    path = tmp_path / "network.py"
    path.write_text(style.text(planted=planted), encoding="utf-8")
    status, results = results_of(path)
    shown = capsys.readouterr().out
    assert [result["problem"] for result in results] == list(style.problems), shown
    expected = style.wrong if planted else {}
    failing = {
        result["problem"]: {
            name for name, block in result["report"]["blocks"].items() if block["verdict"] != "pass"
        }
        for result in results
        if result["report"]["verdict"] != "pass"
    }
    assert failing == expected, shown
    assert status == (1 if planted else 0)
    assert shown.count("PASS  ") == len(style.problems) - len(expected)
