"""Train, score and record one trial.

`run_trial` gives the same record for the same trial, bit for bit on any CPU of one kind.  It uses one thread, draws
random streams from the trial's seed, and does not depend on the order of files.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch

import zoo
from benchmarks import environment
from benchmarks.data.datasets import Dataset, load_cached
from benchmarks.evaluation import image_grid
from benchmarks.evaluation.diagnostics import diagnose
from benchmarks.evaluation.extractors import make_extractor
from benchmarks.evaluation.learning_curve import LearningCurve, comparable_epochs, restore_points
from benchmarks.evaluation.scoring import NonFiniteImages, Scorer
from benchmarks.evaluation.sources import stream_seed
from benchmarks.experiments import provenance, records
from benchmarks.experiments.checkpoint import load_model_if_valid, modification_time, read_state, write_state
from benchmarks.experiments.job import (
    Job,
    has_all_diagnostics,
    is_finished,
    needs_learning_curve,
    requested_evaluations,
)
from benchmarks.experiments.log import RunLog, log_attempt, log_failure
from benchmarks.experiments.new_record import new_record, utc_now, write_final_record
from benchmarks.experiments.restart import begin_forced_run, end_forced_run, is_forced
from benchmarks.experiments.shutdown import graceful_shutdown
from benchmarks.training import turns
from benchmarks.training.device import is_device_lost, is_out_of_memory
from benchmarks.training.engine import Engine
from benchmarks.training.loop import Diverged, train_in_turns
from benchmarks.training.memory import keep_freed_memory
from benchmarks.training.precision import reproducible_arithmetic
from benchmarks.training.streaming import place_once

T = TypeVar("T")
Phase = Literal["training", "scoring"]
"""What a run does: while it is scored, the GPU is mostly idle."""

GRID_SIZE = 64  # images in a sample grid
GRID_SEED = 20  # all models' grids are made from one seed


def run_trial(job: Job) -> dict[str, Any]:
    """Train, score and record one trial. What has been done already is not repeated.

    A saved state is resumed. Kept weights are used if only evaluations are missing. An error becomes a record with
    status "failed" and its traceback; a loss that is not finite, a record with status "diverged".

    Returns:
        The record, as written to results/records/KEY.json.

    Raises:
        ValueError: the images or the model's code have changed since the trial was planned.
    """
    return turns.finish(run_trial_in_turns(job))


def run_trial_in_turns(job: Job) -> Generator[Phase, None, dict[str, Any]]:
    """Run a trial as `run_trial` does, and yield whenever another run may use the process.

    Yields:
        What the run does next.

    Raises:
        RuntimeError: several runs share the process, and the GPU is out of memory or lost. The record does not blame
            this run, as it may be the fault of another one.
    """
    trial, device = job.trial, torch.device(job.device)
    with turns.shared(("arithmetic", device), lambda: reproducible_arithmetic(device, not job.nondeterministic)):
        import_model(job)
        data = load_cached(job.dataset, job.data_root)
        if data.train.fingerprint != trial.train_fingerprint:
            raise ValueError(f"{trial.dataset} changed on disk since the run was planned. Run the command again")
        scorer = Scorer(
            data, make_extractor(job.features, data.row, data.spec.shape, device), job.images, job.allow_few
        )
        record = records.find(job.results, trial.key)
        is_restart = is_forced(job.run_folder, job.force_id)
        if record is not None and not is_restart and is_finished(record, scorer, job):
            return record
        job.run_folder.mkdir(parents=True, exist_ok=True)
        if is_restart:
            begin_forced_run(job.run_folder, job.force_id)
        weights, state = job.run_folder / "weights.pt", job.run_folder / "state.pt"
        can_reuse_weights = (
            record is not None
            and bool(record["epochs"])
            and not is_restart
            and not needs_learning_curve(record, scorer, job)
        )
        model = load_model_if_valid(weights) if can_reuse_weights else None
        # If the weights were removed, the model must be trained again before anything else can be scored. Until that
        # succeeds, the finished record is kept.
        finished = record if record is not None and record["status"] == "done" and model is None else None
        if record is None or model is None:
            record = new_record(trial, data, device)
            if finished is None:
                weights.unlink(missing_ok=True)
        record["status"], record["error"] = "done", None
        resumed_from = modification_time(state)
        with errors_in_record(job, record):
            if model is None:
                with keep_freed_memory(device):
                    model = yield from train_model(job, data, record, device, job.learning_curve(scorer))
                zoo.save(model, weights)
                if finished is not None and comparable_epochs(finished) == comparable_epochs(record):
                    record["evaluations"], record["diagnostics"] = finished["evaluations"], finished["diagnostics"]
                    restore_points(finished, record)
            yield from score(job, model.to(device).eval(), data, scorer, record)
        if finished is not None and record["status"] == "failed":
            (job.run_folder / "progress.json").unlink(missing_ok=True)
            return record
        record = write_final_record(job, record)
        end_forced_run(job.run_folder, job.force_id)
        if job.keep == "logs" and record["status"] == "done":
            weights.unlink(missing_ok=True)
        # A failed run is resumed from its last state, unless this attempt saved no newer state.
        if record["status"] != "failed" or modification_time(state) == resumed_from:
            state.unlink(missing_ok=True)
        return record


@contextmanager
def errors_in_record(job: Job, record: dict[str, Any]) -> Iterator[None]:
    """Turn an error of the block into the record's status and error, so that other runs go on."""
    try:
        yield
    except Diverged as reason:
        record["epochs"].append(reason.row)
        record["status"] = "diverged"
        record["error"] = {"stage": reason.stage, "epoch": reason.epoch, "part": reason.part, "message": str(reason)}
    except NonFiniteImages as reason:
        record["status"] = "diverged"
        record["error"] = {"stage": "sampling", "epoch": None, "part": "samples", "message": str(reason)}
    except Exception as reason:
        if turns.is_shared() and (is_out_of_memory(reason) or is_device_lost(job.device)):
            raise
        log_failure(job.run_folder, traceback.format_exc())
        record["status"] = "failed"
        record["error"] = {
            "message": job.without_paths(f"{type(reason).__name__}: {reason}"),
            "traceback": job.without_paths(portable_traceback(reason)),
        }


