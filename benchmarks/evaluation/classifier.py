"""The small classifier whose penultimate features stand in for Inception's on digit-like images.

Its weights ship with the package (`benchmarks/evaluation/weights`), so that records of different machines can be
compared. Each file is named by its hash. They were made once, on one CPU thread, by

    python -m benchmarks.evaluation.classifier digits mnist fashion --data-root DIR

A Fréchet distance on these features is `fd_classifier`, never FID.
"""

from __future__ import annotations

import argparse
import io
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.data import datasets
from benchmarks.printing import prepare_output

EPOCHS, BATCH_SIZE, LEARNING_RATE = 12, 128, 3e-3
WEIGHTS_FOLDER = "weights"


class Classifier(nn.Module):
    """Convolutions of 32 and 64 channels (another of 64 from 16 pixels on) and two linear layers.

    Args:
        channels: of the images, 1 or 3.
        side: of the images, divisible by 4.
        width: number of features, the outputs of the first linear layer; at most 64.
        classes: number of labels, the outputs of the second one.
    """

    def __init__(self, channels: int, side: int, width: int, classes: int):
        super().__init__()
        layers: list[nn.Module] = [*_block(channels, 32), nn.MaxPool2d(2), *_block(32, 64), nn.MaxPool2d(2)]
        if side >= 16:
            layers += [*_block(64, 64), nn.AdaptiveAvgPool2d(2)]
            cells = 4
        else:
            cells = (side // 4) ** 2
        # No ReLU after the batch norm: features are then roughly Gaussian, as a Fréchet distance assumes.
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * cells, width), nn.BatchNorm1d(width))
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(width, classes))

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] -> (B, width)."""
        out: Tensor = self.body(x)
        return out

    def forward(self, x: Tensor) -> Tensor:
        """Logits, (B, classes)."""
        out: Tensor = self.head(self.body(x))
        return out


def _block(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]


def train_classifier(data: datasets.Dataset, width: int, epochs: int = EPOCHS, seed: int = 0) -> dict[str, Any]:
    """Train and test a classifier on the two splits, and return the content of a weights file.

    Images are taken in canonical order, so the order of files does not matter.

    Returns:
        spec (arguments of `Classifier`), state (weights), accuracy on the test split in [0, 1], and trained (settings).
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    train, test = data.train.canonical(), data.test
    if train.labels is None or test.labels is None:
        raise ValueError(f"{data.name} has no labels to train a classifier on. Choose --features inception or pixels")
    spec = {"channels": train.images.shape[1], "side": train.images.shape[2], "width": width, "classes": 10}
    net = Classifier(**spec)
    steps = len(train) // BATCH_SIZE
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * steps)
    for epoch in range(epochs):
        net.train()
        order = torch.randperm(len(train))
        for step in range(steps):
            index = order[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]
            loss = nn.functional.cross_entropy(net(train.images[index].float() / 255), train.labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        net.eval()
        with torch.no_grad():
            predictions = torch.cat([net(x.float() / 255).argmax(1) for x in test.images.split(500)])
        accuracy = float((predictions == test.labels).double().mean())
        print(f"{data.name}: epoch {epoch + 1}/{epochs}, last loss {loss.item():.4f}, test accuracy {accuracy:.4f}")
    return {
        "spec": spec,
        "state": net.state_dict(),
        "accuracy": accuracy,
        "trained": {
            "dataset": data.name,
            "train": data.train.fingerprint,
            "test": data.test.fingerprint,
            "epochs": epochs,
            "batch": BATCH_SIZE,
            "lr": LEARNING_RATE,
            "seed": seed,
            "torch": str(torch.__version__),
        },
    }


def save_classifier(content: dict[str, Any], name: str, folder: Path) -> Path:
    """Write a weights file whose name holds the first 8 digits of its sha256."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path = folder / f"classifier-{name}-{sha256(buffer.getvalue()).hexdigest()[:8]}.pt"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return path


def shipped_weights() -> dict[str, str]:
    """Data set -> file name of the weights in the package."""
    files = [
        f.name for f in (resources.files("benchmarks.evaluation") / WEIGHTS_FOLDER).iterdir() if f.name.endswith(".pt")
    ]
    return {name.split("-")[1]: name for name in sorted(files)}


def load_classifier(name: str) -> tuple[Classifier, dict[str, Any], str]:
    """The shipped classifier of a data set, in evaluation mode: (network, content of its file, sha256 of the file).

    Raises:
        ValueError: there is none for this name, or the file does not match the hash in its name.
    """
    files = shipped_weights()
    if name not in files:
        raise ValueError(
            f"no classifier for {name!r}. Choose --features inception or pixels, or the classifier of "
            f"another data set, --features classifier:NAME (NAME: {', '.join(files)})"
        )
    raw = (resources.files("benchmarks.evaluation") / WEIGHTS_FOLDER / files[name]).read_bytes()
    digest = sha256(raw).hexdigest()
    if files[name] != f"classifier-{name}-{digest[:8]}.pt":
        raise ValueError(
            f"benchmarks/evaluation/{WEIGHTS_FOLDER}/{files[name]} is corrupt: its sha256 is {digest}. Install again"
        )
    content = torch.load(io.BytesIO(raw), weights_only=True)
    net = Classifier(**content["spec"])
    net.load_state_dict(content["state"])
    return net.eval(), content, digest


def main() -> None:
    """Make the weights files again."""
    prepare_output()
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--data-root", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / WEIGHTS_FOLDER)
    args = parser.parse_args()
    for name in args.datasets:
        data = datasets.load(name, args.data_root)
        width = 32 if data.spec.shape[1] < 16 else 64
        epochs = EPOCHS * 5 if data.spec.shape[1] < 16 else EPOCHS  # digits has few images
        print(save_classifier(train_classifier(data, width, epochs), name, args.out))


if __name__ == "__main__":
    main()
