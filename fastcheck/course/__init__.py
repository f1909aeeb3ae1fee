"""The exercises of the classic courses, under their usual names.

The 1-D exercise J(θ) = θ x, the three-layer network of 47 parameters with its two planted mistakes, dictionaries of
parameters as vectors and back, L2 and dropout. ``m`` is the number of samples; data is laid
out features × samples; hidden layers are ReLU, the output is a sigmoid with cross-entropy. Parameters are a
dict ``W1, b1, …, WL, bL`` of any depth.

Two exercises go by the names `forward_propagation`, `backward_propagation` and `gradient_check`: that in one dimension,
and a network; the arguments say which. ``from fastcheck.course import *`` brings the exercises and nothing else.
The diagrams of the course pages, `plot_computation_graph_1d`, `plot_network` and `plot_dictionary_to_vector`, are
imported by name.

Everything here is plain textbook code, readable along with a lecture. For networks beyond it use
`fastcheck.check`.
"""

from fastcheck.course.diagrams import plot_computation_graph_1d as plot_computation_graph_1d
from fastcheck.course.diagrams import plot_dictionary_to_vector as plot_dictionary_to_vector
from fastcheck.course.diagrams import plot_network as plot_network
from fastcheck.course.gradient_checks import THRESHOLD as THRESHOLD
from fastcheck.course.gradient_checks import (
    detailed_gradient_check,
    gradient_check,
    gradient_check_n,
    largest_errors,
)
from fastcheck.course.networks import (
    backward_propagation_n,
    backward_propagation_n_buggy,
    backward_propagation_with_dropout,
    backward_propagation_with_regularization,
    compute_cost,
    compute_cost_with_regularization,
    dropout_masks,
    forward_propagation_n,
    forward_propagation_with_dropout,
    forward_propagation_with_masks,
    gradient_check_n_solved_case,
    gradient_check_n_test_case,
    initialize_parameters,
    relu,
    sigmoid,
    update_parameters,
)
from fastcheck.course.propagation import backward_propagation, forward_propagation
from fastcheck.course.vectors import COURSE_SHAPES as COURSE_SHAPES
from fastcheck.course.vectors import (
    dictionary_to_vector,
    gradients_to_vector,
    identify_coordinate,
    identify_parameter,
    vector_to_dictionary,
)

__all__ = [
    "backward_propagation",
    "backward_propagation_n",
    "backward_propagation_n_buggy",
    "backward_propagation_with_dropout",
    "backward_propagation_with_regularization",
    "compute_cost",
    "compute_cost_with_regularization",
    "detailed_gradient_check",
    "dictionary_to_vector",
    "dropout_masks",
    "forward_propagation",
    "forward_propagation_n",
    "forward_propagation_with_dropout",
    "forward_propagation_with_masks",
    "gradient_check",
    "gradient_check_n",
    "gradient_check_n_solved_case",
    "gradient_check_n_test_case",
    "gradients_to_vector",
    "identify_coordinate",
    "identify_parameter",
    "initialize_parameters",
    "largest_errors",
    "relu",
    "sigmoid",
    "update_parameters",
    "vector_to_dictionary",
]
