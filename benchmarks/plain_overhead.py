"""What plain evaluation costs beside the textbook's loop: times, forward passes beyond two a coordinate, overhead.

``python -m benchmarks.plain_overhead`` measures and writes docs/results/plain-overhead.md. Both are right and look at
the same parameters, in turn, in the same process. The loop is written as the courses write it: the dictionary becomes a
vector, the vector is copied and becomes a dictionary again for every evaluation, and the difference is that of norms.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcheck import Report, check
from fastcheck.workers.library_threads import one_blas_thread

PAGE = Path(__file__).parent.parent / "docs" / "results" / "plain-overhead.md"

COUNTS = (1, 2, 5, 10, 20, 50, 100, 1_000, 10_000)
"""Parameters n."""

MICROSECONDS = (1, 10, 100, 1_000)
"""What one forward pass should take, about."""

MOST_SAMPLES = 2**17
"""Samples of the regression at most."""

ENOUGH, MOST_REPEATS, LEAST_REPEATS = 1.0, 25, 3
"""Seconds after which no other repeat begins, and repeats at most and at least."""

MOST_MICROSECONDS = 1_000_000
"""Parameters times microseconds of a forward pass, at most: a loop then takes some two seconds."""

TOO_LONG = 5.0
"""A loop that takes longer is measured once."""

EPSILON = 1e-7

Arrays = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A cost, its parameters, and the right gradient."""

    title: str
    cost: Callable[[Any], float]
    parameters: Arrays
    gradients: Arrays

    @property
    def size(self) -> int:
        """The number n of parameters."""
        return sum(array.size for array in self.parameters.values())


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was measured: medians, in seconds."""

    title: str
    size: int
    bare: float
    loop: float
    check: float
    ratio: float
    passes: int

    @property
    def beyond(self) -> int:
        """Forward passes beyond two a coordinate."""
        return self.passes - 2 * self.size

    @property
    def overhead(self) -> float:
        """Seconds of `check` that are not spent in the cost, for each evaluation."""
        return (self.check - self.passes * self.bare) / self.passes


# --- the textbook's loop


def textbook_loop(case: Case) -> float:
    """Return the difference, as the courses compute it."""
    ends = np.cumsum([0] + [array.size for array in case.parameters.values()]).tolist()
    places = [
        (name, start, stop, array.shape)
        for (name, array), start, stop in zip(case.parameters.items(), ends[:-1], ends[1:], strict=True)
    ]

    def vector_to_dictionary(theta: NDArray[np.float64]) -> Arrays:
        return {name: theta[start:stop].reshape(shape) for name, start, stop, shape in places}

    def dictionary_to_vector(arrays: Arrays) -> NDArray[np.float64]:
        return np.concatenate([np.reshape(arrays[name], (-1, 1)) for name in case.parameters], axis=0)

    theta, grad = dictionary_to_vector(case.parameters), dictionary_to_vector(case.gradients)
    n = theta.shape[0]
    J_plus, J_minus, gradapprox = np.zeros((n, 1)), np.zeros((n, 1)), np.zeros((n, 1))
    for i in range(n):
        theta_plus = np.copy(theta)
        theta_plus[i] += EPSILON
        J_plus[i] = case.cost(vector_to_dictionary(theta_plus))

        theta_minus = np.copy(theta)
        theta_minus[i] -= EPSILON
        J_minus[i] = case.cost(vector_to_dictionary(theta_minus))

        gradapprox[i] = (J_plus[i] - J_minus[i]) / (2 * EPSILON)
    numerator = np.linalg.norm(grad - gradapprox)
    denominator = np.linalg.norm(grad) + np.linalg.norm(gradapprox)
    return float(numerator / denominator)


# --- costs


def quadratic(n: int) -> Case:
    """Return half the squared distance from a point: one or two calls of NumPy."""
    rng = np.random.default_rng(n)
    w = rng.standard_normal(n)

    def cost(p: Arrays) -> float:
        return float(p["w"] @ p["w"]) / 2

    return Case(title="a sum of squares", cost=cost, parameters={"w": w}, gradients={"w": w.copy()})


def regression(n: int, samples: int) -> Case:
    """Return a regression by one tanh unit, one row a sample."""
    rng = np.random.default_rng(n)
    X = rng.standard_normal((samples, n)) / np.sqrt(n)
    y, w = rng.standard_normal(samples), rng.standard_normal(n)

    def cost(p: Arrays) -> float:
        return float(np.mean((np.tanh(X @ p["w"]) - y) ** 2))

    a = np.tanh(X @ w)
    return Case(
        title=f"one tanh unit, {samples:,} samples",
        cost=cost,
        parameters={"w": w},
        gradients={"w": X.T @ ((a - y) * (1 - a * a) * 2 / samples)},
    )


def python_loops(inputs: int = 12, samples: int = 12) -> Case:
    """Return a logistic regression in plain Python: lists and loops."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((samples, inputs)).tolist()
    labels = (rng.random(samples) < 0.5).astype(float).tolist()

    def outputs(p: Arrays) -> list[float]:
        w, b = p["w"].tolist(), float(p["b"][0])
        sums = [sum(weight * x for weight, x in zip(w, row, strict=True)) + b for row in rows]
        return [1 / (1 + 2.718281828459045**-z) for z in sums]

    def cost(p: Arrays) -> float:
        return sum((a - y) ** 2 for a, y in zip(outputs(p), labels, strict=True)) / samples

    theta = {"w": rng.standard_normal(inputs), "b": np.array([0.3])}
    a, y = np.array(outputs(theta)), np.array(labels)
    d = 2 * (a - y) * a * (1 - a) / samples
    gradients = {"w": np.array(rows).T @ d, "b": np.array([d.sum()])}
    return Case(title="plain Python, lists and loops", cost=cost, parameters=theta, gradients=gradients)


