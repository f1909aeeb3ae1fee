"""Reports that were kept as dicts: what is read back, and what is refused."""

import copy
import json
import math
import pickle
import random

import numpy as np
import pytest

from fastcheck import InvalidProblemError, Report, StagesReport, Verdict, check, locate, screen
from fastcheck.report.stages import Stage

THETA = {"W1": np.linspace(0.1, 1.9, 120).reshape(40, 3), "b1": np.linspace(-1, 1, 4), "gamma": 0.7}
VALUES = [
    None, True, False, 0, 1, -1, 2, 10**30, -(10**5000), 0.0, -0.0, 0.5, 1.5, -0.25, 1e308, 1e-320, math.nan,
    math.inf, -math.inf, "NaN", "Infinity", "-Infinity", "", "pass", "fail", "inconclusive", "plain", "W1",
    "\x1b]0;x\x07", "\ud800", [], [0], [[]], [None], {}, {"pass": 1}, {1: 2}, {"verdict": "pass"}, (), (1, 2),
    b"pass", 1j, object(), Verdict.PASS, Verdict.FAIL, np.float64(0.5), np.int64(1), np.array([1.0]), set(), len,
]  # fmt: skip


def cost(p):
    return np.sum(np.sin(p["W1"])) + np.sum(p["b1"] ** 2) + p["gamma"] ** 3


def gradients():
    return {"W1": np.cos(THETA["W1"]), "b1": 2 * THETA["b1"], "gamma": 3 * 0.7**2}


def reports():
    """Yield a report of each kind: all fields are filled, and empty, in some."""
    wrong = gradients()
    wrong["W1"][17] *= 2
    yield check(cost, THETA, gradients(), progress=False)
    yield check(cost, THETA, wrong, progress=False)
    yield check(
        cost, THETA, wrong, coordinates={"W1": 9, "b1": 2}, epsilon=1e-6, method="plain", progress=False
    )
    yield check(lambda p: cost(p) + 1e12, THETA, gradients(), method="plain", progress=False)
    yield check(cost, THETA, wrong, max_forward_passes=4, progress=False)
    yield screen(cost, THETA, gradients(), progress=False)
    yield locate(cost, THETA, wrong, progress=False)


@pytest.fixture(scope="module")
def plain_reports():
    return [report.to_dict() for report in reports()]


@pytest.fixture(scope="module")
def plain_stages(plain_reports):
    passed, failed = Report.from_dict(plain_reports[0]), Report.from_dict(plain_reports[1])
    stages = tuple(
        Stage(step=10 * k, report=one, seconds=0.5) for k, one in enumerate((passed, failed, passed))
    )
    both = (
        StagesReport(stages=stages, not_reached=(100, 1000), notes=("A note.",)),
        StagesReport(stages=stages[:1]),
    )
    return [report.to_dict() for report in both]


def test_every_kind_of_report_is_strict_json_and_comes_back(plain_reports, plain_stages):
    text = json.dumps(plain_reports)
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
    for kind, plains in ((Report, plain_reports), (StagesReport, plain_stages)):
        for plain in plains:
            read = json.loads(json.dumps(plain, allow_nan=False))
            assert read == plain
            again = kind.from_dict(read)
            assert again.to_dict() == plain
            assert isinstance(again.verdict, Verdict)
            assert str(again)


def test_numbers_that_json_has_not_come_back_as_numbers(plain_reports):
    unseen = Report.from_dict(plain_reports[4])
    assert math.isnan(unseen.difference)
    assert all(math.isinf(block.power.factor) for block in unseen.blocks.values())


# --- one field at a time -----------------------------------------------------------------------------------------


def put(plain, path, value):
    """Return the same with a value at a path, which shares the rest; `put` as the value removes what is there."""
    first, *rest = path
    plain = copy.copy(plain)
    if rest:
        plain[first] = put(plain[first], rest, value)
    elif value is put:
        del plain[first]
    else:
        plain[first] = value
    return plain


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
def test_what_is_wrong_is_named_by_its_path(plain_reports, path, value, message):
    with pytest.raises(InvalidProblemError) as caught:
        Report.from_dict(put(plain_reports[1], path, value))
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(" Pass what to_dict() returned.")
    Report.from_dict(plain_reports[1])


def test_the_order_of_the_worst_is_checked(plain_reports):
    worst = plain_reports[1]["blocks"]["W1"]["worst"]
    with pytest.raises(InvalidProblemError, match=r"blocks\['W1'\].worst: expected the largest errors first"):
        Report.from_dict(put(plain_reports[1], (*BLOCK, "worst"), worst[::-1]))


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
def test_proofs_directions_and_places_are_checked(plain_reports, number, path, value, message):
    with pytest.raises(InvalidProblemError) as caught:
        Report.from_dict(put(plain_reports[number], path, value))
    assert str(caught.value).startswith(message)


CAUSE = ("causes", 0)


@pytest.fixture(scope="module")
def explained(plain_reports):
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
    return plain_reports[1] | {"causes": [cause, other]}


