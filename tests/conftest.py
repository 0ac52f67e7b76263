"""Fixtures and options that all tests share."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import shared
import torch
from filelock import FileLock
from hypothesis import HealthCheck, settings
from short_demo import SHORT_DEMO

from benchmarks.presets import PRESETS
from zoo import perceptual

# Only tests marked `slurm` see the cluster that they are given: `--cluster auto` must mean one thing in all others.
# pytest's workers inherit the environment after it was hidden: what it was is kept beside it.
CLUSTER = os.environ.setdefault("AE_BENCH_TEST_CLUSTER", os.environ.get("SLURM_CONF", ""))
os.environ["SLURM_CONF"] = os.devnull

# How fast inputs are made is a property of the machine: a busy one must not fail a test.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_collection_modifyitems(items):
    """Files with slow tests first: a test of half a minute that starts last leaves the other cores idle."""
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow_files)


@pytest.fixture(autouse=True)
def quiet_torch():
    """One thread and a fixed seed: tests run side by side, and bit-equality needs the one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> Path:
    """The folder that all processes of a test run share; see `shared.make_once`."""
    return shared.shared_folder(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def random_weights(shared_folder) -> Path:
    """Torch hub's cache with a file under VGG-16's name that holds random weights."""

    def make(hub: Path) -> None:
        from torchvision.models import vgg16

        (hub / "checkpoints").mkdir()
        with torch.device("meta"):
            net = vgg16(weights=None, init_weights=False).features
        g = torch.Generator().manual_seed(0)
        state = {
            name: torch.randn(p.shape, generator=g) * (2 / p[0].numel()) ** 0.5 if p.ndim > 1 else torch.zeros(p.shape)
            for name, p in net.named_parameters(prefix="features")
        }
        # In the format of torchvision's file, which is from 2017.
        torch.save(state, hub / "checkpoints" / perceptual.VGG16.name, _use_new_zipfile_serialization=False)

    return shared.make_once(shared_folder / "hub", make)


@pytest.fixture(scope="module")
def random_vgg(random_weights):
    """Random weights in place of VGG-16's, for as long as a file of tests runs: their own hash is the expected one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.hub, "_hub_dir", str(random_weights))
        patch.setattr(perceptual.VGG16, "published_sha256", perceptual.VGG16.sha256)
        yield random_weights


@pytest.fixture
def data_root() -> Path:
    """Folder with real MNIST and Fashion-MNIST."""
    root = os.environ.get("AE_BENCH_DATA")
    if not root:
        pytest.skip("AE_BENCH_DATA is not set: no real MNIST here")
    return Path(root)


@pytest.fixture
def short_demo(monkeypatch):
    """Runs at the preset "demo" take `short_demo.STEPS` steps, in this process and in the workers that it starts."""
    monkeypatch.setitem(PRESETS, "demo", SHORT_DEMO)


@pytest.fixture
def cluster(monkeypatch, shared_folder) -> Iterator[Path]:
    """Folder of a SLURM made by slurm/devcluster.sh, for one test at a time: they look into its whole queue."""
    if not CLUSTER:
        pytest.skip('SLURM_CONF is not set: no SLURM here; eval "$(slurm/devcluster.sh start)" makes one')
    monkeypatch.setenv("SLURM_CONF", CLUSTER)
    if shutil.which("sinfo") is None or subprocess.run(["sinfo"], capture_output=True, timeout=30).returncode:
        pytest.skip(f"the SLURM of {CLUSTER} does not answer")
    with FileLock(shared_folder / "cluster.lock"):
        yield Path(CLUSTER).parent
