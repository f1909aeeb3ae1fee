"""What a cost stores while it is traced is put back, wherever it lies; what is kept all the same does no harm."""

import collections
import copy
import functools
import pickle
import sys
import types

import numpy as np
import pytest

from fastcheck import check, numerical_gradient, screen
from fastcheck.engines.difference import sweep
from fastcheck.engines.difference.arrays import DifferenceArray
from fastcheck.engines.difference.reaching import MOST_THINGS, reached
from fastcheck.engines.difference.restoring import Kept

W = np.random.default_rng(0).standard_normal(6)
MODULE = types.ModuleType("module_of_the_user")
MODULE.__file__ = "/home/user/module_of_the_user.py"
MODULE.last = None
MODULE.caches = {}


def store(where):
    """Return a cost that gives what it computes to a function."""

    def cost(w):
        v = np.sum(w**2)
        where(w, v)
        return v

    return cost


class Listed(list):
    def __iter__(self):
        raise AssertionError("a list of its own kind")


class Dictionary(dict):
    def __setitem__(self, key, value):
        super().__setitem__(key, ("set", value))


class Slotted:
    __slots__ = ("first", "second")

    def __init__(self):
        self.first = 1


class Model:
    last = None
    history = []  # noqa: RUF012 — what people write

    @classmethod
    def keep(cls, w, v):
        cls.last = (w, v)
        cls.history.append(w)
        cls.added = v

    def remember(self, w, v):
        self.w, self.v = w, v
        type(self).xp = np

    @functools.cached_property
    def state(self):
        return []


class Guarded:
    def __setattr__(self, name, value):
        raise AttributeError("read-only")

    def keep(self, w, v):
        self.__dict__["w"] = w


def into_class_attributes():
    return store(Model.keep), lambda: [Model.last, Model.history, getattr(Model, "added", None)]


def into_attributes():
    model = Model()
    return store(model.remember), lambda: [vars(model), getattr(Model, "xp", None)]


def into_a_read_only_object():
    guarded = Guarded()
    return store(guarded.keep), lambda: [vars(guarded)]


def into_slots():
    thing = Slotted()

    def keep(w, v):
        thing.first, thing.second = w, v

    return store(keep), lambda: [thing.first, getattr(thing, "second", "empty")]


def into_a_cached_property():
    model = Model()
    return store(lambda w, v: model.state.append(w)), lambda: [model.state]


def into_a_container(holder, put):
    return lambda: (store(lambda w, v: put(holder, w, v)), lambda: [holder])


def into_a_list_that_only_its_method_knows():
    holder = []
    append = holder.append
    return store(lambda w, v: append(w)), lambda: [holder]


def into_a_module():
    def keep(w, v):
        MODULE.last = w
        MODULE.caches["w"] = v

    return store(keep), lambda: [MODULE.last, MODULE.caches]


def into_a_new_name_of_a_module():
    def keep(w, v):
        MODULE.fresh = w

    return store(keep), lambda: [getattr(MODULE, "fresh", None)]


def into_a_module_imported_inside():
    def keep(w, v):
        import module_of_the_user as elsewhere

        elsewhere.caches["elsewhere"] = w

    return store(keep), lambda: [MODULE.caches]


LAST = None


def into_a_global():
    def keep(w, v):
        global LAST
        LAST = w

    return store(keep), lambda: [LAST]


def into_a_closure():
    last = None

    def keep(w, v):
        nonlocal last
        last = w

    return store(keep), lambda: [last]


def into_attributes_of_the_function():
    def keep(w, v):
        keep.last = w

    return store(keep), lambda: [getattr(keep, "last", None)]


def into_a_cached_result():
    @functools.cache
    def state(name):
        return {}

    return store(lambda w, v: state("a").update(w=w)), lambda: [state("a")]


def into_the_frame_of_a_generator():
    def remember():
        seen = []
        while True:
            seen.append((yield seen))

    generator = remember()
    seen = next(generator)
    return store(lambda w, v: generator.send(w)), lambda: [seen]


def into_objects_in_objects():
    layers = [types.SimpleNamespace(norm=types.SimpleNamespace(mean=0.0)) for _ in range(3)]
    outer = types.SimpleNamespace(inner={"layers": tuple(layers)})

    def keep(w, v):
        outer.inner["layers"][1].norm.mean = w.mean()

    return store(keep), lambda: [layer.norm.mean for layer in layers]


