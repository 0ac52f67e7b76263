"""Images that users hand to `evaluate`: folders and arrays as they are, and the options that convert them."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from image_files import EPS, digits_folder, huge_png, png_16, random_pixels, write_image, write_special_file
from PIL import Image

from benchmarks.data import datasets
from benchmarks.data.datasets import load
from benchmarks.data.preprocessing import Conversion
from benchmarks.evaluation.image_input import load_images, resize_images
from benchmarks.run import main

HERE = load("digits", None).test.images[:, 0].numpy()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AE_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def evaluate(tmp_path_factory, capsys):
    """Run the command on digits and some images; returns its JSON file and the printed lines."""

    def run(fake, *arguments, real="digits"):
        path = tmp_path_factory.mktemp("json") / "evaluation.json"
        command = ["evaluate", "--real", real, "--fake", fake, "--metrics", "fd", "--features", "pixels", "--allow-few"]
        assert main([*map(str, (*command, *arguments)), "--json", str(path)]) == 0
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
        return {
            **content,
            "fd": content["values"].get("fd_pixels", {}).get("value"),
            "lines": capsys.readouterr().out.splitlines(),
        }

    return run


def errors_of(capsys, fake, *arguments, real="digits"):
    """The errors of the command, which must end with exit code 2."""
    assert main(["evaluate", "--real", str(real), "--fake", str(fake), "--features", "pixels", *arguments]) == 2
    return capsys.readouterr().err.splitlines()


def write_digits(folder, transform=lambda image: image, suffix=".png", n=80, **options):
    """The first test digits as files."""
    folder.mkdir()
    for index, pixels in enumerate(HERE[:n]):
        transform(Image.fromarray(pixels)).save(folder / f"{index:03}{suffix}", **options)
    return folder


def half_transparent(image):
    """An image whose alpha channel hides its left half."""
    alpha = np.zeros((8, 8), np.uint8)
    alpha[:, 4:] = 255
    return Image.merge("LA", [image, Image.fromarray(alpha)])


def test_transparent_images_are_refused_unless_they_get_a_background(tmp_path, evaluate, capsys):
    """Half-transparent images scored a distance of 0 to the opaque ones, because their alpha channel was dropped."""
    folder = write_digits(tmp_path / "half", half_transparent)
    (error,) = errors_of(capsys, folder)
    assert error.endswith("half/000.png has transparent pixels. --background COLOR puts all images on a color, such as "
                          "--background white")  # fmt: skip
    black, white = (evaluate(folder, "--background", color) for color in ("black", "#FFFFFF"))
    expected = HERE[:80].copy()
    expected[:, :, :4] = 0
    np.save(tmp_path / "expected.npy", expected)
    assert black["fd"] == evaluate(tmp_path / "expected.npy")["fd"] < white["fd"]
    assert (black["conversion"]["background"], white["conversion"]["background"]) == ("#000000", "#ffffff")
    note = f"80 of 80 images of {folder} have an alpha channel, and were put on the color #ffffff"
    assert note in white["notes"]
    assert note in white["lines"]


def test_only_arrays_with_an_alpha_channel_are_said_to_have_one(tmp_path):
    conversion = Conversion(background=(0, 0, 0))
    for name, shape, n_notes in (("rgb", (5, 6, 4, 3), 0), ("rgba", (5, 7, 6, 4), 1)):
        np.save(tmp_path / f"{name}.npy", np.full(shape, 200, np.uint8))
        assert len(load_images(str(tmp_path / f"{name}.npy"), None, conversion).notes) == n_notes


def test_opaque_alpha_channels_change_nothing(tmp_path, evaluate):
    plain = write_digits(tmp_path / "plain")
    opaque = write_digits(tmp_path / "opaque", lambda image: image.convert("RGBA"))
    assert evaluate(plain)["fd"] == evaluate(opaque)["fd"]


def test_a_colored_background_makes_gray_images_colored(tmp_path):
    folder = write_digits(tmp_path / "half", half_transparent)
    images = load_images(str(folder), None, Conversion(background=(255, 0, 0))).content.images
    assert images[0, :, 0, 0].tolist() == [255, 0, 0]


def test_images_are_turned_as_their_exif_data_say_and_the_notes_say_so(tmp_path, evaluate):
    turned = Image.Exif()
    turned[0x0112] = 6
    plain = write_digits(tmp_path / "plain")
    folder = write_digits(tmp_path / "turned", lambda image: image.rotate(90), exif=turned)
    first, second = evaluate(plain), evaluate(folder)
    assert first["fd"] == second["fd"]
    assert first["notes"][:-1] == []
    assert f"80 of 80 images of {folder} were turned or flipped as their EXIF orientation says" in second["notes"]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bit_images_are_refused_with_the_option_that_scales_them(suffix, tmp_path, evaluate, capsys):
    plain = write_digits(tmp_path / "plain")
    deep = write_digits(tmp_path / "deep", lambda image: Image.fromarray(np.asarray(image, np.uint16) * 257), suffix)
    (error,) = errors_of(capsys, deep)
    assert "has more than 8 bits per channel" in error
    assert "--bit-depth 16 divides the values by 257" in error
    got = evaluate(deep, "--bit-depth", "16")
    assert got["fd"] == evaluate(plain)["fd"]
    assert got["conversion"]["bit_depth"] == 16
    assert f"80 of 80 images of {deep} were scaled to 8 bits by round(value / 257)" in got["notes"]


def test_16_bit_color_images_are_read_exactly(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (8, 6, 3))
    (tmp_path / "a.png").write_bytes(png_16(deep))
    images = load_images(str(tmp_path), None, Conversion(bit_depth=16)).content.images
    assert (images[0].permute(1, 2, 0).numpy() == np.rint(deep / 257)).all()


def test_images_of_several_sizes_are_refused_or_resized(tmp_path, evaluate, capsys):
    folder = write_digits(tmp_path / "two")
    for size in ((9, 7), (16, 16), (9, 7)):
        write_image(folder / f"z{size[0]}.png", size=size)
    (error,) = errors_of(capsys, folder)
    assert "two has images of 3 sizes (width x height): 8x8 (80, such as 000.png), 16x16 (1, such as z16.png)" in error
    assert "--resize N resizes all images to NxN (Pillow's antialiased bicubic filter)" in error
    got = evaluate(folder, "--resize", "8")
    assert got["conversion"]["resize"] == "8x8 antialiased bicubic"
    assert got["protocol"]["resize"] is None  # that of the reference images
    assert got["notes"][:2] == [
        f"2 of 82 images of {folder} were resized to 8x8 antialiased bicubic",
        f"1 of 82 images of {folder} were not square: --resize changed their shape",
    ]


def test_a_folder_an_array_and_a_data_set_are_resized_alike(tmp_path, evaluate):
    folder = write_digits(tmp_path / "digits", n=500)
    np.save(tmp_path / "digits.npy", HERE)
    sets = [load_images(str(name), None, Conversion(size=12)) for name in (folder, tmp_path / "digits.npy", "digits")]
    assert len({side.content.fingerprint for side in sets}) == 1
    assert {side.resize for side in sets} == {"12x12 antialiased bicubic"}
    expected = Image.fromarray(HERE[0]).resize((12, 12), Image.Resampling.BICUBIC)
    assert (sets[1].content.images[0, 0].numpy() == np.asarray(expected)).all()
    got = evaluate(folder, "--resize", "12", real="digits")
    assert got["fd"] == pytest.approx(0, abs=1e-9)
    assert got["protocol"]["resize"] == "12x12 antialiased bicubic"


def test_each_channel_is_resized_as_pillow_resizes_color_images():
    pixels = random_pixels(1, (9, 5), 3)
    expected = np.asarray(Image.fromarray(pixels).resize((4, 4), Image.Resampling.BICUBIC))
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()
    assert (resize_images(images, 4, "x")[0].permute(1, 2, 0).numpy() == expected).all()


def test_images_that_have_the_size_are_not_resized(tmp_path, evaluate):
    plain = write_digits(tmp_path / "plain")
    with_option, without = evaluate(plain, "--resize", "8"), evaluate(plain)
    assert (with_option["fd"], with_option["protocol_id"]) == (without["fd"], without["protocol_id"])
    assert with_option["notes"] == without["notes"]


def test_two_sets_of_different_sizes_name_the_option_that_resizes_them(tmp_path, evaluate, capsys):
    np.save(tmp_path / "large.npy", np.kron(HERE, np.ones((2, 2), np.uint8)))
    (error,) = errors_of(capsys, tmp_path / "large.npy")
    assert "--resize N resizes both to NxN" in error
    assert evaluate(tmp_path / "large.npy", "--resize", "8")["n_fake"] == 500


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".NPY"])
def test_npy_and_npz_files_hold_the_same_images(suffix, tmp_path, evaluate):
    path = tmp_path / f"digits{suffix}"
    with path.open("wb") as file:
        (np.savez if suffix == ".npz" else np.save)(file, HERE)
    assert evaluate(path)["fd"] == pytest.approx(0, abs=1e-9)


def test_a_distance_of_equal_moments_is_zero_and_never_negative(tmp_path, evaluate):
    """Rounding errors made it -6e-07, and the table printed that."""
    for seed in range(8):
        features = np.random.default_rng(seed).normal(scale=100, size=(60, 20))
        np.savez(tmp_path / "a.npz", mu=features.mean(0), sigma=np.cov(features, rowvar=False))
        got = evaluate(tmp_path / "a.npz", real=tmp_path / "a.npz")
        (row,) = (line for line in got["lines"] if "│ fd_moments" in line)
        assert got["values"]["fd_moments"]["value"] >= 0
        assert not row.partition("fd_moments │")[2].strip().startswith("-")


@pytest.mark.parametrize(("suffix", "options"), [(".gif", {}), (".tif", {}), (".tiff", {"compression": "tiff_lzw"})])
def test_gif_and_tiff_files_are_read(suffix, options, tmp_path, evaluate):
    folder = write_digits(tmp_path / "folder", suffix=suffix, **options)
    assert evaluate(folder)["fd"] == evaluate(write_digits(tmp_path / "plain"))["fd"]


def test_the_first_image_of_an_animation_is_read_and_the_notes_say_so(tmp_path, evaluate):
    folder = write_digits(tmp_path / "folder", suffix=".gif")
    Image.fromarray(HERE[0]).save(folder / "000.gif", save_all=True, append_images=[Image.fromarray(HERE[9])])
    got = evaluate(folder)
    assert got["fd"] == evaluate(write_digits(tmp_path / "plain"))["fd"]
    assert f"1 of 80 files of {folder} hold several images: the first was read" in got["notes"]


def test_a_folder_without_images_says_what_is_read_and_what_was_found(tmp_path, capsys):
    (tmp_path / "none").mkdir()
    for name in ("a.npy", "b.npy", "c.avif", "d.heic"):
        (tmp_path / "none" / name).touch()
    (error,) = errors_of(capsys, tmp_path / "none")
    assert (
        "none holds no images: supported extensions are .bmp .gif .jpeg .jpg .pgm .png .ppm .tif .tiff .webp" in error
    )
    assert error.endswith("; found: .npy (2), .avif (1), .heic (1)")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_special_files_are_named_and_never_waited_for(kind, tmp_path, capsys):
    folder = write_digits(tmp_path / "folder", n=3)
    write_special_file(folder / "x.png", kind)
    write_special_file(tmp_path / "x.npz", kind)
    (error,) = errors_of(capsys, folder)
    assert f"cannot read {folder}/x.png: it is a" in error
    (error,) = errors_of(capsys, tmp_path / "x.npz")
    assert "x.npz" in error


def test_postscript_never_reaches_its_interpreter(tmp_path, capsys):
    folder = write_digits(tmp_path / "folder", n=3)
    (folder / "000.png").write_bytes(EPS)
    (error,) = errors_of(capsys, folder)
    assert "000.png: it is not an image in PNG, JPEG, BMP, GIF, PPM, TIFF, WEBP format" in error


def test_sizes_in_headers_are_checked_before_memory_is_allocated(tmp_path):
    """A 13000x13000 image in front of 11 small ones allocated 12 times its size."""
    folders = {
        "has more than 67,108,864 pixels": [13_000] + [8] * 11,
        "has images of 2 sizes": [8000] + [8] * 11,
        "an array of 300 images needs 19.2 GB of memory": [8000] * 300,
    }
    for number, sizes in enumerate(folders.values()):
        (tmp_path / str(number)).mkdir()
        for index, size in enumerate(sizes):
            (tmp_path / str(number) / f"{index:03}.png").write_bytes(huge_png(size, size))
    code = f"""
