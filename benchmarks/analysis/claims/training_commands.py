"""The command lines that add the runs a claim or a cell of a table lacks."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from benchmarks.analysis.evidence import Evidence
from benchmarks.analysis.verdicts import MIN_RUNS
from benchmarks.data.datasets import DATASETS
from benchmarks.evaluation.protocol import MAX_IMAGES
from benchmarks.execution.options import Options, format_seeds
from benchmarks.experiments.changes import split_name
from benchmarks.presets import PRESETS

# Column of a distance -> --features; other columns do not say which file of weights they need
FEATURES_OF = {
    "fid": "inception",
    "fd_classifier": "classifier",
    "fd_pixels": "pixels",
    "fd_clean_inception": "clean-inception",
    "fd_dinov2_vits14": "dinov2-vits14",
    "fd_dinov2_vitb14": "dinov2-vitb14",
    "fd_dinov2_vitl14": "dinov2-vitl14",
}


def seeds_needed(
    evidence: Evidence, dataset: str, models: Sequence[str], counts_divergence: bool, was_tested: bool
) -> int:
    """How many seeds of each model a claim needs on a data set.

    Args:
        evidence: the records at one preset.
        dataset: its name.
        models: models of the claim.
        counts_divergence: whether a diverged run counts as evidence.
        was_tested: whether all wanted runs are there, and did not decide the claim.
    """
    statuses = [evidence.statuses(model, dataset) for model in models]
    if was_tested:
        return max(10, 2 * max(map(len, statuses)))
    usable = [len(s) if counts_divergence else int((s != "diverged").sum()) for s in statuses]
    # A seed that has ended is not repeated, so each diverged run is replaced by another seed
    return max(PRESETS[evidence.preset].seeds if evidence.preset in PRESETS else 0,
               *(len(s) + max(0, MIN_RUNS - n) for s, n in zip(statuses, usable, strict=True)))  # fmt: skip


def training_command(
    evidence: Evidence, command: str, models: Sequence[str], dataset: str, seeds: Sequence[int], results: str
) -> str:
    """A command line for some models on one data set. All names are quoted, because they come from records.

    Args:
        evidence: the records at one preset.
        command: the table or figure.
        models: as records name them; all of them have the same changed settings, if any.
        dataset: its name.
        seeds: of the runs of each model.
        results: the results folder.
    """
    preset = PRESETS.get(evidence.preset)
    words = ["python", "-m", "benchmarks.run", command, "--preset", evidence.preset]
    if dataset in DATASETS:
        words += ["--on", dataset]
    else:
        runs = evidence.runs[evidence.runs["dataset"] == dataset]
        like = str(runs["protocol_row"].iloc[0]) if len(runs) else "mnist"
        words += ["--on", "folder:PATH", "--name", dataset, "--like", like]
    words += ["--only", ",".join(split_name(model)[0] for model in models)]
    for changes in dict.fromkeys(changes for model in models if (changes := split_name(model)[1])):
        words += ["--set", changes]
    words += ["--seeds", format_seeds(seeds)]
    metric = evidence.distances.protocols.get(dataset, ("", ""))[0]
    features = FEATURES_OF.get(metric)
    if features and (preset is None or features != preset.features):
        words += ["--features", features]
    # Only options that differ from the defaults; without a measured distance there are none
    settings = evidence.distances.settings(dataset)
    if settings and preset and settings["draws"] != preset.draws:
        words += ["--draws", str(settings["draws"])]
    if settings.get("n_fake", MAX_IMAGES) != MAX_IMAGES:
        words += ["--images", str(settings["n_fake"])]
    n_images = min(settings.get("n_real", MAX_IMAGES), settings.get("n_fake", MAX_IMAGES))
    if "dims" in settings and n_images <= settings["dims"]:
        words.append("--allow-few")
    precisions = [p for model in models for p in evidence.runs.loc[[*evidence.keys(model, dataset)], "precision"][:1]]
    if len({*precisions}) == 1 and precisions[0] != Options.precision:
        words += ["--precision", str(precisions[0])]
    if results != Options.results:
        words += ["--results", results]
    return shlex.join(words)
