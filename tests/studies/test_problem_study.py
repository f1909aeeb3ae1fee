"""A study answers once and as long as the cost is what it was; and it leaves everything as it was."""

import copy
import gc
import pickle
import random
import tracemalloc
import weakref

import drawn_costs as costs
import numpy as np
import pytest
from studied import drawn, study_of

import fastcheck
from fastcheck.engines.graph import runs


def test_answers_are_computed_once():
    calls = []

    def cost(p):
        calls.append(1)
        return np.sum(p["w"] ** 2)

    study = study_of(cost, {"w": np.ones(3)})
    checked = len(calls)
    network, functions = study.network(), study.functions()
    curve = study.step_curve("w", (0,), 2.0)
    asked = len(calls)
    assert study.network() is network
    assert study.functions() is functions
    assert study.step_curve("w", (0,), 2.0) is curve
    assert len(calls) == asked > checked


def test_one_record_serves_the_network_and_the_functions(monkeypatch):
    made = []

    def counted(*arguments, **options):
        made.append(record(*arguments, **options))
        return made[-1]

    record = runs.record
    study = study_of(costs.perceptron, costs.PERCEPTRON)
    monkeypatch.setattr(runs, "record", counted)
    network, functions = study.network(), study.functions()
    assert len(network.steps) == 4
    assert len(functions) == 3
    assert len(made) == 1
    values = [weakref.ref(node.value) for node in made[0].tape.nodes if isinstance(node.value, np.ndarray)]
    made.clear()
    gc.collect()
    assert len(values) > 10
    assert all(value() is None for value in values)


def test_of_large_networks_the_parameters_alone_are_kept():
    parameters = {"W": np.linspace(-1, 1, 2**20 + 2**17).reshape(9, -1)}
    size = parameters["W"].nbytes

    def cost(p):
        return np.sum(np.tanh(p["W"]) ** 2)

    claim = {"W": 2 * np.tanh(parameters["W"]) / np.cosh(parameters["W"]) ** 2}
    study_of(cost, {"W": np.ones((2, 2))}).functions()  # what is imported stays
    tracemalloc.start()
    try:
        report = fastcheck.check(cost, parameters, claim)
        assert report.study.network() is not None
        assert report.study.functions()
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.passed
    assert size < kept < 1.2 * size


def test_a_check_evaluates_nothing_for_its_study():
    calls = []

    def cost(p):
        calls.append(1)
        return np.sum(p["w"] ** 2)

    report = fastcheck.check(cost, {"w": np.ones(3)}, {"w": np.full(3, 2.0)}, method="plain")
    assert len(calls) == report.forward_passes


@pytest.mark.parametrize("question", ["network", "functions", "step_curve"])
def test_there_is_no_answer_once_the_data_has_changed(question):
    X = np.arange(3.0)
    study = study_of(lambda p: np.sum((p["w"] * X) ** 2), {"w": np.ones(3)})
    X += 1
    arguments = ("w", (1,), 2.0) if question == "step_curve" else ()
    assert not getattr(study, question)(*arguments)
    assert study.said[question].startswith(
        "the cost returns another number than at the time of the check, 14.0 instead of 5.0"
    )


def test_there_is_no_answer_where_the_cost_raises():
    data = {"X": np.arange(3.0)}
    study = study_of(lambda p: np.sum((p["w"] * data["X"]) ** 2), {"w": np.ones(3)})
    del data["X"]
    assert study.network() is None
    assert study.said["network"] == "it ended with KeyError: 'X'"


def test_ctrl_c_leaves_everything_as_before_and_one_may_ask_again():
    interrupt = []

    def cost(p):
        if interrupt and interrupt.pop():
            raise KeyboardInterrupt
        return np.sum(p["w"] ** 2)

    code = cost.__code__
    parameters = {"w": np.arange(3.0)}
    study = study_of(cost, parameters)
    for passes in (0, 1):  # when J is compared, and when the cost is recorded, with code that is not its own
        interrupt[:] = [True, *[False] * passes]
        before = np.geterr()
        with pytest.raises(KeyboardInterrupt):
            study.network()
        assert cost.__code__ is code
        assert np.geterr() == before
    interrupt.clear()
    assert [blocks for _, blocks, _ in drawn(study.network())] == [("w",)]
    interrupt[:] = [True, *[False] * 20]
    with pytest.raises(KeyboardInterrupt):
        study.step_curve("w", (1,), 2.0)
    interrupt.clear()
    assert study.step_curve("w", (1,), 2.0).plain.min() < 1e-9
    np.testing.assert_array_equal(parameters["w"], np.arange(3.0))


def test_generators_and_parameters_stay_as_they_were():
    rng = np.random.default_rng(0)
    parameters = {"w": np.ones(4)}
    kept = copy.deepcopy(parameters)

    def cost(p):
        return np.sum(p["w"] ** 2 * (rng.random(4) < 0.5) * (np.random.rand(4) < 0.9) * random.random())  # noqa: NPY002

    with fastcheck.frozen_randomness(0, rng):
        study = study_of(cost, parameters)
    states = random.getstate(), np.random.get_state()[1].copy(), rng.bit_generator.state  # noqa: NPY002
    assert study.network() is not None
    assert study.step_curve("w", (0,), 1.0) is not None
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert rng.bit_generator.state == states[2]
    np.testing.assert_array_equal(parameters["w"], kept["w"])


def test_objects_hold_what_they_held():
    net = costs.Layers()
    claim = {name: np.zeros_like(value) for name, value in net.params.items()}
    report = fastcheck.check_object(
        net, net.loss, costs.X.T, costs.Y.T, parameters=net.params, gradients=claim
    )
    weights = [layer.W for layer in net.layers if hasattr(layer, "W")]
    values = copy.deepcopy(weights)
    report.study.network()
    report.study.step_curve("W1", (0, 0), 1.0)
    assert all(layer.W is one for layer, one in zip(net.layers[::2], weights, strict=True))
    for one, value in zip(weights, values, strict=True):
        np.testing.assert_array_equal(one, value)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "plain"},
        {"max_forward_passes": 20},
        {"max_forward_passes": 20, "method": "plain"},
        {"coordinates": 1},
        {"coordinates": "screen"},
    ],
    ids=str,
)
def test_every_way_of_checking_has_a_study(options):
    study = study_of(costs.perceptron, costs.PERCEPTRON, **options)
    assert len(study.network().steps) == 4
    assert len(study.functions()) == 3
    assert study.said == {}


def test_reports_that_are_kept_have_none():
    report = fastcheck.check(lambda p: np.sum(p["w"] ** 2), {"w": np.ones(3)}, {"w": np.full(3, 2.0)})
    assert report.study is not None
    assert pickle.loads(pickle.dumps(report)).study is None
    assert fastcheck.Report.from_dict(report.to_dict()).study is None
