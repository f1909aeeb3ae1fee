"""`check_against` on kernels in many styles: right ones pass, and which planted mistakes are found in which dtype.

``python -m benchmarks.torch_kernels`` prints the tables of docs/results/torch-kernels.md.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from benchmarks.torch_kernel_cases import CASES, Case, Gradients, planted
from fastcheck.torch import check_against
from fastcheck.torch.kernels.kernel_report import KernelReport

DTYPES = ("float64", "float32", "float16", "bfloat16")
LENGTH = 33
FACTORS = (1.1, 1.03, 1.01, 1.003, 1.001, 1 + 1e-4, 1 + 1e-5, 1 + 1e-6, 1 + 1e-8, 1 + 1e-10)


def _first(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Gradients], Gradients]:
    """Return a mistake in the first gradient alone."""
    return lambda gradients: (change(gradients[0].clone()), *gradients[1:])  # type: ignore[union-attr]


def _times(factor: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a factor, applied before the gradient is rounded to its dtype, as a kernel would."""
    return lambda g: (g.double() * factor).to(g.dtype)


def _place(g: torch.Tensor) -> int:
    """Return where the entry of middle size is, of those that are not zero."""
    sizes = g.double().abs().reshape(-1)
    order = sizes.argsort()
    some = order[sizes[order] > 0]
    return int(some[len(some) // 2]) if len(some) else 0


def _one_entry(factor: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(g: torch.Tensor) -> torch.Tensor:
        g = g.contiguous()
        g.view(-1)[_place(g)] *= factor
        return g

    return change


def _last(g: torch.Tensor) -> torch.Tensor:
    """Return a gradient whose last block, of the last axis but one or the only one, is lost."""
    axis = max(0, g.dim() - 2)
    g.narrow(axis, g.shape[axis] - 1, min(1, g.shape[axis])).zero_()
    return g


MISTAKES = {
    "sign": _first(lambda g: -g),
    "× 1.01": _first(_times(1.01)),
    "× 1.001": _first(_times(1.001)),
    "× (1 + 1e-5)": _first(_times(1 + 1e-5)),
    "one entry lost": _first(_one_entry(0.0)),
    "one entry × 1.1": _first(_one_entry(1.1)),
    "last row lost": _first(_last),
    "none": lambda gradients: (None, *gradients[1:]),
}


def check(case: Case, dtype: str, seed: int = 0, length: int = LENGTH) -> KernelReport:
    """Check a kernel in the shapes given."""
    inputs = case.inputs(length, torch.Generator().manual_seed(seed))
    return check_against(
        case.reference, case.kernel, inputs, [dtype], shapes="given", layouts=["contiguous"], seed=seed
    )


def found(case: Case, dtype: str, mistake: Callable[[Gradients], Gradients], seed: int = 0) -> bool:
    """Whether a mistake in its backward pass is found."""
    planted.append(mistake)
    try:
        return not check(case, dtype, seed).passed
    finally:
        planted.clear()


def has_gradient(case: Case) -> bool:
    """Whether its first gradient is not zero everywhere."""
    return case.name != "rounded"


def smallest_factor(case: Case, dtype: str) -> float:
    """Return the smallest of some factors that is found."""
    return min((f for f in FACTORS if found(case, dtype, _first(_times(f)))), default=float("inf"))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    cases = [case for case in CASES if has_gradient(case)]
    print("| | " + " | ".join(DTYPES) + " |\n| --- |" + " ---: |" * len(DTYPES))
    right = [
        f"{sum(check(c, d, s).passed for c in CASES for s in seeds)} of {len(CASES) * len(seeds)}"
        for d in DTYPES
    ]
    print("| right kernels that pass | " + " | ".join(right) + " |")
    for name, mistake in MISTAKES.items():
        counts = [sum(found(case, dtype, mistake) for case in cases) for dtype in DTYPES]
        print(f"| {name} | " + " | ".join(f"{n} of {len(cases)}" for n in counts) + " |", flush=True)
    print("\n| kernel | " + " | ".join(DTYPES) + " | seconds |\n| --- |" + " ---: |" * (len(DTYPES) + 1))
    for case in cases:
        factors = [f"1 + {smallest_factor(case, dtype) - 1:.0e}" for dtype in DTYPES]
        times = []
        for seed in seeds:
            start = time.perf_counter()
            check(case, "float32", seed)
            times.append(time.perf_counter() - start)
        print(f"| {case.name} | " + " | ".join(factors) + f" | {statistics.median(times):.2f} |", flush=True)


if __name__ == "__main__":
    main()