def score(
    job: Job, model: zoo.LatentModel, data: Dataset, scorer: Scorer, record: dict[str, Any]
) -> Generator[Phase, None, None]:
    """Save a grid of samples, and add the diagnostics and evaluations that the record does not have yet."""
    yield "scoring"
    image_grid.save_grid(model.sample(GRID_SIZE, seed=GRID_SEED), job.run_folder / "samples.png")
    if not has_all_diagnostics(record):
        record["diagnostics"] = diagnose(model, data)
    missing = scorer.missing_requests(record, requested_evaluations(job), job.metrics)
    for evaluation in scorer.score_in_turns(model, record, missing, job.metrics):
        if evaluation is not None:
            origin = provenance.describe_briefly(torch.device(job.device))
            records.put_evaluation(record, {**evaluation, "provenance": origin})
            record["provenance"]["finished"] = utc_now()
            records.write(job.results, record)  # one by one: on Inception features each takes minutes
        yield "scoring"


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
        raise ValueError(f"{job.trial.model} changed on disk since the run was planned. Run the command again")


def train_model(
    job: Job, data: Dataset, record: dict[str, Any], device: torch.device, curve: LearningCurve | None
) -> Generator[Phase, None, zoo.LatentModel]:
    """Train the trial's model from scratch or from its saved state, and fill the record's epochs."""
    trial = job.trial
    title = f"{trial.name} on {trial.dataset}, preset {trial.preset}, seed {trial.seed}, key {trial.key}"
    log = RunLog(job.run_folder, title, trial.steps)
    torch.manual_seed(stream_seed("train", trial.seed))
    model = trial.build().to(device)
    train_split = data.train.canonical(trial.images)
    x = place_once(train_split.images, device, (trial.train_fingerprint, trial.images))
    engine = Engine(job.engine, trial.precision)
    saved = read_state(job.run_folder / "state.pt")
    if saved and curve and curve.is_incomplete({**record, **saved_progress(saved)}):
        saved = None
    if curve:
        record["learning_curve"] = curve.to_record()
    if saved:
        record |= saved_progress(saved)
        earlier = json.loads(saved["provenance"])
        record["provenance"] |= {"started": earlier["started"], "resumed": earlier["resumed"] + 1}
        record["provenance"]["earlier"] = [*earlier["before"], earlier["place"]]
    used: dict[str, Any] = {"requested": job.engine, "stages": {}}  # in this process
    if device.type == "cuda":
        used |= {"deterministic": not job.nondeterministic, "runs_at_once": 1}
    record["provenance"]["engine"] = used
    log.begin(resumed=bool(saved), epochs=record["epochs"])
    log_attempt(job.run_folder, "resume" if saved else "train")
    last_save, save_seconds = time.monotonic(), environment.save_seconds()
    resume = saved["training"] if saved else None
    with graceful_shutdown(job.run_folder) as shutdown:
        for epoch in train_in_turns(model, x, trial.protocol.stages, resume, engine):
            yield "training"
            if epoch is None:
                continue
            if epoch.nondeterministic:
                operations = {*used.get("nondeterministic_operations", []), *epoch.nondeterministic}
                used |= {"deterministic": False, "nondeterministic_operations": sorted(operations)}
            if device.type == "cuda":
                used["runs_at_once"] = max(used["runs_at_once"], turns.count_runs())
            if curve and curve.is_due(epoch.row):
                point = curve.score_epoch_in_turns(model, train_split, trial.seed)
                epoch.row.update((yield from _in_phase("training", point)))
            record["epochs"].append(epoch.row)
            used["stages"][epoch.row["stage"]] = epoch.engine_used
            log.line(epoch.row)
            if shutdown.is_requested or time.monotonic() - last_save > save_seconds:
                write_state(job.run_folder / "state.pt", epoch, record)
                last_save = time.monotonic()
            if shutdown.is_requested:
                for _ in shutdown.shut_down_in_turns(job.run_folder):
                    yield "training"
    return model.eval()


def _in_phase(phase: Phase, steps: Generator[None, None, T]) -> Generator[Phase, None, T]:
    """Advance a generator to its end and return its value; yield the phase at each of its steps."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
        yield phase


def saved_progress(saved: dict[str, Any]) -> dict[str, Any]:
    """The parts of the record that a saved state holds: its epochs, and the description of its learning curve."""
    curve = json.loads(saved.get("curve", "null"))
    return {"epochs": json.loads(saved["epochs"])} | ({"learning_curve": curve} if curve else {})


def portable_traceback(error: BaseException) -> str:
    """A traceback without the machine's paths: file names only."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{Path(f.filename).name}:{f.lineno} in {f.name}: {f.line}" for f in frames]
    return "\n".join([*lines, f"{type(error).__name__}: {error}"])
