"""Records of runs that begin, end or fail."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import torch

from benchmarks.data.datasets import Dataset, load_cached
from benchmarks.experiments import provenance, records
from benchmarks.experiments.job import Job
from benchmarks.experiments.log import log_failure
from benchmarks.experiments.process import process_identity
from benchmarks.experiments.trial import Trial


def new_record(trial: Trial, data: Dataset, device: torch.device) -> dict[str, Any]:
    """A record before training."""
    weights = trial.pretrained
    return {
        "schema": records.SCHEMA,
        "key": trial.key,
        "model": trial.name,
        "label": trial.label,
        "revision": trial.revision,
        "dataset": trial.dataset,
        "protocol_row": trial.protocol_row,
        "preset": trial.preset,
        "seed": trial.seed,
        "precision": trial.precision,
        "status": "done",
        "error": None,
        "settings": {**trial.settings, "source": trial.protocol.source, "protocol_row": trial.protocol_row},
        "data": {
            "train_fingerprint": data.train.fingerprint,
            "test_fingerprint": data.test.fingerprint,
            "n_train": len(data.train),
            "n_test": len(data.test),
            "preprocessing": str(data.spec.preprocessing),
            "split": data.spec.split,
            "warnings": list(data.warnings),
        },
        "evaluations": [],
        "diagnostics": {},
        "epochs": [],
        # earlier: device, torch and commit of the earlier parts of a resumed run
        "provenance": {
            **provenance.describe(device),
            **({"pretrained": {weights.name: weights.sha256}} if weights else {}),
            "slurm_job": process_identity()["job"],
            "started": utc_now(),
            "resumed": 0,
            "earlier": [],
            "finished": None,
        },
    }


def write_final_record(job: Job, record: dict[str, Any]) -> dict[str, Any]:
    """Write the record of a run that has ended, however it ended, and return it as written."""
    record["provenance"]["finished"] = utc_now()
    records.write(job.results, record)
    (job.run_folder / "progress.json").unlink(missing_ok=True)
    return records.find(job.results, job.trial.key) or record


def record_failure(job: Job, error: str) -> dict[str, Any]:
    """Record the failure of a run whose process ended without a record. Existing epochs and evaluations are kept.

    Args:
        job: the job.
        error: a traceback, or how the process ended; its last line becomes the record's message.
    """
    log_failure(job.run_folder, error)
    data = load_cached(job.dataset, job.data_root)  # before the record is read: it may take seconds
    record = records.find(job.results, job.trial.key)
    if record is not None and record["status"] == "done":
        return record  # its content is valid; only evaluations are missing
    if record is None:
        record = new_record(job.trial, data, torch.device(job.device))
    lines = error.strip().splitlines()
    record["status"], record["error"] = "failed", {"message": job.without_paths(lines[-1])}
    if len(lines) > 1:
        record["error"]["traceback"] = job.without_paths("\n".join(lines))
    return write_final_record(job, record)


def utc_now() -> str:
    """The time, ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
