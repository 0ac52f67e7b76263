"""Reading .npy and .npz files of strangers, and images from their arrays."""

import random
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from image_files import npy_header, write_control_groups, write_special_file, write_zip

from benchmarks.data import limits
from benchmarks.data.array_files import array_to_images, read_arrays
from benchmarks.data.paths import DataError
from benchmarks.data.preprocessing import Conversion

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), np.uint8)
DEFAULT = Conversion()


def read(path):
    return read_arrays(path, path.name)


@pytest.mark.parametrize(
    "array",
    [IMAGES, IMAGES / 255, (IMAGES / 255).astype(">f4"), np.asfortranarray(IMAGES), IMAGES.astype(np.int64),
     np.float16(1), np.zeros((0, 3))],
    ids=["uint8", "float64", "big-endian", "Fortran", "int64", "scalar", "empty"],
)  # fmt: skip
def test_arrays_are_read_as_numpy_does(array, tmp_path):
    np.save(tmp_path / "x.npy", array)
    np.savez(tmp_path / "plain.npz", a=array, b=array)
    np.savez_compressed(tmp_path / "compressed.npz", a=array)
    for name, names in (("x.npy", [""]), ("plain.npz", ["a", "b"]), ("compressed.npz", ["a"])):
        arrays = read(tmp_path / name)
        assert [*arrays] == names
        for found in arrays.values():
            assert found.dtype == array.dtype
            assert np.array_equal(found, array)


