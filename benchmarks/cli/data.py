"""Commands that download data, and that list models, data sets, presets, metrics, features and protocols."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

from rich.table import Table as Sheet

from benchmarks.cli.commands import DONE, FAILED
from benchmarks.cli.console import make_console
from benchmarks.execution.options import UserErrors
from zoo.registry import did_you_mean


def data_root(args: Namespace) -> Path | None:
    """The data root that a command line or the environment names; None for the user's cache folder."""
    root = args.data_root or os.environ.get("AE_BENCH_DATA")
    return Path(root) if root else None


def fetch(args: Namespace) -> int:
    """Download data sets and weights; return 1 if a download failed.

    Raises:
        UserErrors: a name is not known, or none is given.
    """
    from benchmarks.data import download

    unknown = [repr(name) + did_you_mean(name, download.FETCH) for name in args.names if name not in download.FETCH]
    if unknown or not args.names:
        message = f"cannot fetch {', '.join(unknown)}" if unknown else "nothing to fetch"
        raise UserErrors([f"{message}. Known: {', '.join(download.FETCH)} (benchmarks/data/download.py)"])
    done, errors = download.fetch(args.names, data_root(args), report=print)
    for line in done:
        print(line)
    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    return FAILED if errors else DONE


def show_names(args: Namespace) -> int:
    """Print the known models, data sets, presets, metrics and features."""
    import zoo
    from benchmarks.data.registry import DATASETS
    from benchmarks.evaluation.metrics import METRICS
    from benchmarks.evaluation.names import FEATURE_FORMS
    from benchmarks.presets import PRESETS

    console = make_console(wide=True)
    sheet = Sheet("model", "label", "revision", "variant", title="models (zoo/registry.py)")
    sheet.columns[0].no_wrap = True
    for name, entry in zoo.MODELS.items():
        variant = ", ".join(f"{k}={v}" for k, v in entry.hyper.items())
        sheet.add_row(name, entry.label, str(entry.revision), variant)
    console.print(sheet)
    sheet = Sheet("data set", "shape", "nz", "k", "split", "how to get it",
                  title="data sets (benchmarks/data/registry.py)")  # fmt: skip
    for name, row in DATASETS.items():
        sheet.add_row(name, "x".join(map(str, row.shape)), str(row.nz), str(row.k), row.split, row.get)
    console.print(sheet)
    sheet = Sheet("preset", "images", "steps a stage", "seeds x draws", "data sets", "features",
                  title="presets (benchmarks/presets.py)")  # fmt: skip
    for name, preset in PRESETS.items():
        steps = f"{preset.steps:,}" if preset.steps else "Appendix B's"
        images = f"{preset.images:,}" if preset.images else "all"
        counts = f"{preset.seeds} x {preset.draws}"
        sheet.add_row(name, images, steps, counts, " ".join(preset.datasets), preset.features)
    console.print(sheet)
    sheet = Sheet("metric", "columns of records, and which is better", title="metrics (benchmarks/evaluation/metrics)")
    for name, metric in METRICS.items():
        sheet.add_row(name, ", ".join(f"{column} ({better})" for column, better in metric.columns.items()))
    console.print(sheet)
    console.print(f"features (benchmarks/evaluation/extractors/registry.py): {', '.join(FEATURE_FORMS)}")
    return DONE


def show_protocols(args: Namespace) -> int:
    """Print how every model is trained on every data set, with all hyper-parameters."""
    import zoo
    from benchmarks import protocols
    from benchmarks.settings_text import show

    sheet = Sheet(title="how everything is trained (benchmarks/protocols.py)")
    for name in ("model", "data set", "stage", "epochs", "batch", "lr", "factors", "weight decay", "betas", "hyper",
                 "source"):  # fmt: skip
        sheet.add_column(name, no_wrap=name == "model")
    for model in zoo.MODELS:
        for dataset, row in protocols.rows(model).items():
            for stage, s in row.stages.items():
                epochs = str(s.epochs) if s.epochs is not None else f"{s.steps} steps"
                hyper = {**row.resolve(model).hyper}
                cells = [show(v) for v in (s.lr, s.factors, s.weight_decay, s.betas, hyper)]
                sheet.add_row(model, dataset, stage, epochs, str(s.batch), *cells, row.source)
    make_console(wide=True).print(sheet)
    return DONE
