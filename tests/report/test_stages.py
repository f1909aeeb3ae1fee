import json
import pickle

import numpy as np
import pytest

from fastcheck import Stage, StagesReport, Verdict, check, check_stages
from fastcheck.report.view import WIDTH


@pytest.fixture(scope="module")
def mixed():
    """A training whose gradient is right, then not measurable, then wrong."""
    w = np.array([1.0, -3.0])
    factor = {0: 2.0, 1: 2.0, 2: 2.1, 3: 2.0, 4: 2.1}

    def look(step):
        offset = 1e12 if step == 1 else 0.0
        return check(lambda w: np.sum(w**2) + offset, w, factor[step] * w, method="plain")

    def train_step():
        w[:] *= 0.99

    return check_stages(train_step, look, range(5), stop_at_failure=False)


def test_the_verdict_is_the_worst(mixed):
    verdicts = [stage.report.verdict for stage in mixed.stages]
    assert [str(v) for v in verdicts] == ["pass", "inconclusive", "fail", "pass", "fail"]
    parts = [StagesReport(stages=mixed.stages[:k]) for k in range(4)]
    assert [str(part.verdict) for part in parts] == ["inconclusive", "pass", "inconclusive", "fail"]
    assert [bool(part) for part in parts] == [False, True, False, False]
    assert [part.first_doubtful and part.first_doubtful.step for part in parts] == [None, None, 1, 2]
    assert StagesReport(stages=mixed.stages[:1], not_reached=(7,)).verdict is Verdict.INCONCLUSIVE
    assert mixed.seconds == sum(stage.seconds for stage in mixed.stages) > 0
    assert parts[1].raise_if_failed() is None


def test_the_table(mixed):
    lines = str(mixed).splitlines()
    assert lines[0] == "FAIL  the gradient is wrong at steps 2 and 4, right at step 0"
    assert lines[3].split() == ["step", "verdict", "difference", "checked", "wrong", "seconds", "wrong", "in"]
    assert [line.split()[:2] for line in lines[4:9]] == [
        ["0", "pass"],
        ["1", "inconclusive"],
        ["2", "fail"],
        ["3", "pass"],
        ["4", "fail"],
    ]
    assert lines[6].split()[3:5] == ["2", "2"]
    assert lines[6].endswith("theta")
    at = lines.index("Step 2")
    assert "\n".join(lines[at + 1 :]) == str(mixed.stages[2].report)
    undecided = str(StagesReport(stages=mixed.stages[:2])).splitlines()
    assert undecided[0] == "INCONCLUSIVE  could not tell at step 1"
    assert "Step 1" in undecided
    assert str(StagesReport(stages=())).startswith("INCONCLUSIVE  nothing was checked\n0 stages")
    right = str(StagesReport(stages=mixed.stages[:1]))
    assert right.startswith("PASS  the gradient is right at step 0\n1 stage checked in ")
    assert "\ncoordinate " not in right
    assert "\ncoordinate " in str(mixed)


def test_the_table_is_80_columns_wide_and_plain():
    blocks = {f"a_rather_long_name_{k}": np.ones(3) for k in range(9)}
    claim = {name: 3 * value for name, value in blocks.items()}
    report = check(lambda p: sum(np.sum(v**2) for v in p.values()), blocks, claim)
    stage = Stage(step=1_000_000, report=report, seconds=1234.5)
    notes = ("A sentence that is long enough to need more than one line, " * 3,)
    text = str(StagesReport(stages=(stage,) * 9, not_reached=(2_000_000, 3_000_000), notes=notes))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "\x1b" not in text
    assert text.count("not reached") == 2
    assert "steps 1,000,000, 1,000,000, 1,000,000, 1,000,000, 1,000,000 and 4 more" in " ".join(text.split())
    assert "\nNote: A sentence that is long" in text


def test_it_survives_json_and_pickle(mixed):
    for report in (mixed, StagesReport(stages=mixed.stages[:1], not_reached=(5, 9), notes=("A note.",))):
        plain = report.to_dict()
        assert plain["verdict"] == report.verdict
        assert StagesReport.from_dict(json.loads(json.dumps(plain))) == report
        assert pickle.loads(pickle.dumps(report)) == report
    with pytest.raises(AttributeError):
        mixed.stages = ()


def test_what_pictures_need_is_kept_of_the_first_doubtful_stages_only(mixed):
    kept = [stage.report.study is not None for stage in mixed.stages]
    assert kept == [False, True, True, False, False]
    assert kept == [stage.report.blocks["theta"].errors is not None for stage in mixed.stages]
    assert len(mixed.first_doubtful.report.study.network().steps) == 1