import resource
from benchmarks.evaluation.image_input import DataError, load_images
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 29),) * 2)
for number in range({len(folders)}):
    try:
        load_images(f"{tmp_path}/{{number}}", None)
    except DataError as error:
        print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for words, line in zip(folders, run.stdout.splitlines(), strict=True):
        assert words in line


def test_all_errors_of_the_options_are_reported_at_once(capsys):
    arguments = ["--background", "#12345678", "--bit-depth", "8", "--resize", "99999", "--layout", "HWCN"]
    errors = errors_of(capsys, "digits:train", *arguments)
    assert [error.removeprefix("error: ")[:50] for error in errors] == [
        "--resize must be a positive integer, at most 4,096",
        "--bit-depth must be the bits per channel, 9 to 16,",
        "unknown --layout 'HWCN'. Known: NHW (gray images),",
        "--background must be an opaque color such as white",
    ]


@pytest.mark.parametrize("color", ["whit", "#12345", "rgb(1,2)", "#ffffff80", "x" * 500])
def test_an_unknown_background_is_refused(color, capsys):
    (error,) = errors_of(capsys, "digits:train", "--background", color)
    assert "--background must be an opaque color" in error


@pytest.mark.parametrize(
    ("mu", "sigma", "words"),
    [(np.full(3, 1e200), np.eye(3), "too large for a float: the largest value of their moments is 1e+200"),
     (np.zeros(3), np.eye(3) * 1e308, "too large for a float"), (np.zeros(3, complex), np.eye(3), "complex numbers"),
     (np.zeros(3), np.eye(3) + 0j, "complex numbers"), (np.zeros(0), np.zeros((0, 0)), "not (d,) and (d, d)"),
     (np.array(["a"]), np.eye(1), "text"), (np.float64(1), np.eye(1), "not (d,) and (d, d)"),
     (np.full(3, np.inf), np.eye(3), "must be finite")],
    ids=["overflow", "overflow of sigma", "complex", "complex sigma", "empty", "text", "scalar", "infinite"],
)  # fmt: skip
def test_moments_without_a_finite_distance_are_refused(mu, sigma, words, tmp_path, capsys):
    np.savez(tmp_path / "a.npz", mu=mu, sigma=sigma)
    np.savez(tmp_path / "b.npz", mu=np.zeros(3), sigma=np.eye(3))
    for real, fake in (("a", "b"), ("b", "a")):
        (error,) = errors_of(capsys, tmp_path / f"{fake}.npz", real=tmp_path / f"{real}.npz")
        assert words in error


def test_training_and_evaluate_read_the_same_pixels(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 3
    folder = write_digits(tmp_path / "folder", exif=turned)
    split = datasets.load(digits_folder(folder), None)
    both = torch.cat([split.train.images, split.test.images])
    evaluated = load_images(str(folder), None).content
    assert datasets.Split(both).fingerprint == evaluated.fingerprint
