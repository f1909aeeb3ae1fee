"""Values that a cost depends on, held by containers, objects and code of many kinds: a change of each is seen."""

import array
import collections
import contextlib
import ctypes
import dataclasses
import functools
import io
import operator
import sys
import types

import numpy as np
import pytest

from fastcheck import InvalidProblemError, check
from fastcheck.checkpoints.description import _changed
from fastcheck.checkpoints.fingerprint import Fingerprint


class Reading:
    """Reads its attribute in ways in which its name is no name of the code."""

    def __init__(self, k):
        self.k = k

    def by_getattr(self, w):
        return np.sum(w) * getattr(self, "".join("k"))

    def by_vars(self, w):
        return np.sum(w) * vars(self)["k"]

    def by_dict(self, w):
        return np.sum(w) * self.__dict__["k"]


@dataclasses.dataclass
class Fields:
    k: float

    def cost(self, w):
        return np.sum(w) * dataclasses.astuple(self)[0]


class OfLists(list):
    """A list with an attribute."""


class OfArrays(np.ndarray):
    """An array with an attribute."""


class Network:
    """Keeps what it is given."""

    def forward(self, w, X):
        self.X = X
        return np.sum(w) * X[0]


class OwnNew:
    """Is made by a method of its own."""

    def __new__(cls, k=1.0):
        return super().__new__(cls)


def with_attribute(value, k):
    value.k = k
    return value


def of_objects(k):
    values = np.empty(2, dtype=object)
    values[:] = [np.array([k]), None]
    return values


def dispatched(k):
    @functools.singledispatch
    def cost(w):
        return 0.0

    cost.register(np.ndarray, lambda w: np.sum(w) * k)
    return cost


def with_a_class(k):
    class Meta(type):
        @property
        def k(cls):
            return k

    class Kind(metaclass=Meta):
        pass

    return lambda w: np.sum(w) * Kind.k


def with_a_new(k):
    class Kind:
        def __new__(cls):
            return with_attribute(super().__new__(cls), k)

    return lambda w: np.sum(w) * Kind().k


def with_a_default(k):
    Kind = collections.namedtuple("Kind", "z", defaults=[k])
    return lambda w: np.sum(w) * Kind().z


def with_a_global(k, source):
    names = {"k": k, "np": np, "net": Network(), "X": np.array([k]), "__name__": "__main__"}
    exec(source, names)
    return names["cost"]


def with_an_array_of_the_same_name(k):
    net, data = Network(), Network()
    data.W = np.array([k])

    def cost(w):
        net.W = w
        return np.sum(net.W) * data.W[0]

    return cost


def module_with(name, source, **names):
    """A module that is found by its name, as after an import."""
    module = sys.modules[name] = types.ModuleType(name)
    vars(module).update(np=np, **names)
    exec(source, vars(module))
    return module


def with_a_writer_elsewhere(k):
    """Another module has a global of the same name, and writes it."""
    noting = module_with("noting", "k = 0\ndef note():\n    global k\n    k += 1")
    source = "def cost(w):\n    note()\n    return k * np.sum(w)"
    return module_with("reading", source, k=k, note=noting.note).cost


def by_its_text(expression):
    def made(k):
        holder = module_with("holder", "def twice(w): return k * w", k=k)
        return module_with(
            "asking", f"def cost(w): return np.sum(w) * {expression}", holder=holder, sys=sys
        ).cost

    return made


def beside_what_is_written(k):
    """A dict of parameters and data, of which the cost writes one entry."""
    held = {"k": np.array([k]), "w": None}

    def cost(w):
        held["w"] = w
        return np.sum(held["w"]) * held["k"][0]

    return cost


def holding(make):
    def made(k):
        held = make(k)
        return lambda w: np.sum(w) * (held is None)

    return made


def reading_k(make):
    def made(k):
        held = with_attribute(make(), k)
        return lambda w: np.sum(w) * held.k

    return made


