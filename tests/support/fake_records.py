"""Records made by hand, as small as a record can be."""

from typing import Any

from benchmarks.experiments import records

KEY, OTHER = "a" * 64, "b" * 64
PROTOCOL = {"split": "test", "n_real": 100, "n_fake": 90, "extractor": "classifier:digits", "dims": 64}


def evaluation(draw: int, **values: float) -> dict[str, Any]:
    return {
        "key": f"{draw}" * 64,
        "source": "prior",
        "draw": draw,
        "n": 90,
        "metric": "fd_classifier",
        "protocol": PROTOCOL,
        "protocol_id": "0123456789abcdef",
        "values": values,
        "fallbacks": 0,
        "seconds": 3.2,
    }


def record(key: str = KEY, **changes: Any) -> dict[str, Any]:
    return {
        "schema": records.SCHEMA,
        "key": key,
        "model": "glf",
        "label": "GLF",
        "revision": 1,
        "dataset": "digits",
        "protocol_row": "digits",
        "preset": "demo",
        "seed": 0,
        "precision": "fp32",
        "status": "done",
        "error": None,
        "settings": {"hyper": {"beta": 0.02}, "stages": {}, "images": 1000},
        "data": {"train_fingerprint": "f1", "test_fingerprint": "f2", "n_train": 1000, "n_test": 100, "warnings": []},
        "diagnostics": {},
        "evaluations": [evaluation(0, fd_classifier=12.5), evaluation(1, fd_classifier=13.5)],
        "epochs": [
            {"stage": "train", "epoch": 0, "seconds": 1.5, "steps": 10, "objective": 50.0, "recon": 90.0},
            {"stage": "train", "epoch": 1, "seconds": 1.25, "steps": 20, "objective": 40.0, "recon": 80.0},
        ],
        "provenance": {"device": "cpu: Xeon", "threads": 1, "torch": "2.11", "commit": "abc", "dirty": False},
    } | changes
