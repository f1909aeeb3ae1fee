"""The acceptance test of a checker: planted mistakes are found, in the right block and only there."""

import numpy as np
import pytest
from planted_mistakes import MISTAKES, largest, largest_times, planted
from scenarios import EVERY_SCENARIO, leaves, relu_backward, relu_forward, relu_network, scenario, scenarios
from slow import first_of

from fastcheck import Verdict, check, course, locate, screen

pytestmark = pytest.mark.verdicts_alone

SMOOTH = [name for name in EVERY_SCENARIO if not name.startswith("at kinks")]


def failing(report):
    return [name for name, block in report.blocks.items() if block.verdict is Verdict.FAIL]


def turned(names, start):
    """The names, beginning at another one for every start: each test begins elsewhere."""
    names = list(names)
    return names[start % len(names) :] + names[: start % len(names)]


def first_planted(found, start, count=1):
    """The first few mistakes that change something in a block."""
    rng, blocks = np.random.default_rng(start), len(leaves(found.parameters))
    for k, mistake in enumerate(turned(MISTAKES, start)):
        made = planted(mistake, rng, found, (start + k) % blocks)
        if made is not None:
            yield made
            count -= 1
        if not count:
            return


def assert_found(found, wrong, name, count):
    report = check(found.cost, found.parameters, wrong)
    assert failing(report) == [name]
    assert report.verdict is Verdict.FAIL
    assert not report
    assert all(b.verdict is Verdict.PASS for n, b in report.blocks.items() if n != name)
    assert report.worst[0].block == name
    assert report.blocks[name].wrong >= count


