"""Opening and decoding image files of strangers."""

import ast
import io
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_files import EPS, huge_png, png, png_16, png_chunk, random_pixels, tiff_16, write_special_file
from PIL import ExifTags, Image, ImageOps

from benchmarks.data import image_files
from benchmarks.data.array_files import composite, scale_to_eight_bits
from benchmarks.data.image_files import EXTENSIONS, FORMATS, MAX_PIXELS, decode_image, read_header
from benchmarks.data.paths import DataError
from benchmarks.data.preprocessing import NO_CONVERSION, Conversion

SOURCES = sorted((Path(__file__).resolve().parents[2] / "benchmarks").rglob("*.py"))
WHITE = Conversion(background=(255, 255, 255))
DEEP = Conversion(bit_depth=16)


def decode(path, conversion=NO_CONVERSION, is_gray=False, check_size=lambda size: None):
    return np.asarray(decode_image(path, path.name, is_gray, conversion, check_size))


def exif(orientation):
    data = Image.Exif()
    data[ExifTags.Base.Orientation] = orientation
    return data


def test_only_one_module_opens_image_files():
    calls = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Image.open":
                calls.setdefault(path.name, []).append(node)
    assert {*calls} == {"image_files.py"}
    ((call,),) = calls.values()
    assert "formats" in {keyword.arg for keyword in call.keywords}


@pytest.mark.parametrize("extension", sorted(EXTENSIONS))
def test_every_supported_extension_is_read(extension, tmp_path):
    pixels = random_pixels(1)
    Image.fromarray(pixels).save(tmp_path / f"x{extension}")
    found = decode(tmp_path / f"x{extension}", is_gray=True)
    assert found.shape == (8, 8)
    if extension not in (".jpg", ".jpeg", ".webp"):  # these lose some precision
        assert (found == pixels).all()


@pytest.mark.parametrize("name", ["EPS", "ICO", "PCX", "SGI", "TGA", "JPEG2000", "PDF", "ICNS", "DDS", "IM", "HTML"])
def test_no_other_decoder_of_pillow_runs_whatever_the_name_of_the_file(name, tmp_path):
    file = io.BytesIO(EPS if name == "EPS" else b"<html>not found")
    if name not in ("EPS", "HTML"):
        file = io.BytesIO()
        Image.new("RGB", (16, 16)).save(file, name)
    (tmp_path / "x.png").write_bytes(file.getvalue())
    with pytest.raises(DataError, match=rf"^cannot read x\.png: it is not an image in {', '.join(FORMATS)} format$"):
        decode(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("kind", "words"), [("pipe", "FIFO"), ("socket", "socket"), ("device", "device"), ("folder", "folder")]
)
def test_only_regular_files_are_opened(kind, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    write_special_file(Path("x.png"), kind)
    with pytest.raises(DataError, match=rf"^cannot read x\.png: it is a {words}, expected a file$"):
        read_header(Path("x.png"), "x.png")


@pytest.mark.parametrize(("width", "height"), [(13_000, 13_000), (8193, 8192), (2**31 - 1, 2**31 - 1), (10**8, 1)])
def test_images_of_too_many_pixels_are_refused_by_their_header(width, height, tmp_path):
    (tmp_path / "x.png").write_bytes(huge_png(width, height))
    with pytest.raises(DataError, match=rf"^cannot read x\.png: it has more than {MAX_PIXELS:,} pixels"):
        read_header(tmp_path / "x.png", "x.png")


def test_the_size_is_checked_before_pixels_are_decoded(tmp_path):
    (tmp_path / "x.png").write_bytes(huge_png(8000, 8000))

    def refuse(size):
        raise ValueError(f"has the size {size}")

    with pytest.raises(DataError, match=r"^x\.png has the size \(8000, 8000\)$"):
        decode(tmp_path / "x.png", check_size=refuse)


def partly_transparent(tmp_path, name):
    rgba = random_pixels(3, channels=4)
    rgba[..., 3] = np.where(rgba[..., 3] < 128, 0, 254)
    path = tmp_path / name.replace(" ", "")
    if name == "palette.png":
        Image.fromarray(rgba[..., 0]).convert("P").save(path, transparency=bytes([0, 200] * 128))
    elif name == "color key.png":
        Image.fromarray(rgba[..., :3]).save(path, transparency=tuple(map(int, rgba[0, 0, :3])))
    elif name == "gray key.png":
        Image.fromarray(rgba[..., 0]).save(path, transparency=int(rgba[0, 0, 0]))
    elif name == "bit key.png":
        Image.fromarray(rgba[..., 0]).convert("1").save(path, transparency=0)
    elif name == "gray.png":
        Image.merge("LA", [Image.fromarray(rgba[..., 0]), Image.fromarray(rgba[..., 3])]).save(path)
    elif name == "index.gif":
        Image.fromarray(rgba[..., 0]).convert("P").save(path, transparency=int(rgba[0, 0, 0]))
    else:
        Image.fromarray(rgba).save(path, **({"lossless": True, "exact": True} if name.endswith("webp") else {}))
    return path


@pytest.mark.parametrize(
    "name",
    ["rgba.png", "palette.png", "color key.png", "gray key.png", "bit key.png", "gray.png", "index.gif", "rgba.webp",
     "rgba.tif"],
)  # fmt: skip
def test_transparent_pixels_are_refused_or_put_on_a_background(name, tmp_path):
    path = partly_transparent(tmp_path, name)
    with pytest.raises(DataError, match=r"has transparent pixels\. --background COLOR"):
        decode(path, Conversion())
    with pytest.raises(DataError, match=r"has transparent pixels\. Put the images on a background"):
        decode(path)  # of a data set: there is no option
    with Image.open(path) as image:
        rgba = image.convert("RGBA")
    for color in ((255, 255, 255), (10, 200, 30)):
        expected = Image.new("RGBA", rgba.size, (*color, 255))
        expected.alpha_composite(rgba)
        found = decode(path, Conversion(background=color)).astype(int)
        assert abs(found - np.asarray(expected.convert("RGB"))).max() <= 1  # Pillow rounds twice


def test_opaque_alpha_is_dropped_without_a_background(tmp_path):
    rgba = random_pixels(3, channels=4)
    rgba[..., 3] = 255
    Image.fromarray(rgba).save(tmp_path / "x.png")
    assert (decode(tmp_path / "x.png") == rgba[..., :3]).all()


def test_one_pixel_that_is_hardly_transparent_is_enough(tmp_path):
    rgba = np.full((8, 8, 4), 255, np.uint8)
    rgba[7, 7, 3] = 254
    Image.fromarray(rgba).save(tmp_path / "x.png")
    with pytest.raises(DataError, match="transparent"):
        decode(tmp_path / "x.png")


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_composite_is_the_rounded_mean(color, alpha, background):
    pixel = np.array([[color, color, color, alpha]], np.uint8)
    expected = (alpha * color + (255 - alpha) * background) / 255
    assert abs(int(composite(pixel, (background,) * 3)[0, 0]) - expected) <= 0.5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["x.jpg", "x.png", "late.png", "x.webp", "x.tif"])
