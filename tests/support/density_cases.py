"""Frames of fitted densities made by hand, whose numbers are known, and the grid of their table."""

from pandas import DataFrame
from table_cases import PROTOCOL_ID, evaluation_row, make_grid

from benchmarks.experiments.densities.records import COLUMNS
from benchmarks.reporting.tables.densities import DensityGrid

LABELS = {"gmm:10": "GMM, 10 components", "flow": "coupling flow"}


def fit_row(density, seed, distance, *, model="glf", draw=0, **changes):
    """One row of `read_densities`."""
    row = {
        "key": f"{model}-{density}-{seed}", "autoencoder": f"{model}{seed}", "model": model,
        "model_label": model.upper(), "dataset": "mnist", "preset": "demo", "seed": seed, "density": density,
        "label": LABELS.get(density, density), "status": "done", "train_nll": distance + 10,
        "held_out_nll": distance + 11, "far_share": 0.02, "fit_seconds": 3.0, "n_parameters": 40_000, "draw": draw,
        "metric": "fd_classifier", "protocol_id": PROTOCOL_ID, "distance": distance,
    }  # fmt: skip
    return row | changes


def failed_fit(density, seed):
    """The row of a fit that failed."""
    lost = dict.fromkeys(COLUMNS[11:], None)
    return fit_row(density, seed, 0.0) | lost | {"status": "failed"}


def density_grid(seeds=2, labels=LABELS, **changes):
    """The grid of `densities` for GLF on MNIST."""
    keys = {("glf", "mnist"): tuple(f"g{seed}" for seed in range(seeds))}
    fits = {("glf", "mnist", name): tuple(f"glf-{name}-{seed}" for seed in range(seeds)) for name in labels}
    return DensityGrid(make_grid(keys, models={"glf": "GLF"}, **changes), labels, fits)


FLOORS = DataFrame([evaluation_row(f"g{seed}", 0.5 + seed / 10, source="posterior") for seed in range(2)])
FITS = DataFrame(
    [fit_row("gmm:10", 0, 1.0), fit_row("gmm:10", 1, 2.0), fit_row("flow", 0, 4.0), fit_row("flow", 1, 4.5)],
    columns=[*COLUMNS],
)
