"""A study with answers that are known, for pictures."""

import numpy as np

from fastcheck.pictures.code_lines import CodeLine
from fastcheck.pictures.network import Network, Step
from fastcheck.pictures.step_curve import StepCurve


def step(number, text, shape=(3,), blocks=(), inputs=(), runs=1):
    line = CodeLine(file="network.py", number=number, text=text) if text else None
    return Step(line=line, operations=("dot", "add"), shape=shape, runs=runs, blocks=blocks, inputs=inputs)


THREE_LAYERS = (
    step(1, "Z1 = np.dot(W1, X) + b1", (5, 3), ("W1", "b1")),
    step(2, "A1 = relu(Z1)", (5, 3), (), (0,)),
    step(3, "Z2 = np.dot(W2, A1) + b2", (3, 3), ("W2", "b2"), (1,)),
    step(4, "A2 = relu(Z2) + A1[:3]", (3, 3), (), (2, 1)),
    step(5, "cost = np.sum(A2)", (), (), (3,)),
)


class KnownStudy:
    """Answers with these steps, and with a curve of the textbook's shape."""

    def __init__(self, steps=THREE_LAYERS, *, changed=False):
        self.steps, self.changed, self.asked = steps, changed, None
        self.said = dict.fromkeys(("network", "step_curve"), "the data has changed") if changed else {}

    def network(self):
        return None if self.changed else Network(steps=tuple(self.steps))

    def step_curve(self, block, index, slope):
        self.asked = (block, index, slope)
        if self.changed:
            return None
        steps = 10.0 ** np.arange(0, -17, -1)
        name = f"{block}[{', '.join(map(str, index))}]" if index else block
        exact = np.where(steps < 1e-9, 0.0, steps**2)
        plain = np.where(steps < 1e-15, np.nan, np.maximum(steps**2, 1e-16 / steps))
        return StepCurve(name=name, slope=slope, steps=steps, plain=plain, difference=exact)

    def functions(self):
        return ()