COSTS = {
    "an array of objects": holding(of_objects),
    "an array of one object": holding(lambda k: np.array({"k": k}, dtype=object)),
    "a mask": holding(lambda k: np.ma.MaskedArray([1.0, 2.0], mask=[k > 1, False])),
    "what a mask is filled with": holding(lambda k: np.ma.MaskedArray([1.0, 2.0], mask=[1, 0], fill_value=k)),
    "the order of an array in memory": holding(
        lambda k: np.array([[1.0, 2.0], [3.0, 4.0]], order="CF"[k > 1])
    ),
    "a factory of defaults beside others": holding(lambda k: collections.defaultdict(lambda: k, a=1)),
    "an array of Python's": holding(lambda k: array.array("d", [k])),
    "an array of C": holding(lambda k: (ctypes.c_double * 2)(k, 2.0)),
    "a number of C": holding(ctypes.c_double),
    "bytes in memory": holding(lambda k: io.BytesIO(str(k).encode())),
    "an item getter": holding(operator.itemgetter),
    "an attribute getter": holding(lambda k: operator.attrgetter("real" if k > 1 else "imag")),
    "a method caller": holding(lambda k: operator.methodcaller("sum", k)),
    "a factory of defaults": holding(lambda k: collections.defaultdict(lambda: k)),
    "rows of a table": holding(lambda k: [[float(i), 1.0] for i in range(30_000)] + [[k]]),
    "a function for all elements": holding(lambda k: np.frompyfunc(lambda x: x * k, 1, 1)),
    "a function by type": dispatched,
    "getattr": lambda k: Reading(k).by_getattr,
    "vars": lambda k: Reading(k).by_vars,
    "__dict__": lambda k: Reading(k).by_dict,
    "fields": lambda k: Fields(k).cost,
    "an attribute of a list": reading_k(OfLists),
    "an attribute of an array": reading_k(lambda: np.ones(2).view(OfArrays)),
    "an attribute of a function": lambda k: with_attribute(lambda w: np.sum(w) * OfLists.k, k),
    "a class of classes": with_a_class,
    "what makes an object": with_a_new,
    "a default of a named tuple": with_a_default,
    "a global by its text": lambda k: with_a_global(k, "def cost(w): return np.sum(w) * globals()['k']"),
    "a global that an object keeps": lambda k: with_a_global(k, "def cost(w): return net.forward(w, X)"),
    "a global of a name that is written elsewhere": with_a_writer_elsewhere,
    "getattr of a module": by_its_text("getattr(holder, 'k')"),
    "vars of a module": by_its_text("vars(holder)['k']"),
    "a module by its text": by_its_text("sys.modules['holder'].twice(1)"),
    "an entry beside one that is written": beside_what_is_written,
    "an attribute of a name that is written": with_an_array_of_the_same_name,
}


@pytest.fixture(autouse=True)
def modules_as_before(monkeypatch):
    for name in ("noting", "reading", "holder", "asking"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))


def fingerprint_of(cost):
    """The digests of what a cost depends on, but for what a call changes."""
    before = Fingerprint.of(cost)
    with contextlib.suppress(AttributeError):  # one of them reads what is not there
        cost(np.zeros(2))
    return before.with_state(Fingerprint.of(cost)).code


@pytest.mark.parametrize("held", COSTS)
def test_a_value_is_told_from_another_wherever_it_is_held(held):
    first, again, other = map(fingerprint_of, (COSTS[held](k) for k in (1.5, 1.5, 0.25)))
    assert _changed(first, again) == []
    assert _changed(first, other) != []


def test_data_that_j_does_not_depend_on_at_zero_are_not_taken_for_others(tmp_path):
    """With w = 0 the cost is the same for all data; a network that keeps its input is the usual one."""

    def run(factor):
        net, X = Network(), factor * np.arange(1.0, 4.0)
        names = {"net": net, "X": X, "np": np, "__name__": "__main__"}
        exec("def cost(w): return np.sum(np.sin(w)) * X[0] + 0 * net.forward(w, X)", names)
        claim = np.full(2, factor)
        return check(names["cost"], np.zeros(2), claim, method="plain", checkpoint=tmp_path / "run.fastcheck")

    assert run(1.0).passed
    with pytest.raises(InvalidProblemError, match="the cost depends on X, which changed"):
        run(2.0)
    assert run(1.0).passed
