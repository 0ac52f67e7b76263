"""The metrics on any two sets of images."""

from __future__ import annotations

import os
import shlex
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table as Sheet

from benchmarks.cli.commands import DONE
from benchmarks.cli.data import data_root
from benchmarks.data.preprocessing import LAYOUTS, Color, Conversion, format_color
from benchmarks.execution.options import UserErrors, parse_count, parse_device

if TYPE_CHECKING:
    import torch

    from benchmarks.evaluation.compare import Comparison

BIT_DEPTHS = tuple(map(str, range(9, 17)))


def run(args: Namespace) -> int:
    """Print the metrics of --fake against --real: value, better direction, and how many images it was computed from.

    Raises:
        UserErrors: all errors of the command line, or, if it has none, all errors of the images.
    """
    from benchmarks.cli.console import make_console
    from benchmarks.evaluation import compare
    from benchmarks.evaluation.image_input import ARRAY_FILE, find_input_error
    from benchmarks.evaluation.metrics import METRICS
    from benchmarks.execution.request import parse_metrics
    from benchmarks.experiments import records

    errors = list(args.errors)
    for option in ("real", "fake"):
        text = getattr(args, option)
        if text is None:
            errors.append(f"evaluate needs --{option}: a data set, a folder of images, or {ARRAY_FILE}")
        elif message := find_input_error(text):
            errors.append(f"--{option}: {message}")
    device = parse_device(args.device, errors)
    images = parse_count("--images", args.images, 0, errors) or None
    conversion = parse_conversion(args, errors)
    metrics = tuple(METRICS) if args.metrics is None else parse_metrics(args.metrics, (), errors)
    path = None if args.json is None else _parse_json_path(args.json, (args.real, args.fake), errors)
    if errors or device is None:
        raise UserErrors(errors)
    try:
        comparison = compare.compare(
            args.real, args.fake, args.features or "inception", data_root(args), device,
            metrics=metrics, images=images, allow_few=args.allow_few, conversion=conversion,
        )  # fmt: skip
    except compare.ComparisonErrors as error:
        raise UserErrors(error.errors) from None
    except ValueError as error:
        raise UserErrors([str(error)]) from None
    console = make_console(wide=True)
    for line in _headings(args, comparison):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(_sheet(comparison))
    for note in comparison.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    if path is not None:
        records.write_json(path, {
            "real": args.real,
            "fake": args.fake,
            "conversion": conversion_as_json(conversion),
            **as_json(comparison),
            **_origin(device),
        })  # fmt: skip
        console.print(str(path), highlight=False, markup=False, soft_wrap=True)
    return DONE


def parse_conversion(args: Namespace, errors: list[str]) -> Conversion:
    """How images are converted while they are read; what is wrong with the options is added to `errors`."""
    size = parse_count("--resize", args.resize, 0, errors) or None
    depth = args.bit_depth
    if depth is not None and depth not in BIT_DEPTHS:
        errors.append(f"--bit-depth must be the bits per channel, {BIT_DEPTHS[0]} to {BIT_DEPTHS[-1]}, got {depth!r}")
        depth = None
    layout = None if args.layout is None else args.layout.upper()
    if layout is not None and layout not in LAYOUTS:
        known = ", ".join(f"{name} ({meaning})" for name, meaning in LAYOUTS.items())
        errors.append(f"unknown --layout {args.layout!r}. Known: {known}")
    background = None if args.background is None else _parse_color(args.background, errors)
    return Conversion(background, None if depth is None else int(depth), size, layout)


def _parse_color(text: str, errors: list[str]) -> Color | None:
    from PIL import ImageColor

    try:
        color: tuple[int, ...] = ImageColor.getrgb(text)
    except ValueError:
        color = ()
    if len(color) != 3:
        errors.append(f"--background must be an opaque color such as white, gray or '#ff8000', got {text!r}")
        return None
    red, green, blue = color
    return red, green, blue


