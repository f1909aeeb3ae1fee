"""Stand-ins belong to the functions of the cost: nobody else sees any, whatever happens during a trace."""

import contextlib
import functools
import math
import os
import pickle
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from math import exp

import cloudpickle
import numba
import numpy as np
import pytest
from numpy import array, zeros
from numpy import zeros as make
from recorded_costs import assert_recorded, recorded

from fastcheck import check, numerical_gradient
from fastcheck.engines.graph.recording.bytecode import edited
from fastcheck.engines.graph.recording.instrumenting import (
    instrumented_code,
)
from fastcheck.engines.graph.recording.session import session_of
from fastcheck.engines.graph.tracing.tracing_error import TracingError

W = np.random.default_rng(0).standard_normal(4)


def filled(out, w):
    out[0] = w[0] * w[1]
    out[1] = w[2] + w[3]
    return np.trace(np.diag(out**2))


def by_name(w):
    return filled(zeros(2), w)


def by_module(w):
    return filled(np.zeros(2), w)


def imported_inside(w):
    import numpy as library
    from numpy import zeros as fresh

    return filled(fresh(2), w) + filled(library.zeros(2), w)


def as_default(w, xp=np):
    return filled(xp.zeros(2), w)


def in_a_class_body(w):
    class Inside:
        out = zeros(2)

    return filled(Inside.out, w)


def in_a_generator(w):
    def outs():
        for _ in range(2):
            yield np.zeros(2)

    return sum(filled(out, w) for out in outs())


def with_many_jumps(w):
    total = 0.0
    for k in range(3):
        try:
            if k == 1:
                continue
            while True:
                with contextlib.suppress(KeyError):
                    out = np.zeros(2) if k else zeros(2)
                    total = total + (
                        filled(out, w) if k and out is not None else np.sum(np.array([w[0], w[1]]))
                    )
                    raise KeyError
                break
        finally:
            total = total + np.array([w[k], 2.0])[0]
    return total


class Model:
    xp = np
    made = staticmethod(np.zeros)

    def __init__(self):
        self.library = np

    def by_class(self, w):
        return filled(type(self).xp.zeros(2), w)

    def by_attribute(self, w):
        return filled(self.library.zeros(2), w)

    def that_sets_it(self, w):
        type(self).xp = self.library = np
        return filled(self.xp.zeros(2), w)

    @property
    def buffer(self):
        return zeros(2)

    def by_property(self, w):
        return filled(self.buffer, w)

    def __call__(self, w):
        return super().__init__() or self.by_property(w)


def by_closure():
    library, fresh = np, np.zeros
    return lambda w: filled(library.zeros(2), w) + filled(fresh(2), w)


def by_exec():
    namespace = {"np": np, "filled": filled}
    exec("def cost(w):\n    return filled(np.zeros(2), w)", namespace)
    return namespace["cost"]


def many_constants():
    lines = [f"    t = t + 0.{k}5 * w[0]" for k in range(400)]
    namespace = {"np": np}
    exec(
        "\n".join(["def cost(w):", "    t = np.zeros(1)[0]", *lines, "    return t + np.array([w[1]])[0]"]),
        namespace,
    )
    return namespace["cost"]


ONE_LINERS = [
    lambda w: filled(make(2), w),
    lambda w: filled(getattr(np, "ze" + "ros")(2), w),
    lambda w: sum(filled(out, w) for out in map(np.zeros, [2, 2])),
    lambda w: filled(functools.partial(np.zeros, 2)(), w),
    lambda w: (lambda xp: filled(xp.zeros(2), w))(np),
    lambda w: sum(filled(out, w) for out in [np.zeros(2) for _ in range(2)]),
    lambda w: (lambda: lambda: filled(zeros(2), w))()(),
    lambda w: array([exp(w[0]), math.log(1 + w[1] ** 2), w[2] * w[3]]).prod(),
]
COSTS = [
    by_name, by_module, imported_inside, as_default, in_a_class_body, in_a_generator, with_many_jumps, *ONE_LINERS,
    Model().by_class, Model().by_attribute, Model().that_sets_it, Model().by_property, Model(), by_closure(), by_exec(),
    many_constants(), functools.partial(by_module),
]  # fmt: skip


def functions():
    things = [*globals().values(), *vars(Model).values(), *ONE_LINERS]
    return [x for x in things if isinstance(x, types.FunctionType)]


def everything_as_before():
    assert {type(x) for x in (np, np.zeros, zeros, make, Model.xp)} <= {
        types.ModuleType,
        types.BuiltinFunctionType,
    }
    assert all(function.__code__ is CODES[function] for function in functions())


@pytest.mark.parametrize("cost", COSTS, ids=lambda c: getattr(c, "__name__", type(c).__name__))
def test_whatever_names_a_function_has(cost):
    assert_recorded(cost, W, least=1.0)
    everything_as_before()


