"""Commands that write the HTML report, TensorBoard events, pictures of a run and Table 3; they train nothing."""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cli.commands import DONE
from benchmarks.cli.data import data_root
from benchmarks.execution.options import Options, UserErrors, parse_count, parse_device
from benchmarks.program import suggest

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table as Sheet

    from benchmarks.data.datasets import ImageFolder

COMPARED_MODELS = "glf,rae-gmm"  # by the command budget


def write_report(args: Namespace) -> int:
    """Write the HTML report of all records and print its files.

    Raises:
        UserErrors: there are no records.
    """
    results = Path(args.results)
    if errors := _missing_records(results):
        raise UserErrors(errors)
    from benchmarks.reporting import report

    for path in report.write_report(results):
        print(path)
    return DONE


def write_tensorboard(args: Namespace) -> int:
    """Write the records that are new as TensorBoard events, and print what was written.

    Raises:
        UserErrors: there are no records, TensorBoard is not installed, or the command line has other errors.
    """
    from benchmarks.reporting import tensorboard_export

    results = Path(args.results)
    out = Path(args.out) if args.out else results / "tensorboard"
    errors = [*args.errors, *_missing_records(results)]
    try:
        tensorboard_export.check_installed()
    except tensorboard_export.NotInstalled as error:
        errors.append(str(error))
    if errors:
        raise UserErrors(errors)
    done = tensorboard_export.export(results, out)
    for folder in done.outdated:
        print(f"warning: {folder} was not written from the record as it is now, and is left as it is. Remove the "
              "folder, then run the command again", file=sys.stderr)  # fmt: skip
    print(f"{len(done.written)} runs written, {len(done.unchanged)} already there, {len(done.outdated)} outdated")
    print(f"To see them: tensorboard --logdir {shlex.quote(str(out))}")
    print(out)
    return DONE


def write_budget(args: Namespace) -> int:
    """Compare two models at the training budgets of several results folders; write and print the files.

    Raises:
        UserErrors: a folder has no records, or there are not two models to compare; nothing was written.
    """
    from zoo import MODELS
    from zoo.registry import did_you_mean

    folders, models = [Path(name) for name in args.names], tuple((args.only or COMPARED_MODELS).split(","))
    errors = [*args.errors, *(message for folder in folders for message in _missing_records(folder, "as an argument"))]
    if not folders:
        errors.append("budget needs at least one results folder, such as results/local")
    errors += [f"unknown model {name!r}{did_you_mean(name, MODELS)}. Known: {', '.join(MODELS)}"
               for name in models if name not in MODELS]  # fmt: skip
    if len({*models}) != 2 or len(models) != 2:
        errors.append(f"--only must name two models, such as {COMPARED_MODELS}, got {args.only!r}")
    if errors:
        raise UserErrors(errors)
    from benchmarks.analysis.budgets import read_sources
    from benchmarks.reporting.budget.files import NothingToCompare, write_budgets

    try:
        paths = write_budgets(read_sources(folders), (models[0], models[1]), Path(args.results))
    except NothingToCompare as error:
        raise UserErrors([f"{error}. Name other folders, or other models with --only"]) from None
    for path in paths:
        print(path)
    return DONE


def draw_picture(args: Namespace) -> int:
    """Draw a picture from a finished run and print its path.

    Raises:
        UserErrors: all errors of the command line; then there is no such run, its weights were removed, or images
            to reconstruct are missing.
    """
    errors = list(args.errors)
    if len(args.names) != 2:
        errors.append(f"{args.command} needs a model and a data set, got {' '.join(args.names) or 'nothing'}")
        raise UserErrors(errors)
    model, dataset = args.names
    is_folder = dataset.startswith("folder:") or args.name is not None or args.like is not None
    source = _parse_source(args, errors) if is_folder else dataset  # else it may be the name of a folder's records
    if errors or source is None:
        raise UserErrors(errors)
    from benchmarks.reporting import gallery

    try:
        print(gallery.draw_image_grid(args.command, model, source, Path(args.results), data_root(args), args.preset))
    except ValueError as error:
        raise UserErrors([str(error)]) from None
    return DONE


def _parse_source(args: Namespace, errors: list[str]) -> str | ImageFolder | None:
    """The data set that follows the model, or None after an error. It may be folder:PATH with --name and --like."""
    from benchmarks.execution.selection import parse_datasets

    dataset = args.names[1]
    if not dataset.startswith("folder:") and (args.name is not None or args.like is not None):
        errors.append("--name and --like belong to folder:PATH in place of the data set")
        args.name = args.like = None
    sources = parse_datasets(Options(on=dataset, name=args.name, like=args.like), (), errors)
    if len(sources) > 1:
        errors.append(f"{args.command} takes one data set, got {len(sources)}")
    return sources[0] if sources and not errors else None


def check_memorization(args: Namespace) -> int:
    """Compare a finished run's samples with the training images; print the table, and write it and a picture.

    Raises:
        UserErrors: all errors of the command line; then all of the run, its data and its features.
    """
    errors = list(args.errors)
    if len(args.names) != 2:
        errors.append(f"memorization needs a model and a data set, got {' '.join(args.names) or 'nothing'}")
        raise UserErrors(errors)
    from benchmarks.cli.console import make_console
    from benchmarks.evaluation.protocol import MAX_IMAGES
    from benchmarks.reporting import memorization

    model = args.names[0]
    device = parse_device(args.device, errors)
    images = parse_count("--images", args.images, 0, errors) or MAX_IMAGES
    source = _parse_source(args, errors)
    if errors or device is None or source is None:
        raise UserErrors(errors)
    try:
        check = memorization.prepare(
            model, source, Path(args.results), data_root(args), device, images, args.features, args.preset
        )
        result = memorization.measure(check)
    except memorization.MemorizationErrors as error:
        raise UserErrors(error.errors) from None
    console = make_console(wide=True)
    for line in result.headings:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(_sheet(result.table, memorization.COLUMNS))
    for line in memorization.NOTES:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for path in result.paths:
        print(path)
    return DONE


def _sheet(frame: DataFrame, titles: Mapping[str, str]) -> Sheet:
    """Some columns of a frame as a table, under other titles; numbers have four digits."""
    from rich.table import Table as Sheet

    sheet = Sheet()
    for column, title in titles.items():
        sheet.add_column(title, justify="right" if frame[column].dtype.kind in "if" else "left")
    for row in frame[[*titles]].itertuples(index=False):
        sheet.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row))
    return sheet


def _missing_records(results: Path, where: str = "with --results") -> list[str]:
    """A message if a results folder has no records; `where` says how another folder is named."""
    if (results / "records").is_dir():
        return []
    return [f"there are no records in {results}. Choose another folder {where}, or run "
        f"{suggest('table1 --preset demo', results)}"]  # fmt: skip


def write_table3(args: Namespace) -> int:
    """Print and write Table 3, the architecture, measured from the modules."""
    from rich.table import Table as Sheet

    from benchmarks.cli.console import make_console
    from benchmarks.experiments import records
    from benchmarks.reporting import architecture
    from benchmarks.reporting.formats.csv import frame_to_csv

    frame = architecture.table3()
    sheet = Sheet(*frame.columns, title="Table 3, measured from the modules")
    for row in frame.itertuples(index=False):
        sheet.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    make_console(wide=True).print(sheet)
    path = Path(args.results) / "tables" / "table3.csv"
    print(records.write_text(path, frame_to_csv(frame)))
    return DONE
