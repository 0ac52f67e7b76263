"""Commands that download data, train a classifier of labelled images, and list what is known."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

from rich.table import Table as Sheet

from benchmarks import environment
from benchmarks.cli.commands import DONE, FAILED
from benchmarks.cli.console import make_console
from benchmarks.execution.options import Options, UserErrors, find_folder_errors, parse_device
from benchmarks.program import program
from zoo.registry import did_you_mean

WEIGHTS_SUFFIX = ".pt"  # of a classifier's file


def data_root(args: Namespace) -> Path | None:
    """The data root that a command line or the environment names; None for the user's cache folder."""
    return Path(args.data_root) if args.data_root else environment.data_folder()


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


def train_classifier(args: Namespace) -> int:
    """Train the classifier of a data set, or find it in the cache; its path is printed last.

    Raises:
        UserErrors: all errors; nothing was trained.
    """
    from benchmarks.data import datasets
    from benchmarks.data.datasets import ImageFolder
    from benchmarks.evaluation.residual import weights_file
    from benchmarks.evaluation.residual.checks import find_class_errors, find_label_errors
    from benchmarks.evaluation.residual.making import make_classifier
    from benchmarks.execution.selection import class_names, parse_datasets

    errors = list(args.errors)
    sources: list[str | ImageFolder] = []
    if len(args.names) != 1:
        errors.append(f"classifier needs one data set or folder:PATH, got {' '.join(args.names) or 'none'}")
    else:
        sources = parse_datasets(Options(on=args.names[0], name=args.name, like=args.like), (), errors)
    device = parse_device(args.device, errors)
    if device is not None:
        errors += _find_precision_errors(args.precision, device.type)
    if args.out is not None:
        errors += _find_out_errors(args.out)
    root = data_root(args)
    for source in sources:
        errors += datasets.find_errors(source, root)
        errors += find_class_errors(source) if isinstance(source, ImageFolder) else []
    if errors or device is None:
        raise UserErrors(errors)
    (source,) = sources
    try:
        data = datasets.load_cached(source, root)
        if label_errors := find_label_errors(data, class_names(source)):
            raise UserErrors(label_errors)
        path = make_classifier(data, device, _print_line, args.precision)
    except UserErrors:
        raise
    except ValueError as error:  # of the data, or a training that diverged
        raise UserErrors([str(error)]) from error
    if args.out is not None:
        path = weights_file.write(path.read_bytes(), Path(args.out))
    loaded = weights_file.read(path)
    about = loaded.description
    print(f"classifier of {about.dataset}: {about.classes} classes, {about.width} features, test accuracy "
          f"{about.accuracy:.4f} on {about.n_test:,} images")  # fmt: skip
    print(f"weights: {path.stat().st_size / 1000:.0f} kB, sha256 {loaded.sha256}")
    print(f"to use it: {program()} evaluate --real ... --fake ... --features classifier:{path}")
    print(path)
    return DONE


def _find_precision_errors(precision: str, device: str) -> list[str]:
    """Why a classifier cannot be trained at a precision on a kind of device; [] if it can."""
    known = ("fp32", "bf16") if device == "cpu" else ("fp32", "tf32", "bf16")
    if precision in known:
        return []
    return [f"a classifier cannot be trained at --precision {precision} on {device}. Known: {', '.join(known)}"]


def _find_out_errors(text: str) -> list[str]:
    """Why no weights file can be written at a path; [] if one can."""
    path = Path(text)
    if path.suffix != WEIGHTS_SUFFIX:
        return [f"--out {text} must end in {WEIGHTS_SUFFIX}, so that --features classifier:FILE knows it as a file"]
    if os.path.lexists(path):
        return [f"--out {text} exists already; name a new file"]
    return find_folder_errors("--out", str(path.absolute().parent))


def _print_line(text: str) -> None:
    print(text, flush=True)


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
