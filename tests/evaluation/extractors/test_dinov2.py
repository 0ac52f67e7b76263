"""DINOv2's features: the network, its weights, and what is refused."""

import sys
from hashlib import sha256

import numpy as np
import pytest
import timm
import torch
import torchvision.transforms as tv
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.data import fingerprint
from benchmarks.evaluation.extractors import Dinov2Extractor, MissingWeights, dinov2, make_extractor
from benchmarks.evaluation.names import BUILTIN_FEATURES
from benchmarks.run import main

CPU = torch.device("cpu")
SMALL, WIDTH, DEPTH = "dinov2-vits14", 384, 12
FILE_GRID = 37  # patches of a side in the published files: 518 pixels


def published_state(width, depth, grid=FILE_GRID, seed=0):
    """Random weights under the names and in the shapes of the published files."""
    shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 1 + grid * grid, width),
        "mask_token": (1, width),
        "patch_embed.proj.weight": (width, 3, 14, 14),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    for block in range(depth):
        for name, shape in {
            "norm1.weight": (width,), "norm1.bias": (width,), "attn.qkv.weight": (3 * width, width),
            "attn.qkv.bias": (3 * width,), "attn.proj.weight": (width, width), "attn.proj.bias": (width,),
            "ls1.gamma": (width,), "norm2.weight": (width,), "norm2.bias": (width,),
            "mlp.fc1.weight": (4 * width, width), "mlp.fc1.bias": (4 * width,), "mlp.fc2.weight": (width, 4 * width),
            "mlp.fc2.bias": (width,), "ls2.gamma": (width,),
        }.items():  # fmt: skip
            shapes[f"blocks.{block}.{name}"] = shape
    g = torch.Generator().manual_seed(seed)
    return {name: 0.05 * torch.randn(shape, generator=g) + (len(shape) == 1) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("dinov2") / "weights.pth"
    torch.save(published_state(WIDTH, DEPTH), path)
    return path


@pytest.fixture
def published(file, monkeypatch):
    """The random weights, with their hash in place of the published one."""
    monkeypatch.setitem(fingerprint.DINOV2_SHA256, "dinov2_vits14", hash_of(file))
    return file


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    """An empty torch hub cache, and no remembered extractor."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    make_extractor.cache_clear()
    yield tmp_path / "hub"
    make_extractor.cache_clear()


def hash_of(path):
    return sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 300, 260)])
def test_features_are_the_class_token_of_timm_on_the_images_that_dgm_eval_makes(published, shape):
    """Gray and small, or RGB and large; the images go through torchvision's transforms, as in dgm-eval."""
    images = torch.randint(256, (3, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    transform = tv.Compose(
        [
            tv.Resize((224, 224), tv.InterpolationMode.BICUBIC),
            tv.ToTensor(),
            tv.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    pictures = [Image.fromarray(x[0].numpy() if len(x) == 1 else x.permute(1, 2, 0).numpy()) for x in images]
    x = torch.stack([transform(picture.convert("RGB")) for picture in pictures])
    net = timm.create_model("vit_small_patch14_dinov2", num_classes=0, img_size=224).eval()
    net.load_state_dict(dinov2.convert_state(torch.load(published, weights_only=True)))
    with torch.no_grad():
        expected = net.forward_features(x)[:, 0].numpy()
    found = Dinov2Extractor(SMALL, CPU, str(published))
    assert torch.equal(dinov2.prepare_as_dgm_eval(images.float() / 255), x)
    got = found(images)
    assert got.shape == (3, found.dims) == (3, WIDTH)
    assert np.abs(got - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(got[0] - got[1]).max() > 1e-2 * np.abs(expected).max()  # features tell images apart


def test_where_no_position_is_interpolated_the_state_is_the_one_that_timm_converts():
    """timm has a converter of its own, with another filter: the result is equal where nothing is filtered."""
    from timm.models.vision_transformer import checkpoint_filter_fn

    state = published_state(WIDTH, DEPTH, grid=16)
    net = timm.create_model("vit_small_patch14_dinov2", num_classes=0, img_size=224)
    expected = checkpoint_filter_fn(dict(state), net)
    got = dinov2.convert_state(state)
    assert got.keys() == expected.keys() == net.state_dict().keys()
    assert all(torch.equal(got[name], expected[name]) for name in got)


@pytest.mark.parametrize("name", dinov2.ARCHITECTURES)
def test_every_size_takes_the_names_and_shapes_of_its_published_file(name):
    """With one block, because the larger networks need gigabytes."""
    architecture = dinov2.ARCHITECTURES[name]
    net = timm.create_model(architecture.timm, num_classes=0, img_size=224, depth=1)
    state = dinov2.convert_state(published_state(architecture.dims, depth=1))
    assert {key: value.shape for key, value in state.items()} == {k: v.shape for k, v in net.state_dict().items()}


def cubic_matrix(n, ratio, out):
    """Rows of the cubic convolution with a = -0.75 at the pixel centers (i + 0.5) / ratio - 0.5, borders repeated."""

    def weight(t, a=-0.75):
        t = abs(t)
        if t <= 1:
            return (a + 2) * t**3 - (a + 3) * t**2 + 1
        return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0

    matrix = np.zeros((out, n))
    for i in range(out):
        center = (i + 0.5) / ratio - 0.5
        for k in range(int(np.floor(center)) - 1, int(np.floor(center)) + 3):
            matrix[i, min(max(k, 0), n - 1)] += weight(center - k)
    return matrix


def test_positions_are_sampled_by_a_cubic_filter_with_a_tenth_of_a_patch_more():
    positions = torch.randn(1, 1 + FILE_GRID**2, 5, dtype=torch.float32)
    rows = cubic_matrix(FILE_GRID, 16.1 / FILE_GRID, 16)
    square = positions[0, 1:].double().numpy().reshape(FILE_GRID, FILE_GRID, 5)
    expected = np.einsum("ia,jb,abc->ijc", rows, rows, square).reshape(256, 5)
    got = dinov2.resize_positions(positions, 16)
    assert torch.equal(got[:, 0], positions[:, 0])
    assert np.abs(got[0, 1:].numpy() - expected).max() < 1e-4


@given(side=st.integers(2, 40), grid=st.integers(2, 40), width=st.integers(1, 3))
@settings(max_examples=30)
def test_equal_positions_stay_equal_and_there_is_one_for_each_patch(side, grid, width):
    positions = torch.ones(1, 1 + side * side, width)
    got = dinov2.resize_positions(positions, grid)
    assert got.shape == (1, 1 + grid * grid, width)
    assert torch.allclose(got, torch.ones_like(got), atol=1e-5)


def test_positions_of_no_square_are_refused():
    with pytest.raises(ValueError, match="is not that of a square of patches"):
        dinov2.resize_positions(torch.ones(1, 1 + 36 * 37, 3), 16)


def test_the_column_names_the_network_and_whether_its_weights_are_published(file, monkeypatch):
    own = make_extractor(f"{SMALL}:{file}#sha256={hash_of(file).upper()}", "mnist", (1, 28, 28), CPU)
    assert (own.name, own.metric, own.note) == (SMALL, "fd_dinov2_vits14_unknown", "weights that are not published")
    monkeypatch.setitem(fingerprint.DINOV2_SHA256, "dinov2_vits14", hash_of(file))
    make_extractor.cache_clear()
    found = make_extractor(f"{SMALL}:{file}", "mnist", (1, 28, 28), CPU)
    assert (found.name, found.metric, found.note) == (SMALL, "fd_dinov2_vits14", "")
    assert found.weights == own.weights == hash_of(file)


def test_weights_are_taken_from_torch_hub_s_cache(published, hub):
    target = hub / "checkpoints" / "dinov2_vits14_pretrain.pth"
    target.parent.mkdir(parents=True)
    target.write_bytes(published.read_bytes())
    assert make_extractor(SMALL, "mnist", (1, 28, 28), CPU).metric == "fd_dinov2_vits14"


def test_the_default_is_the_largest_network(hub):
    with pytest.raises(MissingWeights, match=r"no DINOv2 weights in .*dinov2_vitl14_pretrain\.pth\. Get them: .*run "
                       r"fetch dinov2-vitl14; or name a file by --features dinov2-vitl14:PATH$"):  # fmt: skip
        make_extractor("dinov2", "mnist", (1, 28, 28), CPU)


def test_without_timm_and_weights_one_message_says_both(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        MissingWeights, match=r"needs timm, .* Install it: pip install 'ae-bench\[dinov2\]'; no DINOv2 "
    ):
        make_extractor("dinov2", "mnist", (1, 28, 28), CPU)


def test_without_timm_present_weights_are_not_enough(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingWeights, match=f"^--features {SMALL} needs timm") as error:
        make_extractor(f"{SMALL}:{file}", "mnist", (1, 28, 28), CPU)
    assert "no DINOv2 weights" not in str(error.value)


def test_a_file_of_another_hash_is_refused_and_may_be_accepted_by_its_hash(file):
    found = hash_of(file)
    with pytest.raises(ValueError, match=f"its sha256 is {found}, not b938bf1b.* {SMALL}:{file}#sha256={found}$"):
        make_extractor(f"{SMALL}:{file}", "mnist", (1, 28, 28), CPU)


def test_a_file_that_has_not_the_hash_that_the_user_names_is_refused(file):
    with pytest.raises(ValueError, match=f"{file} has the sha256 {hash_of(file)}, and --features names {'0' * 64}"):
        make_extractor(f"{SMALL}:{file}#sha256={'0' * 64}", "mnist", (1, 28, 28), CPU)


def test_the_published_file_of_another_size_names_its_features(file, monkeypatch):
    monkeypatch.setitem(fingerprint.DINOV2_SHA256, "dinov2_vitb14", hash_of(file))
    with pytest.raises(ValueError, match=f"holds the weights of dinov2-vitb14, not of {SMALL}: choose --features dino"):
        make_extractor(f"{SMALL}:{file}", "mnist", (1, 28, 28), CPU)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (published_state(8, 1), r"does not hold weights of dinov2-vits14, which is 384 wide: "),
        ({"weight": torch.zeros(3)}, r"does not hold weights of dinov2-vits14, which is 384 wide: 'pos_embed'"),
        ([1, 2], r"does not hold weights of dinov2-vits14, which is 384 wide: "),
    ],
)
def test_weights_of_another_width_are_refused(tmp_path, state, words):
    path = tmp_path / "other.pth"
    torch.save(state, path)
    with pytest.raises(ValueError, match=words):
        make_extractor(f"{SMALL}:{path}#sha256={hash_of(path)}", "mnist", (1, 28, 28), CPU)


class Bomb:
    def __reduce__(self):
        return open, ("bomb", "w")


def test_code_in_a_file_is_not_executed_even_if_the_user_names_its_hash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(ValueError, match=r"bomb\.pth is not a file of DINOv2 weights"):
        make_extractor(f"{SMALL}:bomb.pth#sha256={hash_of(tmp_path / 'bomb.pth')}", "mnist", (1, 28, 28), CPU)
    assert not (tmp_path / "bomb").exists()


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"the DINOv2 weights do not exist: {tmp_path}/none.pth"):
        make_extractor(f"{SMALL}:{tmp_path}/none.pth", "mnist", (1, 28, 28), CPU)


def test_what_features_need_is_reported_before_anything_is_trained(tmp_path, capsys, file):
    command = ["table1", "--preset", "demo", "--on", "digits", "--only", "glf", "--results", str(tmp_path / "results")]
    for features, words in {
        "dinov2": "no DINOv2 weights in",
        f"{SMALL}:{tmp_path}/none.pth": "the DINOv2 weights do not exist",
        f"{SMALL}:{file}": f"its sha256 is {hash_of(file)}",
    }.items():
        assert main([*command, "--features", features]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert words in line
    assert not (tmp_path / "results" / "records").exists()


def test_every_size_is_a_name_of_features():
    assert {"dinov2", *dinov2.ARCHITECTURES} <= {*BUILTIN_FEATURES}
    assert {name.replace("-", "_") for name in dinov2.ARCHITECTURES} == {*fingerprint.DINOV2_SHA256}
