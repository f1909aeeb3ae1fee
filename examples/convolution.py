"""Convolution and max-pooling, each written twice: with plain loops, and without (im2col).

Every layer is a pair forward(x, ...) -> (out, cache) and backward(dout, cache) -> gradients. Images are
(N, C, H, W). The pooling windows overlap: they are 3 wide and 2 apart.
The planted bugs are all in the gradient with respect to the images, x:

- "loops, flipped kernel": conv_backward_loops turns the kernel by 180 degrees.
- "im2col, flipped kernel": conv_backward_im2col does the same.
- "loops, average routing": pool_backward_loops shares a gradient among a window instead of giving all of it
  to the winner.
- "im2col, overlap lost": pool_backward_im2col assigns where it should add, so that a pixel which wins in two
  windows keeps only one of its two gradients.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

STRIDE, PAD = 2, 1  # of the convolution
SIZE, STEP = 3, 2  # of the pooling
PLANTED = {
    "loops, flipped kernel": {"x"},
    "im2col, flipped kernel": {"x"},
    "loops, average routing": {"x"},
    "im2col, overlap lost": {"x"},
}


def pad_image(x):
    return np.pad(x, ((0, 0), (0, 0), (PAD, PAD), (PAD, PAD)))


def conv_forward_loops(x, w, b):
    n_filters, _, kh, kw = w.shape
    xp = pad_image(x)
    rows = (xp.shape[2] - kh) // STRIDE + 1
    cols = (xp.shape[3] - kw) // STRIDE + 1
    out = np.zeros((x.shape[0], n_filters, rows, cols))
    for n, f, i, j in np.ndindex(*out.shape):
        window = xp[n, :, i * STRIDE : i * STRIDE + kh, j * STRIDE : j * STRIDE + kw]
        out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (xp, w)


def conv_backward_loops(dout, cache, flip=False):
    xp, w = cache
    kh, kw = w.shape[2:]
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), dout.sum(axis=(0, 2, 3))
    kernel = w[:, :, ::-1, ::-1] if flip else w
    for n, f, i, j in np.ndindex(*dout.shape):
        here = np.s_[n, :, i * STRIDE : i * STRIDE + kh, j * STRIDE : j * STRIDE + kw]
        dw[f] += dout[n, f, i, j] * xp[here]
        dxp[here] += dout[n, f, i, j] * kernel[f]
    return dxp[:, :, PAD:-PAD, PAD:-PAD], dw, db


def conv_forward_im2col(x, w, b):
    xp = pad_image(x)
    windows = sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::STRIDE, ::STRIDE]
    n, _, rows, cols = windows.shape[:4]
    columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * rows * cols, -1)
    out = columns @ w.reshape(len(w), -1).T + b
    return out.reshape(n, rows, cols, -1).transpose(0, 3, 1, 2), (xp.shape, columns, w)


def conv_backward_im2col(dout, cache, flip=False):
    shape, columns, w = cache
    n_filters, channels, kh, kw = w.shape
    n, _, rows, cols = dout.shape
    flat = dout.transpose(0, 2, 3, 1).reshape(-1, n_filters)
    dw = (flat.T @ columns).reshape(w.shape)
    kernel = w[:, :, ::-1, ::-1] if flip else w
    dcolumns = (flat @ kernel.reshape(n_filters, -1)).reshape(n, rows, cols, channels, kh, kw)
    # the pixel that entry (n, i, j, c, k, l) of the columns was taken from
    image, i, j, channel, k, m = np.ogrid[:n, :rows, :cols, :channels, :kh, :kw]
    dxp = np.zeros(shape)
    np.add.at(dxp, (image, channel, i * STRIDE + k, j * STRIDE + m), dcolumns)
    return dxp[:, :, PAD:-PAD, PAD:-PAD], dw, flat.sum(axis=0)


def pool_forward_loops(x):
    rows, cols = (x.shape[2] - SIZE) // STEP + 1, (x.shape[3] - SIZE) // STEP + 1
    out = np.zeros((*x.shape[:2], rows, cols))
    for n, c, i, j in np.ndindex(*out.shape):
        out[n, c, i, j] = x[n, c, i * STEP : i * STEP + SIZE, j * STEP : j * STEP + SIZE].max()
    return out, x


def pool_backward_loops(dout, x, average=False):
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        here = np.s_[n, c, i * STEP : i * STEP + SIZE, j * STEP : j * STEP + SIZE]
        share = 1 / SIZE**2 if average else x[here] == x[here].max()
        dx[here] += share * dout[n, c, i, j]
    return dx


def pool_forward_im2col(x):
    n, c, h, w = x.shape
    s = x.strides
    shape = (n, c, (h - SIZE) // STEP + 1, (w - SIZE) // STEP + 1, SIZE, SIZE)
    strides = (s[0], s[1], s[2] * STEP, s[3] * STEP, s[2], s[3])
    windows = as_strided(x, shape, strides, writeable=False).reshape(*shape[:4], SIZE * SIZE)
    winner = windows.argmax(axis=-1)
    out = np.take_along_axis(windows, winner[..., None], axis=-1)[..., 0]
    return out, (x.shape, winner)


def pool_backward_im2col(dout, cache, assign=False):
    shape, winner = cache
    n, c, i, j = np.ogrid[tuple(slice(k) for k in dout.shape)]
    pixels = (n, c, i * STEP + winner // SIZE, j * STEP + winner % SIZE)
    dx = np.zeros(shape)
    if assign:
        dx[pixels] = dout
    else:
        np.add.at(dx, pixels, dout)
    return dx


def cases():
    """Both layers both ways, right and planted, with the arguments of `fastcheck.check_layer`."""
    rng = np.random.default_rng(5)
    conv = rng.standard_normal((2, 2, 5, 5)), rng.standard_normal((3, 2, 3, 3)), rng.standard_normal(3)
    image = rng.standard_normal((2, 2, 7, 7))
    table = [
        ("loops, right convolution", conv_forward_loops, conv_backward_loops, *conv),
        ("im2col, right convolution", conv_forward_im2col, conv_backward_im2col, *conv),
        ("loops, flipped kernel", conv_forward_loops, lambda d, c: conv_backward_loops(d, c, True), *conv),
        ("im2col, flipped kernel", conv_forward_im2col, lambda d, c: conv_backward_im2col(d, c, True), *conv),
        ("loops, right pooling", pool_forward_loops, pool_backward_loops, image),
        ("im2col, right pooling", pool_forward_im2col, pool_backward_im2col, image),
        ("loops, average routing", pool_forward_loops, lambda d, c: pool_backward_loops(d, c, True), image),
        ("im2col, overlap lost", pool_forward_im2col, lambda d, c: pool_backward_im2col(d, c, True), image),
    ]
    return [
        {"name": name, "check": "check_layer", "arguments": arguments, "wrong": PLANTED.get(name, set())}
        for name, *arguments in table
    ]


if __name__ == "__main__":
    import fastcheck

    for case in cases():
        print(f"=== {case['name']}")
        print(fastcheck.check_layer(*case["arguments"]))
