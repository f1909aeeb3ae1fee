"""Values that are picked by place: bilinear samples, pooled regions, segments of a graph."""

from __future__ import annotations

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from benchmarks.torch_functions.numbers import Numbers
from benchmarks.torch_functions.planting import CustomFunction, mistake


def corners(y, x, height, width):
    """The four pixels around points, their weights, and the slopes of these by y and by x; 0 outside the image."""
    top, left = y.floor(), x.floor()
    fy, fx = y - top, x - left
    table = []
    for down in (0, 1):
        for right in (0, 1):
            row, column = top.long() + down, left.long() + right
            inside = ((row >= 0) & (row < height) & (column >= 0) & (column < width)).to(y.dtype)
            wy, wx = (fy if down else 1 - fy), (fx if right else 1 - fx)
            at = (row.clamp(0, height - 1), column.clamp(0, width - 1))
            table.append((at, inside * wy * wx, inside * (2 * down - 1) * wx, inside * (2 * right - 1) * wy))
    return table


class DeformableSample(Function):
    """Bilinear samples of images (n, channels, H, W) at points (n, points, 2) of pixels (y, x), times a mask."""

    @staticmethod
    def forward(ctx, image, points, mask):
        n, _, height, width = image.shape
        out = []
        for i in range(n):
            sampled = 0
            for (row, column), weight, _, _ in corners(points[i, :, 0], points[i, :, 1], height, width):
                sampled = sampled + image[i, :, row, column] * weight
            out.append(sampled * mask[i])
        ctx.save_for_backward(image, points, mask)
        return torch.stack(out)

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        image, points, mask = ctx.saved_tensors
        n, _, height, width = image.shape
        d_image, d_points = torch.zeros_like(image), torch.zeros_like(points)
        d_mask = torch.zeros_like(mask)
        for i in range(n):
            g = dout[i] * mask[i]
            for (row, column), weight, by_y, by_x in corners(points[i, :, 0], points[i, :, 1], height, width):
                values = image[i, :, row, column]
                d_image[i].view(image.shape[1], -1).index_add_(1, row * width + column, g * weight)
                d_points[i, :, 0] += (g * values * by_y).sum(0)
                d_points[i, :, 1] += (g * values * by_x).sum(0)
                d_mask[i] += (dout[i] * values * weight).sum(0)
        return d_image, d_points, d_mask


def deformable_sample(image, points, mask):
    return DeformableSample.apply(image, points, mask)


class RoIAlign(Function):
    """Mean of samples² bilinear samples in each cell of boxes (x1, y1, x2, y2) in the image; boxes have no gradient."""

    @staticmethod
    def forward(ctx, feature, boxes, scale, size, samples):
        pooled = feature.new_zeros(len(boxes), feature.shape[0], size, size)
        _, height, width = feature.shape
        for r, box in enumerate(boxes):
            for (i, j), y, x in RoIAlign.places(box * scale, size, samples):
                for (row, column), weight, _, _ in corners(y, x, height, width):
                    pooled[r, :, i, j] += (feature[:, row, column] * weight).mean(-1)
        ctx.save_for_backward(boxes)
        ctx.shape, ctx.options = feature.shape, (scale, size, samples)
        return pooled

    @staticmethod
    def places(box, size, samples):
        """Each cell, and the points that are sampled in it; pixels have their centre at whole numbers."""
        steps = (torch.arange(samples, dtype=box.dtype) + 0.5) / samples
        x1, y1, x2, y2 = box - 0.5
        for i in range(size):
            for j in range(size):
                y = y1 + (i + steps) * (y2 - y1) / size
                x = x1 + (j + steps) * (x2 - x1) / size
                yield (i, j), y.repeat_interleave(samples), x.repeat(samples)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (boxes,) = ctx.saved_tensors
        scale, size, samples = ctx.options
        channels, height, width = ctx.shape
        d_feature = grad.new_zeros(channels, height * width)
        for r, box in enumerate(boxes):
            for (i, j), y, x in RoIAlign.places(box * scale, size, samples):
                for (row, column), weight, _, _ in corners(y, x, height, width):
                    share = grad[r, :, i, j, None] * weight / samples**2
                    d_feature.index_add_(1, row * width + column, share)
        return d_feature.view(ctx.shape), None, None, None, None


def roi_align(feature, boxes):
    return RoIAlign.apply(feature, boxes, 0.5, 2, 2)


class SegmentMean(Function):
    """Mean of the rows of each segment; ``index`` says which row belongs to which, and an empty segment gives 0."""

    @staticmethod
    def forward(ctx, src, index, size):
        count = torch.bincount(index, minlength=size).clamp(min=1).to(src.dtype)
        ctx.save_for_backward(index, count)
        return src.new_zeros(size, src.shape[1]).index_add(0, index, src) / count[:, None]

    @staticmethod
    def backward(ctx, grad):
        index, count = ctx.saved_tensors
        d_src = (grad / count[:, None])[index]
        return d_src, None, None


def segment_mean(src, index):
    return SegmentMean.apply(src, index, 5)


