import copy
import importlib.util
import threading

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
import torch.nn.functional as F  # noqa: E402, N812
from followed_slopes import expect_same_slopes, recorded, recording_of, tensors  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import fastcheck  # noqa: E402
from fastcheck.engines.graph.frameworks.torch.cost import TorchCost  # noqa: E402


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(x, k):
        return x * k, x.sum()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, of_product, of_sum):
        x, k = ctx.saved_tensors
        return of_product * k + of_sum, (of_product * x).sum()


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, slope):
        return 2 * slope


def checkpointed(x):
    return checkpoint(lambda z: (z * z).sin(), x, use_reentrant=False)


def with_autocast(x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return x @ x.t()


def decided_by_values(x):
    y = x * 2 if x.sum() > 0 else x * 3
    for _ in range(int((x > 0).sum())):
        y = y * 0.9 + x
    return y * x[int(x.argmax()) % 3]


def printed(x):
    assert f"{x.mean().item():.2f} {x} {x[0, 0]:.3f}"
    return x * x


def drawn(x):
    return F.dropout(x, 0.5, True) * torch.randn(3, 4, dtype=torch.float64) + F.gumbel_softmax(x)


def of_empty_ones(x):
    return torch.cat([x[:0], x]) + x[:, :0].sum() + x.new_zeros(0, 4).sum(0)


def padded_sequences(x):
    packed = nn.utils.rnn.pack_padded_sequence(
        torch.stack([x, 2 * x]), torch.tensor([3, 2]), batch_first=True
    )
    return nn.utils.rnn.pad_packed_sequence(LSTM(packed)[0], batch_first=True)[0]


with torch.random.fork_rng():
    torch.manual_seed(0)
    ATTENTION = nn.MultiheadAttention(4, 2, batch_first=True).double()
    ENCODER = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).double().eval()
    GRU = nn.GRU(4, 3, 2, bidirectional=True).double()
    LSTM = nn.LSTM(4, 3, batch_first=True).double()
    RNN = nn.RNN(4, 3, batch_first=True).double()

FOLLOWED = {
    "setup_context": lambda x: Scaled.apply(x, x[0, 0]),
    "mark_dirty": lambda x: Doubled.apply(x.clone()) * x,
    "torch.func.grad": lambda x: torch.func.grad(lambda z: (z.sin() * z).sum())(x),
    "torch.func.vmap": lambda x: torch.func.vmap(lambda row: row * row.sum())(x),
    "torch.func.jvp": lambda x: torch.func.jvp(lambda z: z**3, (x,), (torch.ones_like(x),))[1],
    "torch.func.jacrev": lambda x: torch.func.jacrev(lambda z: (z**2).sum(0))(x),
    "checkpoint": checkpointed,
    "autocast": with_autocast,
    "decisions": decided_by_values,
    "print": printed,
    "random numbers": drawn,
    "masks that move": lambda x: x * (x > 0).double() + x[x > 0.3].sum() * (x > 0).sum(),
    "whole numbers": lambda x: x * x.int().float() + x.long() * x,
    "empty": of_empty_ones,
    "attention": lambda x: ATTENTION(x[None], x[None], x[None])[0],
    "encoder": lambda x: ENCODER(x[None]),
    "GRU": lambda x: GRU(x[:, None]),
    "RNN": lambda x: RNN(x[None])[0],
    "packed sequences": padded_sequences,
    "permuted and strided": lambda x: x.t()[::2].contiguous().view(-1) * x.t().flatten()[:6],
    "dropout of permuted entries": lambda x: F.dropout(x.t().softmax(-1).t() * x.t().contiguous().t()),
    "order in memory": lambda x: (x.t() * 2).clone().view(4, 3) + x.t().contiguous().view(4, 3),
    "conj": lambda x: torch.conj(x) * torch.resolve_neg(x),
}


@pytest.mark.filterwarnings("ignore:`torch.jit.script`")  # torch.func.jvp imports a module that uses it
@pytest.mark.parametrize("name", FOLLOWED)
def test_what_people_write_is_followed(name):
    torch.manual_seed(4)
    (x,) = tensors((3, 4))
    with torch.random.fork_rng():
        expect_same_slopes(FOLLOWED[name], x, seed=4)


def cut_off(x):
    with torch.enable_grad():
        z = x.detach().requires_grad_()
        (slopes,) = torch.autograd.grad((z**3).sum(), z)
    return slopes * x


def twice(x):
    with torch.enable_grad():
        z = x.clone().requires_grad_()
        (slopes,) = torch.autograd.grad((z.tanh() ** 2).sum(), z, create_graph=True)
        return torch.autograd.grad((slopes * z).sum(), z)[0]


def twice_truth(x):
    z = x * 1
    (slopes,) = torch.autograd.grad((z.tanh() ** 2).sum(), z, create_graph=True)
    return torch.autograd.grad((slopes * z).sum(), z, create_graph=True)[0]


def of_other_data(x):
    y = x.clone()
    y.data = x * 2
    return y * y


