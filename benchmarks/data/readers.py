"""Images as values: `Part` with its order-free fingerprint, and image files decoded into one array.

Decoding 180,000 JPEG files takes minutes, so the array is kept in the user's cache folder.
"""

import contextlib
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

Pixels = npt.NDArray[np.uint8]
Shape = tuple[int, int, int]  # (C, H, W)
Preprocess = Callable[[Image.Image], Image.Image]  # raises ValueError, whose text says what the image is and must be

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm"})
EIGHT_BIT = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"})
ROOT = "<data root>"  # how messages name it: records must not depend on where data lie
FORMAT = 1  # of a prepared file: raise it when decoding or preprocessing changes
BLOCK = 64  # images per task: 180,000 tasks of one would cost memory


class DataError(ValueError):
    """Data that are missing or corrupt: the message names the file and how to get it."""


@dataclass(frozen=True, eq=False)
class Part:
    """Images of one split.

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
        """64 hexadecimal digits that name the images, whatever their order.

        Digests are added, not xor-ed: an image that is there twice must count twice.
        """
        total = sum(int.from_bytes(digest.tobytes()) for digest in self.digests) % 2**256
        return hashlib.sha256(f"{total:064x} {tuple(self.images.shape)}".encode()).hexdigest()

    def order(self) -> npt.NDArray[np.int64]:
        """Indices that sort the images by digest; labels decide between equal images."""
        labels = np.zeros(len(self)) if self.labels is None else self.labels.numpy()
        return np.lexsort((labels, self.digests.view("S32").reshape(-1)))

    def take(self, indices: npt.NDArray[np.int64]) -> "Part":
        """The images at `indices`, with their labels."""
        chosen = torch.from_numpy(indices)
        return Part(self.images[chosen], None if self.labels is None else self.labels[chosen])

    def canonical(self, n: int | None = None) -> "Part":
        """The images sorted by digest, at most the first `n`: the order of files never matters."""
        return self.take(self.order()[:n])


def user_cache() -> Path:
    """$XDG_CACHE_HOME, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def cache_folder() -> Path:
    """Where this project keeps files that it can make again: $AE_BENCH_CACHE, or in the user's cache folder."""
    given = os.environ.get("AE_BENCH_CACHE")
    return Path(given) if given else user_cache() / "ae-bench"


def default_root() -> Path:
    """Where data lie if neither --data-root nor AE_BENCH_DATA says so."""
    return user_cache() / "ae-bench" / "data"


def data_root(root: Path | None) -> Path:
    """The data root, or the default one."""
    return default_root() if root is None else root


def find_file(root: Path, name: str) -> Path | None:
    """The file or folder of this name under the data root; an IDX file may be gzipped."""
    names = (name, f"{name}.gz") if name.endswith("-ubyte") else (name,)
    return next((root / name for name in names if (root / name).exists()), None)


def missing(name: str, get: str) -> str:
    """The message for a file that is not under the data root."""
    return f"{ROOT}/{name} is missing. {hint(get)}"


def hint(get: str) -> str:
    """How to get a file: the end of every message about one."""
    return f"Get it: {get}; or name another data root by --data-root or AE_BENCH_DATA"


def find_images(folder: Path) -> Iterator[str]:
    """Names of the image files under a folder, relative to it, in no order.

    Symbolic links are followed, but every folder is read once, so a loop ends. Hidden files are left out:
    macOS writes a `._x.jpg`, which is no image, beside each x.jpg.
    """
    seen = {os.path.realpath(folder)}
    for here, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        kept = []
        for name in sorted(folders):
            real = os.path.realpath(os.path.join(here, name))
            if not name.startswith(".") and real not in seen:
                seen.add(real)
                kept.append(name)
        folders[:] = kept
        for name in files:
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS:
                yield Path(here, name).relative_to(folder).as_posix()


def _refuse(error: OSError) -> None:
    # os.walk would leave the folder out without a word.
    raise DataError(f"cannot read the folder {error.filename}: {error.strerror}") from error


def exactly(shape: Shape) -> Preprocess:
    """Preprocessing that leaves the pixels alone and wants their size to be right."""
    _, height, width = shape

    def check(image: Image.Image) -> Image.Image:
        if image.size != (width, height):
            raise ValueError(f"is {image.width}x{image.height} (width x height), needed is {width}x{height}")
        return image

    return check


