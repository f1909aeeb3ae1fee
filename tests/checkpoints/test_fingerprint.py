"""What a cost depends on: the same in every process and at every place, and other for every change that counts."""

import _ctypes
import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastcheck
from fastcheck.checkpoints.description import Description, _changed
from fastcheck.checkpoints.fingerprint import STATE, Fingerprint

HELPERS = '''
"""Helpers."""
import numpy as np
SCALE = 2.5
KINDS = {"relu", "tanh", "sigmoid"}
TABLE = {"a": np.arange(3.0), "b": (1, 2, (3.0, "x"))}

def relu(z, slope=0.1):
    """Doc."""
    return np.where(z > 0, z, slope * z) * SCALE + TABLE["a"][0]

def unused(z):
    return z
'''

PROBLEM = '''
import collections, dataclasses, enum, functools, logging, os, time
import numpy as np
import helpers
from helpers import relu as rectified

log, out, START, calls, counter = logging.getLogger("x"), open(os.devnull, "w"), time.time(), [], {"n": 0}

class Mode(enum.Enum):
    A = 1
    B = 2

@dataclasses.dataclass
class Setting:
    rate: float = 0.5
    made: float = dataclasses.field(default_factory=time.time)

Pair = collections.namedtuple("Pair", "first second")

class Dense:
    bias = 3.0
    def __init__(self, W):
        self.W, self.dW, self.count, self.factor, self.made = W, None, 0, 1.5, time.time()
    def forward(self, x):
        self.x = x
        self.count += 1
        return self.activation(x @ self.W) * self.bias * self.factor
    def activation(self, z):
        return np.tanh(z)
    def backward(self, d):
        self.dW = self.x.T @ d
        return d @ self.W.T

class Special(Dense):
    @property
    def twice(self):
        return 2 * self.factor
    @staticmethod
    def moved(z):
        return z + 1
    @classmethod
    def scaled(cls, z):
        return z * cls.bias
    def __call__(self, x):
        return self.forward(x) * self.twice + self.moved(0) + self.scaled(1)

layers = [Dense(np.ones((3, 4))), Special(np.ones((4, 2)))]
X = np.arange(6.0).reshape(2, 3)
setting, pair = Setting(), Pair(0.25, 8)

@functools.lru_cache
def cached(k):
    return k * 3.0

def made(constant):
    inside = {"k": constant}
    def inner(z):
        return z * inside["k"]
    return inner

inner, partly, every = made(4.0), functools.partial(rectified, slope=0.3), np.vectorize(lambda t: t * 1.0)

def cost(w, *, power=2):
    """The cost."""
    global START
    calls.append(time.time())
    counter["n"] += 1
    out.write("")
    log.debug("x")
    START = time.time()
    total = 0.0
    if Mode.A and "tanh" in {"tanh", "relu", "abc"}:
        total += setting.rate + pair.first
    class Local:
        value = 3.0
    h = layers[1](layers[0].forward(X))
    total += np.sum(helpers.relu(h) + rectified(h)) + np.sum(partly(h)) + cached(2) + inner(2.0)
    return float(total + np.sum(w**power) + Local.value + len(helpers.KINDS) + every(1.0))
'''

