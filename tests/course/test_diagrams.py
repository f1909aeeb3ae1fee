"""The diagrams of the course pages: which numbers they show, and in which colours."""

import io
import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from fastcheck import InvalidProblemError, Verdict, check_backprop, course
from fastcheck.course import plot_computation_graph_1d, plot_dictionary_to_vector, plot_network
from fastcheck.errors import MissingLibraryError
from fastcheck.report.picture_words import VERDICT_COLOURS

WRONG, RIGHT = VERDICT_COLOURS[Verdict.FAIL], VERDICT_COLOURS[Verdict.PASS]


def words_of(ax):
    return [text.get_text() for text in ax.texts]


def legend_words(ax):
    return [] if ax.get_legend() is None else [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.fixture(scope="module")
def buggy():
    X, Y, parameters = course.gradient_check_n_test_case()
    _, cache = course.forward_propagation_n(X, Y, parameters)
    report = check_backprop(
        course.forward_propagation_n, course.backward_propagation_n_buggy, parameters, X, Y, progress=False
    )
    return parameters, course.backward_propagation_n_buggy(X, Y, cache), report


def test_the_graph_of_one_dimension_shows_the_numbers_of_the_reader():
    words = words_of(plot_computation_graph_1d(3, 4))
    assert {"x = 3", "θ = 4", "θ · x", "J = 12", "dJ/dJ = 1"} < set(words)
    assert {"claimed dJ/dθ = 3, right", "numerical dJ/dθ = 3"} < set(words)


def test_the_graph_of_one_dimension_shows_a_mistake():
    ax = plot_computation_graph_1d(3, 4, backward=lambda x, theta: theta)
    assert {"claimed dJ/dθ = 4, wrong", "numerical dJ/dθ = 3"} < set(words_of(ax))
    assert "gradient wrong" in legend_words(ax)
    assert WRONG in {to_hex(patch.get_edgecolor()) for patch in ax.patches}


def test_functions_of_the_reader_take_the_place_of_the_courses():
    def squared(x, theta):
        return x * theta**2

    ax = plot_computation_graph_1d(2.0, 3.0, forward=squared, backward=lambda x, theta: 2 * x * theta)
    assert {"squared", "J = 18", "claimed dJ/dθ = 12, right"} < set(words_of(ax))


def test_the_network_shows_all_layers_with_shapes(buggy):
    parameters, gradients, _ = buggy
    ax = plot_network(parameters, gradients)
    words = words_of(ax)
    assert words.count("LINEAR") == 3
    assert words.count("RELU") == 2
    assert words.count("SIGMOID") == 1
    assert {"W1 5×4\nb1 5×1", "Z2\n3×m", "A3\n1×m", "dZ1\n5×3", "dA2\n3×3"} < set(words)
    assert f"dW2\n3×5, ‖·‖ {np.linalg.norm(gradients['dW2']):.3g}" in words
    assert legend_words(ax) == ["values, forwards", "gradients, backwards"]


def test_the_network_shows_what_the_check_says_of_each_block(buggy):
    ax = plot_network(*buggy)
    said = {words.split("\n")[0]: words.split("\n")[-1] for words in words_of(ax) if words.startswith("d")}
    assert {name: word for name, word in said.items() if name[1] in "Wb"} == {
        "dW1": "right",
        "db1": "wrong",
        "dW2": "wrong",
        "db2": "right",
        "dW3": "right",
        "db3": "right",
    }
    colours = [to_hex(patch.get_edgecolor()) for patch in ax.patches]
    assert colours.count(WRONG) == 2
    assert colours.count(RIGHT) == 4
    assert legend_words(ax)[2:] == ["gradient right", "gradient wrong"]


def test_the_network_marks_a_gradient_that_has_not_the_shape_of_its_parameter(buggy):
    parameters, gradients, _ = buggy
    ax = plot_network(parameters, {**gradients, "dW1": gradients["dW1"].T, "db2": gradients["db2"].ravel()})
    assert "dW1\n4×5!\nexpected 5×4" in words_of(ax)
    assert [to_hex(patch.get_edgecolor()) for patch in ax.patches].count(WRONG) == 1


def test_deep_networks_leave_out_the_middle():
    words = words_of(plot_network(course.initialize_parameters((4, *[3] * 8, 1))))
    assert "6 more layers" not in words
    assert "5 more layers" in words
    assert words.count("LINEAR") == 4


def test_the_vector_shows_each_slice_and_its_numbers(buggy):
    parameters, _, report = buggy
    ax = plot_dictionary_to_vector(parameters, report)
    words = words_of(ax)
    slices = [word for word in words if word.startswith("θ[")]
    assert slices == ["θ[0:20]", "θ[20:25]", "θ[25:40]", "θ[40:43]", "θ[43:46]", "θ[46]"]
    theta = np.asarray(course.dictionary_to_vector(parameters)).ravel()
    assert f"{theta[46]:.2f}" in words
    assert {"W2\n3×5, wrong", "b3\n1×1, right"} < set(words)
    numbers = [word for word in words if word.replace("-", "").replace(".", "").isdigit()]
    assert len(numbers) == 47 + 4 + 5 + 4 + 3 + 3 + 1  # all of each block, and the first of each slice


def test_large_blocks_show_their_first_numbers_alone():
    ax = plot_dictionary_to_vector(course.initialize_parameters((784, 128, 64, 32, 16, 8, 4, 1)))
    assert len(ax.texts) < 400
    assert "… and 2 more blocks" in words_of(ax)
    assert "θ[0:100,352]" in words_of(ax)


@pytest.mark.parametrize("plot", [plot_network, plot_dictionary_to_vector])
def test_other_parameters_are_refused(plot):
    with pytest.raises(InvalidProblemError, match="expected W1, b1, W2"):
        plot({"w": np.ones(3)})


def test_axes_that_are_given_are_drawn_on_and_nothing_warns(buggy):
    for draw in (
        lambda ax: plot_computation_graph_1d(3, 4, ax=ax),
        lambda ax: plot_network(*buggy, ax=ax),
        lambda ax: plot_dictionary_to_vector(buggy[0], buggy[2], ax=ax),
    ):
        given = Figure().add_subplot()
        assert draw(given) is given
        given.figure.savefig(io.BytesIO(), format="png", dpi=40)


def test_notebooks_show_new_axes():
    assert plot_computation_graph_1d(3, 4)._repr_png_().startswith(b"\x89PNG")


def test_without_matplotlib_the_error_says_what_to_install(buggy, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for draw in (lambda: plot_computation_graph_1d(3, 4), lambda: plot_network(*buggy)):
        with pytest.raises(MissingLibraryError, match="pip install matplotlib"):
            draw()


def test_the_exercises_do_not_bring_the_diagrams():
    assert not [name for name in course.__all__ if name.startswith("plot")]
