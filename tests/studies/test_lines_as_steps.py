"""The network of a cost is drawn as one would draw it: lines in their order, layers of their own, loops as loops."""

import drawn_costs as costs
import numpy as np
import pytest
from network_styles import STYLES, Shapes
from studied import drawn, study_of

import fastcheck
from fastcheck import course


def test_helpers_are_drawn_where_they_are_called():
    network = study_of(costs.perceptron, costs.PERCEPTRON).network()
    assert drawn(network) == [
        ('A1 = relu(p["W1"] @ X + p["b1"])', ("W1", "b1"), ()),
        ('A2 = relu(p["W2"] @ A1 + p["b2"])', ("W2", "b2"), (0,)),
        ('A3 = sigmoid(p["W3"] @ A2 + p["b3"])', ("W3", "b3"), (1,)),
        ("return -np.mean(Y * np.log(A3) + (1 - Y) * np.log(1 - A3))", (), (2,)),
    ]
    first, *_, last = network.steps
    assert first.operations == ("matmul", "add", "maximum")
    assert first.shape == (5, 6)
    assert last.operations == ("log", "multiply", "subtract", "add", "mean", "negative")
    assert last.shape == ()
    assert first.line.file == costs.__file__
    assert [step.runs for step in network.steps] == [1, 1, 1, 1]


def test_layers_of_a_loop_have_steps_of_their_own():
    network = study_of(costs.loop_over_layers, costs.PERCEPTRON).network()
    affine, tanh = 'Z = p[f"W{layer}"] @ A + p[f"b{layer}"]', "A = np.tanh(Z)"
    assert drawn(network) == [
        (affine, ("W1", "b1"), ()),
        (tanh, (), (0,)),
        (affine, ("W2", "b2"), (1,)),
        (tanh, (), (2,)),
        (affine, ("W3", "b3"), (3,)),
        (tanh, (), (4,)),
        ("return np.sum((A - Y) ** 2)", (), (5,)),
    ]


def test_layers_that_are_objects_are_drawn_one_after_the_other():
    net = costs.Layers()
    claim = {name: np.zeros_like(value) for name, value in net.params.items()}
    report = fastcheck.check_object(
        net, net.loss, costs.X.T, costs.Y.T, parameters=net.params, gradients=claim
    )
    assert drawn(report.study.network()) == [
        ("return x @ self.W + self.b", ("W1", "b1"), ()),
        ("self.y = np.tanh(x)", (), (0,)),
        ("return x @ self.W + self.b", ("W2", "b2"), (1,)),
        ("return np.mean((x - y) ** 2)", (), (2,)),
    ]


def test_steps_of_time_are_one_step_that_reads_itself():
    network = study_of(costs.lstm, costs.LSTM).network()
    assert drawn(network) == [
        ("z = np.concatenate([h, x], axis=1)", (), (6,)),
        ('i = sigmoid(z @ p["Wi"])', ("Wi",), (0,)),
        ('f = sigmoid(z @ p["Wf"])', ("Wf",), (0,)),
        ('o = sigmoid(z @ p["Wo"])', ("Wo",), (0,)),
        ('g = np.tanh(z @ p["Wg"])', ("Wg",), (0,)),
        ("c = f * c + i * g", (), (1, 2, 4, 5)),
        ("h = o * np.tanh(c)", (), (3, 5)),
        ("outputs[t] = h", (), (6,)),
        ('y = outputs @ p["V"]', ("V",), (7,)),
        ("return np.sum(y**2)", (), (8,)),
    ]
    # There is nothing of the parameters in h before the first step.
    assert [step.runs for step in network.steps] == [costs.STEPS - 1, *[costs.STEPS] * 7, 1, 1]
    assert network.steps[8].shape == (costs.STEPS, 2, 1)


def test_memory_that_is_written_into_leads_to_the_lines_that_wrote():
    network = study_of(costs.convolution, costs.KERNEL).network()
    assert drawn(network) == [
        ("out[n, i, j] = np.sum(patch * W)", ("W",), ()),
        ('out += p["b"]', ("b",), (0,)),
        ("mask = out > 0", (), (1,)),
        ("return np.sum((out * mask) ** 2)", (), (1, 2)),
    ]
    assert network.steps[0].runs == 8
    assert network.steps[0].operations == ("multiply", "sum", "assign")
    assert network.steps[2].operations == ("greater",)


def test_attention_is_drawn_with_its_three_projections():
    network = study_of(costs.attention, costs.ATTENTION).network()
    projections = 'Q, K, V = (TOKENS @ p[name] for name in ("Wq", "Wk", "Wv"))'
    assert drawn(network) == [
        (projections, ("Wq",), ()),
        (projections, ("Wk",), ()),
        (projections, ("Wv",), ()),
        ("A = softmax(Q @ K.swapaxes(-1, -2) / 2)", (), (0, 1)),
        ("e = np.exp(scores - scores.max(axis=-1, keepdims=True))", (), (3,)),
        ("return e / e.sum(axis=-1, keepdims=True)", (), (4,)),
        ("return np.sum((A @ V) ** 2)", (), (2, 5)),
    ]


