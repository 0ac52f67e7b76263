"""Two models at several training budgets: their distances, and which of them is ahead at each budget.

The budget of a run is the number of training images that it sees, repeats included, as a share of those that the
schedule of its data set's row sees on all training images. So a run at preset `paper` has budget 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from benchmarks import protocols
from benchmarks.analysis.evidence import Evidence, presets_with_runs
from benchmarks.analysis.learning_curves import is_epoch_column
from benchmarks.analysis.statistics import SIGNIFICANCE_LEVEL, Effect, correct_together, welch_t_test
from benchmarks.analysis.verdicts import MIN_RUNS
from benchmarks.experiments import records
from benchmarks.experiments.changes import BUDGET, split_name

RUN_COLUMNS = ["dataset", "folder", "preset", "setting", "budget", "images", "images_seen", "model", "seed",
               "status", "distance", "metric", "protocol_id", "sample_sets", "schedule", "precision", "device",
               "key"]  # fmt: skip
GROUP = ["dataset", "folder", "preset", "setting", "images"]  # what the runs at one budget share


@dataclass(frozen=True)
class Source:
    """The records of one results folder at one preset.

    Attributes:
        folder: its name.
        path: of the results folder.
        evidence: its records.
    """

    folder: str
    path: Path
    evidence: Evidence


@dataclass(frozen=True)
class Comparison:
    """Two models at one budget of one results folder.

    Attributes:
        dataset, folder, preset, images: of the runs; `images` is the number of training images.
        is_of_ours: whether the full schedule is ours and not the paper's.
        budgets: of the first and of the second model.
        values: the distances of the first and of the second model, one per finished run.
        lost: numbers of runs that diverged or failed.
        difference: mean of the first model less that of the second, with p-value after Holm's correction over the
            budgets of the data set; None if there are too few runs for a test.
        devices: kinds of device, such as "CPU".
    """

    dataset: str
    folder: str
    preset: str
    images: int
    is_of_ours: bool
    budgets: tuple[float, float]
    values: tuple[tuple[float, ...], tuple[float, ...]]
    lost: tuple[int, int]
    difference: Effect | None
    devices: tuple[str, ...]

    @property
    def budget(self) -> float:
        """The larger budget of the two."""
        return max(self.budgets)

    @property
    def leader(self) -> int | None:
        """The position of the model that is ahead, 0 or 1; None if the runs do not show one."""
        if self.difference is None or any(self.lost) or not self.difference.p < SIGNIFICANCE_LEVEL:
            return None
        return int(self.difference.value > 0)

    @property
    def has_enough_runs(self) -> bool:
        """Whether both models have enough runs for a test."""
        return self.difference is not None


def read_sources(folders: Sequence[Path]) -> list[Source]:
    """The records of results folders, one item per preset; a folder without records gives none."""
    sources = []
    for path in folders:
        evaluations, epochs = records.read_columns(path, is_epoch_column)
        for preset in presets_with_runs(evaluations):
            sources.append(Source(path.resolve().name, path, Evidence(evaluations, epochs, preset)))
    return sources


def is_shortened(model: str, base: str) -> bool:
    """Whether a name in records is that of a model, with no changed setting but its budget."""
    name, changes = split_name(model)
    return name == base and all(part.startswith(f"{BUDGET}=") for part in changes.split(",") if part)


def budget_runs(sources: Sequence[Source], models: Sequence[str]) -> tuple[DataFrame, list[str]]:
    """One row per run of some models, from all sources.

    Distances under two metric protocols do not compare. For each data set, those of the protocol with the most runs
    count.

    Returns:
        The runs, with `RUN_COLUMNS`, and a sentence on each folder whose distances are under another protocol.
    """
    rows = [row for source in sources for model in models for row in _rows(source, model)]
    frame = DataFrame(rows, columns=RUN_COLUMNS).drop_duplicates("key")
    left_out: list[str] = []
    for dataset, runs in frame[frame["distance"].notna()].groupby("dataset"):
        counts = runs.groupby("protocol_id").size().reset_index(name="n")
        protocol = counts.sort_values(["n", "protocol_id"], ascending=[False, True])["protocol_id"].iloc[0]
        others = runs[runs["protocol_id"] != protocol]
        left_out += [f"{n} runs on {dataset} in {folder}, whose distances are under another metric protocol"
                     for folder, n in others.groupby("folder").size().items()]  # fmt: skip
        frame = frame.drop(others.index)
    order = {model: number for number, model in enumerate(models)}
    frame = frame.assign(order=frame["model"].map(order))
    frame = frame.sort_values(["dataset", "budget", "folder", "order", "seed"], kind="stable", ignore_index=True)
    return frame.drop(columns="order"), left_out


def _rows(source: Source, model: str) -> list[dict[str, Any]]:
    evidence, rows = source.evidence, []
    for (name, dataset), keys in evidence.cells.items():
        if not is_shortened(name, model):
            continue
        sample = evidence.distance(name, dataset)
        distances = dict(zip(sample.keys, sample.values, strict=True))
        metric, protocol_id = evidence.distances.protocols.get(dataset, ("", ""))
        for key in keys:
            record = records.find(source.path, key)
            if record is None or not (size := run_size(record, model)):
                continue
            run: Any = evidence.runs.loc[key]
            rows.append({
                "dataset": dataset, "folder": source.folder, "preset": evidence.preset, "setting": split_name(name)[1],
                "model": model, "seed": int(run["seed"]), "status": str(run["status"]), "key": key,
                "distance": float(distances.get(key, math.nan)), "metric": metric, "protocol_id": protocol_id,
                "sample_sets": evidence.distances.n_sample_sets(dataset), "precision": str(run["precision"]),
                "device": str(run["device"]), **size,
            })  # fmt: skip
    return rows


def run_size(record: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The budget of a run, and what it is computed from; {} if the full schedule is not known."""
    images, row, available = record["settings"]["images"], record["protocol_row"], record["data"].get("n_train")
    if not available or row not in protocols.rows(model):
        return {}
    seen = 0
    for stage in record["settings"]["stages"].values():
        steps = (stage.get("epochs") or 0) * (images // stage["batch"])
        seen += stage["batch"] * (steps if stage.get("steps") is None else min(steps, stage["steps"]))
    full = protocols.protocol(model, row, "paper", available)
    total = sum(schedule.batch * schedule.total(available) for schedule in full.stages.values())
    whose = protocols.OURS if full.source.startswith(protocols.OURS) else full.source
    return {"images": images, "images_seen": seen, "budget": seen / total, "schedule": whose}


def compare_budgets(runs: DataFrame, models: tuple[str, str]) -> list[Comparison]:
    """The two models at each budget at which both have runs, by data set and budget.

    Args:
        runs: as `budget_runs` returns them.
        models: their names.
    """
    compared = []
    for _, group in runs.groupby(GROUP, sort=False):
        parts = [group[group["model"] == model] for model in models]
        if any(part.empty for part in parts):
            continue
        finite = [part["distance"].dropna().to_numpy(float) for part in parts]
        effect = welch_t_test(*finite) if min(map(len, finite)) >= MIN_RUNS else None
        first = group.iloc[0]
        compared.append(Comparison(
            dataset=str(first["dataset"]), folder=str(first["folder"]), preset=str(first["preset"]),
            images=int(first["images"]), is_of_ours=bool((group["schedule"] == protocols.OURS).any()),
            budgets=(float(parts[0]["budget"].max()), float(parts[1]["budget"].max())),
            values=(tuple(finite[0]), tuple(finite[1])),
            lost=(int((parts[0]["status"] != "done").sum()), int((parts[1]["status"] != "done").sum())),
            difference=effect, devices=tuple(sorted({device_kind(device) for device in group["device"]})),
        ))  # fmt: skip
    corrected: list[Comparison] = []
    for dataset in dict.fromkeys(item.dataset for item in compared):
        own = sorted((item for item in compared if item.dataset == dataset), key=lambda item: item.budget)
        tests = {number: item.difference for number, item in enumerate(own) if item.difference is not None}
        tests = correct_together(tests)
        corrected += [replace(item, difference=tests.get(number)) for number, item in enumerate(own)]
    return corrected


def device_kind(device: str) -> str:
    """The kind of a device of a record: "cuda: NVIDIA H100" -> "GPU"."""
    return {"cuda": "GPU", "cpu": "CPU"}.get(device.partition(":")[0], device)


def spread(values: Sequence[float]) -> float:
    """Standard deviation over runs; NaN for one run."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def find_turns(compared: Sequence[Comparison]) -> list[tuple[float, float]]:
    """Pairs of neighboring decided budgets of one data set at which different models are ahead."""
    decided = [item for item in compared if item.leader is not None]
    return [(a.budget, b.budget) for a, b in pairwise(decided) if a.leader != b.leader]


def mean_points(runs: DataFrame) -> DataFrame:
    """Mean and standard deviation over the finished runs of each model at each budget, by data set and budget."""
    finished = runs[runs["distance"].notna()]
    grouped = finished.groupby(["model", *GROUP], sort=False)
    points = grouped.agg(budget=("budget", "first"), mean=("distance", "mean"), sd=("distance", "std"),
                         runs=("distance", "size")).reset_index()  # fmt: skip
    whole: DataFrame = points.sort_values(["dataset", "model", "budget"], kind="stable", ignore_index=True)
    return whole if len(whole) else pd.DataFrame(columns=[*points.columns])
