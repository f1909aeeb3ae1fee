"""Problems that a file declares: `fastcheck check my_problems.py` calls these functions."""

import numpy as np

import fastcheck

w = np.array([0.5, -1.5, 2.0])


def cost(w):
    return np.sum(np.log1p(np.exp(w)))


def problem_softplus():
    return cost, w, lambda w: 1 / (1 + np.exp(-w))


def problem_in_single_precision():
    claim = (1 / (1 + np.exp(-w))).astype(np.float32)
    return {"cost": cost, "parameters": w, "gradients": claim, "tolerance": 1e-4}


@fastcheck.gradient_problem
def checked_with_a_seed():
    return fastcheck.check(cost, w, 1 / (1 + np.exp(-w)), seed=3)
