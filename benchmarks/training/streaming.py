"""Stream training data that do not fit on the device from the host, one portion ahead of the steps."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from benchmarks.training import turns

PORTION = 256 << 20  # bytes per portion: large enough for full bandwidth, small compared to the device's memory

Portion = tuple[Sequence[Tensor], Tensor]
"""Tensors on the device, and the indices of their examples in each batch, (batches, batch)."""


def place_images(images: Tensor, device: torch.device, limit: int | None = None) -> Tensor:
    """Copy images to the device, or to pinned memory of the host if they exceed the limit.

    Args:
        images: (N, C, H, W) uint8, on the CPU.
        device: device of the model.
        limit: maximum number of bytes on the device; None means half of its free memory.
    """
    if device.type != "cuda":
        return images.to(device)
    if limit is None:
        torch.cuda.empty_cache()  # the memory that ended runs have left counts as free
        limit = torch.cuda.mem_get_info(device)[0] // 2
    return images.to(device) if images.nbytes <= limit else images.pin_memory()


_placed: WeakValueDictionary[Hashable, Tensor] = WeakValueDictionary()


def place_once(images: Tensor, device: torch.device, content: Hashable) -> Tensor:
    """Place images by `place_images`; runs that share the process share one copy.

    Args:
        images: as for `place_images`.
        device: as for `place_images`.
        content: equal for equal images.
    """
    key = (content, device)
    placed = _placed.get(key)
    if placed is None:
        placed = _placed[key] = place_images(images, device)
    return placed


def stream_batches(data: Sequence[Tensor], order: Tensor, limit: int | None = None) -> Iterator[Portion]:
    """Yield the data of an epoch: at once if they are on the device, otherwise in portions, fetched one ahead.

    The batches are the same in both cases.

    Args:
        data: tensors of one stage; the first axis is the example.
        order: indices of the examples of each batch, (batches, batch), on the device.
        limit: on a CPU, the number of bytes above which data are yielded in portions, as on a GPU.
    """
    device = order.device
    size = sum(tensor.nbytes for tensor in data)
    is_elsewhere = any(tensor.device != device for tensor in data)
    if not is_elsewhere and (limit is None or device.type == "cuda" or size <= limit):
        yield data, order
        return
    per_batch = max(1, size * order.shape[1] // len(data[0]))
    rows = max(1, (PORTION if limit is None or device.type == "cuda" else limit // 2) // per_batch)
    batches = order.cpu().split(rows)
    stream = turns.stream(device, "portions") if device.type == "cuda" else None

    def fetch(index: Tensor) -> Portion:
        """Fetch the examples of some batches. It runs in another thread, ahead of the steps."""
        flat = index.flatten()
        if stream is None:
            return [tensor.index_select(0, flat) for tensor in data], torch.arange(len(flat)).view_as(index)
        with torch.cuda.stream(stream):
            fetched = [_fetch(tensor, flat, device) for tensor in data]
            index_in_portion = torch.arange(len(flat), device=device).view_as(index)
            done = stream.record_event()
        done.synchronize()  # only this thread waits, so `capture.no_synchronization` allows it in the other one
        return fetched, index_in_portion

    with ThreadPoolExecutor(1, "portions") as executor:
        next_portion = executor.submit(fetch, batches[0])
        for number in range(len(batches)):
            tensors, index = next_portion.result()
            if number + 1 < len(batches):
                next_portion = executor.submit(fetch, batches[number + 1])
            if stream is not None:
                for tensor in [*tensors, index]:
                    tensor.record_stream(torch.cuda.current_stream(device))
            yield tensors, index


def _fetch(tensor: Tensor, index: Tensor, device: torch.device) -> Tensor:
    if tensor.device == device:
        return tensor.index_select(0, index.pin_memory().to(device, non_blocking=True))
    selected = torch.empty((len(index), *tensor.shape[1:]), dtype=tensor.dtype, pin_memory=True)
    torch.index_select(tensor, 0, index, out=selected)
    return selected.to(device, non_blocking=True)
