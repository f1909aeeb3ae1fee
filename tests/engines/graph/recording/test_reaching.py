"""What of the user's things a cost can reach, and how much of it is looked at."""

import types

import numpy as np
import pytest

from fastcheck.engines.graph.recording import reaching
from fastcheck.engines.graph.recording.reaching import MOST_THINGS, reached


def test_long_lists_of_arrays_are_copied_and_not_looked_into():
    arrays = [np.zeros(1)] * 100_000
    found = reached(lambda w: arrays[0])
    assert len(found.arrays) < 1000
    assert any(holder is arrays for holder in found.holders)


def test_the_number_of_things_that_are_looked_at_is_bounded():
    samples = [{"x": {"y": [k]}} for k in range(50_000)]
    model = types.SimpleNamespace(layers=[types.SimpleNamespace(cache={}) for _ in range(30)])
    found = reached(lambda w: (samples, model))
    assert len(found.holders) < 2 * MOST_THINGS
    assert all(any(holder is layer.cache for holder in found.holders) for layer in model.layers)


def test_a_list_that_another_thread_extends_is_only_put_back_if_the_cost_can_reach_it():
    mine, others = [], [1]
    assert not any(holder is others for holder in reached(lambda w: mine).holders)


def test_names_in_the_code_are_followed_into_the_modules_of_the_user():
    module = types.ModuleType("module_of_the_user")
    module.__file__ = "/home/user/module_of_the_user.py"
    module.helper = lambda w: module.table["x"]
    module.table = {"x": []}
    found = reached(lambda w: module.helper(w))
    assert module.helper in found.functions
    assert any(holder is module.table for holder in found.holders)


@pytest.mark.parametrize("value", [0.1, 3, "relu", None, True, np.float64(0.1), slice(1, 2), b"x"], ids=repr)
def test_a_constant_in_a_module_of_the_user_is_looked_at_once(value, monkeypatch):
    module = types.ModuleType("settings_of_the_user")
    module.__file__ = "/home/user/settings_of_the_user.py"
    module.DECAY = value
    looks = []

    def look(walk):
        looks.append(walk)
        assert len(looks) < 10, "the walk does not end"
        look_into_modules(walk)

    look_into_modules = reaching._Walk.look_into_modules
    monkeypatch.setattr(reaching._Walk, "look_into_modules", look)
    reached(lambda w: np.sum(w * module.DECAY))
    assert looks