def test_the_orientation_in_exif_data_is_applied(name, orientation, tmp_path):
    image = Image.fromarray(random_pixels(size=(16, 8), channels=3))
    path = tmp_path / name
    if name == "late.png":  # where exiftool writes it
        rows = [row.tobytes() for row in np.asarray(image)]
        path.write_bytes(png(16, 8, 8, 2, rows, png_chunk(b"eXIf", exif(orientation).tobytes()[6:])))
        expected = ImageOps.exif_transpose(_with_exif(image, orientation))
    else:
        image.save(path, exif=exif(orientation), **({"lossless": True} if name == "x.webp" else {}))
        with Image.open(path) as saved:
            expected = ImageOps.exif_transpose(saved).convert("RGB")
    assert (decode(path) == np.asarray(expected)).all()
    header = read_header(path, name)
    assert header.size == expected.size
    assert header.is_rotated == (orientation != 1)


def _with_exif(image, orientation):
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif(orientation))
    return Image.open(file)


def test_broken_exif_data_count_as_none(tmp_path):
    pixels = random_pixels(size=(6, 8))
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=b"Exif\0\0MM\0*broken")
    assert not read_header(tmp_path / "x.png", "x.png").is_rotated
    assert (decode(tmp_path / "x.png", is_gray=True) == pixels).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_png_files_are_refused_or_divided_by_257(channels, tmp_path):
    deep = np.random.default_rng(channels).integers(0, 65536, (8, 6, channels))
    if channels == 4:
        deep[..., -1] = 65535
    path = tmp_path / "x.png"
    path.write_bytes(png_16(deep))
    with pytest.raises(DataError, match=r"^x.png has more than 8 bits per channel .* --bit-depth 16 divides .* by 257"):
        decode(path, Conversion())
    with pytest.raises(DataError, match=r"Convert the images to 8 bits per channel: round\(value / 257\)"):
        decode(path)
    expected = np.rint(deep[..., :3] / 257).astype(np.uint8)
    found = decode(path, DEEP, is_gray=channels == 1)
    assert (found == (expected[..., 0] if channels == 1 else expected)).all()


@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("order", "<>")
def test_16_bit_color_tiff_files_are_divided_by_257(order, compression, tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (8, 6, 3))
    (tmp_path / "x.tif").write_bytes(tiff_16(deep, order, compression))
    with pytest.raises(DataError, match="more than 8 bits per channel"):
        decode(tmp_path / "x.tif")
    assert (decode(tmp_path / "x.tif", DEEP) == np.rint(deep / 257)).all()


def test_16_bit_gray_images_with_alpha_are_refused(tmp_path):
    (tmp_path / "x.png").write_bytes(png_16(np.full((8, 6, 2), 65535)))
    with pytest.raises(DataError, match=r"16-bit channels are stored as LA;16B\. Save it as RGB"):
        decode(tmp_path / "x.png", DEEP)


