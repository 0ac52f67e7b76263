"""The perceptual loss equals that of NAM, and uses only the published weights, which no model contains."""

import json
from dataclasses import replace
from hashlib import file_digest

import pytest
import torch
from PIL import Image

import zoo
from benchmarks.presets import PRESETS
from benchmarks.protocols import Schedule
from benchmarks.run import main
from benchmarks.training.loop import train
from zoo import perceptual
from zoo.losses import reconstruction
from zoo.perceptual import TAPS, VGG16

SMALL = {"image_shape": (1, 8, 8), "nz": 8, "k": 8}
CPU = torch.device("cpu")
PUBLISHED = VGG16.published_sha256


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of torch hub. The published weights are expected."""
    monkeypatch.setattr(VGG16, "published_sha256", PUBLISHED)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.delenv("AE_BENCH_DATA", raising=False)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


def nam_taps(x, levels):
    """Features as NAM's code computes them: in-place ReLUs overwrite features in the list."""
    layers, saved = perceptual.vgg16(CPU), []
    for number in range(TAPS[levels - 1] + 1):
        x = layers[number](x)
        if number in TAPS[:levels]:
            saved.append(x)
    return saved


@pytest.mark.parametrize("levels", [3, 4, 5])
def test_taps_equal_those_of_nam_with_in_place_relus(random_vgg, levels):
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    ours = perceptual._taps(perceptual.vgg16(CPU), x, levels)
    assert [a.shape for a in ours] == [a.shape for a in nam_taps(x, levels)]
    assert all(torch.equal(a, b) for a, b in zip(ours, nam_taps(x, levels), strict=True))
    assert all(tap.min() >= 0 for tap in ours[:-1])
    assert (ours[-1].min() < 0) == (levels < 5)  # the fifth is a pooling layer's


@pytest.mark.parametrize(("side", "levels"), [(32, 3), (64, 4), (128, 5)])
def test_the_loss_equals_that_of_nam(random_vgg, side, levels):
    x, y = torch.rand(2, 1, 3, side, side)
    expected = (2 * x - 2 * y).abs().mean()
    for a, b in zip(nam_taps(2 * x - 1, levels), nam_taps(2 * y - 1, levels), strict=True):
        expected = expected + (a - b).abs().mean()
    assert perceptual.perceptual(x, y).item() == pytest.approx(expected.item(), rel=1e-5)


def test_small_gray_images_are_replicated_and_padded_with_black(random_vgg):
    x, y = torch.rand(2, 2, 1, 28, 28)

    def large(images):
        out = torch.zeros(2, 3, 32, 32)
        out[:, :, 2:30, 2:30] = images
        return out

    assert perceptual.perceptual(x, y).item() == pytest.approx(perceptual.perceptual(large(x), large(y)).item())


def test_the_loss_is_deterministic_and_zero_for_equal_images(random_vgg):
    x, y = torch.rand(2, 2, 1, 8, 8)
    assert perceptual.perceptual(x, x).item() == 0
    assert perceptual.perceptual(x, y).item() == perceptual.perceptual(x, y).item() > 0


def test_only_the_reconstruction_loss_has_gradients_in_the_decoder(random_vgg):
    model = zoo.build("glf-perceptual", **SMALL)
    _, parts = model.loss(torch.rand(4, 1, 8, 8))
    decoder = [*model.decoder.parameters()]
    assert all(g is None for g in torch.autograd.grad(parts["nll"], decoder, allow_unused=True, retain_graph=True))
    assert all(g.abs().sum() > 0 for g in torch.autograd.grad(parts["recon"], decoder[-2:]))
    assert not any(p.requires_grad or p.grad is not None for p in perceptual.vgg16(CPU).parameters())
    assert not any(layer.training for layer in perceptual.vgg16(CPU).modules())


