"""One trial: a value that says what to train, and the function that trains and measures it.

`run_trial` gives the same record for the same trial, bit for bit on any CPU of one kind: one thread, random
streams from the trial's seed, images in an order that no file system decides.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import zoo
from benchmarks import protocols
from benchmarks.data.datasets import DataSet, Folder, load_cached
from benchmarks.data.fingerprint import digest
from benchmarks.evaluation import extractors as features
from benchmarks.evaluation import image_grid
from benchmarks.evaluation.diagnostics import diagnose
from benchmarks.evaluation.learning_curve import Curve, keep, losses
from benchmarks.evaluation.scoring import BASE, CRITERIA, IMAGES, Measure, NotFinite, Request, requests, stream
from benchmarks.experiments import provenance, records
from benchmarks.experiments.checkpoint import (
    Log,
    begin_anew,
    end_anew,
    forced,
    heeding,
    kept,
    note,
    read_state,
    stamp,
    write_state,
)
from benchmarks.experiments.process import whoami
from benchmarks.protocols import Protocol
from benchmarks.training.engine import Engine, memory_kept
from benchmarks.training.loop import Diverged, train
from benchmarks.training.precision import one_thread, tf32
from benchmarks.training.streaming import place
from zoo.losses import PRETRAINED
from zoo.perceptual import Weights

SAVE_EVERY = float(os.environ.get("AE_BENCH_SAVE_SECONDS", "60"))  # between two saved states of a training
KEEP = ("weights", "logs")  # what stays in runs/KEY of a training that is done: both, or the logs alone
GRID = 64  # images in a sample grid
GRID_SEED = 20  # all models' grids are made from one seed


@dataclass(frozen=True)
class Trial:
    """What to train.  All fields but `preset`, `dataset` and `row` are in the key: a changed default is a new trial.

    Attributes:
        model: as `zoo.entry` takes it.
        revision: of the model's mathematics.
        dataset: name of the data set, for people.
        row: the data set whose protocol row is used.
        preset: the budget that `protocol` was made under, for people: `protocol` says it all.
        protocol: resolved: epochs filled in, all hyper-parameters named.
        image_shape, nz, k: sizes.
        images: number of training images.
        train: fingerprint of the training part that they are taken from.
        seed: of initialisation, batches and draws.
        precision: a key of `engine.PRECISIONS`.
    """

    model: str
    revision: int
    dataset: str
    row: str
    preset: str
    protocol: Protocol
    image_shape: tuple[int, int, int]
    nz: int
    k: int
    images: int
    train: str
    seed: int
    precision: str = "fp32"

    @classmethod
    def of(cls, model: str, data: DataSet, preset: str, seed: int, precision: str = "fp32") -> Trial:
        """The trial of one cell and seed.

        Raises:
            ValueError: unknown model or preset, or no protocol for them; see `protocols.protocol`.
        """
        entry = zoo.entry(model)
        cap = protocols.PRESETS[preset].images if preset in protocols.PRESETS else None
        n = min(len(data.train), cap or len(data.train))
        found = protocols.protocol(model, data.row, preset, n)
        return cls(
            model=model,
            revision=entry.revision,
            dataset=data.name,
            row=protocols.row(model, data.row),
            preset=preset,
            protocol=found.resolve(model),
            image_shape=data.spec.shape,
            nz=data.spec.nz,
            k=data.spec.k,
            images=n,
            train=data.train.fingerprint,
            seed=seed,
            precision=precision,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What the key is made of."""
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
            "train": self.train,
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