class Holder:
    def __init__(self, w):
        self.w = w


PLACES = {
    f.__name__: f
    for f in (
        into_class_attributes, into_attributes, into_a_read_only_object, into_slots, into_a_cached_property,
        into_a_list_that_only_its_method_knows, into_a_module, into_a_new_name_of_a_module,
        into_a_module_imported_inside, into_a_global, into_a_closure, into_attributes_of_the_function,
        into_a_cached_result, into_the_frame_of_a_generator, into_objects_in_objects,
    )
} | {
    "deque": into_a_container(collections.deque(maxlen=3), lambda h, w, v: h.append(w)),
    "defaultdict": into_a_container(collections.defaultdict(list), lambda h, w, v: h["w"].append(w)),
    "Counter": into_a_container(collections.Counter(), lambda h, w, v: h.update(v=v)),
    "OrderedDict": into_a_container(
        collections.OrderedDict(a=1, b=2), lambda h, w, v: (h.update(a=w), h.move_to_end("a"))
    ),
    "UserDict": into_a_container(collections.UserDict(), lambda h, w, v: h.update(w=w)),
    "subclass of list": into_a_container(Listed(), lambda h, w, v: h.append(w)),
    "subclass of dict": into_a_container(Dictionary(), lambda h, w, v: h.__setitem__("w", w)),
    "set": into_a_container({1}, lambda h, w, v: h.add(Holder(w))),
    "array of objects": into_a_container(
        np.array([None, 1], dtype=object), lambda h, w, v: h.__setitem__(0, v)
    ),
    "dict in a tuple": into_a_container(({},), lambda h, w, v: h[0].update(w=w)),
}  # fmt: skip


def perturbed_in(thing, seen=None):
    """Whether a perturbed array is anywhere in a thing."""
    seen = set() if seen is None else seen
    if type(thing) is DifferenceArray:
        return True
    if id(thing) in seen or isinstance(thing, (str, type, types.ModuleType)):
        return False
    seen.add(id(thing))
    if isinstance(thing, dict):
        return any(perturbed_in(x, seen) for x in dict.values(thing))
    if isinstance(thing, list):
        return any(perturbed_in(x, seen) for x in list.copy(thing))
    if isinstance(thing, (tuple, set, collections.deque, np.ndarray)):
        return any(perturbed_in(x, seen) for x in thing)
    return hasattr(thing, "__dict__") and perturbed_in(vars(thing), seen)


@pytest.fixture(autouse=True)
def _module(monkeypatch):
    monkeypatch.setitem(sys.modules, "module_of_the_user", MODULE)
    MODULE.last = None
    MODULE.caches = {}


@pytest.mark.parametrize("judge", [check, screen])
@pytest.mark.parametrize("place", PLACES)
def test_what_is_stored_is_put_back_wherever_it_lies(place, judge):
    cost, stored = PLACES[place]()
    assert judge(cost, W, 2 * W).passed
    assert not perturbed_in(stored())
    report = judge(cost, W, 3 * W)
    assert not report.passed
    assert not perturbed_in(stored())


@pytest.mark.parametrize("place", PLACES)
def test_and_so_if_difference_propagation_stops(place):
    cost, stored = PLACES[place]()

    def stops(w):
        value = cost(w)
        return value + 0.0 * float(np.unique(w)[0])

    report = check(stops, W, 2 * W)
    assert (report.method, report.passed) == ("plain", True)
    assert not perturbed_in(stored())


def test_a_class_that_remembers_the_last_evaluation_does_not_end_the_check():
    class Remembering:
        last = None

        @classmethod
        def cost(cls, w):
            if cls.last is not None and np.array_equal(cls.last[0], w):
                return cls.last[1]
            cls.last = (w, np.sum(w**2))
            return cls.last[1]

    assert check(Remembering.cost, W, 2 * W).passed
    assert not check(Remembering.cost, W, 2 * W + 0.1).passed
    assert Remembering.cost(W) == np.sum(W**2)