def broken_zip(path, kind):
    """A broken .npz file."""
    np.savez_compressed(path, IMAGES)
    data = bytearray(path.read_bytes())
    central = data.rfind(b"PK\1\2")
    if kind == "truncated":
        del data[len(data) // 2 :]
    elif kind == "a flipped bit":
        data[200] ^= 4
    elif kind == "unknown compression":
        data[8], data[central + 10] = 99, 99
    elif kind == "encrypted":
        data[6], data[central + 8] = data[6] | 1, data[central + 8] | 1
    path.write_bytes(data)
    if kind in ("bzip2", "lzma"):
        method = zipfile.ZIP_BZIP2 if kind == "bzip2" else zipfile.ZIP_LZMA
        write_zip(path, {"a.npy": npy_header("(90, 9)") + bytes(range(90)) * 9}, method)
        data = bytearray(path.read_bytes())
        data[110:150] = b"\xff" * 40
        path.write_bytes(data)
    elif kind == "no .npy":
        write_zip(path, {"readme.txt": b"hello"})
    elif kind == "no array":
        write_zip(path, {"a.npy": b"hello"})
    elif kind == "folder":
        write_zip(path, {"a/": b""})
    elif kind == "many":
        write_zip(path, {f"{i}.npy": npy_header("(1,)") + b"x" for i in range(500)})


@pytest.mark.parametrize(
    ("kind", "words"),
    [("truncated", "not a zip file"), ("a flipped bit", ""), ("unknown compression", "compression method is not"),
     ("encrypted", "it is encrypted"), ("bzip2", ""), ("lzma", ""), ("no .npy", "does not hold an array"),
     ("no array", "does not hold an array"), ("folder", "does not hold an array"),
     ("many", "it holds 500 arrays, at most 8 are read")],
)  # fmt: skip
def test_a_broken_npz_file_is_named_in_one_error(kind, words, tmp_path):
    broken_zip(tmp_path / "x.npz", kind)
    with pytest.raises(DataError, match=rf"^cannot read x\.npz: .*{words}"):
        read(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("shape", "words"),
    [(f"({2**70},)", "says .* bytes of data"), (f"({2**40}, 8, 8)", "says 70,368,744,177,664 bytes of data"),
     (f"({2**63}, 1, 1)", "says"), ("(-1, 8, 8)", "shape"), ("(-1, -64)", "shape"), ("(1.5, 8)", "broken"),
     ("[1, 8]", "broken"), ("(" * 3000 + "1" + ",)" * 3000, "broken"), ("(open('x'),)", "broken"),
     ("(8" + ",1" * 80 + ")", "broken")],
    ids=["2^70", "2^40 images", "2^63", "negative", "product", "float", "list", "deep", "code", "dimensions"],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_header_that_lies_is_refused_before_memory_is_allocated(shape, words, suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    data = npy_header(shape) + bytes(64)
    if suffix == ".npz":
        write_zip(path, {"a.npy": data})
    else:
        path.write_bytes(data)
    with pytest.raises(DataError, match=rf"^cannot read x{suffix}: (the header of its array|shape|maximum)") as error:
        read(path)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_with_another_number_of_bytes_than_its_header_says_is_refused(change, tmp_path):
    (tmp_path / "x.npy").write_bytes(npy_header("(4, 8, 8)") + bytes(256 + change))
    with pytest.raises(DataError, match=rf"says 256 bytes of data, shape \(4, 8, 8\), but there are {256 + change}"):
        read(tmp_path / "x.npy")


def test_an_array_that_does_not_fit_in_memory_is_refused_by_its_declared_size(tmp_path, monkeypatch):
    """A small zip file may unpack to gigabytes."""
    write_control_groups(tmp_path / "groups", outer=10**7, inner=10**7)
    monkeypatch.setattr(limits, "CGROUPS", tmp_path / "groups")
    write_zip(tmp_path / "x.npz", {"a.npy": npy_header("(100000, 32, 32)") + bytes(100_000 * 32 * 32)})
    assert (tmp_path / "x.npz").stat().st_size < 200_000
    with pytest.raises(DataError, match=r"^x\.npz needs 0\.1 GB of memory, but 0\.0 GB are available"):
        read(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("dtype", "words"),
    [("|O", "Python objects"), ("<c16", "complex numbers"), ("|V8", "records"), ("<U5", "text"), ("|b1", "truth"),
     ("<M8[s]", "datetime64")],
)  # fmt: skip
def test_only_numbers_are_read(dtype, words, tmp_path):
    (tmp_path / "x.npy").write_bytes(npy_header("(4,)", dtype) + bytes(4 * np.dtype(dtype).itemsize))
    with pytest.raises(DataError, match=rf"it holds {words}.*, expected whole numbers or floats"):
        read(tmp_path / "x.npy")


def test_nothing_in_a_file_is_executed(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "opened").touch, ()

    np.save(tmp_path / "x.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="Python objects"):
        read(tmp_path / "x.npy")
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("data", [b"", b"\x93NUMP", b"\x93NUMPY", b"\x89PNG", b"\x93NUMPY\x09\x00\x10\x00{}", b"PK"])
def test_a_file_of_another_format_is_refused(data, tmp_path):
    (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises(DataError, match=r"^cannot read x\.npy: "):
        read(tmp_path / "x.npy")


def test_a_pipe_is_never_waited_for(tmp_path):
    write_special_file(tmp_path / "x.npz", "pipe")
    with pytest.raises(DataError, match=r"^cannot read x\.npz: it is a FIFO, expected a file$"):
        read(tmp_path / "x.npz")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_mutated_file_is_read_or_named_in_one_error(suffix, tmp_path):
    rng = random.Random(suffix)
    path = tmp_path / f"x{suffix}"
    (np.save if suffix == ".npy" else np.savez_compressed)(path, IMAGES)
    good = path.read_bytes()
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.choice((1, 1, 3))):
            data[rng.randrange(min(len(data), rng.choice((128, 10**6))))] = rng.randrange(256)
        path.write_bytes(data[: rng.randrange(len(data))] if rng.random() < 0.2 else data)
        try:
            assert len(read(path)) <= 1
        except DataError as error:
            assert str(error).startswith(f"cannot read x{suffix}: ")  # noqa: PT017 - either is right


def images_of(array, conversion=DEFAULT):
    return array_to_images(array, conversion, "x")


GRAY = IMAGES[..., 0]


@pytest.mark.parametrize(
    ("array", "expected"),
    [(GRAY, GRAY[:, None]), (GRAY[:, None], GRAY[:, None]), (GRAY[..., None], GRAY[:, None]),
     (GRAY / 255, GRAY[:, None]), (IMAGES, np.moveaxis(IMAGES, 3, 1)), (np.moveaxis(IMAGES, 3, 1),) * 2,
     (np.asfortranarray(IMAGES), np.moveaxis(IMAGES, 3, 1)), ((IMAGES / 255).astype("f4"), np.moveaxis(IMAGES, 3, 1))],
    ids=["NHW", "N1HW", "NHW1", "floats", "NHWC", "NCHW", "Fortran", "float32"],
)  # fmt: skip
def test_layouts_of_arrays_are_told_from_their_shape(array, expected):
    assert torch.equal(images_of(array), torch.from_numpy(np.ascontiguousarray(expected)))


@pytest.mark.parametrize("shape", [(9, 3, 8, 3), (9, 1, 8, 1), (9, 3, 8, 1), (9, 4, 8, 3)])
def test_an_ambiguous_layout_is_asked_for(shape):
    array = np.full(shape, 255, np.uint8)
    with pytest.raises(DataError, match=r"its second or last dimension: give --layout NCHW .* or --layout NHWC"):
        images_of(array)
    n, a, b, c = shape
    assert images_of(array, Conversion(layout="NCHW")).shape == (n, min(a, 3), b, c)
    assert images_of(array, Conversion(layout="NHWC")).shape == (n, min(c, 3), a, b)


def test_one_color_image_is_not_taken_for_gray_images_of_width_3():
    array = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(DataError, match="64 gray images of width 3, or one color image"):
        images_of(array)
    assert images_of(array, Conversion(layout="NHW")).shape == (64, 1, 64, 3)


@pytest.mark.parametrize(("shape", "layout"), [((4, 8, 8), "NHWC"), ((4, 8, 8, 3), "NCHW"), ((4, 3, 8, 8), "NHW")])
def test_a_layout_that_does_not_fit_is_refused(shape, layout):
    with pytest.raises(DataError, match=rf"has the shape .*, which is not {layout} \(--layout\)"):
        images_of(np.zeros(shape, np.uint8), Conversion(layout=layout))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 8, 8, 2)), "C of 1, 3, 4"),
        (np.zeros((4, 8)), "Images are"),
        (np.zeros((2, 2, 2, 8, 8)), "Images are"),
        (np.zeros(()), "Images are"),
        (np.zeros((0, 8, 8)), "holds no images"),
        (np.zeros((4, 0, 8)), "holds no images"),
        (np.full((4, 8, 8), np.nan), "finite and in"),
        (np.full((4, 8, 8), np.inf), "finite and in"),
        (np.full((4, 8, 8), 255.0), r"floats from 255 to 255\. They must be finite and in \[0, 1\]"),
        (np.full((4, 8, 8), -1e-3), r"\[0, 1\]"),
        (np.zeros((4, 8, 8), np.int64), "type int64, .* Convert values of 0 to 255 to uint8"),
        (np.zeros((4, 8, 8), np.uint16), "type uint16, .* --bit-depth 16 divides by 257"),
    ],
)
def test_arrays_that_are_no_images_are_refused(array, words):
    with pytest.raises(DataError, match=words):
        images_of(array)