CHANGES = [
    ("helpers.py", "SCALE = 2.5", "SCALE = 2.6", {"SCALE"}),
    ("helpers.py", "np.arange(3.0)", "np.ones(3)", {"TABLE['a']"}),
    ("helpers.py", '(3.0, "x")', '(3.0, "y")', {"TABLE['b']"}),
    ("helpers.py", "z > 0", "z >= 0", {"relu"}),
    ("helpers.py", "slope=0.1", "slope=0.2", {"defaults of relu"}),
    ("helpers.py", '"sigmoid"', '"softmax"', {"helpers.KINDS"}),
    ("problem.py", "np.tanh(z)", "np.sin(z)", {"Dense.activation"}),
    ("problem.py", "bias = 3.0", "bias = 3.1", {"Dense.bias"}),
    ("problem.py", "0, 1.5, time", "0, 1.6, time", {"Dense.factor", "Special.factor"}),
    ("problem.py", "2 * self.factor", "3 * self.factor", {"Special.twice"}),
    ("problem.py", "return z + 1", "return z + 2", {"Special.moved"}),
    ("problem.py", "z * cls.bias", "z - cls.bias", {"Special.scaled"}),
    ("problem.py", "self.moved(0)", "self.moved(1)", {"Special.__call__"}),
    ("problem.py", "np.ones((4, 2))", "np.zeros((4, 2))", {"Special.W"}),
    ("problem.py", "np.arange(6.0)", "np.ones(6)", {"X"}),
    ("problem.py", "rate: float = 0.5", "rate: float = 0.6", {"Setting.rate"}),
    ("problem.py", "Pair(0.25, 8)", "Pair(0.5, 8)", {"pair"}),
    ("problem.py", "k * 3.0", "k * 3.5", {"cached"}),
    ("problem.py", "made(4.0)", "made(5.0)", {"inside['k']"}),
    ("problem.py", 'z * inside["k"]', 'z - inside["k"]', {"inner"}),
    ("problem.py", "slope=0.3", "slope=0.4", {"partly"}),
    ("problem.py", "t * 1.0", "t * 1.5", {"<lambda>"}),
    ("problem.py", "power=2", "power=3", {"defaults of cost"}),
    ("problem.py", "value = 3.0", "value = 3.5", {"cost"}),
    ("problem.py", '"relu", "abc"', '"relu", "abd"', {"cost"}),
]
"""What is changed in which file, and what is then named."""

THE_SAME = [
    ("problem.py", '"""The cost."""', '"""Other words."""  # and a comment'),
    ("problem.py", "self.dW = self.x.T @ d", "self.dW = 2 * self.x.T @ d"),
    ("helpers.py", "    return z\n", "    return z + 1\n"),
    ("helpers.py", '"""Helpers."""', '\n\n# moved down\n"""More of them."""'),
    ("problem.py", '"tanh", "relu", "abc"', '"abc", "relu", "tanh"'),
]
"""What may change."""

SCRIPT = Path(__file__).with_name("fingerprinted.py")


