"""The benchmark of n_jobs="auto" runs, and what it compares is right."""

from benchmarks.auto_workers import Row, measured


def test_a_row_is_measured():
    row = measured(1e-5, 5, times=1)
    assert min(row.alone, row.processes, row.auto) > 0
    assert "ms      5" in str(row)


def test_the_loss_is_beside_the_better_of_both():
    assert Row(0.01, 100, alone=2.0, processes=1.5, auto=1.65).loss == 1.65 / 1.5 - 1
    assert "+10 %" in str(Row(0.01, 100, alone=2.0, processes=1.5, auto=1.65))
