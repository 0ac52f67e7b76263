"""Speed measurements: images, devices and file names."""

import torch
from speed_cases import record

from benchmarks.perf import speed_measurement
from benchmarks.perf.baselines import Case


def test_different_measurements_have_different_file_names():
    others = ({"provenance": {"device": "cpu: Abaca"}}, {"images_used": 800}, {"processes": 3}, {"engine": "eager"},
              {"channels_last": True}, {"precision": "tf32"}, {"purpose": "processes"}, {"dataset": "fashion"},
              {"shape": [1, 8, 8], "purpose": "side"}, {"model": "vae"})  # fmt: skip
    names = [speed_measurement.file_name(record(**other)) for other in ({}, *others)]
    assert len({*names}) == len(names)
    assert speed_measurement.file_name(record(exclusive=False)) == names[0]
    long = speed_measurement.device_slug("cuda: NVIDIA ../H100 80GB HBM3, driver 550.54.15")
    assert long.startswith("cuda-nvidia-h100-80gb-hbm3")
    assert len(long) < 42


def test_gpu_ids_for_nvidia_smi_respect_cuda_visible_devices():
    """With CUDA_VISIBLE_DEVICES, torch's index 0 may be any GPU."""
    assert speed_measurement.gpu_id(0, "1b2c", "3") == "GPU-1b2c"
    assert speed_measurement.gpu_id(0, "GPU-1b2c", None) == "GPU-1b2c"
    assert speed_measurement.gpu_id(1, None, None) == "1"
    assert speed_measurement.gpu_id(1, None, "3,2") is None


def test_random_images_of_the_same_shape_replace_missing_data(tmp_path):
    images, synthetic = speed_measurement.load_images(Case("glf", "celeba", 1, 1, tmp_path), tmp_path)
    assert synthetic
    assert images.shape == (256, 3, 64, 64)
    images, synthetic = speed_measurement.load_images(Case("glf", "mnist", 1, 1, tmp_path, shape=(1, 32, 32)), tmp_path)
    assert synthetic
    assert images.shape == (256, 1, 32, 32)


def test_random_images_are_smooth_and_always_the_same():
    """On white noise, a flow overflows and the measurement fails."""
    images = speed_measurement.smooth_random_images(5000, (3, 8, 8))
    assert (images.shape, images.dtype) == ((5000, 3, 8, 8), torch.uint8)
    assert torch.equal(images[:10], speed_measurement.smooth_random_images(10, (3, 8, 8)))
    values = images.float()
    assert len(images.flatten(1).unique(dim=0)) == 5000
    assert values.diff(dim=-1).abs().mean() < values.std() < 90