class SegmentMax(Function):
    """Largest entry of each segment, column by column, and the rows that they are from."""

    @staticmethod
    def forward(ctx, src, index, size):
        big = src.new_full((size, src.shape[1]), float("-inf"))
        arg = torch.full((size, src.shape[1]), -1)
        for row, segment in enumerate(index.tolist()):
            larger = src[row] > big[segment]
            big[segment] = torch.where(larger, src[row], big[segment])
            arg[segment][larger] = row
        out = torch.where(arg >= 0, big, torch.zeros_like(big))
        ctx.mark_non_differentiable(arg)
        ctx.save_for_backward(arg)
        ctx.rows = src.shape[0]
        return out, arg

    @staticmethod
    def backward(ctx, grad, _):
        (arg,) = ctx.saved_tensors
        empty = arg < 0
        d_src = grad.new_zeros(ctx.rows + 1, grad.shape[1])
        d_src.scatter_add_(0, arg.masked_fill(empty, ctx.rows), grad)
        return d_src[:-1], None, None


def segment_max(src, index):
    return SegmentMax.apply(src, index, 5)[0]


def of_deformable_sample():
    draw = Numbers(61)
    image, mask = draw.normal(2, 3, 4, 5), draw.uniform(2, 6, low=0.3, high=0.9)
    return image, draw.uniform(2, 6, 2, low=-0.7, high=4.3), mask


def of_roi_align():
    draw = Numbers(62)
    boxes = torch.tensor(
        [[1.3, 0.4, 7.1, 6.2], [2.2, 3.1, 9.7, 8.9], [0.1, 0.2, 3.3, 2.7]], dtype=torch.float64
    )
    return draw.normal(2, 5, 5), boxes


def of_segments():
    draw = Numbers(63)
    return draw.normal(8, 3), torch.tensor([0, 2, 2, 1, 0, 4, 2, 4])


FUNCTIONS = (
    CustomFunction(
        name="deformable samples",
        known_from="mmcv, torchvision, Deformable DETR",
        call=deformable_sample,
        of=DeformableSample,
        inputs=of_deformable_sample,
        mistakes=(
            mistake(
                "slopes by y and x exchanged",
                "for (row, column), weight, by_y, by_x in",
                "for (row, column), weight, by_x, by_y in",
            ),
            mistake(
                "points' gradient without the mask",
                "d_points[i, :, 0] += (g * values * by_y).sum(0)",
                "d_points[i, :, 0] += (dout[i] * values * by_y).sum(0)",
            ),
            mistake("points of one channel", "(g * values * by_x).sum(0)", "(g * values * by_x)[0]"),
            mistake("row of pixels mistaken for a column", "row * width + column", "row * height + column"),
            mistake(
                "a pixel that is used twice counts once",
                "d_image[i].view(image.shape[1], -1).index_add_(1, row * width + column, g * weight)",
                "d_image[i, :, row, column] = d_image[i, :, row, column] + g * weight",
            ),
            mistake(
                "the mask's gradient has the mask",
                "(dout[i] * values * weight).sum(0)",
                "(g * values * weight).sum(0)",
            ),
        ),
    ),
    CustomFunction(
        name="RoI align",
        known_from="torchvision, mmcv, Detectron2, PaddlePaddle",
        call=roi_align,
        of=RoIAlign,
        inputs=of_roi_align,
        mistakes=(
            mistake("the sum of samples, not their mean", "* weight / samples**2", "* weight"),
            mistake(
                "boxes with another scale",
                "(boxes,) = ctx.saved_tensors\n        scale, size, samples = ctx.options",
                "(boxes,) = ctx.saved_tensors\n        scale, size, samples = 0.49, *ctx.options[1:]",
            ),
            mistake(
                "the last box alone",
                "d_feature = grad.new_zeros(channels, height * width)\n        for r, box in enumerate(boxes):",
                "for r, box in enumerate(boxes):\n            d_feature = grad.new_zeros(channels, height * width)",
            ),
            mistake("cells transposed", "share = grad[r, :, i, j, None]", "share = grad[r, :, j, i, None]"),
            mistake(
                "one box too few",
                "share = grad[r, :, i, j, None] * weight",
                "share = grad[r, :, i, j, None] * weight * (r + 1 < len(boxes))",
            ),
        ),
    ),
    CustomFunction(
        name="segment mean",
        known_from="torch_scatter, PyTorch Geometric",
        call=segment_mean,
        of=SegmentMean,
        inputs=of_segments,
        mistakes=(
            mistake("not divided by the count", "(grad / count[:, None])[index]", "grad[index]"),
            mistake("divided by all rows", "(grad / count[:, None])[index]", "grad[index] / len(index)"),
            mistake(
                "the count of another segment",
                "(grad / count[:, None])[index]",
                "grad[index] / count.roll(1)[index, None]",
            ),
            mistake(
                "a row of another segment",
                "return d_src, None, None",
                "d_src[1] = grad[0]\n        return d_src, None, None",
            ),
        ),
    ),
    CustomFunction(
        name="segment max",
        known_from="torch_scatter, PyTorch Geometric, DGL",
        call=segment_max,
        of=SegmentMax,
        inputs=of_segments,
        mistakes=(
            mistake(
                "empty segments go to the last row",
                "arg.masked_fill(empty, ctx.rows), grad)",
                "arg.masked_fill(empty, ctx.rows - 1), grad)",
            ),
            mistake(
                "one row further", "return d_src[:-1], None, None", "return d_src.roll(1, 0)[:-1], None, None"
            ),
            mistake(
                "the first column's rows for all",
                "arg.masked_fill(empty, ctx.rows), grad)",
                "arg[:, :1].expand(-1, 3).masked_fill(empty, ctx.rows), grad)",
            ),
            mistake(
                "all rows of a segment",
                "return d_src[:-1], None, None",
                "return d_src[:-1] + 1e-3 * grad.sum(), None, None",
                changes=1e-3,
            ),
        ),
    ),
)
