"""A trial: a value that says what to train.  Its key is the hash of all resolved settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import zoo
from benchmarks import protocols
from benchmarks.data.datasets import Dataset, DatasetSpec
from benchmarks.data.fingerprint import digest
from benchmarks.experiments.changes import changed_protocol
from benchmarks.presets import PRESETS
from benchmarks.protocols import Protocol
from zoo.losses import PRETRAINED
from zoo.perceptual import Weights


@dataclass(frozen=True)
class Trial:
    """What to train.

    All fields but `preset`, `dataset`, `protocol_row` and `changes` enter the key: a changed default is a new trial.

    Attributes:
        model: as `zoo.entry` takes it.
        revision: of the model's mathematics.
        dataset: name of the data set, for people.
        protocol_row: the data set whose row of `protocols` is used.
        preset: name of the budget, for people: `protocol` holds what it means.
        protocol: epochs filled in, all hyper-parameters named.
        image_shape: (C, H, W).
        nz: latent size.
        k: width of the flow's layers.
        images: number of training images.
        train_fingerprint: of the training split that they are taken from.
        seed: of initialization, batches and sample sets.
        precision: one of `engine.PRECISIONS`.
        changes: settings that the command has changed, for people: `protocol` holds what they mean.
    """

    model: str
    revision: int
    dataset: str
    protocol_row: str
    preset: str
    protocol: Protocol
    image_shape: tuple[int, int, int]
    nz: int
    k: int
    images: int
    train_fingerprint: str
    seed: int
    precision: str = "fp32"
    changes: str = ""

    @classmethod
    def for_cell(
        cls,
        model: str,
        data: Dataset,
        preset: str,
        seed: int,
        precision: str = "fp32",
        changes: Mapping[str, str] | None = None,
    ) -> Trial:
        """The trial of one cell and seed; `changes` are settings of `--set`, as `changed_protocol` takes them.

        Raises:
            ValueError: unknown model or preset, or no protocol for them; see `protocols.protocol`.
        """
        return cls.for_images(
            model, data.name, data.row, data.spec, len(data.train), data.train.fingerprint, preset, seed, precision,
            changes,
        )  # fmt: skip

    @classmethod
    def for_images(
        cls,
        model: str,
        dataset: str,
        row: str,
        spec: DatasetSpec,
        available: int,
        fingerprint: str,
        preset: str,
        seed: int,
        precision: str,
        changes: Mapping[str, str] | None = None,
    ) -> Trial:
        """The trial of one cell and seed, from a description of the training split; raises as `for_cell` does."""
        cap = PRESETS[preset].images if preset in PRESETS else None
        n = min(available, cap or available)
        protocol, changed = changed_protocol(model, row, preset, n, changes or {})
        return cls(
            model=model,
            revision=zoo.entry(model).revision,
            dataset=dataset,
            protocol_row=protocols.row(model, row),
            preset=preset,
            protocol=protocol,
            image_shape=spec.shape,
            nz=spec.nz,
            k=spec.k,
            images=n,
            train_fingerprint=fingerprint,
            seed=seed,
            precision=precision,
            changes=changed,
        )

    @property
    def name(self) -> str:
        """The model's name in records and grids, with its changed settings, if any: "glf[beta=4]"."""
        return f"{self.model}[{self.changes}]" if self.changes else self.model

    @property
    def label(self) -> str:
        """The model's label in tables, such as "GLF [beta=4]"."""
        label = zoo.entry(self.model).label
        return f"{label} [{self.changes}]" if self.changes else label

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the key hashes. They keep the names of the first records, so that keys do not change."""
        plain = self.protocol.plain()
        weights = self.pretrained
        return {
            **({"pretrained": {weights.name: weights.digest}} if weights else {}),
            "model": self.model,
            "revision": self.revision,
            "hyper": plain["hyper"],
            "stages": plain["stages"],
            "image_shape": list(self.image_shape),
            "nz": self.nz,
            "k": self.k,
            "images": self.images,
            "train": self.train_fingerprint,
            "seed": self.seed,
            "precision": self.precision,
        }

    @property
    def pretrained(self) -> Weights | None:
        """Published weights that its loss needs."""
        return PRETRAINED.get(str(self.protocol.hyper.get("recon")))

    @property
    def key(self) -> str:
        """sha256 of all resolved settings, 64 hexadecimal digits."""
        return digest(self.settings)

    @property
    def steps(self) -> int:
        """Steps of training in all stages, for progress bars."""
        return sum(schedule.total(self.images) for schedule in self.protocol.stages.values())

    def build(self) -> zoo.LatentModel:
        """The model, untrained."""
        return zoo.build(self.model, image_shape=self.image_shape, nz=self.nz, k=self.k, **dict(self.protocol.hyper))
