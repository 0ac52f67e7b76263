"""What errors say about a GPU."""

import pytest
import torch

from benchmarks.training.device import is_device_lost, is_out_of_memory


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 MiB"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("CUDA error: out of memory"), False),
    ],
)
def test_errors_for_lack_of_memory_are_recognized(error, expected):
    assert is_out_of_memory(error) is expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_here_is_lost_and_a_cpu_never_is():
    assert is_device_lost("cuda")
    assert not is_device_lost("cpu")
