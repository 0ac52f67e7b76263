"""Evidence from made-up records whose statistics are known."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.analysis.claims.finding import FLOW_PRIORS, REGULARIZED, TABLE1_DATASETS
from benchmarks.analysis.evidence import Evidence

Row = dict[str, Any]
PROTOCOL = {
    "real_transform": "as they are",
    "fake_transform": "as they are",
    "split": "test",
    "quantization": "round(255 x) to uint8",
    "input": "299x299 plain bilinear",
    "crop": np.nan,
    "resize": np.nan,
    "weights": "w",
    "backend": "b",
    "estimator": "e",
}
BASELINES = ("vae", "wae-gan", "two-stage-vae", "rae-gmm", "vae-flow-prior", "vae-flow-posterior")
EPOCH_COLUMNS = ["key", "model", "dataset", "preset", "seed", "stage", "epoch", "protocol_id", "seconds", "steps",
                 "recon", "nll", "nll_train", "nll_test", "fid"]  # fmt: skip


def spread_around(mean: float, n: int = 5, spread: float = 0.01) -> list[float]:
    """n numbers with a given mean, evenly within a share of it."""
    return [mean * (1 + spread * (2 * i / (n - 1) - 1)) for i in range(n)] if n > 1 else [mean] * n


def fake_evaluation(
    model: str, dataset: str, seed: int, value: float | None = None, preset: str = "paper", **changes: Any
) -> Row:
    """A row of the evaluations frame: a finished run, measured once."""
    return {
        "key": f"{model}/{dataset}/{seed}/{preset}", "model": model, "label": model, "revision": 1, "dataset": dataset,
        "protocol_row": dataset, "preset": preset, "seed": seed, "precision": "fp32", "status": "done", "error": None,
        "source": "prior", "draw": 0, "metric": "fid", "protocol_id": "p", "n": 10_000, "n_real": 10_000,
        "n_fake": 10_000, "extractor": "inception", "dims": 2048, **PROTOCOL, "fid": value, "posterior_var": np.nan,
        "device": "GPU", "torch": "2", "engine": "graph", "runs_at_once": 1, "commit": "abc", "dirty": False,
        "train_fingerprint": "t", "test": "u", **changes,
    }  # fmt: skip


def make_evidence(
    evaluations: Iterable[Row] | pd.DataFrame, epochs: Iterable[Row] | pd.DataFrame = (), preset: str = "paper"
) -> Evidence:
    """Evidence from rows of `fake_evaluation` and rows with `EPOCH_COLUMNS`."""
    return Evidence(_frame(evaluations, [*fake_evaluation("", "", 0)]), _frame(epochs, EPOCH_COLUMNS), preset)


def _frame(rows: Iterable[Row] | pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    records = rows.to_dict("records") if isinstance(rows, pd.DataFrame) else [*rows]
    return pd.DataFrame(records, columns=[*columns])


def distance_evidence(
    datasets: Sequence[str] = TABLE1_DATASETS, n: int = 5, spread: float = 0.01, **means: float
) -> Evidence:
    """n runs of each model on each data set, from their mean distance; `rae_gmm=` is the model "rae-gmm"."""
    return make_evidence(
        fake_evaluation(model.replace("_", "-"), dataset, seed, value)
        for dataset in datasets
        for model, mean in means.items()
        for seed, value in enumerate(spread_around(mean, n, spread))
    )


def table1_evidence(glf: float, **means: float) -> Evidence:
    """GLF and its baselines; a baseline without a mean has the distance 30."""
    return distance_evidence(glf=glf, **dict.fromkeys((name.replace("-", "_") for name in BASELINES), 30.0) | means)


def beta_sweep(
    values: Sequence[float],
    column: str = "fid",
    learned: float | None = None,
    glf: float = 10.0,
    n: int = 5,
    spread: float = 0.01,
) -> Evidence:
    """The VAE with a flow prior at each β on CIFAR-10, with the mean of a column for each; GLF, and a learned β."""
    means = {FLOW_PRIORS[beta]: value for beta, value in zip(FLOW_PRIORS, values, strict=True)}
    means |= {"glf": glf} | ({"vae-flow-prior-learned": learned} if learned else {})
    return make_evidence(
        fake_evaluation(model, "cifar10", seed, **{"value": 20.0} | {("value" if column == "fid" else column): value})
        for model, mean in means.items()
        for seed, value in enumerate(spread_around(mean, n, spread))
    )


def evidence_with_epochs(
    stages: Mapping[tuple[str, str], Callable[[int, int], Row]],
    datasets: Sequence[str] = ("cifar10",),
    n: int = 5,
    preset: str = "paper",
    epochs: int = 12,
) -> Evidence:
    """n runs with epochs.

    Args:
        stages: (model, stage) -> a function from seed and epoch to columns of the epoch, or to the run's `status`.
        datasets: each model has n runs on each.
        n: seeds.
        preset: of the runs.
        epochs: of each stage.
    """
    evaluations: dict[str, Row] = {}
    lines: list[Row] = []
    for dataset in datasets:
        for (model, stage), columns in stages.items():
            for seed in range(n):
                evaluation = fake_evaluation(model, dataset, seed, 10.0, preset=preset)
                evaluations[evaluation["key"]] = evaluation
                for epoch in range(epochs):
                    values = columns(seed, epoch)
                    evaluation["status"] = values.pop("status", evaluation["status"])
                    lines.append({"key": evaluation["key"], "model": model, "dataset": dataset, "preset": preset,
                                  "seed": seed, "stage": stage, "epoch": epoch, "protocol_id": "c", "seconds": 1.0,
                                  "steps": 100, **values})  # fmt: skip
    return make_evidence(evaluations.values(), lines, preset)


def gaussian_noise(seed: int, epoch: int) -> float:
    return float(np.random.default_rng([seed, epoch]).standard_normal())


def regularized_endings(*, one: str, ten: str, n: int = 5) -> Evidence:
    """Regularized GLF at β = 1 and 10: "diverged", "done", reconstructing "worse" than at first, or "half" of them."""
    columns = {
        "diverged": lambda seed, epoch: {"recon": 1.0, "status": "diverged"},
        "done": lambda seed, epoch: {"recon": 10.0 - epoch / 2},
        "worse": lambda seed, epoch: {"recon": 10.0 + epoch},
        "half": lambda seed, epoch: {"recon": 10.0 + (epoch if seed % 2 else -epoch / 2)},
    }
    return evidence_with_epochs(
        {(REGULARIZED[1], "train"): columns[one], (REGULARIZED[10], "train"): columns[ten]}, n=n
    )


def oscillating_curves(glf: float, regularized: float, n: int = 5) -> Evidence:
    """Distances that fall steadily, with oscillations of a given size for GLF and for regularized GLF."""

    def curve(size: float) -> Callable[[int, int], Row]:
        return lambda seed, epoch: {"fid": 50 * 0.97**epoch * float(np.exp(size * gaussian_noise(seed, epoch)))}

    models = ["glf", *(REGULARIZED[beta] for beta in (50, 100, 400))]
    stages = {(model, "train"): curve(glf if model == "glf" else regularized) for model in models}
    return evidence_with_epochs(stages, n=n, epochs=24)


def nll_evidence(regularized: float, prior: float, n: int = 5) -> Evidence:
    """The last NLL of regularized GLF and of the VAE with a flow prior, at each large β."""

    def falling_to(value: float) -> Callable[[int, int], Row]:
        return lambda seed, epoch: {"nll": 80 + (value - 80) * epoch / 11 + gaussian_noise(seed, epoch)}

    stages = {(REGULARIZED[beta], "train"): falling_to(regularized) for beta in (50, 100, 400)}
    return evidence_with_epochs(
        stages | {(FLOW_PRIORS[beta], "train"): falling_to(prior) for beta in (50, 100, 400)}, n=n
    )


def constant_seconds(seconds: float) -> Callable[[int, int], Row]:
    """Seconds per epoch, one percent more for each seed."""
    return lambda seed, epoch: {"seconds": seconds * (1 + seed / 100)}


def step_time_evidence(glf: float, rae: float, n: int = 5) -> Evidence:
    """GLF and RAE + GMM, from their seconds per epoch."""
    stages = {
        ("glf", "train"): constant_seconds(glf),
        ("rae-gmm", "train"): constant_seconds(rae),
    }
    return evidence_with_epochs(stages, TABLE1_DATASETS, n)


def total_time_evidence(glf: float, two_stage: float, n: int = 5, preset: str = "paper") -> Evidence:
    """GLF and the Two-Stage VAE, from their seconds per epoch; the latter has two stages of as many epochs."""
    stages = {("glf", "train"): constant_seconds(glf), ("two-stage-vae", "first"): constant_seconds(two_stage),
              ("two-stage-vae", "second"): lambda seed, epoch: {"seconds": two_stage}}  # fmt: skip
    return evidence_with_epochs(stages, TABLE1_DATASETS, n, preset)


def jpeg_evidence(factor: float, n: int = 5, spread: float = 0.01) -> Evidence:
    """GLF's distances from unchanged reference images, and from JPEG ones: `factor` times these."""
    rows = []
    for seed, value in enumerate(spread_around(80.0, n)):
        jpeg = value * factor * (1 + spread * gaussian_noise(seed, 0))
        rows += [
            fake_evaluation("glf", "cifar10", seed, value),
            fake_evaluation("glf", "cifar10", seed, jpeg, protocol_id="j", real_transform="JPEG, quality 75"),
        ]
    return make_evidence(rows)


def with_diverged(evidence: Evidence, model: str, n: int | None = None) -> Evidence:
    """The same evidence, but the first n runs of a model (by default all) diverged: they have no distance."""
    evaluations = evidence.evaluations.copy()
    is_diverged = evaluations["model"].eq(model) & evaluations["seed"].lt(np.inf if n is None else n)
    evaluations.loc[is_diverged, ["status", "fid", "metric"]] = ["diverged", np.nan, None]
    return replace(evidence, evaluations=evaluations)


def moved_to_digits(evidence: Evidence) -> Evidence:
    """The runs on one data set, as if they were on digits."""
    evaluations = evidence.evaluations[evidence.evaluations["dataset"] == evidence.evaluations["dataset"].iloc[0]]
    epochs = evidence.epochs[evidence.epochs["key"].isin(evaluations["key"])]
    return make_evidence(evaluations.assign(dataset="digits", protocol_row="digits"), epochs.assign(dataset="digits"))