HIDDEN = {
    "gradients of its own": (cut_off, lambda x: 3 * x**3),
    "gradients of gradients": (twice, twice_truth),
    "nn.Parameter": (lambda x: nn.Parameter(x) * x, lambda x: x * x),
    "deepcopy": (lambda x: copy.deepcopy(x) * x, lambda x: x * x),
    "x.data = ...": (of_other_data, lambda x: 4 * x * x),
    "half precision": (lambda x: (x.half() * x.half()).float(), lambda x: x * x),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_autograd_does_not_see_is_followed(name):
    function, truth = HIDDEN[name]
    expect_same_slopes(function, *tensors((3, 4)), truth=truth)


def in_a_thread(x):
    results = []
    thread = threading.Thread(target=lambda: results.append(x * x))
    thread.start()
    thread.join()
    return results[0]


@torch.library.custom_op("fastcheck_tests::tripled", mutates_args=())
def tripled(x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(3 * x.numpy())


tripled.register_autograd(lambda ctx, slope: 3 * slope)

UNFOLLOWED = {
    "an operation of the user's": (lambda x: tripled(x) * 2, "tripled"),
    "complex factors": (lambda x: torch.view_as_real(x * (1 + 2j)), "complex"),
    "sparse": (lambda x: torch.sparse.mm(torch.eye(3).double().to_sparse(), x), "_sparse_addmm"),
    "complex": (lambda x: torch.view_as_real(torch.complex(x, x)), "complex"),
    "memory": (lambda x: x * (x.data_ptr() > 0), "data_ptr"),
    "thread": (in_a_thread, "not recorded"),
}


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("name", UNFOLLOWED)
def test_what_is_not_followed_is_evaluated_plainly_and_named(name):
    function, word = UNFOLLOWED[name]
    (x,) = tensors((3, 4))
    leaf = x.clone().requires_grad_()
    y = function(leaf)
    (gradient,) = torch.autograd.grad(y.sum(), leaf)
    cost = TorchCost(lambda named: function(named["x"]), [np.ones(y.shape)])
    report = fastcheck.check(cost, {"x": x.numpy()}, {"x": gradient.numpy()})
    assert (report.passed, report.method) == (True, "plain")
    assert word in report.notes[0]
    assert name == "thread" or "test_followed_code.py" in report.notes[0]
    assert not fastcheck.check(cost, {"x": x.numpy()}, {"x": 1.01 * gradient.numpy()}).passed


def test_memory_that_is_used_again_is_not_taken_for_what_was_there():
    def many_short_lived(x):
        total = x * 0
        for k in range(50):
            total = total + (x * k).sum() * torch.ones(64, 64, dtype=torch.float64)[0, :4]
        return total

    expect_same_slopes(many_short_lived, *tensors((3, 4)))


def test_what_a_forward_stores_is_put_back_after_a_recording():
    class Stateful(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).double()
            self.calls, self.cache, self.log = 0, None, []

        def forward(self, x):
            self.calls += 1
            self.cache = self.inner(x)
            self.log.append(self.cache.mean())
            self.inner.last = self.cache
            return self.cache * self.calls

    module = Stateful()
    running = module.inner[1].running_mean.clone()
    cost = TorchCost(lambda named: module(named["x"]), [np.ones((3, 4))])
    (x,) = tensors((3, 4))
    from fastcheck.engines.graph.recording.record import record
    from fastcheck.engines.graph.recording.session import session_of

    with session_of(cost):
        record(cost, lambda arrays: {"x": arrays[0]}, [x.numpy()], 2**30)
        assert module.calls == 1
    assert (module.calls, module.cache, module.log) == (0, None, [])
    assert not hasattr(module.inner, "last")
    assert torch.equal(module.inner[1].running_mean, running)


def test_causes_name_the_line_in_the_users_own_file(tmp_path):
    file = tmp_path / "my_layers.py"
    file.write_text(
        "import torch\n"
        "from torch import nn\n\n"
        "class Gate(torch.autograd.Function):\n"
        "    @staticmethod\n"
        "    def forward(ctx, h):\n"
        "        return h.sigmoid() * h\n\n"
        "class Layer(nn.Module):\n"
        "    def forward(self, x, w):\n"
        "        h = Gate.apply(nn.functional.linear(x, w))\n"
        "        return h.tanh()\n"
    )
    spec = importlib.util.spec_from_file_location("my_layers", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    w, x = (y.numpy() for y in tensors((2, 4), (3, 4)))
    z = torch.from_numpy(x @ w.T)
    h = z.sigmoid() * z
    of_h = 1 - h.tanh() ** 2
    without_product_rule = (of_h * z.sigmoid()).numpy().T @ x
    layer = module.Layer()
    cost = TorchCost(lambda named: layer(torch.from_numpy(x), named["w"]), [np.ones((3, 2))])
    report = fastcheck.check(cost, {"w": w}, {"w": without_product_rule})
    assert report.method == "difference"
    assert not report.passed
    assert "my_layers.py:7" in str(report)


def test_a_recording_without_parameters_reaching_the_result_has_slopes_of_zero():
    (x,) = tensors((3, 4))
    recording = recording_of(
        lambda x: torch.zeros_like(x) + torch.full_like(x, 2.0), x, cotangent=np.ones((3, 4))
    )
    assert recording.value == 24.0
    assert not recording.slopes()[0].any()


def test_values_are_not_read_by_what_asks_for_shapes_only():
    recording, _ = recorded(lambda x: torch.ones_like(x) * x.numel() + x * x.stride(0), *tensors((3, 4)))
    assert [type(node).__name__ for node in recording.tape.nodes].count("Guard") == 0
