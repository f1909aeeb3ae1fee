"""Reports that were kept as dicts: what is read back, and what is refused."""

import json
import math

import pytest
from kept_reports import VALUES, plain_reports, plain_stages, put, try_mutations

from fastcheck import InvalidProblemError, Report, StagesReport, Verdict


def test_every_kind_of_report_is_strict_json_and_comes_back():
    text = json.dumps(plain_reports())
    for value in (
        '"NaN"',
        '"Infinity"',
        '"proof": {',
        '"screened": {',
        '"located": {',
        '"stopped": "',
        '"cause": "',
    ):
        assert value in text
    for kind, plains in ((Report, plain_reports()), (StagesReport, plain_stages())):
        for plain in plains:
            read = json.loads(json.dumps(plain, allow_nan=False))
            assert read == plain
            again = kind.from_dict(read)
            assert again.to_dict() == plain
            assert isinstance(again.verdict, Verdict)
            assert str(again)


def test_numbers_that_json_has_not_come_back_as_numbers():
    unseen = Report.from_dict(plain_reports()[4])
    assert math.isnan(unseen.difference)
    assert all(math.isinf(block.power.factor) for block in unseen.blocks.values())


# --- one field at a time -----------------------------------------------------------------------------------------


BLOCK = ("blocks", "W1")
WORST = (*BLOCK, "worst", 1)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("verdict",),
            "passed",
            "report.verdict: expected one of 'pass', 'fail', 'inconclusive', got 'passed'",
        ),
        (("verdict",), "pass", "report.verdict: expected 'fail', the worst of the blocks', got 'pass'"),
        (("verdict",), put, "report.verdict: expected this field, got none"),
        (("colour",), "red", "report.'colour': expected the fields verdict, difference"),
        (("difference",), 1.5, "report.difference: expected a number in [0, 1] or 'NaN', got 1.5"),
        (("difference",), math.nan, "report.difference: expected a number in [0, 1] or 'NaN', got nan"),
        (("difference",), True, "report.difference: expected a number in [0, 1] or 'NaN', got True"),
        (("blocks",), [], "report.blocks: expected a dict, got a list of 0"),
        (("blocks",), {}, "report.blocks: expected at least one block, got a dict of 0"),
        (("blocks", 7), {}, "report.blocks: expected a dict with strings as keys, got 7"),
        (("forward_passes",), -1, "report.forward_passes: expected a whole number ≥ 0, got -1"),
        (
            ("forward_passes",),
            10**4000,
            "report.forward_passes: expected a whole number ≥ 0, got a whole number of 13,288 bits",
        ),
        (("method",), "auto", "report.method: expected one of 'difference'"),
        (("epsilon",), 0, "report.epsilon: expected a number in (0, inf), got 0"),
        (("tolerance",), 1, "report.tolerance: expected a number in (0, 1), got 1"),
        (("seconds",), "Infinity", "report.seconds: expected a number in [0, inf], got 'Infinity'"),
        (("seed",), 0.0, "report.seed: expected a whole number ≥ 0, got 0.0"),
        (("notes",), ["a", 3], "report.notes[1]: expected a string, got 3"),
        (("left_out",), ["W1"], "report.left_out: expected no block that was looked at, got 'W1'"),
        (
            (*BLOCK, "verdict"),
            "pass",
            "report.blocks['W1'].verdict: expected fail or inconclusive beside wrong",
        ),
        ((*BLOCK, "shape"), [40, -3], "report.blocks['W1'].shape[1]: expected a whole number ≥ 0, got -3"),
        ((*BLOCK, "size"), 121, "report.blocks['W1'].size: expected 120, the product of the shape, got 121"),
        ((*BLOCK, "checked"), 121, "report.blocks['W1'].checked: expected at most 120, those size, got 121"),
        ((*BLOCK, "wrong"), 121, "report.blocks['W1'].wrong: expected at most 120"),
        ((*BLOCK, "undecided"), 119, "report.blocks['W1'].undecided: expected at most 117"),
        (
            (*BLOCK, "cause"),
            "Noise.",
            "report.blocks['W1'].cause: expected a sentence where the verdict is inconclu",
        ),
        ((*BLOCK, "power", "factor"), -1, "report.blocks['W1'].power.factor: expected a number"),
        ((*BLOCK, "proof", "size"), 119, "report.blocks['W1'].proof."),
        ((*BLOCK, "kinks"), None, "report.blocks['W1'].kinks: expected a whole number ≥ 0, got None"),
        (
            (*WORST, "index"),
            [40, 0],
            "report.blocks['W1'].worst[1].index: expected a position in the shape (40, 3)",
        ),
        (
            (*WORST, "index"),
            [1],
            "report.blocks['W1'].worst[1].index: expected a position in the shape (40, 3)",
        ),
        (
            (*WORST, "block"),
            "b1",
            "report.blocks['W1'].worst[1].block: expected the block's name, 'W1', got 'b1'",
        ),
        ((*WORST, "claimed"), 7, "report.blocks['W1'].worst[1].error: expected 6."),
        (
            (*WORST, "relative_error"),
            3,
            "report.blocks['W1'].worst[1].relative_error: expected 0.5, error / max",
        ),
        (
            (*BLOCK, "worst"),
            [{}] * 11,
            "report.blocks['W1'].worst: expected a list of at most 10, got a list of 11",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_path(path, value, message):
    with pytest.raises(InvalidProblemError) as caught:
        Report.from_dict(put(plain_reports()[1], path, value))
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(" Pass what to_dict() returned.")
    Report.from_dict(plain_reports()[1])


def test_the_order_of_the_worst_is_checked():
    worst = plain_reports()[1]["blocks"]["W1"]["worst"]
    with pytest.raises(InvalidProblemError, match=r"blocks\['W1'\].worst: expected the largest errors first"):
        Report.from_dict(put(plain_reports()[1], (*BLOCK, "worst"), worst[::-1]))


@pytest.mark.parametrize(
    ("number", "path", "value", "message"),
    [
        (
            2,
            (*BLOCK, "proof", "at_most"),
            112,
            "report.blocks['W1'].proof.at_most: expected at most the 111 not checked",
        ),
        (2, (*BLOCK, "proof", "share"), 0.01, "report.blocks['W1'].proof.share: expected "),
        (
            2,
            (*BLOCK, "proof", "confidence"),
            1.0,
            "report.blocks['W1'].proof.confidence: expected a number in (0, 1)",
        ),
        (3, (*BLOCK, "cause"), None, "report.blocks['W1'].cause: expected a sentence"),
        (
            5,
            (*BLOCK, "screened", "kinked"),
            99,
            "report.blocks['W1'].screened.kinked: expected at most the directions",
        ),
        (5, (*BLOCK, "screened", "bound"), "NaN", "report.blocks['W1'].screened.bound: expected a number"),
        (
            6,
            (*BLOCK, "located", "how"),
            "luck",
            "report.blocks['W1'].located.how: expected one of 'coordinates'",
        ),
        (
            6,
            (*BLOCK, "located", "complete"),
            1,
            "report.blocks['W1'].located.complete: expected True or False, got 1",
        ),
    ],
)
def test_proofs_directions_and_places_are_checked(number, path, value, message):
    with pytest.raises(InvalidProblemError) as caught:
        Report.from_dict(put(plain_reports()[number], path, value))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("verdict",), "pass", "report.verdict: expected 'fail', that of the stages, got 'pass'"),
        (("stages",), None, "report.stages: expected a list, got None"),
        (("stages", 1, "step"), "10", "report.stages[1].step: expected a whole number, got '10'"),
        (
            ("stages", 1, "report", "seed"),
            -1,
            "report.stages[1].report.seed: expected a whole number ≥ 0, got -1",
        ),
        (("not_reached", 0), 1.5, "report.not_reached[0]: expected a whole number"),
    ],
)
def test_fields_of_stages_are_checked(path, value, message):
    with pytest.raises(InvalidProblemError) as caught:
        StagesReport.from_dict(put(plain_stages()[0], path, value))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("kind", [Report, StagesReport])
def test_things_that_are_no_dicts_and_very_deep_ones_are_refused(kind):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    cyclic = {}
    cyclic["blocks"] = cyclic
    for thing in (*VALUES, deep, cyclic, {"blocks": deep}, {"verdict": deep}):
        with pytest.raises(InvalidProblemError):
            kind.from_dict(thing)
    while deep:
        deep = deep.pop()


# --- anything ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1_000, pytest.param(50_000, marks=pytest.mark.slow)])
def test_a_mutated_dict_is_refused_or_a_consistent_report(count):
    reports = try_mutations(plain_reports(), Report, count, seed=count)
    stages = try_mutations(plain_stages(), StagesReport, count, seed=count + 1)
    assert 0.02 * count < reports < 0.5 * count
    assert 0.02 * count < stages < 0.5 * count