def test_vgg_is_in_no_state_no_optimizer_and_no_checkpoint(random_vgg, tmp_path):
    plain, model = zoo.build("glf", **SMALL), zoo.build("glf-perceptual", **SMALL)
    x = torch.randint(0, 256, (8, 1, 8, 8), dtype=torch.uint8)
    (epoch,) = train(model, x, {"train": Schedule(1, 4, 1e-3)})
    names = [*plain.state_dict()]
    assert [*model.state_dict()] == [*epoch.state()["model"]] == names
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in plain.named_parameters()]
    counts = [sum(len(g["params"]) for g in o["param_groups"]) for o in epoch.state()["optimisers"]]
    assert counts == [len([*plain.parameters()])]
    zoo.save(model, tmp_path / "w.pt")
    assert (tmp_path / "w.pt").stat().st_size < 40e6 < 59e6  # VGG-16's convolutions alone have 59 MB


def test_a_trained_model_needs_no_vgg(hub, tmp_path):
    model = zoo.build("glf-perceptual", **SMALL)
    zoo.save(model, tmp_path / "w.pt")
    assert zoo.load(tmp_path / "w.pt").sample(2, seed=0).shape == (2, 1, 8, 8)
    with pytest.raises(ValueError, match=r"needs vgg16-397923af\.pth in torch hub's cache .* fetch vgg16"):
        model.loss(torch.rand(2, 1, 8, 8))


def test_a_truncated_file_of_weights_is_rejected(hub, random_weights):
    content = (random_weights / "checkpoints" / VGG16.name).read_bytes()
    (hub / VGG16.name).write_bytes(content[:1000])
    with pytest.raises(
        ValueError, match=r"with sha256 397923af\.\.\., but .* has sha256 [0-9a-f]{8}.*; remove it and run .* vgg16"
    ):
        reconstruction("perceptual")(torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8))


class Bomb:
    def __reduce__(self):
        return (open, ("bomb", "w"))