def features_first(sizes: tuple[int, ...], samples: int) -> Case:
    """Return the network of the courses: LINEAR → RELU → … → SIGMOID, one column a sample."""
    rng = np.random.default_rng(1)
    X, Y = rng.standard_normal((sizes[0], samples)), (rng.random((sizes[-1], samples)) < 0.5) * 1.0
    last, theta = len(sizes) - 1, {}
    for k in range(1, len(sizes)):
        theta[f"W{k}"] = rng.standard_normal((sizes[k], sizes[k - 1])) / np.sqrt(sizes[k - 1])
        theta[f"b{k}"] = 0.1 * rng.standard_normal((sizes[k], 1))

    def forward(p: Arrays) -> list[NDArray[np.float64]]:
        A = [X]
        for k in range(1, last + 1):
            Z = np.dot(p[f"W{k}"], A[-1]) + p[f"b{k}"]
            A.append(1 / (1 + np.exp(-Z)) if k == last else np.maximum(0, Z))
        return A

    def cost(p: Arrays) -> float:
        A = forward(p)[-1]
        logprobs = np.multiply(-np.log(A), Y) + np.multiply(-np.log(1 - A), 1 - Y)
        return float(1.0 / samples * np.sum(logprobs))

    A, gradients = forward(theta), {}
    dZ = A[-1] - Y
    for k in range(last, 0, -1):
        gradients[f"W{k}"] = 1.0 / samples * np.dot(dZ, A[k - 1].T)
        gradients[f"b{k}"] = 1.0 / samples * np.sum(dZ, axis=1, keepdims=True)
        dZ = np.dot(theta[f"W{k}"].T, dZ) * (A[k - 1] > 0)
    return Case(
        title=f"{'-'.join(map(str, sizes))}, ReLU and sigmoid, {samples:,} columns",
        cost=cost,
        parameters=theta,
        gradients={name: gradients[name] for name in theta},
    )


def samples_first(sizes: tuple[int, ...], samples: int) -> Case:
    """Return tanh layers and softmax, one row a sample."""
    rng = np.random.default_rng(2)
    X, labels = rng.standard_normal((samples, sizes[0])), rng.integers(sizes[-1], size=samples)
    last, theta = len(sizes) - 1, {}
    for k in range(1, len(sizes)):
        theta[f"W{k}"] = rng.standard_normal((sizes[k - 1], sizes[k])) / np.sqrt(sizes[k - 1])
        theta[f"b{k}"] = 0.1 * rng.standard_normal(sizes[k])

    def forward(p: Arrays) -> list[NDArray[np.float64]]:
        H = [X]
        for k in range(1, last + 1):
            Z = H[-1] @ p[f"W{k}"] + p[f"b{k}"]
            H.append(Z if k == last else np.tanh(Z))
        return H

    def probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))

    def cost(p: Arrays) -> float:
        return float(-np.mean(np.log(probabilities(forward(p)[-1])[np.arange(samples), labels])))

    H, gradients = forward(theta), {}
    d = probabilities(H[-1])
    d[np.arange(samples), labels] -= 1
    d /= samples
    for k in range(last, 0, -1):
        gradients[f"W{k}"], gradients[f"b{k}"] = H[k - 1].T @ d, d.sum(axis=0)
        d = (d @ theta[f"W{k}"].T) * (1 - H[k - 1] ** 2)
    return Case(
        title=f"{'-'.join(map(str, sizes))}, tanh and softmax, {samples:,} rows",
        cost=cost,
        parameters=theta,
        gradients={name: gradients[name] for name in theta},
    )