def test_values_that_are_wrong_in_the_last_image_are_found():
    array = np.zeros((2000, 2, 2))
    array[-1, -1, -1] = 1.5
    with pytest.raises(DataError, match=r"floats from 0 to 1\.5"):
        images_of(array)


def test_16_bit_arrays_are_divided_by_257():
    assert torch.equal(images_of(GRAY.astype(np.uint16) * 257, Conversion(bit_depth=16)), images_of(GRAY))
    assert torch.equal(images_of(GRAY.astype(np.int32) * 257, Conversion(bit_depth=16)), images_of(GRAY))
    with pytest.raises(DataError, match="expected 0 to 65,535"):
        images_of(GRAY.astype(np.int32) - 300, Conversion(bit_depth=16))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_transparent_arrays_are_refused_or_put_on_a_background(layout):
    rgba = np.concatenate([IMAGES, np.full((5, 6, 7, 1), 255, np.uint8)], 3)
    shaped = rgba if layout == "NHWC" else np.moveaxis(rgba, 3, 1)
    assert torch.equal(images_of(shaped), images_of(IMAGES))
    rgba[4, 0, 0, 3] = 0
    with pytest.raises(DataError, match=r"has transparent pixels\. --background COLOR"):
        images_of(shaped)
    found = images_of(shaped, Conversion(background=(1, 2, 3)))
    assert found[4, :, 0, 0].tolist() == [1, 2, 3]
    assert torch.equal(found[:4], images_of(IMAGES)[:4])


@given(st.lists(st.integers(0, 255), min_size=4, max_size=4))
def test_eight_bits_as_floats_are_the_same_images(values):
    pixels = np.array(values, np.uint8).reshape(1, 2, 2)
    assert torch.equal(images_of(pixels / 255), images_of(pixels))
