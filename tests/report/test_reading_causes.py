"""Causes of reports that were kept as dicts: what is read back, and what is refused."""

import json
import pickle

import pytest
from kept_reports import plain_reports, plain_stages, put, try_mutations

from fastcheck import InvalidProblemError, Report, StagesReport

CAUSE = ("causes", 0)


@pytest.fixture(scope="module")
def explained():
    """A failing report with two possible causes of one block, the first with lines of code."""
    line = {"file": "/home/me/network.py", "number": 31, "text": "dW1 = 2 * dZ1 @ X.T"}
    cause = {
        "kind": "scaled",
        "blocks": ["W1"],
        "sentence": "dW1 is 2 times the gradient",
        "evidence": "explains dW1 to rounding",
        "certain": False,
        "lines": [line | {"number": 12, "text": ""}],
        "backward_lines": [line, line | {"number": 32}],
    }
    other = cause | {"sentence": "dW1 is that of the sum", "lines": [], "backward_lines": []}
    return plain_reports()[1] | {"causes": [cause, other]}


def test_causes_come_back(explained):
    text = json.dumps(explained, allow_nan=False)
    report = Report.from_dict(json.loads(text))
    assert report.to_dict() == explained
    assert [cause.certain for cause in report.causes] == [False, False]
    assert str(report.causes[0].backward_lines[0]) == "network.py:31, `dW1 = 2 * dZ1 @ X.T`"
    assert str(report.causes[0].lines[0]) == "network.py:12"
    assert pickle.loads(pickle.dumps(report)) == report
    assert try_mutations([explained], Report, 500, seed=3) > 10


def test_reports_of_versions_that_did_not_name_causes_are_read():
    for plain in plain_reports():
        assert Report.from_dict(put(plain, ("causes",), put)).causes == ()
    former = put(plain_stages()[0], ("stages", 1, "report", "causes"), put)
    assert StagesReport.from_dict(former).stages[1].report.causes == ()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("causes",), None, "report.causes: expected a list, got None"),
        ((*CAUSE, "kind"), 1, "report.causes[0].kind: expected a string, got 1"),
        ((*CAUSE, "blocks"), [], "report.causes[0].blocks: expected at least one block, got a tuple of 0"),
        (
            (*CAUSE, "blocks"),
            ["b1"],
            "report.causes[0].blocks[0]: expected a block that fails, one of 'W1', got 'b1'",
        ),
        (
            (*CAUSE, "blocks"),
            ["W1", "W9"],
            "report.causes[0].blocks[1]: expected a block that fails, one of 'W1'",
        ),
        (
            (*CAUSE, "blocks"),
            ["W1", "W1"],
            "report.causes[0].blocks: expected each block once, got a tuple of 2",
        ),
        ((*CAUSE, "certain"), 1, "report.causes[0].certain: expected True or False, got 1"),
        (
            (*CAUSE, "certain"),
            True,
            "report.causes[0].certain: expected False beside another cause of a block",
        ),
        ((*CAUSE, "sentence"), put, "report.causes[0].sentence: expected this field, got none"),
        ((*CAUSE, "rank"), 1, "report.causes[0].'rank': expected the fields kind, blocks"),
        (
            (*CAUSE, "lines", 0, "number"),
            0,
            "report.causes[0].lines[0].number: expected a whole number ≥ 1, got 0",
        ),
        (
            (*CAUSE, "backward_lines", 1),
            "l. 3",
            "report.causes[0].backward_lines[1]: expected a dict, got 'l. 3'",
        ),
    ],
)
def test_causes_are_checked(explained, path, value, message):
    with pytest.raises(InvalidProblemError) as caught:
        Report.from_dict(put(explained, path, value))
    assert str(caught.value).startswith(message)


def test_a_gradient_that_is_right_has_no_causes(explained):
    with pytest.raises(
        InvalidProblemError, match=r"report.causes\[0\].blocks\[0\]: expected none: no block fails"
    ):
        Report.from_dict(plain_reports()[0] | {"causes": explained["causes"]})
