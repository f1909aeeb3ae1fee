"""Random numbers of PyTorch are the same in every run of a test."""

import pytest


@pytest.fixture(autouse=True)
def repeatable():
    torch = pytest.importorskip("torch")
    state = torch.get_rng_state()
    torch.manual_seed(0)
    yield
    torch.set_rng_state(state)
