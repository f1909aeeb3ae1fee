import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812
from followed_slopes import expect_same_slopes, tensors  # noqa: E402

CONVOLUTIONS = {
    "1d": (lambda x, w, b: F.conv1d(x, w, b, padding=1), (2, 3, 7), (4, 3, 3), (4,)),
    "2d": (lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=1), (2, 2, 5, 6), (3, 2, 3, 2), (3,)),
    "3d": (lambda x, w, b: F.conv3d(x, w, b), (1, 2, 3, 4, 3), (2, 2, 2, 2, 2), (2,)),
    "without a batch": (lambda x, w, b: F.conv2d(x, w, b), (2, 4, 4), (3, 2, 3, 3), (3,)),
    "groups": (lambda x, w, b: F.conv2d(x, w, b, groups=2), (2, 4, 4, 4), (6, 2, 2, 2), (6,)),
    "depthwise, dilated": (
        lambda x, w, b: F.conv1d(x, w, b, groups=3, dilation=2),
        (2, 3, 8),
        (3, 1, 3),
        (3,),
    ),
    "same": (lambda x, w, b: F.conv2d(x, w, b, padding="same"), (1, 2, 4, 5), (2, 2, 3, 3), (2,)),
    "transposed": (
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1, output_padding=1),
        (2, 3, 3, 4),
        (3, 2, 3, 3),
        (2,),
    ),
    "transposed, groups": (
        lambda x, w, b: F.conv_transpose1d(x, w, b, groups=2, dilation=2),
        (1, 4, 5),
        (4, 3, 2),
        (6,),
    ),
    "conv_tbc": (lambda x, w, b: torch.conv_tbc(x, w, b, 1), (5, 2, 3), (3, 3, 4), (4,)),
}

PRODUCTS = {
    "mm": (lambda x, y: x @ y, (3, 4), (4, 2)),
    "mv": (lambda x, y: x @ y, (3, 4), (4,)),
    "dot": (lambda x, y: x @ y, (4,), (4,)),
    "bmm": (lambda x, y: torch.bmm(x, y), (2, 3, 4), (2, 4, 2)),
    "broadcast": (lambda x, y: x @ y, (2, 1, 3, 4), (5, 4, 2)),
    "vector and stack": (lambda x, y: x @ y, (4,), (2, 4, 3)),
    "addmm": (lambda x, y: torch.addmm(x[:, :2], x, y, beta=0.5, alpha=2), (3, 4), (4, 2)),
    "addmv": (lambda x, y: torch.addmv(y[:3], x, y), (3, 4), (4,)),
    "addbmm": (lambda x, y: torch.addbmm(x[0, :, :2], x, y), (2, 3, 4), (2, 4, 2)),
    "baddbmm": (lambda x, y: torch.baddbmm(x[..., :2], x, y, alpha=3), (2, 3, 4), (2, 4, 2)),
    "addr": (lambda x, y: torch.addr(torch.outer(x, y), x, y), (3,), (4,)),
    "outer": (lambda x, y: torch.outer(x, y), (3,), (4,)),
    "einsum": (lambda x, y: torch.einsum("bij,bjk->bik", x, y), (2, 3, 4), (2, 4, 2)),
    "einsum, a trace": (lambda x, y: torch.einsum("ii,ij->j", x, y), (3, 3), (3, 2)),
    "einsum, ellipsis": (lambda x, y: torch.einsum("...i,ji->...j", x, y), (2, 3, 4), (5, 4)),
    "tensordot": (lambda x, y: torch.tensordot(x, y, dims=([1, 2], [0, 1])), (2, 3, 4), (3, 4, 2)),
    "kron": (lambda x, y: torch.kron(x, y), (2, 3), (3, 2)),
    "linear": (lambda x, y: F.linear(x, y, y[:, 0]), (2, 3, 4), (5, 4)),
    "bilinear": (lambda x, y: F.bilinear(x, x * 2, y), (3, 4), (5, 4, 4)),
    "cross": (lambda x, y: torch.linalg.cross(x, y), (4, 3), (4, 3)),
    "cdist": (lambda x, y: torch.cdist(x, y), (4, 3), (5, 3)),
    "cdist with p = 1": (lambda x, y: torch.cdist(x, y, p=1), (4, 3), (5, 3)),
    "cdist with p = 3": (lambda x, y: torch.cdist(x, y, p=3.0), (4, 3), (5, 3)),
    "pdist": (lambda x, y: F.pdist(x) * y, (3, 4), (3,)),
    "chain": (lambda x, y: torch.linalg.multi_dot([x, y, x]), (3, 4), (4, 3)),
    "inner": (lambda x, y: torch.inner(x, y), (2, 4), (3, 4)),
    "matrix_power": (lambda x, y: torch.linalg.matrix_power(x, 3) @ y, (3, 3), (3, 2)),
    "cosine_similarity": (lambda x, y: F.cosine_similarity(x, y), (3, 4), (3, 4)),
}