def test_transparent_16_bit_images_are_put_on_a_background_too(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (8, 6, 4))
    (tmp_path / "x.png").write_bytes(png_16(deep))
    with pytest.raises(DataError, match="transparent pixels"):
        decode(tmp_path / "x.png", DEEP)
    found = decode(tmp_path / "x.png", Conversion((255, 0, 0), 16)).astype(float)
    alpha = deep[..., 3:] / 65535
    expected = alpha * deep[..., :3] / 257 + (1 - alpha) * np.array([255, 0, 0])
    assert abs(found - expected).max() <= 2


@pytest.mark.parametrize("name", ["x.tif", "x.pgm", "x.png"])
def test_16_bit_gray_files_are_refused_or_scaled_exactly(name, tmp_path):
    eight = random_pixels(2)
    Image.fromarray(eight.astype(np.uint16) * 257).save(tmp_path / name)
    with pytest.raises(DataError, match="more than 8 bits per channel"):
        decode(tmp_path / name)
    assert (decode(tmp_path / name, DEEP, is_gray=True) == eight).all()


def test_images_of_12_bits_are_scaled_and_larger_values_are_refused(tmp_path):
    values = np.array([[0, 2048, 4095]], np.uint16)
    Image.fromarray(values).save(tmp_path / "x.tif")
    assert decode(tmp_path / "x.tif", Conversion(bit_depth=12), is_gray=True).tolist() == [[0, 128, 255]]
    Image.fromarray(values + 1).save(tmp_path / "x.tif")
    with pytest.raises(DataError, match="values from 0 to 4,096, expected 0 to 4,095 of --bit-depth 12"):
        decode(tmp_path / "x.tif", Conversion(bit_depth=12))


@given(st.integers(9, 16), st.data())
def test_scaling_to_8_bits_rounds_to_the_nearest(depth, data):
    value = data.draw(st.integers(0, 2**depth - 1))
    scaled = int(scale_to_eight_bits(np.array([value], np.uint16), depth, "x")[0])
    assert abs(scaled - 255 * value / (2**depth - 1)) <= 0.5


def test_16_bit_color_files_that_pillow_would_cut_are_refused(tmp_path):
    path = tmp_path / "x.ppm"
    path.write_bytes(b"P6 1 1 65535\n" + b"\x80\x40" * 3)
    with pytest.raises(DataError, match="more than 8 bits"):
        decode(path)
    assert decode(path, DEEP).tolist() == [[[128, 128, 128]]]  # 32832 / 257 = 127.75


@pytest.mark.parametrize("name", ["x.tif", "x.ppm"])
def test_files_of_floats_are_refused_with_advice(name, tmp_path):
    path = tmp_path / name
    if name == "x.tif":
        Image.fromarray(np.ones((8, 8), np.float32)).save(path)
    else:
        path.write_bytes(b"Pf\n8 8\n-1.0\n" + np.ones((8, 8), "<f4").tobytes())
    with pytest.raises(DataError, match=r"has floats as pixels.*give them as one array, a \.npy or \.npz file"):
        decode(path, DEEP)


@pytest.mark.parametrize(("name", "options"), [("x.gif", {}), ("x.tif", {}), ("x.webp", {"lossless": True})])
def test_the_first_image_of_several_is_read(name, options, tmp_path):
    first, second = (Image.fromarray(random_pixels(seed, channels=3)).quantize(16).convert("RGB") for seed in (1, 2))
    first.save(tmp_path / name, save_all=True, append_images=[second], **options)
    assert read_header(tmp_path / name, name).is_animated
    assert (decode(tmp_path / name) == np.asarray(first)).all()


def mutated(data, rng):
    """A copy of a file with a few other bytes, or cut."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 3))):
        data[rng.randrange(min(len(data), rng.choice((64, 10**6))))] = rng.choice((0, 127, 255, rng.randrange(256)))
    return data[: rng.randrange(len(data))] if rng.random() < 0.3 else data


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow, about broken metadata
@pytest.mark.parametrize("name", ["PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP"])
def test_a_mutated_file_is_decoded_or_named_in_one_error(name, tmp_path):
    rng = random.Random(name)
    file = io.BytesIO()
    image = Image.fromarray(random_pixels(size=(12, 9), channels=3))
    image.save(file, name, **({"exif": exif(6)} if name in ("PNG", "JPEG", "TIFF", "WEBP") else {}))
    for _ in range(150):
        (tmp_path / "x").write_bytes(mutated(file.getvalue(), rng))
        try:
            header = read_header(tmp_path / "x", "x")
            assert decode_image(tmp_path / "x", "x", False, WHITE, lambda size: None).size == header.size
        except DataError as error:
            assert str(error).partition(" ")[0] in ("cannot", "x")  # noqa: PT017 - either is right


def test_the_notes_of_a_header(tmp_path):
    Image.fromarray(random_pixels(channels=4)).save(tmp_path / "x.png")
    header = read_header(tmp_path / "x.png", "x.png")
    assert header == image_files.ImageHeader((8, 8), False, True, False, False, False)
