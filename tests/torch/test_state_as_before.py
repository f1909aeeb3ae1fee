import random

import pytest

torch = pytest.importorskip("torch")

from fastcheck.torch import check_function  # noqa: E402


class Net(torch.nn.Module):
    """A module with all that a forward pass may change."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 4)
        self.norm = torch.nn.BatchNorm1d(4)
        self.dropout = torch.nn.Dropout(0.3)
        self.register_buffer("largest", torch.zeros(()))
        self.calls = 0
        self.kept = None
        self.raises = False

    def forward(self, x):
        self.calls += 1
        self.kept = h = self.dropout(torch.relu(self.norm(self.linear(x))))
        self.largest.copy_(torch.maximum(self.largest, h.detach().abs().max()))
        if self.raises:
            self.eval()
            torch.set_default_dtype(torch.float16)
            raise KeyboardInterrupt
        return h


def everything(net, x, generator):
    """Return all that must be as before."""
    grads = [p.grad for p in net.parameters()]
    return {
        "tensors": {k: v.clone() for k, v in net.state_dict().items()},
        "x": x.detach().clone(),
        "grads": [None if g is None else g.clone() for g in grads],
        "same grads": [id(g) for g in grads],
        "flags": [p.requires_grad for p in (*net.parameters(), x)],
        "modes": [m.training for m in net.modules()],
        "attributes": (net.calls, net.kept, net.raises),
        "generators": (torch.get_rng_state(), generator.get_state(), random.getstate()),
        "process": (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()),
        "hooks": [len(p._backward_hooks or ()) for p in net.parameters()],
    }


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.fixture(params=[torch.float32, torch.float64])
def net(request):
    torch.manual_seed(0)
    net = Net().to(request.param)
    x = torch.randn(5, 3, dtype=request.param)
    net(x).sum().backward()
    net.kept = None
    net.linear.bias.requires_grad_(False)
    return net, x


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("by", ["module", "closure"])
def test_everything_is_as_before(net, by, order):
    net, x = net
    generator = torch.Generator().manual_seed(1)
    before = everything(net, x, generator)

    def closure(x):
        return net(x) * torch.rand(4, generator=generator, dtype=x.dtype)

    report = check_function(net if by == "module" else closure, x, order=order, cotangents=1)
    assert report.passed, report
    assert same(everything(net, x, generator), before)


def test_everything_is_as_before_after_ctrl_c_in_the_forward(net):
    net, x = net
    generator = torch.Generator()
    net.raises = True
    before = everything(net, x, generator)
    with pytest.raises(KeyboardInterrupt):
        check_function(net, x)
    assert same(everything(net, x, generator), before)


def test_everything_is_as_before_after_an_error_in_the_backward():
    class Broken(torch.autograd.Function):
        buffer = torch.zeros(3)

        @staticmethod
        def forward(ctx, x):
            Broken.buffer += x
            return x * 2

        @staticmethod
        def backward(ctx, g):
            Broken.buffer -= 5
            Broken.last = g
            torch.randn(3)
            raise ValueError("broken")

    x = torch.ones(3)
    state = torch.get_rng_state()
    with pytest.raises(ValueError, match="broken"):
        check_function(Broken, x)
    assert not Broken.buffer.any()
    assert not hasattr(Broken, "last")
    assert torch.equal(torch.get_rng_state(), state)
    assert x.grad is None
    assert not x.requires_grad


def test_dropout_has_the_same_mask_in_every_evaluation():
    torch.manual_seed(0)
    x = torch.randn(4, 3)
    fn = torch.nn.Dropout(0.5)
    assert check_function(fn, x).passed
    assert check_function(lambda x: x * torch.randn(3) + torch.rand_like(x) * x, x).passed
    assert check_function(lambda x: x * torch.randn(3) + torch.rand_like(x) * x, x.double()).passed


def test_a_forward_that_is_another_one_in_each_call_is_an_error():
    calls = [0]

    def fn(x):
        calls[0] += 1
        return x * calls[0]

    from fastcheck.errors import EvaluationError

    with pytest.raises(EvaluationError, match="fn: called twice with the same inputs"):
        check_function(fn, torch.ones(3))
    assert calls == [0]
