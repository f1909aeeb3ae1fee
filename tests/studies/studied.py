"""Studies of costs."""

import fastcheck


def study_of(cost, parameters, **options):
    """Return the study of a check of a cost that passes."""
    claim = fastcheck.numerical_gradient(cost, parameters)
    return fastcheck.check(cost, parameters, claim, **options).study


def drawn(network):
    """Return the steps of a network in short: text, parameters, and which steps it reads."""
    return [(step.line and step.line.text, step.blocks, step.inputs) for step in network.steps]
