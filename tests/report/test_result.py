import dataclasses
import json
import pickle

import numpy as np
import pytest

from fastcheck import BlockReport, Coordinate, GradientMismatchError, Report, Verdict, check
from fastcheck.report.result import WORST_OF_ALL_BLOCKS

THETA = {"W1": np.linspace(0.1, 1.9, 12).reshape(4, 3), "b1": np.linspace(-1, 1, 4), "gamma": 0.7}


def cost(p):
    return np.sum(np.sin(p["W1"])) + np.sum(p["b1"] ** 2) + p["gamma"] ** 3


def right():
    return {"dW1": np.cos(THETA["W1"]), "db1": 2 * THETA["b1"], "dgamma": 3 * 0.7**2}


@pytest.fixture(scope="module")
def passed():
    return check(cost, THETA, right())


@pytest.fixture(scope="module")
def failed():
    claim = right()
    claim["dW1"][3, 0] += 0.5
    claim["dW1"][1, 2] -= 0.25
    claim["dgamma"] += 1e-3
    return check(cost, THETA, claim)


def test_a_right_gradient(passed):
    assert passed.passed
    assert bool(passed) is True
    assert passed.verdict is Verdict.PASS
    assert passed.difference < 1e-9
    assert (passed.size, passed.checked) == (17, 17)
    assert passed.raise_if_failed() is None
    assert passed.seed == 0
    assert passed.epsilon is None
    assert passed.seconds > 0


def test_a_wrong_gradient(failed):
    assert not failed
    assert not failed.passed
    assert failed.verdict is Verdict.FAIL
    verdicts = {name: block.verdict for name, block in failed.blocks.items()}
    assert verdicts == {"W1": Verdict.FAIL, "b1": Verdict.PASS, "gamma": Verdict.FAIL}
    assert failed.blocks["W1"].wrong == 2
    with pytest.raises(GradientMismatchError) as caught:
        failed.raise_if_failed()
    assert str(caught.value) == str(failed)
    assert isinstance(caught.value, AssertionError)


def test_inconclusive_is_not_passed():
    report = check(lambda p: cost(p) + 1e12, THETA, right(), method="plain")
    assert report.verdict is Verdict.INCONCLUSIVE
    assert not report.passed
    assert not report
    assert report.blocks["W1"].cause is not None
    with pytest.raises(GradientMismatchError):
        report.raise_if_failed()


def test_blocks(failed):
    block = failed.blocks["W1"]
    assert (block.shape, block.size, block.checked, block.undecided, block.cause) == ((4, 3), 12, 12, 0, None)
    assert failed.blocks["gamma"].shape == ()
    assert len(failed.blocks["b1"].worst) == 4
    assert len(block.worst) == 10


def test_the_worst_come_first_with_all_that_is_known_of_them(failed):
    first, second = failed.blocks["W1"].worst[:2]
    assert (first.name, second.name) == ("W1[3, 0]", "W1[1, 2]")
    assert first.index == (3, 0)
    assert all(type(i) is int for i in first.index)
    true = np.cos(THETA["W1"][3, 0])
    assert first.claimed == true + 0.5
    assert first.numerical == pytest.approx(true, abs=1e-9)
    assert first.error == abs(first.claimed - first.numerical)
    assert first.relative_error == pytest.approx(first.error / max(abs(first.claimed), abs(first.numerical)))
    assert failed.blocks["gamma"].worst[0].name == "gamma"
    for block in failed.blocks.values():
        errors = [c.error for c in block.worst]
        assert errors == sorted(errors, reverse=True)


def test_the_worst_of_all_are_those_of_failing_blocks(failed):
    assert [c.name for c in failed.worst[:2]] == ["W1[3, 0]", "W1[1, 2]"]
    assert "gamma" in [c.name for c in failed.worst[:3]]
    assert len(failed.worst) == WORST_OF_ALL_BLOCKS


def test_a_small_error_that_fails_goes_before_a_large_one_that_is_allowed():
    theta = {"large": np.array([1e3]), "small": np.array([1.0])}
    claim = {"large": np.array([1e3 + 1e-3]), "small": np.array([2 + 1e-4])}
    report = check(lambda p: 1e3 * p["large"][0] + p["small"][0] ** 2, theta, claim, tolerance=1e-5)
    assert report.blocks["large"].verdict is Verdict.PASS
    assert report.worst[0].block == "small"
    assert report.worst[0].error < report.worst[1].error


def test_relative_errors_of_zeros():
    report = check(lambda v: 0.0 * v[0], np.array([1.0]), np.array([0.0]))
    assert report.worst[0].error == 0
    assert report.worst[0].relative_error == 0
    report = check(lambda v: 0.0 * v[0], np.array([1.0]), np.array([2.0]))
    assert report.worst[0].relative_error == 1


def test_everything_is_frozen(failed):
    for thing, name in [(failed, "verdict"), (failed.blocks["W1"], "wrong"), (failed.worst[0], "error")]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(thing, name, None)
    with pytest.raises(TypeError):
        failed.blocks["W1"] = None
    assert (Report, BlockReport, Coordinate) == tuple(
        type(thing) for thing in (failed, failed.blocks["W1"], failed.worst[0])
    )


def test_json_and_back(passed, failed):
    for report in (passed, failed):
        text = json.dumps(report.to_dict(), allow_nan=False)
        back = Report.from_dict(json.loads(text))
        assert back == report
        assert str(back) == str(report)
        assert isinstance(back.verdict, Verdict)
        assert isinstance(back.worst[0].index, tuple)
    assert Report.from_dict(passed.to_dict()) != failed


def test_pickle(failed):
    assert pickle.loads(pickle.dumps(failed)) == failed


def test_the_plain_form_holds_plain_things_only(failed):
    def walk(value):
        assert type(value) in (dict, list, str, int, float, bool, type(None))
        if isinstance(value, (dict, list)):
            for item in value.values() if isinstance(value, dict) else value:
                walk(item)

    walk(failed.to_dict())
    walk(check(cost, THETA, right(), epsilon=np.float64(1e-5), seed=np.int64(3), coordinates=1).to_dict())