def conversion_as_json(conversion: Conversion) -> dict[str, Any]:
    """How images were converted, as JSON values."""
    background = conversion.background
    return {
        "background": None if background is None else format_color(background),
        "bit_depth": conversion.bit_depth,
        "resize": conversion.resize,
        "layout": conversion.layout,
        "orientation": "EXIF applied",
    }


def _parse_json_path(text: str, inputs: Sequence[str | None], errors: list[str]) -> Path:
    """The file of `--json`, in a folder that exists; not one of the files to compare, which it would replace."""
    path = Path(text)
    if path.is_dir():
        errors.append(f"--json {text} is a folder. Name a file, such as {shlex.quote(str(path / 'evaluation.json'))}")
    elif any(path.exists() and Path(name).exists() and path.samefile(name) for name in inputs if name):
        errors.append(f"--json {text} is a file to compare, which it would replace. Name another file")
    elif path.exists() and path.suffix != ".json":
        errors.append(f"--json {text} exists and is not named .json, so it is not replaced. Name another file")
    elif not path.parent.is_dir():
        errors.append(
            f"--json {text}: there is no folder {path.parent}. Create it: mkdir -p {shlex.quote(str(path.parent))}"
        )
    elif not os.access(path.parent, os.W_OK):
        errors.append(f"--json {text}: no permission to write in {path.parent}. Name a file in another folder")
    return path


def _headings(args: Namespace, comparison: Comparison) -> list[str]:
    """What was compared, on which features."""
    from benchmarks.evaluation import compare

    names = (args.real, args.fake)
    lines = [f"{side}: {name}, {'moments' if n is None else f'{n:,} images'}"
             for side, name, n in zip(compare.SIDES, names, comparison.available, strict=True)]  # fmt: skip
    if (extractor := comparison.extractor) is not None:
        weights = "" if extractor.weights == "none" else f", weights {extractor.weights[:8]}"
        lines.append(f"features: {extractor.name}, {extractor.dims:,} dimensions{weights}")
    if comparison.protocol is not None:
        lines.append(f"metric protocol: {comparison.protocol.id}")
    return lines


def _sheet(comparison: Comparison) -> Sheet:
    """A table with a row for each value."""
    sheet = Sheet()
    for title in ("metric", "value", "better", "reference\nimages", "generated\nimages"):
        sheet.add_column(title, justify="left" if title in ("metric", "better") else "right", overflow="fold")
    for column, row in comparison.values.items():
        counts = ("unknown" if n is None else f"{n:,}" for n in row.n)
        sheet.add_row(column, f"{row.value:z.6g}", row.better or "—", *counts)
    return sheet


def as_json(comparison: Comparison) -> dict[str, Any]:
    """A comparison as JSON values."""
    from benchmarks.evaluation.compare import SUBSET_SEED
    from benchmarks.evaluation.metrics import FD, METRICS
    from benchmarks.evaluation.protocol import MetricProtocol

    extractor, protocol = comparison.extractor, comparison.protocol
    (real_available, fake_available), (real, fake) = comparison.available, comparison.n
    return {
        "n_real": real,
        "n_fake": fake,
        "available_real": real_available,
        "available_fake": fake_available,
        "subset_seed": SUBSET_SEED,
        "extractor": None if extractor is None else extractor.name,
        "weights": None if extractor is None else extractor.weights,
        "protocol_id": None if protocol is None else protocol.id,
        "protocol": None if protocol is None else protocol.plain(),
        "values": {
            column: {
                "value": row.value,
                "better": row.better,
                "metric": row.metric,
                "parameters": MetricProtocol.estimator if row.metric == FD else METRICS[row.metric].parameters,
                "n_real": row.n[0],
                "n_fake": row.n[1],
            }
            for column, row in comparison.values.items()
        },
        "notes": [*comparison.notes],
    }


def _origin(device: torch.device) -> dict[str, Any]:
    """Versions, device and commit."""
    from benchmarks.experiments import provenance

    return {"provenance": {"ae-bench": provenance.version("ae-bench"), **provenance.describe(device)}}
