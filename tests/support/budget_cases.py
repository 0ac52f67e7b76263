"""Results folders with made-up runs of two models at several training budgets, on the digits' schedules."""

import itertools

from fake_records import PROTOCOL, record

from benchmarks.experiments import records

FULL_EPOCHS, BATCH, IMAGES = 100, 64, 1297  # of GLF and RAE + GMM on digits
_numbers = itertools.count()


def write_run(
    folder, model, seed, distance, *, epochs=FULL_EPOCHS, name=None, protocol_id="p" * 16, rows=None, **changes
):
    """Write the record of one run; `distance` None: the run diverged. Returns its key."""
    key = f"{next(_numbers):064x}"
    evaluations = [] if distance is None else [
        {"key": "0" * 64, "source": "prior", "draw": 0, "n": 90, "metric": "fd_classifier", "protocol": PROTOCOL,
         "protocol_id": protocol_id, "values": {"fd_classifier": distance}}]  # fmt: skip
    error = {"status": "diverged", "error": {"message": "recon is not finite"}} if distance is None else {}
    records.write(folder, record(
        key, model=name or model, seed=seed, preset="paper", evaluations=evaluations,
        settings={"hyper": {}, "stages": {"train": {"epochs": epochs, "batch": BATCH}}, "images": IMAGES},
        data={"train_fingerprint": "f1", "test_fingerprint": "f2", "n_train": IMAGES, "n_test": 500, "warnings": []},
        **({"epochs": rows} if rows else {}), **error, **changes,
    ))  # fmt: skip
    return key


def write_runs(folder, glf, rae, epochs=FULL_EPOCHS):
    """Write one run of each model per distance; a share of the epochs is in the names, as `--budget` writes it."""
    setting = "" if epochs == FULL_EPOCHS else f"[budget={epochs / FULL_EPOCHS:g}]"
    for model, distances in (("glf", glf), ("rae-gmm", rae)):
        for seed, distance in enumerate(distances):
            write_run(folder, model, seed, distance, epochs=epochs, name=f"{model}{setting}")
    return folder


def turning_folders(tmp_path):
    """Three folders: RAE + GMM is ahead at 0.1, there are not enough runs at 0.5, and GLF is ahead at 1."""
    return [
        write_runs(tmp_path / "tenth", [9.0, 9.1, 9.2], [7.0, 7.1, 7.2], 10),
        write_runs(tmp_path / "half", [5.0], [5.5], 50),
        write_runs(tmp_path / "full", [3.0, 3.1, 3.2], [4.0, 4.1, 4.2]),
    ]
