"""The functions of a cost as lines of code: those that ran, in the order of time, each once."""

import functools
import linecache

import drawn_costs as costs
import numpy as np
from studied import study_of

import fastcheck
from fastcheck.studies.cost_lines import MOST_LINES


def texts(functions):
    return [[line.text for line in lines] for lines in functions]


def first_lines(functions):
    return [lines[0].text for lines in functions]


def test_functions_are_shown_as_they_are_written():
    functions = study_of(costs.loop_over_layers, costs.PERCEPTRON).functions()
    assert texts(functions) == [
        [
            "def loop_over_layers(p):",
            "    A = X",
            "    for layer in (1, 2, 3):",
            '        Z = p[f"W{layer}"] @ A + p[f"b{layer}"]',
            "        A = np.tanh(Z)",
            "    return np.sum((A - Y) ** 2)",
        ]
    ]
    for line in functions[0]:
        assert line.file == costs.__file__
        assert linecache.getline(line.file, line.number).rstrip() == line.text


def test_functions_come_in_the_order_in_which_they_ran():
    functions = study_of(costs.perceptron, costs.PERCEPTRON).functions()
    assert first_lines(functions) == ["def perceptron(p):", "def relu(Z):", "def sigmoid(z):"]


def test_methods_and_lambdas_are_functions_too():
    net = costs.Layers()
    claim = {name: np.zeros_like(value) for name, value in net.params.items()}
    cost, parameters, _ = fastcheck.from_object(
        net, lambda: net.loss(costs.X.T, costs.Y.T), parameters=net.params, gradients=claim
    )
    functions = fastcheck.check(cost, parameters, claim).study.functions()
    assert [line.strip() for line in first_lines(functions)] == [
        "net, lambda: net.loss(costs.X.T, costs.Y.T), parameters=net.params, gradients=claim",
        "def loss(self, x, y):",
        "def forward(self, x):",
        "def forward(self, x):",
    ]
    assert texts(functions)[2][0] == "def forward(self, x):"
    assert texts(functions)[2][1] == "    self.x = x"


def test_inner_functions_are_shown_where_they_stand():
    def cost(p):
        def square(x):
            return x * x

        return np.sum(square(p["w"])) + sum(w for w in p["w"])

    functions = study_of(cost, {"w": np.ones(2)}).functions()
    assert first_lines(functions) == ["def cost(p):"]


def test_cells_of_notebooks_have_their_lines():
    cell = "<cell 1>"
    source = "def cost(p):\n    z = p['w'] * 2\n    return np.sum(z**2)\n"
    linecache.cache[cell] = len(source), None, source.splitlines(keepends=True), cell
    namespace = {"np": np}
    exec(compile(source, cell, "exec"), namespace)
    try:
        study = study_of(namespace["cost"], {"w": np.ones(2)})
        assert texts(study.functions()) == [source.splitlines()]
        assert [step.line.text for step in study.network().steps] == ["z = p['w'] * 2", "return np.sum(z**2)"]
    finally:
        del linecache.cache[cell]


def test_code_without_source_has_no_lines():
    namespace = {"np": np}
    exec("def cost(p):\n    return np.sum(p['w'] ** 2)\n", namespace)
    study = study_of(namespace["cost"], {"w": np.ones(2)})
    assert study.functions() == ()
    assert [step.line.text for step in study.network().steps] == [""]


def unrecorded(p, scale):
    return float(str(float(halved(np.sum(np.asarray(p["w"].tolist()) ** 2)) * scale)))


def halved(x):
    return x / 2


def test_of_a_cost_that_cannot_be_recorded_the_functions_behind_it_are_shown():
    study = study_of(functools.partial(unrecorded, scale=2.0), {"w": np.ones(2)})
    assert study.network() is None
    assert first_lines(study.functions()) == ["def unrecorded(p, scale):", "def halved(x):"]


def test_long_functions_are_cut():
    source = "def cost(p):\n" + "    x = 1\n" * 300 + "    return np.sum(inner(p['w']) ** 2)\n"
    source += "def inner(w):\n" + "    x = 1\n" * 300 + "    return 2 * w\n"
    linecache.cache["<long>"] = len(source), None, source.splitlines(keepends=True), "<long>"
    namespace = {"np": np}
    exec(compile(source, "<long>", "exec"), namespace)
    try:
        functions = study_of(namespace["cost"], {"w": np.ones(2)}).functions()
    finally:
        del linecache.cache["<long>"]
    assert [len(lines) for lines in functions] == [302, MOST_LINES - 302]
