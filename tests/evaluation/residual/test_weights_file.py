"""Weights files: they hold what was trained, and a file that is none has one clear message."""

from hashlib import sha256

import pytest
import torch
from labelled_images import shapes

from benchmarks.evaluation.residual import weights_file
from benchmarks.evaluation.residual.network import make_network
from benchmarks.evaluation.residual.recipe import RECIPE
from benchmarks.evaluation.residual.weights_file import Description

SHAPE = (1, 8, 8)


@pytest.fixture
def net():
    torch.manual_seed(0)
    net = make_network(SHAPE, 3).train()
    net(shapes(10, 0).images / 255)  # running statistics
    return net.eval()


def description(state, **changes):
    values = {
        "format": weights_file.FORMAT, "dataset": "shapes", "key": "a" * 64, "channels": 1, "side": 8, "classes": 3,
        "width": 64, "accuracy": 0.5, "n_train": 30, "n_test": 30, "epochs": 1, "precision": "fp32", "device": "cpu",
        "torch": "2", "recipe": RECIPE.plain(), "state_sha256": weights_file.hash_state(state),
    }  # fmt: skip
    return Description(**(values | changes))


def content(net, change=lambda state: None, **changes):
    state = weights_file.round_state(net)
    change(state)
    return weights_file.encode(description(state, **changes), state)


def write(tmp_path, data, name="c.pt"):
    return weights_file.write(data, tmp_path / name)


def test_a_file_holds_the_rounded_network(net, tmp_path):
    path = write(tmp_path, content(net))
    loaded = weights_file.read(path)
    assert loaded.sha256 == sha256(path.read_bytes()).hexdigest()
    assert loaded.description.shape == SHAPE
    x = torch.rand(20, *SHAPE)
    with torch.no_grad():
        assert torch.equal(loaded.net(x), weights_file.load_state(weights_file.round_state(net), SHAPE, 3)(x))
        assert torch.allclose(loaded.net(x), net(x), atol=0.05)
    assert all(p.dtype == torch.float32 for p in loaded.net.parameters())


def test_weights_are_half_precision_and_statistics_are_not(net):
    state = weights_file.round_state(net)
    half = {name for name, tensor in state.items() if tensor.dtype == torch.float16}
    assert half == {name for name, tensor in net.named_parameters() if tensor.ndim > 1}
    assert len(half) == 16


def test_equal_networks_make_equal_files(net):
    assert content(net) == content(net)


def test_a_network_that_diverged_is_not_written(net):
    with torch.no_grad():
        net.head.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"diverged: head\.weight is not finite"):
        weights_file.round_state(net)


def refused(path, *words):
    with pytest.raises(ValueError, match=r"classifier|features|description|format") as caught:
        weights_file.read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    refused(tmp_path / "none.pt", "cannot read the classifier", "No such file")
    refused(tmp_path, "cannot read the classifier", "it is a folder")


def test_a_file_of_another_kind_is_refused(tmp_path):
    for index, data in enumerate([b"", b"no archive", b"PK\x03\x04"]):
        refused(write(tmp_path, data, f"{index}.pt"), "is not a weights file of a classifier")
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pt")
    refused(tmp_path / "other.pt", "is not a weights file of a classifier")
    torch.save([1, 2], tmp_path / "list.pt")
    refused(tmp_path / "list.pt", "is not a weights file of a classifier")


class Bomb:
    def __reduce__(self):
        return open, ("bomb", "w")


def test_code_in_a_file_is_not_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"description": Bomb(), "state": {}}, tmp_path / "c.pt")
    refused(tmp_path / "c.pt", "is not a weights file of a classifier")
    assert not (tmp_path / "bomb").exists()


def test_a_classifier_of_the_first_kind_names_the_way_to_use_it(tmp_path):
    torch.save({"spec": {}, "state": {}, "accuracy": 1.0, "trained": {}}, tmp_path / "c.pt")
    refused(tmp_path / "c.pt", "only comes with the package")


@pytest.mark.parametrize(("changes", "words"), [
    ({"width": 32}, ["has 32 features; the network of this version has 64"]),
    ({"format": "residual classifier 9"}, ["has the format 'residual classifier 9'"]),
    ({"channels": 2}, ["a description that is not valid", "$.channels"]),
    ({"channels": 3}, ["tensors of another network"]),
    ({"side": 4}, ["a description that is not valid", "$.side"]),
    ({"classes": 4}, ["tensors of another network"]),
    ({"accuracy": 2.0}, ["a description that is not valid", "$.accuracy"]),
    ({"dataset": "../x"}, ["a description that is not valid", "$.dataset"]),
    ({"key": "a"}, ["a description that is not valid", "$.key"]),
    ({"state_sha256": "0" * 64}, ["tensors that do not match their hash"]),
])  # fmt: skip
def test_a_description_that_does_not_fit_is_refused(net, tmp_path, changes, words):
    refused(write(tmp_path, content(net, **changes)), *words)


def test_changed_tensors_are_refused(net, tmp_path):
    state = weights_file.round_state(net)
    about = description(state)
    state["head.bias"] += 1
    refused(write(tmp_path, weights_file.encode(about, state)), "tensors that do not match their hash")


def test_a_narrower_network_is_refused(net, tmp_path):
    narrow = content(net, lambda state: state.update({"head.weight": state["head.weight"][:, :32]}))
    refused(write(tmp_path, narrow), "tensors of another network")


def test_the_hash_in_the_name_is_checked(net, tmp_path):
    data = content(net)
    digest = sha256(data).hexdigest()[:8]
    assert weights_file.read(write(tmp_path, data, f"classifier-x-{digest}.pt")).sha256.startswith(digest)
    refused(write(tmp_path, data, "classifier-x-00000000.pt"), f"its sha256 begins with {digest}")


def test_the_hash_of_tensors_depends_on_names_types_shapes_and_values(net):
    state = {"a": torch.zeros(2, 3)}
    others = [{"b": torch.zeros(2, 3)}, {"a": torch.zeros(3, 2)}, {"a": torch.zeros(2, 3, dtype=torch.float16)},
              {"a": torch.ones(2, 3)}, {"a": torch.zeros(2, 3), "b": torch.zeros(1)}]  # fmt: skip
    hashes = {weights_file.hash_state(each) for each in (state, *others)}
    assert len(hashes) == len(others) + 1
    assert weights_file.hash_state({"a": torch.zeros(3, 2).T}) == weights_file.hash_state(state)