def test_the_network_of_the_course_has_three_layers():
    parameters, _, X, Y = course.gradient_check_n_solved_case()
    report = fastcheck.check_backprop(
        course.forward_propagation_n, course.backward_propagation_n, parameters, X, Y
    )
    network = report.study.network()
    assert [step.blocks for step in network.steps if step.blocks] == [
        ("W1", "b1"),
        ("W2", "b2"),
        ("W3", "b3"),
    ]
    assert [step.inputs for step in network.steps] == [(), (0,), (1,), (2,), (3,), (4,), (5,), (6,)]


def test_the_cost_that_is_made_of_a_layer_is_a_step_without_a_line():
    def forward(x, w):
        mean = x.mean(0)
        return (x - mean) * w, None

    x, w = np.arange(6.0).reshape(3, 2), np.ones(2)
    report = fastcheck.check_layer(forward, lambda dout, cache: (dout, dout.sum(0)), x, w)
    assert drawn(report.study.network()) == [
        ("mean = x.mean(0)", ("x",), ()),
        ("return (x - mean) * w, None", ("x", "w"), (0,)),
        (None, (), (1,)),
    ]


def test_many_layers_are_one_step_for_each_line():
    parameters = {f"w{k}": np.full(2, 0.5) for k in range(150)}

    def cost(p):
        a = np.ones(2)
        for w in p.values():
            a = np.tanh(a * w)
        return np.sum(a)

    network = study_of(cost, parameters).network()
    assert [(step.runs, step.blocks) for step in network.steps] == [(150, tuple(parameters)), (1, ())]
    assert [step.inputs for step in network.steps] == [(0,), (0,)]


def test_a_helper_that_is_called_again_and_again_counts_as_often():
    def layer(a, w):
        return np.tanh(a * w)

    def cost(p):
        a = np.ones(2)
        for _ in range(7):
            a = layer(a, p["w"])
        return np.sum(a)

    network = study_of(cost, {"w": np.full(2, 0.5)}).network()
    assert drawn(network) == [('a = layer(a, p["w"])', ("w",), (0,)), ("return np.sum(a)", (), (0,))]
    assert network.steps[0].runs == 7


@pytest.mark.parametrize("method", ["plain", "auto"])
def test_what_is_no_part_of_j_is_not_drawn(method):
    def cost(p):
        unused = p["w"] * 3
        assert np.isfinite(unused).all()
        scale = np.arange(2) + 1.0
        if np.sum(p["w"]) > 100:
            return np.sum(p["w"])
        return np.sum(scale * p["w"] ** 2)

    network = study_of(cost, {"w": np.ones(2), "free": np.ones(1)}, method=method).network()
    assert drawn(network) == [('return np.sum(scale * p["w"] ** 2)', ("w",), ())]


def test_where_there_is_no_network_it_is_said_why():
    study = study_of(lambda p: 3.0, {"w": np.ones(2)})
    assert study.network() is None
    assert study.said == {"network": "no operation that can be recorded leads from a parameter to J."}

    def cost(p):
        return np.sum(np.sort(p["w"].astype(np.float32)) ** 2)

    study = study_of(cost, {"w": np.ones(2)}, tolerance=1e-2)
    assert study.network() is None
    assert study.said == {"network": "the cost cannot be recorded."}


def test_a_cost_that_is_read_from_memory_ends_there():
    def cost(p):
        total = np.zeros(1)
        for w in p.values():
            total[0] += np.sum(w**2)
        return total[0]

    network = study_of(cost, {"v": np.ones(2), "w": np.ones(3)}).network()
    assert drawn(network)[-1] == ("return total[0]", (), (1,))


def test_a_penalty_that_is_summed_up_in_one_line_runs_once_for_each_block():
    def cost(p):
        penalty = sum(np.sum(w**2) for w in p.values()) / 2
        return np.exp(penalty)

    network = study_of(cost, {"v": np.full(2, 0.1), "w": np.full(3, 0.1)}).network()
    text = "penalty = sum(np.sum(w**2) for w in p.values()) / 2"
    assert drawn(network) == [
        (text, ("v",), ()),
        (text, ("w",), (0,)),
        ("return np.exp(penalty)", (), (1,)),
    ]
    assert [step.runs for step in network.steps] == [1, 1, 1]
    assert network.steps[1].operations == ("square", "sum", "add", "divide")


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
def test_networks_in_any_style_lead_from_all_parameters_to_j(style):
    cost, parameters = style(Shapes(3))
    claim = fastcheck.numerical_gradient(cost, parameters)
    report = fastcheck.check(cost, parameters, claim)
    study = report.study
    steps = study.network().steps
    assert study.said == {}
    used = [name for name, block in report.blocks.items() if block.errors.pairs.numerical.any()]
    assert set(used) <= {name for step in steps for name in step.blocks}
    reached = {len(steps) - 1}
    for _ in steps:
        reached |= {k for position in reached for k in steps[position].inputs}
    assert reached == set(range(len(steps)))
    assert all(step.runs >= 1 and step.line.text for step in steps)
    assert steps[-1].shape == ()
    assert study.functions()
