"""What tests share."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

# Only tests marked `slurm` see the cluster that they are given: `--cluster auto` must mean one thing in all others.
# pytest's workers inherit the environment after it was hidden: what it was is kept beside it.
CLUSTER = os.environ.setdefault("AE_BENCH_TEST_CLUSTER", os.environ.get("SLURM_CONF", ""))
os.environ["SLURM_CONF"] = os.devnull


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


@pytest.fixture
def cluster(monkeypatch) -> Path:
    """Folder of a SLURM made by slurm/devcluster.sh."""
    if not CLUSTER:
        pytest.skip("SLURM_CONF is not set: no SLURM here; eval \"$(slurm/devcluster.sh start)\" makes one")
    monkeypatch.setenv("SLURM_CONF", CLUSTER)
    if shutil.which("sinfo") is None or subprocess.run(["sinfo"], capture_output=True, timeout=30).returncode:
        pytest.skip(f"the SLURM of {CLUSTER} does not answer")
    return Path(CLUSTER).parent
