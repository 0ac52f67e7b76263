"""Fit one density, measure it and write its record.

`run_fit` gives the same numbers for the same fit, bit for bit on any CPU of one kind, also after an interruption.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import environment
from benchmarks.data.datasets import load_cached
from benchmarks.data.fingerprint import digest
from benchmarks.evaluation.extractors import make_extractor
from benchmarks.evaluation.scoring import NonFiniteImages, Scorer
from benchmarks.evaluation.sources import stream_seed
from benchmarks.experiments import provenance
from benchmarks.experiments.checkpoint import modification_time, verify_checksums
from benchmarks.experiments.densities.job import FitJob
from benchmarks.experiments.densities.latents import Latents, far_share, latents_of
from benchmarks.experiments.densities.records import read_record
from benchmarks.experiments.new_record import utc_now
from benchmarks.experiments.process import process_identity
from benchmarks.experiments.run_trial import import_model, portable_traceback
from benchmarks.experiments.shutdown import graceful_shutdown
from benchmarks.files.density import SCHEMA
from benchmarks.files.writing import replacing, write_json
from benchmarks.training.precision import reproducible_arithmetic
from zoo import LatentModel
from zoo.base import evaluating
from zoo.densities import Density

CHUNK = 1000  # latents per call of log_prob
STATE_FILE, DENSITY_FILE = "state.pt", "density.pt"
METRICS = ("fd",)


class OwnDensity:
    """The density that a model was trained with, in the interface of fitted densities."""

    n_parameters = None

    def __init__(self, model: LatentModel):
        self.model = model
        self.chosen: dict[str, float] = {}

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draws, (n, nz)."""
        with evaluating(self.model):
            return self.model.sample_latent(n, generator)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density in nats: (B, nz) -> (B,)."""
        with evaluating(self.model):
            return self.model.log_prob(z)


def make_scorer(fit: FitJob) -> Scorer:
    """What scores the images of a fit."""
    job = fit.job
    data = load_cached(job.dataset, job.data_root)
    extractor = make_extractor(job.features, data.row, data.spec.shape, torch.device(job.device))
    return Scorer(data, extractor, job.images, job.allow_few)


def is_finished(record: dict[str, Any] | None, fit: FitJob, scorer: Scorer) -> bool:
    """Whether a record has everything that the fit should measure."""
    if record is None or record["status"] != "done":
        return False
    keys = {evaluation["key"] for evaluation in record["evaluations"]}
    return keys >= {_evaluation_key(fit, draw, scorer) for draw in range(fit.job.draws)}


def run_fit(fit: FitJob) -> dict[str, Any]:
    """Fit, measure and record one density. What has been done already is not repeated.

    A saved state of an interrupted fit is resumed. An error becomes a record with status "failed".

    Returns:
        The record, as written to results/densities/KEY.json.
    """
    device = torch.device(fit.job.device)
    with reproducible_arithmetic(device):
        import_model(fit.job)
        scorer, record = make_scorer(fit), read_record(fit.record_file)
        if record is not None and is_finished(record, fit, scorer):
            return record
        fit.folder.mkdir(parents=True, exist_ok=True)
        if record is None or record["status"] != "done":
            record = _new_record(fit, scorer, device)
        try:
            latents = _latents(fit)
            density, seconds = _fitted(fit, latents, device)
            record |= {"chosen": density.chosen, "n_parameters": density.n_parameters, "fit_seconds": seconds}
            _measure(fit, density, latents, scorer, record)
        except Exception as reason:
            record["status"] = "failed"
            record["error"] = {
                "message": fit.job.without_paths(f"{type(reason).__name__}: {reason}"),
                "traceback": fit.job.without_paths(portable_traceback(reason)),
            }
            traceback.print_exc()
        record["provenance"]["finished"] = utc_now()
        write_json(fit.record_file, record)
        (fit.folder / STATE_FILE).unlink(missing_ok=True)
        return record


def _new_record(fit: FitJob, scorer: Scorer, device: torch.device) -> dict[str, Any]:
    trial, row = fit.job.trial, ""
    if "epochs" in fit.hyper:
        row = f"schedule of two-stage GLF's flow (row {trial.protocol_row}); other values: zoo/densities"
    return {
        "schema": SCHEMA,
        "key": fit.key,
        "autoencoder": trial.key,
        "model": trial.name,
        "model_label": trial.label,
        "dataset": trial.dataset,
        "preset": trial.preset,
        "seed": trial.seed,
        "density": fit.spec.name,
        "label": fit.label,
        "revision": fit.revision,
        "status": "done",
        "error": None,
        "settings": {"hyper": dict(fit.hyper), "latents": trial.images, "held_out": fit.held_out, "source": row},
        "chosen": {},
        "values": {},
        "evaluations": [],
        "n_parameters": None,
        "fit_seconds": None,
        "provenance": {**provenance.describe(device), "zuko": provenance.version("zuko"),
                       "slurm_job": process_identity()["job"], "started": utc_now(), "finished": None},
    }  # fmt: skip


def _latents(fit: FitJob) -> Latents:
    """The latents of the run.

    Raises:
        FileNotFoundError: its weights are missing.
    """
    job = fit.job
    latents = latents_of(fit.weights, modification_time(fit.weights), job.dataset, job.data_root, job.trial.images,
                         job.trial.seed, job.device)  # fmt: skip
    if latents is None:
        raise FileNotFoundError(f"{fit.weights}: no weights that can be read")
    return latents


def _fitted(fit: FitJob, latents: Latents, device: torch.device) -> tuple[Density | OwnDensity, float]:
    """The fitted density, and the seconds that the fit took, in all processes together."""
    if fit.is_own:
        return OwnDensity(latents.model), 0.0
    seed = stream_seed("density", fit.job.trial.seed) % 2**31
    density = fit.spec.build(fit.job.trial.nz, fit.hyper, seed).to(device)
    if saved := _load(fit.folder / DENSITY_FILE):
        try:
            density.load_state_dict(saved["state"])
            density.chosen = saved["chosen"]
            return density, float(saved["seconds"])
        except (KeyError, RuntimeError, TypeError):
            pass  # not a file of this version: the fit is repeated
    state = _load(fit.folder / STATE_FILE) or {"fit": None, "seconds": 0.0}
    last_save, started = time.monotonic(), time.monotonic() - state["seconds"]
    save_seconds = environment.save_seconds()
    with graceful_shutdown() as shutdown:

        def checkpoint(fit_state: Callable[[], dict[str, Any]]) -> None:
            nonlocal last_save
            now = time.monotonic()
            if shutdown.is_requested or now - last_save > save_seconds:
                _save(fit.folder / STATE_FILE, {"fit": fit_state(), "seconds": now - started})
                last_save = now
            if shutdown.is_requested:
                shutdown.shut_down()

        density.fit(latents.train, seed, state["fit"], checkpoint)
        # A density without checkpoints is not interrupted: it is saved before a delayed signal ends the process.
        seconds = round(time.monotonic() - started, 3)
        _save(fit.folder / DENSITY_FILE,
              {"state": density.state_dict(), "chosen": density.chosen, "seconds": seconds, "density": fit.spec.name,
               "hyper": dict(fit.hyper)})  # fmt: skip
    return density, seconds


def _measure(
    fit: FitJob, density: Density | OwnDensity, latents: Latents, scorer: Scorer, record: dict[str, Any]
) -> None:
    """Add likelihoods, the share of far latents, and the distances of samples to the record."""
    if not record["values"]:
        for name, z in (("train_nll", latents.train), ("held_out_nll", latents.held_out)):
            record["values"][name] = _nll(density, z)
    done, n = {evaluation["key"] for evaluation in record["evaluations"]}, scorer.max_images
    protocol = scorer.base_protocol
    for draw in range(fit.job.draws):
        key = _evaluation_key(fit, draw, scorer)
        if key in done:
            continue
        started = time.perf_counter()
        seed = stream_seed("density draw", fit.job.trial.seed, draw)
        z = density.sample(n, torch.Generator().manual_seed(seed)).to(latents.train)
        if not torch.isfinite(z).all():
            raise NonFiniteImages(f"{int((~torch.isfinite(z)).any(1).sum())} of {n} drawn latents are not finite")
        if draw == 0:
            record["values"]["far_share"] = far_share(z, latents.train, latents.held_out)
        features = scorer.image_features(latents.model.decode(z), protocol, None)
        values, fallbacks = scorer.compute_metrics(scorer.reference_features(protocol), features, METRICS)
        record["evaluations"].append({
            "key": key, "source": "density", "draw": draw, "metric": protocol.metric, "protocol": protocol.plain(),
            "protocol_id": protocol.id, "n": n, "values": values,
            "metric_parameters": scorer.metric_parameters(METRICS), "fallbacks": fallbacks,
            "seconds": round(time.perf_counter() - started, 3),
            "provenance": provenance.describe_briefly(torch.device(fit.job.device)),
        })  # fmt: skip


def _nll(density: Density | OwnDensity, z: Tensor) -> float | None:
    """Mean negative log-likelihood in nats; None if the density has no closed form."""
    try:
        with torch.no_grad():
            return -float(torch.cat([density.log_prob(chunk).double() for chunk in z.split(CHUNK)]).mean())
    except NotImplementedError:
        return None


def _evaluation_key(fit: FitJob, draw: int, scorer: Scorer) -> str:
    return digest([fit.key, "density", draw, scorer.base_protocol.id])


def _save(path: Path, value: dict[str, Any]) -> None:
    with replacing(path, sync=True) as temporary:
        torch.save(value, temporary)


def _load(path: Path) -> dict[str, Any] | None:
    """What `_save` wrote, or None if there is no file that can be read: the fit then starts from scratch."""
    if not path.is_file():
        return None
    try:
        verify_checksums(path)
        value: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch raises many kinds for a broken file
        return None
    return value