def test_a_cache_of_functools_holds_no_perturbed_arrays():
    state = types.SimpleNamespace(w=None)

    @functools.lru_cache
    def doubled(name):
        return [2 * state.w]

    calls = iter(range(10**6))

    def cost(w):
        state.w = w
        doubled(("first", next(calls)))
        return np.sum(w**2)

    assert check(cost, W, 2 * W).passed
    assert doubled.cache_info().currsize < 10**5
    assert not any(type(x[0]) is DifferenceArray for x in map(doubled, [("first", k) for k in range(60)]))


# What is kept all the same


@pytest.fixture
def kept(monkeypatch):
    """Arrays of a trace that is over."""
    monkeypatch.setattr(Kept, "restore", lambda self: None)
    found = {}

    def cost(w):
        found.update(w=w, double=2 * w, part=w[1:], row=w.reshape(2, 3).T, total=np.sum(w), mask=w > 0)
        return found["total"]

    sweep(cost, lambda arrays: arrays[0], [W], 0, np.arange(6), 1e-2)
    assert all(type(x) is DifferenceArray for x in found.values())
    return types.SimpleNamespace(**found)


def test_an_array_that_outlives_its_trace_acts_as_its_values(kept):
    assert np.array_equal(kept.w, W)
    assert isinstance(kept.w, np.ndarray)
    for expression in (
        "w + 1", "1 - w", "w @ double", "double / w", "-w", "abs(w)", "w ** 2", "w > 0", "w == w", "w[2]", "w[mask]",
        "w[[0, 1]]", "row", "row.T", "row.T @ row", "part", "part.sum()", "part.max(axis=0)", "np.sum(row, axis=0)",
        "np.exp(w)", "np.concatenate([w, part])", "np.dot(w, double)", "np.maximum(w, 0)", "np.add.reduce(w)",
        "np.linalg.norm(w)", "np.unique(part)", "w.tolist()", "w.view(np.int64)", "list(w)", "len(w)", "w.shape",
        "w.flat[1]", "total * 2", "float(total)", "int(total)", "round(total, 2)", "complex(total)", "hash(total)",
        "bool(total)", "f'{total:.3f}'", "str(w)", "repr(part)", "np.asarray(row)", "copy.deepcopy(row)", "0.5 in w",
        "pickle.loads(pickle.dumps(row))", "mask & ~mask", "mask.any()", "W @ w", "W.dot(w)", "np.where(mask, w, 0)",
    ):  # fmt: skip
        names = {"np": np, "copy": copy, "pickle": pickle, "W": W}
        plain = {
            "w": W,
            "double": 2 * W,
            "part": W[1:],
            "row": W.reshape(2, 3).T,
            "total": W.sum(),
            "mask": W > 0,
        }
        found, expected = eval(expression, names | vars(kept)), eval(expression, names | plain)
        assert np.array_equal(found, expected), expression


def test_it_can_be_written_to_and_its_views_see_that(kept):
    kept.part[0] = 7
    kept.w += 1
    kept.w[2:] *= 2
    expected = W.copy()
    expected[1] = 7
    expected += 1
    expected[2:] *= 2
    assert np.array_equal(kept.w, expected)
    assert np.array_equal(kept.row, expected.reshape(2, 3).T)
    assert not np.array_equal(W, expected)


def test_in_another_trace_it_ends_that(kept):
    for use in (
        lambda w: np.sum(w * kept.w), lambda w: np.sum(np.concatenate([w, kept.part])), lambda w: w[0] + kept.total,
        lambda w: np.sum(w) * float(kept.total), lambda w: np.sum(np.reshape(kept.w, (2, 3))) * w[0],
        lambda w: np.sum(np.asarray(kept.w) * w),
    ):  # fmt: skip
        expected = numerical_gradient(use, W, method="plain")
        report = check(use, W, expected, tolerance=1e-6)
        assert (report.method, report.passed) == ("plain", True)
        assert "kept from an earlier evaluation" in report.notes[0]


# What is looked at


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
    MODULE.helper = lambda w: MODULE.table["x"]
    MODULE.table = {"x": []}
    found = reached(lambda w: MODULE.helper(w))
    assert MODULE.helper in found.functions
    assert any(holder is MODULE.table for holder in found.holders)