def write(folder, changes=()):
    folder.mkdir(parents=True, exist_ok=True)
    files = {"helpers.py": HELPERS, "problem.py": PROBLEM}
    for name, old, new, *_ in changes:
        assert old in files[name]
        files[name] = files[name].replace(old, new)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def in_a_process(folder, hash_seed):
    done = subprocess.run(
        [sys.executable, SCRIPT, folder],
        env=os.environ
        | {"PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(Path(fastcheck.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    return Fingerprint(*json.loads(done.stdout))


@pytest.fixture
def here(monkeypatch):
    """Return what gives the fingerprint of a folder's cost, imported into this process."""

    def fingerprint(folder):
        for name in ("helpers", "problem"):
            sys.modules.pop(name, None)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(folder))
            patch.setattr(sys, "dont_write_bytecode", True)
            import problem

            before = Fingerprint.of(problem.cost)
            problem.cost(np.ones(2))
            problem.cost(np.ones(2))
            found = before.with_state(Fingerprint.of(problem.cost))
            problem.out.close()
        for name in ("helpers", "problem"):
            del sys.modules[name]
        return found

    return fingerprint


def test_it_is_the_same_in_every_process_and_folder_whatever_is_written_around_it(tmp_path):
    first = in_a_process(write(tmp_path / "a"), hash_seed=1)
    shutil.rmtree(tmp_path / "a" / "__pycache__", ignore_errors=True)
    second = in_a_process(write(tmp_path / "elsewhere" / "b", THE_SAME), hash_seed=2)
    assert second == first
    assert {"calls", "counter['n']"} <= {name for name, digest in first.code.items() if digest == STATE}
    assert "START" not in first.code
    assert first.libraries["numpy"] == np.__version__
    assert in_a_process(write(tmp_path / "a", CHANGES[:1]), hash_seed=1) != first


def test_every_change_that_counts_is_named(tmp_path, here):
    first = here(write(tmp_path / "0"))
    assert _changed(first.code, here(write(tmp_path / "same", THE_SAME)).code) == []
    for number, change in enumerate(CHANGES):
        other = here(write(tmp_path / str(number + 1), [change]))
        assert set(_changed(first.code, other.code)) == change[3], change


def test_what_refers_to_itself_or_is_endless_comes_to_an_end():
    class Node:
        def __init__(self):
            self.next = self

    node, items, deep = Node(), [], []
    items.append(items)
    for _ in range(3000):
        deep = [deep]
    huge = list(range(10**6))

    def cost(w):
        return np.sum(w) + len(items) + len(deep) + len(huge) + (node.next is node) + (cost is None)

    fingerprint = Fingerprint.of(cost)
    assert fingerprint == Fingerprint.of(cost)
    items.append(1)
    assert fingerprint != Fingerprint.of(cost)


def test_nothing_of_the_users_runs():
    class Trap:
        def __getattr__(self, name):
            raise AssertionError(name)

        def __repr__(self):
            raise AssertionError

        __eq__ = __hash__ = __len__ = __iter__ = __array__ = __repr__

        @property
        def value(self):
            raise AssertionError

    class TrapOfItems(dict):
        __iter__ = items = __len__ = Trap.__repr__

    class Refusing:
        __class__ = property(lambda self: 1 / 0)

    trap, traps, refusing, value = Trap(), TrapOfItems(a=1.0), Refusing(), 2.0

    def cost(w):
        return np.sum(w) + trap.value + len(traps) + (refusing is None) + value

    found = Fingerprint.of(cost).code
    assert {"Trap.value", "traps", "traps['a']", "refusing", "value"} <= found.keys()
    traps["a"] = 2.0
    assert _changed(found, Fingerprint.of(cost).code) == ["traps['a']"]


@pytest.mark.parametrize(
    "value", [1.0, -0.0, float("nan"), 10**400, 1j, "é\ud800", b"x", None, True, np.float32(2)]
)
def test_values_are_told_apart_by_their_bits(value):
    def of(value):
        def cost(w):
            return value

        return Fingerprint.of(cost).code["value"]

    others = [0.0, 1, 2.0, "1.0", np.nextafter(1.0, 2), (value,), [value], np.array([1.0])]
    assert of(value) == of(value)
    assert of(value) not in [of(other) for other in others]


def test_a_description_is_read_as_it_was_written_and_nothing_else_is():
    described = Description(
        section="after 10 steps",
        blocks=(("W", (2, 3), "00ff"), ("b", (), "17")),
        epsilon=1e-5,
        nondeterminism=0.0,
        value=0.1,
        repeats_exactly=True,
        code={"cost": "12"},
        libraries={"numpy": "2"},
    )
    data = described.encoded()
    again = Description.decoded(data)
    assert all(getattr(again, name) == getattr(described, name) for name in Description.__slots__)
    for wrong in (
        b"",
        b"{}",
        b"[" * 100_000,
        b"null",
        data[:-1],
        data.replace(b"[2, 3]", b'"x"'),
        b"\xff",
        b"1" * 9999,
    ):
        assert Description.decoded(wrong) is None


def test_compiled_libraries_are_known_by_their_names_wherever_they_are_loaded(tmp_path):
    def cost_in(file):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        library = ctypes.CDLL(shutil.copy(_ctypes.__file__, tmp_path / file))
        solve = library.PyInit__ctypes
        return library, Fingerprint.of(lambda w: library.solve(w) + solve(w)).code

    (one, here), (other, there), (_, another) = map(cost_in, ("a/solver.so", "b/solver.so", "b/mesh.so"))
    assert one._handle != other._handle
    assert here == there
    assert [name for name in here if here[name] != another[name]] == ["library"]