@dataclass(frozen=True)
class Job:
    """A trial and where it runs; none of this changes its record's numbers, and no path enters the record.

    Attributes:
        trial: what to train.
        dataset: how to load the data.
        root: data root.
        results: results folder.
        device: "cpu", "cuda", "cuda:1".
        features: extractor, as `--features` takes it.
        draws: sample sets to measure.
        metrics: keys of `metrics.METRICS`, that of the table among them.
        sources: keys of `evaluation.SOURCES` that the table needs.
        variants: keys of `evaluation.VARIANTS` that the table needs.
        diagnostics: those that the table needs, if only as None.
        images: of each kind, at most.
        allow_few: accept no more images than features.
        progress: epochs between two points of the distance's curve; 0 for no curve.
        force: a word for this wish to train anew although there is a record; "" for no such wish.
        code: folder that a model from outside the registry is imported from; "" for ours.
        engine: how steps are taken, see `engine.ENGINES`: the same training within float tolerance.
        keep: a key of `KEEP`.
    """

    trial: Trial
    dataset: str | Folder
    root: Path | None
    results: Path
    device: str
    features: str
    draws: int
    metrics: tuple[str, ...] = ("fd",)
    sources: tuple[str, ...] = ("prior",)
    variants: tuple[str, ...] = (BASE,)
    diagnostics: tuple[str, ...] = ()
    images: int = IMAGES
    allow_few: bool = False
    progress: int = 0
    force: str = ""
    code: str = ""
    engine: str = "auto"
    keep: str = "weights"

    @property
    def required(self) -> list[Request]:
        """What its table needs: the trial is done when its record has these."""
        return requests(self.draws, self.sources, self.variants)

    def curve(self, measure: Measure) -> Curve | None:
        """What is measured while it trains."""
        return Curve(measure, self.progress, self.trial.protocol.stages) if self.progress else None

    @property
    def work(self) -> Path:
        """Where weights, state and log lie."""
        return self.results / "runs" / self.trial.key

    def plain(self, text: str) -> str:
        """A message without this machine's paths: records travel."""
        folder = self.dataset.path if isinstance(self.dataset, Folder) else None
        code = Path(self.code) if self.code else None
        # The code's folder is last but home: it may be one that holds the others.
        places = {"<results>": self.results, "<data root>": self.root, "<folder>": folder, "<code>": code,
                  "~": Path.home()}  # fmt: skip
        for name, path in places.items():
            for form in {str(path), str(path.absolute())} if path is not None else ():
                text = text.replace(form, name) if len(form) > 1 else text
        return text


def finished(record: dict[str, Any], measure: Measure, job: Job) -> bool:
    """Whether a record needs no more work: diverged is an end, failed is not."""
    if record["status"] == "failed" or lacks_curve(record, measure, job):
        return False
    if record["status"] == "diverged":
        return True
    undiagnosed = {*job.diagnostics} - {*record["diagnostics"]}
    # What a training was cut off before it could measure is measured as long as that needs no training.
    asked = wanted(job) if (job.work / "weights.pt").is_file() else job.required
    return not undiagnosed and not measure.missing(record, asked, job.metrics)


def wanted(job: Job) -> list[Request]:
    """What is measured: what a table asks for and, of every training, what tells decoder from density."""
    return [*dict.fromkeys([*job.required, *requests(1, CRITERIA)])]


def lacks_curve(record: dict[str, Any], measure: Measure, job: Job) -> bool:
    """Whether a record has to be trained again, as it has not all points of a curve that is wanted."""
    curve = job.curve(measure)
    return curve is not None and curve.lacks(record)


def diagnosed(record: dict[str, Any]) -> bool:
    """Whether a record has all diagnostics of today, if only as None; older ones have fewer."""
    return {*records.DIAGNOSTICS} <= {*record["diagnostics"]}