def read_images(
    folder: Path, names: Sequence[str], shape: Shape, preprocess: Preprocess, preprocessing: str, shown: str = ""
) -> Tensor:
    """Decode image files, or read the array that an earlier call has kept.

    Args:
        folder: where the files are.
        names: files relative to `folder`; the images keep this order.
        shape: (C, H, W) of each image; C decides between grey and RGB.
        preprocess: from the decoded image to one of the right size.
        preprocessing: its name, a part of the cache key.
        shown: what messages write before a file's name.

    Returns:
        Images, uint8, (N, C, H, W).

    Raises:
        DataError: a file is missing, unreadable, or not of the right size.
    """
    prepared = cache_folder() / "prepared" / f"{_key(folder, names, shape, preprocessing, shown)}.npy"
    kept = _kept(prepared, (len(names), *shape))
    if kept is None:
        pixels = _decode(folder, names, shape, preprocess, shown)
        _keep(pixels, prepared)
        # Mapped from the disk, gigabytes of pixels are shared by all processes of this machine.
        kept = _kept(prepared, pixels.shape)
        kept = pixels if kept is None else kept
    return torch.from_numpy(kept)


def _key(folder: Path, names: Sequence[str], shape: Shape, preprocessing: str, shown: str) -> str:
    # The place is in the key: two folders unpacked from archives may agree in all names, sizes and times.
    key = hashlib.sha256(json.dumps([FORMAT, os.path.realpath(folder), shape, preprocessing]).encode())
    for name in names:
        try:
            about = os.stat(folder / name)
        except OSError as error:
            raise DataError(f"cannot read {shown}{name}: {error.strerror}") from error
        key.update(json.dumps([name, about.st_size, about.st_mtime_ns]).encode())
    return key.hexdigest()


def _kept(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The kept array; None if there is none, or a broken one."""
    try:
        # "c": a change of the tensor stays in memory.
        pixels = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError):
        return None
    good = isinstance(pixels, np.ndarray) and pixels.shape == shape and pixels.dtype == np.uint8
    return pixels if good else None


def _keep(pixels: Pixels, path: Path) -> None:
    """Write by rename, so that nobody reads half a file; a cache that cannot be written is no error."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            try:
                np.save(file, pixels, allow_pickle=False)
                file.close()
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)  # there only if something went wrong


def _decode(folder: Path, names: Sequence[str], shape: Shape, preprocess: Preprocess, shown: str) -> Pixels:
    pixels = np.empty((len(names), *shape), np.uint8)  # CelebA is 2 GB: written in place, never stacked

    def block(start: int) -> None:
        for index in range(start, min(start + BLOCK, len(names))):
            pixels[index] = _read(folder, names[index], shape, preprocess, shown)

    with ThreadPoolExecutor() as pool:  # Pillow decodes without holding the interpreter lock
        for _ in pool.map(block, range(0, len(names), BLOCK)):
            pass
    return pixels


def _read(folder: Path, name: str, shape: Shape, preprocess: Preprocess, shown: str) -> Pixels:
    try:
        with Image.open(folder / name) as opened:
            mode = opened.mode
            image = opened.convert("L" if shape[0] == 1 else "RGB")  # transparency is dropped
    except UnidentifiedImageError as error:  # its own text holds the path of this machine
        raise DataError(f"cannot read {shown}{name}: not an image that Pillow knows") from error
    # Broken files raise all of these.
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot read {shown}{name}: {error}") from error
    if mode not in EIGHT_BIT:  # Pillow has clipped 16 bits to 255 without a word
        raise DataError(f"{shown}{name} has pixels of mode {mode}, needed are 8 bits a channel")
    try:
        done = preprocess(image)
    except ValueError as error:
        raise DataError(f"{shown}{name} {error}") from error
    return np.asarray(done, np.uint8).reshape(*shape[1:], shape[0]).transpose(2, 0, 1)


# CelebA ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Preparation:
    """How an image file becomes an image of the data set's size.

    Attributes:
        crop: side of a square cut from the centre, in pixels; None: no crop.
        resize: a key of `FILTERS`; None: no resize.
    """

    crop: int | None = None
    resize: str | None = None

    def __str__(self) -> str:
        crop = "" if self.crop is None else f"{self.crop}x{self.crop} centre crop"
        return ", ".join(part for part in (crop, self.resize) if part) or "none"


AS_IT_IS = Preparation()
CELEBA = Preparation(160, "64x64 antialiased bilinear")  # App. B; the filter: ours


