import numpy as np
import pytest

from fastcheck.report.page.axes import for_values, logarithmic, place


def test_powers_of_ten_lie_evenly_and_zero_at_the_end():
    axis = logarithmic(-16, 0, 100.0, 0.0)
    assert [place(axis, 10.0**k) for k in (-16, -8, 0)] == [100.0, 50.0, 0.0]
    assert place(axis, 0.0) == 100.0
    assert place(axis, 1e9) == 0.0
    assert axis.ticks[0] == (100.0, "10⁻¹⁶")


def test_values_of_like_size_lie_on_a_linear_axis():
    axis = for_values(np.array([-3.0, 1.0, 4.5]), 0.0, 220.0)
    assert [tick.label for tick in axis.ticks] == ["−4", "−2", "0", "2", "4", "6"]
    gaps = np.diff([tick.at for tick in axis.ticks])
    assert np.allclose(gaps, gaps[0])


def test_values_of_all_sizes_can_be_told_apart():
    values = np.array([-1e3, -1e-5, 0.0, 1e-6, 1e-2, 1e4])
    places = for_values(values, 0.0, 220.0).places(values)
    assert (np.diff(places) > 3).all()


@pytest.mark.parametrize(
    "values",
    [
        [0.0],
        [5.0],
        [1e308, -1e308],
        [1e-320, 1.0],
        [1e300, 1e-300],
        [-1e-9, -1e9],
        [np.finfo(float).max, 1.0],
    ],
)
def test_axes_have_room_for_every_value(values):
    values = np.array(values)
    axis = for_values(values, 0.0, 220.0)
    places = axis.places(values)
    assert np.isfinite(places).all()
    assert ((places >= 0) & (places <= 220)).all()
    assert len(axis.ticks) >= 2
    assert all(0 <= tick.at <= 220 for tick in axis.ticks)


def test_labels_do_not_lie_on_each_other():
    axis = for_values(np.geomspace(1e-12, 1e12, 50) * np.resize([1, -1], 50), 0.0, 220.0)
    at = sorted(tick.at for tick in axis.ticks)
    assert min(np.diff(at)) >= 40
