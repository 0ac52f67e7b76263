"""What tests share."""

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def quiet_torch():
    """One thread and a fixed seed: tests run side by side, and bit-equality needs the one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def data_root() -> Path:
    """Folder with real MNIST and Fashion-MNIST."""
    root = os.environ.get("AE_BENCH_DATA")
    if not root:
        pytest.skip("AE_BENCH_DATA is not set: no real MNIST here")
    return Path(root)
