"""The file in which a cost is sent to processes cannot be written: it is evaluated here, and a note says why."""

import errno
import os
import tempfile

import numpy as np
import pytest

from fastcheck import check
from fastcheck.errors import FastcheckError
from fastcheck.workers.parcels import Packed

THETA = np.linspace(0.1, 1.0, 20)


def cost(w):
    return float(np.sum(np.sin(w)))


@pytest.fixture
def _no_room(tmp_path, monkeypatch):
    """The disk is full when half of the file was written."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def filed(packed, folder):
        (tmp_path / folder / f"{packed.name}.work").write_bytes(packed.data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Packed, "filed", filed)


def claimed(factor):
    claim = np.cos(THETA)
    claim[7] *= factor
    return claim


@pytest.mark.usefixtures("eager_workers", "_no_room")
@pytest.mark.parametrize("factor", [1.0, 1.001])
def test_a_full_disk_ends_no_check(tmp_path, factor):
    alone = check(cost, THETA, claimed(factor), method="plain")
    report = check(cost, THETA, claimed(factor), method="plain", n_jobs=2)
    assert report.difference == alone.difference
    assert report.passed == (factor == 1.0)
    (note,) = report.notes
    assert "No space left on device" in note
    assert f"cannot be written to {tmp_path}; set TMPDIR" in note
    assert not any(tmp_path.iterdir())


@pytest.mark.usefixtures("_no_room")
def test_with_a_timeout_an_error_says_why_nothing_can_be_ended(tmp_path):
    with pytest.raises(FastcheckError, match="No space left on device"):
        check(cost, THETA, claimed(1.0), method="plain", timeout=60)
    assert not any(tmp_path.iterdir())