def small_arrays(count: int) -> Case:
    """Return a cost of many small arrays, as a table of embeddings or of groups has them."""
    rng = np.random.default_rng(3)
    theta = {f"v{k}": rng.standard_normal(1 + k % 4) for k in range(count)}

    def cost(p: Arrays) -> float:
        return float(np.sum(np.cos(np.concatenate([p[name] for name in theta]))))

    gradients = {name: -np.sin(value) for name, value in theta.items()}
    return Case(title=f"{count} small arrays", cost=cost, parameters=theta, gradients=gradients)


def of_about(n: int, microseconds: float) -> Case:
    """Return a cost of n parameters that takes about as long as asked for: the one with the fewest samples that does.

    With many parameters even one sample takes longer.
    """
    if microseconds <= 1:
        return quadratic(n)
    samples = 1
    case = regression(n, samples)
    while seconds_of(case) < 0.7e-6 * microseconds and samples < MOST_SAMPLES:
        samples *= 2
        case = regression(n, samples)
    return case


def styles() -> list[Case]:
    """Return costs in several styles, of several blocks."""
    return [
        python_loops(),
        features_first((4, 5, 3, 1), 3),
        features_first((20, 16, 8, 1), 64),
        samples_first((4, 5, 3), 10),
        samples_first((20, 24, 10), 64),
        small_arrays(10),
        small_arrays(200),
    ]


# --- measuring


def seconds_of(case: Case, evaluations: int = 30) -> float:
    """Return the seconds of one forward pass, the median of several rounds of evaluations."""
    rounds = []
    for _ in range(3):
        start = time.process_time()
        for _ in range(evaluations):
            case.cost(case.parameters)
        rounds.append((time.process_time() - start) / evaluations)
    return statistics.median(rounds)


def timed(function: Callable[[], Any]) -> float:
    """Return the seconds of one call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def plainly(case: Case) -> Report:
    """Check the right gradient by plain evaluation."""
    return check(case.cost, case.parameters, case.gradients, method="plain", progress=False)


def measured(case: Case) -> Row:
    """Measure the loop and the check in turn, on one thread."""
    with one_blas_thread():
        report, difference = plainly(case), textbook_loop(case)
        assert report.passed
        assert difference < 1e-6
        bare, pairs, start = [], list[tuple[float, float]](), time.process_time()
        while len(pairs) < MOST_REPEATS:
            bare.append(seconds_of(case))
            pairs.append((timed(lambda: textbook_loop(case)), timed(lambda: plainly(case))))
            seconds = time.process_time() - start
            if seconds > TOO_LONG or (len(pairs) >= LEAST_REPEATS and seconds > ENOUGH):
                break
    loop, checked = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Row(
        title=case.title,
        size=case.size,
        bare=statistics.median(bare),
        loop=loop,
        check=checked,
        ratio=statistics.median(one / other for one, other in pairs),
        passes=report.forward_passes,
    )


# --- the page


HEAD = (
    "| cost | n | one pass | loop | `check` | loop / `check` | passes beyond 2 n | overhead of an evaluation |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
)


def line(row: Row) -> str:
    """Return a row of the table."""
    return (
        f"| {row.title} | {row.size:,} | {1e6 * row.bare:,.1f} µs | {1e3 * row.loop:,.2f} ms | "
        f"{1e3 * row.check:,.2f} ms | {row.ratio:.2f} | {row.beyond} | {1e6 * row.overhead:,.1f} µs |"
    )


def page(by_size: list[Row], by_style: list[Row]) -> str:
    """Return the page as Markdown."""
    return "\n".join(
        [
            "# Plain evaluation beside the textbook's loop",
            "",
            '`check(…, method="plain")` of right gradients, and the loop of the courses over the same parameters:',
            "dictionary to vector, a copy and a dictionary again for each evaluation, the difference of norms.",
            "Processor time, medians of repeats in turn, on one thread. What is not spent in the cost itself, divided",
            "by the number of evaluations, is the overhead of one: what a check takes as a whole (reading, judging,",
            "the report) is part of it. Made by `python -m benchmarks.plain_overhead`; decided in",
            "[0038](../decisions/0038-cost-of-plain-evaluation.md).",
            "",
            "## By the number of parameters and the time of one forward pass",
            "",
            *HEAD,
            *map(line, by_size),
            "",
            "## In several styles",
            "",
            *HEAD,
            *map(line, by_style),
            "",
        ]
    )


def main() -> None:
    """Measure, write the page, and print it."""
    by_size = [
        measured(of_about(n, microseconds))
        for microseconds in MICROSECONDS
        for n in COUNTS
        if n * microseconds <= MOST_MICROSECONDS
    ]
    by_style = [measured(case) for case in styles()]
    text = page(by_size, by_style)
    PAGE.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
