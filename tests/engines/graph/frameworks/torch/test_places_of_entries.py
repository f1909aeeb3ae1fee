import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812
from followed_slopes import expect_same_slopes, tensors  # noqa: E402

ROWS = torch.tensor([2, 0, 2])
PLACES = torch.tensor([[0, 1, 1, 3], [2, 2, 0, 1]])
MASK = torch.tensor([[True, False, True, True], [False, False, True, False], [True, True, False, True]])

INDEXED = {
    "rows": lambda x, y: x[ROWS],
    "list": lambda x, y: x[[0, 0, 1]],
    "pairs": lambda x, y: x[ROWS, torch.tensor([1, 1, 3])],
    "rows and slice": lambda x, y: x[:, ROWS][..., 1:],
    "mask": lambda x, y: x[MASK],
    "mask of rows": lambda x, y: x[torch.tensor([True, False, True])],
    "index_put": lambda x, y: torch.index_put(x, (ROWS[:2],), y[:2]),
    "index_put, accumulated": lambda x, y: x.index_put((ROWS,), y, accumulate=True),
    "gather": lambda x, y: x.gather(1, PLACES),
    "gather rows": lambda x, y: x.gather(0, PLACES % 3),
    "take_along_dim": lambda x, y: torch.take_along_dim(x, PLACES[:1], dim=1),
    "scatter": lambda x, y: x.scatter(1, torch.tensor([[1, 2], [0, 3], [3, 1]]), y[:, :2]),
    "scatter a number": lambda x, y: x.scatter(1, torch.tensor([[1], [0], [3]]), 2.0),
    "scatter_add": lambda x, y: x.scatter_add(1, torch.tensor([[1, 1], [0, 3], [3, 3]]), y[:, 2:]),
    "scatter_reduce sum": lambda x, y: x.scatter_reduce(1, PLACES, y[:2], "sum"),
    "scatter_reduce mean": lambda x, y: x.scatter_reduce(1, PLACES, y[:2], "mean", include_self=False),
    "scatter_reduce prod": lambda x, y: x.scatter_reduce(1, PLACES, y[:2], "prod"),
    "scatter_reduce amax": lambda x, y: x.scatter_reduce(1, PLACES, y[:2], "amax"),
    "index_select": lambda x, y: x.index_select(1, ROWS),
    "index_add": lambda x, y: x.index_add(0, ROWS, y, alpha=2),
    "index_copy": lambda x, y: x.index_copy(0, ROWS[:2], y[:2]),
    "index_fill": lambda x, y: x.index_fill(0, ROWS, 1.5),
    "take": lambda x, y: x.take(torch.tensor([[5, 0], [5, 7]])),
    "masked_select": lambda x, y: x.masked_select(MASK),
    "masked_scatter": lambda x, y: x.masked_scatter(MASK, y),
    "select_scatter": lambda x, y: x.select_scatter(y[0], 0, 1),
    "slice_scatter": lambda x, y: x.slice_scatter(y[:, :2], 1, 1, 3),
    "embedding": lambda x, y: F.embedding(PLACES % 3, x),
    "embedding_bag": lambda x, y: F.embedding_bag(PLACES % 3, x),
    "embedding_bag sums": lambda x, y: F.embedding_bag(
        ROWS, x, torch.tensor([0, 1]), mode="sum", per_sample_weights=y[0, :3]
    ),
    "embedding_bag max": lambda x, y: F.embedding_bag(PLACES % 3, x, mode="max"),
    "one_hot": lambda x, y: F.one_hot(ROWS, 3).double() @ x,
    "searchsorted": lambda x, y: torch.searchsorted(torch.tensor([-0.5, 0.5]).double(), x) * y,
    "bucketize": lambda x, y: torch.bucketize(x, torch.tensor([-0.5, 0.5]).double()) * y,
}


@pytest.mark.parametrize("name", INDEXED)
def test_entries_taken_and_set_by_place_have_the_slopes_of_autograd(name):
    x, y = tensors((3, 4), (3, 4))
    expect_same_slopes(INDEXED[name], x, y)


def test_sums_of_weights_by_their_numbers_have_the_slopes_of_a_matrix_of_ones():
    def truth(x):
        return torch.zeros(3).double().index_add(0, ROWS, x)

    (x,) = tensors((3,))
    expect_same_slopes(lambda x: torch.bincount(ROWS, x), x, truth=truth)