def test_causes_come_back(explained):
    text = json.dumps(explained, allow_nan=False)
    report = Report.from_dict(json.loads(text))
    assert report.to_dict() == explained
    assert [cause.certain for cause in report.causes] == [False, False]
    assert str(report.causes[0].backward_lines[0]) == "network.py:31, `dW1 = 2 * dZ1 @ X.T`"
    assert str(report.causes[0].lines[0]) == "network.py:12"
    assert pickle.loads(pickle.dumps(report)) == report
    assert try_mutations([explained], Report, 500, seed=3) > 10


def test_reports_of_versions_that_did_not_name_causes_are_read(plain_reports, plain_stages):
    for plain in plain_reports:
        assert Report.from_dict(put(plain, ("causes",), put)).causes == ()
    former = put(plain_stages[0], ("stages", 1, "report", "causes"), put)
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


def test_a_gradient_that_is_right_has_no_causes(plain_reports, explained):
    with pytest.raises(
        InvalidProblemError, match=r"report.causes\[0\].blocks\[0\]: expected none: no block fails"
    ):
        Report.from_dict(plain_reports[0] | {"causes": explained["causes"]})


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
def test_fields_of_stages_are_checked(plain_stages, path, value, message):
    with pytest.raises(InvalidProblemError) as caught:
        StagesReport.from_dict(put(plain_stages[0], path, value))
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


def places(plain, path=()):
    """Yield the paths to everything in nested dicts and lists."""
    items = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def at(plain, path):
    for key in path:
        plain = plain[key]
    return plain


def mutated(rng, plain, paths):
    """Return a copy with something changed: a value, one from elsewhere, a nearby number, a key too many or missing."""
    path, other = rng.choice(paths), rng.choice(paths)
    value, parent = at(plain, path), at(plain, path[:-1])
    way = rng.randrange(6)
    if way == 0:
        return put(plain, path, put)
    if way == 1:
        return put(plain, path, at(plain, other))
    if way == 2 and isinstance(value, (int, float)):
        return put(
            plain,
            path,
            rng.choice([value + 1, value - 1, -value, 2 * value, float(value), value * (1 + 1e-9)]),
        )
    if way == 3 and isinstance(value, list) and value:
        return put(plain, path, rng.choice([value[::-1], value[1:], [*value, value[0]], value * 2]))
    if way == 4 and isinstance(parent, dict):
        return put(plain, (*path[:-1], rng.choice(["extra", "", 3, None, "verdict"])), rng.choice(VALUES))
    return put(plain, path, rng.choice(VALUES))


def consistent(report):
    """Assert what holds of every report, in words of this test."""
    if isinstance(report, StagesReport):
        for stage in report.stages:
            consistent(stage.report)
        return
    verdicts = {block.verdict for block in report.blocks.values()}
    assert report.passed is (verdicts == {Verdict.PASS})
    assert (report.verdict is Verdict.FAIL) is (Verdict.FAIL in verdicts)
    assert math.isnan(report.difference) or 0 <= report.difference <= 1
    for name, block in report.blocks.items():
        assert 0 <= block.wrong <= block.wrong + block.undecided <= block.checked <= block.size
        assert block.size == math.prod(block.shape)
        assert not (block.wrong and block.verdict is Verdict.PASS)
        for one in block.worst:
            assert one.block == name
            assert all(0 <= i < n for i, n in zip(one.index, block.shape, strict=True))
    certain = [name for cause in report.causes if cause.certain for name in cause.blocks]
    uncertain = [name for cause in report.causes if not cause.certain for name in cause.blocks]
    assert len(set(certain)) == len(certain)
    assert not set(certain) & set(uncertain)
    assert {report.blocks[name].verdict for name in certain + uncertain} <= {Verdict.FAIL}


def as_written_today(plain):
    """What was kept, with the fields that older versions of fastcheck did not write."""
    if "stages" in plain:
        stages = [stage | {"report": as_written_today(stage["report"])} for stage in plain["stages"]]
        return plain | {"stages": stages}
    return {"causes": []} | plain


def try_mutations(plains, kind, count, seed):
    """Return how many mutated dicts were accepted; all others were refused by their field."""
    rng = random.Random(seed)
    accepted = refused = named = 0
    sources = [(plain, list(places(plain))) for plain in plains]
    for _ in range(count):
        plain, paths = rng.choice(sources)
        try:
            plain = mutated(rng, plain, paths)
            if rng.random() < 0.2:
                plain = mutated(rng, plain, list(places(plain)))
        except (TypeError, OverflowError):  # the mutation itself came to nothing
            continue
        try:
            report = kind.from_dict(plain)
        except InvalidProblemError as error:
            named += str(error).startswith("report")
            refused += 1
            continue
        accepted += 1
        assert report.to_dict() == as_written_today(plain)
        consistent(report)
        json.dumps(report.to_dict(), allow_nan=False)
        if accepted % 50 == 0:
            assert str(report)
    assert named == refused
    return accepted


@pytest.mark.parametrize("count", [1_000, pytest.param(50_000, marks=pytest.mark.slow)])
def test_a_mutated_dict_is_refused_or_a_consistent_report(plain_reports, plain_stages, count):
    reports = try_mutations(plain_reports, Report, count, seed=count)
    stages = try_mutations(plain_stages, StagesReport, count, seed=count + 1)
    assert 0.02 * count < reports < 0.5 * count
    assert 0.02 * count < stages < 0.5 * count