@pytest.mark.parametrize("mistake", first_of(MISTAKES, len(MISTAKES) // 2))
def test_every_mistake_is_found_in_its_block_and_only_there(mistake):
    made = 0
    for found in scenarios():
        for number in range(len(leaves(found.parameters))):
            case = planted(mistake, np.random.default_rng(number), found, number)
            if case is not None:
                assert_found(found, *case)
                made += 1
    assert made >= 8


@pytest.mark.parametrize("name", first_of(SMOOTH, len(SMOOTH) // 2))
def test_mistakes_are_found_in_every_scenario_by_every_entry_point(name):
    found = scenario(name)
    for wrong, block, count in first_planted(found, SMOOTH.index(name), 3):
        assert_found(found, wrong, block, count)
        for look in (screen, locate):
            assert failing(look(found.cost, found.parameters, wrong)) == [block]


@pytest.mark.parametrize("method", ["plain", "reference"])
@pytest.mark.parametrize("epsilon", [None, 1e-2, 1e-4, 1e-7])
def test_they_are_found_with_every_method_and_step(method, epsilon):
    for k, found in enumerate(scenarios()):
        number = k % len(leaves(found.parameters))
        wrong, name, _ = planted("one entry off by 1e-4", None, found, number)
        report = check(found.cost, found.parameters, wrong, method=method, epsilon=epsilon)
        assert failing(report) == [name]


@pytest.mark.parametrize("epsilon", [None, 1e-2, 1e-4, 1e-7])
def test_one_is_found_among_hundreds_of_kinks(epsilon):
    cost, parameters, gradients = relu_network((5, 8, 6, 1), 400, seed=0)
    for name in ("W1", "b2"):
        g = gradients[f"d{name}"]
        wrong = gradients | {f"d{name}": largest_times(1 + 1e-5)(None, g, None)}
        report = check(cost, parameters, wrong, epsilon=epsilon, method="plain")
        assert failing(report) == [name]
        if epsilon != 1e-2:  # there the truncation error of others in the block is larger than the mistake
            assert report.worst[0].name == f"{name}{[int(i) for i in largest(g)]}"
            assert report.blocks[name].wrong == 1


@pytest.mark.parametrize("factor", [1 + 1e-6, 1 - 1e-6, -1.0, 0.0, 2.0])
def test_one_coordinate_off_is_found_to_a_millionth(factor):
    parameters, gradients, X, Y = course.gradient_check_n_solved_case()
    gradients["dW1"][2, 1] *= factor
    report = check(lambda p: course.forward_propagation_n(X, Y, p)[0], parameters, gradients)
    assert {name: block.wrong for name, block in report.blocks.items() if block.verdict == "fail"} == {
        "W1": 1
    }


# --- how small a mistake may be ---------------------------------------------------------------------------


def test_a_block_with_tiny_gradients_is_checked_as_sharply():
    cost, parameters, gradients = relu_network((4, 5, 3, 1), 20, seed=4)
    both = {"big": parameters, "tiny": np.array([0.3, -0.4])}

    def total(p):
        return cost(p["big"]) + 1e-5 * np.sum(np.sin(p["tiny"]))

    right = {"big": gradients, "tiny": 1e-5 * np.cos(both["tiny"])}
    options = {"tolerance": 1e-4}
    assert check(total, both, right, **options).passed
    report = check(total, both, right | {"tiny": right["tiny"] * (1 + 1e-3)}, **options)
    assert failing(report) == ["tiny"]
    assert report.difference < 1e-7  # the difference over everything does not see it


@pytest.mark.parametrize(
    ("relative", "dtype", "passes"),
    [(1e-8, float, True), (1e-5, float, False), (1e-6, np.float32, True), (1e-4, np.float32, False)],
)
def test_the_tolerance_is_where_it_says_and_that_of_claims_in_float32_is_their_own(relative, dtype, passes):
    x = np.array([0.3, 0.7, -1.1])
    claimed = (np.cos(x) * (1 + relative)).astype(dtype)
    assert check(lambda v: np.sum(np.sin(v)), x, claimed).passed is passes
    assert check(lambda v: np.sum(np.sin(v)), x, claimed, tolerance=2e-4).passed


def test_a_mistake_outside_of_the_sample_is_not_seen_and_inside_it_is():
    cost, parameters, gradients = relu_network((4, 5, 3, 1), 20, seed=4)
    wrong = gradients | {"dW1": largest_times(0)(None, gradients["dW1"], None)}
    where = tuple(int(i) for i in largest(gradients["dW1"]))
    others = [("W1", i) for i in np.ndindex(5, 4) if i != where]
    assert check(cost, parameters, wrong, coordinates=others).passed
    assert not check(cost, parameters, wrong, coordinates=[("W1", where)]).passed


# --- mistakes in the code of a backward pass: those of the zoo, and these ------------------------------------


def with_values(number, values):
    """A backward pass that takes other hidden values for those of a layer."""

    def backward(X, Y, cache, lambd):
        parameters, hidden = cache
        hidden = [*hidden]
        hidden[number] = values(hidden[number])
        return relu_backward(X, Y, (parameters, hidden), lambd)

    return backward


def weights_already_updated(X, Y, cache, lambd):
    parameters, values = cache
    return relu_backward(X, Y, (parameters | {"W3": 0.999 * parameters["W3"]}, values))


@pytest.mark.parametrize(
    ("backward", "lambd", "blocks"),
    [
        (lambda X, Y, cache, lambd: relu_backward(X, Y, cache), 0.9, "W1 W2 W3"),  # no L2
        (lambda X, Y, cache, lambd: relu_backward(X, Y, cache, lambd * 13), 0.9, "W1 W2 W3"),
        (with_values(1, np.ones_like), 0.9, "W1 b1"),  # the first ReLU lets everything through
        (with_values(3, np.negative), 0.0, "W1 b1 W2 b2"),  # the mask of the second is upside down
        (weights_already_updated, 0.0, "W1 b1 W2 b2"),
        (lambda X, Y, cache, lambd: relu_backward(X, 1 - Y, cache, lambd), 0.0, "W1 b1 W2 b2 W3 b3"),
    ],
)
def test_mistakes_in_a_backward_pass(backward, lambd, blocks):
    rng = np.random.default_rng(23)
    X, Y = rng.standard_normal((5, 13)), (rng.random((1, 13)) < 0.5).astype(float)
    _, parameters, _ = relu_network((5, 6, 4, 1), 13, seed=23)
    _, cache = relu_forward(X, Y, parameters, lambd)

    def cost(p):
        return relu_forward(X, Y, p, lambd)[0]

    assert failing(check(cost, parameters, backward(X, Y, cache, lambd))) == blocks.split()
    assert check(cost, parameters, relu_backward(X, Y, cache, lambd)).passed
