"""Labelled images in a tar archive, SPLIT/CLASS/FILE, read into memory."""

import io
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.data.split import Split


def read_archive(path: Path) -> Split:
    """The images of an archive, in the order of their names; classes are numbered by name."""
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
    names = sorted(files)
    classes = sorted({name.split("/")[1] for name in names})
    images = np.stack([np.asarray(Image.open(io.BytesIO(files[name])).convert("RGB")) for name in names])
    labels = torch.tensor([classes.index(name.split("/")[1]) for name in names])
    return Split(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), labels)
