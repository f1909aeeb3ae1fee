"""Print the ways of computing that this processor offers, one a line: a title, a tab, and environment variables.

What NumPy, its BLAS and numba compute in their last bits depends on the processor's vector units. Which of them
there are is asked of NumPy and of OpenBLAS, so that every machine tries what it can.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

KERNELS = ("Nehalem", "Sandybridge", "Haswell", "SkylakeX", "ARMV8", "NEOVERSEN1", "NEOVERSEV1")
"""Families of processors whose kernels OpenBLAS holds; most others run those of one of these."""

CHOSEN = """
import numpy as np
from threadpoolctl import threadpool_info
for size in (3, 40, 300):
    a = np.ones((size, size))
    assert np.all(a @ a == size) and np.all(a @ a[0] == size)
print(*(one["architecture"] for one in threadpool_info() if "architecture" in one))
"""
"""A program that multiplies with the kernels that OpenBLAS chose, and prints whose they are."""


def ways() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield a title and the variables that choose it, for every way of computing other than the default one."""
    features = enabled_features()
    wide = [name for name in features if name.startswith("AVX512") or name == "X86_V4"]
    if wide and wide != features:
        yield "NumPy without AVX-512", {"NPY_DISABLE_CPU_FEATURES": ",".join(wide)}
    if features:
        yield (
            "NumPy and numba with the oldest processor's instructions only",
            {"NPY_DISABLE_CPU_FEATURES": ",".join(features), "NUMBA_CPU_NAME": "generic"},
        )
    default = kernels_taken({})
    for kernel in KERNELS:
        variables = {"OPENBLAS_CORETYPE": kernel}
        if kernel.lower() not in default and kernel.lower() in kernels_taken(variables):
            yield f"OpenBLAS with the kernels for {kernel}", variables


def enabled_features() -> list[str]:
    """Return the features above the baseline that NumPy was built for and that this processor has."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return [name for name in __cpu_dispatch__ if __cpu_features__[name]]


def kernels_taken(variables: dict[str, str]) -> list[str]:
    """Return whose kernels OpenBLAS takes under these variables, in lower case; none if the processor fails on them."""
    done = subprocess.run(
        [sys.executable, "-c", CHOSEN], env=os.environ | variables, capture_output=True, text=True
    )
    return done.stdout.lower().split() if done.returncode == 0 else []


if __name__ == "__main__":
    print(
        f"NumPy {np.__version__} here uses {', '.join(enabled_features()) or 'its baseline'}.",
        file=sys.stderr,
    )
    for title, variables in ways():
        print(title, *(f"{name}={value}" for name, value in variables.items()), sep="\t")