def run_trial(job: Job) -> dict[str, Any]:
    """Train, measure and record one trial, as far as that has not been done yet.

    Goes on from a saved state; takes kept weights where only measurements are missing.  An error of training
    or measuring becomes a record with status "failed" and its traceback; a loss that is not finite, one with
    status "diverged".

    Returns:
        The record, as written to results/records/KEY.json.
    """
    trial, device = job.trial, torch.device(job.device)
    with one_thread(device):
        import_model(job)
        data = load_cached(job.dataset, job.root)
        if data.train.fingerprint != trial.train:
            raise ValueError(f"{trial.dataset} changed on disk since the trial was planned: run the command again")
        extractor = features.extractor(job.features, data.row, data.spec.shape, device)
        measure = Measure(data, extractor, job.images, job.allow_few)
        record = records.find(job.results, trial.key)
        again = forced(job.work, job.force)
        if record is not None and not again and finished(record, measure, job):
            return record
        job.work.mkdir(parents=True, exist_ok=True)
        if again:
            begin_anew(job.work, job.force)
        weights, state = job.work / "weights.pt", job.work / "state.pt"
        anew = again or (record is not None and lacks_curve(record, measure, job))
        model = kept(weights) if record is not None and record["epochs"] and not anew else None
        # Weights that were removed must be trained again before anything new can be measured; until that has
        # succeeded the finished record stays as it is.
        old = record if record is not None and record["status"] == "done" and model is None else None
        if record is None or model is None:
            record = new_record(trial, data, device)
            if old is None:
                weights.unlink(missing_ok=True)
        record["status"], record["error"] = "done", None
        resumed_from = stamp(state)
        try:
            if model is None:
                with tf32(trial.precision), memory_kept(device):
                    model = trained(job, data, record, device, job.curve(measure))
                zoo.save(model, weights)
                if old is not None and losses(old) == losses(record):
                    record["evaluations"], record["diagnostics"] = old["evaluations"], old["diagnostics"]
                    keep(old, record)
            model = model.to(device).eval()
            image_grid.save_grid(model.sample(GRID, seed=GRID_SEED), job.work / "samples.png")
            if not diagnosed(record):
                record["diagnostics"] = diagnose(model, data)
            lacking = measure.missing(record, wanted(job), job.metrics)
            for evaluation in measure.measure(model, record, lacking, job.metrics):
                records.put_evaluation(record, {**evaluation, "provenance": provenance.place(device)})
                record["provenance"]["finished"] = _now()
                records.write(job.results, record)  # one by one: with Inception a draw takes minutes
        except Diverged as reason:
            record["epochs"].append(reason.row)
            record["status"] = "diverged"
            place = {"stage": reason.stage, "epoch": reason.epoch, "part": reason.part}
            record["error"] = {**place, "message": str(reason)}
        except NotFinite as reason:
            record["status"] = "diverged"
            record["error"] = {"stage": "sampling", "epoch": None, "part": "samples", "message": str(reason)}
        except Exception as reason:  # whatever it is, the record says it and the other trials go on
            record["status"] = "failed"
            message = f"{type(reason).__name__}: {reason}"
            record["error"] = {"message": job.plain(message), "traceback": job.plain(plain_traceback(reason))}
        if old is not None and record["status"] == "failed":
            (job.work / "progress.json").unlink(missing_ok=True)
            return record
        record = finish(job, record)
        end_anew(job.work, job.force)
        if job.keep == "logs" and record["status"] == "done":
            weights.unlink(missing_ok=True)
        # A failed training goes on from its last state, unless it came no further than that the last time.
        if record["status"] != "failed" or stamp(state) == resumed_from:
            state.unlink(missing_ok=True)
        return record


def import_model(job: Job) -> None:
    """Import a model from outside the registry, in a process that has not done so yet.

    Raises:
        ValueError: it cannot be imported here, or is not what was planned.
    """
    try:
        entry = zoo.entry(job.trial.model)
    except ValueError:
        entry = zoo.adopt(job.trial.model, folder=Path(job.code) if job.code else None)
    if entry.revision != job.trial.revision:
        raise ValueError(f"{job.trial.model} changed on disk since the trial was planned: run the command again")


def finish(job: Job, record: dict[str, Any]) -> dict[str, Any]:
    """Write a record whose trial has ended, one way or another, and return it as it was written."""
    record["provenance"]["finished"] = _now()
    records.write(job.results, record)
    (job.work / "progress.json").unlink(missing_ok=True)
    return records.find(job.results, job.trial.key) or record


def record_failure(job: Job, error: str) -> dict[str, Any]:
    """Record a trial whose process ended before it could write a record of its own; what it had is kept.

    Args:
        job: the trial.
        error: a traceback, or how the process ended; its last line becomes the record's message.
    """
    data = load_cached(job.dataset, job.root)  # before the record is read: it may take seconds
    record = records.find(job.results, job.trial.key)
    if record is not None and record["status"] == "done":
        return record  # what is missing is still missing; what is there is true
    if record is None:
        record = new_record(job.trial, data, torch.device(job.device))
    lines = error.strip().splitlines()
    record["status"], record["error"] = "failed", {"message": job.plain(lines[-1])}
    if len(lines) > 1:
        record["error"]["traceback"] = job.plain("\n".join(lines))
    return finish(job, record)


