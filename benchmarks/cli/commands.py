"""The commands that train nothing: pictures, metrics on any images, the architecture, downloads, lists."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Sheet

import zoo
from benchmarks import protocols
from benchmarks.data import datasets
from benchmarks.evaluation import compare, extractors, metrics
from benchmarks.execution.options import Problems, count, names, parse_device
from benchmarks.experiments import records
from benchmarks.reporting import architecture, gallery, report

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130  # exit codes


def picture(given: Namespace, root: Path | None) -> int:
    """Draw a picture from a finished training and print its path."""
    model, dataset = given.names if len(given.names) == 2 else ("", "")
    if not model:
        raise Problems([f"{given.what} takes MODEL DATASET, got {' '.join(given.names) or 'nothing'}"])
    try:
        print(gallery.draw(given.what, model, dataset, Path(given.results), root, given.preset))
    except ValueError as error:
        raise Problems([str(error)]) from None
    return DONE


def evaluate(given: Namespace, root: Path | None) -> int:
    """Print the metrics of --fake against --real, as a table and, last, as one line of JSON."""
    wrong = [f"evaluate needs --{side}" for side in ("real", "fake") if getattr(given, side) is None]
    device = parse_device(given.device, wrong)
    images = count("--images", given.images, 0, wrong)
    if wrong or device is None:
        raise Problems(wrong)
    wanted = tuple(metrics.METRICS) if given.metrics is None else tuple(names(given.metrics))
    try:
        found = compare.compare(
            given.real, given.fake, given.features or "inception", root, device,
            metrics=wanted, images=images or None, allow_few=given.allow_few,
        )  # fmt: skip
    except ValueError as error:
        raise Problems([str(error)]) from None
    p = found.protocol
    numbers = " + ".join("moments of unknown images" if n is None else f"{n:,} images" for n in found.n)
    title = numbers if p is None else f"{numbers}, {p.extractor} ({p.dims}-d), metric protocol {p.id}"
    sheet = Sheet("metric", "value", "better", title=title)
    directions = {name: way for row in metrics.METRICS.values() for name, way in row.columns.items()}
    for name, value in found.values.items():
        sheet.add_row(name, f"{value:.6g}", directions.get(name, "lower"))
    wide().print(sheet)
    about: dict[str, Any] = {"n_real": found.n[0], "n_fake": found.n[1]}
    if p is not None:
        about |= {"extractor": p.extractor, "weights": p.weights, "protocol_id": p.id, "protocol": p.plain()}
    print(json.dumps({**about, **found.values}))
    return DONE


def table3(given: Namespace, root: Path | None) -> int:
    """Print and write the architecture as the modules tell it."""
    frame = architecture.table3()
    sheet = Sheet(*frame.columns, title="Table 3, measured from the modules")
    for row in frame.itertuples(index=False):
        sheet.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    wide().print(sheet)
    path = Path(given.results) / "tables" / "table3.csv"
    print(records.write_text(path, frame.to_csv(index=False, lineterminator="\n")))
    return DONE


def fetch_files(given: Namespace, root: Path | None) -> int:
    """Download data sets and weights; 1 where something could not be had."""
    from benchmarks.data import download  # here: torchvision takes a second to import

    unknown = [name for name in given.names if name not in download.FETCH]
    if unknown or not given.names:
        what = f"cannot fetch {', '.join(map(repr, unknown))}" if unknown else "nothing to fetch"
        raise Problems([f"{what}. Known: {', '.join(download.FETCH)} (benchmarks/data/download.py)"])
    done, problems = download.fetch(given.names, root, say=print)
    for line in done:
        print(line)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return FAILED if problems else DONE


def list_names(given: Namespace, root: Path | None) -> int:
    """Print the models, data sets, presets and extractors that there are."""
    console = wide()
    sheet = Sheet("model", "label", "revision", "hyper-parameters", title="models (zoo/__init__.py)")
    sheet.columns[0].no_wrap = True
    for name, entry in zoo.MODELS.items():
        hyper = ", ".join(f"{k}={v}" for k, v in zoo.hyper_parameters(name).items())
        sheet.add_row(name, entry.label, str(entry.revision), hyper)
    console.print(sheet)
    sheet = Sheet(
        "data set", "shape", "nz", "k", "split", "how to get it", title="data sets (benchmarks/data/datasets.py)"
    )
    for name, row in datasets.DATASETS.items():
        sheet.add_row(name, "x".join(map(str, row.shape)), str(row.nz), str(row.k), row.split, row.get)
    console.print(sheet)
    sheet = Sheet("preset", "images", "steps a stage", "seeds x draws", "data sets", "features",
                  title="presets (benchmarks/protocols.py)")  # fmt: skip
    for name, p in protocols.PRESETS.items():
        steps = f"{p.steps:,}" if p.steps else "Appendix B's"
        images = f"{p.images:,}" if p.images else "all"
        sheet.add_row(name, images, steps, f"{p.seeds} x {p.draws}", " ".join(p.datasets), p.features)
    console.print(sheet)
    sheet = Sheet(
        "metric", "columns of records, and which is better", title="metrics (benchmarks/evaluation/metrics.py)"
    )
    for name, metric in metrics.METRICS.items():
        sheet.add_row(name, ", ".join(f"{column} ({better})" for column, better in metric.columns.items()))
    console.print(sheet)
    console.print(f"features (benchmarks/evaluation/extractors.py): {', '.join(extractors.FORMS)}")
    return DONE


def list_protocols(given: Namespace, root: Path | None) -> int:
    """Print how every model is trained on every data set."""
    sheet = Sheet(title="how everything is trained (benchmarks/protocols.py)")
    for name in ("model", "data set", "stage", "epochs", "batch", "lr", "factors", "weight decay", "betas", "hyper",
                 "source"):  # fmt: skip
        sheet.add_column(name, no_wrap=name == "model")
    for model in zoo.MODELS:
        for dataset, row in protocols.rows(model).items():
            for stage, s in row.stages.items():
                epochs = str(s.epochs) if s.epochs is not None else f"{s.steps} steps"
                hyper = {**row.resolve(model).hyper}
                cells = [protocols.show(v) for v in (s.lr, s.factors, s.weight_decay, s.betas, hyper)]
                sheet.add_row(model, dataset, stage, epochs, str(s.batch), *cells, row.source)
    wide().print(sheet)
    return DONE


def page(given: Namespace, root: Path | None) -> int:
    """Write the report of what is there; it runs nothing."""
    results = Path(given.results)
    if not (results / "records").is_dir():
        raise Problems([f"there are no records in {results}: give another --results, or make some first, by "
                        "table1 --preset demo"])  # fmt: skip
    for path in report.files(results):
        print(path)
    return DONE


def wide() -> Console:
    """A console whose tables are not squeezed into 80 columns where there is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 200)


@dataclass(frozen=True)
class Command:
    """A command: what it calls with the parsed options and the data root, and what of the command line it heeds.

    Attributes:
        call: returns the exit code.
        heeds: options beside --results; any other is a mistake, not passed over in silence.
        names: what may stand after the command.
    """

    call: Callable[[Namespace, Path | None], int]
    heeds: frozenset[str] = frozenset()
    names: str = ""


EVALUATE = frozenset({"real", "fake", "features", "metrics", "images", "allow_few", "data_root", "device"})
COMMANDS: dict[str, Command] = {
    "table3": Command(table3),
    **{kind: Command(picture, frozenset({"preset", "data_root"}), "MODEL DATASET") for kind in gallery.KINDS},
    "evaluate": Command(evaluate, EVALUATE),
    "fetch": Command(fetch_files, frozenset({"data_root"}), "NAME..."),
    "report": Command(page),
    "list": Command(list_names),
    "protocols": Command(list_protocols),
}
