"""Instrumented code and its helpers live as long as they are used, and are pickled by name."""

import pickle
import subprocess
import sys
import textwrap

from fastcheck.engines.graph.recording.instrumenting import (
    CALLED,
    KNOWN,
    LIFTING,
    UNPACKING,
    lists_of,
    receiver,
)


def test_functions_and_their_code_are_not_kept_alive():
    program = """
        import gc, weakref
        import numpy as np
        from fastcheck import check

        def make():
            namespace = {"np": np}
            exec("def cost(w):\\n    return np.sum(np.array([w[0], w[1]]) ** 2)", namespace)
            return namespace["cost"]

        cost = make()
        dies = [weakref.ref(cost), weakref.ref(cost.__code__)]
        assert check(cost, np.ones(2), 2 * np.ones(2)).method == "difference"
        del cost
        gc.collect()
        print([x() is None for x in dies])
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert found.stdout.strip() == "[True, True]", found.stderr


def test_helpers_are_pickled_by_name():
    named = [receiver("zeros"), receiver("dot"), receiver("float64"), lists_of("mean")]
    for helper in (KNOWN, CALLED, LIFTING, UNPACKING, *named):
        assert pickle.loads(pickle.dumps(helper)) is helper