def read_celeba(get: str, root: Path | None, preparation: Preparation = CELEBA) -> tuple[Part, Part]:
    """Read CelebA's aligned faces in torchvision's layout, in the order of file names.

    Departs: the paper crops to 160 and resizes to 64 (B) without naming the filter; ours is bilinear and antialiased.
    To switch: `run sensitivity` scores against real images cropped and resized in other ways.
    """
    images = "celeba/img_align_celeba"
    split: dict[str, list[str]] = {"0": [], "1": [], "2": []}  # train, validation, test
    partition = find_file(data_root(root), "celeba/list_eval_partition.txt")
    if partition is None:
        raise DataError(missing("celeba/list_eval_partition.txt", get))
    listing = f"{ROOT}/celeba/list_eval_partition.txt"
    try:
        lines = partition.read_text("ascii").splitlines()
    except (OSError, UnicodeError) as error:
        raise DataError(f"cannot read {listing}: {error}. {hint(get)}") from error
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if len(fields) != 2 or fields[1] not in split or "/" in fields[0]:
            raise DataError(f"{listing}, line {number}: {line!r} is not 'NAME.jpg' and 0, 1 or 2. {hint(get)}")
        split[fields[1]].append(fields[0])
    wanted = sorted(split["0"] + split["2"])
    if not split["0"] or not split["2"]:
        raise DataError(f"{listing} lists {len(split['0'])} training and {len(split['2'])} test images. {hint(get)}")
    folder, prepare = data_root(root) / images, partial(crop_celeba, preparation=preparation)
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    absent = [name for name in wanted if name not in there]
    if absent:
        raise DataError(
            f"{len(absent):,} of {len(wanted):,} listed images are missing; the first is {ROOT}/{images}/{absent[0]}. "
            + hint(get)
        )
    try:
        train, test = (
            Part(read_images(folder, sorted(split[part]), (3, 64, 64), prepare, str(preparation), f"{ROOT}/{images}/"))
            for part in ("0", "2")
        )
    except DataError as error:
        raise DataError(f"{error}. {hint(get)}") from error
    return train, test


def crop_celeba(image: Image.Image, preparation: Preparation = CELEBA) -> Image.Image:
    """Crop a square from the centre and shrink it to 64x64, App. B."""
    if image.size != (178, 218):
        raise ValueError(f"is {image.width}x{image.height}, CelebA's aligned images are 178x218 (width x height)")
    side = preparation.crop or min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return FILTERS[preparation.resize](image.crop((left, top, left + side, top + side)))


def _plain_bilinear(image: Image.Image) -> Image.Image:
    """As TensorFlow and torch resize by default, which Pillow cannot: it always averages what it shrinks."""
    pixels = torch.from_numpy(np.asarray(image, np.float32)).permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(pixels, (64, 64), mode="bilinear", align_corners=False)
    return Image.fromarray(small[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy())


FILTERS: dict[str | None, Callable[[Image.Image], Image.Image]] = {
    "64x64 antialiased bilinear": lambda image: image.resize((64, 64), Image.Resampling.BILINEAR),
    "64x64 antialiased bicubic": lambda image: image.resize((64, 64), Image.Resampling.BICUBIC),
    "64x64 plain bilinear": _plain_bilinear,
}


# Folders of images -------------------------------------------------------------------------------------------

TENTH = "ours: the 10 % with the smallest digests are test, unless there are train/ and test/"


def read_folder(folder: Path, shape: Shape, shown: str = "") -> tuple[Part, Part]:
    """Read a folder of images of one size.

    With train/ and test/ these are the parts; otherwise test is the tenth with the smallest digests (at least one
    image). If all images lie in subfolders, these are the classes, numbered in the order of their names.
    """
    found = folder_problems(folder, shown)
    if found:
        raise DataError(found[0])
    halves = (folder / "train").is_dir()
    if halves:
        names = [f"{half}/{name}" for half in ("test", "train") for name in sorted(find_images(folder / half))]
    else:
        names = sorted(find_images(folder))
    paths = [name.split("/")[1 if halves else 0 :] for name in names]
    labels = None
    if all(len(path) > 1 for path in paths):
        number = {name: index for index, name in enumerate(sorted({path[0] for path in paths}))}
        labels = torch.tensor([number[path[0]] for path in paths])
    part = Part(read_images(folder, names, shape, exactly(shape), "none", shown), labels)
    if not halves:
        order = part.order()
        tests = max(1, len(part) // 10)
        return part.take(np.sort(order[tests:])), part.take(np.sort(order[:tests]))
    # Slices share the memory.
    tests = sum(name.startswith("test/") for name in names)
    return (
        Part(part.images[tests:], None if labels is None else labels[tests:]),
        Part(part.images[:tests], None if labels is None else labels[:tests]),
    )


def folder_problems(folder: Path, shown: str = "") -> list[str]:
    """What is wrong with a folder of images, as far as names tell."""
    name = shown.rstrip("/") or str(folder)
    if not folder.is_dir():
        return [f"{name} is {'not a folder' if folder.exists() else 'missing'}: it must be a folder of images"]
    halves = [half for half in ("train", "test") if (folder / half).is_dir()]
    if len(halves) == 1:
        return [f"{name} has {halves[0]}/ alone: it must have both train/ and test/, or neither"]
    needed = f"supported are {' '.join(sorted(EXTENSIONS))}"
    try:
        if halves:
            return [f"no images in {name}/{half}: {needed}" for half in halves if not any(find_images(folder / half))]
        images = list(itertools.islice(find_images(folder), 2))
    except DataError as error:
        return [str(error)]
    if len(images) < 2:
        return [f"{'one image' if images else 'no images'} in {name}, needed are two to train and test: {needed}"]
    return []