def test_edited_code_has_the_lines_and_does_the_same():
    class Same:
        def __getitem__(self, value):
            return value

    for function in (with_many_jumps, in_a_generator, in_a_class_body, many_constants(), imported_inside):
        code = edited(function.__code__, lambda kind, name, called: Same())
        assert code is not function.__code__
        other = types.FunctionType(code, function.__globals__, "other")
        assert other(W) == function(W)
        assert {line for *_, line in code.co_lines()} == {line for *_, line in function.__code__.co_lines()}
        assert edited(function.__code__, lambda kind, name, called: None) is function.__code__
    with pytest.raises(TypeError) as raised:
        types.FunctionType(edited(by_module.__code__, lambda kind, name, called: Same()), globals())(None)
    assert raised.traceback[1].lineno == by_module.__code__.co_firstlineno


def test_functions_that_meet_nothing_with_a_stand_in_keep_their_code():
    assert instrumented_code(filled, filled.__code__) is filled.__code__
    assert (
        instrumented_code(by_name, by_name.__code__)
        is instrumented_code(by_name, by_name.__code__)
        is not by_name.__code__
    )


# Others, while a trace runs


def traced_cost(w):
    return filled(np.zeros(2), w)


def during_a_trace(do):
    """Return what a function, which the cost cannot reach, returns in another thread while this one is tracing."""
    begun, done = threading.Event(), threading.Event()

    def other():
        begun.wait(60)
        try:
            return do()
        finally:
            done.set()

    def cost(w):
        if not begun.is_set():
            assert traced_cost.__code__ is not CODES[traced_cost]
            begun.set()
            assert done.wait(60)
        return traced_cost(w)

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(other)
        recorded(cost, W)
        return result.result()


def names_numpy(n):
    return np.zeros(n) + np.ones(n)


def half_of_pi(x):
    return np.arcsin(x)


@pytest.mark.parametrize("name", ["np", "zeros", "array", "make", "exp", "math"])
def test_other_threads_see_the_very_objects_of_numpy(name):
    before = globals()[name]
    assert during_a_trace(lambda: globals()[name]) is before


def test_other_threads_can_pickle():
    data = during_a_trace(lambda: pickle.dumps((np.zeros, zeros, np.array, traced_cost)))
    assert pickle.loads(data) == (np.zeros, zeros, np.array, traced_cost)


@pytest.mark.parametrize("function", [names_numpy, traced_cost, by_name])
def test_other_threads_can_send_functions_with_cloudpickle(function):
    by_value = types.FunctionType(function.__code__, {**globals(), "__name__": "__main__"}, function.__name__)
    by_value.__module__ = "__main__"
    data = during_a_trace(lambda: cloudpickle.dumps(by_value))
    argument = 3 if function is names_numpy else W
    assert np.array_equal(cloudpickle.loads(data)(argument), function(argument))


def test_other_threads_can_compile_functions_that_name_numpy():
    assert during_a_trace(lambda: numba.njit(half_of_pi)(1.0)) == np.pi / 2


def test_other_threads_call_the_functions_of_the_cost_as_ever():
    results = during_a_trace(lambda: [by_name(W), by_module(W), traced_cost(W), type(np.zeros(1))])
    assert results == [by_name(W), by_module(W), traced_cost(W), np.ndarray]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of Unix")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_process_that_another_thread_forks_has_the_functions_as_they_were():
    def forked():
        child = os.fork()
        if child == 0:
            try:
                everything_as_before()
                good = traced_cost(W) == EXPECTED and check(by_name, W, SLOPES).passed
                os._exit(0 if good else 2)
            except BaseException:
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert during_a_trace(forked) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of Unix")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_trace_in_which_the_cost_forks_is_ended():
    def cost(w):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        return np.sum(w)

    with pytest.raises(TracingError, match="fork: what another process computes cannot be followed"):
        recorded(cost, W)


def test_checks_in_several_threads_share_functions_and_leave_none_behind():
    reports = []
    threads = [threading.Thread(target=lambda: reports.append(check(by_name, W, SLOPES))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(report.passed, report.method) for report in reports] == [(True, "difference")] * 6
    everything_as_before()


def test_a_function_that_gets_other_code_during_a_trace_keeps_it():
    def cost(w):
        return by_swapping(w)

    def by_swapping(w):
        return filled(np.zeros(2), w)

    def other(w):
        return filled(np.zeros(2), w) + 0.0

    def swapping(w):
        by_swapping.__code__ = other.__code__
        return cost(w)

    assert check(swapping, W, SLOPES).passed
    assert by_swapping.__code__ is other.__code__ or by_swapping.__code__ == other.__code__


def test_thorough_code_does_the_same_outside_of_a_trace():
    with session_of(traced_cost) as opened:
        opened.look_closer()
        assert traced_cost.__code__ is not CODES[traced_cost]
        assert traced_cost(W) == EXPECTED
        assert type(by_module(W)) is type(EXPECTED)
    assert traced_cost.__code__ is CODES[traced_cost]


def test_copies_of_code_are_told_apart_by_their_file():
    source = "def cost(w):\n    return filled(np.zeros(2), w)"
    costs = []
    for name in ("first.py", "second.py"):
        namespace = {"np": np, "filled": filled}
        exec(compile(source, name, "exec"), namespace)
        costs.append(namespace["cost"])
    assert [instrumented_code(cost, cost.__code__).co_filename for cost in costs] == ["first.py", "second.py"]


EXPECTED = traced_cost(W)
SLOPES = numerical_gradient(by_name, W, method="plain")
CODES = {function: function.__code__ for function in functions()}
