"""What a cost stores while it is recorded is put back, wherever it lies; what is kept all the same does no harm."""

import collections
import copy
import functools
import pickle
import sys
import types

import numpy as np
import pytest
from recorded_costs import recorded

from fastcheck import check, numerical_gradient
from fastcheck.engines.graph.recording.restoring import Snapshot
from fastcheck.engines.graph.tracing.recorded import Recorded

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


def into_a_list_that_only_its_method_knows():
    holder = []
    append = holder.append
    return store(lambda w, v: append(w)), lambda: [holder]


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


def into_the_frame_of_a_generator():
    def remember():
        seen = []
        while True:
            seen.append((yield seen))

    generator = remember()
    seen = next(generator)
    return store(lambda w, v: generator.send(w)), lambda: [seen]


class Holder:
    def __init__(self, w):
        self.w = w


def into(make, put, stored=lambda holder: [holder]):
    """A place that a holder has: how it is made, written into, and what is stored there then."""

    def place():
        holder = make()
        return store(lambda w, v: put(holder, w, v)), lambda: stored(holder)

    return place


def nested():
    layers = [types.SimpleNamespace(norm=types.SimpleNamespace(mean=0.0)) for _ in range(3)]
    return types.SimpleNamespace(inner={"layers": tuple(layers)})


def into_a_module(holder, w, v):
    MODULE.last = MODULE.fresh = w
    MODULE.caches["w"] = v


PLACES = {
    f.__name__: f
    for f in (
        into_a_list_that_only_its_method_knows, into_a_module_imported_inside, into_a_global, into_a_closure,
        into_the_frame_of_a_generator,
    )
} | {
    "class attributes": into(
        lambda: Model, lambda h, w, v: h.keep(w, v), lambda h: [h.last, h.history, getattr(h, "added", None)]
    ),
    "attributes": into(Model, lambda h, w, v: h.remember(w, v), lambda h: [vars(h), getattr(Model, "xp", None)]),
    "a read-only object": into(Guarded, lambda h, w, v: h.keep(w, v), lambda h: [vars(h)]),
    "slots": into(
        Slotted,
        lambda h, w, v: (setattr(h, "first", w), setattr(h, "second", v)),
        lambda h: [h.first, getattr(h, "second", "empty")],
    ),
    "a cached property": into(Model, lambda h, w, v: h.state.append(w), lambda h: [h.state]),
    "a module": into(
        lambda: MODULE, into_a_module, lambda h: [h.last, h.caches, getattr(h, "fresh", None)]
    ),
    "attributes of a function": into(
        lambda: lambda: None, lambda h, w, v: setattr(h, "last", w), lambda h: [getattr(h, "last", None)]
    ),
    "a cached result": into(
        lambda: functools.cache(lambda name: {}), lambda h, w, v: h("a").update(w=w), lambda h: [h("a")]
    ),
    "objects in objects": into(
        nested,
        lambda h, w, v: setattr(h.inner["layers"][1].norm, "mean", w.mean()),
        lambda h: [layer.norm.mean for layer in h.inner["layers"]],
    ),
    "deque": into(lambda: collections.deque(maxlen=3), lambda h, w, v: h.append(w)),
    "defaultdict": into(lambda: collections.defaultdict(list), lambda h, w, v: h["w"].append(w)),
    "Counter": into(collections.Counter, lambda h, w, v: h.update(v=v)),
    "OrderedDict": into(
        lambda: collections.OrderedDict(a=1, b=2), lambda h, w, v: (h.update(a=w), h.move_to_end("a"))
    ),
    "UserDict": into(collections.UserDict, lambda h, w, v: h.update(w=w)),
    "subclass of list": into(Listed, lambda h, w, v: h.append(w)),
    "subclass of dict": into(Dictionary, lambda h, w, v: h.__setitem__("w", w)),
    "set": into(lambda: {1}, lambda h, w, v: h.add(Holder(w))),
    "array of objects": into(
        lambda: np.array([None, 1], dtype=object), lambda h, w, v: h.__setitem__(0, v)
    ),
    "dict in a tuple": into(lambda: ({},), lambda h, w, v: h[0].update(w=w)),
}  # fmt: skip


def recorded_in(thing, seen=None):
    """Whether a recorded array is anywhere in a thing."""
    seen = set() if seen is None else seen
    if type(thing) is Recorded:
        return True
    if id(thing) in seen or isinstance(thing, (str, type, types.ModuleType)):
        return False
    seen.add(id(thing))
    if isinstance(thing, dict):
        return any(recorded_in(x, seen) for x in dict.values(thing))
    if isinstance(thing, list):
        return any(recorded_in(x, seen) for x in list.copy(thing))
    if isinstance(thing, (tuple, set, collections.deque, np.ndarray)):
        return any(recorded_in(x, seen) for x in thing)
    return hasattr(thing, "__dict__") and recorded_in(vars(thing), seen)


@pytest.fixture(autouse=True)
def _module(monkeypatch):
    monkeypatch.setitem(sys.modules, "module_of_the_user", MODULE)
    MODULE.last = None
    MODULE.caches = {}


@pytest.mark.parametrize("place", PLACES)
def test_what_is_stored_is_put_back_wherever_it_lies_and_so_if_recording_stops(place):
    cost, stored = PLACES[place]()
    assert check(cost, W, 2 * W).passed
    assert not recorded_in(stored())
    assert not check(cost, W, 3 * W).passed
    assert not recorded_in(stored())

    def stops(w):
        value = cost(w)
        return value + 0.0 * float(np.unique(w)[0])

    report = check(stops, W, 2 * W)
    assert (report.method, report.passed) == ("plain", True)
    assert not recorded_in(stored())


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
    assert not any(type(doubled(("first", k))[0]) is Recorded for k in range(60))


# What is kept all the same


@pytest.fixture
def kept(monkeypatch):
    """Arrays of a recording that is over."""
    monkeypatch.setattr(Snapshot, "restore", lambda self: None)
    found = {}

    def cost(w):
        found.update(w=w, double=2 * w, part=w[1:], row=w.reshape(2, 3).T, total=np.sum(w), mask=w > 0)
        return found["total"]

    recorded(cost, W)
    assert all(type(x) is Recorded for x in found.values())
    return types.SimpleNamespace(**found)


def test_an_array_that_outlives_its_recording_acts_as_its_values(kept):
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


@pytest.mark.parametrize(
    "use",
    [
        lambda kept, w: np.sum(w * kept.w), lambda kept, w: np.sum(np.concatenate([w, kept.part])),
        lambda kept, w: w[0] + kept.total, lambda kept, w: np.sum(w) * float(kept.total),
        lambda kept, w: np.sum(np.reshape(kept.w, (2, 3))) * w[0], lambda kept, w: np.sum(np.asarray(kept.w) * w),
    ],
)  # fmt: skip
def test_in_another_recording_it_is_noticed_or_a_constant(kept, use):
    cost = functools.partial(use, kept)
    expected = numerical_gradient(cost, W, method="plain")
    report = check(cost, W, expected, tolerance=1e-6)
    assert report.passed
    if report.method == "plain":
        assert "kept from an earlier evaluation" in report.notes[0]
    assert not check(cost, W, expected + 0.1).passed
