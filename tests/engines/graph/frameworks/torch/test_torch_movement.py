import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812
from followed_slopes import expect_same_slopes, tensors  # noqa: E402

MOVED = {
    "view": lambda x: x.view(4, 6),
    "flatten": lambda x: x.flatten(1),
    "unflatten": lambda x: x.unflatten(2, (2, 2)),
    "t": lambda x: x[0].t(),
    "mT": lambda x: x.mT,
    "transpose": lambda x: x.transpose(0, 2),
    "permute": lambda x: x.permute(2, 0, 1),
    "movedim": lambda x: x.movedim(0, -1),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "expand": lambda x: x[:, :1].expand(-1, 5, 4),
    "expand to more axes": lambda x: x.expand(2, 2, 3, 4),
    "broadcast_to": lambda x: torch.broadcast_to(x[0, 0], (3, 4)),
    "squeeze": lambda x: x[:1].squeeze(0),
    "squeeze all": lambda x: x[:1, :1].squeeze(),
    "unsqueeze": lambda x: x.unsqueeze(-2),
    "select": lambda x: x.select(1, -1),
    "slice": lambda x: x[:, ::2, 1:-1],
    "None and ellipsis": lambda x: x[None, ..., 1],
    "split": lambda x: x.split(2, dim=1),
    "split sizes": lambda x: x.split([1, 3], dim=2),
    "chunk": lambda x: x.chunk(3, -1),
    "tensor_split": lambda x: torch.tensor_split(x, 3, dim=2),
    "unsafe_split": lambda x: torch.unsafe_split(x, 2, 1),
    "unbind": lambda x: x.unbind(1),
    "hsplit": lambda x: torch.hsplit(x, 3),
    "narrow": lambda x: x.narrow(2, 1, 2),
    "flip": lambda x: x.flip(0, 2),
    "roll": lambda x: x.roll(1, 2),
    "roll all": lambda x: x.roll(5),
    "rot90": lambda x: x.rot90(1, (1, 2)),
    "repeat": lambda x: x.repeat(2, 1, 3),
    "repeat to more axes": lambda x: x.repeat(2, 1, 1, 2),
    "tile": lambda x: x.tile(2, 2),
    "repeat_interleave": lambda x: x.repeat_interleave(2, dim=1),
    "repeat_interleave of each": lambda x: x.repeat_interleave(torch.tensor([0, 2, 1]), dim=1),
    "cat": lambda x: torch.cat([x, 2 * x], dim=1),
    "cat with an empty one": lambda x: torch.cat([torch.zeros(0).double(), x[0, 0]]),
    "stack": lambda x: torch.stack([x, 2 * x], dim=-1),
    "hstack": lambda x: torch.hstack([x, 3 * x]),
    "pad": lambda x: F.pad(x, (1, 2, 0, 1)),
    "pad with a value": lambda x: F.pad(x, (1, 2), value=3.0),
    "negative pad": lambda x: F.pad(x, (-1, 2)),
    "reflect": lambda x: F.pad(x, (2, 1), mode="reflect"),
    "replicate": lambda x: F.pad(x, (2, 1), mode="replicate"),
    "circular": lambda x: F.pad(x, (2, 1), mode="circular"),
    "unfold": lambda x: x.unfold(2, 2, 1),
    "as_strided": lambda x: x.as_strided((2, 3), (1, 2), 3),
    "as_strided, entries twice": lambda x: x.as_strided((3, 4), (2, 0), 1),
    "diagonal": lambda x: x.diagonal(1, 1, 2),
    "diag": lambda x: torch.diag(x[0, 0]),
    "diag_embed": lambda x: torch.diag_embed(x, 1),
    "tril": lambda x: x.tril(-1),
    "triu": lambda x: x.triu(1),
    "meshgrid": lambda x: torch.meshgrid(x[0, 0], x[0, 1], indexing="ij"),
    "F.unfold": lambda x: F.unfold(x[None], (2, 2), padding=1),
    "F.fold": lambda x: F.fold(x.reshape(1, 4, 6), (3, 4), (2, 2)),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x.reshape(1, 8, 1, 3), 2),
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x.reshape(1, 1, 6, 4), 2),
    "channel_shuffle": lambda x: F.channel_shuffle(x.reshape(1, 4, 2, 3), 2),
    "contiguous": lambda x: x.transpose(0, 1).contiguous().view(6, 4),
    "clone": lambda x: x.clone(memory_format=torch.contiguous_format),
    "tensor method T": lambda x: x[0].T,
    "view_as": lambda x: x.view_as(torch.zeros(6, 4)),
    "ravel": lambda x: x.ravel(),
    "atleast_3d": lambda x: torch.atleast_3d(x[0]),
    "double": lambda x: x.double(),
    "0-d": lambda x: x[0, 0, 0].view(1),
    "cartesian_prod": lambda x: torch.cartesian_prod(x[0, 0], x[0, 1]),
    "block_diag": lambda x: torch.block_diag(x[0], x[1]),
}


@pytest.mark.parametrize("name", MOVED)
def test_entries_that_move_have_the_slopes_of_autograd(name):
    (x,) = tensors((2, 3, 4))
    expect_same_slopes(MOVED[name], x)


def test_a_view_of_another_dtype_is_refused():
    from followed_slopes import recorded

    from fastcheck.engines.graph.tracing.tracing_error import TracingError

    (x,) = tensors((3,))
    with pytest.raises(TracingError, match="bits"):
        recorded(lambda x: (x.view(torch.int64) % 2) * x, x)
