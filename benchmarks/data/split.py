"""A split of a data set: images in memory, and the fingerprint of their pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Split:
    """The images of one split.

    Attributes:
        images: uint8, (N, C, H, W), in file order.
        labels: int64, (N,), or None.
    """

    images: Tensor
    labels: Tensor | None = None

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise ValueError(f"images must be uint8 (N, C, H, W), not {self.images.dtype} {tuple(self.images.shape)}")
        labels = self.labels
        if labels is not None and (labels.dtype != torch.int64 or labels.shape != (len(self.images),)):
            raise ValueError(f"labels must be int64 ({len(self.images)},), not {labels.dtype} {tuple(labels.shape)}")

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def digests(self) -> Pixels:
        """The sha256 of each image's shape and bytes, (N, 32)."""
        prefix = hashlib.sha256(repr(tuple(self.images.shape[1:])).encode())
        digests = bytearray()
        for image in self.images.contiguous().numpy():
            digest = prefix.copy()
            digest.update(image)
            digests += digest.digest()
        return np.frombuffer(digests, np.uint8).reshape(-1, 32)

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that identify the images, independent of their order.

        Digests are added, not XORed, so that an image that occurs twice counts twice.
        """
        total = sum(int.from_bytes(digest.tobytes()) for digest in self.digests) % 2**256
        return hashlib.sha256(f"{total:064x} {tuple(self.images.shape)}".encode()).hexdigest()

    def order(self) -> npt.NDArray[np.int64]:
        """Indices that sort the images by digest, and equal images by label."""
        labels = np.zeros(len(self)) if self.labels is None else self.labels.numpy()
        return np.lexsort((labels, self.digests.view("S32").reshape(-1)))

    def take(self, indices: npt.NDArray[np.int64]) -> Split:
        """The images at `indices`, with their labels."""
        chosen = torch.from_numpy(indices)
        return Split(self.images[chosen], None if self.labels is None else self.labels[chosen])

    def canonical(self, n: int | None = None) -> Split:
        """The first `n` images by digest, or all. So the order of files does not matter."""
        return self.take(self.order()[:n])
