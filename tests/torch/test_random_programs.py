"""Random programs of views, writes and functions pass with autograd's gradient, and fail with a factor too much."""

import random

import pytest

torch = pytest.importorskip("torch")

from fastcheck.torch import check_function  # noqa: E402

PROGRAMS, STEPS = 60, 8

PLACES = (
    lambda x: x[1],
    lambda x: x[:, 1:3],
    lambda x: x.t()[::2],
    lambda x: x.diagonal(),
    lambda x: x.view(-1)[3:9].view(2, 3),
    lambda x: x.unsqueeze(0).transpose(0, 2),
)
"""Views of a 3 × 4 tensor."""

WRITES = (
    lambda part, other: part.mul_(other.mean()),
    lambda part, other: part.copy_(other.reshape(-1)[: part.numel()].reshape(part.shape)),
    lambda part, other: part.add_(other.sum() * 0.1),
    lambda part, other: part.sin_(),
    lambda part, other: part.masked_fill_(part > 0.5, 0.25),
    lambda part, other: part.index_add_(0, torch.tensor([0, 0]), part[:2].clone() * other[0, 0]),
)

FUNCTIONS = (
    lambda a, b: torch.where(a > b, a * b, b.cos()),
    lambda a, b: a.softmax(1) * b.cumsum(0),
    lambda a, b: torch.maximum(a, b.flip(1)).tanh(),
    lambda a, b: (a @ b.t() @ a).sigmoid(),
    lambda a, b: a.sort(1).values + b[torch.tensor([2, 0, 2])],
    lambda a, b: torch.cat([a[:, :2], b[:, 2:]], 1) / (1 + a * a),
)


def program(seed):
    """Return a random function of one 3 × 4 tensor."""

    def run(x):
        draws = random.Random(seed)
        pool = [x.clone()]
        for _ in range(STEPS):
            a, b = draws.choice(pool), draws.choice(pool).clone()
            if draws.random() < 0.5:
                draws.choice(WRITES)(draws.choice(PLACES)(a), b)
            else:
                pool.append(draws.choice(FUNCTIONS)(a.clone(), b).clone())
        return torch.stack(pool).sum(0)

    return run


def scaled(function, factor):
    """Return a Function whose backward pass is autograd's, times a factor."""

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return function(x)

        @staticmethod
        def backward(ctx, slope):
            with torch.enable_grad():
                x = ctx.saved_tensors[0].detach().requires_grad_()
                return factor * torch.autograd.grad(function(x), x, slope)[0]

    return Scaled


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, PROGRAMS, 20))
def test_random_programs_are_judged_rightly(first):
    for seed in range(first, first + 20):
        x = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        right = check_function(scaled(program(seed), 1.0), x, cotangents=1)
        assert right.passed, (seed, str(right))
        assert not right.notes, (seed, right.notes)
        assert not check_function(scaled(program(seed), 1.00001), x, cotangents=1).passed, seed
