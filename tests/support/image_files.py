"""Small files of images and arrays for tests of readers."""

import os
import socket
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.data.datasets import ImageFolder

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n%%EndProlog\nshowpage\n%%EOF\n"


def random_pixels(seed=0, size=(8, 8), channels=1):
    """Random uint8 pixels, (H, W) or (H, W, C); `size` is width and height."""
    shape = size[::-1] if channels == 1 else (*size[::-1], channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write_image(path, seed=0, size=(8, 8), mode="L"):
    """Write a random image; return its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = random_pixels(seed, size, 1 if mode == "L" else 3)
    Image.fromarray(pixels).save(path)
    return pixels


def digits_folder(path):
    """A folder of images of the size of digits."""
    return ImageFolder(path, "mine", "digits")


def png_chunk(kind, data):
    """One chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color_type, rows, late=b""):
    """A PNG file.

    Args:
        width: of the header, in pixels.
        height: likewise.
        depth: bits per channel.
        color_type: of the PNG format: 0 gray, 2 RGB, 4 gray and alpha, 6 RGBA.
        rows: the bytes of each row.
        late: chunks behind the pixels.
    """
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = (png_chunk(b"IHDR", header), png_chunk(b"IDAT", pixels), late, png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_16(pixels):
    """A PNG file of 16 bits per channel; `pixels` are (H, W, C) with C of 1, 2, 3 or 4."""
    height, width, channels = pixels.shape
    rows = [row.astype(">u2").tobytes() for row in pixels]
    return png(width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], rows)


def tiff_16(pixels, order, compression):
    """A TIFF file of 16 bits per channel; `pixels` are (H, W, 3).

    Args:
        pixels: the values.
        order: "<" or ">", of the bytes.
        compression: 1 none, 8 deflate.
    """
    height, width, _ = pixels.shape
    data = pixels.astype(f"{order}u2").tobytes()
    data = data if compression == 1 else zlib.compress(data)
    start = 8 + 2 + 9 * 12 + 4
    entries = [(256, 4, width), (257, 4, height), (258, 3, None), (259, 3, compression), (262, 3, 2),
               (273, 4, start + 6), (277, 3, 3), (278, 4, height), (279, 4, len(data))]  # fmt: skip
    directory = b""
    for tag, kind, value in entries:
        if value is None:  # three values of 16 bits each, behind the directory
            directory += struct.pack(f"{order}HHII", tag, kind, 3, start)
        else:
            directory += struct.pack(f"{order}HHI", tag, kind, 1)
            directory += struct.pack(f"{order}HH", value, 0) if kind == 3 else struct.pack(f"{order}I", value)
    head = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(entries))
    return head + directory + bytes(4) + struct.pack(f"{order}HHH", 16, 16, 16) + data


def huge_png(width, height):
    """A PNG file of a few bytes whose header says that it is large."""
    return png(width, height, 8, 0, [b"\0"])


def write_special_file(path, kind):
    """A file that is not regular: "pipe", "socket", "device" or "folder"."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()


def npy_header(shape, dtype="|u1"):
    """The header of an .npy file; `shape` is text."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def write_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    """A zip file of these members: name -> bytes."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def write_control_groups(root, outer, inner, used=0):
    """The files of this process's control group, and of the one around it, with limits in bytes."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, name = line.split(":", 2)
        kinds = ("limit_in_bytes", "usage_in_bytes") if controllers else ("max", "current")
        outermost = root / "memory" if controllers else root
        for folder, limit in ((outermost / name.lstrip("/"), inner), (outermost, outer)):
            folder.mkdir(parents=True, exist_ok=True)
            texts = (str(limit), str(used + 100))
            for kind, text in [*zip(kinds, texts, strict=True), ("stat", "anon 0\ninactive_file 100\n")]:
                (folder / f"memory.{kind}").write_text(text)
