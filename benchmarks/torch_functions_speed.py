"""Two fused Functions with thousands of inputs, right and with planted mistakes: what `check_function` takes and says.

``python -m benchmarks.torch_functions_speed`` prints a table; ``--gradcheck`` asks `torch.autograd.gradcheck` as well.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from fastcheck.report.result import Report
from fastcheck.torch import check_function

REPEATS = 5


class NormedLinear(torch.autograd.Function):
    """W·(γ·x̂ + β) + b, where x̂ are the rows of x, normalised: a layer norm and the product behind it in one."""

    mistake = ""

    @staticmethod
    def forward(ctx: Any, x: Any, gamma: Any, beta: Any, weight: Any, bias: Any, eps: float) -> Any:
        centred = x - x.mean(-1, keepdim=True)
        rstd = (centred.pow(2).mean(-1, keepdim=True) + eps).rsqrt()
        normed = centred * rstd
        hidden = torch.addcmul(beta, normed, gamma)
        ctx.save_for_backward(normed, rstd, gamma, hidden, weight)
        return torch.nn.functional.linear(hidden, weight, bias)

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        normed, rstd, gamma, hidden, weight = ctx.saved_tensors
        mistake = NormedLinear.mistake
        rows, inputs = dy.reshape(-1, dy.shape[-1]), hidden.reshape(-1, hidden.shape[-1])
        last = -1 if mistake == "last row left out" else None
        dweight, dbias = rows[:last].T @ inputs[:last], rows.sum(0)
        dhidden = dy @ weight
        dgamma = (dhidden * normed).flatten(0, -2).sum(0)
        dbeta = dhidden.flatten(0, -2).sum(0)
        dnormed = dhidden if mistake == "gamma forgotten" else dhidden * gamma
        along = normed * (dnormed * normed).mean(-1, keepdim=True)
        mean = 0.0 if mistake == "mean forgotten" else dnormed.mean(-1, keepdim=True)
        dx = rstd * (dnormed - mean - along)
        if mistake == "1 % too large":
            dgamma = 1.01 * dgamma
        if mistake == "one millionth too large":
            dweight = 1.000001 * dweight
        if mistake == "one entry":
            dweight[3, 5] *= 1.1
        if mistake == "a small entry":
            dweight.view(-1)[dweight.abs().argmin()] *= 2
        if mistake == "a row's sign":
            dweight[3] *= -1
        return dx, dgamma, dbeta, dweight, dbias, None


class CausalAttention(torch.autograd.Function):
    """Softmax(Q Kᵀ/√d + mask) V, whose backward pass computes the probabilities anew from their logarithmic sums."""

    mistake = ""

    @staticmethod
    def scores(q: Any, k: Any) -> Any:
        later = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).triu(1)
        return ((q @ k.mT) / q.shape[-1] ** 0.5).masked_fill(later, -torch.inf)

    @staticmethod
    def forward(ctx: Any, q: Any, k: Any, v: Any) -> Any:
        scores = CausalAttention.scores(q, k)
        total = scores.logsumexp(-1, keepdim=True)
        out = (scores - total).exp() @ v
        ctx.save_for_backward(q, k, v, out, total)
        return out

    @staticmethod
    def backward(ctx: Any, dout: Any) -> Any:
        q, k, v, out, total = ctx.saved_tensors
        mistake, scale = CausalAttention.mistake, q.shape[-1] ** -0.5
        p = (CausalAttention.scores(q, k) - total).exp()
        dv, dp = p.mT @ dout, dout @ v.mT
        delta = 0.0 if mistake == "sum over a row forgotten" else (dout * out).sum(-1, keepdim=True)
        dscores = p * (dp - delta)
        dq, dk = dscores @ k * scale, dscores.mT @ q * (1.0 if mistake == "scale forgotten" else scale)
        if mistake == "1 % too large":
            dv = 1.01 * dv
        if mistake == "one millionth too large":
            dq = 1.000001 * dq
        if mistake == "one entry":
            dq[0, 0, 5, 3] *= 1.1
        if mistake == "a row's sign":
            dk[0, 0, 7] *= -1
        if mistake == "last key":
            dv[:, :, -1] = 0
        return dq, dk, dv


MISTAKES: dict[Any, tuple[str, ...]] = {
    NormedLinear: (
        *("gamma forgotten", "mean forgotten", "last row left out", "1 % too large"),
        *("one millionth too large", "one entry", "a small entry", "a row's sign"),
    ),
    CausalAttention: (
        *("sum over a row forgotten", "scale forgotten", "last key", "1 % too large"),
        *("one millionth too large", "one entry", "a row's sign"),
    ),
}


def inputs_of(function: Any) -> tuple[Any, ...]:
    """Return what a Function is checked with: 8,384 numbers of the one, 6,144 of the other."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    if function is CausalAttention:
        return drawn(2, 2, 32, 16), drawn(2, 2, 32, 16), drawn(2, 2, 32, 16)
    return drawn(4, 16, 64), 1 + drawn(64) / 10, drawn(64) / 10, drawn(64, 64) / 8, drawn(64) / 10, 1e-5


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the median of a few times, in seconds, and what a call returns."""
    call()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


def main() -> None:
    """Print a line for each Function and mistake."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torch_functions_speed")
    parser.add_argument(
        "--gradcheck", action="store_true", help="time torch.autograd.gradcheck of right ones, too"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    for function, mistakes in MISTAKES.items():
        inputs = inputs_of(function)
        for mistake in ("", *mistakes):
            function.mistake = mistake
            seconds, report = timed(lambda: check_function(function, *inputs))  # noqa: B023
            print(
                f"{function.__name__:16} {mistake or 'right':26} {seconds:6.3f} s  {said(report)}", flush=True
            )
        function.mistake = ""
        if options.gradcheck:
            leaves = [x.requires_grad_() if isinstance(x, torch.Tensor) else x for x in inputs]
            for fast in (True, False):
                start = time.perf_counter()
                torch.autograd.gradcheck(function.apply, leaves, fast_mode=fast)
                print(
                    f"  torch.autograd.gradcheck(fast_mode={fast}): {time.perf_counter() - start:.3f} s",
                    flush=True,
                )


def said(report: Report) -> str:
    """Return what a report says, in a line."""
    if report.passed:
        return f"pass, {report.size:,} inputs, difference {report.difference:.0e}"
    wrong = [name for name, block in report.blocks.items() if block.verdict == "fail"]
    return f"fail in {', '.join(wrong)}: {report.causes[0].sentence}"


if __name__ == "__main__":
    main()