def test_code_in_a_file_of_weights_is_not_executed_even_if_its_hash_matches(hub, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    torch.save({"features.0.weight": Bomb()}, hub / VGG16.name)
    monkeypatch.setattr(VGG16, "published_sha256", VGG16.sha256)
    with pytest.raises(ValueError, match="does not contain VGG-16 weights"):
        perceptual.vgg16(CPU)
    assert not (tmp_path / "bomb").exists()


def test_a_file_whose_hash_only_begins_as_the_published_one_is_not_used(hub, random_weights, monkeypatch):
    (hub / VGG16.name).symlink_to(random_weights / "checkpoints" / VGG16.name)
    own = VGG16.sha256
    monkeypatch.setattr(VGG16, "published_sha256", own[:8] + "0" * 56)
    assert f"with sha256 {own[:8]}{'0' * 56}..., but the file in torch hub's cache has sha256 {own}" in VGG16.problem
    with pytest.raises(ValueError, match="needs vgg16"):
        perceptual.vgg16(CPU)


def test_keys_of_runs_contain_the_digits_in_the_name_of_the_file(hub):
    assert VGG16.digest == PUBLISHED[:8] == VGG16.name.partition("-")[2].removesuffix(".pth")


def test_weights_are_also_found_in_ae_bench_data(hub, random_weights, monkeypatch):
    monkeypatch.setenv("AE_BENCH_DATA", str(random_weights / "checkpoints"))
    assert VGG16.path == random_weights / "checkpoints" / VGG16.name
    assert "with sha256 397923af..., but" in VGG16.problem


def test_a_valid_file_is_found_despite_a_broken_one(hub, random_weights, monkeypatch, tmp_path):
    good = random_weights / "checkpoints" / VGG16.name
    (hub / VGG16.name).write_bytes(good.read_bytes()[:1000])
    monkeypatch.setenv("AE_BENCH_DATA", str(good.parent))
    message = VGG16.problem  # neither file is the published one
    assert "the file in torch hub's cache has sha256 " in message
    assert "and the file in the folder AE_BENCH_DATA has sha256 " in message
    assert str(tmp_path) not in message  # tables print it, too
    assert "remove them and run python -m benchmarks.run fetch vgg16" in message
    monkeypatch.setattr(VGG16, "published_sha256", file_digest(good.open("rb"), "sha256").hexdigest())
    assert VGG16.problem is None
    assert VGG16.path == good
    assert VGG16.sha256 == VGG16.published_sha256
    assert perceptual.vgg16(CPU)[0].weight.shape == (64, 3, 3, 3)


@pytest.fixture
def short(tmp_path, monkeypatch):
    """Preset demo with two rows, one of which needs VGG-16, and two steps."""
    monkeypatch.chdir(tmp_path)
    rows = replace(PRESETS["demo"], models=("rae-gmm", "glf-perceptual"), seeds=1, steps=2)
    monkeypatch.setitem(PRESETS, "demo", rows)
    return ["table1", "--preset", "demo", "--cluster", "inline", "--images", "200"]


def test_a_table_runs_other_models_and_says_which_weights_are_missing(hub, short, tmp_path, capsys):
    assert main(short) == 0
    tables = tmp_path / "results" / "local" / "tables"
    for name in ("table1.md", "table1.csv", "table1.tex"):
        assert "needs vgg16-397923af.pth" in (tables / name).read_text()
    rows = [line for line in (tables / "table1.md").read_text().splitlines() if line.startswith("|")]
    assert rows[-1] == "| GLF + perceptual loss | — (needs vgg16-397923af.pth) |"
    message = capsys.readouterr().out
    assert "python -m benchmarks.run fetch vgg16" in message
    assert "1 run to do, 0 done already, 1 missing weights; " in message
    assert len([*(tmp_path / "results" / "local" / "records").glob("*.json")]) == 1


def test_a_truncated_file_is_reported_before_anything_starts(hub, short, random_weights, capsys):
    (hub / VGG16.name).write_bytes((random_weights / "checkpoints" / VGG16.name).read_bytes()[:1000])
    assert main([*short, "--only", "glf-perceptual,glann"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["glf-perceptual", "glann"]
    assert all("the file in torch hub's cache has sha256" in line for line in lines)
    assert main([*short, "--dry-run"]) == 0
    assert "remove it and run python -m benchmarks.run fetch vgg16" in capsys.readouterr().out


def test_a_named_model_without_weights_is_an_error_before_anything_starts(hub, short, tmp_path, capsys):
    for words in (["--only", "glf-perceptual"], ["--only", "glf", "--recon", "perceptual"]):
        assert main([*short, *words]) == 2
        assert capsys.readouterr().err.startswith("error: glf-perceptual needs vgg16-397923af.pth in torch hub's cache")
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_figures_6_and_7_show_a_model_with_perceptual_loss(random_vgg, short, tmp_path):
    """VGG-16 has random weights here."""
    for figure in ("figure6", "figure7"):
        assert main([figure, *short[1:], "--only", "glf-perceptual", "--on", "digits"]) == 0
        caption = (tmp_path / "results" / "local" / "figures" / f"{figure}.md").read_text(encoding="utf-8")
        assert "Not trained" not in caption
        assert "Not shown" not in caption
        with Image.open(tmp_path / "results" / "local" / "figures" / f"{figure}.png") as drawn:
            assert len(drawn.convert("L").getcolors(1 << 16)) > 50, "a picture, not a sentence"


@pytest.mark.slow
def test_runs_with_other_weights_do_not_enter_tables(random_vgg, short, tmp_path, monkeypatch, capsys):
    """A record stores the hash of its weights, and the key of the run includes it."""
    assert main([*short, "--only", "glf-perceptual"]) == 0
    (path,) = (tmp_path / "results" / "local" / "records").glob("*.json")
    record = json.loads(path.read_text())
    assert record["settings"]["pretrained"] == {VGG16.name: VGG16.digest}
    assert record["provenance"]["pretrained"] == {VGG16.name: VGG16.sha256}
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VGG16, "published_sha256", PUBLISHED)
        assert main([*short, "--dry-run"]) == 0
        assert "1 missing weights" in capsys.readouterr().out
    # Existing results are shown on machines without the weights.
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "empty"))
    monkeypatch.delenv("AE_BENCH_DATA", raising=False)
    changed = path.stat().st_mtime_ns
    assert main([*short, "--only", "glf-perceptual"]) == 0
    assert "needs" not in (tmp_path / "results" / "local" / "tables" / "table1.md").read_text()
    assert path.stat().st_mtime_ns == changed
