import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
from followed_slopes import expect_same_slopes, recorded, recording_of, tensors  # noqa: E402

from fastcheck.engines.graph.frameworks.torch.cost import TorchCost  # noqa: E402
from fastcheck.engines.graph.tracing.tracing_error import TracingError  # noqa: E402


def rows_set(x, y):
    out = torch.zeros(3, 4).double()
    for k in range(3):
        out[k] = x[k] * y[k - 1]
    return out


def chained_views(x, y):
    z = x.clone()
    z[1:].t()[2:].mul_(y.t()[2:, 1:])
    z.view(-1)[3] = y[0, 0] * y[0, 1]
    return z * z


def augmented(x, y):
    z = x * 1
    z += y
    z *= x
    z -= 2
    z /= 3
    return z


def read_before_and_after(x, y):
    z = x.clone()
    before = z + y
    z[0] = 0
    return before * y + z * y


def transposed_in_place(x, y):
    z = x * y
    z.t_()
    z.unsqueeze_(0)
    z.squeeze_(0)
    z[1] += y[:, 1]
    return z


def written_by_constants(x, y):
    z = x * y
    z.zero_()
    z[:, 1] = x[:, 0]
    z.fill_diagonal_(2.0)
    return z + y


def slices_swapped(x, y):
    z = x.clone()
    z[0], z[1] = z[1].clone(), z[0].clone()
    return z * y


def places_set(x, y):
    z = x.clone()
    z[torch.tensor([0, 2])] = y[:2]
    z[[0], [1]] += y[0, 0]
    return z


def permuted_result(x, y):
    z = x.reshape(3, 2, 2).transpose(0, 2) * 2
    z += y.reshape(3, 2, 2).transpose(0, 2)
    z[0, 1] *= 3
    return z.transpose(0, 2).reshape(3, 4)


WRITTEN = (
    *(rows_set, chained_views, augmented, read_before_and_after, transposed_in_place),
    *(written_by_constants, slices_swapped, places_set, permuted_result),
)


@pytest.mark.parametrize("function", WRITTEN)
def test_what_is_written_in_place_has_the_slopes_of_autograd(function):
    expect_same_slopes(function, *tensors((3, 4), (3, 4)))


def test_writing_through_data_and_without_autograd_is_what_the_code_does():
    def hidden(x, y):
        z = x.clone()
        z.data[0] = y[0] * 1
        with torch.no_grad():
            z[1].mul_(y[1])
        return z.detach() * 2

    def open_to_see(x, y):
        return torch.stack([y[0], x[1] * y[1], x[2]]) * 2

    expect_same_slopes(hidden, *tensors((3, 4), (3, 4)), truth=open_to_see)


def test_results_go_to_where_out_says():
    def out_argument(x, y):
        out = torch.empty(3, 4).double()
        torch.mul(x, y, out=out)
        torch.add(out, x, out=out)
        return out

    expect_same_slopes(out_argument, *tensors((3, 4), (3, 4)), truth=lambda x, y: x * y + x)


def test_tensors_of_the_users_that_are_written_into_are_followed_and_put_back():
    buffer = torch.zeros(4, 3).double()

    def through_a_buffer(x):
        buffer[1:].t().copy_(x)
        return buffer[1:] * buffer[1:]

    (x,) = tensors((3, 3))
    buffer.fill_(7.0)
    recording = recording_of(through_a_buffer, x, cotangent=np.ones((3, 3)))
    assert torch.equal(buffer, torch.full((4, 3), 7.0).double())
    np.testing.assert_allclose(recording.slopes()[0], 2 * x.numpy())


def test_a_buffer_in_single_precision_holds_what_is_written_as_double():
    buffer = torch.zeros(3)

    def through_a_buffer(x):
        buffer.copy_(x)
        return buffer * x

    (x,) = tensors((3,))
    recording = recording_of(through_a_buffer, x, cotangent=np.ones(3))
    np.testing.assert_allclose(recording.slopes()[0], 2 * x.numpy(), rtol=1e-15)
    assert torch.equal(buffer, torch.zeros(3))


def test_other_memory_for_a_followed_tensor_is_refused():
    def resized(x):
        z = x * 2
        z.resize_(5)
        return z

    with pytest.raises(TracingError, match="other memory"):
        recorded(resized, *tensors((3,)))


def test_an_input_that_is_written_into_and_returned_is_read_before_it_is_put_back():
    (x,) = tensors((3,))
    cost = TorchCost(lambda named: named["x"].mul_(named["x"]), [np.ones(3)])
    before = x.numpy().copy()
    assert cost({"x": x.numpy()}) == pytest.approx(float((before**2).sum()), rel=1e-14)
    np.testing.assert_array_equal(x.numpy(), before)
    recording = recording_of(lambda x: x.mul_(x), x, cotangent=np.ones(3))
    np.testing.assert_allclose(recording.slopes()[0], 2 * before, rtol=1e-14)