IMAGES = {
    "max_pool1d": lambda x: F.max_pool1d(x[0], 2),
    "max_pool2d": lambda x: F.max_pool2d(x, 2),
    "max_pool2d, overlapping": lambda x: F.max_pool2d(x, 3, stride=2, padding=1, ceil_mode=True),
    "max_pool2d, dilated": lambda x: F.max_pool2d(x, 2, stride=1, dilation=2),
    "max_pool3d": lambda x: F.max_pool3d(x, 2),
    "max_unpool2d": lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, (2, 3)),
    "adaptive_max_pool1d": lambda x: F.adaptive_max_pool1d(x[0], 4),
    "avg_pool1d": lambda x: F.avg_pool1d(x[0], 3, stride=1),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 3, padding=1, count_include_pad=False),
    "avg_pool3d": lambda x: F.avg_pool3d(x, 2),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
    "adaptive_avg_pool2d to one": lambda x: F.adaptive_avg_pool2d(x, 1),
    "lp_pool2d": lambda x: F.lp_pool2d(x, 2, 2),
    "nearest": lambda x: F.interpolate(x, scale_factor=2),
    "nearest-exact": lambda x: F.interpolate(x, size=(4, 7), mode="nearest-exact"),
    "linear": lambda x: F.interpolate(x[0], size=9, mode="linear"),
    "bilinear": lambda x: F.interpolate(x, size=(7, 4), mode="bilinear", align_corners=True),
    "bilinear, smoothed": lambda x: F.interpolate(x, size=(3, 4), mode="bilinear", antialias=True),
    "bicubic": lambda x: F.interpolate(x, scale_factor=1.5, mode="bicubic"),
    "trilinear": lambda x: F.interpolate(x[None], size=(3, 4, 5), mode="trilinear"),
    "area": lambda x: F.interpolate(x, size=(3, 2), mode="area"),
}

SAMPLED = {
    "bilinear": {"align_corners": True},
    "border": {"align_corners": False, "padding_mode": "border"},
    "nearest": {"mode": "nearest", "align_corners": True},
    "bicubic": {"mode": "bicubic", "align_corners": False},
}

ATTENTION = {
    "plain": lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
    "causal": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    "mask": lambda q, k, v: F.scaled_dot_product_attention(
        q, k, v, attn_mask=torch.ones(5, 5).tril(1).bool()
    ),
    "bias": lambda q, k, v: F.scaled_dot_product_attention(
        q, k, v, attn_mask=q[..., :1] * k[..., 0][..., None, :]
    ),
    "scale": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=0.3),
    "few keys": lambda q, k, v: F.scaled_dot_product_attention(q, k[:, :2], v[:, :2], enable_gqa=True),
    "three axes": lambda q, k, v: F.scaled_dot_product_attention(q[0], k[0], v[0]),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_have_the_slopes_of_autograd(name):
    function, *shapes = CONVOLUTIONS[name]
    expect_same_slopes(function, *tensors(*shapes))


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_have_the_slopes_of_autograd(name):
    function, *shapes = PRODUCTS[name]
    expect_same_slopes(function, *tensors(*shapes))


@pytest.mark.parametrize("name", IMAGES)
def test_functions_of_images_have_the_slopes_of_autograd(name):
    expect_same_slopes(IMAGES[name], *tensors((2, 2, 6, 6)))


@pytest.mark.parametrize("name", SAMPLED)
def test_sampled_images_have_the_slopes_of_autograd(name):
    def sampled(x, grid):
        return F.grid_sample(x, grid.tanh(), **SAMPLED[name])

    expect_same_slopes(sampled, *tensors((1, 2, 4, 5), (1, 3, 3, 2)))


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_has_the_slopes_of_autograd(name):
    expect_same_slopes(ATTENTION[name], *tensors((2, 4, 5, 3), (2, 4, 5, 3), (2, 4, 5, 3)))


def test_gradients_that_the_function_computes_itself_have_the_slopes_of_autograd():
    def gradient_of_a_convolution(x, w):
        with torch.enable_grad():
            x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
            y = F.conv2d(x, w, padding=1).tanh().sum()
            return torch.autograd.grad(y, (x, w))

    def open_to_see(x, w):
        y = F.conv2d(x, w, padding=1).tanh().sum()
        return torch.autograd.grad(y, (x, w), create_graph=True)

    expect_same_slopes(gradient_of_a_convolution, *tensors((1, 2, 4, 4), (3, 2, 3, 3)), truth=open_to_see)