def new_record(trial: Trial, data: DataSet, device: torch.device) -> dict[str, Any]:
    """A record before training."""
    weights = trial.pretrained
    return {
        "schema": records.SCHEMA,
        "key": trial.key,
        "model": trial.model,
        "label": zoo.entry(trial.model).label,
        "revision": trial.revision,
        "dataset": trial.dataset,
        "row": trial.row,
        "preset": trial.preset,
        "seed": trial.seed,
        "precision": trial.precision,
        "status": "done",
        "error": None,
        "settings": {**trial.settings, "source": trial.protocol.source, "row": trial.row},
        "data": {
            "train": data.train.fingerprint,
            "test": data.test.fingerprint,
            "n_train": len(data.train),
            "n_test": len(data.test),
            "preprocessing": data.spec.preprocessing,
            "split": data.spec.split,
            "warnings": list(data.warnings),
        },
        "evaluations": [],
        "diagnostics": {},
        "epochs": [],
        # before: where earlier parts of a resumed training ran
        "provenance": {
            **provenance.describe(device),
            **({"pretrained": {weights.name: weights.sha256}} if weights else {}),
            "slurm_job": whoami()["job"],
            "started": _now(),
            "resumed": 0,
            "before": [],
            "finished": None,
        },
    }


def trained(
    job: Job, data: DataSet, record: dict[str, Any], device: torch.device, curve: Curve | None
) -> zoo.LatentModel:
    """Train the trial's model from scratch or from its saved state; fills the record's epochs."""
    trial = job.trial
    title = f"{trial.model} on {trial.dataset}, preset {trial.preset}, seed {trial.seed}, key {trial.key}"
    log = Log(job.work, title, trial.steps)
    torch.manual_seed(stream("train", trial.seed))
    model = trial.build().to(device)
    train_part = data.train.canonical(trial.images)
    x = place(train_part.images, device)
    engine = Engine(job.engine, trial.precision)
    saved = read_state(job.work / "state.pt")
    if saved and curve and curve.lacks({**record, **before_cut(saved)}):
        saved = None
    if curve:
        record["curve"] = curve.about()
    if saved:
        record |= before_cut(saved)
        before = json.loads(saved["provenance"])
        record["provenance"] |= {"started": before["started"], "resumed": before["resumed"] + 1}
        record["provenance"]["before"] = [*before["before"], before["place"]]
    ways: dict[str, str] = {}
    record["provenance"]["engine"] = {"asked": job.engine, "stages": ways}  # of this process's part of the training
    log.begin(resumed=bool(saved), epochs=record["epochs"])
    note(job.work, "resume" if saved else "train")
    at = time.monotonic()
    with heeding() as heed:
        for epoch in train(model, x, trial.protocol.stages, saved["training"] if saved else None, engine):
            if curve and curve.due(epoch.row):
                epoch.row.update(curve.point(model, train_part, trial.seed))
            record["epochs"].append(epoch.row)
            ways[epoch.row["stage"]] = epoch.how
            log.line(epoch.row)
            if heed.asked or time.monotonic() - at > SAVE_EVERY:
                write_state(job.work / "state.pt", epoch, record)
                at = time.monotonic()
            if heed.asked:
                heed.obey()
    return model.eval()


def before_cut(saved: dict[str, Any]) -> dict[str, Any]:
    """What a saved state has of its record: the epochs, and what their points are."""
    curve = json.loads(saved.get("curve", "null"))
    return {"epochs": json.loads(saved["epochs"])} | ({"curve": curve} if curve else {})


def plain_traceback(error: BaseException) -> str:
    """A traceback without the machine's paths: file names only."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{Path(f.filename).name}:{f.lineno} in {f.name}: {f.line}" for f in frames]
    return "\n".join([*lines, f"{type(error).__name__}: {error}"])


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
