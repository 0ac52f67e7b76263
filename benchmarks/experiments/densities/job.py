"""A fit as a value: a run, a density with all settings, and what is measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zoo
from benchmarks import protocols
from benchmarks.data.fingerprint import digest
from benchmarks.experiments.densities.records import FOLDER
from benchmarks.experiments.job import Job
from benchmarks.presets import PRESETS
from benchmarks.protocols import Schedule
from zoo.densities.registry import DENSITIES, DensitySpec

OWN = DensitySpec("own")  # the density that the model was trained with; nothing is fitted
OWN_REVISION = 1
SCHEDULE_MODEL, SCHEDULE_STAGE = "glf-two-stage", "flow"  # whose schedule the trained densities have by default


@dataclass(frozen=True)
class FitJob:
    """A density to fit to the latents of one run.

    Attributes:
        job: the run, as the plan of its command has it.
        spec: the density.
        hyper: all hyper-parameters of the density.
        held_out: number of test images whose latents are held out.
    """

    job: Job
    spec: DensitySpec
    hyper: Mapping[str, Any]
    held_out: int

    @property
    def is_own(self) -> bool:
        """Whether this is the model's own density."""
        return self.spec.row == OWN.row

    @property
    def label(self) -> str:
        """The density's label in tables."""
        return "its own density" if self.is_own else self.spec.label(self.hyper)

    @property
    def revision(self) -> int:
        """Version of the density's mathematics."""
        return OWN_REVISION if self.is_own else DENSITIES[self.spec.row].revision

    @property
    def key(self) -> str:
        """sha256 of the run's key and of all settings of the fit. The run's key holds the seed."""
        return digest({
            "autoencoder": self.job.trial.key, "density": self.spec.row, "revision": self.revision, "hyper": self.hyper,
        })  # fmt: skip

    @property
    def folder(self) -> Path:
        """The folder of its lock, its state and the fitted density."""
        return self.job.results / FOLDER / self.key

    @property
    def record_file(self) -> Path:
        """Its record."""
        return self.job.results / FOLDER / f"{self.key}.json"

    @property
    def weights(self) -> Path:
        """The weights of the run."""
        return self.job.run_folder / "weights.pt"


def resolve_hyper(spec: DensitySpec, job: Job) -> dict[str, Any]:
    """All hyper-parameters of a density on the latents of a run.

    A density that is trained has the schedule of the flow of two-stage GLF on this data set, under the same preset
    (B.1), and a flow has the width that GLF's flow has there.
    """
    if spec.row == OWN.row:
        return {}
    trial = job.trial
    defaults: dict[str, Any] = {"k": trial.k}
    if schedule := _flow_schedule(trial.protocol_row, trial.preset, trial.images):
        defaults |= {
            "epochs": schedule.epochs,
            "batch": schedule.batch,
            "lr": schedule.rate("flow", 0),
            "factors": {str(epoch): factor for epoch, factor in schedule.factors.items()},
            "weight_decay": schedule.decay("flow"),
        }
    return spec.hyper(defaults)


def _flow_schedule(row: str, preset: str, images: int) -> Schedule | None:
    """The schedule of two-stage GLF's flow on a data set; None if it has none there."""
    if preset not in PRESETS or not protocols.has_row(SCHEDULE_MODEL, row):
        return None
    return protocols.protocol(SCHEDULE_MODEL, row, preset, images).stages[SCHEDULE_STAGE]


def find_fit_errors(fit: FitJob) -> list[str]:
    """Why a density cannot be fitted to the latents of a run; known before the run is trained."""
    trial = fit.job.trial
    if fit.is_own:
        return []
    try:
        smallest = fit.spec.build(trial.nz, fit.hyper, seed=0).min_latents
    except ValueError as reason:
        return [f"density {fit.spec.name} on {trial.dataset}: {reason}"]
    if trial.images < smallest:
        return [f"density {fit.spec.name} needs at least {smallest:,} latents, but {trial.dataset} has "
                f"{trial.images:,} training images at preset {trial.preset}"]  # fmt: skip
    return []


def find_encoder_error(job: Job) -> str | None:
    """Why a model has no latents to fit a density to; None if it has an encoder."""
    import torch

    with torch.random.fork_rng(devices=[]):
        model = job.trial.build()
    if getattr(model, "encoder", None) is not None or type(model).latent is not zoo.LatentModel.latent:
        return None
    return f"{job.trial.model} has no encoder, so it has no latents to fit a density to. Leave it out of --autoencoder"
